/* POST /v1/messages as the server wants it: an envelope for each device, laid out well and
 * meaning nothing. */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H

#include "site.h"

#define REQUEST_DEVICES_MAX 8

/* From `from` to n others. */
void request_make(const struct user *from, const struct user *const *to, size_t n, struct buf *out);
/* Puts envelopes into a request; accounts' manifests are their first. devices[i] gets
 * envelopes[i]. */
void request_pack(const struct user *const *accounts, size_t n_accounts, const uint8_t fanout[16],
                  const struct dev_id *devices, const struct buf *envelopes, size_t n,
                  struct buf *out);
/* init: an INIT to a bundle that does not exist. */
void envelope_make(const struct user *from, const struct dev_id *to, const uint8_t fanout[16],
                   bool init, struct buf *out);

#endif
