// SPDX-License-Identifier: GPL-2.0
/*
 * Two programs over one map: the first counts, the second reads what the
 * first counted. Loaded from two objects that reuse one pinned map.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <lpm_mtrie.bpf.h>

struct key {
	__u32 prefixlen;
	__u8 data[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 64);
	__type(key, struct key);
	__type(value, __u64);
} lpm SEC(".maps");

SEC("classifier")
int count(struct __sk_buff *skb)
{
	struct key address = { 32, { 10, 1, 2, 3 } };
	__u64 *found = bpf_map_lookup_elem(&lpm, &address);

	if (!found)
		return 0;
	__sync_fetch_and_add(found, 1);
	return 1;
}

/* The test run's return value is the count. */
SEC("classifier")
int report(struct __sk_buff *skb)
{
	struct key address = { 32, { 10, 1, 2, 3 } };
	__u64 *found = bpf_map_lookup_elem(&lpm, &address);

	return found ? (int)*found : -1;
}

char LICENSE[] SEC("license") = "GPL";
