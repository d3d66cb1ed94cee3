//! From a stream of bytes to whole commands: lines, and the literals that they announce (RFC 9051 §4.3, RFC 7888).
//!
//! ```text
//! literal   = "{" number64 ["+"] "}" CRLF *CHAR8     ; "+": non-synchronising, sent without being asked for
//! literal8  = "~{" number64 ["+"] "}" CRLF *OCTET
//! ```
//! A line announces a literal exactly when it ends so: `{` stands in nothing else that may end a line, because a quoted
//! string ends in `"`. So no command needs to be understood to be framed.
//!
//! A bare LF ends a line as CRLF does (people type commands by hand). A command comes out with CRLF after each
//! announcement, and without the CRLF at its own end.
//!
//! Every byte is looked at once, however the stream is cut; what comes out does not depend on the cuts.

use super::chars::{MAX_TAG_BYTES, is_tag_char};
use edge::Reservation;
use memchr::memchr;

/// How much a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FramerLimits {
    /// Bytes of a line, without its LF: of the parts of a command between its literals, too.
    pub(crate) max_line_bytes: usize,
    /// Bytes of one literal.
    pub(crate) max_literal_bytes: u64,
    /// Bytes of one literal that comes without being asked for: 4,096 with `LITERAL-`, as any other with `LITERAL+`.
    pub(crate) max_unasked_literal_bytes: u64,
    /// Bytes of a command with its literals.
    pub(crate) max_command_bytes: u64,
    /// Bytes of a refused command that are read and thrown away so that the session can go on.
    pub(crate) max_discard_bytes: u64,
}

impl FramerLimits {
    /// `UID FETCH` with a set of every second message of 10,000 takes 60,000 bytes; RFC 7162 §4 asks for 8,192.
    pub(crate) const LINE_BYTES: usize = 64 * 1024;
    /// What `LITERAL-` allows (RFC 7888 §5).
    pub(crate) const LITERAL_MINUS_BYTES: u64 = 4096;
    /// A login name, a password, the parameters of ID: strangers have no business with more.
    const BEFORE_SIGN_IN_BYTES: u64 = 8 * 1024;
    /// Flags, dates and names beside the messages of an APPEND.
    const BESIDE_LITERALS_BYTES: u64 = 1024 * 1024;

    /// For those who are not signed in.
    pub(crate) const BEFORE_SIGN_IN: FramerLimits = FramerLimits {
        max_line_bytes: 16 * 1024,
        max_literal_bytes: Self::BEFORE_SIGN_IN_BYTES,
        max_unasked_literal_bytes: Self::LITERAL_MINUS_BYTES,
        max_command_bytes: 4 * Self::BEFORE_SIGN_IN_BYTES,
        max_discard_bytes: 64 * 1024,
    };

    /// For those who are: `append_limit_bytes` is the largest message that APPEND takes (RFC 7889), and two of them fit
    /// in one command. A message somewhat larger is read to its end, so that the client hears `TOOBIG` instead of a
    /// broken connection.
    pub(crate) fn signed_in(append_limit_bytes: u64) -> FramerLimits {
        FramerLimits {
            max_line_bytes: Self::LINE_BYTES,
            max_literal_bytes: append_limit_bytes,
            max_unasked_literal_bytes: append_limit_bytes,
            max_command_bytes: append_limit_bytes.saturating_mul(2).saturating_add(Self::BESIDE_LITERALS_BYTES),
            max_discard_bytes: append_limit_bytes.saturating_mul(4).saturating_add(Self::BESIDE_LITERALS_BYTES),
        }
    }
}

/// What came out of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A command with its literals, without the CRLF at its end.
    Command(Vec<u8>),
    /// A line that is no command, without its CRLF: see [`Framer::expect_line`].
    Line(Vec<u8>),
    /// The client waits for `+` before it sends a literal.
    ContinuationNeeded,
    /// A command that cannot be taken; its bytes are gone.
    Refused(RefusedLine),
}

