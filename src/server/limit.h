/* Token buckets by (kind, key), in a table of fixed size: who floods it with keys displaces
 * those buckets that are nearest to full, so forgets nobody who is being slowed down. */
#ifndef SERVER_LIMIT_H
#define SERVER_LIMIT_H

#include "base/bytes.h"
#include "base/result.h"

enum limit_kind { LIMIT_LOGIN, LIMIT_LOOKUP, LIMIT_SEND, LIMIT_REGISTER, LIMIT_LINK };

struct limits;
wax_rc limits_new(struct limits **ret) WAX_MUST;
void limits_free(struct limits *l);

/* rate tokens per period_ms, as many at once. */
struct limit_rate {
    uint32_t rate; /* 0: no limit */
    uint64_t period_ms;
};
/* Takes one token: 0, or the ms until there is one (at least 1). */
uint64_t limit_take(struct limits *l, enum limit_kind kind, struct bytes key, struct limit_rate r,
                    uint64_t now);
/* The same question, without taking. */
uint64_t limit_ask(struct limits *l, enum limit_kind kind, struct bytes key, struct limit_rate r,
                   uint64_t now);

#endif
