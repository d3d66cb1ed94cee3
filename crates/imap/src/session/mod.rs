//! A session without its socket: a command comes in, bytes and a wish go out.
//!
//! ```text
//! driver                          Session
//!   frame  -> command(bytes, out)  -> Next
//!   line   -> line(bytes, out)     -> Next     (AUTHENTICATE, IDLE)
//!   result -> signed_in(...)       -> Next     (after Next::SignIn)
//!   room   -> step(out)            -> Next     (after Next::Step, when what was said before is on its way)
//!   change -> changed(out)         -> Next     (the hub says that the account changed; while idle or with NOTIFY)
//! ```
//! Every call may read and write the store, so the driver makes it on the blocking pool. No call waits for anything else.

pub(crate) mod core;
pub(crate) mod selected;
pub(crate) mod task;
pub(crate) mod view;

use crate::answer::{Refusal, Status, say_refusal, say_status};
use crate::command::{self, Flow};
use crate::syntax::{self, ParseError, ParseErrorKind, RefusedLine, ResponseCode};
use core::{Core, Expunges, Moment};
use edge::sasl::{Attempt, Exchange};
use edge::{Peer, Services, SignInError, SignedIn};
use std::sync::Arc;
use std::time::Instant;
use task::{Progress, Task};

/// What a session waits for.
#[derive(Debug)]
#[must_use]
pub(crate) enum Next {
    /// The next command.
    Command,
    /// A line that is no command: an answer to a challenge, or `DONE`.
    Line,
    /// Room for more of the answer: call [`Session::step`].
    Step,
    /// The outcome of a sign-in: call [`Session::signed_in`].
    SignIn(Attempt),
    /// TLS, once what was said is sent; what the client sent before is thrown away (RFC 9051 §6.2.1).
    StartTls,
    /// DEFLATE in both directions, once what was said is sent (RFC 4978).
    Compress,
    /// Nothing any more: close the connection once what was said is sent.
    Close,
}

/// Why the driver ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bye {
    /// The client was silent for too long.
    Silence,
    /// A command that has begun takes too long to come.
    Slow,
    /// The server goes down.
    Shutdown,
    /// Whoever is signed in may not be any more.
    Out,
}

/// One client's connection, as far as mail is concerned.
pub(crate) struct Session {
    core: Core,
    waiting: Waiting,
    running: Running,
}

/// The command that runs, for the metrics.
struct Running {
    verb: &'static str,
    began: Instant,
}

/// What the session itself is in the middle of.
enum Waiting {
    /// Nothing.
    Command,
    /// A long answer.
    Task { tag: String, task: Box<dyn Task> },
    /// An exchange of challenges. Who was let in waits for its end.
    Authenticate { tag: String, exchange: Box<Exchange>, guest: Option<Box<SignedIn>> },
    /// A password is being checked.
    SignIn { tag: String, exchange: Option<Box<Exchange>> },
    /// `DONE`.
    Idle { tag: String },
    /// TLS or DEFLATE begins, or the end.
    Transport,
}

impl Session {
    /// A session with somebody who just connected, and its greeting.
    pub(crate) fn new(services: Arc<Services>, peer: Peer, can_start_tls: bool, out: &mut Vec<u8>) -> Self {
        let core = Core::new(services, peer, can_start_tls);
        let greeting = Status::ok("ready").with_code(core.capability_code());
        say_status(out, None, &greeting);
        Session { core, waiting: Waiting::Command, running: Running { verb: "", began: Instant::now() } }
    }

    /// Whether somebody is signed in: longer lines, larger literals and longer silence are allowed then.
    pub(crate) fn is_signed_in(&self) -> bool {
        self.core.user.is_some()
    }

    /// Who is signed in.
    pub(crate) fn user(&self) -> Option<&SignedIn> {
        self.core.user.as_deref()
    }

    /// Whether the session wants to hear of changes now.
    pub(crate) fn watches(&self) -> bool {
        let idle = matches!(self.waiting, Waiting::Idle { .. });
        self.core.user.is_some() && (idle || self.core.notify.is_some())
    }

