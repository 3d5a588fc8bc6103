/* os: files that are whole or not there, locks that are exclusive, processes with names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/file.h"
#include "os/process.h"
#include "os/random.h"
#include "os/term.h"

#define OK(call) assert_int_equal((call), WAX_OK)

static char dir[64], path[96];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/wax-os-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/file", dir);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static unsigned entries(void)
{
    DIR *d = opendir(dir);
    unsigned n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    (void)closedir(d);
    return n - 2;
}

static void a_file_is_replaced_as_a_whole_and_private(void **state)
{
    (void)state;
    struct buf b = {0};
    struct stat st;

    OK(os_file_write(path, BYTES_STR("old"), OS_FILE_REPLACE));
    OK(os_file_write(path, BYTES_STR("newer"), OS_FILE_REPLACE));
    OK(os_file_read(path, 5, &b));
    assert_true(bytes_eq(buf_view(&b), BYTES_STR("newer")));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(entries(), 1); /* no temporary file is left */
    buf_done(&b);
}

static void a_new_file_overwrites_nothing(void **state)
{
    (void)state;
    struct buf b = {0};
    char link_path[96];

    OK(os_file_write(path, BYTES_STR("first"), OS_FILE_NEW));
    assert_int_equal(os_file_write(path, BYTES_STR("second"), OS_FILE_NEW), WAX_E_EXISTS);
    OK(os_file_read(path, 100, &b));
    assert_true(bytes_eq(buf_view(&b), BYTES_STR("first")));
    (void)snprintf(link_path, sizeof link_path, "%s/link", dir);
    assert_int_equal(symlink("/nowhere", link_path), 0); /* not through a dangling link either */
    assert_int_equal(os_file_write(link_path, BYTES_STR("x"), OS_FILE_NEW), WAX_E_EXISTS);
    assert_int_equal(entries(), 2);
    buf_done(&b);
}

static void reading_is_capped_and_touches_nothing_on_failure(void **state)
{
    (void)state;
    struct buf b = {0};

    buf_str(&b, "kept");
    OK(os_file_write(path, BYTES_STR("123456"), OS_FILE_REPLACE));
    assert_int_equal(os_file_read(path, 5, &b), WAX_E_TOOBIG);
    assert_int_equal(os_file_read("/nowhere/at/all", 5, &b), WAX_E_NOTFOUND);
    assert_int_equal(os_file_read(dir, 5, &b), WAX_E_IO);
    assert_true(bytes_eq(buf_view(&b), BYTES_STR("kept")));
    assert_int_equal(os_file_write("/nowhere/at/all", BYTES_STR(""), 0), WAX_E_NOTFOUND);
    buf_done(&b);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    char deep[128];
    struct stat st;

    (void)snprintf(deep, sizeof deep, "%s/a/b/c", dir);
    OK(os_mkdir(deep));
    OK(os_mkdir(deep));
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    OK(os_file_write(path, BYTES_STR("x"), 0));
    assert_int_equal(os_mkdir(path), WAX_E_EXISTS);
    assert_true(os_exists(path));
    OK(os_file_remove(path));
    assert_false(os_exists(path));
    assert_int_equal(os_file_remove(path), WAX_E_NOTFOUND);
}

static void a_full_disk_is_told_apart(void **state)
{
    (void)state;
    assert_int_equal(os_rc(ENOSPC), WAX_E_NOSPC);
    assert_int_equal(os_rc(EDQUOT), WAX_E_NOSPC);
    assert_int_equal(os_rc(EIO), WAX_E_IO);
}

static void a_lock_has_one_holder(void **state)
{
    (void)state;
    struct os_lock *a, *b;
    uint64_t since;

    OK(os_lock_open(path, &a));
    OK(os_lock_open(path, &b));
    OK(os_lock_try(a, 0));
    since = os_mono_ms();
    assert_int_equal(os_lock_try(b, 100), WAX_E_BUSY);
    assert_true(os_mono_ms() - since >= 100);
    os_lock_unlock(a);
    OK(os_lock_try(b, 0));
    os_lock_close(b); /* closing lets go too */
    OK(os_lock_try(a, 0));
    os_lock_close(a);
}

