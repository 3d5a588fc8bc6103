/* A device's own keys and its prekeys (PROTOCOL 1 "Device", "Prekey bundle"): making them, and
 * their secret form for the vault. All structs here hold secrets: they are ended with their
 * _done, which wipes; encoded forms live in a struct buf, which wipes itself. */
#ifndef ACCOUNT_KEYS_H
#define ACCOUNT_KEYS_H

#include "base/rng.h"
#include "chain/bundle_check.h"
#include "crypto/crypto.h"
#include "wire/manifest.h"

/* Embedded by value; {0} is empty. Owns its keys. */
struct device_keys {
    struct ec_key *dsk;  /* signs manifests, bundles, fan-outs */
    struct ec_key *dtk;  /* TLS client key, and the join signature; never equal to dsk */
    struct key32 k_roll; /* rollback counter MAC (PROTOCOL 4.6) */
    struct dev_id dev;   /* public: first 16 of H("WAX1-dev" ‖ DSK) */
};

/* Fresh keys. *ret is overwritten (an earlier value is not ended). */
wax_rc device_keys_make(const struct rng *rng, struct device_keys *ret) WAX_MUST;
void device_keys_done(struct device_keys *k);
/* Appends the secret form (version ‖ DSK ‖ DTK scalars ‖ K_roll, 97 bytes). */
wax_rc device_keys_encode(const struct device_keys *k, struct buf *out) WAX_MUST;
/* WAX_R_PARSE: not that form, or keys out of range, or DSK = DTK. */
wax_rc device_keys_decode(struct bytes in, struct device_keys *ret) WAX_MUST;
/* The manifest entry of these keys. WAX_E_INVAL when name breaks RECORDS 2. */
wax_rc device_keys_entry(const struct device_keys *k, const char *name,
                         struct manifest_device *ret) WAX_MUST;
/* Join record over a manifest hash, by both keys (RECORDS 3). */
wax_rc device_keys_join(const struct device_keys *k, const struct hash32 *manifest,
                        struct join *ret) WAX_MUST;

/* --- Prekeys ----------------------------------------------------------------------------- */

/* A new bundle every 48 h. */
#define PREKEY_ROTATE_MS 172800000ULL
/* The private half goes 9 d after the successor was confirmed, at the earliest. */
#define PREKEY_KEEP_MS 777600000ULL
/* As long as an INIT may be parked (PROTOCOL 4.2): it puts the destruction off no further. */
#define PREKEY_PARKED_MS 604800000ULL

/* One prekey with its public bundle. Embedded by value; {0} is empty. */
struct prekey {
    struct ec_key *spk;            /* NULL: empty, or the private half is destroyed */
    struct seed64 kpk_seed;        /* ML-KEM-1024 d ‖ z */
    uint8_t record[BUNDLE_RECORD]; /* the signed bundle, public */
    struct hash32 hash;            /* bundle hash */
    struct bundle_id id;
    uint64_t not_before;
    uint64_t superseded_at; /* when the server confirmed a successor; 0: not yet */
};

/* A fresh prekey signed by k->dsk. not_before = max(now, after + 1), where after is the
 * not_before of the newest earlier bundle of this device (0: none) and now the earlier of own
 * and server clock. Store it (fsynced) before the PUT (PROTOCOL 1). */
wax_rc prekey_make(const struct device_keys *k, const struct rng *rng, uint64_t now, uint64_t after,
                   struct prekey *ret) WAX_MUST;
void prekey_done(struct prekey *p);
/* Secret form for the vault: version ‖ SPK scalar ‖ seed ‖ superseded_at ‖ record. */
wax_rc prekey_encode(const struct prekey *p, struct buf *out) WAX_MUST;
/* WAX_R_PARSE also when the private half is not that of the record's SPK (KPK is not
 * recomputed: that costs a key generation; a wrong seed only gives undecryptable INITs). */
wax_rc prekey_decode(struct bytes in, struct prekey *ret) WAX_MUST;
/* Time for a successor (48 h after not_before; own clock). */
bool prekey_rotation_due(const struct prekey *p, uint64_t now);
/* Whether the private half may be destroyed: superseded for 9 d, the mailbox drained once
 * after that moment (last_drained: ms of the newest complete drain, 0: never), and no parked
 * INIT names the bundle, which puts it off by 7 d at most. Never by not_after. */
bool prekey_destroy_due(const struct prekey *p, uint64_t now, uint64_t last_drained,
                        bool parked_init);

#endif
