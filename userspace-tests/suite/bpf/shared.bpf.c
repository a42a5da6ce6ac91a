// SPDX-License-Identifier: GPL-2.0
/*
 * Two programs over one map: the first counts, the second reads what the
 * first counted. Loaded from two objects that reuse one pinned map. A third
 * program counts by an atomic, a fourth leaves the map alone.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lpm.bpf.h"

SEC("classifier")
int count(struct __sk_buff *skb)
{
	struct key address = { 32, { 10, 1, 2, 3 } };
	__u64 *found = bpf_map_lookup_elem(&lpm, &address);

	if (!found)
		return 0;
	*found += 1;
	return 1;
}

/* Not for LPM_TRIE: it does not align values, and arm64 without LSE2 oopses then. */
SEC("classifier")
int count_atomically(struct __sk_buff *skb)
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

/* Of the same object, and without use for the map. */
SEC("classifier")
int ignore(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
