/* Frames of the mailbox stream (PROTOCOL 4.2, RECORDS 14). */
#include "client/repair.h"

#include <stdio.h>

#include "session/evidence.h"

/* --- Who sent it --- */

static wax_rc looked_up(struct client *c, const char *hint, struct hash32 *key,
                        struct handle_lookup **ret)
{
    struct handle_lookup *l = (void *)c->lookups.p;
    wax_rc rc = hash_raw(key, PARTS(BYTES_STR(hint)));

    *ret = NULL;
    for (size_t i = 0; rc == WAX_OK && i < c->lookups.n / sizeof *l; i++)
        if (ID_EQ(&l[i].handle, key))
            *ret = &l[i];
    return rc;
}

/* One from the future is that of a clock set back since. */
static bool is_recent(const struct handle_lookup *l, uint64_t now)
{
    return now >= l->begun && now - l->begun < SENDER_REFETCH_MS;
}

/* Look-ups of the last ten minutes that did not know the sender. Only a server that makes senders
 * up causes many (it sets the names itself): it is not followed everywhere, the rest waits. */
#define FRUITLESS_MAX 32
static unsigned fruitless(const struct client *c, uint64_t now)
{
    const struct handle_lookup *l = (const void *)c->lookups.p;
    unsigned n = 0;

    for (size_t i = 0; i < c->lookups.n / sizeof *l; i++)
        n += l[i].fruitless && is_recent(&l[i], now);
    return n;
}

/* Looks the hinted handle up, at most once in ten minutes; *ret_begun: when the newest look-up that
 * was answered began. One that got no answer proves nothing and does not count. */
static wax_rc refetch(struct client *c, const char *hint, uint64_t *ret_begun)
{
    struct hash32 key;
    struct handle_lookup *old, fresh;
    uint64_t now = now_server(c); /* as frames are timed */
    wax_rc rc = looked_up(c, hint, &key, &old);

    if (rc != WAX_OK)
        return rc;
    if (old && is_recent(old, now)) {
        *ret_begun = old->begun;
        return WAX_OK;
    }
    if (fruitless(c, now) >= FRUITLESS_MAX)
        return WAX_E_WAIT;
    rc = client_lookup(c, hint);
    if (rc == WAX_E_NOTFOUND || rc == WAX_E_DENIED)
        rc = WAX_OK; /* it answered, without that device */
    if (rc == WAX_E_NOMEM || rc == WAX_E_IO || rc == WAX_E_NOSPC || rc == WAX_E_CANCELLED ||
        rc == WAX_E_DAMAGED)
        return rc;
    if (rc != WAX_OK)
        return WAX_E_WAIT;
    fresh = (struct handle_lookup){.handle = key, .begun = now};
    if (old)
        *old = fresh;
    else
        buf_add(&c->lookups, &fresh, sizeof fresh);
    *ret_begun = now;
    return buf_rc(&c->lookups);
}

static wax_rc mark_fruitless(struct client *c, const char *hint)
{
    struct hash32 key;
    struct handle_lookup *l;
    wax_rc rc = looked_up(c, hint, &key, &l);

    if (rc == WAX_OK && l)
        l->fruitless = true;
    return rc;
}

static wax_rc resolve_sender(struct client *c, const struct dev_id *dev, const char *hint,
                             uint64_t frame_time)
{
    struct party p;
    struct acct_id acct;
    struct sender_lookup l = {0};
    wax_rc rc = client_find_device(c, dev, &p);

    if (rc != WAX_E_NOTFOUND)
        return rc;
    if (!handle_valid(BYTES_STR(hint)))
        return WAX_R_UNKNOWN_SENDER;
    rc = client_device_acct(c, dev, &acct);
    if (rc == WAX_OK) { /* listed once: retired, unless only its manifest ran out */
        struct pin *pin = mem_alloc(sizeof *pin);
        rc = pin ? pin_load(c, &acct, pin) : WAX_E_NOMEM;
        bool retired = rc == WAX_OK && pin_find(pin, dev) < 0;
        mem_free(pin);
        if (retired)
            return WAX_R_UNKNOWN_SENDER;
    }
    if (rc != WAX_OK && rc != WAX_E_NOTFOUND)
        return rc;
    rc = refetch(c, hint, &l.begun);
    if (rc != WAX_OK)
        return rc;
    rc = client_find_device(c, dev, &p);
    if (rc != WAX_E_NOTFOUND)
        return rc;
    rc = mark_fruitless(c, hint);
    return rc == WAX_OK ? sender_verdict(frame_time, &l, 1) : rc;
}

