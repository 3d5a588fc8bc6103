/* Invitations: the token, its row in the store, the line that people pass on. */
#ifndef WAXD_INVITATION_H
#define WAXD_INVITATION_H

#include "app.h"

#define TOKEN_BYTES 16

struct made_invitation {
    char token[32];
    char line[1024];
    char id[20];      /* hex, as `waxd invites` lists it */
    char server[320]; /* "https://HOST:PORT" */
    uint64_t expires;
};

/* Draws a token, stores it and composes the line. 0 or a code with the error said. */
int invitation_make(const struct app *a, const struct settings *s, struct store *store,
                    uint32_t uses, uint64_t life_ms, struct made_invitation *ret);
/* Where clients reach the server: the first --public, else the domain if it resolves, else the
 * address listened on (127.0.0.1 when that is loopback or all). */
void invitation_host(const struct settings *s, char host[254], unsigned *ret_port);
/* Whether the name resolves; never takes long. */
bool host_resolves(const char *name);
/* "https://HOST:PORT", IPv6 in brackets. */
void host_url(const char *host, unsigned port, char out[320]);

#endif
