/* The two faces of an event, for print.c alone. */
#ifndef WAX_PRINT_H
#define WAX_PRINT_H

#include "app.h"

/* Appends the event as one line of JSON, no newline. */
wax_rc print_json(struct buf *out, const struct wax_event *e) WAX_MUST;
/* Appends the event in plain words, newlines included; colour and QR codes where the
 * terminal allows them. */
void print_words(struct buf *out, const struct wax_event *e, bool terminal, bool colour);
/* Appends text as a QR code of half blocks; nothing when it does not fit one. */
void print_qr(struct buf *out, const char *text);

#endif
