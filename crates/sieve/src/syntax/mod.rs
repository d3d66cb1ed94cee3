//! The grammar of Sieve (RFC 5228 §8), without a word about what commands mean.
//!
//! ```text
//! commands    = *command
//! command     = identifier arguments (";" / block)
//! arguments   = *argument [ test / test-list ]
//! argument    = string-list / number / tag
//! test        = identifier arguments
//! test-list   = "(" test *("," test) ")"
//! block       = "{" commands "}"
//! string-list = "[" string *("," string) "]" / string
//! ```
//!
//! Tolerated: lines that end with a bare LF. Line ends inside strings become CRLF.

mod lexer;
mod parser;
#[cfg(test)]
mod print;
#[cfg(test)]
mod tests;

pub(crate) use parser::parse;

/// A place in a script; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A command with its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) at: Position,
    /// As written.
    pub(crate) name: String,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) tests: Tests,
    pub(crate) block: Option<Vec<Command>>,
}

/// A test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) at: Position,
    /// As written.
    pub(crate) name: String,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) tests: Tests,
}

/// The tests after the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tests {
    None,
    One(Box<Test>),
    List(Vec<Test>),
}

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argument {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

/// What an argument is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Without its colon, in lower case.
    Tag(String),
    Number(u64),
    String(String),
    List(Vec<(Position, String)>),
}
