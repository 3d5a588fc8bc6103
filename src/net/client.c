#include "net/client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/http.h"
#include "base/mem.h"
#include "net/verify.h"
#include "os/clock.h"

#define CONNECT_MS 10000L
#define TURN_MS 250
/* Of one answer, with those that announce it (1xx): a server could send them for ever. */
#define HEADERS_MAX ((size_t)64 * 1024)
#define ERROR_BODY_MAX ((size_t)64 * 1024)
#define URL_MAX 4096

struct net_client {
    CURLM *multi; /* holds the connections between calls; NULL: none */
    CURL *easy;
    struct curl_slist *headers, *headers_body;
    char *url, *host, *user_agent;
    struct buf ca, cert, key;
    bool (*cancelled)(void *ctx);
    void *cancel_ctx;
    struct net_verdict verdict;
    char curl_error[CURL_ERROR_SIZE];
    char error[512];
    unsigned retry_after;
};

/* What one call gathers. Filled inside curl's callbacks; the callers' own callbacks run
 * outside of them, so that they may use other clients. */
struct call {
    struct net_client *c;
    struct net_reply head; /* without body */
    struct buf in;         /* bytes not handed on yet */
    size_t in_max;
    size_t header_bytes;
    uint64_t heard;
    bool eager; /* look again at once instead of waiting for the network */
    wax_rc rc;
};

static CURLcode global_rc;

static void global_init(void) { global_rc = curl_global_init(CURL_GLOBAL_DEFAULT); }

void net_reply_done(struct net_reply *r)
{
    buf_done(&r->body);
    *r = (struct net_reply){0};
}

const char *net_client_error(const struct net_client *c) { return c->error; }

unsigned net_client_retry_after(const struct net_client *c) { return c->retry_after; }

void net_client_free(struct net_client *c)
{
    if (!c)
        return;
    if (c->easy)
        curl_easy_cleanup(c->easy);
    if (c->multi)
        (void)curl_multi_cleanup(c->multi);
    curl_slist_free_all(c->headers);
    curl_slist_free_all(c->headers_body);
    mem_free(c->url);
    mem_free(c->host);
    mem_free(c->user_agent);
    buf_done(&c->ca);
    buf_done(&c->cert);
    buf_done(&c->key);
    mem_free(c);
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *grown = curl_slist_append(*list, line);

    if (grown)
        *list = grown;
    return grown != NULL;
}

static bool make_headers(struct net_client *c, const char *device)
{
    char line[256];

    if (device) {
        if ((size_t)snprintf(line, sizeof line, "wax-device: %s", device) >= sizeof line ||
            !add_header(&c->headers, line) || !add_header(&c->headers_body, line))
            return false;
    }
    return add_header(&c->headers_body, "content-type: " HTTP_MEDIA_TYPE) &&
           add_header(&c->headers_body, "expect:"); /* no waiting for 100 */
}

/* The host of a URL as certificates name it; NULL: there is none, or no memory. */
static char *host_of(const char *url)
{
    CURLU *u = curl_url();
    char *part = NULL, *ret = NULL;

    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &part, 0) == CURLUE_OK) {
        size_t n = strlen(part);
        bool brackets = n > 2 && part[0] == '[' && part[n - 1] == ']';
        ret = mem_strdup(brackets ? part + 1 : part);
        if (ret && brackets)
            ret[n - 2] = 0;
    }
    curl_free(part);
    curl_url_cleanup(u);
    return ret;
}

wax_rc net_client_new(const struct net_client_conf *conf, struct net_client **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct net_client *c;
    size_t n = strlen(conf->url);

    if (strncmp(conf->url, "https://", 8) != 0 || n > URL_MAX)
        return WAX_E_INVAL;
    (void)pthread_once(&once, global_init);
    if (global_rc != CURLE_OK)
        return WAX_E_NOMEM;
    c = mem_alloc(sizeof *c);
    if (!c)
        return WAX_E_NOMEM;
    c->easy = curl_easy_init();
    c->url = mem_strdup(conf->url);
    c->host = host_of(conf->url);
    c->user_agent = conf->user_agent ? mem_strdup(conf->user_agent) : NULL;
    c->cancelled = conf->cancelled;
    c->cancel_ctx = conf->cancel_ctx;
    buf_bytes(&c->ca, conf->ca_pem);
    buf_bytes(&c->cert, conf->cert_pem);
    buf_bytes(&c->key, conf->key_pem);
    if (!c->easy || !c->url || !c->host || (conf->user_agent && !c->user_agent) || buf_rc(&c->ca) ||
        buf_rc(&c->cert) || buf_rc(&c->key) || !make_headers(c, conf->device)) {
        net_client_free(c);
        return WAX_E_NOMEM;
    }
    if (n > 0 && c->url[n - 1] == '/')
        c->url[n - 1] = 0;
    *ret = c;
    return WAX_OK;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct call *call = ctx;

    n *= size;
    call->heard = os_mono_ms();
    if (call->in.n + n > call->in_max) {
        call->rc = WAX_E_TOOBIG;
        return 0;
    }
    buf_add(&call->in, p, n);
    if (buf_rc(&call->in)) {
        call->rc = buf_rc(&call->in);
        return 0;
    }
    return n;
}

