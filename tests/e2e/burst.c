/* Many messages from one process, by libwax alone: burst HOME TO WORDS FROM COUNT sends
 * "WORDS FROM" … and prints each id as soon as the call has returned. Meant to be killed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wax/wax.h>

int main(int argc, char **argv)
{
    struct wax_error err = {0};
    wax *w = NULL;

    if (argc != 6)
        return WAX_EX_USAGE;
    int from = atoi(argv[4]), end = from + atoi(argv[5]);
    int code = wax_open(&(struct wax_options){.home = argv[1]}, &w, &err);
    for (int i = from; i < end && (code == WAX_EX_OK || code == WAX_EX_QUEUED); i++) {
        struct wax_sent sent = {0};
        char text[4096];
        (void)snprintf(text, sizeof text, "%s %d", argv[3], i);
        struct wax_send_options o = {.to = argv[2], .text = text, .text_len = strlen(text)};
        code = wax_send(w, &o, &sent, &err);
        if (code == WAX_EX_OK || code == WAX_EX_QUEUED) {
            printf("%s\n", sent.id);
            (void)fflush(stdout);
        }
    }
    if (code != WAX_EX_OK && code != WAX_EX_QUEUED)
        fprintf(stderr, "burst: %d %s\n", code, err.detail);
    wax_close(w);
    return code;
}
