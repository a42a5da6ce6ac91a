// SPDX-License-Identifier: MIT OR Apache-2.0
//! The library against the model: matches, walks, batches, opening, and the replacement of a table.
//!
//! These run on every kernel, since the library has a method for each; `library_kernel` has what it
//! gains on kernels that have more.

use std::{collections::BTreeMap, fs, fs::File, io, os::fd::AsFd, path::Path};

use anyhow::{Context, Result, bail};
use ipnet::{Ipv4Net, Ipv6Net};
use libc::{EEXIST, ENOENT, ENOSPC};
use lpm_mtrie::{
    BytePrefix, Bytes, Error, Loader, LpmMap, MacPrefix, MapType, Mode, ObjectError, OuterMap,
    PrefixKey, Value, map,
};

use super::pinning::Pin;
use crate::{
    check,
    harness::{Test, Type},
    model::{ANY, Model},
    objects,
    prefix::Prefix,
    random::Random,
    unprivileged::{CAP_BPF, errno_with},
};

pub const TESTS: &[Test] = &[
    Test::both("library_agrees_with_the_model", answers),
    Test::both("library_matches_without_capabilities", without_rights),
    Test::both("library_takes_keys_of_all_kinds", kinds),
    Test::both("library_iter_omits_nothing", iter),
    Test::both("library_loads_in_batches", loads),
    Test::both("library_removes_subtrees_and_drains", removes),
    Test::both("library_drains_all_or_nothing", drains_all_or_nothing),
    Test::both("library_loader_names_what_is_missing", loader),
    Test::both("library_honours_update_modes_and_takes", updates),
    Test::both("library_opens_by_pin_id_and_name", opens),
    Test::both("library_creates_or_opens_a_pin", pins),
    Test::both("library_refuses_types_that_do_not_fit", refuses),
    Test::both("library_replaces_a_whole_table", swaps),
];

pub type Routes = LpmMap<Ipv4Net, u64>;

pub fn routes(on: Type, max_entries: u32) -> Result<Routes> {
    Ok(Routes::builder("library")
        .map_type(on.map_type())
        .max_entries(max_entries)
        .create()?)
}

/// Prefixes that nest and branch: few values per byte, all lengths.
pub fn clustered(random: &mut Random) -> Ipv4Net {
    let octets = [0; 4].map(|_| [0, 1, 128, 255][random.below(4)]);
    Ipv4Net::new_assert(octets.into(), random.below(33) as u8).trunc()
}

pub fn net(text: &str) -> Ipv4Net {
    text.parse().expect("a prefix of the test is well-formed")
}

/// The expected content of a map, and which prefixes cover which.
pub struct Expected(pub BTreeMap<Ipv4Net, u64>);

impl Expected {
    pub fn fill(map: &Routes, count: usize, random: &mut Random) -> Result<Self> {
        let mut all = BTreeMap::new();
        for n in 0..count as u64 {
            let prefix = clustered(random);
            map.insert(&prefix, &n)?;
            all.insert(prefix, n);
        }
        Ok(Self(all))
    }

    /// In the map's iteration order.
    pub fn in_order(&self) -> Result<Vec<(Ipv4Net, u64)>> {
        let mut model = Model::new(4, self.0.len());
        for (prefix, value) in &self.0 {
            let key = Prefix::new(prefix.prefix_len().into(), prefix.data().as_ref()).key();
            check::equal(model.update(&key, value.bytes(), ANY), Ok(()), "the model")?;
        }
        let elements = model.elements().into_iter().map(|(key, value)| {
            let prefix = Prefix::from_key(&key);
            let prefix = Ipv4Net::from_parts(&prefix.data, prefix.len).context("a key")?;
            Ok((prefix, u64::from_bytes(&value)))
        });
        elements.collect()
    }

    pub fn covering(&self, key: &Ipv4Net) -> Vec<(Ipv4Net, u64)> {
        let covering = self.0.iter().filter(|(prefix, _)| prefix.contains(key));
        let mut covering: Vec<_> = covering.map(|(prefix, value)| (*prefix, *value)).collect();
        covering.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.prefix_len()));
        covering
    }

    pub fn covered(&self, prefix: &Ipv4Net) -> Result<Vec<(Ipv4Net, u64)>> {
        let mut all = self.in_order()?;
        all.retain(|(other, _)| prefix.contains(other));
        Ok(all)
    }
}

