//! Commands (RFC 5321 §4.1) and the parameters that extensions give them.

use super::address::{self, EnvelopeAddress, Path};
use super::reply::Reply;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// EHLO.
    Ehlo(String),
    /// HELO.
    Helo(String),
    /// LHLO (RFC 2033 §4.1).
    Lhlo(String),
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH (RFC 4954), the initial response still in Base64.
    Auth { mechanism: String, initial: Option<Vec<u8>> },
    /// MAIL; `None`: the null reverse-path.
    Mail { from: Option<EnvelopeAddress>, parameters: MailParameters },
    /// RCPT.
    Rcpt { to: Recipient, parameters: RcptParameters },
    /// DATA.
    Data,
    /// BDAT (RFC 3030 §2).
    Bdat { size_bytes: u64, last: bool },
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// VRFY.
    Vrfy,
    /// EXPN.
    Expn,
    /// HELP.
    Help,
    /// QUIT.
    Quit,
}

/// Whom a RCPT names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// `<Postmaster>` of this host.
    Postmaster,
    /// An address.
    Address(EnvelopeAddress),
}

/// What MAIL says besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MailParameters {
    /// SIZE (RFC 1870).
    pub(crate) size_bytes: Option<u64>,
    /// BODY=8BITMIME (RFC 6152).
    pub(crate) eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// REQUIRETLS (RFC 8689).
    pub(crate) require_tls: bool,
    /// RET (RFC 3461 §4.3).
    pub(crate) ret: Option<Ret>,
    /// ENVID (RFC 3461 §4.4), decoded.
    pub(crate) envid: Option<String>,
}

/// How much of a message a DSN is to bring back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ret {
    /// All of it.
    Full,
    /// Its header.
    Headers,
}

/// What RCPT says besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RcptParameters {
    /// NOTIFY (RFC 3461 §4.1).
    pub(crate) notify: Option<Notify>,
    /// ORCPT (RFC 3461 §4.2): type and address, the address decoded.
    pub(crate) orcpt: Option<(String, String)>,
}

/// When a DSN is wanted; all false: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notify {
    /// When it was delivered.
    pub(crate) success: bool,
    /// When it could not be.
    pub(crate) failure: bool,
    /// When it takes long.
    pub(crate) delay: bool,
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    /// Nothing known begins so.
    #[error("there is no such command")]
    Unknown,
    /// The verb is known, the rest is not as it should be.
    #[error("that is not how the command is written")]
    Arguments,
    /// A reverse-path that is none.
    #[error("that is no sender's address")]
    ReversePath,
    /// A forward-path that is none.
    #[error("that is no recipient's address")]
    ForwardPath,
    /// A parameter that nothing here offers.
    #[error("a parameter is not known here")]
    UnknownParameter,
    /// A parameter with a value that it cannot have, or twice.
    #[error("a parameter has a value that it cannot have")]
    ParameterValue,
    /// An address or parameter with UTF-8, and no SMTPUTF8.
    #[error("that needs SMTPUTF8")]
    NeedsUtf8,
    /// Bytes that are no UTF-8, or control characters.
    #[error("a command holds characters that it may not")]
    Characters,
}

impl CommandError {
    /// The answer.
    pub(crate) fn reply(self) -> Reply {
        let (code, enhanced) = match self {
            CommandError::Unknown => (500, (5, 5, 1)),
            CommandError::Arguments | CommandError::ParameterValue => (501, (5, 5, 4)),
            CommandError::ReversePath => (501, (5, 1, 7)),
            CommandError::ForwardPath => (501, (5, 1, 3)),
            CommandError::UnknownParameter => (555, (5, 5, 4)),
            CommandError::NeedsUtf8 => (553, (5, 6, 7)),
            CommandError::Characters => (500, (5, 5, 2)),
        };
        Reply::new(code, enhanced, self.to_string())
    }
}

/// Reads a line without its ending.
///
/// # Errors
/// Why it is no command.
pub(crate) fn parse(line: &[u8]) -> Result<Command, CommandError> {
    let line = std::str::from_utf8(line).map_err(|_| CommandError::Characters)?;
    if line.chars().any(char::is_control) {
        return Err(CommandError::Characters);
    }
    // White space at the end is taken (RFC 5321 §4.1.1).
    let line = line.trim_end_matches(' ');
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let bare = |command| if rest.is_empty() { Ok(command) } else { Err(CommandError::Arguments) };
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => Ok(Command::Ehlo(client_name(rest)?)),
        "HELO" => Ok(Command::Helo(client_name(rest)?)),
        "LHLO" => Ok(Command::Lhlo(client_name(rest)?)),
        "STARTTLS" => bare(Command::StartTls),
        "AUTH" => auth(rest),
        "MAIL" => mail(rest),
        "RCPT" => rcpt(rest),
        "DATA" => bare(Command::Data),
        "BDAT" => bdat(rest),
        "RSET" => bare(Command::Rset),
        "NOOP" => Ok(Command::Noop),
        "VRFY" if !rest.is_empty() => Ok(Command::Vrfy),
        "EXPN" if !rest.is_empty() => Ok(Command::Expn),
        "VRFY" | "EXPN" => Err(CommandError::Arguments),
        "HELP" => Ok(Command::Help),
        "QUIT" => bare(Command::Quit),
        _ => Err(CommandError::Unknown),
    }
}

