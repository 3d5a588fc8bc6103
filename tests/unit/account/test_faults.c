/* Memory runs out at every allocation of a story in turn, and every call into the crypto library
 * fails in turn: each call of ours either does all of its work or says so and leaves its outputs
 * alone. */
#include "room.h"

#include "account/pin.h"
#include "base/mem.h"
#include "fault_openssl.h"

static size_t countdown;
static bool hit;

static int fail_at(size_t n)
{
    (void)n;
    if (countdown == 0)
        return 0;
    if (--countdown > 0)
        return 0;
    hit = true;
    return 1;
}

/* Runs the story with the k-th allocation failing, k = 1, 2, … until none is hit. */
static size_t each_allocation(wax_rc (*story)(void *), void *arg)
{
    for (size_t k = 1;; k++) {
        wax_rc rc;

        countdown = k;
        hit = false;
        mem_set_fault(fail_at);
        rc = story(arg);
        mem_set_fault(NULL);
        if (!hit) {
            assert_int_equal(rc, WAX_OK);
            return k - 1;
        }
        assert_int_equal(rc, WAX_E_NOMEM);
    }
}

/* Runs the story with the k-th call into libcrypto or libsodium failing, k = 1, 2, … until none is.
 * `tolerated`: how often the story may succeed all the same: the call that only clears an AES key
 * schedule after use may fail (crypto then frees the context), once for each record sealed or
 * opened. */
static unsigned each_library_call(wax_rc (*story)(void *), void *arg, unsigned tolerated)
{
    unsigned survived = 0;

    for (unsigned k = 1;; k++) {
        fault_openssl_set(k);
        wax_rc rc = story(arg);
        unsigned calls = fault_openssl_count();
        fault_openssl_set(0);
        if (calls < k) {
            assert_int_equal(rc, WAX_OK);
            assert_true(survived <= tolerated);
            return k - 1;
        }
        if (rc == WAX_OK)
            survived++;
        else
            assert_true(rc == WAX_E_CRYPTO || rc == WAX_E_NOMEM);
    }
}

static wax_rc genesis_story(void *arg)
{
    struct person *ann = arg;
    struct rng rng = people_rng(5);
    struct genesis_in in = {
        .keys = &ann->keys, .handle = "ann@example.org", .name = "phone", .now = NOW};
    struct buf link = {0};
    struct prekey p = {0};
    wax_rc rc = genesis_make(&in, &rng, &link, &p);

    if (rc != WAX_OK) {
        assert_int_equal(link.n, 0);
        assert_null(p.spk);
    }
    buf_done(&link);
    prekey_done(&p);
    return rc;
}

static void a_registration_survives_every_failed_allocation(void **state)
{
    struct person ann;

    (void)state;
    person_make(&ann, "ann@example.org", false, 1);
    assert_true(each_allocation(genesis_story, &ann) >= 3);
    person_done(&ann);
}

static wax_rc update_story(void *arg)
{
    struct person *ann = arg;
    struct update_signer signer = update_signer_device(&ann->keys);
    struct buf link = {0};
    wax_rc rc = update_make(&ann->head, &signer, &(struct update_change){0}, NULL, NOW, &link);

    if (rc != WAX_OK)
        assert_int_equal(link.n, 0);
    buf_done(&link);
    return rc;
}

static wax_rc pin_story(void *arg)
{
    struct person *ann = arg;
    struct pin pin = {0}, zero = {0}, back;
    struct pin_change c;
    struct pin_link l = {1, buf_view(&ann->links[0])};
    struct buf form = {0};
    wax_rc rc = pin_update(&pin, "ann@example.org", &l, 1, 1, NOW, &c, NULL);

    if (rc != WAX_OK)
        assert_memory_equal(&pin, &zero, sizeof(pin));
    if (rc == WAX_OK)
        rc = pin_encode(&pin, &form);
    if (rc == WAX_OK)
        rc = pin_decode(buf_view(&form), &back);
    buf_done(&form);
    return rc;
}

static void updates_and_pins_survive_every_failed_allocation(void **state)
{
    struct person ann;

    (void)state;
    person_make(&ann, "ann@example.org", false, 2);
    assert_true(each_allocation(update_story, &ann) >= 3);
    assert_true(each_allocation(pin_story, &ann) >= 3);
    person_done(&ann);
}

