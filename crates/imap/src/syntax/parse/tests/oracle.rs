//! imap-codec's reading of a command, as our types; shared by the tests and the fuzz target.
//!
//! imap-codec merges and sorts sequence sets when it writes them, takes `*` for the largest number there is, and takes
//! the number before that for it, too. So sets are compared as the ranges that they resolve to when that is the last
//! message, and the two numbers are one.

use crate::syntax::command::*;
use crate::syntax::set::{Bound, Numbers, SequenceSet};
use crate::syntax::{ParseError, ParseErrorKind};
use imap_codec::decode::Decoder;
use imap_codec::encode::Encoder;
use imap_codec::imap_types::command::{Command as Theirs, CommandBody, FetchModifier, SelectParameter, StoreModifier};
use imap_codec::imap_types::core::AString;
use imap_codec::imap_types::core::{IString, NString, NString8};
use imap_codec::imap_types::extensions::binary::LiteralOrLiteral8;
use imap_codec::imap_types::extensions::metadata::{Depth as TheirDepth, GetMetadataOption};
use imap_codec::imap_types::extensions::sort::SortKey as TheirSortKey;
use imap_codec::imap_types::extensions::thread::ThreadingAlgorithm;
use imap_codec::imap_types::fetch::{
    Macro, MacroOrMessageDataItemNames, MessageDataItemName, Part, Section as TheirSection,
};
use imap_codec::imap_types::flag::{Flag, StoreResponse, StoreType};
use imap_codec::imap_types::mailbox::{ListMailbox, Mailbox};
use imap_codec::imap_types::search::SearchKey as TheirKey;
use imap_codec::imap_types::sequence::{SeqOrUid, Sequence, SequenceSet as TheirSet};
use imap_codec::imap_types::status::StatusDataItemName;
use message::{Flags, Keyword, utf7};
use std::num::NonZeroU32;

/// What imap-codec takes a command for, and how it writes it itself; `None` when it does not know all of it.
pub(crate) fn read(command: &[u8]) -> Option<(Theirs<'static>, Vec<u8>)> {
    let line = [command, b"\r\n"].concat();
    let (rest, decoded) = imap_codec::CommandCodec::default().decode_static(&line).ok()?;
    let mut written = imap_codec::CommandCodec::default().encode(&decoded).dump();
    written.truncate(written.len() - 2);
    rest.is_empty().then_some((decoded, written))
}

/// The command as ours, to be compared with what [`resolved`] gives; `None` when it holds something that our types do
/// not.
pub(crate) fn as_ours(theirs: &Theirs<'_>) -> Option<Tagged> {
    Some(resolved(Tagged { tag: theirs.tag.inner().to_owned(), command: command(&theirs.body)? }))
}

/// Our command in the form in which the two can be compared.
pub(crate) fn resolved(mut tagged: Tagged) -> Tagged {
    match &mut tagged.command {
        Command::Expunge { uids: Some(numbers) }
        | Command::Copy { numbers, .. }
        | Command::Move { numbers, .. }
        | Command::Fetch(Fetch { numbers, .. })
        | Command::Store(Store { numbers, .. }) => resolve(numbers),
        Command::Search(Search { key, .. }) | Command::Sort(Sort { key, .. }) | Command::Thread(Thread { key, .. }) => {
            resolve_key(key);
        }
        Command::Select(Select { qresync: Some(qresync), .. }) => {
            qresync.known_uids.iter_mut().for_each(resolve_set);
            if let Some((sequence_numbers, uids)) = &mut qresync.match_data {
                resolve_set(sequence_numbers);
                resolve_set(uids);
            }
        }
        // `AUTHENTICATE PLAIN` with a space behind it: an empty response to imap-codec, a stray space here (RFC 4959 §3
        // writes `=` for an empty one).
        Command::Authenticate { initial, .. } => *initial = initial.take().filter(|response| !response.0.is_empty()),
        _ => {}
    }
    tagged
}

