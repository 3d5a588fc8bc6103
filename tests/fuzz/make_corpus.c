/* Writes the seed corpora: `make_corpus FOLDER` makes FOLDER/NAME/seed-NN for each target out
 * of the known answers. Run it again when a format changes, and commit what it wrote. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz_api.h"
#include "vec.h"
#include "wire/content_record.h"
#include "wire/envelope.h"
#include "wire/records.h"

static const char *top;
static struct buf seed; /* the seed being composed */

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static void make_folder(const char *path)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        die(path);
}

/* The seed so far becomes a file of that target; a new one is begun. */
static void save(const char *target, size_t number)
{
    char path[4096];

    if (buf_rc(&seed) != WAX_OK)
        die("memory");
    if (snprintf(path, sizeof path, "%s/%s", top, target) >= (int)sizeof path)
        die("path");
    make_folder(path);
    size_t n = strlen(path);
    (void)snprintf(path + n, sizeof path - n, "/seed-%02zu", number);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(seed.p, 1, seed.n, f) != seed.n || fclose(f) != 0)
        die(path);
    buf_reset(&seed);
}

static void save_str(const char *target, size_t number, const char *s)
{
    buf_str(&seed, s);
    save(target, number);
}

static void manifests(void)
{
    json_t *root = vec_load("wax1/manifest.json"), *it;
    size_t i;

    json_array_foreach(vec_get(root, "chain"), i, it)
    {
        vec_hex(it, "chain_link", &seed);
        save("chain_link", i);
        struct buf raw = {0};
        struct chain_link c;
        vec_hex(it, "chain_link", &raw);
        if (chain_link_decode(buf_view(&raw), &c) != WAX_OK)
            die("chain link");
        buf_bytes(&seed, c.record);
        save("manifest", i);
        if (c.n_joins > 0) {
            join_encode(&c.joins[0], &seed);
            save("chain_link", 50 + i);
        }
        buf_done(&raw);
    }
    json_decref(root);
    root = vec_load("wax1/bundle.json");
    vec_hex(root, "record", &seed);
    save("bundle", 0);
    json_decref(root);
}

static void envelopes(void)
{
    json_t *root = vec_load("wax1/fanout-3.json"), *it;
    size_t i;

    json_array_foreach(vec_get(root, "recipients"), i, it)
    {
        vec_hex(it, "envelope", &seed);
        save("envelope", i);
        vec_hex(it, "hdr", &seed);
        save("env_hdr", i);
        buf_u8(&seed, i == 0);
        vec_hex(it, "P", &seed);
        save("payload", i);
    }
    vec_hex(root, "content", &seed);
    save("content", 0);
    json_decref(root);
}

static void links(void)
{
    json_t *root = vec_load("wax1/link.json"), *it;
    size_t i;

    json_array_foreach(vec_get(root, "records"), i, it)
    {
        uint64_t k = vec_u64(it, "step");
        buf_u8(&seed, 0);
        vec_hex(it, "sealed", &seed);
        save("link_record", 10 + i);
        if (k == 1 || k == 2 || k == 5) {
            buf_u8(&seed, (uint8_t)k);
            vec_hex(it, "plain", &seed);
            save("link_record", i);
        }
    }
    save_str("link_code", 0, vec_str(root, "link_code_text"));
    buf_str(&seed, "waxlink:");
    save_str("link_code", 1, vec_str(root, "link_code_text"));
    save_str("base64url", 0, vec_str(root, "link_code_text"));
    json_decref(root);
    root = vec_load("wax1/rollback.json");
    vec_hex(json_array_get(vec_get(root, "records"), 1), "record", &seed);
    save("counter", 0);
    json_decref(root);
}

static void must(wax_rc rc)
{
    if (rc != WAX_OK) {
        fprintf(stderr, "make_corpus: %s\n", rc_text(rc));
        exit(1);
    }
}

