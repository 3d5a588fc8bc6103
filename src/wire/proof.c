#include "wire/proof.h"

#include "wire/read.h"

_Static_assert(sizeof(struct hash32) == 32 && _Alignof(struct hash32) == 1,
               "a run of hashes can be read where it stands");

static struct hashes read_path(struct rd *r, size_t n, size_t most)
{
    rd_refuse_if(r, n > most);
    if (r->bad)
        return (struct hashes){0};
    struct bytes x = rd_take(r, n * sizeof(struct hash32));

    return (struct hashes){(const struct hash32 *)x.p, x.n / sizeof(struct hash32)};
}

static void write_path(struct hashes path, struct buf *out)
{
    if (path.n)
        buf_add(out, path.v, path.n * sizeof *path.v);
}

wax_rc map_inclusion_decode(struct bytes in, struct hashes *ret)
{
    struct rd r = rd_init(in);
    struct hashes path = read_path(&r, rd_u16(&r), MAP_DEPTH_MAX);

    wax_rc rc = rd_end(&r);
    if (rc == WAX_OK)
        *ret = path;
    return rc;
}

wax_rc map_inclusion_encode(struct hashes path, struct buf *out)
{
    size_t start = out->n;

    if (path.n > MAP_DEPTH_MAX)
        return WAX_E_INVAL;
    buf_u16(out, (uint16_t)path.n);
    write_path(path, out);
    wax_rc rc = buf_rc(out);
    if (rc != WAX_OK)
        write_undo(out, start);
    return rc;
}

wax_rc map_absence_decode(struct bytes in, struct map_absence *ret)
{
    struct rd r = rd_init(in);
    struct map_absence a = {0};

    uint8_t kind = rd_u8(&r);
    rd_refuse_if(&r, kind > ABSENCE_OTHER);
    a.kind = kind;
    a.path = read_path(&r, rd_u16(&r), MAP_DEPTH_MAX);
    if (kind == ABSENCE_OTHER) {
        rd_copy(&r, a.other.b, sizeof a.other.b);
        rd_copy(&r, a.other_value.b, sizeof a.other_value.b);
    }
    wax_rc rc = rd_end(&r);
    if (rc == WAX_OK)
        *ret = a;
    return rc;
}

wax_rc map_absence_encode(const struct map_absence *a, struct buf *out)
{
    size_t start = out->n;

    if (a->path.n > MAP_DEPTH_MAX || (a->kind != ABSENCE_HOLE && a->kind != ABSENCE_OTHER))
        return WAX_E_INVAL;
    buf_u8(out, (uint8_t)a->kind);
    buf_u16(out, (uint16_t)a->path.n);
    write_path(a->path, out);
    if (a->kind == ABSENCE_OTHER) {
        buf_add(out, a->other.b, sizeof a->other.b);
        buf_add(out, a->other_value.b, sizeof a->other_value.b);
    }
    wax_rc rc = buf_rc(out);
    if (rc != WAX_OK)
        write_undo(out, start);
    return rc;
}

wax_rc log_proof_decode(struct bytes in, struct hashes *ret)
{
    struct rd r = rd_init(in);
    struct hashes path = read_path(&r, rd_u8(&r), LOG_PATH_MAX);

    wax_rc rc = rd_end(&r);
    if (rc == WAX_OK)
        *ret = path;
    return rc;
}

wax_rc log_proof_encode(struct hashes path, struct buf *out)
{
    size_t start = out->n;

    if (path.n > LOG_PATH_MAX)
        return WAX_E_INVAL;
    buf_u8(out, (uint8_t)path.n);
    write_path(path, out);
    wax_rc rc = buf_rc(out);
    if (rc != WAX_OK)
        write_undo(out, start);
    return rc;
}

static void read_entry(struct rd *r, struct log_entry *ret)
{
    ret->time = rd_u64(r);
    rd_copy(r, ret->map_root.b, sizeof ret->map_root.b);
    ret->map_size = rd_u64(r);
}

wax_rc log_entry_decode(struct bytes in, struct log_entry *ret)
{
    struct rd r = rd_init(in);
    struct log_entry e;

    read_entry(&r, &e);
    wax_rc rc = rd_end(&r);
    if (rc == WAX_OK)
        *ret = e;
    return rc;
}

void log_entry_encode(const struct log_entry *e, uint8_t out[LOG_ENTRY_SIZE])
{
    put_u64(out, e->time);
    memcpy(out + 8, e->map_root.b, sizeof e->map_root.b);
    put_u64(out + 40, e->map_size);
}

wax_rc daily_proof_decode(struct bytes in, struct daily_proof *ret)
{
    struct rd r = rd_init(in);
    struct daily_proof p = {0};

    p.index = rd_u64(&r);
    read_entry(&r, &p.entry);
    p.path = read_path(&r, rd_u8(&r), LOG_PATH_MAX);
    if (p.index > 0) {
        read_entry(&r, &p.before);
        p.before_path = read_path(&r, rd_u8(&r), LOG_PATH_MAX);
    }
    wax_rc rc = rd_end(&r);
    if (rc == WAX_OK)
        *ret = p;
    return rc;
}

static void write_included(const struct log_entry *e, struct hashes path, struct buf *out)
{
    uint8_t entry[LOG_ENTRY_SIZE];

    log_entry_encode(e, entry);
    buf_add(out, entry, sizeof entry);
    buf_u8(out, (uint8_t)path.n);
    write_path(path, out);
}

wax_rc daily_proof_encode(const struct daily_proof *p, struct buf *out)
{
    size_t start = out->n;

    if (p->path.n > LOG_PATH_MAX || p->before_path.n > LOG_PATH_MAX)
        return WAX_E_INVAL;
    buf_u64(out, p->index);
    write_included(&p->entry, p->path, out);
    if (p->index > 0)
        write_included(&p->before, p->before_path, out);
    wax_rc rc = buf_rc(out);
    if (rc != WAX_OK)
        write_undo(out, start);
    return rc;
}

wax_rc feed_item_decode(struct bytes in, struct feed_item *ret)
{
    struct rd r = rd_init(in);
    struct feed_item i;

    rd_copy(&r, i.key.b, sizeof i.key.b);
    rd_copy(&r, i.value.b, sizeof i.value.b);
    wax_rc rc = rd_end(&r);
    if (rc == WAX_OK)
        *ret = i;
    return rc;
}

void feed_item_encode(const struct feed_item *i, uint8_t out[FEED_ITEM_SIZE])
{
    memcpy(out, i->key.b, sizeof i->key.b);
    memcpy(out + 32, i->value.b, sizeof i->value.b);
}
