//! A client of SMTP (RFC 5321) and LMTP (RFC 2033): one connection, and the transactions on it.
//!
//! # Implementation notes
//! * Every wait has a limit, and all of what comes before the message a common one: a server that answers each command
//!   just in time is left as well.
//! * STARTTLS throws away what was known and refuses what came before the handshake (RFC 3207 §4.2, §6).
//! * Once the final dot may have left, a message is never sent again within the same try: without an answer it is
//!   unknown whether the server has it (RFC 1047), and the schedule decides.
//! * A message with eight-bit text goes as it is to a server without 8BITMIME, unannounced. Converting it breaks its
//!   signatures, and refusing it bounces what practically every such server takes; RFC 6152 §3 would have one of these.

mod capabilities;
mod commands;
mod connection;
mod reply;
mod stuffing;
mod transaction;

pub(crate) use connection::{Connection, Greeting, Opened, Opening, TlsStart, open};
pub(crate) use reply::{Reply, ReplyError, bounded, printable};
pub(crate) use transaction::{Mail, transact};

use crate::job::Said;
use crate::policy::Failure;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// How long a server may take. RFC 5321 §4.5.3.2 names the least that a client must wait for most of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    /// To take a connection.
    pub connect: Duration,
    /// To greet (§4.5.3.2.1).
    pub greeting: Duration,
    /// To answer EHLO, STARTTLS, AUTH and RSET.
    pub command: Duration,
    /// To shake hands.
    pub handshake: Duration,
    /// To answer MAIL (§4.5.3.2.2).
    pub mail: Duration,
    /// To answer RCPT (§4.5.3.2.3).
    pub recipient: Duration,
    /// To answer DATA (§4.5.3.2.4).
    pub data: Duration,
    /// To take a block of the message (§4.5.3.2.5).
    pub block: Duration,
    /// To answer the final dot (§4.5.3.2.6). Short waits double mail.
    pub end: Duration,
    /// To answer QUIT; nobody waits for that.
    pub quit: Duration,
    /// All of what comes before the message, over all the servers of one try.
    pub before_message: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Times {
            connect: Duration::from_secs(30),
            greeting: minutes(5),
            command: minutes(5),
            handshake: minutes(1),
            mail: minutes(5),
            recipient: minutes(5),
            data: minutes(2),
            block: minutes(3),
            end: minutes(10),
            quit: Duration::from_secs(5),
            before_message: minutes(20),
        }
    }
}

/// A sign-in at a smart host. `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub login: String,
    /// Their password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("login", &self.login).finish_non_exhaustive()
    }
}

/// Where in a session something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Connect,
    Greeting,
    Hello,
    StartTls,
    Handshake,
    SignIn,
    Reset,
    Mail,
    Recipient,
    Data,
    Message,
    End,
    Quit,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Connect => "connecting",
            Step::Greeting => "waiting for the greeting",
            Step::Hello => "introducing ourselves (EHLO)",
            Step::StartTls => "asking for TLS (STARTTLS)",
            Step::Handshake => "the TLS handshake",
            Step::SignIn => "signing in (AUTH)",
            Step::Reset => "starting over (RSET)",
            Step::Mail => "naming the sender (MAIL)",
            Step::Recipient => "naming a recipient (RCPT)",
            Step::Data => "announcing the message (DATA)",
            Step::Message => "sending the message",
            Step::End => "waiting for the message to be acknowledged",
            Step::Quit => "taking leave (QUIT)",
        })
    }
}

/// Why a connection is of no use, or of no use any more. It says nothing about the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It failed, or could not be made.
    Lost(Step, std::io::ErrorKind),
    /// It took too long.
    TimedOut(Step),
    /// What the server says is not SMTP.
    Protocol(Step, ReplyError),
    /// It is SMTP, and not an answer to what was asked.
    Unexpected(Step, Reply),
    /// The server does not want us, now or at all.
    Refused(Step, Reply),
    /// TLS that must be is not, or a certificate is not what it must be.
    Tls(Failure),
    /// The server cannot sign us in as we are told to.
    CannotSignIn,
    /// It holds the message to verified TLS and the server does not promise to (RFC 8689).
    NoRequireTls,
}

impl Fault {
    /// Whether trying again is of no use as far as this server knows itself.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            // A wrong password is the operator's to mend, and no reason to return everybody's mail.
            Fault::Refused(Step::SignIn, _) => false,
            // 530 asks for TLS or a sign-in: the session is at fault, and the next one may be better.
            Fault::Refused(_, reply) => reply.is_permanent() && reply.code != 530,
            Fault::NoRequireTls => true,
            _ => false,
        }
    }

    /// In words, for the sender and the operator.
    pub(crate) fn said_by(&self, server: &str) -> Said {
        let (status, text) = match self {
            Fault::Refused(_, reply) | Fault::Unexpected(_, reply) => {
                let mut said = reply.said_by(server);
                if !self.is_permanent() && said.status.0 != 4 {
                    said.status = (4, said.status.1, said.status.2);
                }
                return said;
            }
            // Nobody was reached.
            Fault::Lost(Step::Connect, kind) => {
                return Said::ours((4, 4, 1), format!("{server} cannot be connected to: {kind}"));
            }
            Fault::TimedOut(Step::Connect) => {
                return Said::ours((4, 4, 1), format!("{server} cannot be connected to: it does not answer"));
            }
            Fault::Lost(step, kind) => ((4, 4, 2), format!("the connection was lost while {step}: {kind}")),
            Fault::TimedOut(step) => ((4, 4, 2), format!("the server took too long while {step}")),
            Fault::Protocol(step, error) => ((4, 5, 0), format!("{error}, while {step}")),
            Fault::Tls(failure) => ((4, 7, 5), failure.to_string()),
            Fault::CannotSignIn => ((4, 7, 0), "the server does not offer a sign-in that is safe to use".to_owned()),
            Fault::NoRequireTls => (
                (5, 7, 30),
                "the sender demands TLS all the way (REQUIRETLS), and the server cannot promise it".to_owned(),
            ),
        };
        Said { server: Some(server.to_owned()), status, text: bounded(&text) }
    }
}

impl Said {
    /// Words of our own, where nobody was reached.
    pub(crate) fn ours(status: (u8, u16, u16), text: impl AsRef<str>) -> Self {
        Said { server: None, status, text: bounded(&printable(text.as_ref())) }
    }
}

/// How long there is left for a wait of at most `limit`.
pub(crate) fn within(limit: Duration, until: Instant) -> Duration {
    limit.min(until.saturating_duration_since(Instant::now()))
}
