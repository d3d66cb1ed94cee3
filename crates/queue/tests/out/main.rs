//! Delivery to other servers: scripted ones with every nastiness, and real ones.
#![allow(clippy::unwrap_used, missing_docs)]

mod dane;
mod hostile;
mod names;
mod peers;
mod pool;
mod routes;
mod session;
mod smart_host;
mod sts;
mod tls;
mod world;

use testkit::smtp_server as server;
