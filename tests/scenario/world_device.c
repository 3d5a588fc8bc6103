/* Devices: their disks, their processes, sending and receiving. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/crypto.h"
#include "disk.h"
#include "world.h"

static uint64_t draw(void *ctx) { return world_random(ctx); }

static uint64_t device_now(void *ctx)
{
    struct device *d = ctx;

    return d->w->now + d->skew;
}

/* --- Homes --- */

static const struct key32 store_key = {{1, 2, 3}};

/* Always the same: which seed comes first in a process must not matter. */
static wax_rc template_random(void *ctx, uint8_t *out, size_t n)
{
    uint8_t *next = ctx;

    for (size_t i = 0; i < n; i++)
        out[i] = (*next)++;
    return WAX_OK;
}

/* An empty vault as the engine makes it, once on the real disk. */
static struct bytes template_vault(void)
{
    uint8_t next = 1;
    struct rng rng = {template_random, &next};
    static struct buf content;
    char path[64] = "/tmp/wax-template-XXXXXX";
    struct vault *v = NULL;
    struct buf error = {0};
    uint8_t piece[65536];

    if (content.n)
        return buf_view(&content);
    if (!mkdtemp(path))
        abort();
    size_t n = strlen(path);
    (void)snprintf(path + n, sizeof path - n, "/v");
    MUST(vault_sqlite_open(path, &store_key, &rng, true, 0, &v, &error));
    vault_close(v);
    FILE *f = fopen(path, "rb");
    size_t got;
    while (f && (got = fread(piece, 1, sizeof piece, f)) > 0)
        buf_add(&content, piece, got);
    if (!f || fclose(f) != 0 || remove(path) != 0)
        abort();
    path[n] = 0;
    if (remove(path) != 0)
        abort();
    buf_done(&error);
    return buf_view(&content);
}

static void vault_up(struct device *d)
{
    struct vault *real = NULL;
    struct buf error = {0};

    if (d->sql) {
        if (disk_dead(d->sql))
            disk_restart(d->sql, world_below(d->w, 2) == 0);
        wax_rc rc =
            vault_sqlite_open(disk_path(d->sql), &store_key, &d->w->rng, false, 0, &real, &error);
        if (rc != WAX_OK)
            fprintf(stderr, "seed %llu: %s/%s: %s\n", (unsigned long long)d->w->seed, d->handle,
                    d->name, buf_cstr(&error) ? buf_cstr(&error) : "");
        MUST(rc);
    } else {
        vault_memory_fail(d->disk, 0, WAX_OK);
        MUST(vault_memory_open(d->disk, &real));
    }
    buf_done(&error);
    d->vault = home_open(d, real);
    d->env.vault = d->vault;
}

struct device *world_device(struct world *w, const char *handle, const char *name)
{
    if (w->n_devices == WORLD_DEVICES)
        abort();
    struct device *d = &w->devices[w->n_devices++];

    *d = (struct device){.w = w, .used = true};
    (void)snprintf(d->handle, sizeof d->handle, "%s", handle);
    (void)snprintf(d->name, sizeof d->name, "%s", name);
    if (w->sql_vaults) {
        d->sql = disk_new(draw, w);
        disk_load(d->sql, template_vault());
    } else {
        d->disk = vault_disk_new();
    }
    d->clock = (struct wall_clock){device_now, d};
    d->transport = (struct transport){net_request, d};
    d->env = (struct client_env){.rng = &w->rng, .clock = &d->clock, .net = &d->transport};
    vault_up(d);
    return d;
}

struct copy device_copy(struct device *d)
{
    return d->sql ? (struct copy){.sql = disk_copy(d->sql)}
                  : (struct copy){.disk = vault_disk_copy(d->disk)};
}

void copy_free(struct copy *c)
{
    vault_disk_free(c->disk);
    disk_free(c->sql);
    *c = (struct copy){0};
}

