//! Responses, as bytes appended to a buffer (RFC 9051 §7 and §9).
//!
//! Strings are quoted where they are short and plain, and literals otherwise. What `utf8` says is whether the client
//! enabled UTF8=ACCEPT or IMAP4rev2: only then is UTF-8 quoted and are names of mailboxes written as they are.

mod code;
mod fetch;

pub(crate) use code::ResponseCode;
pub(crate) use fetch::{open_fetch, write_fetch_flags, write_fetch_modseq, write_fetch_uid};

use super::chars::is_astring_char;
use jiff::Timestamp;
use jiff::tz::Offset;
use message::{Flags, Keyword, MONTHS_EN, utf7};
use std::io::Write;

/// The longest string that is quoted: clients read a quoted string as part of a line, and lines have limits (RFC 2683
/// §3.2.1.5 asks clients to bear 1,000 bytes and more).
const MAX_QUOTED_BYTES: usize = 512;

/// Appends what is formatted.
fn put(out: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("a buffer in memory takes everything");
}

/// Writes a number: what most of a long answer is made of, and several times faster than formatting.
pub(crate) fn write_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Writes a status response with its CRLF: tagged, or with `*` (RFC 9051 §7.1). The kind is `OK`, `NO`, `BAD`, `BYE` or
/// `PREAUTH`.
///
/// ```text
/// response  = (tag / "*") SP kind SP ["[" resp-text-code "]" SP] text CRLF
/// ```
pub(crate) fn write_status(out: &mut Vec<u8>, tag: Option<&str>, kind: &str, code: Option<&ResponseCode>, text: &str) {
    out.extend_from_slice(tag.unwrap_or("*").as_bytes());
    out.push(b' ');
    out.extend_from_slice(kind.as_bytes());
    out.push(b' ');
    if let Some(code) = code {
        out.push(b'[');
        code.write(out);
        out.extend_from_slice(b"] ");
    }
    write_text(out, text, code.is_none());
    out.extend_from_slice(b"\r\n");
}

/// Writes text for people. Whatever could end the line, or begin a response code that is none, is replaced.
fn write_text(out: &mut Vec<u8>, text: &str, may_seem_code: bool) {
    for (index, c) in text.chars().enumerate() {
        out.push(match c {
            '[' if may_seem_code && index == 0 => b'(',
            ' '..='~' => c as u8,
            c if c.is_control() => b' ',
            _ => b'?',
        });
    }
    if text.is_empty() {
        // RFC 9051 §9: a text has at least one character, which clients rely on.
        out.push(b'-');
    }
}

/// Writes an untagged response of a number and a word: `* 23 EXISTS`.
pub(crate) fn write_numbered(out: &mut Vec<u8>, number: u32, word: &str) {
    put(out, format_args!("* {number} {word}\r\n"));
}

/// Writes `* VANISHED`, `earlier` as the answer to a question about the past (RFC 7162 §3.2.10). The UIDs ascend.
pub(crate) fn write_vanished(out: &mut Vec<u8>, earlier: bool, uids: &[u32]) {
    out.extend_from_slice(if earlier { b"* VANISHED (EARLIER) " } else { b"* VANISHED " });
    write_set(out, uids);
    out.extend_from_slice(b"\r\n");
}

/// Writes `* FLAGS`: the system flags and these keywords (RFC 9051 §7.3.5).
pub(crate) fn write_flags_response(out: &mut Vec<u8>, keywords: &[Keyword]) {
    out.extend_from_slice(b"* FLAGS ");
    write_flags(out, system_flags(), keywords);
    out.extend_from_slice(b"\r\n");
}

/// Every flag that a message can have here without a keyword.
fn system_flags() -> Flags {
    Flags::ANSWERED | Flags::FLAGGED | Flags::DELETED | Flags::SEEN | Flags::DRAFT | Flags::FORWARDED
}

