// SPDX-License-Identifier: GPL-2.0
/*
 * A firewall by source prefix and destination port.
 *
 * A rule says how many packets per second pass: none, some, or all. Of the
 * rules that match a packet, one for its port precedes one for all ports, and
 * then the longest prefix decides. Packets that no rule matches pass.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <lpm_mtrie.bpf.h>

struct key {
	__u32 prefixlen;	/* 32 for the port, plus that of the source */
	__be32 port;		/* 0 for all ports */
	__u8 source[16];	/* IPv4: ::ffff:a.b.c.d */
};

struct rule {
	__u64 limit;		/* packets per second */
	__u64 second;		/* of the clock, for which `packets` counts */
	__u64 packets;
	__u64 passed;
	__u64 dropped;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 100000);
	__type(key, struct key);
	__type(value, struct rule);
} rules SEC(".maps");

/* Several CPUs may call this at once: the one that changes the second resets the count. */
static __always_inline int within_limit(struct rule *rule)
{
	__u64 now = bpf_ktime_get_ns() / 1000000000, then = rule->second;

	if (then != now && __sync_val_compare_and_swap(&rule->second, then, now) == then)
		rule->packets = 0;
	return __sync_fetch_and_add(&rule->packets, 1) < rule->limit;
}

/* Finds port and source of an IPv4 or IPv6 packet; 0 if it is neither. */
static __always_inline int read_packet(struct xdp_md *ctx, struct key *key)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	__u8 protocol;
	__be16 *ports;

	if ((void *)(ip + 1) > end)
		return 0;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		key->source[10] = 0xff;
		key->source[11] = 0xff;
		__builtin_memcpy(key->source + 12, &ip->saddr, 4);
		/* Later fragments have no ports. */
		protocol = ip->frag_off & bpf_htons(0x1fff) ? 0 : ip->protocol;
		ports = (void *)ip + ip->ihl * 4;
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6) && (void *)(ip6 + 1) <= end) {
		__builtin_memcpy(key->source, &ip6->saddr, 16);
		protocol = ip6->nexthdr;
		ports = (void *)(ip6 + 1);
	} else {
		return 0;
	}
	if ((protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && (void *)(ports + 2) <= end)
		key->port = bpf_htonl(bpf_ntohs(ports[1]));
	return 1;
}

SEC("xdp")
int firewall(struct xdp_md *ctx)
{
	struct key key = { .prefixlen = 32 + 128 };
	struct rule *rule;
	int passes;

	if (!read_packet(ctx, &key))
		return XDP_PASS;
	rule = bpf_map_lookup_elem(&rules, &key);
	if (!rule && key.port) {
		key.port = 0;
		rule = bpf_map_lookup_elem(&rules, &key);
	}
	if (!rule)
		return XDP_PASS;
	passes = within_limit(rule);
	__sync_fetch_and_add(passes ? &rule->passed : &rule->dropped, 1);
	return passes ? XDP_PASS : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
