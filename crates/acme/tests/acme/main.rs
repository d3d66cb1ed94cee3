//! The manager against Pebble, Let's Encrypt's own test server, with a proxy before it that spoils what it is told to.

#![allow(clippy::unwrap_used)]

mod faults;
mod issuing;
mod proxy;
mod world;
