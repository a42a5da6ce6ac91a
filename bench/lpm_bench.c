// SPDX-License-Identifier: GPL-2.0
/*
 * Times the ops of LPM_TRIE and LPM_MTRIE maps, as the kernel calls them
 *
 * For each table under /bench, rounds of: fill a map of each type, look keys
 * up, walk all keys, replace, delete, insert, free. The types take turns
 * within a round, in changing order, in a kthread on CPU 0. At the end
 * readers run on one and two CPUs, with and without a writer.
 */
#include <linux/bpf.h>
#include <linux/completion.h>
#include <linux/init.h>
#include <linux/initrd.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/reboot.h>
#include <linux/vmstat.h>

/* struct slabinfo */
#include "../../../mm/slab.h"
#include "bench.h"

/* Writes of one kind in a round, and steps of a walk at least. */
#define WRITES		100000
#define MIN_WRITES	100
#define MIN_SLAB	100000
static unsigned int rounds = 5;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "how often each timing is repeated");

/* What lookups found, by type: the sums of the values. */
static u64 found[NR_TYPES];

static u64 lookup_all(struct bpf_map *map, const struct table *table,
		      const struct keys *keys)
{
	u64 sum = 0;

	for (u32 i = 0; i < keys->nr; i += CHUNK) {
		sum += bench_lookup(map, table, keys, i, min(i + CHUNK, keys->nr));
		cond_resched();
	}
	return sum;
}

/* Slabs, and what is too large for them. */
static u64 memory_bytes(void)
{
	return (u64)(global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
		     global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B) +
		     global_node_page_state_pages(NR_VMALLOC)) << PAGE_SHIFT;
}

/* The same, of slabs only the objects that are in use. */
static u64 object_bytes(void)
{
	u64 sum = (u64)global_node_page_state_pages(NR_VMALLOC) << PAGE_SHIFT;
	struct slabinfo info = {};
	struct kmem_cache *cache;

	mutex_lock(&slab_mutex);
	list_for_each_entry(cache, &slab_caches, list) {
		get_slabinfo(cache, &info);
		sum += (u64)info.active_objs * cache->size;
	}
	mutex_unlock(&slab_mutex);
	return sum;
}

/* What is measured of memory: slabs, their objects in use, what a map says. */
#define NR_MEMORY	3

static void measure_memory(struct bpf_map *map, u64 bytes[NR_MEMORY])
{
	bytes[0] = memory_bytes();
	bytes[1] = object_bytes();
	bytes[2] = map ? map->ops->map_mem_usage(map) : 0;
}

/* How much there is more of it in @more than in @less, by @nr entries. */
static void add_memory(const struct table *table, u32 t, const char * const names[NR_MEMORY],
		       const u64 more[NR_MEMORY], const u64 less[NR_MEMORY], u32 nr)
{
	for (u32 i = 0; i < NR_MEMORY && table->entries.nr >= MIN_SLAB; i++)
		bench_series_add(table->name, names[i], table->entries.nr, t, 1, "bytes",
				 more[i] > less[i] ? (more[i] - less[i]) * 1000 / nr : 0);
}

static void add_time(const struct table *table, const char *op, u32 t, u64 ns, u64 ops)
{
	bench_series_add(table->name, op, table->entries.nr, t, 1, "ns", ns * 1000 / ops);
}

static struct bpf_map *time_fill(const struct table *table, u32 t)
{
	static const char * const busy[NR_MEMORY] = {
		"bytes_per_prefix_busy", "objects_per_prefix_busy", "mem_usage_per_prefix_busy",
	};
	static const char * const settled[NR_MEMORY] = {
		"bytes_per_prefix", "objects_per_prefix", "mem_usage_per_prefix",
	};
	u64 before[NR_MEMORY], after[NR_MEMORY], start, ns;
	struct bpf_map *map;

	bench_settle(table);
	measure_memory(NULL, before);
	start = bench_cpu_ns();
	map = bench_map_filled(table, t);
	ns = bench_cpu_ns() - start;
	if (IS_ERR(map))
		return map;
	if (table->entries.nr >= MIN_FILL)
		add_time(table, "fill", t, ns, table->entries.nr);
	/* With what waits for a grace period, and without. */
	measure_memory(map, after);
	add_memory(table, t, busy, after, before, table->entries.nr);
	bench_settle(table);
	measure_memory(map, after);
	add_memory(table, t, settled, after, before, table->entries.nr);
	return map;
}

static void time_lookups(struct bpf_map *map, const struct table *table, u32 t)
{
	for (u32 i = 0; i < table->nr_sets; i++) {
		const struct keys *keys = &table->sets[i];
		u64 start;

		/* A first look is for the caches of a small table. */
		if (table->entries.nr < MIN_FILL)
			lookup_all(map, table, keys);
		start = bench_cpu_ns();
		found[t] += lookup_all(map, table, keys);
		bench_series_add(keys->name, "lookup", table->entries.nr, t, 1, "ns",
				 (bench_cpu_ns() - start) * 1000 / keys->nr);
	}
}