static void a_dead_process_holds_no_lock(void **state)
{
    (void)state;
    struct os_lock *l;
    pid_t child = fork();
    int status;

    if (child == 0) {
        if (os_lock_open(path, &l) != WAX_OK || os_lock_try(l, 0) != WAX_OK)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    OK(os_lock_open(path, &l));
    OK(os_lock_try(l, 0));
    os_lock_close(l);
}

static void a_process_is_named_by_pid_and_start(void **state)
{
    (void)state;
    uint64_t own = os_process_start(os_pid());
    pid_t child = fork();
    uint64_t its;

    if (child == 0) {
        (void)pause();
        _exit(0);
    }
    its = os_process_start((uint32_t)child);
    assert_true(own > 0 && its >= own);
    assert_true(os_process_alive((uint32_t)child, its));
    assert_false(os_process_alive((uint32_t)child, its + 1));
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(os_process_alive((uint32_t)child, its));
    assert_int_equal(os_process_start((uint32_t)child), 0);
}

static void a_hardened_process_leaves_no_core(void **state)
{
    (void)state;
    pid_t child = fork();
    struct rlimit r;
    int status;

    if (child == 0) {
        if (os_harden() != WAX_OK || getrlimit(RLIMIT_CORE, &r) != 0 || r.rlim_max != 0)
            _exit(1);
        (void)abort();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_false(WCOREDUMP(status));
}

static void root_becomes_the_owner_of_a_folder_for_good(void **state)
{
    (void)state;
    pid_t child;
    int status;

    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(dir, 12345, 12346), 0);
    child = fork();
    if (child == 0)
        _exit(os_act_as_owner(dir) != WAX_OK || geteuid() != 12345 || getegid() != 12346 ||
              getgroups(0, NULL) != 0 || setuid(0) == 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(chown(dir, 0, 0), 0);
    OK(os_act_as_owner(dir)); /* root's own folder: nothing changes */
    assert_int_equal(geteuid(), 0);
    OK(os_act_as_owner("/nowhere/at/all"));
}

static void the_service_manager_hears_of_it(void **state)
{
    (void)state;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    char got[32] = "";

    os_sd_notify("READY=1"); /* nobody there: nothing happens */
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s/notify", dir);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", sa.sun_path, 1), 0);
    os_sd_notify("READY=1");
    assert_int_equal(recv(fd, got, sizeof got - 1, MSG_DONTWAIT), 7);
    assert_string_equal(got, "READY=1");
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    (void)close(fd);
}

static void randomness_differs_and_clocks_run(void **state)
{
    (void)state;
    uint8_t a[1000] = {0}, b[1000] = {0};
    uint64_t mono = os_mono_ms();

    OK(rng_fill(os_rng(), a, sizeof a));
    OK(rng_fill(os_rng(), b, sizeof b));
    assert_memory_not_equal(a, b, sizeof a);
    assert_false(bytes_all_zero(a + 900, 100));
    os_sleep_ms(20);
    assert_true(os_mono_ms() - mono >= 20);
    assert_true(os_now_ms() > UINT64_C(1700000000000));
}

/* A child on a pseudo-terminal asks for a word without echo and exits with 0 when it got
 * the expected answer; we are the person who types it. seen: all that the terminal shows. */
static int ask_child(const char *type, wax_rc want, const char *word, char seen[256])
{
    size_t n = 0;
    int fd, status;
    pid_t child = forkpty(&fd, NULL, NULL, NULL);

    if (child == 0) {
        struct buf line = {0};
        wax_rc rc = os_term_ask("word? ", true, &line);
        _exit(rc != want || (rc == WAX_OK && !bytes_eq(buf_view(&line), BYTES_STR(word))));
    }
    assert_true(child > 0);
    memset(seen, 0, 256);
    while (n < 255) {
        ssize_t got = read(fd, seen + n, 255 - n);
        if (got <= 0)
            break; /* the child is done */
        n += (size_t)got;
        if (strcmp(seen, "word? ") == 0)
            assert_int_equal(write(fd, type, strlen(type)), strlen(type));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(fd);
    return status;
}

static void a_hidden_answer_is_not_echoed(void **state)
{
    (void)state;
    char seen[256];

    assert_int_equal(ask_child("sesame\n", WAX_OK, "sesame", seen), 0);
    assert_null(strstr(seen, "sesame"));
}

static void a_hidden_question_can_be_left_by_ctrl_c(void **state)
{
    (void)state;
    char seen[256];

    assert_int_equal(ask_child("ses\003", WAX_E_CANCELLED, "", seen), 0);
}

static void a_pipe_is_no_terminal(void **state)
{
    (void)state;
    int fd[2];

    assert_int_equal(pipe(fd), 0);
    assert_false(os_term_is(fd[1]));
    assert_false(os_term_colour(fd[1]));
    assert_int_equal(os_term_columns(fd[1]), 80);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void colour_follows_the_environment(void **state)
{
    (void)state;
    int master, tty;

    assert_int_equal(openpty(&master, &tty, NULL, NULL, NULL), 0);
    assert_int_equal(setenv("TERM", "xterm", 1) | unsetenv("NO_COLOR"), 0);
    assert_true(os_term_colour(tty));
    assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
    assert_false(os_term_colour(tty));
    assert_int_equal(setenv("NO_COLOR", "", 1), 0);
    assert_true(os_term_colour(tty));
    assert_int_equal(setenv("TERM", "dumb", 1), 0);
    assert_false(os_term_colour(tty));
    (void)close(master);
    (void)close(tty);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_replaced_as_a_whole_and_private),
        TEST(a_new_file_overwrites_nothing),
        TEST(reading_is_capped_and_touches_nothing_on_failure),
        TEST(folders_are_made_with_their_parents),
        TEST(a_full_disk_is_told_apart),
        TEST(a_lock_has_one_holder),
        TEST(a_dead_process_holds_no_lock),
        TEST(a_process_is_named_by_pid_and_start),
        TEST(a_hardened_process_leaves_no_core),
        TEST(root_becomes_the_owner_of_a_folder_for_good),
        TEST(the_service_manager_hears_of_it),
        TEST(randomness_differs_and_clocks_run),
        TEST(a_hidden_answer_is_not_echoed),
        TEST(a_hidden_question_can_be_left_by_ctrl_c),
        TEST(a_pipe_is_no_terminal),
        TEST(colour_follows_the_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
