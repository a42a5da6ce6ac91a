// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loads the rules of a file, runs the firewall on an interface until Enter is pressed,
//! and prints what each rule did.

use std::{env, fs, io, net::Ipv4Addr, num::NonZero};

use anyhow::{Context, Result, bail};
use bytemuck::{Pod, Zeroable};
use ipnet::{IpNet, Ipv6Net};
use lpm_mtrie::{BytePrefix, Hook, Loader, LpmMap};

const ELF: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/firewall.bpf.o"));

/// `struct rule` of the program.
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Rule {
    limit: u64,
    second: u64,
    packets: u64,
    passed: u64,
    dropped: u64,
}

/// Maps IPv4 into IPv6, as ::ffff:0:0/96.
fn mapped(net: IpNet) -> Result<Ipv6Net> {
    let all_ipv4 = Ipv6Net::new_assert(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(), 96);
    match net {
        IpNet::V4(net) => Ok(Ipv6Net::new(
            net.addr().to_ipv6_mapped(),
            96 + net.prefix_len(),
        )?),
        IpNet::V6(net) if net.contains(&all_ipv4) => bail!(
            "{net} would cover IPv4, too, which is mapped to {all_ipv4}; 2000::/3 covers all \
             public IPv6 addresses"
        ),
        IpNet::V6(net) => Ok(net),
    }
}

/// `SOURCE PORT VERDICT`: a prefix, a number or `any`, and `pass`, `drop` or `N/s`.
fn parse(line: &str) -> Result<(BytePrefix, Rule)> {
    let [source, port, verdict] = line.split_whitespace().collect::<Vec<_>>()[..] else {
        bail!("'{line}' is not a rule; expected SOURCE PORT VERDICT, such as: 10.0.0.0/8 53 100/s");
    };
    let source: IpNet = source
        .parse()
        .with_context(|| format!("'{source}' is not a prefix"))?;
    let source = mapped(source)?;
    let port: u16 = match port {
        "any" => 0,
        port => port
            .parse::<NonZero<u16>>()
            .with_context(|| format!("port '{port}'"))?
            .get(),
    };
    let limit = match (verdict, verdict.strip_suffix("/s")) {
        ("pass", _) => u64::MAX,
        ("drop", _) => 0,
        (_, Some(number)) => number.parse().with_context(|| format!("'{verdict}'"))?,
        _ => {
            bail!("'{verdict}' is not a verdict; expected pass, drop, or packets per second: 100/s")
        }
    };
    // `struct key` of the program: the whole port, and a prefix of the source.
    let port = u32::from(port).to_be_bytes();
    let data = [&port[..], &source.addr().octets()].concat();
    let key = BytePrefix::new(&data, 32 + u32::from(source.prefix_len()))?;
    let rule = Rule {
        limit,
        ..Rule::default()
    };
    Ok((key, rule))
}

fn main() -> Result<()> {
    let [_, interface, path] = &env::args().collect::<Vec<_>>()[..] else {
        bail!("usage: example-firewall INTERFACE RULES");
    };
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));

    let object = Loader::new().load(ELF)?;
    let rules = LpmMap::<BytePrefix, Rule>::from_aya(object.map("rules")?)?;
    let mut loaded = vec![];
    for line in lines {
        let (key, rule) = parse(line).with_context(|| path.clone())?;
        rules.insert(&key, &rule)?;
        loaded.push((line, key));
    }

    let _link = object
        .load_program("firewall")?
        .attach(Hook::Xdp(interface))?;
    println!("{} rules on {interface}; press Enter to stop", loaded.len());
    io::stdin().read_line(&mut String::new())?;

    for (line, key) in loaded {
        let rule = rules.get(&key)?.context("the rule was removed")?;
        println!("{line}: {} passed, {} dropped", rule.passed, rule.dropped);
    }
    Ok(())
}
