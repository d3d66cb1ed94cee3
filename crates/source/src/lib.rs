//! Sources: where a lineage is read from (`DESIGN.md`, *Integration*).
//!
//! A [`Source`] lists what it holds (accounts, aliases, maildrops, every file) and gives the bytes of single messages.
//! It only reads; it knows no store. Whatever it finds that it cannot read, or that is no message, is a listed
//! [`Item`] or a [`Notice`], never silently left out (`RULES.md` G8 and section 9).

pub mod csv_accounts;
mod description;
mod detect;
mod directory;
mod domains;
mod heap;
mod imap;
mod layout;
mod maildir;
pub mod mbox;
mod mbox_tree;
pub mod passwd;
pub mod remote;
mod root;
mod sieve;
mod tree;
pub mod uidlist;
pub mod virtual_map;

pub use description::{Description, Format};
pub use detect::describe;
pub use tree::open;

use message::{Address, Flags, Keyword, MailboxName, SpecialUse};
use std::path::PathBuf;

/// One history of a set of accounts, as it lies somewhere.
pub trait Source: Send + Sync {
    /// What kind of source this is and where, for people: `maildir tree /srv/old`.
    fn describe(&self) -> String;

    /// Domains, accounts and aliases as the source's own files say.
    ///
    /// # Errors
    /// When a file that the description names cannot be read. Lines that cannot be understood are notices.
    fn directory(&self) -> Result<Directory, SourceError>;

    /// The maildrops: one for every account's mail, and one for everything that belongs to no account by its place.
    ///
    /// # Errors
    /// When the tree cannot be listed.
    fn maildrops(&self) -> Result<Vec<Maildrop>, SourceError>;

    /// Lists mailboxes and every file or message of one maildrop, without reading message bytes where that can be
    /// avoided (a Maildir is listed by name and stat alone; an mbox must be read).
    ///
    /// # Errors
    /// When the maildrop has disappeared or cannot be listed at all.
    fn scan(&self, maildrop: &Maildrop) -> Result<MaildropScan, SourceError>;

    /// Reads the bytes of one message as they lie (an mbox message without its `From ` line, quoting left alone unless
    /// the format undoes it for sure) into `buffer`, which is cleared first.
    ///
    /// # Errors
    /// When it is gone, cannot be read, is larger than the source's limit, or changed while it was read.
    fn read(&self, locator: &Locator, buffer: &mut Vec<u8>) -> Result<(), ReadError>;

    /// Says that a message is going to be read, so that a slow disk can begin: many may be on their way at once. Nothing
    /// comes of it where it cannot be read, or where that would not help, as by default.
    fn read_ahead(&self, _locator: &Locator) {}
}

/// What a source's own files say of domains, accounts and aliases.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Domains, those of accounts and aliases included.
    pub domains: Vec<Domain>,
    /// Account lines, in file order; one address once (a repeated line is a notice).
    pub accounts: Vec<Account>,
    /// Aliases, in file order; one address once.
    pub aliases: Vec<Alias>,
    /// What could not be understood, with file and line.
    pub notices: Vec<Notice>,
}

/// A hosted domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// In lower case.
    pub name: String,
    /// The customer who owns it, where the source says.
    pub customer: Option<String>,
    /// Whether mail and sign-in are switched off.
    pub disabled: bool,
}

/// An account line. Its `Debug` does not print the hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Login and address.
    pub address: Address,
    /// The hash as it stands, scheme in braces where it has one (`{SSHA}…`, `$6$…`), `None` where the field is empty.
    pub password_hash: Option<String>,
    /// The display name.
    pub name: Option<String>,
    /// The quota in bytes; `None` where none is said.
    pub quota_bytes: Option<u64>,
    /// Whether the line says that the person may not sign in.
    pub disabled: bool,
    /// Forwards kept beside the account (CSV column `forwards`).
    pub forwards: Vec<Address>,
    /// The language tag, where the source says (`es`, `en`).
    pub language: Option<String>,
    /// The home directory as written, where the source says.
    pub home: Option<String>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Naming every field: a new one that should not be printed is a decision to take here.
        let Account { address, password_hash, name, quota_bytes, disabled, forwards, language, home } = self;
        f.debug_struct("Account")
            .field("address", address)
            .field("password_hash", &password_hash.as_ref().map(|_| "(not shown)"))
            .field("name", name)
            .field("quota_bytes", quota_bytes)
            .field("disabled", disabled)
            .field("forwards", forwards)
            .field("language", language)
            .field("home", home)
            .finish()
    }
}

/// An alias line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// What it answers to.
    pub address: AliasAddress,
    /// Where it delivers, in order, as written (local names without a domain are kept as they are).
    pub targets: Vec<String>,
}

/// What an alias answers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AliasAddress {
    /// One address.
    Address(Address),
    /// Every address of a domain that is nothing else (`@domain`); a target `@other` makes it a domain alias.
    CatchAll(String),
}

/// The mail of one account, or what lies about without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maildrop {
    /// Whose it is by its place; `None`: orphans (`RULES.md 9.3`).
    pub address: Option<Address>,
    /// Where, relative to the source's root, as bytes (`mail/example.org/ana`); also the maildrop's stable key.
    pub place: Vec<u8>,
}

/// Everything that one maildrop holds.
#[derive(Clone, Debug, Default)]
pub struct MaildropScan {
    /// Mailboxes by name, INBOX first.
    pub mailboxes: Vec<Mailbox>,
    /// Sieve scripts.
    pub scripts: Vec<Script>,
    /// The quota that the maildrop itself says (`maildirsize`), in bytes.
    pub quota_bytes: Option<u64>,
    /// Findings that concern no single file.
    pub notices: Vec<Notice>,
}

