//! A session with an IMAP server, RFC 9051 or RFC 3501, that only reads.

mod parse;

use super::error::words;
use super::wire::{COMMAND_TIMEOUTS, Wire};
use super::{RemoteError, Server, SignIn};
use message::{Flags, Keyword};
use parse::{Kind, Response, Status, Value};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The longest line of a response: flags of messages, and lists of what a server can, have a few hundred bytes.
const MAX_LINE_BYTES: usize = 256 << 10;

/// What all lines and literals of a response that is no message may have: a name of a mailbox may be a literal.
const MAX_RESPONSE_BYTES: u64 = 512 << 10;

/// Responses that a command did not ask for.
const MAX_UNASKED: u32 = 100_000;

/// Mailboxes of an account; people have hundreds.
const MAX_MAILBOXES: usize = 50_000;

/// Messages of a mailbox; the largest known have two million.
const MAX_MESSAGES: u32 = 10_000_000;

/// Different names of flags that nobody knows, to be listed.
const MAX_UNKNOWN_FLAGS: usize = 100;

/// A session of somebody who is in.
pub struct Session {
    wire: Wire,
    tags: u32,
    capabilities: HashSet<String>,
    /// The response read last.
    response: Vec<u8>,
    opened: Option<Opened>,
}

/// A mailbox as LIST shows it. Names are as on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name: modified UTF-7, or UTF-8 of a server of IMAP4rev2 alone.
    pub name: Vec<u8>,
    /// What stands between levels; `None`: there are none.
    pub separator: Option<u8>,
    /// Attributes, with their backslash.
    pub attributes: Vec<String>,
    /// Whether its owner is subscribed to it.
    pub subscribed: bool,
}

impl Listed {
    /// Whether it has an attribute.
    pub fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|a| a.eq_ignore_ascii_case(attribute))
    }

    /// Whether it can be opened.
    pub fn can_be_opened(&self) -> bool {
        !self.has("\\Noselect") && !self.has("\\NonExistent")
    }
}

/// Everything that a server lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Mailboxes, by name.
    pub mailboxes: Vec<Listed>,
    /// Prefixes of the owner's own names.
    pub personal: Vec<Vec<u8>>,
    /// Prefixes of names of what is other people's or shared.
    pub foreign: Vec<Vec<u8>>,
}

/// A mailbox that is open for reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its name, as on the wire.
    pub name: Vec<u8>,
    /// UIDVALIDITY; `None` where the server says none.
    pub uidvalidity: Option<u32>,
    /// UIDNEXT; `None` where the server says none.
    pub uidnext: Option<u32>,
    /// HIGHESTMODSEQ, where the server keeps it.
    pub highest_modseq: Option<u64>,
    /// How many messages it has.
    pub exists: u32,
}

/// A message without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its number in the mailbox.
    pub number: u32,
    /// Its UID; never 0.
    pub uid: u32,
    /// System flags and `$Forwarded`; `\Recent` is the session's and left out.
    pub flags: Flags,
    /// Keywords, each once.
    pub keywords: Vec<Keyword>,
    /// INTERNALDATE in seconds since 1970 UTC; `None` where it is none.
    pub internal_date: Option<i64>,
    /// RFC822.SIZE as the server says.
    pub size_bytes: u64,
}

/// All messages of a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summaries {
    /// In the order of the mailbox.
    pub messages: Vec<Summary>,
    /// Messages that the server says are there and does not describe, by number.
    pub missing: Vec<u32>,
    /// Flags that are neither known nor keywords, and were left out.
    pub unknown_flags: BTreeSet<String>,
    /// Whether messages went while they were listed, so that numbers cannot be trusted: list again.
    pub disturbed: bool,
}

impl Session {
    /// Connects, makes TLS as the server's settings say, and signs in.
    ///
    /// # Errors
    /// When any of it fails.
    pub fn open(server: &Server, sign_in: &SignIn) -> Result<Session, RemoteError> {
        let mut session = Session {
            wire: Wire::connect(server)?,
            tags: 0,
            capabilities: HashSet::new(),
            response: Vec::new(),
            opened: None,
        };
        session.greeting()?;
        if !session.wire.is_secure() && session.needs_start_tls(server, sign_in)? {
            session = session.start_tls()?;
        }
        session.sign_in(sign_in)?;
        Ok(session)
    }

