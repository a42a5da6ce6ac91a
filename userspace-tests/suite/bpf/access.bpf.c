// SPDX-License-Identifier: GPL-2.0
/*
 * One program for each helper, and one for each use of a looked-up value: the
 * verifier accepts what the map's BPF_F_RDONLY_PROG or BPF_F_WRONLY_PROG
 * allows.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lpm.bpf.h"

SEC("classifier")
int lookup(struct __sk_buff *skb)
{
	struct key key = { 32, { 10, 1, 2, 3 } };

	return !!bpf_map_lookup_elem(&lpm, &key);
}

SEC("classifier")
int read_value(struct __sk_buff *skb)
{
	struct key key = { 32, { 10, 1, 2, 3 } };
	__u64 *found = bpf_map_lookup_elem(&lpm, &key);

	return found ? (int)*found : -1;
}

SEC("classifier")
int write_value(struct __sk_buff *skb)
{
	struct key key = { 32, { 10, 1, 2, 3 } };
	__u64 *found = bpf_map_lookup_elem(&lpm, &key);

	if (found)
		*found = 2;
	return !!found;
}

SEC("classifier")
int update(struct __sk_buff *skb)
{
	struct key key = { 16, { 10, 1, 0, 0 } };
	__u64 value = 2;

	return bpf_map_update_elem(&lpm, &key, &value, BPF_ANY);
}

SEC("classifier")
int delete(struct __sk_buff *skb)
{
	struct key key = { 16, { 10, 1, 0, 0 } };

	return bpf_map_delete_elem(&lpm, &key);
}

char LICENSE[] SEC("license") = "GPL";
