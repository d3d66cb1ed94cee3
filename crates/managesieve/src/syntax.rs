//! What a client can say (RFC 5804 §4).
//!
//! ```text
//! command = atom *(SP (string / number)) CRLF
//! string  = DQUOTE *QUOTED-CHAR DQUOTE / "{" number "+}" CRLF *OCTET
//! ```
//! A [`Framer`] cuts what comes in into such commands, whatever pieces it comes in; [`parse`] makes sense of one.

/// The longest command without its literals, in bytes: a name in quotes is 1,026 at most, a SASL answer is 5,500.
const MAX_LINE_BYTES: usize = 8 * 1024;

/// What is thrown away of a literal that is too long before the connection is given up instead, in bytes.
const MAX_THROWN_AWAY_BYTES: u64 = 16 * 1024 * 1024;

/// How many words a command has at most: RENAMESCRIPT and two names.
const MAX_WORDS: usize = 3;

/// The longest name of a new script, in bytes: RFC 5804 §1.6 asks for 128 characters, which can take four each.
pub(crate) const MAX_NAME_BYTES: usize = 512;

/// A word of a command.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// A keyword or a number.
    Atom(Vec<u8>),
    /// A string.
    Text(Vec<u8>),
}

/// What stands between two line ends outside literals.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Words, of which there may be none.
    Words(Vec<Word>),
    /// Not the grammar of commands.
    Malformed,
    /// Texts longer than is allowed at present.
    TooLong,
}

/// What came in cannot be cut into commands any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Lost {
    /// A line without an end.
    #[error("that line is too long")]
    Line,
    /// A literal that is not even worth throwing away.
    #[error("that literal is too long")]
    Literal,
}

/// Cuts what comes in into commands.
pub(crate) struct Framer {
    input: Vec<u8>,
    /// Where in `input` no line ends before.
    searched: usize,
    /// How long the texts of one command may be together.
    max_text_bytes: usize,
    command: Unfinished,
}

/// A command as far as it came in.
#[derive(Default)]
struct Unfinished {
    words: Vec<Word>,
    is_malformed: bool,
    is_too_long: bool,
    line_bytes: usize,
    text_bytes: usize,
    /// The rest of a literal.
    literal: Option<Literal>,
}

struct Literal {
    left_bytes: u64,
    /// `None`: thrown away.
    kept: Option<Vec<u8>>,
}

impl Framer {
    /// Takes texts of so many bytes.
    pub(crate) fn new(max_text_bytes: usize) -> Self {
        Framer { input: Vec::new(), searched: 0, max_text_bytes, command: Unfinished::default() }
    }

    /// From the next literal on takes texts of so many bytes.
    pub(crate) fn set_max_text_bytes(&mut self, max_text_bytes: usize) {
        self.max_text_bytes = max_text_bytes;
    }

    /// Where what comes is to be appended, with room for so much.
    pub(crate) fn room(&mut self, bytes: usize) -> &mut Vec<u8> {
        self.input.reserve(bytes);
        &mut self.input
    }

    /// Whether a command has begun and is not complete, so far as was looked.
    pub(crate) fn is_inside(&self) -> bool {
        !self.input.is_empty() || self.command.line_bytes > 0 || self.command.literal.is_some()
    }