fn resolve(numbers: &mut Numbers) {
    if let Numbers::Set(set) = numbers {
        resolve_set(set);
    }
}

fn resolve_set(set: &mut SequenceSet) {
    let bound = |number| Bound::Number(if number == u32::MAX - 1 { u32::MAX } else { number });
    for range in &mut set.0 {
        for end in [&mut range.0, &mut range.1] {
            if let Bound::Number(number) = *end {
                *end = bound(number);
            }
        }
    }
    let ranges = set.resolve(u32::MAX).into_iter();
    *set = SequenceSet(ranges.map(|(low, high)| (bound(low), bound(high))).collect());
}

fn resolve_key(key: &mut SearchKey) {
    match key {
        SearchKey::And(keys) => keys.iter_mut().for_each(resolve_key),
        SearchKey::Or(one, other) => {
            resolve_key(one);
            resolve_key(other);
        }
        SearchKey::Not(key) => resolve_key(key),
        SearchKey::Numbers(numbers) | SearchKey::Uids(numbers) => resolve(numbers),
        _ => {}
    }
}

fn command(body: &CommandBody<'_>) -> Option<Command> {
    Some(match body {
        CommandBody::Capability => Command::Capability,
        CommandBody::Noop => Command::Noop,
        CommandBody::Logout => Command::Logout,
        CommandBody::StartTLS => Command::StartTls,
        CommandBody::Namespace => Command::Namespace,
        CommandBody::Idle => Command::Idle,
        CommandBody::Check => Command::Check,
        CommandBody::Close => Command::Close,
        CommandBody::Unselect => Command::Unselect,
        CommandBody::Expunge => Command::Expunge { uids: None },
        CommandBody::ExpungeUid { sequence_set } => Command::Expunge { uids: Some(numbers(sequence_set)) },
        CommandBody::Authenticate { mechanism, initial_response } => Command::Authenticate {
            mechanism: mechanism.to_string().to_ascii_uppercase(),
            initial: initial_response.as_ref().map(|response| SecretArg(response.declassify().to_vec())),
        },
        CommandBody::Login { username, password } => {
            Command::Login { user: text(username)?, password: SecretArg(password.declassify().as_ref().to_vec()) }
        }
        CommandBody::Enable { capabilities } => {
            let names = capabilities.as_ref().iter().map(|name| name.to_string().to_ascii_uppercase());
            Command::Enable(names.collect())
        }
        CommandBody::Compress { algorithm } => Command::Compress(algorithm.to_string().to_ascii_uppercase()),
        CommandBody::Select { mailbox, parameters } => select(mailbox, false, parameters)?,
        CommandBody::Examine { mailbox, parameters } => select(mailbox, true, parameters)?,
        CommandBody::Create { mailbox } => Command::Create { mailbox: named(mailbox)?, special_use: vec![] },
        CommandBody::Delete { mailbox } => Command::Delete(named(mailbox)?),
        CommandBody::Rename { from, to } => Command::Rename { from: named(from)?, to: named(to)? },
        CommandBody::Subscribe { mailbox } => Command::Subscribe(named(mailbox)?),
        CommandBody::Unsubscribe { mailbox } => Command::Unsubscribe(named(mailbox)?),
        CommandBody::List { reference, mailbox_wildcard } => Command::List(List {
            extended: false,
            select: ListSelect::default(),
            reference: named(reference)?.0,
            patterns: vec![pattern(mailbox_wildcard)?],
            returns: ListReturn::default(),
        }),
        CommandBody::Lsub { reference, mailbox_wildcard } => {
            Command::Lsub { reference: named(reference)?.0, pattern: pattern(mailbox_wildcard)? }
        }
        CommandBody::Status { mailbox, item_names } => {
            Command::Status { mailbox: named(mailbox)?, items: item_names.iter().map(status_item).collect() }
        }
        CommandBody::Append { mailbox, flags, date, message } => {
            let (bytes, binary) = match message {
                LiteralOrLiteral8::Literal(literal) => (literal.data().to_vec(), false),
                LiteralOrLiteral8::Literal8(literal) => (literal.data.to_vec(), true),
            };
            let internal_date = date.as_ref().map(|date| date.as_ref().timestamp());
            let message = AppendMessage { flags: self::flags(flags)?, internal_date, bytes, binary };
            Command::Append { mailbox: named(mailbox)?, messages: vec![message] }
        }
        CommandBody::GetQuota { root } => Command::GetQuota(text(root)?),
        CommandBody::GetQuotaRoot { mailbox } => Command::GetQuotaRoot(named(mailbox)?),
        CommandBody::SetQuota { root, quotas } => {
            let limit = |quota: &imap_codec::imap_types::extensions::quota::QuotaSet<'_>| {
                (quota.resource.to_string().to_ascii_uppercase(), quota.limit)
            };
            Command::SetQuota { root: text(root)?, limits: quotas.iter().map(limit).collect() }
        }
        CommandBody::Id { parameters } => Command::Id(match parameters {
            None => None,
            Some(pairs) => {
                let pair = |(name, value): &(IString<'_>, NString<'_>)| {
                    let value = match &value.0 {
                        Some(value) => Some(utf8(value.as_ref())?),
                        None => None,
                    };
                    Some((utf8(name.as_ref())?, value))
                };
                Some(pairs.iter().map(pair).collect::<Option<_>>()?)
            }
        }),
        CommandBody::GetMetadata { options, mailbox, entries } => {
            let (mut max_size, mut depth) = (None, Depth::Zero);
            for option in options {
                match option {
                    GetMetadataOption::MaxSize(size) => max_size = Some(*size),
                    GetMetadataOption::Depth(TheirDepth::Null) => depth = Depth::Zero,
                    GetMetadataOption::Depth(TheirDepth::One) => depth = Depth::One,
                    GetMetadataOption::Depth(TheirDepth::Infinity) => depth = Depth::Infinity,
                }
            }
            let entries = entries.as_ref().iter().map(|entry| text(entry.inner())).collect::<Option<_>>()?;
            Command::GetMetadata(GetMetadata { mailbox: named(mailbox)?, max_size, depth, entries })
        }
        CommandBody::SetMetadata { mailbox, entry_values } => {
            let entry = |entry: &imap_codec::imap_types::extensions::metadata::EntryValue<'_>| {
                let value = match &entry.value {
                    NString8::NString(value) => value.0.as_ref().map(|value| value.as_ref().to_vec()),
                    NString8::Literal8(value) => Some(value.data.to_vec()),
                };
                Some((text(entry.entry.inner())?, value))
            };
            let entries = entry_values.as_ref().iter().map(entry).collect::<Option<_>>()?;
            Command::SetMetadata { mailbox: named(mailbox)?, entries }
        }
        CommandBody::Search { charset, criteria, uid } => Command::Search(Search {
            by: by(*uid),
            returns: None,
            charset: charset.as_ref().map(|name| self::charset(name.as_ref())),
            key: all_of(criteria.as_ref())?,
        }),
        CommandBody::Sort { sort_criteria, charset, search_criteria, uid } => Command::Sort(Sort {
            by: by(*uid),
            returns: None,
            criteria: sort_criteria.as_ref().iter().map(|one| (one.reverse, sort_key(&one.key))).collect(),
            charset: self::charset(charset.as_ref()),
            key: all_of(search_criteria.as_ref())?,
        }),
        CommandBody::Thread { algorithm, charset, search_criteria, uid } => Command::Thread(Thread {
            by: by(*uid),
            algorithm: match algorithm {
                ThreadingAlgorithm::OrderedSubject => ThreadAlgorithm::OrderedSubject,
                ThreadingAlgorithm::References => ThreadAlgorithm::References,
                ThreadingAlgorithm::Other(name) => ThreadAlgorithm::Other(name.as_ref().to_ascii_uppercase()),
            },
            charset: self::charset(charset.as_ref()),
            key: all_of(search_criteria.as_ref())?,
        }),
        CommandBody::Fetch { sequence_set, macro_or_item_names, uid, modifiers } => {
            let since = modifiers.iter().find_map(|modifier| match modifier {
                FetchModifier::ChangedSince(modseq) => Some(modseq.get()),
                FetchModifier::Vanished => None,
            });
            Command::Fetch(Fetch {
                by: by(*uid),
                numbers: numbers(sequence_set),
                items: items(macro_or_item_names)?,
                changed_since: since,
                vanished: modifiers.contains(&FetchModifier::Vanished),
                partial: None,
            })
        }
        CommandBody::Store { sequence_set, kind, response, flags, uid, modifiers } => {
            let unchanged_since = modifiers.iter().map(|StoreModifier::UnchangedSince(modseq)| *modseq).next_back();
            Command::Store(Store {
                by: by(*uid),
                numbers: numbers(sequence_set),
                unchanged_since,
                mode: match kind {
                    StoreType::Replace => StoreMode::Replace,
                    StoreType::Add => StoreMode::Add,
                    StoreType::Remove => StoreMode::Remove,
                },
                silent: *response == StoreResponse::Silent,
                flags: self::flags(flags)?,
            })
        }
        CommandBody::Copy { sequence_set, mailbox, uid } => {
            Command::Copy { by: by(*uid), numbers: numbers(sequence_set), mailbox: named(mailbox)? }
        }
        CommandBody::Move { sequence_set, mailbox, uid } => {
            Command::Move { by: by(*uid), numbers: numbers(sequence_set), mailbox: named(mailbox)? }
        }
    })
}

