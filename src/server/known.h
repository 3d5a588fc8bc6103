/* Devices whose login the store has confirmed a moment ago, so that a sender's every request
 * does not wait for two commits. An entry goes when its device is removed, before the
 * revoke's answer, and after KNOWN_LIFE_MS in any case: nothing here outlives a revoke that
 * came through this process, and one process serves a store. */
#ifndef SERVER_KNOWN_H
#define SERVER_KNOWN_H

#include "directory/directory.h"

#define KNOWN_LIFE_MS 1000

struct known;
wax_rc known_new(struct known **ret) WAX_MUST;
void known_free(struct known *k);

/* Whether this device may log in with this key; fills *ret. */
bool known_find(const struct known *k, const struct dev_id *dev, const struct point *dtk,
                uint64_t now, struct directory_login *ret);
/* The number of removals so far: taken before the store is asked … */
uint64_t known_epoch(const struct known *k);
/* … and given back with what it said. When a device was removed meanwhile, the answer may be
 * older than that, and is not kept. */
void known_put(struct known *k, const struct directory_login *login, const struct point *dtk,
               uint64_t epoch, uint64_t now);
void known_remove(struct known *k, const struct dev_id *dev);

#endif
