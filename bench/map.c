// SPDX-License-Identifier: GPL-2.0
/*
 * Maps of both types, called as bpf(2) calls them
 *
 * An irq_work queued by an op runs right after the op and its time is counted,
 * as on hardware that raises an interrupt for it; only the cost of the
 * interrupt itself is missing. (User-mode Linux would wait for the timer tick,
 * and LPM_TRIE's allocator would be empty after about 16 updates.)
 */
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/srcu.h>
#include <linux/rcupdate_trace.h>
#include <linux/string.h>

#include "bench.h"

const u32 bench_types[NR_TYPES] = { BPF_MAP_TYPE_LPM_TRIE, BPF_MAP_TYPE_LPM_MTRIE };
static const struct bpf_map_ops *ops_of[NR_TYPES];

bool bench_failed;
unsigned int bench_retries;

static void init_attr(union bpf_attr *attr, u32 type, u32 key_size, u32 max_entries)
{
	memset(attr, 0, sizeof(*attr));
	attr->map_type = type;
	attr->key_size = key_size;
	attr->value_size = VALUE_SIZE;
	attr->max_entries = max_entries;
	attr->map_flags = BPF_F_NO_PREALLOC;
}

/* Gets the type's ops by its number, through bpf(2). */
int bench_ops_get(u32 t)
{
	union bpf_attr attr;
	struct bpf_map *map;
	int fd;

	init_attr(&attr, bench_types[t], sizeof(struct bpf_lpm_trie_key_u8) + 4, 1);
	fd = kern_sys_bpf(BPF_MAP_CREATE, &attr, sizeof(attr));
	if (fd < 0)
		return fd;
	map = bpf_map_get(fd);
	if (IS_ERR(map))
		return PTR_ERR(map);
	/* The descriptor stays open, which pins the provider of the ops. */
	ops_of[t] = map->ops;
	bpf_map_put(map);
	return 0;
}

/* Like BPF_MAP_CREATE, but leaves map_free() to be called, and timed, here. */
struct bpf_map *bench_map_new(u32 t, u32 key_size, u32 max_entries)
{
	union bpf_attr attr;
	struct bpf_map *map;

	init_attr(&attr, bench_types[t], key_size, max_entries);
	map = ops_of[t]->map_alloc(&attr);
	if (IS_ERR(map)) {
		fail("map type %u cannot be created: %ld\n", bench_types[t], PTR_ERR(map));
		return map;
	}
	map->ops = ops_of[t];
	map->map_type = bench_types[t];
	return map;
}

/* Calls map_free() as the deferred worker does. */
void bench_map_free(struct bpf_map *map)
{
	migrate_disable();
	map->ops->map_free(map);
	migrate_enable();
}

void bench_run_irq_work(void)
{
	unsigned long flags;

	if (!irq_work_needs_cpu())
		return;
	local_irq_save(flags);
	irq_work_run();
	local_irq_restore(flags);
}

/* Calls the ops as BPF_MAP_UPDATE_ELEM does; bench_delete() likewise. */
long bench_update(struct bpf_map *map, void *key, u64 value, u64 flags)
{
	long err;

	for (;;) {
		if (map->ops->map_update_elem_sys_only) {
			err = map->ops->map_update_elem_sys_only(map, key, &value, flags);
		} else {
			rcu_read_lock();
			err = map->ops->map_update_elem(map, key, &value, flags);
			rcu_read_unlock();
		}
		bench_run_irq_work();
		if (err != -ENOMEM)
			return err;
		bench_retries++;
		usleep_range(1000, 2000);
	}
}

long bench_delete(struct bpf_map *map, void *key)
{
	long err;

	if (map->ops->map_delete_elem_sys_only) {
		err = map->ops->map_delete_elem_sys_only(map, key);
	} else {
		rcu_read_lock();
		err = map->ops->map_delete_elem(map, key);
		rcu_read_unlock();
	}
	bench_run_irq_work();
	return err;
}

/* Sums up the values, so that each is read, as by a program. */
u64 bench_lookup(struct bpf_map *map, const struct table *table,
		 const struct keys *keys, u32 from, u32 to)
{
	u64 sum = 0;

	rcu_read_lock();
	for (u32 i = from; i < to; i++) {
		u64 *value = map->ops->map_lookup_elem(map, key_at(table, keys, i));

		if (value)
			sum += READ_ONCE(*value);
	}
	rcu_read_unlock();
	return sum;
}

/* A map filled in table order. Entry i has value i + 1. */
struct bpf_map *bench_map_filled(const struct table *table, u32 t)
{
	struct bpf_map *map = bench_map_new(t, table->key_size, table->entries.nr);

	if (IS_ERR(map))
		return map;
	for (u32 i = 0; i < table->entries.nr; i++) {
		long err = bench_update(map, key_at(table, &table->entries, i), i + 1, BPF_NOEXIST);

		if (err) {
			fail("%s: map type %u: entry %u: %ld\n", table->name,
			     bench_types[t], i, err);
			break;
		}
		if (i % CHUNK == 0)
			cond_resched();
	}
	return map;
}

/* Waits until everything pending on a grace period is freed. */
void bench_settle(void)
{
	for (int i = 0; i < 2; i++) {
		bench_run_irq_work();
		rcu_barrier_tasks_trace();
		rcu_barrier();
		msleep(20);
	}
}
