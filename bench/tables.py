#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes the tables of the in-kernel benchmark as an initramfs.

Usage: tables.py BGP-TABLE CPIO

BGP-TABLE is text, `prefix/len AS` a line. Each table becomes a file /bench/NN in
the form that bench/table.c reads. Everything is drawn from fixed seeds.
"""

import bisect
import itertools
import random
import socket
import struct
import sys

PROBES = 500_000
PATHS = 20_000
MAGIC = 0x314D504C


def bgp_tables(path):
    """The (address, length) of both families in the file's order, host bits cleared, no repetition."""
    families = {4: {}, 16: {}}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            text, _, _ = line.partition(" ")
            address, _, length = text.strip().partition("/")
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            data = socket.inet_pton(family, address)
            size, length = len(data), int(length)
            shift = 8 * size - length
            families[size][(int.from_bytes(data, "big") >> shift << shift, length)] = None
    return list(families[4]), list(families[16])


def key(size, address, length):
    """A struct bpf_lpm_trie_key_u8."""
    return struct.pack("=I", length) + address.to_bytes(size, "big")


def intervals(prefixes, bits):
    """The space that the prefixes cover, as disjoint [begin, end)."""
    merged = []
    for begin, length in sorted(prefixes):
        end = begin + (1 << bits - length)
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return merged


def uniform(rng, spans, size):
    """Keys of random addresses in the spans, each address as likely as any other."""
    ends = list(itertools.accumulate(end - begin for begin, end in spans))
    for _ in range(PROBES):
        at = rng.randrange(ends[-1])
        i = bisect.bisect_right(ends, at)
        yield key(size, spans[i][1] - (ends[i] - at), 8 * size)


def within(rng, prefixes, size):
    """Keys of random addresses, one in each of the prefixes."""
    for begin, length in prefixes:
        yield key(size, begin + rng.getrandbits(8 * size - length), 8 * size)


def zipf(rng, prefixes):
    """Prefixes by Zipf's law, exponent 1: in a random order, the n-th is drawn 1/n as often as the first."""
    ranked = rng.sample(prefixes, len(prefixes))
    weights = list(itertools.accumulate(1 / n for n in range(1, len(ranked) + 1)))
    return rng.choices(ranked, cum_weights=weights, k=PROBES)


def gaps(spans, begin, end):
    """What lies between the spans, from begin to end."""
    free = []
    for first, last in spans:
        if begin < first:
            free.append((begin, min(first, end)))
        begin = max(begin, last)
    if begin < end:
        free.append((begin, end))
    return [(a, b) for a, b in free if a < b]


def clip(prefixes, begin, end):
    """The prefixes in [begin, end), without a default route."""
    return [prefix for prefix in prefixes if prefix[1] > 0 and begin <= prefix[0] < end]


def bgp4(prefixes):
    rng = random.Random(4)
    # The table has a default route, multicast and reserved space, and little else that large. Uniform are addresses
    # that anything else covers; a miss matches the default route only.
    unicast = 1 << 24, 224 << 24
    spans = intervals(clip(prefixes, *unicast), 32)
    yield "bgp4", [key(4, *prefix) for prefix in prefixes]
    yield "bgp4", list(uniform(rng, spans, 4))
    yield "bgp4-prefix", list(within(rng, rng.choices(prefixes, k=PROBES), 4))
    yield "bgp4-zipf", list(within(rng, zipf(rng, prefixes), 4))
    yield "bgp4-miss", list(uniform(rng, gaps(spans, *unicast), 4))


def bgp6(prefixes):
    rng = random.Random(6)
    spans = intervals(clip(prefixes, 0x2 << 124, 0x4 << 124), 128)
    yield "bgp6", [key(16, *prefix) for prefix in prefixes]
    yield "bgp6", list(uniform(rng, spans, 16))
    yield "bgp6-prefix", list(within(rng, rng.choices(prefixes, k=PROBES), 16))
    yield "bgp6-zipf", list(within(rng, zipf(rng, prefixes), 16))


def host32(count):
    rng = random.Random(count)
    hosts = rng.sample(range(1 << 32), count)
    yield "host32", [key(4, host, 32) for host in hosts]
    yield "host32", [key(4, host, 32) for host in rng.choices(hosts, k=PROBES)]


def component(rng):
    return bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz0123456789-_.", k=rng.randint(2, 20))) + b"/"


def path_key(text):
    return struct.pack("=I", 8 * len(text)) + text.ljust(256, b"\0")


def paths():
    """Directories of a file system, and names of files somewhere below them."""
    rng = random.Random(256)
    directories = [b"/"]
    seen = set(directories)
    while len(directories) < PATHS:
        directory = rng.choice(directories) + component(rng)
        if len(directory) <= 224 and directory not in seen:
            seen.add(directory)
            directories.append(directory)
    files = []
    for directory in rng.choices(directories, k=PATHS):
        for _ in range(rng.randint(0, 2)):
            directory += component(rng)
        files.append((directory + component(rng)[:-1])[:256])
    yield "path", [path_key(directory) for directory in directories]
    yield "path", [path_key(name) for name in files]


def pack(lists):
    lists = list(lists)
    parts = [struct.pack("=III", MAGIC, len(lists[0][1][0]), len(lists))]
    for name, keys in lists:
        parts.append(struct.pack("=24sI", name.encode(), len(keys)))
        parts.extend(keys)
    return b"".join(parts)


def member(inode, name, mode, data=b""):
    """One file of a cpio archive in the "newc" form."""
    name = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    v4, v6 = bgp_tables(sys.argv[1])
    tables = [bgp4(v4), bgp6(v6), paths(), *(host32(10**n) for n in range(7))]
    with open(sys.argv[2], "wb") as out:
        out.write(member(1, "bench", 0o040755))
        for i, table in enumerate(tables):
            out.write(member(2 + i, f"bench/{i:02}", 0o100644, pack(table)))
        out.write(member(0, "TRAILER!!!", 0))


if __name__ == "__main__":
    main()
