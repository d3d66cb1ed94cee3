//! POP3 as it is on the wire: a server on loopback, and clients that write lines and read answers.

#![expect(clippy::unwrap_used, reason = "tests")]

mod attack;
mod faults;
mod maildrop;
mod sign_in;
mod world;
