// SPDX-License-Identifier: GPL-2.0
/*
 * Walks over all entries by map_get_next_key
 */
#include "bench.h"

static int walk_keys(struct bpf_map *map)
{
	u8 keys[2][MAX_KEY_SIZE] __aligned(8);
	void *key = NULL, *next = keys[0];
	int err;

	for (int nr = 0; ; nr++) {
		rcu_read_lock();
		err = map->ops->map_get_next_key(map, key, next);
		rcu_read_unlock();
		if (err)
			return err == -ENOENT ? nr : err;
		key = next;
		next = keys[nr % 2 == 0];
		if (nr % CHUNK == 0)
			cond_resched();
	}
}

static void time_walks(struct bpf_map *map, const struct table *table, u32 t,
		       const char *op, int (*walk)(struct bpf_map *map))
{
	u64 start = bench_cpu_ns();
	u32 steps = 0;

	do {
		int nr = walk(map);

		if (nr != table->entries.nr) {
			fail("%s: map type %u: %s over %u entries: %d\n", table->name,
			     bench_types[t], op, table->entries.nr, nr);
			return;
		}
		steps += nr;
	} while (steps < WRITES);
	bench_add_time(table, op, t, bench_cpu_ns() - start, steps);
}

void bench_walk(struct bpf_map *map, const struct table *table, u32 t)
{
	time_walks(map, table, t, "next_key", walk_keys);
}
