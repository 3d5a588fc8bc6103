/* The box from the side that asks: with the real helper, and with a double that dies, hangs and
 * lies when it is told to. argv: the real one, the double. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "box/box.h"
#include "box/talk.h"
#include "os/clock.h"
#include "os/file.h"

static const char *real, *doubled;

static void make_text(const char *text, struct buf *ret)
{
    Wax__V1__Content c = WAX__V1__CONTENT__INIT;
    uint8_t conversation[64] = {1};

    c.kind = WAX__V1__KIND__TEXT;
    c.conversation = (ProtobufCBinaryData){64, conversation};
    c.text = (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
    assert_int_equal(proto_pack(&c.base, ret), WAX_OK);
}

/* A text through the box and back. */
static void comes_back(struct box *b, const char *text)
{
    struct buf in = {0}, record = {0};
    Wax__V1__Content *c = NULL;

    make_text(text, &in);
    assert_int_equal(box_content(b, buf_view(&in), &record), WAX_OK);
    assert_int_equal(content_record_decode(buf_view(&record), &c), WAX_OK);
    assert_true(bytes_eq(PB_BYTES(c->text), BYTES_STR(text)));
    content_free(c);
    buf_done(&in);
    buf_done(&record);
}

static struct box *open_box(const char *path, unsigned deadline)
{
    struct box *b = NULL;

    assert_int_equal(box_new(path, deadline, &b), WAX_OK);
    return b;
}

/* Value of a line of /proc/PID/status; the last child when pid is 0. */
static long status_of(long pid, const char *name)
{
    char path[64];
    struct buf b = {0};

    (void)snprintf(path, sizeof path, "/proc/%ld/status", pid);
    if (os_file_read(path, 65536, &b) != WAX_OK)
        return -1;
    const char *line = strstr(buf_cstr(&b), name);
    long value = line ? strtol(line + strlen(name), NULL, 10) : -1;
    buf_done(&b);
    return value;
}

/* The one child of ours. */
static long helper_pid(void)
{
    DIR *d = opendir("/proc");
    long found = 0;

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        long pid = strtol(e->d_name, NULL, 10);
        if (pid > 0 && status_of(pid, "\nPPid:") == (long)getpid()) {
            assert_int_equal(found, 0);
            found = pid;
        }
    }
    closedir(d);
    return found;
}

static void what_is_a_content_comes_back_and_the_rest_is_refused(void **state)
{
    struct box *b = open_box(real, 0);
    struct buf record = {0};
    char *big = calloc(1, 200001);

    (void)state;
    assert_non_null(big);
    memset(big, 'x', 200000);
    comes_back(b, "hello");
    assert_int_equal(box_content(b, BYTES_STR("no content"), &record), WAX_R_PARSE);
    assert_int_equal(box_content(b, BYTES(NULL, 0), &record), WAX_R_PARSE);
    assert_int_equal(record.n, 0);
    long pid = helper_pid();
    comes_back(b, big);
    comes_back(b, "the same process goes on");
    assert_int_equal(helper_pid(), pid);
    free(big);
    box_free(b);
    assert_int_equal(helper_pid(), 0);
}

static void descriptors(long pid, unsigned *ret_n, bool *ret_hidden)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%ld/fd", pid);
    DIR *d = opendir(path);
    *ret_n = 0;
    *ret_hidden = !d && errno == EACCES; /* not dumpable: root alone may look */
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        *ret_n += e->d_name[0] != '.';
    if (d)
        closedir(d);
}

static void the_helper_has_one_socket_and_no_way_out(void **state)
{
    struct box *b = open_box(real, 0);
    int landlock;
    unsigned n;
    bool hidden;

    (void)state;
    assert_int_equal(box_start(b, &landlock), WAX_OK);
    long pid = helper_pid();
    assert_int_equal(status_of(pid, "\nSeccomp:"), 2);
    assert_int_equal(status_of(pid, "\nNoNewPrivs:"), 1);
    descriptors(pid, &n, &hidden);
    assert_true(hidden ? geteuid() != 0 : n == 1);
    box_free(b);
}

