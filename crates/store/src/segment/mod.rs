//! Segments: append-only files of self-describing records. The byte layout is in `docs/formats/segment.md`.
//!
//! [`record`] encodes and decodes, `payload` packs what a record holds (`stretches` and `base64`: codec 3); neither does
//! I/O. `log` is the one durable-write path and the reader.

mod base64;
pub(crate) mod log;
pub(crate) mod payload;
pub mod record;
mod stretches;

pub use payload::unpack_payload;
