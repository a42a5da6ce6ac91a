// SPDX-License-Identifier: GPL-2.0
/*
 * bpf(2) called by syscall programs, inside their reader section of RCU Tasks
 * Trace. They return the result of bpf_sys_bpf().
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct key {
	__u32 prefixlen;
	__u8 data[4];
};

static union bpf_attr attr;

/* Mirrored in src/tests/loading.rs: creates a map of this type for struct key. */
struct creation {
	__u32 map_type;
};

SEC("raw_tp")
int create(struct creation *ctx)
{
	attr.map_type = ctx->map_type;
	attr.key_size = sizeof(struct key);
	attr.value_size = sizeof(__u64);
	attr.max_entries = 64;
	attr.map_flags = BPF_F_NO_PREALLOC;
	return bpf_sys_bpf(BPF_MAP_CREATE, &attr, sizeof(attr));
}

static struct key key = { 32, { 10, 1, 2, 3 } };
static __u8 value[448];

/* Mirrored in src/tests/retirement.rs: sets 10.1.2.3/32 in a map with values of up to 448 bytes. */
struct update {
	__u32 map_fd;
};

SEC("raw_tp")
int update(struct update *ctx)
{
	attr.map_fd = ctx->map_fd;
	attr.key = (long)&key;
	attr.value = (long)&value;
	attr.flags = BPF_ANY;
	return bpf_sys_bpf(BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr));
}

char LICENSE[] SEC("license") = "GPL";
