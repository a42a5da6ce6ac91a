// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loads a routing table, counts what an interface receives by origin AS until Enter is
//! pressed, and prints the counts.

use std::{cmp::Reverse, env, fs, io, net::Ipv4Addr};

use anyhow::{Context, Result, bail};
use aya::maps::{HashMap, Map};
use ipnet::{IpNet, Ipv6Net};
use lpm_mtrie::{Hook, Loader, LpmMap};

const ELF: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/route_by_as.bpf.o"));

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

/// `PREFIX AS`
fn parse(line: &str) -> Result<(Ipv6Net, u32)> {
    let (net, origin) = line.split_once(' ').with_context(|| {
        format!("'{line}' is not a route; expected PREFIX AS, such as: 1.1.1.0/24 13335")
    })?;
    let net: IpNet = net
        .parse()
        .with_context(|| format!("'{net}' is not a prefix"))?;
    let net = mapped(net)?;
    let origin = origin.trim().parse();
    Ok((net, origin.with_context(|| format!("the AS of '{line}'"))?))
}

fn main() -> Result<()> {
    let [_, interface, path] = &env::args().collect::<Vec<_>>()[..] else {
        bail!("usage: example-route-by-as INTERFACE TABLE");
    };
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let table: Vec<_> = lines
        .map(parse)
        .collect::<Result<_>>()
        .context(path.clone())?;
    let mut ases: Vec<_> = table.iter().map(|(_, origin)| *origin).chain([0]).collect();
    ases.sort_unstable();
    ases.dedup();

    let mut object = Loader::new()
        .max_entries("origins", table.len() as u32)
        .max_entries("packets", ases.len() as u32)
        .load(ELF)?;
    let origins = LpmMap::<Ipv6Net, u32>::from_aya(object.map("origins")?)?;
    let count = origins.insert_all(table)?;
    let program = object.load_program("route_by_as")?;
    // `struct counts` of the program: packets from, packets to.
    let mut packets =
        HashMap::<_, u32, [u64; 2]>::try_from(Map::HashMap(object.take_map("packets")?))?;
    for origin in ases {
        packets.insert(origin, [0; 2], 0)?;
    }

    let _link = program.attach(Hook::Xdp(interface))?;
    println!("{count} prefixes on {interface}; press Enter to stop");
    io::stdin().read_line(&mut String::new())?;

    let mut counts = packets.iter().collect::<Result<Vec<_>, _>>()?;
    counts.retain(|(_, counts)| *counts != [0; 2]);
    counts.sort_by_key(|(origin, [from, to])| (Reverse(from + to), *origin));
    println!("{:>10} {:>12} {:>12}", "AS", "from", "to");
    for (origin, [from, to]) in counts {
        println!("{origin:>10} {from:>12} {to:>12}");
    }
    Ok(())
}