/// Writes a flag list. `$Forwarded` is a flag here and no keyword (RFC 9051 §2.3.2 has it the other way round), so that
/// a keyword of that name beside it would say it twice.
///
/// ```text
/// flag-list = "(" [flag *(SP flag)] ")"
/// ```
pub(crate) fn write_flags(out: &mut Vec<u8>, flags: Flags, keywords: &[Keyword]) {
    out.push(b'(');
    write_flag_names(out, flags, keywords);
    out.push(b')');
}

/// Writes flags with spaces between them.
fn write_flag_names(out: &mut Vec<u8>, flags: Flags, keywords: &[Keyword]) {
    let begin = out.len();
    let mut name = |name: &str| {
        if out.len() > begin {
            out.push(b' ');
        }
        out.extend_from_slice(name.as_bytes());
    };
    flags.imap_names().for_each(&mut name);
    let forwarded = flags.contains(Flags::FORWARDED);
    let is_new = |keyword: &&str| !(forwarded && Flags::from_imap_name(keyword) == Some(Flags::FORWARDED));
    keywords.iter().map(Keyword::as_str).filter(is_new).for_each(name);
}

/// Writes a LIST or LSUB response without its end, so that extended data can follow (RFC 9051 §7.3.1).
///
/// ```text
/// mailbox-list = "(" [mbx-list-flags] ")" SP (DQUOTE QUOTED-CHAR DQUOTE / nil) SP mailbox [SP mbox-list-extended]
/// ```
pub(crate) fn write_list_line(out: &mut Vec<u8>, word: &str, attributes: &[&str], name: &str, utf8: bool) {
    put(out, format_args!("* {word} ({}) \"/\" ", attributes.join(" ")));
    write_mailbox(out, name, utf8);
}

/// Writes the name of a mailbox: in UTF-8, or in modified UTF-7 (RFC 9051 §5.1 and appendix A.1).
pub(crate) fn write_mailbox(out: &mut Vec<u8>, name: &str, utf8: bool) {
    if utf8 {
        write_text_string(out, name, true);
    } else {
        write_text_string(out, &utf7::encode(name), false);
    }
}

fn write_text_string(out: &mut Vec<u8>, text: &str, utf8: bool) {
    if is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        write_string_with(out, text.as_bytes(), utf8);
    }
}

/// Whether an `astring` can stand unquoted. `NIL` cannot: clients take it for no string.
fn is_plain(bytes: &[u8]) -> bool {
    (1..=MAX_QUOTED_BYTES).contains(&bytes.len())
        && bytes.iter().copied().all(is_astring_char)
        && !bytes.eq_ignore_ascii_case(b"NIL")
}

/// Writes an `astring`: unquoted where it can be.
pub(crate) fn write_astring(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        write_string(out, bytes);
    }
}

/// Writes a `string`: quoted where it can be, a literal when it is long or not plain ASCII, which is right for every
/// client. It may hold no NUL: see [`write_value`].
pub(crate) fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    write_string_with(out, bytes, false);
}

/// Writes a `string`, for a client that takes UTF-8 in quotes, too.
fn write_string_with(out: &mut Vec<u8>, bytes: &[u8], utf8: bool) {
    let fits = |byte: u8| matches!(byte, b' '..=b'~') || (utf8 && byte >= 0x80);
    let quoted = bytes.len() <= MAX_QUOTED_BYTES
        && bytes.iter().copied().all(fits)
        && (!utf8 || std::str::from_utf8(bytes).is_ok());
    if quoted {
        write_quoted(out, bytes);
    } else {
        write_literal(out, bytes);
    }
}

/// Writes any bytes: as a `string`, or as a `literal8` if there is a NUL (RFC 5464 §5, `value`; RFC 3516).
pub(crate) fn write_value(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.contains(&0) {
        out.push(b'~');
        write_literal(out, bytes);
    } else {
        write_string(out, bytes);
    }
}

/// Writes a literal (RFC 9051 §4.3).
pub(crate) fn write_literal(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'{');
    write_number(out, bytes.len() as u64);
    out.extend_from_slice(b"}\r\n");
    out.extend_from_slice(bytes);
}

