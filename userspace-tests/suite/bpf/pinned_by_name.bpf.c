// SPDX-License-Identifier: GPL-2.0
/* A map that its object asks to be pinned by name, in a program that never runs. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} settings SEC(".maps");

SEC("xdp")
int look(struct xdp_md *ctx)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&settings, &first) ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
