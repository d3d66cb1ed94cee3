//! Delivery to other servers: scripted ones with every nastiness, and real ones.
#![allow(clippy::unwrap_used, missing_docs)]

mod dane;
mod hostile;
mod names;
mod peers;
mod pool;
mod routes;
mod server;
mod session;
mod smart_host;
mod sts;
mod tls;
mod world;
