/* Floods of requests, and the list of all. */
#include "floods.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "measure.h"
#include "os/clock.h"
#include "os/random.h"
#include "request.h"
#include "wire/proto.h"

#define MAILBOX_MAX 300
#define HOLD_MS 200

const char flood_settings[] = "\nsend_per_minute = 1000000\nregister_per_hour = 40\n"
                              "link_per_minute = 60\nlookup_per_minute = 5000\n"
                              "login_per_minute = 3000\nmailbox_max_messages = 300\n"
                              "max_connections = 2000\n";

/* Answers so many requests; counts those with the first and those with the second status. Others,
 * or none: false. */
static bool ask_many(struct foe *f, unsigned n, const char *method, const char *path,
                     const char *device, struct bytes body, int first, int second,
                     unsigned counts[2])
{
    struct foe_answer a = {0};
    bool good = true;

    counts[0] = counts[1] = 0;
    for (unsigned i = 0; good && i < n; i++) {
        int status = foe_ask(f, method, path, device, body, &a);
        counts[0] += status == first;
        counts[1] += status == second;
        good = status == first || status == second;
        if (!good)
            fprintf(stderr, "%s %s: status %d %s\n", method, path, status, a.problem);
    }
    buf_done(&a.body);
    return good;
}

bool flood_strangers(const struct site *s)
{
    struct foe f;
    unsigned n[2] = {0};
    bool good = foe_open(s, NULL, &f) &&
                ask_many(&f, 400, "GET", "/v1/mailbox", s->users[FLOOD_VICTIM].device,
                         BYTES(NULL, 0), 401, 429, n);

    foe_close(&f);
    return good && n[1] > 0;
}

bool flood_lookups(const struct site *s)
{
    struct foe f;
    unsigned n[2] = {0};
    bool good =
        foe_open(s, NULL, &f) && ask_many(&f, 200, "GET", "/v1/directory/nobody@bench.example",
                                          NULL, BYTES(NULL, 0), 404, 429, n);

    foe_close(&f);
    return good && n[1] > 0;
}

bool flood_garbage(const struct site *s)
{
    const struct user *u = &s->users[FLOOD_FOE];
    uint8_t body[1500];
    struct foe f;
    unsigned n[2];
    bool good = foe_open(s, u, &f);

    must(rng_fill(os_rng(), body, sizeof body), "garbage");
    struct bytes b = BYTES_OF(body);
    good = good && ask_many(&f, 60, "POST", "/v1/accounts", NULL, b, 400, 429, n) && n[1] > 0 &&
           ask_many(&f, 60, "POST", "/v1/messages", u->device, b, 400, 429, n) &&
           ask_many(&f, 60, "POST", "/v1/mailbox/ack", u->device, b, 400, 429, n) &&
           ask_many(&f, 60, "PUT", "/v1/bundle", u->device, b, 400, 429, n) &&
           ask_many(&f, 60, "PUT", "/v1/counter", u->device, b, 400, 429, n) &&
           ask_many(&f, 60, "POST", "/v1/directory/bench00@bench.example", u->device, b, 400, 429,
                    n) &&
           ask_many(&f, 80, "POST", "/v1/link/00112233445566778899aabbccddeeff", NULL, b, 400, 429,
                    n) &&
           n[1] > 0;
    foe_close(&f);
    return good;
}

/* --- Bodies and answers --------------------------------------------------------------- */

bool flood_uploads(const struct site *s)
{
    enum { STREAMS = 20, PIECES = 128 }; /* of 2 MiB each: more than one connection may have */
    static const uint8_t piece[16384];
    struct foe f;
    bool good = foe_open(s, &s->users[FLOOD_FOE], &f);

    for (uint32_t i = 0; good && i < STREAMS; i++) {
        good = foe_headers(&f, 2 * i + 1, "POST", "/v1/messages", NULL, false);
        for (int k = 0; good && k < PIECES; k++)
            good = foe_frame(&f, F_DATA, 0, 2 * i + 1, piece, sizeof piece);
    }
    /* One of the last is told so; the first ones wait to be finished. */
    good = good && foe_status(&f, 2 * STREAMS - 1) == 503;
    foe_close(&f);
    return good;
}

/* Lets the server send as much as it likes, and takes nothing. */
static bool wide_open(struct foe *f)
{
    static const uint8_t window[] = {0, 4, 0x7f, 255, 255, 255};

    return foe_frame(f, F_SETTINGS, 0, 0, window, sizeof window) &&
           foe_frame(f, F_WINDOW, 0, 0, "\x7f\xff\0\0", 4);
}

