/* The certificates a server shows, unchecked: how a client that was told the hash of a private
 * CA (an invitation's K) gets that CA. Nothing is sent but the TLS handshake, without a client
 * certificate; everything after it goes over a connection that is checked (net/client.h). */
#ifndef NET_CHAIN_H
#define NET_CHAIN_H

#include "base/buf.h"

/* url: "https://host:port". Appends each certificate of the chain as PEM, leaf first. WAX_E_NET,
 * WAX_E_TLS (no TLS 1.3 there), WAX_E_TIMEOUT (10 s); error: one line, replaced. */
wax_rc net_fetch_chain(const char *url, struct buf *ret_pem, struct buf *error) WAX_MUST;

#endif
