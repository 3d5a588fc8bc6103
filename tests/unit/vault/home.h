/* A client's home for the tests: one vault on either engine, its key, and a clean end. */
#ifndef TEST_VAULT_HOME_H
#define TEST_VAULT_HOME_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vault/engines.h"

struct home {
    bool sqlite;
    char folder[64];
    char path[96];
    struct vault_disk *disk;
    struct vault *v;
    struct key32 key;
    uint64_t seed;
};

int home_new_memory(void **state); /* cmocka setups */
int home_new_sqlite(void **state);
int home_end(void **state);
/* The power fails, whatever is going on; then the program starts again. */
void home_crash(struct home *h);
void home_close(struct home *h);
wax_rc home_try_open(struct home *h, const char *path, bool create, unsigned wait_ms,
                     struct vault **ret);
/* Another handle on the same home. */
struct vault *home_second(struct home *h);

struct rng home_rng(struct home *h);
uint64_t home_random(struct home *h);

#define OK(call) assert_int_equal(call, WAX_OK)
#define RC(code, call) assert_int_equal(call, code)

void put_text(struct vault *v, enum vault_table t, const char *key, const char *value);
void assert_text(struct vault *v, enum vault_table t, const char *key, const char *value);
void assert_absent(struct vault *v, enum vault_table t, const char *key);
uint64_t rows(struct vault *v, enum vault_table t, const char *prefix);
/* "a=1 b=2 " of the rows that a scan gives. Static memory, valid until the next call. */
const char *listing(struct vault *v, enum vault_table t, const char *prefix, const char *after,
                    bool descending);
/* All bytes of a file, or empty. */
void read_file(const char *path, struct buf *out);
void write_file(const char *path, struct bytes content);
/* All bytes of all files of the folder. */
void read_folder(const char *folder, struct buf *out);
bool holds(const struct buf *hay, struct bytes needle);

#endif
