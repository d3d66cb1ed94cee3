//! A session without its socket: lines and bytes come in, replies and a wish go out.

mod auth;
mod transaction;

use crate::deliver::{self, Mail, TooMuch};
use crate::rate::{Answer, Event};
use crate::recipient::Question;
use crate::settings::{Role, Settings};
use crate::syntax::command::{self, Command};
use crate::syntax::{EnvelopeAddress, RcptParameters, Reply, reply};
use directory::AccountId;
use edge::sasl::{Attempt, Exchange};
use edge::{Peer, Services, SignedIn};
use std::sync::Arc;
use transaction::{Body, Transaction};

/// What a session waits for.
#[derive(Debug)]
#[must_use]
pub(crate) enum Next {
    /// The next line.
    Line,
    /// More of a message: call [`Session::body`].
    Body,
    /// Whether somebody may send as an address: call [`Session::sender_checked`].
    Sender(EnvelopeAddress),
    /// Who a recipient is: call [`Session::recipient_checked`].
    Recipient(Question),
    /// The delivery of a message: call [`Session::delivered`].
    Deliver(Box<Mail>),
    /// The outcome of a sign-in: call [`Session::signed_in`].
    SignIn(Attempt),
    /// TLS, once what was said is sent.
    StartTls,
    /// Nothing any more: close the connection once what was said is sent.
    Close,
}

/// One client's connection.
pub(crate) struct Session {
    services: Arc<Services>,
    settings: Arc<Settings>,
    peer: Peer,
    /// Version and cipher of TLS.
    tls: Option<String>,
    /// Whether TLS is here to begin.
    can_start_tls: bool,
    state: State,
    hello: Option<Hello>,
    user: Option<Box<SignedIn>>,
    transaction: Option<Box<Transaction>>,
    /// Refusals since a message came.
    mistakes: u32,
    /// Commands since a message came.
    idle_commands: u32,
}

/// How a client introduced itself.
struct Hello {
    name: String,
    /// EHLO or LHLO.
    extended: bool,
}

enum State {
    /// The next command.
    Ready,
    /// Amid an exchange of challenges; with who was let in and has yet to hear the server's proof (SCRAM).
    Challenged(Box<Exchange>, Option<Box<SignedIn>>),
    /// A password is being checked.
    SigningIn(Box<Exchange>),
    /// A sender is being checked.
    CheckingSender(Box<Transaction>),
    /// A recipient is being checked.
    CheckingRecipient(EnvelopeAddress, RcptParameters),
    /// The message comes.
    Data(Box<Body>),
    /// A chunk of it comes: how much is left, and whether it is the last. Without a transaction it is thrown away.
    Chunk { left_bytes: u64, last: bool },
    /// It is being delivered, under an id.
    Delivering { id: String },
    /// The end.
    Closed,
}

impl Session {
    /// A session with somebody who just connected.
    pub(crate) fn new(
        services: Arc<Services>,
        settings: Arc<Settings>,
        peer: Peer,
        tls: Option<String>,
        can_start_tls: bool,
    ) -> Self {
        Session {
            services,
            settings,
            peer,
            tls,
            can_start_tls,
            state: State::Ready,
            hello: None,
            user: None,
            transaction: None,
            mistakes: 0,
            idle_commands: 0,
        }
    }

    /// Greets, or sends those away who could not wait for it (RFC 5321 §4.3.1).
    pub(crate) fn greet(&mut self, spoke_first: bool, out: &mut Vec<u8>) -> Next {
        let policy = &self.services.policy;
        if spoke_first {
            metrics::counter!("reintegra_smtp_early_talkers_total").increment(1);
            Reply::plain(554, format!("{} hears nobody who talks before the greeting", policy.hostname)).write(out);
            return self.close();
        }
        if !self.allows(&Event::Connection(&self.peer)) {
            return self.bye((4, 7, 0), "too many connections: try again later", out);
        }
        let protocol = if self.settings.role == Role::Lmtp { "LMTP" } else { "ESMTP" };
        Reply::plain(220, format!("{} {protocol} {}", policy.hostname, policy.software)).write(out);
        Next::Line
    }

    /// A line without its ending; `more`: something else came behind it already.
    pub(crate) fn line(&mut self, line: &[u8], more: bool, out: &mut Vec<u8>) -> Next {
        if let State::Challenged(..) = self.state {
            return self.answered(line, out);
        }
        self.idle_commands += 1;
        if self.idle_commands > self.settings.limits.idle_commands {
            return self.bye((4, 7, 0), "too many commands without a message", out);
        }
        match command::parse(line) {
            Ok(command) if more && must_be_last(&command) => {
                // RFC 2920 §3.1: what came behind it was sent without waiting for the answer, or by somebody in between.
                Reply::new(503, (5, 5, 1), "nothing may follow that before its answer").write(out);
                self.close()
            }
            Ok(command) => self.obey(command, out),
            Err(why) => self.say(&why.reply(), out),
        }
    }

