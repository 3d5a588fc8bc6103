/* Two to four devices talk under a seed: letters cross, are lost, doubled and overtaken. Each
 * one delivered opens exactly once; nobody sees a false reset; all end in one session. */
#include "session_talk.h"

#define SEEDS 200
#define STEPS 70
#define DEVICES_MAX 4

struct post { /* a letter on its way from device a to device b */
    struct letter l;
    size_t a, b;
    bool delivered, gone;
};

struct world {
    struct device dev[DEVICES_MAX];
    size_t n;
    TWIN_LIST(struct post) mail;
    unsigned started[DEVICES_MAX][DEVICES_MAX];
    struct seeded seed;
    struct rng rng;
    bool loses, overtakes;
    uint64_t now, which;
};

static uint64_t dice(struct world *w, uint64_t n)
{
    uint64_t x;

    assert_ok(rng_below(&w->rng, n, &x));
    return x;
}

static void world_new(struct world *w, uint64_t which)
{
    *w = (struct world){.now = TALK_NOW, .which = which};
    w->rng = seeded_rng(&w->seed, 1000 + which);
    w->n = 2 + dice(w, DEVICES_MAX - 1);
    w->overtakes = which % 2;
    w->loses = which % 3 == 0;
    for (size_t i = 0; i < w->n; i++) {
        device_new(&w->dev[i], 10 * which + i);
        for (size_t j = 0; j < i; j++)
            devices_meet(&w->dev[i], &w->dev[j]);
    }
}

static void world_done(struct world *w)
{
    for (size_t i = 0; i < w->n; i++)
        device_done(&w->dev[i]);
    for (size_t i = 0; i < w->mail.n; i++)
        letter_done(&w->mail.v[i].l);
    free(w->mail.v);
}

/* The row goes to the vault and comes back, as between two commands. */
static void store(struct world *w, size_t of, size_t with)
{
    struct peer_sessions *s = state_of(&w->dev[of], &w->dev[with]);
    struct buf row = {0};

    assert_ok(peer_sessions_encode(s, &row));
    memset(s, 0xee, sizeof *s);
    assert_ok(peer_sessions_decode(buf_view(&row), s));
    buf_done(&row);
}

static void post(struct world *w, size_t a, size_t b, bool force)
{
    struct letter_how how = {.force_init = force};
    struct post p = {.a = a, .b = b};
    char text[80];

    snprintf(text, sizeof text, "%zu to %zu, no. %zu", a, b, w->mail.n);
    assert_ok(letter_seal(&w->dev[a], &w->dev[b], text, w->now, &how, &p.l));
    w->started[a][b] += p.l.started;
    store(w, a, b);
    TWIN_PUSH(&w->mail, p);
}

static void deliver(struct world *w, struct post *p)
{
    struct opened o;
    wax_rc rc = letter_open(&w->dev[p->b], &p->l, w->now, &o);

    if (rc != WAX_OK)
        fail_msg("seed %d: '%s' in epoch %d, ctr %d: %s", (int)w->which, p->l.text,
                 (int)p->l.slot.epoch, (int)p->l.slot.ctr, rc_text(rc));
    assert_false(o.echo_ahead);
    if (!w->overtakes && (o.start == START_RESET || o.start == START_RESET_ALERT))
        fail_msg("seed %d: a false reset", (int)w->which);
    opened_done(&o);
    p->delivered = true;
    store(w, p->b, p->a);
}

static void deliver_again(struct world *w, const struct post *p)
{
    struct buf before = {0}, after = {0};
    struct opened o;

    twin_dump(&w->dev[p->b].t, &before);
    assert_rc(letter_open(&w->dev[p->b], &p->l, w->now, &o), WAX_R_DUPLICATE);
    twin_dump(&w->dev[p->b].t, &after);
    assert_true(bytes_eq(buf_view(&before), buf_view(&after)));
    buf_done(&before);
    buf_done(&after);
}

/* The next one under way from a to b, or any of them where letters overtake. */
static struct post *pick(struct world *w, size_t a, size_t b)
{
    struct post *found = NULL;
    size_t n = 0;

    for (size_t i = 0; i < w->mail.n; i++) {
        struct post *p = &w->mail.v[i];
        if (p->delivered || p->gone || p->a != a || p->b != b)
            continue;
        if (!w->overtakes)
            return p;
        if (dice(w, ++n) == 0)
            found = p;
    }
    return found;
}

static void step(struct world *w)
{
    size_t a = dice(w, w->n), b = (a + 1 + dice(w, w->n - 1)) % w->n;
    uint64_t what = dice(w, 20);
    struct post *p;

    w->now += dice(w, 3 * HOUR_MS);
    if (what < 9) {
        /* Renewed at most once a pair, so that no more than three sessions come about and
         * none goes while its letters are under way. */
        bool renew = what == 0 && w->started[a][b] + w->started[b][a] == 1;
        post(w, a, b, renew && w->started[a][b]);
        return;
    }
    if (what == 9 && w->mail.n) {
        p = &w->mail.v[dice(w, w->mail.n)];
        if (p->delivered)
            deliver_again(w, p);
        return;
    }
    p = pick(w, a, b);
    if (p && w->loses && dice(w, 4) == 0)
        p->gone = true;
    else if (p)
        deliver(w, p);
}

static void deliver_all(struct world *w)
{
    struct post *p;

    for (size_t a = 0; a < w->n; a++)
        for (size_t b = 0; b < w->n; b++)
            while (a != b && (p = pick(w, a, b)))
                deliver(w, p);
}

/* Everybody says something to everybody, in turn, and it arrives. */
static void round_of_letters(struct world *w)
{
    for (size_t a = 0; a < w->n; a++)
        for (size_t b = 0; b < w->n; b++)
            if (a != b) {
                post(w, a, b, false);
                deliver_all(w);
            }
}

static void check_one_session(struct world *w, size_t a, size_t b)
{
    struct peer_sessions *s = state_of(&w->dev[a], &w->dev[b]);
    const struct session *x = session_choose(s);
    const struct session *y = session_choose(state_of(&w->dev[b], &w->dev[a]));
    struct session_delta d = {0};

    assert_true(x && y);
    assert_memory_equal(x->sid.b, y->sid.b, sizeof x->sid.b);
    assert_true(session_established(x));
    (void)session_tidy(s, w->now + 8 * DAY_MS, &d);
    assert_int_equal(s->n_held, 1);
    twin_apply(&w->dev[a].t, &w->dev[b].t.me.dev, &d);
}

static void run(uint64_t which)
{
    struct world w;

    world_new(&w, which);
    for (unsigned i = 0; i < STEPS; i++)
        step(&w);
    deliver_all(&w);
    for (unsigned i = 0; i < 3; i++)
        round_of_letters(&w);
    for (size_t a = 0; a < w.n; a++)
        for (size_t b = 0; b < w.n; b++)
            if (a != b)
                check_one_session(&w, a, b);
    round_of_letters(&w);
    for (size_t i = 0; i < w.mail.n; i++)
        assert_true(w.mail.v[i].delivered || w.mail.v[i].gone);
    /* What was not lost is read, and its key gone: only lost letters leave one behind. */
    if (!w.loses)
        for (size_t i = 0; i < w.n; i++)
            assert_int_equal(w.dev[i].t.skipped.n, 0);
    world_done(&w);
}

static void whatever_the_post_does_each_letter_opens_once(void **state)
{
    for (uint64_t which = 0; which < SEEDS; which++)
        run(which);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_the_post_does_each_letter_opens_once),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
