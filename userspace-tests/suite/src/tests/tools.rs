// SPDX-License-Identifier: MIT OR Apache-2.0
//! Existing tools: Debian's bpftool, which does not know the type, and bpftool of the patched tree,
//! which does, each with its own libbpf; and other libraries.

use std::{
    fs,
    os::fd::{AsFd, AsRawFd},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};
use lpm_mtrie::map;
use raw_bpf::{
    RawMap,
    sys::{
        self,
        map::MapAttr,
        prog::{TestRun, load_btf, test_run},
    },
};
use serde_json::{Value, json};

use super::pinning::Pin;
use crate::{
    btf_blob::{self, KEY, U64},
    check, command,
    harness::{Test, Type},
    maps::{self, F_NO_PREALLOC, IPV4, value},
    model::ANY,
    objects,
    prefix::v4,
};

pub const TESTS: &[Test] = &[
    Test::both("tools_stock_bpftool_edits_maps", |on| {
        describes_and_edits(on, Tool::Stock)
    }),
    Test::both("tools_patched_bpftool_edits_maps", |on| {
        describes_and_edits(on, Tool::Patched)
    }),
    Test::mtrie("tools_stock_bpftool_cannot_create_the_type", stock_creation),
    Test::both("create_by_bpftool", creation),
    Test::mtrie("create_by_stock_libbpf", |on| {
        loads_an_object(on, Tool::Stock)
    }),
    Test::mtrie("create_by_patched_libbpf", |on| {
        loads_an_object(on, Tool::Patched)
    }),
    Test::mtrie("tools_patched_bpftool_probes_the_type", probe),
    Test::mtrie("tools_libbpf_rs_uses_the_type", libbpf_rs),
    Test::both("tools_cilium_ebpf_uses_the_type", cilium_ebpf),
];

/// Needs no program of the host.
pub const AYA: &[Test] = &[Test::mtrie(
    "tools_aya_loader_rejects_unknown_type",
    aya_loader,
)];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    /// Debian's package bpftool.
    Stock,
    /// What scripts/inputs/tools built.
    Patched,
}

impl Tool {
    fn command(self, arguments: &[&str]) -> Result<Command> {
        let mut command = match self {
            Self::Stock => Command::new("/usr/sbin/bpftool"),
            Self::Patched => command::built("bpftool")?,
        };
        command.arg("--json").args(arguments);
        Ok(command)
    }

    /// Its output, which is null after a successful change.
    fn run(self, arguments: &[&str]) -> Result<Value> {
        let output = command::succeeds(&mut self.command(arguments)?)?;
        serde_json::from_str(&output).with_context(|| format!("{arguments:?} printed {output}"))
    }

    /// The arguments for bytes: `hex 10 00 …`.
    fn run_with_bytes(self, head: &[&str], parts: &[(&str, &[u8])]) -> Result<Value> {
        let mut words: Vec<String> = head.iter().map(|word| (*word).to_owned()).collect();
        for (what, bytes) in parts {
            words.extend([(*what).to_owned(), "hex".to_owned()]);
            words.extend(bytes.iter().map(|byte| format!("{byte:02x}")));
        }
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        self.run(&words)
    }

    /// How it names the type.
    fn type_name(self, on: Type) -> Value {
        match (on.is_mtrie(), self) {
            (false, _) => json!("lpm_trie"),
            (true, Self::Patched) => json!("lpm_mtrie"),
            (true, Self::Stock) => json!(on.map_type().number()),
        }
    }
}

/// bpftool's JSON for bytes.
fn hex(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| format!("0x{byte:02x}")).collect()
}

/// A map with BTF, so that dumps have names in them.
fn map_with_btf(on: Type) -> Result<(RawMap, String)> {
    let btf = load_btf(&btf_blob::blob())?;
    let attr = MapAttr {
        btf_fd: btf.as_raw_fd() as u32,
        btf_key_type_id: KEY,
        btf_value_type_id: U64,
        ..maps::attr(on, IPV4).named("tools")
    };
    let map = RawMap::create(&attr)?;
    let id = sys::map::info(map.fd())?.id.to_string();
    Ok((map, id))
}

