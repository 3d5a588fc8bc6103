/* Rows that do not open any more: named in words, and where the rest does without them, set
 * aside. They go to the table `damaged` as they are, so nothing is thrown away. */
#include <stdio.h>

#include "vault/sqlite_internal.h"

/* At most so many rows of a table are set aside at once; the next time takes the next. */
#define BAD_MAX 4096U

/* spare: without such a row the client goes on as after a loss that the protocol knows (a
 * message that cannot be read, a session that starts anew). The others say who somebody is or
 * what was seen before: there an absent row would be a lie, so they stay and what needs them
 * stops. */
static const struct {
    const char *words;
    bool spare;
} tables[VT_COUNT_] = {
    [VT_META] = {"settings and own identity", false},
    [VT_PREKEY] = {"own prekeys", true},
    [VT_PIN] = {"contacts", false},
    [VT_HANDLE] = {"handles of contacts", false},
    [VT_DEVICE] = {"devices of contacts", false},
    [VT_PEER] = {"sessions", true},
    [VT_SID] = {"index of sessions", true},
    [VT_SKIPPED] = {"keys of messages under way", true},
    [VT_SLOT] = {"messages seen", true},
    [VT_OWN_SLOT] = {"messages sealed", true},
    [VT_EPOCH] = {"epochs of sessions", false},
    [VT_SEEN] = {"first messages seen", false},
    [VT_FANOUT] = {"fan-outs", true},
    [VT_OUTBOX] = {"outbox (those messages are lost: send them again)", true},
    [VT_SEALED] = {"sealed messages", true},
    [VT_HISTORY] = {"history", true},
    [VT_MESSAGE] = {"index of the history", true},
    [VT_EVENT] = {"events not shown yet", true},
    [VT_PARKED] = {"messages that wait for their account", true},
    [VT_SENT] = {"sent messages kept for a repeat", true},
    [VT_KEPT] = {"received messages kept for own devices", true},
    [VT_REPAIR] = {"repairs under way", true},
    [VT_ASIDE] = {"messages that wait for another try at reading", true},
    [VT_ASIDE_CONTENT] = {"contents that wait for another try at reading", true},
};

/* Pages that changed places leave rows that are whole but where no look-up finds them; SQLite does
 * not check that itself in tables like ours. */
static wax_rc in_order(struct buf *last, struct bytes key)
{
    size_t n = last->n < key.n ? last->n : key.n;
    int c = n ? memcmp(last->p, key.p, n) : 0;
    bool rises = last->n == 0 || c < 0 || (c == 0 && last->n < key.n);

    buf_reset(last);
    buf_bytes(last, key);
    return rises ? buf_rc(last) : WAX_E_DAMAGED;
}

/* The keys of rows that do not open: u32 length ‖ key each. */
static wax_rc find_bad(struct sqlite *h, enum vault_table t, struct buf *keys, size_t *n)
{
    struct buf last = {0};
    struct key_range all;
    struct buf value = {0};
    sqlite3_stmt *st;
    int step = SQLITE_DONE;
    wax_rc rc = sqlite_row_stmt(h, t, ST_UP, &st);

    key_range_of(BYTES(NULL, 0), &all);
    if (rc == WAX_OK)
        rc = sqlite_bind(h, st, 1, BYTES(all.lo, all.nlo));
    if (rc == WAX_OK)
        rc = sqlite_bind(h, st, 2, BYTES(all.hi, all.nhi));
    if (rc != WAX_OK)
        return rc;
    while (rc == WAX_OK && *n < BAD_MAX && (step = sqlite3_step(st)) == SQLITE_ROW) {
        struct bytes key = sqlite_column(st, 0);
        buf_reset(&value);
        rc = in_order(&last, key);
        if (rc != WAX_OK)
            break;
        rc = sqlite_unseal(h, t, key, sqlite_column(st, 1), &value);
        if (rc != WAX_E_DAMAGED)
            continue;
        (*n)++;
        buf_u32(keys, (uint32_t)key.n);
        buf_bytes(keys, key);
        rc = buf_rc(keys);
    }
    if (rc == WAX_OK && step != SQLITE_ROW && step != SQLITE_DONE)
        rc = sqlite_rc(h, step);
    sqlite3_reset(st);
    buf_done(&value);
    buf_done(&last);
    return rc;
}

static wax_rc move_row(struct sqlite *h, enum vault_table t, struct bytes key)
{
    char sql[128];
    sqlite3_stmt *st = NULL;

    if (key.n == 0 || key.n > VAULT_KEY_MAX)
        return WAX_OK; /* no row of ours could have that key, so none is missed */
    (void)snprintf(sql, sizeof sql,
                   "INSERT OR REPLACE INTO damaged (t, k, v) SELECT %d, k, v FROM %s WHERE k = ?1",
                   (int)t, sqlite_table_name(t));
    wax_rc rc = sqlite_prepare(h, sql, &st);
    if (rc == WAX_OK)
        rc = sqlite_bind(h, st, 1, key);
    if (rc == WAX_OK)
        rc = sqlite_run(h, st);
    sqlite3_finalize(st);
    return rc == WAX_OK ? sqlite_del(&h->vault, t, key) : rc;
}

