/* SQLite engine: opening, closing, and running one request for the command line. */
#include "store/sqlite_int.h"

#include "base/mem.h"

static void sq_free(struct sq *s)
{
    sq_finalize(s);
    sq_cache_free(s);
    /* Statements are gone, so this cannot be refused; the last one out removes the WAL. */
    (void)sqlite3_close(s->db);
    mem_free(s);
}

static void close_store(struct store *store)
{
    struct sq *s = (struct sq *)store;

    sq_writer_stop(s);
    sq_free(s);
}

static const struct store_ops sqlite_ops = {.submit = sq_submit, .close = close_store};

wax_rc store_sqlite_open(const struct store_sqlite_conf *conf, struct store **ret,
                         struct buf *error)
{
    struct sq *s = mem_alloc(sizeof *s);

    if (!s)
        return WAX_E_NOMEM;
    s->store.ops = &sqlite_ops;
    s->conf = *conf;
    wax_rc rc = sq_cache_new(s);
    if (rc == WAX_OK)
        rc = sq_open(s, error);
    s->conf.path = NULL; /* borrowed for the opening only */
    if (rc == WAX_OK)
        rc = sq_writer_start(s);
    if (rc != WAX_OK) {
        sq_free(s);
        return rc;
    }
    *ret = &s->store;
    return WAX_OK;
}

struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool over;
};

static void wake(struct store_req *req)
{
    struct waiter *w = req->ctx;

    pthread_mutex_lock(&w->mutex);
    w->over = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->mutex);
}

wax_rc store_run(struct store *s, struct store_req *req)
{
    struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

    req->done = wake;
    req->ctx = &w;
    store_submit(s, req);
    pthread_mutex_lock(&w.mutex);
    while (!w.over)
        pthread_cond_wait(&w.cond, &w.mutex);
    pthread_mutex_unlock(&w.mutex);
    pthread_mutex_destroy(&w.mutex);
    pthread_cond_destroy(&w.cond);
    req->done = NULL;
    req->ctx = NULL;
    return req->rc;
}
