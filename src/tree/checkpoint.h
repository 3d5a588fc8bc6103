/* The signed records of the log (PROTOCOL 8.4 and 8.8, RECORDS 13), pure: making them,
 * checking them, and finding that two of them contradict each other.
 *
 * Checks take records as they came. Classes in this order: WAX_R_PARSE, first byte of a point
 * and the curve (WAX_R_POINT), WAX_R_CHAIN (another log, a number that does not follow),
 * WAX_R_SIGNATURE; of a rotation and a generation, then its checkpoint's. */
#ifndef TREE_CHECKPOINT_H
#define TREE_CHECKPOINT_H

#include "crypto/crypto.h"
#include "wire/checkpoint.h"

#define DAY_MS 86400000ULL
#define CHECKPOINT_STALE_MS 7200000ULL

static inline uint64_t day_of(uint64_t time) { return time / DAY_MS; }
/* Over 2 h old (PROTOCOL 8.7): `directory_stale`. now: own clock. */
static inline bool checkpoint_stale(const struct checkpoint *c, uint64_t now)
{
    return now > c->time && now - c->time > CHECKPOINT_STALE_MS;
}

/* Rotations that a reader takes in one answer (RECORDS 15), and the key they begin with. */
#define LOG_KEYS_MAX 65
/* The keys of a log, oldest first: each vouched for by the one before. The last signs now. */
struct log_keys {
    struct point v[LOG_KEYS_MAX];
    size_t n;
};
/* One more, from a rotation that the last one signed. WAX_E_FULL over LOG_KEYS_MAX.
 * ret_checkpoint: the one it names; NULL: not wanted. */
wax_rc log_keys_rotate(struct log_keys *k, const struct log_id *log, struct bytes rotation,
                       struct checkpoint *ret_checkpoint) WAX_MUST;

wax_rc checkpoint_check(struct bytes record, const struct log_id *log, const struct point *key,
                        struct checkpoint *ret) WAX_MUST;
/* Of one that is decoded already (from P): log and signature. */
wax_rc checkpoint_verify(const struct checkpoint *c, const struct log_id *log,
                         const struct point *key) WAX_MUST;
wax_rc rotation_check(struct bytes record, const struct log_id *log, const struct point *old_key,
                      struct rotation *ret) WAX_MUST;
/* Signed by any of the keys, its checkpoint by that one or an earlier one: a restore may
 * follow a rotation, and the other way round. */
wax_rc generation_check(struct bytes record, const struct log_id *log, const struct log_keys *keys,
                        struct generation *ret) WAX_MUST;
/* *ret_witness gets the key that signed; whether it is one of ours is the caller's. */
wax_rc cosignature_check(struct bytes record, const struct checkpoint *c,
                         struct point *ret_witness) WAX_MUST;

/* Making them: all fields but signatures are the caller's. WAX_E_INVAL for what would not be
 * read back. */
wax_rc checkpoint_sign(const struct ec_key *key, struct checkpoint *c) WAX_MUST;
wax_rc cosignature_sign(const struct ec_key *witness, const struct checkpoint *c,
                        struct cosignature *ret) WAX_MUST;
/* From the old key to the new one; c is the last one that the old key signed. */
wax_rc rotation_sign(const struct ec_key *old_key, const struct ec_key *new_key,
                     const struct checkpoint *c, struct rotation *ret) WAX_MUST;
/* The generation after that of c. */
wax_rc generation_sign(const struct ec_key *key, const struct checkpoint *c,
                       struct generation *ret) WAX_MUST;

/* Equivocation (PROTOCOL 8.4): two that are validly signed and of one log contradict each
 * other. */
bool checkpoints_contradict(const struct checkpoint *x, const struct checkpoint *y);
bool generations_contradict(const struct generation *x, const struct generation *y);
/* Of two records as they came, both checkpoints or both generation records (by their length;
 * else WAX_R_PARSE): WAX_R_EQUIVOCATION when both are signed by any of the keys and
 * contradict, WAX_OK when they are and do not, else the class of the first that does not
 * hold. Nothing else is needed: the pair is evidence for anyone who knows the log's keys. */
wax_rc equivocation_judge(struct bytes first, struct bytes second, const struct log_id *log,
                          const struct log_keys *keys) WAX_MUST;

#endif
