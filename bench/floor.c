#include "floor.h"

#include "base/mem.h"
#include "measure.h"
#include "os/random.h"

static void draw(void *out, size_t n) { must(rng_fill(os_rng(), out, n), "floor"); }

void floor_make(struct floor *f, size_t content, size_t n)
{
    struct key32 m, ss;
    struct bytes statement = BYTES_OF(f->statement);

    *f = (struct floor){.padded = payload_pad(P_FIXED + content)};
    f->room = 2 * f->padded;
    f->bodies = f->body = must_alloc(n * f->room);
    must(ec_generate(os_rng(), &f->key), "floor");
    must(ec_generate(os_rng(), &f->other), "floor");
    draw(f->secret.b, sizeof f->secret.b);
    draw(m.b, sizeof m.b);
    draw(f->seed768.b, sizeof f->seed768.b);
    draw(f->seed1024.b, sizeof f->seed1024.b);
    draw(f->hdr, sizeof f->hdr);
    must(kem_keygen(KEM_768, &f->seed768, f->ek768), "floor");
    must(kem_keygen(KEM_1024, &f->seed1024, f->ek1024), "floor");
    must(kem_encaps(KEM_768, BYTES_OF(f->ek768), &m, f->ct768, &ss), "floor");
    must(kem_encaps(KEM_1024, BYTES_OF(f->ek1024), &m, f->ct1024, &ss), "floor");
    must(ec_sign(f->key, LABEL_FANOUT, &statement, 1, &f->sig), "floor");
}

void floor_done(struct floor *f)
{
    ec_free(f->key);
    ec_free(f->other);
    mem_free(f->bodies);
}

void floor_sign(const struct floor *f)
{
    struct sig s;

    must(ec_sign(f->key, LABEL_FANOUT, PARTS(BYTES_OF(f->statement)), &s), "sign");
}

void floor_verify(const struct floor *f)
{
    must(ec_verify(ec_public(f->key), LABEL_FANOUT, PARTS(BYTES_OF(f->statement)), &f->sig),
         "verify");
}

/* acct ‖ dev ‖ DSK of one side of ctx. */
#define PARTY(at) BYTES(at, 32), BYTES((at) + 32, 16), BYTES((at) + 48, 65)

void floor_device(struct floor *f, size_t hdr)
{
    struct key32 mk, ck, tag;
    struct hash32 leaf;
    uint8_t okm[64];
    struct bytes key = BYTES_OF(f->secret.b), h = BYTES(f->hdr, hdr), c = BYTES(f->body, f->padded);

    must(hmac_label(&mk, key, LABEL_MK, NULL, 0), "chain");
    must(hmac_label(&ck, key, LABEL_CK, NULL, 0), "chain");
    must(hkdf_expand_label(BYTES_OF(mk.b), LABEL_MSG, PARTS(BYTES(f->ctx, 16), BYTES(f->ctx, 32)),
                           okm, sizeof okm),
         "keys");
    must(aes128_ctr(okm, okm + 16, f->body, f->body, f->padded), "cipher");
    must(hmac_label(&tag, BYTES(okm + 32, 32), LABEL_TAG,
                    PARTS(BYTES(f->ctx, 4), h, PARTY(f->ctx), PARTY(f->ctx + 113), c)),
         "tag");
    must(hash_prefixed(&leaf, 0,
                       PARTS(label_bytes(LABEL_LEAF), BYTES(f->ctx, 2), BYTES(f->ctx, 32),
                             BYTES(f->ctx, 65), BYTES(f->ctx, 4), h, BYTES(f->ctx, 4),
                             BYTES(f->body, f->padded + TAG_SIZE))),
         "leaf");
}

void floor_slot(const struct floor *f, size_t hdr)
{
    struct hash32 h;

    must(
        hash_label(&h, LABEL_SLOT, PARTS(BYTES(f->hdr, hdr), BYTES(f->body, f->padded + TAG_SIZE))),
        "slot");
}

void floor_receive(const struct floor *f, size_t hdr)
{
    struct hash32 h;

    must(hash_label(&h, LABEL_EPOCH, PARTS(BYTES(f->hdr, hdr - 4))), "epoch");
    must(hash_label(&h, LABEL_CONTENT, PARTS(BYTES(f->body, 32 + CONTENT_SIZE))), "com");
}

static void roots(const struct floor *f, size_t ikm, enum label l, struct bytes info)
{
    struct key32 prk;
    uint8_t okm[96];

    must(hkdf_extract(&prk, BYTES_OF(f->secret.b), PARTS(BYTES(f->body, ikm))), "extract");
    must(hkdf_expand_label(BYTES_OF(prk.b), l, &info, 1, okm, sizeof okm), "expand");
}

void floor_roots(const struct floor *f, bool kem)
{
    struct hash32 t;

    must(hash_label(&t, LABEL_T,
                    PARTS(BYTES(f->body, 32 + 4 + 1 + 65 + 65),
                          BYTES(f->ek768, kem ? sizeof f->ek768 : 0),
                          BYTES(f->ct768, kem ? sizeof f->ct768 : 0))),
         "transcript");
    roots(f, kem ? 64 : 32, LABEL_STEP, BYTES(f->body, 33));
}

void floor_generate(void)
{
    struct ec_key *k;

    must(ec_generate(os_rng(), &k), "generate");
    ec_free(k);
}

void floor_dh(const struct floor *f)
{
    struct key32 z;

    must(ec_dh(f->key, ec_public(f->other), &z), "exchange");
}

void floor_init_roots(const struct floor *f)
{
    struct hash32 t0, sid;

    must(hash_label(&t0, LABEL_T0,
                    PARTS(BYTES(f->body, 2), BYTES_OF(f->ctx), BYTES(f->body, 32 + 65),
                          BYTES_OF(f->ek1024), BYTES(f->body, 65), BYTES_OF(f->ct1024))),
         "T_0");
    must(hash_label(&sid, LABEL_SID, PARTS(BYTES_OF(t0.b))), "SID");
    roots(f, 64, LABEL_INIT, BYTES_OF(t0.b));
}
