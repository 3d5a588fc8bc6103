/* The server half without sockets: the router over the memory store, a carrier that only
 * remembers, virtual time. Used by the tests of directory, mailbox and server. */
#ifndef DIRECTORY_RIG_H
#define DIRECTORY_RIG_H

#include "../account/people.h"

#include "directory/directory.h"
#include "server/server.h"
#include "store/memory.h"
#include "wire/envelope.h"
#include "wire/proto.h"
#include "wire/records.h"

struct rig {
    struct store front; /* what the server gets; may be told to fail */
    struct store *memory;
    struct store *sqlite; /* not NULL: asked instead of it, one request at a time */
    struct store_req *queue, **queue_end;
    struct server *server;
    struct server_conf conf;
    uint64_t now;
    bool hold; /* requests stay at the store until rig_pump */
    bool fail; /* the store answers WAX_E_IO without doing anything */
    struct store_req *failed;
    struct ec_key *log_key; /* NULL: no log is kept */
    wax_rc log_trouble;     /* the last one told */
    struct point revoked[8];
    size_t n_revoked;
};

/* What came back to one request. Embedded; {0} is a fresh one. */
struct answer {
    struct http_responder r;
    int status;
    char type[64];
    unsigned retry_after;
    struct buf body;
    bool started, ended;
    size_t pending; /* what it says the network has not taken */
};
void answer_done(struct answer *a);

/* open: registration needs no invitation. */
void rig_start(struct rig *g, bool open);
void rig_stop(struct rig *g);
/* Keeps the directory's log from now on, with a key made from that number; before the first
 * request. */
void rig_keep_log(struct rig *g, uint8_t key);
/* The server's process ends, what it has submitted is lost (not what is in the store), and a
 * new one starts with that log key (0: without). */
void rig_restart(struct rig *g, uint8_t log_key);
/* Runs what waits at the store. */
void rig_pump(struct rig *g);
/* Time passes: tick and pump at every moment the server asked for. */
void rig_wait(struct rig *g, uint64_t ms);
/* An invitation in the store; its token as text. */
void rig_invite(struct rig *g, uint32_t uses, uint64_t expires, char token[32]);

/* A request with its login as it is given; source 192.0.2.1. */
struct who {
    const struct point *key; /* NULL: no certificate */
    const char *device;      /* header; NULL: none */
    const char *source;
};
void rig_ask(struct rig *g, const struct who *who, const char *method, const char *path,
             struct bytes body, struct answer *a);
/* The same by a device, with its right login; and it is pumped and answered (or a stream). */
void rig_call(struct rig *g, const struct device_keys *as, const char *method, const char *path,
              struct bytes body, struct answer *a);
/* Only the status of it (as NULL: no login); checks that problems are well-formed. */
int rig_status(struct rig *g, const struct device_keys *as, const char *method, const char *path,
               struct bytes body);
/* Fails the test unless it was this problem. */
void expect_problem(const struct answer *a, int status, const char *name);
void rig_expect(struct rig *g, const struct device_keys *as, const char *method, const char *path,
                struct bytes body, int status, const char *name);
/* The client goes away. */
void rig_hang_up(struct rig *g, struct answer *a);

/* Bodies. */
void body_register(struct buf *out, struct bytes link, struct bytes bundle, const char *token);
void body_update(struct buf *out, struct bytes link, const struct prekey *bundles, size_t n);
void body_bundle(struct buf *out, struct bytes record);
/* Registers p (made by person_make) on an open server. */
void rig_register(struct rig *g, struct person *p);
/* Publishes p's newest link as the device; bundles of new devices may be none. */
void rig_publish(struct rig *g, struct person *p, const struct prekey *bundles, size_t n);
/* Adds a device with its first bundle and publishes that. */
void rig_add_device(struct rig *g, struct person *p, const char *name, struct device_keys *ret,
                    uint64_t seed);

/* An envelope that is laid out well and means nothing. */
struct parcel {
    struct dev_id from, to;
    struct fanout_id fanout;
    const struct bundle_id *init; /* NULL: a MSG */
};
void parcel_pack(const struct parcel *p, struct buf *out);

/* A fan-out in the making. */
struct fan {
    struct fanout_id id;
    struct store_acct_seq accounts[8];
    size_t n_accounts;
    struct dev_id to[32];
    struct buf envelopes[32];
    size_t n;
};
void fan_start(struct fan *f, uint8_t id);
void fan_account(struct fan *f, const struct person *p);
void fan_add(struct fan *f, const struct device_keys *from, const struct dev_id *to);
void fan_pack(const struct fan *f, struct buf *out);
void fan_done(struct fan *f);
/* From one device to others, accounts named: the status. */
int fan_post(struct rig *g, struct fan *f, const struct device_keys *from, struct answer *a);
Wax__V1__SendReply *fan_reply(const struct answer *a);

/* Takes frames off an answer's body; false when there is no whole one. */
bool next_frame(struct answer *a, size_t *at, struct frame *ret);

#endif
