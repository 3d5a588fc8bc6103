#include "request.h"

#include <string.h>

#include "base/mem.h"
#include "measure.h"
#include "os/random.h"
#include "wire/envelope.h"
#include "wire/proto.h"

#define CONTENT_SIZE 200

void envelope_make(const struct user *from, const struct dev_id *to, const uint8_t fanout[16],
                   bool init, struct buf *out)
{
    static const uint8_t ct[KEM1024_CT_SIZE];
    size_t n = payload_pad(P_FIXED + CONTENT_SIZE) + TAG_SIZE;
    struct env_hdr h = {.type = init ? ENV_INIT : ENV_MSG,
                        .from = from->keys.dev,
                        .to = *to,
                        .epoch = init ? 0 : 4};
    struct env_fanout f = {.depth = 1};
    struct buf hdr = {0};
    uint8_t *body = must_alloc(n);

    must(rng_fill(os_rng(), h.sid.b, sizeof h.sid.b), "envelope");
    must(rng_fill(os_rng(), body, n), "envelope");
    h.e = *ec_public(from->keys.dsk);
    if (init)
        h.ct = BYTES(ct, sizeof ct);
    memcpy(f.id.b, fanout, sizeof f.id.b);
    must(env_hdr_encode(&h, &hdr), "envelope");
    must(envelope_encode(buf_view(&hdr), BYTES(body, n), &f, out), "envelope");
    buf_done(&hdr);
    mem_free(body);
}

static ProtobufCBinaryData pb(const void *p, size_t n)
{
    return (ProtobufCBinaryData){n, (uint8_t *)(uintptr_t)p};
}

void request_pack(const struct user *const *accounts, size_t n_accounts, const uint8_t fanout[16],
                  const struct dev_id *devices, const struct buf *envelopes, size_t n,
                  struct buf *out)
{
    Wax__V1__AccountSeq *seq = must_alloc(n_accounts * sizeof *seq);
    Wax__V1__AccountSeq **seqs = must_alloc(n_accounts * sizeof *seqs);
    Wax__V1__DeviceEnvelope *env = must_alloc(n * sizeof *env);
    Wax__V1__DeviceEnvelope **envs = must_alloc(n * sizeof *envs);
    Wax__V1__SendRequest r = WAX__V1__SEND_REQUEST__INIT;

    for (size_t i = 0; i < n_accounts; i++) {
        wax__v1__account_seq__init(&seq[i]);
        seq[i].acct_id = pb(accounts[i]->acct.b, sizeof accounts[i]->acct.b);
        seq[i].seq = 1;
        seqs[i] = &seq[i];
    }
    for (size_t i = 0; i < n; i++) {
        wax__v1__device_envelope__init(&env[i]);
        env[i].dev_id = pb(devices[i].b, sizeof devices[i].b);
        env[i].envelope = pb(envelopes[i].p, envelopes[i].n);
        envs[i] = &env[i];
    }
    r.fanout_id = pb(fanout, 16);
    r.accounts = seqs;
    r.n_accounts = n_accounts;
    r.envelopes = envs;
    r.n_envelopes = n;
    buf_reset(out);
    must(proto_pack(&r.base, out), "request");
    mem_free(seq);
    mem_free(seqs);
    mem_free(env);
    mem_free(envs);
}

void request_make(const struct user *from, const struct user *const *to, size_t n, struct buf *out)
{
    uint8_t fanout[16];
    struct buf envelopes[REQUEST_DEVICES_MAX] = {{0}};
    const struct user *accounts[REQUEST_DEVICES_MAX + 1] = {from};
    struct dev_id devices[REQUEST_DEVICES_MAX];

    if (n > REQUEST_DEVICES_MAX)
        die("too many devices");
    must(rng_fill(os_rng(), fanout, sizeof fanout), "request");
    for (size_t i = 0; i < n; i++) {
        accounts[i + 1] = to[i];
        devices[i] = to[i]->keys.dev;
        envelope_make(from, &devices[i], fanout, false, &envelopes[i]);
    }
    request_pack(accounts, n + 1, fanout, devices, envelopes, n, out);
    for (size_t i = 0; i < n; i++)
        buf_done(&envelopes[i]);
}