/* --- One envelope --- */

static wax_rc note_start(struct client *c, const struct opened *o, struct pin *pin)
{
    if (o->start != START_RESET && o->start != START_RESET_ALERT)
        return WAX_OK;
    struct item a =
        alert_make(c, "session_reset", WAX_OK, pin->head.manifest.handle, &o->sender.dev,
                   o->start == START_RESET_ALERT
                       ? "this device started over and could not prove that it is the same one"
                       : "this device started over with new session keys");
    wax_rc rc = event_put_alert(c, &a);
    directory_forget(c, &o->sender.acct);
    if (rc == WAX_OK && pin->verified &&
        !ID_EQ(&o->sender.acct, &c->acct)) { /* verified contacts confirm before sending (4.5) */
        pin->identity_changed = true;
        rc = pin_store(c, pin);
    }
    return rc;
}

static bool is_evidence(const struct opened *o)
{
    return o->content && o->content->min_version <= 1 &&
           (int)o->content->kind == WAX__V1__KIND__CLONE_EVIDENCE;
}

static wax_rc accept_in_tx(struct client *c, const struct opened *o, struct peer_sessions *s,
                           uint64_t frame_time)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    bool older = false;
    wax_rc rc = pin ? WAX_OK : WAX_E_NOMEM;

    if (rc == WAX_OK && o->echo_ahead)
        (void)session_mark_renew(s, now_own(c));
    if (rc == WAX_OK)
        rc = peer_store(c, s);
    if (rc == WAX_OK)
        rc = delta_apply(c, &o->sender.dev, &o->delta, o, now_own(c));
    if (rc == WAX_OK)
        rc = pin_load(c, &o->sender.acct, pin);
    if (rc == WAX_OK && is_evidence(o))
        rc = clone_judge(c, o, &older);
    /* It was this device that lost the thread, not the other one that started over. */
    if (rc == WAX_OK && !older)
        rc = note_start(c, o, pin);
    if (rc == WAX_OK && !older)
        rc = heal_received(c, o, pin);
    if (rc == WAX_OK)
        rc = o->content ? content_take(c, o, pin->head.manifest.handle, frame_time)
                        : aside_put(c, o, pin->head.manifest.handle, frame_time, false);
    if (rc == WAX_OK)
        rc = missed_note(c, o, pin->head.manifest.handle, frame_time);
    mem_free(pin);
    return rc;
}

static wax_rc open_in_tx(struct client *c, struct bytes in, uint64_t frame_time,
                         struct open_why *why)
{
    struct peer_sessions *s = mem_alloc(sizeof *s);
    struct rows_ctx ctx = {.c = c, .state = s};
    struct session_rows rows = rows_of(&ctx);
    struct party me = client_self(c), sender;
    struct envelope *env = mem_alloc(sizeof *env);
    struct opened o = {0};
    struct hash32 root;
    wax_rc rc = s && env ? session_judge(&me, &rows, in, env, &sender, &root) : WAX_E_NOMEM;

    if (rc == WAX_OK)
        rc = peer_load(c, &sender.dev, s);
    if (rc == WAX_OK) {
        rc = session_open_known(&me, &sender, &root, s, &rows, env, now_own(c), &o, why);
        if (rc == WAX_OK) {
            rc = clone_keep(c, &o, s, in);
            if (rc == WAX_OK)
                rc = accept_in_tx(c, &o, s, frame_time);
            opened_done(&o);
        }
    }
    if (s)
        peer_sessions_wipe(s);
    mem_free(s);
    mem_free(env);
    return rc;
}

/* Classes of an envelope whose signature holds and whose content may come again (4.3, 4.8): an INIT
 * whose keys are used up, too, unless its fanout id is known. */
static bool unreadable(wax_rc rc, const struct open_why *why)
{
    return why->ahead || rc == WAX_R_NO_KEY || rc == WAX_R_GAP || rc == WAX_R_REPLAY;
}

static wax_rc renew(struct client *c, const struct dev_id *dev)
{
    struct peer_sessions *s = mem_alloc(sizeof *s);
    wax_rc rc = s ? peer_load(c, dev, s) : WAX_E_NOMEM;

    if (rc == WAX_OK && session_mark_renew(s, now_own(c)))
        rc = peer_store(c, s);
    if (s)
        peer_sessions_wipe(s);
    mem_free(s);
    return rc;
}

