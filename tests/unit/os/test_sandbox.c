/* What a confined process cannot do any more: each try in a child of its own, which must die of it
 * or be refused. The functions are those that the box's helper and waxd call. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/sandbox.h"

static char folder[] = "/tmp/wax-sandbox.XXXXXX";
static char inside[64], outside[] = "/etc/passwd";

/* Runs fn in a child after `confine`: its exit code, or 1000 and the signal that killed it. */
static int child(int (*confine)(void), int (*fn)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        if (confine() != 0)
            _exit(99);
        _exit(fn());
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}
#define KILLED (1000 + SIGSYS)

/* --- The box --- */

static int box(void) { return os_seccomp(OS_CALLS_BOX) != WAX_OK; }

/* By number where libc might take another call. */
static int do_open(void) { return (int)syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0); }
static int do_open_libc(void) { return open("/etc/passwd", O_RDONLY); }
static int do_socket(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static int do_unix_socket(void) { return socket(AF_UNIX, SOCK_STREAM, 0); }
static int do_exec(void) { return execl("/bin/true", "true", (char *)NULL); }
static int do_fork(void) { return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }
static int do_kill(void) { return (int)syscall(SYS_kill, (long)getppid(), 0); }
static int do_trace(void) { return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL); }
static int do_stat(void) { return (int)syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", NULL, 0); }
static int do_other_fd(void) { return (int)write(2, "", 0); }
static int do_uring(void) { return (int)syscall(SYS_io_uring_setup, 1, NULL); }
static int do_run_memory(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) == MAP_FAILED;
}
static int do_protect(void) { return (int)syscall(SYS_mprotect, NULL, 0, PROT_EXEC); }
static int do_prctl(void) { return (int)syscall(SYS_prctl, 4, 1, 0, 0, 0); } /* dumpable again */

static void open_and_socket_in_the_box_kill_it(void **state)
{
    (void)state;
    assert_int_equal(child(box, do_open), KILLED);
    assert_int_equal(child(box, do_open_libc), KILLED);
    assert_int_equal(child(box, do_socket), KILLED);
    assert_int_equal(child(box, do_unix_socket), KILLED);
}

static void so_does_everything_but_computing(void **state)
{
    int (*const tries[])(void) = {do_exec,     do_fork,  do_kill,       do_trace,   do_stat,
                                  do_other_fd, do_uring, do_run_memory, do_protect, do_prctl};

    (void)state;
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
        if (child(box, tries[i]) != KILLED)
            fail_msg("try %zu", i);
}

static int do_work(void)
{
    char buf[4];
    char *p = malloc(1 << 20), *q = p ? realloc(p, 4 << 20) : NULL;

    if (!q)
        return 1;
    memset(q, 1, 4 << 20);
    free(q);
    return read(0, buf, 4) == 4 && write(0, buf, 4) == 4 ? 0 : 2;
}

static void reading_writing_and_memory_stay(void **state)
{
    int ends[2], was = dup(0);
    char back[4];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(write(ends[0], "abcd", 4), 4);
    assert_int_equal(dup2(ends[1], 0), 0);
    assert_int_equal(child(box, do_work), 0);
    assert_int_equal(read(ends[0], back, 4), 4);
    assert_memory_equal(back, "abcd", 4);
    assert_int_equal(dup2(was, 0), 0);
    close(was);
    close(ends[0]);
    close(ends[1]);
}

/* --- Landlock alone --- */

static int abi;

static int nothing(void) { return os_landlock(NULL, 0, &abi) != WAX_OK; }
static int only_folder(void)
{
    const struct os_path paths[] = {{.path = folder, .write = true},
                                    {.path = "/nowhere/at/all", .write = true}};

    return os_landlock(paths, 2, &abi) != WAX_OK;
}
static int only_reading(void)
{
    const struct os_path paths[] = {{.path = folder}};

    return os_landlock(paths, 1, &abi) != WAX_OK;
}

static int errno_of(bool failed) { return failed ? errno : 0; }
static int open_outside(void) { return errno_of(open(outside, O_RDONLY) < 0); }
static int open_inside(void) { return errno_of(open(inside, O_RDONLY) < 0); }
static int write_inside(void) { return errno_of(open(inside, O_WRONLY | O_TRUNC) < 0); }
static int change_inside(void)
{
    char other[80], third[80];
    int fd;

    (void)snprintf(other, sizeof other, "%s/other", folder);
    (void)snprintf(third, sizeof third, "%s/third", folder);
    fd = open(other, O_RDWR | O_CREAT, 0600);
    return errno_of(fd < 0 || write(fd, "x", 1) != 1 || ftruncate(fd, 0) != 0 ||
                    rename(other, third) != 0 || unlink(third) != 0);
}
static int make_outside(void)
{
    return errno_of(open("/tmp/wax-sandbox-x", O_CREAT | O_RDWR, 0600) < 0);
}
static int run_a_program(void) { return errno_of(execl("/bin/true", "true", (char *)NULL) != 0); }
static int reach_out(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return errno_of(connect(fd, (struct sockaddr *)&to, sizeof to) != 0);
}
static int listen_anew(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return errno_of(bind(fd, (struct sockaddr *)&at, sizeof at) != 0);
}
static int signal_the_parent(void) { return errno_of(kill(getppid(), 0) != 0); }
static int which_abi(void) { return abi; }

