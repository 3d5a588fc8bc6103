/* What this client holds about another account, or its own: the pin (PROTOCOL 1 "One head",
 * "Handle"), and the judgement of what the directory serves for it. */
#ifndef ACCOUNT_PIN_H
#define ACCOUNT_PIN_H

#include "chain/bundle_check.h"
#include "chain/manifest_check.h"

/* Embedded by value or on the heap (about 10 KiB, no pointers: plain copies are fine).
 * {0} is the pin of an account not known yet: head.manifest.seq is 0. */
struct pin {
    struct chain_prev head; /* newest verified manifest and its hash; acct_id, handle and
                               seq are in head.manifest */
    uint8_t record[MANIFEST_RECORD_MAX]; /* its exact bytes, body ‖ sig */
    uint16_t record_n;
    uint32_t version;                         /* directory version of the handle, 0: unknown */
    struct dev_id devs[MANIFEST_DEVICES_MAX]; /* ids, as head.manifest.devices */
    uint64_t bundle_not_before[MANIFEST_DEVICES_MAX]; /* highest seen, 0: none */
    bool accepted;                                    /* accepted contact (PROTOCOL 4.2) */
    bool verified;                                    /* safety number compared */
    struct dev_id verified_by; /* own device that set it; zero when not verified */
    uint64_t verified_at;      /* ms, 0 when not verified */
    bool identity_changed;     /* all-device recovery or another account seen; pending until
                                  pin_accept_identity */
};

static inline bool pin_known(const struct pin *p) { return p->head.manifest.seq != 0; }

/* Form for the vault (no secrets). */
wax_rc pin_encode(const struct pin *p, struct buf *out) WAX_MUST;
/* Everything derivable is recomputed. WAX_R_PARSE. */
wax_rc pin_decode(struct bytes in, struct pin *ret) WAX_MUST;

/* One served link: DirectoryReply.versions[i]; version 0 where links come without one (409
 * bodies, sync): then they must start at the pin's seq or seq + 1, or at a genesis. */
struct pin_link {
    uint32_t version;
    struct bytes link; /* chain link bytes, borrowed */
};

enum pin_outcome {
    PIN_SAME,             /* nothing newer; the newest served is the pin */
    PIN_NEW,              /* was unknown, now pinned from its genesis */
    PIN_CHANGED,          /* newer manifests: see added, removed */
    PIN_IDENTITY_CHANGED, /* as PIN_CHANGED, and one of them was signed by the recovery key:
                             identity_changed is set, verified cleared */
    PIN_OTHER_ACCOUNT,    /* a whole other account under the pinned handle: the pin keeps its
                             account, identity_changed is set, verified cleared; *ret_other is
                             the candidate for pin_accept_identity */
    PIN_LOWER, /* the newest served is below the pin: alert server_refused; pin untouched */
    PIN_FORK,  /* same seq, other bytes: alert; evidence is the link fork_link; pin
                  untouched. What else was served is not used. */
};

struct pin_change {
    enum pin_outcome outcome;
    uint32_t old_seq, new_seq;
    /* Net difference of the device lists. Names: of removed ones as they were. */
    size_t n_added, n_removed;
    struct manifest_device added[MANIFEST_DEVICES_MAX];
    struct manifest_device removed[MANIFEST_DEVICES_MAX];
    struct bytes fork_link; /* PIN_FORK: borrowed from the links given */
};

/* Judges served links against the pin and raises it. handle: the one looked up; the newest
 * manifest must name it (else WAX_R_CHAIN). links ascending, versions rising by exactly one,
 * ending at `newest` (DirectoryReply.version; 0 where none is told). From the pin on all links
 * must be there; an unknown account needs all from its genesis.
 * On WAX_R_* (what is served does not hold: alert `tampered`), WAX_E_PROTO (gaps, empty, wrong
 * order) and every other failure pin, *ret and *ret_other are untouched. A refused link
 * refuses the whole reply: nothing is raised halfway. now: the later of own and server clock.
 * ret_other: may be NULL when the caller cannot use it. */
wax_rc pin_update(struct pin *pin, const char *handle, const struct pin_link *links, size_t n,
                  uint32_t newest, uint64_t now, struct pin_change *ret,
                  struct pin *ret_other) WAX_MUST;

/* The user accepted the new identity: other is NULL for a recovery (clears the mark), or the
 * candidate of PIN_OTHER_ACCOUNT, which replaces the pin's account (accepted stays, verified
 * is off). */
void pin_accept_identity(struct pin *pin, const struct pin *other);
/* 'verified', set by the own device `by` at `at`, or cleared (by NULL). */
void pin_set_verified(struct pin *pin, const struct dev_id *by, uint64_t at);

/* Checks the bundle served for device i (DirectoryReply.bundle_records[i], not empty) and
 * raises its not_before pin. WAX_R_*: tampered, only this device is affected. Whether it can
 * be sealed to: pin_sealable and bundle_usable_for_sealing. now as above. */
wax_rc pin_bundle(struct pin *pin, size_t i, struct bytes record, uint64_t now,
                  struct bundle *ret) WAX_MUST;

/* Index of a device in the pin, or -1. */
int pin_find(const struct pin *p, const struct dev_id *dev);
/* The account's manifest is in date for sealing (own clock). */
bool pin_sealable(const struct pin *p, uint64_t now);
bool pin_readable(const struct pin *p, uint64_t now);

#endif
