/* The box: whatever strangers wrote is taken apart in a process that has no keys, no files and no
 * network (ARCHITECTURE "The box"). This is the side that asks; src/box/helper.c is the one that
 * answers. One box belongs to one thread; its process is started with the first question and again
 * after each death. */
#ifndef BOX_BOX_H
#define BOX_BOX_H

#include "base/buf.h"

struct box;

/* path: the helper's, absolute; copied. deadline_ms for one answer; 0: 5,000. Starts nothing. */
wax_rc box_new(const char *path, unsigned deadline_ms, struct box **ret) WAX_MUST;
/* Ends its process. NULL is fine. */
void box_free(struct box *b);
const char *box_path(const struct box *b);

/* Starts the process if none runs. *ret_landlock: the version of Landlock that holds it beside
 * seccomp; 0: this kernel has none. WAX_E_HELPER: it does not start, or cannot confine itself. */
wax_rc box_start(struct box *b, int *ret_landlock) WAX_MUST;

/* Takes a content apart: appends the record of wire/content_record.h to an empty buffer.
 * WAX_R_PARSE: it is no content; WAX_E_CRASHED: the process died of it, took too long or answered
 * what makes no sense (it is gone then); WAX_E_HELPER, WAX_E_NOMEM. Fits struct decoder of
 * client/client.h; ctx is the box. */
wax_rc box_content(void *ctx, struct bytes content, struct buf *ret_record) WAX_MUST;

#endif