static void frames(void)
{
    static const struct fanout_id fanout = {{1}};
    static const struct dev_id to = {{2}};
    struct buf rest = {0};

    buf_u8(&seed, 6);
    must(frame_rest_envelope("ann@example.org", BYTES("envelope", 8), &rest));
    must(frame_encode(FRAME_ENVELOPE, 7, 1000, buf_view(&rest), &seed));
    buf_reset(&rest);
    frame_rest_notice(&fanout, &to, 500, NOTICE_REVOKED, &rest);
    must(frame_encode(FRAME_NOTICE, 8, 1001, buf_view(&rest), &seed));
    must(frame_encode(FRAME_HEARTBEAT, 0, 1002, BYTES(NULL, 0), &seed));
    buf_reset(&rest);
    frame_rest_expired(3, &rest);
    must(frame_encode(FRAME_EXPIRED, 9, 1003, buf_view(&rest), &seed));
    must(frame_encode(FRAME_DRAINED, 9, 1004, BYTES(NULL, 0), &seed));
    must(frame_encode(9, 10, 1005, BYTES("later", 5), &seed));
    save("frames", 0);
    buf_done(&rest);
}

static void text(void)
{
    save_str("handle", 0, "ann@example.org");
    save_str("handle", 1, "Ann.B_c-1@xn--bcher-kva.example");
    save_str("text", 0, "0plain \xc3\xa4 \xe2\x80\xae \x1b[31m \xff\n");
    save_str("text", 1, "1two\nlines\t\xc2\x85 \xf0\x9f\x98\x80");
    save_str("settings", 0, "15m");
    save_str("settings", 1, "256M");
    save_str("settings", 2, "18446744073709551615");
    save_str("base64url", 1, "AAECAw");
}

static uint8_t filler[2048];

/* One body of every type with one of everything in it. */
static ProtobufCMessage *filled(const ProtobufCMessageDescriptor *t);

static size_t filler_size(const ProtobufCFieldDescriptor *f)
{
    static const struct {
        const char *name;
        size_t n;
    } sizes[] = {{"bundle_record", BUNDLE_RECORD},
                 {"bundle_records", BUNDLE_RECORD},
                 {"newer_bundles", BUNDLE_RECORD},
                 {"checkpoint_record", 156},
                 {"cosignatures", 129},
                 {"rotations", 381},
                 {"generations", 256},
                 {"last_entry", 48},
                 {"entry", 48},
                 {"fanout_id", 16},
                 {"dev_id", 16},
                 {"skipped_devs", 16},
                 {"opening", 16},
                 {"blob_id", 16},
                 {"acct_id", 32}};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (strcmp(f->name, sizes[i].name) == 0)
            return sizes[i].n;
    return 5;
}

static void fill_one(const ProtobufCFieldDescriptor *f, void *at)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_BYTES: {
        ProtobufCBinaryData x = {filler_size(f), filler};
        if (strcmp(f->name, "handle") == 0)
            x = (ProtobufCBinaryData){15, (uint8_t *)"ann@example.org"};
        *(ProtobufCBinaryData *)at = x;
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)at = filled(f->descriptor);
        break;
    case PROTOBUF_C_TYPE_UINT64:
        *(uint64_t *)at = 1767225600000;
        break;
    default:
        *(uint32_t *)at = 1;
    }
}

static ProtobufCMessage *filled(const ProtobufCMessageDescriptor *t)
{
    ProtobufCMessage *m = calloc(1, t->sizeof_message);

    if (!m)
        die("memory");
    protobuf_c_message_init(t, m);
    for (unsigned i = 0; i < t->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &t->fields[i];
        uint8_t *at = (uint8_t *)m + f->offset;
        if (f->label != PROTOBUF_C_LABEL_REPEATED) {
            fill_one(f, at);
            continue;
        }
        void *item = calloc(1, sizeof(ProtobufCBinaryData));
        if (!item)
            die("memory");
        fill_one(f, item);
        *(size_t *)((uint8_t *)m + f->quantifier_offset) = 1;
        *(void **)at = item;
    }
    return m; /* lives as long as the program, which ends soon */
}

