/* negative.json: every case gives its class, and a refusal leaves not a byte changed. */
#include "session/evidence.h"
#include "session_load.h"

static void load_receiver(struct twin *t, const json_t *v, const json_t *c)
{
    json_t *p;
    size_t i;

    load_device(t, vec_get(vec_get(v, "receivers"), vec_str(c, "receiver")));
    json_array_foreach(vec_get(v, "known"), i, p) TWIN_PUSH(&t->known, load_party(p));
    load_state(t, vec_get(vec_get(v, "states"), vec_str(c, "state")));
}

static struct bytes load_envelope(const json_t *c, struct buf *b)
{
    load_hex(c, "envelope", b);
    if (vec_has(c, "append_zeros"))
        buf_zero(b, vec_u64(c, "append_zeros"));
    assert_ok(buf_rc(b));
    return buf_view(b);
}

static void check_accepted(const json_t *c, const struct opened *o, const struct buf *before,
                           const struct buf *after)
{
    struct buf want = {0};

    load_hex(c, "content", &want);
    if (!bytes_eq(o->payload.content, buf_view(&want)))
        fail_msg("%s: other content", vec_str(c, "name"));
    if (bytes_eq(buf_view(before), buf_view(after)))
        fail_msg("%s: accepted, but nothing changed", vec_str(c, "name"));
    buf_done(&want);
}

static bool run_case(const json_t *v, const json_t *c)
{
    struct twin t;
    struct buf env = {0}, before = {0}, after = {0};
    struct opened o, untouched;
    const char *name = vec_str(c, "name");
    wax_rc want = vec_class(c, "result");

    load_receiver(&t, v, c);
    memset(&o, 0xa5, sizeof o);
    memcpy(&untouched, &o, sizeof o);
    twin_dump(&t, &before);
    wax_rc rc = twin_open(&t, load_envelope(c, &env), NOW, &o, NULL);
    assert_class(name, rc, want);
    twin_dump(&t, &after);
    if (rc == WAX_OK) {
        check_accepted(c, &o, &before, &after);
        opened_done(&o);
    } else {
        if (!bytes_eq(buf_view(&before), buf_view(&after)))
            fail_msg("%s: the refusal changed the state", name);
        if (memcmp(&o, &untouched, sizeof o) != 0)
            fail_msg("%s: the refusal wrote an output", name);
    }
    buf_done(&env);
    buf_done(&before);
    buf_done(&after);
    twin_done(&t);
    return rc != WAX_OK;
}

static void every_case_gives_its_class_and_refusals_leave_no_trace(void **state)
{
    json_t *v = vec_load("wax1/negative.json"), *c;
    size_t i, refused = 0;

    json_array_foreach(vec_get(v, "cases"), i, c) refused += run_case(v, c);
    assert_int_equal(i, vec_u64(vec_get(v, "counts"), "cases"));
    assert_int_equal(refused, vec_u64(vec_get(v, "counts"), "refused"));
    json_decref(v);
}

static void an_accepted_envelope_given_twice_is_a_duplicate(void **state)
{
    json_t *v = vec_load("wax1/negative.json"), *c;
    size_t i;

    json_array_foreach(vec_get(v, "cases"), i, c)
    {
        struct twin t;
        struct buf env = {0};
        struct opened o;
        if (strcmp(vec_str(c, "result"), "accepted") != 0)
            continue;
        load_receiver(&t, v, c);
        assert_ok(twin_open(&t, load_envelope(c, &env), NOW, &o, NULL));
        opened_done(&o);
        assert_class(vec_str(c, "name"), twin_open(&t, buf_view(&env), NOW, &o, NULL),
                     WAX_R_DUPLICATE);
        buf_done(&env);
        twin_done(&t);
    }
    json_decref(v);
}

static void look_ups_of_an_unknown_device_amount_to_a_verdict(void **state)
{
    json_t *v = vec_load("wax1/negative.json"), *c, *l;
    const uint64_t frame = NOW;
    size_t i, j;

    json_array_foreach(vec_get(v, "unknown_device"), i, c)
    {
        struct sender_lookup lookups[8];
        const char *want = vec_str(c, "result");
        json_array_foreach(vec_get(c, "lookups"), j, l)
        {
            assert_true(j < 8);
            json_int_t begun = json_integer_value(vec_get(l, "begun"));
            lookups[j].begun = frame + (uint64_t)begun;
            lookups[j].has_device = vec_bool(l, "has_device");
        }
        wax_rc expected = strcmp(want, "wait") == 0    ? WAX_E_WAIT
                          : strcmp(want, "known") == 0 ? WAX_OK
                                                       : rc_from_refusal(want);
        assert_class(vec_str(c, "name"), sender_verdict(frame, lookups, j), expected);
    }
    assert_int_equal(i, 7);
    json_decref(v);
}

static void a_returned_envelope_is_judged(void **state)
{
    json_t *v = vec_load("wax1/rollback.json"), *c;
    size_t i;

    json_array_foreach(vec_get(v, "evidence"), i, c)
    {
        json_t *own = vec_get(c, "own"), *ret = vec_get(c, "returned");
        struct rollback_facts f = {
            .session_held = vec_bool(own, "session_held"),
            .signature_valid = vec_bool(ret, "signature_valid"),
            .has_next = vec_has(own, "next"),
            .epoch = (uint32_t)vec_u64(ret, "epoch"),
            .ctr = (uint32_t)vec_u64(ret, "ctr"),
        };
        char slot[32];
        if (f.has_next) {
            f.next_epoch = (uint32_t)vec_u64(vec_get(own, "next"), "epoch");
            f.next_ctr = (uint32_t)vec_u64(vec_get(own, "next"), "ctr");
        }
        snprintf(slot, sizeof slot, "%u:%u", f.epoch, f.ctr);
        f.has_kept = vec_has(vec_get(own, "kept_own_slots"), slot);
        if (f.has_kept)
            vec_fixed(vec_get(own, "kept_own_slots"), slot, f.kept.b, 32);
        vec_fixed(ret, "slot_hash", f.returned.b, 32);
        bool want = strcmp(vec_str(c, "result"), "no evidence") != 0;
        if (rollback_proved(&f) != want)
            fail_msg("%s: judged wrongly", vec_str(c, "name"));
    }
    assert_int_equal(i, 12);
    json_decref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_gives_its_class_and_refusals_leave_no_trace),
        cmocka_unit_test(an_accepted_envelope_given_twice_is_a_duplicate),
        cmocka_unit_test(look_ups_of_an_unknown_device_amount_to_a_verdict),
        cmocka_unit_test(a_returned_envelope_is_judged),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
