// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts what an interface receives by the prefixes of a file; prints the top talkers
//! whenever Enter is pressed, and at the end of input.

use std::{cmp::Reverse, env, fs, io, net::Ipv4Addr};

use anyhow::{Context, Result, bail};
use bytemuck::{Pod, Zeroable};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use lpm_mtrie::{Hook, Loader, LpmMap};

const ELF: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/count_by_prefix.bpf.o"));
const TOP: usize = 10;

/// `struct traffic` of the program.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Traffic {
    packets: u64,
    bytes: u64,
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

fn unmapped(net: Ipv6Net) -> IpNet {
    match net.addr().to_ipv4_mapped() {
        Some(addr) if net.prefix_len() >= 96 => {
            Ipv4Net::new_assert(addr, net.prefix_len() - 96).into()
        }
        _ => net.into(),
    }
}

fn read(path: &str) -> Result<Vec<Ipv6Net>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parse = |line: &str| {
        let net = line.trim().parse::<IpNet>();
        let net = net.with_context(|| format!("{path}: '{line}' is not a prefix"))?;
        mapped(net).with_context(|| path.to_owned())
    };
    lines.map(parse).collect()
}

fn print_top(prefixes: &LpmMap<Ipv6Net, Traffic>) -> Result<()> {
    let mut talkers = prefixes.iter().collect::<Result<Vec<_>, _>>()?;
    talkers.retain(|(_, traffic)| traffic.packets > 0);
    talkers.sort_by_key(|(_, traffic)| Reverse(traffic.bytes));
    println!("{:>12} {:>12} prefix", "bytes", "packets");
    for (net, Traffic { packets, bytes }) in talkers.into_iter().take(TOP) {
        println!("{bytes:>12} {packets:>12} {}", unmapped(net));
    }
    Ok(())
}

fn main() -> Result<()> {
    let [_, interface, path] = &env::args().collect::<Vec<_>>()[..] else {
        bail!("usage: example-count-by-prefix INTERFACE PREFIXES");
    };
    let nets = read(path)?;
    let object = Loader::new()
        .max_entries("prefixes", nets.len() as u32)
        .load(ELF)?;
    let prefixes = LpmMap::from_aya(object.map("prefixes")?)?;
    let count = prefixes.insert_all(nets.into_iter().map(|net| (net, Traffic::zeroed())))?;
    let _link = object
        .load_program("count_by_prefix")?
        .attach(Hook::TcIngress(interface))?;
    println!("{count} prefixes on {interface}; press Enter for the top talkers, Ctrl-D to stop");
    loop {
        let more = io::stdin().read_line(&mut String::new())? > 0;
        print_top(&prefixes)?;
        if !more {
            return Ok(());
        }
    }
}
