// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each request for memory under the lock of a map's writers is refused in turn, and then all of
//! them: a program has done its work, or gets ENOMEM and has changed nothing; bpf(2) waits for
//! memory and has done its work.

use anyhow::{Context, Result, ensure};
use libc::ENOMEM;

use super::faults::{
    Address, EIGHT, FIFTY_FIVE, MORE, NONE, ONE_MORE, SIX, State, THREE, key, prepared,
};
use crate::{
    check,
    harness::{Test, Type},
    maps,
    memory_refusal::Refusal,
    prefix::scattered,
    requests::{By, Requests, SHAPE},
};

pub const TESTS: &[Test] = &[
    Test::mtrie(
        "refused_memory_leaves_no_write_by_programs_half_done",
        |on| each(on, By::Program),
    ),
    Test::mtrie(
        "refused_memory_leaves_no_write_by_syscalls_half_done",
        |on| each(on, By::Syscall),
    ),
    Test::mtrie("refused_memory_fails_programs_but_not_syscalls", all),
];

#[derive(Clone, Copy, Debug)]
enum Write {
    Update(Address),
    Delete(Address),
}

impl Write {
    fn make(self, requests: &Requests) -> std::io::Result<()> {
        match self {
            Self::Update(address) => requests.update(&key(address), &[0x77; SHAPE.value as usize]),
            Self::Delete(address) => requests.delete(&key(address)),
        }
    }
}

const FAR_BELOW: Address = ([10, 1, 2, 3], 32);

/// The content of the map, and what is written.
const WRITES: [(&[Address], Write); 12] = [
    (&NONE, Write::Update(EIGHT)),
    (&THREE, Write::Update(EIGHT)),
    // A node grows, a leaf is split, a path is split.
    (&THREE, Write::Update(([10, 192, 0, 0], 10))),
    (&THREE, Write::Update(([10, 1, 3, 3], 32))),
    (
        &[FAR_BELOW, ([10, 1, 2, 4], 32)],
        Write::Update(([10, 9, 9, 9], 32)),
    ),
    // A node becomes one of the next kind, or is one of the last kind.
    (&SIX, Write::Update(ONE_MORE)),
    (&FIFTY_FIVE, Write::Update(ONE_MORE)),
    (&MORE, Write::Update(([10, 0, 0, 0], 9))),
    (&MORE, Write::Delete(MORE[55])),
    (&[EIGHT], Write::Delete(EIGHT)),
    // A node shrinks, a node is removed.
    (&THREE, Write::Delete(([10, 64, 0, 0], 10))),
    (&[EIGHT, FAR_BELOW], Write::Delete(FAR_BELOW)),
];

fn each(on: Type, by: By) -> Result<()> {
    let refusal = Refusal::new()?;
    let mut refused = 0;
    for (present, write) in WRITES {
        let new = || Requests::new(on, prepared(on, SHAPE, present)?, by);
        let twin = new()?;
        let before = State::settled(&twin.map)?;
        check::ok(write.make(&twin), "without a refusal")?;
        let after = State::settled(&twin.map)?;
        for nth in 1.. {
            let requests = new()?;
            let (result, hit) = refusal.at(nth, || write.make(&requests))?;
            let why = || format!("{write:?}, refusal {nth} (met: {hit}), result {result:?}");
            let now = State::settled(&requests.map).with_context(why)?;
            match &result {
                // A deletion succeeds without a smaller copy of a node.
                Ok(()) => ensure!(
                    now.content == after.content && (hit || now == after),
                    "{}: it has not done its work",
                    why()
                ),
                Err(error) => {
                    let expected = hit && by == By::Program;
                    ensure!(
                        expected && error.raw_os_error() == Some(ENOMEM),
                        "{}",
                        why()
                    );
                    ensure!(now == before, "{}: it has done half of its work", why());
                }
            }
            if !hit {
                break;
            }
            refused += 1;
        }
    }
    print!("{refused} refused ... ");
    check::holds(
        refused >= 8,
        "the eight updates that change nodes ask for memory under the lock",
    )
}

fn all(on: Type) -> Result<()> {
    const ENTRIES: u32 = 200;
    let requests = Requests::new(on, maps::create(on, SHAPE)?, By::Program)?;
    let (old, new) = ([1; SHAPE.value as usize], [2; SHAPE.value as usize]);
    let refusal = Refusal::new()?;
    refusal.always(|| {
        for n in 0..ENTRIES {
            let key = scattered(n);
            check::errno(requests.update(&key, &old), ENOMEM, "a program's update")?;
            check::ok(requests.map.update(&key, &old, 0), "an update by bpf(2)")?;
            check::errno(requests.update(&key, &new), ENOMEM, "a replacement")?;
            check::equal(requests.map.lookup(&key, 0)?, old.to_vec(), "the value")?;
        }
        let held = requests.map.keys(2 * ENTRIES as usize)?.len();
        check::equal(held, ENTRIES as usize, "elements")?;
        for n in 0..ENTRIES {
            check::ok(requests.map.delete(&scattered(n)), "a deletion by bpf(2)")?;
        }
        Ok(())
    })?;
    let key = scattered(ENTRIES);
    check::ok(
        requests.update(&key, &new),
        "an update when there is memory",
    )?;
    check::equal(requests.map.keys(2)?, vec![key], "what the map holds")
}
