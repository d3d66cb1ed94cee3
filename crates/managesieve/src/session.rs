//! A session without its socket: a frame comes in, bytes and a wish go out.

use crate::answer::{self, Code, Verdict};
use crate::server::Limits;
use crate::syntax::{self, Command, Frame, Word};
use directory::{DirectoryError, ErrorClass, ScriptSize, Tx};
use edge::sasl::{Attempt, Exchange, Refused, Step};
use edge::{Peer, Reference, Services, SignInError, SignedIn, causes};
use std::sync::Arc;

/// How many commands in a row that cannot be understood, or sign-ins that fail, end a session.
const MISTAKES_IN_A_ROW: u32 = 5;

/// What a session waits for.
#[derive(Debug)]
#[must_use]
pub(crate) enum Next {
    /// The next command, or the answer to a challenge.
    Frame,
    /// The outcome of a sign-in: call [`Session::signed_in`].
    SignIn(Attempt),
    /// TLS, once what was said is sent; what the client sent before is thrown away. Then call [`Session::tls_began`].
    StartTls,
    /// Nothing any more: close the connection once what was said is sent.
    Close,
}

/// One client's connection, as far as scripts are concerned.
pub(crate) struct Session {
    services: Arc<Services>,
    limits: Limits,
    features: sieve::Features,
    peer: Peer,
    /// Whether TLS is here to begin.
    can_start_tls: bool,
    state: State,
    mistakes: u32,
}

/// RFC 5804 §1.1.
enum State {
    /// Nobody is in.
    NonAuthenticated,
    /// Amid an exchange of challenges.
    Challenged(Box<Exchange>),
    /// A password is being checked.
    SigningIn(Box<Exchange>),
    /// Somebody is in.
    Authenticated(Box<SignedIn>),
    /// The end.
    Closed,
}

/// Why a change to scripts is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    TooLong,
    TooMany,
    TooMuch,
    Active,
    Nonexistent,
    AlreadyExists,
}

impl Session {
    /// A session with somebody who just connected, and its greeting (RFC 5804 §1.8). Blocks.
    pub(crate) fn new(
        services: Arc<Services>,
        limits: Limits,
        features: sieve::Features,
        peer: Peer,
        can_start_tls: bool,
        out: &mut Vec<u8>,
    ) -> Self {
        let state = State::NonAuthenticated;
        let session = Session { services, limits, features, peer, can_start_tls, state, mistakes: 0 };
        session.capabilities(out);
        let greeting = format!("{} ready", session.services.policy.hostname);
        answer::end(out, Verdict::Ok, None, &greeting);
        session
    }

    /// Whoever is signed in: longer silence and longer texts are allowed then.
    pub(crate) fn user(&self) -> Option<&SignedIn> {
        match &self.state {
            State::Authenticated(user) => Some(user),
            _ => None,
        }
    }

    /// A command, or the answer to a challenge. Blocks.
    pub(crate) fn frame(&mut self, frame: Frame, out: &mut Vec<u8>) -> Next {
        match std::mem::replace(&mut self.state, State::NonAuthenticated) {
            State::Challenged(exchange) => return self.answered(exchange, frame, out),
            state => self.state = state,
        }
        let words = match frame {
            Frame::Words(words) => words,
            Frame::Malformed => return self.mistake("that is no command", out),
            Frame::TooLong if self.user().is_some() => return self.refuse(Refusal::TooLong, out),
            Frame::TooLong => return self.mistake("that is too long", out),
        };
        match syntax::parse(words) {
            Ok(command) => self.command(command, out),
            Err(why) => self.mistake(&why.to_string(), out),
        }
    }

    fn command(&mut self, command: Command, out: &mut Vec<u8>) -> Next {
        match command {
            Command::Capability => {
                self.capabilities(out);
                self.done("these are the capabilities", out)
            }
            Command::Noop(tag) => {
                answer::end(out, Verdict::Ok, tag.as_deref().map(Code::Tag), "nothing done");
                Next::Frame
            }
            Command::Logout => {
                answer::end(out, Verdict::Ok, None, "until next time");
                self.close()
            }
            command => match &self.state {
                State::Authenticated(user) => {
                    let account = user.account.id;
                    self.scripts(command, account, out)
                }
                _ => self.begin(command, out),
            },
        }
    }

