/* The memory twin: invites, the rendezvous of linking, the check. */
#include "store/memory_int.h"

#include "base/mem.h"

static bool invite_valid(const struct store_invite *i, uint64_t now)
{
    return i->uses_left > 0 && i->expires > now;
}

wax_rc mem_invite_use(struct memory *m, const struct hash32 *token, uint64_t now, bool use)
{
    for (size_t i = 0; i < m->n_invites; i++) {
        struct store_invite *x = &m->invites[i];
        if (!ID_EQ(&x->token_hash, token))
            continue;
        if (!invite_valid(x, now))
            return WAX_E_DENIED;
        if (use)
            x->uses_left--;
        return WAX_OK;
    }
    return WAX_E_DENIED;
}

wax_rc mem_invite_add(struct memory *m, struct store_req *req)
{
    const struct store_invite *x = &req->u.invites.invite;

    for (size_t i = 0; i < m->n_invites; i++) {
        if (memcmp(m->invites[i].id, x->id, sizeof x->id) == 0 ||
            ID_EQ(&m->invites[i].token_hash, &x->token_hash))
            return WAX_E_EXISTS;
    }
    wax_rc rc =
        mem_room((void **)&m->invites, m->n_invites, &m->cap_invites, sizeof *m->invites, 1);
    if (rc != WAX_OK)
        return rc;
    m->invites[m->n_invites++] = *x;
    return WAX_OK;
}

wax_rc mem_invite_list(struct memory *m, struct store_req *req)
{
    struct store_invites *l = &req->u.invites;
    struct store_invite *list = mem_calloc(m->n_invites, sizeof *list);
    size_t n = 0;

    if (!list)
        return WAX_E_NOMEM;
    for (size_t i = 0; i < m->n_invites; i++) {
        if (invite_valid(&m->invites[i], req->now))
            list[n++] = m->invites[i];
    }
    l->list = list;
    l->n = n;
    return WAX_OK;
}

static void invite_drop(struct memory *m, size_t i)
{
    m->n_invites--;
    memmove(&m->invites[i], &m->invites[i + 1], (m->n_invites - i) * sizeof *m->invites);
}

wax_rc mem_invite_remove(struct memory *m, struct store_req *req)
{
    const uint8_t *id = req->u.invites.invite.id;

    for (size_t i = 0; i < m->n_invites; i++) {
        if (memcmp(m->invites[i].id, id, sizeof m->invites[i].id) == 0) {
            invite_drop(m, i);
            return WAX_OK;
        }
    }
    return WAX_E_NOTFOUND;
}

void mem_invites_expire(struct memory *m, uint64_t now)
{
    for (size_t i = m->n_invites; i > 0; i--) {
        if (!invite_valid(&m->invites[i - 1], now))
            invite_drop(m, i - 1);
    }
}

static void rendezvous_drop(struct memory *m, size_t i)
{
    buf_list_done(&m->links[i].records);
    m->n_links--;
    memmove(&m->links[i], &m->links[i + 1], (m->n_links - i) * sizeof *m->links);
}

void mem_links_expire(struct memory *m, uint64_t now)
{
    for (size_t i = m->n_links; i > 0; i--) {
        if (m->links[i - 1].dies <= now)
            rendezvous_drop(m, i - 1);
    }
}

void mem_links_free(struct memory *m)
{
    while (m->n_links)
        rendezvous_drop(m, m->n_links - 1);
    mem_free(m->links);
}

static struct mem_rendezvous *rendezvous(struct memory *m, const uint8_t rid[16])
{
    for (size_t i = 0; i < m->n_links; i++) {
        if (memcmp(m->links[i].rid, rid, 16) == 0)
            return &m->links[i];
    }
    return NULL;
}

wax_rc mem_link_post(struct memory *m, struct store_req *req)
{
    const struct store_link *l = &req->u.link;

    mem_links_expire(m, req->now);
    struct mem_rendezvous *x = rendezvous(m, l->rid);
    size_t have = x ? x->records.n : 0;
    if (l->sealed.p[0] != have + 1 || have == STORE_RENDEZVOUS_RECORDS)
        return WAX_E_CONFLICT;
    if (x) {
        wax_rc rc = store_list_add(&x->records, l->sealed);
        if (rc != WAX_OK && x->records.n > have) /* an empty one was added */
            buf_done(&x->records.v[--x->records.n]);
        return rc;
    }
    if (m->n_links >= l->max)
        return WAX_E_FULL;
    struct mem_rendezvous fresh = {.dies = req->now + l->life_ms};
    memcpy(fresh.rid, l->rid, sizeof fresh.rid);
    wax_rc rc = mem_room((void **)&m->links, m->n_links, &m->cap_links, sizeof *m->links, 1);
    if (rc == WAX_OK)
        rc = store_list_add(&fresh.records, l->sealed);
    if (rc == WAX_OK)
        m->links[m->n_links++] = fresh;
    else
        buf_list_done(&fresh.records);
    return rc;
}

wax_rc mem_link_get(struct memory *m, struct store_req *req)
{
    struct store_link *l = &req->u.link;
    const struct mem_rendezvous *x = rendezvous(m, l->rid);

    if (!x || x->dies <= req->now)
        return WAX_E_NOTFOUND;
    for (size_t i = 0; i < x->records.n; i++) {
        wax_rc rc = store_list_add(&l->records, buf_view(&x->records.v[i]));
        if (rc != WAX_OK)
            return rc;
    }
    return WAX_OK;
}

wax_rc mem_check(struct memory *m, struct store_req *req)
{
    struct buf *report = &req->u.check.report;

    for (size_t i = 0; i < m->n_devices; i++) {
        const struct mem_device *d = m->devices[i];
        uint64_t count = 0, bytes = 0, last = 0;
        for (const struct mem_row *r = d->head; r; r = r->next) {
            count += r->type == STORE_ROW_ENVELOPE;
            bytes += r->envelope;
            if (r->seq <= last || r->seq > d->seq)
                buf_printf(report, "device %zu: row %llu out of order\n", i,
                           (unsigned long long)r->seq);
            last = r->seq;
        }
        if (count != d->count || bytes != d->bytes)
            buf_printf(report, "device %zu: its counts are wrong\n", i);
    }
    if (buf_rc(report) != WAX_OK)
        return WAX_E_NOMEM;
    return report->n ? WAX_E_DAMAGED : WAX_OK;
}