pub fn all<K: PrefixKey, V: Value>(map: &LpmMap<K, V>) -> Result<Vec<(K, V)>> {
    Ok(map.iter().collect::<Result<_, _>>()?)
}

fn answers(on: Type) -> Result<()> {
    let map = routes(on, 1000)?;
    let mut random = Random::new(11);
    for count in [0, 1, 400] {
        map.clear()?;
        let expected = Expected::fill(&map, count, &mut random)?;
        check::equal(all(&map)?, expected.in_order()?, "all entries")?;
        for _ in 0..150 {
            let key = clustered(&mut random);
            let why = |call: &str| format!("{call} of {key} among {count}");
            let covering = expected.covering(&key);
            let longest = covering.first().copied();
            let value = longest.map(|(_, value)| value);
            check::equal(map.lookup(key)?, value, &why("lookup"))?;
            check::equal(map.longest_match(key)?, longest, &why("longest_match"))?;
            check::equal(map.covering(key)?, covering, &why("covering"))?;
            let exact = expected.0.get(&key).copied();
            check::equal(map.get(&key)?, exact, &why("get"))?;
            check::equal(map.contains(&key)?, exact.is_some(), &why("contains"))?;
            let covered: Vec<_> = map.covered(&key).collect::<Result<_, _>>()?;
            check::equal(covered, expected.covered(&key)?, &why("covered"))?;
        }
    }
    Ok(())
}

/// An open map answers anyone who has its descriptor.
fn without_rights(on: Type) -> Result<()> {
    let map = routes(on, 10)?;
    let (outer, inner) = (net("10.0.0.0/8"), net("10.1.0.0/16"));
    map.insert_all([(outer, 8), (inner, 16)])?;
    let want = vec![(inner, 16), (outer, 8)];
    // A value cannot be copied without CAP_PERFMON, nor a program loaded without CAP_BPF.
    for (capabilities, what) in [(CAP_BPF, "only CAP_BPF"), (0, "no capability")] {
        let errno = errno_with(capabilities, || {
            let wrong = |text: String| io::Error::other(text);
            let map = Routes::from_fd(map.as_fd().try_clone_to_owned()?)
                .map_err(|error| wrong(error.to_string()))?;
            match map.covering(net("10.1.2.3/32")) {
                Ok(found) if found == want => Ok(()),
                other => {
                    eprintln!("with {what}: {other:?}");
                    Err(wrong(format!("{other:?}")))
                }
            }
        })?;
        check::equal(errno, 0, what)?;
    }
    Ok(())
}

fn kinds(on: Type) -> Result<()> {
    let v6 = LpmMap::<Ipv6Net, [u8; 3]>::builder("v6")
        .map_type(on.map_type())
        .create()?;
    let documentation: Ipv6Net = "2001:db8::/32".parse()?;
    v6.insert(&documentation, &[1, 2, 3])?;
    let address: Ipv6Net = "2001:db8::1/128".parse()?;
    let found = v6.longest_match(address)?;
    check::equal(found, Some((documentation, [1, 2, 3])), "IPv6")?;

    let vendors = LpmMap::<MacPrefix, u16>::builder("macs")
        .map_type(on.map_type())
        .create()?;
    let vendor: MacPrefix = "00:1b:21".parse()?;
    vendors.insert(&vendor, &7)?;
    let found = vendors.longest_match([0x00, 0x1b, 0x21, 1, 2, 3])?;
    check::equal(found, Some((vendor, 7)), "MAC addresses")?;

    let paths = LpmMap::<BytePrefix, Bytes>::builder("paths")
        .map_type(on.map_type())
        .data_size(16)
        .value_size(5)
        .create()?;
    let usr = BytePrefix::from("/usr/");
    paths.insert(&usr, &Bytes(b"five!".to_vec()))?;
    let found = paths.longest_match("/usr/share/doc/which/is/longer/than/a/key")?;
    check::equal(
        found,
        Some((usr.clone(), Bytes(b"five!".to_vec()))),
        "a path",
    )?;
    check::equal(paths.longest_match("/us")?, None, "a shorter path")?;
    let long = BytePrefix::from("/usr/share/doc/which");
    check::equal(paths.get(&long)?, None, "a prefix that no key holds")?;
    let covered = paths.covered(&long).count();
    check::equal(covered, 0, "what that covers")?;
    let refused = paths.insert(&long, &Bytes(vec![0; 5]));
    check::holds(
        matches!(
            refused,
            Err(Error::TooLong {
                len: 160,
                bits: 128
            })
        ),
        &format!("a key that does not fit: {refused:?}"),
    )?;
    check::equal(paths.remove(&long)?, false, "its removal")?;
    check::equal(paths.take(&long)?, None, "what is taken of it")
}