struct pair {
    struct person *ann;
    struct device_keys *laptop;
};

/* Both sides to the end; the first failure ends the story. */
struct linking {
    struct link_new *n;
    struct link_old *o;
    struct link_out out;
    struct buf rec[LINK_RECORDS];
    struct bytes view[LINK_RECORDS];
    size_t n_rec;
    struct rng rng;
};

static wax_rc keep(struct linking *s)
{
    struct buf *b = &s->rec[s->n_rec];

    if (s->out.event != LINK_POST)
        return WAX_OK;
    buf_bytes(b, s->out.post);
    s->view[s->n_rec++] = buf_view(b);
    return buf_rc(b);
}

static wax_rc n_step(struct linking *s)
{
    wax_rc rc = link_new_step(s->n, s->view, s->n_rec, &s->rng, NOW, &s->out);

    return rc == WAX_OK ? keep(s) : rc;
}

static wax_rc o_step(struct linking *s)
{
    wax_rc rc = link_old_step(s->o, s->view, s->n_rec, NOW, &s->out);

    return rc == WAX_OK ? keep(s) : rc;
}

static wax_rc play(struct linking *s)
{
    char digits[LINK_DIGITS + 1] = "";
    wax_rc rc = n_step(s);

    if (rc == WAX_OK)
        rc = o_step(s);
    if (rc == WAX_OK)
        rc = n_step(s);
    if (rc == WAX_OK)
        rc = n_step(s);
    if (rc == WAX_OK)
        memcpy(digits, s->out.digits, sizeof(digits));
    if (rc == WAX_OK)
        rc = o_step(s);
    if (rc == WAX_OK)
        rc = link_old_typed(s->o, digits);
    if (rc == WAX_OK)
        rc = o_step(s);
    if (rc == WAX_OK)
        rc = n_step(s);
    if (rc == WAX_OK)
        rc = o_step(s);
    if (rc == WAX_OK)
        rc = link_old_published(s->o);
    if (rc == WAX_OK)
        rc = o_step(s);
    if (rc == WAX_OK)
        rc = n_step(s);
    if (rc == WAX_OK)
        assert_int_equal(s->out.event, LINK_DONE);
    return rc;
}

static wax_rc link_story(void *arg)
{
    struct pair *p = arg;
    struct linking s = {.rng = people_rng(9)};
    struct link_old_in in = {.keys = &p->ann->keys, .head = &p->ann->head};
    wax_rc rc = link_new_start(p->laptop, "laptop", "ann@example.org", &s.rng, &s.n);

    if (rc == WAX_OK) {
        in.code = link_new_code(s.n);
        rc = link_old_start(&in, &s.rng, &s.o);
    }
    if (rc == WAX_OK)
        rc = play(&s);
    link_new_free(s.n);
    link_old_free(s.o);
    for (size_t i = 0; i < LINK_RECORDS; i++)
        buf_done(&s.rec[i]);
    return rc;
}

static void a_link_survives_every_failed_allocation_on_both_sides(void **state)
{
    struct person ann;
    struct device_keys laptop;
    struct rng rng = people_rng(31);
    struct pair p = {&ann, &laptop};

    (void)state;
    person_make(&ann, "ann@example.org", false, 3);
    assert_int_equal(device_keys_make(&rng, &laptop), WAX_OK);
    assert_true(each_allocation(link_story, &p) >= 20);
    device_keys_done(&laptop);
    person_done(&ann);
}

static void a_link_survives_every_failed_library_call_on_both_sides(void **state)
{
    struct person ann;
    struct device_keys laptop;
    struct rng rng = people_rng(32);
    struct pair p = {&ann, &laptop};

    (void)state;
    person_make(&ann, "ann@example.org", false, 3);
    assert_int_equal(device_keys_make(&rng, &laptop), WAX_OK);
    assert_true(each_library_call(link_story, &p, 2 * LINK_RECORDS) >= 200);
    device_keys_done(&laptop);
    person_done(&ann);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registration_survives_every_failed_allocation),
        cmocka_unit_test(updates_and_pins_survive_every_failed_allocation),
        cmocka_unit_test(a_link_survives_every_failed_allocation_on_both_sides),
        cmocka_unit_test(a_link_survives_every_failed_library_call_on_both_sides),
    };

    return cmocka_run_group_tests(tests, people_start, NULL);
}
