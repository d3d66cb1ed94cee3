//! A session with a POP3 server (RFC 1939) that only reads: nothing is deleted, so nothing changes at its end.

use super::error::words;
use super::wire::{COMMAND_TIMEOUTS, Wire};
use super::{RemoteError, Server, SignIn};

/// The longest line that is no line of a message; RFC 2449 §4 allows 512 bytes.
const MAX_LINE_BYTES: usize = 8192;

/// Messages of a maildrop.
const MAX_MESSAGES: usize = 10_000_000;

/// Lines of CAPA's answer.
const MAX_CAPABILITIES: usize = 1000;

/// A session of somebody who is in.
pub struct Session {
    wire: Wire,
    line: Vec<u8>,
}

/// A message as the server lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number in this session.
    pub number: u32,
    /// Its UIDL.
    pub uidl: String,
    /// Its size as LIST says.
    pub size_bytes: u64,
}

impl Session {
    /// Connects, makes TLS as the server's settings say, and signs in.
    ///
    /// # Errors
    /// When any of it fails.
    pub fn open(server: &Server, sign_in: &SignIn) -> Result<Session, RemoteError> {
        let mut session = Session { wire: Wire::connect(server)?, line: Vec::new() };
        session.wire.begin("greeting", 1);
        session.answer("greeting")?;
        if !session.wire.is_secure() && session.needs_stls(server, sign_in)? {
            if let Err(error) = session.command("STLS", "") {
                let RemoteError::Answer { server, text, .. } = error else { return Err(error) };
                let text = format!(
                    "it makes no TLS ({text}); pop3s:// may be what it wants, and tls = \"none\" (--tls none) does \
                     without, so that passwords can be read on the way"
                );
                return Err(RemoteError::Tls { server, text });
            }
            session.wire = session.wire.start_tls()?;
        }
        let signed_in = session.sign_in(sign_in);
        signed_in.map_err(|error| match error {
            RemoteError::Answer { server, text, .. } => {
                RemoteError::Refused { server, login: sign_in.login().to_owned(), text }
            }
            other => other,
        })?;
        Ok(session)
    }

    /// Lists the maildrop, in the server's order.
    ///
    /// # Errors
    /// When the server refuses, its two lists differ, or it is lost.
    pub fn list(&mut self) -> Result<Vec<Entry>, RemoteError> {
        self.command("LIST", "")?;
        let sizes = self.numbered(|rest| rest.split(' ').next()?.parse::<u64>().ok())?;
        self.command("UIDL", "")?;
        // RFC 1939 §7 has at most 70 characters; longer ones have been served.
        let is_uidl = |uidl: &&str| (1..=1000).contains(&uidl.len()) && uidl.bytes().all(|b| b.is_ascii_graphic());
        let uidls = self.numbered(|rest| Some(rest).filter(is_uidl).map(str::to_owned))?;
        if sizes.len() != uidls.len() || sizes.iter().zip(&uidls).any(|(size, uidl)| size.0 != uidl.0) {
            return Err(self.wire.protocol("LIST and UIDL have different messages"));
        }
        let entries = sizes.into_iter().zip(uidls);
        Ok(entries.map(|((number, size_bytes), (_, uidl))| Entry { number, uidl, size_bytes }).collect())
    }

    /// Reads a message into `buffer`, which is cleared first: lines end in CRLF, the last one too, whether it did where it
    /// lies or not.
    ///
    /// # Errors
    /// [`RemoteError::TooLarge`], after which the session is of no more use; when the server refuses or is lost.
    pub fn retrieve(&mut self, number: u32, limit_bytes: u64, buffer: &mut Vec<u8>) -> Result<(), RemoteError> {
        buffer.clear();
        self.command("RETR", &format!(" {number}"))?;
        loop {
            let length_bytes = buffer.len() as u64;
            if length_bytes > limit_bytes {
                return Err(RemoteError::TooLarge { length_bytes, limit_bytes });
            }
            let start = buffer.len();
            let left = usize::try_from(limit_bytes - length_bytes).unwrap_or(usize::MAX);
            self.wire.line(left.saturating_add(MAX_LINE_BYTES), buffer)?;
            if buffer[start..].starts_with(b".") {
                if buffer.len() == start + 1 {
                    buffer.truncate(start);
                    return Ok(());
                }
                buffer.remove(start);
            }
            buffer.extend_from_slice(b"\r\n");
        }
    }

    /// Says good-bye. That the server does not answer any more changes nothing.
    pub fn quit(mut self) {
        let _ = self.command("QUIT", "");
    }

