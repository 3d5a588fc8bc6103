/* The people of these stories: accounts with keys, their chain so far, and forgers who sign
 * whatever they like. All from one seeded generator, in virtual time. */
#ifndef ACCOUNT_PEOPLE_H
#define ACCOUNT_PEOPLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "account/genesis.h"
#include "account/update.h"
#include "base/buf.h"

#define NOW 1767225600000ULL
#define HOUR 3600000ULL
#define DAY (24 * HOUR)
#define LINKS_MAX 40

/* A generator that counts on from its seed; the same bytes every run. */
struct rng people_rng(uint64_t seed);

struct person {
    struct device_keys keys; /* of the first device */
    struct ec_key *recovery; /* NULL: none */
    struct prekey prekey;
    struct buf links[LINKS_MAX]; /* the whole chain, as published */
    size_t n_links;
    struct chain_prev head;
};

/* An account with one device "phone", published at NOW. */
void person_make(struct person *p, const char *handle, bool with_recovery, uint64_t seed);
void person_done(struct person *p);
/* Publishes the successor by the first device; joiner adds one. Fails the test otherwise. */
void person_change(struct person *p, const struct update_change *change,
                   const struct device_keys *joiner, uint64_t now);
void person_change_as(struct person *p, const struct update_signer *signer,
                      const struct update_change *change, const struct device_keys *joiner,
                      uint64_t now);
/* Adds a fresh device under that name and gives its keys. */
void person_add_device(struct person *p, const char *name, struct device_keys *ret, uint64_t seed);
/* Takes over a link that was made elsewhere. */
void person_take(struct person *p, struct bytes link);

/* Signs body of m as it stands, with joins by the keys given, whatever the rules say, and
 * appends the chain link. */
void forge(const struct manifest *m, const struct ec_key *signer,
           const struct device_keys *const *joiners, size_t n_joiners, struct buf *link);
/* The class with which the chain rules refuse it after p's head. */
wax_rc judge_after(const struct person *p, struct bytes link, uint64_t now);
/* The honest successor of p's head, signed by nobody yet. */
struct manifest successor_of(const struct person *p, uint64_t now);

int people_start(void **state);

#endif
