/* Judgements around an envelope: whose conversation it is, what a returned one proves, where
 * a clone was noticed, and what a device of somebody else may not do with a session. */
#include "session/evidence.h"
#include "session_talk.h"

static struct device ann, bob, carl;

static int setup(void **state)
{
    device_new(&ann, 71);
    device_new(&bob, 72);
    device_new(&carl, 73);
    devices_meet(&ann, &bob);
    devices_meet(&ann, &carl);
    devices_meet(&bob, &carl);
    return 0;
}

static int teardown(void **state)
{
    device_done(&ann);
    device_done(&bob);
    device_done(&carl);
    return 0;
}

/* --- Conversations -------------------------------------------------------------------- */

/* The verdict on content with that conversation, sent from one device to another. */
static wax_rc judge(const struct device *from, const struct device *to, struct bytes conversation,
                    const uint8_t *gid, enum conversation_kind *kind, struct acct_id *with)
{
    Wax__V1__GroupRef group = WAX__V1__GROUP_REF__INIT;
    Wax__V1__Content c = WAX__V1__CONTENT__INIT;

    c.conversation.data = (uint8_t *)(uintptr_t)conversation.p;
    c.conversation.len = conversation.n;
    if (gid) {
        group.gid.data = (uint8_t *)(uintptr_t)gid;
        group.gid.len = 32;
        c.group = &group;
    }
    return session_conversation(&to->t.me, &from->t.me, &c, kind, with);
}

static struct bytes pair(const struct device *a, const struct device *b, uint8_t out[64])
{
    bool swap = memcmp(a->t.me.acct.b, b->t.me.acct.b, 32) > 0;

    memcpy(out, swap ? b->t.me.acct.b : a->t.me.acct.b, 32);
    memcpy(out + 32, swap ? a->t.me.acct.b : b->t.me.acct.b, 32);
    return (struct bytes){out, 64};
}

static void a_pair_must_hold_the_sender_and_us(void **state)
{
    enum conversation_kind kind = CONV_GROUP;
    struct acct_id with;
    uint8_t p[64], swapped[64];

    assert_ok(judge(&ann, &bob, pair(&ann, &bob, p), NULL, &kind, &with));
    assert_int_equal(kind, CONV_DIRECT);
    assert_memory_equal(with.b, ann.t.me.acct.b, 32);
    memcpy(swapped, p + 32, 32);
    memcpy(swapped + 32, p, 32);
    assert_rc(judge(&ann, &bob, BYTES_OF(swapped), NULL, &kind, &with), WAX_R_CONVERSATION);
    assert_rc(judge(&ann, &bob, pair(&ann, &carl, p), NULL, &kind, &with), WAX_R_CONVERSATION);
    assert_rc(judge(&ann, &bob, pair(&bob, &carl, p), NULL, &kind, &with), WAX_R_CONVERSATION);
    assert_rc(judge(&ann, &bob, pair(&bob, &bob, p), NULL, &kind, &with), WAX_R_CONVERSATION);
    assert_rc(judge(&ann, &bob, pair(&ann, &ann, p), NULL, &kind, &with), WAX_R_CONVERSATION);
    assert_rc(judge(&ann, &bob, (struct bytes){p, 63}, NULL, &kind, &with), WAX_R_CONVERSATION);
    assert_rc(judge(&ann, &bob, (struct bytes){NULL, 0}, NULL, &kind, &with), WAX_R_CONVERSATION);
}

static void an_own_device_tells_of_every_conversation_of_ours(void **state)
{
    enum conversation_kind kind = CONV_GROUP;
    struct acct_id with;
    uint8_t p[64];
    struct device phone = {.t.me = ann.t.me};

    phone.t.me.dev = carl.t.me.dev;
    assert_ok(judge(&phone, &ann, pair(&ann, &bob, p), NULL, &kind, &with));
    assert_int_equal(kind, CONV_OWN);
    assert_memory_equal(with.b, bob.t.me.acct.b, 32);
    assert_ok(judge(&phone, &ann, pair(&ann, &ann, p), NULL, &kind, &with));
    assert_int_equal(kind, CONV_NOTES);
    assert_rc(judge(&phone, &ann, pair(&bob, &carl, p), NULL, &kind, &with), WAX_R_CONVERSATION);
    assert_rc(judge(&phone, &ann, pair(&bob, &bob, p), NULL, &kind, &with), WAX_R_CONVERSATION);
}

static void a_group_names_itself_twice_alike(void **state)
{
    enum conversation_kind kind = CONV_NOTES;
    struct acct_id with;
    uint8_t gid[32] = {1}, other[32] = {2}, p[64];

    assert_ok(judge(&ann, &bob, BYTES_OF(gid), gid, &kind, &with));
    assert_int_equal(kind, CONV_GROUP);
    assert_rc(judge(&ann, &bob, BYTES_OF(gid), other, &kind, &with), WAX_R_CONVERSATION);
    assert_rc(judge(&ann, &bob, pair(&ann, &bob, p), gid, &kind, &with), WAX_R_CONVERSATION);
}