    /// What can be done while nobody is in.
    fn begin(&mut self, command: Command, out: &mut Vec<u8>) -> Next {
        match command {
            Command::StartTls if self.peer.tls => self.mistake("TLS is on already", out),
            Command::StartTls if !self.can_start_tls => self.mistake("there is no TLS here", out),
            Command::StartTls => {
                answer::end(out, Verdict::Ok, None, "begin TLS now");
                Next::StartTls
            }
            Command::Authenticate { mechanism, initial } => {
                let initial = match initial.as_deref().map(edge::sasl::decode_initial).transpose() {
                    Ok(initial) => initial,
                    Err(why) => return self.refused(why, out),
                };
                let (exchange, step) = Exchange::start(&self.services, &mechanism, &self.peer, initial.as_deref());
                self.follow(Box::new(exchange), step, out)
            }
            _ => self.mistake("sign in first", out),
        }
    }

    /// An answer to a challenge: one string (RFC 5804 §2.1).
    fn answered(&mut self, mut exchange: Box<Exchange>, frame: Frame, out: &mut Vec<u8>) -> Next {
        let step = match frame {
            Frame::Words(words) => match words.as_slice() {
                [Word::Text(text)] => exchange.answer_line(text),
                _ => Step::Refused(Refused::Malformed),
            },
            Frame::Malformed => Step::Refused(Refused::Malformed),
            Frame::TooLong => Step::Refused(Refused::TooLong),
        };
        self.follow(exchange, step, out)
    }

    fn follow(&mut self, exchange: Box<Exchange>, step: Step, out: &mut Vec<u8>) -> Next {
        match step {
            Step::Challenge(challenge) => {
                answer::strings(out, &[edge::sasl::encode(&challenge).as_bytes()]);
                self.state = State::Challenged(exchange);
                Next::Frame
            }
            Step::Verify(attempt) => {
                self.state = State::SigningIn(exchange);
                Next::SignIn(attempt)
            }
            // Nobody is let in before somebody was verified.
            Step::Done => self.refused(Refused::Malformed, out),
            Step::Refused(why) => self.refused(why, out),
        }
    }

    /// What became of a sign-in.
    pub(crate) fn signed_in(&mut self, outcome: Result<SignedIn, SignInError>, out: &mut Vec<u8>) -> Next {
        let state = std::mem::replace(&mut self.state, State::NonAuthenticated);
        let State::SigningIn(mut exchange) = state else { return self.close() };
        let user = match outcome {
            Ok(user) => user,
            Err(error) => {
                let code = match &error {
                    SignInError::Insecure => Some(Code::EncryptNeeded),
                    error => error.is_temporary().then_some(Code::TryLater),
                };
                answer::end(out, Verdict::No, code, &error.to_string());
                return if error.is_temporary() { Next::Frame } else { self.count_mistake(out) };
            }
        };
        // What the mechanism says at its end goes with the answer (RFC 5804 §2.1), as if the client had said nothing to it.
        let proof = match exchange.accepted() {
            Step::Done => None,
            Step::Challenge(proof) if matches!(exchange.answer(b""), Step::Done) => Some(edge::sasl::encode(&proof)),
            _ => return self.refused(Refused::Malformed, out),
        };
        self.state = State::Authenticated(Box::new(user));
        answer::end(out, Verdict::Ok, proof.as_deref().map(Code::Sasl), "welcome");
        self.mistakes = 0;
        Next::Frame
    }

    /// TLS began: what was said in the clear counts for nothing, and the capabilities are told anew (RFC 5804 §2.2). Blocks.
    pub(crate) fn tls_began(&mut self, peer: Peer, out: &mut Vec<u8>) -> Next {
        self.peer = peer;
        self.can_start_tls = false;
        self.capabilities(out);
        self.done("TLS is on", out)
    }

