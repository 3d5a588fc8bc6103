#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static mem_fault_fn fault;

void mem_set_fault(mem_fault_fn fn) { fault = fn; }

/* Up to here glibc keeps freed blocks of a thread at hand, for malloc but not for calloc: a
 * server that parses small requests would spend a third of its time in the allocator. */
#define SMALL 1024

void *mem_alloc(size_t n)
{
    if (fault && fault(n))
        return NULL;
    if (n > SMALL)
        return calloc(1, n);
    void *p = malloc(n ? n : 1);
    if (p)
        memset(p, 0, n);
    return p;
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