/* --- Clones, and sessions of others ----------------------------------------------------- */

static void a_restored_sender_shows_as_a_clone(void **state)
{
    struct letter l, again;
    struct peer_sessions older;
    struct opened o;
    struct open_why why;

    say(&ann, &bob, "a", TALK_NOW);
    older = *state_of(&ann, &bob);
    say(&ann, &bob, "b", TALK_NOW);
    *state_of(&ann, &bob) = older;
    letter_write(&ann, &bob, "c", TALK_NOW, &again);
    assert_rc(twin_open(&bob.t, buf_view(&again.env), TALK_NOW, &o, &why), WAX_R_CLONE);
    assert_int_equal(why.clone, CLONE_SLOT);
    letter_write(&ann, &bob, "d", TALK_NOW, &l);
    assert_rc(letter_open(&bob, &l, TALK_NOW, &o), WAX_OK);
    opened_done(&o);
    letter_done(&l);
    letter_done(&again);
}

static void a_session_belongs_to_the_device_it_is_held_with(void **state)
{
    struct letter l;
    struct opened o;
    struct open_why why;

    say(&ann, &bob, "a", TALK_NOW);
    say(&ann, &bob, "b", TALK_NOW);
    /* Carl gets hold of ann's session and speaks in it under his own name. */
    struct peer_sessions *s = state_of(&carl, &bob);
    *s = *state_of(&ann, &bob);
    letter_write(&carl, &bob, "c", TALK_NOW, &l);
    assert_rc(twin_open(&bob.t, buf_view(&l.env), TALK_NOW, &o, &why), WAX_R_NO_KEY);
    assert_false(why.fanout_known);
    letter_done(&l);
}

static void the_state_of_another_device_is_not_taken(void **state)
{
    struct letter l;
    struct opened o;
    struct session_rows rows = twin_rows(&bob.t);

    letter_write(&ann, &bob, "a", TALK_NOW, &l);
    assert_rc(
        session_open(&bob.t.me, state_of(&bob, &carl), &rows, buf_view(&l.env), TALK_NOW, &o, NULL),
        WAX_E_INVAL);
    assert_ok(
        session_open(&bob.t.me, state_of(&bob, &ann), &rows, buf_view(&l.env), TALK_NOW, &o, NULL));
    opened_done(&o);
    letter_done(&l);
}

/* --- What a returned envelope proves ----------------------------------------------------- */

static bool proves(const struct letter *l)
{
    struct session_rows rows = twin_rows(&ann.t);
    bool proved = false;

    assert_ok(session_rollback_evidence(&ann.t.me, &bob.t.me, state_of(&ann, &bob), &rows,
                                        buf_view(&l->env), &proved));
    return proved;
}

static void an_envelope_we_do_not_remember_proves_a_rollback(void **state)
{
    struct letter first, second, other;
    struct twin before;

    letter_write(&ann, &bob, "a", TALK_NOW, &first);
    letter_read(&bob, &first, TALK_NOW);
    say(&bob, &ann, "b", TALK_NOW);
    twin_copy(&ann.t, &before);
    letter_write(&ann, &bob, "c", TALK_NOW, &second);
    assert_false(proves(&first));
    assert_false(proves(&second));
    /* The folder is put back: `second` was sealed by a future we do not know. */
    struct ec_key *dsk = ann.t.dsk;
    ann.t.dsk = NULL;
    twin_done(&ann.t);
    ann.t = before;
    ann.t.dsk = dsk;
    assert_false(proves(&first));
    assert_true(proves(&second));
    /* And once the slot is used for something else, by the hash that we keep. */
    letter_write(&ann, &bob, "d", TALK_NOW, &other);
    assert_true(proves(&second));
    assert_false(proves(&other));
    second.env.p[second.env.n - 1] ^= 1;
    assert_false(proves(&second));
    second.env.n--;
    assert_false(proves(&second));
    letter_done(&first);
    letter_done(&second);
    letter_done(&other);
}

static void an_envelope_of_others_proves_nothing(void **state)
{
    struct letter l;

    say(&ann, &bob, "a", TALK_NOW);
    letter_write(&bob, &ann, "b", TALK_NOW, &l);
    assert_false(proves(&l));
    letter_done(&l);
    letter_write(&ann, &carl, "c", TALK_NOW, &l);
    assert_false(proves(&l));
    letter_done(&l);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_pair_must_hold_the_sender_and_us),
        T(an_own_device_tells_of_every_conversation_of_ours),
        T(a_group_names_itself_twice_alike),
        T(a_restored_sender_shows_as_a_clone),
        T(a_session_belongs_to_the_device_it_is_held_with),
        T(the_state_of_another_device_is_not_taken),
        T(an_envelope_we_do_not_remember_proves_a_rollback),
        T(an_envelope_of_others_proves_nothing),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
