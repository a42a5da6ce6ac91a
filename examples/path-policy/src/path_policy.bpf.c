// SPDX-License-Identifier: GPL-2.0
/*
 * Allows or denies opening a file by the longest rule that its path begins
 * with.
 *
 * Paths that no rule matches are allowed. Keys have 256 bytes, the maximum: a
 * path that does not fit with its NUL cannot be looked up, and is denied.
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <lpm_mtrie.bpf.h>

/* Only the fields that are needed; the loader finds their offsets in the kernel's structures. */
struct path {
	void *mnt;
	void *dentry;
} __attribute__((preserve_access_index));

struct file {
	struct path f_path;
} __attribute__((preserve_access_index));

struct key {
	__u32 prefixlen;
	char path[256];
};

struct rule {
	__u64 deny;
	__u64 opens;		/* how often it decided */
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 100000);
	__type(key, struct key);
	__type(value, struct rule);
} rules SEC(".maps");

SEC("lsm")
int BPF_PROG(path_policy, struct file *file)
{
	struct rule *rule;
	struct key key;
	long len;

	/* The length counts the NUL. */
	len = bpf_d_path(&file->f_path, key.path, sizeof(key.path));
	if (len < 1)
		return -EACCES;
	key.prefixlen = (len - 1) * 8;
	rule = bpf_map_lookup_elem(&rules, &key);
	if (!rule)
		return 0;
	__sync_fetch_and_add(&rule->opens, 1);
	return rule->deny ? -EACCES : 0;
}

char LICENSE[] SEC("license") = "GPL";
