/* Memory: one door to the allocator, so that tests can make the k-th allocation
 * fail and scan what is freed; and wiping that the compiler cannot drop. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* Zeroed memory, or NULL. n == 0 gives a valid pointer. Freed by mem_free. */
void *mem_alloc(size_t n);
void *mem_calloc(size_t count, size_t size); /* NULL also when the product overflows */
/* Plain free: for what holds no secret. NULL is fine. */
void mem_free(void *p);
/* Wipes n bytes, then frees. NULL is fine. */
void mem_free_wiped(void *p, size_t n);
/* A copy of the string, or NULL. */
char *mem_strdup(const char *s);

/* Overwrites n bytes with zeros; never optimised away. */
void mem_wipe(void *p, size_t n);

/* Test hook: called before each allocation with its size; returning non-zero makes
 * it fail. NULL (the default) allows all. Not thread-safe: set it before threads start. */
typedef int (*mem_fault_fn)(size_t n);
void mem_set_fault(mem_fault_fn fn);

#endif
