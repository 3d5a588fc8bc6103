/* The primitives of src/crypto that a message cannot do without, called for their time alone,
 * with their inputs in the pieces that PROTOCOL's formulas have: no state, no codecs. */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include "pair.h"

struct floor {
    struct ec_key *key, *other;
    struct sig sig; /* key's over a fan-out statement */
    struct key32 secret;
    struct seed64 seed768, seed1024;
    uint8_t ek768[KEM768_EK], ct768[KEM768_CT], ek1024[KEM1024_EK], ct1024[KEM1024_CT];
    uint8_t statement[FANOUT_STATEMENT - LABEL_SIZE];
    uint8_t ctx[226], bundle[BUNDLE_BODY];
    uint8_t hdr[HDR_MAX];
    /* Each device has a ciphertext of its own: floor_device works on body, all others too. */
    uint8_t *bodies, *body;
    size_t padded; /* bytes of P, padded */
    size_t room;   /* bytes of a body */
};
/* n: for how many devices at most. */
void floor_make(struct floor *f, size_t content, size_t n);
void floor_done(struct floor *f);

/* What follows is for the device of that index. */
static inline void floor_device_is(struct floor *f, size_t i) { f->body = f->bodies + i * f->room; }
void floor_sign(const struct floor *f);
void floor_verify(const struct floor *f);
/* What the issue counts for a device: two HMAC steps of the chain, HKDF, AES-128-CTR over P,
 * HMAC over hdr, ctx and C, the leaf's hash. */
void floor_device(struct floor *f, size_t hdr);
/* The slot's hash (PROTOCOL 4.3), which both sides keep. */
void floor_slot(const struct floor *f, size_t hdr);
/* What a receiver does besides floor_device, floor_slot and the signature: the hash of the
 * epoch's constants, com. */
void floor_receive(const struct floor *f, size_t hdr);
/* Transcript and keys of a step; with an answered offer when kem. */
void floor_roots(const struct floor *f, bool kem);
void floor_generate(void);
void floor_dh(const struct floor *f);
/* T_0, SID, keys. */
void floor_init_roots(const struct floor *f);

#endif
