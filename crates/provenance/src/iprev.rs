//! Whether the client's address has a name that leads back to it (RFC 8601 §3).

use std::net::IpAddr;

use dns::Resolver;

use crate::{Iprev, Outcome};

/// Names that are tried; an address with more is a shared host, and one of them says no more than these.
const MAX_NAMES: usize = 5;

pub(crate) async fn check(resolver: &Resolver, address: IpAddr) -> Iprev {
    let found = |outcome, name| Iprev { outcome, address, name };
    let names = match resolver.ptr(address).await {
        Ok(answer) => answer.value,
        Err(error) if error.is_temporary() => return found(Outcome::TempError, None),
        Err(_) => return found(Outcome::PermError, None),
    };
    let mut undecided = false;
    for name in names.into_iter().take(MAX_NAMES) {
        match resolver.addresses(&name).await {
            Ok(answer) if answer.value.contains(&address) => return found(Outcome::Pass, Some(name)),
            Err(error) => undecided |= error.is_temporary(),
            Ok(_) => {}
        }
    }
    found(if undecided { Outcome::TempError } else { Outcome::Fail }, None)
}
