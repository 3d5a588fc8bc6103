/* Between the opening of the SQLite engine and the rest of it. */
#ifndef VAULT_SQLITE_OPEN_H
#define VAULT_SQLITE_OPEN_H

#include "vault/sqlite_internal.h"

/* Closes and frees a half or wholly made handle; NULL is fine. */
void sqlite_free(struct sqlite *h);
/* Gives it its operations; last step of opening. */
void sqlite_ready(struct sqlite *h);

#endif
