/* POST /v1/directory/daily (PROTOCOL 8.6): what stood in the daily entries of the days asked
 * for. All of the answer is made inside one transaction. */
#include "base/mem.h"
#include "directory/internal.h"

static ProtobufCBinaryData pb_of(const struct buf *b) { return (ProtobufCBinaryData){b->n, b->p}; }

/* One day's part of the reply. index: of its daily entry. */
struct day {
    uint64_t day, index;
    struct log_slot slot;
    struct buf proof;
    struct buf *made;             /* two for each answer: inclusion, absence */
    struct map_opening *openings; /* one for each */
    Wax__V1__DailyAnswer *answers, **list;
    size_t n;
};

struct daily {
    const struct store_log *log;
    const Wax__V1__DailyRequest *request;
    struct checkpoint checkpoint;
    uint8_t record[CHECKPOINT_RECORD];
    struct buf consistency;
    struct day *days;
    size_t n_days;
};

/* The first entry at or after that time: times never decrease. size: there is none. */
static wax_rc first_from(const struct store_log *log, uint64_t size, uint64_t time, uint64_t *ret)
{
    uint64_t low = 0, high = size;

    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        struct log_slot slot;
        wax_rc rc = log_slot_get(log, mid, &slot);
        if (rc != WAX_OK)
            return rc;
        if (slot.entry.time < time)
            low = mid + 1;
        else
            high = mid;
    }
    *ret = low;
    return WAX_OK;
}

static wax_rc path_of(const struct store_log *log, uint64_t index, uint64_t size,
                      struct log_path *ret)
{
    struct log_store hashes = log_hash_store(log);

    return log_prove_inclusion(&hashes, index, size, ret);
}

static wax_rc prove_day(const struct daily *d, struct day *day)
{
    struct daily_proof p = {.index = day->index, .entry = day->slot.entry};
    struct log_path path, before = {.n = 0};
    struct log_slot slot;

    wax_rc rc = path_of(d->log, p.index, d->checkpoint.size, &path);
    if (rc == WAX_OK && p.index > 0) {
        rc = log_slot_get(d->log, p.index - 1, &slot);
        if (rc == WAX_OK)
            rc = path_of(d->log, p.index - 1, d->checkpoint.size, &before);
        if (rc == WAX_OK)
            p.before = slot.entry;
    }
    p.path = log_path_view(&path);
    p.before_path = log_path_view(&before);
    return rc == WAX_OK ? daily_proof_encode(&p, &day->proof) : rc;
}

static wax_rc room_for_answers(const struct daily *d, struct day *day)
{
    size_t n = 0;

    for (size_t i = 0; i < d->request->n_queries; i++)
        n += d->request->queries[i]->day == day->day;
    day->made = mem_calloc(2 * n, sizeof *day->made);
    day->openings = mem_calloc(n, sizeof *day->openings);
    day->answers = mem_calloc(n, sizeof *day->answers);
    day->list = mem_calloc(n, sizeof *day->list);
    return day->made && day->openings && day->answers && day->list ? WAX_OK : WAX_E_NOMEM;
}

/* WAX_E_NOTFOUND: that day has no entry. */
static wax_rc open_day(const struct daily *d, uint64_t number, struct day *ret)
{
    if (number > UINT64_MAX / DAY_MS)
        return WAX_E_NOTFOUND;
    ret->day = number;
    wax_rc rc = first_from(d->log, d->checkpoint.size, number * DAY_MS, &ret->index);
    if (rc == WAX_OK && ret->index == d->checkpoint.size)
        rc = WAX_E_NOTFOUND;
    if (rc == WAX_OK)
        rc = log_slot_get(d->log, ret->index, &ret->slot);
    if (rc == WAX_OK && day_of(ret->slot.entry.time) != number)
        rc = WAX_E_NOTFOUND;
    if (rc == WAX_OK)
        rc = room_for_answers(d, ret);
    return rc == WAX_OK ? prove_day(d, ret) : rc;
}

static void close_day(struct day *day)
{
    for (size_t i = 0; i < 2 * day->n; i++)
        buf_done(&day->made[i]);
    buf_done(&day->proof);
    mem_free(day->made);
    mem_free(day->openings);
    mem_free(day->answers);
    mem_free(day->list);
}

/* The day's part; NULL in *ret: there is no entry of that day. */
static wax_rc day_for(struct daily *d, uint64_t number, struct day **ret)
{
    for (size_t i = 0; i < d->n_days; i++) {
        if (d->days[i].day == number) {
            *ret = &d->days[i];
            return WAX_OK;
        }
    }
    struct day *day = &d->days[d->n_days];
    wax_rc rc = open_day(d, number, day);
    if (rc != WAX_OK) {
        close_day(day);
        *day = (struct day){.day = 0};
        *ret = NULL;
        return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
    }
    d->n_days++;
    *ret = day;
    return WAX_OK;
}

/* Handle and version in the map of that day: inclusion if it is there, absence of the next
 * version if that is not. */