/* The value of the header when it is the one named, without white space around it. */
static bool header_is(const char *line, size_t n, const char *name, char *out, size_t out_size)
{
    size_t m = strlen(name);

    if (n <= m || strncasecmp(line, name, m) != 0 || line[m] != ':')
        return false;
    line += m + 1;
    n -= m + 1;
    while (n > 0 && (*line == ' ' || *line == '\t'))
        line++, n--;
    while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n' || line[n - 1] == ' '))
        n--;
    if (n >= out_size)
        n = out_size - 1;
    memcpy(out, line, n);
    out[n] = 0;
    return true;
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct call *call = ctx;
    char value[96];
    long status = 0;
    time_t date;

    n *= size;
    call->heard = os_mono_ms();
    call->header_bytes += n;
    if (call->header_bytes > HEADERS_MAX) {
        call->rc = WAX_E_PROTO;
        return 0;
    }
    if (n > 5 && strncmp(p, "HTTP/", 5) == 0) {
        if (p[5] != '2') { /* the server agreed to h2 or is none of ours (PROTOCOL 12) */
            call->rc = WAX_E_PROTO;
            return 0;
        }
        (void)curl_easy_getinfo(call->c->easy, CURLINFO_RESPONSE_CODE, &status);
        call->head = (struct net_reply){.status = (int)status};
    } else if (header_is(p, n, "content-type", value, sizeof value)) {
        memcpy(call->head.content_type, value, sizeof value);
    } else if (header_is(p, n, "retry-after", value, sizeof value)) {
        call->head.retry_after = (unsigned)strtoul(value, NULL, 10);
    } else if (header_is(p, n, "date", value, sizeof value)) {
        date = curl_getdate(value, NULL);
        call->head.date_ms = date > 0 ? (uint64_t)date * 1000 : 0;
    }
    return n;
}

static struct curl_blob blob_of(const struct buf *b)
{
    return (struct curl_blob){.data = b->p, .len = b->n, .flags = CURL_BLOB_NOCOPY};
}

#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (!bad && curl_easy_setopt(e, option, value) != CURLE_OK)                                \
            bad = true;                                                                            \
    } while (0)

static CURLcode on_tls(CURL *e, void *tls, void *ctx)
{
    struct net_client *c = ctx;

    (void)e;
    switch (net_verify_watch(tls, c->host, &c->verdict)) {
    case WAX_OK:
        return CURLE_OK;
    case WAX_E_NOMEM:
        return CURLE_OUT_OF_MEMORY;
    default:
        return CURLE_SSL_CONNECT_ERROR;
    }
}

static bool set_tls(struct net_client *c)
{
    CURL *e = c->easy;
    bool bad = false;
    struct curl_blob ca = blob_of(&c->ca), cert = blob_of(&c->cert), key = blob_of(&c->key);

    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSL_CTX_FUNCTION, on_tls);
    SET(CURLOPT_SSL_CTX_DATA, c);
    if (ca.len > 0) {
        /* Without these two the system's roots would count as well. */
        SET(CURLOPT_CAINFO, NULL);
        SET(CURLOPT_CAPATH, NULL);
        SET(CURLOPT_CAINFO_BLOB, &ca);
    }
    if (cert.len > 0 && key.len > 0) {
        SET(CURLOPT_SSLCERTTYPE, "PEM");
        SET(CURLOPT_SSLCERT_BLOB, &cert);
        SET(CURLOPT_SSLKEYTYPE, "PEM");
        SET(CURLOPT_SSLKEY_BLOB, &key);
    }
    return !bad;
}

