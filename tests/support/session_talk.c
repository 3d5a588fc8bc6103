#include "session_talk.h"

#include "wire/manifest.h"

void device_new(struct device *d, uint64_t seed)
{
    *d = (struct device){0};
    d->rng = seeded_rng(&d->seed, seed);
    twin_device(&d->t, &d->rng, &d->bundle);
}

void device_done(struct device *d)
{
    twin_done(&d->t);
    buf_done(&d->bundle);
}

void devices_meet(struct device *a, struct device *b)
{
    TWIN_PUSH(&a->t.known, b->t.me);
    TWIN_PUSH(&b->t.known, a->t.me);
}

struct peer_sessions *state_of(struct device *d, struct device *peer)
{
    return twin_state(&d->t, &peer->t.me.dev);
}

void content_text(const struct acct_id *a, const struct acct_id *b, uint64_t at, const char *text,
                  struct buf *out)
{
    bool swap = memcmp(a->b, b->b, sizeof a->b) > 0;

    buf_add(out, "\x08\x01\x12\x40", 4); /* kind TEXT; conversation, 64 bytes */
    buf_add(out, swap ? b->b : a->b, 32);
    buf_add(out, swap ? a->b : b->b, 32);
    buf_u8(out, 0x18); /* sent_at */
    for (; at >= 0x80; at >>= 7)
        buf_u8(out, (uint8_t)(at | 0x80));
    buf_u8(out, (uint8_t)at);
    buf_u8(out, 0x3a); /* text */
    buf_u8(out, (uint8_t)strlen(text));
    buf_str(out, text);
}

static void sign(struct device *from, const struct party *to, const struct sealed *s,
                 struct letter *l)
{
    struct fanout_target target = {to, buf_view(&s->hdr), buf_view(&s->body)};
    struct env_fanout part;

    assert_ok(
        fanout_sign(&from->t.me, from->t.dsk, &l->fanout, &l->com, &target, 1, &from->rng, &part));
    assert_ok(envelope_encode(target.hdr, target.body, &part, &l->env));
}

wax_rc letter_seal(struct device *from, struct device *to, const char *text, uint64_t now,
                   const struct letter_how *how, struct letter *ret)
{
    struct payload p = {0};
    struct buf content = {0};
    struct sealed sealed = {0};
    struct letter l = {0};
    struct seal_bundle bundle = {buf_view(&to->bundle)};
    struct seal_in in = {
        .me = &from->t.me, .peer = &to->t.me, .payload = &p, .bundle = &bundle, .now = now};

    assert_ok(rng_fill(&from->rng, p.r32.b, sizeof p.r32.b));
    assert_ok(rng_fill(&from->rng, l.fanout.b, sizeof l.fanout.b));
    content_text(&from->t.me.acct, &to->t.me.acct, now, text, &content);
    p.content = buf_view(&content);
    assert_ok(session_com(&p.r32, p.content, &l.com));
    in.fanout = l.fanout;
    in.com = l.com;
    if (how) {
        in.force_init = how->force_init;
        in.in_session = how->in_session;
    }
    wax_rc rc = session_seal(&in, state_of(from, to), &from->rng, &sealed);
    if (rc == WAX_OK) {
        twin_apply(&from->t, &to->t.me.dev, &sealed.delta);
        snprintf(l.text, sizeof l.text, "%s", text);
        l.slot = sealed.slot;
        l.started = sealed.started;
        sign(from, &to->t.me, &sealed, &l);
        *ret = l;
    }
    sealed_done(&sealed);
    buf_done(&content);
    return rc;
}

void letter_write(struct device *from, struct device *to, const char *text, uint64_t now,
                  struct letter *ret)
{
    assert_ok(letter_seal(from, to, text, now, NULL, ret));
}

void letter_done(struct letter *l) { buf_done(&l->env); }

wax_rc letter_open(struct device *to, const struct letter *l, uint64_t now, struct opened *ret)
{
    wax_rc rc = twin_open(&to->t, buf_view(&l->env), now, ret, NULL);

    if (rc == WAX_OK) {
        struct bytes text = PB_BYTES(ret->content->text);
        assert_true(bytes_eq(text, BYTES_STR(l->text)));
        assert_memory_equal(ret->com.b, l->com.b, 32);
        assert_int_equal(ret->slot.ctr, l->slot.ctr);
    }
    return rc;
}

void letter_read(struct device *to, const struct letter *l, uint64_t now)
{
    struct opened o;

    assert_ok(letter_open(to, l, now, &o));
    opened_done(&o);
}

void say(struct device *from, struct device *to, const char *text, uint64_t now)
{
    struct letter l;

    letter_write(from, to, text, now, &l);
    letter_read(to, &l, now);
    letter_done(&l);
}
