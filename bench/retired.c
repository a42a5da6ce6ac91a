// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that writes leave waiting for grace periods: the peak during a burst,
 * and the amount per pair of a deletion and an insertion in the worst case
 */
#include "bench.h"

#define PAIRS		1000
/* Fewer are not significant, since slabs count objects on their lists as used. */
#define MIN_PAIRS	100

/* Deletes scattered entries and inserts them again. */
void bench_burst(struct bpf_map *map, const struct table *table, u32 t)
{
	const struct keys *entries = &table->entries;
	u64 before[NR_FIGURES], now[NR_FIGURES];
	u64 objects = 0, reported = 0;
	u32 step = scatter_step(entries->nr);

	if (entries->nr < MIN_MEMORY)
		return;
	bench_memory_settle();
	bench_memory_now(map, before);
	for (u32 i = 0, e = 0; i < WRITES; i++, e = (e + step) % entries->nr) {
		void *key = key_at(table, entries, e);
		long err = bench_delete(map, key) ?: bench_update(map, key, e + 1, BPF_NOEXIST);

		if (err) {
			fail("%s: map type %u: burst: %ld\n", table->name, bench_types[t], err);
			return;
		}
		if (i % CHUNK)
			continue;
		bench_memory_now(map, now);
		objects = max(objects, now[OBJECTS] - min(now[OBJECTS], before[OBJECTS]));
		reported = max(reported, now[REPORTED] - min(now[REPORTED], before[REPORTED]));
		cond_resched();
	}
	bench_series_add(table->name, "burst_peak_objects", entries->nr, t, 1, "bytes",
			 objects * 1000);
	bench_series_add(table->name, "burst_peak_mem_usage", entries->nr, t, 1, "bytes",
			 reported * 1000);
}

/* Calls the ops as a program does. Does not sleep; the caller is an RCU reader. */
static long pair(struct bpf_map *map, void *key)
{
	u64 value = 1;
	long err;

	err = map->ops->map_delete_elem(map, key) ?:
	      map->ops->map_update_elem(map, key, &value, BPF_NOEXIST);
	bench_run_irq_work();
	return err;
}

/* Inserts entries @from to @to - 1. */
static int insert(struct bpf_map *map, const struct table *table, u32 from, u32 to)
{
	for (u32 i = from; i < to; i++) {
		long err = bench_update(map, key_at(table, &table->entries, i), 1, BPF_NOEXIST);

		if (err) {
			fail("%s: entry %u: %ld\n", table->name, i, err);
			return err;
		}
	}
	return 0;
}

/*
 * The number of entries at which a pair for the last one retires most in
 * LPM_MTRIE, according to map_mem_usage(). A grace period that ends meanwhile
 * hides some of it, so each size is tried several times.
 */
static u32 worst_size(const struct table *table)
{
	struct bpf_map *map = bench_map_new(MTRIE, table->key_size, table->entries.nr);
	u64 most = 0;
	u32 worst = 1;

	if (IS_ERR(map))
		return worst;
	for (u32 nr = 1; nr <= table->entries.nr; nr++) {
		if (insert(map, table, nr - 1, nr))
			break;
		for (u32 i = 0; i < 4; i++) {
			u64 before, after;

			rcu_read_lock();
			before = map->ops->map_mem_usage(map);
			if (pair(map, key_at(table, &table->entries, nr - 1)))
				bench_failed = true;
			after = map->ops->map_mem_usage(map);
			rcu_read_unlock();
			if (after > before && after - before > most) {
				most = after - before;
				worst = nr;
			}
		}
	}
	bench_settle();
	bench_map_free(map);
	pr_info("%s: LPM_MTRIE retires most, %llu bytes, at %u entries\n",
		table->name, most, worst);
	return worst;
}

/* Runs in one RCU section, so that nothing is freed before it is counted. */
static void measure_pairs(const struct table *table, u32 t, u32 nr)
{
	struct bpf_map *map = bench_map_new(t, table->key_size, table->entries.nr);
	u64 before[NR_FIGURES], after[NR_FIGURES];
	u32 pairs = 0;

	if (IS_ERR(map))
		return;
	if (insert(map, table, 0, nr))
		goto free;
	bench_memory_settle();
	rcu_read_lock();
	bench_memory_now(map, before);
	while (pairs < PAIRS && !pair(map, key_at(table, &table->entries, nr - 1)))
		pairs++;
	bench_memory_now(map, after);
	rcu_read_unlock();
	/* The type may refuse insertions while too much memory is pending. */
	if (pairs < MIN_PAIRS)
		fail("%s: map type %u: only %u pairs\n", table->name, bench_types[t], pairs);
	else
		bench_series_add(table->name, "retired_per_pair", table->entries.nr, t, 1, "bytes",
				 (after[OBJECTS] - min(after[OBJECTS], before[OBJECTS])) * 1000 /
				 pairs);
free:
	bench_settle();
	bench_map_free(map);
}

/* The table's entries fill a node one by one, so it passes through all of its sizes. */
void bench_pairs(const struct table *table)
{
	u32 nr = worst_size(table);

	for (u32 t = 0; t < NR_TYPES; t++)
		measure_pairs(table, t, nr);
}
