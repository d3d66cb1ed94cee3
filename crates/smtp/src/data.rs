//! The bytes of a message as they come in: after DATA, or in chunks of BDAT.
//!
//! A message that DATA brings ends at CR LF `.` CR LF and nowhere else (RFC 5321 §4.1.1.4). Programs that take anything
//! less for an end see two messages where others see one, and what one checked the other delivers unchecked ("SMTP
//! smuggling"). So a CR or LF that is not half of a CR LF never begins a line here, and a message that holds one is
//! refused when its true end has come (RFC 5321 §2.3.8). The same holds in chunks, whose end needs no mark: BINARYMIME is
//! not offered, so they hold lines (RFC 3030 §2), and what was taken from a chunk goes on through somebody's DATA.

/// What a message may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DataLimits {
    /// The largest message.
    pub(crate) message_bytes: usize,
    /// The longest line, without its ending.
    pub(crate) line_bytes: usize,
}

/// Why a message that came in is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// A CR or LF that is not half of a CR LF.
    #[error("lines end in CR LF; a CR or LF alone is not taken")]
    BareEnding,
    /// NUL is in no message (RFC 5322 §2.2), and IMAP cannot send one that holds it.
    #[error("the message holds NUL")]
    Nul,
    /// The message is too large.
    #[error("the message is larger than is taken here")]
    TooLarge,
    /// A line is too long.
    #[error("a line is longer than is taken here")]
    LineTooLong,
    /// There is no room for it now.
    #[error("there is no room for the message now")]
    NoRoom,
}

/// Takes in a message, a piece at a time; how it is cut does not matter.
#[derive(Debug)]
pub(crate) struct Receiver {
    limits: DataLimits,
    /// Whether a line of a dot alone ends it, and other dots at the beginning of a line are doubled.
    dots: bool,
    state: State,
    /// The message in CRLF form; empty once it has a fault.
    bytes: Vec<u8>,
    line_bytes: usize,
    received_bytes: u64,
    fault: Option<Fault>,
}

/// Where in a line the last byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Behind a CR LF, or at the beginning.
    Start,
    /// In a line.
    Text,
    /// Behind a CR.
    Cr,
    /// Behind a dot that began a line.
    Dot,
    /// Behind a CR behind such a dot.
    DotCr,
    /// Behind the end.
    Ended,
}

impl Receiver {
    /// For DATA: it finds the end itself.
    pub(crate) fn of_data(limits: DataLimits) -> Self {
        Self::new(limits, true)
    }

    /// For BDAT: the end is where the caller says.
    pub(crate) fn of_chunks(limits: DataLimits) -> Self {
        Self::new(limits, false)
    }

    fn new(limits: DataLimits, dots: bool) -> Self {
        let state = State::Start;
        Receiver { limits, dots, state, bytes: Vec::new(), line_bytes: 0, received_bytes: 0, fault: None }
    }

    /// Takes in what came; how much of it belongs to the message.
    pub(crate) fn push(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        while at < input.len() && self.state != State::Ended {
            if self.state == State::Text {
                let run = memchr::memchr3(b'\r', b'\n', 0, &input[at..]).unwrap_or(input.len() - at);
                self.keep(&input[at..at + run]);
                at += run;
                if at == input.len() {
                    break;
                }
            }
            self.byte(input[at]);
            at += 1;
        }
        self.received_bytes += at as u64;
        at
    }

