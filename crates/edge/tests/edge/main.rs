//! TLS and listeners, with a client of rustls and with clients that are none.

#![allow(clippy::unwrap_used)]

mod client;
mod listen;
mod tls;
