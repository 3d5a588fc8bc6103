#include "fuzz.h"

#include "base/mem.h"
#include "session/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct peer_sessions *s = mem_alloc(sizeof *s);
    struct bytes in = {p, n};
    struct buf again = {0};

    FUZZ_CHECK(s);
    wax_rc rc = peer_sessions_decode(in, s);
    if (rc == WAX_OK) {
        FUZZ_CHECK(n <= PEER_SESSIONS_MAX);
        (void)session_choose(s);
        FUZZ_CHECK(peer_sessions_encode(s, &again) == WAX_OK);
        fuzz_same(&again, in);
    } else {
        FUZZ_CHECK(rc == WAX_E_DAMAGED || rc == WAX_E_VERSION);
    }
    mem_free_wiped(s, sizeof *s);
    return 0;
}
