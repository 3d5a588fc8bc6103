#include "site.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account/genesis.h"
#include "base/mem.h"
#include "crypto/cert.h"
#include "measure.h"
#include "os/clock.h"
#include "os/random.h"
#include "wire/proto.h"

#define DOMAIN "bench.example"

/* No limits of rate: one machine stands for very many clients. */
static const char limits[] = "\nlogin_per_minute = 0\nlookup_per_minute = 0\n"
                             "send_per_minute = 0\nregister_per_hour = 0\n"
                             "mailbox_max_messages = 10000000\nmailbox_max_bytes = 1000G\n";

static pid_t running; /* ended with this program, however it ends */

static void end_running(void)
{
    if (running > 0)
        (void)kill(running, SIGKILL);
}

/* Starts it with its standard output in *ret_out. */
static pid_t start(const char *const argv[], FILE **ret_out)
{
    int fds[2];

    if (pipe(fds) != 0)
        die("no pipe");
    pid_t pid = fork();
    if (pid < 0)
        die("cannot fork");
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)dup2(fds[1], STDOUT_FILENO);
        (void)close(fds[0]);
        (void)close(fds[1]);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(fds[1]);
    *ret_out = fdopen(fds[0], "r");
    if (!*ret_out)
        die("no memory");
    return pid;
}

static void path_in(const struct site *s, const char *name, char out[320])
{
    (void)snprintf(out, 320, "%s/%s", s->dir, name);
}

static void init(const struct site *s, const char *waxd, const char *data, const char *settings)
{
    const char *const argv[] = {waxd,          "--quiet",        "--data", data,
                                "init",        "--domain",       DOMAIN,   "--listen",
                                "127.0.0.1:0", "--registration", "open",   NULL};
    char path[320];
    FILE *out;
    int status;
    pid_t pid = start(argv, &out);

    while (fgetc(out) != EOF)
        ;
    (void)fclose(out);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        die("waxd init failed");
    path_in(s, "data/waxd.ini", path);
    FILE *ini = fopen(path, "a");
    if (!ini || fputs(settings ? settings : limits, ini) == EOF || fclose(ini) != 0)
        die("cannot write waxd.ini");
}

static void serve(struct site *s, const char *waxd, const char *data)
{
    const char *const argv[] = {waxd, "--quiet", "--data", data, "run", NULL};
    char line[256];
    FILE *out;

    running = s->pid = start(argv, &out);
    (void)atexit(end_running);
    const char *port = fgets(line, sizeof line, out) ? strrchr(line, ':') : NULL;
    if (!port || strncmp(line, "ready ", 6) != 0)
        die("waxd run failed");
    s->port = (unsigned)strtoul(port + 1, NULL, 10);
    /* `out` stays open: the server may write to it as long as it runs. */
}

/* --- Accounts ------------------------------------------------------------------------- */

static void finished(struct h2_call *c) { *(bool *)c->ctx = true; }

static void post(struct h2_loop *l, struct h2_conn *conn, const char *path, const struct buf *body)
{
    bool done = false;
    struct h2_call call = {
        .method = "POST", .path = path, .body = buf_view(body), .done = finished, .ctx = &done};

    h2_submit(conn, &call);
    h2_flush(conn);
    while (!done)
        h2_poll(l, 1000);
    if (call.status < 200 || call.status > 299) {
        fprintf(stderr, "bench: status %d\n", call.status);
        die("the server refuses to register");
    }
}

static void make_user(struct user *u, size_t i, struct buf *request)
{
    struct prekey prekey;
    struct chain_link decoded;
    struct buf link = {0}, hex = {0};
    Wax__V1__RegisterRequest r = WAX__V1__REGISTER_REQUEST__INIT;

    (void)snprintf(u->handle, sizeof u->handle, "bench%02zu@" DOMAIN, i);
    must(device_keys_make(os_rng(), &u->keys), "device");
    struct genesis_in in = {
        .keys = &u->keys, .handle = u->handle, .name = "bench", .now = os_now_ms()};
    must(genesis_make(&in, os_rng(), &link, &prekey), "genesis");
    must(chain_link_decode(buf_view(&link), &decoded), "genesis");
    u->acct = decoded.manifest.acct;
    buf_hex(&hex, BYTES_OF(u->keys.dev.b));
    memcpy(u->device, hex.p, 32);
    must(cert_login(u->keys.dtk, &u->cert), "certificate");
    must(cert_key_pem(u->keys.dtk, &u->key), "certificate");
    r.chain_link = (ProtobufCBinaryData){link.n, link.p};
    r.bundle_record = (ProtobufCBinaryData){sizeof prekey.record, prekey.record};
    must(proto_pack(&r.base, request), "request");
    prekey_done(&prekey);
    buf_done(&link);
    buf_done(&hex);
}

struct h2_loop *site_loop(const struct site *s)
{
    char ca[320];

    path_in(s, "data/ca.pem", ca);
    return h2_new(s->port, ca);
}

struct h2_conn *site_connect(const struct site *s, struct h2_loop *l, size_t user)
{
    const struct user *u = &s->users[user];

    return h2_open(l, buf_view(&u->cert), buf_view(&u->key), u->device);
}

static void register_all(struct site *s)
{
    struct h2_loop *l = site_loop(s);

    for (size_t i = 0; i < s->n_users; i++) {
        struct buf request = {0};
        make_user(&s->users[i], i, &request);
        struct h2_conn *c = site_connect(s, l, i);
        post(l, c, "/v1/accounts", &request);
        h2_close(c);
        buf_done(&request);
    }
    h2_free(l);
}

void site_start(struct site *s, const char *waxd, const char *where, size_t n, const char *settings)
{
    char data[320];

    *s = (struct site){.n_users = n, .users = must_alloc(n * sizeof *s->users)};
    (void)snprintf(s->dir, sizeof s->dir, "%s/bench-XXXXXX", where);
    if (!mkdtemp(s->dir))
        die("cannot make a folder");
    path_in(s, "data", data);
    init(s, waxd, data, settings);
    serve(s, waxd, data);
    register_all(s);
}

void site_stop(struct site *s)
{
    const char *const argv[] = {"/bin/rm", "-rf", s->dir, NULL};
    FILE *out;
    int status;

    (void)kill(s->pid, SIGTERM);
    if (waitpid(s->pid, &status, 0) != s->pid || status != 0)
        die("waxd did not end well");
    running = 0;
    pid_t pid = start(argv, &out);
    (void)fclose(out);
    (void)waitpid(pid, &status, 0);
    for (size_t i = 0; i < s->n_users; i++) {
        device_keys_done(&s->users[i].keys);
        buf_done(&s->users[i].cert);
        buf_done(&s->users[i].key);
    }
    mem_free(s->users);
}

size_t site_memory(const struct site *s)
{
    char path[64], line[128];
    size_t kib = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)s->pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtoul(line + 6, NULL, 10);
    }
    if (f)
        (void)fclose(f);
    if (kib == 0)
        die("cannot read the server's memory");
    return kib;
}