    /// Whether TLS comes before the password: as the settings say, or because the server takes none without.
    fn needs_stls(&mut self, server: &Server, sign_in: &SignIn) -> Result<bool, RemoteError> {
        if server.wants_start_tls() {
            return Ok(true);
        }
        if !server.allows_start_tls() {
            return Ok(false);
        }
        let capabilities = self.capabilities()?;
        let can = |name: &str| capabilities.iter().any(|line| line.eq_ignore_ascii_case(name));
        let is_plain = |line: &String| {
            let mut words = line.split(' ');
            words.next().is_some_and(|word| word.eq_ignore_ascii_case("SASL"))
                && words.any(|word| word.eq_ignore_ascii_case("PLAIN"))
        };
        let lets_in = match sign_in.authzid {
            None => can("USER"),
            Some(_) => capabilities.iter().any(is_plain),
        };
        // One that lists nothing may let in all the same.
        Ok(!lets_in && can("STLS"))
    }

    /// What the server can (RFC 2449 §5); nothing where it does not say.
    fn capabilities(&mut self) -> Result<Vec<String>, RemoteError> {
        match self.command("CAPA", "") {
            Ok(()) => {}
            Err(RemoteError::Answer { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
        let mut found = Vec::new();
        loop {
            self.read_line()?;
            if self.line == b"." {
                return Ok(found);
            }
            if found.len() == MAX_CAPABILITIES {
                return Err(self.wire.protocol(&format!("it lists more than {MAX_CAPABILITIES} capabilities")));
            }
            found.push(String::from_utf8_lossy(&self.line).trim_end().to_owned());
        }
    }

    fn sign_in(&mut self, sign_in: &SignIn) -> Result<(), RemoteError> {
        let password = sign_in.password.expose();
        if sign_in.authzid.is_none() {
            self.command("USER", &format!(" {}", sign_in.login))?;
            return self.command("PASS", &format!(" {password}"));
        }
        self.wire.begin("AUTH", COMMAND_TIMEOUTS);
        self.wire.write(b"AUTH PLAIN\r\n")?;
        self.read_line()?;
        if !self.line.starts_with(b"+") || self.line.starts_with(b"+OK") {
            return self.refusal("AUTH");
        }
        self.wire.write(format!("{}\r\n", sign_in.plain()).as_bytes())?;
        self.answer("AUTH")
    }

    fn command(&mut self, name: &'static str, arguments: &str) -> Result<(), RemoteError> {
        self.wire.begin(name, COMMAND_TIMEOUTS);
        self.wire.write(format!("{name}{arguments}\r\n").as_bytes())?;
        self.answer(name)
    }

    fn answer(&mut self, name: &'static str) -> Result<(), RemoteError> {
        self.read_line()?;
        if self.line.starts_with(b"+OK") { Ok(()) } else { self.refusal(name) }
    }

    /// What the line read last says, which is not what was hoped for.
    fn refusal(&self, name: &'static str) -> Result<(), RemoteError> {
        let Some(text) = self.line.strip_prefix(b"-ERR") else {
            return Err(self.wire.protocol(&format!("its answer to {name} begins neither with +OK nor with -ERR")));
        };
        let (server, text) = (self.wire.name(), words(text.trim_ascii_start()));
        // RFC 2449 §8.1.2, RFC 3206 §4.
        let temporary = ["[IN-USE]", "[LOGIN-DELAY]", "[SYS/TEMP]"].iter().any(|code| text.starts_with(code));
        Err(match temporary {
            true => RemoteError::Unavailable { server, text },
            false => RemoteError::Answer { server, command: name, text },
        })
    }

    fn read_line(&mut self) -> Result<(), RemoteError> {
        self.line.clear();
        self.wire.line(MAX_LINE_BYTES, &mut self.line)
    }

    /// Reads lines of a number and something, to the line of one dot. Numbers rise; those of deleted messages are left out.
    fn numbered<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Result<Vec<(u32, T)>, RemoteError> {
        let mut found: Vec<(u32, T)> = Vec::new();
        loop {
            self.read_line()?;
            if self.line == b"." {
                return Ok(found);
            }
            let text = std::str::from_utf8(&self.line).ok().and_then(|line| line.split_once(' '));
            let entry = text.and_then(|(number, rest)| Some((number.parse::<u32>().ok()?, read(rest.trim())?)));
            let entry = entry.filter(|(number, _)| found.last().map_or(0, |last| last.0) < *number);
            found.push(entry.ok_or_else(|| self.wire.protocol("a line of its lists is none"))?);
            if found.len() > MAX_MESSAGES {
                return Err(self.wire.protocol(&format!("it lists more than {MAX_MESSAGES} messages")));
            }
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("server", &self.wire.name()).finish_non_exhaustive()
    }
}
