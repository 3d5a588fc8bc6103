/* Contents set aside: the row that the vault keeps of one (client/aside.c). */
#ifndef CLIENT_ASIDE_H
#define CLIENT_ASIDE_H

#include "client/statement.h"

struct client;

/* Local format; bounded all the same, since a vault may be damaged. Ended by aside_done. */
struct aside {
    struct slot slot;
    struct hash32 com;
    uint64_t frame_time;
    bool handed; /* by an own device (5.4): then only messages for people are taken */
    struct statement told;
};
void aside_done(struct aside *a);
wax_rc aside_encode(const struct aside *a, struct buf *out) WAX_MUST;
/* WAX_E_DAMAGED. */
wax_rc aside_decode(struct bytes in, struct aside *ret) WAX_MUST;

/* Takes a content of somebody else's apart, in the box where the caller of the client core gave
 * one (client_env.decoder): content_unpack's results, and WAX_OK with *ret NULL when the box died
 * of it. Whatever is parsed of others in the client core goes this way. */
wax_rc aside_content(struct client *c, struct bytes content, Wax__V1__Content **ret) WAX_MUST;

/* Keeps an opened message whose content could not be read, and says so. In the transaction that
 * takes the message in. */
wax_rc aside_put(struct client *c, const struct opened *o, const char *from, uint64_t frame_time,
                 bool handed) WAX_MUST;

#endif
