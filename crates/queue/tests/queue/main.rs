//! The queue over a real spool, with deliverers that do as they are told and a clock that is set.

#![allow(clippy::unwrap_used)]

mod dsn;
mod ends;
mod kills;
mod operator;
mod pace;
mod world;
