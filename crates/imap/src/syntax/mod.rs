//! The syntax of IMAP: what clients send and what they are answered, as bytes.
//!
//! Nothing here knows a session, a store or a socket. [`Framer`] cuts a stream into commands, [`parse()`] reads one, and
//! the functions `write_…` append parts of responses to a buffer.

pub(crate) mod body_structure;
pub(crate) mod chars;
pub(crate) mod command;
pub(crate) mod envelope;
mod framer;
mod parse;
pub(crate) mod set;
mod write;

pub(crate) use command::*;
pub(crate) use framer::{Frame, Framer, FramerLimits, RefusedLine, RefusedWhy};
pub(crate) use parse::{ParseContext, ParseError, ParseErrorKind, parse};
pub(crate) use write::*;
