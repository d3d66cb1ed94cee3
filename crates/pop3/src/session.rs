//! A session without its socket: a line comes in, bytes and a wish go out.

use crate::command::{self, Command};
use crate::lock::{Lock, Locks};
use crate::maildrop::Maildrop;
use directory::Pop3Before;
use edge::sasl::{Attempt, Exchange, Step};
use edge::{Peer, Reference, Services, SignInError, SignedIn, causes};
use std::sync::Arc;

/// How many bytes of an answer a step makes before it lets the driver send them.
const STEP_BYTES: usize = 256 * 1024;

/// How many commands in a row that cannot be understood, or sign-ins that fail, end a session.
const MISTAKES_IN_A_ROW: u32 = 5;

/// What a session waits for.
#[derive(Debug)]
#[must_use]
pub(crate) enum Next {
    /// The next line.
    Line,
    /// Room for more of the answer: call [`Session::step`].
    Step,
    /// The outcome of a sign-in: call [`Session::signed_in`].
    SignIn(Attempt),
    /// TLS, once what was said is sent; what the client sent before is thrown away (RFC 2595 §4).
    StartTls,
    /// Nothing any more: close the connection once what was said is sent.
    Close,
}

/// One client's connection, as far as mail is concerned.
pub(crate) struct Session {
    services: Arc<Services>,
    locks: Locks,
    /// What holds for accounts that chose nothing (`RULES.md 5.3`).
    before: Pop3Before,
    peer: Peer,
    /// Whether TLS is here to begin.
    can_start_tls: bool,
    state: State,
    mistakes: u32,
}

/// RFC 1939 §3.
enum State {
    /// AUTHORIZATION; with the name that USER gave.
    Authorization { user: Option<String> },
    /// Amid an exchange of challenges; with who was let in and has yet to hear the server's proof (SCRAM).
    Challenged(Box<Exchange>, Option<Box<SignedIn>>),
    /// A password is being checked.
    SigningIn(Option<Box<Exchange>>),
    /// TRANSACTION.
    Transaction(Box<Transaction>),
    /// The end.
    Closed,
}

/// An open maildrop.
struct Transaction {
    user: Box<SignedIn>,
    maildrop: Maildrop,
    sending: Option<Sending>,
    _lock: Lock,
}

/// An answer of many lines that is on its way.
enum Sending {
    /// A listing, from this number on.
    List { from: u32, uidl: bool },
    /// A message's bytes from this position on; `whole`: all of it was asked for by this number.
    Message { bytes: Vec<u8>, at: usize, whole: Option<u32> },
}

impl Session {
    /// A session with somebody who just connected, and its greeting.
    pub(crate) fn new(
        services: Arc<Services>,
        locks: Locks,
        before: Pop3Before,
        peer: Peer,
        can_start_tls: bool,
        out: &mut Vec<u8>,
    ) -> Self {
        ok(out, &format!("{} ready", services.policy.hostname));
        let state = State::Authorization { user: None };
        Session { services, locks, before, peer, can_start_tls, state, mistakes: 0 }
    }

    /// Whether somebody is signed in: longer silence is allowed then.
    pub(crate) fn is_signed_in(&self) -> bool {
        self.user().is_some()
    }

    /// Who is signed in.
    pub(crate) fn user(&self) -> Option<&SignedIn> {
        match &self.state {
            State::Transaction(open) => Some(&open.user),
            _ => None,
        }
    }

    /// A line without its ending.
    pub(crate) fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Next {
        if let State::Challenged(..) = self.state {
            return self.answered(line, out);
        }
        let command = match command::parse(line) {
            Ok(command) => command,
            Err(why) => return self.mistake(&why.to_string(), out),
        };
        match &mut self.state {
            State::Transaction(_) => self.transact(command, out),
            _ => self.authorize(command, out),
        }
    }

