// SPDX-License-Identifier: GPL-2.0
/*
 * Runs one of the kernel's own tests of LPM maps, on the map type whose number
 * is the argument.
 *
 * scripts/inputs/tools compiles this with SOURCE, a file of map_tests/ in the kernel's
 * tools/testing/selftests/bpf, and TEST, the function in it. The file runs on
 * the types that map_tests/lpm_types.h picks, which this replaces. A check that
 * fails ends the program with a line that says FAIL.
 */
#define _MAP_TESTS_LPM_TYPES_H

#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>

static enum bpf_map_type map_type;

static void test_lpm_types(const char *name, void (*test)(enum bpf_map_type type))
{
	test(map_type);
	printf("%s:PASS\n", name);
}

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
