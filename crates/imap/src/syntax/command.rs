//! What a client can ask: every command with its arguments, as parsed.
//!
//! Strings that name mailboxes are [`MailboxArg`]: decoded (modified UTF-7 or UTF-8), and not yet checked against the
//! rules for names. Numbers of messages are [`Numbers`], before anyone has decided whether they count or are UIDs.

use super::set::{Numbers, SequenceSet};
use message::{Flags, Keyword, SpecialUse};

/// A command with the tag that its answers carry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tagged {
    /// The tag.
    pub(crate) tag: String,
    /// What is asked.
    pub(crate) command: Command,
}

/// Whether numbers of messages in a command and its answers are UIDs (the `UID` prefix).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Message sequence numbers.
    Seq,
    /// UIDs.
    Uid,
}

/// A mailbox as a client names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MailboxArg(pub(crate) String);

/// A secret argument. Its `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretArg(pub(crate) Vec<u8>);

impl std::fmt::Debug for SecretArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(not shown)")
    }
}

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    // Any state, RFC 9051 §6.1.
    Capability,
    Noop,
    Logout,
    /// RFC 2971. `None`: `NIL`.
    Id(Option<Vec<(String, Option<String>)>>),

    // Not authenticated, RFC 9051 §6.2.
    StartTls,
    /// The initial response (RFC 4959) is decoded; `=` is an empty one.
    Authenticate {
        mechanism: String,
        initial: Option<SecretArg>,
    },
    Login {
        user: String,
        password: SecretArg,
    },

    // Authenticated, RFC 9051 §6.3.
    /// RFC 5161; names in upper case.
    Enable(Vec<String>),
    Select(Select),
    Create {
        mailbox: MailboxArg,
        special_use: Vec<UseArg>,
    },
    Delete(MailboxArg),
    Rename {
        from: MailboxArg,
        to: MailboxArg,
    },
    Subscribe(MailboxArg),
    Unsubscribe(MailboxArg),
    List(List),
    Lsub {
        reference: String,
        pattern: String,
    },
    Namespace,
    Status {
        mailbox: MailboxArg,
        items: Vec<StatusItem>,
    },
    Append {
        mailbox: MailboxArg,
        messages: Vec<AppendMessage>,
    },
    Idle,
    /// RFC 4978; the algorithm in upper case.
    Compress(String),
    GetQuota(String),
    GetQuotaRoot(MailboxArg),
    SetQuota {
        root: String,
        limits: Vec<(String, u64)>,
    },
    GetMetadata(GetMetadata),
    /// RFC 5464 §4.3. The mailbox is empty for the server's own entries; a value of `None` removes.
    SetMetadata {
        mailbox: MailboxArg,
        entries: Vec<(String, Option<Vec<u8>>)>,
    },
    Notify(Notify),

    // Selected, RFC 9051 §6.4.
    Check,
    Close,
    Unselect,
    /// `uids` for UID EXPUNGE (RFC 4315).
    Expunge {
        uids: Option<Numbers>,
    },
    Search(Search),
    Sort(Sort),
    Thread(Thread),
    Fetch(Fetch),
    Store(Store),
    Copy {
        by: By,
        numbers: Numbers,
        mailbox: MailboxArg,
    },
    Move {
        by: By,
        numbers: Numbers,
        mailbox: MailboxArg,
    },
    /// RFC 8508.
    Replace {
        by: By,
        number: Numbers,
        mailbox: MailboxArg,
        message: AppendMessage,
    },
}

/// SELECT or EXAMINE.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Select {
    pub(crate) mailbox: MailboxArg,
    /// EXAMINE.
    pub(crate) read_only: bool,
    /// The `CONDSTORE` parameter (RFC 7162 §3.1.8).
    pub(crate) condstore: bool,
    pub(crate) qresync: Option<Qresync>,
}

/// The `QRESYNC` parameter of SELECT (RFC 7162 §3.2.5).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Qresync {
    pub(crate) uidvalidity: u32,
    pub(crate) modseq: u64,
    pub(crate) known_uids: Option<SequenceSet>,
    /// Message sequence numbers and the UIDs that the client takes them for.
    pub(crate) match_data: Option<(SequenceSet, SequenceSet)>,
}

/// A special use as a client asks for it (RFC 6154).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UseArg {
    /// One that can be given to a mailbox.
    Known(SpecialUse),
    /// `\All`, `\Flagged`, or one that is not known here.
    Other(String),
}

