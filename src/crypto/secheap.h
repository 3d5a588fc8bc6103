/* The secret heap: at most 1 MiB of locked, guarded memory (the crypto library's secure
 * heap), for long-lived secrets: private keys, store key, session roots being worked on. */
#ifndef CRYPTO_SECHEAP_H
#define CRYPTO_SECHEAP_H

#include <stddef.h>

#include "base/result.h"

/* Call once before any key is made. WAX_E_UNLOCKED: the pages cannot be locked (the heap
 * is there all the same; the caller decides whether that is allowed). */
wax_rc secheap_init(void) WAX_MUST;
/* Zeroed; NULL when full. Without secheap_init: ordinary memory. */
void *secret_alloc(size_t n);
/* Wipes and frees. NULL is fine. n as allocated. */
void secret_free(void *p, size_t n);

#endif
