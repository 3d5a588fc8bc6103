/* Stories of accounts, devices, bundles and counters. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

static wax_rc lookup(struct world *w, struct store_req *req, const char *handle, uint32_t after)
{
    *req = (struct store_req){.op = STORE_LOOKUP};
    req->u.lookup.handle = handle;
    req->u.lookup.after = after;
    return run(w, req);
}

static void assert_text(const struct buf *b, const char *text)
{
    assert_true(bytes_eq(buf_view(b), BYTES_STR(text)));
}

static wax_rc is_device(struct world *w, int n, const char *handle)
{
    struct store_req req = {.op = STORE_DEVICE};
    struct store_device d = device(n);

    req.u.device.dev = d.dev;
    wax_rc rc = run(w, &req);
    if (rc == WAX_OK) {
        assert_string_equal(req.u.device.handle, handle);
        assert_memory_equal(req.u.device.dsk.b, d.dsk.b, 65);
        assert_memory_equal(req.u.device.dtk.b, d.dtk.b, 65);
        assert_false(req.u.device.suspended);
    }
    return rc;
}

static wax_rc invite(struct world *w, uint8_t id, const char *token, uint32_t uses)
{
    struct store_req req = {.op = STORE_INVITE_ADD};

    req.u.invites.invite =
        (struct store_invite){.id = {id}, .uses_left = uses, .expires = w->now + DAY};
    memcpy(req.u.invites.invite.token_hash.b, token, strlen(token));
    return run(w, &req);
}

static void an_account_is_registered_and_found(void **state)
{
    struct world *w = *state;
    struct store_req req;

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(is_device(w, 1, "ann@x"), WAX_OK);
    assert_int_equal(is_device(w, 2, ""), WAX_E_NOTFOUND);
    assert_int_equal(lookup(w, &req, "bob@x", 0), WAX_E_NOTFOUND);
    assert_int_equal(lookup(w, &req, "ann@x", 0), WAX_OK);
    assert_int_equal(req.u.lookup.seq, 1);
    assert_int_equal(req.u.lookup.first, 1);
    assert_string_equal(req.u.lookup.handle_out, "ann@x");
    struct acct_id a = account_id("ann");
    assert_memory_equal(req.u.lookup.acct.b, a.b, 32);
    assert_int_equal(req.u.lookup.links.n, 1);
    assert_text(&req.u.lookup.links.v[0], "ann link 1");
    assert_text(&req.u.lookup.newest_link, "ann link 1");
    assert_int_equal(req.u.lookup.bundles.n, 1);
    assert_text(&req.u.lookup.bundles.v[0], "bundle 1 of device 1");
    store_req_done(&req);
}

static void an_account_is_found_by_its_id_too(void **state)
{
    struct world *w = *state;
    struct store_req req = {.op = STORE_LOOKUP};

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    req.u.lookup.acct = account_id("ann");
    assert_int_equal(run(w, &req), WAX_OK);
    assert_string_equal(req.u.lookup.handle_out, "ann@x");
    store_req_done(&req);
    req.u.lookup.acct = account_id("nobody");
    assert_int_equal(run(w, &req), WAX_E_NOTFOUND);
}

static void registering_twice_is_fine_with_the_same_bytes_only(void **state)
{
    struct world *w = *state;

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    struct store_device d = device(2);
    struct store_req req = {.op = STORE_REGISTER};
    req.u.reg.manifest = (struct store_manifest){.handle = "ann@x",
                                                 .acct = account_id("other"),
                                                 .seq = 1,
                                                 .chain_link = BYTES_STR("another link"),
                                                 .devices = &d,
                                                 .n_devices = 1};
    req.u.reg.bundle = (struct store_bundle){d.dev, bundle_id(2, 1), 1000, BYTES_STR("bundle")};
    assert_int_equal(run(w, &req), WAX_E_EXISTS);
    assert_int_equal(is_device(w, 2, ""), WAX_E_NOTFOUND);
}

static void the_first_link_still_counts_after_an_update(void **state)
{
    struct world *w = *state;
    struct store_req req;

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(publish(w, &req, "ann", 2, (int[]){1, 200, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
}

static void an_invite_lets_in_as_often_as_it_says(void **state)
{
    struct world *w = *state;

    assert_int_equal(reg(w, "ann", 1, "unknown"), WAX_E_DENIED);
    assert_int_equal(invite(w, 1, "token", 2), WAX_OK);
    assert_int_equal(reg(w, "ann", 1, "token"), WAX_OK);
    /* A repeat of the same registration does not use it up. */
    assert_int_equal(reg(w, "ann", 1, "token"), WAX_OK);
    assert_int_equal(reg(w, "bob", 2, "token"), WAX_OK);
    assert_int_equal(reg(w, "cat", 3, "token"), WAX_E_DENIED);
    assert_int_equal(reg(w, "ann", 1, "token"), WAX_OK);
}

