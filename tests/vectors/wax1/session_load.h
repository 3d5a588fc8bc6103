/* Devices and session states of the vectors (README.md, "State") as a twin. */
#ifndef WAX1_SESSION_LOAD_H
#define WAX1_SESSION_LOAD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "session/fanout.h"
#include "session_twin.h"
#include "vec.h"

#define NOW 1767225600000ULL

#define assert_ok(expr) assert_string_equal(rc_text(expr), rc_text(WAX_OK))
/* cmocka prints no strings with numbers: a case is known by its name. */
#define assert_class(name, got, want)                                                              \
    do {                                                                                           \
        wax_rc got_ = (got), want_ = (want);                                                       \
        if (got_ != want_)                                                                         \
            fail_msg("%s: %s, not %s", name, rc_text(got_), rc_text(want_));                       \
    } while (0)

struct party load_party(const json_t *obj);
/* {acct_id, dev_id, DSK, secret {DSK?, SPK, KPK_seed_d_z}, bundles [record] or bundle}. */
void load_device(struct twin *t, const json_t *obj);
/* A state object into t's states and rows. */
void load_state(struct twin *t, const json_t *state);
/* The flat form of fanout-*.json; fills t's rows for it as far as an opening needs them. */
void load_flat_session(struct twin *t, const struct dev_id *peer, const json_t *obj);
/* The member as bytes; the buffer is the caller's. */
struct bytes load_hex(const json_t *obj, const char *key, struct buf *out);

#endif