/// Prefixes of whole bytes; a map may hold others.
#[derive(Debug, PartialEq)]
struct Whole(BytePrefix);

impl PrefixKey for Whole {
    const DATA_SIZE: Option<usize> = Some(4);

    fn data(&self) -> impl AsRef<[u8]> {
        self.0.data()
    }

    fn prefix_len(&self) -> u32 {
        self.0.prefix_len()
    }

    fn from_parts(data: &[u8], len: u32) -> Option<Self> {
        if !len.is_multiple_of(8) {
            return None;
        }
        BytePrefix::from_parts(data, len).map(Self)
    }
}

/// More than one batch, and then an entry that the type cannot represent.
fn drains_all_or_nothing(on: Type) -> Result<()> {
    let map = routes(on, 10_000)?;
    let hosts = (0..5_000u32).map(|n| Ipv4Net::from(std::net::Ipv4Addr::from(n)));
    map.insert_all(hosts.map(|host| (host, 1)))?;
    map.insert(&net("128.0.0.0/1"), &2)?;
    let before = all(&map)?;
    let whole = LpmMap::<Whole, u64>::from_fd(map.as_fd().try_clone_to_owned()?)?;
    let drained = whole.drain();
    check::holds(
        matches!(drained, Err(Error::ForeignKey { len: 1, .. })),
        &format!(
            "a /1 is not of whole bytes: {:?}",
            drained.map(|all| all.len())
        ),
    )?;
    check::equal(all(&map)?, before, "nothing is lost")
}

fn loader(_: Type) -> Result<()> {
    let fd = File::open("/dev/null")?.into();
    for (loader, name) in [
        (Loader::new().max_entries("rotues", 1), "rotues"),
        (Loader::new().reuse("lmp", fd), "lmp"),
    ] {
        let Err(error) = loader.load(objects::ACCESS) else {
            bail!("an object without a map named {name} was loaded");
        };
        let text = error.to_string();
        check::holds(
            text.contains(name) && text.contains("it has lpm"),
            &format!("the message says what there is: {text}"),
        )?;
    }
    let pinned = Loader::new().load(objects::PINNED_BY_NAME);
    check::holds(
        matches!(&pinned, Err(ObjectError::Pinning { name }) if name == "settings"),
        "a map of its own in place of the pinned one",
    )?;
    let map = map::create(MapType::from_number(2), "settings", 4, 8, 1, 0)?;
    let fd = map.fd().as_fd().try_clone_to_owned()?;
    let loader = Loader::new().reuse("settings", fd);
    loader.load(objects::PINNED_BY_NAME)?.load_program("look")?;
    Ok(())
}

/// The last entry of a batch may be removed: the walk continues where it was.
fn iter(on: Type) -> Result<()> {
    let map = routes(on, 1000)?;
    let mut random = Random::new(12);
    Expected::fill(&map, 300, &mut random)?;
    let before = all(&map)?;
    let mut seen = vec![];
    for entry in map.iter() {
        let entry = entry?;
        map.remove(&entry.0)?;
        seen.push(entry);
    }
    check::equal(seen, before, "each entry is removed when it is seen")?;
    check::equal(all(&map)?, vec![], "none is left")
}

fn loads(on: Type) -> Result<()> {
    let map = routes(on, 10_000)?;
    let address = |n: u32| Ipv4Net::from(std::net::Ipv4Addr::from(n.wrapping_mul(0x9e37_79b1)));
    let entries = |count: u32| (0..count).map(move |n| (address(n), u64::from(n)));
    check::equal(map.insert_all(entries(9_999))?, 9_999, "all are done")?;
    check::equal(map.lookup(address(9_998))?, Some(9_998), "the last")?;
    check::equal(map.iter().count(), 9_999, "all are there")?;

    let Err(error) = map.insert_all(entries(10_005)) else {
        bail!("10,005 entries went into a map for 10,000");
    };
    check::equal(error.errno(), Some(ENOSPC), "the map is full")?;
    check::holds(
        matches!(error, Error::Batch { done: 10_000, .. }),
        &format!("10,000 are done: {error:?}"),
    )?;
    check::equal(map.clear()?, 10_000, "as many are removed")?;
    check::equal(map.insert_all([])?, 0, "nothing to do")
}

