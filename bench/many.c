// SPDX-License-Identifier: GPL-2.0
/*
 * Memory and time per map, for many maps with few entries
 */
#include "bench.h"

#define NR_MAPS		200
/* As for a map that is sized for a large table but may stay small. */
#define MAX_ENTRIES	65536

static void measure(const char *workload, u32 t, u32 entries, u32 max_entries)
{
	static const char * const ops[NR_FIGURES] = {
		"bytes_per_map", "objects_per_map", "mem_usage_per_map",
	};
	static struct bpf_map *maps[NR_MAPS];
	struct {
		struct bpf_lpm_trie_key_hdr hdr;
		u8 data[4];
	} key = { .hdr.prefixlen = 24, .data = { 192, 0, 2 } };
	u64 before[NR_FIGURES], after[NR_FIGURES], start, ns;
	u64 reported = 0;
	u32 nr;

	bench_memory_settle();
	bench_memory_now(NULL, before);
	start = bench_cpu_ns();
	for (nr = 0; nr < NR_MAPS; nr++) {
		maps[nr] = bench_map_new(t, sizeof(key), max_entries);
		if (IS_ERR(maps[nr]))
			break;
	}
	ns = bench_cpu_ns() - start;
	for (u32 i = 0; i < nr && entries; i++)
		if (bench_update(maps[i], &key, 1, BPF_NOEXIST))
			bench_failed = true;
	bench_memory_settle();
	bench_memory_now(NULL, after);
	for (u32 i = 0; i < nr; i++)
		reported += maps[i]->ops->map_mem_usage(maps[i]);
	after[REPORTED] = reported;
	for (u32 i = 0; i < NR_FIGURES; i++)
		bench_series_add(workload, ops[i], entries, t, 1, "bytes",
				 (after[i] - min(after[i], before[i])) * 1000 / NR_MAPS);
	bench_series_add(workload, "create", entries, t, 1, "ns", ns * 1000 / NR_MAPS);
	start = bench_cpu_ns();
	while (nr)
		bench_map_free(maps[--nr]);
	bench_series_add(workload, "free_map", entries, t, 1, "ns",
			 (bench_cpu_ns() - start) * 1000 / NR_MAPS);
}

void bench_many_maps(u32 t)
{
	measure("empty", t, 0, 1);
	measure("one-entry", t, 1, MAX_ENTRIES);
}