    /// The mailbox that is open.
    pub fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    /// Whether names are UTF-8: of a server that speaks IMAP4rev2 and not IMAP4rev1 (RFC 9051 §5.1).
    pub fn has_utf8_names(&self) -> bool {
        self.can("IMAP4REV2") && !self.can("IMAP4REV1")
    }

    /// Lists mailboxes, subscriptions and namespaces.
    ///
    /// # Errors
    /// When the server refuses, lists more than it can have, or is lost.
    pub fn list(&mut self) -> Result<Listing, RemoteError> {
        let mut listing = Listing::default();
        if self.can("NAMESPACE") || self.can("IMAP4REV2") {
            let listed = self.command("NAMESPACE", &[b"NAMESPACE"], |response, _| {
                let Response::Namespace([personal, others, shared]) = response else { return Ok(false) };
                let prefixes = |spaces: &[parse::Namespace<'_>]| {
                    spaces.iter().map(|space| space.prefix.to_vec()).collect::<Vec<_>>()
                };
                listing.personal = prefixes(personal);
                listing.foreign = prefixes(others);
                listing.foreign.extend(prefixes(shared));
                Ok(true)
            });
            unless_refused(listed)?;
        }
        // Not every server shows its namespaces under "*".
        let mut patterns = vec![b"*".to_vec()];
        patterns.extend(listing.personal.iter().filter(|p| !p.is_empty()).map(|prefix| [prefix, &b"*"[..]].concat()));
        let mut found = BTreeMap::new();
        if self.can("LIST-EXTENDED") || self.can("IMAP4REV2") {
            let special = self.can("SPECIAL-USE") || self.can("IMAP4REV2");
            let returned: &[u8] = if special { b" RETURN (SUBSCRIBED SPECIAL-USE)" } else { b" RETURN (SUBSCRIBED)" };
            // Some that claim it stumble on it.
            if !unless_refused(self.list_by(&patterns, returned, &mut found))? {
                found.clear();
            }
        }
        if found.is_empty() {
            self.list_by(&patterns, b"", &mut found)?;
            let subscribed = self.subscriptions(&patterns)?;
            found.values_mut().for_each(|listed| listed.subscribed = subscribed.contains(&listed.name));
        }
        listing.mailboxes = found.into_values().collect();
        Ok(listing)
    }

    fn list_by(
        &mut self,
        patterns: &[Vec<u8>],
        returned: &[u8],
        found: &mut BTreeMap<Vec<u8>, Listed>,
    ) -> Result<(), RemoteError> {
        for pattern in patterns {
            let quoted = string(pattern);
            self.command("LIST", &[b"LIST \"\" ", &quoted, returned], |response, wire| {
                let Response::List(listed) = response else { return Ok(false) };
                let attributes: Vec<String> = listed.attributes.iter().map(|a| words(a)).collect();
                let subscribed = attributes.iter().any(|a| a.eq_ignore_ascii_case("\\Subscribed"));
                let name = canonical_name(&listed.name);
                let one = Listed { name: name.clone(), separator: listed.separator, attributes, subscribed };
                let is_new = found.insert(name, one).is_none();
                match found.len() > MAX_MAILBOXES {
                    true => Err(wire.protocol(&format!("it lists more than {MAX_MAILBOXES} mailboxes"))),
                    false => Ok(is_new),
                }
            })?;
        }
        Ok(())
    }

    fn subscriptions(&mut self, patterns: &[Vec<u8>]) -> Result<HashSet<Vec<u8>>, RemoteError> {
        let mut subscribed = HashSet::new();
        for pattern in patterns {
            let quoted = string(pattern);
            self.command("LSUB", &[b"LSUB \"\" ", &quoted], |response, wire| {
                let Response::List(listed) = response else { return Ok(false) };
                // \Noselect: not subscribed itself, but one below it is (RFC 3501 §6.3.9).
                let itself = !listed.attributes.iter().any(|a| a.eq_ignore_ascii_case(b"\\Noselect"));
                let is_new = itself && subscribed.insert(canonical_name(&listed.name));
                match subscribed.len() > MAX_MAILBOXES {
                    true => Err(wire.protocol(&format!("it lists more than {MAX_MAILBOXES} subscriptions"))),
                    false => Ok(is_new),
                }
            })?;
        }
        Ok(subscribed)
    }

