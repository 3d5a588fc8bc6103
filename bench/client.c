/* Speed of the client's core: sealing for many devices, opening, starting, stepping; and the
 * bytes that go over the wire. JSON lines (measure.h). */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "floor.h"
#include "measure.h"
#include "os/random.h"

#define MS 1500U       /* for a figure */
#define SEAL_MOST 1000 /* devices */
#define SEAL_AT_MOST 1.5
#define OPEN_AT_MOST 1.3

static const char *only; /* the one figure that is wanted; NULL: all */

static bool wanted(const char *name) { return !only || strcmp(only, name) == 0; }

static void figure(const char *name, double at_most, const struct work *w)
{
    struct figure f = {.name = name, .unit = "us", .at_most = at_most};

    if (!wanted(name)) {
        w->subject(w->ctx, 0); /* what follows builds on its state */
        return;
    }
    /* A round of many steps takes long, and there should be as many. */
    measure(w, w->subject_steps > 1 ? 3 * MS : MS, &f.floor, &f.value);
    figure_print(&f);
}

/* --- Sealing for N devices ------------------------------------------------------------- */

struct seal_job {
    size_t n;
    struct peer *me, *peers;
    struct end *ends;
    struct sealed *sealed;
    struct fanout_target *targets;
    struct env_fanout *parts;
    struct buf env;
    struct message msg;
    struct floor *floor;
};

/* Seven messages there and back: past the KEM offers of the first epochs, so that both know
 * each other as in the middle of a conversation. */
static void become_live(struct end *mine, const struct peer *other, const struct peer *me)
{
    struct end *theirs = must_alloc(sizeof *theirs);
    struct message m;

    end_make(theirs, other, me);
    message_make(&m, me, other, 100);
    for (int i = 0; i < 4; i++) {
        must(rng_fill(os_rng(), m.fanout.b, sizeof m.fanout.b), "message");
        say(mine, theirs, &m, NULL);
        must(rng_fill(os_rng(), m.fanout.b, sizeof m.fanout.b), "message");
        say(theirs, mine, &m, NULL);
    }
    message_done(&m);
    mem_free_wiped(theirs, sizeof *theirs);
}

/* Many devices are sealed for in parts, each a step (measure.h). */
#define PART 100

static size_t parts_of(size_t n) { return n > PART ? (n + PART - 1) / PART : 0; }

/* A client decodes a state from its vault and then seals: the state is near. Here a thousand
 * of them lie in far memory, so each is asked for while the one before is at work. */
static void fetch_ahead(const struct seal_job *j, size_t i)
{
    const char *state = (const char *)&j->ends[i].state;
    const size_t hot = offsetof(struct peer_sessions, held[0].send.kp);

    for (size_t at = 0; at < hot; at += 64)
        __builtin_prefetch(state + at);
    __builtin_prefetch(&j->ends[i].state.held[0].recv);
    for (size_t at = 0; at < sizeof j->sealed[i]; at += 64)
        __builtin_prefetch((const char *)&j->sealed[i] + at, 1);
}

static void seal_part(struct seal_job *j, size_t from, size_t to)
{
    if (from == 0)
        must(rng_fill(os_rng(), j->msg.fanout.b, sizeof j->msg.fanout.b), "message");
    for (size_t i = from; i < to; i++) {
        if (i + 1 < to)
            fetch_ahead(j, i + 1);
        end_seal(&j->ends[i], &j->msg, &j->sealed[i]);
        j->targets[i] = (struct fanout_target){&j->peers[i].me, buf_view(&j->sealed[i].hdr),
                                               buf_view(&j->sealed[i].body)};
    }
}

static void sign_all(struct seal_job *j)
{
    must(fanout_sign(&j->me->me, j->me->dsk, &j->msg.fanout, &j->msg.com, j->targets, j->n,
                     os_rng(), j->parts),
         "sign");
}

static void encode_all(struct seal_job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        buf_reset(&j->env);
        must(envelope_encode(j->targets[i].hdr, j->targets[i].body, &j->parts[i], &j->env),
             "encode");
    }
}

static void seal_all(void *ctx, size_t step)
{
    struct seal_job *j = ctx;
    size_t parts = parts_of(j->n);

    if (step < parts) {
        seal_part(j, step * PART, (step + 1) * PART < j->n ? (step + 1) * PART : j->n);
    } else if (parts == 0) {
        seal_part(j, 0, j->n);
        sign_all(j);
        encode_all(j);
    } else if (step == parts) {
        sign_all(j);
    } else {
        encode_all(j);
    }
}

static void seal_floor(void *ctx, size_t step)
{
    struct seal_job *j = ctx;
    size_t parts = parts_of(j->n);
    size_t from = parts ? step * PART : 0, to = parts && from + PART < j->n ? from + PART : j->n;

    if (from == 0)
        floor_sign(j->floor);
    for (size_t i = from; i < to; i++) {
        floor_device_is(j->floor, i);
        floor_device(j->floor, HDR_MSG);
    }
}

