// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that write to a map while its lock is held: on this CPU by the
 * writer that they interrupt, or on another one. `counts` has their results.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "lpm.bpf.h"

#ifdef __TARGET_ARCH_arm64
/* As in that architecture's asm/ptrace.h; the headers are the host's. */
struct user_pt_regs {
	__u64 regs[31], sp, pc, pstate;
};
#endif

/* An entry of these maps is smaller, a node or a batch of retired objects larger. */
#define LARGEST_ENTRY 16

/* A second map, with its own lock. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct key);
	__type(value, __u64);
} other SEC(".maps");

/* The indices are mirrored in src/tests/lock.rs. */
enum count {
	FOUND,			/* lookups of 10.1.2.3 that found something */
	DONE,
	MISSING,
	DEADLOCK,
	TIMEOUT,
	NO_MEMORY,
	OTHERWISE,		/* any other errno */
	COUNTS,
};

#include "counts.bpf.h"

/* Set before the load: programs on tracepoints react only to this process. */
const volatile __u32 caller;

static __always_inline void note(long err)
{
	switch (-err) {
	case 0:
		return count(DONE);
	case ENOENT:
		return count(MISSING);
	case EDEADLK:
		return count(DEADLOCK);
	case ETIMEDOUT:
		return count(TIMEOUT);
	case ENOMEM:
		return count(NO_MEMORY);
	default:
		return count(OTHERWISE);
	}
}

static __always_inline int called_by_us(void)
{
	return bpf_get_current_pid_tgid() >> 32 == caller;
}

/* Inserts 10.5.0.0/16, deletes 10.6.0.0/16, looks up 10.1.2.3. */
static __always_inline void write_to(void *map)
{
	struct key address = { 32, { 10, 1, 2, 3 } };
	struct key new = { 16, { 10, 5, 0, 0 } };
	struct key old = { 16, { 10, 6, 0, 0 } };
	__u64 value = 555;

	note(bpf_map_update_elem(map, &new, &value, BPF_ANY));
	note(bpf_map_delete_elem(map, &old));
	if (bpf_map_lookup_elem(map, &address))
		count(FOUND);
}

/* On the function by which a writer takes memory under the lock, and entries outside. */
SEC("kprobe")
int in_allocation(struct pt_regs *ctx)
{
	if (called_by_us() && PT_REGS_PARM2(ctx) > LARGEST_ENTRY)
		write_to(&lpm);
	return 0;
}

SEC("kprobe")
int in_allocation_of_either(struct pt_regs *ctx)
{
	if (called_by_us() && PT_REGS_PARM2(ctx) > LARGEST_ENTRY) {
		write_to(&lpm);
		write_to(&other);
	}
	return 0;
}

/* On the tracepoint of page allocations, some of them under the lock. */
SEC("raw_tp")
int on_page(struct bpf_raw_tracepoint_args *ctx)
{
	if (called_by_us())
		write_to(&lpm);
	return 0;
}

SEC("perf_event")
int on_clock(void *ctx)
{
	write_to(&lpm);
	return 0;
}

/* Inserts 11.7.0.0/16 and deletes it again; the return value is the first errno. */
SEC("classifier")
int outer(struct __sk_buff *skb)
{
	struct key key = { 16, { 11, 7, 0, 0 } };
	__u64 value = 777;
	long err = bpf_map_update_elem(&lpm, &key, &value, BPF_NOEXIST);

	if (!err)
		err = bpf_map_delete_elem(&lpm, &key);
	return -err;
}

char LICENSE[] SEC("license") = "GPL";
