// SPDX-License-Identifier: GPL-2.0
/*
 * References to maps, seen from inside the kernel: an iterator over all maps
 * that reports their counters, and a program on bpf_map_free() that notes which
 * maps are freed.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct counter {
	__s64 counter;
};

/* The fields of the kernel's structures that are needed here. */
struct bpf_map {
	__u32 id;
	struct counter refcnt;
	struct counter usercnt;
	__u64 cookie;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
};

#pragma clang attribute pop

/* Mirrored in src/references.rs. */
struct counters {
	__u64 cookie;		/* unlike the id, never reused */
	__s64 refcnt;
	__s64 usercnt;
	__u64 id;
};

/* Cookies of freed maps, each with its last counters. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct counters);
} freed SEC(".maps");

SEC("iter/bpf_map")
int report(struct bpf_iter__bpf_map *ctx)
{
	struct bpf_map *map = ctx->map;
	struct counters now = {};

	if (!map)
		return 0;
	now.cookie = map->cookie;
	/* Without the iterator's own reference to the current map. */
	now.refcnt = map->refcnt.counter - 1;
	now.usercnt = map->usercnt.counter;
	now.id = map->id;
	bpf_seq_write(ctx->meta->seq, &now, sizeof(now));
	return 0;
}

/* bpf_map_free(map): nobody holds the map any more, and its id has been removed. */
SEC("fentry")
int note_free(__u64 *args)
{
	struct bpf_map *map = (struct bpf_map *)args[0];
	struct counters last = {};
	__u64 cookie = map->cookie;

	last.cookie = cookie;
	last.refcnt = map->refcnt.counter;
	last.usercnt = map->usercnt.counter;
	last.id = map->id;
	bpf_map_update_elem(&freed, &cookie, &last, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
