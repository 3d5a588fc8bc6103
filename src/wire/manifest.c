#include "wire/manifest.h"

#include "wire/read.h"

#define SIG_SIZE sizeof(struct sig)

static void read_device(struct rd *r, struct manifest_device *d, bool *off)
{
    read_point(r, &d->dsk, off);
    read_point(r, &d->dtk, off);
    d->suite = rd_u8(r);
    rd_refuse_if(r, d->suite < 1);
    read_text(r, 1, NAME_DEVICE_MAX, name_valid, d->name);
}

static void read_signer(struct rd *r, struct manifest *m)
{
    uint8_t kind = rd_u8(r);

    rd_refuse_if(r, kind != SIGNER_DEVICE && kind != SIGNER_RECOVERY);
    m->signer_kind = kind;
    if (kind == SIGNER_RECOVERY)
        rd_zero(r, sizeof m->signer.b);
    else
        rd_copy(r, m->signer.b, sizeof m->signer.b);
}

static void read_recovery(struct rd *r, struct manifest *m, bool *off)
{
    uint8_t present = rd_u8(r);

    rd_refuse_if(r, present > 1);
    m->has_recovery = present == 1;
    if (m->has_recovery)
        read_point(r, &m->recovery, off);
    else
        rd_zero(r, sizeof m->recovery.b);
}

static wax_rc body_decode(struct bytes body, struct manifest *m)
{
    struct rd r = rd_init(body);
    bool off = false;

    rd_refuse_if(&r, rd_u8(&r) != 1);
    rd_copy(&r, m->acct.b, sizeof m->acct.b);
    m->seq = rd_u32(&r);
    rd_refuse_if(&r, m->seq < 1);
    rd_copy(&r, m->prev.b, sizeof m->prev.b);
    m->issued = rd_u64(&r);
    read_signer(&r, m);
    read_recovery(&r, m, &off);
    read_text(&r, 3, HANDLE_MAX, handle_valid, m->handle);
    m->n_devices = rd_u8(&r);
    rd_refuse_if(&r, m->n_devices < 1 || m->n_devices > MANIFEST_DEVICES_MAX);
    for (size_t i = 0; !r.bad && i < m->n_devices; i++)
        read_device(&r, &m->devices[i], &off);
    return read_end(&r, off);
}

wax_rc manifest_decode(struct bytes record, struct manifest *ret, struct bytes *ret_body,
                       struct sig *ret_sig)
{
    struct manifest m = {0};

    if (record.n > MANIFEST_RECORD_MAX || record.n < SIG_SIZE)
        return WAX_R_PARSE;
    struct bytes body = {record.p, record.n - SIG_SIZE};
    wax_rc rc = body_decode(body, &m);
    if (rc != WAX_OK)
        return rc;
    *ret = m;
    if (ret_body)
        *ret_body = body;
    if (ret_sig)
        memcpy(ret_sig->b, record.p + body.n, SIG_SIZE);
    return WAX_OK;
}

static void write_device(const struct manifest_device *d, struct buf *out)
{
    buf_add(out, d->dsk.b, sizeof d->dsk.b);
    buf_add(out, d->dtk.b, sizeof d->dtk.b);
    buf_u8(out, d->suite);
    buf_lp(out, BYTES(d->name, strnlen(d->name, sizeof d->name)));
}

static void write_body(const struct manifest *m, struct buf *out)
{
    buf_u8(out, 1);
    buf_add(out, m->acct.b, sizeof m->acct.b);
    buf_u32(out, m->seq);
    buf_add(out, m->prev.b, sizeof m->prev.b);
    buf_u64(out, m->issued);
    buf_u8(out, (uint8_t)m->signer_kind);
    buf_add(out, m->signer.b, sizeof m->signer.b);
    buf_u8(out, m->has_recovery);
    buf_add(out, m->recovery.b, sizeof m->recovery.b);
    buf_lp(out, BYTES(m->handle, strnlen(m->handle, sizeof m->handle)));
    buf_u8(out, m->n_devices);
    for (size_t i = 0; i < m->n_devices; i++)
        write_device(&m->devices[i], out);
}

wax_rc manifest_encode_body(const struct manifest *m, struct buf *out)
{
    struct manifest check = {0};
    size_t start = out->n;

    if (m->n_devices > MANIFEST_DEVICES_MAX)
        return WAX_E_INVAL;
    write_body(m, out);
    wax_rc rc = buf_rc(out);
    /* Nothing is written that would not be read: one set of rules, the reader's. */
    if (rc == WAX_OK && body_decode(BYTES(out->p + start, out->n - start), &check) != WAX_OK)
        rc = WAX_E_INVAL;
    if (rc != WAX_OK)
        write_undo(out, start);
    return rc;
}

static void read_join(struct rd *r, struct join *ret)
{
    rd_copy(r, ret->dev.b, sizeof ret->dev.b);
    rd_copy(r, ret->by_dsk.b, sizeof ret->by_dsk.b);
    rd_copy(r, ret->by_dtk.b, sizeof ret->by_dtk.b);
}

wax_rc join_decode(struct bytes in, struct join *ret)
{
    struct rd r = rd_init(in);
    struct join j;

    read_join(&r, &j);
    wax_rc rc = rd_end(&r);
    if (rc == WAX_OK)
        *ret = j;
    return rc;
}

void join_encode(const struct join *j, struct buf *out)
{
    buf_add(out, j->dev.b, sizeof j->dev.b);
    buf_add(out, j->by_dsk.b, sizeof j->by_dsk.b);
    buf_add(out, j->by_dtk.b, sizeof j->by_dtk.b);
}

wax_rc chain_link_encode(struct bytes record, const struct join *joins, size_t n, struct buf *out)
{
    size_t start = out->n;

    if (record.n < SIG_SIZE || record.n > MANIFEST_RECORD_MAX || n > MANIFEST_DEVICES_MAX)
        return WAX_E_INVAL;
    buf_u32(out, (uint32_t)record.n);
    buf_bytes(out, record);
    buf_u8(out, (uint8_t)n);
    for (size_t i = 0; i < n; i++)
        join_encode(&joins[i], out);
    wax_rc rc = buf_rc(out);
    if (rc != WAX_OK)
        write_undo(out, start);
    return rc;
}

wax_rc chain_link_decode(struct bytes in, struct chain_link *ret)
{
    struct chain_link c = {0};
    struct rd r = rd_init(in);

    uint32_t n = rd_u32(&r);
    rd_refuse_if(&r, n > MANIFEST_RECORD_MAX);
    c.record = rd_take(&r, n);
    c.n_joins = rd_u8(&r);
    rd_refuse_if(&r, c.n_joins > MANIFEST_DEVICES_MAX);
    for (size_t i = 0; !r.bad && i < c.n_joins; i++)
        read_join(&r, &c.joins[i]);
    /* The joins' layout first: a record with a bad point in a link cut short is `parse`. */
    wax_rc rc = rd_end(&r);
    if (rc == WAX_OK)
        rc = manifest_decode(c.record, &c.manifest, &c.body, &c.sig);
    if (rc == WAX_OK)
        *ret = c;
    return rc;
}
