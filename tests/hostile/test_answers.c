/* Whole answers that lie: sending, the rollback counter, the clock, problem documents. */
#include <stdlib.h>

#include "story.h"

#include "wire/proto.h"

#define PASTE "\\u001b[2J\\u001b]0;owned\\u0007\\u202eevil"

/* What waited at ann's goes out, once. */
static void it_went_out_after_all(struct scene *s, const char *text)
{
    s->timeout = "10s";
    lie(s, NULL);
    front_set(s, NULL);
    assert_int_equal(wax(s, s->ann, "flush", NULL), 0);
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, text), 1);
}

static void queued(struct scene *s, const char *text)
{
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), text, NULL), 75);
    cost_at_most(s, &usual);
    is_clean(s);
    assert_string_equal(field_of(s, "sent", 0, "state"), "queued");
}

/* --- 202 --- */

static void reply_with(struct answer *a, const Wax__V1__SendReply *r)
{
    struct buf out = {0};

    if (proto_pack(&r->base, &out) != WAX_OK)
        abort();
    answer_body(a, 202, buf_view(&out));
    buf_done(&out);
}

static Wax__V1__SendRequest *request_of(const struct ask *q)
{
    Wax__V1__SendRequest *r = (Wax__V1__SendRequest *)protobuf_c_message_unpack(
        &wax__v1__send_request__descriptor, NULL, q->body.n, q->body.p);

    if (!r)
        abort();
    return r;
}

/* Every device gets that result, twice where e->number says so, none where it is negative. */
static bool say_result(struct evil *e, const struct ask *q, struct answer *a, int result)
{
    Wax__V1__SendReply r = WAX__V1__SEND_REPLY__INIT;
    Wax__V1__DeviceResult one[8], *list[8];

    if (!asks(q, "POST", "/v1/messages"))
        return false;
    Wax__V1__SendRequest *req = request_of(q);
    e->n++;
    for (size_t i = 0; e->number >= 0 && i < req->n_envelopes; i++)
        for (int64_t k = 0; k <= e->number && r.n_results < 8; k++) {
            wax__v1__device_result__init(&one[r.n_results]);
            one[r.n_results].dev_id = req->envelopes[i]->dev_id;
            one[r.n_results].result = (Wax__V1__DeviceResult__R)result;
            list[r.n_results] = &one[r.n_results];
            r.n_results++;
        }
    r.results = list;
    reply_with(a, &r);
    protobuf_c_message_free_unpacked(&req->base, NULL);
    return true;
}

static bool say_stored(struct evil *e, const struct ask *q, struct answer *a)
{
    return say_result(e, q, a, WAX__V1__DEVICE_RESULT__R__STORED);
}
static bool say_full(struct evil *e, const struct ask *q, struct answer *a)
{
    return say_result(e, q, a, WAX__V1__DEVICE_RESULT__R__MAILBOX_FULL);
}
static bool say_no_device(struct evil *e, const struct ask *q, struct answer *a)
{
    return say_result(e, q, a, WAX__V1__DEVICE_RESULT__R__NO_DEVICE);
}

static void said_to_be_accepted_and_thrown_away_costs_only_itself(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.instead = say_stored};

    two_friends(s);
    lie(s, &w);
    /* 'Accepted' is the server's word; that it threw the message away, the sender cannot see. */
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "into the void", NULL), 0);
    cost_at_most(s, &usual);
    lie(s, NULL);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    assert_int_equal(printed(s, "message", NULL, NULL), 0);
    /* The messages after it open: their keys are derived over the gap. */
    all_is_well(s);
    assert_int_equal(wax(s, s->ann, "outbox", NULL), 0);
    assert_int_equal(printed(s, "outbox", NULL, NULL), 0);
}

static void results_that_do_not_add_up_leave_the_message_queued(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.instead = say_stored};

    two_friends(s);
    lie(s, &w);
    s->evil.number = -1; /* none at all */
    queued(s, "nobody has it");
    s->evil.number = 1; /* each twice */
    assert_int_equal(wax(s, s->ann, "flush", NULL), 75);
    cost_at_most(s, &usual);
    it_went_out_after_all(s, "nobody has it");
}

