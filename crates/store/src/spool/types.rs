//! What the spool holds.

use message::Digest;
use std::fmt;
use std::str::FromStr;

/// Names a message of the spool; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub(crate) i64);

impl QueueId {
    /// The message of a number, whether there is one or not.
    pub const fn unchecked(number: i64) -> Self {
        QueueId(number)
    }

    /// Its number: greater than that of every message put before it.
    pub const fn number(self) -> i64 {
        self.0
    }
}

/// As people read and write it: digits and capital letters.
impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}", self.0)
    }
}

/// A text does not name a message of the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of the queue is named by hexadecimal digits, as `queue list` prints them")]
pub struct NoQueueId;

impl FromStr for QueueId {
    type Err = NoQueueId;

    fn from_str(text: &str) -> Result<Self, NoQueueId> {
        // Not what `from_str_radix` takes beside digits: a sign.
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
        let number = i64::from_str_radix(text, 16).ok().filter(|_| digits);
        number.map(QueueId).ok_or(NoQueueId)
    }
}

/// Names a delivery, so that a repetition of it is known as one: whoever hands something on chooses it, and keeps it over
/// repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub [u8; 16]);

impl DeliveryId {
    /// The name of what some parts tell, however they are cut. What is named for one purpose never meets what is named for
    /// another: the context says which, and is written nowhere else.
    pub fn of(context: &'static str, parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut name = [0; 16];
        name.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        DeliveryId(name)
    }

    /// What names one recipient of a message that this names.
    pub(super) fn of_recipient(self, address: &str) -> Self {
        Self::of("reintegra 2026-11 spool recipient", &[&self.0, address.as_bytes()])
    }
}

/// What a message is on its way for: how long it is tried, and who is told what, depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Somebody who signed in sent it.
    Submission,
    /// An alias, a forward or a script sends it on.
    Forward,
    /// A delivery status notification.
    Notification,
    /// An answer that a script gives.
    Reply,
    /// Held for a primary that is away.
    Held,
}

/// The two lines in which mail waits for a hop, each in its own order: what people wait for is found past any amount of what
/// programs write to whoever claims to have sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Somebody sent it.
    Sent,
    /// A DSN, or an answer of a script: strangers can have any number of them made, to wherever they like.
    Automatic,
}

impl Lane {
    /// All of them.
    pub const ALL: [Lane; 2] = [Lane::Sent, Lane::Automatic];
}

impl Purpose {
    /// Where mail for this purpose waits.
    pub const fn lane(self) -> Lane {
        match self {
            Purpose::Submission | Purpose::Forward | Purpose::Held => Lane::Sent,
            Purpose::Notification | Purpose::Reply => Lane::Automatic,
        }
    }
}

/// How much of a message its DSN returns (RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Return {
    /// All of it.
    Full,
    /// Its header.
    Headers,
}

/// When the sender is told about a recipient (RFC 3461 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Notify {
    /// When it was delivered.
    pub success: bool,
    /// When it could not be.
    pub failure: bool,
    /// When it takes long.
    pub delay: bool,
}

impl Notify {
    /// When it fails or takes long: what holds when nobody asked for anything.
    pub const DEFAULT: Notify = Notify { success: false, failure: true, delay: true };
    /// Never.
    pub const NEVER: Notify = Notify { success: false, failure: false, delay: false };
}

/// What is said of a message beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Who is told when it cannot be delivered; empty: nobody (RFC 5321 §4.5.5).
    pub reverse_path: String,
    /// What it is on its way for.
    pub purpose: Purpose,
    /// The address of the account that it comes from, where there is one.
    pub account: Option<String>,
    /// ENVID, decoded.
    pub envelope_id: Option<String>,
    /// How much of it a DSN returns; `None`: nobody said.
    pub returns: Option<Return>,
    /// Whether its envelope or header needs SMTPUTF8.
    pub smtputf8: bool,
    /// Whether it must go over verified TLS all the way (RFC 8689).
    pub require_tls: bool,
    /// When it came, in seconds since 1970 UTC.
    pub arrived_s: i64,
    /// When it is given up, in seconds since 1970 UTC.
    pub expires_s: i64,
}

/// A recipient of a message that is to be put into the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecipient {
    /// The address.
    pub address: String,
    /// What it waits for: the domain in lower case and ASCII form.
    pub hop: String,
    /// What the sender wants to hear.
    pub notify: Notify,
    /// ORCPT, decoded, with its type: `rfc822;…`; where the address is hidden and the sender gave none, the address that the
    /// sender named.
    pub original: Option<String>,
    /// Whether the sender did not name this address: an alias or a script leads to it. Who is told about it is then told of
    /// `original`.
    pub hidden: bool,
}

