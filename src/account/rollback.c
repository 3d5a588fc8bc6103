#include "account/rollback.h"

#include "base/mem.h"

static wax_rc counter_mac(const struct key32 *k_roll, const struct dev_id *dev, uint64_t n,
                          struct key32 *ret)
{
    uint8_t be[8];

    put_u64(be, n);
    return hmac_label(ret, BYTES_OF(k_roll->b), LABEL_ROLL, PARTS(BYTES_OF(dev->b), BYTES_OF(be)));
}

wax_rc counter_make(const struct key32 *k_roll, const struct dev_id *dev, uint64_t n,
                    uint8_t ret[COUNTER_SIZE])
{
    struct counter_record c = {.n = n};
    struct key32 mac;
    wax_rc rc = counter_mac(k_roll, dev, n, &mac);

    if (rc == WAX_OK) {
        memcpy(c.mac.b, mac.b, sizeof(c.mac.b));
        counter_encode(&c, ret);
    }
    return rc;
}

/* WAX_OK when the served record is one of our own making. */
static wax_rc open_served(const struct rollback_in *in, uint64_t *ret_n)
{
    struct counter_record c;
    struct key32 mac;
    wax_rc rc = counter_decode(in->served, &c);

    if (rc == WAX_OK)
        rc = counter_mac(in->k_roll, in->dev, c.n, &mac);
    if (rc == WAX_OK && !ct_equal(mac.b, c.mac.b, sizeof(mac.b)))
        rc = WAX_R_MAC;
    if (rc == WAX_OK)
        *ret_n = c.n;
    return rc;
}

wax_rc rollback_judge(const struct rollback_in *in, enum rollback_verdict *ret, uint64_t *ret_next)
{
    uint64_t served = 0;
    uint64_t highest;

    if (in->served.n == 0) {
        if (in->put_confirmed) {
            *ret = ROLLBACK_SERVER_REFUSED;
            return WAX_OK;
        }
    } else {
        wax_rc rc = open_served(in, &served);

        if (rc_is_refusal(rc)) {
            *ret = ROLLBACK_SERVER_REFUSED;
            return WAX_OK;
        }
        if (rc != WAX_OK)
            return rc;
    }
    highest = served > in->own_n ? served : in->own_n;
    if (highest == UINT64_MAX) /* only ours is MACed: cannot come about by counting */
        return WAX_E_FULL;
    *ret = served > in->own_n ? ROLLBACK_RESET : ROLLBACK_GO_ON;
    *ret_next = highest + 1;
    return WAX_OK;
}
