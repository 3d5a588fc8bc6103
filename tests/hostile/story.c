#include "story.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "front.h"
#include "net/loop.h"
#include "os/clock.h"
#include "os/file.h"

#define WORDS_MAX 24

const struct bound usual = {.cpu_ms = 3000,
                            .wall_ms = 20000,
                            .rss_kib = 128 * 1024,
                            .bytes = 1024 * 1024,
                            .requests = 40,
                            .grown = 1024 * 1024};

const char *at(const char *name)
{
    static char out[4][64];
    static unsigned n;
    char *p = out[n++ % 4];

    (void)snprintf(p, sizeof out[0], "%s@example.org", name);
    return p;
}

/* --- Processes --- */

static void path_of(const struct scene *s, const char *name, char out[192])
{
    (void)snprintf(out, 192, "%s/%s", s->evil.dir, name);
}

static uint64_t size_of_home(const struct scene *s, const char *home)
{
    char dir[192], path[512];
    struct stat st;
    uint64_t sum = 0;

    path_of(s, home, dir);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
    }
    if (d)
        (void)closedir(d);
    return sum;
}

static int file_for(const struct scene *s, const char *name)
{
    char path[192];

    path_of(s, name, path);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void file_into(const struct scene *s, const char *name, struct buf *out)
{
    char path[192];

    path_of(s, name, path);
    buf_reset(out);
    OK(os_file_read(path, 64 * 1024 * 1024, out));
    assert_non_null(buf_cstr(out));
}

/* Starts it; in: a file for standard input, or -1. */
static pid_t spawn(struct scene *s, const char *const *words, int in, const char *out_name,
                   const char *err_name)
{
    int out = file_for(s, out_name), err = file_for(s, err_name);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (in < 0)
            in = open("/dev/null", O_RDONLY);
        (void)dup2(in, STDIN_FILENO);
        (void)dup2(out, STDOUT_FILENO);
        (void)dup2(err, STDERR_FILENO);
        (void)alarm(120); /* nothing here may take that long */
        execv(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    (void)close(out);
    (void)close(err);
    return pid;
}

static void run(struct scene *s, const char *home, const char *const *words)
{
    struct run *r = &s->r;
    struct rusage u;
    int status;
    uint64_t before = size_of_home(s, home), began = os_mono_ms();

    (void)front_bytes(s);
    (void)evil_requests(&s->evil);
    pid_t pid = spawn(s, words, -1, "out", "err");
    assert_int_equal(wait4(pid, &status, 0, &u), pid);
    r->wall_ms = os_mono_ms() - began;
    r->cpu_ms = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
                (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
    r->rss_kib = (uint64_t)u.ru_maxrss;
    r->bytes = front_bytes(s);
    r->requests = evil_requests(&s->evil);
    uint64_t after = size_of_home(s, home);
    r->grown = after > before ? after - before : 0;
    file_into(s, "out", &r->out);
    file_into(s, "err", &r->err);
    if (WIFSIGNALED(status))
        fail_msg("wax ended by signal %d: %s", WTERMSIG(status), buf_cstr(&r->err));
    r->code = WEXITSTATUS(status);
}

int wax(struct scene *s, const char *home, ...)
{
    char dir[192];
    const char *words[WORDS_MAX] = {WAX_PROGRAM, "--json",           "--home",
                                    dir,         "--server-timeout", s->timeout};
    size_t n = 6;
    va_list ap;

    path_of(s, home, dir);
    va_start(ap, home);
    for (const char *w; n < WORDS_MAX - 1 && (w = va_arg(ap, const char *));)
        words[n++] = w;
    va_end(ap);
    words[n] = NULL;
    run(s, home, words);
    print_message(
        "  %s %s: exit %d, %llu ms (processor %llu), %llu KiB, %llu requests, %llu bytes, "
        "home +%llu\n",
        home, words[6], s->r.code, (unsigned long long)s->r.wall_ms,
        (unsigned long long)s->r.cpu_ms, (unsigned long long)s->r.rss_kib,
        (unsigned long long)s->r.requests, (unsigned long long)s->r.bytes,
        (unsigned long long)s->r.grown);
    return s->r.code;
}

/* --- What was printed --- */

static json_t *line_of(const struct scene *s, const char **at_line)
{
    const char *end = strchr(*at_line, '\n');

    (void)s;
    if (!end)
        return NULL;
    json_t *j = json_loadb(*at_line, (size_t)(end - *at_line), 0, NULL);
    *at_line = end + 1;
    assert_non_null(j); /* every line is whole JSON */
    return j;
}

static bool is_a(const json_t *j, const char *type, const char *field, const char *value)
{
    const char *t = json_string_value(json_object_get(j, "type"));
    const char *v = field ? json_string_value(json_object_get(j, field)) : NULL;

    return t && strcmp(t, type) == 0 && (!field || (v && strcmp(v, value) == 0));
}

unsigned printed(const struct scene *s, const char *type, const char *field, const char *value)
{
    const char *p = (const char *)s->r.out.p;
    unsigned n = 0;

    for (json_t *j; p && (j = line_of(s, &p));) {
        n += is_a(j, type, field, value);
        json_decref(j);
    }
    return n;
}

const char *field_of(const struct scene *s, const char *type, unsigned n, const char *field)
{
    static char out[512];
    const char *p = (const char *)s->r.out.p;

    out[0] = 0;
    for (json_t *j; p && (j = line_of(s, &p));) {
        if (is_a(j, type, NULL, NULL) && n-- == 0) {
            const json_t *v = json_object_get(j, field);
            if (json_is_string(v))
                (void)snprintf(out, sizeof out, "%s", json_string_value(v));
            else if (json_is_integer(v))
                (void)snprintf(out, sizeof out, "%lld", (long long)json_integer_value(v));
            json_decref(j);
            return out;
        }
        json_decref(j);
    }
    return out;
}

void is_clean(const struct scene *s)
{
    const struct buf *both[] = {&s->r.out, &s->r.err};

    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < both[i]->n; k++)
            if (both[i]->p[k] && both[i]->p[k] != '\n')
                assert_true(both[i]->p[k] >= 0x20 && both[i]->p[k] != 0x7f);
}

static void within(const char *what, uint64_t value, uint64_t limit)
{
    if (value > limit)
        fail_msg("%s: %llu, not over %llu", what, (unsigned long long)value,
                 (unsigned long long)limit);
}

void cost_at_most(const struct scene *s, const struct bound *b)
{
    within("processor time, ms", s->r.cpu_ms, b->cpu_ms);
    within("time, ms", s->r.wall_ms, b->wall_ms);
    within("memory, KiB", s->r.rss_kib, b->rss_kib);
    within("bytes", s->r.bytes, b->bytes);
    within("requests", s->r.requests, b->requests);
    within("growth of the home", s->r.grown, b->grown);
}

/* --- People --- */

void newcomer(struct scene *s, char name[24])
{
    char url[64];

    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u", front_port(s));
    (void)snprintf(name, 24, "p%u", ++s->n_people);
    if (wax(s, name, "register", at(name), "--server", url, "--ca", s->evil.ca_file,
            "--device-name", name, "--no-recovery", NULL) != 0)
        fail_msg("register: %s", buf_cstr(&s->r.err));
}

static void says(struct scene *s, const char *from, const char *to, const char *text)
{
    if (wax(s, from, "send", at(to), text, NULL) != 0)
        fail_msg("send: %s", buf_cstr(&s->r.err));
    if (wax(s, to, "receive", NULL) != 0)
        fail_msg("receive: %s", buf_cstr(&s->r.err));
    assert_int_equal(printed(s, "message", "text", text), 1);
}

void two_friends(struct scene *s)
{
    newcomer(s, s->ann);
    newcomer(s, s->bob);
    says(s, s->ann, s->bob, "Hello Bob");
    says(s, s->bob, s->ann, "Hello Ann");
}

unsigned times_read(struct scene *s, const char *home, const char *text)
{
    assert_int_equal(wax(s, home, "history", NULL), 0);
    return printed(s, "message", "text", text);
}

void all_is_well(struct scene *s)
{
    char text[64];
    static unsigned n;

    s->timeout = "10s";
    evil_set(&s->evil, NULL);
    front_set(s, NULL);
    (void)snprintf(text, sizeof text, "All is well %u", ++n);
    says(s, s->ann, s->bob, text);
    (void)snprintf(text, sizeof text, "Here, too %u", n);
    says(s, s->bob, s->ann, text);
}

/* --- Linking: two processes and a person between them --- */

/* Waits until the file has a field; false when pid ends before. */
static bool await_field(struct scene *s, const char *file, const char *field, char out[128])
{
    char path[192], want[32];
    struct buf b = {0};
    bool found = false;

    path_of(s, file, path);
    (void)snprintf(want, sizeof want, "\"%s\":\"", field);
    for (int i = 0; i < 600 && !found; i++) {
        OK(os_file_read(path, 1024 * 1024, &b));
        const char *p = b.n ? strstr(buf_cstr(&b), want) : NULL;
        const char *end = p ? strchr(p + strlen(want), '"') : NULL;
        if (end && end - p - (ptrdiff_t)strlen(want) < 128) {
            p += strlen(want);
            memcpy(out, p, (size_t)(end - p));
            out[end - p] = 0;
            found = true;
        } else {
            (void)usleep(20000);
        }
    }
    buf_done(&b);
    return found;
}

static int end_of(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

void try_link(struct scene *s, const char *old, const char *name, int *new_code, int *old_code)
{
    char dir[192], old_dir[192], url[64], link_code[128] = "", code[128] = "", asks_for[128];
    int fds[2];

    path_of(s, name, dir);
    path_of(s, old, old_dir);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u", front_port(s));
    const char *link[] = {
        WAX_PROGRAM, "--json",   "--home", dir,    "--server-timeout", s->timeout,      "link",
        at(old),     "--server", url,      "--ca", s->evil.ca_file,    "--device-name", name,
        "--timeout", "20s",      NULL};
    pid_t new_pid = spawn(s, link, -1, "link.out", "link.err");
    assert_true(await_field(s, "link.out", "link_code", link_code));
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    const char *approve[] = {WAX_PROGRAM, "--json",  "--home",  old_dir, "--server-timeout",
                             s->timeout,  "approve", link_code, NULL};
    pid_t old_pid = spawn(s, approve, fds[0], "approve.out", "approve.err");
    (void)close(fds[0]);
    bool shown = false;
    for (int i = 0; i < 1200 && !shown; i++) { /* the digits, unless one of them gave up */
        struct buf b = {0};
        char path[192];
        path_of(s, "link.out", path);
        OK(os_file_read(path, 1024 * 1024, &b));
        shown = b.n && strstr(buf_cstr(&b), "\"code\":\"");
        buf_done(&b);
        if (waitid(P_PID, (id_t)new_pid, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT) == 0) {
            siginfo_t si = {0};
            (void)waitid(P_PID, (id_t)new_pid, &si, WEXITED | WNOHANG | WNOWAIT);
            siginfo_t so = {0};
            (void)waitid(P_PID, (id_t)old_pid, &so, WEXITED | WNOHANG | WNOWAIT);
            if (si.si_pid || so.si_pid)
                break;
        }
        (void)usleep(20000);
    }
    if (shown && await_field(s, "link.out", "code", code) &&
        await_field(s, "approve.out", "name", asks_for))
        (void)!write(fds[1], strcat(code, "\n"), strlen(code) + 1);
    (void)close(fds[1]);
    *old_code = end_of(old_pid);
    *new_code = end_of(new_pid);
    file_into(s, "link.err", &s->r.err);
    file_into(s, "approve.err", &s->r.out);
    print_message("  link: exit %d %s  approve: exit %d %s\n", *new_code, buf_cstr(&s->r.err),
                  *old_code, buf_cstr(&s->r.out));
}

void link_device(struct scene *s, const char *old, char name[24])
{
    int a, b;

    (void)snprintf(name, 24, "p%u", ++s->n_people);
    try_link(s, old, name, &a, &b);
    assert_int_equal(a, 0);
    assert_int_equal(b, 0);
}

/* --- Scenes --- */

int scene_start(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    assert_non_null(s);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setenv("LC_ALL", "C.UTF-8", 1);
    (void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
    s->timeout = "10s";
    evil_start(&s->evil);
    front_start(s);
    two_friends(s);
    *state = s;
    return 0;
}

int calm(void **state)
{
    struct scene *s = *state;

    s->timeout = "10s";
    evil_clock_off = 0;
    evil_set(&s->evil, NULL);
    front_set(s, NULL);
    front_alpn(s->front, "\x02h2");
    return 0;
}

int scene_stop(void **state)
{
    struct scene *s = *state;
    char command[96];

    front_stop(s);
    evil_stop(&s->evil);
    (void)snprintf(command, sizeof command, "rm -rf %s", s->evil.dir);
    (void)!system(command);
    buf_done(&s->r.out);
    buf_done(&s->r.err);
    free(s);
    return 0;
}

void lie(struct scene *s, const struct ways *w) { evil_set(&s->evil, w); }

void send_three(struct scene *s)
{
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "one", NULL), 0);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "two", NULL), 0);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "three", NULL), 0);
}

void bob_has_read_three(struct scene *s, unsigned times)
{
    assert_int_equal(wax(s, s->bob, "history", NULL), 0);
    assert_int_equal(printed(s, "message", "text", "one"), times);
    assert_int_equal(printed(s, "message", "text", "two"), times);
    assert_int_equal(printed(s, "message", "text", "three"), times);
}
