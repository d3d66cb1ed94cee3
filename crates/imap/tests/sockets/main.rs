//! The server over real sockets: transports, faults, many sessions at once.

#![allow(clippy::unwrap_used)]

mod attack;
mod crowd;
mod exchange;
mod faults;
mod memory;
mod support;