static void mailboxes_said_to_be_full_are_tried_again(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.instead = say_full};

    two_friends(s);
    lie(s, &w);
    queued(s, "no room");
    it_went_out_after_all(s, "no room");
}

static void devices_said_to_be_gone_are_looked_up_not_believed(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.instead = say_no_device};

    two_friends(s);
    lie(s, &w);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "are you gone?", NULL), 75);
    cost_at_most(s, &usual);
    it_went_out_after_all(s, "are you gone?");
}

/* --- 409 --- */

static bool say_stale(struct evil *e, const struct ask *q, struct answer *a)
{
    Wax__V1__SendConflict c = WAX__V1__SEND_CONFLICT__INIT;
    Wax__V1__StaleAccount stale = WAX__V1__STALE_ACCOUNT__INIT, *list[] = {&stale};
    struct buf out = {0};

    if (!asks(q, "POST", "/v1/messages"))
        return false;
    Wax__V1__SendRequest *req = request_of(q);
    e->n++;
    stale.acct_id = req->accounts[req->n_accounts - 1]->acct_id;
    c.n_stale = 1;
    c.stale = list;
    if (proto_pack(&c.base, &out) != WAX_OK)
        abort();
    answer_body(a, 409, buf_view(&out));
    buf_done(&out);
    protobuf_c_message_free_unpacked(&req->base, NULL);
    return true;
}

static void a_conflict_without_end_is_given_up_after_eight_rounds(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.instead = say_stale};

    two_friends(s);
    lie(s, &w);
    queued(s, "stale again");
    assert_in_range(s->evil.n, 1, 8);
    it_went_out_after_all(s, "stale again");
}

static bool say_newer_bundle(struct evil *e, const struct ask *q, struct answer *a)
{
    static uint8_t record[1723]; /* BUNDLE_RECORD, all zero */
    ProtobufCBinaryData list = {sizeof record, record};
    Wax__V1__SendConflict c = WAX__V1__SEND_CONFLICT__INIT;
    struct buf out = {0};

    if (!asks(q, "POST", "/v1/messages"))
        return false;
    e->n++;
    c.n_newer_bundles = 1;
    c.newer_bundles = &list;
    if (proto_pack(&c.base, &out) != WAX_OK)
        abort();
    answer_body(a, 409, buf_view(&out));
    buf_done(&out);
    return true;
}

static void a_newer_key_of_the_servers_making_is_not_sealed_to(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.instead = say_newer_bundle};

    two_friends(s);
    lie(s, &w);
    queued(s, "whose key?");
    assert_int_equal(s->evil.n, 1);
    it_went_out_after_all(s, "whose key?");
}

/* --- No answer --- */

static void drop_answer(struct evil *e, const struct ask *q, struct answer *a)
{
    if (asks(q, "POST", "/v1/messages") && e->n++ == 0)
        a->never = true;
}

static void an_answer_that_is_lost_repeats_nothing(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.after = drop_answer};

    two_friends(s);
    lie(s, &w);
    s->timeout = "1s";
    queued(s, "taken, not told");
    it_went_out_after_all(s, "taken, not told");
}

static bool never_answers(struct evil *e, const struct ask *q, struct answer *a)
{
    a->never = true;
    return true;
}

static void a_server_that_never_answers_is_left_in_time(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.instead = never_answers};

    lie(s, &w);
    s->timeout = "1s";
    queued(s, "anybody there?");
    assert_int_equal(wax(s, s->bob, "receive", NULL), 69);
    cost_at_most(s, &usual);
    it_went_out_after_all(s, "anybody there?");
}

/* --- The counter --- */

static void wrong_mac(struct evil *e, const struct ask *q, struct answer *a)
{
    if (!asks(q, "GET", "/v1/counter") || a->body.n != 40)
        return;
    put_u64(a->body.p, get_u64(a->body.p) + 1000); /* it has no key to MAC that with */
    e->n++;
}

static void a_counter_that_jumps_stops_all_sending_and_resets_nothing(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.after = wrong_mac};

    two_friends(s);
    lie(s, &w);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "not through this", NULL), 77);
    cost_at_most(s, &usual);
    assert_int_equal(s->evil.n, 1);
    lie(s, NULL);
    assert_int_equal(wax(s, s->ann, "receive", NULL), 0);
    assert_int_equal(printed(s, "alert", "kind", "server_refused"), 1);
    assert_int_equal(printed(s, "alert", "kind", "restored"), 0);
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, "not through this"), 1);
}

