/* Text at the edges: UTF-8, hex, base64url, durations and sizes. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/buf.h"

/* Valid UTF-8 (no surrogates, no overlong forms, ≤ U+10FFFF); U+0000 is allowed. */
bool utf8_valid(struct bytes x);
/* RECORDS 2 "Name": valid UTF-8, no code point below U+0020, no U+007F-009F. */
bool name_valid(struct bytes x);
/* RECORDS 2 "Handle": exact lower-case form local@domain, 3-317 bytes. */
bool handle_valid(struct bytes x);
/* Folds upper case; WAX_E_INVAL when the result is no handle. out: ≥ 318 bytes. */
wax_rc handle_fold(const char *in, char out[318]) WAX_MUST;
#define HANDLE_MAX 317

/* Hex of exactly 2·n lower- or upper-case digits. */
wax_rc hex_decode(const char *s, size_t len, uint8_t *out, size_t n) WAX_MUST;
/* base64url without padding (RFC 4648 §5). */
void base64url_encode(struct buf *b, struct bytes x);
/* Decodes to exactly n bytes; non-canonical trailing bits, padding and other characters
 * are refused (WAX_R_PARSE). */
wax_rc base64url_decode(const char *s, size_t len, uint8_t *out, size_t n) WAX_MUST;

/* "30s" "15m" "24h" "7d" → ms; a bare number is refused. */
wax_rc parse_duration(const char *s, uint64_t *ret_ms) WAX_MUST;
/* "256K" "256M" "1G" or bytes. */
wax_rc parse_size(const char *s, uint64_t *ret) WAX_MUST;
/* Decimal u64, digits only, no leading sign, fits. */
wax_rc parse_u64(const char *s, uint64_t *ret) WAX_MUST;
/* RFC 3339 UTC with ms: "2026-01-01T00:00:00.000Z". */
void format_time(uint64_t ms, char out[32]);

/* Appends x as it may be shown on a terminal: printable text as it is; control
 * characters, C1, bidirectional overrides and isolates, line and paragraph separators and
 * invalid bytes as visible \xHH or \u{HHHH}. keep_newlines: '\n' and '\t' stay. */
void text_escape(struct buf *out, struct bytes x, bool keep_newlines);

#endif