/// LIST with everything of RFC 5258, RFC 5819, RFC 6154 and RFC 9051 §6.3.9.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List {
    /// Whether the extended form was used, so that `\NonExistent` and `CHILDINFO` may be answered.
    pub(crate) extended: bool,
    pub(crate) select: ListSelect,
    pub(crate) reference: String,
    pub(crate) patterns: Vec<String>,
    pub(crate) returns: ListReturn,
}

/// Selection options of LIST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListSelect {
    pub(crate) subscribed: bool,
    pub(crate) remote: bool,
    pub(crate) recursive_match: bool,
    pub(crate) special_use: bool,
}

/// Return options of LIST.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListReturn {
    pub(crate) subscribed: bool,
    pub(crate) children: bool,
    pub(crate) special_use: bool,
    /// RFC 5819.
    pub(crate) status: Option<Vec<StatusItem>>,
    /// Entries of RFC 9590 (`METADATA`).
    pub(crate) metadata: Option<Vec<String>>,
}

/// What STATUS can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    Deleted,
    Size,
    HighestModSeq,
    MailboxId,
    AppendLimit,
    DeletedStorage,
}

/// One message of an APPEND.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AppendMessage {
    pub(crate) flags: Vec<FlagArg>,
    /// Seconds since 1970 UTC.
    pub(crate) internal_date: Option<i64>,
    /// As the client sent it: line endings not yet looked at. UTF8 (...) data (RFC 6855) is unwrapped.
    pub(crate) bytes: Vec<u8>,
    /// Whether it came as `literal8` (binary).
    pub(crate) binary: bool,
}

/// A flag as a client names it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FlagArg {
    /// A system flag, or `$Forwarded`.
    Flag(Flags),
    /// A keyword.
    Keyword(Keyword),
    /// `\Recent` or a backslash flag that is not known: ignored with thanks.
    Ignored,
}

/// GETMETADATA (RFC 5464 §4.2).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GetMetadata {
    pub(crate) mailbox: MailboxArg,
    pub(crate) max_size: Option<u32>,
    pub(crate) depth: Depth,
    pub(crate) entries: Vec<String>,
}

/// `DEPTH` of GETMETADATA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Depth {
    #[default]
    Zero,
    One,
    Infinity,
}

/// NOTIFY (RFC 5465 §6).
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Notify {
    None,
    Set { status: bool, groups: Vec<EventGroup> },
}

/// Which mailboxes, and what of them is to be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventGroup {
    pub(crate) mailboxes: MailboxFilter,
    /// Empty: `NONE`.
    pub(crate) events: Vec<Event>,
}

/// `filter-mailboxes` of RFC 5465 §8.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MailboxFilter {
    Selected,
    SelectedDelayed,
    Inboxes,
    Personal,
    Subscribed,
    Subtree(Vec<MailboxArg>),
    Mailboxes(Vec<MailboxArg>),
}

/// An event of RFC 5465 §5.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// With what is to be fetched of new messages in the selected mailbox.
    MessageNew(Vec<FetchItem>),
    MessageExpunge,
    FlagChange,
    AnnotationChange,
    MailboxName,
    SubscriptionChange,
    MailboxMetadataChange,
    ServerMetadataChange,
    /// One that is not known here: answered `BADEVENT`.
    Other(String),
}

/// SEARCH (RFC 9051 §6.4.4).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Search {
    pub(crate) by: By,
    /// `RETURN (...)`; `None`: the old form of answer for IMAP4rev1 clients.
    pub(crate) returns: Option<SearchReturn>,
    /// In upper case; `None`: not said.
    pub(crate) charset: Option<String>,
    pub(crate) key: SearchKey,
}

/// Result options of SEARCH and SORT (RFC 9051 §6.4.4, RFC 5267). None set: `RETURN ()`, which means ALL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SearchReturn {
    pub(crate) min: bool,
    pub(crate) max: bool,
    pub(crate) all: bool,
    pub(crate) count: bool,
    pub(crate) save: bool,
    /// `PARTIAL` (RFC 9394): from, to; negative counts from the end.
    pub(crate) partial: Option<(i64, i64)>,
}

