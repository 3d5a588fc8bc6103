/* Pins against a directory that lies (PROTOCOL 1 "One head"). */
#include "people.h"

#include "client/internal.h"
#include "vault/engines.h"

#define ANN "ann@example.org"
#define EVE "eve@example.org"

static uint64_t now_fn(void *ctx)
{
    (void)ctx;
    return NOW + DAY;
}

/* Bob's home, and ann, who had a laptop, lost it and removed it. */
struct home {
    struct vault *vault;
    struct rng rng;
    struct wall_clock clock;
    struct client *c;
    struct person ann;
    struct device_keys thief;
    struct chain_prev with_laptop;
};

static int home_start(void **state)
{
    struct home *h = test_calloc(1, sizeof *h);

    if (people_start(state) != 0 || vault_memory_open(NULL, &h->vault) != WAX_OK)
        return -1;
    h->rng = people_rng(99);
    h->clock.now = now_fn;
    struct client_env env = {.vault = h->vault, .rng = &h->rng, .clock = &h->clock};
    h->c = client_alloc(&env);
    if (!h->c || device_keys_make(&h->rng, &h->c->keys) != WAX_OK)
        return -1;
    person_make(&h->ann, ANN, false, 5);
    person_add_device(&h->ann, "laptop", &h->thief, 6);
    h->with_laptop = h->ann.head;
    struct update_change lost = {.revoke = &h->thief.dev, .n_revoke = 1};
    person_change(&h->ann, &lost, NULL, NOW + 1000);
    *state = h;
    return 0;
}

static int home_end(void **state)
{
    struct home *h = *state;

    person_done(&h->ann);
    device_keys_done(&h->thief);
    client_close(h->c);
    vault_close(h->vault);
    test_free(h);
    return 0;
}

/* The directory serves ann's chain under that handle, `last` (if any) in place of its end. */
static wax_rc serve(struct home *h, const char *handle, const struct buf *last)
{
    struct pin_link l[LINKS_MAX];
    size_t n = h->ann.n_links;

    for (size_t i = 0; i < n; i++)
        l[i] = (struct pin_link){(uint32_t)i + 1, buf_view(&h->ann.links[i])};
    if (last)
        l[n - 1].link = buf_view(last);
    return pins_take(h->c, handle, l, n, (uint32_t)n);
}

/* What the laptop signs after it was removed: itself alone, under a handle not known here. */
static void fork_of_laptop(struct home *h, struct buf *link)
{
    struct update_signer s = update_signer_device(&h->thief);
    struct update_change alone = {.revoke = &h->ann.keys.dev, .n_revoke = 1, .handle = EVE};

    assert_int_equal(update_make(&h->with_laptop, &s, &alone, NULL, NOW + 2000, link), WAX_OK);
}

static uint64_t alerts(struct home *h)
{
    uint64_t n = 0;

    assert_int_equal(vault_count(h->vault, VT_EVENT, BYTES(NULL, 0), &n), WAX_OK);
    return n;
}

static void a_removed_device_does_not_come_back_through_a_second_handle(void **state)
{
    struct home *h = *state;
    struct buf fork = {0};
    struct pin *pin = test_calloc(1, sizeof *pin);

    assert_int_equal(serve(h, ANN, NULL), WAX_OK);
    fork_of_laptop(h, &fork);
    assert_int_equal(serve(h, EVE, &fork), WAX_R_EQUIVOCATION);
    assert_int_equal(alerts(h), 1);
    assert_int_equal(pin_load_handle(h->c, ANN, pin), WAX_OK);
    assert_int_equal(pin->head.manifest.seq, 3);
    assert_true(ID_EQ(&pin->devs[0], &h->ann.keys.dev));
    assert_int_equal(pin_load_handle(h->c, EVE, pin), WAX_E_NOTFOUND);
    buf_done(&fork);
    test_free(pin);
}

static void an_honest_change_of_handle_keeps_what_was_decided(void **state)
{
    struct home *h = *state;
    struct update_change renamed = {.handle = EVE};
    struct pin *pin = test_calloc(1, sizeof *pin);

    assert_int_equal(serve(h, ANN, NULL), WAX_OK);
    assert_int_equal(pin_load_handle(h->c, ANN, pin), WAX_OK);
    pin_set_verified(pin, &h->c->keys.dev, NOW);
    pin->accepted = true;
    assert_int_equal(vault_begin(h->vault), WAX_OK);
    assert_int_equal(pin_store(h->c, pin), WAX_OK);
    assert_int_equal(vault_commit(h->vault), WAX_OK);
    person_change(&h->ann, &renamed, NULL, NOW + 3000);
    assert_int_equal(serve(h, EVE, NULL), WAX_OK);
    assert_int_equal(pin_load_handle(h->c, EVE, pin), WAX_OK);
    assert_int_equal(pin->head.manifest.seq, 4);
    assert_true(pin->verified && pin->accepted);
    test_free(pin);
}

static void an_account_is_pinned_from_its_genesis_when_nothing_is_known(void **state)
{
    struct home *h = *state;
    struct pin *pin = test_calloc(1, sizeof *pin);

    assert_int_equal(serve(h, ANN, NULL), WAX_OK);
    assert_int_equal(pin_load_handle(h->c, ANN, pin), WAX_OK);
    assert_int_equal(pin->head.manifest.seq, 3);
    assert_int_equal(alerts(h), 0);
    test_free(pin);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, home_start, home_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_removed_device_does_not_come_back_through_a_second_handle),
        STORY(an_honest_change_of_handle_keeps_what_was_decided),
        STORY(an_account_is_pinned_from_its_genesis_when_nothing_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