/// The name that a client gives itself. Many are no domain's; what could not stand in a Received field is refused.
fn client_name(text: &str) -> Result<String, CommandError> {
    let is_name_char = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let is_name = (1..=255).contains(&text.len()) && text.chars().all(is_name_char);
    if is_name { Ok(text.to_owned()) } else { Err(CommandError::Arguments) }
}

/// `"AUTH" SP sasl-mech [SP initial-response]`
fn auth(rest: &str) -> Result<Command, CommandError> {
    let (mechanism, initial) = match rest.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' ').as_bytes().to_vec())),
        None => (rest, None),
    };
    let is_mechanism = (1..=20).contains(&mechanism.len())
        && mechanism.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !is_mechanism {
        return Err(CommandError::Arguments);
    }
    Ok(Command::Auth { mechanism: mechanism.to_ascii_uppercase(), initial })
}

/// `"MAIL FROM:" Reverse-path [SP Mail-parameters]`
fn mail(rest: &str) -> Result<Command, CommandError> {
    let (path, rest) = path_after("FROM:", rest)?.ok_or(CommandError::ReversePath)?;
    let from = match path {
        Path::Null => None,
        Path::Postmaster => return Err(CommandError::ReversePath),
        Path::Address(address) => Some(address),
    };
    let mut seen = MailParameters::default();
    for (keyword, value) in Parameters::new(rest)? {
        match (keyword.as_str(), value) {
            ("SIZE", Some(value)) => once(&mut seen.size_bytes, number(value))?,
            ("BODY", Some(value)) if value.eq_ignore_ascii_case("8BITMIME") => seen.eight_bit = true,
            ("BODY", Some(value)) if value.eq_ignore_ascii_case("7BIT") => {}
            ("SMTPUTF8", None) => seen.utf8 = true,
            ("REQUIRETLS", None) => seen.require_tls = true,
            ("RET", Some(value)) => once(&mut seen.ret, ret(value))?,
            ("ENVID", Some(value)) => once(&mut seen.envid, xtext(value, 100))?,
            // RFC 4954 §5: who submitted it; nobody here is trusted to say that of another, and it may be ignored.
            ("AUTH", Some(value)) => drop(xtext(value, 500).ok_or(CommandError::ParameterValue)?),
            ("SIZE" | "BODY" | "SMTPUTF8" | "REQUIRETLS" | "RET" | "ENVID" | "AUTH", _) => {
                return Err(CommandError::ParameterValue);
            }
            _ => return Err(CommandError::UnknownParameter),
        }
    }
    if !seen.utf8 && from.as_ref().is_some_and(EnvelopeAddress::is_utf8) {
        return Err(CommandError::NeedsUtf8);
    }
    Ok(Command::Mail { from, parameters: seen })
}

/// `"RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP Rcpt-parameters]`
fn rcpt(rest: &str) -> Result<Command, CommandError> {
    let (path, rest) = path_after("TO:", rest)?.ok_or(CommandError::ForwardPath)?;
    let to = match path {
        Path::Null => return Err(CommandError::ForwardPath),
        Path::Postmaster => Recipient::Postmaster,
        Path::Address(address) => Recipient::Address(address),
    };
    let mut seen = RcptParameters::default();
    for (keyword, value) in Parameters::new(rest)? {
        match (keyword.as_str(), value) {
            ("NOTIFY", Some(value)) => once(&mut seen.notify, notify(value))?,
            ("ORCPT", Some(value)) => once(&mut seen.orcpt, orcpt(value))?,
            ("NOTIFY" | "ORCPT", None) => return Err(CommandError::ParameterValue),
            _ => return Err(CommandError::UnknownParameter),
        }
    }
    Ok(Command::Rcpt { to, parameters: seen })
}

/// `"BDAT" SP chunk-size [SP "LAST"]`
fn bdat(rest: &str) -> Result<Command, CommandError> {
    let (size, last) = match rest.split_once(' ') {
        Some((size, last)) if last.trim_start_matches(' ').eq_ignore_ascii_case("LAST") => (size, true),
        Some(_) => return Err(CommandError::Arguments),
        None => (rest, false),
    };
    Ok(Command::Bdat { size_bytes: number(size).ok_or(CommandError::Arguments)?, last })
}

