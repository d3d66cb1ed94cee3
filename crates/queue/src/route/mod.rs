//! Where mail for a domain goes: its hosts by preference (RFC 5321 §5.1), and their addresses.

mod reach;

pub(crate) use reach::Reach;

use crate::job::Said;
use dns::{Error, MailHosts, Mx, Resolver};
use std::net::IpAddr;

/// Hosts of a domain that are looked at. Those with hundreds want to be found by somebody who gives up.
const MAX_HOSTS: usize = 16;

/// Where a domain's mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Groups of hosts of one preference, the best first; hosts of a group are in random order.
    pub(crate) groups: Vec<Vec<String>>,
    /// Whether DNSSEC vouches for it.
    pub(crate) secure: bool,
}

/// There is no way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoWay {
    pub(crate) said: Said,
    pub(crate) permanent: bool,
}

impl NoWay {
    /// The same, as if it might change.
    pub(crate) fn for_now(mut self) -> Self {
        self.said.status.0 = 4;
        self.permanent = false;
        self
    }
}

/// The address of a literal: `[192.0.2.1]`, `[IPv6:2001:db8::1]` (RFC 5321 §4.1.3).
pub(crate) fn literal(domain: &str) -> Option<IpAddr> {
    let inner = domain.strip_prefix('[')?.strip_suffix(']')?;
    match inner.split_at_checked(5) {
        Some((tag, rest)) if tag.eq_ignore_ascii_case("IPv6:") => rest.parse().ok().map(IpAddr::V6),
        _ => inner.parse().ok().map(IpAddr::V4),
    }
}

/// Finds the way to a domain. If we are among its hosts, those of our own preference and worse are left out: they would
/// hand the mail back to us.
pub(crate) async fn find(resolver: &Resolver, domain: &str, is_us: impl Fn(&str) -> bool) -> Result<Route, NoWay> {
    let answer = resolver.mx(domain).await.map_err(|error| no_way(domain, &error))?;
    let secure = answer.secure;
    let mut hosts = match answer.value {
        MailHosts::Listed(hosts) => hosts,
        MailHosts::Implicit(host) => vec![host],
        MailHosts::Null => {
            let text = format!("the domain {domain} says that it takes no mail");
            return Err(NoWay { said: Said::ours((5, 1, 10), text), permanent: true });
        }
    };
    hosts.sort();
    if let Some(ours) = hosts.iter().find(|mx| is_us(&mx.host)).map(|mx| mx.preference) {
        hosts.retain(|mx| mx.preference < ours);
    }
    if hosts.is_empty() {
        return Err(looped(domain));
    }
    hosts.truncate(MAX_HOSTS);
    Ok(Route { groups: groups(&hosts, &mut random), secure })
}

/// The mail would come back to us.
pub(crate) fn looped(domain: &str) -> NoWay {
    let text = format!("DNS leads mail for {domain} to this server, which does not host it");
    NoWay { said: Said::ours((5, 4, 6), text), permanent: true }
}

/// Why a name leads nowhere.
pub(crate) fn no_way(name: &str, error: &Error) -> NoWay {
    let status = match error {
        Error::BadName | Error::NoSuchName { .. } => (5, 1, 2),
        Error::NoRecords { .. } => (5, 4, 4),
        Error::Temporary(_) => (4, 4, 3),
        Error::Bogus => (4, 7, 5),
    };
    // Which server did not answer is the operator's business.
    let text = match error {
        Error::Temporary(detail) => {
            tracing::info!(name, detail, "DNS does not answer");
            format!("{name}: DNS does not answer")
        }
        other => format!("{name}: {other}"),
    };
    NoWay { said: Said::ours(status, text), permanent: !error.is_temporary() }
}

/// Hosts by preference, each group in random order so that load spreads (RFC 5321 §5.1).
fn groups(sorted: &[Mx], random: &mut impl FnMut(usize) -> usize) -> Vec<Vec<String>> {
    let same = sorted.chunk_by(|a, b| a.preference == b.preference);
    same.map(|group| {
        let mut hosts: Vec<String> = group.iter().map(|mx| mx.host.clone()).collect();
        for last in (1..hosts.len()).rev() {
            hosts.swap(last, random(last + 1));
        }
        hosts
    })
    .collect()
}

/// A number below a bound. Without randomness the order is as good as any other.
fn random(bound: usize) -> usize {
    let number = getrandom::u32().unwrap_or_default() as usize;
    number % bound.max(1)
}

/// Addresses in the order they are tried: the preferred family first, then by turns, so that a family that does not
/// work here does not use up the tries.
pub(crate) fn by_turns(addresses: Vec<IpAddr>, ipv4_first: bool) -> Vec<IpAddr> {
    let (first, second): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(|ip| ip.is_ipv4() == ipv4_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_addresses() {
        assert_eq!(literal("[192.0.2.1]"), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(literal("[ipv6:2001:db8::1]"), Some("2001:db8::1".parse().unwrap()));
        for bad in ["192.0.2.1", "[2001:db8::1]", "[]", "[192.0.2]", "[IPv6:192.0.2.1]", "[é:é:é]", "example.org"] {
            assert_eq!(literal(bad), None, "{bad}");
        }
    }

    #[test]
    fn equal_hosts_are_shuffled_and_others_are_not() {
        let mx = |preference, host: &str| Mx { preference, host: host.to_owned() };
        let hosts = [mx(5, "a"), mx(10, "b"), mx(10, "c"), mx(10, "d"), mx(20, "e")];
        assert_eq!(groups(&hosts, &mut |_| 0), [vec!["a"], vec!["c", "d", "b"], vec!["e"]]);
        assert_eq!(groups(&hosts, &mut |bound| bound - 1), [vec!["a"], vec!["b", "c", "d"], vec!["e"]]);
    }

    #[test]
    fn families_take_turns() {
        let ips = |texts: &[&str]| texts.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
        let found = ips(&["::1", "::2", "::3", "192.0.2.1"]);
        assert_eq!(by_turns(found.clone(), false), ips(&["::1", "192.0.2.1", "::2", "::3"]));
        assert_eq!(by_turns(found, true), ips(&["192.0.2.1", "::1", "::2", "::3"]));
    }
}
