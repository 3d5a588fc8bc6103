/* The directory lies: device lists, bundles, whole accounts. */
#include "../unit/account/people.h"

#include <stdlib.h>

#include "story.h"

#include "base/mem.h"
#include "crypto/crypto.h"
#include "os/clock.h"
#include "os/random.h"
#include "wire/proto.h"

#define LOOK_UP "/v1/directory/"

/* --- Changing a DirectoryReply --- */

typedef void (*change_fn)(struct evil *e, Wax__V1__DirectoryReply *r);

static void change(struct evil *e, struct answer *a, change_fn fn)
{
    ProtobufCMessage *m = NULL;
    struct buf out = {0};

    m = protobuf_c_message_unpack(&wax__v1__directory_reply__descriptor, NULL, a->body.n,
                                  a->body.p);
    if (!m)
        abort();
    fn(e, (Wax__V1__DirectoryReply *)m);
    if (proto_pack(m, &out) != WAX_OK)
        abort();
    answer_body(a, 200, buf_view(&out));
    buf_done(&out);
    protobuf_c_message_free_unpacked(m, NULL);
}

/* The look-up of the handle in e->text. */
static bool is_look_up(const struct evil *e, const struct ask *q)
{
    return asks(q, "GET", LOOK_UP) && strcmp(q->path + sizeof LOOK_UP - 1, e->text) == 0;
}

static void lie_about(struct scene *s, const char *name, const struct ways *w)
{
    evil_set(&s->evil, w);
    (void)snprintf(s->evil.text, sizeof s->evil.text, "%s", at(name));
}

/* --- A ghost device --- */

/* A list that has one device more, signed by the ghost itself: the server has no other key. */
static void add_ghost(struct evil *e, Wax__V1__DirectoryReply *r)
{
    Wax__V1__VersionProof *newest = r->versions[r->n_versions - 1];
    struct device_keys ghost = {0};
    struct chain_link *l = mem_alloc(sizeof *l);
    struct chain_prev *prev = mem_alloc(sizeof *prev);
    struct buf link = {0};

    if (!l || !prev || chain_link_decode(PB_BYTES(newest->chain_link), l) != WAX_OK ||
        chain_prev_of(l, prev) != WAX_OK || device_keys_make(os_rng(), &ghost) != WAX_OK)
        abort();
    struct manifest m = prev->manifest;
    m.seq++;
    m.prev = prev->hash;
    m.issued = os_now_ms();
    m.signer_kind = SIGNER_DEVICE;
    if (dev_id_of(&m.devices[0].dsk, &m.signer) != WAX_OK ||
        device_keys_entry(&ghost, "ghost", &m.devices[m.n_devices++]) != WAX_OK)
        abort();
    forge(&m, ghost.dsk, (const struct device_keys *const[]){&ghost}, 1, &link);
    /* In the place of the newest: the list served is then as long as before. */
    newest->version++;
    r->version++;
    free(newest->chain_link.data);
    newest->chain_link.data = malloc(link.n);
    newest->chain_link.len = link.n;
    memcpy(newest->chain_link.data, link.p, link.n);
    e->n++;
    buf_done(&link);
    device_keys_done(&ghost);
    mem_free(l);
    mem_free(prev);
}

static void ghost_after(struct evil *e, const struct ask *q, struct answer *a)
{
    if (is_look_up(e, q))
        change(e, a, add_ghost);
}

static void a_ghost_device_is_refused_and_nothing_is_sealed_to_it(void **state)
{
    struct scene *s = *state;
    static const struct ways ghost = {.after = ghost_after};

    two_friends(s);
    lie_about(s, s->bob, &ghost);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "with a ghost", NULL), 75);
    cost_at_most(s, &usual);
    assert_true(s->evil.n > 0);
    assert_int_equal(wax(s, s->ann, "receive", NULL), 75 - 75);
    assert_int_equal(printed(s, "alert", "kind", "tampered"), 1);
    evil_set(&s->evil, NULL);
    assert_int_equal(wax(s, s->ann, "flush", NULL), 0);
    assert_string_equal(field_of(s, "sent", 0, "devices"), "1");
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, "with a ghost"), 1);
}

/* --- A swapped device --- */

