/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counts of what programs observed. `enum count`, which ends with COUNTS, must
 * be defined before; the test uses the same indices.
 */
#ifndef COUNTS_BPF_H
#define COUNTS_BPF_H

#define ENOENT 2
#define ENOMEM 12
#define EEXIST 17
#define ENOSPC 28
#define EDEADLK 35
#define ETIMEDOUT 110

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline void count(__u32 index)
{
	__u64 *counter = bpf_map_lookup_elem(&counts, &index);

	if (counter)
		__sync_fetch_and_add(counter, 1);
}

#endif
