/* Makes the k-th call from src/crypto into libcrypto or libsodium fail. Works by the
 * linker's --wrap: the program must be linked with dep_fault_openssl. The wrapped functions
 * are listed in fault_openssl.names. Not thread-safe: set it while no other thread runs. */
#ifndef SUPPORT_FAULT_OPENSSL_H
#define SUPPORT_FAULT_OPENSSL_H

/* From now on the k-th call fails (1 is the next one) and all others pass; 0: none fails.
 * Starts the count anew. */
void fault_openssl_set(unsigned k);
/* Calls since the last set, a failed one included. */
unsigned fault_openssl_count(void);

#endif
