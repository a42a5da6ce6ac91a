// SPDX-License-Identifier: GPL-2.0
/*
 * One of the kernel's own tests of LPM maps, on the map type whose number is
 * the argument.
 *
 * scripts/tools compiles this with SOURCE, a file of map_tests/ in the kernel's
 * tools/testing/selftests/bpf, and TEST, the function in it. The file names its
 * type by one constant, which is replaced here; the enum must be declared
 * before that. A check that fails ends the program with a line that says FAIL.
 */
#include <linux/bpf.h>
#include <stdlib.h>

static unsigned int map_type;
#define BPF_MAP_TYPE_LPM_TRIE map_type

#include SOURCE

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s MAP_TYPE_NUMBER\n", argv[0]);
		return 2;
	}
	map_type = strtoul(argv[1], NULL, 10);
	TEST();
	return 0;
}
