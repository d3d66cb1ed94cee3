//! Certificates from an ACME server (RFC 8555), for every service.
//!
//! A [`Manager`] keeps the certificates that the configuration asks for: it orders what is missing, renews what grows old,
//! and hands each to [`edge::tls::Tls`], from where every service shows it to the next client without a restart. Whoever
//! has a name is shown to the server by HTTP-01 (RFC 8555 §8.3) through a [`Responder`], or by TLS-ALPN-01 (RFC 8737)
//! through [`Tls::accept`](edge::tls::Tls::accept); [`serve_http`] and [`serve_tls`] are the two small servers for that.
//!
//! # Implementation notes
//! * A certificate and its key are one file, replaced by one rename: there is no moment at which they do not fit.
//! * What comes from the server is looked at before it replaces anything: that it is for our key and our names, valid now,
//!   and signed by what comes after it. Until then, and whenever something fails, the former certificate goes on.
//! * The limits of an authority are dearer than speed. One order at a time, fewer and fewer after failures; that a restart
//!   does not begin anew is kept on disk, and what the server says with Retry-After is obeyed.
//! * A name that does not point here must not take the others along: they are ordered without it, and it is tried again
//!   with the next attempt. What is served already is not ordered again meanwhile.
//! * When to renew is the server's to say where it can (RFC 9773), else after two thirds of a certificate's life, a little
//!   earlier for some than for others.
//! * HTTP is our own over hyper, one connection for each request, so that time and size are bounded, and TLS is made where
//!   all of it is made.

mod chain;
mod error;
mod http;
mod keep;
mod listen;
mod manager;
mod order;
mod responder;
mod schedule;
mod settings;

pub use error::SetupError;
pub use keep::{Refusal, State, states};
pub use listen::{serve_http, serve_tls};
pub use manager::Manager;
pub use responder::{Answer, Responder};
pub use settings::{Kind, Pace, Settings};
