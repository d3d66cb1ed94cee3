//! Scripts run on messages: the examples of the RFCs, hostile ones, and what Pigeonhole makes of the same.

#![allow(clippy::unwrap_used)]

mod account;
mod corpus;
mod editheader;
mod hostile;
mod peer;
mod peer_edits;
mod rfc;
mod vacation;