static void swap_key(struct evil *e, Wax__V1__DirectoryReply *r)
{
    ProtobufCBinaryData *l = &r->versions[r->n_versions - 1]->chain_link;
    struct chain_link *d = mem_alloc(sizeof *d);
    struct ec_key *other;

    if (!d || chain_link_decode(PB_BYTES(*l), d) != WAX_OK ||
        ec_generate(os_rng(), &other) != WAX_OK)
        abort();
    uint8_t *p = memmem(l->data, l->len, d->manifest.devices[0].dsk.b, 65);
    if (!p)
        abort();
    memcpy(p, ec_public(other)->b, 65);
    ec_free(other);
    mem_free(d);
    e->n++;
}

static void swap_after(struct evil *e, const struct ask *q, struct answer *a)
{
    if (is_look_up(e, q))
        change(e, a, swap_key);
}

static void a_swapped_device_key_is_refused_by_friends_and_strangers(void **state)
{
    struct scene *s = *state;
    static const struct ways swap = {.after = swap_after};
    char carol[24];

    two_friends(s);
    newcomer(s, carol);
    lie_about(s, s->bob, &swap);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "to whom?", NULL), 75);
    cost_at_most(s, &usual);
    /* At first contact, too: the genesis is not what its account id says. */
    assert_int_equal(wax(s, carol, "send", at(s->bob), "hello stranger", NULL), 65);
    cost_at_most(s, &usual);
    assert_int_equal(wax(s, carol, "outbox", NULL), 0);
    assert_int_equal(printed(s, "outbox", NULL, NULL), 0);
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, "to whom?"), 1);
    assert_int_equal(times_read(s, s->bob, "hello stranger"), 0);
}

/* --- Old and hidden --- */

static void keep_after(struct evil *e, const struct ask *q, struct answer *a)
{
    if (!is_look_up(e, q))
        return;
    buf_reset(&e->kept);
    buf_bytes(&e->kept, buf_view(&a->body));
}

static void kept_after(struct evil *e, const struct ask *q, struct answer *a)
{
    if (is_look_up(e, q) && e->kept2.n)
        answer_body(a, 200, buf_view(&e->kept2));
}

/* What a newcomer is told about name now, to be told again later. */
static void remember(struct scene *s, const char *name, struct buf *ret)
{
    static const struct ways keep = {.after = keep_after};
    char witness[24];

    newcomer(s, witness);
    lie_about(s, name, &keep);
    assert_int_equal(wax(s, witness, "devices", at(name), NULL), 0);
    evil_set(&s->evil, NULL);
    assert_true(s->evil.kept.n > 0);
    buf_reset(ret);
    buf_bytes(ret, buf_view(&s->evil.kept));
}

static void tell_old(struct scene *s, const char *name, const struct buf *old)
{
    static const struct ways lie = {.after = kept_after};

    lie_about(s, name, &lie);
    buf_bytes(&s->evil.kept2, buf_view(old));
}

static void an_old_list_is_refused_but_hides_a_device_at_first_contact(void **state)
{
    struct scene *s = *state;
    struct buf old = {0};
    char bob2[24], carol[24];

    two_friends(s);
    newcomer(s, carol);
    remember(s, s->bob, &old);
    link_device(s, s->bob, bob2);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "to both of you", NULL), 0);
    assert_string_equal(field_of(s, "sent", 0, "devices"), "2");

    tell_old(s, s->bob, &old);
    /* Who has seen the newer list is not fooled: the message waits, and the person is told. */
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "still to both", NULL), 75);
    cost_at_most(s, &usual);
    assert_int_equal(wax(s, s->ann, "receive", NULL), 0);
    assert_int_equal(printed(s, "alert", "kind", "server_refused"), 1);
    /* At first contact nobody can tell without the transparency log (issue 5): carol writes to the
     * device she is shown, and her client says that the directory is unverified. The real server
     * would have answered 409; this one is its accomplice and takes what it is given. */
    assert_int_equal(wax(s, carol, "devices", at(s->bob), NULL), 0);
    assert_int_equal(printed(s, "device", NULL, NULL), 1);
    assert_int_equal(wax(s, carol, "status", NULL), 0);
    assert_string_equal(field_of(s, "status", 0, "directory"), "unverified");

    /* Honest again: she learns of the hidden device by herself. */
    evil_set(&s->evil, NULL);
    assert_int_equal(wax(s, carol, "send", at(s->bob), "hello from carol", NULL), 0);
    assert_string_equal(field_of(s, "sent", 0, "devices"), "2");
    all_is_well(s);
    assert_int_equal(wax(s, bob2, "receive", NULL), 0);
    assert_int_equal(printed(s, "message", "text", "still to both"), 1);
    assert_int_equal(printed(s, "message", "text", "hello from carol"), 1);
    buf_done(&old);
}

