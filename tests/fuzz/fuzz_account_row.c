/* The rows that src/account keeps in the vault. First byte: 0 device keys, 1 prekey, others
 * a pin. */
#include "fuzz.h"

#include "account/keys.h"
#include "account/pin.h"
#include "base/mem.h"

static wax_rc try_keys(struct bytes in, struct buf *again)
{
    struct device_keys k = {0};
    wax_rc rc = device_keys_decode(in, &k);

    if (rc == WAX_OK)
        FUZZ_CHECK(device_keys_encode(&k, again) == WAX_OK);
    device_keys_done(&k);
    return rc;
}

static wax_rc try_prekey(struct bytes in, struct buf *again)
{
    struct prekey k = {0};
    wax_rc rc = prekey_decode(in, &k);

    if (rc == WAX_OK)
        FUZZ_CHECK(prekey_encode(&k, again) == WAX_OK);
    prekey_done(&k);
    return rc;
}

static wax_rc try_pin(struct bytes in, struct buf *again)
{
    struct pin *pin = mem_alloc(sizeof *pin);

    FUZZ_CHECK(pin);
    wax_rc rc = pin_decode(in, pin);
    if (rc == WAX_OK)
        FUZZ_CHECK(pin_encode(pin, again) == WAX_OK);
    mem_free(pin);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static bool ready;
    struct buf again = {0};

    if (!ready)
        FUZZ_CHECK(crypto_init() == WAX_OK);
    ready = true;
    if (n == 0)
        return 0;
    struct bytes in = {p + 1, n - 1};
    wax_rc rc = p[0] == 0   ? try_keys(in, &again)
                : p[0] == 1 ? try_prekey(in, &again)
                            : try_pin(in, &again);
    if (rc == WAX_OK)
        fuzz_same(&again, in);
    else
        FUZZ_CHECK(rc == WAX_R_PARSE);
    return 0;
}
