#include "stage.h"

#include <stdlib.h>

void ok(wax_rc rc)
{
    if (rc != WAX_OK)
        fail_msg("%s", rc_text(rc));
}

static wax_rc wire_request(void *ctx, const char *method, const char *path, struct bytes body,
                           struct transport_reply *reply)
{
    struct wire *w = ctx;

    w->calls++;
    w->dead = w->dead || w->calls == w->die_before;
    if (w->dead)
        return WAX_E_CANCELLED;
    wax_rc rc = w->real.request(w->real.ctx, method, path, body, reply);
    if (w->calls == w->die_after) {
        w->dead = true;
        reply_done(reply);
        return WAX_E_CANCELLED;
    }
    if (rc == WAX_OK && w->change)
        w->change(w, method, path, reply);
    return rc;
}

void stage_tap(struct stage *s, struct device *d)
{
    s->wire = (struct wire){.real = d->transport};
    d->transport = (struct transport){wire_request, &s->wire};
}

void stage_untap(struct stage *s, struct device *d) { d->transport = s->wire.real; }

void stage_open(struct stage *s, bool linked)
{
    *s = (struct stage){0};
    world_init(&s->w, 11);
    s->ann = world_device(&s->w, ANN, "phone");
    s->bob = world_device(&s->w, BOB, "phone");
    ok(device_register(s->ann));
    ok(device_register(s->bob));
    if (linked) {
        s->ann2 = world_device(&s->w, ANN, "laptop");
        s->bob2 = world_device(&s->w, BOB, "desk");
        ok(device_link(s->ann, s->ann2, false));
        ok(device_link(s->bob, s->bob2, false));
    }
}

void stage_close(struct stage *s) { world_done(&s->w); }

void say(struct device *d, const char *to, const char *text)
{
    struct hash32 com;

    ok(device_send(d, to, text, &com));
    ok(client_flush(d->client, NULL, NULL));
}

void all_receive(struct stage *s)
{
    struct device *all[] = {s->ann, s->ann2, s->bob, s->bob2};

    for (int i = 0; i < 8; i++)
        if (all[i % 4] && all[i % 4]->client)
            ok(device_receive(all[i % 4]));
}

void all_talk(struct stage *s)
{
    struct device *all[] = {s->ann, s->ann2, s->bob, s->bob2};

    for (int i = 0; i < 16; i++)
        if (all[i % 4] && all[i % 4]->client) {
            ok(client_flush(all[i % 4]->client, NULL, NULL));
            ok(device_receive(all[i % 4]));
        }
}

void lose_sessions(struct device *d, struct device *with)
{
    ok(vault_begin(d->vault));
    ok(peer_drop(d->client, client_dev(with->client)));
    ok(vault_commit(d->vault));
}

struct stated {
    unsigned state, n;
};

static bool in_state(void *ctx, uint64_t order, const struct item *it)
{
    struct stated *x = ctx;

    (void)order;
    x->n += it->type == ITEM_MESSAGE && it->state == x->state;
    return true;
}

unsigned lines(struct device *d, enum item_state state)
{
    struct stated x = {.state = state};

    ok(client_history_each(d->client, NULL, in_state, &x));
    return x.n;
}

static unsigned count(struct device *d, enum item_type type, const char *kind)
{
    uint64_t seq = 0;
    unsigned n = 0;

    for (;;) {
        struct item it = {0};
        enum item_shown shown;
        if (client_event_next(d->client, seq, SHOWN_DONE + 1, &seq, &shown, &it) != WAX_OK)
            return n;
        n += it.type == type && (!kind || strcmp(it.kind, kind) == 0);
        item_done(&it);
    }
}

unsigned alerts(struct device *d, const char *kind) { return count(d, ITEM_ALERT, kind); }
unsigned events(struct device *d, enum item_type type) { return count(d, type, NULL); }

unsigned waiting(struct device *d)
{
    unsigned n = 0;

    ok(client_outbox_count(d->client, &n));
    return n;
}

struct pin *pinned(struct device *d, const char *handle)
{
    struct pin *pin = calloc(1, sizeof *pin);

    assert_non_null(pin);
    ok(client_pin_by_handle(d->client, handle, pin));
    return pin;
}

void stage_acquainted(struct stage *s, bool linked)
{
    stage_open(s, linked);
    say(s->ann, BOB, "hello");
    all_receive(s);
    say(s->bob, ANN, "hi");
    all_receive(s);
    all_talk(s);
}

unsigned queued(struct device *d, enum outbox_kind kind)
{
    struct buf orders = {0};
    unsigned n = 0;

    ok(outbox_orders(d->client, &orders));
    for (size_t i = 0; i < orders.n; i += 8) {
        struct outbox o = {0};
        ok(outbox_load(d->client, get_u64(orders.p + i), &o));
        n += o.kind == kind;
        outbox_done(&o);
    }
    buf_done(&orders);
    return n;
}
