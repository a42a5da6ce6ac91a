// SPDX-License-Identifier: MIT OR Apache-2.0
//! Services with well-known addresses in both families and a publicly known origin AS.

use std::net::IpAddr;

pub struct WellKnown {
    pub addr: IpAddr,
    /// The AS that originates its prefix in the BGP table of the package `iptrie` 0.11.1.
    pub origin: u64,
    pub holder: &'static str,
}

const SERVICES: [(&str, u64, &str, &str); 8] = [
    ("Cloudflare DNS", 13335, "1.1.1.1", "2606:4700:4700::1111"),
    ("Google DNS", 15169, "8.8.8.8", "2001:4860:4860::8888"),
    ("Quad9 DNS", 19281, "9.9.9.9", "2620:fe::fe"),
    ("OpenDNS", 36692, "208.67.222.222", "2620:119:35::35"),
    ("RIPE NCC", 3333, "193.0.6.139", "2001:67c:2e8:22::c100:68b"),
    ("Fastly", 54113, "185.199.108.153", "2606:50c0:8000::153"),
    ("root server A", 396547, "198.41.0.4", "2001:503:ba3e::2:30"),
    ("root server F", 3557, "192.5.5.241", "2001:500:2f::f"),
];

/// All IPv4 addresses, then the IPv6 addresses in the same order.
pub fn addresses() -> Vec<WellKnown> {
    let of = |addr: &str, origin, holder| WellKnown {
        addr: addr.parse().expect("the list above holds addresses"),
        origin,
        holder,
    };
    let v4 = SERVICES.map(|(holder, origin, v4, _)| of(v4, origin, holder));
    let v6 = SERVICES.map(|(holder, origin, _, v6)| of(v6, origin, holder));
    v4.into_iter().chain(v6).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_an_address_of_each_family() {
        let list = addresses();
        let (v4, v6) = list.split_at(SERVICES.len());
        assert!(v4.iter().all(|known| known.addr.is_ipv4()));
        assert!(v6.iter().all(|known| known.addr.is_ipv6()));
        assert_eq!(v4.len(), v6.len());
    }
}
