// SPDX-License-Identifier: MIT OR Apache-2.0
//! The longest match of a key with its length, and all matches.

use crate::{Error, LpmMap, PrefixKey, Value, raw_key::RawKey};

/// How often the slow method starts over because the map changed meanwhile.
const TRIES: u32 = 64;

impl<K: PrefixKey, V: Value> LpmMap<K, V> {
    /// The longest prefix that covers `key`, and its value.
    ///
    /// ```no_run
    /// use std::net::Ipv4Addr;
    ///
    /// use ipnet::Ipv4Net;
    /// use lpm_mtrie::LpmMap;
    ///
    /// let routes = LpmMap::<Ipv4Net, u32>::from_pin("/sys/fs/bpf/routes")?;
    /// match routes.longest_match(Ipv4Addr::new(10, 1, 2, 3))? {
    ///     Some((prefix, origin)) => println!("{prefix} of AS {origin}"),
    ///     None => println!("no route"),
    /// }
    /// # Ok::<(), lpm_mtrie::Error>(())
    /// ```
    ///
    /// If the kernel has the kfunc `bpf_lpm_match_len` ([`match_len`](crate::Features::match_len)),
    /// a small program finds both in the kernel: the prefix was the longest match when the call
    /// began and when it ended. Its value was read in between; if the prefix was removed and added
    /// again meanwhile, it may be that of a shorter prefix. The call fails with [`Error::Busy`] if
    /// the longest match changes again and again.
    ///
    /// Otherwise, or without CAP_BPF and CAP_PERFMON, each possible length is tried: up to two
    /// calls for each bit of the key, and the answer is right if nothing changes meanwhile.
    pub fn longest_match(&self, key: impl Into<K>) -> Result<Option<(K, V)>, Error> {
        let key = self.wanted(&key.into());
        let found = self.longest_raw(&key)?;
        found
            .map(|(len, value)| Ok((self.prefix(&key.shortened(len))?, V::from_bytes(&value))))
            .transpose()
    }

    /// All prefixes that cover `key`, the longest first, with their values.
    ///
    /// They are found one after the other, each as by [`Self::longest_match`]: a prefix that is
    /// added or removed meanwhile may be in the answer or not.
    pub fn covering(&self, key: impl Into<K>) -> Result<Vec<(K, V)>, Error> {
        let mut key = self.wanted(&key.into());
        let mut all = vec![];
        while let Some((len, value)) = self.longest_raw(&key)? {
            key.shorten(len);
            all.push((self.prefix(&key)?, V::from_bytes(&value)));
            if len == 0 {
                break;
            }
            key.shorten(len - 1);
        }
        Ok(all)
    }

    fn longest_raw(&self, key: &RawKey) -> Result<Option<(u32, Vec<u8>)>, Error> {
        match self.matcher()? {
            Some(matcher) => matcher.longest(key),
            None => self.longest_slowly(key),
        }
    }

    /// The value of the longest match is that of the longest prefix of the key that is in the map.
    fn longest_slowly(&self, key: &RawKey) -> Result<Option<(u32, Vec<u8>)>, Error> {
        for _ in 0..TRIES {
            if self.lookup_raw(key)?.is_none() {
                return Ok(None);
            }
            for len in (0..=key.len()).rev() {
                let candidate = key.shortened(len);
                if self.contains_raw(&candidate)? {
                    let value = self.lookup_raw(&candidate)?;
                    return Ok(value.map(|value| (len, value)));
                }
            }
        }
        Err(Error::Busy)
    }
}
