// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that walk the map: bpf_for_each_map_elem() with callbacks that read
 * the map or change it, and an iterator over its elements. They record what
 * they visit in `seen`, which src/tests/walks.rs reads.
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <bpf/bpf_helpers.h>
#include "lpm.bpf.h"

struct element {
	struct key key;
	__u64 value;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct element);
} seen SEC(".maps");

struct walk {
	__u32 visited;
	__u32 stop_after;
};

static void note(struct walk *walk, const struct key *key, const __u64 *value)
{
	struct element element = { *key, *value };
	__u32 index = walk->visited++;

	bpf_map_update_elem(&seen, &index, &element, BPF_ANY);
}

static long look(void *map, const struct key *key, __u64 *value, struct walk *walk)
{
	note(walk, key, value);
	return walk->visited == walk->stop_after;
}

SEC("classifier")
int visit_all(struct __sk_buff *skb)
{
	struct walk walk = {};

	return bpf_for_each_map_elem(&lpm, look, &walk, 0);
}

SEC("classifier")
int visit_two(struct __sk_buff *skb)
{
	struct walk walk = { .stop_after = 2 };

	return bpf_for_each_map_elem(&lpm, look, &walk, 0);
}

SEC("classifier")
int visit_with_flags(struct __sk_buff *skb)
{
	struct walk walk = {};

	return bpf_for_each_map_elem(&lpm, look, &walk, 1) == -EINVAL;
}

struct keep {
	const struct key *key;
};

static long keep(void *map, const struct key *key, __u64 *value, struct keep *keep)
{
	keep->key = key;
	return 1;
}

/* The key is on the kernel's stack, and gone with the helper's frame. */
SEC("classifier")
int keep_key(struct __sk_buff *skb)
{
	struct keep kept = {};

	bpf_for_each_map_elem(&lpm, keep, &kept, 0);
	return kept.key ? kept.key->prefixlen : 0;
}

static long double_value(void *map, const struct key *key, __u64 *value, struct walk *walk)
{
	*value *= 2;
	return 0;
}

SEC("classifier")
int double_all(struct __sk_buff *skb)
{
	struct walk walk = {};

	return bpf_for_each_map_elem(&lpm, double_value, &walk, 0);
}

static long delete(void *map, const struct key *key, __u64 *value, struct walk *walk)
{
	note(walk, key, value);
	bpf_map_delete_elem(&lpm, key);
	return 0;
}

SEC("classifier")
int delete_all(struct __sk_buff *skb)
{
	struct walk walk = {};

	return bpf_for_each_map_elem(&lpm, delete, &walk, 0);
}

/* At 10.n/16: inserts a prefix that the walk has passed and one ahead of it, deletes
 * 10.(n + 1)/16, and gives 10.(n + 2)/16 another value.
 */
static long change(void *map, const struct key *key, __u64 *value, struct walk *walk)
{
	struct key passed = { 32, { 10, key->data[1], 0, 1 } };
	struct key ahead = { 24, { 10, key->data[1] + 1, 7, 0 } };
	struct key next = { 16, { 10, key->data[1] + 1 } };
	struct key after_next = { 16, { 10, key->data[1] + 2 } };
	__u64 new = 1000;

	note(walk, key, value);
	if (key->prefixlen != 16 || key->data[1] != 0)
		return 0;
	bpf_map_update_elem(&lpm, &passed, &new, BPF_NOEXIST);
	bpf_map_update_elem(&lpm, &ahead, &new, BPF_NOEXIST);
	bpf_map_delete_elem(&lpm, &next);
	bpf_map_update_elem(&lpm, &after_next, &new, BPF_EXIST);
	return 0;
}

SEC("classifier")
int change_while_walking(struct __sk_buff *skb)
{
	struct walk walk = {};

	return bpf_for_each_map_elem(&lpm, change, &walk, 0);
}

/* Deletes the current element and inserts one ahead of the walk. */
static long run_ahead(void *map, const struct key *key, __u64 *value, void *ctx)
{
	struct key next = *key;
	__u64 new = 1;

	next.data[2]++;
	bpf_map_delete_elem(&lpm, key);
	bpf_map_update_elem(&lpm, &next, &new, BPF_NOEXIST);
	return 0;
}

SEC("classifier")
int keep_running_ahead(struct __sk_buff *skb)
{
	return bpf_for_each_map_elem(&lpm, run_ahead, (void *)0, 0);
}

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	struct key *key;
	__u64 *value;
};

SEC("iter/bpf_map_elem")
int dump(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct key *key = ctx->key;
	__u64 *value = ctx->value;
	struct element element;

	if (!key || !value)
		return 0;
	element.key = *key;
	element.value = *value;
	bpf_seq_write(seq, &element, sizeof(element));
	return 0;
}

/* Values of `seen` that take_long and src/tests/walks.rs set for each other. */
enum signal {
	STARTED,
	STOP,
	NEVER_STOPPED,
};

static void set(__u32 signal)
{
	struct element element = { .value = 1 };

	bpf_map_update_elem(&seen, &signal, &element, BPF_ANY);
}

static int is_set(__u32 signal)
{
	struct element *element = bpf_map_lookup_elem(&seen, &signal);

	return element && element->value;
}

static long nothing(__u32 i, void *ctx)
{
	return 0;
}

/* Spends milliseconds on each element, until it is told to stop. */
SEC("iter/bpf_map_elem")
int take_long(struct bpf_iter__bpf_map_elem *ctx)
{
	if (is_set(STOP))
		return 0;
	set(ctx->key ? STARTED : NEVER_STOPPED);
	bpf_loop(100000, nothing, (void *)0, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
