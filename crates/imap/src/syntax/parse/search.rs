//! SEARCH, SORT and THREAD.

use super::cursor::{Cursor, Failure, Parsed};
use super::date::search_date;
use super::number::{numbers, partial_range};
use super::quirk::Quirk;
use super::{ParseErrorKind, SUPPORTED_CHARSETS};
use crate::syntax::command::{
    By, Command, DateOf, Search, SearchKey, SearchReturn, Sort, SortKey, Thread, ThreadAlgorithm,
};
use message::{Flags, Keyword};

/// How deep search keys may stand within search keys. Clients that look for one of many things write `OR a OR b OR c …`,
/// which is as deep as it is long; what is parsed here is evaluated and dropped by recursion, on a stack of 2 MiB.
const MAX_DEPTH: usize = 200;

/// ```text
/// search         = "SEARCH" [search-return-opts] SP search-program                ; RFC 9051 §6.4.4
/// search-program = ["CHARSET" SP charset SP] search-key *(SP search-key)
/// ```
pub(super) fn search(c: &mut Cursor<'_>, by: By) -> Parsed<Command> {
    c.sp()?;
    let returns = return_options(c)?;
    let mut charset = None;
    if c.eat_word("CHARSET") {
        c.sp()?;
        charset = Some(self::charset(c)?);
        c.sp()?;
    }
    Ok(Command::Search(Search { by, returns, charset, key: search_keys(c)? }))
}

/// ```text
/// sort           = "SORT" [search-return-opts] SP sort-criteria SP search-criteria ; RFC 5256 §5, RFC 5267
/// sort-criteria  = "(" sort-criterion *(SP sort-criterion) ")"
/// sort-criterion = ["REVERSE" SP] sort-key
/// search-criteria = charset 1*(SP search-key)
/// ```
pub(super) fn sort(c: &mut Cursor<'_>, by: By) -> Parsed<Command> {
    c.sp()?;
    let returns = return_options(c)?;
    let criteria = c.list(|c| {
        let reverse = c.eat_word("REVERSE");
        if reverse {
            c.sp()?;
        }
        Ok((reverse, sort_key(c)?))
    })?;
    c.sp()?;
    let charset = charset(c)?;
    c.sp()?;
    Ok(Command::Sort(Sort { by, returns, criteria, charset, key: search_keys(c)? }))
}

/// ```text
/// sort-key = "ARRIVAL" / "CC" / "DATE" / "FROM" / "SIZE" / "SUBJECT" / "TO"
///          / "DISPLAYFROM" / "DISPLAYTO"                                          ; RFC 5957 §4
/// ```
fn sort_key(c: &mut Cursor<'_>) -> Parsed<SortKey> {
    Ok(match c.word()?.as_str() {
        "ARRIVAL" => SortKey::Arrival,
        "CC" => SortKey::Cc,
        "DATE" => SortKey::Date,
        "FROM" => SortKey::From,
        "SIZE" => SortKey::Size,
        "SUBJECT" => SortKey::Subject,
        "TO" => SortKey::To,
        "DISPLAYFROM" => SortKey::DisplayFrom,
        "DISPLAYTO" => SortKey::DisplayTo,
        _ => return Err(c.failure("the sort key is not known")),
    })
}

/// ```text
/// thread     = "THREAD" SP thread-alg SP search-criteria                          ; RFC 5256 §5
/// thread-alg = "ORDEREDSUBJECT" / "REFERENCES" / atom
/// ```
pub(super) fn thread(c: &mut Cursor<'_>, by: By) -> Parsed<Command> {
    c.sp()?;
    let algorithm = match c.atom()?.to_ascii_uppercase() {
        name if name == "ORDEREDSUBJECT" => ThreadAlgorithm::OrderedSubject,
        name if name == "REFERENCES" => ThreadAlgorithm::References,
        name => ThreadAlgorithm::Other(name),
    };
    c.sp()?;
    let charset = charset(c)?;
    c.sp()?;
    Ok(Command::Thread(Thread { by, algorithm, charset, key: search_keys(c)? }))
}

/// With the space behind them.
///
/// ```text
/// search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"
/// search-return-opt  = "MIN" / "MAX" / "ALL" / "COUNT" / "SAVE" / "PARTIAL" SP partial-range  ; RFC 9394 §4
/// ```
fn return_options(c: &mut Cursor<'_>) -> Parsed<Option<SearchReturn>> {
    if !c.eat_word("RETURN") {
        return Ok(None);
    }
    c.sp()?;
    let at = c.at();
    let mut returns = SearchReturn::default();
    c.list_or_nothing(|c| {
        let option = match c.word()?.as_str() {
            "MIN" => &mut returns.min,
            "MAX" => &mut returns.max,
            "ALL" => &mut returns.all,
            "COUNT" => &mut returns.count,
            "SAVE" => &mut returns.save,
            "PARTIAL" if returns.partial.is_some() => return Err(c.failure("PARTIAL stands twice")),
            "PARTIAL" => {
                c.sp()?;
                returns.partial = Some(partial_range(c)?);
                return Ok(());
            }
            _ => return Err(c.failure("the return option is not known")),
        };
        *option = true;
        Ok(())
    })?;
    if returns.partial.is_some() && returns.all {
        // RFC 9394 §3.1.
        return Err(Failure { at, ..c.failure("PARTIAL and ALL exclude one another") });
    }
    c.sp()?;
    Ok(Some(returns))
}