    fn byte(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Ended, _) => State::Ended,
            (State::Start, b'.') if self.dots => State::Dot,
            (State::Dot, b'\r') => State::DotCr,
            (State::DotCr, b'\n') => State::Ended,
            // The dot was not alone: it had been doubled, or should have been (RFC 5321 §4.5.2).
            (State::DotCr, byte) => {
                self.refuse(Fault::BareEnding);
                if byte == b'\r' { State::Cr } else { State::Text }
            }
            (State::Cr, b'\n') => {
                self.end_line();
                State::Start
            }
            (State::Cr, b'\r') => {
                self.refuse(Fault::BareEnding);
                State::Cr
            }
            (State::Cr, _) => {
                self.refuse(Fault::BareEnding);
                State::Text
            }
            (_, b'\r') => State::Cr,
            (_, b'\n') => {
                self.refuse(Fault::BareEnding);
                State::Text
            }
            (_, 0) => {
                self.refuse(Fault::Nul);
                State::Text
            }
            (_, byte) => {
                self.keep(&[byte]);
                State::Text
            }
        };
    }

    fn keep(&mut self, text: &[u8]) {
        self.line_bytes += text.len();
        if self.line_bytes > self.limits.line_bytes {
            self.refuse(Fault::LineTooLong);
        }
        self.keep_bytes(text);
    }

    fn end_line(&mut self) {
        self.line_bytes = 0;
        self.keep_bytes(b"\r\n");
    }

    fn keep_bytes(&mut self, bytes: &[u8]) {
        if self.fault.is_some() {
            return;
        }
        if self.bytes.len() + bytes.len() > self.limits.message_bytes {
            return self.refuse(Fault::TooLarge);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the message no more; what it held is given back. The first fault stays, but for one that leaves it in doubt where
    /// the message ends.
    pub(crate) fn refuse(&mut self, fault: Fault) {
        match fault {
            Fault::BareEnding | Fault::Nul => self.fault = Some(fault),
            _ => {
                self.fault.get_or_insert(fault);
            }
        }
        self.bytes = Vec::new();
    }

    /// Whether the end has come; chunks do not have it in them.
    pub(crate) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Bytes that it holds in memory.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes that came in for it.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// The message, in CRLF form. A last line of chunks that has no ending gets one.
    ///
    /// # Errors
    /// Why it is not taken.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, Fault> {
        match self.state {
            State::Cr => self.refuse(Fault::BareEnding),
            State::Text => self.end_line(),
            _ => {}
        }
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    const LIMITS: DataLimits = DataLimits { message_bytes: 10_000, line_bytes: 100 };

    /// What became of the message, and what was left behind its end; `None`: it did not end.
    type Outcome = Option<(Result<Vec<u8>, Fault>, Vec<u8>)>;

    fn data(stream: &[u8], piece: usize) -> Outcome {
        let (mut receiver, mut at) = (Receiver::of_data(LIMITS), 0);
        while at < stream.len() && !receiver.has_ended() {
            let end = (at + piece).min(stream.len());
            at += receiver.push(&stream[at..end]);
        }
        receiver.has_ended().then(|| (receiver.finish(), stream[at..].to_vec()))
    }

    fn taken(stream: &[u8]) -> Vec<u8> {
        let (message, rest) = data(stream, usize::MAX / 2).unwrap();
        assert!(rest.is_empty());
        message.unwrap()
    }

    #[test]
    fn dots_are_undone_and_the_end_is_found() {
        for (stream, message) in [
            (&b"one\r\ntwo\r\n.\r\n"[..], &b"one\r\ntwo\r\n"[..]),
            (b".\r\n", b""),
            (b"..\r\n.\r\n", b".\r\n"),
            (b"...a\r\n.\r\n", b"..a\r\n"),
            // A dot that should have been doubled.
            (b".a\r\n.\r\n", b"a\r\n"),
            (b"a.\r\n.\r\n", b"a.\r\n"),
            (b"\r\n\r\n.\r\n", b"\r\n\r\n"),
            (b"caf\xe9 \xff\r\n.\r\n", b"caf\xe9 \xff\r\n"),
        ] {
            assert_eq!(taken(stream), message, "{stream:?}");
        }
    }

    /// Each of these ends a message in some program. Here none does, and the message is refused at its true end.
    #[test]
    fn nothing_but_cr_lf_dot_cr_lf_ends_a_message() {
        let endings: [&[u8]; 24] = [
            b"\n.\n",
            b"\n.\r\n",
            b"\r\n.\n",
            b"\r.\r",
            b"\r.\r\n",
            b"\r\n.\r",
            b"\n.\r",
            b"\r.\n",
            b"\r\n.\r\r\n",
            b"\r\r\n.\r\r\n",
            b"\n\n.\n\n",
            b"\r\n\0.\r\n",
            b"\r\n.\0\r\n",
            b"\r\n.\r\0\n",
            b"\r\0\n.\r\0\n",
            b"\r\n.\n\r\n",
            b"\n\r.\n\r",
            b"\n.\0\n",
            b"\0\r\n.\n",
            b"\r\n.\r.\r\n",
            b"\r\n\n.\r\n",
            b"\n\r\n\r.\r\n",
            b"\r\r.\r\n",
            b"\n..\n",
        ];
        let smuggled = b"MAIL FROM:<boss@example.org>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\npay\r\n";
        for ending in endings {
            let stream = [b"Subject: a\r\n\r\ntext", ending, smuggled, b".\r\nNOOP\r\n"].concat();
            for piece in [1, 2, 3, 5, 7, stream.len()] {
                let (message, rest) = data(&stream, piece).unwrap();
                let fault = message.unwrap_err();
                assert!(matches!(fault, Fault::BareEnding | Fault::Nul), "{ending:?} in pieces of {piece}");
                assert_eq!(rest, b"NOOP\r\n", "{ending:?} in pieces of {piece}: the true end");
            }
        }
    }

    #[test]
    fn a_dot_behind_half_an_ending_at_the_very_beginning_is_no_end() {
        for stream in [&b"\n.\r\n"[..], b"\r.\r\n", b".\n", b".\r", b".\r\r\n", b"\0.\r\n", b".\0\r\n"] {
            assert_eq!(data(stream, 1), None, "{stream:?}");
            assert_eq!(data(stream, stream.len()), None, "{stream:?}");
        }
    }

    #[test]
    fn a_true_end_behind_a_cr_alone_ends_a_message_that_is_refused() {
        assert_eq!(data(b"a\r\r\n.\r\nNOOP\r\n", 1), Some((Err(Fault::BareEnding), b"NOOP\r\n".to_vec())));
    }

    #[test]
    fn what_is_too_large_or_too_long_is_read_to_its_end_and_refused() {
        let line = [&[b'a'; 100][..], b"\r\n"].concat();
        assert_eq!(taken(&[&line[..], b".\r\n"].concat()), line);
        let refused = |stream: &[u8]| data(stream, 64).unwrap().0.unwrap_err();
        assert_eq!(refused(&[b"a", &line[..], b".\r\n"].concat()), Fault::LineTooLong);
        assert_eq!(refused(&[line.repeat(100), b".\r\n".to_vec()].concat()), Fault::TooLarge);
        let mut receiver = Receiver::of_data(LIMITS);
        receiver.push(&line);
        receiver.refuse(Fault::NoRoom);
        receiver.push(&line);
        assert_eq!(receiver.held_bytes(), 0);
        assert_eq!(receiver.received_bytes(), 204);
        receiver.refuse(Fault::TooLarge);
        assert_eq!(receiver.fault, Some(Fault::NoRoom), "the first is told");
        receiver.push(b"a\nb");
        assert_eq!(receiver.finish(), Err(Fault::BareEnding), "but for one that leaves the end in doubt");
    }

    #[test]
    fn chunks_hold_lines_and_no_dots_are_undone() {
        let chunks = |pieces: &[&[u8]]| {
            let mut receiver = Receiver::of_chunks(LIMITS);
            pieces.iter().for_each(|piece| assert_eq!(receiver.push(piece), piece.len()));
            receiver.finish()
        };
        assert_eq!(chunks(&[b"one\r", b"\n.\r\n..", b"\r\ntwo"]).unwrap(), b"one\r\n.\r\n..\r\ntwo\r\n");
        assert_eq!(chunks(&[]).unwrap(), b"");
        for bare in [&b"one\ntwo\r\n"[..], b"one\rtwo\r\n", b"one\r\n\n.\r\n", b"one\r"] {
            assert_eq!(chunks(&[bare]), Err(Fault::BareEnding), "{bare:?}");
        }
        assert_eq!(chunks(&[b"\0"]), Err(Fault::Nul));
    }

    /// The rule, written another way.
    fn by_search(stream: &[u8]) -> Outcome {
        let whole = [b"\r\n", stream].concat();
        let at = memchr::memmem::find(&whole, b"\r\n.\r\n")?;
        let (body, rest) = (&whole[2..at.max(2)], &whole[at + 5..]);
        let body = if at == 0 { body.to_vec() } else { [body, b"\r\n"].concat() };
        let mut fault = None;
        let mut previous = 0;
        for (i, &byte) in body.iter().enumerate() {
            let bare = byte == b'\n' && previous != b'\r' || byte == b'\r' && body.get(i + 1) != Some(&b'\n');
            if bare || byte == 0 {
                fault.get_or_insert(());
            }
            previous = byte;
        }
        if fault.is_some() {
            return Some((Err(Fault::BareEnding), rest.to_vec()));
        }
        let undone = memchr::memmem::find_iter(&[b"\r\n", &body[..]].concat(), b"\r\n.").collect::<Vec<_>>();
        let mut message = body;
        for at in undone.into_iter().rev() {
            message.remove(at);
        }
        Some((Ok(message), rest.to_vec()))
    }

    proptest! {
        #[test]
        fn cutting_does_not_matter_and_the_rule_is_kept(
            stream in proptest::collection::vec(proptest::sample::select(b"\r\n.a\0".to_vec()), 0..40),
            piece in 1_usize..8,
        ) {
            let whole = data(&stream, 1_000);
            prop_assert_eq!(data(&stream, piece), whole.clone());
            let coarse = whole.map(|(message, rest)| (message.map_err(|_| Fault::BareEnding), rest));
            prop_assert_eq!(coarse, by_search(&stream));
        }
    }
}
