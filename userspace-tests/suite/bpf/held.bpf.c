// SPDX-License-Identifier: GPL-2.0
/*
 * A program that keeps a pointer to a value while another CPU deletes the
 * prefix or replaces the value. The value is eight words, all with the same
 * number, and so too long to be replaced in one store.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <lpm_mtrie.bpf.h>

struct key {
	__u32 prefixlen;
	__u8 data[4];
};

struct value {
	__u64 words[8];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct key);
	__type(value, struct value);
} held SEC(".maps");

/* How the two CPUs communicate; mirrored in src/tests/values_in_programs.rs. */
enum flag {
	HOLDING,	/* set here: the program has the pointer */
	GO_ON,		/* set there: the prefix is changed */
	FLAGS,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FLAGS);
	__type(key, __u32);
	__type(value, __u64);
} flags SEC(".maps");

/* What the test run returns, likewise mirrored. */
enum outcome {
	KEPT,		/* the value stayed as it was, and so did what was written there */
	NO_MATCH,
	GAVE_UP,	/* the other CPU was too slow: inconclusive */
	CHANGED,	/* a word of the value belongs to another value */
	NOT_WRITTEN,	/* a word written through the pointer did not stay */
};

/* The instruction may_goto: jumps after about 250 ms. */
static __always_inline int can_loop(void)
{
	asm volatile goto("1:.byte 0xe5; .byte 0; .long ((%l[no] - 1b - 8) / 8) & 0xffff; .short 0"
			  :::: no);
	return 1;
no:
	return 0;
}

static __always_inline volatile __u64 *flag(__u32 index)
{
	return bpf_map_lookup_elem(&flags, &index);
}

/* A separate function, so that each call has its own 250 ms. */
static __noinline int wait_for(volatile __u64 *go_on)
{
	while (!*go_on && can_loop())
		;
	return !!*go_on;
}

/* The other CPU may be a virtual one that is not running. */
#define WAITS 40

static __always_inline int hold(void)
{
	struct key address = { 32, { 10, 1, 2, 3 } };
	volatile __u64 *holding = flag(HOLDING), *go_on = flag(GO_ON);
	struct value *found = bpf_map_lookup_elem(&held, &address);
	volatile __u64 *words;
	__u64 number;
	int i;

	if (!found || !holding || !go_on)
		return NO_MATCH;
	words = found->words;
	number = words[0];
	*holding = 1;
	for (i = 0; i < WAITS; i++)
		if (wait_for(go_on))
			break;
	if (i == WAITS)
		return GAVE_UP;
	for (i = 0; i < 8; i++)
		if (words[i] != number)
			return CHANGED;
	for (i = 0; i < 8; i++)
		words[i] = number + 1;
	for (i = 0; i < 8; i++)
		if (words[i] != number + 1)
			return NOT_WRITTEN;
	return KEPT;
}

/* In an RCU reader section all the time. */
SEC("classifier")
int hold_in_classifier(struct __sk_buff *skb)
{
	return hold();
}

/* Loaded as a syscall program: RCU grace periods pass while it holds the value. */
SEC("raw_tp")
int hold_in_syscall(void *ctx)
{
	return hold();
}

char LICENSE[] SEC("license") = "GPL";