    /// What can be done with scripts.
    fn scripts(&mut self, command: Command, account: directory::AccountId, out: &mut Vec<u8>) -> Next {
        self.mistakes = 0;
        match command {
            Command::HaveSpace { name, bytes } => match self.services.directory.script_sizes(account) {
                Ok(sizes) => self.outcome(Ok(self.limits.room(&sizes, &name, bytes.into())), "there is room", out),
                Err(error) => self.failed(&error, out),
            },
            Command::PutScript { name, content } => match problems(&content, self.features) {
                Some(problems) => self.unfit(&problems, out),
                None => {
                    let limits = self.limits;
                    let put = self.change(|tx| {
                        let room = limits.room(&tx.script_sizes(account)?, &name, content.len() as u64);
                        if room.is_ok() {
                            tx.put_script(account, &name, &content)?;
                        }
                        Ok(room)
                    });
                    self.outcome(put, "stored", out)
                }
            },
            Command::CheckScript(content) => match problems(&content, self.features) {
                Some(problems) => self.unfit(&problems, out),
                None => self.done("that is a script", out),
            },
            Command::ListScripts => match self.services.directory.script_sizes(account) {
                Ok(scripts) => {
                    for script in scripts {
                        answer::string(out, script.name.as_bytes());
                        out.extend_from_slice(if script.active { b" ACTIVE\r\n" } else { b"\r\n" });
                    }
                    self.done("these are the scripts", out)
                }
                Err(error) => self.failed(&error, out),
            },
            Command::GetScript(name) => match self.services.directory.script(account, &name) {
                Ok(Some(script)) => {
                    answer::literal(out, &script.content);
                    out.extend_from_slice(b"\r\n");
                    self.done("that is the script", out)
                }
                Ok(None) => self.refuse(Refusal::Nonexistent, out),
                Err(error) => self.failed(&error, out),
            },
            Command::SetActive(name) if name.is_empty() => {
                let set = self.change(|tx| tx.activate_script(account, None).map(Ok));
                self.outcome(set, "no script is active", out)
            }
            Command::SetActive(name) => self.set_active(account, &name, out),
            Command::DeleteScript(name) => {
                let deleted = self.change(|tx| match size_of(tx, account, &name)? {
                    None => Ok(Err(Refusal::Nonexistent)),
                    Some(script) if script.active => Ok(Err(Refusal::Active)),
                    Some(_) => tx.remove_script(account, &name).map(Ok),
                });
                self.outcome(deleted, "deleted", out)
            }
            Command::RenameScript { from, to } => {
                let renamed = self.change(|tx| {
                    Ok(match (size_of(tx, account, &from)?, size_of(tx, account, &to)?) {
                        (None, _) => Err(Refusal::Nonexistent),
                        (Some(_), Some(_)) => Err(Refusal::AlreadyExists),
                        (Some(_), None) => Ok(tx.rename_script(account, &from, &to)?),
                    })
                });
                self.outcome(renamed, "renamed", out)
            }
            Command::Authenticate { .. } => self.mistake("you are in already", out),
            Command::StartTls => self.mistake("TLS begins before you sign in", out),
            // They are answered whoever is in.
            Command::Capability | Command::Noop(_) | Command::Logout => self.close(),
        }
    }

    /// Makes a script the one that runs, if it can run: what came with an integration was never checked.
    fn set_active(&mut self, account: directory::AccountId, name: &str, out: &mut Vec<u8>) -> Next {
        let script = match self.services.directory.script(account, name) {
            Ok(Some(script)) => script,
            Ok(None) => return self.refuse(Refusal::Nonexistent, out),
            Err(error) => return self.failed(&error, out),
        };
        if let Some(problems) = problems(&script.content, self.features) {
            return self.unfit(&problems, out);
        }
        let set = self.change(|tx| match size_of(tx, account, name)? {
            // Another session was quicker.
            None => Ok(Err(Refusal::Nonexistent)),
            Some(_) => tx.activate_script(account, Some(name)).map(Ok),
        });
        self.outcome(set, "active", out)
    }

    /// Changes scripts: durable when it returns.
    fn change(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<Result<(), Refusal>, DirectoryError>,
    ) -> Result<Result<(), Refusal>, DirectoryError> {
        self.services.directory.write(work)
    }