    /// The AUTHORIZATION state.
    fn authorize(&mut self, command: Command, out: &mut Vec<u8>) -> Next {
        let State::Authorization { user } = &mut self.state else { return self.close() };
        let named = user.take();
        match (command, named) {
            (Command::Quit, _) => {
                ok(out, "until next time");
                return self.close();
            }
            (Command::Capa, named) => {
                *user = named;
                self.capabilities(out);
            }
            (Command::Utf8, named) => {
                *user = named;
                ok(out, "names and passwords may be UTF-8");
            }
            (Command::Stls, _) if self.peer.tls => err(out, "TLS is on already"),
            (Command::Stls, _) if !self.can_start_tls => err(out, "there is no TLS here"),
            (Command::Stls, _) => {
                ok(out, "begin TLS now");
                return Next::StartTls;
            }
            (Command::Auth { mechanism: None, .. }, _) => {
                ok(out, "mechanisms follow");
                for mechanism in self.services.mechanisms(&self.peer) {
                    line(out, mechanism);
                }
                end(out);
            }
            (Command::User(_) | Command::Pass(_), _) if self.services.policy.require_tls && !self.peer.secure => {
                err(out, "begin TLS first (STLS)");
            }
            (Command::User(name), _) => {
                *user = Some(name);
                ok(out, "now the password");
            }
            (Command::Pass(_), None) => err(out, "say USER first"),
            (Command::Pass(password), Some(login)) => {
                let attempt = Attempt::plain(login, password);
                self.state = State::SigningIn(None);
                return Next::SignIn(attempt);
            }
            (Command::Auth { mechanism: Some(mechanism), initial }, _) => {
                let initial = match initial.as_deref().map(edge::sasl::decode_initial).transpose() {
                    Ok(initial) => initial,
                    Err(why) => return self.mistake(&why.to_string(), out),
                };
                let (exchange, step) = Exchange::start(&self.services, &mechanism, &self.peer, initial.as_deref());
                return self.follow(Box::new(exchange), None, step, out);
            }
            _ => return self.mistake("sign in first", out),
        }
        Next::Line
    }

    /// An answer to a challenge.
    fn answered(&mut self, line: &[u8], out: &mut Vec<u8>) -> Next {
        let state = std::mem::replace(&mut self.state, State::Authorization { user: None });
        let State::Challenged(mut exchange, user) = state else { return self.close() };
        let step = exchange.answer_line(line);
        self.follow(exchange, user, step, out)
    }

    fn follow(&mut self, exchange: Box<Exchange>, user: Option<Box<SignedIn>>, step: Step, out: &mut Vec<u8>) -> Next {
        match (step, user) {
            (Step::Challenge(challenge), user) => {
                line(out, &format!("+ {}", edge::sasl::encode(&challenge)));
                self.state = State::Challenged(exchange, user);
                Next::Line
            }
            (Step::Verify(attempt), _) => {
                self.state = State::SigningIn(Some(exchange));
                Next::SignIn(attempt)
            }
            (Step::Done, Some(user)) => self.open(user, out),
            (Step::Done, None) => self.mistake("[AUTH] nobody was named", out),
            (Step::Refused(why), _) => {
                self.state = State::Authorization { user: None };
                let code = if why.is_temporary() { "SYS/TEMP" } else { "AUTH" };
                self.mistake(&format!("[{code}] {why}"), out)
            }
        }
    }

    /// What became of a sign-in.
    pub(crate) fn signed_in(&mut self, outcome: Result<SignedIn, SignInError>, out: &mut Vec<u8>) -> Next {
        let state = std::mem::replace(&mut self.state, State::Authorization { user: None });
        let State::SigningIn(exchange) = state else { return self.close() };
        match (outcome, exchange) {
            (Ok(user), None) => self.open(Box::new(user), out),
            (Ok(user), Some(mut exchange)) => {
                let step = exchange.accepted();
                self.follow(exchange, Some(Box::new(user)), step, out)
            }
            (Err(error), _) if error.is_temporary() => {
                err(out, &format!("[SYS/TEMP] {error}"));
                Next::Line
            }
            (Err(error), _) => self.mistake(&format!("[AUTH] {error}"), out),
        }
    }

