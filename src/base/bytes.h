/* A borrowed run of bytes, and the fixed-size values of PROTOCOL.md as types:
 * sizes live in the type, so that a key cannot be passed for a hash. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed: valid as long as what it points into. {NULL, 0} is empty. */
struct bytes {
    const uint8_t *p;
    size_t n;
};

#define BYTES(ptr, len) ((struct bytes){(const uint8_t *)(ptr), (len)})
/* For a typed value or an array whose size is known: BYTES_OF(id.b). */
#define BYTES_OF(array) ((struct bytes){(const uint8_t *)(array), sizeof(array)})
#define BYTES_STR(s) ((struct bytes){(const uint8_t *)(s), strlen(s)})

struct dev_id { uint8_t b[16]; };    /* H("WAX1-dev" ‖ DSK), first 16 */
struct acct_id { uint8_t b[32]; };
struct sid { uint8_t b[16]; };       /* session id */
struct fanout_id { uint8_t b[16]; };
struct bundle_id { uint8_t b[16]; };
struct msg_id { uint8_t b[16]; };    /* first 16 bytes of com */
struct hash32 { uint8_t b[32]; };    /* SHA-256 outputs, com, roots */
struct point { uint8_t b[65]; };     /* uncompressed P-256 point, first byte 04 */
struct sig { uint8_t b[64]; };       /* ECDSA r ‖ s */
struct log_id { uint8_t b[32]; };    /* H("WAX1-log" ‖ first log key ‖ lp(domain)) */
struct map_key { uint8_t b[32]; };   /* H("WAX1-kt-idx" ‖ …): a version of a handle */
struct map_value { uint8_t b[32]; }; /* H("WAX1-kt-val" ‖ …): what stands there */
struct map_opening { uint8_t b[16]; }; /* random; makes a map value unguessable */
/* Secrets. Their owners wipe them; copies on the stack end with mem_wipe. */
struct key32 { uint8_t b[32]; };     /* chain, root, message and continuity keys, scalars */
struct seed64 { uint8_t b[64]; };    /* ML-KEM d ‖ z */

/* Public values only: not constant-time. */
#define ID_EQ(x, y) (sizeof(*(x)) == sizeof(*(y)) && memcmp((x)->b, (y)->b, sizeof((x)->b)) == 0)

static inline bool bytes_eq(struct bytes x, struct bytes y)
{
    return x.n == y.n && (x.n == 0 || memcmp(x.p, y.p, x.n) == 0);
}

/* Takes the same time whatever stands there. */
static inline bool bytes_all_zero(const uint8_t *p, size_t n)
{
    uint64_t acc = 0, word;

    for (; n >= sizeof word; n -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        acc |= word;
    }
    for (; n > 0; n--)
        acc |= *p++;
    return acc == 0;
}

/* Big-endian integers. */
static inline void put_u16(uint8_t *p, uint16_t v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static inline void put_u32(uint8_t *p, uint32_t v) { put_u16(p, (uint16_t)(v >> 16)); put_u16(p + 2, (uint16_t)v); }
static inline void put_u64(uint8_t *p, uint64_t v) { put_u32(p, (uint32_t)(v >> 32)); put_u32(p + 4, (uint32_t)v); }
static inline uint16_t get_u16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static inline uint32_t get_u32(const uint8_t *p) { return (uint32_t)get_u16(p) << 16 | get_u16(p + 2); }
static inline uint64_t get_u64(const uint8_t *p) { return (uint64_t)get_u32(p) << 32 | get_u32(p + 4); }

#endif
