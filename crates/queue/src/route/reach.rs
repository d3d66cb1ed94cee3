//! Which addresses mail may be sent to. DNS is written by strangers: what it says must not make us talk to machines
//! behind our own walls, or to ourselves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses mail may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Whether loopback, private and other addresses that mean nothing to the world are allowed.
    pub(crate) private: bool,
}

impl Reach {
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        if self.private {
            return !address.is_unspecified() && !address.is_multicast();
        }
        match address {
            IpAddr::V4(v4) => is_global_v4(v4),
            IpAddr::V6(v6) => is_global_v6(v6),
        }
    }
}

/// RFC 6890 and its registry: what may be met on the way between strangers.
fn is_global_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // "This network", loopback, and everything from multicast up.
        (0 | 127 | 224.., ..) => true,
        // Shared by carriers (RFC 6598).
        (100, 64..=127, _) => true,
        // Protocol assignments, benchmarks, the old 6to4 relays.
        (192, 0, 0) | (198, 18 | 19, _) | (192, 88, 99) => true,
        _ => address.is_private() || address.is_link_local() || address.is_documentation(),
    };
    !special
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Addresses that carry one of IPv4 mean that one: mapped, translated (RFC 6052), 6to4.
    let carried = match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some((high, low)),
        [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = carried {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return is_global_v4(Ipv4Addr::new(a, b, c, d));
    }
    match segments {
        // Documentation, and protocol assignments with Teredo among them.
        [0x2001, 0xdb8, ..] | [0x2001, 0..=0x1ff, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Global unicast is all that has been given out (2000::/3).
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn strangers_do_not_lead_us_behind_walls() {
        let (world, house) = (Reach { private: false }, Reach { private: true });
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:a00:1::1",
            "2001:db8::1",
            "::127.0.0.1",
            "2001:0:1::1",
        ] {
            let address = inside.parse().unwrap();
            assert!(!world.allows(address) && house.allows(address), "{inside}");
        }
        for never in ["0.0.0.0", "::", "224.0.0.1", "ff02::1"] {
            let address = never.parse().unwrap();
            assert!(!world.allows(address) && !house.allows(address), "{never}");
        }
        for outside in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1", "::ffff:8.8.8.8", "2a00:1450::1"] {
            assert!(world.allows(outside.parse().unwrap()), "{outside}");
        }
    }
}
