/* The known answers in tests/vectors as a test reads them. Every function fails the
 * running program with a message when the file or field is not as asked: a vector that
 * cannot be read must never pass for one that holds. */
#ifndef SUPPORT_VEC_H
#define SUPPORT_VEC_H

#include <jansson.h>

#include "base/buf.h"

/* The file, relative to tests/vectors ("wax1/bundle.json"). The caller json_decref's it. */
json_t *vec_load(const char *file);
/* A member that must be there; borrowed. */
json_t *vec_get(const json_t *obj, const char *key);
/* Whether the member is there and not null. */
bool vec_has(const json_t *obj, const char *key);
/* A string member; borrowed. */
const char *vec_str(const json_t *obj, const char *key);
/* A hex string member, appended to out. */
void vec_hex(const json_t *obj, const char *key, struct buf *out);
/* A hex string of exactly n bytes. */
void vec_fixed(const json_t *obj, const char *key, void *out, size_t n);
/* A JSON number ≥ 0. */
uint64_t vec_u64(const json_t *obj, const char *key);
/* 8 bytes of hex as a number ("start"). */
uint64_t vec_hex_u64(const json_t *obj, const char *key);
bool vec_bool(const json_t *obj, const char *key);
/* The hex of a JSON string itself, as found in arrays; appended to out. */
void vec_hex_value(const json_t *value, struct buf *out);
/* A class name ("parse", "accepted" …) as a result; "accepted" is WAX_OK. */
wax_rc vec_class(const json_t *obj, const char *key);

#endif
