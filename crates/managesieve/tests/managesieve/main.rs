//! ManageSieve over the wire: a server of one directory, a client that knows nothing of it, and Debian's.

#![allow(clippy::unwrap_used)]

mod attack;
mod clients;
mod scripts;
mod sign_in;
mod world;
