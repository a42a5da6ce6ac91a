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
/* Ops between two chances for others to run. */
#define CHUNK		256
/* A smaller table is too short a work for some timings. */
#define MIN_FILL	1000

/* Keys that lie one behind the other. */
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
	return keys->data + (size_t)i * table->key_size;
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
struct bpf_map *bench_map_filled(const struct table *table, u32 t);
long bench_update(struct bpf_map *map, void *key, u64 value, u64 flags);
long bench_delete(struct bpf_map *map, void *key);
u64 bench_lookup(struct bpf_map *map, const struct table *table,
		 const struct keys *keys, u32 from, u32 to);
void bench_settle(const struct table *table);
void bench_readers(const struct table *table, u32 rounds);

/* Samples of the same thing, from the rounds of a run. */
void bench_series_add(const char *workload, const char *op, u32 entries, u32 type,
		      u32 cpus, const char *unit, u64 thousandths);
void bench_series_print(void);

/* In syscall.c, for loaders of BPF programs in the kernel. */
int kern_sys_bpf(int cmd, union bpf_attr *attr, unsigned int size);

/* CPU time of this virtual CPU. */
unsigned long long bench_cpu_ns(void);

#endif
