/* Linking: both sides talk at the same time, as two tasks. */
#include <stdlib.h>
#include <string.h>

#include "world.h"

struct pair {
    struct world *w;
    struct device *old, *fresh;
    char code[65], digits[7];
    bool mistype;
    int over; /* sides that have ended */
    wax_rc rc[2];
    void (*done)(void *ctx, struct device *old, struct device *fresh, wax_rc rc);
    void *ctx;
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
    for (int i = 0; !p->digits[0] && p->over == 0 && i < 100; i++)
        world_sleep(p->w, 1000);
    memcpy(digits, p->digits, 7);
    if (p->mistype)
        digits[5] = digits[5] == '0' ? '1' : '0';
    return 0;
}
static bool pause_turn(void *ctx, unsigned ms)
{
    world_sleep(((struct pair *)ctx)->w, ms);
    return true;
}

static struct client_link_ui pair_ui(struct pair *p)
{
    return (struct client_link_ui){on_code, on_digits, type_digits, pause_turn, NULL, p};
}

static void end_of(struct pair *p)
{
    if (++p->over < 2)
        return;
    if (p->done) {
        p->done(p->ctx, p->old, p->fresh, p->rc[1] != WAX_OK ? p->rc[1] : p->rc[0]);
        free(p);
    }
}

static void run_fresh(void *ctx)
{
    struct pair *p = ctx;
    struct client_link_ui ui = pair_ui(p);

    p->rc[0] = client_link_new(&p->fresh->env, p->old->handle, p->fresh->name, &ui,
                               p->w->now + p->fresh->skew + 300000, &p->fresh->client);
    if (p->rc[0] == WAX_OK)
        device_know_login(p->fresh);
    end_of(p);
}

static void run_old(void *ctx)
{
    struct pair *p = ctx;
    struct client_link_ui ui = pair_ui(p);
    struct dev_id dev;

    for (int i = 0; !p->code[0] && i < 100; i++)
        world_sleep(p->w, 1000);
    world_sleep(p->w, 2000); /* the first record is posted */
    p->rc[1] =
        client_link_approve(p->old->client, p->code, &ui, p->w->now + p->old->skew + 300000, &dev);
    end_of(p);
}

static void begin(struct pair *p)
{
    world_spawn(p->w, p->fresh, 0, run_fresh, p);
    world_spawn(p->w, p->old, 1, run_old, p);
}

void device_link_begin(struct device *old, struct device *fresh, bool mistype,
                       void (*done)(void *ctx, struct device *old, struct device *fresh, wax_rc rc),
                       void *ctx)
{
    struct pair *p = calloc(1, sizeof *p);

    if (!p)
        abort();
    *p = (struct pair){
        .w = old->w, .old = old, .fresh = fresh, .mistype = mistype, .done = done, .ctx = ctx};
    begin(p);
}

wax_rc device_link(struct device *old, struct device *fresh, bool mistype)
{
    struct pair p = {.w = old->w, .old = old, .fresh = fresh, .mistype = mistype};

    begin(&p);
    while (p.over < 2)
        if (!world_step(old->w))
            abort();
    return p.rc[1] != WAX_OK ? p.rc[1] : p.rc[0];
}
