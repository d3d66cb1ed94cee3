//! A script that has been checked: what to do, with every argument in its place.

use crate::compare::{Comparator, MatchType};
use crate::template::Template;

/// A command to carry out and the line it stands in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) kind: StepKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StepKind {
    /// The first branch whose test is true; `else` has a test that always is.
    If(Vec<(Test, Vec<Step>)>),
    Stop,
    Keep {
        flags: Option<Vec<Template>>,
    },
    Discard,
    FileInto(FileInto),
    Redirect {
        address: Template,
        copy: bool,
    },
    Reject {
        reason: Template,
        extended: bool,
    },
    Vacation(Box<Vacation>),
    Set {
        name: String,
        modifiers: Modifiers,
        value: Template,
    },
    Flags {
        change: FlagChange,
        variable: Option<String>,
        flags: Vec<Template>,
    },
    AddHeader {
        name: Template,
        value: Template,
        last: bool,
    },
    DeleteHeader(Box<DeleteHeader>),
    /// `error` (RFC 5463 §5).
    Error(Template),
    /// What is wrong in a part of the script that `ihave` may never reach (RFC 5463 §4).
    Fault(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileInto {
    pub(crate) mailbox: Template,
    pub(crate) copy: bool,
    pub(crate) create: bool,
    pub(crate) flags: Option<Vec<Template>>,
    pub(crate) special_use: Option<Template>,
    pub(crate) mailbox_id: Option<Template>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Vacation {
    pub(crate) interval_s: u64,
    pub(crate) subject: Option<Template>,
    pub(crate) from: Option<Template>,
    pub(crate) addresses: Vec<Template>,
    pub(crate) mime: bool,
    pub(crate) handle: Option<Template>,
    pub(crate) reason: Template,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeleteHeader {
    pub(crate) name: Template,
    pub(crate) index: Option<Index>,
    /// `None`: whatever the value is.
    pub(crate) matching: Option<Matching>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlagChange {
    Set,
    Add,
    Remove,
}

/// What is done to a value before it is set, in this order (RFC 5229 §4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Modifiers {
    pub(crate) case: Option<Case>,
    pub(crate) first: Option<Case>,
    pub(crate) quote_wildcard: bool,
    pub(crate) length: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Lower,
    Upper,
}

/// A test and the line it stands in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Test {
    pub(crate) line: usize,
    pub(crate) kind: TestKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TestKind {
    Constant(bool),
    Not(Box<Test>),
    AllOf(Vec<Test>),
    AnyOf(Vec<Test>),
    Exists(Vec<Template>),
    Size { over: bool, limit: u64 },
    Header { names: Vec<Template>, index: Option<Index>, matching: Matching },
    Address { names: Vec<Template>, part: AddressPart, index: Option<Index>, matching: Matching },
    Envelope { parts: Vec<Template>, part: AddressPart, matching: Matching },
    Body { transform: BodyTransform, matching: Matching },
    Text { sources: Vec<Template>, matching: Matching },
    HasFlag { variables: Option<Vec<Template>>, matching: Matching },
    Date { header: Option<Template>, index: Option<Index>, zone: Zone, part: DatePart, matching: Matching },
    MailboxExists(Vec<Template>),
    MailboxIdExists(Vec<Template>),
    SpecialUseExists { mailbox: Option<Template>, uses: Vec<Template> },
    Environment { item: Template, matching: Matching },
    Duplicate(Box<Duplicate>),
    Fault(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matching {
    pub(crate) comparator: Comparator,
    pub(crate) match_type: MatchType,
    pub(crate) keys: Vec<Template>,
}

/// Which of several fields of a name (RFC 5260 §6); counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) number: u64,
    pub(crate) last: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressPart {
    All,
    LocalPart,
    Domain,
    User,
    Detail,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BodyTransform {
    Raw,
    Content(Vec<Template>),
    Text,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Zone {
    /// Of the server.
    Local,
    Original,
    Named(Template),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatePart {
    Year,
    Month,
    Day,
    Date,
    Julian,
    Hour,
    Minute,
    Second,
    Time,
    Iso8601,
    Std11,
    Zone,
    Weekday,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Duplicate {
    pub(crate) handle: Option<Template>,
    pub(crate) id: DuplicateId,
    pub(crate) seconds: u64,
    pub(crate) last: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DuplicateId {
    MessageId,
    Header(Template),
    Unique(Template),
}