fn by(uid: bool) -> By {
    if uid { By::Uid } else { By::Seq }
}

fn charset(name: &str) -> String {
    match name.to_ascii_uppercase().as_str() {
        "UTF8" => "UTF-8".to_owned(),
        "ASCII" | "USASCII" => "US-ASCII".to_owned(),
        name => name.to_owned(),
    }
}

fn utf8(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn text(string: &AString<'_>) -> Option<String> {
    utf8(string.as_ref())
}

fn named(mailbox: &Mailbox<'_>) -> Option<MailboxArg> {
    Some(MailboxArg(match mailbox {
        Mailbox::Inbox => "INBOX".to_owned(),
        Mailbox::Other(other) => utf7::decode_leniently(&utf8(other.as_ref())?).text,
    }))
}

fn pattern(pattern: &ListMailbox<'_>) -> Option<String> {
    let bytes: &[u8] = match pattern {
        ListMailbox::Token(token) => token.as_ref(),
        ListMailbox::String(string) => string.as_ref(),
    };
    let text = utf7::decode_leniently(&utf8(bytes)?).text;
    Some(if text.eq_ignore_ascii_case("INBOX") { "INBOX".to_owned() } else { text })
}

fn select(mailbox: &Mailbox<'_>, read_only: bool, parameters: &[SelectParameter]) -> Option<Command> {
    let mut select = Select { mailbox: named(mailbox)?, read_only, condstore: false, qresync: None };
    for parameter in parameters {
        match parameter {
            SelectParameter::CondStore => select.condstore = true,
            SelectParameter::QResync { uid_validity, mod_sequence_value, known_uids, seq_match_data } => {
                select.qresync = Some(Qresync {
                    uidvalidity: uid_validity.get(),
                    modseq: mod_sequence_value.get(),
                    known_uids: known_uids.as_ref().map(set),
                    match_data: seq_match_data.as_ref().map(|(numbers, uids)| (set(numbers), set(uids))),
                });
            }
        }
    }
    Some(Command::Select(select))
}

fn numbers(theirs: &TheirSet) -> Numbers {
    Numbers::Set(set(theirs))
}

fn set(theirs: &TheirSet) -> SequenceSet {
    let bound = |bound: &SeqOrUid| match bound {
        SeqOrUid::Value(number) => Bound::Number(number.get()),
        SeqOrUid::Asterisk => Bound::Last,
    };
    let range = |sequence: &Sequence| match sequence {
        Sequence::Single(number) => (bound(number), bound(number)),
        Sequence::Range(one, other) => (bound(one), bound(other)),
    };
    SequenceSet(theirs.0.as_ref().iter().map(range).collect())
}

fn flags(flags: &[Flag<'_>]) -> Option<Vec<FlagArg>> {
    flags
        .iter()
        .map(|flag| {
            Some(match flag {
                Flag::Answered => FlagArg::Flag(Flags::ANSWERED),
                Flag::Deleted => FlagArg::Flag(Flags::DELETED),
                Flag::Draft => FlagArg::Flag(Flags::DRAFT),
                Flag::Flagged => FlagArg::Flag(Flags::FLAGGED),
                Flag::Seen => FlagArg::Flag(Flags::SEEN),
                Flag::Extension(_) => FlagArg::Ignored,
                Flag::Keyword(name) => match Flags::from_imap_name(name.inner()) {
                    Some(flag) => FlagArg::Flag(flag),
                    None => FlagArg::Keyword(Keyword::new(name.inner()).ok()?),
                },
            })
        })
        .collect()
}

fn status_item(item: &StatusDataItemName) -> StatusItem {
    match item {
        StatusDataItemName::Messages => StatusItem::Messages,
        StatusDataItemName::Recent => StatusItem::Recent,
        StatusDataItemName::UidNext => StatusItem::UidNext,
        StatusDataItemName::UidValidity => StatusItem::UidValidity,
        StatusDataItemName::Unseen => StatusItem::Unseen,
        StatusDataItemName::Deleted => StatusItem::Deleted,
        StatusDataItemName::DeletedStorage => StatusItem::DeletedStorage,
        StatusDataItemName::Size => StatusItem::Size,
        StatusDataItemName::HighestModSeq => StatusItem::HighestModSeq,
    }
}

fn sort_key(key: &TheirSortKey) -> SortKey {
    match key {
        TheirSortKey::Arrival => SortKey::Arrival,
        TheirSortKey::Cc => SortKey::Cc,
        TheirSortKey::Date => SortKey::Date,
        TheirSortKey::From => SortKey::From,
        TheirSortKey::Size => SortKey::Size,
        TheirSortKey::Subject => SortKey::Subject,
        TheirSortKey::To => SortKey::To,
        TheirSortKey::DisplayFrom => SortKey::DisplayFrom,
        TheirSortKey::DisplayTo => SortKey::DisplayTo,
    }
}

fn all_of(keys: &[TheirKey<'_>]) -> Option<SearchKey> {
    match keys {
        [key] => self::key(key),
        keys => Some(SearchKey::And(keys.iter().map(self::key).collect::<Option<_>>()?)),
    }
}

fn key(key: &TheirKey<'_>) -> Option<SearchKey> {
    let flag = SearchKey::Flag;
    let not = |key| SearchKey::Not(Box::new(key));
    let header = |name: &str, argument: &AString<'_>| Some(SearchKey::Header(name.to_owned(), text(argument)?));
    let day = |date: &imap_codec::imap_types::datetime::NaiveDate| {
        date.as_ref().signed_duration_since(Default::default()).num_days()
    };
    let keyword = |name: &str| match Flags::from_imap_name(name) {
        Some(found) => Some(flag(found)),
        None => Keyword::new(name).ok().map(SearchKey::Keyword),
    };
    Some(match key {
        TheirKey::And(keys) => all_of(keys.as_ref())?,
        TheirKey::SequenceSet(set) => SearchKey::Numbers(numbers(set)),
        TheirKey::All => SearchKey::All,
        TheirKey::Answered => flag(Flags::ANSWERED),
        TheirKey::Bcc(argument) => header("BCC", argument)?,
        TheirKey::Before(date) => SearchKey::Before(DateOf::Internal, day(date)),
        TheirKey::Body(argument) => SearchKey::Body(text(argument)?),
        TheirKey::Cc(argument) => header("CC", argument)?,
        TheirKey::Deleted => flag(Flags::DELETED),
        TheirKey::Draft => flag(Flags::DRAFT),
        TheirKey::Flagged => flag(Flags::FLAGGED),
        TheirKey::From(argument) => header("FROM", argument)?,
        TheirKey::Header(name, argument) => header(&text(name)?, argument)?,
        TheirKey::Keyword(name) => keyword(name.inner())?,
        TheirKey::Larger(size) => SearchKey::Larger(u64::from(*size)),
        TheirKey::New => SearchKey::And(vec![SearchKey::Recent, not(flag(Flags::SEEN))]),
        TheirKey::Not(inner) => not(self::key(inner)?),
        TheirKey::Old => not(SearchKey::Recent),
        TheirKey::Older(seconds) => SearchKey::Older(seconds.get()),
        TheirKey::On(date) => SearchKey::On(DateOf::Internal, day(date)),
        TheirKey::Or(one, other) => SearchKey::Or(Box::new(self::key(one)?), Box::new(self::key(other)?)),
        TheirKey::Recent => SearchKey::Recent,
        TheirKey::Seen => flag(Flags::SEEN),
        TheirKey::SentBefore(date) => SearchKey::Before(DateOf::Sent, day(date)),
        TheirKey::SentOn(date) => SearchKey::On(DateOf::Sent, day(date)),
        TheirKey::SentSince(date) => SearchKey::Since(DateOf::Sent, day(date)),
        TheirKey::Since(date) => SearchKey::Since(DateOf::Internal, day(date)),
        TheirKey::Smaller(size) => SearchKey::Smaller(u64::from(*size)),
        TheirKey::Subject(argument) => header("SUBJECT", argument)?,
        TheirKey::Text(argument) => SearchKey::Text(text(argument)?),
        TheirKey::To(argument) => header("TO", argument)?,
        TheirKey::Uid(set) => SearchKey::Uids(numbers(set)),
        TheirKey::Unanswered => not(flag(Flags::ANSWERED)),
        TheirKey::Undeleted => not(flag(Flags::DELETED)),
        TheirKey::Undraft => not(flag(Flags::DRAFT)),
        TheirKey::Unflagged => not(flag(Flags::FLAGGED)),
        TheirKey::Unkeyword(name) => not(keyword(name.inner())?),
        TheirKey::Unseen => not(flag(Flags::SEEN)),
        TheirKey::Younger(seconds) => SearchKey::Younger(seconds.get()),
        TheirKey::ModSequence { modseq, .. } => SearchKey::ModSeq(*modseq),
    })
}

fn items(names: &MacroOrMessageDataItemNames<'_>) -> Option<Vec<FetchItem>> {
    let fast = [FetchItem::Flags, FetchItem::InternalDate, FetchItem::Rfc822Size];
    match names {
        MacroOrMessageDataItemNames::Macro(Macro::Fast) => Some(fast.to_vec()),
        MacroOrMessageDataItemNames::Macro(Macro::All) => Some([&fast[..], &[FetchItem::Envelope]].concat()),
        MacroOrMessageDataItemNames::Macro(Macro::Full) => {
            Some([&fast[..], &[FetchItem::Envelope, FetchItem::Body]].concat())
        }
        MacroOrMessageDataItemNames::Macro(_) => None,
        MacroOrMessageDataItemNames::MessageDataItemNames(names) => names.iter().map(item).collect(),
    }
}

fn item(name: &MessageDataItemName<'_>) -> Option<FetchItem> {
    let partial =
        |partial: &Option<(u32, NonZeroU32)>| partial.map(|(from, length)| (u64::from(from), u64::from(length.get())));
    let part = |part: &[NonZeroU32]| part.iter().map(|number| number.get()).collect();
    Some(match name {
        MessageDataItemName::Body => FetchItem::Body,
        MessageDataItemName::BodyExt { section: theirs, partial: range, peek } => {
            FetchItem::Section { section: section(theirs.as_ref())?, partial: partial(range), peek: *peek }
        }
        MessageDataItemName::BodyStructure => FetchItem::BodyStructure,
        MessageDataItemName::Envelope => FetchItem::Envelope,
        MessageDataItemName::Flags => FetchItem::Flags,
        MessageDataItemName::InternalDate => FetchItem::InternalDate,
        MessageDataItemName::Rfc822 => FetchItem::Rfc822,
        MessageDataItemName::Rfc822Header => FetchItem::Rfc822Header,
        MessageDataItemName::Rfc822Size => FetchItem::Rfc822Size,
        MessageDataItemName::Rfc822Text => FetchItem::Rfc822Text,
        MessageDataItemName::Uid => FetchItem::Uid,
        MessageDataItemName::Binary { section, partial: range, peek } => {
            FetchItem::Binary { part: part(section), partial: partial(range), peek: *peek }
        }
        MessageDataItemName::BinarySize { section } => FetchItem::BinarySize { part: part(section) },
        MessageDataItemName::ModSeq => FetchItem::ModSeq,
    })
}

fn section(theirs: Option<&TheirSection<'_>>) -> Option<Section> {
    let numbers = |part: &Part| -> Vec<u32> { part.0.as_ref().iter().map(|number| number.get()).collect() };
    let optional = |part: &Option<Part>| part.as_ref().map(numbers).unwrap_or_default();
    let names = |names: &[AString<'_>]| -> Option<Vec<String>> {
        names.iter().map(|name| Some(text(name)?.to_ascii_uppercase())).collect()
    };
    let (part, text) = match theirs {
        None => (vec![], SectionText::All),
        Some(TheirSection::Part(part)) => (numbers(part), SectionText::All),
        Some(TheirSection::Header(part)) => (optional(part), SectionText::Header),
        Some(TheirSection::HeaderFields(part, fields)) => {
            (optional(part), SectionText::HeaderFields(names(fields.as_ref())?))
        }
        Some(TheirSection::HeaderFieldsNot(part, fields)) => {
            (optional(part), SectionText::HeaderFieldsNot(names(fields.as_ref())?))
        }
        Some(TheirSection::Text(part)) => (optional(part), SectionText::Text),
        Some(TheirSection::Mime(part)) => (numbers(part), SectionText::Mime),
    };
    Some(Section { part, text })
}

/// Why a command that imap-codec understands is refused here, where that is meant.
pub(crate) fn argued(error: &ParseError) -> Option<&'static str> {
    let kinds = [
        (ParseErrorKind::BadCharset, "RFC 9051 §6.4.4: a charset that is not known is for BADCHARSET"),
        (ParseErrorKind::TooDeep, "search keys are nested less deep here"),
    ];
    let messages = [
        ("* cannot stand in a set of what is known", "RFC 7162 §7, known-uids"),
        ("there are not as many sequence numbers as UIDs", "RFC 7162 §3.2.5.2"),
        ("the entry's name is no path of a metadata entry", "RFC 5464 §3.2"),
        ("the keyword is too long", "keywords are bounded here"),
        ("the tag is too long", "tags are bounded here"),
    ];
    let by_kind = kinds.into_iter().find(|(kind, _)| *kind == error.kind).map(|(_, why)| why);
    by_kind.or_else(|| messages.into_iter().find(|(message, _)| *message == error.message).map(|(_, why)| why))
}
