/* Whether a certificate file and its key will do for a server: for `waxd check`. */
#ifndef NET_CERTFILE_H
#define NET_CERTFILE_H

#include "base/buf.h"

/* Looks at key and chain as net_server_new does, at each certificate's dates (now: ms), and
 * at the names the leaf must hold (DNS names, or IP addresses as text). WAX_OK; WAX_E_TLS
 * when something does not hold: report gets one line for each finding. Under 30 d left is a
 * line too, but no failure. */
wax_rc net_cert_check(const char *cert_file, const char *key_file, const char *const *names,
                      size_t n_names, uint64_t now, struct buf *report) WAX_MUST;

#endif
