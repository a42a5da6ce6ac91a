/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the benchmark share: tables, maps of two types, series of samples. */
#ifndef BENCH_H
#define BENCH_H

#include <linux/bpf.h>
#include <linux/gcd.h>
#include <linux/printk.h>

#undef pr_fmt
#define pr_fmt(fmt) "lpm_bench: " fmt

/* LPM_TRIE and LPM_MTRIE. */
#define NR_TYPES	2
#define MAX_SETS	8
#define NAME_LEN	24
#define VALUE_SIZE	8
#define MAX_KEY_SIZE	(sizeof(struct bpf_lpm_trie_key_u8) + 256)
/* Ops between two chances for others to run. */
#define CHUNK		256
/* Writes of one kind in a round, and steps of a walk at least. */
#define WRITES		100000
/* A smaller table is too short a work for some timings. */
#define MIN_FILL	1000
/* A smaller table takes too few pages to tell how much it takes. */
#define MIN_MEMORY	10000

/* Keys that follow each other. */
struct keys {
	char name[NAME_LEN];
	u32 nr;
	u8 *data;
};

/* A table to fill a map with, and sets of keys to look up in it. */
struct table {
	char name[NAME_LEN];
	u32 key_size;
	struct keys entries;
	u32 nr_sets;
	struct keys sets[MAX_SETS];
	void *file;
};

static inline void *key_at(const struct table *table, const struct keys *keys, u32 i)
{
	return keys->data + (size_t)i * ALIGN(table->key_size, 4);
}

/* Steps of this width visit each of @nr entries once, far from their order. */
static inline u32 scatter_step(u32 nr)
{
	u32 step = 2654435761u % nr;

	while (gcd(step, nr) != 1)
		step++;
	return step;
}

int bench_table_load(struct table *table, const char *path);
void bench_table_free(struct table *table);

enum { TRIE, MTRIE };
extern const u32 bench_types[NR_TYPES];
/* Set when the kernel did what it must not; everything else still runs. */
extern bool bench_failed;
/* Updates that failed with -ENOMEM and were tried again. */
extern unsigned int bench_retries;

#define fail(fmt, ...) do {				\
	pr_err("error: " fmt, ##__VA_ARGS__);		\
	bench_failed = true;					\
} while (0)

int bench_ops_get(u32 t);
struct bpf_map *bench_map_new(u32 t, u32 key_size, u32 max_entries);
struct bpf_map *bench_map_filled(const struct table *table, u32 t);
void bench_map_free(struct bpf_map *map);
long bench_update(struct bpf_map *map, void *key, u64 value, u64 flags);
long bench_delete(struct bpf_map *map, void *key);
u64 bench_lookup(struct bpf_map *map, const struct table *table,
		 const struct keys *keys, u32 from, u32 to);
void bench_run_irq_work(void);
void bench_settle(void);

/* The parts; what each measures is said at the head of its file. */
struct bpf_map *bench_fill(const struct table *table, u32 t);
u64 bench_lookups(struct bpf_map *map, const struct table *table, u32 t);
void bench_writes(struct bpf_map *map, const struct table *table, u32 t);
void bench_free(struct bpf_map *map, const struct table *table, u32 t);
void bench_walk(struct bpf_map *map, const struct table *table, u32 t);
void bench_memory(const struct table *table, u32 t);
void bench_burst(struct bpf_map *map, const struct table *table, u32 t);
void bench_pairs(const struct table *table);
void bench_many_maps(u32 t);
void bench_readers(const struct table *table, u32 rounds);

/* How much memory is in use; @map may be NULL. */
enum { SLABS, OBJECTS, REPORTED, NR_FIGURES };
void bench_memory_now(struct bpf_map *map, u64 bytes[NR_FIGURES]);
void bench_memory_settle(void);

/*
 * Samples of the same thing, from the rounds of a run. The strings must live
 * until it is printed.
 */
void bench_series_add(const char *workload, const char *op, u32 entries, u32 type,
		      u32 cpus, const char *unit, u64 thousandths);
void bench_series_print(void);

static inline void bench_add_time(const struct table *table, const char *op, u32 t,
				  u64 ns, u64 ops)
{
	bench_series_add(table->name, op, table->entries.nr, t, 1, "ns", ns * 1000 / ops);
}

/* In syscall.c, for loaders of BPF programs in the kernel. */
int kern_sys_bpf(int cmd, union bpf_attr *attr, unsigned int size);

/* CPU time of this virtual CPU. */
unsigned long long bench_cpu_ns(void);

#endif
