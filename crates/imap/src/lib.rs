//! IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501): parse, ask the store, answer.
//!
//! Implementation notes.
//! * `syntax` knows bytes and no session: a framer that turns a stream into commands, a parser, writers.
//! * `session` knows no socket. Its `Session` takes a command, a line or word of a change, and gives bytes and
//!   what it waits for (`Next`). It is synchronous: the driver calls it on the blocking pool.
//! * `command` has one file a verb, and one table that lists the verbs.
//! * [`serve`] is the driver: sockets, TLS, DEFLATE, time-outs, and nothing that decides about mail.
//! * Numbers: a session's own view (`session/view.rs`) says which message has which number. It changes only when the
//!   client is told, so that no number ever names another message than the client thinks (RFC 9051 §7.5.1).
//!   Whatever the store says that cannot be told so (mail put back below the newest message by an integration, another
//!   UIDVALIDITY, no mailbox) ends the session, and the client begins anew with what is true.
//! * Changes are told from one place, `session/selected.rs`, which compares the view with the store's picture of
//!   the mailbox: no session tells another anything. The hub only says that there is something to look for.
//! * NOTIFY compares pictures of the account in the same way. It tells of messages in other mailboxes also where its own
//!   session put them there: leaving out another's at the same moment would be worse (RFC 5465 §5 asks it as SHOULD).
//! * QRESYNC: every removal is remembered with its modification sequence, so that the answer is exact, and the sequence
//!   numbers that a client may send along (RFC 7162 §3.2.5.2) are not needed.
//! * Long answers are made in steps of bounded size (`Task`): a client that does not read holds a few
//!   hundred kilobytes and no transaction.

mod answer;
mod cache;
mod command;
#[cfg(test)]
mod conformance;
mod order;
mod server;
mod session;
mod syntax;

pub use cache::warm;
pub use command::capability::switchable;
pub use server::{Times, serve};