    /// Opens the maildrop of somebody who is in.
    fn open(&mut self, user: Box<SignedIn>, out: &mut Vec<u8>) -> Next {
        self.state = State::Authorization { user: None };
        let Some(lock) = self.locks.lock(user.cell.number(), user.mail.id) else {
            err(out, "[IN-USE] another session has the maildrop open");
            return Next::Line;
        };
        let before = user.account.pop3_before.unwrap_or(self.before);
        match Maildrop::open(&user.cell, user.mail.id, before) {
            Ok(maildrop) => {
                let (count, bytes) = maildrop.stat();
                ok(out, &format!("{count} messages, {bytes} octets"));
                self.mistakes = 0;
                self.state = State::Transaction(Box::new(Transaction { user, maildrop, sending: None, _lock: lock }));
            }
            Err(error) => self.store_failed(&error, out),
        }
        Next::Line
    }

    /// The TRANSACTION state.
    fn transact(&mut self, command: Command, out: &mut Vec<u8>) -> Next {
        let State::Transaction(open) = &mut self.state else { return self.close() };
        match command {
            Command::Capa => self.capabilities(out),
            Command::Noop => ok(out, "done"),
            Command::Stat => {
                let (count, bytes) = open.maildrop.stat();
                ok(out, &format!("{count} {bytes}"));
            }
            Command::Rset => {
                open.maildrop.reset();
                ok(out, "no message is marked as deleted");
            }
            Command::List(None) | Command::Uidl(None) => {
                let uidl = matches!(command, Command::Uidl(None));
                ok(out, "the list follows");
                open.sending = Some(Sending::List { from: 1, uidl });
                return Next::Step;
            }
            Command::List(Some(number)) => match open.maildrop.get(number) {
                Some(entry) => ok(out, &format!("{number} {}", entry.size_bytes())),
                None => no_such_message(out),
            },
            Command::Uidl(Some(number)) => match open.maildrop.get(number) {
                Some(entry) => ok(out, &format!("{number} {}", open.maildrop.uidl(entry))),
                None => no_such_message(out),
            },
            Command::Dele(number) => match open.maildrop.delete(number) {
                true => ok(out, "marked as deleted"),
                false => no_such_message(out),
            },
            Command::Retr(number) => return self.retrieve(number, None, out),
            Command::Top(number, lines) => return self.retrieve(number, Some(lines), out),
            Command::Quit => return self.update(out),
            // RFC 6856 §2: UTF8 too is for before.
            Command::User(_) | Command::Pass(_) | Command::Auth { .. } | Command::Stls | Command::Utf8 => {
                return self.mistake("you are signed in already", out);
            }
        }
        self.mistakes = 0;
        Next::Line
    }

    fn retrieve(&mut self, number: u32, lines: Option<u64>, out: &mut Vec<u8>) -> Next {
        let State::Transaction(open) = &mut self.state else { return self.close() };
        let Some(entry) = open.maildrop.get(number) else {
            no_such_message(out);
            return Next::Line;
        };
        match entry.bytes(&open.user.cell) {
            Ok(None) => {
                err(out, "that message is gone");
                Next::Line
            }
            Ok(Some(mut bytes)) => {
                ok(out, &format!("{} octets", bytes.len()));
                if let Some(lines) = lines {
                    bytes.truncate(end_of_top(&bytes, lines));
                }
                let whole = lines.is_none().then_some(number);
                open.sending = Some(Sending::Message { bytes, at: 0, whole });
                Next::Step
            }
            Err(error) => {
                self.store_failed(&error, out);
                Next::Line
            }
        }
    }

    /// Goes on with a long answer.
    pub(crate) fn step(&mut self, out: &mut Vec<u8>) -> Next {
        let State::Transaction(open) = &mut self.state else { return self.close() };
        match open.sending.take() {
            Some(Sending::List { from, uidl }) => {
                for (number, entry) in open.maildrop.entries().skip_while(|(number, _)| *number < from) {
                    if out.len() >= STEP_BYTES {
                        open.sending = Some(Sending::List { from: number, uidl });
                        return Next::Step;
                    }
                    match uidl {
                        true => line(out, &format!("{number} {}", open.maildrop.uidl(entry))),
                        false => line(out, &format!("{number} {}", entry.size_bytes())),
                    }
                }
                end(out);
            }
            Some(Sending::Message { bytes, mut at, whole }) => {
                while at < bytes.len() {
                    if out.len() >= STEP_BYTES {
                        open.sending = Some(Sending::Message { bytes, at, whole });
                        return Next::Step;
                    }
                    at = stuff_line(&bytes, at, out);
                }
                end(out);
                if let Some(number) = whole {
                    open.maildrop.retrieved(number);
                }
            }
            None => {}
        }
        self.mistakes = 0;
        Next::Line
    }

