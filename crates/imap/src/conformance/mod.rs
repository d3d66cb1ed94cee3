//! The server held against the RFCs, without sockets: one file a verb or an RFC.

#![allow(clippy::unwrap_used)]

pub(crate) mod harness;

mod append;
mod attack;
mod attack_syntax;
mod capability;
mod copy_and_move;
mod dovecot;
mod fetch;
mod framing;
mod list;
mod mailboxes;
mod metadata;
mod monkey;
mod notify;
mod qresync;
mod quota;
mod search;
mod select;
mod sessions;
mod sort_and_thread;
mod status;
mod store;
