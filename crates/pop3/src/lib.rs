//! POP3 (RFC 1939) with CAPA (RFC 2449), STLS (RFC 2595), SASL (RFC 5034), RESP-CODES, AUTH-RESP-CODE (RFC 3206),
//! PIPELINING and UTF8 (RFC 6856).
//!
//! Implementation notes.
//! * `session` knows no socket: a line comes in, bytes and what it waits for (`session::Next`) go out. The driver
//!   (`server`) calls it on the blocking pool.
//! * A maildrop is a picture of INBOX taken at sign-in (`maildrop`): what arrives later is in the next session's. It is
//!   locked against other POP3 sessions (RFC 1939 §4), not against IMAP or deliveries: numbers are of the picture, UIDs
//!   find the messages.
//! * UIDLs are those of `RULES.md 5.2`; which messages of before the incident are listed, `RULES.md 5.3` says.
//! * Nothing is deleted before QUIT, and QUIT answers `+OK` only when the deletion is durable.
//! * A line that is too long, or a client that talks nonsense, ends the session: POP3 has no literals, so nothing that a
//!   mail reader sends is long.

mod command;
mod lock;
mod maildrop;
mod server;
mod session;

pub use lock::Locks;
pub use server::{Settings, Times, serve};
