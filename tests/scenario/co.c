#include "co.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK ((size_t)1 << 20) /* touched as far as it is used */
#define STACKS_KEPT 64

struct co {
    ucontext_t own, outside;
    void (*fn)(void *arg);
    void *arg;
    void *stack;
    bool over;
    void *own_fake, *outside_fake; /* AddressSanitizer's side of the two stacks */
    const void *outside_stack;
    size_t outside_size;
};

static struct co *current;
static void *kept[STACKS_KEPT];
static size_t n_kept;

static void *stack_take(void)
{
    if (n_kept)
        return kept[--n_kept];
    void *p = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

static void stack_give(void *p)
{
    if (n_kept < STACKS_KEPT)
        kept[n_kept++] = p;
    else
        (void)munmap(p, STACK);
}

/* Each switch is announced before and confirmed after it. */
static void leaving(void **fake, const void *to, size_t n)
{
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(fake, to, n);
#else
    (void)fake, (void)to, (void)n;
#endif
}
static void arrived(void *fake, const void **from, size_t *n)
{
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(fake, from, n);
#else
    (void)fake, (void)from, (void)n;
#endif
}

static void start(void)
{
    struct co *c = current;

    arrived(NULL, &c->outside_stack, &c->outside_size);
    c->fn(c->arg);
    c->over = true;
    leaving(NULL, c->outside_stack, c->outside_size);
    (void)setcontext(&c->outside);
    abort();
}

struct co *co_new(void (*fn)(void *arg), void *arg)
{
    struct co *c = calloc(1, sizeof *c);

    if (!c || getcontext(&c->own) != 0)
        abort();
    c->fn = fn;
    c->arg = arg;
    c->stack = stack_take();
    c->own.uc_stack.ss_sp = c->stack;
    c->own.uc_stack.ss_size = STACK;
    makecontext(&c->own, start, 0);
    return c;
}

bool co_resume(struct co *c)
{
    if (current || c->over)
        abort();
    current = c;
    leaving(&c->outside_fake, c->stack, STACK);
    if (swapcontext(&c->outside, &c->own) != 0)
        abort();
    arrived(c->outside_fake, NULL, NULL);
    current = NULL;
    return !c->over;
}

void co_yield (void)
{
    struct co *c = current;

    if (!c)
        return;
    leaving(&c->own_fake, c->outside_stack, c->outside_size);
    if (swapcontext(&c->own, &c->outside) != 0)
        abort();
    arrived(c->own_fake, &c->outside_stack, &c->outside_size);
}

bool co_inside(void) { return current != NULL; }

void co_free(struct co *c)
{
    if (!c)
        return;
    stack_give(c->stack);
    free(c);
}