static void landlock_alone_keeps_files_and_network_away(void **state)
{
    (void)state;
    int version = child(nothing, which_abi);
    if (version == 0) { /* this kernel has none: said, and nothing changed */
        assert_int_equal(child(nothing, open_outside), 0);
        return;
    }
    assert_int_equal(child(nothing, open_outside), EACCES);
    assert_int_equal(child(nothing, open_inside), EACCES);
    assert_int_equal(child(only_folder, open_outside), EACCES);
    assert_int_equal(child(only_folder, make_outside), EACCES);
    assert_int_equal(child(only_folder, run_a_program), EACCES);
    assert_int_equal(child(only_folder, open_inside), 0);
    assert_int_equal(child(only_folder, write_inside), 0);
    assert_int_equal(child(only_folder, change_inside), 0);
    assert_int_equal(child(only_reading, open_inside), 0);
    assert_int_equal(child(only_reading, write_inside), EACCES);
    if (version >= 4) {
        assert_int_equal(child(only_folder, reach_out), EACCES);
        assert_int_equal(child(only_folder, listen_anew), EACCES);
    }
    if (version >= 6)
        assert_int_equal(child(only_folder, signal_the_parent), EPERM);
}

/* --- The server --- */

static int server(void) { return only_folder() || os_seccomp(OS_CALLS_SERVER) != WAX_OK; }

static void *in_a_thread(void *fn)
{
    (void)socket(AF_INET, SOCK_STREAM, 0);
    return fn;
}

/* A thread made before the filter is held by it, too. */
static pthread_barrier_t barrier;
static void *waits_then_tries(void *unused)
{
    (void)pthread_barrier_wait(&barrier);
    return in_a_thread(unused);
}
static int thread_then_server(void)
{
    pthread_t t;

    if (pthread_barrier_init(&barrier, NULL, 2) != 0 ||
        pthread_create(&t, NULL, waits_then_tries, NULL) != 0 || server() != 0)
        return 1;
    (void)pthread_barrier_wait(&barrier);
    (void)pthread_join(t, NULL);
    return 0;
}

static void *does_nothing(void *x) { return x; }
static int new_thread_is_fine(void)
{
    pthread_t t;

    return errno_of(pthread_create(&t, NULL, does_nothing, NULL) != 0 ||
                    pthread_join(t, NULL) != 0);
}
static int tells_the_manager(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "/nowhere"};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return 1;
    (void)sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&to, sizeof to);
    return errno_of(close(fd) != 0);
}
static int become_root(void) { return errno_of(syscall(SYS_setuid, 0) != 0); }
static int get_attribute(void)
{
    return errno_of(syscall(SYS_getxattr, "/", "user.x", NULL, 0) < 0);
}
static int bind_a_socket(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    return errno_of(bind(fd, (struct sockaddr *)&at, sizeof at) != 0);
}
static int run_memory(void) { return errno_of(do_run_memory() != 0); }

static void the_server_reaches_its_folder_and_no_other_file(void **state)
{
    (void)state;
    assert_int_equal(child(server, open_inside), 0);
    assert_int_equal(child(server, change_inside), 0);
    assert_int_equal(child(server, new_thread_is_fine), 0);
    assert_int_equal(child(server, tells_the_manager), 0);
    if (child(nothing, which_abi) > 0) {
        assert_int_equal(child(server, open_outside), EACCES);
        assert_int_equal(child(server, make_outside), EACCES);
    }
}

static void what_only_an_intruder_would_do_kills_the_server(void **state)
{
    (void)state;
    assert_int_equal(child(server, do_socket), KILLED);
    assert_int_equal(child(server, do_unix_socket), KILLED);
    assert_int_equal(child(server, bind_a_socket), KILLED);
    assert_int_equal(child(server, do_exec), KILLED);
    assert_int_equal(child(server, do_trace), KILLED);
    assert_int_equal(child(server, do_uring), KILLED);
    assert_int_equal(child(server, become_root), KILLED);
    assert_int_equal(child(thread_then_server, which_abi), KILLED);
}

static void what_it_does_not_need_is_not_there(void **state)
{
    (void)state;
    assert_int_equal(child(server, get_attribute), ENOSYS);
    assert_int_equal(child(server, run_memory), ENOSYS);
    assert_int_equal(child(server, do_fork) & 0xff, 0xff); /* −1 */
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chmod(folder, 0700) != 0)
        return 1;
    (void)snprintf(inside, sizeof inside, "%s/inside", folder);
    int fd = open(inside, O_CREAT | O_WRONLY, 0600);
    return fd < 0 || close(fd) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(inside) != 0 || rmdir(folder) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_and_socket_in_the_box_kill_it),
        cmocka_unit_test(so_does_everything_but_computing),
        cmocka_unit_test(reading_writing_and_memory_stay),
        cmocka_unit_test(landlock_alone_keeps_files_and_network_away),
        cmocka_unit_test(the_server_reaches_its_folder_and_no_other_file),
        cmocka_unit_test(what_only_an_intruder_would_do_kills_the_server),
        cmocka_unit_test(what_it_does_not_need_is_not_there),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
