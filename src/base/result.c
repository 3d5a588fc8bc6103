#include "base/result.h"

#include <stddef.h>
#include <string.h>

static const struct {
    wax_rc rc;
    const char *text;
} texts[] = {
    {WAX_OK, "done"},
    {WAX_E_NOMEM, "out of memory"},
    {WAX_E_CRYPTO, "a crypto library call failed"},
    {WAX_E_RANDOM, "no random bytes"},
    {WAX_E_IO, "input/output error"},
    {WAX_E_NOSPC, "no space left on the disk"},
    {WAX_E_INVAL, "invalid argument"},
    {WAX_E_NOTFOUND, "not found"},
    {WAX_E_EXISTS, "exists already"},
    {WAX_E_CONFLICT, "somebody else was faster"},
    {WAX_E_FULL, "a limit is reached"},
    {WAX_E_BUSY, "in use by another process"},
    {WAX_E_NET, "the server cannot be reached"},
    {WAX_E_TLS, "the server's certificate does not hold"},
    {WAX_E_PROTO, "the server's answer makes no sense"},
    {WAX_E_DENIED, "refused"},
    {WAX_E_DAMAGED, "the local store is damaged"},
    {WAX_E_VERSION, "the store is of a newer version"},
    {WAX_E_TOOBIG, "too large"},
    {WAX_E_TIMEOUT, "time ran out"},
    {WAX_E_WAIT, "cannot be judged yet"},
    {WAX_E_DORMANT, "dormant"},
    {WAX_E_UNLOCKED, "secret memory cannot be locked"},
    {WAX_E_CANCELLED, "cancelled"},
    {WAX_E_CRASHED, "a helper process died"},
    {WAX_E_HELPER, "a helper process cannot be started"},
};

/* In the order of the enum, from WAX_R_PARSE down. */
static const char *const refusals[] = {
    "parse",   "point", "kem",     "wrong_device", "unknown_sender", "signature",    "chain",
    "dates",   "duplicate", "replay", "clone",     "no_key",         "rule",         "gap",
    "mac",     "payload", "content", "conversation", "proof",        "equivocation",
};

const char *rc_refusal(wax_rc rc)
{
    int i = WAX_R_PARSE - (int)rc;

    if (i < 0 || (size_t)i >= sizeof refusals / sizeof *refusals)
        return NULL;
    return refusals[i];
}

wax_rc rc_from_refusal(const char *name)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (strcmp(name, refusals[i]) == 0)
            return (wax_rc)(WAX_R_PARSE - (int)i);
    return WAX_OK;
}

const char *rc_text(wax_rc rc)
{
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].rc == rc)
            return texts[i].text;
    const char *refusal = rc_refusal(rc);
    return refusal ? refusal : "unknown result";
}
