// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that take random steps on two maps, concurrently with each other and
 * with the syscalls of src/tests/torture.rs.
 *
 * A value identifies the prefix that it was stored for, which reveals foreign
 * and torn values:
 *
 *   bits  0-8   which address, see address()
 *         9-15  prefixlen
 *        16-47  a serial number
 *        48-63  a checksum of these
 *
 * The values of `blocks` are eight such words, all the same. Entries are
 * inserted only with BPF_NOEXIST and replaced only with BPF_EXIST, so the
 * counts of successes tell how many entries there are.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <lpm_mtrie.bpf.h>

#define BLOCK 8

struct key {
	__u32 prefixlen;
	__u32 data[2];
};

struct block {
	__u64 word[BLOCK];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 512);
	__type(key, struct key);
	__type(value, __u64);
} words SEC(".maps");

/* Never full. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct key);
	__type(value, struct block);
} blocks SEC(".maps");

/* Mirrored in src/tests/torture/programs.rs. */
enum count {
	IN_CLASSIFIER,		/* runs of each program */
	IN_RAW_TRACEPOINT,
	IN_PERF_EVENT,
	IN_KPROBE,
	IN_WRITER,
	FOUND,			/* lookups with a value */
	INSERTED,		/* by map: words, blocks */
	DELETED = INSERTED + 2,
	REPLACED = DELETED + 2,
	REFUSED,		/* EEXIST, ENOENT, ENOSPC */
	NO_MEMORY,
	NO_LOCK,		/* EDEADLK, ETIMEDOUT */
	WRONG_VALUE,		/* a lookup found a value that is not for its key */
	WRONG_ERRNO,
	A_WRONG_ONE,		/* one such value, or errno */
	COUNTS,
};

#include "counts.bpf.h"

static __always_inline void wrong(__u32 index, __u64 what)
{
	__u32 one = A_WRONG_ONE;

	count(index);
	bpf_map_update_elem(&counts, &one, &what, BPF_ANY);
}

/* 512 addresses that branch at several depths, with long paths between. */
static __always_inline __u64 address(__u64 number)
{
	return 10ULL << 56 | (number & 3) << 48 | (number >> 2 & 7) << 43 |
	       (number >> 5 & 3) << 32 | (number >> 7 & 1) << 8 | (number >> 8 & 1);
}

static __always_inline __u64 with_checksum(__u64 word)
{
	word &= (1ULL << 48) - 1;
	return word | (word * 0x9e3779b97f4a7c15ULL) >> 48 << 48;
}

static __always_inline bool fits(__u64 word, __u64 number, __u32 prefixlen)
{
	__u32 len = word >> 9 & 127;

	if (word != with_checksum(word) || len > prefixlen)
		return false;
	return !len || !((address(word) ^ address(number)) >> ((64 - len) & 63));
}

static __always_inline void outcome(long ret, __u32 success)
{
	if (!ret)
		count(success);
	else if (ret == -EEXIST || ret == -ENOENT || ret == -ENOSPC)
		count(REFUSED);
	else if (ret == -ENOMEM)
		count(NO_MEMORY);
	else if (ret == -EDEADLK || ret == -ETIMEDOUT)
		count(NO_LOCK);
	else
		wrong(WRONG_ERRNO, -ret);
}

/* A value stays as found until the program ends; that of a single word is replaced in place. */
static __always_inline void check_value(__u64 *found, int len, struct key *key, __u64 number)
{
	__u64 word = *(volatile __u64 *)found;

	if (!fits(word, number, key->prefixlen))
		wrong(WRONG_VALUE, word);
#pragma unroll
	for (int i = 1; i < BLOCK; i++) {
		if (i < len && *(volatile __u64 *)&found[i] != word)
			wrong(WRONG_VALUE, word);
	}
}

/* The value must be that of exactly this key. Stops after eight elements on average: the
 * verifier would follow a counter forever.
 */
static long visit(void *map, const struct key *key, __u64 *value, void *ctx)
{
	__u64 word = *(volatile __u64 *)value;
	__u64 data = (__u64)bpf_ntohl(key->data[0]) << 32 | bpf_ntohl(key->data[1]);
	__u32 len = word >> 9 & 127;

	if (word != with_checksum(word) || len != key->prefixlen ||
	    (len && (address(word) ^ data) >> ((64 - len) & 63)))
		wrong(WRONG_VALUE, word);
	return !(bpf_get_prandom_u32() & 7);
}

/*
 * Finds a value, often changes its prefix, and checks the value again, which by
 * then may be an old one. `which` is the map's number, `len` the words of its
 * values.
 */
static __always_inline void step_on(void *map, int which, int len)
{
	__u32 random = bpf_get_prandom_u32();
	__u64 number = random & 511, word, before = 0;
	struct key key = { (random >> 9) % 65 };
	struct block block;
	__u64 *found;

	key.data[0] = bpf_htonl(address(number) >> 32);
	key.data[1] = bpf_htonl(address(number));
	found = bpf_map_lookup_elem(map, &key);
	if (found) {
		count(FOUND);
		check_value(found, len, &key, number);
		before = *(volatile __u64 *)found;
	}

	word = with_checksum((__u64)bpf_get_prandom_u32() << 16 | key.prefixlen << 9 | number);
#pragma unroll
	for (int i = 0; i < BLOCK; i++)
		block.word[i] = word;
	switch (random >> 29) {
	case 0:
	case 1:
		outcome(bpf_map_update_elem(map, &key, &block, BPF_NOEXIST), INSERTED + which);
		break;
	case 2:
		outcome(bpf_map_update_elem(map, &key, &block, BPF_EXIST), REPLACED);
		break;
	case 3:
		outcome(bpf_map_delete_elem(map, &key), DELETED + which);
		break;
	case 4:
		bpf_for_each_map_elem(map, visit, (void *)0, 0);
	}

	if (found) {
		check_value(found, len, &key, number);
		if (len > 1 && *(volatile __u64 *)found != before)
			wrong(WRONG_VALUE, before);
	}
}

static __noinline int step(__u32 program)
{
	count(program);
	if (bpf_get_prandom_u32() & 1)
		step_on(&words, 0, 1);
	else
		step_on(&blocks, 1, BLOCK);
	return 0;
}

SEC("classifier")
int in_classifier(struct __sk_buff *skb)
{
	step(IN_CLASSIFIER);
	return 0;
}

SEC("raw_tp")
int in_raw_tracepoint(struct bpf_raw_tracepoint_args *ctx)
{
	step(IN_RAW_TRACEPOINT);
	return 0;
}

SEC("perf_event")
int in_perf_event(void *ctx)
{
	step(IN_PERF_EVENT);
	return 0;
}

SEC("kprobe")
int in_kprobe(void *ctx)
{
	step(IN_KPROBE);
	return 0;
}

/* On a function that is called with the lock of a map held. */
SEC("kprobe")
int in_writer(void *ctx)
{
	step(IN_WRITER);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
