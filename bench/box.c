/* What the box costs: its start, and a content that goes through it, beside the same content taken
 * apart in this process. Wall-clock time, since two processes take turns. usage: bench-box HELPER
 */
#include "box/box.h"
#include "box/talk.h"
#include "measure.h"

#define STARTS 50
#define ROUNDS 2000
#define TEXT 1000 /* bytes: a content of 1 KiB or so */

static double quickest(const double *v, size_t n)
{
    double least = v[0];

    for (size_t i = 1; i < n; i++)
        least = v[i] < least ? v[i] : least;
    return least;
}

static void make_content(struct buf *out)
{
    static uint8_t text[TEXT], conversation[64] = {1};
    Wax__V1__Content c = WAX__V1__CONTENT__INIT;

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = 'a';
    c.kind = WAX__V1__KIND__TEXT;
    c.conversation = (ProtobufCBinaryData){sizeof conversation, conversation};
    c.text = (ProtobufCBinaryData){sizeof text, text};
    must(proto_pack(&c.base, out), "content");
}

static void starts(const char *helper)
{
    double ms[STARTS];
    int landlock;

    for (size_t i = 0; i < STARTS; i++) {
        struct box *b = NULL;
        must(box_new(helper, 0, &b), "box");
        uint64_t from = wall_ns();
        must(box_start(b, &landlock), "start");
        ms[i] = (double)(wall_ns() - from) / 1e6;
        box_free(b);
    }
    figure_print(
        &(struct figure){.name = "box_start", .unit = "ms", .value = quickest(ms, STARTS)});
}

static double through(struct box *b, struct bytes content)
{
    struct buf record = {0};
    Wax__V1__Content *c = NULL;
    uint64_t from = wall_ns();

    must(box_content(b, content, &record), "through the box");
    must(content_record_decode(buf_view(&record), &c), "record");
    double us = (double)(wall_ns() - from) / 1e3;
    content_free(c);
    buf_done(&record);
    return us;
}

static double here(struct bytes content)
{
    Wax__V1__Content *c = NULL;
    uint64_t from = wall_ns();

    must(content_unpack(content, &c), "in this process");
    double us = (double)(wall_ns() - from) / 1e3;
    content_free(c);
    return us;
}

int main(int argc, char **argv)
{
    static double boxed[ROUNDS], plain[ROUNDS];
    struct box *b = NULL;
    struct buf content = {0};

    if (argc != 2)
        die("usage: bench-box HELPER");
    starts(argv[1]);
    make_content(&content);
    must(box_new(argv[1], 0, &b), "box");
    (void)through(b, buf_view(&content));
    for (size_t i = 0; i < ROUNDS; i++) {
        boxed[i] = through(b, buf_view(&content));
        plain[i] = here(buf_view(&content));
    }
    figure_print(&(struct figure){.name = "box_content",
                                  .unit = "us",
                                  .value = quickest(boxed, ROUNDS),
                                  .floor = quickest(plain, ROUNDS)});
    box_free(b);
    buf_done(&content);
    return 0;
}
