/* The recovery key and its twelve words (PROTOCOL 1, RECORDS 3 "Recovery words"; BIP-39
 * English). Entropy and words are secrets: the caller wipes them. */
#ifndef ACCOUNT_RECOVERY_H
#define ACCOUNT_RECOVERY_H

#include "base/buf.h"
#include "crypto/crypto.h"

#define RECOVERY_ENTROPY 16
#define RECOVERY_WORDS 12

/* The key pair of 16 bytes of entropy. Owned: ec_free. */
wax_rc recovery_key(const uint8_t entropy[RECOVERY_ENTROPY], struct ec_key **ret) WAX_MUST;
/* Appends the twelve words, one space between, nothing at the end. */
wax_rc recovery_words(const uint8_t entropy[RECOVERY_ENTROPY], struct buf *out) WAX_MUST;

enum words_fault { WORDS_OK, WORDS_COUNT, WORDS_UNKNOWN, WORDS_CHECKSUM };
struct words_error {
    enum words_fault fault;
    unsigned word; /* WORDS_UNKNOWN: which one, from 1; WORDS_COUNT: how many there were */
};
/* Reads twelve words as people type them: upper case, any white space, numbering-free; each
 * word in full or by its first four letters or more (unique in the list; shorter words in
 * full). WAX_R_PARSE, with the reason in *err (may be NULL). */
wax_rc recovery_parse(struct bytes text, uint8_t ret[RECOVERY_ENTROPY],
                      struct words_error *err) WAX_MUST;

#endif
