//! Tokens made a tree.

use super::lexer::{Lexer, Token, error};
use super::{Argument, Command, Position, Test, Tests, Value};
use crate::ScriptError;
use crate::limits::{MAX_NESTING, MAX_SCRIPT_BYTES};

/// Parses a script up to its first error.
pub(crate) fn parse(script: &[u8]) -> Result<Vec<Command>, ScriptError> {
    let start = Position { line: 1, column: 1 };
    if script.len() > MAX_SCRIPT_BYTES {
        return Err(error(start, format!("the script is longer than {MAX_SCRIPT_BYTES} bytes")));
    }
    let script = script.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(script);
    let text = std::str::from_utf8(script).map_err(|wrong| {
        let before = String::from_utf8_lossy(&script[..wrong.valid_up_to()]);
        error(after(start, &before), "the script is not UTF-8 here")
    })?;
    if let Some(nul) = text.find('\0') {
        return Err(error(after(start, &text[..nul]), "the script holds a NUL"));
    }
    let mut lexer = Lexer::new(text);
    let (at, token) = lexer.next()?;
    let mut parser = Parser { lexer, at, token, depth: 0 };
    let commands = parser.commands()?;
    match parser.token {
        Token::End => Ok(commands),
        _ => Err(parser.unexpected("a command")),
    }
}

/// The place after a text that begins at `start`.
fn after(start: Position, text: &str) -> Position {
    let line = text.rsplit('\n').next().unwrap_or_default();
    Position { line: start.line + text.matches('\n').count(), column: line.chars().count() + 1 }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The token that comes next, and its place.
    token: Token,
    at: Position,
    depth: usize,
}

impl Parser<'_> {
    fn bump(&mut self) -> Result<Token, ScriptError> {
        let (at, token) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn is(&self, mark: char) -> bool {
        self.token == Token::Mark(mark)
    }

    fn expect(&mut self, mark: char, after: &str) -> Result<(), ScriptError> {
        if !self.is(mark) {
            return Err(self.unexpected(&format!("{mark:?} {after}")));
        }
        self.bump().map(drop)
    }

    fn unexpected(&self, expected: &str) -> ScriptError {
        let found = match &self.token {
            Token::Identifier(name) => format!("the word {name}"),
            Token::Tag(name) => format!("the tag :{name}"),
            Token::Number(number) => format!("the number {number}"),
            Token::String(_) => "a string".to_owned(),
            Token::Mark(mark) => format!("{mark:?}"),
            Token::End => "the end of the script".to_owned(),
        };
        error(self.at, format!("{expected} is expected, not {found}"))
    }

    /// Parses what lies one level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, ScriptError>) -> Result<T, ScriptError> {
        if self.depth == MAX_NESTING {
            return Err(error(self.at, format!("blocks and tests may be nested {MAX_NESTING} deep, not deeper")));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn commands(&mut self) -> Result<Vec<Command>, ScriptError> {
        let mut commands = Vec::new();
        while let Token::Identifier(name) = &self.token {
            let (at, name) = (self.at, name.clone());
            self.bump()?;
            let (arguments, tests) = self.arguments()?;
            let block = if self.is('{') {
                self.bump()?;
                let block = self.nested(Self::commands)?;
                self.expect('}', "after the commands of a block")?;
                Some(block)
            } else {
                self.expect(';', &format!("or a block after {name}"))?;
                None
            };
            commands.push(Command { at, name, arguments, tests, block });
        }
        Ok(commands)
    }

    fn arguments(&mut self) -> Result<(Vec<Argument>, Tests), ScriptError> {
        let mut arguments = Vec::new();
        loop {
            let at = self.at;
            let value = match &self.token {
                Token::Tag(_) | Token::Number(_) | Token::String(_) => match self.bump()? {
                    Token::Tag(name) => Value::Tag(name),
                    Token::Number(number) => Value::Number(number),
                    Token::String(text) => Value::String(text),
                    _ => continue,
                },
                Token::Mark('[') => self.string_list()?,
                _ => break,
            };
            arguments.push(Argument { at, value });
        }
        let tests = match &self.token {
            Token::Identifier(_) => Tests::One(Box::new(self.nested(Self::test)?)),
            Token::Mark('(') => Tests::List(self.nested(Self::test_list)?),
            _ => Tests::None,
        };
        Ok((arguments, tests))
    }

    fn string_list(&mut self) -> Result<Value, ScriptError> {
        self.bump()?;
        let mut strings = Vec::new();
        loop {
            let at = self.at;
            if !matches!(self.token, Token::String(_)) {
                return Err(self.unexpected("a string of the list"));
            }
            if let Token::String(text) = self.bump()? {
                strings.push((at, text));
            }
            if !self.is(',') {
                break;
            }
            self.bump()?;
        }
        self.expect(']', "or ',' after a string of a list")?;
        Ok(Value::List(strings))
    }

    fn test(&mut self) -> Result<Test, ScriptError> {
        let at = self.at;
        let Token::Identifier(name) = &self.token else { return Err(self.unexpected("a test")) };
        let name = name.clone();
        self.bump()?;
        let (arguments, tests) = self.arguments()?;
        Ok(Test { at, name, arguments, tests })
    }

    fn test_list(&mut self) -> Result<Vec<Test>, ScriptError> {
        self.bump()?;
        let mut tests = Vec::new();
        loop {
            tests.push(self.test()?);
            if !self.is(',') {
                break;
            }
            self.bump()?;
        }
        self.expect(')', "or ',' after a test of a list")?;
        Ok(tests)
    }
}
