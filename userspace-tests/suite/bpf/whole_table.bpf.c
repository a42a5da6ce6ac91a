// SPDX-License-Identifier: GPL-2.0
/*
 * Looks up destinations of packets in a table that is replaced as a whole. All
 * tables have the same prefixes; the value is the number of the table.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <lpm_mtrie.bpf.h>

struct key {
	__u32 prefixlen;
	__u8 data[4];
};

struct table {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(struct key));
	__uint(value_size, sizeof(__u64));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct table);
} tables SEC(".maps");

#define ADDRESSES 1024

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ADDRESSES);
	__type(key, __u32);
	__type(value, struct key);
} addresses SEC(".maps");

/* The table that was swapped in last. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} newest SEC(".maps");

/* Mirrored in src/tests/whole_table.rs. */
enum count {
	MATCHED,
	NO_TABLE,
	NO_MATCH,
	WRONG_TABLE,	/* older than the newest, or unknown */
	COUNTS,
};

#include "counts.bpf.h"

SEC("xdp")
int forward(struct xdp_md *ctx)
{
	__u32 zero = 0, index = bpf_get_prandom_u32() % ADDRESSES;
	struct key *address = bpf_map_lookup_elem(&addresses, &index);
	volatile __u64 *last = bpf_map_lookup_elem(&newest, &zero);
	__u64 expected, *found;
	void *table;

	if (!address || !last)
		return XDP_ABORTED;
	expected = *last;
	table = bpf_map_lookup_elem(&tables, &zero);
	found = table ? bpf_map_lookup_elem(table, address) : 0;
	if (!table)
		count(NO_TABLE);
	else if (!found)
		count(NO_MATCH);
	else if (*found < expected || *found > expected + 1)
		count(WRONG_TABLE);
	else
		count(MATCHED);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
