// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line tool `lpm`, which lies next to the suite: what it prints,
//! its exit status, and what it does to maps.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use ipnet::Ipv4Net;
use lpm_mtrie::{BytePrefix, Bytes, LpmMap};
use raw_bpf::{RawMap, sys, sys::map::MapAttr};
use serde_json::{Value as Json, json};

use super::{
    library::{Expected, Routes, all, clustered, net},
    pinning::Pin,
};
use crate::{
    btf_blob, check,
    harness::{Test, Type},
    maps::{self, IPV4, Shape},
    prefix::v4,
    random::Random,
};

pub const TESTS: &[Test] = &[
    Test::both("cli_agrees_with_the_model", answers),
    Test::both("cli_loads_what_it_dumps", round_trip),
    Test::both("cli_creates_maps_of_all_kinds", creates),
    Test::both("cli_sets_and_deletes", sets),
    Test::both("cli_writes_fields_by_name", fields),
    Test::both("cli_stats_counts_by_length", stats),
    Test::both("cli_watches_changes", watches),
    Test::both("cli_answers_before_the_next_question", dialogue),
    Test::both("cli_ends_when_nobody_reads", nobody_reads),
    Test::both("cli_errors_say_what_to_do", errors),
    Test::mtrie("cli_stats_shows_what_the_kernel_can_do", kernel),
];

/// What a run of the tool gave.
pub(super) struct Run {
    pub(super) status: i32,
    pub(super) out: String,
    pub(super) err: String,
}

pub(super) fn command(args: &[&str]) -> Result<Command> {
    let path = env::current_exe()?.with_file_name("lpm");
    if !path.exists() {
        bail!("{} is missing; build the package lpm-cli", path.display());
    }
    let mut command = Command::new(path);
    command.args(args).env_remove("NO_COLOR");
    Ok(command)
}

