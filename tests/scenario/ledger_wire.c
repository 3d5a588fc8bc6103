/* The ledger while the world runs: what the store took, acked, holds and drops; which slots went
 * over the wire; which keys encrypted what. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/crypto.h"
#include "sim.h"
#include "wire/envelope.h"
#include "wire/proto.h"
#include "wire/records.h"

#define DAY 86400000ULL
#define LIFE (7 * DAY)
#define HOUR 3600000ULL

/* --- A map of hashes --- */

struct ledger_map {
    uint64_t *keys, *values;
    size_t n, cap;
};

struct ledger_map *ledger_map_new(void)
{
    struct ledger_map *m = calloc(1, sizeof *m);

    if (!m)
        abort();
    m->cap = 1024;
    m->keys = calloc(m->cap, sizeof *m->keys);
    m->values = calloc(m->cap, sizeof *m->values);
    if (!m->keys || !m->values)
        abort();
    return m;
}

void ledger_map_free(struct ledger_map *m)
{
    if (!m)
        return;
    free(m->keys);
    free(m->values);
    free(m);
}

uint64_t ledger_hash(uint64_t start, const void *p, size_t n)
{
    const uint8_t *b = p;
    uint64_t x = start ^ 0xcbf29ce484222325ULL;

    for (; n >= 8; n -= 8, b += 8)
        x = (x ^ get_u64(b)) * 0x9e3779b97f4a7c15ULL, x ^= x >> 29;
    for (; n; n--, b++)
        x = (x ^ *b) * 0x9e3779b97f4a7c15ULL, x ^= x >> 29;
    return x ? x : 1;
}

static size_t place(const struct ledger_map *m, uint64_t key)
{
    size_t i = key & (m->cap - 1);

    while (m->keys[i] && m->keys[i] != key)
        i = (i + 1) & (m->cap - 1);
    return i;
}

static void grow(struct ledger_map *m)
{
    struct ledger_map old = *m;

    m->cap *= 2;
    m->keys = calloc(m->cap, sizeof *m->keys);
    m->values = calloc(m->cap, sizeof *m->values);
    if (!m->keys || !m->values)
        abort();
    for (size_t i = 0; i < old.cap; i++)
        if (old.keys[i]) {
            size_t k = place(m, old.keys[i]);
            m->keys[k] = old.keys[i];
            m->values[k] = old.values[i];
        }
    free(old.keys);
    free(old.values);
}

uint64_t *ledger_map_at(struct ledger_map *m, uint64_t key)
{
    if (2 * m->n >= m->cap)
        grow(m);
    size_t i = place(m, key);
    if (!m->keys[i]) {
        m->keys[i] = key;
        m->n++;
    }
    return &m->values[i];
}

bool ledger_map_same(struct ledger_map *m, uint64_t key, uint64_t value)
{
    uint64_t *v = ledger_map_at(m, key);

    if (!*v)
        *v = value;
    return *v == value;
}

/* --- Keys: no key encrypts two contents (PROTOCOL 2) --- */

static struct {
    struct sim *s; /* NULL: nobody listens */
    struct ledger_map *ciphers, *left, *slots, *fanouts, *own, *acks, *gone;
} here;

wax_rc __real_aes128_ctr(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in,
                         uint8_t *out, size_t n) WAX_MUST;
wax_rc __wrap_aes128_ctr(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in,
                         uint8_t *out, size_t n) WAX_MUST;

/* Which key made or opens a ciphertext. What was sealed and rolled back before it left may be
 * sealed otherwise under the same key (a store without room, memory that ran out): nobody can have
 * seen it. So the ciphertexts are compared as they go over the wire. */
wax_rc __wrap_aes128_ctr(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in,
                         uint8_t *out, size_t n)
{
    if (!here.s)
        return __real_aes128_ctr(key, iv, in, out, n);
    uint64_t id = ledger_hash(ledger_hash(0, key, 16), iv, 16), before = ledger_hash(0, in, n);
    wax_rc rc = __real_aes128_ctr(key, iv, in, out, n);

    if (rc == WAX_OK) {
        *ledger_map_at(here.ciphers, before) = id;
        *ledger_map_at(here.ciphers, ledger_hash(0, out, n)) = id;
    }
    return rc;
}

static void see_cipher(struct sim *s, struct bytes body)
{
    uint64_t cipher = ledger_hash(0, body.p, body.n - 32),
             id = *ledger_map_at(here.ciphers, cipher);

    if (id && !ledger_map_same(here.left, id, cipher))
        ledger_complain(s, &s->t->keys, "a key encrypted two contents", NULL, "");
}

/* --- Requests as they reach a server: no slot carries two envelopes --- */

