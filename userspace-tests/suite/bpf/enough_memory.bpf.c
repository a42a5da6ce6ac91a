// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that replace values in a map as fast as they can, while bpf(2) fills
 * it. Their prefixes are in 0.0.0.0/8, which bpf(2) does not touch.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <lpm_mtrie.bpf.h>

struct key {
	__u32 prefixlen;
	__u8 data[4];
};

/* Too long to be replaced in one store: each replacement takes memory. */
struct value {
	__u64 words[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2000000);
	__type(key, struct key);
	__type(value, struct value);
} lpm SEC(".maps");

SEC("xdp")
int replace(struct xdp_md *ctx)
{
	struct value value = {};
	int i;

	/* The result does not matter: they may be refused. */
	for (i = 0; i < 64; i++) {
		__u32 random = bpf_get_prandom_u32();
		struct key key = { 32, { 0, 0, random & 7, random >> 8 } };

		bpf_map_update_elem(&lpm, &key, &value, BPF_ANY);
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