static bool no_counter(struct evil *e, const struct ask *q, struct answer *a)
{
    if (!asks(q, "GET", "/v1/counter"))
        return false;
    answer_problem(a, 404, "not-found", "No counter");
    return true;
}

static void a_counter_that_vanished_stops_all_sending(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.instead = no_counter};

    two_friends(s);
    lie(s, &w);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "nor this", NULL), 77);
    cost_at_most(s, &usual);
    lie(s, NULL);
    assert_int_equal(wax(s, s->ann, "receive", NULL), 0);
    assert_int_equal(printed(s, "alert", "kind", "server_refused"), 1);
    all_is_well(s);
}

static void old_counter(struct evil *e, const struct ask *q, struct answer *a)
{
    if (!asks(q, "GET", "/v1/counter"))
        return;
    if (!e->kept.n)
        buf_bytes(&e->kept, buf_view(&a->body));
    else
        answer_body(a, 200, buf_view(&e->kept));
}

static void a_counter_that_falls_changes_nothing(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.after = old_counter};

    two_friends(s);
    lie(s, &w);
    /* Lower than our own is no evidence of an older copy here (4.6); the next is our own + 1. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wax(s, s->ann, "send", at(s->bob), "on we go", NULL), 0);
        cost_at_most(s, &usual);
    }
    lie(s, NULL);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    assert_int_equal(printed(s, "message", "text", "on we go"), 3);
    assert_int_equal(printed(s, "alert", NULL, NULL), 0);
    all_is_well(s);
}

/* --- The clock --- */

static void a_clock_a_century_off_is_told_and_harms_nothing(void **state)
{
    struct scene *s = *state;
    static const int64_t off[] = {100LL * 365 * 86400000, -30LL * 365 * 86400000};

    two_friends(s);
    for (int i = 0; i < 2; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "what year, %d", i);
        evil_clock_off = off[i];
        (void)wax(s, s->ann, "send", at(s->bob), text, NULL); /* taken or queued */
        cost_at_most(s, &usual);
        (void)wax(s, s->ann, "rename", i ? "past" : "future", NULL);
        cost_at_most(s, &usual);
        evil_clock_off = 0;
        assert_int_equal(wax(s, s->ann, "receive", NULL), 0);
        assert_int_equal(printed(s, "alert", "kind", "clock_differs"), 1);
        assert_int_equal(wax(s, s->ann, "flush", NULL), 0);
        assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
        assert_int_equal(times_read(s, s->bob, text), 1);
    }
    all_is_well(s);
    /* What was signed meanwhile is in date: the earlier of both clocks counts, never below the one
     * before (PROTOCOL 0). */
    char carol[24];
    newcomer(s, carol);
    assert_int_equal(wax(s, carol, "send", at(s->ann), "hello", NULL), 0);
}

/* --- Words and types --- */

static bool bad_words(struct evil *e, const struct ask *q, struct answer *a)
{
    if (!asks(q, "POST", "/v1/messages"))
        return false;
    answer_problem(a, 507, "mailbox-full", PASTE);
    return true;
}

static bool bad_words_everywhere(struct evil *e, const struct ask *q, struct answer *a)
{
    answer_problem(a, 403, PASTE, PASTE);
    return true;
}

static void terminal_codes_in_its_words_never_reach_a_terminal(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.instead = bad_words}, all = {.instead = bad_words_everywhere};

    two_friends(s);
    lie(s, &w);
    queued(s, "clean");
    assert_null(strstr(buf_cstr(&s->r.err), "\u202e"));
    lie(s, &all);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 77);
    is_clean(s);
    char carol[24] = "nobody-yet", url[64];
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u", front_port(s));
    assert_int_equal(wax(s, carol, "register", "carol@example.org", "--server", url, "--ca",
                         s->evil.ca_file, "--no-recovery", NULL),
                     77);
    is_clean(s);
    it_went_out_after_all(s, "clean");
}

static bool problem_as_200(struct evil *e, const struct ask *q, struct answer *a)
{
    answer_problem(a, 200, "unknown-handle", "All is well, or is it?");
    return true;
}

