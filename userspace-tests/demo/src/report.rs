// SPDX-License-Identifier: MIT OR Apache-2.0
//! The demo's output: packets by address, and both map types side by side.

use std::time::Duration;

use crate::{
    origin_map::{Kind, Load},
    prefix::Family,
    traffic::Observed,
};

/// Prints one line per address: its match, and the packets that the kernel counted.
pub fn packets(observed: &[Observed]) {
    println!(
        "{:<26} {:<22} {:>7} {:>6} {:>6}  holder",
        "address", "matched prefix", "AS", "to", "from"
    );
    for row in observed {
        let family = Family::of(row.known.addr);
        let (prefix, origin) = match row.matched {
            Some(entry) => (
                entry.prefix.display(family).to_string(),
                entry.value.to_string(),
            ),
            None => ("none".to_owned(), "-".to_owned()),
        };
        println!(
            "{:<26} {prefix:<22} {origin:>7} {:>6} {:>6}  {}",
            row.known.addr.to_string(),
            row.as_destination(),
            row.as_source(),
            row.known.holder,
        );
    }
}

/// A column of the last table: a map type and the cost of its two maps, IPv4 first.
pub struct Column {
    pub kind: Kind,
    pub loads: [Load; 2],
    pub compared: [usize; 2],
}

/// Prints both map types side by side.
pub fn side_by_side(columns: &[Column; 2]) {
    let row = |what: &str, cell: &dyn Fn(&Column) -> String| {
        let [first, second] = columns;
        println!("{what:<32} {:>16} {:>16}", cell(first), cell(second));
    };
    row("", &|column| column.kind.name.to_owned());
    for (index, family) in Family::BOTH.iter().enumerate() {
        let family = family.name();
        row(&format!("{family} prefixes"), &|column| {
            thousands(column.loads[index].prefixes as u64)
        });
        row(&format!("{family} load time"), &|column| {
            seconds(column.loads[index].time)
        });
        row(&format!("{family} memory, as reported"), &|column| {
            size(column.loads[index].memlock)
        });
        row(&format!("{family} lookups compared, equal"), &|column| {
            thousands(column.compared[index] as u64)
        });
    }
    row("batch updates retried (ENOMEM)", &|column| {
        let retries: u32 = column.loads.iter().map(|load| load.retries).sum();
        thousands(retries.into())
    });
}

/// Formats `1072529` as `1,072,529`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub fn seconds(time: Duration) -> String {
    if time < Duration::from_millis(100) {
        format!("{:.2} ms", time.as_secs_f64() * 1e3)
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_072_529), "1,072,529");
        assert_eq!(seconds(Duration::from_millis(1234)), "1.23 s");
        assert_eq!(seconds(Duration::from_micros(1234)), "1.23 ms");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(3 << 19), "1.5 MiB");
    }
}
