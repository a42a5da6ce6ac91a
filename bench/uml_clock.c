// SPDX-License-Identifier: GPL-2.0
/*
 * The clock of the benchmark under user-mode Linux: the CPU time of the host
 * thread that runs this virtual CPU. Unlike wall time, it does not include
 * other work on the host.
 */
#include <time.h>

unsigned long long bench_cpu_ns(void);

unsigned long long bench_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}
