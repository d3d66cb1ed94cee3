//! How many files may be open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::num::NonZeroU32;

/// Descriptors beside the connections: databases, segments, certificates, listeners.
const RESERVED: u64 = 1024;

/// Takes as many descriptors as the system grants, and says so when they are too few for the connections that the
/// configuration allows.
pub(crate) fn raise(connections: NonZeroU32) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, wanted)
    {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
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
