// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loads the rules of a file, enforces them until Enter is pressed, and prints how often each one
//! decided.

use std::{env, fs, io};

use anyhow::{Context, Result, bail};
use bytemuck::{Pod, Zeroable};
use lpm_mtrie::{BytePrefix, Hook, Loader, LpmMap};

const ELF: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/path_policy.bpf.o"));
const LSM: &str = "/sys/kernel/security/lsm";

/// `struct rule` of the program.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Rule {
    deny: u64,
    opens: u64,
}

/// `VERDICT PATH`: `allow` or `deny`, and the beginning of the paths to which it applies.
fn parse(line: &str) -> Result<(BytePrefix, Rule)> {
    let (deny, path) = match line.split_once(' ') {
        Some(("allow", path)) => (0, path.trim()),
        Some(("deny", path)) => (1, path.trim()),
        _ => bail!("'{line}' is not a rule; expected 'allow PATH' or 'deny PATH'"),
    };
    if !path.starts_with('/') {
        bail!("'{path}' does not start with /, as the kernel's paths do");
    }
    Ok((path.into(), Rule { deny, opens: 0 }))
}

fn main() -> Result<()> {
    let [_, path] = &env::args().collect::<Vec<_>>()[..] else {
        bail!("usage: example-path-policy RULES");
    };
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));

    // Without it, the program would attach, and never run.
    let modules = fs::read_to_string(LSM).with_context(|| format!("read {LSM}"))?;
    if !modules.split(',').any(|module| module.trim() == "bpf") {
        bail!("bpf is not among the kernel's security modules ({modules}); boot with lsm=…,bpf");
    }

    let object = Loader::new().load(ELF)?;
    let rules = LpmMap::<BytePrefix, Rule>::from_aya(object.map("rules")?)?;
    let mut loaded = vec![];
    for line in lines {
        let (key, rule) = parse(line).with_context(|| path.clone())?;
        rules.insert(&key, &rule).with_context(|| line.to_owned())?;
        loaded.push((line, key));
    }

    let _link = object
        .load_program_for("path_policy", "file_open")?
        .attach(Hook::Lsm)?;
    println!("{} rules; press Enter to stop", loaded.len());
    io::stdin().read_line(&mut String::new())?;

    for (line, key) in loaded {
        let rule = rules.get(&key)?.context("the rule was removed")?;
        println!("{line}: {} opens", rule.opens);
    }
    Ok(())
}
