/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The map that the programs here use: IPv4 prefixes with 8-byte values. The
 * loader makes it LPM_MTRIE or LPM_TRIE, as the test requires.
 */
#ifndef LPM_BPF_H
#define LPM_BPF_H

#include <lpm_mtrie.bpf.h>

struct key {
	__u32 prefixlen;
	__u8 data[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_MTRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 64);
	__type(key, struct key);
	__type(value, __u64);
} lpm SEC(".maps");

#endif
