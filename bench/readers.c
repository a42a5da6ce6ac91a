// SPDX-License-Identifier: GPL-2.0
/*
 * Readers on one and two CPUs, with and without a writer
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>

#include "bench.h"

/* Run time for each combination of number of readers and writer. */
#define READERS_MS	500

struct runner {
	struct bpf_map *map;
	const struct table *table;
	u64 lookups;
	u64 ns;
};

/* Counts only its own time, since a writer may share the CPU. */
static int reader(void *arg)
{
	struct runner *me = arg;
	const struct keys *keys = &me->table->sets[0];
	u32 at = 0;

	while (!kthread_should_stop()) {
		u64 start = bench_cpu_ns();
		u32 to = min(at + CHUNK, keys->nr);

		bench_lookup(me->map, me->table, keys, at, to);
		me->ns += bench_cpu_ns() - start;
		me->lookups += to - at;
		at = to == keys->nr ? 0 : to;
		cond_resched();
	}
	return 0;
}

static int writer(void *arg)
{
	struct runner *me = arg;
	const struct keys *entries = &me->table->entries;
	u32 step = scatter_step(entries->nr);

	for (u32 i = 0, e = 0; !kthread_should_stop(); i++, e = (e + step) % entries->nr) {
		if (bench_update(me->map, key_at(me->table, entries, e), e + 1, BPF_EXIST))
			bench_failed = true;
		if (i % CHUNK == 0)
			cond_resched();
	}
	return 0;
}

static struct task_struct *start_on(u32 cpu, int (*fn)(void *), struct runner *runner)
{
	struct task_struct *task = kthread_create(fn, runner, "lpm_bench/%u", cpu);

	if (IS_ERR(task)) {
		fail("cannot create a thread: %ld\n", PTR_ERR(task));
		return NULL;
	}
	kthread_bind(task, cpu);
	wake_up_process(task);
	return task;
}

/* Readers on CPUs 0 to @cpus - 1, and a writer on CPU 1. */
static void time_readers(struct bpf_map *map, const struct table *table, u32 t,
			 u32 cpus, bool storm)
{
	struct runner runners[3] = {};
	struct task_struct *tasks[3] = {};
	u64 rate = 0;

	for (u32 i = 0; i < 3; i++) {
		runners[i].map = map;
		runners[i].table = table;
	}
	if (storm)
		tasks[2] = start_on(1, writer, &runners[2]);
	for (u32 i = 0; i < cpus; i++)
		tasks[i] = start_on(i, reader, &runners[i]);
	msleep(READERS_MS);
	for (u32 i = 0; i < 3; i++)
		if (tasks[i])
			kthread_stop(tasks[i]);
	for (u32 i = 0; i < cpus; i++)
		if (runners[i].ns)
			rate += runners[i].lookups * 1000000 / runners[i].ns;
	bench_series_add(table->sets[0].name, storm ? "readers+writer" : "readers",
			 table->entries.nr, t, cpus, "lookups/us", rate);
}

void bench_readers(const struct table *table, u32 rounds)
{
	struct bpf_map *maps[NR_TYPES];

	for (u32 t = 0; t < NR_TYPES; t++) {
		maps[t] = bench_map_filled(table, t);
		if (IS_ERR(maps[t]))
			return;
	}
	for (u32 round = 0; round < rounds; round++)
		for (u32 cpus = 1; cpus <= min(2, num_online_cpus()); cpus++)
			for (u32 storm = 0; storm < num_online_cpus(); storm++)
				for (u32 t = 0; t < NR_TYPES; t++)
					time_readers(maps[t], table, t, cpus, storm);
	bench_settle();
	for (u32 t = 0; t < NR_TYPES; t++)
		bench_map_free(maps[t]);
}
