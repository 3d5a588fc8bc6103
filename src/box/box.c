#include "box/box.h"

#include "base/mem.h"
#include "box/talk.h"
#include "os/child.h"
#include "os/clock.h"

#define DEADLINE_MS 5000
#define START_MS 10000
/* After one that took too long, others that do so are cut off sooner for a while: a flood of them
 * must not hold this process up for hours. */
#define SUSPICION_MS 60000
#define DEADLINE_SHORT 10
/* Its processor time is limited once and for all, so it is renewed before that counts. */
#define QUESTIONS_MAX 1000

struct box {
    char *path;
    unsigned deadline_ms, questions;
    uint64_t suspicious; /* until then, os_mono_ms */
    struct os_child child;
    int landlock;
};

wax_rc box_new(const char *path, unsigned deadline_ms, struct box **ret)
{
    struct box *b = mem_alloc(sizeof *b);

    if (!b)
        return WAX_E_NOMEM;
    b->child = OS_CHILD_NONE;
    b->deadline_ms = deadline_ms ? deadline_ms : DEADLINE_MS;
    b->path = mem_strdup(path);
    if (!b->path) {
        box_free(b);
        return WAX_E_NOMEM;
    }
    *ret = b;
    return WAX_OK;
}

void box_free(struct box *b)
{
    if (!b)
        return;
    os_child_stop(&b->child);
    mem_free(b->path);
    mem_free(b);
}

const char *box_path(const struct box *b) { return b->path; }

wax_rc box_start(struct box *b, int *ret_landlock)
{
    uint8_t hello[BOX_HELLO_SIZE];

    if (b->questions >= QUESTIONS_MAX || !os_child_alive(&b->child)) {
        os_child_stop(&b->child);
        b->questions = 0;
        wax_rc rc = os_child_start(b->path, &b->child);
        if (rc == WAX_OK)
            rc = os_child_recv(&b->child, hello, sizeof hello, os_mono_ms() + START_MS);
        if (rc != WAX_OK || memcmp(hello, BOX_HELLO, 4) != 0) {
            os_child_stop(&b->child);
            return WAX_E_HELPER;
        }
        b->landlock = hello[4];
    }
    *ret_landlock = b->landlock;
    return WAX_OK;
}

static wax_rc answer(struct box *b, uint64_t end, struct buf *ret_record)
{
    uint8_t head[BOX_HEAD];
    wax_rc rc = os_child_recv(&b->child, head, sizeof head, end);
    uint32_t n = rc == WAX_OK ? get_u32(head + 1) : 0;

    if (rc != WAX_OK)
        return rc;
    if (head[0] == BOX_REFUSED && n == 0)
        return WAX_R_PARSE;
    if (head[0] != BOX_TAKEN || n == 0 || n > CONTENT_RECORD_MAX)
        return WAX_E_CRASHED;
    uint8_t *record = buf_extend(ret_record, n);
    return record ? os_child_recv(&b->child, record, n, end) : buf_rc(ret_record);
}

static unsigned patience(const struct box *b)
{
    return os_mono_ms() < b->suspicious ? b->deadline_ms / DEADLINE_SHORT : b->deadline_ms;
}

static wax_rc ask(struct box *b, enum box_kind kind, struct bytes x, struct buf *ret_record)
{
    uint64_t end = os_mono_ms() + patience(b);
    struct buf record = {0};
    uint8_t head[BOX_HEAD];

    b->questions++;
    head[0] = (uint8_t)kind;
    put_u32(head + 1, (uint32_t)x.n);
    wax_rc rc = os_child_send(&b->child, BYTES_OF(head), end);
    if (rc == WAX_OK)
        rc = os_child_send(&b->child, x, end);
    if (rc == WAX_OK)
        rc = answer(b, end, &record);
    if (rc == WAX_OK) {
        buf_bytes(ret_record, buf_view(&record));
        rc = buf_rc(ret_record);
    }
    buf_done(&record);
    if (rc == WAX_OK || rc == WAX_R_PARSE)
        return rc;
    os_child_stop(&b->child); /* whatever it was, it must not answer the next question */
    if (rc == WAX_E_TIMEOUT)
        b->suspicious = os_mono_ms() + SUSPICION_MS;
    return rc == WAX_E_NOMEM ? rc : WAX_E_CRASHED;
}

wax_rc box_content(void *ctx, struct bytes content, struct buf *ret_record)
{
    struct box *b = ctx;
    int landlock;

    if (content.n > CONTENT_MAX)
        return WAX_R_PARSE;
    wax_rc rc = box_start(b, &landlock);
    return rc == WAX_OK ? ask(b, BOX_CONTENT, content, ret_record) : rc;
}
