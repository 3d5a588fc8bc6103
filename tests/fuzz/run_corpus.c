/* Replays a target over the files of its corpus, without changing them: so that seeds and
 * old findings are tried with every compiler, the fuzzer there or not. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_MAX (16U * 1024 * 1024)

/* An exact-size heap copy: a sanitizer sees a read past the end. */
static int run_file(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "rb");

    if (!f || fstat(fileno(f), &st) != 0 || st.st_size < 0 || st.st_size > (off_t)INPUT_MAX) {
        perror(path);
        return -1;
    }
    size_t n = (size_t)st.st_size;
    uint8_t *p = malloc(n ? n : 1);
    int rc = p && fread(p, 1, n, f) == n ? 0 : -1;
    if (rc == 0)
        (void)LLVMFuzzerTestOneInput(p, n);
    free(p);
    (void)fclose(f);
    return rc;
}

int main(int argc, char **argv)
{
    char path[4096];
    size_t runs = 0;

    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        const struct dirent *e;
        while (dir && (e = readdir(dir))) {
            if (e->d_name[0] == '.')
                continue;
            int n = snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            if (n < 0 || (size_t)n >= sizeof path || run_file(path) != 0)
                return 1;
            runs++;
        }
        if (dir)
            (void)closedir(dir);
    }
    printf("%zu inputs\n", runs);
    return runs ? 0 : 1; /* a target without a corpus proves nothing */
}