/// In upper case.
///
/// ```text
/// charset = atom / quoted
/// ```
fn charset(c: &mut Cursor<'_>) -> Parsed<String> {
    let at = c.at();
    let mut charset = c.text()?.to_ascii_uppercase();
    let alias = match charset.as_str() {
        "UTF8" => Some("UTF-8"),
        "ASCII" | "USASCII" => Some("US-ASCII"),
        _ => None,
    };
    if let Some(name) = alias {
        c.tolerate(Quirk::CharsetAlias)?;
        charset = name.to_owned();
    }
    if !SUPPORTED_CHARSETS.contains(&charset.as_str()) {
        return Err(Failure { at, ..c.failure_of(ParseErrorKind::BadCharset, "the charset is not known") });
    }
    Ok(charset)
}

/// ```text
/// search-key *(SP search-key)
/// ```
fn search_keys(c: &mut Cursor<'_>) -> Parsed<SearchKey> {
    let mut keys = vec![search_key(c, 0)?];
    while c.more()? {
        keys.push(search_key(c, 0)?);
    }
    Ok(all_of(keys))
}

fn all_of(mut keys: Vec<SearchKey>) -> SearchKey {
    match keys.pop() {
        Some(key) if keys.is_empty() => key,
        Some(key) => {
            keys.push(key);
            SearchKey::And(keys)
        }
        None => SearchKey::And(keys),
    }
}

