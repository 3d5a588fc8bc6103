/* waxd restored: the data folder was put back from an older copy. Its log lacks what was signed
 * since, and going on from it as if nothing had happened would be a fork, which clients show as
 * proof of a lie. So a new generation begins, by a signed record (PROTOCOL 8.8). */
#include <stdio.h>

#include "app.h"
#include "directory/log_batch.h"
#include "os/clock.h"
#include "os/file.h"
#include "store/sqlite.h"

static int open_generation(const struct app *a, const struct settings *s, const struct ec_key *key)
{
    struct log_batch b = {
        .key = key, .domain = s->server.domain, .now = os_now_ms(), .restored = true};
    struct store_req req = {.op = STORE_LOG_WRITE, .now = b.now};
    struct store *store = NULL;
    int code = app_store(a, false, &store);

    if (code != 0)
        return code;
    req.u.log = (struct store_log_run){log_batch_run, &b};
    wax_rc rc = store_run(store, &req);
    store_close(store);
    if (rc == WAX_E_DENIED)
        return app_fail(a, EX_CONFIG, "log-key",
                        "open a new generation: the log in the store was signed with another log "
                        "key; put back the log.key that belongs to this copy");
    if (rc != WAX_OK)
        return app_fail(a, app_code(rc), "log", "open a new generation: %s", rc_text(rc));
    if (a->json)
        printf("{\"type\":\"restored\",\"generation\":%u}\n", b.generation);
    else
        printf("generation: %u\n", b.generation);
    return app_flush(a);
}

int run_restored(struct app *a, int argc, char **argv)
{
    struct settings s;
    struct os_lock *lock = NULL;
    struct ec_key *key = NULL;
    char **args;
    int code = app_args(a, argc, argv, NULL, 0, 0, &args);

    if (code != 0 || (code = app_settings(a, &s)) != 0 || (code = app_lock(a, &lock)) != 0)
        return code;
    wax_rc rc = app_log_key(a, &key);
    if (rc != WAX_OK)
        code = app_fail(a, EX_CONFIG, "log-key", "read the log key %s/log.key: %s", a->data,
                        rc_text(rc));
    else
        code = open_generation(a, &s, key);
    ec_free(key);
    os_lock_close(lock);
    return code;
}