static void seal_figures(struct floor *f)
{
    static const size_t counts[] = {1, 10, 100, SEAL_MOST};
    const size_t most = only ? strtoul(only + strcspn(only, "0123456789"), NULL, 10) : counts[3];
    struct seal_job j = {.floor = f,
                         .me = must_alloc(sizeof *j.me),
                         .peers = must_alloc(most * sizeof *j.peers),
                         .ends = must_alloc(most * sizeof *j.ends),
                         .sealed = must_alloc(most * sizeof *j.sealed),
                         .targets = must_alloc(most * sizeof *j.targets),
                         .parts = must_alloc(most * sizeof *j.parts)};
    char name[32];

    peer_make(j.me);
    for (size_t i = 0; i < most; i++) {
        peer_make(&j.peers[i]);
        end_make(&j.ends[i], j.me, &j.peers[i]);
        become_live(&j.ends[i], &j.peers[i], j.me);
    }
    if (most == 0)
        die("no such figure");
    message_make(&j.msg, j.me, &j.peers[0], CONTENT_SIZE);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && counts[i] <= most; i++) {
        j.n = counts[i];
        (void)snprintf(name, sizeof name, "seal_%zu", j.n);
        size_t parts = parts_of(j.n);
        figure(name, SEAL_AT_MOST,
               &(struct work){seal_floor, seal_all, &j, parts, parts ? parts + 2 : 0});
        if (j.sealed[0].hdr.n != HDR_MSG)
            die("the sessions are not as they should be");
    }
    for (size_t i = 0; i < most; i++) {
        sealed_done(&j.sealed[i]);
        peer_done(&j.peers[i]);
    }
    peer_done(j.me);
    buf_done(&j.env);
    message_done(&j.msg);
    mem_free(j.me);
    mem_free(j.peers);
    mem_free_wiped(j.ends, most * sizeof *j.ends);
    mem_free(j.sealed);
    mem_free(j.targets);
    mem_free(j.parts);
}

/* --- Two that talk ---------------------------------------------------------------------- */

struct talk {
    struct peer a, b;
    struct end at_a, at_b, copy;
    struct message msg;
    struct sealed sealed;
    struct buf env;
    struct floor *floor;
};

static void pass(struct talk *t, struct end *from, struct end *to)
{
    end_seal(from, &t->msg, &t->sealed);
    end_sign(from, &t->msg, &t->sealed, &t->env);
    end_open(to, buf_view(&t->env));
}

/* One way: the same envelope again and again, each time in the state before it. */
static void open_one(void *ctx, size_t step)
{
    struct talk *t = ctx;

    t->copy = t->at_b;
    end_open(&t->copy, buf_view(&t->env));
}

static void open_floor(void *ctx, size_t step)
{
    const struct talk *t = ctx;

    floor_verify(t->floor);
    floor_device(t->floor, HDR_MSG);
    floor_slot(t->floor, HDR_MSG);
    floor_receive(t->floor, HDR_MSG);
}

/* Both sides of an INIT. */
static void start_one(void *ctx, size_t step)
{
    struct talk *t = ctx;

    end_make(&t->at_a, &t->a, &t->b);
    end_make(&t->at_b, &t->b, &t->a);
    pass(t, &t->at_a, &t->at_b);
}

static void start_floor(void *ctx, size_t step)
{
    struct talk *t = ctx;
    struct floor *f = t->floor;
    struct hash32 h;
    struct key32 z;

    must(hash_label(&h, LABEL_BUNDLE, PARTS(BYTES_OF(f->bundle))), "bundle");
    floor_generate();
    floor_dh(f);
    must(kem_encaps(KEM_1024, BYTES_OF(f->ek1024), &f->secret, f->ct1024, &z), "encaps");
    floor_init_roots(f);
    floor_device(f, HDR_INIT);
    floor_slot(f, HDR_INIT);
    floor_sign(f);

    floor_verify(f);
    must(hash_label(&h, LABEL_SEEN, PARTS(BYTES(f->ctx, 65), BYTES_OF(f->ct1024))), "seen");
    floor_dh(f);
    must(kem_decaps(KEM_1024, &f->seed1024, BYTES_OF(f->ct1024), &z), "decaps");
    floor_init_roots(f);
    floor_device(f, HDR_INIT);
    floor_slot(f, HDR_INIT);
    floor_receive(f, HDR_INIT);
}

/* There and back, each with its step; offers are left to `rekey`. */
static void ping_pong(void *ctx, size_t step)
{
    struct talk *t = ctx;

    pass(t, &t->at_a, &t->at_b);
    pass(t, &t->at_b, &t->at_a);
    t->at_a.state.held[0].since_kem = t->at_b.state.held[0].since_kem = 0;
}

static void step_floor(struct floor *f, size_t hdr, bool kem)
{
    floor_generate();
    floor_dh(f);
    floor_roots(f, kem);
    floor_device(f, hdr);
    floor_slot(f, hdr);
    floor_sign(f);

    floor_verify(f);
    floor_dh(f);
    floor_roots(f, kem);
    floor_device(f, hdr);
    floor_slot(f, hdr);
    floor_receive(f, hdr);
}

