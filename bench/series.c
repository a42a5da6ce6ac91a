// SPDX-License-Identifier: GPL-2.0
/*
 * Samples of one measurement from several rounds, printed as median, minimum
 * and maximum: one JSON object per line, after a marker.
 */
#include <linux/printk.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "bench.h"

#define MAX_SAMPLES	32
#define MAX_SERIES	128

static const char * const map_names[NR_TYPES] = { "lpm_trie", "lpm_mtrie" };

static struct series {
	const char *workload;
	const char *op;
	const char *unit;
	u32 entries;
	u32 type;
	u32 cpus;
	u32 nr;
	u64 samples[MAX_SAMPLES];
} series[MAX_SERIES];
static u32 nr_series;

void bench_series_add(const char *workload, const char *op, u32 entries, u32 type,
		      u32 cpus, const char *unit, u64 thousandths)
{
	struct series *s;

	for (s = series; s < series + nr_series; s++)
		if (!strcmp(s->workload, workload) && !strcmp(s->op, op) &&
		    s->entries == entries && s->type == type && s->cpus == cpus)
			break;
	if (s == series + nr_series) {
		if (WARN_ON_ONCE(nr_series == MAX_SERIES))
			return;
		nr_series++;
		*s = (struct series) {
			.workload = workload, .op = op, .unit = unit,
			.entries = entries, .type = type, .cpus = cpus,
		};
	}
	if (s->nr < MAX_SAMPLES)
		s->samples[s->nr++] = thousandths;
}

static int compare(const void *a, const void *b)
{
	const u64 *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Prints all series added since the last call. */
void bench_series_print(void)
{
	for (struct series *s = series; s < series + nr_series; s++) {
		u64 median, min, max;

		sort(s->samples, s->nr, sizeof(s->samples[0]), compare, NULL);
		median = (s->samples[(s->nr - 1) / 2] + s->samples[s->nr / 2]) / 2;
		min = s->samples[0];
		max = s->samples[s->nr - 1];
		pr_info("LPM_BENCH {\"workload\":\"%s\",\"op\":\"%s\",\"entries\":%u,\"map\":\"%s\",\"engine\":\"uml\",\"cpus\":%u,\"unit\":\"%s\",\"median\":%llu.%03llu,\"min\":%llu.%03llu,\"max\":%llu.%03llu,\"runs\":%u}\n",
			s->workload, s->op, s->entries, map_names[s->type],
			s->cpus, s->unit, median / 1000, median % 1000,
			min / 1000, min % 1000, max / 1000, max % 1000, s->nr);
	}
	nr_series = 0;
}
