// SPDX-License-Identifier: GPL-2.0
/*
 * Walks over all entries: by map_get_next_key, and by map_lookup_batch
 *
 * Batches are copied to user memory, for which the measuring thread has its own
 * address space. User-mode Linux walks the page table in software, which makes
 * each copy more expensive than on hardware, for both types.
 */
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "bench.h"

/* Entries per batch. */
#define BATCH	1024

/* User memory for a walk in batches. */
struct area {
	union bpf_attr attr;
	u8 last[MAX_KEY_SIZE];
	u64 values[BATCH];
	u8 keys[BATCH * MAX_KEY_SIZE];
};

static struct area __user *area;

static int map_area(void)
{
	struct mm_struct *mm = mm_alloc();
	unsigned long addr;

	if (!mm)
		return -ENOMEM;
	mm->task_size = TASK_SIZE;
	arch_pick_mmap_layout(mm, &current->signal->rlim[RLIMIT_STACK]);
	kthread_use_mm(mm);
	addr = vm_mmap(NULL, 0, sizeof(*area), PROT_READ | PROT_WRITE,
		       MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (IS_ERR_VALUE(addr))
		return addr;
	area = (void __user *)addr;
	/* Fault the pages in now, not during the walk. */
	return clear_user(area, sizeof(*area)) ? -EFAULT : 0;
}

/* Returns the number of entries seen, or an error. */
static int walk_batches(struct bpf_map *map)
{
	union bpf_attr attr = {};
	int err, nr = 0;
	u32 count;

	do {
		attr.batch.in_batch = nr ? (unsigned long)area->last : 0;
		attr.batch.out_batch = (unsigned long)area->last;
		attr.batch.keys = (unsigned long)area->keys;
		attr.batch.values = (unsigned long)area->values;
		attr.batch.count = BATCH;
		err = map->ops->map_lookup_batch(map, &attr, &area->attr);
		if ((err && err != -ENOENT) || get_user(count, &area->attr.batch.count))
			return err ?: -EFAULT;
		nr += count;
	} while (!err);
	return nr;
}

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
	int err = area ? 0 : map_area();

	time_walks(map, table, t, "next_key", walk_keys);
	if (err)
		fail("cannot map user memory: %d\n", err);
	else
		time_walks(map, table, t, "lookup_batch", walk_batches);
}
