/* The store that all front ends of a world share: the memory twin, or SQLite on a simulated disk;
 * and each front end's door to it. */
#ifndef SCENARIO_ENGINE_H
#define SCENARIO_ENGINE_H

#include "store/store.h"

struct world;

enum engine_kind { ENGINE_MEMORY, ENGINE_SQLITE };
struct engine;

struct engine *engine_new(struct world *w, enum engine_kind kind);
void engine_free(struct engine *e);
/* Carries out one request and leaves its `done` to the caller. */
void engine_run(struct engine *e, struct store_req *req);
/* Whether its disk has died under it: then engine_crash is due. */
bool engine_dead(const struct engine *e);
/* The process ends and the store is opened again; power: what was not synced may be gone. */
void engine_crash(struct engine *e, bool power);
/* The disk dies at the n-th write or sync from now (0: off); memory: never. */
void engine_disk_dies(struct engine *e, unsigned nth);
/* The next n writes find no space (SQLite only). */
void engine_disk_full(struct engine *e, unsigned n);

/* --- Doors --- */

struct door;
struct door *door_new(struct engine *e);
struct store *door_store(struct door *d);
/* Runs up to max requests, oldest first (0: all); each one's `done` is called. */
unsigned door_pump(struct door *d, unsigned max);
/* The process behind it dies: the first n of what waits is still carried out, with nobody left to
 * hear of it; the rest is not. */
void door_crash(struct door *d, unsigned n);
void door_free(struct door *d);

#endif