/// A mailbox and its files.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// Its name.
    pub name: MailboxName,
    /// Its name as the source wrote it, where it had to be changed to be one.
    pub name_was: Option<Vec<u8>>,
    /// UIDVALIDITY; `None` where the source has none that can be believed.
    pub uidvalidity: Option<u32>,
    /// UIDNEXT as written, never below the highest UID + 1; `None` as for `uidvalidity`.
    pub uidnext: Option<u32>,
    /// Highest modification sequence, where the source has one.
    pub highest_modseq: Option<u64>,
    /// Special use by attribute (not by name: that is the integrator's business).
    pub special_use: Option<SpecialUse>,
    /// Whether the owner is subscribed to it.
    pub subscribed: bool,
    /// Files and messages, in the order in which the source would show them (by UID, then those without).
    pub items: Vec<Item>,
}

/// One file or message of a source: exactly one ledger row (`RULES.md` G8).
#[derive(Clone, Debug)]
pub struct Item {
    /// Where it lies.
    pub locator: Locator,
    /// What it is.
    pub kind: ItemKind,
    /// The UID that the lineage served, where that can be believed (never twice in one mailbox).
    pub uid: Option<u32>,
    /// The POP3 UIDL that the lineage stored or its rule computes (`RULES.md 5.2`).
    pub uidl: Option<String>,
    /// System flags.
    pub flags: Flags,
    /// Keywords, each once.
    pub keywords: Vec<Keyword>,
    /// INTERNALDATE in seconds since 1970 UTC.
    pub internal_date: i64,
    /// What tells an unchanged file without reading it.
    pub stamp: Stamp,
    /// The size that the format promises for the bytes (`,S=` of a Maildir name), if any: shorter bytes are damaged.
    pub promised_size: Option<u64>,
    /// The size that the format promises for the bytes with every line ending written CRLF (`,W=`), if any. Bytes that
    /// keep this promise are whole even where `promised_size` is contradicted.
    pub promised_crlf_size: Option<u64>,
    /// What was mended or looks wrong about this item (`RULES.md 9.4`), in words, with the rule's number.
    pub notices: Vec<Notice>,
}

/// What a source's item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A message, as far as can be told without reading it.
    Message,
    /// An unfinished delivery (`tmp/`, `RULES.md 9.5`).
    Unfinished,
    /// A file that is no message (indexes, Thumbs.db; `RULES.md 9.5`).
    NotAMessage,
    /// A UID listed without a file (`RULES.md 9.5`).
    ListedNoFile,
    /// It cannot be opened as a file: a symbolic link, a device, a directory where none belongs (`RULES.md 9.1`).
    Unreadable,
}

/// Where an item lies: a path relative to the source's root and, in a file of many messages, which bytes of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locator {
    /// Relative to the root, as bytes: names need not be UTF-8.
    pub path: Vec<u8>,
    /// Offset and length of the message's own bytes in the file; `None`: the whole file. For an item without any file
    /// (`ListedNoFile`) the path is that of the list and the offset that of its line.
    pub range: Option<(u64, u64)>,
}

/// Tells whether a file is unchanged since it was last read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Length of the file in bytes.
    pub length_bytes: u64,
    /// Modification time in nanoseconds since 1970 UTC.
    pub modified_ns: i64,
    /// Change time in nanoseconds since 1970 UTC.
    pub changed_ns: i64,
    /// Inode number.
    pub inode: u64,
}

/// A Sieve script of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its name (file name without `.sieve`).
    pub name: String,
    /// Its text as it lies.
    pub content: Vec<u8>,
    /// Whether it is the one that runs.
    pub active: bool,
}

/// Something worth listing in the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The rule under which it is listed (`9.4`).
    pub rule: &'static str,
    /// File and line or path it concerns, printable (bytes that are no UTF-8 percent-encoded).
    pub place: String,
    /// What was found and what was done about it, one English sentence without a full stop.
    pub text: String,
}

/// A source cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or directory of the source could not be read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// `source.toml` is wrong.
    #[error("{}: {message}", path.display())]
    Description {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with key and line, and what is expected.
        message: String,
    },
    /// A server of the source cannot be read.
    #[error(transparent)]
    Remote(#[from] remote::RemoteError),
    /// A directory holds nothing that is known as a source.
    #[error("{}: {message}", path.display())]
    Unknown {
        /// Which directory.
        path: PathBuf,
        /// What was looked for, and what to do now.
        message: String,
    },
}

/// Why one message could not be read (`RULES.md 9.1`).
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no longer there.
    #[error("it disappeared after it was listed")]
    Gone,
    /// It is no longer as it was listed.
    #[error("it changed after it was listed")]
    Changed,
    /// A link, a device, or a path that leads out of the source.
    #[error("it is not a regular file inside the source")]
    NotAFile,
    /// Larger than the source's limit.
    #[error("it has {length_bytes} bytes, more than the limit of {limit_bytes} (max_message_bytes in source.toml)")]
    TooLarge {
        /// Its size.
        length_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The mailbox that it lies in was numbered anew: its UID may be another message's now.
    #[error("UIDVALIDITY of {mailbox} was {was} when it was listed and is {now} now; stage again")]
    Renumbered {
        /// Which, as the server writes it.
        mailbox: String,
        /// When it was listed; 0: none.
        was: u32,
        /// Now; 0: none.
        now: u32,
    },
    /// Its server did not give it, and gives others.
    #[error(transparent)]
    Remote(remote::RemoteError),
    /// Its server is away, or gives nothing any more: what was not read yet can be read another time.
    #[error(transparent)]
    Away(remote::RemoteError),
    /// The system said no.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
