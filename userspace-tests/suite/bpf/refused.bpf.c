// SPDX-License-Identifier: GPL-2.0
/*
 * One program for each helper that takes a map and that this type does not
 * support. Every one of them must be rejected at load; none ever runs.
 * A program is named after its helper, without the bpf_.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lpm.bpf.h"

SEC("classifier")
int map_push_elem(struct __sk_buff *skb)
{
	__u64 value = 1;

	return bpf_map_push_elem(&lpm, &value, BPF_ANY);
}

SEC("classifier")
int map_pop_elem(struct __sk_buff *skb)
{
	__u64 value = 1;

	return bpf_map_pop_elem(&lpm, &value);
}

SEC("classifier")
int map_peek_elem(struct __sk_buff *skb)
{
	__u64 value = 1;

	return bpf_map_peek_elem(&lpm, &value);
}

SEC("classifier")
int map_lookup_percpu_elem(struct __sk_buff *skb)
{
	struct key key = { 32, { 10, 1, 2, 3 } };

	return !!bpf_map_lookup_percpu_elem(&lpm, &key, 0);
}

SEC("xdp")
int redirect_map(struct xdp_md *ctx)
{
	return bpf_redirect_map(&lpm, 0, 0);
}

SEC("classifier")
int tail_call(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &lpm, 0);
	return 0;
}

SEC("classifier")
int perf_event_output(struct __sk_buff *skb)
{
	__u64 value = 1;

	return bpf_perf_event_output(skb, &lpm, 0, &value, sizeof(value));
}

SEC("kprobe")
int perf_event_read(void *ctx)
{
	return (int)bpf_perf_event_read(&lpm, 0);
}

SEC("classifier")
int ringbuf_output(struct __sk_buff *skb)
{
	__u64 value = 1;

	return bpf_ringbuf_output(&lpm, &value, sizeof(value), 0);
}

SEC("kprobe")
int get_stackid(void *ctx)
{
	return bpf_get_stackid(ctx, &lpm, 0);
}

SEC("classifier")
int skb_under_cgroup(struct __sk_buff *skb)
{
	return bpf_skb_under_cgroup(skb, &lpm, 0);
}

SEC("kprobe")
int current_task_under_cgroup(void *ctx)
{
	return bpf_current_task_under_cgroup(&lpm, 0);
}

SEC("classifier")
int ringbuf_reserve(struct __sk_buff *skb)
{
	__u64 *value = bpf_ringbuf_reserve(&lpm, sizeof(*value), 0);

	if (value)
		bpf_ringbuf_discard(value, 0);
	return 0;
}

SEC("classifier")
int ringbuf_query(struct __sk_buff *skb)
{
	return (int)bpf_ringbuf_query(&lpm, 0);
}

SEC("cgroup_skb/ingress")
int get_local_storage(struct __sk_buff *skb)
{
	return !!bpf_get_local_storage(&lpm, 0);
}

SEC("kprobe")
int perf_event_read_value(void *ctx)
{
	struct bpf_perf_event_value value;

	return (int)bpf_perf_event_read_value(&lpm, 0, &value, sizeof(value));
}

SEC("classifier")
int sk_storage_get(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	return sk && bpf_sk_storage_get(&lpm, sk, (void *)0, 0);
}

SEC("classifier")
int sk_storage_delete(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	return sk && bpf_sk_storage_delete(&lpm, sk);
}

char LICENSE[] SEC("license") = "GPL";
