/* First byte: how long a piece is at a time. The rest is a stream, read once whole and once
 * in pieces: both give the same frames and the same end. */
#include "fuzz.h"

#include "wire/records.h"

static void write_again(const struct frame *f, struct bytes raw)
{
    struct buf rest = {0}, again = {0};

    switch (f->type) {
    case FRAME_ENVELOPE:
        FUZZ_CHECK(frame_rest_envelope(f->handle, f->envelope, &rest) == WAX_OK);
        break;
    case FRAME_NOTICE:
        frame_rest_notice(&f->fanout, &f->to, f->accepted_at, f->reason, &rest);
        break;
    case FRAME_EXPIRED:
        frame_rest_expired(f->count, &rest);
        break;
    case FRAME_HEARTBEAT:
    case FRAME_DRAINED:
        break;
    default: /* of a later version: its rest is not kept */
        return;
    }
    FUZZ_CHECK(frame_encode(f->type, f->seq, f->time, buf_view(&rest), &again) == WAX_OK);
    fuzz_same(&again, raw);
    buf_done(&rest);
}

/* Reads what `have` bytes of the stream give, from *at on. */
static wax_rc drain(struct bytes stream, size_t have, size_t *at, size_t *frames)
{
    for (;;) {
        struct bytes in = {stream.p + *at, have - *at}, before = in;
        struct frame f;
        wax_rc rc = frame_next(&in, &f);
        if (rc != WAX_OK) {
            FUZZ_CHECK(rc == WAX_E_WAIT || rc == WAX_R_PARSE);
            FUZZ_CHECK(in.p == before.p && in.n == before.n);
            return rc;
        }
        FUZZ_CHECK(in.n < before.n && in.p + in.n == before.p + before.n);
        write_again(&f, (struct bytes){before.p, before.n - in.n});
        *at += before.n - in.n;
        ++*frames;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    size_t at = 0, frames = 0, at_pieces = 0, frames_pieces = 0;

    if (n == 0)
        return 0;
    struct bytes stream = {p + 1, n - 1};
    size_t piece = 1 + (size_t)p[0];
    wax_rc whole = drain(stream, stream.n, &at, &frames), rc = WAX_E_WAIT;
    for (size_t have = 0; rc == WAX_E_WAIT;) {
        have = stream.n - have < piece ? stream.n : have + piece;
        rc = drain(stream, have, &at_pieces, &frames_pieces);
        if (have == stream.n)
            break;
    }
    FUZZ_CHECK(rc == whole && at == at_pieces && frames == frames_pieces);
    return 0;
}
