// SPDX-License-Identifier: GPL-2.0
/*
 * Time the ops of LPM_TRIE and LPM_MTRIE maps, called as the kernel calls them
 *
 * Runs the selected parts on each selected table under /bench, in rounds, in a
 * kthread on CPU 0. The types take turns within a round, in alternating order.
 */
#include <linux/completion.h>
#include <linux/init.h>
#include <linux/initrd.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/reboot.h>
#include <linux/string.h>

#include "bench.h"

static unsigned int rounds = 5;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "number of rounds of each measurement");

static char *tables;
module_param(tables, charp, 0444);
MODULE_PARM_DESC(tables, "comma-separated tables, NAME or NAME/ENTRIES (default: all)");

static char *parts;
module_param(parts, charp, 0444);
MODULE_PARM_DESC(parts, "any of lookup,walk,write,memory,retired,readers,maps (default: all)");

/* Whether the comma-separated @list contains @name, or is empty. */
static bool listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *end; list && *list; list = end + 1) {
		end = strchrnul(list, ',');
		if (end - list == len && !memcmp(list, name, len))
			return true;
		if (!*end)
			return false;
	}
	return !list || !*list;
}

static bool selected(const struct table *table)
{
	char sized[NAME_LEN + 12];

	snprintf(sized, sizeof(sized), "%s/%u", table->name, table->entries.nr);
	return listed(tables, table->name) || listed(tables, sized);
}

/* The parts that share one full map of each type. */
static void run_ops(const struct table *table, u32 round)
{
	bool lookup = listed(parts, "lookup"), walk = listed(parts, "walk");
	bool write = listed(parts, "write"), retired = listed(parts, "retired");
	struct bpf_map *maps[NR_TYPES];
	u64 found[NR_TYPES] = {};

	if (!lookup && !walk && !write && !retired)
		return;
	for (u32 k = 0; k < NR_TYPES; k++) {
		u32 t = (k + round) % NR_TYPES;

		maps[t] = bench_fill(table, t);
		if (IS_ERR(maps[t]))
			return;
	}
	for (u32 k = 0; k < NR_TYPES; k++) {
		u32 t = (k + round) % NR_TYPES;

		if (lookup)
			found[t] = bench_lookups(maps[t], table, t);
		if (walk)
			bench_walk(maps[t], table, t);
	}
	if (found[TRIE] != found[MTRIE])
		fail("%s: the types found different values\n", table->name);
	for (u32 k = 0; k < NR_TYPES; k++) {
		u32 t = (k + round) % NR_TYPES;

		if (write)
			bench_writes(maps[t], table, t);
		if (retired)
			bench_burst(maps[t], table, t);
	}
	for (u32 k = 0; k < NR_TYPES; k++) {
		u32 t = (k + round) % NR_TYPES;

		bench_free(maps[t], table, t);
	}
}

static void run_table(const struct table *table)
{
	pr_info("%s: %u entries\n", table->name, table->entries.nr);
	for (u32 round = 0; round < rounds; round++) {
		/* A table without lookup keys is for pairs of writes. */
		if (!table->nr_sets) {
			if (listed(parts, "retired"))
				bench_pairs(table);
			continue;
		}
		for (u32 k = 0; k < NR_TYPES; k++)
			if (listed(parts, "memory") && table->entries.nr >= MIN_MEMORY)
				bench_memory(table, (k + round) % NR_TYPES);
		run_ops(table, round);
	}
	if (listed(parts, "readers") && !strncmp(table->name, "bgp", 3))
		bench_readers(table, rounds);
	bench_series_print();
}

static int run(void *done)
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
		if (selected(&table))
			run_table(&table);
		bench_table_free(&table);
	}
	for (u32 round = 0; round < rounds && listed(parts, "maps"); round++)
		for (u32 k = 0; k < NR_TYPES; k++)
			bench_many_maps((k + round) % NR_TYPES);
	bench_series_print();
	complete(done);
	return 0;
}

static int __init lpm_bench_init(void)
{
	DECLARE_COMPLETION_ONSTACK(done);
	struct task_struct *task;

	wait_for_initramfs();
	for (u32 t = 0; t < NR_TYPES; t++) {
		int err = bench_ops_get(t);

		if (err)
			fail("map type %u cannot be created: %d\n", bench_types[t], err);
	}
	task = bench_failed ? NULL : kthread_create(run, &done, "lpm_bench");
	if (!IS_ERR_OR_NULL(task)) {
		kthread_bind(task, 0);
		wake_up_process(task);
		wait_for_completion(&done);
	}
	pr_info("%s, %u updates retried for memory, %u CPUs\n", bench_failed ? "failed" : "done",
		bench_retries, num_online_cpus());
	kernel_power_off();
	return 0;
}

/* After the map type's own initcall. */
late_initcall(lpm_bench_init);