/// A command that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusedLine {
    /// The command's tag, if it has one.
    pub(crate) tag: Option<String>,
    /// Why.
    pub(crate) why: RefusedWhy,
    /// Whether the stream cannot be followed any more: the connection is to be closed. Nothing comes out after this.
    pub(crate) fatal: bool,
}

/// Why a command cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusedWhy {
    /// A line beyond [`FramerLimits::max_line_bytes`].
    LineTooLong,
    /// A literal beyond [`FramerLimits::max_literal_bytes`], or a command beyond [`FramerLimits::max_command_bytes`].
    LiteralTooBig,
    /// A literal beyond [`FramerLimits::max_unasked_literal_bytes`] that was not asked for.
    UnaskedLiteralTooBig,
    /// More than there is memory for now: what others send, or the same account on other connections, takes it.
    NoRoom,
    /// A NUL outside of literals.
    Nul,
}

impl RefusedWhy {
    /// What the client is told.
    pub(crate) fn text(self) -> &'static str {
        match self {
            RefusedWhy::LineTooLong => "the line is too long",
            RefusedWhy::LiteralTooBig => "the literal is too large",
            RefusedWhy::UnaskedLiteralTooBig => "the literal is too large to be sent without being asked for",
            RefusedWhy::NoRoom => "too much is on its way at once; try again in a moment",
            RefusedWhy::Nul => "a command may not hold NUL",
        }
    }
}

/// Cuts a stream into commands.
#[derive(Debug)]
pub(crate) struct Framer {
    limits: FramerLimits,
    lines: bool,
    /// What was pushed; `input[..taken]` is used up.
    input: Vec<u8>,
    taken: usize,
    /// `input[taken..searched]` holds no LF.
    searched: usize,
    state: State,
    /// The command so far: its lines and literals. While a command is being refused: the last bytes of its line.
    command: Vec<u8>,
    refusing: Option<Refusing>,
    /// Out of what a command of more than [`UNRESERVED_BYTES`] is held, until the one after it is asked for.
    memory: Option<Reservation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Up to the next LF.
    Line,
    /// So many bytes of a literal are still to come.
    Literal(u64),
    /// A fatal refusal was given out.
    Ended,
}

/// A command whose remaining bytes are thrown away.
#[derive(Debug)]
struct Refusing {
    line: RefusedLine,
    discarded_bytes: u64,
}

/// What the end of a line announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Announcement {
    bytes: u64,
    asked_for: bool,
}

/// The longest announcement that is understood, and more: 20 digits hold every number of 64 bits.
const ANNOUNCEMENT_BYTES: usize = 32;
/// What an idle session keeps of its buffers: two thousand of them have to fit into 512 MB.
const KEPT_BYTES: usize = 4 * 1024;
/// What a command may have that takes nothing of the memory for large ones: else whoever begins many small ones and ends none
/// would take all of it in the large steps that it is given in.
const UNRESERVED_BYTES: usize = FramerLimits::LINE_BYTES;

impl Framer {
    /// A framer at the beginning of a command.
    pub(crate) fn new(limits: FramerLimits) -> Self {
        Framer {
            limits,
            lines: false,
            input: Vec::new(),
            taken: 0,
            searched: 0,
            state: State::Line,
            command: Vec::new(),
            refusing: None,
            memory: None,
        }
    }

    /// Sets out of what memory large commands are held; before, they have no bound but the limits.
    pub(crate) fn set_memory(&mut self, memory: Reservation) {
        self.memory = Some(memory);
    }

    /// Sets the limits for what comes out next.
    pub(crate) fn set_limits(&mut self, limits: FramerLimits) {
        self.limits = limits;
    }

    /// Says whether what comes next is a line of its own (an answer to a challenge, `DONE`) rather than a command. To be
    /// called when a frame came out that was not [`Frame::ContinuationNeeded`], before the next one.
    pub(crate) fn expect_line(&mut self, lines: bool) {
        self.lines = lines;
    }

