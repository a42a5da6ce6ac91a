// SPDX-License-Identifier: GPL-2.0
/*
 * Lookup, update and delete from every program type that the suite runs.
 *
 * Each program takes the same steps and writes their results to `results`;
 * userspace sets up the map before and checks both afterwards. The steps are
 * taken only once, since an attached program may be called again.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lpm.bpf.h"

/* The indices are mirrored in src/tests/programs.rs. */
enum result {
	RUNS,			/* how often the program was called */
	FOUND,			/* value of 10.1.2.3, before it was changed in place */
	ABSENT,			/* 1 if 11.0.0.0 matched nothing */
	INSERTED,		/* update of 10.2.0.0/16 with BPF_NOEXIST */
	INSERTED_AGAIN,		/* the same again */
	BAD_FLAG,		/* update with flags 99 */
	DELETED,		/* delete of 10.3.0.0/16 */
	DELETED_AGAIN,		/* the same again */
	TOO_LONG,		/* 1 if a lookup with prefixlen 33 found nothing */
	RESULTS,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RESULTS);
	__type(key, __u32);
	__type(value, __s64);
} results SEC(".maps");

/* Set before the load: programs on tracepoints react only to this process. */
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

/* On a system call of this process, since tracing and LSM programs see those of all. */
static __always_inline int on_our_call(void)
{
	if (called_by_us())
		take_steps();
	return 0;
}

SEC("fentry")
int in_fentry(void *ctx)
{
	return on_our_call();
}

SEC("fexit")
int in_fexit(void *ctx)
{
	return on_our_call();
}

SEC("fentry.s")
int in_sleepable_fentry(void *ctx)
{
	return on_our_call();
}

SEC("lsm")
int in_lsm(void *ctx)
{
	return on_our_call();
}

SEC("lsm.s")
int in_sleepable_lsm(void *ctx)
{
	return on_our_call();
}

SEC("iter")
int in_iterator(void *ctx)
{
	return on_our_call();
}

/* Loaded as a syscall program, for which the loader knows no section. */
SEC("raw_tp")
int in_syscall(void *ctx)
{
	take_steps();
	return 0;
}

/* A separate function for the verifier and the JIT. */
static __noinline int take_steps_behind_a_call(void)
{
	take_steps();
	return 0;
}

SEC("classifier")
int in_called_function(struct __sk_buff *skb)
{
	return take_steps_behind_a_call();
}

/* The same, verified separately, for any caller. */
__noinline int take_steps_in_a_global_function(void)
{
	take_steps();
	return 0;
}

SEC("classifier")
int in_global_function(struct __sk_buff *skb)
{
	return take_steps_in_a_global_function();
}

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

/* Userspace puts in_classifier into `next`; without it this returns -1. */
SEC("classifier")
int by_tail_call(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &next, 0);
	return -1;
}

char LICENSE[] SEC("license") = "GPL";