fn write_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for &byte in bytes {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Writes pairs of quoted strings, as ID has them.
pub(crate) fn write_quoted_pairs(out: &mut Vec<u8>, pairs: &[(&str, &str)]) {
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        write_string(out, name.as_bytes());
        out.push(b' ');
        write_string(out, value.as_bytes());
    }
}

/// Writes ascending numbers as a set, with ranges for what follows on one another (RFC 9051 §9, `sequence-set`).
pub(crate) fn write_set(out: &mut Vec<u8>, numbers: &[u32]) {
    for (index, run) in numbers.chunk_by(|one, next| one.checked_add(1) == Some(*next)).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match run {
            [number] => write_number(out, u64::from(*number)),
            [first, .., last] => {
                write_number(out, u64::from(*first));
                out.push(b':');
                write_number(out, u64::from(*last));
            }
            [] => {}
        }
    }
}

/// Writes a date in UTC, within quotes: `"17-Jul-1996 02:44:25 +0000"`. What no date of four digits can say becomes the
/// nearest that can.
pub(crate) fn write_date_time(out: &mut Vec<u8>, seconds: i64) {
    /// 0000-01-01; years before it take a sign.
    const EARLIEST_S: i64 = -62_167_219_200;
    let seconds = seconds.clamp(EARLIEST_S, Timestamp::MAX.as_second());
    let time = Timestamp::from_second(seconds).expect("it was brought into the range of timestamps");
    let time = Offset::UTC.to_datetime(time);
    let month = &MONTHS_EN[usize::from(time.month().unsigned_abs()) - 1][..3];
    let (day, year) = (time.day(), time.year());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    put(out, format_args!("\"{day:02}-{month}-{year:04} {hour:02}:{minute:02}:{second:02} +0000\""));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn keywords(names: &[&str]) -> Vec<Keyword> {
        names.iter().map(|name| Keyword::new(name).unwrap()).collect()
    }

    #[test]
    fn a_status_is_one_line_whatever_its_text_holds() {
        let status =
            |tag, code: Option<ResponseCode>, text| written(|out| write_status(out, tag, "NO", code.as_ref(), text));
        assert_eq!(status(Some("a1"), None, "not so"), "a1 NO not so\r\n");
        assert_eq!(status(None, Some(ResponseCode::NoPerm), "no"), "* NO [NOPERM] no\r\n");
        assert_eq!(status(None, None, "two\r\nlines\0 de Espa\u{f1}a"), "* NO two  lines  de Espa?a\r\n");
        assert_eq!(status(None, None, "[ALERT] not a code"), "* NO (ALERT] not a code\r\n");
        assert_eq!(status(None, Some(ResponseCode::Limit), "[x]"), "* NO [LIMIT] [x]\r\n");
        assert_eq!(status(None, None, ""), "* NO -\r\n");
    }

    #[test]
    fn response_codes_are_written_as_their_rfcs_say() {
        let code = |code: ResponseCode| written(|out| code.write(out));
        // RFC 4315 §3.
        assert_eq!(code(ResponseCode::AppendUid { uidvalidity: 38505, uids: vec![3955] }), "APPENDUID 38505 3955");
        let copied =
            ResponseCode::CopyUid { uidvalidity: 38505, from: vec![304, 319, 320], to: vec![3956, 3957, 3958] };
        assert_eq!(code(copied), "COPYUID 38505 304,319:320 3956:3958");
        // RFC 9051 §7.1.
        assert_eq!(code(ResponseCode::BadCharset(vec!["UTF-8".into()])), "BADCHARSET (UTF-8)");
        assert_eq!(
            code(ResponseCode::Capability(vec!["IMAP4rev2".into(), "IDLE".into()])),
            "CAPABILITY IMAP4rev2 IDLE"
        );
        assert_eq!(code(ResponseCode::UidNext(4392)), "UIDNEXT 4392");
        assert_eq!(code(ResponseCode::Unseen(17)), "UNSEEN 17");
        assert_eq!(code(ResponseCode::UnknownCte), "UNKNOWN-CTE");
        assert_eq!(code(ResponseCode::ReadWrite), "READ-WRITE");
        assert_eq!(code(ResponseCode::PermanentFlags(None)), "PERMANENTFLAGS ()");
        assert_eq!(
            code(ResponseCode::PermanentFlags(Some(keywords(&["$junk"])))),
            "PERMANENTFLAGS (\\Draft \\Flagged $Forwarded \\Answered \\Seen \\Deleted $junk \\*)"
        );
        // RFC 7162 §3.1.2.1, §3.1.3.
        assert_eq!(code(ResponseCode::HighestModSeq(715_194_045_007)), "HIGHESTMODSEQ 715194045007");
        assert_eq!(code(ResponseCode::Modified(vec![7, 9])), "MODIFIED 7,9");
        // RFC 8474 §4.1, RFC 5464 §4.3, RFC 5465 §5.
        assert_eq!(code(ResponseCode::MailboxId("F2212ea87".into())), "MAILBOXID (F2212ea87)");
        assert_eq!(code(ResponseCode::MetadataMaxSize(1024)), "METADATA MAXSIZE 1024");
        assert_eq!(code(ResponseCode::MetadataTooMany), "METADATA TOOMANY");
        assert_eq!(code(ResponseCode::BadEvent(vec!["MessageNew", "FlagChange"])), "BADEVENT (MessageNew FlagChange)");
        assert_eq!(code(ResponseCode::NoUpdate("B02".into())), "NOUPDATE \"B02\"");
        // RFC 9585 §4.
        let progress = |done, total| code(ResponseCode::InProgress { tag: "A001".into(), done, total });
        assert_eq!(progress(Some(454), Some(1000)), "INPROGRESS (\"A001\" 454 1000)");
        assert_eq!(progress(Some(999), None), "INPROGRESS (\"A001\" 999 NIL)");
        assert_eq!(progress(None, Some(5)), "INPROGRESS (\"A001\" NIL NIL)");
        assert_eq!(progress(Some(6), Some(5)), "INPROGRESS (\"A001\" 6 NIL)", "no more is done than there is");
    }

    #[test]
    fn a_flag_is_said_once() {
        let flags = |flags, names: &[&str]| written(|out| write_flags(out, flags, &keywords(names)));
        assert_eq!(flags(Flags::NONE, &[]), "()");
        assert_eq!(flags(Flags::SEEN | Flags::FORWARDED, &["Work"]), "($Forwarded \\Seen Work)");
        assert_eq!(flags(Flags::FORWARDED, &["$FORWARDED", "a"]), "($Forwarded a)");
        assert_eq!(flags(Flags::SEEN, &["$forwarded"]), "(\\Seen $forwarded)");
    }

    #[test]
    fn strings_are_quoted_where_every_client_can_read_them() {
        let string = |bytes: &[u8]| {
            let mut out = Vec::new();
            write_string(&mut out, bytes);
            out
        };
        assert_eq!(string(b""), b"\"\"");
        assert_eq!(string(b"a \"b\" \\"), b"\"a \\\"b\\\" \\\\\"");
        assert_eq!(string(b"a\r\nb"), b"{4}\r\na\r\nb");
        assert_eq!(string(b"caf\xe9"), b"{4}\r\ncaf\xe9");
        assert_eq!(string(&[b'x'; 513])[..7], *b"{513}\r\n");
        assert_eq!(written(|out| write_astring(out, b"NIL")), "\"NIL\"");
        assert_eq!(written(|out| write_astring(out, b"a]b")), "a]b");
        assert_eq!(written(|out| write_value(out, b"a\0b")), "~{3}\r\na\0b");
        let pairs = written(|out| write_quoted_pairs(out, &[("name", "x"), ("os", "\"y\"")]));
        assert_eq!(pairs, r#""name" "x" "os" "\"y\"""#);
    }

    #[test]
    fn mailboxes_are_named_as_the_client_can_read_them() {
        let name = |name, utf8| written(|out| write_mailbox(out, name, utf8));
        assert_eq!(name("INBOX", false), "INBOX");
        assert_eq!(name("Elementos enviados", false), "\"Elementos enviados\"");
        assert_eq!(name("Espa\u{f1}a", false), "Espa&APE-a");
        assert_eq!(name("Espa\u{f1}a", true), "\"Espa\u{f1}a\"");
        assert_eq!(name("Tom & Jerry", false), "\"Tom &- Jerry\"");
        assert_eq!(name("Tom & Jerry", true), "\"Tom & Jerry\"");
        assert_eq!(name("100%", false), "\"100%\"");
        let line = written(|out| write_list_line(out, "LIST", &["\\Sent", "\\HasNoChildren"], "Sent", false));
        assert_eq!(line, "* LIST (\\Sent \\HasNoChildren) \"/\" Sent");
    }

    #[test]
    fn dates_are_in_utc_and_always_dates() {
        let date = |seconds| written(|out| write_date_time(out, seconds));
        assert_eq!(date(837_596_665), "\"17-Jul-1996 09:44:25 +0000\"");
        assert_eq!(date(-1), "\"31-Dec-1969 23:59:59 +0000\"");
        assert_eq!(date(i64::MIN), "\"01-Jan-0000 00:00:00 +0000\"");
        assert_eq!(date(i64::MAX), "\"30-Dec-9999 22:00:00 +0000\"");
    }

    #[test]
    fn unasked_responses_are_lines() {
        assert_eq!(written(|out| write_numbered(out, 23, "EXISTS")), "* 23 EXISTS\r\n");
        assert_eq!(written(|out| write_vanished(out, true, &[41, 43, 44])), "* VANISHED (EARLIER) 41,43:44\r\n");
        assert_eq!(written(|out| write_vanished(out, false, &[405])), "* VANISHED 405\r\n");
        assert_eq!(
            written(|out| write_flags_response(out, &[])),
            "* FLAGS (\\Draft \\Flagged $Forwarded \\Answered \\Seen \\Deleted)\r\n"
        );
        let fetch = written(|out| {
            open_fetch(out, 7, false);
            write_fetch_uid(out, 12);
            out.push(b' ');
            write_fetch_flags(out, Flags::SEEN, &[]);
            out.push(b' ');
            write_fetch_modseq(out, 65402);
        });
        assert_eq!(fetch, "* 7 FETCH (UID 12 FLAGS (\\Seen) MODSEQ (65402)");
        assert_eq!(written(|out| open_fetch(out, 25900, true)), "* 25900 UIDFETCH (");
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_they_are_formatted(number: u64) {
            prop_assert_eq!(written(|out| write_number(out, number)), number.to_string());
        }

        #[test]
        fn a_set_that_is_written_names_the_same_numbers(numbers in prop::collection::btree_set(1_u32..60, 1..40)) {
            let numbers: Vec<u32> = numbers.into_iter().collect();
            let set = written(|out| write_set(out, &numbers));
            let command = format!("a UID EXPUNGE {set}");
            let tagged = super::super::parse(command.as_bytes(), Default::default()).unwrap();
            let super::super::Command::Expunge { uids: Some(super::super::set::Numbers::Set(set)) } = tagged.command
            else { panic!("{tagged:?}") };
            let named: Vec<u32> = set.resolve(1).into_iter().flat_map(|(low, high)| low..=high).collect();
            prop_assert_eq!(named, numbers);
        }

        #[test]
        fn a_mailbox_that_is_written_is_read_as_itself(name in "[ -~é&ñ日]{0,20}", utf8: bool) {
            let context = super::super::ParseContext { utf8, ..Default::default() };
            let written = written(|out| write_mailbox(out, &name, utf8));
            let tagged = super::super::parse(format!("a DELETE {written}").as_bytes(), context).unwrap();
            let expected = if name.eq_ignore_ascii_case("INBOX") { "INBOX".to_owned() } else { name };
            prop_assert_eq!(tagged.command, super::super::Command::Delete(super::super::MailboxArg(expected)));
        }
    }
}
