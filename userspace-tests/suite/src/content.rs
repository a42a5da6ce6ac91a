// SPDX-License-Identifier: MIT OR Apache-2.0
//! The whole of a map, to hold against what it was before or what it should be.

use anyhow::{Context, Result, ensure};
use raw_bpf::RawMap;

/// Keys and values in the map's order.
pub type Content = Vec<(Vec<u8>, Vec<u8>)>;

/// All elements, each looked up by its own key; an error if the walk does not
/// end after `limit` of them, or comes by a key that a lookup does not find.
pub fn of(map: &RawMap, limit: usize) -> Result<Content> {
    let keys = map.keys(limit + 1).context("the walk")?;
    ensure!(keys.len() <= limit, "the walk goes on after {limit} keys");
    keys.into_iter()
        .map(|key| {
            let value = map
                .lookup(&key, 0)
                .with_context(|| format!("lookup of {key:?}, by which the walk came"))?;
            Ok((key, value))
        })
        .collect()
}

/// The two are the same; if not, only the first difference is told.
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