static void ping_pong_floor(void *ctx, size_t step)
{
    const struct talk *t = ctx;

    step_floor(t->floor, HDR_MSG, false);
    step_floor(t->floor, HDR_MSG, false);
}

/* The same, with an ML-KEM key offered on the way there and answered on the way back. */
static void rekey(void *ctx, size_t step)
{
    struct talk *t = ctx;

    session_mark_offer_due(&t->at_a.state);
    ping_pong(t, 0);
    if (t->sealed.hdr.n != HDR_MSG + KEM768_CT_SIZE)
        die("the offer was not answered");
}

static void rekey_floor(void *ctx, size_t step)
{
    const struct talk *t = ctx;
    struct floor *f = t->floor;
    struct key32 z;

    must(kem_keygen(KEM_768, &f->seed768, f->ek768), "keygen");
    step_floor(f, HDR_MSG + KEM768_EK_SIZE, false);
    must(kem_ek_check(KEM_768, BYTES_OF(f->ek768)), "check");
    must(kem_encaps(KEM_768, BYTES_OF(f->ek768), &f->secret, f->ct768, &z), "encaps");
    step_floor(f, HDR_MSG + KEM768_CT_SIZE, true);
    must(kem_decaps(KEM_768, &f->seed768, BYTES_OF(f->ct768), &z), "decaps");
}

static struct talk *talk_make(struct floor *f, size_t content)
{
    struct talk *t = must_alloc(sizeof *t);

    peer_make(&t->a);
    peer_make(&t->b);
    message_make(&t->msg, &t->a, &t->b, content);
    end_make(&t->at_a, &t->a, &t->b);
    end_make(&t->at_b, &t->b, &t->a);
    t->floor = f;
    return t;
}

static void talk_free(struct talk *t)
{
    sealed_done(&t->sealed);
    buf_done(&t->env);
    message_done(&t->msg);
    peer_done(&t->a);
    peer_done(&t->b);
    mem_free_wiped(t, sizeof *t);
}

static void talk_figures(struct floor *f)
{
    struct talk *t = talk_make(f, CONTENT_SIZE);

    figure("session_start", OPEN_AT_MOST, &(struct work){start_floor, start_one, t});
    for (int i = 0; i < 4; i++)
        ping_pong(t, 0);
    pass(t, &t->at_a, &t->at_b); /* the step; the message behind it needs none */
    end_seal(&t->at_a, &t->msg, &t->sealed);
    end_sign(&t->at_a, &t->msg, &t->sealed, &t->env);
    figure("open", OPEN_AT_MOST, &(struct work){open_floor, open_one, t});
    end_open(&t->at_b, buf_view(&t->env));
    pass(t, &t->at_b, &t->at_a);
    figure("ping_pong", OPEN_AT_MOST, &(struct work){ping_pong_floor, ping_pong, t});
    figure("rekey", OPEN_AT_MOST, &(struct work){rekey_floor, rekey, t});
    talk_free(t);
}

/* --- Bytes (RECORDS 5) ------------------------------------------------------------------ */

/* A short message for one device: fan-out depth 0, |C| = 1,024. */
static void bytes(const char *name, size_t hdr, size_t seen)
{
    const size_t fanout = 16 + 32 + 1 + 2 + 64;

    if (!wanted(name))
        return;
    figure_print(&(struct figure){.name = name,
                                  .unit = "bytes",
                                  .value = (double)seen,
                                  .floor = (double)(hdr + 4 + P_MIN + TAG_SIZE + fanout),
                                  .at_most = 1});
}

static void bytes_figures(struct floor *f)
{
    struct talk *t = talk_make(f, 200);

    pass(t, &t->at_a, &t->at_b);
    size_t init = t->env.n;
    pass(t, &t->at_b, &t->at_a); /* epoch 1 offers */
    session_mark_offer_due(&t->at_a.state);
    pass(t, &t->at_a, &t->at_b); /* epoch 2 answers, and offers because it is due */
    size_t both = t->env.n;
    for (int i = 0; i < 3; i++)
        ping_pong(t, 0);
    bytes("bytes_msg", HDR_MSG, t->env.n);
    bytes("bytes_init", HDR_INIT, init);
    bytes("bytes_both", HDR_MAX, both);
    talk_free(t);
}

/* bench-client [NAME]: that figure alone (for a profile), else all. */
int main(int argc, char **argv)
{
    struct floor *f = must_alloc(sizeof *f);

    if (argc > 1)
        only = argv[1];
    must(crypto_init(), "crypto");
    floor_make(f, CONTENT_SIZE, SEAL_MOST);
    if (!only || strncmp(only, "seal", 4) == 0)
        seal_figures(f);
    talk_figures(f);
    bytes_figures(f);
    floor_done(f);
    mem_free_wiped(f, sizeof *f);
    return 0;
}