bool flood_unread_answers(const struct site *s)
{
    const struct user *u = &s->users[FLOOD_VICTIM];
    const char *const login[] = {"wax-device", u->device, NULL};
    struct foe f;
    bool good = foe_open(s, u, &f) && wide_open(&f);

    for (uint32_t i = 0; good && i < 30; i++)
        good = foe_headers(&f, 2 * i + 1, "GET", "/v1/mailbox", login, true);
    for (uint32_t i = 30; good && i < 120; i++)
        good =
            foe_headers(&f, 2 * i + 1, "GET", "/v1/directory/bench03@bench.example", login, true);
    os_sleep_ms(HOLD_MS);
    foe_abort(&f);
    return good;
}

bool flood_streams(const struct site *s)
{
    const struct user *u = &s->users[FLOOD_FOE];
    const char *const login[] = {"wax-device", u->device, NULL};
    struct foe f;
    bool good = foe_open(s, u, &f);
    uint32_t refused = 0, at;

    for (uint32_t i = 0; good && i < 40; i++) {
        at = 2 * i + 1;
        good = foe_headers(&f, at, "GET", "/v1/mailbox", login, true);
        int status = good ? foe_status(&f, at) : 0;
        refused += status == 429;
        good = status == 429 || status == 200;
    }
    foe_close(&f);
    return good && refused >= 8;
}

/* --- Messages ------------------------------------------------------------------------- */

/* The victim comes and clears his mailbox away. */
static void clear_away(const struct site *s)
{
    static uint64_t next;
    const struct user *u = &s->users[FLOOD_VICTIM];
    uint64_t seqs[4096];
    Wax__V1__AckRequest r = WAX__V1__ACK_REQUEST__INIT;
    struct buf body = {0};
    struct foe f;
    struct foe_answer a = {0};

    r.seqs = seqs;
    r.n_seqs = 2 * MAILBOX_MAX;
    for (size_t i = 0; i < r.n_seqs; i++)
        seqs[i] = next + i;
    next += MAILBOX_MAX;
    must(proto_pack(&r.base, &body), "ack");
    if (!foe_open(s, u, &f) ||
        foe_ask(&f, "POST", "/v1/mailbox/ack", u->device, buf_view(&body), &a) != 200)
        die("the victim cannot acknowledge");
    foe_close(&f);
    buf_done(&a.body);
    buf_done(&body);
}

bool flood_messages(const struct site *s)
{
    enum { AT_ONCE = 50 };
    const struct user *u = &s->users[FLOOD_FOE], *to[] = {&s->users[FLOOD_VICTIM]};
    const char *const login[] = {"wax-device", u->device, NULL};
    struct buf body = {0};
    struct foe f;
    bool good = foe_open(s, u, &f), full = false;
    uint32_t next = 1;
    int statuses[AT_ONCE];

    for (int round = 0; good && !full && round < MAILBOX_MAX / AT_ONCE + 2; round++) {
        for (uint32_t i = 0; good && i < AT_ONCE; i++) {
            request_make(u, to, 1, &body);
            good = foe_headers(&f, next + 2 * i, "POST", "/v1/messages", login, false) &&
                   foe_frame(&f, F_DATA, 1, next + 2 * i, body.p, body.n);
        }
        good = good && foe_statuses(&f, AT_ONCE, statuses);
        for (uint32_t i = 0; good && i < AT_ONCE; i++) {
            full |= statuses[i] == 507;
            good = statuses[i] == 202 || statuses[i] == 507;
        }
        next += 2 * AT_ONCE;
    }
    foe_close(&f);
    buf_done(&body);
    clear_away(s);
    return good && full;
}

const struct flood floods[] = {
    {"half-open-tcp", flood_half_open_tcp},
    {"half-open-tls", flood_half_open_tls},
    {"half-open-h2", flood_half_open_h2},
    {"reconnects", flood_reconnects},
    {"pings", flood_pings},
    {"settings", flood_settings_frames},
    {"empty-data", flood_empty_data},
    {"resets", flood_resets},
    {"more-headers", flood_more_headers},
    {"header-bombs", flood_header_bombs},
    {"window-dribble", flood_window_dribble},
    {"uploads", flood_uploads},
    {"strangers", flood_strangers},
    {"lookups", flood_lookups},
    {"garbage", flood_garbage},
    {"messages", flood_messages},
    {"unread-answers", flood_unread_answers},
    {"streams", flood_streams},
};
const size_t n_floods = sizeof floods / sizeof floods[0];