    /// The next command, where it is complete.
    ///
    /// # Errors
    /// When what came in cannot be cut into commands; the connection is of no use then.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, Lost> {
        loop {
            if !self.take_literal() {
                return Ok(None);
            }
            let line_end = memchr::memchr(b'\n', &self.input[self.searched..]).map(|at| self.searched + at);
            let unfinished_bytes = self.command.line_bytes + line_end.unwrap_or(self.input.len());
            if unfinished_bytes > MAX_LINE_BYTES {
                return Err(Lost::Line);
            }
            let Some(line_end) = line_end else {
                self.searched = self.input.len();
                return Ok(None);
            };
            let mut line: Vec<u8> = self.input.drain(..=line_end).collect();
            self.searched = 0;
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            self.command.line_bytes += line.len();
            if let Some(frame) = self.take_line(&line)? {
                return Ok(Some(frame));
            }
        }
    }

    /// Takes in what there is of a literal; whether none is left.
    fn take_literal(&mut self) -> bool {
        let Some(literal) = &mut self.command.literal else { return true };
        let here = usize::try_from(literal.left_bytes).map_or(self.input.len(), |left| left.min(self.input.len()));
        let bytes = self.input.drain(..here);
        if let Some(kept) = &mut literal.kept {
            kept.extend(bytes);
        }
        literal.left_bytes -= here as u64;
        if literal.left_bytes > 0 {
            return false;
        }
        match self.command.literal.take().and_then(|literal| literal.kept) {
            Some(text) => self.command.words.push(Word::Text(text)),
            None => self.command.is_too_long = true,
        }
        true
    }

    /// Takes a line, or what stands between a literal and the next line end; the command, if it ends here.
    fn take_line(&mut self, line: &[u8]) -> Result<Option<Frame>, Lost> {
        let command = &mut self.command;
        let (before, literal) = match trailing_literal(line) {
            Some((before, bytes)) => (before, Some(bytes)),
            None => (line, None),
        };
        let follows_literal = !command.words.is_empty() || command.is_too_long;
        let fits = (!follows_literal || before.is_empty() || before[0] == b' ')
            && (literal.is_none() || before.is_empty() && !follows_literal || before.ends_with(b" "));
        if !fits || words(before, &mut command.words).is_none() || command.words.len() > MAX_WORDS {
            command.is_malformed = true;
        }
        if let Some(bytes) = literal {
            if bytes > MAX_THROWN_AWAY_BYTES {
                return Err(Lost::Literal);
            }
            let text_bytes =
                usize::try_from(bytes).map_or(usize::MAX, |bytes| command.text_bytes.saturating_add(bytes));
            let is_kept = text_bytes <= self.max_text_bytes && !command.is_malformed;
            if is_kept {
                command.text_bytes = text_bytes;
            }
            command.literal = Some(Literal { left_bytes: bytes, kept: is_kept.then(Vec::new) });
            return Ok(None);
        }
        let command = std::mem::take(command);
        Ok(Some(match command {
            Unfinished { is_malformed: true, .. } => Frame::Malformed,
            Unfinished { is_too_long: true, .. } => Frame::TooLong,
            Unfinished { words, .. } => Frame::Words(words),
        }))
    }
}

/// The literal that a line announces at its end, and what stands before it.
fn trailing_literal(line: &[u8]) -> Option<(&[u8], u64)> {
    let inner = line.strip_suffix(b"+}")?;
    let at = memchr::memrchr(b'{', inner)?;
    let digits = std::str::from_utf8(&inner[at + 1..]).ok()?;
    // `parse` would take a sign too.
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    // One that fits no number is too long for everything.
    is_number.then(|| (&inner[..at], digits.parse().unwrap_or(u64::MAX)))
}

/// Appends the words of a piece of a line; `None` where it is none of the grammar.
fn words(mut rest: &[u8], into: &mut Vec<Word>) -> Option<()> {
    loop {
        rest = &rest[rest.iter().take_while(|b| **b == b' ').count()..];
        let Some(&first) = rest.first() else { return Some(()) };
        let word;
        (word, rest) = if first == b'"' { quoted(&rest[1..])? } else { atom(rest)? };
        if !rest.is_empty() && rest[0] != b' ' {
            return None;
        }
        into.push(word);
    }
}

/// A quoted string after its first quote.
fn quoted(text: &[u8]) -> Option<(Word, &[u8])> {
    let mut value = Vec::new();
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some((Word::Text(value), &text[at + 1..])),
            b'\\' => {
                at += 1;
                value.push(*text.get(at).filter(|b| matches!(b, b'"' | b'\\'))?);
            }
            b'\0' | b'\r' => return None,
            other => value.push(*other),
        }
        at += 1;
    }
}

fn atom(text: &[u8]) -> Option<(Word, &[u8])> {
    let is_inside = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'{' | b'}' | b'(' | b')' | b'\\');
    let end = text.iter().position(|b| !is_inside(b)).unwrap_or(text.len());
    (end > 0).then(|| (Word::Atom(text[..end].to_vec()), &text[end..]))
}

