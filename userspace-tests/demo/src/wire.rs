// SPDX-License-Identifier: MIT OR Apache-2.0
//! A veth pair: frames sent on one end arrive at the other as from a network card.

use std::{
    fs,
    io::{self, Write},
    mem,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, new_connection};
use tokio::{task::JoinHandle, time};

use crate::frame::Mac;

/// The receiving end.
pub const ARRIVAL: &str = "lpmdemo-in";
/// The sending end.
const DEPARTURE: &str = "lpmdemo-out";

/// Locally administered addresses.
pub const ARRIVAL_MAC: Mac = [0x02, 0, 0, 0, 0, 0x01];
pub const DEPARTURE_MAC: Mac = [0x02, 0, 0, 0, 0, 0x02];

const UP_WITHIN: Duration = Duration::from_secs(10);

pub struct Wire {
    links: Handle,
    netlink: JoinHandle<()>,
    departure: fs::File,
}

impl Wire {
    /// Creates the pair and brings both ends up. A pair that a killed run left is replaced.
    pub async fn create() -> Result<Self> {
        let (connection, links, _) = new_connection().context("open a route netlink socket")?;
        let netlink = tokio::spawn(connection);
        if interface_index(ARRIVAL).is_ok() {
            remove(&links).await?;
        }
        links
            .link()
            .add(LinkVeth::new(ARRIVAL, DEPARTURE).build())
            .execute()
            .await
            .context("create a veth pair; the kernel needs CONFIG_VETH")?;
        match bring_up(&links).await {
            Ok(departure) => Ok(Self {
                links,
                netlink,
                departure: departure.into(),
            }),
            Err(error) => {
                remove(&links).await?;
                Err(error)
            }
        }
    }

    /// Sends one Ethernet frame.
    pub fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.departure.write_all(frame)
    }

    /// Removes both ends.
    pub async fn remove(self) -> Result<()> {
        let removed = remove(&self.links).await;
        self.netlink.abort();
        removed
    }
}

/// Brings both ends up; returns a socket that sends on the departure end.
async fn bring_up(links: &Handle) -> Result<OwnedFd> {
    for (name, mac) in [(ARRIVAL, ARRIVAL_MAC), (DEPARTURE, DEPARTURE_MAC)] {
        keep_quiet(name)?;
        let up = LinkUnspec::new_with_name(name).address(mac.to_vec()).up();
        let set = links.link().set(up.build()).execute().await;
        set.with_context(|| format!("bring {name} up"))?;
    }
    wait_until_up(DEPARTURE).await?;
    packet_socket(interface_index(DEPARTURE)?)
        .with_context(|| format!("open a packet socket on {DEPARTURE}"))
}

async fn remove(links: &Handle) -> Result<()> {
    let index = interface_index(ARRIVAL)?;
    let removed = links.link().del(index).execute().await;
    removed.with_context(|| format!("remove the veth pair {ARRIVAL}"))
}

fn interface_index(name: &str) -> Result<u32> {
    let path = format!("/sys/class/net/{name}/ifindex");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    text.trim().parse().with_context(|| format!("parse {path}"))
}

/// Disables IPv6 on the interface, so that the kernel sends no packets of its own that would be
/// counted.
fn keep_quiet(name: &str) -> Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    match fs::write(&path, "1") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("write {path}"))
        }
        // NotFound: the kernel has no IPv6.
        _ => Ok(()),
    }
}

/// Frames sent before the link watch has seen the carrier are silently dropped.
async fn wait_until_up(name: &str) -> Result<()> {
    let path = format!("/sys/class/net/{name}/operstate");
    let up = async {
        loop {
            let state = fs::read_to_string(&path)?;
            if state.trim() == "up" {
                return Ok::<_, io::Error>(());
            }
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    let up = time::timeout(UP_WITHIN, up).await;
    ensure!(up.is_ok(), "{name} is not up after {UP_WITHIN:?}");
    up?.with_context(|| format!("read {path}"))
}

/// A socket for sending only: with protocol 0 it receives nothing.
fn packet_socket(interface: u32) -> io::Result<OwnedFd> {
    // SAFETY: socket(2) takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: socket(2) just returned this descriptor, and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: `sockaddr_ll` is a C struct of integers, for which all zeros is valid.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = interface as i32;
    // SAFETY: the kernel reads that many bytes from `address`, which outlives the call.
    let bound = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            mem::size_of_val(&address) as libc::socklen_t,
        )
    };
    match bound {
        0 => Ok(socket),
        _ => Err(io::Error::last_os_error()),
    }
}
