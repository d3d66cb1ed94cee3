//! A script cut into tokens (RFC 5228 §8.1).

use super::Position;
use crate::ScriptError;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Identifier(String),
    /// Without its colon, in lower case.
    Tag(String),
    Number(u64),
    String(String),
    /// One of `[ ] ( ) { } , ;`.
    Mark(char),
    End,
}

/// Goes through a script token by token.
pub(super) struct Lexer<'a> {
    rest: &'a str,
    at: Position,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Lexer { rest: text, at: Position { line: 1, column: 1 } }
    }

    /// The next token and where it begins.
    pub(super) fn next(&mut self) -> Result<(Position, Token), ScriptError> {
        self.skip_space()?;
        let at = self.at;
        let Some(first) = self.peek() else { return Ok((at, Token::End)) };
        let token = match first {
            '[' | ']' | '(' | ')' | '{' | '}' | ',' | ';' => {
                self.bump();
                Token::Mark(first)
            }
            '"' => self.quoted_string()?,
            ':' => self.tag()?,
            '0'..='9' => self.number()?,
            'a'..='z' | 'A'..='Z' | '_' => self.identifier_or_text()?,
            other => return Err(error(at, format!("{other:?} begins nothing that may stand here"))),
        };
        Ok((at, token))
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        if c == '\n' {
            self.at = Position { line: self.at.line + 1, column: 1 };
        } else {
            self.at.column += 1;
        }
        Some(c)
    }

    /// Passes over white space and comments.
    fn skip_space(&mut self) -> Result<(), ScriptError> {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' => drop(self.bump()),
                '#' => drop(self.line()),
                '/' if self.rest.starts_with("/*") => self.skip_comment()?,
                _ => break,
            }
        }
        Ok(())
    }

    fn skip_comment(&mut self) -> Result<(), ScriptError> {
        let at = self.at;
        self.bump();
        self.bump();
        while !self.rest.starts_with("*/") {
            if self.bump().is_none() {
                return Err(error(at, "the comment that begins here has no */ at its end"));
            }
        }
        self.bump();
        self.bump();
        Ok(())
    }

    /// Takes the rest of the line and its end; gives it without the end, or `None` where the script ends before the line.
    fn line(&mut self) -> Option<&'a str> {
        let (line, after) = self.rest.split_once('\n').map_or((self.rest, None), |(line, after)| (line, Some(after)));
        match after {
            Some(after) => {
                self.rest = after;
                self.at = Position { line: self.at.line + 1, column: 1 };
                Some(line.strip_suffix('\r').unwrap_or(line))
            }
            None => {
                self.rest = "";
                self.at.column += line.chars().count();
                None
            }
        }
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.at.column += end;
        word
    }

    fn tag(&mut self) -> Result<Token, ScriptError> {
        let at = self.at;
        self.bump();
        match self.peek() {
            Some('a'..='z' | 'A'..='Z' | '_') => Ok(Token::Tag(self.word().to_ascii_lowercase())),
            _ => Err(error(at, "a name must follow on the colon of a tag")),
        }
    }

    fn number(&mut self) -> Result<Token, ScriptError> {
        let at = self.at;
        let word = self.word();
        let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
        let (digits, unit) = word.split_at(end);
        let shift = match unit {
            "" => 0,
            "K" | "k" => 10,
            "M" | "m" => 20,
            "G" | "g" => 30,
            _ => return Err(error(at, format!("{word:?} is no number: digits and perhaps K, M or G are expected"))),
        };
        let value = digits.parse::<u64>().ok().and_then(|value| value.checked_mul(1 << shift));
        value.map(Token::Number).ok_or_else(|| error(at, format!("the number {word} is too large")))
    }

    fn identifier_or_text(&mut self) -> Result<Token, ScriptError> {
        let at = self.at;
        let word = self.word();
        if !word.eq_ignore_ascii_case("text") || self.peek() != Some(':') {
            return Ok(Token::Identifier(word.to_owned()));
        }
        self.bump();
        self.multi_line(at)
    }

    fn quoted_string(&mut self) -> Result<Token, ScriptError> {
        let at = self.at;
        self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                None => return Err(error(at, "the string that begins here has no quote at its end")),
                Some('"') => return Ok(Token::String(text)),
                Some('\\') => match self.bump() {
                    None => {}
                    Some(c) => push(&mut text, c),
                },
                Some(c) => push(&mut text, c),
            }
        }
    }

    /// Reads what follows on `text:` (RFC 5228 §2.4.2).
    fn multi_line(&mut self, at: Position) -> Result<Token, ScriptError> {
        let unended = || error(at, "the text: that begins here has no line with a single dot at its end");
        let after = self.at;
        let first = self.line().ok_or_else(unended)?;
        let first = first.trim_start_matches([' ', '\t']);
        if !first.is_empty() && !first.starts_with('#') {
            return Err(error(after, "a line end or a # comment must follow on text:"));
        }
        let mut text = String::new();
        loop {
            // The line with the dot may be the last of the script and lack its end.
            if matches!(self.rest, "." | ".\r") {
                self.line();
                return Ok(Token::String(text));
            }
            let line = self.line().ok_or_else(unended)?;
            match line {
                "." => return Ok(Token::String(text)),
                line => text.push_str(if line.starts_with("..") { &line[1..] } else { line }),
            }
            text.push_str("\r\n");
        }
    }
}

/// Appends a character; a bare LF becomes CRLF.
fn push(text: &mut String, c: char) {
    if c == '\n' && !text.ends_with('\r') {
        text.push('\r');
    }
    text.push(c);
}

pub(super) fn error(at: Position, what: impl Into<String>) -> ScriptError {
    ScriptError { line: at.line, column: at.column, what: what.into() }
}
