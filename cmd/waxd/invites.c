/* waxd invite, invites, uninvite. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "invitation.h"
#include "os/clock.h"
#include "store/sqlite.h"

#define USES_MAX 1000000

static void print_json(json_t *j)
{
    char *line = j ? json_dumps(j, JSON_COMPACT) : NULL;

    if (line)
        printf("%s\n", line);
    free(line);
    json_decref(j);
}

static void print_made(const struct app *a, const struct made_invitation *m, uint64_t uses)
{
    char until[32];

    format_time(m->expires, until);
    if (a->json)
        print_json(json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "type", "invite", "id", m->id,
                             "code", m->token, "invitation", m->line, "uses", (json_int_t)uses,
                             "expires_at", until));
    else
        printf("code: %s\ninvitation: %s\n", m->token, m->line);
}

int run_invite(struct app *a, int argc, char **argv)
{
    const char *uses_text = "1", *expire = "24h";
    const struct option_of own[] = {{.name = "uses", .value = &uses_text},
                                    {.name = "expire", .value = &expire},
                                    {.name = NULL}};
    struct made_invitation made;
    struct settings s;
    struct store *store = NULL;
    uint64_t uses, life;
    char **args;
    int code = app_args(a, argc, argv, own, 0, 0, &args);

    if (code != 0)
        return code;
    if (parse_u64(uses_text, &uses) != WAX_OK || uses < 1 || uses > USES_MAX)
        return app_fail(a, EX_USAGE, "usage", "invite: --uses %s is no number from 1 to %d",
                        uses_text, USES_MAX);
    if (parse_duration(expire, &life) != WAX_OK || life == 0 || life > 3660ULL * 86400000)
        return app_fail(a, EX_USAGE, "usage",
                        "invite: --expire %s: a duration looks like 24h or 7d", expire);
    if ((code = app_settings(a, &s)) != 0 || (code = app_store(a, false, &store)) != 0)
        return code;
    code = invitation_make(a, &s, store, (uint32_t)uses, life, &made);
    store_close(store);
    if (code != 0)
        return code;
    print_made(a, &made, uses);
    return app_flush(a);
}

static void print_row(const struct app *a, const struct store_invite *i)
{
    struct buf id = {0};
    char until[32];

    buf_hex(&id, BYTES_OF(i->id));
    format_time(i->expires, until);
    const char *text = buf_cstr(&id);
    if (a->json)
        print_json(json_pack("{s:s, s:s, s:I, s:s}", "type", "invite", "id", text ? text : "",
                             "uses", (json_int_t)i->uses_left, "expires_at", until));
    else
        printf("%s  %" PRIu32 " left  until %s\n", text ? text : "", i->uses_left, until);
    buf_done(&id);
}

int run_invites(struct app *a, int argc, char **argv)
{
    struct store_req req = {.op = STORE_INVITE_LIST};
    struct settings s;
    struct store *store = NULL;
    char **args;
    int code = app_args(a, argc, argv, NULL, 0, 0, &args);

    if (code == 0)
        code = app_settings(a, &s);
    if (code == 0)
        code = app_store(a, false, &store);
    if (code != 0)
        return code;
    req.now = os_now_ms();
    wax_rc rc = store_run(store, &req);
    for (size_t i = 0; rc == WAX_OK && i < req.u.invites.n; i++)
        print_row(a, &req.u.invites.list[i]);
    store_req_done(&req);
    store_close(store);
    if (rc != WAX_OK)
        return app_fail(a, app_code(rc), "invitation", "list the invitations: %s", rc_text(rc));
    return app_flush(a);
}

int run_uninvite(struct app *a, int argc, char **argv)
{
    struct store_req req = {.op = STORE_INVITE_REMOVE};
    struct settings s;
    struct store *store = NULL;
    char **args;
    int code = app_args(a, argc, argv, NULL, 1, 1, &args);

    if (code != 0)
        return code;
    uint8_t *id = req.u.invites.invite.id;
    if (hex_decode(args[0], strlen(args[0]), id, sizeof req.u.invites.invite.id) != WAX_OK)
        return app_fail(a, EX_USAGE, "usage",
                        "uninvite: %s is no id of an invitation; `waxd invites` lists them",
                        args[0]);
    if ((code = app_settings(a, &s)) != 0 || (code = app_store(a, false, &store)) != 0)
        return code;
    req.now = os_now_ms();
    wax_rc rc = store_run(store, &req);
    store_req_done(&req);
    store_close(store);
    if (rc == WAX_E_NOTFOUND)
        return app_fail(a, EX_NOINPUT, "not-found",
                        "withdraw the invitation %s: there is none with this id; `waxd invites` "
                        "lists them",
                        args[0]);
    if (rc != WAX_OK)
        return app_fail(a, app_code(rc), "invitation", "withdraw the invitation %s: %s", args[0],
                        rc_text(rc));
    return 0;
}
