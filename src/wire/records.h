/* The small records: rollback counter (RECORDS 8), linking (9), mailbox frames (14). */
#ifndef WIRE_RECORDS_H
#define WIRE_RECORDS_H

#include "wire/manifest.h"

/* --- Rollback counter (RECORDS 8) --- */
#define COUNTER_SIZE 40
struct counter_record {
    uint64_t n;
    struct hash32 mac;
};
void counter_encode(const struct counter_record *c, uint8_t out[COUNTER_SIZE]);
wax_rc counter_decode(struct bytes in, struct counter_record *ret) WAX_MUST;

/* --- Linking (RECORDS 9): the plaintexts; sealing is src/account --- */
#define LINK_SEALED_MAX 8192
#define LINK_CODE_SIZE 48
#define LINK_CODE_TEXT 64 /* base64url characters */
struct link_code {
    struct hash32 commitment; /* H("WAX1-link" ‖ DSK ‖ DTK ‖ rN) */
    uint8_t secret[16];
};
void link_code_to_text(const struct link_code *c, char out[LINK_CODE_TEXT + 1]);
/* Spaces and a leading "waxlink:" are ignored. WAX_R_PARSE. */
wax_rc link_code_from_text(const char *s, struct link_code *ret) WAX_MUST;

struct link1 {
    struct point dsk, dtk;
    uint8_t suite;
    char name[NAME_DEVICE_MAX + 1];
};
struct link2 {
    struct hash32 r_o;
    struct acct_id acct;
    char handle[HANDLE_MAX + 1];
};
wax_rc link1_encode(const struct link1 *l, struct buf *out) WAX_MUST;
wax_rc link1_decode(struct bytes in, struct link1 *ret) WAX_MUST;
wax_rc link2_encode(const struct link2 *l, struct buf *out) WAX_MUST;
wax_rc link2_decode(struct bytes in, struct link2 *ret) WAX_MUST;
/* Record 5: join 144 ‖ bundle 1,723. */
wax_rc link5_decode(struct bytes in, struct join *ret_join, struct bytes *ret_join_raw,
                    struct bytes *ret_bundle) WAX_MUST;
/* Sealed record: u8 k ‖ C ‖ tag. Checks k in 1-6 and sizes. */
wax_rc link_sealed_decode(struct bytes in, uint8_t *ret_k, struct bytes *ret_c,
                          struct bytes *ret_tag) WAX_MUST;

/* --- Mailbox frames (RECORDS 14) --- */
#define FRAME_MAX 263168 /* value of the length field */
enum frame_type {
    FRAME_ENVELOPE = 1,
    FRAME_NOTICE = 2,
    FRAME_HEARTBEAT = 3,
    FRAME_EXPIRED = 4,
    FRAME_DRAINED = 5
};
enum notice_reason { NOTICE_EXPIRED = 1, NOTICE_REVOKED = 2, NOTICE_FULL = 3 };
struct frame {
    uint8_t type; /* unknown types > 5 are given as they are: skip them */
    uint64_t seq, time;
    /* type 1 */
    char handle[HANDLE_MAX + 1]; /* the server's hint; "" when it gave none */
    struct bytes envelope;       /* borrowed */
    /* type 2 */
    struct fanout_id fanout;
    struct dev_id to;
    uint64_t accepted_at;
    uint8_t reason;
    /* type 4 */
    uint32_t count;
};
/* Takes one frame off the front of *in. WAX_OK; WAX_E_WAIT: not all of it is there yet
 * (nothing taken); WAX_R_PARSE: not a frame, or a known type with a bad rest. */
wax_rc frame_next(struct bytes *in, struct frame *ret) WAX_MUST;
/* Appends length ‖ type ‖ seq ‖ time ‖ rest. */
wax_rc frame_encode(uint8_t type, uint64_t seq, uint64_t time, struct bytes rest,
                    struct buf *out) WAX_MUST;
/* The rest of types 1, 2 and 4. */
wax_rc frame_rest_envelope(const char *handle, struct bytes envelope, struct buf *out) WAX_MUST;
void frame_rest_notice(const struct fanout_id *f, const struct dev_id *to, uint64_t accepted_at,
                       uint8_t reason, struct buf *out);
void frame_rest_expired(uint32_t count, struct buf *out);

#endif