/// A message that is to be put into the spool.
#[derive(Clone, Debug)]
pub struct NewMail {
    /// Names it, where it may be put in again: with its address it names each recipient, and nothing is done for those that
    /// wait or have the message. It is made of nothing that depends on the recipients.
    pub key: Option<DeliveryId>,
    /// What is said of it.
    pub envelope: Envelope,
    /// Who gets it; one at least.
    pub recipients: Vec<NewRecipient>,
    /// When it is first tried, in seconds since 1970 UTC.
    pub due_s: i64,
    /// Its bytes in CRLF form, packed.
    pub message: crate::Prepared,
}

/// A message of the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Names it.
    pub id: QueueId,
    /// What is said of it.
    pub envelope: Envelope,
    /// Names its bytes.
    pub digest: Digest,
    /// Length of its bytes.
    pub size_bytes: u64,
}

/// What becomes of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Tried again when it is due.
    Waiting,
    /// Not tried until an operator lets it go on.
    Held,
}

/// A recipient that a message of the spool has still to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Its place among the message's recipients.
    pub number: u32,
    /// The address.
    pub address: String,
    /// What it waits for.
    pub hop: String,
    /// What the sender wants to hear.
    pub notify: Notify,
    /// ORCPT, as in [`NewRecipient`].
    pub original: Option<String>,
    /// Whether the sender did not name the address.
    pub hidden: bool,
    /// What becomes of it.
    pub state: State,
    /// Whether it is held only until `due_s`, and then to be given up without a word.
    pub ends: bool,
    /// When it is tried next, in seconds since 1970 UTC.
    pub due_s: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// What was said at the last try.
    pub last: Option<String>,
    /// Whether the sender was told that it takes long.
    pub delay_told: bool,
}

/// What became of a recipient at a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It has the message: it leaves the spool.
    Done,
    /// It will never get the message: it leaves the spool, and the message may be put in again for it under its key. Who sends
    /// it once more is not to hear that it is on its way, and nothing of it ever.
    Failed,
    /// It is tried again.
    Again {
        /// When, in seconds since 1970 UTC.
        due_s: i64,
        /// What was said.
        said: String,
        /// Whether the sender is told now that it takes long.
        delay_told: bool,
    },
    /// It waits for an operator.
    Held {
        /// Until when at most, in seconds since 1970 UTC: then [`ended`](super::Spool::ended) has it. `None`: for ever.
        until_s: Option<i64>,
    },
    /// An operator lets it go on, or has it tried at once: it waits, and is due since the message came.
    Released,
}

/// What became of recipients of one message, and what is put into the spool for that: all of it or nothing.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Which message.
    pub id: QueueId,
    /// Recipients by their numbers, and what became of each.
    pub recipients: Vec<(u32, Settled)>,
    /// What is sent for it: a DSN. With a key, so that a repetition after a crash sends no second one.
    pub then: Vec<NewMail>,
}

/// A hop that messages wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueHop {
    /// The domain.
    pub hop: String,
    /// When the first of its recipients is due, in seconds since 1970 UTC.
    pub due_s: i64,
    /// Its recipients that wait, due or not.
    pub waiting: u64,
}

/// Which messages a list is to have: those with a recipient that has all of what is said of recipients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The reverse-path, without regard to ASCII case; empty: the null reverse-path.
    pub sender: Option<String>,
    /// A recipient's address, without regard to ASCII case.
    pub recipient: Option<String>,
    /// What a recipient waits for.
    pub hop: Option<String>,
    /// What becomes of a recipient.
    pub state: Option<State>,
}

/// What the spool holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages.
    pub messages: u64,
    /// Their length together.
    pub size_bytes: u64,
    /// Recipients that are tried again.
    pub waiting: u64,
    /// Recipients that wait for an operator.
    pub held: u64,
    /// When the oldest message came, in seconds since 1970 UTC.
    pub oldest_s: Option<i64>,
}

/// What a check of the spool went through and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records read, whole or not.
    pub records: u64,
    /// Messages whose bytes were unpacked and hashed.
    pub messages: u64,
    /// Stretches of segments that cannot be used and were reported when the index came upon them.
    pub reported: u64,
    /// What is wrong, one sentence each without a full stop.
    pub problems: Vec<String>,
}

/// What a piece of tidying did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Segments removed.
    pub segments: usize,
    /// Messages put anew, so that the segment that they were in may go.
    pub moved: usize,
    /// Keys of messages, outcomes and policies forgotten for their age.
    pub forgotten: usize,
    /// Whether there is more to do already.
    pub more: bool,
    /// Messages whose bytes are damaged where they lie, and keep their segment.
    pub damaged: Vec<QueueId>,
}
