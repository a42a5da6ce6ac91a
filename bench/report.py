#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Convert the log of the in-kernel benchmark into JSON, Markdown and plots.

Usage: report.py LOG DIRECTORY

Writes DIRECTORY/in-kernel.json, in-kernel.md and two plots, and prints the
measurements next to the project's targets.
"""

import json
import pathlib
import sys

import plot

MARK = "LPM_BENCH "
NAMES = {
    "bgp4": "IPv4, uniform over covered space",
    "bgp4-prefix": "IPv4, each prefix equally likely",
    "bgp4-zipf": "IPv4, Zipf",
    "bgp4-miss": "IPv4, default route only",
    "bgp6": "IPv6, uniform over covered space",
    "bgp6-prefix": "IPv6, each prefix equally likely",
    "bgp6-zipf": "IPv6, Zipf",
    "bgp6-miss": "IPv6, default route only",
    "head4": "IPv4 after 4 constant bytes, uniform",
    "head4-prefix": "IPv4 after 4 constant bytes, each prefix equally likely",
    "head6-prefix": "IPv6 after 4 constant bytes, each prefix equally likely",
    "head4-host": "hosts (/32) after 4 constant bytes",
    "port": "IPv4 address, protocol, port",
    "policy": "policies: identity, protocol, port ranges",
    "path": "paths",
    "nest6": "IPv6, nested by 8 bits",
    "nest256": "256 bytes, nested by 8 bits",
    "host128": "hosts (/128)",
    "host64": "IPv6 networks (/64)",
    "host32": "hosts (/32)",
}


class Results:
    """Measurements, indexed by workload, op, entries, map and CPUs."""

    def __init__(self, rows):
        self.rows = rows
        self.by = {(r["workload"], r["op"], r["entries"], r["map"], r["cpus"]): r for r in rows}

    def pairs(self):
        """Yield (LPM_TRIE row, LPM_MTRIE row) in log order."""
        for row in self.rows:
            if row["map"] == "lpm_trie":
                other = self.by.get((row["workload"], row["op"], row["entries"], "lpm_mtrie", row["cpus"]))
                if other:
                    yield row, other

    def find(self, workload, op, entries=None, cpus=1):
        for trie, mtrie in self.pairs():
            if (trie["workload"], trie["op"], trie["cpus"]) == (workload, op, cpus):
                if entries in (None, trie["entries"]):
                    return trie, mtrie
        return None


def ratio(trie, mtrie):
    """Factor by which LPM_MTRIE is better."""
    a, b = trie["median"], mtrie["median"]
    if trie["unit"] == "lookups/us":
        a, b = b, a
    return a / b


def better_by(trie, mtrie):
    """The ratio as text; empty where neither direction is better, or a median is zero."""
    if "mem_usage" in trie["op"] or not (trie["median"] and mtrie["median"]):
        return ""
    value = ratio(trie, mtrie)
    return f"{value:.2f}×" if value >= 0.1 else f"{value:.1g}×"


def figure(row):
    digits = 0 if row["median"] >= 100 else 1 if row["median"] >= 10 else 2
    return f"{row['median']:,.{digits}f} ({row['min']:,.{digits}f}–{row['max']:,.{digits}f})"


def goals(results):
    """Yield rows of (what, LPM_TRIE, LPM_MTRIE, reached, minimum, aim, verdict)."""
    def verdict(value, least, aim, smaller=False):
        if smaller:
            value, least, aim = -value, -least, -aim
        return "aim" if value >= aim else "yes" if value >= least else "**no**"

    compared = [
        ("lookup, IPv4, uniform", ("bgp4", "lookup"), 7, 12),
        ("lookup, IPv4, each prefix equally likely", ("bgp4-prefix", "lookup"), 13, 16),
        ("lookup, IPv4, default route only", ("bgp4-miss", "lookup"), 14, 20),
        ("lookup, IPv6, uniform", ("bgp6", "lookup"), 4.5, 8),
        ("lookup, IPv6, each prefix equally likely", ("bgp6-prefix", "lookup"), 7, 10),
        ("lookup, IPv4, Zipf", ("bgp4-zipf", "lookup"), 12, 16),
        ("lookup, IPv6, Zipf", ("bgp6-zipf", "lookup"), 6, 9),
        ("lookup at 1 entry", ("host32", "lookup", 1), 1.2, 1.6),
        ("lookup at 10 entries", ("host32", "lookup", 10), 1.6, 2.2),
        ("lookup at 100 entries", ("host32", "lookup", 100), 2.5, 4),
        ("lookup at 1,000 entries", ("host32", "lookup", 1_000), 4, 6),
        ("lookup at 100,000 entries", ("host32", "lookup", 100_000), 9, 12),
        ("lookup at 1,000,000 entries", ("host32", "lookup", 1_000_000), 6, 10),
        ("lookup, file paths", ("path", "lookup"), 4, 6),
        ("fill of the IPv4 table in its order, per entry", ("bgp4", "fill"), 2, 3),
        ("insert, one op, IPv4", ("bgp4", "insert"), 3, 4),
        ("replace, one op, IPv4", ("bgp4", "replace"), 3.5, 5),
        ("delete, one op, IPv4", ("bgp4", "delete"), 3, 4),
        ("free of the IPv4 table, per entry", ("bgp4", "free"), 8, 20),
        ("get_next_key over the IPv4 table, per step", ("bgp4", "next_key"), 1, 4),
        ("get_next_key over the IPv6 table, per step", ("bgp6", "next_key"), 1, 4),
        ("get_next_key at 1 entry", ("host32", "next_key", 1), 1, 4),
        ("get_next_key at 10 entries", ("host32", "next_key", 10), 1, 4),
        ("get_next_key at 100 entries", ("host32", "next_key", 100), 1, 4),
        ("batch update with the IPv4 table, per entry", ("bgp4", "update_batch"), 1, 1.5),
    ]
    for what, where, least, aim in compared:
        pair = results.find(*where)
        if pair:
            value = ratio(*pair)
            unit = pair[0]["unit"]
            yield (what, f"{figure(pair[0])} {unit}", f"{figure(pair[1])} {unit}", f"{value:.2f}×",
                   f"{least}×", f"{aim}×", verdict(value, least, aim))
    for family, table, least, aim in (("IPv4", "bgp4", 38, 34), ("IPv6", "bgp6", 60, 50)):
        pair = results.find(table, "bytes_per_prefix")
        if pair:
            # The maximum, because later rounds also fill slabs that earlier ones left partly empty.
            grown = [row["max"] for row in pair]
            yield (f"bytes per {family} prefix, largest growth of slabs", f"{grown[0]:.1f}", f"{grown[1]:.1f}",
                   f"{grown[1]:.1f}", f"{least}", f"{aim}", verdict(grown[1], least, aim, smaller=True))
    for what, reported, held, figure_of in (
            ("memory reported, relative to the largest growth of slabs", "mem_usage_per_prefix", "bytes_per_prefix", "max"),
            ("the same, relative to objects in use", "mem_usage_per_prefix", "objects_per_prefix", "median"),
            ("the same, before grace periods end", "mem_usage_per_prefix_busy", "objects_per_prefix_busy", "median")):
        pairs = results.find("bgp4", reported), results.find("bgp4", held)
        if all(pairs):
            shares = [r["median"] / h[figure_of] for r, h in zip(*pairs)]
            yield (what, f"{shares[0]:.0%}", f"{shares[1]:.0%}", f"{shares[1]:.0%}", "±5%", "",
                   verdict(abs(shares[1] - 1), 0.05, 0, smaller=True))
    for what, op, least, aim in (("two readers compared with one", "readers", 1.9, 2.0),
                                 ("the same, with a writer", "readers+writer", 1.7, 1.9)):
        one, two = results.find("bgp4", op, cpus=1), results.find("bgp4", op, cpus=2)
        if one and two:
            scale = [b["median"] / a["median"] for a, b in zip(one, two)]
            # Two readers cannot be more than twice as fast as one; if so, the run was too noisy.
            said = "unclear" if scale[1] > 2 else verdict(scale[1], least, aim)
            yield (what, f"{scale[0]:.2f}×", f"{scale[1]:.2f}×", f"{scale[1]:.2f}×",
                   f"{least}×", f"{aim}×", said)


def markdown(results):
    reached = list(goals(results))
    if reached:
        yield "| | LPM_TRIE | LPM_MTRIE | reached | minimum | aim | |"
        yield "|---|---|---|---|---|---|---|"
        for row in reached:
            yield "| " + " | ".join(row) + " |"
        yield ""
    yield "Median (minimum–maximum) of the rounds.\n"
    yield "| workload | op | entries | engine | CPUs | unit | LPM_TRIE | LPM_MTRIE | better by |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for trie, mtrie in results.pairs():
        yield (f"| {trie['workload']} | {trie['op']} | {trie['entries']:,} | {trie['engine']} | {trie['cpus']} | {trie['unit']} | "
               f"{figure(trie)} | {figure(mtrie)} | {better_by(trie, mtrie)} |")


def label(row, rows):
    """Display name of the workload, with its size if there are several."""
    sizes = {other["entries"] for other in rows if other["workload"] == row["workload"] and other["op"] == row["op"]}
    return NAMES[row["workload"]] + (f", {row['entries']:,}" if len(sizes) > 1 else "")


def plots(results):
    hosts = [pair for pair in results.pairs() if (pair[0]["workload"], pair[0]["op"]) == ("host32", "lookup")]
    hosts.sort(key=lambda pair: pair[0]["entries"])
    if len(hosts) > 1:
        yield "lookup-by-size.svg", plot.lines(
            "Lookup in a map of random /32 prefixes", "entries", "ns",
            {"LPM_TRIE": [(t["entries"], t["median"], t["min"], t["max"]) for t, _ in hosts],
             "LPM_MTRIE": [(m["entries"], m["median"], m["min"], m["max"]) for _, m in hosts]})
    large = [pair for pair in results.pairs() if pair[0]["op"] == "lookup" and pair[0]["workload"] != "host32"]
    if large:
        yield "lookup-by-workload.svg", plot.bars(
            "Lookup, by workload", "ns",
            [(label(t, results.rows), {"LPM_TRIE": t["median"], "LPM_MTRIE": m["median"]}) for t, m in large])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    log, directory = map(pathlib.Path, sys.argv[1:])
    text = log.read_text(encoding="utf-8", errors="replace")
    results = Results([json.loads(line.partition(MARK)[2]) for line in text.splitlines() if MARK in line])
    if not results.rows:
        sys.exit(f"{log}: no line with '{MARK.strip()}': nothing was measured; check the names given to --tables and --parts")
    (directory / "in-kernel.json").write_text(
        "[\n" + ",\n".join(json.dumps(row) for row in results.rows) + "\n]\n", encoding="utf-8")
    table = "\n".join(markdown(results)) + "\n"
    (directory / "in-kernel.md").write_text(table, encoding="utf-8")
    for name, svg in plots(results):
        (directory / name).write_text(svg, encoding="utf-8")
    print(table)
    errors = [line for line in text.splitlines() if "lpm_bench: error:" in line]
    for line in errors:
        print(line, file=sys.stderr)
    print(f"{len(results.rows)} measurements in {directory}/in-kernel.json")
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
