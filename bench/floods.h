/* What a hostile client does by the hundred. Each one runs for a moment (less than about a second)
 * and cleans up after itself; true: the server answered as it has to. users[FLOOD_FOE] is his, and
 * users[FLOOD_VICTIM] is away while he writes to it. */
#ifndef BENCH_FLOODS_H
#define BENCH_FLOODS_H

#include "foe.h"

/* HONEST_*: of the neighbours. */
enum { HONEST_SENDER, HONEST_READER, FLOOD_FOE, FLOOD_VICTIM, FLOOD_USERS };

struct flood {
    const char *name; /* of the figure: letters and dashes */
    bool (*run)(const struct site *s);
};
extern const struct flood floods[];
extern const size_t n_floods;

/* Lines for waxd.ini under which the floods and the neighbours run. */
extern const char flood_settings[];

bool flood_half_open_tcp(const struct site *s); /* a thousand connections that say nothing */
bool flood_half_open_tls(const struct site *s); /* hundreds that end after the ClientHello */
bool flood_half_open_h2(const struct site *s);  /* TLS, and then nothing */
bool flood_reconnects(const struct site *s);    /* TLS, a request, hang up, again */
bool flood_pings(const struct site *s);         /* ENHANCE_YOUR_CALM */
bool flood_settings_frames(const struct site *s);
bool flood_empty_data(const struct site *s);
bool flood_resets(const struct site *s);         /* requests taken back at once */
bool flood_more_headers(const struct site *s);   /* a header block without an end */
bool flood_header_bombs(const struct site *s);   /* a few bytes that unpack to megabytes: 431 */
bool flood_window_dribble(const struct site *s); /* an answer asked for byte by byte */
bool flood_unread_answers(const struct site *s); /* answers that nobody takes */
bool flood_uploads(const struct site *s);        /* bodies that do not end */
bool flood_strangers(const struct site *s);      /* requests of nobody: 401, then 429 */
bool flood_garbage(const struct site *s);        /* bodies that are no records */
bool flood_lookups(const struct site *s);        /* of one who is not logged in: 404, then 429 */
bool flood_messages(const struct site *s);       /* to one mailbox, until it is full */
bool flood_streams(const struct site *s);        /* mailbox streams, more than a device may have */

#endif