/* Only the bundle is old: the list is today's. */
static void old_bundle(struct evil *e, Wax__V1__DirectoryReply *r)
{
    ProtobufCMessage *m = NULL;

    m = protobuf_c_message_unpack(&wax__v1__directory_reply__descriptor, NULL, e->kept2.n,
                                  e->kept2.p);
    if (!m)
        abort();
    const Wax__V1__DirectoryReply *old = (const void *)m;
    if (r->n_bundle_records && old->n_bundle_records && r->bundle_records[0].len == BUNDLE_RECORD &&
        old->bundle_records[0].len == BUNDLE_RECORD) {
        memcpy(r->bundle_records[0].data, old->bundle_records[0].data, BUNDLE_RECORD);
        e->n++;
    }
    protobuf_c_message_free_unpacked(m, NULL);
}

static void old_bundle_after(struct evil *e, const struct ask *q, struct answer *a)
{
    if (is_look_up(e, q) && e->kept2.n)
        change(e, a, old_bundle);
}

static void an_old_bundle_is_refused_by_who_has_seen_the_newer(void **state)
{
    struct scene *s = *state;
    static const struct ways lie = {.after = old_bundle_after};
    struct buf old = {0};
    char bob2[24], carol[24];

    two_friends(s);
    newcomer(s, carol);
    remember(s, s->bob, &old);
    link_device(s, s->bob, bob2);
    assert_int_equal(wax(s, bob2, "status", NULL), 0);
    char device[64];
    (void)snprintf(device, sizeof device, "%s", field_of(s, "status", 0, "device"));
    assert_int_equal(wax(s, s->bob, "revoke", device, NULL), 0); /* and makes a new bundle */
    assert_int_equal(wax(s, carol, "devices", at(s->bob), NULL), 0);

    lie_about(s, s->bob, &lie);
    buf_bytes(&s->evil.kept2, buf_view(&old));
    assert_int_equal(wax(s, carol, "send", at(s->bob), "an INIT to an old key?", NULL), 75);
    assert_true(s->evil.n > 0);
    cost_at_most(s, &usual);
    assert_int_equal(wax(s, carol, "receive", NULL), 0);
    assert_int_equal(printed(s, "alert", "kind", "tampered"), 1);
    evil_set(&s->evil, NULL);
    assert_int_equal(wax(s, carol, "flush", NULL), 0);
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, "an INIT to an old key?"), 1);
    buf_done(&old);
}

static void flip_bundle(struct evil *e, Wax__V1__DirectoryReply *r)
{
    if (r->n_bundle_records && r->bundle_records[0].len == BUNDLE_RECORD) {
        r->bundle_records[0].data[400] ^= 1; /* in the ML-KEM key */
        e->n++;
    }
}

static void flip_bundle_after(struct evil *e, const struct ask *q, struct answer *a)
{
    if (is_look_up(e, q))
        change(e, a, flip_bundle);
}

static void a_bundle_of_the_servers_making_is_never_sealed_to(void **state)
{
    struct scene *s = *state;
    static const struct ways lie = {.after = flip_bundle_after};
    char carol[24];

    newcomer(s, carol);
    lie_about(s, s->bob, &lie);
    assert_int_equal(wax(s, carol, "send", at(s->bob), "who has the key?", NULL), 75);
    cost_at_most(s, &usual);
    assert_true(s->evil.n > 0);
    assert_int_equal(wax(s, carol, "receive", NULL), 0);
    assert_int_equal(printed(s, "alert", "kind", "tampered"), 1);
    evil_set(&s->evil, NULL);
    assert_int_equal(wax(s, carol, "flush", NULL), 0);
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, "who has the key?"), 1);
}

/* --- Other accounts --- */

/* An account of the server's own making under somebody's handle. */
static void make_impostor(struct evil *e)
{
    struct device_keys keys;
    struct prekey prekey;
    struct buf link = {0};
    Wax__V1__DirectoryReply r = WAX__V1__DIRECTORY_REPLY__INIT;
    Wax__V1__VersionProof v = WAX__V1__VERSION_PROOF__INIT, *versions[] = {&v};

    if (device_keys_make(os_rng(), &keys) != WAX_OK)
        abort();
    const struct genesis_in in = {
        .keys = &keys, .handle = e->text, .name = "impostor", .now = os_now_ms()};
    if (genesis_make(&in, os_rng(), &link, &prekey) != WAX_OK)
        abort();
    ProtobufCBinaryData bundle = {sizeof prekey.record, prekey.record};
    v.version = r.version = 1;
    v.chain_link = (ProtobufCBinaryData){link.n, link.p};
    r.n_versions = r.n_bundle_records = 1;
    r.versions = versions;
    r.bundle_records = &bundle;
    buf_reset(&e->kept2);
    if (proto_pack(&r.base, &e->kept2) != WAX_OK)
        abort();
    prekey_done(&prekey);
    device_keys_done(&keys);
    buf_done(&link);
}