    fn outcome(&mut self, outcome: Result<Result<(), Refusal>, DirectoryError>, text: &str, out: &mut Vec<u8>) -> Next {
        match outcome {
            Ok(Ok(())) => self.done(text, out),
            Ok(Err(refusal)) => self.refuse(refusal, out),
            Err(error) => self.failed(&error, out),
        }
    }

    /// The server goes down, the client was silent for too long, or may not stay.
    pub(crate) fn bye(&mut self, try_later: bool, text: &str, out: &mut Vec<u8>) {
        answer::end(out, Verdict::Bye, try_later.then_some(Code::TryLater), text);
        self.state = State::Closed;
    }

    fn done(&mut self, text: &str, out: &mut Vec<u8>) -> Next {
        answer::end(out, Verdict::Ok, None, text);
        Next::Frame
    }

    fn refuse(&mut self, refusal: Refusal, out: &mut Vec<u8>) -> Next {
        let (code, text) = refusal.told(&self.limits);
        answer::end(out, Verdict::No, Some(code), &text);
        Next::Frame
    }

    /// The script could not run.
    fn unfit(&mut self, problems: &str, out: &mut Vec<u8>) -> Next {
        answer::end(out, Verdict::No, None, problems);
        Next::Frame
    }

    fn refused(&mut self, why: Refused, out: &mut Vec<u8>) -> Next {
        let code = match why {
            Refused::Insecure => Some(Code::EncryptNeeded),
            why => why.is_temporary().then_some(Code::TryLater),
        };
        answer::end(out, Verdict::No, code, &why.to_string());
        self.count_mistake(out)
    }

    fn mistake(&mut self, text: &str, out: &mut Vec<u8>) -> Next {
        answer::end(out, Verdict::No, None, text);
        self.count_mistake(out)
    }

    fn count_mistake(&mut self, out: &mut Vec<u8>) -> Next {
        self.mistakes += 1;
        if self.mistakes < MISTAKES_IN_A_ROW {
            return Next::Frame;
        }
        self.bye(false, "too many mistakes", out);
        Next::Close
    }

    fn failed(&mut self, error: &DirectoryError, out: &mut Vec<u8>) -> Next {
        let reference = Reference::unique();
        tracing::error!(%reference, peer = %self.peer.address, cause = causes(error), "a ManageSieve command failed");
        let code = (error.class() == ErrorClass::Temporary).then_some(Code::TryLater);
        answer::end(out, Verdict::No, code, &format!("the server could not do it (reference {reference})"));
        Next::Frame
    }

    /// RFC 5804 §1.7.
    fn capabilities(&self, out: &mut Vec<u8>) {
        let mut tell = |name: &str, value: &str| answer::strings(out, &[name.as_bytes(), value.as_bytes()]);
        tell("IMPLEMENTATION", &self.services.policy.software);
        tell("SASL", &self.services.mechanisms(&self.peer).join(" "));
        tell("SIEVE", &sieve::extensions(self.features).collect::<Vec<_>>().join(" "));
        tell("MAXREDIRECTS", &sieve::limits::MAX_REDIRECTS.to_string());
        if let Some(user) = self.user() {
            tell("OWNER", user.account.address.as_str());
        }
        tell("VERSION", "1.0");
        if self.can_start_tls && self.user().is_none() {
            answer::strings(out, &[b"STARTTLS"]);
        }
    }

    fn close(&mut self) -> Next {
        self.state = State::Closed;
        Next::Close
    }
}

impl Limits {
    /// Whether there is room for a script of a name and so many bytes beside the others.
    fn room(&self, scripts: &[ScriptSize], name: &str, bytes: u64) -> Result<(), Refusal> {
        let others = || scripts.iter().filter(|script| script.name != name);
        let is_new = others().count() == scripts.len();
        if bytes > self.script_bytes as u64 {
            return Err(Refusal::TooLong);
        }
        // Who has more, by an integration, may still change those that are there.
        if is_new && scripts.len() >= self.scripts {
            return Err(Refusal::TooMany);
        }
        let total_bytes = others().map(|script| script.bytes).sum::<u64>() + bytes;
        if total_bytes > self.account_bytes { Err(Refusal::TooMuch) } else { Ok(()) }
    }
}