pub(super) fn lpm(args: &[&str]) -> Result<Run> {
    let output = command(args)?.output().context("run lpm")?;
    Ok(Run {
        status: output.status.code().context("lpm was killed")?,
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

/// The run ends with this status and prints this.
pub(super) fn expect(args: &[&str], status: i32, out: &str) -> Result<()> {
    let run = lpm(args)?;
    let what = format!("lpm {}: {}", args.join(" "), run.err);
    check::equal((run.status, run.out.as_str()), (status, out), &what)
}

/// A pinned map, filled by the library.
pub(super) fn pinned(on: Type, name: &str) -> Result<(Pin, Routes)> {
    let pin = Pin::new(name);
    let map = Routes::builder(name)
        .map_type(on.map_type())
        .max_entries(1000)
        .pin(pin.path())
        .create()?;
    Ok((pin, map))
}

pub(super) fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is text")
}

/// A file of a test.
pub(super) fn file(name: &str, content: &str) -> Result<PathBuf> {
    let path = Path::new("/tmp").join(name);
    fs::write(&path, content)?;
    Ok(path)
}

pub(super) fn json_lines(text: &str) -> Result<Vec<Json>> {
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
        .collect()
}

fn lines(entries: &[(Ipv4Net, u64)]) -> String {
    let lines = entries
        .iter()
        .map(|(prefix, value)| format!("{prefix} {value}\n"));
    lines.collect()
}

fn answers(on: Type) -> Result<()> {
    let (pin, map) = pinned(on, "cli_answers")?;
    let map_arg = text(pin.path())?;
    let mut random = Random::new(31);
    let expected = Expected::fill(&map, 300, &mut random)?;
    let keys: Vec<_> = (0..200).map(|_| clustered(&mut random)).collect();
    let texts: Vec<_> = keys.iter().map(Ipv4Net::to_string).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();

    let run = lpm(&[&["lookup", map_arg][..], &texts].concat())?;
    let want = keys.iter().map(|key| match expected.covering(key).first() {
        Some((prefix, value)) => format!("{key} {prefix} {value}\n"),
        None => format!("{key} no match\n"),
    });
    let want: String = want.collect();
    check::equal(&run.out, &want, "lookup")?;
    let list = file("cli_keys.txt", &texts.join("\n"))?;
    let piped = command(&["lookup", map_arg, "-"])?
        .stdin(fs::File::open(list)?)
        .output()?;
    check::equal(String::from_utf8(piped.stdout)?, want, "keys from a pipe")?;

    let run = lpm(&[&["--json", "get", map_arg][..], &texts].concat())?;
    let want = keys.iter().map(|key| match expected.0.get(key) {
        Some(value) => json!({
            "key": key.to_string(), "prefix": key.to_string(),
            "length": key.prefix_len(), "value": value,
        }),
        None => json!({
            "key": key.to_string(), "prefix": null, "length": null, "value": null,
        }),
    });
    check::equal(json_lines(&run.out)?, want.collect(), "get")?;
    check::equal(run.status, 1, "some of them are not there")?;

    for key in &keys[..10] {
        let covering = expected.covering(key);
        let status = i32::from(covering.is_empty());
        let key_arg = key.to_string();
        let args = ["covering", map_arg, &key_arg];
        expect(&args, status, &lines(&covering))?;
        let covered = expected.covered(key)?;
        let status = i32::from(covered.is_empty());
        let args = ["covered", map_arg, &key_arg];
        expect(&args, status, &lines(&covered))?;
    }
    let (key, value) = expected.0.iter().next().context("an entry")?;
    let (key, id) = (key.to_string(), format!("id:{}", map.info()?.id));
    let found = format!("{key} {key} {value}\n");
    expect(&["lookup", &id, &key], 0, &found)?;
    expect(&["get", "name:cli_answers", &key], 0, &found)
}

fn round_trip(on: Type) -> Result<()> {
    let (pin, map) = pinned(on, "cli_dump")?;
    let mut random = Random::new(32);
    let expected = Expected::fill(&map, 300, &mut random)?.in_order()?;
    let (copy_pin, copy) = pinned(on, "cli_copy")?;
    let (from, to) = (text(pin.path())?, text(copy_pin.path())?);
    expect(&["dump", from], 0, &lines(&expected))?;
    for format in ["text", "csv", "json"] {
        let dump = lpm(&["dump", from, "--format", format])?;
        check::equal(dump.status, 0, &dump.err)?;
        let path = file(&format!("cli_dump.{format}"), &dump.out)?;
        let path = text(&path)?;
        copy.clear()?;
        let loaded = format!("loaded {} entries\n", expected.len());
        expect(&["load", to, path], 0, &loaded)?;
        check::equal(all(&copy)?, expected.clone(), format)?;
        expect(&["diff", to, path], 0, "")?;
        let piped = command(&["load", to, "-"])?
            .stdin(fs::File::open(path)?)
            .output()?;
        let got = String::from_utf8(piped.stdout)?;
        check::equal(got, loaded, "from standard input")?;
    }
    Ok(())
}

fn creates(on: Type) -> Result<()> {
    let map_type = if on.is_mtrie() { "mtrie" } else { "trie" };
    for (kind, more, key, printed, value) in [
        ("ipv4", &[][..], "10.1.2.3", "10.1.2.3/32", "7"),
        ("ipv6", &[], "2001:db8::/32", "2001:db8::/32", "4294967295"),
        ("mac", &[], "00:1b:21", "00:1b:21:00:00:00/24", "0x10"),
        ("path", &["--key-size", "32"], "/usr/lib/", "/usr/lib/", "1"),
    ] {
        let pin = Pin::new("cli_created");
        let map = text(pin.path())?;
        let args = ["create", map, "--key", kind, "--type", map_type];
        let run = lpm(&[&args[..], more].concat())?;
        check::equal(run.status, 0, &format!("create {kind}: {}", run.err))?;
        let opened = LpmMap::<BytePrefix, Bytes>::from_pin(pin.path())?;
        check::equal(opened.info()?.map_type, on.map_type(), "its type")?;
        check::equal(opened.info()?.name.as_str(), "cli_created", "its name")?;
        expect(&["set", map, key, value], 0, "")?;
        let value = value.replace("0x10", "16");
        expect(&["get", map, key], 0, &format!("{key} {printed} {value}\n"))?;
        let again = lpm(&[&args[..], more].concat())?;
        check::equal(again.status, 3, "the pin is taken")?;
    }
    let pin = Pin::new("cli-created");
    let run = lpm(&[
        "create",
        text(pin.path())?,
        "--key",
        "ipv4",
        "--type",
        map_type,
    ])?;
    check::holds(run.out.contains("named cli_created"), &run.out)
}

fn sets(on: Type) -> Result<()> {
    let (pin, map) = pinned(on, "cli_sets")?;
    let path = text(pin.path())?;
    let inner = "10.1.0.0/16";
    let missing = lpm(&["set", path, inner, "1", "--replace"])?;
    check::equal(missing.status, 1, &missing.err)?;
    expect(&["set", path, inner, "1", "--add"], 0, "")?;
    let twice = lpm(&["set", path, inner, "2", "--add"])?;
    check::equal(twice.status, 1, &twice.err)?;
    check::equal(map.get(&net(inner))?, Some(1), "what was added first")?;
    expect(&["set", path, inner, "3"], 0, "")?;
    check::equal(map.get(&net(inner))?, Some(3), "the value")?;
    expect(&["set", path, inner, "-1", "--value", "signed"], 0, "")?;
    check::equal(map.get(&net(inner))?, Some(u64::MAX), "with a sign")?;
    let printed = format!("{inner} {inner} 0xffffffffffffffff\n");
    expect(&["get", path, inner, "--value", "hex"], 0, &printed)?;

    for prefix in ["10.0.0.0/8", "10.1.1.0/24", "11.0.0.0/8"] {
        map.insert(&net(prefix), &1)?;
    }
    let args = ["delete", path, "--subtree", "10.1.0.0/16"];
    expect(&args, 0, "deleted 2 entries\n")?;
    expect(&args, 1, "deleted 0 entries\n")?;
    let run = lpm(&["delete", path, "11.0.0.0/8", "12.0.0.0/8"])?;
    check::equal(run.status, 1, "one of them is not there")?;
    check::holds(run.err.contains("12.0.0.0/8"), "and named")?;
    check::equal(all(&map)?, vec![(net("10.0.0.0/8"), 1)], "what is left")
}

/// A pinned map with `struct { u64 packets; u32 errors; }` as values, which end in padding.
pub(super) fn counts(on: Type, pin: &Pin) -> Result<RawMap> {
    let btf = sys::prog::load_btf(&btf_blob::blob())?;
    let shape = Shape { value: 16, ..IPV4 };
    let map = RawMap::create(&MapAttr {
        btf_fd: btf.as_raw_fd() as u32,
        btf_key_type_id: btf_blob::KEY,
        btf_value_type_id: btf_blob::COUNTS,
        ..maps::attr(on, shape)
    })?;
    sys::obj_pin(map.fd(), pin.path())?;
    Ok(map)
}

/// The map's BTF says that values are structures of integers.
fn fields(on: Type) -> Result<()> {
    let pin = Pin::new("cli_fields");
    let map = counts(on, &pin)?;
    let path = text(pin.path())?;
    let prefix = "10.0.0.0/8";
    expect(&["set", path, prefix, "errors=1,packets=7"], 0, "")?;
    let printed = format!("{prefix} {prefix} packets=7,errors=1\n");
    expect(&["lookup", path, prefix], 0, &printed)?;
    let value = map.lookup(&v4([10, 0, 0, 0], 8), 0)?;
    let want = [&7u64.to_ne_bytes()[..], &1u32.to_ne_bytes(), &[0; 4]].concat();
    check::equal(value, want, "the bytes")?;
    let run = lpm(&["dump", path, "--json"])?;
    let want = json!({
        "prefix": prefix, "length": 8, "value": { "packets": 7, "errors": 1 },
    });
    check::equal(json_lines(&run.out)?, vec![want], "an object in JSON")?;
    for format in ["text", "csv", "json"] {
        let dump = lpm(&["dump", path, "--format", format])?;
        let list = file(&format!("cli_fields.{format}"), &dump.out)?;
        expect(&["diff", path, text(&list)?], 0, "")?;
    }
    let run = lpm(&["set", path, prefix, "7"])?;
    check::equal(run.status, 2, "a number")?;
    check::holds(run.err.contains("packets=N,errors=N"), &run.err)
}

fn stats(on: Type) -> Result<()> {
    let (pin, map) = pinned(on, "cli_stats")?;
    for prefix in ["10.0.0.0/8", "11.0.0.0/8", "10.1.0.0/16"] {
        map.insert(&net(prefix), &1)?;
    }
    let run = lpm(&["stats", text(pin.path())?, "--json"])?;
    let stats = json_lines(&run.out)?.swap_remove(0);
    let name = if on.is_mtrie() {
        "lpm_mtrie"
    } else {
        "lpm_trie"
    };
    for (field, want) in [
        ("id", json!(map.info()?.id)),
        ("name", json!("cli_stats")),
        ("type", json!(name)),
        ("entries", json!(3)),
        ("max_entries", json!(1000)),
        ("lengths", json!({ "8": 2, "16": 1 })),
    ] {
        check::equal(&stats[field], &want, field)?;
    }
    check::holds(
        stats["memory"].as_u64() > Some(0),
        "it says how much memory the map takes",
    )?;
    let run = lpm(&["stats", text(pin.path())?])?;
    check::holds(
        run.out.contains("entries: 3 of 1000\n"),
        &format!("stats for people:\n{}", run.out),
    )
}

/// The map changes until the watcher has ended: it sees some of it.
fn watches(on: Type) -> Result<()> {
    let (pin, map) = pinned(on, "cli_watch")?;
    let prefix = net("10.0.0.0/8");
    map.insert(&prefix, &0)?;
    let args = [
        "watch",
        text(pin.path())?,
        "--interval",
        "0.2",
        "--count",
        "3",
    ];
    let mut child = command(&args)?.stdout(Stdio::piped()).spawn()?;
    let mut value = 0;
    while child.try_wait()?.is_none() {
        value += 1;
        map.insert(&prefix, &value)?;
    }
    let output = child.wait_with_output()?;
    let out = String::from_utf8(output.stdout)?;
    check::equal(output.status.code(), Some(0), "the watcher's status")?;
    let signs: String = out.chars().filter(|c| "+-".contains(*c)).collect();
    check::equal(signs.as_str(), "-+-+-+", &format!("three changes:\n{out}"))
}

fn errors(on: Type) -> Result<()> {
    let (pin, map) = pinned(on, "cli_errors")?;
    let path = text(pin.path())?;
    let bad = file("cli_bad.txt", "10.0.0.0/8 1\n10.0.0.0/40 2\n11.0.0.0/8 x\n")?;
    let bad = text(&bad)?;
    let latin1 = file("cli_latin1.txt", "")?;
    fs::write(&latin1, b"10.0.0.0/8 1\n\xe9 2\n")?;
    let latin1 = text(&latin1)?;
    for (args, status, parts) in [
        (
            vec!["load", path, bad],
            2,
            vec![
                "nothing was done; wrong lines: 2",
                "line 2: '10.0.0.0/40'",
                "line 3:",
            ],
        ),
        (
            vec!["load", path, latin1],
            2,
            vec!["line 2 is not UTF-8, nothing was done"],
        ),
        (
            vec!["dump", path, "--json", "--format", "csv"],
            2,
            vec!["--format"],
        ),
        (
            vec!["lookup", path, "::1"],
            2,
            vec!["'::1' is not an IPv4 prefix", "10.0.0.0/8"],
        ),
        (
            vec!["lookup", "routes", "::1"],
            2,
            vec!["name:routes", "/sys/fs/bpf/routes"],
        ),
        (
            vec!["set", path, "10.0.0.0/8", "y"],
            2,
            vec!["'y'", "integer of 8 bytes"],
        ),
        (
            vec!["dump", path, "--key", "ipv6"],
            2,
            vec!["16 bytes", "--key path"],
        ),
        (vec!["dump"], 2, vec!["Usage"]),
        (
            vec!["dump", "/sys/fs/bpf/nothing"],
            3,
            vec!["/sys/fs/bpf/nothing", "lpm create"],
        ),
        (
            vec!["dump", "name:nothing"],
            3,
            vec!["'nothing'", "bpftool map"],
        ),
        (vec!["dump", "id:4000000000"], 3, vec!["id 4000000000"]),
        (
            vec!["load", path, "/tmp/no_such_file"],
            3,
            vec!["/tmp/no_such_file"],
        ),
        (
            vec!["create", "/tmp/lpm_no_pin", "--key", "ipv4"],
            3,
            vec!["pin the map to /tmp/lpm_no_pin", "BPF file system"],
        ),
        (vec!["create", "/sys/fs/bpf/x"], 2, vec!["--key ipv4"]),
    ] {
        let run = lpm(&args)?;
        let what = format!("lpm {}: {}", args.join(" "), run.err);
        check::equal(run.status, status, &what)?;
        for part in parts {
            check::holds(run.err.contains(part), &format!("'{part}' in {what}"))?;
        }
    }
    check::equal(all(&map)?, vec![], "nothing was done")?;

    map.freeze()?;
    let frozen = lpm(&["set", path, "10.0.0.0/8", "1"])?;
    check::equal(frozen.status, 3, "a frozen map")?;
    check::holds(frozen.err.contains("frozen"), &frozen.err)
}

/// As at a terminal, or in a co-process: the answer comes while standard input is open.
fn dialogue(on: Type) -> Result<()> {
    let (pin, map) = pinned(on, "cli_dialogue")?;
    map.insert(&net("10.0.0.0/8"), &1)?;
    let mut child = command(&["lookup", text(pin.path())?, "-"])?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut questions = child.stdin.take().context("a pipe")?;
    let mut answers = BufReader::new(child.stdout.take().context("a pipe")?);
    for (question, want) in [
        ("10.1.2.3\n", "10.1.2.3 10.0.0.0/8 1\n"),
        ("11.0.0.0\n", "11.0.0.0 no match\n"),
    ] {
        questions.write_all(question.as_bytes())?;
        let mut answer = String::new();
        answers.read_line(&mut answer)?;
        check::equal(answer.as_str(), want, "the answer")?;
    }
    drop(questions);
    check::equal(child.wait()?.code(), Some(1), "one had no match")
}

/// As with `lpm diff … | head`: the status is not that of a diff without differences.
fn nobody_reads(on: Type) -> Result<()> {
    let (pin, map) = pinned(on, "cli_pipe")?;
    map.insert(&net("10.0.0.0/8"), &1)?;
    let (reader, writer) = io::pipe()?;
    drop(reader);
    let path = text(pin.path())?;
    let status = command(&["diff", path, "/dev/null"])?
        .stdout(writer)
        .status()?;
    check::equal(status.code(), Some(141), "as by SIGPIPE")
}

fn kernel(on: Type) -> Result<()> {
    let (pin, _map) = pinned(on, "cli_kernel")?;
    let run = lpm(&["stats", text(pin.path())?, "--json"])?;
    let stats = json_lines(&run.out)?.swap_remove(0);
    let want = json!({ "match_len": true, "positions": true });
    check::equal(&stats["kernel"], &want, "what this kernel has")
}
