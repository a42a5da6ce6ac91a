// SPDX-License-Identifier: GPL-2.0
/*
 * Memory taken by a map: full, before and after grace periods end, and with
 * half of its entries removed
 *
 * No other map exists meanwhile. Each measurement has three figures: the growth
 * of slabs and of allocations too large for them, which is the real cost, but
 * depends on slabs that earlier maps left partly empty; the objects in use,
 * which does not; and what the map itself reports.
 */
#include <linux/mm.h>
#include <linux/percpu.h>

/* struct slabinfo */
#include "../../../mm/slab.h"
#include "bench.h"

static u64 pages_outside_slabs(void)
{
	return global_node_page_state_pages(NR_VMALLOC) + pcpu_nr_pages();
}

static u64 slab_bytes(void)
{
	return (u64)(global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B) +
		     global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B) +
		     pages_outside_slabs()) << PAGE_SHIFT;
}

/* Does not sleep, so it may be called within an RCU section. */
static u64 object_bytes(void)
{
	u64 sum = pages_outside_slabs() << PAGE_SHIFT;
	struct slabinfo info = {};
	struct kmem_cache *cache;

	while (!mutex_trylock(&slab_mutex))
		cpu_relax();
	list_for_each_entry(cache, &slab_caches, list) {
		get_slabinfo(cache, &info);
		sum += (u64)info.active_objs * cache->size;
	}
	mutex_unlock(&slab_mutex);
	return sum;
}

void bench_memory_now(struct bpf_map *map, u64 bytes[NR_FIGURES])
{
	bytes[SLABS] = slab_bytes();
	bytes[OBJECTS] = object_bytes();
	bytes[REPORTED] = map ? map->ops->map_mem_usage(map) : 0;
}

/*
 * Waits until everything pending is freed, and empties the allocator's caches,
 * so that the next measurement does not depend on the previous one.
 */
void bench_memory_settle(void)
{
	bench_settle();
	for (u32 type = 0; type < NR_KMALLOC_TYPES; type++)
		for (u32 i = 0; i <= KMALLOC_SHIFT_HIGH; i++)
			if (kmalloc_caches[type][i])
				kmem_cache_shrink(kmalloc_caches[type][i]);
}

/* Adds the growth since @before, divided by @nr entries. */
static void add(const struct table *table, struct bpf_map *map, u32 t,
		const char * const ops[NR_FIGURES], const u64 before[NR_FIGURES], u32 nr)
{
	u64 now[NR_FIGURES];

	bench_memory_now(map, now);
	for (u32 i = 0; i < NR_FIGURES; i++)
		bench_series_add(table->name, ops[i], table->entries.nr, t, 1, "bytes",
				 now[i] > before[i] ? (now[i] - before[i]) * 1000 / nr : 0);
}

/* Removes half of the entries, in scattered order. */
static void remove_half(struct bpf_map *map, const struct table *table)
{
	const struct keys *entries = &table->entries;
	u32 step = scatter_step(entries->nr);

	for (u32 i = 0, e = 0; i < entries->nr / 2; i++, e = (e + step) % entries->nr) {
		long err = bench_delete(map, key_at(table, entries, e));

		if (err) {
			fail("%s: removal of entry %u: %ld\n", table->name, e, err);
			return;
		}
		if (i % CHUNK == 0)
			cond_resched();
	}
}

void bench_memory(const struct table *table, u32 t)
{
	static const char * const busy[NR_FIGURES] = {
		"bytes_per_prefix_busy", "objects_per_prefix_busy", "mem_usage_per_prefix_busy",
	};
	static const char * const full[NR_FIGURES] = {
		"bytes_per_prefix", "objects_per_prefix", "mem_usage_per_prefix",
	};
	static const char * const half[NR_FIGURES] = {
		"bytes_per_prefix_half", "objects_per_prefix_half", "mem_usage_per_prefix_half",
	};
	u32 nr = table->entries.nr;
	u64 before[NR_FIGURES];
	struct bpf_map *map;

	bench_memory_settle();
	bench_memory_now(NULL, before);
	map = bench_map_filled(table, t);
	if (IS_ERR(map))
		return;
	add(table, map, t, busy, before, nr);
	bench_memory_settle();
	add(table, map, t, full, before, nr);
	remove_half(map, table);
	bench_memory_settle();
	add(table, map, t, half, before, nr - nr / 2);
	bench_map_free(map);
}