static void time_walk(struct bpf_map *map, const struct table *table, u32 t)
{
	u8 keys[2][sizeof(struct bpf_lpm_trie_key_u8) + 256] __aligned(8);
	u32 nr = table->entries.nr, steps = 0;
	u64 start = bench_cpu_ns();

	do {
		void *key = NULL, *next = keys[0];
		u32 i = 0;

		for (;; i++) {
			int err;

			rcu_read_lock();
			err = map->ops->map_get_next_key(map, key, next);
			rcu_read_unlock();
			if (err)
				break;
			key = next;
			next = keys[i % 2 == 0];
			if (i % CHUNK == 0)
				cond_resched();
		}
		if (i != nr) {
			fail("%s: map type %u: a walk over %u keys saw %u\n", table->name,
			     bench_types[t], nr, i);
			return;
		}
		steps += nr;
	} while (steps < WRITES);
	add_time(table, "next_key", t, bench_cpu_ns() - start, steps);
}

enum write { REPLACE, DELETE, INSERT };

/* One kind of write to @nr entries; deletions and insertions undo each other. */
static void time_writes(struct bpf_map *map, const struct table *table, u32 t,
			enum write kind, u32 nr)
{
	static const char * const names[] = { "replace", "delete", "insert" };
	const struct keys *entries = &table->entries;
	u32 step = scatter_step(entries->nr);
	u64 start, ns;

	start = bench_cpu_ns();
	for (u32 i = 0; i < nr; i++) {
		u32 e = (u64)i * step % entries->nr;
		void *key = key_at(table, entries, e);
		long err;

		if (kind == DELETE)
			err = bench_delete(map, key);
		else
			err = bench_update(map, key, e + 1,
					   kind == REPLACE ? BPF_EXIST : BPF_NOEXIST);
		if (err) {
			fail("%s: map type %u: %s of entry %u: %ld\n", table->name, bench_types[t],
			     names[kind], e, err);
			return;
		}
		if (i % CHUNK == 0)
			cond_resched();
	}
	ns = bench_cpu_ns() - start;
	add_time(table, names[kind], t, ns, nr);
}

/* Deletions, and what memory they give back behind the grace periods. */
static void time_deletes(struct bpf_map *map, const struct table *table, u32 t, u32 nr)
{
	static const char * const back[NR_MEMORY] = {
		"bytes_back_per_prefix", "objects_back_per_prefix", "mem_usage_back_per_prefix",
	};
	u64 before[NR_MEMORY], after[NR_MEMORY];

	measure_memory(map, before);
	time_writes(map, table, t, DELETE, nr);
	bench_settle(table);
	measure_memory(map, after);
	add_memory(table, t, back, before, after, nr);
}

static void time_free(struct bpf_map *map, const struct table *table, u32 t)
{
	u64 start;

	bench_settle(table);
	start = bench_cpu_ns();
	migrate_disable();
	map->ops->map_free(map);
	migrate_enable();
	if (table->entries.nr >= MIN_FILL)
		add_time(table, "free", t, bench_cpu_ns() - start, table->entries.nr);
}

static void time_round(const struct table *table, u32 round)
{
	u32 writes = min(table->entries.nr, WRITES);
	struct bpf_map *maps[NR_TYPES];

	for (u32 k = 0; k < NR_TYPES; k++) {
		u32 t = (k + round) % NR_TYPES;

		maps[t] = time_fill(table, t);
		if (IS_ERR(maps[t]))
			return;
	}
	for (u32 k = 0; k < NR_TYPES; k++) {
		u32 t = (k + round) % NR_TYPES;

		found[t] = 0;
		time_lookups(maps[t], table, t);
		time_walk(maps[t], table, t);
	}
	if (found[0] != found[1])
		fail("%s: the types found different values\n", table->name);
	for (u32 k = 0; writes >= MIN_WRITES && k < NR_TYPES; k++) {
		u32 t = (k + round) % NR_TYPES;

		bench_settle(table);
		time_writes(maps[t], table, t, REPLACE, writes);
		bench_settle(table);
		time_deletes(maps[t], table, t, writes);
		time_writes(maps[t], table, t, INSERT, writes);
	}
	for (u32 k = 0; k < NR_TYPES; k++) {
		u32 t = (k + round) % NR_TYPES;

		time_free(maps[t], table, t);
	}
}

static DECLARE_COMPLETION(bench_done);

static int time_tables(void *unused)
{
	struct table table;
	char path[16];

	for (u32 i = 0; i < 100; i++) {
		int err;

		snprintf(path, sizeof(path), "/bench/%02u", i);
		err = bench_table_load(&table, path);
		if (err == -ENOENT && i > 0)
			break;
		if (err) {
			fail("%s: %d\n", path, err);
			break;
		}
		pr_info("%s: %u entries\n", table.name, table.entries.nr);
		for (u32 round = 0; round < rounds; round++)
			time_round(&table, round);
		if (table.nr_sets > 1)
			bench_readers(&table, rounds);
		bench_series_print();
		bench_table_free(&table);
	}
	complete(&bench_done);
	return 0;
}

static int __init lpm_bench_init(void)
{
	struct task_struct *task;

	wait_for_initramfs();
	for (u32 t = 0; t < NR_TYPES; t++) {
		int err = bench_ops_get(t);

		if (err)
			fail("map type %u cannot be created: %d\n", bench_types[t], err);
	}
	task = bench_failed ? NULL : kthread_create(time_tables, NULL, "lpm_bench");
	if (!IS_ERR_OR_NULL(task)) {
		kthread_bind(task, 0);
		wake_up_process(task);
		wait_for_completion(&bench_done);
	}
	pr_info("%s, %u updates retried for memory, %u CPUs\n", bench_failed ? "failed" : "done",
		bench_retries, num_online_cpus());
	kernel_power_off();
	return 0;
}

/* Behind the map type's own initcall. */
late_initcall(lpm_bench_init);
