#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Generate all benchmark tables, as an initramfs.

Usage: tables.py BGP-TABLE CPIO

BGP-TABLE is text, one `prefix/len AS` per line. Each table becomes a file
/bench/NN in the format that bench/table.c reads. All random data comes from
fixed seeds.
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
    """The (address, length) pairs of both families in file order, host bits cleared, without duplicates."""
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


def data_key(size, data, length=None):
    """The same from bytes; all bits belong to the prefix unless a length is given."""
    return struct.pack("=I", 8 * len(data) if length is None else length) + data.ljust(size, b"\0")


def intervals(prefixes, bits):
    """The space covered by the prefixes, as disjoint [begin, end) spans."""
    merged = []
    for begin, length in sorted(prefixes):
        end = begin + (1 << bits - length)
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return merged


def uniform(rng, spans, size):
    """Keys of random addresses in the spans, uniformly distributed."""
    ends = list(itertools.accumulate(end - begin for begin, end in spans))
    for _ in range(PROBES):
        at = rng.randrange(ends[-1])
        i = bisect.bisect_right(ends, at)
        yield key(size, spans[i][1] - (ends[i] - at), 8 * size)


def within(rng, prefixes, size):
    """Keys of random addresses, one within each prefix."""
    for begin, length in prefixes:
        yield key(size, begin + rng.getrandbits(8 * size - length), 8 * size)


def zipf(rng, prefixes):
    """Prefixes drawn by Zipf's law, exponent 1: in a random order, the n-th is drawn 1/n times as often as the first."""
    ranked = rng.sample(prefixes, len(prefixes))
    weights = list(itertools.accumulate(1 / n for n in range(1, len(ranked) + 1)))
    return rng.choices(ranked, cum_weights=weights, k=PROBES)


def gaps(spans, begin, end):
    """The gaps between the spans, from begin to end."""
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
    # Besides the default route, multicast and reserved space, the table has few prefixes that large. "Uniform" draws
    # from the addresses that any other prefix covers; a miss matches only the default route.
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
    yield "bgp6-miss", list(uniform(rng, gaps(spans, 0x2 << 124, 0x4 << 124), 16))


# Like a key that starts with a cluster id, padding and the address family.
HEAD = b"\1\0\0\1"


def with_head(keys):
    """Keys with a constant head before the address."""
    for old in keys:
        yield data_key(len(old), HEAD + old[4:], 32 + int.from_bytes(old[:4], sys.byteorder))


def head4(prefixes):
    rng = random.Random(44)
    spans = intervals(clip(prefixes, 1 << 24, 224 << 24), 32)
    yield "head4", list(with_head(key(4, *prefix) for prefix in prefixes))
    yield "head4", list(with_head(uniform(rng, spans, 4)))
    yield "head4-prefix", list(with_head(within(rng, rng.choices(prefixes, k=PROBES), 4)))


def head6(prefixes):
    rng = random.Random(46)
    yield "head6", list(with_head(key(16, *prefix) for prefix in prefixes))
    yield "head6-prefix", list(with_head(within(rng, rng.choices(prefixes, k=PROBES), 16)))


def head4_host(count):
    for name, keys in host("head4-host", count, 4, 32):
        yield name, list(with_head(keys))


def host(name, count, size, length):
    """Random prefixes of one length, and random addresses in them."""
    rng = random.Random(count)
    prefixes = [(address << 8 * size - length, length) for address in distinct(rng, count, length)]
    yield name, [key(size, *prefix) for prefix in prefixes]
    yield name, list(within(rng, rng.choices(prefixes, k=PROBES), size))


def distinct(rng, count, bits):
    found = {}
    while len(found) < count:
        found[rng.getrandbits(bits)] = None
    return list(found)