static wax_rc answer(const struct daily *d, struct day *day, const Wax__V1__DailyQuery *q)
{
    Wax__V1__DailyAnswer *a = &day->answers[day->n];
    struct buf *inclusion = &day->made[2 * day->n], *absence = inclusion + 1;
    struct map_ref root = log_slot_root(&day->slot);
    struct store_change change;
    char handle[318] = "";
    bool found = false;

    wax__v1__daily_answer__init(a);
    a->handle = q->handle;
    a->version = q->version;
    if (q->handle.len)
        memcpy(handle, q->handle.data, q->handle.len); /* ≤ 317 by its rule */
    day->list[day->n] = a;
    day->n++;
    wax_rc rc =
        log_prove_version(d->log, &d->checkpoint.log, &root, handle, q->version, &found, inclusion);
    if (rc == WAX_OK && found) {
        rc = d->log->version(d->log->ctx, handle, q->version, &change);
        if (rc == WAX_E_NOTFOUND)
            rc = WAX_E_DAMAGED;
        if (rc != WAX_OK)
            return rc;
        day->openings[day->n - 1] = change.opening;
        a->opening = (ProtobufCBinaryData){sizeof change.opening, day->openings[day->n - 1].b};
        a->inclusion = pb_of(inclusion);
    }
    if (rc == WAX_OK && q->version < UINT32_MAX)
        rc = log_prove_version(d->log, &d->checkpoint.log, &root, handle, q->version + 1, &found,
                               absence);
    if (rc == WAX_OK && !found)
        a->absence_next = pb_of(absence);
    return rc;
}

static wax_rc pack(struct daily *d, struct buf *out)
{
    Wax__V1__DailyReply r = WAX__V1__DAILY_REPLY__INIT;
    Wax__V1__DailyDay *days = mem_calloc(d->n_days + 1, sizeof *days);
    Wax__V1__DailyDay **list = mem_calloc(d->n_days + 1, sizeof *list);
    wax_rc rc = days && list ? WAX_OK : WAX_E_NOMEM;

    for (size_t i = 0; rc == WAX_OK && i < d->n_days; i++) {
        wax__v1__daily_day__init(&days[i]);
        days[i].day = d->days[i].day;
        days[i].daily_proof = pb_of(&d->days[i].proof);
        days[i].answers = d->days[i].list;
        days[i].n_answers = d->days[i].n;
        list[i] = &days[i];
    }
    checkpoint_encode(&d->checkpoint, d->record);
    r.checkpoint_record = (ProtobufCBinaryData){sizeof d->record, d->record};
    r.consistency = pb_of(&d->consistency);
    r.days = list;
    r.n_days = d->n_days;
    if (rc == WAX_OK)
        rc = proto_pack(&r.base, out);
    mem_free(list);
    mem_free(days);
    return rc;
}

/* A job of STORE_LOG_READ. */
static wax_rc make_answer(void *ctx, const struct store_log *log)
{
    struct dir_call *c = ctx;
    const Wax__V1__DailyRequest *request = (const void *)c->msg;
    struct daily d = {.log = log, .request = request};
    struct directory_known known = {request->generation, request->checkpoint_size};
    struct log_state s;

    buf_reset(&c->answer.body);
    d.days = mem_calloc(request->n_queries + 1, sizeof *d.days);
    wax_rc rc = d.days ? log_state_get(log, &s) : WAX_E_NOMEM;
    if (rc == WAX_OK) {
        d.checkpoint = s.checkpoint;
        rc = log_prove_known(log, &d.checkpoint, &known, &d.consistency);
    }
    for (size_t i = 0; rc == WAX_OK && i < request->n_queries; i++) {
        struct day *day = NULL;
        rc = day_for(&d, request->queries[i]->day, &day);
        if (rc == WAX_OK && day)
            rc = answer(&d, day, request->queries[i]);
    }
    if (rc == WAX_OK)
        rc = pack(&d, &c->answer.body);
    for (size_t i = 0; d.days && i < d.n_days; i++)
        close_day(&d.days[i]);
    mem_free(d.days);
    buf_done(&d.consistency);
    return rc;
}

static void answered(struct store_req *req)
{
    struct dir_call *c = req->ctx;
    wax_rc rc = req->rc;

    store_req_done(req);
    call_end(c, rc, rc == WAX_E_NOTFOUND ? "This server has no log yet" : call_refused(rc));
}

void directory_daily(struct directory *d, struct bytes body, uint64_t now, directory_fn fn,
                     void *ctx)
{
    struct dir_call *c = call_new(d, (struct directory_known){0}, now, fn, ctx);

    if (!c)
        return;
    wax_rc rc = call_parse(c, &wax__v1__daily_request__descriptor, body);
    if (rc != WAX_OK) {
        call_end(c, rc, call_refused(rc));
        return;
    }
    c->req.u.log = (struct store_log_run){make_answer, c};
    call_submit(c, STORE_LOG_READ, answered);
}
