/* Inside src/directory only: one running request. */
#ifndef DIRECTORY_INTERNAL_H
#define DIRECTORY_INTERNAL_H

#include "base/list.h"
#include "chain/bundle_check.h"
#include "chain/manifest_check.h"
#include "directory/directory.h"
#include "directory/log_prove.h"
#include "directory/sequencer.h"
#include "wire/proto.h"

struct directory {
    struct directory_conf conf;
    struct directory_events events;
    struct store *store;
    struct sequencer sequencer;
    struct list calls;
};

enum reply_kind { REPLY_DIRECTORY, REPLY_REGISTER, REPLY_UPDATE };

struct dir_call {
    struct list node;
    struct directory *d;
    directory_fn fn;
    void *ctx;
    uint64_t now;
    struct directory_answer answer;

    ProtobufCMessage *msg; /* the parsed body; link and bundles point into it */
    struct directory_login login;
    char handle[318];
    struct chain_link link;
    struct chain_prev prev;
    struct store_device devices[MANIFEST_DEVICES_MAX];
    struct store_bundle bundles[MANIFEST_DEVICES_MAX];
    size_t n_bundles;

    uint32_t after; /* of the look-up that makes the reply */
    enum reply_kind kind;
    struct directory_known known;
    struct log_proofs proofs;
    uint64_t change; /* of the newest manifest found: what the reply waits for */
    struct sequencer_wait wait;
    struct store_req req; /* what is at the store */
};

/* NULL: out of memory, and fn was told. */
struct dir_call *call_new(struct directory *d, struct directory_known known, uint64_t now,
                          directory_fn fn, void *ctx);
/* Tells fn and frees the call. */
void call_end(struct dir_call *c, wax_rc rc, const char *what);
/* Submits c->req (filled but for these) as `op`. */
void call_submit(struct dir_call *c, enum store_op op, void (*done)(struct store_req *req));
/* The last step of most calls: looks c->handle up and ends with the packed reply and rc. Where
 * a log is kept, once all that the reply shows is in it. */
void call_reply(struct dir_call *c, enum reply_kind kind, uint32_t after, wax_rc rc,
                const char *what);

/* Parses the body as that message into c->msg, which holds copies of all it needs. */
wax_rc call_parse(struct dir_call *c, const ProtobufCMessageDescriptor *type,
                  struct bytes body) WAX_MUST;
/* The handle's domain is the one served. */
bool handle_is_ours(const struct directory *d, const char *handle);
/* Decodes and checks one bundle of a manifest's device; adds it to c->bundles. */
wax_rc call_add_bundle(struct dir_call *c, struct bytes record, const struct manifest_device *dev,
                       uint64_t not_below) WAX_MUST;
/* The manifest of c->link as the store wants it; fills c->devices. */
wax_rc call_manifest(struct dir_call *c, struct bytes link, struct store_manifest *ret) WAX_MUST;
/* Words for a refused record. */
const char *call_refused(wax_rc rc);

#endif
