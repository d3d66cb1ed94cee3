//! What is tried, and what came of it: what schedule and delivery say to each other.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use store::spool::{Envelope, Notify, QueueId};

/// A try: one message, and those of its recipients that wait for one hop.
#[derive(Clone, Debug)]
pub struct Job {
    /// The message's name in the spool.
    pub id: QueueId,
    /// The domain that the recipients wait for, in lower case and ASCII form.
    pub hop: String,
    /// What is said of the message.
    pub envelope: Arc<Envelope>,
    /// Its bytes in CRLF form.
    pub message: Arc<Vec<u8>>,
    /// Who is to get it.
    pub recipients: Vec<Addressee>,
}

/// A recipient at a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// Its place among the message's recipients.
    pub number: u32,
    /// The address.
    pub address: String,
    /// What the sender wants to hear.
    pub notify: Notify,
    /// ORCPT, with its type.
    pub original: Option<String>,
}

/// What came of a recipient at a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next server took it over.
    Relayed {
        /// Which server, and what it said.
        said: Said,
        /// Whether that server sends the DSNs that were asked for (RFC 3461 §5.2.2).
        tells: bool,
    },
    /// It lies in a mailbox here.
    Delivered,
    /// Not now.
    Later(Said),
    /// Never.
    Never(Said),
}

impl Verdict {
    /// The word for it in the log and in the metrics.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Verdict::Relayed { .. } => "relayed",
            Verdict::Delivered => "delivered",
            Verdict::Later(_) => "later",
            Verdict::Never(_) => "failed",
        }
    }

    /// What was said; nothing was where it lies in a mailbox here.
    pub(crate) fn said(&self) -> Option<&Said> {
        match self {
            Verdict::Relayed { said, .. } | Verdict::Later(said) | Verdict::Never(said) => Some(said),
            Verdict::Delivered => None,
        }
    }
}

/// What was said, by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The server; `None`: nobody was reached, and these are words of our own.
    pub server: Option<String>,
    /// RFC 3463.
    pub status: (u8, u16, u16),
    /// The reply without control characters, of bounded length; in words of our own: why nobody was reached.
    pub text: String,
}

/// Tries jobs; one for other servers, one for the mailboxes here.
pub trait Deliver: Send + Sync + 'static {
    /// Tries a job. There is a verdict for each recipient, in their order, whatever happens; it takes bounded time.
    fn deliver(&self, job: Job) -> Pin<Box<dyn Future<Output = Vec<Verdict>> + Send + '_>>;
}
