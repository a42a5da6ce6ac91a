// SPDX-License-Identifier: GPL-2.0
/*
 * Look up a list of addresses, for src/speed.rs. Each run takes the next ones of
 * the list, and starts again after the last.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "lpm_mtrie.bpf.h"

/* Mirrored in src/speed.rs. The verifier walks through each lookup of a run. */
#define ADDRESSES 65536
#define LOOKUPS 128

/* An IPv4 key is the first 8 bytes. */
struct key {
	__u32 prefixlen;
	__u8 data[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ADDRESSES);
	__type(key, __u32);
	__type(value, struct key);
} addresses SEC(".maps");

struct state {
	__u64 next;	/* index of an address */
	__u64 sum;	/* of all values found */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct state);
} state SEC(".maps");

/* Userspace replaces this one with a filled map of either type and family. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct key));
	__uint(value_size, sizeof(__u64));
} prefixes SEC(".maps");

SEC("classifier")
int look_up(struct __sk_buff *skb)
{
	__u32 only = 0;
	struct state *at = bpf_map_lookup_elem(&state, &only);

	if (!at)
		return 0;
	for (int i = 0; i < LOOKUPS; i++) {
		__u32 index = (at->next + i) % ADDRESSES;
		struct key *address = bpf_map_lookup_elem(&addresses, &index);
		__u64 *value = address ? bpf_map_lookup_elem(&prefixes, address) : 0;

		if (value)
			at->sum += *value;
	}
	at->next += LOOKUPS;
	return 0;
}

char _license[] SEC("license") = "GPL";