/// A command.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// The initial response is still Base64.
    Authenticate {
        mechanism: String,
        initial: Option<Vec<u8>>,
    },
    StartTls,
    Logout,
    Capability,
    HaveSpace {
        name: String,
        bytes: u32,
    },
    PutScript {
        name: String,
        content: Vec<u8>,
    },
    ListScripts,
    /// Empty: no script is to be active.
    SetActive(String),
    GetScript(String),
    DeleteScript(String),
    RenameScript {
        from: String,
        to: String,
    },
    CheckScript(Vec<u8>),
    /// With the tag that is to come back.
    Noop(Option<Vec<u8>>),
}

/// Words that are no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misunderstood {
    /// There is no such keyword.
    #[error("there is no such command")]
    Unknown,
    /// The words after it are not what the command takes.
    #[error("that command takes other arguments")]
    Arguments,
    /// A new script cannot have that name.
    #[error(
        "a script cannot have that name: it is empty, longer than {MAX_NAME_BYTES} bytes, or holds control characters"
    )]
    Name,
}

/// Makes sense of the words of a command.
///
/// # Errors
/// When they are none.
pub(crate) fn parse(words: Vec<Word>) -> Result<Command, Misunderstood> {
    let mut words = words.into_iter();
    let Some(Word::Atom(keyword)) = words.next() else { return Err(Misunderstood::Unknown) };
    let keyword = keyword.to_ascii_uppercase();
    let (first, second) = (words.next(), words.next());
    let command = match (keyword.as_slice(), first, second) {
        (b"AUTHENTICATE", Some(mechanism), initial) => {
            Command::Authenticate { mechanism: text(mechanism)?, initial: initial.map(octets).transpose()? }
        }
        (b"STARTTLS", None, None) => Command::StartTls,
        (b"LOGOUT", None, None) => Command::Logout,
        (b"CAPABILITY", None, None) => Command::Capability,
        (b"HAVESPACE", Some(name), Some(Word::Atom(bytes))) => {
            Command::HaveSpace { name: new_name(name)?, bytes: number(&bytes)? }
        }
        (b"PUTSCRIPT", Some(name), Some(content)) => {
            Command::PutScript { name: new_name(name)?, content: octets(content)? }
        }
        (b"LISTSCRIPTS", None, None) => Command::ListScripts,
        (b"SETACTIVE", Some(name), None) => Command::SetActive(text(name)?),
        (b"GETSCRIPT", Some(name), None) => Command::GetScript(text(name)?),
        (b"DELETESCRIPT", Some(name), None) => Command::DeleteScript(text(name)?),
        (b"RENAMESCRIPT", Some(from), Some(to)) => Command::RenameScript { from: text(from)?, to: new_name(to)? },
        (b"CHECKSCRIPT", Some(content), None) => Command::CheckScript(octets(content)?),
        (b"NOOP", tag, None) => Command::Noop(tag.map(octets).transpose()?),
        _ if KEYWORDS.contains(&keyword.as_slice()) => return Err(Misunderstood::Arguments),
        _ => return Err(Misunderstood::Unknown),
    };
    Ok(command)
}

const KEYWORDS: [&[u8]; 13] = [
    b"AUTHENTICATE",
    b"STARTTLS",
    b"LOGOUT",
    b"CAPABILITY",
    b"HAVESPACE",
    b"PUTSCRIPT",
    b"LISTSCRIPTS",
    b"SETACTIVE",
    b"GETSCRIPT",
    b"DELETESCRIPT",
    b"RENAMESCRIPT",
    b"CHECKSCRIPT",
    b"NOOP",
];

fn octets(word: Word) -> Result<Vec<u8>, Misunderstood> {
    match word {
        Word::Text(text) => Ok(text),
        Word::Atom(_) => Err(Misunderstood::Arguments),
    }
}

fn text(word: Word) -> Result<String, Misunderstood> {
    String::from_utf8(octets(word)?).map_err(|_| Misunderstood::Arguments)
}

