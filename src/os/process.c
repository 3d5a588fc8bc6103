#include "os/process.h"

#include <errno.h>
#include <grp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/file.h"

wax_rc os_harden(void)
{
    struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return os_rc(errno);
    return WAX_OK;
}

uint32_t os_pid(void) { return (uint32_t)getpid(); }

/* Field 22 of /proc/PID/stat (proc(5)). Field 2 is the program's name and may hold spaces
 * and parentheses, so counting starts behind the last ')'. */
static uint64_t start_field(const char *stat)
{
    const char *p = strrchr(stat, ')');

    for (int field = 2; p && field < 22; field++) {
        p = strchr(p, ' ');
        if (p)
            p++;
    }
    return p ? strtoull(p, NULL, 10) : 0;
}

uint64_t os_process_start(uint32_t pid)
{
    struct buf b = {0};
    char path[40];
    const char *stat;
    uint64_t start = 0;

    (void)snprintf(path, sizeof path, "/proc/%u/stat", (unsigned)pid);
    if (os_file_read(path, 4096, &b) == WAX_OK) {
        stat = buf_cstr(&b);
        if (stat)
            start = start_field(stat);
    }
    buf_done(&b);
    return start;
}

bool os_process_alive(uint32_t pid, uint64_t start)
{
    return start != 0 && os_process_start(pid) == start;
}

wax_rc os_act_as_owner(const char *dir)
{
    struct stat st;

    if (geteuid() != 0)
        return WAX_OK;
    if (stat(dir, &st) != 0)
        return errno == ENOENT ? WAX_OK : os_rc(errno);
    if (st.st_uid == 0)
        return WAX_OK;
    if (setgroups(0, NULL) != 0 || setgid(st.st_gid) != 0 || setuid(st.st_uid) != 0)
        return os_rc(errno);
    /* There must be no way back. */
    return setuid(0) == 0 ? WAX_E_DENIED : WAX_OK;
}

void os_sd_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = path ? strlen(path) : 0;
    int fd;

    if (n < 2 || n >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, n);
    if (path[0] == '@')
        to.sun_path[0] = 0; /* an abstract name */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* Nobody to tell it to when the manager does not listen. */
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    (void)close(fd);
}