    fn obey(&mut self, command: Command, out: &mut Vec<u8>) -> Next {
        match command {
            Command::Ehlo(name) if self.settings.role != Role::Lmtp => self.hello(name, true, out),
            Command::Helo(name) if self.settings.role != Role::Lmtp => self.hello(name, false, out),
            Command::Lhlo(name) if self.settings.role == Role::Lmtp => self.hello(name, true, out),
            Command::Ehlo(_) | Command::Helo(_) => self.say(&Reply::new(500, (5, 5, 1), "this is LMTP: say LHLO"), out),
            Command::Lhlo(_) => self.say(&Reply::new(500, (5, 5, 1), "this is SMTP: say EHLO"), out),
            Command::StartTls => self.start_tls(out),
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial.as_deref(), out),
            Command::Mail { from, parameters } => self.mail(from, parameters, out),
            Command::Rcpt { to, parameters } => self.rcpt(to, parameters, out),
            Command::Data => self.data(out),
            Command::Bdat { size_bytes, last } => self.bdat(size_bytes, last, out),
            Command::Rset => {
                self.transaction = None;
                self.say(&Reply::new(250, (2, 0, 0), "forgotten"), out)
            }
            Command::Noop => self.say(&Reply::new(250, (2, 0, 0), "done"), out),
            Command::Vrfy => {
                self.say(&Reply::new(252, (2, 5, 0), "that is not told; send mail, and RCPT will say"), out)
            }
            Command::Expn => self.say(&Reply::new(502, (5, 5, 1), "lists are not told"), out),
            Command::Help => self.say(&Reply::new(214, (2, 0, 0), "RFC 5321 says what can be said here"), out),
            Command::Quit => {
                Reply::new(221, (2, 0, 0), "until next time").write(out);
                self.close()
            }
        }
    }

    /// EHLO, HELO, LHLO: what was begun is forgotten (RFC 5321 §4.1.4).
    fn hello(&mut self, name: String, extended: bool, out: &mut Vec<u8>) -> Next {
        self.transaction = None;
        let greeting = format!("{} hears {name}", self.services.policy.hostname);
        self.hello = Some(Hello { name, extended });
        if !extended {
            return self.say(&Reply::plain(250, greeting), out);
        }
        let limits = &self.settings.limits;
        let mut lines = vec![greeting];
        lines.extend(["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING"].map(str::to_owned));
        lines.push(format!("SIZE {}", limits.message_bytes));
        // RFC 9422 §3.2.
        lines.push(format!("LIMITS RCPTMAX={}", limits.recipients));
        if self.settings.queue.is_some() {
            lines.push("DSN".to_owned());
        }
        if self.peer.tls {
            // RFC 8689 §2: within TLS only.
            lines.push("REQUIRETLS".to_owned());
        }
        if self.can_start_tls {
            lines.push("STARTTLS".to_owned());
        }
        let mechanisms = self.mechanisms();
        if !mechanisms.is_empty() && self.user.is_none() {
            lines.push(format!("AUTH {}", mechanisms.join(" ")));
        }
        reply::write_lines(250, &lines, out);
        Next::Line
    }

    fn start_tls(&mut self, out: &mut Vec<u8>) -> Next {
        if self.peer.tls {
            return self.say(&Reply::new(503, (5, 5, 1), "TLS is on already"), out);
        }
        if !self.can_start_tls {
            return self.say(&Reply::new(502, (5, 5, 1), "there is no TLS here"), out);
        }
        Reply::new(220, (2, 0, 0), "begin TLS now").write(out);
        Next::StartTls
    }

    /// TLS began: what was said in the clear counts for nothing (RFC 3207 §4.2).
    pub(crate) fn tls_began(&mut self, peer: Peer, tls: Option<String>) {
        (self.peer, self.tls, self.can_start_tls) = (peer, tls, false);
        (self.hello, self.user, self.transaction) = (None, None, None);
        self.state = State::Ready;
    }

    /// A line ended in something else than CR LF, or not at all.
    pub(crate) fn bad_line(&mut self, why: &str, out: &mut Vec<u8>) -> Next {
        Reply::new(500, (5, 5, 2), why).write(out);
        self.close()
    }

    /// Ends the session with 421.
    pub(crate) fn bye(&mut self, enhanced: reply::Enhanced, why: &str, out: &mut Vec<u8>) -> Next {
        Reply::new(421, enhanced, format!("{} {why}", self.services.policy.hostname)).write(out);
        self.close()
    }

    /// Says something; too many refusals that the client earned end the session.
    fn say(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Next {
        reply.write(out);
        if !reply.is_good() && !reply.is_temporary() {
            self.mistakes += 1;
        }
        if self.mistakes >= self.settings.limits.mistakes {
            return self.bye((4, 7, 0), "too many mistakes", out);
        }
        Next::Line
    }

    /// Says that a command comes at the wrong time.
    fn out_of_order(&mut self, why: &str, out: &mut Vec<u8>) -> Next {
        self.say(&Reply::new(503, (5, 5, 1), why), out)
    }

    /// Whether something may happen now; where not, whoever is to hear of it is told.
    fn allows(&self, event: &Event<'_>) -> bool {
        match self.settings.rate.as_ref().map_or(Answer::Yes, |rate| rate.allows(*event)) {
            Answer::Yes => true,
            Answer::No { tell } => {
                metrics::counter!("reintegra_smtp_rates_exceeded_total").increment(1);
                if let Some(account) = self.sender().filter(|_| tell) {
                    let (id, address) = (account.id, &account.address);
                    deliver::tell_of_rate(&self.services, &self.settings, id, address, TooMuch::Sent);
                }
                false
            }
        }
    }

    /// Who signed in.
    pub(crate) fn user(&self) -> Option<&SignedIn> {
        self.user.as_deref()
    }

    /// Whose messages these are, on submission.
    pub(crate) fn sender(&self) -> Option<&directory::Account> {
        self.user.as_ref().map(|user| &user.account)
    }

    fn account(&self) -> Option<AccountId> {
        self.user.as_ref().map(|user| user.account.id)
    }

    fn close(&mut self) -> Next {
        self.state = State::Closed;
        self.transaction = None;
        Next::Close
    }
}

/// Commands behind which a client must wait (RFC 2920 §3.1, RFC 3207 §4.2).
fn must_be_last(command: &Command) -> bool {
    use Command as C;
    matches!(command, C::Ehlo(_) | C::Helo(_) | C::Lhlo(_) | C::StartTls | C::Auth { .. } | C::Data)
}
