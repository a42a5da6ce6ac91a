// SPDX-License-Identifier: GPL-2.0
/*
 * Counts packets by the origin AS of their source and of their destination.
 *
 * A routing table is a map from prefixes to the AS that announces them. Both
 * addresses of a packet are looked up; AS 0, which nobody has (RFC 7607), stands
 * for addresses that no prefix covers. Every packet passes.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <lpm_mtrie.bpf.h>

struct key {
	__u32 prefixlen;
	__u8 address[16];	/* IPv4: ::ffff:a.b.c.d */
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);		/* the loader sets it */
	__type(key, struct key);
	__type(value, __u32);
} origins SEC(".maps");

struct counts {
	__u64 from;
	__u64 to;
};

/* The loader creates an entry for each AS of the table, and for AS 0. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} packets SEC(".maps");

static __always_inline struct counts *counts_of(const void *address, int size)
{
	struct key key = { .prefixlen = 128 };
	__u32 *origin, as;

	if (size == 4) {
		key.address[10] = 0xff;
		key.address[11] = 0xff;
	}
	__builtin_memcpy(key.address + 16 - size, address, size);
	origin = bpf_map_lookup_elem(&origins, &key);
	as = origin ? *origin : 0;
	return bpf_map_lookup_elem(&packets, &as);
}

static __always_inline void count(const void *source, const void *destination, int size)
{
	struct counts *from = counts_of(source, size), *to = counts_of(destination, size);

	if (from)
		__sync_fetch_and_add(&from->from, 1);
	if (to)
		__sync_fetch_and_add(&to->to, 1);
}

SEC("xdp")
int route_by_as(struct xdp_md *ctx)
{
	const void *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = (void *)(long)ctx->data;
	const struct iphdr *ip = (void *)(eth + 1);
	const struct ipv6hdr *ip6 = (void *)(eth + 1);

	if ((void *)(ip + 1) <= end && eth->h_proto == bpf_htons(ETH_P_IP))
		count(&ip->saddr, &ip->daddr, sizeof(ip->saddr));
	if ((void *)(ip6 + 1) <= end && eth->h_proto == bpf_htons(ETH_P_IPV6))
		count(&ip6->saddr, &ip6->daddr, sizeof(ip6->saddr));
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
