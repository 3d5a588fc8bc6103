/* An item: what the person or the bot gets to see — a message, an alert, an expiry — as it
 * lies in the vault. History rows and event rows hold the same record. Local format, never on
 * the wire; bounded all the same, since a vault may be damaged. */
#ifndef CLIENT_ITEM_H
#define CLIENT_ITEM_H

#include "base/buf.h"
#include "base/text.h"
#include "wire/manifest.h"

enum item_type { ITEM_MESSAGE = 1, ITEM_ALERT = 2, ITEM_EXPIRED = 3 };

/* Where an own message stands; ITEM_IN for those of others. */
enum item_state {
    ITEM_IN = 0,
    ITEM_QUEUED = 1,
    ITEM_ACCEPTED = 2,
    ITEM_EXPIRED_OUT = 3,
    ITEM_CANCELLED = 4,
    ITEM_UNREADABLE = 5 /* of others: listed, its text may still come (4.8) */
};

enum item_shown { SHOWN_NEW = 0, SHOWN_TRIED = 1, SHOWN_DONE = 2 };

#define ITEM_SHORT_MAX 512

struct item {
    uint8_t type;
    uint8_t state;    /* enum item_state */
    bool own;         /* written by this account */
    bool needs_newer; /* content of a version we do not know; text is empty */
    bool handed_on;   /* by another own device, which vouches for nothing: the sender signed */
    uint64_t sent_at, received_at;
    struct hash32 com; /* messages; expiries at the sender */
    struct acct_id sender;
    struct dev_id device; /* sender's device; alert: the device concerned */
    uint32_t count;       /* expiry; own message: ciphertexts */
    char conversation[HANDLE_MAX + 1];
    char from[HANDLE_MAX + 1];
    char to[HANDLE_MAX + 1];
    char kind[32];  /* alert */
    char klass[24]; /* alert: refusal class, or "" */
    char detail[ITEM_SHORT_MAX];
    struct buf text; /* message; owned, freed by item_done */
};

void item_done(struct item *it);
wax_rc item_encode(const struct item *it, struct buf *out) WAX_MUST;
/* WAX_E_DAMAGED. */
wax_rc item_decode(struct bytes in, struct item *ret) WAX_MUST;
/* Copies text into a short field, cut at a UTF-8 boundary. */
void item_short(char *field, size_t cap, const char *text);

#endif
