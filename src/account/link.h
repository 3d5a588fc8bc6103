/* Linking a new device (PROTOCOL 5.1, RECORDS 9): both sides as state machines. Pure: the
 * records so far come in, one thing to do goes out. In memory only: a link that is broken off
 * is begun again with a new code. After any failure a machine is over: every later call gives
 * WAX_E_INVAL.
 *
 *   N: link_new_start → show link_new_code → loop { GET; link_new_step }
 *   O: link_old_start → loop { GET; link_old_step }, link_old_typed, link_old_published
 *
 * A step that returns WAX_E_WAIT needs more records than it was given. */
#ifndef ACCOUNT_LINK_H
#define ACCOUNT_LINK_H

#include "account/keys.h"
#include "account/update.h"
#include "wire/records.h"

#define LINK_RECORDS 6
#define LINK_RID 16
#define LINK_DIGITS 6

/* Seals record k (1-6) under the link secret; appends u8 k ‖ C ‖ tag. */
wax_rc link_seal(const uint8_t secret[16], uint8_t k, struct bytes plain, struct buf *out) WAX_MUST;
/* Opens a record that must be number k: WAX_R_PARSE, WAX_R_MAC. Appends the plaintext. */
wax_rc link_open(const uint8_t secret[16], uint8_t k, struct bytes sealed,
                 struct buf *out) WAX_MUST;
/* First 16 bytes of H("WAX1-link-id" ‖ secret). */
wax_rc link_rid(const uint8_t secret[16], uint8_t ret[LINK_RID]) WAX_MUST;
/* H("WAX1-link" ‖ DSK ‖ DTK ‖ rN). */
wax_rc link_commitment(const struct point *dsk, const struct point *dtk, const struct hash32 *r_n,
                       struct hash32 *ret) WAX_MUST;
/* The six digits both sides show. */
wax_rc link_digits(const struct point *dsk, const struct point *dtk, const struct link2 *l2,
                   const struct hash32 *r_n, char ret[LINK_DIGITS + 1]) WAX_MUST;
/* N's check of record 4 against records 1 and 2: WAX_R_CHAIN. */
wax_rc link_check_4(const struct manifest *m, const struct link1 *l1,
                    const struct link2 *l2) WAX_MUST;

/* Why a side ended the link before its time, as it told the other one (RECORDS 9). */
enum link_end {
    LINK_END_NONE,
    LINK_END_DIGITS,  /* O: other digits were typed than N showed */
    LINK_END_ACCOUNT, /* N: O serves another account than asked for */
    LINK_END_OTHER,
};

enum link_event {
    LINK_POST,    /* post out.post as the next record; then step again */
    LINK_SHOW,    /* N: show out.digits, handle and account; nothing to post. Step again */
    LINK_ASK,     /* O: ask for the digits that N shows (out.name asks in) → link_old_typed */
    LINK_PUBLISH, /* O: store out.chain_link, publish it with out.bundle_record, then
                     link_old_published */
    LINK_DONE,    /* over, and well */
};

/* What to do. Views and strings are borrowed from the machine, valid until its next call. */
struct link_out {
    enum link_event event;
    uint8_t step;               /* LINK_POST: number of the record */
    struct bytes post;          /* sealed record */
    const char *digits;         /* LINK_SHOW */
    const char *handle;         /* LINK_SHOW; LINK_DONE at N */
    const struct acct_id *acct; /* LINK_SHOW; LINK_DONE at N */
    const char *name;           /* LINK_ASK: N's name for itself */
    struct bytes chain_link;    /* LINK_PUBLISH */
    struct bytes bundle_record; /* LINK_PUBLISH */
    /* LINK_POST of record 5, and LINK_DONE, at N: the prekey whose bundle goes out. Store it
     * and the device keys, fsynced, before posting. */
    const struct prekey *prekey;
    /* LINK_DONE: the manifest as record 4 gave it (record = body ‖ sig) and its hash. N pins
     * nothing from it: the directory must show the chain. */
    struct bytes manifest_record;
    const struct hash32 *manifest_hash;
};

