/* cpu_run FILE COMMAND…: runs the command and writes the processor time that it and all its
 * descendants took to FILE, in ms; its exit status is the command's. Fuzzing is measured so,
 * since on a busy machine minutes on the wall say little. Descendants whose parent ends before
 * them (a fork server's) come to this process and are counted too. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static long long ms_of(struct timeval t) { return t.tv_sec * 1000LL + t.tv_usec / 1000; }

/* What the command leaves behind (a stopped child of a fork server) would never end. */
static void end_orphans(void)
{
    FILE *f = fopen("/proc/thread-self/children", "r");
    long pid;

    while (f && fscanf(f, "%ld", &pid) == 1)
        (void)kill((pid_t)pid, SIGKILL);
    if (f)
        (void)fclose(f);
}

static int wait_for_all(pid_t command)
{
    int status = 0, code = -1;
    pid_t pid;

    while ((pid = wait(&status)) > 0 || errno == EINTR) {
        if (pid == command)
            code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (code >= 0)
            end_orphans();
    }
    return code;
}

int main(int argc, char **argv)
{
    struct rusage used;

    if (argc < 3)
        return 64;
    FILE *f = fopen(argv[1], "w");
    if (!f || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
        perror(argv[1]);
        return 74;
    }
    pid_t command = fork();
    if (command == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    if (command < 0) {
        perror("fork");
        return 71;
    }
    int code = wait_for_all(command);
    if (code < 0 || getrusage(RUSAGE_CHILDREN, &used) != 0 ||
        fprintf(f, "%lld\n", ms_of(used.ru_utime) + ms_of(used.ru_stime)) < 0 || fclose(f) != 0)
        return 74;
    return code;
}
