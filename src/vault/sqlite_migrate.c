/* From an older schema to the newest. Each step is one transaction that raises the version
 * too: after a crash the file is of the one version or of the next, and opening goes on. */
#include <stdio.h>

#include "vault/sqlite_internal.h"

/* What repair keeps (PROTOCOL 4.8), contents set aside, and rows that did not open any more
 * (sqlite_damage.c). Some files of schema 1 have a part of it already. */
static wax_rc add_repair(struct sqlite *h)
{
    wax_rc rc = WAX_OK;

    for (int t = VT_SENT; rc == WAX_OK && t <= VT_ASIDE_CONTENT; t++)
        rc = sqlite_create_table(h, (enum vault_table)t);
    return rc == WAX_OK ? sqlite_exec(h, "CREATE TABLE IF NOT EXISTS damaged (t INTEGER, k BLOB, v "
                                         "BLOB, PRIMARY KEY (t, k))"
                                         " WITHOUT ROWID")
                        : rc;
}

static const struct schema_step newest[] = {
    {2, add_repair},
};
_Static_assert(VT_COUNT_ == VT_ASIDE_CONTENT + 1, "a new table needs a step here");
_Static_assert(SQLITE_VAULT_SCHEMA == 2, "the last step leads to the newest schema");

/* In a transaction. Another process may have been quicker: then there is nothing to do. */
static wax_rc take_step(struct sqlite *h, const struct schema_step *step)
{
    char sql[64];
    int version = 0;
    wax_rc rc = sqlite_version(h, &version);

    if (rc != WAX_OK || version >= step->to)
        return rc;
    rc = version == step->to - 1 ? step->run(h) : WAX_E_DAMAGED;
    (void)snprintf(sql, sizeof sql, "PRAGMA user_version=%d", step->to);
    return rc == WAX_OK ? sqlite_exec(h, sql) : rc;
}

wax_rc sqlite_schema_steps(struct sqlite *h, const struct schema_step *steps, size_t n)
{
    int version = 0;
    wax_rc rc = sqlite_version(h, &version);

    for (size_t i = 0; rc == WAX_OK && i < n; i++) {
        if (version >= steps[i].to)
            continue; /* without the lock: it is so at each opening but one */
        rc = sqlite_exec(h, "BEGIN IMMEDIATE");
        if (rc != WAX_OK)
            break;
        rc = take_step(h, &steps[i]);
        if (rc == WAX_OK)
            rc = sqlite_exec(h, "COMMIT");
        /* After some errors SQLite has rolled back by itself. */
        if (rc != WAX_OK && !sqlite3_get_autocommit(h->db))
            (void)sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return rc;
}

wax_rc sqlite_schema_raise(struct sqlite *h)
{
    return sqlite_schema_steps(h, newest, sizeof newest / sizeof *newest);
}