static void a_false_account_is_noticed_by_friends_and_cannot_be_at_first_contact(void **state)
{
    struct scene *s = *state;
    static const struct ways lie = {.after = kept_after};
    char carol[24], false_number[512], true_number[512];

    two_friends(s);
    newcomer(s, carol);
    lie_about(s, s->bob, &lie);
    make_impostor(&s->evil);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "is it you?", NULL), 77);
    cost_at_most(s, &usual);
    assert_int_equal(wax(s, s->ann, "receive", NULL), 0);
    assert_int_equal(printed(s, "alert", "kind", "identity_changed"), 1);
    /* Carol has never seen bob. Until the transparency log exists (issue 5) she takes what she is
     * shown; only the safety number tells, and `status` says that nothing else would. */
    assert_int_equal(wax(s, carol, "verify", at(s->bob), NULL), 0);
    (void)snprintf(false_number, sizeof false_number, "%s", field_of(s, "verify", 0, "number"));
    evil_set(&s->evil, NULL);
    assert_int_equal(wax(s, s->bob, "verify", at(carol), NULL), 0);
    (void)snprintf(true_number, sizeof true_number, "%s", field_of(s, "verify", 0, "number"));
    assert_string_not_equal(false_number, true_number);
    /* The next honest answer shows it to her as well. */
    assert_int_equal(wax(s, carol, "send", at(s->bob), "hello", NULL), 77);
    assert_int_equal(wax(s, carol, "receive", NULL), 0);
    assert_int_equal(printed(s, "alert", "kind", "identity_changed"), 1);
    /* Ann says by the number that nothing changed; then what waits goes out. */
    assert_int_equal(wax(s, s->bob, "verify", at(s->ann), NULL), 0);
    (void)snprintf(true_number, sizeof true_number, "%s", field_of(s, "verify", 0, "number"));
    assert_int_equal(wax(s, s->ann, "accept-identity", at(s->bob), "--code", true_number, NULL), 0);
    assert_int_equal(wax(s, s->ann, "flush", NULL), 0);
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, "is it you?"), 1);
    assert_int_equal(times_read(s, s->bob, "hello"), 0);
}

static void another_persons_entry_is_refused(void **state)
{
    struct scene *s = *state;
    struct buf anns = {0};
    char carol[24];

    newcomer(s, carol);
    remember(s, s->ann, &anns);
    tell_old(s, s->bob, &anns);
    assert_int_equal(wax(s, carol, "send", at(s->bob), "wrong door", NULL), 65);
    cost_at_most(s, &usual);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "not to myself", NULL), 75);
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, "not to myself"), 1);
    buf_done(&anns);
}

/* --- Sizes --- */

static void endless_after(struct evil *e, const struct ask *q, struct answer *a)
{
    if (is_look_up(e, q))
        a->endless = true;
}

static void a_reply_without_an_end_is_cut_off(void **state)
{
    struct scene *s = *state;
    static const struct ways lie = {.after = endless_after};
    struct bound b = usual;

    b.bytes = 24 * 1024 * 1024; /* the reply's cap, TLS, and what was under way */
    lie_about(s, s->bob, &lie);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "no end", NULL), 75);
    cost_at_most(s, &b);
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, "no end"), 1);
}

/* As many versions as a reply may name, all the same one. */
static void many_versions(struct evil *e, Wax__V1__DirectoryReply *r)
{
    Wax__V1__VersionProof *one = r->versions[0];

    r->versions = realloc(r->versions, 2000 * sizeof *r->versions);
    for (size_t i = r->n_versions; i < 2000; i++) {
        r->versions[i] = malloc(sizeof *one);
        wax__v1__version_proof__init(r->versions[i]);
        r->versions[i]->version = (uint32_t)i + 1;
        r->versions[i]->chain_link.len = one->chain_link.len;
        r->versions[i]->chain_link.data = malloc(one->chain_link.len);
        memcpy(r->versions[i]->chain_link.data, one->chain_link.data, one->chain_link.len);
    }
    r->n_versions = 2000;
    r->version = 2000;
    e->n++;
}

