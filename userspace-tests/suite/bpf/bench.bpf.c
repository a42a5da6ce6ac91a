// SPDX-License-Identifier: GPL-2.0
/*
 * A program that looks up many addresses in a run, for src/bench.rs. Each run
 * continues with the addresses where the last one ended.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lpm.bpf.h"

/* Mirrored in src/bench.rs. */
#define ADDRESSES 65536
#define LOOKUPS 128

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ADDRESSES);
	__type(key, __u32);
	__type(value, struct key);
} addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} cursor SEC(".maps");

/* Returns the sum of the values. */
SEC("classifier")
int look_up(struct __sk_buff *skb)
{
	__u32 zero = 0, sum = 0;
	__u32 *at = bpf_map_lookup_elem(&cursor, &zero);

	if (!at)
		return 0;
	for (int i = 0; i < LOOKUPS; i++) {
		__u32 index = (*at + i) % ADDRESSES;
		struct key *address = bpf_map_lookup_elem(&addresses, &index);
		__u64 *value = address ? bpf_map_lookup_elem(&lpm, address) : 0;

		if (value)
			sum += *value;
	}
	*at += LOOKUPS;
	return sum;
}

char LICENSE[] SEC("license") = "GPL";
