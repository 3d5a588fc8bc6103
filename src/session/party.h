/* Who speaks to whom: the identity of one device as PROTOCOL 2's ctx takes it. Own values
 * come from own state, a peer's from its verified manifest, never from a header. */
#ifndef SESSION_PARTY_H
#define SESSION_PARTY_H

#include "base/bytes.h"

struct party {
    struct acct_id acct;
    struct dev_id dev; /* H("WAX1-dev" ‖ dsk), first 16 */
    struct point dsk;
};

#endif
