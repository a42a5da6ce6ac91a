// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ethernet frames with a UDP datagram, with valid lengths and checksums, so that any network stack
//! accepts them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub type Mac = [u8; 6];

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const PROTOCOL_UDP: u8 = 17;
const HOP_LIMIT: u8 = 64;
/// The discard service, which sends no reply.
const PORT: u16 = 9;
const PAYLOAD: &[u8] = b"lpm_mtrie demo";

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a packet cannot go from {0} to {1}: the address families differ")]
pub struct MixedFamilies(IpAddr, IpAddr);

/// A frame with a packet from `source` to `destination`.
pub fn udp(
    from: Mac,
    to: Mac,
    source: IpAddr,
    destination: IpAddr,
) -> Result<Vec<u8>, MixedFamilies> {
    let (ethertype, packet) = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            (ETHERTYPE_IPV4, ipv4(source, destination))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            (ETHERTYPE_IPV6, ipv6(source, destination))
        }
        _ => return Err(MixedFamilies(source, destination)),
    };
    let mut frame = Vec::with_capacity(14 + packet.len());
    frame.extend(to);
    frame.extend(from);
    frame.extend(ethertype.to_be_bytes());
    frame.extend(packet);
    Ok(frame)
}

fn ipv4(source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
    let datagram = datagram(&source.octets(), &destination.octets());
    let total = 20 + datagram.len() as u16;
    let mut header = vec![0x45, 0];
    header.extend(total.to_be_bytes());
    header.extend([0, 0, 0x40, 0, HOP_LIMIT, PROTOCOL_UDP, 0, 0]);
    header.extend(source.octets());
    header.extend(destination.octets());
    let checksum = checksum(&[&header]);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header.extend(datagram);
    header
}

fn ipv6(source: Ipv6Addr, destination: Ipv6Addr) -> Vec<u8> {
    let datagram = datagram(&source.octets(), &destination.octets());
    let mut header = vec![0x60, 0, 0, 0];
    header.extend((datagram.len() as u16).to_be_bytes());
    header.extend([PROTOCOL_UDP, HOP_LIMIT]);
    header.extend(source.octets());
    header.extend(destination.octets());
    header.extend(datagram);
    header
}

fn datagram(source: &[u8], destination: &[u8]) -> Vec<u8> {
    let len = 8 + PAYLOAD.len() as u16;
    let mut datagram = Vec::with_capacity(usize::from(len));
    for field in [PORT, PORT, len, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend(PAYLOAD);
    let [len_high, len_low] = len.to_be_bytes();
    let pseudo_header = [0, PROTOCOL_UDP, len_high, len_low];
    // In UDP, 0 means "no checksum"; a sum of 0 is sent as all ones (RFC 768).
    let sum = match checksum(&[source, destination, &pseudo_header, &datagram]) {
        0 => 0xffff,
        sum => sum,
    };
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    datagram
}

/// The Internet checksum (RFC 1071) over parts; all but the last must have even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = parts
        .iter()
        .flat_map(|part| part.chunks(2))
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: Mac = [2, 0, 0, 0, 0, 1];
    const TO: Mac = [2, 0, 0, 0, 0, 2];

    fn frame(source: &str, destination: &str) -> Vec<u8> {
        udp(
            FROM,
            TO,
            source.parse().unwrap(),
            destination.parse().unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn the_checksum_of_rfc_1071_example() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&[&bytes]), !0xddf2);
        assert_eq!(checksum(&[&bytes[..4], &bytes[4..]]), !0xddf2);
        assert_eq!(checksum(&[&[0x12]]), !0x1200, "an odd byte is padded");
    }

    #[test]
    fn ipv4_frames_verify() {
        let frame = frame("192.0.2.1", "1.1.1.1");
        assert_eq!(frame[..6], TO);
        assert_eq!(frame[6..12], FROM);
        assert_eq!(frame[12..14], [0x08, 0x00]);
        let packet = &frame[14..];
        assert_eq!(packet[0], 0x45);
        assert_eq!(
            usize::from(u16::from_be_bytes([packet[2], packet[3]])),
            packet.len()
        );
        assert_eq!(
            checksum(&[&packet[..20]]),
            0,
            "the sum over a header with its checksum is 0"
        );
        assert_eq!(packet[12..20], [192, 0, 2, 1, 1, 1, 1, 1]);
        let len = packet.len() as u8 - 20;
        let pseudo_header = [&packet[12..20], &[0, 17, 0, len]].concat();
        assert_eq!(checksum(&[&pseudo_header, &packet[20..]]), 0, "UDP");
    }

    #[test]
    fn ipv6_frames_verify() {
        let frame = frame("2001:db8::1", "2606:4700:4700::1111");
        assert_eq!(frame[12..14], [0x86, 0xdd]);
        let packet = &frame[14..];
        assert_eq!(packet[0] >> 4, 6);
        assert_eq!(
            usize::from(u16::from_be_bytes([packet[4], packet[5]])),
            packet.len() - 40
        );
        assert_eq!(packet[24..28], [0x26, 0x06, 0x47, 0x00]);
        let pseudo_header = [&packet[8..40], &[0, 17, 0, packet.len() as u8 - 40]].concat();
        assert_eq!(checksum(&[&pseudo_header, &packet[40..]]), 0, "UDP");
    }

    #[test]
    fn families_do_not_mix() {
        let (v4, v6) = (IpAddr::from([1, 1, 1, 1]), IpAddr::from([0_u8; 16]));
        assert_eq!(udp(FROM, TO, v4, v6), Err(MixedFamilies(v4, v6)));
    }
}