    /// Takes bytes of the stream.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        if self.taken == self.input.len() {
            // What belongs to a literal need not be copied twice.
            bytes = &bytes[self.take_literal(bytes)..];
        }
        if self.taken > 0 {
            self.input.drain(..self.taken);
            self.searched -= self.taken;
            self.taken = 0;
        }
        if self.state != State::Ended {
            self.input.extend_from_slice(bytes);
        }
    }

    /// The next frame, if it is complete. Whoever asks is done with the one before.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        if self.command.is_empty()
            && let Some(memory) = &mut self.memory
        {
            memory.free();
        }
        loop {
            match self.state {
                State::Ended => return None,
                State::Literal(_) => {
                    let input = std::mem::take(&mut self.input);
                    self.taken += self.take_literal(&input[self.taken..]);
                    self.input = input;
                    self.searched = self.taken;
                    if self.state != State::Line {
                        self.release();
                        return None;
                    }
                }
                State::Line => {
                    let Some(frame) = self.line() else {
                        self.release();
                        return None;
                    };
                    if let Some(frame) = frame {
                        self.release();
                        return Some(frame);
                    }
                }
            }
        }
    }

    /// Takes out what was pushed and is no part of a frame yet: after STARTTLS it is to be thrown away (RFC 9051 §6.2.1),
    /// after COMPRESS it is compressed (RFC 4978 §3). To be called between commands.
    pub(crate) fn take_unread(&mut self) -> Vec<u8> {
        let mut input = std::mem::take(&mut self.input);
        input.drain(..self.taken);
        (self.taken, self.searched) = (0, 0);
        input
    }

    /// Whether a command has begun and its end is awaited.
    pub(crate) fn is_inside(&self) -> bool {
        self.taken < self.input.len()
            || !self.command.is_empty()
            || self.refusing.is_some()
            || matches!(self.state, State::Literal(_))
    }

    /// Uses up what of the bytes belongs to the literal that is awaited; how many that are.
    fn take_literal(&mut self, bytes: &[u8]) -> usize {
        let State::Literal(left) = self.state else { return 0 };
        let length = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        if self.refusing.is_none() && !self.make_room(self.command.len() + length) {
            self.refuse(tag_of(&self.command), RefusedWhy::NoRoom).discarded_bytes = left;
        }
        if self.refusing.is_none() {
            self.command.extend_from_slice(&bytes[..length]);
        }
        let left = left - length as u64;
        self.state = if left == 0 { State::Line } else { State::Literal(left) };
        length
    }

    /// Takes memory for a command of so many bytes; `false`: there is none.
    fn make_room(&mut self, bytes: usize) -> bool {
        bytes <= UNRESERVED_BYTES || self.memory.as_mut().is_none_or(|memory| memory.grow_to(bytes))
    }

    /// Uses up a line: `None` when its end has not come, `Some(None)` when there is nothing to be said yet.
    fn line(&mut self) -> Option<Option<Frame>> {
        let found = memchr(b'\n', &self.input[self.searched..]).map(|at| self.searched + at);
        let end = found.unwrap_or(self.input.len());
        self.searched = end;
        if self.refusing.is_none() && end - self.taken > self.limits.max_line_bytes {
            let beginning = if self.command.is_empty() { &self.input[self.taken..end] } else { &self.command };
            self.refuse(tag_of(beginning), RefusedWhy::LineTooLong);
        }
        let begin = if self.refusing.is_some() { 0 } else { self.command.len() };
        if !self.discard(end) {
            return Some(Some(self.end()));
        }
        found?;
        self.command.extend_from_slice(&self.input[self.taken..end]);
        (self.taken, self.searched) = (end + 1, end + 1);
        Some(self.whole_line(begin))
    }

    /// While a command is being refused: throws bytes of its line away, up to `end`, but for those that may announce a
    /// literal. `false`: that was too much.
    fn discard(&mut self, end: usize) -> bool {
        let Some(refusing) = &mut self.refusing else { return true };
        let line = &self.input[self.taken..end];
        refusing.discarded_bytes = refusing.discarded_bytes.saturating_add(line.len() as u64);
        self.command.extend_from_slice(&line[line.len().saturating_sub(ANNOUNCEMENT_BYTES)..]);
        let excess = self.command.len().saturating_sub(ANNOUNCEMENT_BYTES);
        self.command.drain(..excess);
        self.taken = end;
        refusing.discarded_bytes <= self.limits.max_discard_bytes
    }

    /// Decides about a command whose last line, from `begin`, is whole.
    fn whole_line(&mut self, begin: usize) -> Option<Frame> {
        let mut command = std::mem::take(&mut self.command);
        if command[begin..].ends_with(b"\r") {
            command.pop();
        }
        if self.lines {
            return Some(match self.refusing.take() {
                Some(refusing) => Frame::Refused(RefusedLine { tag: None, ..refusing.line }),
                None => Frame::Line(command),
            });
        }
        let announced = announcement(&command[begin..]);
        if self.refusing.is_none()
            && let Some(why) = self.objection(&command, begin, announced)
        {
            self.refuse(tag_of(&command), why);
        }
        let ended = announced.is_none_or(|announced| announced.asked_for);
        match &mut self.refusing {
            // A client that waits for `+` hears `NO` instead, and sends nothing more of this command.
            Some(_) if ended => self.refusing.take().map(|refusing| Frame::Refused(refusing.line)),
            Some(refusing) => {
                let bytes = announced.map_or(0, |announced| announced.bytes);
                refusing.discarded_bytes = refusing.discarded_bytes.saturating_add(bytes);
                if refusing.discarded_bytes > self.limits.max_discard_bytes {
                    return Some(self.end());
                }
                self.expect_literal(bytes);
                None
            }
            None => {
                let Some(announced) = announced else { return Some(Frame::Command(command)) };
                command.extend_from_slice(b"\r\n");
                self.command = command;
                self.expect_literal(announced.bytes);
                announced.asked_for.then_some(Frame::ContinuationNeeded)
            }
        }
    }

    fn expect_literal(&mut self, bytes: u64) {
        self.state = if bytes == 0 { State::Line } else { State::Literal(bytes) };
    }

    /// Why a command cannot be taken whose line from `begin` is whole, and with what the line announces; if it cannot.
    fn objection(&self, command: &[u8], begin: usize, announced: Option<Announcement>) -> Option<RefusedWhy> {
        if memchr(0, &command[begin..]).is_some() {
            return Some(RefusedWhy::Nul);
        }
        let Announcement { bytes, asked_for } = announced?;
        let command_bytes = bytes.saturating_add(command.len() as u64);
        if bytes > self.limits.max_literal_bytes || command_bytes > self.limits.max_command_bytes {
            Some(RefusedWhy::LiteralTooBig)
        } else if !asked_for && bytes > self.limits.max_unasked_literal_bytes {
            Some(RefusedWhy::UnaskedLiteralTooBig)
        } else if command_bytes > UNRESERVED_BYTES as u64
            && self.memory.as_ref().is_some_and(|memory| !memory.has_room_for(command_bytes))
        {
            Some(RefusedWhy::NoRoom)
        } else {
            None
        }
    }

    fn refuse(&mut self, tag: Option<String>, why: RefusedWhy) -> &mut Refusing {
        self.command = Vec::new();
        let line = RefusedLine { tag, why, fatal: false };
        self.refusing.insert(Refusing { line, discarded_bytes: 0 })
    }

    /// Gives up on the stream, whose command was being refused.
    fn end(&mut self) -> Frame {
        self.state = State::Ended;
        (self.input, self.command, self.taken, self.searched) = (Vec::new(), Vec::new(), 0, 0);
        let refusing = self.refusing.take().expect("only what is being refused is given up");
        let tag = refusing.line.tag.filter(|_| !self.lines);
        Frame::Refused(RefusedLine { tag, fatal: true, ..refusing.line })
    }

    /// Gives memory back when little of the input is left.
    fn release(&mut self) {
        if self.taken == self.input.len() {
            self.input.clear();
            (self.taken, self.searched) = (0, 0);
        }
        let left = self.input.len() - self.taken;
        if self.input.capacity() > KEPT_BYTES && left <= KEPT_BYTES / 2 {
            self.input = self.input[self.taken..].to_vec();
            self.searched -= self.taken;
            self.taken = 0;
        }
    }
}

