/* Envelope (RECORDS 5) and P, the plaintext of its body (RECORDS 6). */
#ifndef WIRE_ENVELOPE_H
#define WIRE_ENVELOPE_H

#include "base/buf.h"

#define ENVELOPE_MAX 262144
#define HDR_MSG 129
#define HDR_INIT 1713
#define HDR_MAX 2401
#define BODY_MIN 1056
#define BODY_MAX 258080
#define TAG_SIZE 32
#define TREE_DEPTH_MAX 12
#define FANOUT_LEAVES_MAX 4096
#define KEM768_EK_SIZE 1184
#define KEM768_CT_SIZE 1088
#define KEM1024_CT_SIZE 1568

enum env_type { ENV_INIT = 1, ENV_MSG = 2 };
#define ENV_FLAG_KP 1
#define ENV_FLAG_CT 2

/* hdr, decoded; kp and ct are borrowed views (n = 0: absent). */
struct env_hdr {
    uint8_t type, flags;
    struct sid sid;
    struct dev_id from, to;
    uint32_t epoch, ctr, pcl;
    struct point e;
    struct bundle_id bundle; /* INIT only, else zero */
    struct bytes kp;         /* 1,184 or none */
    struct bytes ct;         /* INIT 1,568, MSG 1,088 or none */
};

struct env_fanout {
    struct fanout_id id;
    struct hash32 com;
    uint8_t depth;
    uint16_t index;
    struct hash32 path[TREE_DEPTH_MAX];
    struct sig sig;
};

struct envelope {
    struct bytes raw_hdr; /* the exact bytes */
    struct bytes body;    /* C ‖ tag */
    struct env_hdr hdr;
    struct env_fanout fanout;
};

/* WAX_R_PARSE, then WAX_R_POINT for E's first byte. Views borrow from in. */
wax_rc envelope_decode(struct bytes in, struct envelope *ret) WAX_MUST;
/* Decodes a stored hdr alone. */
wax_rc env_hdr_decode(struct bytes in, struct env_hdr *ret) WAX_MUST;
wax_rc env_hdr_encode(const struct env_hdr *h, struct buf *out) WAX_MUST;
/* hdr ‖ u32 |body| ‖ body ‖ fan-out part. */
wax_rc envelope_encode(struct bytes hdr, struct bytes body, const struct env_fanout *f,
                       struct buf *out) WAX_MUST;
/* What the server reads without opening: from, to, fanout id, type and bundle id. The whole
 * envelope is parsed all the same. */

/* P. Offsets of RECORDS 6. */
#define P_FIXED 292
#define CONTENT_MAX 257756
#define P_MIN 1024
#define P_MAX 258048

struct p_checkpoint { /* 124 bytes of P; all zero: none */
    uint8_t b[124];
};

struct payload {
    struct hash32 r32;               /* random, not secret towards the recipient */
    uint64_t start;                  /* INIT; else 0 */
    uint32_t echo_epoch, echo_count; /* MSG; else 0 */
    uint32_t my_seq;
    struct hash32 my_hash;
    uint32_t your_seq;
    struct hash32 your_hash;
    uint32_t skipped;
    struct p_checkpoint checkpoint;
    struct sid cont_sid; /* INIT continuity; zero: none */
    struct hash32 cont_mac;
    struct bytes content; /* borrowed */
};

/* pad(x) of RECORDS 6 for x = 292 + content length; Padmé(x). */
size_t payload_pad(size_t x);
uint64_t padme(uint64_t x);
/* Whether n is pad(x) for some x in 293 … 258,048. */
bool payload_size_valid(size_t n);
/* Appends the padded P; WAX_E_TOOBIG when content is empty or longer than CONTENT_MAX. */
wax_rc payload_encode(const struct payload *p, bool init, struct buf *out) WAX_MUST;
/* WAX_R_PAYLOAD for all that RECORDS 6 lists (length, padding, start, echo, absent fields). */
wax_rc payload_decode(struct bytes in, bool init, struct payload *ret) WAX_MUST;

#endif
