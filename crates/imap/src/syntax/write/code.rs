//! Response codes: what a status response says to programs.

use super::{put, system_flags, write_flag_names, write_set, write_string};
use message::Keyword;

/// A response code: the whole list of RFC 9051 §7.1 and of the extensions, whether or not there is a use for each.
#[allow(dead_code, reason = "a list that is whole shows which code fits; whoever needs one finds it")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResponseCode {
    // RFC 9051 §7.1; most of them were first in RFC 3501 and RFC 5530.
    Alert,
    AlreadyExists,
    /// The UIDs that APPEND gave, ascending (RFC 4315 §3).
    AppendUid {
        uidvalidity: u32,
        uids: Vec<u32>,
    },
    AuthenticationFailed,
    AuthorizationFailed,
    /// The charsets that are known.
    BadCharset(Vec<String>),
    Cannot,
    Capability(Vec<String>),
    ClientBug,
    Closed,
    ContactAdmin,
    /// The UIDs that were copied and those that the copies got, both ascending and of one length (RFC 4315 §3).
    CopyUid {
        uidvalidity: u32,
        from: Vec<u32>,
        to: Vec<u32>,
    },
    Corruption,
    Expired,
    ExpungeIssued,
    HasChildren,
    InUse,
    Limit,
    NonExistent,
    NoPerm,
    NotSaved,
    OverQuota,
    Parse,
    /// `None`: nothing can be changed. Otherwise every system flag, these keywords, and new ones.
    PermanentFlags(Option<Vec<Keyword>>),
    PrivacyRequired,
    ReadOnly,
    ReadWrite,
    ServerBug,
    TooBig,
    TryCreate,
    UidNext(u32),
    UidNotSticky,
    UidValidity(u32),
    Unavailable,
    UnknownCte,
    /// RFC 3501 §7.1: the number of the first message that was not seen.
    Unseen(u32),

    /// RFC 5465 §8: the events that can be asked for.
    BadEvent(Vec<&'static str>),
    NotificationOverflow,
    /// RFC 4978 §3.
    CompressionActive,
    /// RFC 7162.
    HighestModSeq(u64),
    /// The numbers that were not changed, ascending.
    Modified(Vec<u32>),
    NoModSeq,
    /// RFC 9585; both numbers or none.
    InProgress {
        tag: String,
        done: Option<u32>,
        total: Option<u32>,
    },
    /// RFC 8474 §4.1.
    MailboxId(String),
    /// RFC 5464 §4.2.1: the size of the longest entry that was left out.
    MetadataLongEntries(u64),
    /// RFC 5464 §4.3: the largest value that is taken.
    MetadataMaxSize(u64),
    MetadataNoPrivate,
    MetadataTooMany,
    /// RFC 5267 §4.3.
    NoUpdate(String),
    /// RFC 9586 §3.
    UidRequired,
    /// RFC 6154 §3.
    UseAttr,
}