    /// Opens a mailbox for reading.
    ///
    /// # Errors
    /// When the server refuses or is lost.
    pub fn examine(&mut self, name: &[u8]) -> Result<Opened, RemoteError> {
        self.opened = None;
        let condstore = if self.can("CONDSTORE") || self.can("QRESYNC") { " (CONDSTORE)" } else { "" };
        let (name_string, mut exists) = (string(name), None);
        let mut opened =
            Opened { name: name.to_vec(), uidvalidity: None, uidnext: None, highest_modseq: None, exists: 0 };
        self.command("EXAMINE", &[b"EXAMINE ", &name_string, condstore.as_bytes()], |response, _| {
            match response {
                Response::Exists(count) => exists = Some(*count),
                Response::Untagged(Status { kind: Kind::Ok, code: Some((code, argument)), .. }) => {
                    let number = parse::number(argument.trim_ascii());
                    let small = number.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
                    match code.to_ascii_uppercase().as_slice() {
                        b"UIDVALIDITY" => opened.uidvalidity = small,
                        b"UIDNEXT" => opened.uidnext = small,
                        b"HIGHESTMODSEQ" => opened.highest_modseq = number,
                        _ => {}
                    }
                }
                _ => {}
            }
            // There are a dozen of them, with any server.
            Ok(false)
        })?;
        opened.exists = exists.ok_or_else(|| self.wire.protocol("it does not say how many messages a mailbox has"))?;
        if opened.exists > MAX_MESSAGES {
            let what = format!("it says of a mailbox that it has {} messages", opened.exists);
            return Err(self.wire.protocol(&what));
        }
        self.opened = Some(opened.clone());
        Ok(opened)
    }

    /// Describes every message of the mailbox that is open.
    ///
    /// # Errors
    /// When the server refuses, describes messages that cannot be, or is lost.
    pub fn summaries(&mut self) -> Result<Summaries, RemoteError> {
        let mut summaries = Summaries::default();
        let mut exists = self.opened.as_ref().map_or(0, |opened| opened.exists);
        if exists == 0 {
            return Ok(summaries);
        }
        let promised = exists;
        let mut found: BTreeMap<u32, Summary> = BTreeMap::new();
        let line = b"UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)";
        self.command("UID FETCH", &[line], |response, wire| {
            match response {
                Response::Exists(count) => {
                    exists = *count;
                    Ok(false)
                }
                Response::Expunge(_) => {
                    summaries.disturbed = true;
                    Ok(false)
                }
                Response::Fetch { number, items } => {
                    if *number > exists || *number > MAX_MESSAGES {
                        return Err(wire.protocol("it describes a message beyond the last one"));
                    }
                    let Some(summary) =
                        summary(*number, items, &mut summaries.unknown_flags).map_err(|what| wire.protocol(what))?
                    else {
                        return Ok(false);
                    };
                    let uid = summary.uid;
                    let former = found.insert(*number, summary);
                    // After an expunge the same number is another message.
                    if former.as_ref().is_some_and(|former| former.uid != uid) && !summaries.disturbed {
                        return Err(wire.protocol("it gives a message two UIDs"));
                    }
                    Ok(former.is_none())
                }
                _ => Ok(false),
            }
        })?;
        summaries.missing = (1..=promised).filter(|number| !found.contains_key(number)).collect();
        summaries.messages = found.into_values().collect();
        Ok(summaries)
    }

    /// Reads the bytes of messages of the mailbox that is open, without marking them as seen. What is not there is left
    /// out.
    ///
    /// # Errors
    /// [`RemoteError::TooLarge`] when one of them, or all together, have more than `limit_bytes`; when the server refuses,
    /// sends other messages than were asked for, or is lost.
    pub fn bodies(
        &mut self,
        uids: &[u32],
        limit_bytes: u64,
        mut each: impl FnMut(u32, &[u8]),
    ) -> Result<(), RemoteError> {
        let mut due: BTreeSet<u32> = uids.iter().copied().collect();
        let mut left = limit_bytes;
        let set: Vec<String> = due.iter().map(u32::to_string).collect();
        let line = format!("UID FETCH {} (UID BODY.PEEK[])", set.join(","));
        self.command_within("UID FETCH", &[line.as_bytes()], Some(limit_bytes), |response, wire| {
            let Response::Fetch { items, .. } = response else { return Ok(false) };
            let Some(body) = item(items, "BODY[]") else { return Ok(false) };
            let uid = item(items, "UID").and_then(number).and_then(|uid| u32::try_from(uid).ok());
            let Some(uid) = uid.filter(|uid| due.remove(uid)) else {
                return Err(wire.protocol("it sends a message that was not asked for, or one twice"));
            };
            let Value::Text(bytes) = body else {
                return Err(wire.protocol("it sends a message without bytes"));
            };
            let length_bytes = bytes.len() as u64;
            left = left.checked_sub(length_bytes).ok_or(RemoteError::TooLarge { length_bytes, limit_bytes })?;
            each(uid, bytes);
            Ok(true)
        })
    }

