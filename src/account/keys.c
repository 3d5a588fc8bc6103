#include "account/keys.h"

#include "base/mem.h"
#include "base/text.h"
#include "chain/manifest_check.h"
#include "crypto/kem.h"

#define FORM_VERSION 1

/* --- Device keys ------------------------------------------------------------------------- */

void device_keys_done(struct device_keys *k)
{
    ec_free(k->dsk);
    ec_free(k->dtk);
    mem_wipe(k, sizeof(*k));
}

/* DSK ≠ DTK, and the id. */
static wax_rc settle(struct device_keys *k)
{
    if (ID_EQ(ec_public(k->dsk), ec_public(k->dtk)))
        return WAX_R_PARSE;
    return dev_id_of(ec_public(k->dsk), &k->dev);
}

wax_rc device_keys_make(const struct rng *rng, struct device_keys *ret)
{
    struct device_keys k = {0};
    wax_rc rc = ec_generate(rng, &k.dsk);

    if (rc == WAX_OK)
        rc = ec_generate(rng, &k.dtk);
    if (rc == WAX_OK)
        rc = rng_fill(rng, k.k_roll.b, sizeof(k.k_roll.b));
    if (rc == WAX_OK)
        rc = settle(&k);
    if (rc == WAX_R_PARSE) /* two equal draws: the generator is broken */
        rc = WAX_E_RANDOM;
    if (rc == WAX_OK) {
        *ret = k;
        mem_wipe(&k, sizeof(k));
    } else {
        device_keys_done(&k);
    }
    return rc;
}

static void add_scalar(struct buf *out, const struct ec_key *key)
{
    struct key32 scalar;

    ec_scalar(key, &scalar);
    buf_add(out, scalar.b, sizeof(scalar.b));
    mem_wipe(&scalar, sizeof(scalar));
}

static wax_rc read_scalar(struct rd *r, struct ec_key **ret)
{
    struct key32 scalar;
    wax_rc rc;

    rd_copy(r, scalar.b, sizeof(scalar.b));
    rc = r->bad ? WAX_R_PARSE : ec_from_scalar(&scalar, ret);
    mem_wipe(&scalar, sizeof(scalar));
    return rc == WAX_E_INVAL ? WAX_R_PARSE : rc;
}

wax_rc device_keys_encode(const struct device_keys *k, struct buf *out)
{
    buf_u8(out, FORM_VERSION);
    add_scalar(out, k->dsk);
    add_scalar(out, k->dtk);
    buf_add(out, k->k_roll.b, sizeof(k->k_roll.b));
    return buf_rc(out);
}

wax_rc device_keys_decode(struct bytes in, struct device_keys *ret)
{
    struct rd r = rd_init(in);
    struct device_keys k = {0};
    wax_rc rc;

    rd_refuse_if(&r, rd_u8(&r) != FORM_VERSION);
    rc = read_scalar(&r, &k.dsk);
    if (rc == WAX_OK)
        rc = read_scalar(&r, &k.dtk);
    if (rc == WAX_OK) {
        rd_copy(&r, k.k_roll.b, sizeof(k.k_roll.b));
        rc = rd_end(&r);
    }
    if (rc == WAX_OK)
        rc = settle(&k);
    if (rc == WAX_OK) {
        *ret = k;
        mem_wipe(&k, sizeof(k));
    } else {
        device_keys_done(&k);
    }
    return rc;
}

wax_rc device_keys_entry(const struct device_keys *k, const char *name, struct manifest_device *ret)
{
    size_t n = strlen(name);

    if (n < 1 || n > NAME_DEVICE_MAX || !name_valid(BYTES(name, n)))
        return WAX_E_INVAL;
    memset(ret, 0, sizeof(*ret));
    ret->dsk = *ec_public(k->dsk);
    ret->dtk = *ec_public(k->dtk);
    ret->suite = 1;
    memcpy(ret->name, name, n);
    return WAX_OK;
}

wax_rc device_keys_join(const struct device_keys *k, const struct hash32 *manifest,
                        struct join *ret)
{
    struct join j = {.dev = k->dev};
    wax_rc rc = ec_sign(k->dsk, LABEL_JOIN, PARTS(BYTES_OF(manifest->b)), &j.by_dsk);

    if (rc == WAX_OK)
        rc = ec_sign(k->dtk, LABEL_JOIN, PARTS(BYTES_OF(manifest->b)), &j.by_dtk);
    if (rc == WAX_OK)
        *ret = j;
    return rc;
}
