//! ManageSieve (RFC 5804): the Sieve scripts of an account over the network.
//!
//! Implementation notes.
//! * `session` knows no socket: a frame (`syntax::Frame`) comes in, bytes and what it waits for (`session::Next`) go out. The
//!   driver (`server`) calls it on the blocking pool.
//! * `OK` to a change is said when the change is durable.
//! * A script that could not run is not taken, nor made the active one: it was kept by an integration then, and a message
//!   would be delivered as if there were none. RFC 5804 §2.6 and §2.8 allow both.
//! * The script of an account's forwarding and vacation is kept elsewhere (`directory`) and is none of these.
//! * Names are texts and no file names: `/` and `..` are names like others. Those that came with an integration can be longer
//!   or stranger than a new one may be (RFC 5804 §1.6), and can be read, renamed and deleted all the same.
//! * What SCRAM says at its end goes with the answer (RFC 5804 §2.1), so a client answers nothing to it.
//! * Literals of clients are non-synchronizing (RFC 5804 §4); one that nobody would store is read and thrown away, so that
//!   the answer can be given, up to a limit.
//! * There are no warnings (WARNINGS) since the parser of scripts knows none, nor referrals, nor UNAUTHENTICATE.

mod answer;
mod server;
mod session;
mod syntax;

pub use server::{FULL, Limits, Settings, Times, serve};
