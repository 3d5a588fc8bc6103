/* Manifest, join, chain link (RECORDS 3) and prekey bundle (RECORDS 4): bytes <-> structs.
 * Decoding checks layout, caps, text and first bytes of points: WAX_R_PARSE, WAX_R_POINT
 * (first byte only). Everything that needs a key or a predecessor is src/account. */
#ifndef WIRE_MANIFEST_H
#define WIRE_MANIFEST_H

#include "base/buf.h"
#include "base/text.h"

#define MANIFEST_DEVICES_MAX 20
#define MANIFEST_RECORD_MAX 4484
#define MANIFEST_LIFE_MS 2592000000ULL /* not_after = issued + 30 d */
#define SKEW_MS 3600000ULL             /* how far in the future a time may lie */
#define JOIN_SIZE 144
#define CHAIN_LINK_MAX (4 + MANIFEST_RECORD_MAX + 1 + MANIFEST_DEVICES_MAX * JOIN_SIZE)
#define NAME_DEVICE_MAX 64

enum signer_kind { SIGNER_DEVICE = 1, SIGNER_RECOVERY = 2 };

struct manifest_device {
    struct point dsk, dtk;
    uint8_t suite;                  /* highest, ≥ 1 */
    char name[NAME_DEVICE_MAX + 1]; /* 1-64 bytes of valid UTF-8 (RECORDS 2), NUL behind */
};

struct manifest {
    struct acct_id acct;
    uint32_t seq;
    struct hash32 prev;
    uint64_t issued;
    enum signer_kind signer_kind;
    struct dev_id signer; /* zero for kind 2 */
    bool has_recovery;
    struct point recovery;
    char handle[HANDLE_MAX + 1];
    uint8_t n_devices; /* 1-20 */
    struct manifest_device devices[MANIFEST_DEVICES_MAX];
};

struct join {
    struct dev_id dev;
    struct sig by_dsk, by_dtk;
};

/* A chain link with borrowed views of the exact bytes that were signed and hashed. */
struct chain_link {
    struct bytes record; /* body ‖ sig */
    struct bytes body;
    struct sig sig;
    struct manifest manifest;
    uint8_t n_joins; /* 0-20 */
    struct join joins[MANIFEST_DEVICES_MAX];
};

/* Appends the body (without signature). m is valid by the rules of decode, else
 * WAX_E_INVAL. */
wax_rc manifest_encode_body(const struct manifest *m, struct buf *out) WAX_MUST;
wax_rc manifest_decode(struct bytes record, struct manifest *ret, struct bytes *ret_body,
                       struct sig *ret_sig) WAX_MUST;
wax_rc join_decode(struct bytes in, struct join *ret) WAX_MUST;
void join_encode(const struct join *j, struct buf *out);
/* Appends u32 |record| ‖ record ‖ u8 n ‖ joins. */
wax_rc chain_link_encode(struct bytes record, const struct join *joins, size_t n,
                         struct buf *out) WAX_MUST;
wax_rc chain_link_decode(struct bytes in, struct chain_link *ret) WAX_MUST;

#define BUNDLE_BODY 1659
#define BUNDLE_RECORD 1723
#define BUNDLE_LIFE_MS 2592000000ULL

struct bundle {
    struct dev_id dev;
    uint64_t not_before; /* not_after = + BUNDLE_LIFE_MS */
    struct point spk;
    uint8_t kpk[1568];
    struct sig sig;
};
/* The 1,659 body bytes. */
void bundle_encode_body(const struct bundle *b, struct buf *out);
wax_rc bundle_decode(struct bytes record, struct bundle *ret) WAX_MUST;

#endif
