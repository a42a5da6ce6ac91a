// SPDX-License-Identifier: GPL-2.0
/*
 * A program that sleeps inside its reader section while it holds a value, and
 * others that meanwhile write to the map as fast as they can. Every replacement
 * takes a new entry, since values are too long to be replaced in one store.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <lpm_mtrie.bpf.h>

struct key {
	__u32 prefixlen;
	__u8 data[4];
};

/* Together with its key it fills 512 bytes in either map type. */
#define WORDS 56
struct value {
	__u64 words[WORDS];
};

/* What follows is mirrored in src/tests/retirement/scene.rs. */
#define PREFIXES 2048

struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * PREFIXES);
	__type(key, struct key);
	__type(value, struct value);
} lpm SEC(".maps");

enum count {
	DONE,
	MISSING,		/* or already there, where it should not be */
	NO_LOCK,
	NO_MEMORY,
	NOT_DELETED,		/* for another reason than that it is not there */
	OTHERWISE,
	COUNTS,
};

#include "counts.bpf.h"

enum outcome {
	KEPT,
	NO_MATCH,
	NOT_COPIED,
	CHANGED,
};

struct where {
	__u64 address;
};

/* Loaded as a syscall program: holds the value of 203.0.113.7 while it reads from `where`. */
SEC("raw_tp")
int park(struct where *ctx)
{
	struct key address = { 32, { 203, 0, 113, 7 } };
	struct value *found = bpf_map_lookup_elem(&lpm, &address);
	volatile __u64 *words;
	__u64 number;
	__u8 byte;
	int i;

	if (!found)
		return NO_MATCH;
	words = found->words;
	number = words[0];
	if (bpf_copy_from_user(&byte, sizeof(byte), (void *)(long)ctx->address))
		return NOT_COPIED;
	for (i = 0; i < WORDS; i++)
		if (words[i] != number)
			return CHANGED;
	return KEPT;
}

static const struct value fresh;

/* Not static, so that it is verified once, and not for each path of its caller. */
__noinline int write_one(void)
{
	__u32 random = bpf_get_prandom_u32(), number = random % PREFIXES;
	struct key key = { 20 + number % 13 };
	int deletes = random >> 30 == 0;
	long err;

	*(__u32 *)key.data = bpf_htonl(number * 0x9e3779b1);
	if (deletes)
		err = bpf_map_delete_elem(&lpm, &key);
	else
		err = bpf_map_update_elem(&lpm, &key, &fresh,
					  random >> 30 == 1 ? BPF_NOEXIST : BPF_ANY);
	if (!err)
		count(DONE);
	else if (err == -ENOENT || err == -EEXIST)
		count(MISSING);
	else if (err == -EDEADLK || err == -ETIMEDOUT)
		count(NO_LOCK);
	else if (deletes)
		count(NOT_DELETED);
	else if (err == -ENOMEM)
		count(NO_MEMORY);
	else
		count(OTHERWISE);
	return 0;
}

SEC("xdp")
int write(struct xdp_md *ctx)
{
	int i;

	for (i = 0; i < 16; i++)
		write_one();
	return 0;
}

/* One update, whose errno is returned. */
SEC("xdp")
int update(struct xdp_md *ctx)
{
	struct key key = { 32, { 10, 9, 8, 7 } };

	return -bpf_map_update_elem(&lpm, &key, &fresh, BPF_ANY);
}

char LICENSE[] SEC("license") = "GPL";
