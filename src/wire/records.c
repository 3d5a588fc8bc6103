#include "wire/records.h"

#include "base/mem.h"
#include "wire/read.h"

void counter_encode(const struct counter_record *c, uint8_t out[COUNTER_SIZE])
{
    put_u64(out, c->n);
    memcpy(out + 8, c->mac.b, sizeof c->mac.b);
}

wax_rc counter_decode(struct bytes in, struct counter_record *ret)
{
    struct rd r = rd_init(in);
    struct counter_record c;

    c.n = rd_u64(&r);
    rd_copy(&r, c.mac.b, sizeof c.mac.b);
    wax_rc rc = rd_end(&r);
    if (rc == WAX_OK)
        *ret = c;
    return rc;
}

/* One base64url digit by arithmetic: the code's second part is a secret, so no table is
 * indexed with it. Each term moves v over one gap of the alphabet A-Z a-z 0-9 - _. */
static char digit(uint32_t v)
{
    return (char)(v + 'A' + ((25 - v) >> 8 & 6) - ((51 - v) >> 8 & 75) - ((61 - v) >> 8 & 13) +
                  ((62 - v) >> 8 & 49));
}

/* Not base's base64url_encode: 48 bytes are 16 groups of three, no memory is needed and
 * so nothing can fail. */
void link_code_to_text(const struct link_code *c, char out[LINK_CODE_TEXT + 1])
{
    uint8_t raw[LINK_CODE_SIZE];

    memcpy(raw, c->commitment.b, sizeof c->commitment.b);
    memcpy(raw + sizeof c->commitment.b, c->secret, sizeof c->secret);
    for (size_t i = 0; i < LINK_CODE_SIZE / 3; i++) {
        uint32_t v = (uint32_t)raw[3 * i] << 16 | get_u16(raw + 3 * i + 1);
        for (unsigned j = 0; j < 4; j++)
            out[4 * i + j] = digit(v >> (18 - 6 * j) & 63);
    }
    out[LINK_CODE_TEXT] = 0;
    mem_wipe(raw, sizeof raw);
}

wax_rc link_code_from_text(const char *s, struct link_code *ret)
{
    static const char scheme[] = "waxlink:";
    char text[LINK_CODE_TEXT];
    uint8_t raw[LINK_CODE_SIZE];
    size_t n = 0;
    wax_rc rc = WAX_R_PARSE;

    s += strspn(s, " \t\r\n");
    if (strncmp(s, scheme, sizeof scheme - 1) == 0)
        s += sizeof scheme - 1;
    for (; *s; s++) {
        if (strchr(" \t\r\n", *s))
            continue;
        if (n == sizeof text)
            goto out;
        text[n++] = *s;
    }
    rc = base64url_decode(text, n, raw, sizeof raw);
    if (rc != WAX_OK)
        goto out;
    memcpy(ret->commitment.b, raw, sizeof ret->commitment.b);
    memcpy(ret->secret, raw + sizeof ret->commitment.b, sizeof ret->secret);
out:
    mem_wipe(text, sizeof text);
    mem_wipe(raw, sizeof raw);
    return rc;
}

wax_rc link1_decode(struct bytes in, struct link1 *ret)
{
    struct rd r = rd_init(in);
    struct link1 l = {0};
    bool off = false;

    read_point(&r, &l.dsk, &off);
    read_point(&r, &l.dtk, &off);
    l.suite = rd_u8(&r);
    rd_refuse_if(&r, l.suite < 1);
    read_text(&r, 1, NAME_DEVICE_MAX, name_valid, l.name);
    wax_rc rc = read_end(&r, off);
    if (rc == WAX_OK)
        *ret = l;
    return rc;
}

