/* Where the box's helper is: never by environment or $PATH, which whoever starts us might have
 * set, but from where this library itself was loaded. */
#include "lib/internal.h"

#include <stdio.h>

#include "os/child.h"

/* The installed place, from the library's folder (set by meson.build); and in a build folder,
 * whose src/lib holds the library. */
#define BUILT "../box"
#define BUILT_LIB "/src/lib"
#define NAME "waxwing-box"

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);

    return n >= k && strcmp(s + n - k, end) == 0;
}

static wax_rc helper_path(char *out, size_t cap)
{
    static const char here;
    char folder[PATH_MAX];
    wax_rc rc = os_folder_of(&here, folder, sizeof folder);

    if (rc != WAX_OK)
        return WAX_E_HELPER;
    int n = snprintf(out, cap, "%s/%s/%s", folder, WAX_BOX_FOLDER, NAME);
    if (n > 0 && (size_t)n < cap && !os_exists(out) && ends_with(folder, BUILT_LIB))
        n = snprintf(out, cap, "%s/%s/%s", folder, BUILT, NAME);
    return n > 0 && (size_t)n < cap ? WAX_OK : WAX_E_HELPER;
}

wax_rc lib_box_open(struct wax *w)
{
    char path[PATH_MAX];
    wax_rc rc = helper_path(path, sizeof path);

    if (rc == WAX_OK)
        rc = box_new(path, 0, &w->box);
    if (rc == WAX_OK)
        w->decoder = (struct decoder){box_content, w->box};
    return rc;
}

const char *lib_box_state(struct wax *w)
{
    int landlock;

    if (box_start(w->box, &landlock) != WAX_OK)
        return "missing";
    return landlock ? "landlock" : "seccomp";
}
