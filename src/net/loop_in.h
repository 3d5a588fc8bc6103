/* For net's own files: the libevent side of the loop. */
#ifndef NET_LOOP_IN_H
#define NET_LOOP_IN_H

#include <event2/event.h>

#include "net/loop.h"

struct event_base *net_loop_base(struct net_loop *l);

#endif
