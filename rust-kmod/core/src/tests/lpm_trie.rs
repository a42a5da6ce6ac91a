// SPDX-License-Identifier: GPL-2.0
//! A port of the parts of kernel/bpf/lpm_trie.c that order its keys: insertion into the binary trie
//! with intermediate nodes, and get_next_key on it. The model's order is compared with it, to
//! verify the model itself.

use super::{
    model::{bit, order, Row},
    step::DATA_SIZES,
    strategy::prefixes,
};
use proptest::prelude::*;
use std::{boxed::Box, vec, vec::Vec};

struct Node {
    child: [Option<Box<Node>>; 2],
    prefixlen: u32,
    im: bool,
    data: Vec<u8>,
}

fn match_len(node: &Node, len: u32, data: &[u8]) -> u32 {
    let limit = node.prefixlen.min(len);
    (0..limit)
        .find(|&i| bit(&node.data, i) != bit(data, i))
        .unwrap_or(limit)
}

fn update(root: &mut Option<Box<Node>>, len: u32, data: &[u8]) {
    let mut new = Box::new(Node {
        child: [None, None],
        prefixlen: len,
        im: false,
        data: data.to_vec(),
    });
    let mut slot = root;
    while let Some(node) = slot {
        let matched = match_len(node, len, data);
        if node.prefixlen != matched || node.prefixlen == len {
            break;
        }
        let next = usize::from(bit(data, node.prefixlen));
        slot = &mut slot.as_mut().expect("the loop's condition").child[next];
    }
    let Some(mut node) = slot.take() else {
        *slot = Some(new);
        return;
    };
    let matched = match_len(&node, len, data);
    if node.prefixlen == matched {
        new.child = [node.child[0].take(), node.child[1].take()];
        *slot = Some(new);
    } else if matched == len {
        let next = usize::from(bit(&node.data, matched));
        new.child[next] = Some(node);
        *slot = Some(new);
    } else {
        let child = if bit(data, matched) {
            [Some(node), Some(new)]
        } else {
            [Some(new), Some(node)]
        };
        *slot = Some(Box::new(Node {
            child,
            prefixlen: matched,
            im: true,
            data: data.to_vec(),
        }));
    }
}

/// trie_get_next_key() for a key that is there, or for none.
fn next_key(root: &Option<Box<Node>>, key: Option<(u32, &[u8])>) -> Option<(u32, Vec<u8>)> {
    let mut search = root.as_deref()?;
    if let Some((len, data)) = key {
        let mut stack = vec![search];
        let mut node = search;
        while !(match_len(node, len, data) == node.prefixlen && node.prefixlen == len) {
            node = node.child[usize::from(bit(data, node.prefixlen))]
                .as_deref()
                .expect("the key is there");
            stack.push(node);
        }
        loop {
            let node = stack.pop()?;
            let parent = *stack.last()?;
            let from_0 = parent.child[0]
                .as_deref()
                .is_some_and(|child| core::ptr::eq(child, node));
            if let (true, Some(sibling)) = (from_0, parent.child[1].as_deref()) {
                search = sibling;
                break;
            }
            if !parent.im {
                return Some((parent.prefixlen, parent.data.clone()));
            }
        }
    }
    let mut next = search;
    let mut node = Some(search);
    while let Some(here) = node {
        if here.im {
            node = here.child[0].as_deref();
        } else {
            next = here;
            node = here.child[0].as_deref().or(here.child[1].as_deref());
        }
    }
    Some((next.prefixlen, next.data.clone()))
}

proptest! {
    #![proptest_config(super::strategy::config())]

    #[test]
    #[cfg_attr(miri, ignore = "slow, and it runs none of the crate's code")]
    fn the_models_order_is_lpm_tries(
        (data_size, keys) in proptest::sample::select(&DATA_SIZES[..])
            .prop_flat_map(|n| (Just(n), prefixes(n, 40)))
    ) {
        let mut root = None;
        let mut rows: Vec<Row> = Vec::new();
        for (prefixlen, data) in &keys {
            update(&mut root, *prefixlen, data);
            rows.retain(|row| order((row.prefixlen, &row.data), (*prefixlen, data)).is_ne());
            rows.push(Row { prefixlen: *prefixlen, data: data.clone(), value: 0 });
        }
        rows.sort_by(|a, b| order((a.prefixlen, &a.data), (b.prefixlen, &b.data)));
        let mut walked = Vec::new();
        let mut at = next_key(&root, None);
        while let Some((prefixlen, data)) = at {
            prop_assert!(
                walked.len() < rows.len(),
                "the walk ends, with keys of {data_size} bytes",
            );
            at = next_key(&root, Some((prefixlen, &data)));
            walked.push(Row { prefixlen, data, value: 0 });
        }
        prop_assert_eq!(walked, rows, "the model's order is that of get_next_key");
    }
}
