#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static mem_fault_fn fault;

void mem_set_fault(mem_fault_fn fn) { fault = fn; }

void *mem_alloc(size_t n)
{
    if (fault && fault(n))
        return NULL;
    return calloc(1, n ? n : 1);
}

void *mem_calloc(size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        return NULL;
    return mem_alloc(count * size);
}

void mem_free(void *p) { free(p); }

void mem_free_wiped(void *p, size_t n)
{
    if (!p)
        return;
    mem_wipe(p, n);
    free(p);
}

char *mem_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = mem_alloc(n);

    if (copy)
        memcpy(copy, s, n);
    return copy;
}

void mem_wipe(void *p, size_t n)
{
    if (n)
        explicit_bzero(p, n);
}
