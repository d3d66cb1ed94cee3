//! What a client can ask (RFC 1939 §5 to §7, RFC 2449, RFC 5034).
//!
//! ```text
//! command = keyword *(SP argument) CRLF        keyword: 3 or 4 letters (CAPA, STLS, UTF8 too)
//! ```

/// Longer lines end the session: RFC 2449 §4 allows 255 octets, RFC 5034 §4 12,288 for SASL.
pub(crate) const MAX_LINE_BYTES: usize = 12_288;

/// A command.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Capa,
    User(String),
    /// Everything after the first space: passwords may hold spaces (RFC 1939 §7).
    Pass(Vec<u8>),
    /// The initial response is still base64; `=` is an empty one (RFC 5034 §4).
    Auth {
        mechanism: Option<String>,
        initial: Option<Vec<u8>>,
    },
    Stls,
    Utf8,
    Stat,
    List(Option<u32>),
    Uidl(Option<u32>),
    Retr(u32),
    Top(u32, u64),
    Dele(u32),
    Rset,
    Noop,
    Quit,
}

/// A line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misunderstood {
    /// The keyword is not known.
    #[error("there is no such command")]
    Unknown,
    /// The arguments are not what the command takes.
    #[error("that command takes other arguments")]
    Arguments,
}

/// Reads a line without its line ending.
///
/// # Errors
/// When it is no command.
pub(crate) fn parse(line: &[u8]) -> Result<Command, Misunderstood> {
    let (keyword, rest) = match line.iter().position(|&b| b == b' ') {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    };
    let keyword = keyword.to_ascii_uppercase();
    if keyword == b"PASS" {
        return rest
            .filter(|rest| !rest.is_empty())
            .map(|rest| Command::Pass(rest.to_vec()))
            .ok_or(Misunderstood::Arguments);
    }
    let words: Vec<&[u8]> = rest.unwrap_or_default().split(|&b| b == b' ').filter(|word| !word.is_empty()).collect();
    let none = |command: Command| if words.is_empty() { Ok(command) } else { Err(Misunderstood::Arguments) };
    match keyword.as_slice() {
        b"CAPA" => none(Command::Capa),
        b"STLS" => none(Command::Stls),
        b"UTF8" => none(Command::Utf8),
        b"STAT" => none(Command::Stat),
        b"RSET" => none(Command::Rset),
        b"NOOP" => none(Command::Noop),
        b"QUIT" => none(Command::Quit),
        b"USER" => match words.as_slice() {
            [name] => text(name).map(Command::User),
            _ => Err(Misunderstood::Arguments),
        },
        b"AUTH" => match words.as_slice() {
            [] => Ok(Command::Auth { mechanism: None, initial: None }),
            [mechanism] => Ok(Command::Auth { mechanism: Some(text(mechanism)?), initial: None }),
            [mechanism, initial] => {
                Ok(Command::Auth { mechanism: Some(text(mechanism)?), initial: Some(initial.to_vec()) })
            }
            _ => Err(Misunderstood::Arguments),
        },
        b"LIST" => optional_number(&words).map(Command::List),
        b"UIDL" => optional_number(&words).map(Command::Uidl),
        b"RETR" => one_number(&words).map(Command::Retr),
        b"DELE" => one_number(&words).map(Command::Dele),
        b"TOP" => match words.as_slice() {
            [message, lines] => Ok(Command::Top(number(message)?, number(lines)?)),
            _ => Err(Misunderstood::Arguments),
        },
        _ => Err(Misunderstood::Unknown),
    }
}

fn text(word: &[u8]) -> Result<String, Misunderstood> {
    String::from_utf8(word.to_vec()).map_err(|_| Misunderstood::Arguments)
}

fn number<T: std::str::FromStr>(word: &[u8]) -> Result<T, Misunderstood> {
    // `parse` would take a sign too.
    let digits = std::str::from_utf8(word).ok().filter(|word| word.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(Misunderstood::Arguments)
}

fn one_number(words: &[&[u8]]) -> Result<u32, Misunderstood> {
    match words {
        [word] => number(word),
        _ => Err(Misunderstood::Arguments),
    }
}

fn optional_number(words: &[&[u8]]) -> Result<Option<u32>, Misunderstood> {
    match words {
        [] => Ok(None),
        words => one_number(words).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl std::fmt::Debug for Command {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            // No derive: a password must not be printed, and tests need no more than the kind.
            f.write_str(match self {
                Command::Pass(_) => "Pass",
                Command::Auth { .. } => "Auth",
                _ => "a command without secrets",
            })
        }
    }

    #[test]
    fn lines_are_read_as_the_standard_has_them() {
        let good: [(&[u8], Command); 12] = [
            (b"user ana@example.org", Command::User("ana@example.org".into())),
            (b"PASS two  words ", Command::Pass(b"two  words ".to_vec())),
            (b"STAT", Command::Stat),
            (b"STAT ", Command::Stat),
            (b"LIST", Command::List(None)),
            (b"list 3", Command::List(Some(3))),
            (b"UIDL 4294967295", Command::Uidl(Some(u32::MAX))),
            (b"TOP 1 0", Command::Top(1, 0)),
            (b"TOP 1 99999999999", Command::Top(1, 99_999_999_999)),
            (b"AUTH", Command::Auth { mechanism: None, initial: None }),
            (b"AUTH PLAIN =", Command::Auth { mechanism: Some("PLAIN".into()), initial: Some(b"=".to_vec()) }),
            (b"QUIT", Command::Quit),
        ];
        for (line, command) in good {
            assert!(parse(line) == Ok(command), "{}", line.escape_ascii());
        }
        let bad: [(&[u8], Misunderstood); 10] = [
            (b"", Misunderstood::Unknown),
            (b"GET / HTTP/1.1", Misunderstood::Unknown),
            (b"STAT 1", Misunderstood::Arguments),
            (b"RETR", Misunderstood::Arguments),
            (b"RETR 1 2", Misunderstood::Arguments),
            (b"RETR +1", Misunderstood::Arguments),
            (b"RETR 4294967296", Misunderstood::Arguments),
            (b"TOP 1", Misunderstood::Arguments),
            (b"USER \xff", Misunderstood::Arguments),
            (b"PASS", Misunderstood::Arguments),
        ];
        for (line, why) in bad {
            assert!(parse(line) == Err(why), "{}", line.escape_ascii());
        }
    }
}