fn number(digits: &[u8]) -> Result<u32, Misunderstood> {
    // `parse` would take a sign too.
    let digits = std::str::from_utf8(digits).ok().filter(|word| word.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(Misunderstood::Arguments)
}

/// A name that a new script may have (RFC 5804 §1.6).
fn new_name(word: Word) -> Result<String, Misunderstood> {
    let name = text(word)?;
    let is_barred = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    match name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(is_barred) {
        true => Err(Misunderstood::Name),
        false => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    const MAX: usize = 100;

    // No derive: a password must not be printed, and tests need no more than the kind.
    impl std::fmt::Debug for Frame {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(match self {
                Frame::Words(_) => "Words",
                Frame::Malformed => "Malformed",
                Frame::TooLong => "TooLong",
            })
        }
    }

    impl std::fmt::Debug for Command {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Command")
        }
    }

    /// The commands in what came in pieces, and how it ended.
    fn framed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<Lost>) {
        let mut framer = Framer::new(MAX);
        let mut frames = Vec::new();
        for piece in pieces {
            framer.room(piece.len()).extend_from_slice(piece);
            loop {
                match framer.next() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(lost) => return (frames, Some(lost)),
                }
            }
        }
        (frames, None)
    }

    fn frames(input: &[u8]) -> Vec<Frame> {
        let (frames, lost) = framed([input]);
        assert_eq!(lost, None);
        frames
    }

    fn atom(text: &str) -> Word {
        Word::Atom(text.into())
    }

    fn text(text: &str) -> Word {
        Word::Text(text.into())
    }

    fn command(line: &str) -> Result<Command, Misunderstood> {
        match frames(format!("{line}\r\n").as_bytes()).pop().unwrap() {
            Frame::Words(words) => parse(words),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn words_are_read_as_the_standard_has_them() {
        let good: [(&str, Vec<Word>); 9] = [
            ("\r\n", vec![]),
            ("NOOP\n", vec![atom("NOOP")]),
            ("Noop \"a\\\"\\\\ b\"\r\n", vec![atom("Noop"), text("a\"\\ b")]),
            ("HAVESPACE \"ñ\" 99 \r\n", vec![atom("HAVESPACE"), text("ñ"), atom("99")]),
            ("P {1+}\r\n\n {0+}\r\n\r\n", vec![atom("P"), text("\n"), text("")]),
            ("{3+}\r\na\r\n\r\n", vec![text("a\r\n")]),
            ("P \"{3+}\"\r\n", vec![atom("P"), text("{3+}")]),
            ("P \"\" {2+}\r\n\0\"\r\n", vec![atom("P"), text(""), text("\0\"")]),
            ("* +=\r\n", vec![atom("*"), atom("+=")]),
        ];
        for (input, words) in good {
            assert_eq!(frames(input.as_bytes()), [Frame::Words(words)], "{input:?}");
        }
        let bad = [
            "P \"a\r\n",
            "P \"\\a\"\r\n",
            "P \"a\"b\r\n",
            "P (\r\n",
            "P {3}\r\n",
            "P {+}\r\n",
            "P {+1+}\r\n",
            "é\r\n",
            "P\t\r\n",
            "P{1+}\r\na\r\n",
            "P {1+}\r\naX\r\n",
            "P {1+}\r\na{1+}\r\nb\r\n",
            "A B C D\r\n",
            "P \"\0\"\r\n",
            "P ( {4+}\r\nNOOP\r\n",
        ];
        for input in bad {
            assert_eq!(frames(input.as_bytes()), [Frame::Malformed], "{input:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_thrown_away_or_ends_the_connection() {
        let long = format!("PUTSCRIPT \"a\" {{101+}}\r\n{}\r\nNOOP\r\n", "NOOP\r\n".repeat(17).split_at(101).0);
        assert_eq!(frames(long.as_bytes()), [Frame::TooLong, Frame::Words(vec![atom("NOOP")])]);
        let both = format!("R {{60+}}\r\n{} {{60+}}\r\n{}\r\n", "a".repeat(60), "b".repeat(60));
        assert_eq!(frames(both.as_bytes()), [Frame::TooLong], "together");
        assert_eq!(framed([&b"P {99999999999999999999999+}\r\n"[..]]).1, Some(Lost::Literal));
        assert_eq!(framed([&b"P {16777217+}\r\n"[..]]).1, Some(Lost::Literal));
        assert_eq!(framed([&[b'a'; MAX_LINE_BYTES + 1][..]]).1, Some(Lost::Line));
        let pieces = "{1+}\r\na ".repeat(MAX_LINE_BYTES / 4);
        assert_eq!(framed([pieces.as_bytes()]).1, Some(Lost::Line), "a command without an end");
    }

    #[test]
    fn commands_by_table() {
        let name = || "a".to_owned();
        let good = [
            ("authenticate \"PLAIN\"", Command::Authenticate { mechanism: "PLAIN".into(), initial: None }),
            ("AUTHENTICATE \"X\" \"\"", Command::Authenticate { mechanism: "X".into(), initial: Some(vec![]) }),
            ("STARTTLS", Command::StartTls),
            ("Logout", Command::Logout),
            ("CAPABILITY", Command::Capability),
            ("HAVESPACE \"a\" 4294967295", Command::HaveSpace { name: name(), bytes: u32::MAX }),
            ("PUTSCRIPT \"a\" \"keep;\"", Command::PutScript { name: name(), content: b"keep;".to_vec() }),
            ("LISTSCRIPTS", Command::ListScripts),
            ("SETACTIVE \"\"", Command::SetActive(String::new())),
            ("GETSCRIPT \"a\"", Command::GetScript(name())),
            ("DELETESCRIPT \"a\"", Command::DeleteScript(name())),
            ("RENAMESCRIPT \"a\" \"b\"", Command::RenameScript { from: name(), to: "b".into() }),
            ("CHECKSCRIPT \"\"", Command::CheckScript(vec![])),
            ("NOOP", Command::Noop(None)),
            ("NOOP \"t\"", Command::Noop(Some(b"t".to_vec()))),
        ];
        for (line, expected) in good {
            assert_eq!(command(line), Ok(expected), "{line}");
        }
        let bad = [
            ("", Misunderstood::Unknown),
            ("\"NOOP\"", Misunderstood::Unknown),
            ("GET /", Misunderstood::Unknown),
            ("UNAUTHENTICATE", Misunderstood::Unknown),
            ("STARTTLS now", Misunderstood::Arguments),
            ("AUTHENTICATE PLAIN", Misunderstood::Arguments),
            ("HAVESPACE \"a\" 4294967296", Misunderstood::Arguments),
            ("HAVESPACE \"a\" +1", Misunderstood::Arguments),
            ("HAVESPACE \"a\" \"1\"", Misunderstood::Arguments),
            ("PUTSCRIPT \"a\"", Misunderstood::Arguments),
            ("PUTSCRIPT \"\" \"keep;\"", Misunderstood::Name),
            ("PUTSCRIPT \"a\u{2028}\" \"keep;\"", Misunderstood::Name),
            ("RENAMESCRIPT \"a\" \"\u{7f}\"", Misunderstood::Name),
            ("GETSCRIPT a", Misunderstood::Arguments),
        ];
        for (line, why) in bad {
            assert_eq!(command(line), Err(why), "{line}");
        }
        let longest = "ñ".repeat(MAX_NAME_BYTES / 2);
        assert!(command(&format!("HAVESPACE \"{longest}\" 1")).is_ok());
        assert_eq!(command(&format!("HAVESPACE \"{longest}a\" 1")), Err(Misunderstood::Name));
    }

    /// Bytes that are often nearly a command.
    fn noise() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"PUTSCRIPT ".to_vec()),
            Just(b"NOOP\r\n".to_vec()),
            Just(b"{3+}\r\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\"".to_vec()),
            Just(b" \"a\" ".to_vec()),
            Just(b"{200+}\r\n".to_vec()),
            Just(b"\\".to_vec()),
            Just(b"abc".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..4),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn it_is_all_the_same_in_what_pieces_it_comes(input in noise(), size in 1_usize..9) {
            let whole = framed([input.as_slice()]);
            prop_assert!(framed(input.chunks(size)) == whole);
            for frame in whole.0 {
                if let Frame::Words(words) = frame {
                    let bytes: usize = words.iter().map(|(Word::Atom(w) | Word::Text(w))| w.len()).sum();
                    prop_assert!(bytes <= MAX + MAX_LINE_BYTES && words.len() <= MAX_WORDS);
                    let _ = parse(words);
                }
            }
        }
    }
}