/// The path after `FROM:` or `TO:`, `None` where it is none. Spaces before the path are a quirk of many clients.
fn path_after<'a>(word: &str, rest: &'a str) -> Result<Option<(Path, &'a str)>, CommandError> {
    let named = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if !named {
        return Err(CommandError::Arguments);
    }
    Ok(address::path(rest[word.len()..].trim_start_matches(' ')))
}

/// esmtp-param = esmtp-keyword ["=" esmtp-value]
struct Parameters<'a>(&'a str);

impl<'a> Parameters<'a> {
    fn new(rest: &'a str) -> Result<Self, CommandError> {
        if rest.is_empty() || rest.starts_with(' ') { Ok(Parameters(rest)) } else { Err(CommandError::Arguments) }
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (String, Option<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.trim_start_matches(' ');
        if text.is_empty() {
            return None;
        }
        let (parameter, rest) = text.split_at(text.find(' ').unwrap_or(text.len()));
        self.0 = rest;
        let (keyword, value) = match parameter.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (parameter, None),
        };
        Some((keyword.to_ascii_uppercase(), value))
    }
}

/// Fills a parameter that may stand once.
fn once<T>(slot: &mut Option<T>, value: Option<T>) -> Result<(), CommandError> {
    match value {
        Some(value) if slot.is_none() => *slot = Some(value),
        _ => return Err(CommandError::ParameterValue),
    }
    Ok(())
}

/// 1*20DIGIT; larger than fits is as large as fits.
fn number(text: &str) -> Option<u64> {
    let is_number = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

fn ret(value: &str) -> Option<Ret> {
    match value.to_ascii_uppercase().as_str() {
        "FULL" => Some(Ret::Full),
        "HDRS" => Some(Ret::Headers),
        _ => None,
    }
}

/// notify-esmtp-value = "NEVER" / (notify-list-element *("," notify-list-element))
fn notify(value: &str) -> Option<Notify> {
    let mut notify = Notify::default();
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(notify);
    }
    for word in value.split(',') {
        match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => notify.success = true,
            "FAILURE" => notify.failure = true,
            "DELAY" => notify.delay = true,
            _ => return None,
        }
    }
    Some(notify)
}

/// original-recipient-address = addr-type ";" xtext
fn orcpt(value: &str) -> Option<(String, String)> {
    let (kind, address) = value.split_once(';')?;
    let is_kind = !kind.is_empty() && kind.len() <= 32 && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    is_kind.then_some(())?;
    // utf-8-addr-xtext (RFC 6533 §3) is UTF-8 as it is, which `xtext` takes.
    Some((kind.to_ascii_lowercase(), xtext(address, 500)?))
}

