/* The memory twin: its queue, its tables and how rows are kept. */
#include "store/memory_int.h"

#include "base/mem.h"

wax_rc mem_room(void **v, size_t n_have, size_t *cap, size_t size, size_t n_more)
{
    if (n_have + n_more <= *cap)
        return WAX_OK;
    size_t want = *cap ? 2 * *cap : 16;
    while (want < n_have + n_more)
        want *= 2;
    void *p = mem_calloc(want, size);
    if (!p)
        return WAX_E_NOMEM;
    if (n_have)
        memcpy(p, *v, n_have * size);
    mem_free(*v);
    *v = p;
    *cap = want;
    return WAX_OK;
}

struct mem_account *mem_by_handle(struct memory *m, const char *handle)
{
    for (size_t i = 0; i < m->n_accounts; i++) {
        if (strcmp(m->accounts[i]->handle, handle) == 0)
            return m->accounts[i];
    }
    return NULL;
}

struct mem_account *mem_by_acct(struct memory *m, const struct acct_id *acct)
{
    for (size_t i = 0; i < m->n_accounts; i++) {
        if (ID_EQ(&m->accounts[i]->acct, acct))
            return m->accounts[i];
    }
    return NULL;
}

struct mem_device *mem_any_device(struct memory *m, const struct dev_id *dev)
{
    for (size_t i = 0; i < m->n_devices; i++) {
        if (ID_EQ(&m->devices[i]->keys.dev, dev))
            return m->devices[i];
    }
    return NULL;
}

struct mem_device *mem_device(struct memory *m, const struct dev_id *dev)
{
    struct mem_device *d = mem_any_device(m, dev);
    return d && d->account ? d : NULL;
}

struct mem_row *mem_row_new(uint8_t type, size_t n)
{
    struct mem_row *r = mem_alloc(sizeof *r + n);

    if (r) {
        r->type = type;
        r->n = n;
    }
    return r;
}

struct mem_row *mem_notice_new(const struct mem_row *about, const struct dev_id *to, uint8_t reason)
{
    struct mem_row *r = mem_row_new(STORE_ROW_NOTICE, STORE_NOTICE_SIZE);

    if (r)
        store_notice(r->rest, &about->fanout, to, about->time, reason);
    return r;
}

void mem_row_append(struct memory *m, struct mem_device *d, struct mem_row *r, uint64_t now)
{
    r->next = NULL;
    r->id = ++m->row_ids;
    r->seq = ++d->seq;
    r->time = now;
    if (r->type == STORE_ROW_ENVELOPE) {
        d->count++;
        d->bytes += r->envelope;
    }
    if (r->type == STORE_ROW_EXPIRED)
        d->expired_seq = r->seq;
    *d->tail = r;
    d->tail = &r->next;
}

static void row_free(struct mem_row *r)
{
    if (r)
        mem_free_wiped(r, sizeof *r + r->n);
}

void mem_row_remove(struct mem_device *d, struct mem_row **at)
{
    struct mem_row *r = *at;

    *at = r->next;
    if (!r->next)
        d->tail = at;
    if (r->type == STORE_ROW_ENVELOPE) {
        d->count--;
        d->bytes -= r->envelope;
    }
    if (r->seq == d->expired_seq)
        d->expired_seq = 0;
    row_free(r);
}

void mem_rows_free(struct mem_row *r)
{
    while (r) {
        struct mem_row *next = r->next;
        row_free(r);
        r = next;
    }
}

static void submit(struct store *s, struct store_req *req)
{
    struct memory *m = (struct memory *)s;

    req->next = NULL;
    *m->last = req;
    m->last = &req->next;
}

typedef wax_rc (*mem_fn)(struct memory *m, struct store_req *req);
static const mem_fn ops[] = {
    [STORE_REGISTER] = mem_register,
    [STORE_UPDATE] = mem_update,
    [STORE_LOOKUP] = mem_lookup,
    [STORE_DEVICE] = mem_device_get,
    [STORE_BUNDLE] = mem_bundle,
    [STORE_COUNTER_GET] = mem_counter_get,
    [STORE_COUNTER_PUT] = mem_counter_put,
    [STORE_SEND] = mem_send,
    [STORE_FETCH] = mem_fetch,
    [STORE_ACK] = mem_ack,
    [STORE_SWEEP] = mem_sweep,
    [STORE_INVITE_ADD] = mem_invite_add,
    [STORE_INVITE_LIST] = mem_invite_list,
    [STORE_INVITE_REMOVE] = mem_invite_remove,
    [STORE_LINK_POST] = mem_link_post,
    [STORE_LINK_GET] = mem_link_get,
    [STORE_LOG_READ] = mem_log_read,
    [STORE_LOG_WRITE] = mem_log_write,
    [STORE_CHECK] = mem_check,
};

static void run(struct memory *m, struct store_req *req)
{
    wax_rc rc = store_req_check(req);

    if (rc == WAX_OK)
        rc = ops[req->op](m, req);
    /* Half-made outputs go; those of a conflict and a check are the answer. */
    if (rc != WAX_OK && rc != WAX_E_CONFLICT && rc != WAX_E_DAMAGED)
        store_req_done(req);
    req->rc = rc;
}

size_t store_memory_pump(struct store *s, size_t max)
{
    struct memory *m = (struct memory *)s;
    size_t n = 0;

    while (m->first && (max == 0 || n < max)) {
        struct store_req *req = m->first;
        m->first = req->next;
        if (!m->first)
            m->last = &m->first;
        run(m, req);
        n++;
        if (req->done)
            req->done(req);
    }
    return n;
}

void store_memory_crash(struct store *s)
{
    struct memory *m = (struct memory *)s;

    m->first = NULL;
    m->last = &m->first;
}

static void account_free(struct mem_account *a)
{
    buf_list_done(&a->links);
    mem_free(a->versions);
    mem_free(a);
}

static void device_free(struct mem_device *d)
{
    mem_rows_free(d->head);
    buf_done(&d->record);
    mem_free(d->old);
    mem_free(d);
}

static void dedup_free(struct memory *m)
{
    for (size_t i = 0; i < MEM_DEDUP_BUCKETS; i++) {
        struct mem_dedup *next;
        for (struct mem_dedup *d = m->dedup[i]; d; d = next) {
            next = d->next;
            mem_free(d);
        }
    }
}

static void close_store(struct store *s)
{
    struct memory *m = (struct memory *)s;

    (void)store_memory_pump(s, 0);
    for (size_t i = 0; i < m->n_accounts; i++)
        account_free(m->accounts[i]);
    for (size_t i = 0; i < m->n_devices; i++)
        device_free(m->devices[i]);
    dedup_free(m);
    mem_links_free(m);
    for (size_t i = 0; i < STORE_LOG_TABLES; i++)
        mem_values_free(&m->values[i]);
    mem_free(m->changes);
    mem_free(m->accounts);
    mem_free(m->devices);
    mem_free(m->invites);
    mem_free(m);
}

static const struct store_ops memory_ops = {.submit = submit, .close = close_store};

wax_rc store_memory_new(struct store **ret)
{
    struct memory *m = mem_alloc(sizeof *m);

    if (!m)
        return WAX_E_NOMEM;
    m->store.ops = &memory_ops;
    m->last = &m->first;
    *ret = &m->store;
    return WAX_OK;
}
