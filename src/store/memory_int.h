/* What the files of the memory twin share. */
#ifndef STORE_MEMORY_INT_H
#define STORE_MEMORY_INT_H

#include "store/memory.h"
#include "store/rules.h"

struct mem_row {
    struct mem_row *next;
    uint64_t id; /* order of insertion over all mailboxes */
    uint64_t seq, time;
    uint8_t type;
    struct dev_id from;
    struct fanout_id fanout;
    size_t envelope; /* bytes of it at the end of rest; 0: a notice */
    size_t n;
    uint8_t rest[];
};

struct mem_superseded {
    struct bundle_id id;
    uint64_t since;
};

struct mem_account;
/* A device stays for ever, so that its keys stay taken; account is NULL once removed. */
struct mem_device {
    struct store_device keys;
    struct mem_account *account;
    struct mem_row *head, **tail;
    uint64_t seq, count, bytes; /* count and bytes: envelopes only */
    uint64_t expired_seq;       /* of the pending type 4 row, 0: none */
    uint8_t counter[40];
    bool has_counter;
    struct bundle_id bundle;
    uint64_t not_before;
    struct buf record; /* empty: no bundle */
    struct mem_superseded *old;
    size_t n_old;
};

/* A manifest as the log needs it. */
struct mem_version {
    uint64_t change;
    struct hash32 hash;
    struct map_opening opening;
};

struct mem_account {
    char handle[318];
    struct acct_id acct;
    uint32_t seq;
    struct buf_list links;        /* links.v[seq - 1] */
    struct mem_version *versions; /* likewise */
    size_t cap_versions;
    struct mem_device *devices[STORE_DEVICES_MAX];
    size_t n_devices;
};

struct mem_dedup {
    struct mem_dedup *next;
    struct dev_id from, to;
    struct fanout_id fanout;
    uint64_t created;
};
#define MEM_DEDUP_BUCKETS 4096

struct mem_rendezvous {
    uint8_t rid[16];
    uint64_t dies;
    struct buf_list records;
};

struct mem_change {
    const struct mem_account *account;
    uint32_t seq;
};

/* Values of the log by number; memory_log.c. */
struct mem_value {
    struct mem_value *next;
    uint64_t key;
    size_t n;
    uint8_t b[];
};
struct mem_values {
    struct mem_value **buckets; /* a power of two of them */
    size_t n, n_buckets;
};
/* What a job replaced, to be put back if it fails. old NULL: nothing was there. */
struct mem_undo {
    struct mem_undo *next;
    enum store_log_table t;
    uint64_t key;
    struct mem_value *old;
};

struct memory {
    struct store store;
    struct store_req *first, **last; /* submitted */
    struct mem_account **accounts;
    size_t n_accounts, cap_accounts;
    struct mem_device **devices;
    size_t n_devices, cap_devices;
    struct mem_dedup *dedup[MEM_DEDUP_BUCKETS];
    struct store_invite *invites;
    size_t n_invites, cap_invites;
    struct mem_rendezvous *links;
    size_t n_links, cap_links;
    struct mem_change *changes; /* number n is changes[n - 1] */
    size_t n_changes, cap_changes;
    struct mem_values values[STORE_LOG_TABLES];
    struct mem_undo *undo;
    uint64_t row_ids;
};

/* Room for n more in a growing array of any of the above; the array moves. */
wax_rc mem_room(void **v, size_t n_have, size_t *cap, size_t size, size_t n_more) WAX_MUST;

struct mem_account *mem_by_handle(struct memory *m, const char *handle);
struct mem_account *mem_by_acct(struct memory *m, const struct acct_id *acct);
/* Also a removed device. NULL: never seen. */
struct mem_device *mem_any_device(struct memory *m, const struct dev_id *dev);
/* Only one that is in a current manifest. */
struct mem_device *mem_device(struct memory *m, const struct dev_id *dev);

struct mem_row *mem_row_new(uint8_t type, size_t n);
/* A type 2 row telling of `about`, which lies in the mailbox of `to`; NULL: no memory. */
struct mem_row *mem_notice_new(const struct mem_row *about, const struct dev_id *to,
                               uint8_t reason);
/* Gives it the mailbox's next seq and keeps the counts. */
void mem_row_append(struct memory *m, struct mem_device *d, struct mem_row *r, uint64_t now);
/* Takes *at out of the mailbox and frees it. */
void mem_row_remove(struct mem_device *d, struct mem_row **at);
void mem_rows_free(struct mem_row *r);

wax_rc mem_register(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_update(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_lookup(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_device_get(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_bundle(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_counter_get(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_counter_put(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_send(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_fetch(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_ack(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_sweep(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_invite_add(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_invite_list(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_invite_remove(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_link_post(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_link_get(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_log_read(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_log_write(struct memory *m, struct store_req *req) WAX_MUST;
wax_rc mem_check(struct memory *m, struct store_req *req) WAX_MUST;

/* Calls l->prove. */
wax_rc mem_prove(struct memory *m, const struct store_lookup *l) WAX_MUST;
void mem_values_free(struct mem_values *v);
/* Room for one more change of that account; mem_changed, which fills it, cannot fail. */
wax_rc mem_change_room(struct memory *m, struct mem_account *a) WAX_MUST;
/* The manifest is the account's newest, and a->seq its number. */
void mem_changed(struct memory *m, struct mem_account *a, const struct store_manifest *man);

/* Finds a usable invite and, when `use`, counts one use. */
wax_rc mem_invite_use(struct memory *m, const struct hash32 *token, uint64_t now,
                      bool use) WAX_MUST;
void mem_links_free(struct memory *m);
void mem_links_expire(struct memory *m, uint64_t now);
void mem_invites_expire(struct memory *m, uint64_t now);

#endif
