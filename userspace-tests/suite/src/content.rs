// SPDX-License-Identifier: MIT OR Apache-2.0
//! The complete content of a map, to compare with earlier or expected content.

use anyhow::{Context, Result, ensure};
use raw_bpf::RawMap;

/// Keys and values, in the map's iteration order.
pub type Content = Vec<(Vec<u8>, Vec<u8>)>;

/// Returns all elements, each looked up by its own key; fails if there are more
/// than `limit`, or if a lookup does not find a key of the walk.
pub fn of(map: &RawMap, limit: usize) -> Result<Content> {
    let keys = map.keys(limit + 1).context("walk the map")?;
    ensure!(
        keys.len() <= limit,
        "the walk does not end after {limit} keys"
    );
    keys.into_iter()
        .map(|key| {
            let value = map
                .lookup(&key, 0)
                .with_context(|| format!("look up {key:?}, which the walk returned"))?;
            Ok((key, value))
        })
        .collect()
}

/// Checks that the two are the same; reports only the first difference.
pub fn same(got: &Content, want: &Content, why: &str) -> Result<()> {
    let differs = got.iter().zip(want).position(|(got, want)| got != want);
    let at = differs.unwrap_or(got.len().min(want.len()));
    ensure!(
        got == want,
        "{why}: {} elements, expected {}; at {at}: {:?}, expected {:?}",
        got.len(),
        want.len(),
        got.get(at),
        want.get(at)
    );
    Ok(())
}