/// list, show, update, lookup, dump, getnext, pin, delete, freeze.
fn describes_and_edits(on: Type, tool: Tool) -> Result<()> {
    let (map, id) = map_with_btf(on)?;
    let id = id.as_str();
    let shown = tool.run(&["map", "show", "id", id])?;
    for (field, want) in [
        ("type", tool.type_name(on)),
        ("name", json!("tools")),
        ("flags", json!(F_NO_PREALLOC)),
        ("bytes_key", json!(8)),
        ("bytes_value", json!(8)),
        ("max_entries", json!(1024)),
        ("frozen", json!(0)),
    ] {
        check::equal(&shown[field], &want, &format!("show: {field}"))?;
    }
    let listed = tool.run(&["map", "list"])?;
    let ids = listed.as_array().context("a list")?.iter();
    check::equal(
        ids.filter(|map| map["id"] == shown["id"]).count(),
        1,
        "the list has it once",
    )?;

    let [wide, narrow] = [v4([10, 0, 0, 0], 8), v4([10, 1, 0, 0], 16)];
    for (key, number) in [(&wide, 1), (&narrow, 2)] {
        let value = value(number);
        tool.run_with_bytes(
            &["map", "update", "id", id],
            &[("key", key), ("value", &value)],
        )?;
        check::equal(map.lookup(key, 0)?, value, "what it wrote")?;
    }
    let address = v4([10, 1, 2, 3], 32);
    let found = tool.run_with_bytes(&["map", "lookup", "id", id], &[("key", &address)])?;
    check::equal(
        &found["value"],
        &hex(&value(2)),
        "lookup: the longest match",
    )?;
    let dump = tool.run(&["map", "dump", "id", id])?;
    let formatted: Vec<_> = dump
        .as_array()
        .context("a dump")?
        .iter()
        .map(|element| element["formatted"].clone())
        .collect();
    check::equal(
        formatted,
        vec![
            json!({"key": {"prefixlen": 16, "data": [10, 1, 0, 0]}, "value": 2}),
            json!({"key": {"prefixlen": 8, "data": [10, 0, 0, 0]}, "value": 1}),
        ],
        "dump: all prefixes, the longer one first",
    )?;
    let next = tool.run_with_bytes(&["map", "getnext", "id", id], &[("key", &narrow)])?;
    check::equal(&next["next_key"], &hex(&wide), "getnext")?;

    let pin = Pin::new("suite_tools");
    let path = pin.path().to_str().context("a path in UTF-8")?;
    tool.run(&["map", "pin", "id", id, path])?;
    let delete = ["map", "delete", "pinned", path];
    tool.run_with_bytes(&delete, &[("key", &narrow)])?;
    check::equal(map.keys(10)?, vec![wide], "one was deleted")?;
    let mut again = tool.command(&delete)?;
    again.args(["key", "16", "0", "0", "0", "10", "1", "0", "0"]);
    let output = command::fails(&mut again)?;
    check::holds(output.contains("No such file or directory"), &output)?;

    tool.run(&["map", "freeze", "id", id])?;
    let shown = tool.run(&["map", "show", "pinned", path])?;
    check::equal(&shown["frozen"], &json!(1), "show: frozen")
}

/// Creation needs the name, and Debian's bpftool accepts no number instead.
fn stock_creation(on: Type) -> Result<()> {
    let pin = Pin::new("suite_tools");
    let path = pin.path().to_str().context("a path in UTF-8")?;
    let number = on.map_type().number().to_string();
    for name in ["lpm_mtrie", &number] {
        let mut create = Tool::Stock.command(&["map", "create", path, "type", name])?;
        create.args(["key", "8", "value", "8", "entries", "16", "name", "x"]);
        let output = command::fails(&mut create)?;
        check::holds(output.contains("unrecognized map type"), &output)?;
    }
    check::holds(!pin.path().exists(), "nothing was created")
}

fn creation(on: Type) -> Result<()> {
    let pin = Pin::new("suite_tools");
    let path = pin.path().to_str().context("a path in UTF-8")?;
    let name = Tool::Patched.type_name(on);
    let name = name.as_str().context("the type's name")?;
    Tool::Patched.run(&[
        "map",
        "create",
        path,
        "type",
        name,
        "key",
        "8",
        "value",
        "8",
        "entries",
        "16",
        "name",
        "by_bpftool",
        "flags",
        "1",
    ])?;
    let map = RawMap::new(sys::obj_get(pin.path(), 0)?)?;
    let info = sys::map::info(map.fd())?;
    check::equal(info.type_, on.map_type().number(), "type")?;
    check::equal((info.key_size, info.value_size), (8, 8), "sizes")?;
    check::equal(info.max_entries, 16, "max_entries")?;
    check::equal(info.map_flags, F_NO_PREALLOC, "map_flags")?;
    let key = v4([10, 0, 0, 0], 8);
    map.update(&key, &value(1), ANY)?;
    check::equal(
        map.lookup(&v4([10, 9, 9, 9], 32), 0)?,
        value(1),
        "it is used",
    )
}