impl Refusal {
    /// How the client is told, and the person before it.
    fn told(self, limits: &Limits) -> (Code<'static>, String) {
        match self {
            Refusal::TooLong => {
                (Code::QuotaMaxSize, format!("a script can have {} bytes at most", limits.script_bytes))
            }
            Refusal::TooMany => (Code::QuotaMaxScripts, format!("there can be {} scripts at most", limits.scripts)),
            Refusal::TooMuch => {
                (Code::Quota, format!("all scripts together can have {} bytes at most", limits.account_bytes))
            }
            Refusal::Active => {
                (Code::Active, "the active script cannot be deleted: make another active first".to_owned())
            }
            Refusal::Nonexistent => (Code::Nonexistent, "there is no script of that name".to_owned()),
            Refusal::AlreadyExists => (Code::AlreadyExists, "there is a script of that name".to_owned()),
        }
    }
}

fn size_of(tx: &Tx<'_>, account: directory::AccountId, name: &str) -> Result<Option<ScriptSize>, DirectoryError> {
    Ok(tx.script_sizes(account)?.into_iter().find(|script| script.name == name))
}

/// What is wrong with a script, a line for each; `None`: nothing.
fn problems(script: &[u8], features: sieve::Features) -> Option<String> {
    let errors = sieve::parse_with(script, features).err()?;
    let lines = errors.iter().map(|error| format!("line {}, column {}: {}", error.line, error.column, error.what));
    Some(lines.collect::<Vec<_>>().join("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(name: &str, bytes: u64) -> ScriptSize {
        ScriptSize { name: name.to_owned(), bytes, active: false }
    }

    #[test]
    fn room_by_table() {
        let limits = Limits { script_bytes: 100, scripts: 2, account_bytes: 150 };
        let scripts = [size("a", 60), size("b", 90)];
        let table = [
            (&scripts[..0], "a", 100, Ok(())),
            (&scripts[..0], "a", 101, Err(Refusal::TooLong)),
            (&scripts[..], "c", 1, Err(Refusal::TooMany)),
            (&scripts[..], "a", 60, Ok(())),
            (&scripts[..], "a", 61, Err(Refusal::TooMuch)),
            (&scripts[..1], "b", 91, Err(Refusal::TooMuch)),
            (&scripts[..1], "b", u64::MAX, Err(Refusal::TooLong)),
        ];
        for (scripts, name, bytes, expected) in table {
            assert_eq!(limits.room(scripts, name, bytes), expected, "{name} {bytes}");
        }
        let integrated: Vec<ScriptSize> = ["a", "b", "c"].map(|name| size(name, 10)).into();
        assert_eq!(limits.room(&integrated, "c", 20), Ok(()), "one of too many may be changed");
    }

    #[test]
    fn refusals_by_table() {
        let limits = Limits { script_bytes: 1, scripts: 2, account_bytes: 3 };
        let table = [
            (Refusal::TooLong, Code::QuotaMaxSize, "1 bytes"),
            (Refusal::TooMany, Code::QuotaMaxScripts, "2 scripts"),
            (Refusal::TooMuch, Code::Quota, "3 bytes"),
            (Refusal::Active, Code::Active, "another"),
            (Refusal::Nonexistent, Code::Nonexistent, "no script"),
            (Refusal::AlreadyExists, Code::AlreadyExists, "a script"),
        ];
        for (refusal, code, says) in table {
            let (told, text) = refusal.told(&limits);
            assert!(told == code && text.contains(says), "{refusal:?}: {text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_line_by_line() {
        let problems = |script: &[u8]| problems(script, sieve::Features::default());
        assert_eq!(problems(b"keep;"), None);
        let said = problems(b"keep;\r\nkep;\r\nfileinto \"a\";\r\n").unwrap_or_default();
        let lines: Vec<&str> = said.split("\r\n").collect();
        assert!(lines[0].starts_with("line 2, column 1: ") && lines[1].starts_with("line 3, "), "{said}");
    }
}