wax_rc device_put_back(struct device *d, struct copy *c)
{
    device_stop(d);
    copy_free(&(struct copy){d->disk, d->sql});
    d->disk = c->disk;
    d->sql = c->sql;
    *c = (struct copy){0};
    return device_start(d);
}

wax_rc device_restore(struct device *d, struct vault_disk *copy)
{
    return device_put_back(d, &(struct copy){.disk = copy});
}

/* --- Processes --- */

void device_know_login(struct device *d)
{
    static const char digits[] = "0123456789abcdef";
    const struct dev_id *dev = client_dev(d->client);

    d->login = *ec_public(client_login_key(d->client));
    for (size_t i = 0; i < 16; i++) {
        d->dev_hex[2 * i] = digits[dev->b[i] >> 4];
        d->dev_hex[2 * i + 1] = digits[dev->b[i] & 15];
    }
    d->dev_hex[32] = 0;
    d->has_login = true;
}

void device_kill(struct device *d)
{
    d->crashed = true;
    if (d->sql)
        disk_stop(d->sql);
}

void device_stop(struct device *d)
{
    client_close(d->client);
    d->client = NULL;
    vault_close(d->vault);
    d->vault = NULL;
}

wax_rc device_start(struct device *d)
{
    bool was = world_product(false);

    device_stop(d);
    d->crashed = false;
    vault_up(d);
    wax_rc rc = client_open(&d->env, &d->client);
    if (rc == WAX_OK)
        device_know_login(d);
    (void)world_product(was);
    return rc;
}

wax_rc device_register(struct device *d)
{
    struct client_register o = {.handle = d->handle, .device_name = d->name, .admission = ""};
    wax_rc rc = client_register_prepare(&d->env, &o, &d->client);

    if (rc != WAX_OK)
        return rc;
    device_know_login(d);
    rc = client_register_publish(d->client, "");
    return rc == WAX_OK ? client_login(d->client) : rc;
}

/* --- Sending and receiving --- */

wax_rc device_send(struct device *d, const char *to, const char *text, struct hash32 *ret)
{
    bool was = world_product(false);
    struct pin *pin = mem_alloc(16384 + CHAIN_LINK_MAX);
    (void)world_product(was);
    wax_rc rc = client_pin_by_handle(d->client, to, pin);

    mem_free(pin);
    if (rc == WAX_E_NOTFOUND)
        rc = client_lookup(d->client, to);
    return rc == WAX_OK ? client_compose_text(d->client, to, BYTES_STR(text), ret) : rc;
}

static wax_rc take_stream(struct device *d, struct bytes in, struct buf *acks)
{
    wax_rc rc = WAX_OK;

    while (rc == WAX_OK) {
        bool was = world_product(false);
        struct frame *f = mem_alloc(sizeof *f);
        (void)world_product(was);
        bool ack = false;
        rc = frame_next(&in, f);
        if (rc == WAX_OK) {
            d->w->steps++;
            if (world_chance(d->w, d->w->faults.crash_request))
                device_kill(d);
            rc = d->crashed ? WAX_E_CANCELLED : client_frame(d->client, f, &ack);
        }
        if (rc == WAX_OK && ack)
            buf_u64(acks, f->seq);
        mem_free(f);
    }
    return rc == WAX_E_WAIT ? WAX_OK : rc;
}

static wax_rc send_acks(struct device *d, struct buf *acks)
{
    size_t n = acks->n / 8;
    bool was = world_product(false);
    uint64_t *seqs = mem_calloc(n + 1, sizeof *seqs);
    (void)world_product(was);

    for (size_t i = 0; i < n; i++)
        seqs[i] = get_u64(acks->p + 8 * i);
    wax_rc rc = buf_rc(acks);
    if (rc == WAX_OK)
        rc = client_ack(d->client, seqs, n);
    mem_free(seqs);
    buf_reset(acks);
    return rc;
}

