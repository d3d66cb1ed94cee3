//! What goes into a cell and comes out of it.

use message::{Digest, Flags, Identity, Keyword, MailboxName, SpecialUse};

/// The lineage of served accounts. Every other lineage is hidden.
pub const LIVE: LineageId = LineageId(0);

/// Which history an account belongs to: [`LIVE`], or a staged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineageId(pub i64);

/// An account's number in its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

/// A mailbox's number in its account; never given twice, and kept when the mailbox is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxId(pub i64);

/// The number of a message's bytes in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub i64);

/// An account as a cell knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// Its lineage.
    pub lineage: LineageId,
    /// Its address in its own spelling.
    pub address: String,
}

/// A mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Its number.
    pub id: MailboxId,
    /// Its name.
    pub name: MailboxName,
    /// UIDVALIDITY; only a staged mailbox may have none.
    pub uidvalidity: Option<u32>,
    /// UIDNEXT: the lowest UID never given.
    pub uidnext: u32,
    /// HIGHESTMODSEQ (RFC 7162 §3.1.2.1); 0 while nothing ever happened in it.
    pub highest_modseq: u64,
    /// Special use by attribute.
    pub special_use: Option<SpecialUse>,
    /// Whether its owner is subscribed.
    pub subscribed: bool,
}

/// What must be known to make a mailbox.
#[derive(Clone, Debug)]
pub struct NewMailbox {
    /// Its name.
    pub name: MailboxName,
    /// `None`: a live account's mailbox gets a fresh one; a staged one stays without.
    pub uidvalidity: Option<u32>,
    /// The first UID to give.
    pub uidnext: u32,
    /// Where modification sequences go on from.
    pub highest_modseq: u64,
    /// Special use by attribute.
    pub special_use: Option<SpecialUse>,
    /// Whether its owner is subscribed.
    pub subscribed: bool,
}

impl Mailbox {
    /// All of it but its number.
    pub fn unnumbered(&self) -> NewMailbox {
        NewMailbox {
            name: self.name.clone(),
            uidvalidity: self.uidvalidity,
            uidnext: self.uidnext,
            highest_modseq: self.highest_modseq,
            special_use: self.special_use,
            subscribed: self.subscribed,
        }
    }
}

impl NewMailbox {
    /// The mailbox of a number that is given already.
    pub fn numbered(self, id: MailboxId) -> Mailbox {
        let NewMailbox { name, uidvalidity, uidnext, highest_modseq, special_use, subscribed } = self;
        Mailbox { id, name, uidvalidity, uidnext, highest_modseq, special_use, subscribed }
    }
}

/// The name that every live account has a mailbox of.
pub fn inbox() -> NewMailbox {
    NewMailbox {
        name: MailboxName::inbox(),
        uidvalidity: None,
        uidnext: 1,
        highest_modseq: 0,
        special_use: None,
        subscribed: true,
    }
}

/// An annotation (RFC 5464).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Of which mailbox; `None`: of the server, for an account.
    pub mailbox: Option<MailboxId>,
    /// Its entry, in lower case.
    pub entry: String,
    /// Its value.
    pub value: Vec<u8>,
}

/// Marks of a message that are neither flags nor keywords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Traits(pub u8);

impl Traits {
    /// Its UID was made up by staging; no client ever saw it.
    pub const UID_MADE_UP: Traits = Traits(1);
    /// Its bytes end early (`RULES.md 9.2`).
    pub const ENDS_EARLY: Traits = Traits(2);
    /// Its bytes end in zeros (`RULES.md 9.2`).
    pub const ENDS_IN_ZEROS: Traits = Traits(4);
    /// It came back by an integration: `RULES.md 5.2` and `5.3` ask for it.
    pub const OF_BEFORE: Traits = Traits(8);

    /// Whether every mark of `other` is set.
    pub fn contains(self, other: Traits) -> bool {
        self.0 & other.0 == other.0
    }

    /// The marks of both.
    #[must_use]
    pub fn with(self, other: Traits) -> Traits {
        Traits(self.0 | other.0)
    }

    /// Whether its bytes are damaged.
    pub fn damaged(self) -> bool {
        self.0 & (Self::ENDS_EARLY.0 | Self::ENDS_IN_ZEROS.0) != 0
    }
}

/// A message in a mailbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its UID.
    pub uid: u32,
    /// Its bytes.
    pub blob: BlobId,
    /// System flags.
    pub flags: Flags,
    /// Keywords, each once, sorted.
    pub keywords: Vec<Keyword>,
    /// INTERNALDATE, seconds since 1970 UTC.
    pub internal_date: i64,
    /// When it was saved here (RFC 8514), seconds since 1970 UTC.
    pub save_date: i64,
    /// Its modification sequence.
    pub modseq: u64,
    /// Its POP3 UIDL where that is not what the rule makes of UIDVALIDITY and UID.
    pub uidl: Option<String>,
    /// Its marks.
    pub traits: Traits,
}

/// What a cell knows of a message's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its number.
    pub id: BlobId,
    /// Content digest.
    pub digest: Digest,
    /// Identity.
    pub identity: Identity,
    /// Hash of the Message-ID, where there is one.
    pub message_id: Option<u64>,
    /// Hash of the first header field, where there is one.
    pub first_field: Option<u64>,
    /// Length in CRLF form.
    pub size_bytes: u64,
    /// Where its record lies.
    pub place: Place,
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The segment's number.
    pub segment: u32,
    /// The record's position in it.
    pub position: u64,
}

/// Where a staged message lies in its source, and what tells that it is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Path relative to the source's root, as bytes.
    pub path: Vec<u8>,
    /// Offset and length in a file of many messages.
    pub range: Option<(u64, u64)>,
    /// Length of the file.
    pub length_bytes: u64,
    /// Modification time in nanoseconds since 1970 UTC.
    pub modified_ns: i64,
    /// Change time in nanoseconds since 1970 UTC.
    pub changed_ns: i64,
    /// Inode number.
    pub inode: u64,
    /// What was mended about it, as JSON of the integrator.
    pub mended: Option<String>,
}

/// A source's file or message as it was staged: what its ledger row is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it lies.
    pub origin: Origin,
    /// What it is, in the integrator's numbers.
    pub kind: u8,
    /// The staged message that it became.
    pub message: Option<(MailboxId, u32)>,
    /// The mailbox it stood in where it became no message, as the source names it.
    pub mailbox_name: Option<String>,
    /// The UID that was listed for it where it became no message.
    pub listed_uid: Option<u32>,
    /// Why it became no message.
    pub reason: Option<String>,
}

/// The UIDL that Dovecot's default rule, and ours, makes: `%08Xu%08Xv` (in lower case).
pub fn uidl_by_rule(uidvalidity: u32, uid: u32) -> String {
    format!("{uid:08x}{uidvalidity:08x}")
}
