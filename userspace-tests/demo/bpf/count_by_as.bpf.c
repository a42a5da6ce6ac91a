// SPDX-License-Identifier: GPL-2.0
/*
 * Count packets by the AS of their source and of their destination.
 *
 * Both addresses of every packet are looked up in the origin map of their
 * family, and counted under the AS found there, or in `unmatched` if no prefix
 * covers the address. Every packet passes.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lpm_mtrie.bpf.h"

struct key_v4 {
	__u32 prefixlen;
	__be32 addr;
};

struct key_v6 {
	__u32 prefixlen;
	struct in6_addr addr;
};

struct counts {
	__u64 as_source;
	__u64 as_destination;
};

/* Userspace replaces these two with filled maps before it loads the program. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct key_v4));
	__uint(value_size, sizeof(__u64));
} origin_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct key_v6));
	__uint(value_size, sizeof(__u64));
} origin_v6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(key_size, sizeof(__u64));
	__uint(value_size, sizeof(struct counts));
} packets_by_as SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct counts));
} unmatched SEC(".maps");

static __always_inline struct counts *counts_of(const __u64 *origin)
{
	struct counts zero = {};
	struct counts *counts;
	__u32 only = 0;
	__u64 as;

	if (!origin)
		return bpf_map_lookup_elem(&unmatched, &only);
	as = *origin;
	counts = bpf_map_lookup_elem(&packets_by_as, &as);
	if (counts)
		return counts;
	/* If another CPU was first, this fails, and the lookup finds its entry. */
	bpf_map_update_elem(&packets_by_as, &as, &zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&packets_by_as, &as);
}

static __always_inline void count(const __u64 *source, const __u64 *destination)
{
	struct counts *counts;

	counts = counts_of(source);
	if (counts)
		__sync_fetch_and_add(&counts->as_source, 1);
	counts = counts_of(destination);
	if (counts)
		__sync_fetch_and_add(&counts->as_destination, 1);
}

static __always_inline void count_v4(const struct iphdr *ip, const void *end)
{
	struct key_v4 source = { .prefixlen = 32 };
	struct key_v4 destination = { .prefixlen = 32 };

	if ((const void *)(ip + 1) > end)
		return;
	source.addr = ip->saddr;
	destination.addr = ip->daddr;
	count(bpf_map_lookup_elem(&origin_v4, &source),
	      bpf_map_lookup_elem(&origin_v4, &destination));
}

static __always_inline void count_v6(const struct ipv6hdr *ip, const void *end)
{
	struct key_v6 source = { .prefixlen = 128 };
	struct key_v6 destination = { .prefixlen = 128 };

	if ((const void *)(ip + 1) > end)
		return;
	source.addr = ip->saddr;
	destination.addr = ip->daddr;
	count(bpf_map_lookup_elem(&origin_v6, &source),
	      bpf_map_lookup_elem(&origin_v6, &destination));
}

SEC("xdp")
int count_by_as(struct xdp_md *ctx)
{
	const void *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *eth = (const void *)(long)ctx->data;

	if ((const void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		count_v4((const void *)(eth + 1), end);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		count_v6((const void *)(eth + 1), end);
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
