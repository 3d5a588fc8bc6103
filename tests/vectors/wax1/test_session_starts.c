/* starts.json (PROTOCOL 4.5): what an INIT does to the sessions held, which one sends, and
 * that two devices that both start end in one session whatever the order of arrival. */
#include "session_load.h"

static const char *const verdicts[] = {
    [START_QUIET] = "quiet",
    [START_SWITCH] = "switch",
    [START_RESET] = "reset",
    [START_RESET_ALERT] = "reset_alert",
};

static void load_one(struct twin *t, const json_t *v, const json_t *device, const json_t *state)
{
    json_t *p;
    size_t i;

    load_device(t, device);
    json_array_foreach(vec_get(v, "known"), i, p) TWIN_PUSH(&t->known, load_party(p));
    load_state(t, state);
}

static void check_verdict(const char *name, const json_t *c, const struct opened *o)
{
    struct sid sending;

    if (!vec_has(c, "start")) {
        if (o->start != START_NONE)
            fail_msg("%s: a start where there is none", name);
    } else {
        if (o->start == START_NONE || strcmp(verdicts[o->start], vec_str(c, "start")) != 0)
            fail_msg("%s: start %d, not %s", name, o->start, vec_str(c, "start"));
        if (o->payload.start != vec_hex_u64(c, "start_value"))
            fail_msg("%s: other start value", name);
    }
    vec_fixed(c, "sending_session", sending.b, 16);
    if (!o->has_sending || !ID_EQ(&o->sending, &sending))
        fail_msg("%s: sends in another session", name);
}

static bool lists(const json_t *sids, const struct sid *sid)
{
    json_t *item;
    size_t i;

    json_array_foreach(sids, i, item)
    {
        struct buf b = {0};
        vec_hex_value(item, &b);
        bool same = b.n == 16 && memcmp(b.p, sid->b, 16) == 0;
        buf_done(&b);
        if (same)
            return true;
    }
    return false;
}

static void check_lists(const char *name, const json_t *c, const struct peer_sessions *s)
{
    if (json_array_size(vec_get(c, "held_after")) != s->n_held ||
        json_array_size(vec_get(c, "kept_after")) != s->n_kept)
        fail_msg("%s: %d held, %d kept", name, s->n_held, s->n_kept);
    for (size_t i = 0; i < s->n_held; i++)
        if (!lists(vec_get(c, "held_after"), &s->held[i].sid))
            fail_msg("%s: holds another session", name);
    for (size_t i = 0; i < s->n_kept; i++)
        if (!lists(vec_get(c, "kept_after"), &s->kept[i].sid))
            fail_msg("%s: keeps another session", name);
}

static void every_start_is_judged_as_told(void **state)
{
    json_t *v = vec_load("wax1/starts.json"), *c;
    size_t i;

    json_array_foreach(vec_get(v, "cases"), i, c)
    {
        struct twin t;
        struct buf env = {0};
        struct opened o;
        const char *name = vec_str(c, "name");
        load_one(&t, v, vec_get(v, "receiver"), vec_get(vec_get(v, "states"), vec_str(c, "state")));
        struct dev_id ann = load_party(vec_get(v, "ann")).dev;
        assert_class(name, twin_open(&t, load_hex(c, "envelope", &env), NOW, &o, NULL), WAX_OK);
        check_verdict(name, c, &o);
        check_lists(name, c, twin_state(&t, &ann));
        opened_done(&o);
        buf_done(&env);
        twin_done(&t);
    }
    assert_int_equal(i, 29);
    json_decref(v);
}

static void the_newest_session_sends(void **state)
{
    json_t *v = vec_load("wax1/starts.json"), *c, *item;
    size_t i, j;

    json_array_foreach(vec_get(v, "choice"), i, c)
    {
        struct peer_sessions s = {0};
        struct sid want;
        json_array_foreach(vec_get(c, "sessions"), j, item)
        {
            assert_true(j < SESSIONS_HELD_MAX);
            vec_fixed(item, "SID", s.held[j].sid.b, 16);
            s.held[j].start = vec_hex_u64(item, "start");
            s.held[j].reading_only = vec_bool(item, "reading_only");
            s.n_held++;
        }
        vec_fixed(c, "sends", want.b, 16);
        const struct session *x = session_choose(&s);
        if (!x || !ID_EQ(&x->sid, &want))
            fail_msg("%s: another session sends", vec_str(c, "name"));
    }
    assert_int_equal(i, 6);
    json_decref(v);
}

