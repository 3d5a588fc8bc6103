/* What every engine must do alike and needs no database for: limits, the shape of notices,
 * which requests are outside their contract. For the engines only. */
#ifndef STORE_RULES_H
#define STORE_RULES_H

#include "store/store.h"

#define STORE_LINKS_BYTES_MAX (16U << 20)           /* of one lookup's chain links */
#define STORE_SUPERSEDED_KEEP_MS (30ULL * 86400000) /* ids of superseded bundles */
#define STORE_RENDEZVOUS_RECORDS 6                  /* RECORDS 9 */
#define STORE_RENDEZVOUS_SEALED_MAX 8192
#define STORE_NOTICE_LIFE_MS (7ULL * 86400000)
#define STORE_SWEEP_ROWS 1000U  /* mailbox rows a sweep */
#define STORE_SWEEP_SMALL 5000U /* rows of each other kind a sweep */

/* Row types of RECORDS 14 that a mailbox holds. */
enum { STORE_ROW_ENVELOPE = 1, STORE_ROW_NOTICE = 2, STORE_ROW_EXPIRED = 4 };
enum { STORE_REASON_EXPIRED = 1, STORE_REASON_REVOKED = 2 };
#define STORE_NOTICE_SIZE 41

/* The rest of a type 2 frame: fanout id, to dev, accepted_at, reason. */
void store_notice(uint8_t out[STORE_NOTICE_SIZE], const struct fanout_id *fanout,
                  const struct dev_id *to, uint64_t accepted_at, uint8_t reason);

/* Is something made at `t` that lives `life` over at `now`? No overflow. */
static inline bool store_past(uint64_t t, uint64_t life, uint64_t now)
{
    return now >= life && t <= now - life;
}

/* How long a row of that type waits. A recipient learns of what expired at its next connect
 * (PROTOCOL 4.8), however short the life of messages is set: notices get a week at least. */
static inline uint64_t store_row_life(uint8_t type, uint64_t message_life)
{
    if (type == STORE_ROW_ENVELOPE || message_life > STORE_NOTICE_LIFE_MS)
        return message_life;
    return STORE_NOTICE_LIFE_MS;
}

/* WAX_OK, or WAX_E_INVAL (WAX_E_TOOBIG for a sealed record) for a request that no engine
 * needs to look at. */
wax_rc store_req_check(const struct store_req *req) WAX_MUST;

/* Adds the 16 bytes of `dev` unless the list has them. */
wax_rc store_note(struct buf_list *l, const struct dev_id *dev) WAX_MUST;
/* Adds a copy of x. */
wax_rc store_list_add(struct buf_list *l, struct bytes x) WAX_MUST;
/* Adds a row at the end of a fetch's result, in rooms of 2^k; NULL: no memory. */
struct store_row *store_fetch_add(struct store_fetch *f);

/* What a put of the log must keep to. */
bool store_log_fits(enum store_log_table t, uint64_t key, struct bytes value);
/* put and drop where nothing may be written: WAX_E_INVAL. */
wax_rc store_log_no_put(void *ctx, enum store_log_table t, uint64_t key,
                        struct bytes value) WAX_MUST;
wax_rc store_log_no_drop(void *ctx, enum store_log_table t, uint64_t key) WAX_MUST;

/* Is the device of the manifest new against these? Used for WAX_E_INVAL of bundles. */
bool store_manifest_has(const struct store_manifest *m, const struct dev_id *dev);
/* The manifest lists no dev_id and no key twice. */
bool store_manifest_distinct(const struct store_manifest *m);

#endif
