/* One space of result codes for all of Waxwing.
 *
 * Zero is success; every failure is negative. Two ranges:
 *   -1 … -99    things that went wrong here (memory, disk, library, network);
 *   -100 …      refusal classes of RECORDS.md section 0: what a peer or the
 *               server sent did not hold. `duplicate` is one of them although it
 *               is no error: such an envelope is acked silently.
 * A function that fails leaves its outputs untouched. */
#ifndef BASE_RESULT_H
#define BASE_RESULT_H

#include <stdbool.h>

typedef enum wax_rc {
    WAX_OK = 0,

    WAX_E_NOMEM = -1,     /* allocation failed */
    WAX_E_CRYPTO = -2,    /* a crypto library call failed for reasons of its own */
    WAX_E_RANDOM = -3,    /* no random bytes to be had */
    WAX_E_IO = -4,        /* read, write or sync failed */
    WAX_E_NOSPC = -5,     /* disk full */
    WAX_E_INVAL = -6,     /* the caller's argument is out of its contract */
    WAX_E_NOTFOUND = -7,  /* no such row, file, handle, message */
    WAX_E_EXISTS = -8,    /* is there already and must not be replaced */
    WAX_E_CONFLICT = -9,  /* compare-and-swap lost; a newer state exists */
    WAX_E_FULL = -10,     /* a quota or cap is reached */
    WAX_E_BUSY = -11,     /* somebody else holds the lock */
    WAX_E_NET = -12,      /* server not reachable, or the connection broke */
    WAX_E_TLS = -13,      /* the server's certificate does not hold */
    WAX_E_PROTO = -14,    /* the server's answer makes no sense */
    WAX_E_DENIED = -15,   /* refused by a rule (revoked, suspended, not accepted) */
    WAX_E_DAMAGED = -16,  /* our own store fails its checks */
    WAX_E_VERSION = -17,  /* store or home is of a newer schema */
    WAX_E_TOOBIG = -18,   /* over a size cap */
    WAX_E_TIMEOUT = -19,  /* a stated time ran out */
    WAX_E_WAIT = -20,     /* "cannot judge yet" (PROTOCOL 4.2): keep and retry */
    WAX_E_DORMANT = -21,  /* nothing valid to seal to (PROTOCOL 1) */
    WAX_E_UNLOCKED = -22, /* secret memory cannot be locked */
    WAX_E_CANCELLED = -23,/* stopped on request */
    WAX_E_CRASHED = -24,  /* a helper process died of what it was given, or took too long */
    WAX_E_HELPER = -25,   /* a helper process cannot be started */

    WAX_R_PARSE = -100,
    WAX_R_POINT = -101,
    WAX_R_KEM = -102,
    WAX_R_WRONG_DEVICE = -103,
    WAX_R_UNKNOWN_SENDER = -104,
    WAX_R_SIGNATURE = -105,
    WAX_R_CHAIN = -106,
    WAX_R_DATES = -107,
    WAX_R_DUPLICATE = -108,
    WAX_R_REPLAY = -109,
    WAX_R_CLONE = -110,
    WAX_R_NO_KEY = -111,
    WAX_R_RULE = -112,
    WAX_R_GAP = -113,
    WAX_R_MAC = -114,
    WAX_R_PAYLOAD = -115,
    WAX_R_CONTENT = -116,
    WAX_R_CONVERSATION = -117,
    WAX_R_PROOF = -118,
    WAX_R_EQUIVOCATION = -119,
} wax_rc;

/* Results are never ignored: put this on every function that returns wax_rc. */
#define WAX_MUST __attribute__((warn_unused_result))

/* A short text for people; static, never NULL. */
const char *rc_text(wax_rc rc);

/* The name of a refusal class as RECORDS.md writes it ("parse", "no_key", …),
 * or NULL when rc is no refusal. Static. */
const char *rc_refusal(wax_rc rc);

/* The class with that name, or WAX_OK when there is none. */
wax_rc rc_from_refusal(const char *name);

static inline bool rc_is_refusal(wax_rc rc) { return rc <= WAX_R_PARSE; }

#endif
