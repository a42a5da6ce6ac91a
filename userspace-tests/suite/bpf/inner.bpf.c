// SPDX-License-Identifier: GPL-2.0
/*
 * The map as inner map: programs find it in an array and in a hash of maps, and
 * look up, update and delete in it. The test run returns the value that was
 * found, or -1 without an inner map, -2 without a match.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <lpm_mtrie.bpf.h>

struct key {
	__u32 prefixlen;
	__u8 data[4];
};

/*
 * Sizes instead of types: for a map that is only a template, clang writes the
 * key's struct to BTF as a forward declaration, which has no size.
 */
struct inner {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 64);
	__uint(key_size, sizeof(struct key));
	__uint(value_size, sizeof(__u64));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner);
} in_array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner);
} in_hash SEC(".maps");

static __always_inline int use(void *map)
{
	struct key address = { 32, { 10, 1, 2, 3 } };
	struct key new = { 16, { 10, 2, 0, 0 } };
	struct key old = { 16, { 10, 3, 0, 0 } };
	__u64 value = 222, *found;

	if (!map)
		return -1;
	bpf_map_update_elem(map, &new, &value, BPF_ANY);
	bpf_map_delete_elem(map, &old);
	found = bpf_map_lookup_elem(map, &address);
	return found ? (int)*found : -2;
}

SEC("classifier")
int through_array(struct __sk_buff *skb)
{
	__u32 index = 1;

	return use(bpf_map_lookup_elem(&in_array, &index));
}

SEC("classifier")
int through_hash(struct __sk_buff *skb)
{
	__u32 index = 77;

	return use(bpf_map_lookup_elem(&in_hash, &index));
}

char LICENSE[] SEC("license") = "GPL";