/// The tag that a line begins with; `None` when that is none, or none that is worth repeating.
fn tag_of(line: &[u8]) -> Option<String> {
    let length = line.iter().take(MAX_TAG_BYTES + 1).position(|&byte| byte == b' ')?;
    let tag = &line[..length];
    (length > 0 && tag.iter().copied().all(is_tag_char)).then(|| tag.iter().map(|&byte| char::from(byte)).collect())
}

/// The literal that a line announces with its end.
fn announcement(line: &[u8]) -> Option<Announcement> {
    let end = &line[line.len().saturating_sub(ANNOUNCEMENT_BYTES)..];
    let end = end.strip_suffix(b"}")?;
    let (end, asked_for) = end.strip_suffix(b"+").map_or((end, true), |end| (end, false));
    let digits = end.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, digits) = end.split_at(end.len() - digits);
    if digits.is_empty() || !before.ends_with(b"{") {
        return None;
    }
    let value = |bytes: u64, digit: &u8| bytes.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(Announcement { bytes: digits.iter().fold(0, value), asked_for })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: FramerLimits = FramerLimits {
        max_line_bytes: 100,
        max_literal_bytes: 50,
        max_unasked_literal_bytes: 20,
        max_command_bytes: 120,
        max_discard_bytes: 300,
    };

    fn frames(framer: &mut Framer, bytes: &[u8]) -> Vec<Frame> {
        framer.push(bytes);
        std::iter::from_fn(|| framer.next()).collect()
    }

    fn command(bytes: &[u8]) -> Frame {
        Frame::Command(bytes.to_vec())
    }

    fn refused(tag: &str, why: RefusedWhy) -> Frame {
        Frame::Refused(RefusedLine { tag: Some(tag.to_owned()), why, fatal: false })
    }

    fn fatal(tag: &str, why: RefusedWhy) -> Frame {
        Frame::Refused(RefusedLine { tag: Some(tag.to_owned()), why, fatal: true })
    }

    /// Two commands of 200,000 bytes do not fit, and what the first has is free again when it is done.
    #[test]
    fn large_commands_are_held_out_of_memory_that_is_shared() {
        let limits = FramerLimits { max_line_bytes: 100, ..FramerLimits::signed_in(1_000_000) };
        let memory = edge::Memory::new(300_000);
        let [mut one, mut two] = [(); 2].map(|()| {
            let mut framer = Framer::new(limits);
            framer.set_memory(memory.reserve());
            framer
        });
        let part = vec![b'x'; 100_000];
        assert_eq!(frames(&mut one, b"a APPEND INBOX {200000}\r\n"), [Frame::ContinuationNeeded]);
        assert_eq!(frames(&mut one, &part), []);
        let refused =
            |tag: &str| Frame::Refused(RefusedLine { tag: Some(tag.into()), why: RefusedWhy::NoRoom, fatal: false });
        assert_eq!(frames(&mut two, b"b APPEND INBOX {200000}\r\n"), [refused("b")], "said before it is sent");
        assert_eq!(frames(&mut two, b"c APPEND INBOX {200000+}\r\n"), [], "or read to its end");
        assert_eq!(frames(&mut two, &part), []);
        assert_eq!(frames(&mut two, &part), []);
        assert_eq!(frames(&mut two, b"\r\nd NOOP\r\n"), [refused("c"), Frame::Command(b"d NOOP".to_vec())]);
        assert_eq!(frames(&mut two, b"e APPEND INBOX {50000}\r\n"), [Frame::ContinuationNeeded], "a small one fits");
        assert_eq!(frames(&mut two, &part[..50_000]), []);
        assert!(matches!(frames(&mut two, b"\r\n")[..], [Frame::Command(_)]));

        one.push(&part);
        one.push(b"\r\n");
        assert!(matches!(one.next(), Some(Frame::Command(command)) if command.len() > 200_000));
        assert_eq!(frames(&mut two, b"f APPEND INBOX {200000}\r\n"), [refused("f")], "the first is not done");
        assert_eq!(one.next(), None);
        assert_eq!(frames(&mut two, b"g APPEND INBOX {200000}\r\n"), [Frame::ContinuationNeeded]);
        assert_eq!(frames(&mut one, b"h APPEND INBOX {70000}\r\n"), [Frame::ContinuationNeeded], "nothing came yet");
        assert_eq!(frames(&mut two, &part), []);
        assert_eq!(frames(&mut one, &part[..69_999]), [], "there is no more room, and it is read to its end");
        assert_eq!(frames(&mut one, b"x\r\n"), [refused("h")]);
    }

    #[test]
    fn lines_become_commands() {
        let mut framer = Framer::new(LIMITS);
        assert_eq!(frames(&mut framer, b"a NOOP\r\nb NOOP\nc LOG"), [command(b"a NOOP"), command(b"b NOOP")]);
        assert!(framer.is_inside());
        assert_eq!(frames(&mut framer, b"OUT\r\n\r\n"), [command(b"c LOGOUT"), command(b"")]);
        assert!(!framer.is_inside());
    }

    #[test]
    fn a_literal_that_is_asked_for_needs_a_continuation() {
        let mut framer = Framer::new(LIMITS);
        assert_eq!(frames(&mut framer, b"a LOGIN {3}\r\n"), [Frame::ContinuationNeeded]);
        assert_eq!(frames(&mut framer, b"a\r\n {2}\n"), [Frame::ContinuationNeeded]);
        assert_eq!(frames(&mut framer, b"b}\r\n"), [command(b"a LOGIN {3}\r\na\r\n {2}\r\nb}")]);
    }

    #[test]
    fn a_literal_that_comes_unasked_needs_none() {
        let mut framer = Framer::new(LIMITS);
        let bytes = b"a APPEND x ~{3+}\r\n\0\n} {0+}\r\n\r\nb NOOP\r\n";
        assert_eq!(frames(&mut framer, bytes), [command(b"a APPEND x ~{3+}\r\n\0\n} {0+}\r\n"), command(b"b NOOP")]);
    }

    #[test]
    fn what_only_looks_like_a_literal_is_none() {
        let mut framer = Framer::new(LIMITS);
        for line in ["a x {}", "a x {-1}", "a x {1a}", "a x 1}", "a x \"{3}\"", "a x {3} ", "a x {+}", "}", "{"] {
            assert_eq!(frames(&mut framer, format!("{line}\r\n").as_bytes()), [command(line.as_bytes())]);
        }
    }

    #[test]
    fn a_literal_too_large_is_refused_before_it_is_sent() {
        let mut framer = Framer::new(LIMITS);
        let too_big = [refused("a", RefusedWhy::LiteralTooBig)];
        assert_eq!(frames(&mut framer, b"a APPEND x {51}\r\n"), too_big);
        assert_eq!(frames(&mut framer, b"a APPEND x {99999999999999999999}\r\n"), too_big);
        assert_eq!(frames(&mut framer, b"b NOOP\r\n"), [command(b"b NOOP")]);
    }

    #[test]
    fn a_literal_too_large_that_is_sent_all_the_same_is_thrown_away() {
        let mut framer = Framer::new(LIMITS);
        let bytes = [&b"a APPEND x {60+}\r\n"[..], &[b'\n'; 60], b" (\\Seen) {5+}\r\n\r\n\r\n1\r\nb NOOP\r\n"].concat();
        assert_eq!(frames(&mut framer, &bytes), [refused("a", RefusedWhy::LiteralTooBig), command(b"b NOOP")]);
        assert_eq!(frames(&mut framer, b"a APPEND x {21+}\r\n"), []);
        let end = b"123456789012345678901\r\n";
        assert_eq!(frames(&mut framer, end), [refused("a", RefusedWhy::UnaskedLiteralTooBig)]);
        // What follows is asked for: the client hears that it is refused instead of `+`.
        let bytes = [&b"a APPEND x {60+}\r\n"[..], &[b'x'; 60], b" {5}\r\nb NOOP\r\n"].concat();
        assert_eq!(frames(&mut framer, &bytes), [refused("a", RefusedWhy::LiteralTooBig), command(b"b NOOP")]);
    }

    #[test]
    fn a_command_too_large_is_refused_though_its_literals_are_small() {
        let mut framer = Framer::new(LIMITS);
        let bytes = [&b"a APPEND x {40}\r\n"[..], &[b'x'; 40], b" {40}\r\n", &[b'x'; 40], b" {40}\r\n"].concat();
        let expected = [Frame::ContinuationNeeded, Frame::ContinuationNeeded, refused("a", RefusedWhy::LiteralTooBig)];
        assert_eq!(frames(&mut framer, &bytes), expected);
    }

    #[test]
    fn more_than_can_be_thrown_away_ends_the_connection() {
        let mut framer = Framer::new(LIMITS);
        assert_eq!(frames(&mut framer, b"a APPEND x {301+}\r\n"), [fatal("a", RefusedWhy::LiteralTooBig)]);
        assert_eq!(frames(&mut framer, b"b NOOP\r\n"), []);
        let mut framer = Framer::new(LIMITS);
        assert_eq!(frames(&mut framer, &[&b"a "[..], &[b'x'; 400]].concat()), [fatal("a", RefusedWhy::LineTooLong)]);
        let mut framer = Framer::new(LIMITS);
        let endless = [&b"a "[..], &[b'x'; 100], b" {90+}\r\n", &[b'x'; 90], b" {90+}\r\n", &[b'x'; 90]].concat();
        assert_eq!(frames(&mut framer, &endless), []);
        assert_eq!(frames(&mut framer, b" {1+}\r\n"), [fatal("a", RefusedWhy::LineTooLong)]);
    }

    #[test]
    fn a_line_too_long_is_refused_when_it_ends() {
        let mut framer = Framer::new(LIMITS);
        assert_eq!(frames(&mut framer, &[&b"a SEARCH "[..], &[b'x'; 200]].concat()), []);
        assert_eq!(frames(&mut framer, b"\r\nb NOOP\r\n"), [refused("a", RefusedWhy::LineTooLong), command(b"b NOOP")]);
        let nameless = [&[b'x'; 200][..], b"\r\n"].concat();
        let expected = RefusedLine { tag: None, why: RefusedWhy::LineTooLong, fatal: false };
        assert_eq!(frames(&mut framer, &nameless), [Frame::Refused(expected)]);
    }

    #[test]
    fn nul_has_no_place_outside_of_literals() {
        let mut framer = Framer::new(LIMITS);
        let bytes = b"a LOGIN \0 {3+}\r\nx\r\n y\r\nb NOOP\r\n";
        assert_eq!(frames(&mut framer, bytes), [refused("a", RefusedWhy::Nul), command(b"b NOOP")]);
        let hello = RefusedLine { tag: None, why: RefusedWhy::Nul, fatal: false };
        assert_eq!(frames(&mut framer, b"\x16\x03\x01\x02\0\x01\0\n"), [Frame::Refused(hello)]);
    }

    #[test]
    fn lines_of_their_own_are_not_looked_into() {
        let mut framer = Framer::new(LIMITS);
        framer.push(b"a AUTHENTICATE PLAIN\r\nAGE= {5}\r\nb NOOP\r\n");
        assert_eq!(framer.next(), Some(command(b"a AUTHENTICATE PLAIN")));
        framer.expect_line(true);
        assert_eq!(framer.next(), Some(Frame::Line(b"AGE= {5}".to_vec())));
        framer.expect_line(false);
        assert_eq!(framer.next(), Some(command(b"b NOOP")));
        framer.expect_line(true);
        let too_long = RefusedLine { tag: None, why: RefusedWhy::LineTooLong, fatal: false };
        let bytes = [&b"x "[..], &[b'x'; 120], b"\r\nDONE\r\n"].concat();
        assert_eq!(frames(&mut framer, &bytes), [Frame::Refused(too_long), Frame::Line(b"DONE".to_vec())]);
    }

    /// What an attacker puts behind STARTTLS in the clear may not be taken for what comes over TLS (RFC 9051 §6.2.1).
    #[test]
    fn what_was_not_read_can_be_taken_out() {
        let mut framer = Framer::new(LIMITS);
        framer.push(b"a STARTTLS\r\nb LOGIN eve {3}\r\nc NO");
        assert_eq!(framer.next(), Some(command(b"a STARTTLS")));
        assert_eq!(framer.take_unread(), b"b LOGIN eve {3}\r\nc NO");
        assert!(!framer.is_inside());
        assert_eq!(frames(&mut framer, b"OP\r\nd NOOP\r\n"), [command(b"OP"), command(b"d NOOP")]);
        assert_eq!(framer.take_unread(), b"");
    }

    #[test]
    fn large_literals_leave_no_large_buffers_behind() {
        let mut framer = Framer::new(FramerLimits::signed_in(1 << 20));
        let mut bytes = b"a APPEND x {1000000+}\r\n".to_vec();
        bytes.resize(bytes.len() + 1_000_000, b'x');
        bytes.extend_from_slice(b"\r\nb NO");
        assert_eq!(frames(&mut framer, &bytes).len(), 1);
        assert!(framer.input.capacity() <= KEPT_BYTES, "{}", framer.input.capacity());
        assert_eq!(framer.command.capacity(), 0);
        assert_eq!(frames(&mut framer, b"OP\r\n"), [command(b"b NOOP")]);
    }

    #[test]
    fn limits_before_sign_in_are_lower() {
        let mut framer = Framer::new(FramerLimits::BEFORE_SIGN_IN);
        assert_eq!(frames(&mut framer, b"a LOGIN {9000}\r\n"), [refused("a", RefusedWhy::LiteralTooBig)]);
        framer.set_limits(FramerLimits::signed_in(10_000));
        assert_eq!(frames(&mut framer, b"a APPEND x {9000}\r\n"), [Frame::ContinuationNeeded]);
    }

    /// A stream of commands, good and bad, with everything in it that the framer tells apart.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => Just(b"a NOOP".to_vec()),
            3 => Just(b"\r\n".to_vec()),
            1 => Just(b"\n".to_vec()),
            1 => Just(b"\r".to_vec()),
            1 => Just(vec![0]),
            2 => (0_u64..70, any::<bool>(), any::<bool>()).prop_map(|(bytes, asked_for, end)| {
                let (plus, end) = (if asked_for { "" } else { "+" }, if end { "\r\n" } else { "" });
                format!(" {{{bytes}{plus}}}{end}").into_bytes()
            }),
            1 => (1_usize..150).prop_map(|length| vec![b'x'; length]),
            1 => prop::collection::vec(any::<u8>(), 0..8),
        ];
        prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn frames_do_not_depend_on_how_the_stream_is_cut(
            stream in stream(),
            cuts in prop::collection::vec(1_usize..40, 1..60),
        ) {
            let whole = frames(&mut Framer::new(LIMITS), &stream);
            let mut framer = Framer::new(LIMITS);
            let (mut pieces, mut rest) = (Vec::new(), &stream[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                pieces.extend(frames(&mut framer, piece));
                rest = after;
            }
            prop_assert_eq!(pieces, whole);
        }
    }
}