static void a_refused_registration_does_not_use_the_invite(void **state)
{
    struct world *w = *state;

    assert_int_equal(invite(w, 1, "token", 1), WAX_OK);
    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(reg(w, "bob", 1, "token"), WAX_E_CONFLICT); /* device 1 is ann's */
    assert_int_equal(reg(w, "bob", 2, "token"), WAX_OK);
}

static void an_invite_expires(void **state)
{
    struct world *w = *state;

    assert_int_equal(invite(w, 1, "token", 5), WAX_OK);
    w->now += DAY - 1;
    assert_int_equal(reg(w, "ann", 1, "token"), WAX_OK);
    w->now += 1;
    assert_int_equal(reg(w, "bob", 2, "token"), WAX_E_DENIED);
}

static void keys_and_account_ids_are_unique(void **state)
{
    struct world *w = *state;
    struct store_device d[] = {device(2), device(2), device(2), device(2)};
    struct store_device ann = device(1);

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    d[0].dev = ann.dev;
    d[1].dsk = ann.dsk;
    d[2].dtk = ann.dtk;
    d[3].dtk = ann.dsk; /* also across kinds */
    for (size_t i = 0; i < 5; i++) {
        struct store_req req = {.op = STORE_REGISTER};
        struct store_device good = device(2);
        req.u.reg.manifest = (struct store_manifest){.handle = "bob@x",
                                                     .acct = account_id(i < 4 ? "bob" : "ann"),
                                                     .seq = 1,
                                                     .chain_link = BYTES_STR("bob link 1"),
                                                     .devices = i < 4 ? &d[i] : &good,
                                                     .n_devices = 1};
        req.u.reg.bundle = (struct store_bundle){i < 4 ? d[i].dev : good.dev, bundle_id(2, 1), 1000,
                                                 BYTES_STR("bundle")};
        assert_int_equal(run(w, &req), WAX_E_CONFLICT);
    }
    assert_int_equal(reg(w, "bob", 2, NULL), WAX_OK);
}