static wax_rc move_rows(struct sqlite *h, enum vault_table t, struct bytes keys)
{
    wax_rc rc = WAX_OK;

    while (rc == WAX_OK && keys.n >= 4) {
        size_t n = get_u32(keys.p);
        rc = move_row(h, t, BYTES(keys.p + 4, n));
        keys = BYTES(keys.p + 4 + n, keys.n - 4 - n);
    }
    return rc;
}

static const char *rows_of(uint64_t n) { return n == 1 ? "row" : "rows"; }

static wax_rc mend_table(struct sqlite *h, enum vault_table t, struct buf *report)
{
    struct buf keys = {0};
    size_t n = 0;
    wax_rc rc = find_bad(h, t, &keys, &n);

    if (rc == WAX_OK && n && tables[t].spare)
        rc = move_rows(h, t, buf_view(&keys));
    else if (rc == WAX_OK && n)
        buf_printf(report, "%s: %zu %s cannot be read; what needs them stops\n", tables[t].words, n,
                   rows_of(n));
    /* A page that cannot be read is in the way of what lies behind it; the rest is whole. */
    if (rc == WAX_E_DAMAGED) {
        buf_printf(report, "%s: a part of the file cannot be read\n", tables[t].words);
        rc = WAX_OK;
    }
    buf_done(&keys);
    return rc;
}

static wax_rc list_aside(struct sqlite *h, struct buf *report)
{
    sqlite3_stmt *st = NULL;
    int step = SQLITE_DONE;
    wax_rc rc = sqlite_prepare(h, "SELECT t, count(*) FROM damaged GROUP BY t ORDER BY t", &st);

    while (rc == WAX_OK && (step = sqlite3_step(st)) == SQLITE_ROW) {
        int t = sqlite3_column_int(st, 0);
        uint64_t n = (uint64_t)sqlite3_column_int64(st, 1);
        buf_printf(report, "%s: %llu %s set aside\n",
                   t >= VT_META && t < VT_COUNT_ ? tables[t].words : "unknown",
                   (unsigned long long)n, rows_of(n));
    }
    if (rc == WAX_OK && step != SQLITE_DONE)
        rc = sqlite_rc(h, step);
    sqlite3_finalize(st);
    return rc;
}

/* What SQLite itself sees wrong with its pages, a line each. Its heading names the database,
 * which is always this one. */
static void page_lines(const char *text, struct buf *report)
{
    for (size_t n; *text; text += n + (text[n] != 0)) {
        n = strcspn(text, "\n");
        if (n && strncmp(text, "***", 3) != 0)
            buf_printf(report, "pages of the file: %.*s\n", (int)n, text);
    }
}

static wax_rc list_pages(struct sqlite *h, struct buf *report)
{
    sqlite3_stmt *st = NULL;
    int step = SQLITE_DONE;
    wax_rc rc = sqlite_prepare(h, "PRAGMA quick_check(3)", &st);

    while (rc == WAX_OK && (step = sqlite3_step(st)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(st, 0);
        if (text && strcmp(text, "ok") != 0)
            page_lines(text, report);
    }
    if (rc == WAX_OK && step != SQLITE_DONE)
        rc = sqlite_rc(h, step);
    sqlite3_finalize(st);
    return rc;
}

wax_rc vault_sqlite_mend(struct vault *v, struct buf *report)
{
    struct sqlite *h = sqlite_of(v);
    size_t start = report->n;
    wax_rc rc = list_pages(h, report);

    /* A file whose pages are broken is not written to: the copy that is restored beside it may
     * be older. */
    if (rc == WAX_E_DAMAGED && report->n == start)
        buf_printf(report, "pages of the file: it cannot be read through\n");
    if (rc == WAX_E_DAMAGED)
        rc = WAX_OK;
    bool broken = report->n != start;
    if (rc == WAX_OK)
        rc = vault_begin(v);
    if (rc != WAX_OK)
        return rc;
    for (int t = VT_META; rc == WAX_OK && t < VT_COUNT_; t++)
        rc = mend_table(h, (enum vault_table)t, report);
    if (rc == WAX_OK)
        rc = list_aside(h, report);
    if (rc == WAX_OK)
        rc = buf_rc(report);
    if (rc == WAX_OK && !broken)
        return vault_commit(v);
    vault_rollback(v);
    return rc == WAX_E_DAMAGED ? WAX_OK : rc;
}