static void many_after(struct evil *e, const struct ask *q, struct answer *a)
{
    if (is_look_up(e, q))
        change(e, a, many_versions);
}

static void a_chain_of_thousands_of_false_links_costs_little(void **state)
{
    struct scene *s = *state;
    static const struct ways lie = {.after = many_after};
    struct bound b = usual;
    char carol[24];

    newcomer(s, carol);
    b.bytes = 8 * 1024 * 1024;
    lie_about(s, s->bob, &lie);
    assert_int_equal(wax(s, carol, "send", at(s->bob), "how many?", NULL), 65);
    assert_int_equal(s->evil.n, 1);
    cost_at_most(s, &b);
    all_is_well(s);
}

static void deny_after(struct evil *e, const struct ask *q, struct answer *a)
{
    if (is_look_up(e, q))
        answer_problem(a, 404, "unknown-handle", "Nobody is called so");
}

static void a_friend_whose_existence_is_denied_is_not_forgotten(void **state)
{
    struct scene *s = *state;
    static const struct ways lie = {.after = deny_after};

    lie_about(s, s->bob, &lie);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "I know you are there", NULL), 77);
    cost_at_most(s, &usual);
    assert_int_equal(wax(s, s->ann, "outbox", NULL), 0);
    assert_int_equal(printed(s, "outbox", NULL, NULL), 1);
    evil_set(&s->evil, NULL);
    assert_int_equal(wax(s, s->ann, "flush", NULL), 0);
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, "I know you are there"), 1);
}

/* --- Linking --- */

/* Every record that N posts first is replaced by one of another device's: here, garbage of the same
 * size; without the link code's secret nothing better can be made. */
static void swap_rendezvous(struct evil *e, const struct ask *q, struct answer *a)
{
    ProtobufCMessage *m = NULL;
    struct buf out = {0};

    if (!asks(q, "GET", "/v1/link/") || a->status != 200)
        return;
    m = protobuf_c_message_unpack(&wax__v1__link_reply__descriptor, NULL, a->body.n, a->body.p);
    if (!m)
        abort();
    Wax__V1__LinkReply *r = (Wax__V1__LinkReply *)m;
    for (size_t i = 0; i < r->n_sealed; i++)
        if (r->sealed[i].len > 40) {
            r->sealed[i].data[40] ^= 1;
            e->n++;
        }
    if (proto_pack(m, &out) != WAX_OK)
        abort();
    answer_body(a, 200, buf_view(&out));
    buf_done(&out);
    protobuf_c_message_free_unpacked(m, NULL);
}

static void a_changed_rendezvous_ends_the_link_and_adds_no_device(void **state)
{
    struct scene *s = *state;
    static const struct ways lie = {.after = swap_rendezvous};
    char name[24];
    int new_code, old_code;

    evil_set(&s->evil, &lie);
    (void)snprintf(name, sizeof name, "p%u", ++s->n_people);
    try_link(s, s->bob, name, &new_code, &old_code);
    assert_int_equal(old_code, 65);
    assert_true(new_code == 65 || new_code == 69); /* nobody answers it */
    assert_true(s->evil.n > 0);
    evil_set(&s->evil, NULL);
    assert_int_equal(wax(s, s->bob, "devices", NULL), 0);
    assert_int_equal(printed(s, "device", NULL, NULL), 1);
    all_is_well(s);
    link_device(s, s->bob, name); /* and goes well with an honest server */
}

int main(int argc, char **argv)
{
    if (argc > 1) /* one test, by its name or a pattern */
        cmocka_set_test_filter(argv[1]);
#define T(f) cmocka_unit_test_teardown(f, calm)
    const struct CMUnitTest tests[] = {
        T(a_ghost_device_is_refused_and_nothing_is_sealed_to_it),
        T(a_swapped_device_key_is_refused_by_friends_and_strangers),
        T(an_old_list_is_refused_but_hides_a_device_at_first_contact),
        T(an_old_bundle_is_refused_by_who_has_seen_the_newer),
        T(a_bundle_of_the_servers_making_is_never_sealed_to),
        T(a_false_account_is_noticed_by_friends_and_cannot_be_at_first_contact),
        T(another_persons_entry_is_refused),
        T(a_reply_without_an_end_is_cut_off),
        T(a_chain_of_thousands_of_false_links_costs_little),
        T(a_friend_whose_existence_is_denied_is_not_forgotten),
        T(a_changed_rendezvous_ends_the_link_and_adds_no_device),
    };
    return cmocka_run_group_tests_name("the directory lies", tests, scene_start, scene_stop);
}
