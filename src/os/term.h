/* The terminal: the person at it, apart from stdin and stdout. */
#ifndef OS_TERM_H
#define OS_TERM_H

#include "base/buf.h"

/* Whether the descriptor (0, 1, 2) is a terminal. */
bool os_term_is(int fd);
/* Whether colour may be used on it: a terminal, NO_COLOR empty or unset, TERM not "dumb". */
bool os_term_colour(int fd);
/* Columns of that terminal; 80 when it is none or does not tell. */
unsigned os_term_columns(int fd);
/* Whether the process has a controlling terminal at all. */
bool os_term_there(void);

/* Writes to the controlling terminal, whatever stdout is. WAX_E_NOTFOUND without one. */
wax_rc os_term_write(struct bytes text) WAX_MUST;
/* Shows the prompt on the controlling terminal and reads one line from it (without its
 * newline, at most 4,096 bytes); hidden: without echo. *ret is replaced; wiped when freed.
 * WAX_E_NOTFOUND without a terminal, WAX_E_CANCELLED at end of input,
 * when hidden also at Ctrl-C. */
wax_rc os_term_ask(const char *prompt, bool hidden, struct buf *ret) WAX_MUST;

#endif
