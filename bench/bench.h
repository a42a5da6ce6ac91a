/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the parts of the benchmark: tables, maps of both types, series of samples. */
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
/* Ops between two calls of cond_resched(). */
#define CHUNK		256
/* Writes of each kind per round, and minimum number of walk steps. */
#define WRITES		100000
/* Smaller tables are done too quickly for some timings. */
#define MIN_FILL	1000
/* Smaller tables take too few pages to measure their memory. */
#define MIN_MEMORY	10000

/* An array of keys. */
struct keys {
	char name[NAME_LEN];
	u32 nr;
	u8 *data;
};

/* The entries of a map, and sets of keys to look up in it. */
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

/* Step width that visits each of @nr entries once, in scattered order. */
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
/* Set on wrong results; the remaining measurements still run. */
extern bool bench_failed;
/* Updates retried after -ENOMEM. */
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

/* The parts; the head of each file describes what it measures. */
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

/* Memory in use; @map may be NULL. */
enum { SLABS, OBJECTS, REPORTED, NR_FIGURES };
void bench_memory_now(struct bpf_map *map, u64 bytes[NR_FIGURES]);
void bench_memory_settle(void);

/*
 * Samples of one measurement, from the rounds of a run. The strings must stay
 * valid until they are printed.
 */
void bench_series_add(const char *workload, const char *op, u32 entries, u32 type,
		      u32 cpus, const char *unit, u64 thousandths);
void bench_series_print(void);

static inline void bench_add_time(const struct table *table, const char *op, u32 t,
				  u64 ns, u64 ops)
{
	bench_series_add(table->name, op, table->entries.nr, t, 1, "ns", ns * 1000 / ops);
}

/* In syscall.c, for in-kernel loaders of BPF programs. */
int kern_sys_bpf(int cmd, union bpf_attr *attr, unsigned int size);

/* CPU time of this virtual CPU. */
unsigned long long bench_cpu_ns(void);

#endif
