#include "session/state.h"

#include "base/mem.h"
#include "session/held.h"
#include "session/rows.h"

void peer_sessions_init(struct peer_sessions *s, const struct dev_id *peer)
{
    struct dev_id dev = *peer;

    mem_wipe(s, sizeof *s);
    s->peer = dev;
}

void peer_sessions_wipe(struct peer_sessions *s) { mem_wipe(s, sizeof *s); }

size_t held_index(const struct peer_sessions *s, const struct sid *sid)
{
    size_t i = 0;

    while (i < s->n_held && !ID_EQ(&s->held[i].sid, sid))
        i++;
    return i;
}

const struct session *session_find(const struct peer_sessions *s, const struct sid *sid)
{
    size_t i = held_index(s, sid);

    return i < s->n_held ? &s->held[i] : NULL;
}

bool session_established(const struct session *x) { return x->send.on && x->recv.on; }

/* Newest by start; of equal ones the lower SID (4.5). */
static bool sends_before(const struct session *x, const struct session *y)
{
    if (x->start != y->start)
        return x->start > y->start;
    return memcmp(x->sid.b, y->sid.b, sizeof x->sid.b) < 0;
}

const struct session *session_choose(const struct peer_sessions *s)
{
    const struct session *best = NULL;

    for (size_t i = 0; i < s->n_held; i++) {
        const struct session *x = &s->held[i];
        if (!x->reading_only && (!best || sends_before(x, best)))
            best = x;
    }
    return best;
}

const struct session *session_sending(const struct peer_sessions *s, uint64_t now)
{
    const struct session *x = session_choose(s);

    if (!x || s->renew)
        return NULL;
    if (now > x->used_at && now - x->used_at >= SESSION_IDLE_MS)
        return NULL;
    return x;
}

uint64_t session_own_start(const struct peer_sessions *s, uint64_t now)
{
    uint64_t start = now < 1 ? 1 : now;

    for (size_t i = 0; i < s->n_held; i++)
        if (s->held[i].start >= start)
            start = s->held[i].start + 1;
    for (size_t i = 0; i < s->n_kept; i++)
        if (s->kept[i].start >= start)
            start = s->kept[i].start + 1;
    return start > SESSION_START_MAX ? SESSION_START_MAX : start;
}

bool session_mark_reading_only(struct peer_sessions *s, const struct sid *sid)
{
    size_t i = held_index(s, sid);

    if (i == s->n_held)
        return false;
    s->held[i].reading_only = true;
    return true;
}

void session_mark_offer_due(struct peer_sessions *s)
{
    for (size_t i = 0; i < s->n_held; i++)
        s->held[i].offer_due = true;
}

bool session_mark_renew(struct peer_sessions *s, uint64_t now)
{
    /* A time from the future is that of a clock set back since. */
    if (s->renewed_at && now >= s->renewed_at && now - s->renewed_at < SESSION_RENEW_MS)
        return false;
    s->renew = true;
    s->renewed_at = now;
    return true;
}

bool session_set_back(struct peer_sessions *s, uint64_t now)
{
    bool changed = false;

    for (size_t i = 0; i < s->n_held; i++) {
        struct session *x = &s->held[i];
        uint64_t *times[] = {&x->came_at, &x->established_at, &x->used_at, &x->kem_at};
        for (size_t k = 0; k < sizeof times / sizeof *times; k++)
            if (*times[k] > now && *times[k] - now > SESSION_AHEAD_MS) {
                *times[k] = now ? now : 1;
                changed = true;
            }
    }
    return changed;
}

/* --- Erasing (4.5) --- */

static void keep(struct peer_sessions *s, const struct session *x)
{
    size_t at = 0;

    while (at < s->n_kept && s->kept[at].start >= x->start)
        at++;
    if (at == SESSIONS_KEPT_MAX)
        return;
    size_t behind = s->n_kept - at;
    if (s->n_kept == SESSIONS_KEPT_MAX)
        behind--;
    else
        s->n_kept++;
    memmove(&s->kept[at + 1], &s->kept[at], behind * sizeof s->kept[0]);
    s->kept[at] = (struct kept_session){.sid = x->sid, .start = x->start, .xk = x->xk};
}

void held_erase(struct peer_sessions *s, size_t i, struct session_delta *delta)
{
    keep(s, &s->held[i]);
    delta->erased[delta->n_erased++] = s->held[i].sid;
    s->n_held--;
    memmove(&s->held[i], &s->held[i + 1], (s->n_held - i) * sizeof s->held[0]);
    mem_wipe(&s->held[s->n_held], sizeof s->held[0]);
}

size_t held_victim(const struct peer_sessions *s, size_t spare)
{
    const struct session *sending = session_choose(s);
    size_t worst = s->n_held;

    for (size_t i = 0; i < s->n_held; i++) {
        const struct session *x = &s->held[i];
        if (x == sending || i == spare)
            continue;
        if (worst == s->n_held) {
            worst = i;
            continue;
        }
        const struct session *y = &s->held[worst];
        bool ex = session_established(x), ey = session_established(y);
        if (ex != ey ? !ex : sends_before(y, x))
            worst = i;
    }
    return worst;
}

void session_count(struct session *x, uint64_t now)
{
    x->used_at = now;
    if (x->since_kem < UINT32_MAX)
        x->since_kem++;
    if (!x->established_at && session_established(x))
        x->established_at = now ? now : 1;
}

void xk_started(struct xk_set *x, const struct key32 *xk)
{
    x->started[1] = x->started[0];
    x->started[0] = *xk;
    if (x->n_started < 2)
        x->n_started++;
}

void xk_received(struct xk_set *x, const struct key32 *xk)
{
    x->received = *xk;
    x->has_received = true;
}

void session_delta_done(struct session_delta *d)
{
    mem_free_wiped(d->skipped, d->n_skipped * sizeof d->skipped[0]);
    mem_wipe(d, sizeof *d);
}

/* When a session that does not send may go: UINT64_MAX while the sending one is not yet
 * established. */
static uint64_t erase_at(const struct session *x, const struct session *sending)
{
    uint64_t from;

    if (!sending || x == sending || !sending->established_at)
        return UINT64_MAX;
    from = sending->established_at > x->came_at ? sending->established_at : x->came_at;
    return from > UINT64_MAX - SESSION_ERASE_MS ? UINT64_MAX : from + SESSION_ERASE_MS;
}

bool session_tidy(struct peer_sessions *s, uint64_t now, struct session_delta *delta)
{
    bool changed = false;

    for (size_t i = 0; i < s->n_held;) {
        /* Asked anew each time: erasing moves the array. */
        if (erase_at(&s->held[i], session_choose(s)) <= now &&
            delta->n_erased < SESSIONS_ERASED_MAX) {
            held_erase(s, i, delta);
            changed = true;
        } else {
            i++;
        }
    }
    return changed;
}

uint64_t session_tidy_at(const struct peer_sessions *s)
{
    const struct session *sending = session_choose(s);
    uint64_t at = UINT64_MAX;

    for (size_t i = 0; i < s->n_held; i++) {
        uint64_t t = erase_at(&s->held[i], sending);
        at = t < at ? t : at;
    }
    return at;
}