static bool set_method(CURL *e, const char *method, struct bytes body)
{
    bool bad = false;

    if (strcmp(method, "GET") == 0) {
        SET(CURLOPT_HTTPGET, 1L);
    } else if (strcmp(method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
    } else {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
        SET(CURLOPT_POSTFIELDS, body.n ? (const char *)body.p : "");
        SET(CURLOPT_CUSTOMREQUEST, method);
    }
    return !bad;
}

/* Sets the handle up from scratch: nothing of an earlier call stays. */
static bool set_up(struct call *call, const char *method, const char *path, struct bytes body,
                   unsigned timeout_ms)
{
    struct net_client *c = call->c;
    CURL *e = c->easy;
    struct buf url = {0};
    bool bad = false;

    curl_easy_reset(e);
    c->curl_error[0] = 0;
    buf_printf(&url, "%s%s", c->url, path);
    SET(CURLOPT_URL, buf_cstr(&url));
    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_ERRORBUFFER, c->curl_error);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* a proxy's answer is not the server's */
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, call);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, call);
    SET(CURLOPT_HTTPHEADER, body.n ? c->headers_body : c->headers);
    if (c->user_agent)
        SET(CURLOPT_USERAGENT, c->user_agent);
    if (buf_rc(&url) || !set_tls(c) || !set_method(e, method, body))
        bad = true;
    buf_done(&url);
    return !bad;
}

static wax_rc fail(struct net_client *c, wax_rc rc, const char *what, const char *why)
{
    (void)snprintf(c->error, sizeof c->error, "%s%s%s", what, why && *why ? ": " : "",
                   why ? why : "");
    return rc;
}

static wax_rc from_tls(struct net_client *c, CURLcode code)
{
    if (c->verdict.error != X509_V_OK)
        return fail(c, WAX_E_TLS, "the server's certificate does not hold", c->verdict.text);
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return fail(c, WAX_E_TLS, "the server's certificate does not hold: wrong name",
                    c->curl_error);
    return fail(c, WAX_E_NET, "no secure connection to the server", c->curl_error);
}

/* "Failed to connect to H port P after N ms: Couldn't connect to server": its end says nothing
 * that its beginning did not. */
static void cut_verdict(char *text)
{
    char *last = strstr(text, ": Couldn't connect");

    if (!last)
        last = strstr(text, ": Could not connect");
    if (last)
        *last = 0;
}

/* curl's verdict as ours. */
static wax_rc from_curl(struct call *call, CURLcode code)
{
    struct net_client *c = call->c;
    const char *why = c->curl_error[0] ? c->curl_error : curl_easy_strerror(code);
    curl_off_t connected = 0;

    if (call->rc)
        return fail(c, call->rc, rc_text(call->rc), NULL);
    switch (code) {
    case CURLE_OK:
        return WAX_OK;
    case CURLE_OUT_OF_MEMORY:
        return fail(c, WAX_E_NOMEM, rc_text(WAX_E_NOMEM), NULL);
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return fail(c, WAX_E_INVAL, "a certificate or key of ours cannot be used", why);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
        return from_tls(c, code);
    case CURLE_OPERATION_TIMEDOUT:
        (void)curl_easy_getinfo(c->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
        if (connected == 0)
            return fail(c, WAX_E_NET, "the server cannot be reached", why);
        return fail(c, WAX_E_TIMEOUT, "the server does not answer", why);
    case CURLE_COULDNT_CONNECT:
        cut_verdict(c->curl_error);
        return fail(c, WAX_E_NET, "the server cannot be reached", why);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return fail(c, WAX_E_NET, "the server cannot be reached", why);
    default:
        return fail(c, WAX_E_NET, "the connection to the server broke", why);
    }
}

/* The code of our transfer when it is over. */
static bool is_finished(struct net_client *c, CURLcode *ret)
{
    int left;
    CURLMsg *m;

    while ((m = curl_multi_info_read(c->multi, &left))) {
        if (m->msg == CURLMSG_DONE) {
            *ret = m->data.result;
            return true;
        }
    }
    return false;
}

static bool connections(struct net_client *c)
{
    if (!c->multi) {
        c->multi = curl_multi_init();
        if (c->multi)
            (void)curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, 2L);
    }
    return c->multi != NULL;
}

/* Runs the transfer that `call` describes; turn (may be NULL) is called between curl's
 * turns and may end it. */