def port(count=500_000):
    """IPv4 address, protocol and port, five entries per address: 7 bytes of data."""
    rng = random.Random(7)
    entries = {}
    for address in distinct(rng, count // 5, 32):
        services = set()
        while len(services) < 5:
            number = rng.choice((22, 53, 80, 443, 8080)) if rng.random() < 0.5 else rng.randrange(1024, 65536)
            services.add(struct.pack(">IBH", address, rng.choice((6, 17)), number))
        entries.update(dict.fromkeys(sorted(services)))
    entries = rng.sample(list(entries), count)
    yield "port", [data_key(7, entry) for entry in entries]
    yield "port", [data_key(7, entry) for entry in rng.choices(entries, k=PROBES)]


def range_prefixes(first, last):
    """The fewest prefixes (number, length) that cover a 16-bit range exactly."""
    while first <= last:
        bits = min((first & -first or 1 << 16).bit_length() - 1, (last - first + 1).bit_length() - 1)
        yield first, 16 - bits
        first += 1 << bits


def policy(identities=10_000):
    """Like an endpoint's policy: identity (little endian), direction, protocol, and a port or port range."""
    rng = random.Random(8)
    entries = {}
    for identity in rng.sample(range(256, 65536), identities):
        head = struct.pack("<IB", identity, rng.randrange(2))
        if rng.random() < 0.2:
            entries[data_key(8, head)] = None
        for protocol in rng.choices((6, 17, 132), (6, 3, 1), k=rng.randint(1, 2)):
            if rng.random() < 0.1:
                entries[data_key(8, head + bytes([protocol]))] = None
            for _ in range(rng.randint(1, 2)):
                first = rng.randrange(1, 60000)
                last = first if rng.random() < 0.6 else first + rng.randrange(1, 4096)
                for number, length in range_prefixes(first, last):
                    entries[data_key(8, head + struct.pack(">BH", protocol, number), 48 + length)] = None
    entries = rng.sample(list(entries), len(entries))
    yield "policy", entries
    yield "policy", list(below(rng, entries, 8))


def below(rng, entries, size):
    """Full-length keys of random data, each within one of the prefixes."""
    for entry in rng.choices(entries, k=PROBES if size <= 16 else PATHS):
        free = 8 * size - int.from_bytes(entry[:4], sys.byteorder)
        data = int.from_bytes(entry[4:], "big") | rng.getrandbits(free) if free else int.from_bytes(entry[4:], "big")
        yield key(size, data, 8 * size)


def nested(name, chains, size):
    """Adversarial: each address with all of its prefixes that end at a byte boundary."""
    rng = random.Random(size)
    entries = {}
    for _ in range(chains):
        data = rng.randbytes(size)
        entries.update((data_key(size, data[:n]), None) for n in range(1, size + 1))
    entries = rng.sample(list(entries), len(entries))
    yield name, entries
    yield name, list(below(rng, entries, size))


def node_items():
    """Everything an 8-bit node can hold: 256 children, and 255 prefixes that end in it, in random order."""
    items = [(bytes([byte, 1]), 16) for byte in range(256)]
    items += [(bytes([number << 8 - length]), length) for length in range(8) for number in range(1 << length)]
    return random.Random(511).sample(items, len(items))


def pair_node():
    """A node that is not the root and grows by one item at a time."""
    yield "pair-node", [data_key(4, b"\x0b")] + [
        data_key(4, b"\x0a" + data, 8 + length) for data, length in node_items()]


def pair_skip():
    """A full node after 8 bytes without a branch, then a prefix that branches in the middle of them."""
    head = bytes(range(1, 9))
    yield "pair-skip", [data_key(16, head + data, 64 + length) for data, length in node_items()] + [
        data_key(16, head[:4] + b"\xff")]


def component(rng):
    return bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz0123456789-_.", k=rng.randint(2, 20))) + b"/"


def paths():
    """Directories of a file system, and names of files below them."""
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
    yield "path", [data_key(256, directory) for directory in directories]
    yield "path", [data_key(256, name) for name in files]


def pack(lists):
    lists = list(lists)
    parts = [struct.pack("=III", MAGIC, len(lists[0][1][0]), len(lists))]
    for name, keys in lists:
        parts.append(struct.pack("=24sI", name.encode(), len(keys)))
        padding = b"\0" * (-len(keys[0]) % 4)
        parts.extend(entry + padding for entry in keys)
    return b"".join(parts)


def member(inode, name, mode, data=b""):
    """One file of a cpio archive in "newc" format."""
    name = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    v4, v6 = bgp_tables(sys.argv[1])
    tables = [bgp4(v4), bgp6(v6), head4(v4), head6(v6), head4_host(1), head4_host(100_000), port(), policy(), paths(),
              nested("nest6", 10_000, 16), nested("nest256", 400, 256),
              host("host128", 1_000_000, 16, 128), host("host64", 1_000_000, 16, 64),
              *(host("host32", 10**n, 4, 32) for n in range(7)), pair_node(), pair_skip()]
    with open(sys.argv[2], "wb") as out:
        out.write(member(1, "bench", 0o040755))
        for i, table in enumerate(tables):
            out.write(member(2 + i, f"bench/{i:02}", 0o100644, pack(table)))
        out.write(member(0, "TRAILER!!!", 0))


if __name__ == "__main__":
    main()
