/* The two filters, by libseccomp, which knows each architecture's calls by name. A name that an
 * older libseccomp does not know, or that an architecture does not have, is left out: it then falls
 * under the default. */
#include "os/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define LOW 0xffffffffULL /* of an int argument */

struct filter {
    scmp_filter_ctx ctx;
    bool failed;
};

static void rule(struct filter *f, uint32_t action, const char *name, unsigned n,
                 const struct scmp_arg_cmp *args)
{
    int call = seccomp_syscall_resolve_name(name);

    if (call == __NR_SCMP_ERROR)
        return;
    int rc = seccomp_rule_add_array(f->ctx, action, call, n, args);
    if (rc != 0 && rc != -EDOM && rc != -EFAULT)
        f->failed = true;
}

static void rules(struct filter *f, uint32_t action, const char *const *names)
{
    for (; *names; names++)
        rule(f, action, *names, 0, NULL);
}

#define KILL SCMP_ACT_KILL_PROCESS
#define ALLOW SCMP_ACT_ALLOW

/* --- The box --- */

static void box_rules(struct filter *f)
{
    static const char *const calls[] = {"brk",          "munmap",     "mremap", "madvise",
                                        "rt_sigreturn", "exit_group", "exit",   NULL};
    const struct scmp_arg_cmp fd0 = SCMP_A0_32(SCMP_CMP_MASKED_EQ, LOW, 0);
    /* Memory that nothing can be run from and no file stands behind. */
    const struct scmp_arg_cmp plain[] = {
        SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
        SCMP_A3_32(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS)};

    rule(f, ALLOW, "read", 1, &fd0);
    rule(f, ALLOW, "write", 1, &fd0);
    rule(f, ALLOW, "mmap", 2, plain);
    rules(f, ALLOW, calls);
}

/* --- The server --- */

/* Descriptors, files (Landlock says which), memory, threads, time, signals. */
static const char *const server_calls[] = {
    /* streams and descriptors */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
    "pwritev2", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "accept",
    "accept4", "shutdown", "getsockopt", "setsockopt", "getsockname", "getpeername", "close",
    "close_range", "dup", "dup2", "dup3", "fcntl", "fcntl64", "lseek", "_llseek", "pipe", "pipe2",
    "eventfd", "eventfd2", "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1",
    "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "socketpair", "sendfile", "splice",
    "timerfd_create", "timerfd_settime", "timerfd_gettime",
    /* files */
    "open", "openat", "openat2", "access", "faccessat", "faccessat2", "stat", "stat64", "lstat",
    "lstat64", "fstat", "fstat64", "newfstatat", "fstatat64", "statx", "statfs", "statfs64",
    "fstatfs", "fstatfs64", "readlink", "readlinkat", "getdents", "getdents64", "getcwd", "rename",
    "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat", "mkdir", "mkdirat", "rmdir",
    "ftruncate", "ftruncate64", "truncate", "fallocate", "fsync", "fdatasync", "sync_file_range",
    "flock", "chmod", "fchmod", "fchmodat", "fchown", "fchown32", "umask", "utimensat", "fadvise64",
    "readahead", "copy_file_range",
    /* memory */
    "brk", "munmap", "mremap", "madvise", "mlock", "mlock2", "munlock", "mlockall", "msync",
    "mincore", "membarrier",
    /* threads and processes: its own only */
    "set_robust_list", "get_robust_list", "set_tid_address", "rseq", "futex", "futex_time64",
    "futex_waitv", "sched_yield", "sched_getaffinity", "getpid", "gettid", "getppid", "getuid",
    "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "getpgrp", "getrlimit",
    "ugetrlimit", "prlimit64", "setrlimit", "getrusage", "sysinfo", "uname", "getcpu", "capget",
    "arch_prctl", "prctl", "exit", "exit_group", "restart_syscall", "wait4", "waitid",
    /* signals */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigsuspend",
    "rt_sigtimedwait", "sigreturn", "sigaltstack", "tgkill", "tkill", "kill", "signalfd4",
    /* time and chance */
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_nanosleep", "clock_nanosleep_time64",
    "nanosleep", "gettimeofday", "time", "times", "getitimer", "getrandom", NULL};

