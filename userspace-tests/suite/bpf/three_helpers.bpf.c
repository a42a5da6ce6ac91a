// SPDX-License-Identifier: GPL-2.0
/*
 * Lookup, update and delete from every program type that the suite runs.
 *
 * Each program takes the same steps and writes what each returned into
 * `results`; userspace sets the map up before and judges both after. The
 * steps are taken once: a program that is attached for real may be called
 * again.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lpm.bpf.h"

/* The indices are mirrored in src/tests/programs.rs. */
enum result {
	RUNS,			/* how often the program was called */
	FOUND,			/* value under 10.1.2.3, before it was changed in place */
	ABSENT,			/* 1 when 11.0.0.0 matched nothing */
	INSERTED,		/* update of 10.2.0.0/16 with BPF_NOEXIST */
	INSERTED_AGAIN,		/* the same again */
	BAD_FLAG,		/* update with flags 99 */
	DELETED,		/* delete of 10.3.0.0/16 */
	DELETED_AGAIN,		/* the same again */
	TOO_LONG,		/* 1 when a lookup with prefixlen 33 gave nothing */
	RESULTS,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RESULTS);
	__type(key, __u32);
	__type(value, __s64);
} results SEC(".maps");

/* Set before the load: programs on tracepoints answer this process alone. */
const volatile __u32 caller;

static __always_inline void note(__u32 index, __s64 value)
{
	bpf_map_update_elem(&results, &index, &value, BPF_ANY);
}

static __always_inline int first_run(void)
{
	__u32 index = RUNS;
	__s64 *runs = bpf_map_lookup_elem(&results, &index);

	return runs && __sync_fetch_and_add(runs, 1) == 0;
}

static __always_inline void take_steps(void)
{
	struct key address = { 32, { 10, 1, 2, 3 } };
	struct key elsewhere = { 32, { 11, 0, 0, 0 } };
	struct key new = { 16, { 10, 2, 0, 0 } };
	struct key old = { 16, { 10, 3, 0, 0 } };
	struct key too_long = { 33, { 10, 1, 2, 3 } };
	__u64 value = 0, *found;

	if (!first_run())
		return;

	found = bpf_map_lookup_elem(&lpm, &address);
	note(FOUND, found ? *found : -1);
	if (found)
		*found += 1;
	note(ABSENT, !bpf_map_lookup_elem(&lpm, &elsewhere));
	note(TOO_LONG, !bpf_map_lookup_elem(&lpm, &too_long));

	value = 222;
	note(INSERTED, bpf_map_update_elem(&lpm, &new, &value, BPF_NOEXIST));
	note(INSERTED_AGAIN, bpf_map_update_elem(&lpm, &new, &value, BPF_NOEXIST));
	note(BAD_FLAG, bpf_map_update_elem(&lpm, &new, &value, 99));
	note(DELETED, bpf_map_delete_elem(&lpm, &old));
	note(DELETED_AGAIN, bpf_map_delete_elem(&lpm, &old));
}

static __always_inline int called_by_us(void)
{
	return bpf_get_current_pid_tgid() >> 32 == caller;
}

SEC("socket")
int in_socket_filter(struct __sk_buff *skb)
{
	take_steps();
	return 0;
}

SEC("xdp")
int in_xdp(struct xdp_md *ctx)
{
	take_steps();
	return XDP_PASS;
}

SEC("classifier")
int in_classifier(struct __sk_buff *skb)
{
	take_steps();
	return 0;
}

SEC("cgroup_skb/ingress")
int in_cgroup_skb(struct __sk_buff *skb)
{
	take_steps();
	return 1;
}

SEC("raw_tp")
int in_raw_tracepoint(struct bpf_raw_tracepoint_args *ctx)
{
	take_steps();
	return 0;
}

SEC("tp")
int in_tracepoint(void *ctx)
{
	if (called_by_us())
		take_steps();
	return 0;
}

SEC("kprobe")
int in_kprobe(void *ctx)
{
	if (called_by_us())
		take_steps();
	return 0;
}

SEC("perf_event")
int in_perf_event(void *ctx)
{
	take_steps();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
