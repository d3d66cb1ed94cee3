//! What a client is told of a failure here, so that the operator finds it in the log.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Begins anywhere, so that a number of yesterday's process is hardly ever one of today's.
static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| {
    let mut bytes = [0; 4];
    // Without random numbers two processes count alike, and the time tells them apart.
    let _ = getrandom::fill(&mut bytes);
    AtomicU32::new(u32::from_be_bytes(bytes))
});

/// A failure's number: the client is told it, and it stands in the log beside the causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reference(u32);

impl Reference {
    /// One that no other failure of this process has, whatever protocol it happens in.
    pub fn unique() -> Self {
        Reference(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// An error and all its causes, outermost first: for the log, and for nobody else.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("the mail cannot be read")]
    struct Outer(#[source] io::Error);

    #[test]
    fn no_two_failures_have_one_number() {
        let (one, two) = (Reference::unique(), Reference::unique());
        assert_ne!(one, two);
        assert_ne!(one.to_string(), two.to_string());
        assert_eq!(Reference(0xc0ffee).to_string(), "00c0ffee");
    }

    #[test]
    fn the_log_has_every_cause() {
        let error = Outer(io::Error::other("the disk is gone"));
        assert_eq!(causes(&error), "the mail cannot be read: the disk is gone");
    }
}