static void a_problem_document_is_no_success(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.instead = problem_as_200};

    two_friends(s);
    lie(s, &w);
    assert_int_not_equal(wax(s, s->ann, "send", at(s->bob), "well?", NULL), 0);
    cost_at_most(s, &usual);
    lie(s, NULL);
    assert_int_equal(wax(s, s->ann, "receive", NULL), 0); /* and sends what waits */
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, "well?"), 1);
}

static void wrong_type(struct evil *e, const struct ask *q, struct answer *a)
{
    static const char page[] = "<html><body>Please log in to this hotel's network</body></html>";

    answer_body(a, 200, BYTES_STR(page));
    (void)snprintf(a->type, sizeof a->type, "text/html");
}

static void a_hotels_log_in_page_is_no_answer(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.after = wrong_type};

    two_friends(s);
    lie(s, &w);
    assert_int_not_equal(wax(s, s->ann, "send", at(s->bob), "from the hotel", NULL), 0);
    cost_at_most(s, &usual);
    assert_int_not_equal(wax(s, s->bob, "receive", NULL), 0);
    lie(s, NULL);
    assert_int_equal(wax(s, s->ann, "receive", NULL), 0);
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, "from the hotel"), 1);
}

static bool come_back_next_century(struct evil *e, const struct ask *q, struct answer *a)
{
    answer_problem(a, 503, "overloaded", "Later");
    a->retry_after = 4000000000U;
    return true;
}

static void come_back_in_a_century_delays_nobody(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.instead = come_back_next_century};

    two_friends(s);
    lie(s, &w);
    queued(s, "now, please");
    assert_int_equal(wax(s, s->bob, "receive", "--timeout", "2", NULL), 69);
    cost_at_most(s, &usual);
    it_went_out_after_all(s, "now, please");
}

static void refuse_after(struct evil *e, const struct ask *q, struct answer *a)
{
    if (asks(q, "POST", "/v1/directory/") && a->status == 200 && e->n++ == 0)
        answer_problem(a, 422, "handle-invalid", "No such name");
}

static void a_list_taken_and_said_to_be_refused_makes_no_second_one(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.after = refuse_after};

    two_friends(s);
    lie(s, &w);
    assert_int_not_equal(wax(s, s->ann, "rename", "first", NULL), 0);
    cost_at_most(s, &usual);
    assert_int_equal(s->evil.n, 1);
    lie(s, NULL);
    /* It was published all the same; what is signed next is its successor, not its rival. */
    assert_int_equal(wax(s, s->ann, "rename", "second", NULL), 0);
    assert_int_equal(wax(s, s->ann, "devices", NULL), 0);
    assert_int_equal(printed(s, "device", "name", "second"), 1);
    assert_int_equal(wax(s, s->bob, "devices", at(s->ann), NULL), 0);
    assert_int_equal(printed(s, "device", "name", "second"), 1);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    assert_int_equal(printed(s, "alert", "kind", "directory_equivocation"), 0);
    all_is_well(s);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_teardown(f, calm)
    const struct CMUnitTest tests[] = {
        T(said_to_be_accepted_and_thrown_away_costs_only_itself),
        T(results_that_do_not_add_up_leave_the_message_queued),
        T(mailboxes_said_to_be_full_are_tried_again),
        T(devices_said_to_be_gone_are_looked_up_not_believed),
        T(a_conflict_without_end_is_given_up_after_eight_rounds),
        T(a_newer_key_of_the_servers_making_is_not_sealed_to),
        T(an_answer_that_is_lost_repeats_nothing),
        T(a_server_that_never_answers_is_left_in_time),
        T(a_counter_that_jumps_stops_all_sending_and_resets_nothing),
        T(a_counter_that_vanished_stops_all_sending),
        T(a_counter_that_falls_changes_nothing),
        T(a_clock_a_century_off_is_told_and_harms_nothing),
        T(terminal_codes_in_its_words_never_reach_a_terminal),
        T(a_problem_document_is_no_success),
        T(a_hotels_log_in_page_is_no_answer),
        T(come_back_in_a_century_delays_nobody),
        T(a_list_taken_and_said_to_be_refused_makes_no_second_one),
    };

    if (argc > 1) /* one test, by its name or a pattern */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("answers lie", tests, scene_start, scene_stop);
}