static void an_own_start_is_above_all_that_is_held_or_kept(void **state)
{
    json_t *v = vec_load("wax1/starts.json"), *c, *item;
    size_t i, j;

    json_array_foreach(vec_get(v, "own_start"), i, c)
    {
        struct peer_sessions s = {0};
        json_array_foreach(vec_get(c, "held_or_kept"), j, item)
        {
            /* By turns held and kept. */
            uint64_t start = strtoull(json_string_value(item), NULL, 16);
            if (j % 2)
                s.kept[s.n_kept++].start = start;
            else
                s.held[s.n_held++].start = start;
        }
        assert_true(session_own_start(&s, vec_u64(c, "now")) == vec_hex_u64(c, "start"));
    }
    assert_int_equal(i, 6);
    json_decref(v);
}

/* --- Sequences ------------------------------------------------------------------------ */

static void run_event(const json_t *v, const json_t *seq, const json_t *e)
{
    struct twin t;
    struct buf env = {0};
    struct opened o;
    const char *name = vec_str(seq, "name");
    const char *at = strcmp(vec_str(e, "at"), "ann") == 0 ? "ann" : "receiver";

    load_one(&t, v, vec_get(v, at), vec_get(e, "state_before"));
    assert_class(name, twin_open(&t, load_hex(e, "envelope", &env), NOW, &o, NULL),
                 vec_class(e, "result"));
    check_verdict(name, e, &o);
    /* An honest start looks like a reset only where an older envelope was overtaken. */
    if (!vec_bool(e, "overtaken") && (o.start == START_RESET || o.start == START_RESET_ALERT))
        fail_msg("%s: a false reset", name);
    opened_done(&o);
    buf_done(&env);
    twin_done(&t);
}

/* Where each of the two sends after the last event. */
static void check_end(const char *name, const json_t *run)
{
    json_t *events = vec_get(run, "events"), *e;
    const char *last[2] = {NULL, NULL};
    size_t i;

    json_array_foreach(events, i, e) last[strcmp(vec_str(e, "at"), "ann") == 0] =
        vec_str(e, "sending_session");
    if (!last[0] || !last[1] || strcmp(last[0], vec_str(run, "both_send_in")) != 0 ||
        strcmp(last[1], vec_str(run, "both_send_in")) != 0)
        fail_msg("%s: they do not end in one session", name);
}

static void whatever_the_order_both_end_in_one_session(void **state)
{
    json_t *v = vec_load("wax1/starts.json"), *seq, *run, *e;
    size_t i, j, k, opens = 0, runs = 0;

    json_array_foreach(vec_get(v, "sequences"), i, seq)
    {
        const char *both = NULL;
        json_array_foreach(vec_get(seq, "runs"), j, run)
        {
            json_array_foreach(vec_get(run, "events"), k, e)
            {
                if (strcmp(vec_str(e, "does"), "opens") != 0)
                    continue;
                run_event(v, seq, e);
                opens++;
            }
            check_end(vec_str(seq, "name"), run);
            /* All runs of a sequence end alike. */
            if (both && strcmp(both, vec_str(run, "both_send_in")) != 0)
                fail_msg("%s: runs end in different sessions", vec_str(seq, "name"));
            both = vec_str(run, "both_send_in");
            runs++;
        }
    }
    assert_int_equal(opens, 145);
    assert_true(runs > 0);
    json_decref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_start_is_judged_as_told),
        cmocka_unit_test(the_newest_session_sends),
        cmocka_unit_test(an_own_start_is_above_all_that_is_held_or_kept),
        cmocka_unit_test(whatever_the_order_both_end_in_one_session),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