    /// Says good-bye, and does not wait for an answer.
    pub fn log_out(mut self) {
        self.wire.begin("LOGOUT", 1);
        // Whoever does not want to hear it has gone already.
        let _ = self.send(&[b"LOGOUT"]);
    }

    fn greeting(&mut self) -> Result<(), RemoteError> {
        self.wire.begin("greeting", 1);
        self.read_response(MAX_RESPONSE_BYTES, false)?;
        match parse::parse(&self.response) {
            Ok(Response::Untagged(Status { kind: Kind::Ok, code, .. })) => {
                self.capabilities = of_code(code).unwrap_or_default();
                Ok(())
            }
            Ok(Response::Untagged(Status { kind: Kind::Bye, text, .. })) => {
                Err(RemoteError::Unavailable { server: self.wire.name(), text: words(text) })
            }
            // PREAUTH: as somebody, and nobody says as whom.
            _ => Err(self.wire.protocol("its greeting is not that of an IMAP server")),
        }
    }

    /// Whether TLS comes before the password: as the settings say, or because the server takes none without.
    fn needs_start_tls(&mut self, server: &Server, sign_in: &SignIn) -> Result<bool, RemoteError> {
        if server.wants_start_tls() {
            return Ok(true);
        }
        self.ask_capabilities()?;
        if self.lets_in(sign_in) || !self.can("STARTTLS") {
            return Ok(false);
        }
        if server.allows_start_tls() {
            return Ok(true);
        }
        let text = "it takes passwords over TLS only: tls = \"starttls\" (--tls starttls) begins it".to_owned();
        Err(RemoteError::Tls { server: self.wire.name(), text })
    }

    /// Whether it offers a way to sign in that is known here.
    fn lets_in(&self, sign_in: &SignIn) -> bool {
        self.can("AUTH=PLAIN") || (sign_in.authzid.is_none() && !self.can("LOGINDISABLED"))
    }

    fn start_tls(mut self) -> Result<Session, RemoteError> {
        self.ask_capabilities()?;
        if !self.can("STARTTLS") {
            let text =
                "it offers no TLS (STARTTLS); imaps:// may be what it wants, and tls = \"none\" (--tls none) does \
                        without, so that passwords can be read on the way"
                    .to_owned();
            return Err(RemoteError::Tls { server: self.wire.name(), text });
        }
        self.command("STARTTLS", &[b"STARTTLS"], |_, _| Ok(false))?;
        // What was said before TLS could have been said by anybody.
        self.capabilities.clear();
        Ok(Session { wire: self.wire.start_tls()?, ..self })
    }

