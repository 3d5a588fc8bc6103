/* Every allocation fails once, at a frame taken in and at a flush: the call says so, nothing is
 * lost or doubled, and the next try works. */
#include "stage.h"

static unsigned fail_in;

static int fault(size_t n)
{
    (void)n;
    return fail_in && --fail_in == 0;
}

/* The first envelope that waits for d. */
static void first_frame(struct device *d, struct buf *stream, struct frame *f)
{
    assert_int_equal(world_request(d->w, d, "GET", CLIENT_MAILBOX_PATH, BYTES(NULL, 0), stream), 0);
    struct bytes in = buf_view(stream);
    do
        ok(frame_next(&in, f));
    while (f->type != FRAME_ENVELOPE);
}

static void a_frame_survives_want_of_memory(void **state)
{
    bool done = false;

    (void)state;
    for (unsigned k = 1; !done; k++) {
        struct stage s;
        struct buf stream = {0};
        struct frame f;
        bool ack = false;

        stage_open(&s, false);
        say(s.ann, BOB, "hello");
        ok(device_receive(s.bob)); /* ann is known from here on */
        say(s.ann, BOB, "again");
        first_frame(s.bob, &stream, &f);
        fail_in = k;
        mem_set_fault(fault);
        wax_rc rc = client_frame(s.bob->client, &f, &ack);
        mem_set_fault(NULL);
        done = fail_in != 0;
        fail_in = 0;
        if (!done && rc != WAX_OK) {
            assert_int_equal(rc, WAX_E_NOMEM);
            assert_false(ack);
            assert_int_equal(device_count(s.bob, "again"), 0);
        }
        ok(client_frame(s.bob->client, &f, &ack));
        assert_true(ack);
        assert_int_equal(device_count(s.bob, "again"), 1);
        assert_int_equal(alerts(s.bob, "tampered") + alerts(s.bob, "undecryptable"), 0);
        buf_done(&stream);
        stage_close(&s);
        assert_true(k < 2000);
    }
}

/* Only the client's own allocations: those of the server in the same process would be its faults.
 */
static wax_rc without_fault(void *ctx, const char *method, const char *path, struct bytes body,
                            struct transport_reply *reply)
{
    struct transport *real = ctx;

    mem_set_fault(NULL);
    wax_rc rc = real->request(real->ctx, method, path, body, reply);
    mem_set_fault(fault);
    return rc;
}

static void a_flush_survives_want_of_memory(void **state)
{
    bool done = false;

    (void)state;
    for (unsigned k = 1; !done; k++) {
        struct stage s;
        struct hash32 com;

        stage_open(&s, false);
        struct transport real = s.ann->transport;
        s.ann->transport = (struct transport){without_fault, &real};
        ok(device_send(s.ann, BOB, "hello", &com));
        mem_set_fault(NULL);
        fail_in = k;
        mem_set_fault(fault);
        wax_rc rc = client_flush(s.ann->client, NULL, NULL);
        mem_set_fault(NULL);
        done = fail_in != 0;
        fail_in = 0;
        if (!done && rc != WAX_OK)
            assert_int_equal(rc, WAX_E_NOMEM);
        ok(client_flush(s.ann->client, NULL, NULL));
        mem_set_fault(NULL);
        assert_int_equal(waiting(s.ann), 0);
        ok(device_receive(s.bob));
        assert_int_equal(device_count(s.bob, "hello"), 1);
        s.ann->transport = real;
        stage_close(&s);
        assert_true(k < 3000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_survives_want_of_memory),
        cmocka_unit_test(a_flush_survives_want_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
