/* The tables, and how a vault is recognised. The sentinel is a sealed row that is stored
 * twice: two equal copies that do not open mean another store key, two that differ mean
 * damage. */
#include <stdio.h>

#include "vault/sqlite_internal.h"

static const char *const names[VT_COUNT_] = {
    [VT_META] = "meta",         [VT_PREKEY] = "prekey",   [VT_PIN] = "pin",
    [VT_HANDLE] = "handle",     [VT_DEVICE] = "device",   [VT_PEER] = "peer",
    [VT_SID] = "sid",           [VT_SKIPPED] = "skipped", [VT_SLOT] = "slot",
    [VT_OWN_SLOT] = "own_slot", [VT_EPOCH] = "epoch",     [VT_SEEN] = "seen",
    [VT_FANOUT] = "fanout",     [VT_OUTBOX] = "outbox",   [VT_SEALED] = "sealed",
    [VT_HISTORY] = "history",   [VT_MESSAGE] = "message", [VT_EVENT] = "event",
    [VT_PARKED] = "parked",     [VT_SENT] = "sent",       [VT_KEPT] = "kept",
    [VT_REPAIR] = "repair",     [VT_ASIDE] = "aside",     [VT_ASIDE_CONTENT] = "aside_content",
};

static const char sentinel_text[] = "waxwing vault";
#define SENTINEL_KEY BYTES_STR("sentinel")

const char *sqlite_table_name(enum vault_table t) { return names[t]; }

wax_rc sqlite_exec(struct sqlite *h, const char *sql)
{
    return sqlite_rc(h, sqlite3_exec(h->db, sql, NULL, NULL, NULL));
}

wax_rc sqlite_create_table(struct sqlite *h, enum vault_table t)
{
    char sql[160];

    (void)snprintf(sql, sizeof sql,
                   "CREATE TABLE IF NOT EXISTS %s (k BLOB PRIMARY KEY, v BLOB NOT NULL)"
                   " WITHOUT ROWID",
                   names[t]);
    return sqlite_exec(h, sql);
}

/* Schema 1; what came later is added by sqlite_migrate.c, in new files too. */
static wax_rc create_tables(struct sqlite *h)
{
    char sql[160];
    wax_rc rc = sqlite_exec(h, "CREATE TABLE sentinel (id INTEGER PRIMARY KEY, a BLOB, b BLOB);"
                               "CREATE TABLE tally (t INTEGER, head BLOB, n INTEGER,"
                               " PRIMARY KEY (t, head)) WITHOUT ROWID;");

    for (int t = VT_META; rc == WAX_OK && t <= VT_PARKED; t++)
        rc = sqlite_create_table(h, (enum vault_table)t);
    (void)snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=1",
                   SQLITE_VAULT_ID);
    return rc == WAX_OK ? sqlite_exec(h, sql) : rc;
}

static wax_rc create_sentinel(struct sqlite *h)
{
    struct buf sealed = {0};
    sqlite3_stmt *st = NULL;
    wax_rc rc = sqlite_seal(h, 0, SENTINEL_KEY, BYTES_OF(sentinel_text), &sealed);

    if (rc == WAX_OK)
        rc = sqlite_prepare(h, "INSERT INTO sentinel (id, a, b) VALUES (1, ?1, ?1)", &st);
    if (rc == WAX_OK)
        rc = sqlite_bind(h, st, 1, buf_view(&sealed));
    if (rc == WAX_OK)
        rc = sqlite_run(h, st);
    sqlite3_finalize(st);
    buf_done(&sealed);
    return rc;
}

wax_rc sqlite_schema_create(struct sqlite *h)
{
    wax_rc rc = sqlite_exec(h, "PRAGMA journal_mode=WAL");

    if (rc == WAX_OK)
        rc = sqlite_exec(h, "BEGIN IMMEDIATE");
    if (rc == WAX_OK)
        rc = create_tables(h);
    if (rc == WAX_OK)
        rc = create_sentinel(h);
    if (rc == WAX_OK)
        rc = sqlite_exec(h, "COMMIT");
    return rc;
}

static wax_rc pragma_int(struct sqlite *h, const char *sql, int *ret)
{
    sqlite3_stmt *st;
    wax_rc rc = sqlite_prepare(h, sql, &st);

    if (rc != WAX_OK)
        return rc;
    int step = sqlite3_step(st);
    if (step == SQLITE_ROW)
        *ret = sqlite3_column_int(st, 0);
    else
        rc = step == SQLITE_DONE ? WAX_E_DAMAGED : sqlite_rc(h, step);
    sqlite3_finalize(st);
    return rc;
}

wax_rc sqlite_version(struct sqlite *h, int *ret)
{
    return pragma_int(h, "PRAGMA user_version", ret);
}

static wax_rc sentinel_verdict(struct sqlite *h, struct bytes a, struct bytes b)
{
    struct buf text = {0};

    if (a.n == 0 || !bytes_eq(a, b))
        return WAX_E_DAMAGED;
    wax_rc rc = sqlite_unseal(h, 0, SENTINEL_KEY, a, &text);
    if (rc == WAX_E_DAMAGED)
        rc = WAX_R_MAC;
    else if (rc == WAX_OK && !bytes_eq(buf_view(&text), BYTES_OF(sentinel_text)))
        rc = WAX_E_DAMAGED;
    buf_done(&text);
    return rc;
}

static wax_rc check_sentinel(struct sqlite *h)
{
    sqlite3_stmt *st;
    wax_rc rc = sqlite_prepare(h, "SELECT a, b FROM sentinel WHERE id = 1", &st);

    if (rc != WAX_OK)
        return rc;
    int step = sqlite3_step(st);
    if (step == SQLITE_ROW)
        rc = sentinel_verdict(h, sqlite_column(st, 0), sqlite_column(st, 1));
    else
        rc = step == SQLITE_DONE ? WAX_E_DAMAGED : sqlite_rc(h, step);
    sqlite3_finalize(st);
    return rc;
}

wax_rc sqlite_schema_check(struct sqlite *h, const char **why)
{
    int id = 0, version = 0;
    wax_rc rc = pragma_int(h, "PRAGMA application_id", &id);

    *why = NULL;
    if (rc == WAX_OK && id != SQLITE_VAULT_ID) {
        *why = "this is no vault of Waxwing, or it is damaged";
        return WAX_E_DAMAGED;
    }
    if (rc == WAX_OK)
        rc = sqlite_version(h, &version);
    if (rc == WAX_OK && version > SQLITE_VAULT_SCHEMA) {
        *why = "made by a newer version of Waxwing";
        return WAX_E_VERSION;
    }
    if (rc == WAX_OK && version < 1)
        rc = WAX_E_DAMAGED;
    if (rc == WAX_OK)
        rc = check_sentinel(h);
    if (rc == WAX_R_MAC)
        *why = "sealed under another store key";
    return rc;
}