    fn sign_in(&mut self, sign_in: &SignIn) -> Result<(), RemoteError> {
        self.ask_capabilities()?;
        let password = sign_in.password.expose();
        // A response code of the answer may list what the server can from now on.
        let mut after = None;
        let note = |response: &Response<'_>, after: &mut Option<HashSet<String>>| {
            if let Response::Capability(words) = response {
                *after = Some(upper(words));
            }
        };
        let plain = self.can("AUTH=PLAIN");
        let result = if plain {
            let answer = sign_in.plain();
            match self.can("SASL-IR") {
                true => {
                    let line = [&b"AUTHENTICATE PLAIN "[..], answer.as_bytes()];
                    self.command("AUTHENTICATE", &line, |response, _| {
                        note(response, &mut after);
                        Ok(false)
                    })
                }
                false => {
                    let mut answers = vec![answer];
                    self.command("AUTHENTICATE", &[b"AUTHENTICATE PLAIN"], |response, wire| {
                        note(response, &mut after);
                        if let (Response::Continue(_), Some(answer)) = (response, answers.pop()) {
                            return wire.write(format!("{answer}\r\n").as_bytes()).map(|()| true);
                        }
                        Ok(false)
                    })
                }
            }
        } else if sign_in.authzid.is_some() {
            let text = "it does not offer AUTH=PLAIN, which a master needs to say for whom (master_form)".to_owned();
            return Err(RemoteError::Refused { server: self.wire.name(), login: sign_in.login.clone(), text });
        } else if self.can("LOGINDISABLED") && !self.wire.is_secure() {
            let text =
                "it takes no password without TLS, and offers no STARTTLS; imaps:// may be what it wants".to_owned();
            return Err(RemoteError::Tls { server: self.wire.name(), text });
        } else if self.can("LOGINDISABLED") {
            let text = "it offers no way to sign in that is known here (PLAIN, LOGIN)".to_owned();
            return Err(RemoteError::Refused { server: self.wire.name(), login: sign_in.login.clone(), text });
        } else {
            let (login, password) = (string(sign_in.login.as_bytes()), string(password.as_bytes()));
            self.command("LOGIN", &[b"LOGIN ", &login, b" ", &password], |response, _| {
                note(response, &mut after);
                Ok(false)
            })
        };
        match result {
            Ok(()) => {}
            Err(RemoteError::Answer { server, text, .. }) => {
                return Err(RemoteError::Refused { server, login: sign_in.login.clone(), text });
            }
            Err(other) => return Err(other),
        }
        let by_code = match parse::parse(&self.response) {
            Ok(Response::Tagged { status, .. }) => of_code(status.code),
            _ => None,
        };
        self.capabilities = by_code.or(after).unwrap_or_default();
        self.ask_capabilities()
    }

    /// Asks what the server can, unless it has said so.
    fn ask_capabilities(&mut self) -> Result<(), RemoteError> {
        if self.capabilities.is_empty() {
            let mut found = HashSet::new();
            self.command("CAPABILITY", &[b"CAPABILITY"], |response, _| {
                let Response::Capability(words) = response else { return Ok(false) };
                found = upper(words);
                Ok(true)
            })?;
            self.capabilities = found;
        }
        Ok(())
    }

    fn can(&self, capability: &str) -> bool {
        self.capabilities.contains(capability)
    }

    fn command(
        &mut self,
        name: &'static str,
        line: &[&[u8]],
        each: impl FnMut(&Response<'_>, &mut Wire) -> Result<bool, RemoteError>,
    ) -> Result<(), RemoteError> {
        self.command_within(name, line, None, each)
    }

    /// Sends a command and hands out what comes until its end, that included. `each` says of a response whether it was
    /// asked for. With `body_limit_bytes` responses have the bytes of messages.
    fn command_within(
        &mut self,
        name: &'static str,
        line: &[&[u8]],
        body_limit_bytes: Option<u64>,
        mut each: impl FnMut(&Response<'_>, &mut Wire) -> Result<bool, RemoteError>,
    ) -> Result<(), RemoteError> {
        self.wire.begin(name, COMMAND_TIMEOUTS);
        let tag = self.send(line)?;
        let limit_bytes = body_limit_bytes.unwrap_or(MAX_RESPONSE_BYTES).max(MAX_RESPONSE_BYTES);
        let mut unasked = 0;
        loop {
            self.read_response(limit_bytes, body_limit_bytes.is_some())?;
            let wire = &mut self.wire;
            let response = parse::parse(&self.response).map_err(|e| wire.protocol(e.0))?;
            match &response {
                Response::Tagged { tag: ended, status } if *ended == tag.as_bytes() => {
                    if status.kind == Kind::Ok {
                        return Ok(());
                    }
                    let text = words(status.text);
                    return Err(match is_temporary(status) {
                        true => RemoteError::Unavailable { server: wire.name(), text },
                        false => RemoteError::Answer { server: wire.name(), command: name, text },
                    });
                }
                Response::Tagged { .. } => return Err(wire.protocol("it answers a command that was not sent")),
                Response::Untagged(Status { kind: Kind::Bye, text, .. }) => {
                    return Err(RemoteError::Unavailable { server: wire.name(), text: words(text) });
                }
                _ => {}
            }
            if !each(&response, wire)? {
                unasked += 1;
                if unasked > MAX_UNASKED {
                    return Err(wire.protocol("it does not stop sending what nobody asked for"));
                }
            }
        }
    }

    /// Sends a command, with a tag of its own. A string that holds CRLF is a literal, and is waited for.
    fn send(&mut self, parts: &[&[u8]]) -> Result<String, RemoteError> {
        self.tags += 1;
        let tag = format!("r{}", self.tags);
        let mut line = [tag.as_bytes(), b" "].concat();
        for part in parts {
            let Some(bytes) = part.strip_prefix(LITERAL) else {
                line.extend_from_slice(part);
                continue;
            };
            line.extend_from_slice(format!("{{{}}}\r\n", bytes.len()).as_bytes());
            self.wire.write(&line)?;
            line.clear();
            self.wait_for_continuation()?;
            line.extend_from_slice(bytes);
        }
        line.extend_from_slice(b"\r\n");
        self.wire.write(&line)?;
        Ok(tag)
    }

    fn wait_for_continuation(&mut self) -> Result<(), RemoteError> {
        for _ in 0..MAX_UNASKED {
            self.read_response(MAX_RESPONSE_BYTES, false)?;
            match parse::parse(&self.response).map_err(|e| self.wire.protocol(e.0))? {
                Response::Continue(_) => return Ok(()),
                Response::Tagged { status, .. } | Response::Untagged(status @ Status { kind: Kind::Bye, .. }) => {
                    let what = format!("it does not take a string: {}", words(status.text));
                    return Err(self.wire.protocol(&what));
                }
                _ => {}
            }
        }
        Err(self.wire.protocol("it does not stop sending what nobody asked for"))
    }

    /// Reads one response with its literals.
    fn read_response(&mut self, limit_bytes: u64, of_message: bool) -> Result<(), RemoteError> {
        // Room for one large message is not kept for ever.
        if self.response.capacity() > 4 << 20 {
            self.response = Vec::new();
        }
        self.response.clear();
        let (mut first_end, mut lines, mut literals) = (None, 0, 0_u64);
        loop {
            let start = self.response.len();
            self.wire.line(MAX_LINE_BYTES, &mut self.response)?;
            lines += self.response.len() - start;
            if lines > 2 * MAX_LINE_BYTES {
                return Err(self.wire.protocol("a response has no end"));
            }
            let first_end = *first_end.get_or_insert(self.response.len());
            let Some(size) = parse::announced(&self.response[..first_end], &self.response[start..]) else {
                return Ok(());
            };
            literals = literals.saturating_add(size);
            if literals > limit_bytes {
                return Err(match of_message {
                    true => RemoteError::TooLarge { length_bytes: size, limit_bytes },
                    false => self.wire.protocol(&format!("it announces {size} bytes where none are due")),
                });
            }
            self.response.extend_from_slice(b"\r\n");
            self.wire.exact(size, &mut self.response)?;
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("server", &self.wire.name())
            .field("opened", &self.opened)
            .finish_non_exhaustive()
    }
}

/// Whether a command that can be done without was done.
fn unless_refused(done: Result<(), RemoteError>) -> Result<bool, RemoteError> {
    match done {
        Ok(()) => Ok(true),
        Err(RemoteError::Answer { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Marks a part of a command that must be sent as a literal; no quoted string begins so.
const LITERAL: &[u8] = b"\0";

/// A string of a command: quoted where it can be, else marked as a literal.
fn string(text: &[u8]) -> Vec<u8> {
    if !text.iter().all(|b| matches!(b, b' '..=b'~')) {
        return [LITERAL, text].concat();
    }
    let mut quoted = vec![b'"'];
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    quoted
}

/// INBOX is one name, however it is spelt (RFC 9051 §5.1).
fn canonical_name(name: &[u8]) -> Vec<u8> {
    if name.eq_ignore_ascii_case(b"INBOX") { b"INBOX".to_vec() } else { name.to_vec() }
}

fn upper(words: &[&[u8]]) -> HashSet<String> {
    words.iter().map(|word| String::from_utf8_lossy(word).to_ascii_uppercase()).collect()
}

/// What a server can, by a response code.
fn of_code(code: Option<(&[u8], &[u8])>) -> Option<HashSet<String>> {
    let (name, rest) = code?;
    name.eq_ignore_ascii_case(b"CAPABILITY").then(|| upper(&parse::words(rest)))
}

/// Whether a refusal is one for now (RFC 5530 §3; THROTTLED is Gmail's, OVERQUOTA its limit of bytes a day).
fn is_temporary(status: &Status<'_>) -> bool {
    let code = status.code.map(|(name, _)| name.to_ascii_uppercase()).unwrap_or_default();
    matches!(code.as_slice(), b"UNAVAILABLE" | b"INUSE" | b"LIMIT" | b"THROTTLED" | b"OVERQUOTA")
}

fn item<'v, 'r>(items: &'v [(&'r [u8], Value<'r>)], name: &str) -> Option<&'v Value<'r>> {
    items.iter().find(|(item, _)| item.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
}

fn number(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::Atom(digits) => parse::number(digits),
        _ => None,
    }
}

/// A message by what FETCH says; `None`: not what was asked for, but news of its flags.
fn summary(
    at: u32,
    items: &[(&[u8], Value<'_>)],
    unknown_flags: &mut BTreeSet<String>,
) -> Result<Option<Summary>, &'static str> {
    let (Some(uid), Some(Value::List(listed)), Some(date)) =
        (item(items, "UID"), item(items, "FLAGS"), item(items, "INTERNALDATE"))
    else {
        return Ok(None);
    };
    let uid = number(uid).and_then(|uid| u32::try_from(uid).ok()).filter(|uid| *uid > 0);
    let uid = uid.ok_or("it gives a message a UID that is none")?;
    let size_bytes = item(items, "RFC822.SIZE").and_then(number).ok_or("it says no size of a message")?;
    let (mut flags, mut keywords) = (Flags::NONE, Vec::new());
    for flag in listed {
        let Value::Atom(flag) = flag else { return Err("it gives a message a flag that is no word") };
        let text = String::from_utf8_lossy(flag);
        if text.eq_ignore_ascii_case("\\Recent") {
            continue;
        }
        match (Flags::from_imap_name(&text), Keyword::new(&text)) {
            (Some(known), _) => flags = flags | known,
            (None, Ok(keyword)) if !keywords.contains(&keyword) => keywords.push(keyword),
            (None, Ok(_)) => {}
            (None, Err(_)) if unknown_flags.len() < MAX_UNKNOWN_FLAGS => {
                unknown_flags.insert(words(flag));
            }
            (None, Err(_)) => {}
        }
    }
    let internal_date = match date {
        Value::Text(text) => parse::date_time(text),
        _ => None,
    };
    Ok(Some(Summary { number: at, uid, flags, keywords, internal_date, size_bytes }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_or_literals() {
        assert_eq!(string(br#"a "b" \c"#), br#""a \"b\" \\c""#);
        assert_eq!(string(b""), b"\"\"");
        assert_eq!(string("ñ".as_bytes()), [LITERAL, "ñ".as_bytes()].concat());
        assert_eq!(string(b"a\r\nb DELETE x"), b"\0a\r\nb DELETE x");
    }

    #[test]
    fn forwarded_is_a_flag_and_recent_none() {
        let flags = ["\\Seen", "\\Recent", "$Forwarded", "Trabajo", "TRABAJO", "\\Odd"];
        let flags = flags.iter().map(|f| Value::Atom(f.as_bytes())).collect();
        let date = Value::Text(b" 1-Jan-1970 00:00:01 +0000"[..].into());
        let uid = Value::Atom(b"9");
        let items: [(&[u8], Value<'_>); 4] =
            [(b"uid", uid.clone()), (b"FLAGS", Value::List(flags)), (b"INTERNALDATE", date), (b"RFC822.SIZE", uid)];
        let mut unknown = BTreeSet::new();
        let summary = summary(3, &items, &mut unknown).unwrap().unwrap();
        assert_eq!((summary.number, summary.uid, summary.size_bytes), (3, 9, 9));
        assert_eq!(summary.flags, Flags::SEEN | Flags::FORWARDED);
        assert_eq!(summary.keywords, [Keyword::new("Trabajo").unwrap()]);
        assert_eq!(summary.internal_date, Some(1));
        assert_eq!(Vec::from_iter(unknown), ["\\Odd"]);
    }
}