/* --- N, the new device --- */
struct link_new;
/* keys are borrowed for the machine's life. handle: the one the user asked for (`wax link
 * HANDLE`). Draws rN and the secret. */
wax_rc link_new_start(const struct device_keys *keys, const char *name, const char *handle,
                      const struct rng *rng, struct link_new **ret) WAX_MUST;
/* NULL is fine; wipes. */
void link_new_free(struct link_new *l);
/* The code's 64 characters (shown as "waxlink:…"). Secret until the link is done. */
const char *link_new_code(const struct link_new *l);
/* Rendezvous id for /v1/link/{rid hex}. */
const uint8_t *link_new_rid(const struct link_new *l);
/* records: all records at the rendezvous so far, in order. Call it first with none. rng makes
 * the first prekey; now: the earlier of both clocks.
 * WAX_E_WAIT: get more (have = n). WAX_E_DENIED: O serves another handle than asked for.
 * WAX_E_CANCELLED: O has ended the link (link_new_ended).
 * WAX_R_*: what O or the server gave does not hold; WAX_R_CHAIN also when records seen before
 * changed. */
wax_rc link_new_step(struct link_new *l, const struct bytes *records, size_t n,
                     const struct rng *rng, uint64_t now, struct link_out *ret) WAX_MUST;
/* After a failure: what O said, or LINK_END_NONE when it was not O who ended the link. */
enum link_end link_new_ended(const struct link_new *l);
/* After a failure of our own: the record that tells O, in place of the next one; borrowed.
 * WAX_E_INVAL: not over, told already, O's turn, or before record 3. */
wax_rc link_new_end(struct link_new *l, struct bytes *ret) WAX_MUST;

/* --- O, the existing device --- */
struct link_old;
struct link_old_in {
    const char *code;               /* as typed: "waxlink:" and spaces are fine */
    const struct device_keys *keys; /* own; borrowed for the machine's life */
    const struct chain_prev *head;  /* own newest manifest; copied */
};
/* WAX_R_PARSE: not a link code; WAX_E_FULL: 20 devices already; WAX_E_DENIED: this device is
 * not in head. Draws rO. */
wax_rc link_old_start(const struct link_old_in *in, const struct rng *rng,
                      struct link_old **ret) WAX_MUST;
void link_old_free(struct link_old *l);
const uint8_t *link_old_rid(const struct link_old *l);
/* As link_new_step. now as for update_record. WAX_R_CHAIN: N's keys or rN are not those of the
 * link code, or its join or bundle does not hold. While the digits are asked for, or after
 * LINK_PUBLISH, a step is WAX_E_INVAL but does no harm. WAX_E_EXISTS: somebody has answered N
 * already. WAX_E_CANCELLED: N has ended the link (link_old_ended).
 * Record 2 is sealed under keys that hang on the link code alone: before posting it the caller
 * must make sure, durably, that this device answers each code once. */
wax_rc link_old_step(struct link_old *l, const struct bytes *records, size_t n, uint64_t now,
                     struct link_out *ret) WAX_MUST;
/* The digits as typed (spaces ignored). One try: WAX_E_DENIED when they differ, and the
 * machine is over. WAX_OK: step again. */
wax_rc link_old_typed(struct link_old *l, const char *digits) WAX_MUST;
/* The server confirmed the manifest: step again (posts record 6). */
wax_rc link_old_published(struct link_old *l) WAX_MUST;
/* Another change won the seq for good: the machine is over, a new link code is needed. */
wax_rc link_old_lost(struct link_old *l) WAX_MUST;
/* As at N, from record 4 on; while the digits are asked for it ends the link. WAX_E_INVAL also
 * where nobody knows whether the manifest was published. */
enum link_end link_old_ended(const struct link_old *l);
wax_rc link_old_end(struct link_old *l, struct bytes *ret) WAX_MUST;

/* Names of states for traces; static. */
const char *link_new_state(const struct link_new *l);
const char *link_old_state(const struct link_old *l);

#endif
