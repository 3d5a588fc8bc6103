#include "fuzz.h"

#include "tree/map_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct bytes in = {p, n};
    uint8_t out[MAP_NODE_MAX];
    struct map_node node;

    wax_rc rc = map_node_decode(in, &node);
    if (rc != WAX_OK) {
        FUZZ_CHECK(rc == WAX_E_DAMAGED); /* our own store, not a peer's bytes */
        return 0;
    }
    size_t size = map_node_encode(&node, out);
    FUZZ_CHECK(size == n && memcmp(out, p, n) == 0);
    return 0;
}
