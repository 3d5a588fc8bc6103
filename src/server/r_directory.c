/* The directory's routes, and PUT /v1/bundle. */
#include "base/text.h"
#include "server/op.h"

#define DAILY_QUERY_BYTES 32 /* of a query, more or less */

/* What WAX_E_DENIED and WAX_E_NOTFOUND mean differs by route. */
static void answer(struct op *op, const struct directory_answer *a, int status, enum problem denied,
                   enum problem missing)
{
    op->busy = false;
    switch (a->rc) {
    case WAX_OK:
        op_answer(op, status, HTTP_MEDIA_TYPE, buf_view(&a->body));
        return;
    case WAX_E_CONFLICT:
        op_answer(op, 409, HTTP_MEDIA_TYPE, buf_view(&a->body));
        return;
    case WAX_E_INVAL:
        op_problem(op, PROBLEM_HANDLE_INVALID, a->what);
        return;
    case WAX_E_EXISTS:
        op_problem(op, PROBLEM_HANDLE_TAKEN, a->what);
        return;
    case WAX_E_DENIED:
        op_problem(op, denied, a->what);
        return;
    case WAX_E_NOTFOUND:
        op_problem(op, missing, a->what);
        return;
    default:
        op_failed(op, a->rc, a->what);
    }
}

/* The checkpoint that the client has, for whatever is answered with a DirectoryReply. */
static bool read_known(struct op *op, struct directory_known *ret)
{
    uint64_t generation, size;

    if (op_number(op, "generation", &generation) != WAX_OK || generation > UINT32_MAX ||
        op_number(op, "checkpoint", &size) != WAX_OK) {
        op_problem(op, PROBLEM_BAD_REQUEST,
                   "The parameters generation (32 bits) and checkpoint (64 bits) are numbers");
        return false;
    }
    *ret = (struct directory_known){(uint32_t)generation, size};
    return true;
}

static void registered(void *ctx, struct directory_answer *a)
{
    answer(ctx, a, 200, PROBLEM_INVITE_INVALID, PROBLEM_UNKNOWN_HANDLE);
}

void run_register(struct op *op)
{
    struct directory_known known;

    if (!op_limit(op, LIMIT_REGISTER) || !read_known(op, &known))
        return;
    op->busy = true;
    directory_register(op->s->directory, buf_view(&op->body), known, op->s->now, registered, op);
}

static void answered(void *ctx, struct directory_answer *a)
{
    answer(ctx, a, 200, PROBLEM_NOT_A_DEVICE, PROBLEM_UNKNOWN_HANDLE);
}

void run_lookup(struct op *op)
{
    struct directory_known known;
    uint64_t version;

    if (!op_limit(op, LIMIT_LOOKUP) || !read_known(op, &known))
        return;
    if (op_number(op, "version", &version) != WAX_OK || version > UINT32_MAX) {
        op_problem(op, PROBLEM_BAD_REQUEST, "The parameter version is no number of 32 bits");
        return;
    }
    op->busy = true;
    directory_lookup(op->s->directory, op->segment, (uint32_t)version, known, op->s->now, answered,
                     op);
}

void run_update(struct op *op)
{
    struct directory_known known;

    if (!op_limit(op, LIMIT_LOOKUP) || !read_known(op, &known))
        return;
    op->busy = true;
    directory_update(op->s->directory, op->segment, buf_view(&op->body),
                     op->logged_in ? &op->login : NULL, known, op->s->now, answered, op);
}

static void checked(void *ctx, struct directory_answer *a)
{
    answer(ctx, a, 200, PROBLEM_NOT_A_DEVICE, PROBLEM_NOT_FOUND);
}

/* As dear as look-ups of all that it asks for; a body of that size holds so many. */
void run_daily(struct op *op)
{
    for (size_t i = 0; i <= op->body.n / DAILY_QUERY_BYTES; i++) {
        if (!op_limit(op, LIMIT_LOOKUP))
            return;
    }
    op->busy = true;
    directory_daily(op->s->directory, buf_view(&op->body), op->s->now, checked, op);
}

static void bundle_put(void *ctx, struct directory_answer *a)
{
    answer(ctx, a, 200, PROBLEM_NOT_A_DEVICE, PROBLEM_NOT_A_DEVICE);
}

void run_bundle(struct op *op)
{
    struct directory_known known;

    if (!op_limit(op, LIMIT_LOGIN) || !read_known(op, &known))
        return;
    op->busy = true;
    directory_bundle(op->s->directory, buf_view(&op->body), &op->login, known, op->s->now,
                     bundle_put, op);
}
