//! Segments: append-only files of self-describing records. The byte layout is in `docs/formats/segment.md`.
//!
//! [`record`] encodes and decodes, `payload` packs what a record holds (`stretches` and `base64`: codec 3); neither does
//! I/O. `log` is the one durable-write path and the reader, `sweep` the reader of many records in their order,
//! `damaged` what they met that is no good.

mod base64;
mod damaged;
pub(crate) mod log;
pub(crate) mod payload;
pub mod record;
mod stretches;
pub(crate) mod sweep;

pub use payload::unpack_payload;
pub use sweep::Sweep;
