/* Stories of invites and of the rendezvous for linking. */
#include "harness.h"

static wax_rc invite(struct world *w, uint8_t id, uint8_t token, uint32_t uses, uint64_t expires)
{
    struct store_req req = {.op = STORE_INVITE_ADD};

    req.u.invites.invite = (struct store_invite){{id}, {{token}}, uses, expires};
    return run(w, &req);
}

static size_t list(struct world *w, struct store_req *req)
{
    *req = (struct store_req){.op = STORE_INVITE_LIST};
    assert_int_equal(run(w, req), WAX_OK);
    return req->u.invites.n;
}

static void invites_are_listed_and_removed(void **state)
{
    struct world *w = *state;
    struct store_req req;

    assert_int_equal(list(w, &req), 0);
    store_req_done(&req);
    assert_int_equal(invite(w, 2, 20, 5, w->now + DAY), WAX_OK);
    assert_int_equal(invite(w, 1, 10, 1, w->now + 2 * DAY), WAX_OK);
    assert_int_equal(invite(w, 1, 11, 1, w->now + DAY), WAX_E_EXISTS);
    assert_int_equal(invite(w, 3, 10, 1, w->now + DAY), WAX_E_EXISTS);
    assert_int_equal(list(w, &req), 2);
    assert_int_equal(req.u.invites.list[0].id[0], 2);
    assert_int_equal(req.u.invites.list[0].token_hash.b[0], 20);
    assert_int_equal(req.u.invites.list[0].uses_left, 5);
    assert_int_equal(req.u.invites.list[0].expires, w->now + DAY);
    assert_int_equal(req.u.invites.list[1].id[0], 1);
    store_req_done(&req);

    struct store_req gone = {.op = STORE_INVITE_REMOVE};
    gone.u.invites.invite.id[0] = 2;
    assert_int_equal(run(w, &gone), WAX_OK);
    assert_int_equal(run(w, &gone), WAX_E_NOTFOUND);
    assert_int_equal(list(w, &req), 1);
    store_req_done(&req);
    w->now += 2 * DAY; /* only valid ones are shown */
    assert_int_equal(list(w, &req), 0);
    store_req_done(&req);
}

static void a_used_invite_is_shown_with_what_is_left(void **state)
{
    struct world *w = *state;
    struct store_req req;
    char token[2] = {10, 0};

    assert_int_equal(invite(w, 1, 10, 2, w->now + DAY), WAX_OK);
    assert_int_equal(reg(w, "ann", 1, token), WAX_OK);
    assert_int_equal(list(w, &req), 1);
    assert_int_equal(req.u.invites.list[0].uses_left, 1);
    store_req_done(&req);
    assert_int_equal(reg(w, "bob", 2, token), WAX_OK);
    assert_int_equal(list(w, &req), 0);
    store_req_done(&req);
}

static void a_sweep_takes_dead_invites(void **state)
{
    struct world *w = *state;
    struct store_req req;

    assert_int_equal(invite(w, 1, 10, 1, w->now + DAY), WAX_OK);
    w->now += DAY;
    sweep(w, &req, WEEK);
    store_req_done(&req);
    req = (struct store_req){.op = STORE_INVITE_REMOVE};
    req.u.invites.invite.id[0] = 1;
    assert_int_equal(run(w, &req), WAX_E_NOTFOUND);
    assert_int_equal(invite(w, 1, 10, 1, w->now + DAY), WAX_OK);
}

static wax_rc post(struct world *w, uint8_t rid, uint8_t k, size_t n)
{
    uint8_t sealed[9000] = {k, rid};
    struct store_req req = {.op = STORE_LINK_POST};

    req.u.link =
        (struct store_link){.rid = {rid}, .sealed = BYTES(sealed, n), .life_ms = 300000, .max = 3};
    return run(w, &req);
}

/* The number of records; 99: no such rendezvous. */
static size_t meet(struct world *w, uint8_t rid)
{
    struct store_req req = {.op = STORE_LINK_GET};
    size_t n = 99;

    req.u.link.rid[0] = rid;
    wax_rc rc = run(w, &req);
    if (rc == WAX_OK) {
        n = req.u.link.records.n;
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(req.u.link.records.v[i].p[0], i + 1);
            assert_int_equal(req.u.link.records.v[i].p[1], rid);
        }
    } else {
        assert_int_equal(rc, WAX_E_NOTFOUND);
    }
    store_req_done(&req);
    return n;
}

static void six_records_in_their_order_make_a_rendezvous(void **state)
{
    struct world *w = *state;

    assert_int_equal(meet(w, 1), 99);
    assert_int_equal(post(w, 1, 2, 100), WAX_E_CONFLICT);
    assert_int_equal(meet(w, 1), 99);
    for (uint8_t k = 1; k <= 6; k++) {
        assert_int_equal(post(w, 1, k, 100), WAX_OK);
        assert_int_equal(post(w, 1, k, 100), WAX_E_CONFLICT); /* each once */
        assert_int_equal(meet(w, 1), k);
    }
    assert_int_equal(post(w, 1, 7, 100), WAX_E_CONFLICT);
    assert_int_equal(meet(w, 1), 6);
}

static void a_sealed_record_is_small(void **state)
{
    struct world *w = *state;

    assert_int_equal(post(w, 1, 1, 0), WAX_E_INVAL);
    assert_int_equal(post(w, 1, 1, 8193), WAX_E_TOOBIG);
    assert_int_equal(post(w, 1, 1, 8192), WAX_OK);
    assert_int_equal(meet(w, 1), 1);
}

static void a_rendezvous_dies_after_its_time(void **state)
{
    struct world *w = *state;

    assert_int_equal(post(w, 1, 1, 100), WAX_OK);
    w->now += 200000;
    assert_int_equal(post(w, 1, 2, 100), WAX_OK); /* does not prolong it */
    w->now += 99999;
    assert_int_equal(meet(w, 1), 2);
    w->now += 1;
    assert_int_equal(meet(w, 1), 99);
    assert_int_equal(post(w, 1, 3, 100), WAX_E_CONFLICT);
    assert_int_equal(post(w, 1, 1, 100), WAX_OK); /* a new one under the same id */
    assert_int_equal(meet(w, 1), 1);
}

static void only_so_many_rendezvous_at_once(void **state)
{
    struct world *w = *state;
    struct store_req req;

    for (uint8_t rid = 1; rid <= 3; rid++)
        assert_int_equal(post(w, rid, 1, 100), WAX_OK);
    assert_int_equal(post(w, 4, 1, 100), WAX_E_FULL);
    assert_int_equal(post(w, 3, 2, 100), WAX_OK); /* those that are there go on */
    w->now += 300000;
    assert_int_equal(post(w, 4, 1, 100), WAX_OK); /* the dead do not count */
    sweep(w, &req, WEEK);
    store_req_done(&req);
    assert_int_equal(meet(w, 3), 99);
    assert_int_equal(meet(w, 4), 1);
}

const struct story stories_misc[] = {
    STORY(invites_are_listed_and_removed),  STORY(a_used_invite_is_shown_with_what_is_left),
    STORY(a_sweep_takes_dead_invites),      STORY(six_records_in_their_order_make_a_rendezvous),
    STORY(a_sealed_record_is_small),        STORY(a_rendezvous_dies_after_its_time),
    STORY(only_so_many_rendezvous_at_once), {NULL, NULL},
};
