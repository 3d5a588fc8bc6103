#include "wire/read.h"

#include "base/mem.h"

void write_undo(struct buf *out, size_t n)
{
    if (out->n <= n)
        return;
    mem_wipe(out->p + n, out->n - n);
    out->n = n;
}