static void only_one_manifest_wins_a_seq(void **state)
{
    struct world *w = *state;
    struct store_req req;

    assert_int_equal(publish(w, &req, "ann", 2, (int[]){1, 0}), WAX_E_NOTFOUND);
    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(publish(w, &req, "ann", 3, (int[]){1, 0}), WAX_E_CONFLICT);
    assert_int_equal(publish(w, &req, "ann", 2, (int[]){1, 200, 0}), WAX_OK);
    assert_int_equal(req.u.update.n_removed, 0);
    store_req_done(&req);
    /* The bytes that are current again: fine, and nothing happens. */
    assert_int_equal(publish(w, &req, "ann", 2, (int[]){1, 200, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(publish(w, &req, "ann", 3, (int[]){1, 200, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(publish(w, &req, "ann", 2, (int[]){1, 200, 0}), WAX_E_CONFLICT);
    assert_int_equal(lookup(w, &req, "ann@x", 0), WAX_OK);
    assert_int_equal(req.u.lookup.seq, 3);
    assert_int_equal(req.u.lookup.bundles.n, 2);
    assert_text(&req.u.lookup.bundles.v[1], "bundle 1 of device 200");
    store_req_done(&req);
}

static void a_lookup_gives_what_is_new_to_the_asker(void **state)
{
    struct world *w = *state;
    struct store_req req;

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    for (uint32_t s = 2; s <= 5; s++) {
        assert_int_equal(publish(w, &req, "ann", s, (int[]){1, 0}), WAX_OK);
        store_req_done(&req);
    }
    assert_int_equal(lookup(w, &req, "ann@x", 2), WAX_OK);
    assert_int_equal(req.u.lookup.first, 3);
    assert_int_equal(req.u.lookup.links.n, 3);
    assert_text(&req.u.lookup.links.v[0], "ann link 3");
    assert_text(&req.u.lookup.links.v[2], "ann link 5");
    store_req_done(&req);
    /* At least the newest comes, whatever the asker knows. */
    for (uint32_t after = 5; after <= 9; after += 4) {
        assert_int_equal(lookup(w, &req, "ann@x", after), WAX_OK);
        assert_int_equal(req.u.lookup.first, 5);
        assert_int_equal(req.u.lookup.links.n, 1);
        assert_text(&req.u.lookup.newest_link, "ann link 5");
        store_req_done(&req);
    }
}

static void a_long_chain_comes_in_bounded_parts(void **state)
{
    struct world *w = *state;
    struct store_req req;
    struct store_device d = device(1);
    size_t size = 6U << 20;
    uint8_t *link = calloc(1, size);

    assert_non_null(link);
    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    for (uint32_t s = 2; s <= 5; s++) {
        put_u32(link, s);
        req = (struct store_req){.op = STORE_UPDATE};
        req.u.update.manifest = (struct store_manifest){.handle = "ann@x",
                                                        .acct = account_id("ann"),
                                                        .seq = s,
                                                        .chain_link = BYTES(link, size),
                                                        .devices = &d,
                                                        .n_devices = 1};
        assert_int_equal(run(w, &req), WAX_OK);
        store_req_done(&req);
    }
    assert_int_equal(lookup(w, &req, "ann@x", 0), WAX_OK);
    assert_int_equal(req.u.lookup.seq, 5);
    assert_int_equal(req.u.lookup.links.n, 3); /* 1, 2, 3; 4 would be over 16 MiB */
    assert_int_equal(get_u32(req.u.lookup.links.v[2].p), 3);
    assert_int_equal(get_u32(req.u.lookup.newest_link.p), 5);
    store_req_done(&req);
    free(link);
}

static void a_removed_device_loses_everything_and_senders_are_told(void **state)
{
    struct world *w = *state;
    struct store_req req;
    uint64_t sent = w->now;

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(reg(w, "bob", 2, NULL), WAX_OK);
    assert_int_equal(publish(w, &req, "bob", 2, (int[]){2, 200, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(send(w, 1, 200, 1, "first"), STORE_RES_STORED);
    assert_int_equal(send(w, 1, 200, 2, "second"), STORE_RES_STORED);
    assert_int_equal(send(w, 2, 200, 3, "from a sibling"), STORE_RES_STORED);
    assert_int_equal(send(w, 200, 2, 4, "stays"), STORE_RES_STORED);
    w->now += 5;
    assert_int_equal(publish(w, &req, "bob", 3, (int[]){2, 0}), WAX_OK);
    assert_int_equal(req.u.update.n_removed, 1);
    struct dev_id gone = dev(200);
    assert_memory_equal(req.u.update.removed[0].b, gone.b, 16);
    assert_int_equal(req.u.update.notified.n, 2);
    assert_true(has_dev(&req.u.update.notified, 1));
    assert_true(has_dev(&req.u.update.notified, 2));
    store_req_done(&req);

    assert_int_equal(is_device(w, 200, ""), WAX_E_NOTFOUND);
    assert_int_equal(fetch(w, &req, 200, 0), WAX_E_NOTFOUND);
    assert_int_equal(send(w, 1, 200, 9, "late"), STORE_RES_NO_DEVICE);
    assert_int_equal(send(w, 1, 200, 1, "again"), STORE_RES_ALREADY);
    assert_int_equal(put_bundle(w, 200, 2), WAX_E_NOTFOUND);
    assert_int_equal(fetch(w, &req, 1, 0), WAX_OK);
    assert_int_equal(req.u.fetch.n_rows, 2);
    assert_notice(&req, 0, 1, 200, sent, 2);
    assert_notice(&req, 1, 2, 200, sent, 2);
    assert_int_equal(req.u.fetch.rows[0].time, w->now);
    store_req_done(&req);
    assert_int_equal(fetch(w, &req, 2, 0), WAX_OK);
    assert_int_equal(req.u.fetch.n_rows, 2);
    assert_envelope(&req, 0, "ann@x", "stays");
    assert_notice(&req, 1, 3, 200, sent, 2);
    store_req_done(&req);
}

static void a_recovery_may_replace_every_device(void **state)
{
    struct world *w = *state;
    struct store_req req;

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(publish(w, &req, "ann", 2, (int[]){1, 200, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(send(w, 200, 1, 1, "to a device that goes too"), STORE_RES_STORED);
    assert_int_equal(publish(w, &req, "ann", 3, (int[]){300, 0}), WAX_OK);
    assert_int_equal(req.u.update.n_removed, 2);
    assert_int_equal(req.u.update.notified.n, 0); /* the sender goes as well */
    store_req_done(&req);
    assert_int_equal(is_device(w, 300, "ann@x"), WAX_OK);
    assert_int_equal(is_device(w, 1, ""), WAX_E_NOTFOUND);
    assert_int_equal(waiting(w, 300), 0);
}

static void keys_of_a_revoked_device_stay_taken(void **state)
{
    struct world *w = *state;
    struct store_req req;

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(reg(w, "bob", 2, NULL), WAX_OK);
    assert_int_equal(publish(w, &req, "ann", 2, (int[]){1, 900, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(publish(w, &req, "ann", 3, (int[]){1, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(publish(w, &req, "bob", 2, (int[]){2, 900, 0}), WAX_E_EXISTS);
    assert_int_equal(publish(w, &req, "bob", 2, (int[]){2, 1, 0}), WAX_E_EXISTS);
    assert_int_equal(publish(w, &req, "ann", 4, (int[]){1, 900, 0}), WAX_E_EXISTS);
    assert_int_equal(reg(w, "cat", 900, NULL), WAX_E_CONFLICT);
    assert_int_equal(publish(w, &req, "bob", 2, (int[]){2, 0}), WAX_OK);
    store_req_done(&req);
}

static void a_kept_device_keeps_its_mail_and_its_place(void **state)
{
    struct world *w = *state;
    struct store_req req;

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(publish(w, &req, "ann", 2, (int[]){1, 200, 201, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(send(w, 1, 201, 1, "kept"), STORE_RES_STORED);
    assert_int_equal(publish(w, &req, "ann", 3, (int[]){1, 201, 300, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(waiting(w, 201), 1);
    assert_int_equal(lookup(w, &req, "ann@x", 3), WAX_OK);
    assert_int_equal(req.u.lookup.bundles.n, 3);
    assert_text(&req.u.lookup.bundles.v[1], "bundle 1 of device 201");
    assert_text(&req.u.lookup.bundles.v[2], "bundle 1 of device 300");
    store_req_done(&req);
}

static void requests_out_of_contract_change_nothing(void **state)
{
    struct world *w = *state;
    struct store_device d[] = {device(1), device(1)};
    struct store_bundle b = {dev(77), bundle_id(77, 1), 1, BYTES_STR("bundle")};
    struct store_req req = {.op = STORE_UPDATE};

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    req.u.update.manifest = (struct store_manifest){.handle = "ann@x",
                                                    .acct = account_id("ann"),
                                                    .seq = 2,
                                                    .chain_link = BYTES_STR("link"),
                                                    .devices = d,
                                                    .n_devices = 1};
    req.u.update.bundles = &b; /* of a device that is not listed */
    req.u.update.n_bundles = 1;
    assert_int_equal(run(w, &req), WAX_E_INVAL);
    b.dev = dev(1); /* of one that is not new */
    assert_int_equal(run(w, &req), WAX_E_INVAL);
    req.u.update.n_bundles = 0;
    req.u.update.manifest.n_devices = 2; /* one listed twice */
    assert_int_equal(run(w, &req), WAX_E_EXISTS);
    req.u.update.manifest.n_devices = 0;
    assert_int_equal(run(w, &req), WAX_E_INVAL);
    req.u.update.manifest.n_devices = 1;
    d[0].dtk = device(5).dtk; /* a kept DSK with another DTK */
    assert_int_equal(run(w, &req), WAX_E_EXISTS);
    d[0] = device(1);
    req.u.update.manifest.acct = account_id("bob");
    assert_int_equal(run(w, &req), WAX_E_CONFLICT);
    struct store_req back;
    assert_int_equal(lookup(w, &back, "ann@x", 0), WAX_OK);
    assert_int_equal(back.u.lookup.seq, 1);
    store_req_done(&back);
}

static void a_bundle_is_replaced_by_a_newer_one_only(void **state)
{
    struct world *w = *state;
    struct store_req req;

    assert_int_equal(put_bundle(w, 1, 1), WAX_E_NOTFOUND);
    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(put_bundle(w, 1, 3), WAX_OK);
    assert_int_equal(put_bundle(w, 1, 3), WAX_OK); /* the same record again */
    assert_int_equal(put_bundle(w, 1, 2), WAX_E_CONFLICT);
    struct store_req same_time = {.op = STORE_BUNDLE};
    same_time.u.bundle.bundle =
        (struct store_bundle){dev(1), bundle_id(1, 9), 3000, BYTES_STR("another")};
    assert_int_equal(run(w, &same_time), WAX_E_CONFLICT);
    assert_int_equal(lookup(w, &req, "ann@x", 0), WAX_OK);
    assert_text(&req.u.lookup.bundles.v[0], "bundle 3 of device 1");
    store_req_done(&req);
}

static void a_device_without_a_bundle_has_an_empty_one(void **state)
{
    struct world *w = *state;
    struct store_req req;

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    /* Device 50 is under 100 · 2: publish() sends no bundle for it. */
    assert_int_equal(publish(w, &req, "ann", 2, (int[]){1, 50, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(lookup(w, &req, "ann@x", 0), WAX_OK);
    assert_int_equal(req.u.lookup.bundles.n, 2);
    assert_int_equal(req.u.lookup.bundles.v[1].n, 0);
    store_req_done(&req);
    assert_int_equal(put_bundle(w, 50, 1), WAX_OK);
    assert_int_equal(lookup(w, &req, "ann@x", 0), WAX_OK);
    assert_text(&req.u.lookup.bundles.v[1], "bundle 1 of device 50");
    store_req_done(&req);
}

static wax_rc counter(struct world *w, enum store_op op, int n, uint64_t *value, size_t *ret_n)
{
    struct store_req req = {.op = op};

    req.u.counter.dev = dev(n);
    if (op == STORE_COUNTER_PUT) {
        put_u64(req.u.counter.record, *value);
        memset(req.u.counter.record + 8, (int)*value, 32);
        req.u.counter.n = 40;
    }
    wax_rc rc = run(w, &req);
    if (op == STORE_COUNTER_GET && rc == WAX_OK) {
        *ret_n = req.u.counter.n;
        *value = req.u.counter.n ? get_u64(req.u.counter.record) : 0;
        if (req.u.counter.n)
            assert_int_equal(req.u.counter.record[39], (uint8_t)*value);
    }
    return rc;
}

static void a_counter_never_falls(void **state)
{
    struct world *w = *state;
    uint64_t v = 0;
    size_t n = 99;

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(counter(w, STORE_COUNTER_GET, 1, &v, &n), WAX_OK);
    assert_int_equal(n, 0);
    v = 5;
    assert_int_equal(counter(w, STORE_COUNTER_PUT, 1, &v, NULL), WAX_OK);
    assert_int_equal(counter(w, STORE_COUNTER_PUT, 1, &v, NULL), WAX_OK);
    v = 4;
    assert_int_equal(counter(w, STORE_COUNTER_PUT, 1, &v, NULL), WAX_E_CONFLICT);
    assert_int_equal(counter(w, STORE_COUNTER_GET, 1, &v, &n), WAX_OK);
    assert_int_equal(n, 40);
    assert_int_equal(v, 5);
    assert_int_equal(counter(w, STORE_COUNTER_PUT, 9, &v, NULL), WAX_E_NOTFOUND);
    assert_int_equal(counter(w, STORE_COUNTER_GET, 9, &v, &n), WAX_OK);
    assert_int_equal(n, 0);
}

static void a_counter_goes_with_its_device(void **state)
{
    struct world *w = *state;
    struct store_req req;
    uint64_t v = 5;
    size_t n = 99;

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(publish(w, &req, "ann", 2, (int[]){1, 200, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(counter(w, STORE_COUNTER_PUT, 200, &v, NULL), WAX_OK);
    assert_int_equal(publish(w, &req, "ann", 3, (int[]){1, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(counter(w, STORE_COUNTER_GET, 200, &v, &n), WAX_OK);
    assert_int_equal(n, 0);
}

const struct story stories_accounts[] = {
    STORY(an_account_is_registered_and_found),
    STORY(an_account_is_found_by_its_id_too),
    STORY(registering_twice_is_fine_with_the_same_bytes_only),
    STORY(the_first_link_still_counts_after_an_update),
    STORY(an_invite_lets_in_as_often_as_it_says),
    STORY(a_refused_registration_does_not_use_the_invite),
    STORY(an_invite_expires),
    STORY(keys_and_account_ids_are_unique),
    STORY(only_one_manifest_wins_a_seq),
    STORY(a_lookup_gives_what_is_new_to_the_asker),
    STORY(a_long_chain_comes_in_bounded_parts),
    STORY(a_removed_device_loses_everything_and_senders_are_told),
    STORY(a_recovery_may_replace_every_device),
    STORY(keys_of_a_revoked_device_stay_taken),
    STORY(a_kept_device_keeps_its_mail_and_its_place),
    STORY(requests_out_of_contract_change_nothing),
    STORY(a_bundle_is_replaced_by_a_newer_one_only),
    STORY(a_device_without_a_bundle_has_an_empty_one),
    STORY(a_counter_never_falls),
    STORY(a_counter_goes_with_its_device),
    {NULL, NULL},
};
