#include "tree/checkpoint.h"

static wax_rc of_log(const struct log_id *its, const struct log_id *log)
{
    return ID_EQ(its, log) ? WAX_OK : WAX_R_CHAIN;
}

static wax_rc verify(const struct point *key, enum label l, struct bytes signed_part,
                     const struct sig *sig)
{
    return ec_verify(key, l, &signed_part, 1, sig);
}

wax_rc checkpoint_verify(const struct checkpoint *c, const struct log_id *log,
                         const struct point *key)
{
    uint8_t record[CHECKPOINT_RECORD];

    wax_rc rc = of_log(&c->log, log);
    checkpoint_encode(c, record);
    return rc == WAX_OK ? verify(key, LABEL_KT_CKPT, BYTES(record, CHECKPOINT_SIGNED), &c->sig)
                        : rc;
}

wax_rc checkpoint_check(struct bytes record, const struct log_id *log, const struct point *key,
                        struct checkpoint *ret)
{
    struct checkpoint c;

    wax_rc rc = checkpoint_decode(record, &c);
    if (rc == WAX_OK)
        rc = checkpoint_verify(&c, log, key);
    if (rc == WAX_OK)
        *ret = c;
    return rc;
}

wax_rc rotation_check(struct bytes record, const struct log_id *log, const struct point *old_key,
                      struct rotation *ret)
{
    struct rotation r;

    wax_rc rc = rotation_decode(record, &r);
    struct bytes signed_part = {record.p, ROTATION_SIGNED};
    if (rc == WAX_OK)
        rc = ec_point_check(&r.new_key);
    if (rc == WAX_OK)
        rc = of_log(&r.log, log);
    if (rc == WAX_OK)
        rc = of_log(&r.checkpoint.log, log);
    if (rc == WAX_OK)
        rc = verify(old_key, LABEL_KT_ROT, signed_part, &r.by_old);
    if (rc == WAX_OK)
        rc = verify(&r.new_key, LABEL_KT_ROT, signed_part, &r.by_new);
    if (rc == WAX_OK)
        rc = checkpoint_verify(&r.checkpoint, log, old_key);
    if (rc == WAX_OK)
        *ret = r;
    return rc;
}

wax_rc log_keys_rotate(struct log_keys *k, const struct log_id *log, struct bytes rotation,
                       struct checkpoint *ret_checkpoint)
{
    struct rotation r;

    if (k->n == 0)
        return WAX_E_INVAL;
    if (k->n == LOG_KEYS_MAX)
        return WAX_E_FULL;
    wax_rc rc = rotation_check(rotation, log, &k->v[k->n - 1], &r);
    if (rc != WAX_OK)
        return rc;
    k->v[k->n++] = r.new_key;
    if (ret_checkpoint)
        *ret_checkpoint = r.checkpoint;
    return WAX_OK;
}

/* Which of the first n keys signed; the newest are tried first, they mostly did. */
static wax_rc signer_of(const struct log_keys *keys, size_t n, enum label l,
                        struct bytes signed_part, const struct sig *sig, size_t *ret)
{
    wax_rc rc = WAX_R_SIGNATURE;

    for (size_t i = n; i > 0 && rc == WAX_R_SIGNATURE; i--) {
        rc = verify(&keys->v[i - 1], l, signed_part, sig);
        if (rc == WAX_OK)
            *ret = i - 1;
    }
    return rc;
}

static wax_rc any_checkpoint(const struct checkpoint *c, const struct log_id *log,
                             const struct log_keys *keys, size_t n)
{
    uint8_t record[CHECKPOINT_RECORD];
    size_t which;

    wax_rc rc = of_log(&c->log, log);
    checkpoint_encode(c, record);
    if (rc == WAX_OK)
        rc = signer_of(keys, n, LABEL_KT_CKPT, BYTES(record, CHECKPOINT_SIGNED), &c->sig, &which);
    return rc;
}

static bool follows(const struct generation *g)
{
    return g->number > 0 && g->number - 1 == g->checkpoint.generation;
}

wax_rc generation_check(struct bytes record, const struct log_id *log, const struct log_keys *keys,
                        struct generation *ret)
{
    struct generation g;
    size_t signer = 0;

    wax_rc rc = generation_decode(record, &g);
    if (rc == WAX_OK)
        rc = of_log(&g.log, log);
    if (rc == WAX_OK && (!follows(&g) || !ID_EQ(&g.checkpoint.log, &g.log)))
        rc = WAX_R_CHAIN;
    if (rc == WAX_OK)
        rc = signer_of(keys, keys->n, LABEL_KT_GEN, BYTES(record.p, GENERATION_SIGNED), &g.sig,
                       &signer);
    if (rc == WAX_OK)
        rc = any_checkpoint(&g.checkpoint, log, keys, signer + 1);
    if (rc == WAX_OK)
        *ret = g;
    return rc;
}