static void bodies(void)
{
    for (size_t i = 0; i < API_TYPES; i++) {
        ProtobufCMessage *back = NULL;
        buf_u8(&seed, (uint8_t)i);
        must(proto_pack(filled(api_types[i]), &seed));
        /* A seed that is refused at once leads nowhere. */
        must(proto_unpack(api_types[i], BYTES(seed.p + 1, seed.n - 1), API_BODY_MAX, &back));
        proto_free(back);
        save("api", i);
    }
}

static void contents(void)
{
    Wax__V1__Content c = WAX__V1__CONTENT__INIT, *back = NULL;
    Wax__V1__GroupRef g = WAX__V1__GROUP_REF__INIT;
    Wax__V1__Attachment a = WAX__V1__ATTACHMENT__INIT, *as[] = {&a};
    Wax__V1__Receipt r = WAX__V1__RECEIPT__INIT;
    Wax__V1__Sync s = WAX__V1__SYNC__INIT;
    Wax__V1__Pin pin = WAX__V1__PIN__INIT, *pins[] = {&pin};
    ProtobufCBinaryData b16 = {16, filler}, b32 = {32, filler};

    c.kind = WAX__V1__KIND__TEXT;
    c.conversation = g.gid = g.hash = a.key = a.tags_hash = a.sha256 = b32;
    a.blob_id = b16;
    a.name = (ProtobufCBinaryData){5, (uint8_t *)"a.txt"};
    c.group = &g;
    c.n_attachments = 1;
    c.attachments = as;
    r.what = WAX__V1__RECEIPT__WHAT__READ;
    r.n_ids = 1;
    r.ids = &b16;
    c.receipt = &r;
    pin.acct_id = pin.hash = b32;
    pin.handle = (ProtobufCBinaryData){15, (uint8_t *)"ann@example.org"};
    s.n_pins = 1;
    s.pins = pins;
    c.sync = &s;
    c.n_parents = 1;
    c.parents = &b16;
    must(proto_pack(&c.base, &seed));
    must(content_unpack(buf_view(&seed), &back));
    save("content", 1);
    must(content_record_encode(back, &seed));
    content_free(back);
    save("content_record", 1);
    /* A content set aside, as src/client/aside.c lays it out. */
    buf_zero(&seed, 16 + 4 + 4 + 32 + 8 + 1);
    buf_zero(&seed, 32 + 16 + 65 + 16 + 1 + 32 + 64 + 32); /* the statement, but for its content */
    buf_str(&seed, "abc");
    save("client_aside", 0);
}

/* Rows of the vault, composed as the headers of src/account and src/session lay them out. */
static void account_rows(void)
{
    json_t *root = vec_load("wax1/manifest.json");
    const json_t *phone = vec_get(vec_get(root, "secret"), "phone");
    struct buf link = {0};
    struct chain_link c;

    buf_add(&seed, "\0\1", 2);
    vec_hex(phone, "DSK", &seed);
    vec_hex(phone, "DTK", &seed);
    buf_zero(&seed, 32);
    save("account_row", 0);
    vec_hex(json_array_get(vec_get(root, "chain"), 1), "chain_link", &link);
    must(chain_link_decode(buf_view(&link), &c));
    buf_add(&seed, "\2\1\1\0\0\0\5", 7);
    buf_zero(&seed, 16 + 8);
    buf_lp(&seed, c.record);
    buf_zero(&seed, 8 * (size_t)c.manifest.n_devices);
    save("account_row", 2);
    buf_done(&link);
    json_decref(root);
    root = vec_load("wax1/bundle.json");
    buf_add(&seed, "\1\1", 2);
    vec_hex(vec_get(root, "secret"), "SPK", &seed);
    vec_hex(vec_get(root, "secret"), "KPK_seed_d_z", &seed);
    buf_zero(&seed, 8);
    vec_hex(root, "record", &seed);
    save("account_row", 1);
    json_decref(root);
}