static void one_that_died_meanwhile_is_started_again_unnoticed(void **state)
{
    struct box *b = open_box(real, 0);

    (void)state;
    comes_back(b, "one");
    long pid = helper_pid();
    assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
    while (status_of(pid, "\nVmSize:") > 0) /* a zombie has none */
        os_sleep_ms(5);
    comes_back(b, "two");
    assert_true(helper_pid() != pid);
    box_free(b);
}

static void one_that_stands_still_is_killed_when_its_time_is_over(void **state)
{
    struct box *b = open_box(real, 300);
    struct buf in = {0}, record = {0};

    (void)state;
    comes_back(b, "one");
    long pid = helper_pid();
    assert_int_equal(kill((pid_t)pid, SIGSTOP), 0);
    make_text("two", &in);
    assert_int_equal(box_content(b, buf_view(&in), &record), WAX_E_CRASHED);
    assert_int_equal(helper_pid(), 0);
    comes_back(b, "three");
    buf_done(&in);
    box_free(b);
}

static wax_rc say(struct box *b, const char *text)
{
    struct buf record = {0};
    wax_rc rc = box_content(b, BYTES_STR(text), &record);

    if (rc == WAX_OK)
        assert_true(bytes_eq(buf_view(&record), BYTES_STR("fine")));
    else
        assert_int_equal(record.n, 0);
    buf_done(&record);
    return rc;
}

static void whatever_the_helper_does_to_one_the_next_is_well(void **state)
{
    static const char *const deeds[] = {"die", "hang", "half", "lie", "endless"};
    struct box *b = open_box(doubled, 200);

    (void)state;
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        assert_int_equal(say(b, deeds[i]), WAX_E_CRASHED);
        assert_int_equal(helper_pid(), 0);
        assert_int_equal(say(b, "well"), WAX_OK);
    }
    assert_int_equal(say(b, "refuse"), WAX_R_PARSE);
    box_free(b);
}

/* After one time-out, a flood of others costs a tenth each. */
static void a_flood_of_slow_ones_is_cut_short(void **state)
{
    struct box *b = open_box(doubled, 1000);

    (void)state;
    uint64_t start = os_mono_ms();
    for (int i = 0; i < 6; i++)
        assert_int_equal(say(b, "hang"), WAX_E_CRASHED);
    uint64_t took = os_mono_ms() - start;
    assert_true(took >= 1500 && took < 4000);
    box_free(b);
}

static void nothing_of_ours_goes_along(void **state)
{
    struct box *b = open_box(doubled, 5000);
    struct buf record = {0};

    (void)state;
    assert_int_equal(setenv("SECRET", "x", 1), 0);
    assert_int_equal(box_content(b, BYTES_STR("who"), &record), WAX_OK);
    assert_true(bytes_eq(buf_view(&record), BYTES_STR("\1-"))); /* its name, no environment */
    buf_done(&record);
    box_free(b);
}

static void without_a_helper_nothing_is_answered(void **state)
{
    struct box *b = open_box("/nowhere/waxwing-box", 0);
    int landlock;

    (void)state;
    assert_int_equal(say(b, "well"), WAX_E_HELPER);
    assert_int_equal(box_start(b, &landlock), WAX_E_HELPER);
    box_free(b);
    b = open_box("/bin/true", 0); /* something else stands in its place */
    assert_int_equal(say(b, "well"), WAX_E_HELPER);
    box_free(b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_a_content_comes_back_and_the_rest_is_refused),
        cmocka_unit_test(the_helper_has_one_socket_and_no_way_out),
        cmocka_unit_test(one_that_died_meanwhile_is_started_again_unnoticed),
        cmocka_unit_test(one_that_stands_still_is_killed_when_its_time_is_over),
        cmocka_unit_test(whatever_the_helper_does_to_one_the_next_is_well),
        cmocka_unit_test(a_flood_of_slow_ones_is_cut_short),
        cmocka_unit_test(nothing_of_ours_goes_along),
        cmocka_unit_test(without_a_helper_nothing_is_answered),
    };

    if (argc != 3)
        return 1;
    real = argv[1];
    doubled = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