/// What a message must be like. Strings are decoded from the command's charset into Unicode.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SearchKey {
    All,
    And(Vec<SearchKey>),
    Or(Box<SearchKey>, Box<SearchKey>),
    Not(Box<SearchKey>),
    /// Any of the flags set... the one flag named.
    Flag(Flags),
    Keyword(Keyword),
    /// NEW, OLD, RECENT ask for `\Recent`, which is never set here (RFC 9051 dropped it).
    Recent,
    Numbers(Numbers),
    Uids(Numbers),
    /// Days as days since 1970 in the date's own calendar (RFC 9051 §6.4.4: disregarding time and zone).
    Before(DateOf, i64),
    On(DateOf, i64),
    Since(DateOf, i64),
    Larger(u64),
    Smaller(u64),
    /// RFC 5032, seconds.
    Older(u32),
    Younger(u32),
    Text(String),
    Body(String),
    /// FROM, TO, CC, BCC, SUBJECT are headers too. An empty text: the field is there.
    Header(String, String),
    /// RFC 7162 §3.1.5.
    ModSeq(u64),
    /// RFC 8474.
    EmailId(String),
    ThreadId(String),
    /// RFC 8514: the mailbox supports SAVEDATE.
    SaveDateSupported,
}

/// Which date of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateOf {
    /// INTERNALDATE.
    Internal,
    /// The Date field.
    Sent,
    /// When it was saved (RFC 8514).
    Saved,
}

/// SORT (RFC 5256, RFC 5267 for `RETURN`, RFC 5957 for DISPLAY).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sort {
    pub(crate) by: By,
    pub(crate) returns: Option<SearchReturn>,
    /// Each with whether it is reversed.
    pub(crate) criteria: Vec<(bool, SortKey)>,
    pub(crate) charset: String,
    pub(crate) key: SearchKey,
}

/// What to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SortKey {
    Arrival,
    Cc,
    Date,
    From,
    Size,
    Subject,
    To,
    DisplayFrom,
    DisplayTo,
}

/// THREAD (RFC 5256).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Thread {
    pub(crate) by: By,
    pub(crate) algorithm: ThreadAlgorithm,
    pub(crate) charset: String,
    pub(crate) key: SearchKey,
}

/// How to thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ThreadAlgorithm {
    OrderedSubject,
    References,
    /// One that is not known here.
    Other(String),
}

/// FETCH.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fetch {
    pub(crate) by: By,
    pub(crate) numbers: Numbers,
    /// Macros are expanded.
    pub(crate) items: Vec<FetchItem>,
    /// RFC 7162 §3.1.4.1.
    pub(crate) changed_since: Option<u64>,
    /// RFC 7162 §3.2.6.
    pub(crate) vanished: bool,
    /// RFC 9394.
    pub(crate) partial: Option<(i64, i64)>,
}

/// One thing to fetch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FetchItem {
    Flags,
    Uid,
    InternalDate,
    Rfc822Size,
    Envelope,
    /// `BODY`: the structure without extensions.
    Body,
    BodyStructure,
    /// `BODY[section]<partial>`.
    Section {
        section: Section,
        partial: Option<(u64, u64)>,
        peek: bool,
    },
    /// `RFC822`, `RFC822.HEADER`, `RFC822.TEXT` of RFC 3501; answered under those names.
    Rfc822,
    Rfc822Header,
    Rfc822Text,
    /// `BINARY[part]<partial>` (RFC 3516).
    Binary {
        part: Vec<u32>,
        partial: Option<(u64, u64)>,
        peek: bool,
    },
    BinarySize {
        part: Vec<u32>,
    },
    ModSeq,
    EmailId,
    ThreadId,
    SaveDate,
    /// RFC 8970.
    Preview {
        lazy: bool,
    },
}

/// The inside of `BODY[...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// Numbers of parts, outermost first; empty: the message itself.
    pub(crate) part: Vec<u32>,
    pub(crate) text: SectionText,
}

/// Which text of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SectionText {
    /// The whole of it.
    All,
    Header,
    /// Names in upper case, in the order given.
    HeaderFields(Vec<String>),
    HeaderFieldsNot(Vec<String>),
    Text,
    /// Only of a numbered part.
    Mime,
}

/// STORE.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Store {
    pub(crate) by: By,
    pub(crate) numbers: Numbers,
    /// RFC 7162 §3.1.3.
    pub(crate) unchanged_since: Option<u64>,
    pub(crate) mode: StoreMode,
    pub(crate) silent: bool,
    pub(crate) flags: Vec<FlagArg>,
}

/// What STORE does with the flags it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreMode {
    Replace,
    Add,
    Remove,
}