fn not(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

/// ```text
/// search-key = "ALL" / "ANSWERED" / "BCC" SP astring / "BEFORE" SP date / "BODY" SP astring / "CC" SP astring
///            / "DELETED" / "FLAGGED" / "FROM" SP astring / "KEYWORD" SP flag-keyword / "ON" SP date / "SEEN"
///            / "SINCE" SP date / "SUBJECT" SP astring / "TEXT" SP astring / "TO" SP astring / "UNANSWERED"
///            / "UNDELETED" / "UNFLAGGED" / "UNKEYWORD" SP flag-keyword / "UNSEEN" / "DRAFT"
///            / "HEADER" SP header-fld-name SP astring / "LARGER" SP number64 / "NOT" SP search-key
///            / "OR" SP search-key SP search-key / "SENTBEFORE" SP date / "SENTON" SP date / "SENTSINCE" SP date
///            / "SMALLER" SP number64 / "UID" SP sequence-set / "UNDRAFT" / sequence-set
///            / "(" search-key *(SP search-key) ")"
///            / "NEW" / "OLD" / "RECENT"                                           ; RFC 3501 §6.4.4
///            / "OLDER" SP nz-number / "YOUNGER" SP nz-number                      ; RFC 5032 §4
///            / "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer  ; RFC 7162 §7
///            / "EMAILID" SP objectid / "THREADID" SP objectid                     ; RFC 8474 §7
///            / "SAVEDBEFORE" SP date / "SAVEDON" SP date / "SAVEDSINCE" SP date
///            / "SAVEDATESUPPORTED"                                                ; RFC 8514 §5
/// ```
fn search_key(c: &mut Cursor<'_>, depth: usize) -> Parsed<SearchKey> {
    if depth > MAX_DEPTH {
        return Err(c.failure_of(ParseErrorKind::TooDeep, "search keys stand too deep within one another"));
    }
    match c.peek() {
        Some(b'(') => return Ok(all_of(c.list(|c| search_key(c, depth + 1))?)),
        Some(b'0'..=b'9' | b'*' | b'$') => return message_numbers(c),
        _ => {}
    }
    let at = c.at();
    let name = c.word()?;
    if matches!(name.as_str(), "NEW" | "OLD" | "RECENT") && c.context().rev2 {
        c.tolerate(Quirk::GoneInRev2)?;
    }
    Ok(match name.as_str() {
        "ALL" => SearchKey::All,
        "ANSWERED" => SearchKey::Flag(Flags::ANSWERED),
        "DELETED" => SearchKey::Flag(Flags::DELETED),
        "DRAFT" => SearchKey::Flag(Flags::DRAFT),
        "FLAGGED" => SearchKey::Flag(Flags::FLAGGED),
        "SEEN" => SearchKey::Flag(Flags::SEEN),
        "UNANSWERED" => not(SearchKey::Flag(Flags::ANSWERED)),
        "UNDELETED" => not(SearchKey::Flag(Flags::DELETED)),
        "UNDRAFT" => not(SearchKey::Flag(Flags::DRAFT)),
        "UNFLAGGED" => not(SearchKey::Flag(Flags::FLAGGED)),
        "UNSEEN" => not(SearchKey::Flag(Flags::SEEN)),
        "NEW" => SearchKey::And(vec![SearchKey::Recent, not(SearchKey::Flag(Flags::SEEN))]),
        "OLD" => not(SearchKey::Recent),
        "RECENT" => SearchKey::Recent,
        "KEYWORD" => keyword(c)?,
        "UNKEYWORD" => not(keyword(c)?),
        "NOT" => {
            c.sp()?;
            not(search_key(c, depth + 1)?)
        }
        "OR" => {
            c.sp()?;
            let one = search_key(c, depth + 1)?;
            c.sp()?;
            SearchKey::Or(Box::new(one), Box::new(search_key(c, depth + 1)?))
        }
        "UID" => {
            c.sp()?;
            SearchKey::Uids(numbers(c)?)
        }
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => SearchKey::Header(name, argument(c)?),
        "HEADER" => {
            let field = argument(c)?;
            SearchKey::Header(field, argument(c)?)
        }
        "BODY" => SearchKey::Body(argument(c)?),
        "TEXT" => SearchKey::Text(argument(c)?),
        "BEFORE" => SearchKey::Before(DateOf::Internal, date(c)?),
        "ON" => SearchKey::On(DateOf::Internal, date(c)?),
        "SINCE" => SearchKey::Since(DateOf::Internal, date(c)?),
        "SENTBEFORE" => SearchKey::Before(DateOf::Sent, date(c)?),
        "SENTON" => SearchKey::On(DateOf::Sent, date(c)?),
        "SENTSINCE" => SearchKey::Since(DateOf::Sent, date(c)?),
        "SAVEDBEFORE" => SearchKey::Before(DateOf::Saved, date(c)?),
        "SAVEDON" => SearchKey::On(DateOf::Saved, date(c)?),
        "SAVEDSINCE" => SearchKey::Since(DateOf::Saved, date(c)?),
        "SAVEDATESUPPORTED" => SearchKey::SaveDateSupported,
        "LARGER" => {
            c.sp()?;
            SearchKey::Larger(c.number64()?)
        }
        "SMALLER" => {
            c.sp()?;
            SearchKey::Smaller(c.number64()?)
        }
        "OLDER" => {
            c.sp()?;
            SearchKey::Older(c.nz_number()?)
        }
        "YOUNGER" => {
            c.sp()?;
            SearchKey::Younger(c.nz_number()?)
        }
        "MODSEQ" => modseq(c)?,
        "EMAILID" => SearchKey::EmailId(object_id(c)?),
        "THREADID" => SearchKey::ThreadId(object_id(c)?),
        _ => return Err(Failure { at, ..c.failure("the search key is not known") }),
    })
}

/// A `sequence-set` as a search key: sequence numbers even in UID SEARCH, and none with UIDONLY (RFC 9586 §3). `$` is
/// the result that was saved, and names no sequence numbers.
fn message_numbers(c: &mut Cursor<'_>) -> Parsed<SearchKey> {
    if c.peek() != Some(b'$') && c.context().uid_only {
        let message = "with UIDONLY enabled messages are searched for by UID";
        return Err(c.failure_of(ParseErrorKind::UidRequired, message));
    }
    numbers(c).map(SearchKey::Numbers)
}

/// A string to look for. UTF-8, whether it was said so or not: US-ASCII is UTF-8.
fn argument(c: &mut Cursor<'_>) -> Parsed<String> {
    c.sp()?;
    let at = c.at();
    let bytes = c.astring()?;
    let text = c.utf8(&bytes);
    let charset = |_| Failure { at, ..c.failure_of(ParseErrorKind::BadCharset, "the text is not UTF-8") };
    text.map_err(charset)
}

fn date(c: &mut Cursor<'_>) -> Parsed<i64> {
    c.sp()?;
    search_date(c)
}

fn keyword(c: &mut Cursor<'_>) -> Parsed<SearchKey> {
    c.sp()?;
    let atom = c.atom()?;
    Ok(match (Flags::from_imap_name(atom), Keyword::new(atom)) {
        (Some(flag), _) => SearchKey::Flag(flag),
        (None, Ok(keyword)) => SearchKey::Keyword(keyword),
        // It is longer than any keyword that can be set.
        (None, Err(_)) => not(SearchKey::All),
    })
}

/// The entry's name (RFC 7162 §3.1.5) is for servers that keep a modification sequence for each flag; others look at the
/// message's own, as here.
fn modseq(c: &mut Cursor<'_>) -> Parsed<SearchKey> {
    c.sp()?;
    if c.peek() == Some(b'"') {
        c.string()?;
        c.sp()?;
        if !matches!(c.word()?.as_str(), "PRIV" | "SHARED" | "ALL") {
            return Err(c.failure("priv, shared or all was expected"));
        }
        c.sp()?;
    }
    Ok(SearchKey::ModSeq(c.number64()?))
}

/// ```text
/// objectid = 1*255(ALPHA / DIGIT / "_" / "-")                                     ; RFC 8474 §7
/// ```
fn object_id(c: &mut Cursor<'_>) -> Parsed<String> {
    c.sp()?;
    let id = c.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if !(1..=255).contains(&id.len()) {
        return Err(c.failure("an object identifier has 1 to 255 letters, digits, _ and -"));
    }
    c.utf8(id)
}
