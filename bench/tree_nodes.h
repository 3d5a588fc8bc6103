/* The nodes of both trees in memory, encoded as a store would hold them. */
#ifndef BENCH_TREE_NODES_H
#define BENCH_TREE_NODES_H

#include "tree/log.h"
#include "tree/map_build.h"

struct map_nodes;
struct map_nodes *map_nodes_open(void);
void map_nodes_close(struct map_nodes *m);
struct map_store map_nodes_store(struct map_nodes *m);
/* Nodes there, their encoded bytes with the 8 of an id each, and how often one was put. */
size_t map_nodes_live(const struct map_nodes *m);
uint64_t map_nodes_bytes(const struct map_nodes *m);
uint64_t map_nodes_puts(const struct map_nodes *m);

struct log_nodes;
struct log_nodes *log_nodes_open(void);
void log_nodes_close(struct log_nodes *l);
struct log_store log_nodes_store(struct log_nodes *l);
uint64_t log_nodes_puts(const struct log_nodes *l);

#endif
