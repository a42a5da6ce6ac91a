#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Convert criterion's measurements of lookups on the host into JSON, Markdown and plots.

Usage: report_core.py CRITERION-DIRECTORY DIRECTORY

Writes DIRECTORY/core.json, core.md and two plots, and prints the table.
Criterion groups are named workload/round and functions crate/entries; the samples
of all rounds are merged into one measurement.
"""

import collections
import json
import pathlib
import statistics
import sys

import plot
from report import NAMES, figure

OURS = "lpm-mtrie-core"
# Built from all prefixes at once; any change requires a rebuild.
NOT_UPDATED = {"poptrie"}


def measurements(directory):
    """Yield one dictionary per workload, number of entries and crate."""
    samples = collections.defaultdict(list)
    for path in directory.glob("**/new/benchmark.json"):
        benchmark = json.loads(path.read_text(encoding="utf-8"))
        sample = json.loads(path.with_name("sample.json").read_text(encoding="utf-8"))
        workload = benchmark["group_id"].partition("/")[0]
        lookups = benchmark["throughput"]["Elements"]
        samples[workload, int(benchmark["value_str"]), benchmark["function_id"]].extend(
            time / iterations / lookups for time, iterations in zip(sample["times"], sample["iters"]))
    order = list(NAMES)
    for workload, entries, crate in sorted(samples, key=lambda k: (order.index(k[0]), k[1], k[2] != OURS, k[2])):
        times = samples[workload, entries, crate]
        yield {"workload": workload, "op": "lookup", "entries": entries, "map": crate, "engine": "host", "cpus": 1,
               "unit": "ns", "median": round(statistics.median(times), 3), "min": round(min(times), 3),
               "max": round(max(times), 3), "runs": len(times)}


def by_table(rows):
    """Map (workload, entries) -> crate -> row. Not every crate supports every key type, and a filter may omit some."""
    tables = collections.defaultdict(dict)
    for row in rows:
        tables[row["workload"], row["entries"]][row["map"]] = row
    return tables


def markdown(tables):
    crates = list(dict.fromkeys(crate for row in tables.values() for crate in row))
    yield f"| workload | entries | {' | '.join(crates)} | best updatable ÷ {OURS} |"
    yield "|---" * (len(crates) + 3) + "|"
    for (workload, entries), row in tables.items():
        others = [row[crate]["median"] for crate in row if crate not in NOT_UPDATED | {OURS}]
        ratio = f"{min(others) / row[OURS]['median']:.2f}×" if others and OURS in row else ""
        cells = [figure(row[crate]) if crate in row else "" for crate in crates]
        yield f"| {NAMES[workload]} | {entries:,} | {' | '.join(cells)} | {ratio} |"
    runs = {row["runs"] for table in tables.values() for row in table.values()}
    yield f"\nns per lookup, CPU time: median (minimum–maximum) of {min(runs)} samples."


def plots(tables):
    hosts = [(entries, row) for (workload, entries), row in tables.items() if workload == "host32"]
    if len(hosts) > 1:
        yield "core-lookup-by-size.svg", plot.lines(
            "Lookup in a table of random /32 prefixes, on the host", "entries", "ns",
            {crate: [(n, row[crate]["median"], row[crate]["min"], row[crate]["max"]) for n, row in hosts if crate in row]
             for crate in hosts[0][1]})
    large = [(NAMES[workload], {crate: row["median"] for crate, row in table.items()})
             for (workload, _), table in tables.items() if workload != "host32"]
    if large:
        yield "core-lookup-by-workload.svg", plot.bars("Lookup on the host, by workload", "ns", large)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    criterion, directory = map(pathlib.Path, sys.argv[1:])
    rows = list(measurements(criterion))
    if not rows:
        sys.exit(f"{criterion}: nothing was measured")
    (directory / "core.json").write_text(
        "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")
    tables = by_table(rows)
    table = "\n".join(markdown(tables)) + "\n"
    (directory / "core.md").write_text(table, encoding="utf-8")
    for name, svg in plots(tables):
        (directory / name).write_text(svg, encoding="utf-8")
    print(table)
    print(f"{len(rows)} measurements in {directory}/core.json")


if __name__ == "__main__":
    main()