static void session_rows(void)
{
    enum { INITIATOR = 1, SEND = 8 };

    buf_u8(&seed, 1);
    buf_zero(&seed, 16 + 1 + 8); /* peer, renew, renewed_at */
    buf_u8(&seed, 1);            /* held */
    buf_zero(&seed, 16);         /* SID */
    buf_u8(&seed, INITIATOR | SEND);
    buf_u64(&seed, 1767225600000);
    buf_zero(&seed, 64); /* T, RK */
    buf_u8(&seed, 1 << 1);
    buf_zero(&seed, 32);        /* one XK started */
    buf_zero(&seed, 4 * 8 + 4); /* times, since_kem */
    buf_zero(&seed, 12 + 32);   /* epoch, ctr, pcl, CK */
    buf_u8(&seed, 4);
    buf_zero(&seed, 64); /* E */
    buf_u16(&seed, KEM1024_CT_SIZE);
    buf_zero(&seed, KEM1024_CT_SIZE + 16 + 16 + 32); /* ct, bundle, continuity */
    buf_u8(&seed, 1);                                /* kept */
    buf_zero(&seed, 16 + 8 + 1);
    save("peer_sessions", 0);
    buf_u8(&seed, 1);
    buf_zero(&seed, 16 + 1 + 8 + 1 + 1);
    save("peer_sessions", 1);
}

/* The directory's proofs and records. */
static void map_proofs(void)
{
    json_t *root = vec_load("wax1/prefix-tree.json"), *it;
    size_t i;

    json_array_foreach(vec_get(root, "leaves"), i, it)
    {
        buf_u8(&seed, 0);
        vec_hex(it, "inclusion", &seed);
        save("map_proof", i);
    }
    json_array_foreach(vec_get(root, "absent"), i, it)
    {
        buf_u8(&seed, 1);
        vec_hex(it, "absence", &seed);
        save("map_proof", 20 + i);
    }
    it = json_array_get(vec_get(root, "leaves"), 0);
    buf_u8(&seed, 1);
    vec_hex(it, "key", &seed);
    vec_hex(it, "value", &seed);
    save("map_node", 0);
    buf_u8(&seed, 0);
    buf_u64(&seed, 1);
    vec_hex(it, "key", &seed);
    buf_zero(&seed, 8 + 32);
    save("map_node", 1);
    json_decref(root);
}

static void log_proofs(void)
{
    json_t *root = vec_load("wax1/log.json"), *it;
    size_t i;

    json_array_foreach(vec_get(root, "inclusion"), i, it) if (i % 11 == 0)
    {
        vec_hex(it, "proof", &seed);
        save("log_proof", i);
    }
    json_array_foreach(vec_get(root, "daily"), i, it)
    {
        vec_hex(it, "proof", &seed);
        save("daily_proof", i);
    }
    buf_u8(&seed, 0);
    vec_hex_value(json_array_get(vec_get(root, "entries"), 1), &seed);
    save("log_record", 0);
    buf_u8(&seed, 1);
    vec_hex_value(json_array_get(vec_get(root, "feed"), 1), &seed);
    save("log_record", 1);
    json_decref(root);
}

static void log_records(void)
{
    static const char *const names[] = {"cosignature", "rotation", "generation"};
    json_t *root = vec_load("wax1/checkpoint.json");
    const json_t *it = json_array_get(vec_get(root, "checkpoints"), 8);

    buf_u8(&seed, 2);
    vec_hex(it, "record", &seed);
    save("log_record", 2);
    buf_u8(&seed, 3);
    vec_hex(it, "in_P", &seed);
    save("log_record", 3);
    for (size_t i = 0; i < 3; i++) {
        buf_u8(&seed, (uint8_t)(4 + i));
        vec_hex(root, names[i], &seed);
        save("log_record", 4 + i);
    }
    buf_u8(&seed, 3);
    buf_zero(&seed, 124);
    save("log_record", 7);
    json_decref(root);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_corpus FOLDER\n");
        return 64;
    }
    top = argv[1];
    make_folder(top);
    manifests();
    envelopes();
    links();
    frames();
    text();
    bodies();
    contents();
    account_rows();
    session_rows();
    map_proofs();
    log_proofs();
    log_records();
    buf_done(&seed);
    return 0;
}