/* Takes what came, then what waits, and acks. */
static wax_rc take_in(struct device *d, struct bytes in)
{
    struct buf acks = {0};
    wax_rc rc = take_stream(d, in, &acks);

    if (rc == WAX_OK)
        rc = client_retry_waiting(d->client, &acks);
    if (rc == WAX_OK)
        rc = send_acks(d, &acks);
    buf_done(&acks);
    return rc;
}

/* What a stream that stays open brings later. *at: how far it was read. */
static wax_rc follow(struct device *d, struct fake *f, size_t *at)
{
    struct world *w = d->w;
    uint64_t until = w->now + d->linger;
    wax_rc rc = WAX_OK;

    while (rc == WAX_OK && w->now < until && !d->crashed && !f->ended && !net_cut(d) &&
           f->life == w->fronts[f->front].life) {
        world_sleep(w, 1000 + world_below(w, 20000));
        struct bytes in = BYTES(f->body.p + *at, f->body.n - *at), left = in;
        struct frame *fr = mem_alloc(sizeof *fr);
        while (fr && frame_next(&left, fr) == WAX_OK) {
        }
        mem_free(fr);
        struct buf piece = {0}; /* the stream may grow while this is read */
        buf_bytes(&piece, BYTES(in.p, in.n - left.n));
        *at += in.n - left.n;
        if (piece.n && !d->crashed)
            rc = take_in(d, buf_view(&piece));
        buf_done(&piece);
    }
    return rc;
}

static wax_rc take_mailbox(struct device *d, struct fake *f)
{
    size_t n = f->body.n, at;
    struct buf all = {0};
    wax_rc rc = WAX_OK;

    if (world_chance(d->w, d->w->faults.lose_reply) && n) /* the stream is cut at any byte */
        n = world_below(d->w, n);
    d->whole = n == f->body.n;
    buf_bytes(&all, BYTES(f->body.p, n));
    at = n;
    if (world_chance(d->w, d->w->faults.redeliver)) /* what it had before, once more */
        rc = take_in(d, buf_view(&d->taken));
    if (rc == WAX_OK)
        rc = take_in(d, buf_view(&all));
    if (rc == WAX_OK) {
        buf_reset(&d->taken);
        buf_bytes(&d->taken, buf_view(&all));
    }
    buf_done(&all);
    if (rc == WAX_OK)
        rc = client_maintain(d->client, d->whole);
    if (rc == WAX_OK && d->whole && d->linger)
        rc = follow(d, f, &at);
    return rc;
}

wax_rc device_receive(struct device *d)
{
    struct fake f;
    wax_rc rc = client_login(d->client);

    if (rc != WAX_OK)
        return rc;
    if (net_cut(d) || world_chance(d->w, d->w->faults.lose_request))
        return WAX_E_NET;
    bool was = world_product(false);
    net_late(d->w);
    net_ask(d->w, d, net_front(d), "GET", CLIENT_MAILBOX_PATH, BYTES(NULL, 0), &f);
    (void)world_product(was);
    rc = d->crashed        ? WAX_E_CANCELLED
         : f.status == 200 ? WAX_OK
         : f.status == 401 ? WAX_E_DENIED
                           : WAX_E_NET;
    if (rc == WAX_OK)
        rc = take_mailbox(d, &f);
    net_over(d->w, &f);
    buf_done(&f.body);
    return rc;
}

struct counting {
    const char *text;
    unsigned n;
};

static bool count_one(void *ctx, uint64_t order, const struct item *it)
{
    struct counting *c = ctx;

    (void)order;
    c->n += it->type == ITEM_MESSAGE && it->text.n == strlen(c->text) &&
            memcmp(it->text.p, c->text, it->text.n) == 0;
    return true;
}

unsigned device_count(struct device *d, const char *text)
{
    struct counting c = {.text = text};

    MUST(client_history_each(d->client, NULL, count_one, &c));
    return c.n;
}