static wax_rc run(struct call *call, wax_rc (*turn)(void *ctx), void *turn_ctx)
{
    struct net_client *c = call->c;
    CURLcode code = CURLE_OK;
    wax_rc rc = WAX_OK;
    int running = 1;

    c->error[0] = 0;
    c->retry_after = 0;
    call->heard = os_mono_ms();
    if (!connections(c) || curl_multi_add_handle(c->multi, c->easy) != CURLM_OK)
        return fail(c, WAX_E_NOMEM, rc_text(WAX_E_NOMEM), NULL);
    while (!rc) {
        if (curl_multi_perform(c->multi, &running) != CURLM_OK) {
            rc = fail(c, WAX_E_NET, "the connection to the server broke", NULL);
        } else if (is_finished(c, &code)) {
            rc = from_curl(call, code);
            break;
        } else if (c->cancelled && c->cancelled(c->cancel_ctx)) {
            rc = fail(c, WAX_E_CANCELLED, rc_text(WAX_E_CANCELLED), NULL);
        } else if (turn) {
            rc = turn(turn_ctx);
        }
        if (!rc)
            (void)curl_multi_poll(c->multi, NULL, 0, call->eager ? 0 : TURN_MS, NULL);
    }
    c->retry_after = call->head.retry_after;
    (void)curl_multi_remove_handle(c->multi, c->easy);
    if (rc) {
        /* Hang up for good: a stream given up is else kept open by its connection, and a
         * connection that failed once is not worth another try. */
        (void)curl_multi_cleanup(c->multi);
        c->multi = NULL;
    }
    return rc;
}

wax_rc net_client_request(struct net_client *c, const char *method, const char *path,
                          struct bytes body, unsigned timeout_ms, struct net_reply *ret)
{
    struct call call = {.c = c, .in_max = NET_REPLY_MAX};
    wax_rc rc;

    if (!set_up(&call, method, path, body, timeout_ms))
        return fail(c, WAX_E_NOMEM, rc_text(WAX_E_NOMEM), NULL);
    rc = run(&call, NULL, NULL);
    if (rc) {
        buf_done(&call.in);
        return rc;
    }
    net_reply_done(ret);
    *ret = call.head;
    ret->body = call.in;
    return WAX_OK;
}

struct streaming {
    struct call call;
    const struct net_stream_calls *calls;
    unsigned idle_ms;
    uint64_t turned; /* when on_idle was called last */
    int *ret_status;
};

/* Hands on what has come. Errors of the callbacks end the transfer. */
static wax_rc hand_on(struct streaming *s)
{
    struct buf in = s->call.in;
    wax_rc rc = WAX_OK;

    *s->ret_status = s->call.head.status;
    if (s->call.head.status != 200 || in.n == 0)
        return WAX_OK;
    s->call.in = (struct buf){0};
    rc = s->calls->on_bytes(s->calls->ctx, buf_view(&in));
    buf_reset(&in);
    if (s->call.in.p == NULL)
        s->call.in = in; /* keeps the memory for the next piece */
    else
        buf_done(&in);
    return rc;
}

static wax_rc stream_turn(void *ctx)
{
    struct streaming *s = ctx;
    bool was_eager = s->call.eager, had = s->call.in.n > 0;
    wax_rc rc = hand_on(s);
    uint64_t now = os_mono_ms();

    s->call.eager = had;
    if (!rc && s->calls->on_idle && ((was_eager && !had) || now - s->turned >= TURN_MS)) {
        rc = s->calls->on_idle(s->calls->ctx);
        s->turned = os_mono_ms();
        /* What the callbacks took is not the server's silence. */
        if (s->turned - now > TURN_MS)
            s->call.heard += s->turned - now;
    }
    if (!rc && os_mono_ms() - s->call.heard >= s->idle_ms)
        rc = fail(s->call.c, WAX_E_TIMEOUT, "the server has fallen silent", NULL);
    return rc;
}

wax_rc net_client_stream(struct net_client *c, const char *path,
                         const struct net_stream_calls *calls, unsigned idle_timeout_ms,
                         int *ret_status, struct buf *error_body)
{
    struct streaming s = {
        .call = {.c = c, .in_max = NET_REPLY_MAX},
        .calls = calls,
        .idle_ms = idle_timeout_ms,
        .turned = os_mono_ms(),
        .ret_status = ret_status,
    };
    wax_rc rc;

    *ret_status = 0;
    if (!set_up(&s.call, "GET", path, (struct bytes){0}, 0))
        return fail(c, WAX_E_NOMEM, rc_text(WAX_E_NOMEM), NULL);
    rc = run(&s.call, stream_turn, &s);
    if (!rc)
        rc = hand_on(&s);
    if (!rc && s.call.head.status != 200 && error_body && s.call.in.n <= ERROR_BODY_MAX) {
        buf_done(error_body);
        *error_body = s.call.in;
        s.call.in = (struct buf){0};
    }
    buf_done(&s.call.in);
    return rc;
}