/* What a server that listens already has no use for. */
static const char *const server_kills[] = {
    /* programs and other processes */
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev",
    "process_madvise", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "kcmp",
    /* the network */
    "bind", "connect", "listen",
    /* users and keys */
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid",
    "setgroups", "capset", "add_key", "request_key", "keyctl", "personality",
    /* files of unusual kinds */
    "memfd_create", "memfd_secret", "mknod", "mknodat", "symlink", "symlinkat", "chown", "lchown",
    "fchownat", "setxattr", "lsetxattr", "fsetxattr", "open_by_handle_at", "name_to_handle_at",
    "quotactl",
    /* the system */
    "mount", "umount", "umount2", "move_mount", "open_tree", "fsopen", "fsmount", "pivot_root",
    "chroot", "unshare", "setns", "bpf", "perf_event_open", "userfaultfd", "io_uring_setup",
    "io_uring_enter", "io_uring_register", "init_module", "finit_module", "delete_module",
    "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "acct", "iopl", "ioperm",
    "modify_ldt", "settimeofday", "clock_settime", "adjtimex", "sethostname", "setdomainname",
    "uselib", "lookup_dcookie", "syslog", "vhangup", NULL};

static void server_rules(struct filter *f)
{
    /* sd_notify, and nothing that speaks to a network. */
    const struct scmp_arg_cmp datagram[] = {
        SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX),
        SCMP_A1_32(SCMP_CMP_MASKED_EQ, 0xf, SOCK_DGRAM),
    };
    const struct scmp_arg_cmp thread = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
    const struct scmp_arg_cmp plain = SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    static const char *const memory[] = {"mmap", "mmap2", "mprotect"};
    static const uint32_t ioctls[] = {FIONREAD, FIONBIO, TCGETS};

    rules(f, ALLOW, server_calls);
    rule(f, ALLOW, "socket", 2, datagram);
    /* Threads, and no other processes; clone3 hides its flags, and glibc goes back to clone. */
    rule(f, ALLOW, "clone", 1, &thread);
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        rule(f, ALLOW, memory[i], 1, &plain);
    for (size_t i = 0; i < sizeof ioctls / sizeof *ioctls; i++) {
        const struct scmp_arg_cmp which = SCMP_A1_32(SCMP_CMP_EQ, ioctls[i]);
        rule(f, ALLOW, "ioctl", 1, &which);
    }
    rules(f, KILL, server_kills);
}

/* socket() of any other kind than the one allowed: the allowed one is decided first. */
static void server_sockets(struct filter *f)
{
    const struct scmp_arg_cmp others[] = {SCMP_A0_32(SCMP_CMP_NE, AF_UNIX)};
    const struct scmp_arg_cmp stream[] = {
        SCMP_A0_32(SCMP_CMP_EQ, AF_UNIX),
        SCMP_A1_32(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM),
    };

    rule(f, KILL, "socket", 1, others);
    rule(f, KILL, "socket", 2, stream);
}

wax_rc os_seccomp(enum os_calls which)
{
    struct filter f = {.ctx = seccomp_init(which == OS_CALLS_BOX ? KILL : SCMP_ACT_ERRNO(ENOSYS))};

    if (!f.ctx)
        return WAX_E_NOMEM;
    f.failed = seccomp_attr_set(f.ctx, SCMP_FLTATR_ACT_BADARCH, KILL) != 0 ||
               seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_TSYNC, 1) != 0;
    if (which == OS_CALLS_BOX) {
        box_rules(&f);
    } else {
        server_rules(&f);
        server_sockets(&f);
    }
    wax_rc rc = f.failed ? WAX_E_INVAL : seccomp_load(f.ctx) == 0 ? WAX_OK : WAX_E_NOTFOUND;
    seccomp_release(f.ctx);
    return rc;
}