    /// A whole command, its literals included.
    pub(crate) fn command(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Next {
        debug_assert!(matches!(self.waiting, Waiting::Command), "the driver asks Next");
        self.running = Running { verb: "unknown", began: Instant::now() };
        let tagged = match syntax::parse(bytes, self.core.parse_context()) {
            Ok(tagged) => tagged,
            Err(error) => return self.refuse(error.tag.as_deref(), &refusal_of(&error), out),
        };
        self.running.verb = command::verb(&tagged.command);
        self.core.expunges = command::expunges(&tagged.command);
        self.core.tag.clone_from(&tagged.tag);
        self.core.reading.take_if(|_| !matches!(tagged.command, syntax::Command::Fetch(_)));
        let flow = command::run(&mut self.core, tagged.command, out);
        self.follow(tagged.tag, flow, out)
    }

    /// A command that the framer refused.
    pub(crate) fn refused(&mut self, line: &RefusedLine, out: &mut Vec<u8>) -> Next {
        self.running = Running { verb: "unknown", began: Instant::now() };
        let refusal = Refusal::of_line(line);
        let waiting = std::mem::replace(&mut self.waiting, Waiting::Command);
        let tag = match waiting {
            // A line that is no command answers one.
            Waiting::Authenticate { tag, .. } | Waiting::Idle { tag } => Some(tag),
            _ => line.tag.clone(),
        };
        let next = self.refuse(tag.as_deref(), &refusal, out);
        if !line.fatal || matches!(next, Next::Close) {
            return next;
        }
        say_status(out, None, &Status::bye("what you send cannot be followed any more"));
        self.close()
    }

    /// A line that was asked for.
    pub(crate) fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Next {
        match std::mem::replace(&mut self.waiting, Waiting::Command) {
            Waiting::Authenticate { tag, exchange, guest } => {
                let flow = command::authenticate::go_on(&mut self.core, exchange, guest, line, out);
                self.follow(tag, flow, out)
            }
            Waiting::Idle { tag } => {
                let flow = match line.trim_ascii_end().eq_ignore_ascii_case(b"DONE") {
                    true => Ok(Flow::Done(Status::ok("idled"))),
                    false => Err(Refusal::bad("DONE was expected")),
                };
                self.follow(tag, flow, out)
            }
            other => {
                self.waiting = other;
                debug_assert!(false, "the driver asks Next");
                Next::Command
            }
        }
    }

    /// What became of a sign-in.
    pub(crate) fn signed_in(&mut self, outcome: Result<SignedIn, SignInError>, out: &mut Vec<u8>) -> Next {
        let Waiting::SignIn { tag, exchange } = std::mem::replace(&mut self.waiting, Waiting::Command) else {
            debug_assert!(false, "the driver asks Next");
            return Next::Command;
        };
        let flow = command::authenticate::signed_in(&mut self.core, exchange, outcome, out);
        self.follow(tag, flow, out)
    }

    /// Goes on with a long answer.
    pub(crate) fn step(&mut self, out: &mut Vec<u8>) -> Next {
        let Waiting::Task { tag, mut task } = std::mem::replace(&mut self.waiting, Waiting::Command) else {
            debug_assert!(false, "the driver asks Next");
            return Next::Command;
        };
        let flow = match task.step(&mut self.core, out) {
            Ok(Progress::More) => Ok(Flow::Task(task)),
            Ok(Progress::Done(status)) => Ok(Flow::Done(status)),
            Err(refusal) => Err(refusal),
        };
        self.follow(tag, flow, out)
    }

    /// The account changed, and the client may be told so now.
    pub(crate) fn changed(&mut self, out: &mut Vec<u8>) -> Next {
        let idle = matches!(self.waiting, Waiting::Idle { .. });
        let moment = if idle { Moment::Idle } else { Moment::Between };
        match self.core.tell_changes(moment, out) {
            Ok(()) if self.core.closing => self.close(),
            Ok(()) if idle => Next::Line,
            Ok(()) => Next::Command,
            Err(refusal) => {
                // There is no command to answer; the next one will meet the same trouble and say so.
                refusal.log(&self.core.peer);
                if idle { Next::Line } else { Next::Command }
            }
        }
    }

    /// The driver ends the session.
    pub(crate) fn bye(&mut self, why: Bye, out: &mut Vec<u8>) {
        let status = match why {
            Bye::Silence => Status::bye("nothing was heard of you for too long"),
            Bye::Slow => Status::bye("the command takes too long to come"),
            Bye::Out => Status::bye("your account or its password was changed; sign in again"),
            Bye::Shutdown => Status::bye("the server goes down; come back soon").with_code(ResponseCode::Unavailable),
        };
        say_status(out, None, &status);
        self.waiting = Waiting::Transport;
    }

    fn follow(&mut self, tag: String, flow: Result<Flow, Refusal>, out: &mut Vec<u8>) -> Next {
        let status = match flow {
            Ok(Flow::Done(status)) => status,
            Ok(Flow::Task(task)) => {
                self.waiting = Waiting::Task { tag, task };
                return Next::Step;
            }
            Ok(Flow::Challenge(exchange, guest)) => {
                self.waiting = Waiting::Authenticate { tag, exchange, guest };
                return Next::Line;
            }
            Ok(Flow::SignIn(attempt, exchange)) => {
                self.waiting = Waiting::SignIn { tag, exchange };
                return Next::SignIn(attempt);
            }
            Ok(Flow::Idle) if self.core.closing => return self.close(),
            Ok(Flow::Idle) => {
                self.waiting = Waiting::Idle { tag };
                return Next::Line;
            }
            Ok(Flow::StartTls) => {
                self.count("ok");
                say_status(out, Some(&tag), &Status::ok("begin TLS now"));
                self.waiting = Waiting::Transport;
                return Next::StartTls;
            }
            Ok(Flow::Compress) => {
                self.count("ok");
                say_status(out, Some(&tag), &Status::ok("DEFLATE begins now"));
                return Next::Compress;
            }
            Ok(Flow::Logout) => {
                self.count("ok");
                say_status(out, Some(&tag), &Status::ok("goodbye"));
                return self.close();
            }
            Err(refusal) => return self.refuse(Some(&tag), &refusal, out),
        };
        if let Err(refusal) = self.core.tell_changes(Moment::Command, out) {
            // What was asked for is done, and a client that hears otherwise would do it again. The news waits.
            refusal.log(&self.core.peer);
        }
        if self.core.closing {
            return self.close();
        }
        self.core.forgive();
        self.count("ok");
        say_status(out, Some(&tag), &status);
        Next::Command
    }

    fn refuse(&mut self, tag: Option<&str>, refusal: &Refusal, out: &mut Vec<u8>) -> Next {
        refusal.log(&self.core.peer);
        // What changed meanwhile is told with the next command that succeeds.
        say_refusal(out, tag, refusal);
        self.core.expunges = Expunges::Held;
        self.count(if refusal.is_bad() { "bad" } else { "no" });
        if self.core.count_refusal(refusal) {
            say_status(out, None, &Status::bye("too many commands that could not be understood"));
            return self.close();
        }
        Next::Command
    }

    fn count(&self, outcome: &'static str) {
        let Running { verb, began } = self.running;
        metrics::histogram!("reintegra_imap_command_seconds", "verb" => verb, "outcome" => outcome)
            .record(began.elapsed().as_secs_f64());
    }

    fn close(&mut self) -> Next {
        self.waiting = Waiting::Transport;
        Next::Close
    }

    /// TLS began: what was said in the clear counts for nothing (RFC 9051 §6.2.1).
    pub(crate) fn tls_began(&mut self, peer: Peer) {
        self.core.peer = peer;
        self.core.can_start_tls = false;
        self.core.client = None;
        self.waiting = Waiting::Command;
    }
}

/// Why a command that cannot be understood is refused.
fn refusal_of(error: &ParseError) -> Refusal {
    match error.kind {
        ParseErrorKind::BadCharset => Refusal::bad_charset(),
        ParseErrorKind::UidRequired => Refusal::bad(error.message.clone()).with_code(ResponseCode::UidRequired),
        ParseErrorKind::TooDeep => Refusal::no(error.message.clone()).with_code(ResponseCode::Limit),
        ParseErrorKind::BadSyntax | ParseErrorKind::UnknownCommand => Refusal::bad(error.message.clone()),
    }
}