static void see_envelope(struct sim *s, struct bytes raw)
{
    struct envelope *env = calloc(1, sizeof *env);

    if (!env)
        abort();
    if (envelope_decode(raw, env) == WAX_OK) {
        int from = ledger_device(s, &env->hdr.from);
        uint8_t slot[40];
        memcpy(slot, env->hdr.sid.b, 16);
        memcpy(slot + 16, env->hdr.from.b, 16);
        put_u32(slot + 32, env->hdr.epoch);
        put_u32(slot + 36, env->hdr.ctr);
        uint64_t id = ledger_hash(0, slot, sizeof slot);
        uint64_t what =
            ledger_hash(ledger_hash(0, env->raw_hdr.p, env->raw_hdr.n), env->body.p, env->body.n);
        if (!ledger_map_same(here.slots, id, what) &&
            (from < 0 || !s->life[from].was_rolled)) /* 4.6: an older copy does not know better */
            ledger_complain(s, &s->t->keys, "a slot was sealed twice",
                            from < 0 ? NULL : &s->w.devices[from], "");
        if (env->body.n > 32)
            see_cipher(s, env->body);
    }
    free(env);
}

static void wire(void *ctx, const char *path, struct bytes body)
{
    struct sim *s = ctx;
    ProtobufCMessage *m = NULL;

    if (strcmp(path, "/v1/messages") != 0)
        return;
    bool was = world_product(false);
    if (proto_unpack(&wax__v1__send_request__descriptor, body, API_BODY_MAX, &m) == WAX_OK) {
        const Wax__V1__SendRequest *r = (const void *)m;
        for (size_t i = 0; i < r->n_envelopes; i++)
            see_envelope(s, PB_BYTES(r->envelopes[i]->envelope));
        proto_free(m);
    }
    (void)world_product(was);
}

/* --- What the store did --- */

int ledger_device(const struct sim *s, const struct dev_id *dev)
{
    for (size_t i = 0; i < s->w.n_devices; i++) {
        const struct device *d = &s->w.devices[i];
        uint8_t b[16];
        if (!d->has_login || s->life[i].clone)
            continue;
        for (size_t k = 0; k < 16; k++) {
            unsigned hi = (unsigned)(d->dev_hex[2 * k] <= '9' ? d->dev_hex[2 * k] - '0'
                                                              : d->dev_hex[2 * k] - 'a' + 10),
                     lo = (unsigned)(d->dev_hex[2 * k + 1] <= '9'
                                         ? d->dev_hex[2 * k + 1] - '0'
                                         : d->dev_hex[2 * k + 1] - 'a' + 10);
            b[k] = (uint8_t)(hi << 4 | lo);
        }
        if (memcmp(b, dev->b, 16) == 0)
            return (int)i;
    }
    return -1;
}

struct letter *ledger_letter(struct sim *s, const struct hash32 *com, const struct dev_id *to)
{
    uint64_t key = ledger_hash(ledger_hash(0, com->b, 32), to->b, 16);
    uint64_t at = *ledger_map_at(s->letter_at, key); /* its place + 1 */
    struct letter *l = (void *)s->letters.p;

    return at ? &l[at - 1] : NULL;
}

/* Stored: once for each fanout id, or the store's memory of it is over (8 d). */
static void took(struct sim *s, const struct dev_id *from, const struct fanout_id *fanout,
                 const struct store_envelope *e)
{
    struct envelope *env = calloc(1, sizeof *env);
    uint64_t id = ledger_hash(ledger_hash(ledger_hash(0, from->b, 16), fanout->b, 16), e->to.b, 16);
    uint64_t *seen = ledger_map_at(here.fanouts, id);

    if (!env || envelope_decode(e->envelope, env) != WAX_OK)
        abort();
    struct letter *l = ledger_letter(s, &env->fanout.com, &e->to);
    bool own = ledger_map_same(here.own, ledger_hash(0, env->fanout.com.b, 32),
                               ledger_hash(0, fanout->b, 16));
    if (!l) {
        struct letter first = {env->fanout.com, *from, e->to, s->w.now, s->w.now, 1, !own};
        uint64_t key = ledger_hash(ledger_hash(0, env->fanout.com.b, 32), e->to.b, 16);
        buf_add(&s->letters, &first, sizeof first);
        MUST(buf_rc(&s->letters));
        *ledger_map_at(s->letter_at, key) = s->letters.n / sizeof first;
    } else if (!*seen || e->result == STORE_RES_STORED) {
        l->last = s->w.now;
        l->times++;
    }
    *seen = 1;
    free(env);
}

static uint64_t ack_key(const struct dev_id *dev, uint64_t seq)
{
    return ledger_hash(seq, dev->b, 16);
}

