// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets to and from well-known addresses, counted by AS in the kernel.
//!
//! The XDP program of `bpf/count_by_as.bpf.c` is attached to one end of a veth pair, and frames are
//! sent from the other. Each address is the destination of one round of frames and the source of the
//! next. Each round has a different number of frames, so that a count for the wrong AS is noticed.

use std::{net::IpAddr, os::fd::AsFd, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use aya::{
    maps::{Array, HashMap, Map, MapData, MapError},
    programs::{Xdp, XdpMode},
};
use aya_obj::programs::XdpAttachType;
use lpm_mtrie::Loader;
use raw_bpf::sys;
use tokio::time;

use crate::{
    frame,
    origin_map::OriginMap,
    pins::Pins,
    prefix::{Family, left_aligned},
    prefix_set::Entry,
    table::Table,
    well_known::{self, WellKnown},
    wire::{ARRIVAL, ARRIVAL_MAC, DEPARTURE_MAC, Wire},
};

const ELF: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/count_by_as.bpf.o"));
const PROGRAM: &str = "count_by_as";

/// Frames in the first round; each later round has one more. Far fewer than the 256 that fit in a
/// veth's queue.
const FIRST_ROUND: u64 = 20;
const COUNTED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// `struct counts` of the program: packets from, packets to.
type Counts = [u64; 2];
const AS_SOURCE: usize = 0;
const AS_DESTINATION: usize = 1;

/// The match and the packet counts of an address.
pub struct Observed {
    pub known: WellKnown,
    pub matched: Option<Entry>,
    pub counts: Counts,
}

impl Observed {
    pub fn as_source(&self) -> u64 {
        self.counts[AS_SOURCE]
    }

    pub fn as_destination(&self) -> u64 {
        self.counts[AS_DESTINATION]
    }
}

/// The attached program, and the maps with its counts.
struct Counter {
    // Detached when dropped.
    _program: Xdp,
    by_as: HashMap<MapData, u64, Counts>,
    unmatched: Array<MapData, Counts>,
}

impl Counter {
    fn attach(maps: [&OriginMap; 2], pins: &Pins) -> Result<Self> {
        let mut object = Loader::new()
            .reuse("origin_v4", maps[0].try_clone_fd()?)
            .reuse("origin_v6", maps[1].try_clone_fd()?)
            .load(ELF)
            .context("load the BPF object")?;
        let loaded = object.load_program(PROGRAM)?;
        // aya's typed program can be made from a pin, but not from the loader's descriptor.
        let pin = pins.path(PROGRAM);
        sys::obj_pin(loaded.as_fd(), &pin)
            .with_context(|| format!("pin the program at {}", pin.display()))?;
        let mut program =
            Xdp::from_pin(&pin, XdpAttachType::Interface).context("open the pinned program")?;
        program
            .attach(ARRIVAL, XdpMode::default())
            .with_context(|| format!("attach the XDP program to {ARRIVAL}"))?;
        Ok(Self {
            _program: program,
            by_as: HashMap::try_from(Map::HashMap(object.take_map("packets_by_as")?))?,
            unmatched: Array::try_from(Map::Array(object.take_map("unmatched")?))?,
        })
    }

    /// The counts of an AS, or, for `None`, of addresses that no prefix covers.
    fn counts(&self, origin: Option<u64>) -> Result<Counts, MapError> {
        let Some(origin) = origin else {
            return self.unmatched.get(&0, 0);
        };
        match self.by_as.get(&origin, 0) {
            Err(MapError::KeyNotFound) => Ok([0; 2]),
            counts => counts,
        }
    }

    /// The total of all destination counts.
    fn total(&self) -> Result<u64, MapError> {
        let mut total = self.counts(None)?[AS_DESTINATION];
        for counts in self.by_as.iter() {
            total += counts?.1[AS_DESTINATION];
        }
        Ok(total)
    }
}

/// Sends all rounds and returns the counts, in the order of the list. With `known_as`, it is an
/// error if the table has a well-known address in a different AS.
pub async fn run(
    table: &Table,
    maps: [&OriginMap; 2],
    pins: &Pins,
    known_as: bool,
) -> Result<Vec<Observed>> {
    let mut observed = Vec::new();
    for known in well_known::addresses() {
        let set = table.family(Family::of(known.addr));
        let matched = set.longest_match(left_aligned(known.addr)).copied();
        if known_as && matched.map(|entry| entry.value) != Some(known.origin) {
            let WellKnown {
                addr,
                origin,
                holder,
            } = known;
            match matched {
                Some(Entry { prefix, value }) => bail!(
                    "{addr} ({holder}) belongs to AS {origin}, but the table has AS {value} for {}",
                    prefix.display(Family::of(addr)),
                ),
                None => bail!(
                    "{addr} ({holder}) belongs to AS {origin}, but the table has no prefix for it"
                ),
            }
        }
        observed.push(Observed {
            known,
            matched,
            counts: [0; 2],
        });
    }
    let mut wire = Wire::create().await?;
    let sent = send_all(&mut observed, maps, pins, &mut wire).await;
    let removed = wire.remove().await;
    sent.and(removed)?;
    Ok(observed)
}

async fn send_all(
    observed: &mut [Observed],
    maps: [&OriginMap; 2],
    pins: &Pins,
    wire: &mut Wire,
) -> Result<()> {
    let counter = Counter::attach(maps, pins)?;
    let mut sent = 0;
    for (to, frames) in (0..observed.len()).zip(FIRST_ROUND..) {
        let from = previous_of_family(observed, to);
        round(observed, from, to, frames, &counter, wire).await?;
        sent += frames;
    }
    let counted = counter.total()?;
    ensure!(
        counted == sent,
        "{sent} frames were sent, {counted} packets were counted"
    );
    Ok(())
}

/// The previous address of the same family; for the first one, the last.
fn previous_of_family(observed: &[Observed], index: usize) -> usize {
    let same = |other: &usize| {
        Family::of(observed[*other].known.addr) == Family::of(observed[index].known.addr)
    };
    let before = (0..index).rev().find(same);
    before.unwrap_or_else(|| (0..observed.len()).rfind(same).unwrap_or(index))
}

/// Sends `frames` frames and waits until both ASes have counted them.
async fn round(
    observed: &mut [Observed],
    from: usize,
    to: usize,
    frames: u64,
    counter: &Counter,
    wire: &mut Wire,
) -> Result<()> {
    let address = |index: usize| -> IpAddr { observed[index].known.addr };
    let origin = |index: usize| observed[index].matched.map(|entry| entry.value);
    let (source, destination) = (origin(from), origin(to));
    let frame = frame::udp(DEPARTURE_MAC, ARRIVAL_MAC, address(from), address(to))?;

    let before = [
        counter.counts(source)?[AS_SOURCE],
        counter.counts(destination)?[AS_DESTINATION],
    ];
    for _ in 0..frames {
        wire.send(&frame).context("send a frame")?;
    }
    let mut waited = Duration::ZERO;
    let counted = loop {
        let counted = [
            counter.counts(source)?[AS_SOURCE] - before[AS_SOURCE],
            counter.counts(destination)?[AS_DESTINATION] - before[AS_DESTINATION],
        ];
        if counted == [frames; 2] {
            break counted;
        }
        if waited >= COUNTED_WITHIN {
            bail!(
                "{frames} frames went from {} to {}; counted for the source's AS: {}, \
                 for the destination's: {}",
                address(from),
                address(to),
                counted[AS_SOURCE],
                counted[AS_DESTINATION],
            );
        }
        time::sleep(LOOK_AGAIN).await;
        waited += LOOK_AGAIN;
    };
    observed[from].counts[AS_SOURCE] = counted[AS_SOURCE];
    observed[to].counts[AS_DESTINATION] = counted[AS_DESTINATION];
    Ok(())
}
