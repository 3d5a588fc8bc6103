/* Safety numbers (PROTOCOL 5.3, RECORDS 10). */
#ifndef ACCOUNT_SAFETY_H
#define ACCOUNT_SAFETY_H

#include "base/buf.h"
#include "crypto/crypto.h"

#define SAFETY_HALF 30
#define SAFETY_DIGITS 60
#define SAFETY_ROUNDS 5200

/* One account's 30 digits, and NUL. */
wax_rc safety_half(const struct acct_id *acct, const char *handle,
                   char ret[SAFETY_HALF + 1]) WAX_MUST;
/* Both halves sorted: the same on both sides. */
void safety_number(const char a[SAFETY_HALF + 1], const char b[SAFETY_HALF + 1],
                   char ret[SAFETY_DIGITS + 1]);
/* Twelve groups of five with a space between: 71 characters. */
void safety_grouped(const char digits[SAFETY_DIGITS + 1], char ret[72]);
/* Whether what a user typed or pasted is this number (spaces and dashes ignored). */
bool safety_equal(const char digits[SAFETY_DIGITS + 1], const char *typed);

/* What the QR form shows beyond the digits. Checkpoint all zero: none known yet. */
struct safety_view {
    uint32_t my_seq, your_seq;
    struct hash32 my_hash, your_hash; /* manifest hashes */
    uint32_t generation;
    uint64_t size;
    struct hash32 root;
};
/* Appends the QR text. */
wax_rc safety_qr(const char digits[SAFETY_DIGITS + 1], const struct safety_view *v,
                 struct buf *out) WAX_MUST;

enum safety_match {
    SAFETY_SAME,           /* digits and both manifests agree */
    SAFETY_OTHER_DIGITS,   /* not the same accounts: do not verify */
    SAFETY_OTHER_MANIFEST, /* same accounts, same seq, other hash: a split view */
    SAFETY_OLDER,          /* same accounts; one side knows an older manifest: refresh, try again */
};
/* Judges a scanned QR text of the peer (whose "my" is our "your"). The checkpoints are handed
 * back in *ret_theirs for the log's check. WAX_R_PARSE: not a QR text. */
wax_rc safety_qr_judge(const char *scanned, const char digits[SAFETY_DIGITS + 1],
                       const struct safety_view *mine, enum safety_match *ret,
                       struct safety_view *ret_theirs) WAX_MUST;

#endif
