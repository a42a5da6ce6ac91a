// SPDX-License-Identifier: GPL-2.0
/*
 * Counts packets and bytes by the most specific prefix of their source.
 *
 * The counts are the values of the map: the lookup of the longest prefix
 * returns the counters. A packet counts for that prefix only; userspace can add
 * up.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <lpm_mtrie.bpf.h>

struct key {
	__u32 prefixlen;
	__u8 source[16];	/* IPv4: ::ffff:a.b.c.d */
};

struct traffic {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);		/* the loader sets it */
	__type(key, struct key);
	__type(value, struct traffic);
} prefixes SEC(".maps");

/* Copies `size` bytes of the IP header. */
static __always_inline long load(struct __sk_buff *skb, size_t offset, void *to, size_t size)
{
	return bpf_skb_load_bytes_relative(skb, offset, to, size, BPF_HDR_START_NET);
}

SEC("classifier")
int count_by_prefix(struct __sk_buff *skb)
{
	struct key key = { .prefixlen = 128 };
	struct traffic *traffic;
	long error = -1;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		key.source[10] = 0xff;
		key.source[11] = 0xff;
		error = load(skb, offsetof(struct iphdr, saddr), key.source + 12, 4);
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		error = load(skb, offsetof(struct ipv6hdr, saddr), key.source, 16);
	}
	if (error)
		return TC_ACT_UNSPEC;
	traffic = bpf_map_lookup_elem(&prefixes, &key);
	if (traffic) {
		__sync_fetch_and_add(&traffic->packets, 1);
		__sync_fetch_and_add(&traffic->bytes, skb->len);
	}
	return TC_ACT_UNSPEC;	/* other programs decide */
}

char LICENSE[] SEC("license") = "GPL";
