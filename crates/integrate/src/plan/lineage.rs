//! What a plan reads: one account as each lineage has it.

use message::{Digest, Flags, Identity, Keyword, MailboxName, SpecialUse};

/// The account of one lineage: its mailboxes. An account that a lineage does not have is an empty one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lineage {
    /// Mailboxes in any order; names are unique within a lineage.
    pub mailboxes: Vec<Mailbox>,
}

/// A mailbox of one lineage.
#[derive(Clone, Debug, PartialEq)]
pub struct Mailbox {
    /// Its name.
    pub name: MailboxName,
    /// Special use by attribute; the known names of `RULES.md 6.2` are the plan's business.
    pub special_use: Option<SpecialUse>,
    /// Whether its owner is subscribed.
    pub subscribed: bool,
    /// UIDVALIDITY that it served; `None`: it never served any that is known.
    pub uidvalidity: Option<u32>,
    /// The lowest UID that it never served.
    pub uidnext: u32,
    /// The highest modification sequence that it served (0: none).
    pub highest_modseq: u64,
    /// Messages by ascending UID.
    pub messages: Vec<Message>,
    /// UIDs that it served and expunged, with the identity where that is still known.
    pub expunged: Vec<(u32, Option<Identity>)>,
}

/// A copy of a message in one mailbox of one lineage.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its UID, unique in its mailbox.
    pub uid: u32,
    /// Whether a client was ever served that UID (`false`: the source had none and staging made one up).
    pub uid_served: bool,
    /// Content digest (`RULES.md 2.1`).
    pub digest: Digest,
    /// Identity (`RULES.md 2.2`).
    pub identity: Identity,
    /// System flags.
    pub flags: Flags,
    /// Keywords, each once, sorted.
    pub keywords: Vec<Keyword>,
    /// INTERNALDATE, seconds since 1970 UTC.
    pub internal_date: i64,
    /// Size in bytes with CRLF line endings.
    pub size_bytes: u64,
    /// The POP3 UIDL that was served for it, where one was.
    pub uidl: Option<String>,
    /// `RULES.md 9.2`: it ends early or in zeros; with the identity of a whole copy where one is known
    /// (the plan then treats it as that message).
    pub damaged: Option<Damage>,
}

/// That a message's bytes are damaged.
#[derive(Clone, Debug, PartialEq)]
pub struct Damage {
    /// The identity of the whole message that this is the beginning of, where a lineage of the account has it.
    pub whole: Option<Identity>,
}
