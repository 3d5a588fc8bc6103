/* A client that looks at the log: it knows the first log key and what it has seen, and takes
 * an answer only if src/tree does. It shares no code with what makes the proofs. */
#ifndef DIRECTORY_WATCHER_H
#define DIRECTORY_WATCHER_H

#include "rig.h"

#include "tree/judge.h"

struct watcher {
    struct log_view view;
    struct lookup_result last; /* of the last answer that held */
};

void watcher_start(struct watcher *w, const struct point *log_key, const char *domain);
/* "PATH?version=V&generation=G&checkpoint=SIZE" of what it knows. */
void watcher_path(const struct watcher *w, const char *path, uint32_t version, char out[512]);
/* A DirectoryReply about that handle; on WAX_OK the checkpoint is the watcher's. */
wax_rc watcher_judge(struct watcher *w, const char *handle, const Wax__V1__DirectoryReply *r);
/* A DailyReply's checkpoint and consistency likewise. */
wax_rc watcher_judge_daily(struct watcher *w, const Wax__V1__DailyReply *r);
/* One answer of it under that day's proof: the person's manifest `version` is there, the next
 * one is not. */
wax_rc watcher_judge_day(const struct watcher *w, const Wax__V1__DailyDay *day,
                         const Wax__V1__DailyAnswer *a, const struct person *p, uint32_t version,
                         uint64_t *ret_index);

#endif
