#include "vec.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

static _Noreturn void die(const char *what, const char *which)
{
    fprintf(stderr, "vectors: %s: %s\n", which, what);
    abort();
}

json_t *vec_load(const char *file)
{
    char path[4096];
    json_error_t err;

    if (snprintf(path, sizeof path, "%s/%s", TEST_VECTORS, file) >= (int)sizeof path)
        die("path too long", file);
    json_t *root = json_load_file(path, 0, &err);
    if (!root)
        die(err.text, path);
    return root;
}

json_t *vec_get(const json_t *obj, const char *key)
{
    json_t *value = json_object_get(obj, key);

    if (!value)
        die("no such member", key);
    return value;
}

bool vec_has(const json_t *obj, const char *key)
{
    const json_t *value = json_object_get(obj, key);

    return value && !json_is_null(value);
}

const char *vec_str(const json_t *obj, const char *key)
{
    const char *s = json_string_value(vec_get(obj, key));

    if (!s)
        die("not a string", key);
    return s;
}

void vec_hex_value(const json_t *value, struct buf *out)
{
    const char *s = json_string_value(value);
    size_t len = s ? strlen(s) : 1;

    if (len % 2)
        die("not hex", s ? s : "value");
    size_t at = out->n;
    if (!buf_extend(out, len / 2))
        die("no memory", "value");
    if (hex_decode(s, len, out->p + at, len / 2) != WAX_OK)
        die("not hex", s);
}

void vec_hex(const json_t *obj, const char *key, struct buf *out)
{
    vec_hex_value(vec_get(obj, key), out);
}

void vec_fixed(const json_t *obj, const char *key, void *out, size_t n)
{
    const char *s = vec_str(obj, key);

    if (hex_decode(s, strlen(s), out, n) != WAX_OK)
        die("not hex of that size", key);
}

uint64_t vec_u64(const json_t *obj, const char *key)
{
    const json_t *value = vec_get(obj, key);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        die("not a number", key);
    return (uint64_t)json_integer_value(value);
}

uint64_t vec_hex_u64(const json_t *obj, const char *key)
{
    uint8_t b[8];

    vec_fixed(obj, key, b, sizeof b);
    return get_u64(b);
}

bool vec_bool(const json_t *obj, const char *key)
{
    const json_t *value = vec_get(obj, key);

    if (!json_is_boolean(value))
        die("not a boolean", key);
    return json_is_true(value);
}

wax_rc vec_class(const json_t *obj, const char *key)
{
    const char *name = vec_str(obj, key);

    if (strcmp(name, "accepted") == 0)
        return WAX_OK;
    wax_rc rc = rc_from_refusal(name);
    if (rc == WAX_OK)
        die("no such class", name);
    return rc;
}
