/* What a directory serves, judged from nothing and then against the pin it gave: lp(link) each,
 * versions from 1. */
#include "fuzz.h"

#include "account/pin.h"
#include "crypto/crypto.h"

#define LINKS 8

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct rd r = rd_init((struct bytes){p, n});
    struct pin_link links[LINKS];
    static struct pin pin, before, other;
    static struct pin_change c;
    uint32_t n_links = 0;

    FUZZ_CHECK(crypto_init() == WAX_OK);
    while (r.left > 0 && !r.bad && n_links < LINKS) {
        struct bytes link = rd_lp(&r, CHAIN_LINK_MAX);

        n_links++;
        links[n_links - 1] = (struct pin_link){n_links, link};
    }
    memset(&pin, 0, sizeof(pin));
    before = pin;
    wax_rc rc =
        pin_update(&pin, "ann@example.org", links, n_links, n_links, 1767225600000ULL, &c, &other);
    if (rc != WAX_OK) {
        FUZZ_CHECK(memcmp(&pin, &before, sizeof(pin)) == 0);
        FUZZ_CHECK(rc_is_refusal(rc) || rc == WAX_E_PROTO);
        return 0;
    }
    FUZZ_CHECK(c.outcome == PIN_NEW || c.outcome == PIN_OTHER_ACCOUNT);
    before = pin;
    rc = pin_update(&pin, "ann@example.org", links, n_links, n_links, 1767225600000ULL, &c, &other);
    FUZZ_CHECK(rc == WAX_OK && memcmp(&pin, &before, sizeof(pin)) == 0);
    return 0;
}
