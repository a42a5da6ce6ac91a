// SPDX-License-Identifier: GPL-2.0
/*
 * Updates and deletes by a program with keys and values that userspace
 * chooses: each run serves what is in `request`, and returns the errno.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <lpm_mtrie.bpf.h>

struct key {
	__u32 prefixlen;
	__u8 data[4];
};

struct value {
	__u8 bytes[4000];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65535);
	__type(key, struct key);
	__type(value, struct value);
} lpm SEC(".maps");

/* Mirrored in src/requests.rs. */
struct request {
	__u64 delete;
	struct key key;
	struct value value;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct request);
} request SEC(".maps");

/* XDP, because its test run takes no memory that might be refused instead. */
SEC("xdp")
int serve(struct xdp_md *ctx)
{
	__u32 index = 0;
	struct request *wanted = bpf_map_lookup_elem(&request, &index);

	if (!wanted)
		return -1;
	if (wanted->delete)
		return -bpf_map_delete_elem(&lpm, &wanted->key);
	return -bpf_map_update_elem(&lpm, &wanted->key, &wanted->value, BPF_ANY);
}

char LICENSE[] SEC("license") = "GPL";
