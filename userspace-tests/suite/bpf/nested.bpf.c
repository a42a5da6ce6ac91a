// SPDX-License-Identifier: GPL-2.0
/*
 * A program that deletes prefixes of the longest possible keys: those of one
 * address, whose length is in `request`.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <lpm_mtrie.bpf.h>

/* Mirrored in src/tests/nested.rs. */
struct key {
	__u32 prefixlen;
	__u8 data[256];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct key);
	__type(value, __u64);
} lpm SEC(".maps");

/* The key to delete, written by the test. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct key);
} request SEC(".maps");

/* Returns the errno. XDP, because its test run takes no memory that might be refused instead. */
SEC("xdp")
int remove(struct xdp_md *ctx)
{
	__u32 index = 0;
	struct key *key = bpf_map_lookup_elem(&request, &index);

	return key ? -bpf_map_delete_elem(&lpm, key) : -1;
}

char LICENSE[] SEC("license") = "GPL";
