/* The check of a server's chain that curl's handshake makes: with the name in it, so that a server
 * of another name learns nothing of ours (TLS 1.3 sends the login certificate right after the
 * chain held, and curl would look at the name only later), and with the dates in what it says. */
#ifndef NET_VERIFY_H
#define NET_VERIFY_H

#include <openssl/ssl.h>

#include "base/result.h"

struct net_verdict {
    long error;     /* X509_V_…; X509_V_OK: none so far */
    char text[200]; /* why the chain does not hold, one line */
};

/* ctx is about to be used for one connection to host (a name, or an address without brackets);
 * what its chain fails of goes into *verdict, which outlives ctx. WAX_E_INVAL: no such host;
 * WAX_E_NOMEM. */
wax_rc net_verify_watch(SSL_CTX *ctx, const char *host, struct net_verdict *verdict) WAX_MUST;

#endif
