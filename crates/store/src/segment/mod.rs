//! Segments: append-only files of self-describing records. The byte layout is in `docs/formats/segment.md`.
//!
//! [`record`] encodes and decodes, and does no I/O; `log` is the one durable-write path and the reader.

pub(crate) mod log;
pub mod record;
