/* Linking in the small world: two devices that talk at the same time, in threads of their own of
 * which one runs at a time, so that a seed still decides everything. */
#include <pthread.h>
#include <stdlib.h>

#include "world.h"

/* --- Turns of two devices that talk at once --- */

struct turns {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int whose; /* 0 or 1 */
    bool over[2];
};
static _Thread_local int my_turn = -1;

static void turn_wait(struct turns *t)
{
    while (t->whose != my_turn)
        (void)pthread_cond_wait(&t->changed, &t->lock);
}

static void turn_give(struct turns *t)
{
    if (!t->over[1 - my_turn]) {
        t->whose = 1 - my_turn;
        (void)pthread_cond_broadcast(&t->changed);
        turn_wait(t);
    }
}

void turn_pass(struct world *w)
{
    if (w->turns && my_turn >= 0)
        turn_give(w->turns);
}

/* --- Linking: both sides in threads of their own, one running at a time --- */

struct pair {
    struct world *w;
    struct device *old, *fresh;
    char code[65], digits[7];
    bool mistype;
    wax_rc rc[2];
};

static void on_code(void *ctx, const char text[65])
{
    memcpy(((struct pair *)ctx)->code, text, 65);
}
static void on_digits(void *ctx, const char digits[7], const char *handle)
{
    (void)handle;
    memcpy(((struct pair *)ctx)->digits, digits, 7);
}
static int type_digits(void *ctx, const char *name, char digits[7])
{
    struct pair *p = ctx;

    (void)name;
    for (int i = 0; !p->digits[0] && i < 100; i++)
        turn_give(p->w->turns);
    memcpy(digits, p->digits, 7);
    if (p->mistype)
        digits[5] = digits[5] == '0' ? '1' : '0';
    return 0;
}
static bool pause_turn(void *ctx, unsigned ms)
{
    struct pair *p = ctx;

    p->w->now += ms;
    turn_give(p->w->turns);
    return true;
}

static struct client_link_ui pair_ui(struct pair *p)
{
    return (struct client_link_ui){on_code, on_digits, type_digits, pause_turn, p};
}

static void turn_over(struct world *w)
{
    w->turns->over[my_turn] = true;
    w->turns->whose = 1 - my_turn;
    (void)pthread_cond_broadcast(&w->turns->changed);
    (void)pthread_mutex_unlock(&w->turns->lock);
}

static void *run_fresh(void *ctx)
{
    struct pair *p = ctx;
    struct client_link_ui ui = pair_ui(p);

    my_turn = 0;
    (void)pthread_mutex_lock(&p->w->turns->lock);
    turn_wait(p->w->turns);
    p->rc[0] = client_link_new(&p->fresh->env, p->old->handle, p->fresh->name, &ui,
                               p->w->now + p->fresh->skew + 300000, &p->fresh->client);
    if (p->rc[0] == WAX_OK)
        device_know_login(p->fresh);
    turn_over(p->w);
    return NULL;
}

static void *run_old(void *ctx)
{
    struct pair *p = ctx;
    struct client_link_ui ui = pair_ui(p);
    struct dev_id dev;

    my_turn = 1;
    (void)pthread_mutex_lock(&p->w->turns->lock);
    turn_wait(p->w->turns);
    for (int i = 0; !p->code[0] && i < 100; i++)
        turn_give(p->w->turns);
    turn_give(p->w->turns); /* the first record is posted */
    turn_give(p->w->turns);
    p->rc[1] =
        client_link_approve(p->old->client, p->code, &ui, p->w->now + p->old->skew + 300000, &dev);
    turn_over(p->w);
    return NULL;
}

wax_rc device_link(struct device *old, struct device *fresh, bool mistype)
{
    struct turns t = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct pair p = {.w = old->w, .old = old, .fresh = fresh, .mistype = mistype};
    pthread_t a, b;

    old->w->turns = &t;
    if (pthread_create(&a, NULL, run_fresh, &p) != 0 || pthread_create(&b, NULL, run_old, &p) != 0)
        abort();
    (void)pthread_join(a, NULL);
    (void)pthread_join(b, NULL);
    old->w->turns = NULL;
    return p.rc[1] != WAX_OK ? p.rc[1] : p.rc[0];
}