/// xtext (RFC 3461 §4), decoded; printable characters only, so that it can be written again.
fn xtext(text: &str, max_bytes: usize) -> Option<String> {
    if text.is_empty() || text.len() > max_bytes {
        return None;
    }
    let (mut decoded, mut bytes) = (Vec::new(), text.bytes());
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => {
                let hex = [bytes.next()?, bytes.next()?];
                let is_hex = hex.iter().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(b));
                let hex = std::str::from_utf8(&hex).ok().filter(|_| is_hex)?;
                decoded.push(u8::from_str_radix(hex, 16).ok()?);
            }
            b'=' => return None,
            byte => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).ok().filter(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn address(text: &str) -> EnvelopeAddress {
        EnvelopeAddress::parse(text).unwrap()
    }

    #[test]
    fn commands_without_regard_to_case() {
        for (line, expected) in [
            ("ehlo mx.example.net", Command::Ehlo("mx.example.net".into())),
            ("HELO [192.0.2.1]", Command::Helo("[192.0.2.1]".into())),
            ("LHLO localhost ", Command::Lhlo("localhost".into())),
            ("starttls", Command::StartTls),
            ("auth plain", Command::Auth { mechanism: "PLAIN".into(), initial: None }),
            ("AUTH PLAIN =", Command::Auth { mechanism: "PLAIN".into(), initial: Some(b"=".to_vec()) }),
            ("Data", Command::Data),
            ("BDAT 86 LAST", Command::Bdat { size_bytes: 86, last: true }),
            ("bdat 0 last", Command::Bdat { size_bytes: 0, last: true }),
            ("BDAT 99999999999999999999", Command::Bdat { size_bytes: u64::MAX, last: false }),
            ("RSET", Command::Rset),
            ("NOOP whatever", Command::Noop),
            ("VRFY ana", Command::Vrfy),
            ("EXPN list", Command::Expn),
            ("HELP", Command::Help),
            ("QUIT ", Command::Quit),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(expected), "{line}");
        }
    }

    #[test]
    fn mail_and_rcpt_with_their_parameters() {
        let from = Some(address("ana@example.org"));
        let mail = |parameters| Ok(Command::Mail { from: from.clone(), parameters });
        assert_eq!(parse(b"MAIL FROM:<ana@example.org>"), mail(MailParameters::default()));
        assert_eq!(parse(b"mail from: <ana@example.org>"), mail(MailParameters::default()));
        let all = MailParameters {
            size_bytes: Some(1234),
            eight_bit: true,
            utf8: true,
            require_tls: true,
            ret: Some(Ret::Headers),
            envid: Some("QQ 31".into()),
        };
        let line = b"MAIL FROM:<ana@example.org> SIZE=1234 BODY=8bitmime SMTPUTF8 REQUIRETLS RET=HDRS \
                     ENVID=QQ+2031 AUTH=<>";
        assert_eq!(parse(line), mail(all));
        assert_eq!(parse(b"MAIL FROM:<>"), Ok(Command::Mail { from: None, parameters: MailParameters::default() }));

        let to = Recipient::Address(address("eva@example.org"));
        let rcpt = |parameters| Ok(Command::Rcpt { to: to.clone(), parameters });
        let never = RcptParameters { notify: Some(Notify::default()), orcpt: None };
        assert_eq!(parse(b"RCPT TO:<eva@example.org> NOTIFY=NEVER"), rcpt(never));
        let both = Notify { success: true, failure: true, delay: false };
        let all = RcptParameters { notify: Some(both), orcpt: Some(("rfc822".into(), "eva+x@example.org".into())) };
        assert_eq!(
            parse(b"RCPT TO:<eva@example.org> NOTIFY=SUCCESS,failure ORCPT=rfc822;eva+2Bx@example.org"),
            rcpt(all)
        );
        let postmaster = Command::Rcpt { to: Recipient::Postmaster, parameters: RcptParameters::default() };
        assert_eq!(parse(b"RCPT TO:<postmaster>"), Ok(postmaster));
    }

    #[test]
    fn what_is_no_command_says_why() {
        use CommandError as E;
        for (line, why, code) in [
            (&b""[..], E::Unknown, 500),
            (b"GET / HTTP/1.1", E::Unknown, 500),
            (b"DATA now", E::Arguments, 501),
            (b"EHLO", E::Arguments, 501),
            (b"EHLO a b", E::Arguments, 501),
            (b"EHLO (comment)", E::Arguments, 501),
            ("EHLO españa.example".as_bytes(), E::Arguments, 501),
            (b"VRFY", E::Arguments, 501),
            (b"MAIL", E::Arguments, 501),
            (b"MAIL TO:<ana@example.org>", E::Arguments, 501),
            (b"MAIL FROM:ana@example.org", E::ReversePath, 501),
            (b"MAIL FROM:<postmaster>", E::ReversePath, 501),
            (b"MAIL FROM:<ana@example.org>SIZE=1", E::Arguments, 501),
            (b"MAIL FROM:<ana@example.org> SIZE=x", E::ParameterValue, 501),
            (b"MAIL FROM:<ana@example.org> SIZE=1 SIZE=2", E::ParameterValue, 501),
            (b"MAIL FROM:<ana@example.org> SIZE", E::ParameterValue, 501),
            // RFC 3030 §3 is not offered.
            (b"MAIL FROM:<ana@example.org> BODY=BINARYMIME", E::ParameterValue, 501),
            (b"MAIL FROM:<ana@example.org> ENVID=a+0Ab", E::ParameterValue, 501),
            (b"MAIL FROM:<ana@example.org> ENVID=a+zz", E::ParameterValue, 501),
            (b"MAIL FROM:<ana@example.org> HOLDFOR=1", E::UnknownParameter, 555),
            ("MAIL FROM:<josé@example.org>".as_bytes(), E::NeedsUtf8, 553),
            (b"RCPT TO:<>", E::ForwardPath, 501),
            (b"RCPT TO:<eva@example.org> NOTIFY=NEVER,DELAY", E::ParameterValue, 501),
            (b"RCPT TO:<eva@example.org> SIZE=1", E::UnknownParameter, 555),
            (b"BDAT", E::Arguments, 501),
            (b"BDAT -1", E::Arguments, 501),
            (b"BDAT 1 FIRST", E::Arguments, 501),
            (b"AUTH", E::Arguments, 501),
            (b"NOOP \xff", E::Characters, 500),
            (b"NO\0OP", E::Characters, 500),
        ] {
            assert_eq!(parse(line), Err(why), "{}", String::from_utf8_lossy(line));
            assert_eq!(why.reply().code(), code);
        }
    }
}