/* A slot or an epoch that was used twice: one of the two was sealed by another copy of that home.
 * Both are told (4.3), and what is refused here may come again as anything unreadable. */
static wax_rc note_clash(struct client *c, const struct envelope *env, struct bytes in,
                         const struct item *alert)
{
    wax_rc rc = event_put_alert(c, alert);

    if (rc == WAX_OK)
        rc = unread_note(c, &env->hdr, &env->fanout, NULL);
    return rc == WAX_OK ? clone_return(c, &env->hdr, in) : rc;
}

static wax_rc note_in_tx(struct client *c, struct bytes in, wax_rc why_rc,
                         const struct open_why *why, const char *hint, struct envelope *env)
{
    bool whole = envelope_decode(in, env) == WAX_OK, listed = whole && unreadable(why_rc, why),
         undecryptable = unreadable(why_rc, why) || why_rc == WAX_R_UNKNOWN_SENDER,
         clash = whole && why_rc == WAX_R_CLONE &&
                 (why->clone == CLONE_SLOT || why->clone == CLONE_EPOCH);
    struct dev_id from = env->hdr.from;
    struct item a =
        alert_make(c, undecryptable ? "undecryptable" : "tampered", why_rc, hint, &from,
                   undecryptable ? "a message of this device cannot be read here"
                   : clash ? "two copies of this device are in use, or an old one was put back"
                           : "a message was altered or forged on its way and is not shown");
    wax_rc rc;

    if (listed)
        a.com = env->fanout.com;
    if (listed)
        rc = unread_note(c, &env->hdr, &env->fanout, &a);
    else
        rc = clash ? note_clash(c, env, in, &a) : event_put_alert(c, &a);
    /* The other copy went another way in this session, and reads nothing that is sealed in it. */
    return rc == WAX_OK && (why->renew || clash) ? renew(c, &from) : rc;
}

/* Refused: counted and shown once an hour for each cause; undecryptable ones are listed. */
static wax_rc note_refusal(struct client *c, struct bytes in, wax_rc why_rc,
                           const struct open_why *why, const char *hint)
{
    struct envelope *env = mem_alloc(sizeof *env);
    wax_rc rc = env ? vault_begin(c->env.vault) : WAX_E_NOMEM;

    if (rc == WAX_OK)
        rc = vault_finish(c->env.vault, note_in_tx(c, in, why_rc, why, hint, env));
    mem_free(env);
    return rc;
}

static wax_rc take_envelope(struct client *c, struct bytes in, const char *hint,
                            uint64_t frame_time)
{
    struct envelope *env = mem_alloc(sizeof *env);
    struct open_why why = {0};
    wax_rc rc = env ? envelope_decode(in, env) : WAX_E_NOMEM;

    if (rc == WAX_OK && !ID_EQ(&env->hdr.to, &c->keys.dev))
        rc = WAX_R_WRONG_DEVICE;
    if (rc == WAX_OK)
        rc = resolve_sender(c, &env->hdr.from, hint, frame_time);
    mem_free(env);
    if (rc == WAX_OK)
        rc = vault_begin(c->env.vault);
    if (rc == WAX_OK)
        rc = vault_finish(c->env.vault, open_in_tx(c, in, frame_time, &why));
    if (rc == WAX_R_DUPLICATE || rc_is_refusal(rc))
        c->useless++;
    if (rc == WAX_R_DUPLICATE)
        return WAX_OK;
    if (!rc_is_refusal(rc))
        return rc;
    if (rc == WAX_R_REPLAY && why.fanout_known)
        return WAX_OK;
    return note_refusal(c, in, rc, &why, hint);
}

/* --- Waiting --- */

static bool waits_behind(const struct client *c, struct bytes in)
{
    if (in.n < 36)
        return false;
    for (size_t i = 0; i < c->n_waiting; i++)
        if (memcmp(c->waiting[i].from.b, in.p + 20, 16) == 0)
            return true;
    return false;
}