static void watch(void *ctx, const struct store_req *req)
{
    struct sim *s = ctx;

    switch (req->op) {
    case STORE_SEND:
        for (size_t i = 0; req->rc == WAX_OK && i < req->u.send.n_envelopes; i++) {
            const struct store_envelope *e = &req->u.send.envelopes[i];
            if (e->result == STORE_RES_STORED || e->result == STORE_RES_ALREADY)
                took(s, &req->u.send.from, &req->u.send.fanout, e);
        }
        break;
    case STORE_ACK: /* also one whose end is unknown: it may have been done */
        for (size_t i = 0; i < req->u.ack.n; i++)
            *ledger_map_at(here.acks, ack_key(&req->u.ack.dev, req->u.ack.seqs[i])) = 1;
        break;
    case STORE_UPDATE:
        for (size_t i = 0; req->rc == WAX_OK && i < req->u.update.n_removed; i++) {
            int k = ledger_device(s, &req->u.update.removed[i]);
            *ledger_map_at(here.gone, ledger_hash(0, req->u.update.removed[i].b, 16)) = 1;
            if (k >= 0 && !s->life[k].removed)
                s->life[k].removed = s->w.now;
        }
        break;
    default:
        break;
    }
}

/* --- Audits --- */

struct row {
    uint64_t seq, time;
    bool there;
};

static void audit_device(struct sim *s, size_t i)
{
    struct device *d = &s->w.devices[i];
    struct store_req req = {.op = STORE_FETCH, .now = s->w.now};
    struct dev_id *dev = &req.u.fetch.dev;

    if (!d->has_login || s->life[i].clone)
        return;
    for (size_t k = 0; k < 16; k++) {
        unsigned x = 0;
        (void)sscanf(d->dev_hex + 2 * k, "%2x", &x);
        dev->b[k] = (uint8_t)x;
    }
    req.u.fetch.max_bytes = SIZE_MAX / 2;
    engine_run(s->w.engine, &req);
    if (engine_dead(s->w.engine) || req.rc != WAX_OK) {
        store_req_done(&req);
        return;
    }
    struct row *known = (void *)s->life[i].rows.p;
    size_t n = s->life[i].rows.n / sizeof *known;
    struct buf now = {0};
    for (size_t k = 0; k < n; k++)
        known[k].there = false;
    for (size_t k = 0; k < req.u.fetch.n_rows; k++) {
        const struct store_row *r = &req.u.fetch.rows[k];
        if (r->type != FRAME_ENVELOPE)
            continue;
        if (r->time + LIFE + HOUR < s->w.now)
            ledger_complain(s, &s->t->store, "alive after a week and an hour", d, "");
        for (size_t x = 0; x < n; x++)
            known[x].there |= known[x].seq == r->seq;
        buf_add(&now, &(struct row){r->seq, r->time, true}, sizeof(struct row));
    }
    for (size_t k = 0; k < n; k++)
        if (!known[k].there && known[k].time + LIFE > s->w.now &&
            !*ledger_map_at(here.acks, ack_key(dev, known[k].seq)) &&
            !*ledger_map_at(here.gone, ledger_hash(0, dev->b, 16)))
            ledger_complain(s, &s->t->store, "deleted before its ack and its time", d, "");
    MUST(buf_rc(&now));
    buf_done(&s->life[i].rows);
    s->life[i].rows = now;
    store_req_done(&req);
}

void ledger_audit(struct sim *s)
{
    if (s->w.now < s->audited + HOUR / 6)
        return;
    s->audited = s->w.now;
    for (size_t i = 0; i < s->w.n_devices; i++)
        audit_device(s, i);
    if (engine_dead(s->w.engine))
        world_power_cut(&s->w);
}

void ledger_begin(struct sim *s)
{
    s->letter_at = ledger_map_new();
    here.ciphers = ledger_map_new();
    here.left = ledger_map_new();
    here.slots = ledger_map_new();
    here.fanouts = ledger_map_new();
    here.own = ledger_map_new();
    here.acks = ledger_map_new();
    here.gone = ledger_map_new();
    here.s = s;
    s->w.watch = watch;
    s->w.wire = wire;
    s->w.watch_ctx = s;
}

void ledger_end(struct sim *s)
{
    s->w.watch = NULL;
    s->w.wire = NULL;
    here.s = NULL;
    ledger_map_free(s->letter_at);
    ledger_map_free(here.ciphers);
    ledger_map_free(here.left);
    ledger_map_free(here.slots);
    ledger_map_free(here.fanouts);
    ledger_map_free(here.own);
    ledger_map_free(here.acks);
    ledger_map_free(here.gone);
    buf_done(&s->letters);
}
