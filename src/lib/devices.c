/* The device lists, and changes of the own one. */
#include <stdio.h>

#include "base/mem.h"
#include "lib/internal.h"

struct listing {
    struct wax *w;
    wax_event_fn fn;
    void *ctx;
};

/* Fingerprint: the device id, which is the hash of its signing key (PROTOCOL 1). */
static int show_device(struct listing *l, const struct pin *pin, int i, enum wax_event_type type)
{
    char device[33], print[80];
    struct wax_event e = {.type = type,
                          .handle = pin->head.manifest.handle,
                          .name = pin->head.manifest.devices[i].name};

    hex_of(pin->devs[i].b, 16, device);
    char *p = print;
    for (size_t k = 0; k < 32; k += 4)
        p += snprintf(p, sizeof print - (size_t)(p - print), "%s%.4s", k ? " " : "", device + k);
    e.device = device;
    e.fingerprint = print;
    e.this_device = ID_EQ(&pin->devs[i], client_dev(l->w->client));
    struct client_device_note note = {0};
    char by[33];
    if (client_device_note(l->w->client, &pin->devs[i], &note) == WAX_OK) {
        e.added_at = note.added_at;
        if (note.has_by) {
            hex_of(note.added_by.b, 16, by);
            e.added_by = by;
        }
    }
    return l->fn(l->ctx, &e);
}

int wax_devices(wax *w, const char *handle, wax_event_fn fn, void *ctx, struct wax_error *err)
{
    struct listing l = {w, fn, ctx};
    char of[HANDLE_MAX + 1];
    int code = home_account(w, err);

    if (code == WAX_EX_OK)
        code = handle_of(w, handle ? handle : client_handle(w->client), of, err);
    if (code != WAX_EX_OK)
        return code;
    struct pin *pin = mem_alloc(sizeof *pin);
    /* As the directory tells now; when the server is away, as it was told last. */
    wax_rc rc = pin ? client_lookup(w->client, of) : WAX_E_NOMEM;
    bool away = rc == WAX_E_NET || rc == WAX_E_TIMEOUT || rc == WAX_E_TLS;
    if (rc == WAX_E_NOTFOUND)
        code = fail(err, WAX_EX_NOUSER, "unknown-handle",
                    "list the devices of %s: the server knows no such handle", of);
    else if (rc == WAX_OK || rc == WAX_E_DENIED || (away && handle == NULL) || away)
        rc = client_pin_by_handle(w->client, of, pin);
    if (code == WAX_EX_OK && rc == WAX_E_NOTFOUND && away)
        rc = WAX_E_NET;
    int stop = 0;
    if (code == WAX_EX_OK && rc == WAX_OK)
        for (int i = 0; !stop && i < pin->head.manifest.n_devices; i++)
            stop = show_device(&l, pin, i, WAX_EVENT_DEVICE);
    mem_free(pin);
    if (code != WAX_EX_OK)
        return code;
    return stop ? fail(err, WAX_EX_IO, "output", "list devices: the output failed")
                : fail_rc(w, err, rc, "list devices");
}

/* An id or its beginning, among the own devices. */
static int find_own(struct wax *w, const char *id, const struct pin *own, int *ret,
                    struct wax_error *err)
{
    size_t n = strlen(id);
    int found = -1;

    if (n < 4 || n > 32 || strspn(id, "0123456789abcdef") != n)
        return fail(err, WAX_EX_USAGE, "device", "\"%.64s\" is no device id; see wax devices", id);
    for (int i = 0; i < own->head.manifest.n_devices; i++) {
        char hex[33];
        hex_of(own->devs[i].b, 16, hex);
        if (strncmp(hex, id, n) != 0)
            continue;
        if (found >= 0)
            return fail(err, WAX_EX_USAGE, "device",
                        "%s is the beginning of several device ids; give more digits", id);
        found = i;
    }
    if (found < 0)
        return fail(err, WAX_EX_NOINPUT, "not-found",
                    "revoke %s: this account has no such device; see wax devices", id);
    if (own->head.manifest.n_devices == 1)
        return fail(err, WAX_EX_USAGE, "last-device",
                    "revoke %s: it is the only device of this account", id);
    *ret = found;
    return WAX_EX_OK;
}

int wax_revoke(wax *w, const char *device, wax_event_fn fn, void *ctx, struct wax_error *err)
{
    struct listing l = {w, fn, ctx};
    struct pin *own = mem_alloc(sizeof *own);
    int code = own ? home_account(w, err) : fail_rc(w, err, WAX_E_NOMEM, "revoke"), i = 0;

    if (code == WAX_EX_OK)
        code = fail_rc(w, err, client_login(w->client), "revoke the device");
    if (code == WAX_EX_OK)
        code = fail_rc(w, err, client_pin_by_handle(w->client, client_handle(w->client), own),
                       "revoke the device");
    if (code == WAX_EX_OK)
        code = find_own(w, device, own, &i, err);
    if (code == WAX_EX_OK)
        code = fail_rc(w, err, client_revoke(w->client, &own->devs[i]), "revoke the device");
    if (code == WAX_EX_OK && show_device(&l, own, i, WAX_EVENT_REVOKED) != 0)
        code =
            fail(err, WAX_EX_IO, "output", "revoke the device: it is done, but the output failed");
    mem_free(own);
    return code;
}

int wax_rename(wax *w, const char *name, wax_event_fn fn, void *ctx, struct wax_error *err)
{
    char device[33];
    int code = home_account(w, err);

    if (code == WAX_EX_OK &&
        (!name || !*name || strlen(name) > NAME_DEVICE_MAX || !name_valid(BYTES_STR(name))))
        code =
            fail(err, WAX_EX_USAGE, "device-name",
                 "use that device name: it needs 1 to %d bytes of text without control characters",
                 NAME_DEVICE_MAX);
    if (code == WAX_EX_OK)
        code = fail_rc(w, err, client_rename(w->client, name), "rename this device");
    if (code != WAX_EX_OK)
        return code;
    hex_of(client_dev(w->client)->b, 16, device);
    struct wax_event e = {.type = WAX_EVENT_RENAMED,
                          .handle = client_handle(w->client),
                          .device = device,
                          .name = name,
                          .this_device = true};
    return fn(ctx, &e) == 0 ? WAX_EX_OK
                            : fail(err, WAX_EX_IO, "output",
                                   "rename this device: it is done, but the output failed");
}
