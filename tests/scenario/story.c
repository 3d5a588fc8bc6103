#include "story.h"

void story_ok(wax_rc rc) { assert_int_equal(rc, WAX_OK); }

int story_begin(void **state)
{
    struct four *f = calloc(1, sizeof *f);

    world_init(&f->w, 7);
    f->ann1 = world_device(&f->w, "ann@example.org", "phone");
    f->ann2 = world_device(&f->w, "ann@example.org", "laptop");
    f->bob1 = world_device(&f->w, "bob@example.org", "phone");
    f->bob2 = world_device(&f->w, "bob@example.org", "desk");
    story_ok(device_register(f->ann1));
    story_ok(device_register(f->bob1));
    story_ok(device_link(f->ann1, f->ann2, false));
    story_ok(device_link(f->bob1, f->bob2, false));
    *state = f;
    return 0;
}

int story_end(void **state)
{
    struct four *f = *state;

    world_done(&f->w);
    free(f);
    return 0;
}

void story_send(struct device *d, const char *to, const char *text)
{
    struct hash32 com;

    story_ok(device_send(d, to, text, &com));
    story_ok(client_flush(d->client, NULL, NULL));
}

unsigned story_alerts(struct device *d, const char *kind)
{
    uint64_t seq = 0;
    unsigned n = 0;

    for (;;) {
        struct item it = {0};
        enum item_shown shown;
        if (client_event_next(d->client, seq, (enum item_shown)(SHOWN_DONE + 1), &seq, &shown,
                              &it) != WAX_OK)
            return n;
        n += it.type == ITEM_ALERT &&
             (kind ? strcmp(it.kind, kind) == 0 : strcmp(it.kind, "new_device") != 0);
        item_done(&it);
    }
}
