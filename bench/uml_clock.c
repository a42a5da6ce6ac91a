// SPDX-License-Identifier: GPL-2.0
/*
 * The clock of the benchmark under user-mode Linux: the CPU time of the host
 * thread that runs this virtual CPU. Other work on the host stretches the wall
 * time of a measurement, but not this.
 */
#include <time.h>

unsigned long long bench_cpu_ns(void);

unsigned long long bench_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}
