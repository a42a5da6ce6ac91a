// SPDX-License-Identifier: GPL-2.0
/*
 * A program that reads fields of its map's struct bpf_map, which the BTF of the
 * type's ops allows, and one that writes to a field, which it does not.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lpm.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct counter {
	__s64 counter;
};

struct bpf_map {
	enum bpf_map_type map_type;
	__u32 key_size;
	__u32 value_size;
	__u32 max_entries;
	__u32 map_flags;
	__u32 id;
	struct counter refcnt;
	struct counter usercnt;
};

#pragma clang attribute pop

/* Mirrored in src/tests/map_fields.rs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} fields SEC(".maps");

static __always_inline void note(__u32 index, __u64 value)
{
	bpf_map_update_elem(&fields, &index, &value, BPF_ANY);
}

SEC("classifier")
int read_fields(struct __sk_buff *skb)
{
	struct bpf_map *map = (struct bpf_map *)&lpm;

	note(0, map->map_type);
	note(1, map->key_size);
	note(2, map->value_size);
	note(3, map->max_entries);
	note(4, map->map_flags);
	note(5, map->id);
	note(6, map->refcnt.counter);
	note(7, map->usercnt.counter);
	return 0;
}

SEC("classifier")
int write_field(struct __sk_buff *skb)
{
	struct bpf_map *map = (struct bpf_map *)&lpm;

	map->max_entries = 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
