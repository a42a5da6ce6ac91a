// SPDX-License-Identifier: GPL-2.0
/*
 * A sleepable program that finds its map in an array of maps. The map cannot
 * know that sleepable programs use it, but must still keep what they hold.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <lpm_mtrie.bpf.h>

/* Mirrored in src/tests/inner_sleepable.rs, like all definitions here. */
struct key {
	__u32 prefixlen;
	__u8 data[4];
};

/* Sizes instead of types, as in inner.bpf.c. */
struct inner {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 256);
	__uint(key_size, sizeof(struct key));
	__uint(value_size, 8 * sizeof(__u64));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps");

enum outcome {
	OWN,		/* each word had the key's own data, before and after */
	NO_MAP,
	NOT_COPIED,
	FOREIGN_BEFORE,	/* a value of another key was found */
	FOREIGN_AFTER,	/* a value became that of another key */
};

/* The number of prefixes; few enough for the verifier to follow each value. */
#define KEYS 4
#define WORDS 8

struct where {
	__u64 address;
	/* Written here: how many values the program held. */
	__u64 held;
};

/* A value is its key's data in each word. */
static __always_inline int is_of(volatile __u64 *words, __u32 number)
{
	int i;

	for (i = 0; i < WORDS; i++)
		if (words[i] != number)
			return 0;
	return 1;
}

/* Loaded as a syscall program: holds all values while it reads from `where`. */
SEC("raw_tp")
int hold_all(struct where *ctx)
{
	__u64 *held[KEYS] = {};
	__u32 index = 0, n;
	void *map = bpf_map_lookup_elem(&outer, &index);
	__u64 count = 0;
	__u8 byte;

	if (!map)
		return NO_MAP;
#pragma unroll
	for (n = 0; n < KEYS; n++) {
		struct key key = { 32, { 0, 0, 0, n } };

		held[n] = bpf_map_lookup_elem(map, &key);
		if (!held[n])
			continue;
		if (!is_of(held[n], n))
			return FOREIGN_BEFORE;
		count++;
	}
	ctx->held = count;
	if (bpf_copy_from_user(&byte, sizeof(byte), (void *)(long)ctx->address))
		return NOT_COPIED;
#pragma unroll
	for (n = 0; n < KEYS; n++)
		if (held[n] && !is_of(held[n], n))
			return FOREIGN_AFTER;
	return OWN;
}

char LICENSE[] SEC("license") = "GPL";
