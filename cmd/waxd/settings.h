/* DIR/waxd.ini: reading it, and writing it for the first time. One setting a line, no
 * sections; a later line wins, but `public` may stand several times. */
#ifndef WAXD_SETTINGS_H
#define WAXD_SETTINGS_H

#include "base/buf.h"
#include "server/server.h"

#define PUBLIC_MAX 8
#define ENDPOINT_SIZE 272 /* HOST:PORT with its NUL */

struct settings {
    struct server_conf server; /* with the domain */
    char listen[ENDPOINT_SIZE];
    char publics[PUBLIC_MAX][ENDPOINT_SIZE];
    size_t n_publics;
    char certificate[256], key[256]; /* relative to DIR */
    unsigned max_connections;
};

void settings_default(struct settings *s);
/* WAX_OK; WAX_E_NOTFOUND; WAX_R_PARSE: error says which line and why. */
wax_rc settings_load(const char *path, struct settings *ret, struct buf *error) WAX_MUST;
/* The file, each setting with a comment. */
void settings_write(const struct settings *s, struct buf *out);

/* Splits "HOST:PORT" ("[::1]:8443", "::1:8443"); brackets are dropped. port_min 0 or 1. */
wax_rc endpoint_split(const char *s, unsigned port_min, char host[254],
                      unsigned *ret_port) WAX_MUST;
/* Whether it is a name or address of this machine only; of any address ("::", "0.0.0.0"). */
bool host_is_loopback(const char *host);
bool host_is_any(const char *host);
/* A domain as handles have it. */
bool domain_valid(const char *domain);

#endif
