// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two threads change and read one map for two seconds.

use std::{
    io,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use libc::{ENOENT, ETIMEDOUT};
use raw_bpf::RawMap;

use crate::{
    check,
    harness::{Test, Type},
    maps::{self, Shape},
    model::{ANY, Model},
    prefix::{Prefix, v4},
    random::Random,
};

pub const TESTS: &[Test] = &[
    Test::both("concurrent_threads_read_whole_values", two_threads),
    Test::mtrie("concurrent_lookups_of_a_long_key_find_one", long_key),
];

const TIME: Duration = Duration::from_secs(2);
/// Longer than a machine word, so that a torn replacement would be seen.
const SHAPE: Shape = Shape {
    data: 4,
    value: 64,
    max_entries: 4096,
};
const FIRST_SHARED: u8 = 100;

/// Each thread owns the prefixes below its number and keeps a model of them; both write to those
/// below 100. Every value is one number, repeated eight times.
fn two_threads(on: Type) -> Result<()> {
    let map = maps::create(on, SHAPE)?;
    let barrier = Barrier::new(2);
    let models = thread::scope(|scope| {
        let threads = [1, 2].map(|own| {
            let (map, barrier) = (&map, &barrier);
            scope.spawn(move || {
                barrier.wait();
                work(map, own)
            })
        });
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
            .collect::<Result<Vec<Model>>>()
    })?;

    let walked = map.keys(2 * SHAPE.max_entries as usize)?;
    for (model, own) in models.iter().zip([1, 2]) {
        let owned: Vec<_> = walked.iter().filter(|key| key[4] == own).cloned().collect();
        check::equal(owned, model.keys(), "a thread's own prefixes at the end")?;
        for key in model.keys() {
            check::equal(
                map.lookup(&key, 0).ok(),
                model.lookup(&key).ok(),
                "and their values",
            )?;
        }
    }
    for key in &walked {
        is_whole(&map.lookup(key, 0)?)?;
        map.delete(key)?;
    }
    check::errno(
        map.next_key(None),
        ENOENT,
        "every prefix that was walked could be deleted",
    )
}

fn work(map: &RawMap, own: u8) -> Result<Model> {
    let mut random = Random::new(u64::from(own));
    let mut model = Model::new(4, SHAPE.max_entries as usize);
    let end = Instant::now() + TIME;
    while Instant::now() < end {
        let shared = random.below(2) == 0;
        let address = [
            if shared { FIRST_SHARED } else { own },
            random.below(4) as u8,
            random.below(8) as u8,
            0,
        ];
        let key = v4(address, 8 + random.below(17) as u32);
        let value = random.next().to_ne_bytes().repeat(8);
        let operation = random.below(3);

        let got = match operation {
            0 => map.update(&key, &value, ANY).map(|()| None),
            1 => map.delete(&key).map(|()| None),
            _ => map.lookup(&key, 0).map(Some),
        }
        .map_err(|error| error.raw_os_error().unwrap_or(0));
        if let Ok(Some(value)) = &got {
            is_whole(value)?;
        }
        if got == Err(ETIMEDOUT) {
            // The lock timed out, because a virtual CPU can be descheduled that long. Nothing has
            // changed then.
            continue;
        }
        if shared {
            let fine = matches!(got, Ok(_) | Err(ENOENT));
            check::holds(
                fine,
                &format!("a shared prefix gives success or ENOENT, not {got:?}"),
            )?;
        } else {
            let want = match operation {
                0 => model.update(&key, &value, ANY).map(|()| None),
                1 => model.delete(&key).map(|()| None),
                _ => model.lookup(&key).map(Some),
            };
            check::equal(
                got,
                want,
                &format!("operation {operation} on {key:?}, which this thread owns"),
            )?;
        }
    }
    Ok(model)
}

/// Of two prefixes of a key, far apart, one is always there. A lookup passes a node for each byte of
/// the key, and updates disturb it for as long as it takes.
fn long_key(on: Type) -> Result<()> {
    const DATA: usize = 256;
    let shape = Shape {
        data: DATA as u32,
        value: 8,
        max_entries: 1024,
    };
    let map = maps::create(on, shape)?;
    let data = [7; DATA];
    for at in 0..DATA - 1 {
        let mut sibling = data;
        sibling[at] = 9;
        let prefix = Prefix::new(8 * (at as u32 + 1), &sibling);
        check::ok(map.update(&prefix.key(), &[0; 8], ANY), "a sibling")?;
    }
    let [short, long] = [3, 8 * 250 + 3].map(|len| Prefix::new(len, &data).key());
    let elsewhere = Prefix::new(8, &[200; DATA]).key();
    check::ok(map.update(&short, &[0; 8], ANY), "the short prefix")?;
    let (key, done) = (
        Prefix::new(8 * DATA as u32, &data).key(),
        AtomicBool::new(false),
    );
    let lookups = thread::scope(|scope| {
        let reader = scope.spawn(|| -> Result<u64> {
            let mut lookups = 0;
            // Relaxed: it only says that it is over.
            while !done.load(Ordering::Relaxed) {
                check::ok(map.lookup(&key, 0), "one of the prefixes is there")?;
                lookups += 1;
            }
            Ok(lookups)
        });
        let put = |key: &[u8]| again(|| map.update(key, &[0; 8], ANY));
        let take = |key: &[u8]| again(|| map.delete(key));
        let end = Instant::now() + TIME;
        let mut written = Ok(());
        while written.is_ok() && Instant::now() < end && !reader.is_finished() {
            written = [(&long, &short), (&short, &long)]
                .into_iter()
                .try_for_each(|(come, go)| {
                    put(come)?;
                    take(go)?;
                    (0..10).try_for_each(|_| put(&elsewhere).and_then(|()| take(&elsewhere)))
                });
        }
        done.store(true, Ordering::Relaxed);
        let lookups = reader.join().map_err(|_| anyhow!("a thread panicked"))?;
        written.and(lookups)
    })?;
    print!("{lookups} lookups ... ");
    check::holds(lookups > 0, "lookups ended")
}

/// Repeats an update until the lock does not time out.
fn again(mut update: impl FnMut() -> io::Result<()>) -> Result<()> {
    loop {
        match update() {
            Err(error) if error.raw_os_error() == Some(ETIMEDOUT) => {}
            result => return check::ok(result, "an update"),
        }
    }
}

fn is_whole(value: &[u8]) -> Result<()> {
    let whole = value.chunks(8).all(|part| part == &value[..8]);
    check::holds(
        whole,
        &format!("a value is one write's, not parts of two: {value:?}"),
    )
}