impl ResponseCode {
    /// Writes the code without its brackets.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name().as_bytes());
        match self {
            ResponseCode::AppendUid { uidvalidity, uids } => {
                put(out, format_args!(" {uidvalidity} "));
                write_set(out, uids);
            }
            ResponseCode::CopyUid { uidvalidity, from, to } => {
                put(out, format_args!(" {uidvalidity} "));
                write_set(out, from);
                out.push(b' ');
                write_set(out, to);
            }
            ResponseCode::BadCharset(names) => put(out, format_args!(" ({})", names.join(" "))),
            ResponseCode::BadEvent(names) => put(out, format_args!(" ({})", names.join(" "))),
            ResponseCode::Capability(names) => put(out, format_args!(" {}", names.join(" "))),
            ResponseCode::PermanentFlags(None) => out.extend_from_slice(b" ()"),
            ResponseCode::PermanentFlags(Some(keywords)) => {
                out.extend_from_slice(b" (");
                write_flag_names(out, system_flags(), keywords);
                out.extend_from_slice(b" \\*)");
            }
            ResponseCode::Unseen(number) | ResponseCode::UidNext(number) | ResponseCode::UidValidity(number) => {
                put(out, format_args!(" {number}"));
            }
            ResponseCode::HighestModSeq(number)
            | ResponseCode::MetadataLongEntries(number)
            | ResponseCode::MetadataMaxSize(number) => put(out, format_args!(" {number}")),
            ResponseCode::Modified(numbers) => {
                out.push(b' ');
                write_set(out, numbers);
            }
            ResponseCode::InProgress { tag, done, total } => write_progress(out, tag, *done, *total),
            ResponseCode::MailboxId(id) => put(out, format_args!(" ({id})")),
            ResponseCode::NoUpdate(tag) => {
                out.push(b' ');
                write_string(out, tag.as_bytes());
            }
            _ => {}
        }
    }

    fn name(&self) -> &'static str {
        match self {
            ResponseCode::Alert => "ALERT",
            ResponseCode::AlreadyExists => "ALREADYEXISTS",
            ResponseCode::AppendUid { .. } => "APPENDUID",
            ResponseCode::AuthenticationFailed => "AUTHENTICATIONFAILED",
            ResponseCode::AuthorizationFailed => "AUTHORIZATIONFAILED",
            ResponseCode::BadCharset(_) => "BADCHARSET",
            ResponseCode::Cannot => "CANNOT",
            ResponseCode::Capability(_) => "CAPABILITY",
            ResponseCode::ClientBug => "CLIENTBUG",
            ResponseCode::Closed => "CLOSED",
            ResponseCode::ContactAdmin => "CONTACTADMIN",
            ResponseCode::CopyUid { .. } => "COPYUID",
            ResponseCode::Corruption => "CORRUPTION",
            ResponseCode::Expired => "EXPIRED",
            ResponseCode::ExpungeIssued => "EXPUNGEISSUED",
            ResponseCode::HasChildren => "HASCHILDREN",
            ResponseCode::InUse => "INUSE",
            ResponseCode::Limit => "LIMIT",
            ResponseCode::NonExistent => "NONEXISTENT",
            ResponseCode::NoPerm => "NOPERM",
            ResponseCode::NotSaved => "NOTSAVED",
            ResponseCode::OverQuota => "OVERQUOTA",
            ResponseCode::Parse => "PARSE",
            ResponseCode::PermanentFlags(_) => "PERMANENTFLAGS",
            ResponseCode::PrivacyRequired => "PRIVACYREQUIRED",
            ResponseCode::ReadOnly => "READ-ONLY",
            ResponseCode::ReadWrite => "READ-WRITE",
            ResponseCode::ServerBug => "SERVERBUG",
            ResponseCode::TooBig => "TOOBIG",
            ResponseCode::TryCreate => "TRYCREATE",
            ResponseCode::UidNext(_) => "UIDNEXT",
            ResponseCode::UidNotSticky => "UIDNOTSTICKY",
            ResponseCode::UidValidity(_) => "UIDVALIDITY",
            ResponseCode::Unavailable => "UNAVAILABLE",
            ResponseCode::UnknownCte => "UNKNOWN-CTE",
            ResponseCode::Unseen(_) => "UNSEEN",
            ResponseCode::BadEvent(_) => "BADEVENT",
            ResponseCode::NotificationOverflow => "NOTIFICATIONOVERFLOW",
            ResponseCode::CompressionActive => "COMPRESSIONACTIVE",
            ResponseCode::HighestModSeq(_) => "HIGHESTMODSEQ",
            ResponseCode::Modified(_) => "MODIFIED",
            ResponseCode::NoModSeq => "NOMODSEQ",
            ResponseCode::InProgress { .. } => "INPROGRESS",
            ResponseCode::MailboxId(_) => "MAILBOXID",
            ResponseCode::MetadataLongEntries(_) => "METADATA LONGENTRIES",
            ResponseCode::MetadataMaxSize(_) => "METADATA MAXSIZE",
            ResponseCode::MetadataNoPrivate => "METADATA NOPRIVATE",
            ResponseCode::MetadataTooMany => "METADATA TOOMANY",
            ResponseCode::NoUpdate(_) => "NOUPDATE",
            ResponseCode::UidRequired => "UIDREQUIRED",
            ResponseCode::UseAttr => "USEATTR",
        }
    }
}

/// A total without what is done of it means nothing, and what is done has to be less than the total.
///
/// ```text
/// inprogress-value = "(" tag-string SP (number / nil) SP (nz-number / nil) ")"    ; RFC 9585 §7
/// ```
fn write_progress(out: &mut Vec<u8>, tag: &str, done: Option<u32>, total: Option<u32>) {
    out.extend_from_slice(b" (");
    write_string(out, tag.as_bytes());
    let total = total.filter(|total| *total > 0 && done.is_some_and(|done| done <= *total));
    for number in [done, total] {
        match number {
            Some(number) => put(out, format_args!(" {number}")),
            None => out.extend_from_slice(b" NIL"),
        }
    }
    out.push(b')');
}