/// bpf/shared.bpf.c as a file, for loaders that need one.
fn object_file() -> Result<&'static str> {
    const OBJECT: &str = "/tmp/suite_shared.bpf.o";
    fs::write(OBJECT, objects::SHARED).context(OBJECT)?;
    Ok(OBJECT)
}

/// Loads that object with libbpf: maps, programs and their pins.
fn loads_an_object(on: Type, tool: Tool) -> Result<()> {
    const DIR: &str = "/sys/fs/bpf/suite_libbpf";
    let object = object_file()?;
    let (programs, maps) = (format!("{DIR}/programs"), format!("{DIR}/maps"));
    fs::create_dir_all(DIR).context(DIR)?;
    tool.run(&[
        "prog",
        "loadall",
        object,
        &programs,
        "type",
        "classifier",
        "pinmaps",
        &maps,
    ])?;
    let checked = (|| {
        let map = RawMap::new(sys::obj_get(Path::new(&format!("{maps}/lpm")), 0)?)?;
        let info = sys::map::info(map.fd())?;
        check::equal(info.type_, on.map_type().number(), "the map's type")?;
        check::equal(info.max_entries, 64, "max_entries")?;
        check::holds(info.btf_key_type_id != 0, "the key's BTF type came along")?;
        map.update(&v4([10, 1, 0, 0], 16), &value(41), ANY)?;
        for (program, want) in [("count", 1), ("report", 42)] {
            let program = sys::obj_get(Path::new(&format!("{programs}/{program}")), 0)?;
            let run = TestRun {
                data: &[0; 64],
                ctx: &[],
                repeat: 1,
            };
            check::equal(
                test_run(program.as_fd(), &run)?.retval,
                want,
                "a program's answer",
            )?;
        }
        Ok(())
    })();
    fs::remove_dir_all(DIR).context(DIR)?;
    checked
}

fn probe(_: Type) -> Result<()> {
    let features = Tool::Patched.run(&["feature", "probe", "kernel"])?;
    check::equal(
        &features["map_types"]["have_lpm_mtrie_map_type"],
        &json!(true),
        "the probe creates a map of the type",
    )
}

/// aya 0.14 accepts only the types of its own enum, whatever its options; so objects are loaded by
/// this project's loader, which uses aya's parser and relocator.
fn aya_loader(on: Type) -> Result<()> {
    let made = map::create(on.map_type(), "aya", 8, 8, 16, F_NO_PREALLOC)?;
    check::holds(
        made.info()?.map_type().is_err(),
        "MapInfo::map_type knows no name",
    )?;
    let mut loader = aya::EbpfLoader::new();
    loader.allow_unsupported_maps();
    match loader.load(objects::SHARED) {
        Ok(_) => bail!(
            "aya's loader accepts the type now: remove this project's loader, and update docs/tools.md"
        ),
        Err(error) => {
            let text = format!("{:#}", anyhow::Error::from(error));
            let number = on.map_type().number().to_string();
            check::holds(text.contains(&format!("map type {number}")), &text)
        }
    }
}

/// Through libbpf it loads and uses types that it does not know; its own enum of types cannot
/// represent the number, so it cannot create such a map itself.
fn libbpf_rs(on: Type) -> Result<()> {
    let number = on.map_type().number().to_string();
    let mut program = command::built("with-libbpf-rs")?;
    let output = command::succeeds(program.arg(object_file()?).arg(number))?;
    let want = "\
type: Unknown
lookup: Some([2, 0, 0, 0, 0, 0, 0, 0])
key: [16, 0, 0, 0, 10, 1, 0, 0]
key: [8, 0, 0, 0, 10, 0, 0, 0]
update of a present prefix: Err(AlreadyExists)
deleted twice: Err(NotFound)
created: Err(InvalidInput)
";
    check::equal(output.as_str(), want, "what it prints")
}

/// It accepts any number, and prints those that it has no name for.
fn cilium_ebpf(on: Type) -> Result<()> {
    let number = on.map_type().number().to_string();
    let mut program = command::built("with-cilium-ebpf")?;
    let output = command::succeeds(program.arg(object_file()?).arg(&number))?;
    let name = if on.is_mtrie() {
        format!("MapType({number})")
    } else {
        "LPMTrie".to_owned()
    };
    let want = format!(
        "\
type: {name}
program: 1
lookup: 3
entry: 16 [10 1 0 0] 3
entry: 8 [10 0 0 0] 1
update of a present prefix: update: key already exists
deleted twice: delete: key does not exist
created: {name} 16
"
    );
    check::equal(output, want, "what it prints")
}
