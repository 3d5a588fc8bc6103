#include "os/sandbox.h"

#include <sys/prctl.h>
#include <sys/resource.h>

static bool cap(int what, rlim_t n)
{
    struct rlimit r = {n, n};

    return setrlimit((__rlimit_resource_t)what, &r) == 0;
}

wax_rc os_limit(size_t memory, unsigned seconds)
{
    bool ok = cap(RLIMIT_CORE, 0) && cap(RLIMIT_FSIZE, 0) && cap(RLIMIT_NOFILE, 0) &&
              cap(RLIMIT_NPROC, 0) && cap(RLIMIT_AS, memory) && cap(RLIMIT_CPU, seconds) &&
              prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
              prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;

    return ok ? WAX_OK : WAX_E_IO;
}
