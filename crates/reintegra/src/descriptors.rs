//! How many files may be open: each connection is one, and each cell has some.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::num::NonZeroU32;

/// Descriptors beside the connections: databases, segments, certificates, listeners.
const RESERVED: u64 = 1024;

/// Takes as many descriptors as the system grants: shells and systemd let a program begin with a thousand. Where that is
/// refused, what there is may be enough.
pub(crate) fn raise() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Says so when they are too few for the connections that the configuration allows.
pub(crate) fn check(connections: NonZeroU32) {
    let needed = u64::from(connections.get()) + RESERVED;
    // None: there is no limit.
    if let Some(granted) = getrlimit(Resource::Nofile).current
        && granted < needed
    {
        tracing::warn!(
            granted,
            needed,
            "too few open files are allowed for `limits.connections`: connections will be refused before that many; \
             raise the limit (LimitNOFILE= in the unit, `ulimit -Hn` in a shell)"
        );
    }
}