wax_rc cosignature_check(struct bytes record, const struct checkpoint *c, struct point *ret_witness)
{
    struct cosignature s;
    uint8_t bytes[CHECKPOINT_RECORD];

    wax_rc rc = cosignature_decode(record, &s);
    checkpoint_encode(c, bytes);
    if (rc == WAX_OK)
        rc = ec_point_check(&s.witness);
    if (rc == WAX_OK)
        rc = verify(&s.witness, LABEL_KT_COSIG, BYTES(bytes, CHECKPOINT_SIGNED), &s.sig);
    if (rc == WAX_OK)
        *ret_witness = s.witness;
    return rc;
}

wax_rc checkpoint_sign(const struct ec_key *key, struct checkpoint *c)
{
    uint8_t record[CHECKPOINT_RECORD];

    if (c->daily >= c->size)
        return WAX_E_INVAL;
    checkpoint_encode(c, record);
    return ec_sign(key, LABEL_KT_CKPT, PARTS(BYTES(record, CHECKPOINT_SIGNED)), &c->sig);
}

wax_rc cosignature_sign(const struct ec_key *witness, const struct checkpoint *c,
                        struct cosignature *ret)
{
    uint8_t record[CHECKPOINT_RECORD];
    struct cosignature s = {.witness = *ec_public(witness)};

    checkpoint_encode(c, record);
    wax_rc rc = ec_sign(witness, LABEL_KT_COSIG, PARTS(BYTES(record, CHECKPOINT_SIGNED)), &s.sig);
    if (rc == WAX_OK)
        *ret = s;
    return rc;
}

wax_rc rotation_sign(const struct ec_key *old_key, const struct ec_key *new_key,
                     const struct checkpoint *c, struct rotation *ret)
{
    struct rotation r = {.log = c->log, .new_key = *ec_public(new_key), .checkpoint = *c};
    uint8_t record[ROTATION_RECORD];

    if (c->daily >= c->size)
        return WAX_E_INVAL;
    rotation_encode(&r, record);
    struct bytes signed_part = BYTES(record, ROTATION_SIGNED);
    wax_rc rc = ec_sign(old_key, LABEL_KT_ROT, &signed_part, 1, &r.by_old);
    if (rc == WAX_OK)
        rc = ec_sign(new_key, LABEL_KT_ROT, &signed_part, 1, &r.by_new);
    if (rc == WAX_OK)
        *ret = r;
    return rc;
}

wax_rc generation_sign(const struct ec_key *key, const struct checkpoint *c, struct generation *ret)
{
    struct generation g = {.log = c->log, .number = c->generation + 1, .checkpoint = *c};
    uint8_t record[GENERATION_RECORD];

    if (c->daily >= c->size || c->generation == UINT32_MAX)
        return WAX_E_INVAL;
    generation_encode(&g, record);
    wax_rc rc = ec_sign(key, LABEL_KT_GEN, PARTS(BYTES(record, GENERATION_SIGNED)), &g.sig);
    if (rc == WAX_OK)
        *ret = g;
    return rc;
}

bool checkpoints_contradict(const struct checkpoint *x, const struct checkpoint *y)
{
    if (!ID_EQ(&x->log, &y->log))
        return false;
    if (x->generation != y->generation)
        return x->generation < y->generation ? x->time >= y->time : y->time >= x->time;
    if (x->size == y->size && !ID_EQ(&x->root, &y->root))
        return true;
    if (day_of(x->time) == day_of(y->time) && x->daily != y->daily)
        return true;
    return x->size > y->size ? x->time < y->time : y->size > x->size && y->time < x->time;
}

bool generations_contradict(const struct generation *x, const struct generation *y)
{
    uint8_t a[GENERATION_RECORD], b[GENERATION_RECORD];

    if (!ID_EQ(&x->log, &y->log) || x->number != y->number)
        return false;
    generation_encode(x, a);
    generation_encode(y, b);
    return memcmp(a, b, GENERATION_SIGNED) != 0;
}

static wax_rc judge_checkpoints(struct bytes first, struct bytes second, const struct log_id *log,
                                const struct log_keys *keys)
{
    struct checkpoint x, y;

    wax_rc rc = checkpoint_decode(first, &x);
    if (rc == WAX_OK)
        rc = any_checkpoint(&x, log, keys, keys->n);
    if (rc == WAX_OK)
        rc = checkpoint_decode(second, &y);
    if (rc == WAX_OK)
        rc = any_checkpoint(&y, log, keys, keys->n);
    return rc == WAX_OK && checkpoints_contradict(&x, &y) ? WAX_R_EQUIVOCATION : rc;
}

wax_rc equivocation_judge(struct bytes first, struct bytes second, const struct log_id *log,
                          const struct log_keys *keys)
{
    struct generation x, y;

    if (first.n == CHECKPOINT_RECORD)
        return judge_checkpoints(first, second, log, keys);
    wax_rc rc = generation_check(first, log, keys, &x);
    if (rc == WAX_OK)
        rc = generation_check(second, log, keys, &y);
    return rc == WAX_OK && generations_contradict(&x, &y) ? WAX_R_EQUIVOCATION : rc;
}