fn removes(on: Type) -> Result<()> {
    let map = routes(on, 1000)?;
    let mut random = Random::new(13);
    let mut expected = Expected::fill(&map, 400, &mut random)?;
    while !expected.0.is_empty() {
        let prefix = clustered(&mut random);
        let gone = expected.covered(&prefix)?;
        let why = format!("what {prefix} covers");
        check::equal(map.remove_subtree(&prefix)?, gone.len() as u64, &why)?;
        expected.0.retain(|other, _| !prefix.contains(other));
        check::equal(all(&map)?, expected.in_order()?, &why)?;
    }
    let expected = Expected::fill(&map, 400, &mut random)?.in_order()?;
    check::equal(map.drain()?, expected, "all entries")?;
    check::equal(map.drain()?, vec![], "none is left")
}

fn updates(on: Type) -> Result<()> {
    let map = routes(on, 10)?;
    let (outer, inner) = (net("10.0.0.0/8"), net("10.1.0.0/16"));
    let errno = |result: Result<(), Error>| result.err().and_then(|error| error.errno());
    let early = map.update(&inner, &1, Mode::Replace);
    check::equal(errno(early), Some(ENOENT), "replace what is not there")?;
    map.update(&inner, &1, Mode::Add)?;
    let twice = map.update(&inner, &2, Mode::Add);
    check::equal(errno(twice), Some(EEXIST), "add what is there")?;
    map.update(&inner, &3, Mode::Replace)?;
    map.insert(&outer, &8)?;
    check::equal(map.take(&inner)?, Some(3), "take")?;
    check::equal(map.take(&inner)?, None, "take it again: not the outer one")?;
    check::equal(map.remove(&inner)?, false, "remove it again")?;
    check::equal(map.remove(&outer)?, true, "remove")?;
    // Bits beyond the length are not significant, and are returned cleared.
    map.insert(&Ipv4Net::new_assert([10, 1, 2, 3].into(), 8), &9)?;
    check::equal(all(&map)?, vec![(outer, 9)], "host bits")
}

fn opens(on: Type) -> Result<()> {
    let pin = Pin::new("library_opens");
    let name = if on.is_mtrie() { "libmtrie" } else { "libtrie" };
    let map = Routes::builder(name)
        .map_type(on.map_type())
        .pin(pin.path())
        .create()?;
    let prefix = net("10.0.0.0/8");
    map.insert(&prefix, &7)?;
    let info = map.info()?;
    check::equal(info.name.as_str(), name, "its name")?;
    check::equal(info.map_type, on.map_type(), "its type")?;
    check::equal((info.data_size, info.value_size), (4, 8), "its sizes")?;
    let by_aya = Routes::from_aya(&map.to_aya()?)?;
    let typed = map::typed::<u32, u64>(map.to_aya()?)?;
    let key = aya::maps::lpm_trie::Key::new(32, u32::from_ne_bytes([10, 1, 2, 3]));
    check::equal(typed.get(&key, 0)?, 7, "aya's own map")?;
    for (how, other) in [
        ("pin", Routes::from_pin(pin.path())?),
        ("id", Routes::from_id(info.id)?),
        ("name", Routes::from_name(name)?),
        (
            "descriptor",
            Routes::from_fd(map.as_fd().try_clone_to_owned()?)?,
        ),
        ("aya", by_aya),
    ] {
        check::equal(other.get(&prefix)?, Some(7), how)?;
    }
    let second = Routes::builder(name).map_type(on.map_type()).create()?;
    let ids = vec![info.id, second.info()?.id];
    let several = Routes::from_name(name);
    check::holds(
        matches!(&several, Err(Error::AmbiguousName { ids: found, .. }) if *found == ids),
        &format!("two of the name: {several:?}"),
    )?;
    let none = Routes::from_name("no_such_map");
    check::holds(
        matches!(none, Err(Error::NoSuchName { .. })),
        &format!("none of the name: {none:?}"),
    )
}

fn pins(on: Type) -> Result<()> {
    let pin = Pin::new("library_pins");
    let wanted = Routes::builder("pinned")
        .map_type(on.map_type())
        .max_entries(100)
        .pin(pin.path());
    let first = wanted.open_or_create()?;
    first.insert(&net("10.0.0.0/8"), &1)?;
    let second = wanted.open_or_create()?;
    check::equal(second.info()?.id, first.info()?.id, "the same map")?;
    let taken = wanted.create().err().and_then(|error| error.errno());
    check::equal(taken, Some(EEXIST), "create where something is pinned")?;
    let larger = wanted.clone().max_entries(200).open_or_create();
    check::holds(
        matches!(
            larger,
            Err(Error::PinDiffers {
                what: "max_entries",
                found: 100,
                expected: 200,
                ..
            })
        ),
        &format!("another max_entries: {larger:?}"),
    )
}