wax_rc link1_encode(const struct link1 *l, struct buf *out)
{
    struct link1 check;
    size_t start = out->n;

    buf_add(out, l->dsk.b, sizeof l->dsk.b);
    buf_add(out, l->dtk.b, sizeof l->dtk.b);
    buf_u8(out, l->suite);
    buf_lp(out, BYTES(l->name, strnlen(l->name, sizeof l->name)));
    wax_rc rc = buf_rc(out);
    if (rc == WAX_OK && link1_decode(BYTES(out->p + start, out->n - start), &check) != WAX_OK)
        rc = WAX_E_INVAL;
    if (rc != WAX_OK)
        write_undo(out, start);
    return rc;
}

wax_rc link2_decode(struct bytes in, struct link2 *ret)
{
    struct rd r = rd_init(in);
    struct link2 l = {0};

    rd_copy(&r, l.r_o.b, sizeof l.r_o.b);
    rd_copy(&r, l.acct.b, sizeof l.acct.b);
    read_text(&r, 3, HANDLE_MAX, handle_valid, l.handle);
    wax_rc rc = rd_end(&r);
    if (rc == WAX_OK)
        *ret = l;
    return rc;
}

wax_rc link2_encode(const struct link2 *l, struct buf *out)
{
    struct link2 check;
    size_t start = out->n;

    buf_add(out, l->r_o.b, sizeof l->r_o.b);
    buf_add(out, l->acct.b, sizeof l->acct.b);
    buf_lp(out, BYTES(l->handle, strnlen(l->handle, sizeof l->handle)));
    wax_rc rc = buf_rc(out);
    if (rc == WAX_OK && link2_decode(BYTES(out->p + start, out->n - start), &check) != WAX_OK)
        rc = WAX_E_INVAL;
    if (rc != WAX_OK)
        write_undo(out, start);
    return rc;
}

wax_rc link5_decode(struct bytes in, struct join *ret_join, struct bytes *ret_join_raw,
                    struct bytes *ret_bundle)
{
    struct rd r = rd_init(in);
    struct join join;
    struct bundle check;

    struct bytes join_raw = rd_take(&r, JOIN_SIZE);
    struct bytes bundle = rd_take(&r, BUNDLE_RECORD);
    wax_rc rc = rd_end(&r);
    if (rc == WAX_OK)
        rc = join_decode(join_raw, &join);
    if (rc == WAX_OK)
        rc = bundle_decode(bundle, &check);
    if (rc != WAX_OK)
        return rc;
    *ret_join = join;
    *ret_join_raw = join_raw;
    *ret_bundle = bundle;
    return WAX_OK;
}

/* Sizes of the six plaintexts; C is as long as its plaintext. The least manifest: 162 + a
 * handle of 3, one device with a name of 1, sig. */
static const struct {
    size_t least, most;
} link_sizes[] = {
    {133 + 1, 133 + NAME_DEVICE_MAX},
    {66 + 3, 66 + HANDLE_MAX},
    {32, 32},
    {162 + 3 + 1 + 133 + 1 + 64, MANIFEST_RECORD_MAX},
    {JOIN_SIZE + BUNDLE_RECORD, JOIN_SIZE + BUNDLE_RECORD},
    {32, 32},
};

wax_rc link_sealed_decode(struct bytes in, uint8_t *ret_k, struct bytes *ret_c,
                          struct bytes *ret_tag)
{
    struct rd r = rd_init(in);

    uint8_t k = rd_u8(&r);
    if (in.n > LINK_SEALED_MAX || in.n < 1 + 32 || k < 1 || k > 6)
        return WAX_R_PARSE;
    struct bytes c = rd_take(&r, in.n - 1 - 32);
    struct bytes tag = rd_take(&r, 32);
    rd_refuse_if(&r, c.n < link_sizes[k - 1].least || c.n > link_sizes[k - 1].most);
    wax_rc rc = rd_end(&r);
    if (rc != WAX_OK)
        return rc;
    *ret_k = k;
    *ret_c = c;
    *ret_tag = tag;
    return WAX_OK;
}
