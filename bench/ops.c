// SPDX-License-Identifier: GPL-2.0
/*
 * Times of the ops: fill, lookup, replace, delete, insert, free
 */
#include "bench.h"

/* Writes to fewer entries finish too quickly to be timed. */
#define MIN_WRITES	100

/* Small tables leave too little pending to be worth the wait. */
static void settle(const struct table *table)
{
	if (table->entries.nr >= MIN_FILL)
		bench_settle();
}

struct bpf_map *bench_fill(const struct table *table, u32 t)
{
	struct bpf_map *map;
	u64 start;

	settle(table);
	start = bench_cpu_ns();
	map = bench_map_filled(table, t);
	if (!IS_ERR(map) && table->entries.nr >= MIN_FILL)
		bench_add_time(table, "fill", t, bench_cpu_ns() - start, table->entries.nr);
	settle(table);
	return map;
}

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

/* The sum of the values found. */
u64 bench_lookups(struct bpf_map *map, const struct table *table, u32 t)
{
	u64 found = 0;

	for (u32 i = 0; i < table->nr_sets; i++) {
		const struct keys *keys = &table->sets[i];
		u64 start;

		/* Warm up the caches for small tables. */
		if (table->entries.nr < MIN_FILL)
			lookup_all(map, table, keys);
		start = bench_cpu_ns();
		found += lookup_all(map, table, keys);
		bench_series_add(keys->name, "lookup", table->entries.nr, t, 1, "ns",
				 (bench_cpu_ns() - start) * 1000 / keys->nr);
	}
	return found;
}

enum write { REPLACE, DELETE, INSERT };

/* Times one kind of write to @nr entries; DELETE and INSERT undo each other. */
static void time_writes(struct bpf_map *map, const struct table *table, u32 t,
			enum write kind, u32 nr)
{
	static const char * const names[] = { "replace", "delete", "insert" };
	const struct keys *entries = &table->entries;
	u32 step = scatter_step(entries->nr);
	u64 start = bench_cpu_ns();

	for (u32 i = 0, e = 0; i < nr; i++, e = (e + step) % entries->nr) {
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
	bench_add_time(table, names[kind], t, bench_cpu_ns() - start, nr);
}

void bench_writes(struct bpf_map *map, const struct table *table, u32 t)
{
	u32 nr = min(table->entries.nr, WRITES);

	if (nr < MIN_WRITES)
		return;
	settle(table);
	time_writes(map, table, t, REPLACE, nr);
	settle(table);
	time_writes(map, table, t, DELETE, nr);
	settle(table);
	time_writes(map, table, t, INSERT, nr);
}

void bench_free(struct bpf_map *map, const struct table *table, u32 t)
{
	u64 start;

	settle(table);
	start = bench_cpu_ns();
	bench_map_free(map);
	if (table->entries.nr >= MIN_FILL)
		bench_add_time(table, "free", t, bench_cpu_ns() - start, table->entries.nr);
}
