/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The map type's number for BPF C sources, until <linux/bpf.h> has it.
 *
 * 36 belongs to this type only on a kernel with the patch series; another
 * kernel may give it to another type. So the number below is only what an
 * object file contains; before the map is created, the loader replaces it by
 * the number that the running kernel's BTF gives to the name
 * BPF_MAP_TYPE_LPM_MTRIE.
 *
 * A macro, and not guarded by a check for the enumerator: the patched
 * <linux/bpf.h> declares BPF_MAP_TYPE_LPM_MTRIE in enum bpf_map_type, which the
 * preprocessor cannot see. Include this file after <linux/bpf.h>.
 */
#ifndef LPM_MTRIE_BPF_H
#define LPM_MTRIE_BPF_H

#ifndef BPF_MAP_TYPE_LPM_MTRIE
#define BPF_MAP_TYPE_LPM_MTRIE 36
#endif

#endif