static wax_rc wait_add(struct client *c, const struct frame *f)
{
    for (size_t i = 0; i < c->n_waiting; i++)
        if (c->waiting[i].seq == f->seq)
            return WAX_OK;
    if (c->n_waiting >= WAITING_MAX || c->waiting_bytes + f->envelope.n > WAITING_BYTES_MAX)
        return WAX_OK; /* stays at the server; comes again with the next connection */
    if (c->n_waiting == c->cap_waiting) {
        size_t cap = c->cap_waiting ? 2 * c->cap_waiting : 8;
        struct waiting *w = mem_calloc(cap, sizeof *w);
        if (!w)
            return WAX_E_NOMEM;
        if (c->n_waiting)
            memcpy(w, c->waiting, c->n_waiting * sizeof *w);
        mem_free(c->waiting);
        c->waiting = w;
        c->cap_waiting = cap;
    }
    struct waiting *w = &c->waiting[c->n_waiting];
    *w = (struct waiting){.seq = f->seq, .time = f->time};
    if (f->envelope.n >= 36)
        memcpy(w->from.b, f->envelope.p + 20, 16);
    item_short(w->hint, sizeof w->hint, f->handle);
    buf_bytes(&w->envelope, f->envelope);
    wax_rc rc = buf_rc(&w->envelope);
    if (rc == WAX_OK) {
        c->n_waiting++;
        c->waiting_bytes += f->envelope.n;
    } else
        buf_done(&w->envelope);
    return rc;
}

static void wait_remove(struct client *c, size_t i)
{
    c->waiting_bytes -= c->waiting[i].envelope.n;
    buf_done(&c->waiting[i].envelope);
    memmove(&c->waiting[i], &c->waiting[i + 1], (c->n_waiting - i - 1) * sizeof c->waiting[i]);
    c->n_waiting--;
}

static bool earlier_waits(const struct client *c, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (ID_EQ(&c->waiting[k].from, &c->waiting[i].from))
            return true;
    return false;
}

wax_rc client_retry_waiting(struct client *c, struct buf *ret_seqs)
{
    wax_rc rc = client_aside_retry(c);

    if (rc == WAX_OK)
        rc = content_release(c);
    if (rc == WAX_OK)
        rc = missed_look(c);
    for (size_t i = 0; rc == WAX_OK && i < c->n_waiting;) {
        struct waiting *w = &c->waiting[i];
        rc = earlier_waits(c, i) ? WAX_E_WAIT
                                 : take_envelope(c, buf_view(&w->envelope), w->hint, w->time);
        c->damaged = c->damaged || rc == WAX_E_DAMAGED;
        if (rc == WAX_E_WAIT || rc == WAX_E_DAMAGED) {
            rc = WAX_OK;
            i++;
        } else if (rc == WAX_OK) {
            buf_u64(ret_seqs, w->seq);
            wait_remove(c, i);
            rc = buf_rc(ret_seqs);
        }
    }
    return rc == WAX_OK ? repair_tick(c) : rc;
}

/* --- Frames --- */

wax_rc client_frame(struct client *c, const struct frame *f, bool *ret_ack)
{
    wax_rc rc = WAX_OK;

    *ret_ack = false;
    switch (f->type) {
    case FRAME_ENVELOPE:
        rc = waits_behind(c, f->envelope) ? WAX_E_WAIT
                                          : take_envelope(c, f->envelope, f->handle, f->time);
        /* What needs a damaged row of ours stays at the server; the others go on. */
        c->damaged = c->damaged || rc == WAX_E_DAMAGED;
        if (rc == WAX_E_WAIT || rc == WAX_E_DAMAGED)
            return wait_add(c, f);
        break;
    case FRAME_NOTICE:
    case FRAME_EXPIRED:
        rc = server_word(c, f);
        break;
    case FRAME_DRAINED:
    case FRAME_HEARTBEAT:
        return WAX_OK;
    default: /* types of later versions */
        c->useless++;
        return WAX_OK;
    }
    *ret_ack = rc == WAX_OK;
    return rc;
}

wax_rc client_ack(struct client *c, const uint64_t *seqs, size_t n)
{
    wax_rc rc = WAX_OK;

    for (size_t at = 0; rc == WAX_OK && at < n; at += 4096) {
        Wax__V1__AckRequest m = WAX__V1__ACK_REQUEST__INIT;
        struct transport_reply reply = {0};
        struct buf body = {0};
        m.n_seqs = n - at < 4096 ? n - at : 4096;
        m.seqs = (uint64_t *)(uintptr_t)(seqs + at);
        rc = proto_pack(&m.base, &body);
        if (rc == WAX_OK)
            rc = client_call(c, "POST", "/v1/mailbox/ack", buf_view(&body), &reply);
        reply_done(&reply);
        buf_done(&body);
    }
    return rc;
}