    /// QUIT: the UPDATE state.
    fn update(&mut self, out: &mut Vec<u8>) -> Next {
        if let State::Transaction(open) = &mut self.state {
            let marked = open.maildrop.marked();
            match open.maildrop.update(&open.user.cell) {
                Ok(removed) => {
                    metrics::counter!("reintegra_pop3_deleted_total").increment(removed as u64);
                    let text = if marked == 0 { "until next time" } else { "deleted; until next time" };
                    ok(out, text);
                }
                Err(error) => self.store_failed(&error, out),
            }
        }
        self.close()
    }

    fn capabilities(&self, out: &mut Vec<u8>) {
        ok(out, "capabilities follow");
        for capability in ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "UTF8 USER"] {
            line(out, capability);
        }
        if self.can_start_tls && !self.is_signed_in() {
            line(out, "STLS");
        }
        // In both states alike (RFC 2449 §6.2 and §6.3).
        let mechanisms = self.services.mechanisms(&self.peer);
        if !mechanisms.is_empty() {
            line(out, "USER");
            line(out, &format!("SASL {}", mechanisms.join(" ")));
        }
        line(out, &format!("IMPLEMENTATION {}", self.services.policy.software));
        end(out);
    }

    /// The server goes down, or the client was silent for too long. What is marked as deleted stays (RFC 1939 §3).
    pub(crate) fn bye(&mut self, text: &str, out: &mut Vec<u8>) {
        err(out, text);
        self.state = State::Closed;
    }

    /// TLS began: what was said in the clear counts for nothing (RFC 2595 §4).
    pub(crate) fn tls_began(&mut self, peer: Peer) {
        self.peer = peer;
        self.can_start_tls = false;
        self.state = State::Authorization { user: None };
    }

    fn mistake(&mut self, text: &str, out: &mut Vec<u8>) -> Next {
        err(out, text);
        self.mistakes += 1;
        if self.mistakes >= MISTAKES_IN_A_ROW { self.close() } else { Next::Line }
    }

    fn store_failed(&self, error: &store::StoreError, out: &mut Vec<u8>) {
        let (reference, cause) = (Reference::unique(), causes(error));
        tracing::error!(%reference, peer = %self.peer.address, cause, "a POP3 command failed");
        let code = if error.class() == store::Class::Corruption { "SYS/PERM" } else { "SYS/TEMP" };
        err(out, &format!("[{code}] the server could not do it (reference {reference})"));
    }

    fn close(&mut self) -> Next {
        self.state = State::Closed;
        Next::Close
    }
}

/// Where the header and some lines of the body end (RFC 1939 §7, TOP).
fn end_of_top(bytes: &[u8], lines: u64) -> usize {
    let header = match bytes.starts_with(b"\r\n") {
        true => 2,
        false => memchr::memmem::find(bytes, b"\r\n\r\n").map_or(bytes.len(), |at| at + 4),
    };
    let lines = usize::try_from(lines).unwrap_or(usize::MAX);
    let Some(last) = lines.checked_sub(1) else { return header };
    memchr::memchr_iter(b'\n', &bytes[header..]).nth(last).map_or(bytes.len(), |at| header + at + 1)
}

/// Writes the line that begins at a position, with its dot doubled where it begins with one (RFC 1939 §3); where the
/// next begins. A last line without an ending gets one.
fn stuff_line(bytes: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length + 1);
    if bytes[at] == b'.' {
        out.push(b'.');
    }
    out.extend_from_slice(&bytes[at..end]);
    if !bytes[..end].ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    end
}

fn ok(out: &mut Vec<u8>, text: &str) {
    line(out, &format!("+OK {text}"));
}

fn err(out: &mut Vec<u8>, text: &str) {
    line(out, &format!("-ERR {text}"));
}

fn no_such_message(out: &mut Vec<u8>) {
    err(out, "there is no message of that number");
}

fn line(out: &mut Vec<u8>, text: &str) {
    debug_assert!(!text.contains(['\r', '\n']), "one line");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b".\r\n");
}
