//! SMTP as it is on the wire: a server on loopback, and clients that write lines and read replies.

#![expect(clippy::unwrap_used, reason = "tests")]

mod attack;
mod clients;
mod durability;
mod filter;
mod handover;
mod header_edits;
mod lmtp;
mod mx;
mod origin;
mod peers;
mod rates;
mod recipients;
mod scripts;
mod submission;
mod world;