fn refuses(on: Type) -> Result<()> {
    let map = routes(on, 10)?;
    let fd = || map.as_fd().try_clone_to_owned();
    let v6 = LpmMap::<Ipv6Net, u64>::from_fd(fd()?);
    check::holds(
        matches!(
            v6,
            Err(Error::Size {
                what: "key data",
                found: 4,
                expected: 16
            })
        ),
        &format!("IPv6 keys: {v6:?}"),
    )?;
    let short = LpmMap::<Ipv4Net, u32>::from_fd(fd()?);
    check::holds(
        matches!(
            short,
            Err(Error::Size {
                what: "value",
                found: 8,
                expected: 4
            })
        ),
        &format!("values of 4 bytes: {short:?}"),
    )?;
    let hash = map::create(MapType::from_number(1), "hash", 8, 8, 1, 0)?;
    let hash = Routes::from_aya(&hash);
    check::holds(
        matches!(hash, Err(Error::WrongType { found: 1, .. })),
        &format!("a hash map: {hash:?}"),
    )?;
    let object = Loader::new().load(objects::ACCESS)?;
    let program = object.load_program("lookup")?;
    let program = Routes::from_fd(program.as_fd().try_clone_to_owned()?);
    check::holds(
        matches!(&program, Err(error) if error.to_string().contains("not a map, but anon_inode:bpf-prog")),
        &format!("a program: {program:?}"),
    )?;
    let name = Routes::builder("my-routes")
        .map_type(on.map_type())
        .create();
    check::holds(
        matches!(name, Err(Error::Name { .. })),
        &format!("a name with a hyphen: {name:?}"),
    )?;
    let sizeless = LpmMap::<BytePrefix, u64>::builder("x")
        .map_type(on.map_type())
        .create();
    check::holds(
        matches!(
            sizeless,
            Err(Error::SizeNotGiven {
                call: "data_size",
                ..
            })
        ),
        &format!("keys of no size: {sizeless:?}"),
    )?;
    let nowhere = Routes::from_pin("/sys/fs/bpf/no_such_pin");
    check::equal(
        nowhere.err().and_then(|error| error.errno()),
        Some(ENOENT),
        "no pin",
    )?;
    check::holds(
        !Path::new("/sys/fs/bpf/no_such_pin").exists() && fs::exists("/sys/fs/bpf")?,
        "because nothing is pinned there",
    )
}

fn swaps(on: Type) -> Result<()> {
    let pin = Pin::new("library_outer");
    let first = routes(on, 10)?;
    let outer = OuterMap::<u32, Ipv4Net, u64>::array("tables", 2, &first)?;
    outer.pin(pin.path())?;
    check::holds(outer.get(&0)?.is_none(), "an empty place")?;
    outer.set(&0, &first)?;
    let next = routes(on, 20)?;
    let prefix = net("10.0.0.0/8");
    next.insert_all([(prefix, 2)])?;

    let again = OuterMap::<u32, Ipv4Net, u64>::from_pin(pin.path())?;
    let inside = |outer: &OuterMap<u32, Ipv4Net, u64>| -> Result<Option<u64>> {
        Ok(outer.get(&0)?.context("an inner map")?.get(&prefix)?)
    };
    check::equal(inside(&again)?, None, "the first table")?;
    again.set(&0, &next)?;
    check::equal(inside(&outer)?, Some(2), "the next table")?;

    let hash = OuterMap::<u64, Ipv4Net, u64>::hash("by_id", 2, &first)?;
    check::holds(hash.get(&77)?.is_none(), "no such key")?;
    hash.set(&77, &next)?;
    let id = hash.get(&77)?.context("an inner map")?.info()?.id;
    check::equal(id, next.info()?.id, "a hash of maps")?;

    let other_sizes = LpmMap::<Ipv4Net, u32>::builder("other")
        .map_type(on.map_type())
        .create()?;
    let other = OuterMap::<u32, Ipv4Net, u32>::from_pin(pin.path())?;
    let refused = other.set(&1, &other_sizes).err();
    check::equal(
        refused.and_then(|error| error.errno()),
        Some(libc::EINVAL),
        "a map with values of another size",
    )
}
