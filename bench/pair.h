/* Two devices that talk, with their rows in memory: src/session as a client uses it, without
 * a vault. */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include "session/fanout.h"
#include "session/open.h"
#include "session/seal.h"

#define NOW_MS 1767225600000ULL
#define CONTENT_SIZE 1024

/* A device and its one prekey. */
struct peer {
    struct party me;
    struct ec_key *dsk;
    struct own_prekey prekey;
    struct bundle_id bundle_id;
    struct buf bundle; /* its body */
};
void peer_make(struct peer *p);
void peer_done(struct peer *p);

/* What a device has of its sessions with one other: state, and the epochs that it received. */
struct end {
    const struct peer *me, *other;
    struct peer_sessions state;
    struct epoch_row epochs[4];
    size_t n_epochs;
};
void end_make(struct end *e, const struct peer *me, const struct peer *other);

/* A message as its sender has it before sealing: content, r32, com, fanout id. */
struct message {
    struct payload p;
    struct buf content;
    struct hash32 com;
    struct fanout_id fanout;
};
/* A text between the accounts; its content has `size` bytes. */
void message_make(struct message *m, const struct peer *from, const struct peer *to, size_t size);
void message_done(struct message *m);

/* Seals m at e in its next slot. */
void end_seal(struct end *e, const struct message *m, struct sealed *s);
/* Signs for that one device and encodes. env is emptied first. */
void end_sign(struct end *e, const struct message *m, const struct sealed *s, struct buf *env);
/* Judges, opens, commits. */
void end_open(struct end *e, struct bytes env);
/* All of it from one to the other; content of the given size. ret_size: of the envelope; may
 * be NULL. */
void say(struct end *from, struct end *to, const struct message *m, size_t *ret_size);

#endif
