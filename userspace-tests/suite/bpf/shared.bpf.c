// SPDX-License-Identifier: GPL-2.0
/*
 * Two programs that share a map: the first counts, the second reads what the
 * first counted. They are loaded from two objects that reuse one pinned map. A
 * third program counts atomically, a fourth does not use the map.
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

/* The test run returns the count. */
SEC("classifier")
int report(struct __sk_buff *skb)
{
	struct key address = { 32, { 10, 1, 2, 3 } };
	__u64 *found = bpf_map_lookup_elem(&lpm, &address);

	return found ? (int)*found : -1;
}

/* In the same object, but does not use the map. */
SEC("classifier")
int ignore(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
