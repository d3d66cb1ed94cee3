//! A client that asks and takes answers apart.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A piece of an answer.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value {
    Atom(String),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    List(Vec<Value>),
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Atom(atom) => f.write_str(atom),
            Value::Text(text) => write!(f, "\"{}\"", text.escape_ascii()),
            Value::List(values) => f.debug_list().entries(values).finish(),
        }
    }
}

impl Value {
    pub(super) fn in_lower_case(&self) -> Value {
        match self {
            Value::Atom(atom) => Value::Atom(atom.clone()),
            Value::Text(text) => Value::Text(text.to_ascii_lowercase()),
            Value::List(values) => Value::List(values.iter().map(Value::in_lower_case).collect()),
        }
    }

    pub(super) fn list(&self) -> &[Value] {
        match self {
            Value::List(values) => values,
            other => panic!("no list: {other:?}"),
        }
    }
}

pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    /// Signs in and selects INBOX.
    pub(crate) fn connect(server: SocketAddr, login: &str) -> Client {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let mut client = Client(BufReader::with_capacity(1 << 16, stream));
        client.response();
        client.ask(&format!("LOGIN {login} x"));
        client.ask("SELECT INBOX");
        client
    }

    /// The untagged responses to a command, as bytes.
    pub(crate) fn ask(&mut self, command: &str) -> Vec<Vec<u8>> {
        self.0.get_mut().write_all(format!("a {command}\r\n").as_bytes()).unwrap();
        let mut responses = Vec::new();
        loop {
            let response = self.response();
            if response.starts_with(b"a ") {
                assert!(response.starts_with(b"a OK"), "{command}: {}", response.escape_ascii());
                return responses;
            }
            responses.push(response);
        }
    }

    /// One response, literals included.
    fn response(&mut self) -> Vec<u8> {
        let mut response = Vec::new();
        loop {
            let line = response.len();
            assert!(self.0.read_until(b'\n', &mut response).unwrap() > 0, "the server broke off");
            let Some((size, _)) = literal(&response[line..]) else { return response };
            let start = response.len();
            response.resize(start + size, 0);
            self.0.read_exact(&mut response[start..]).unwrap();
        }
    }
}

/// The size of the literal that a line announces, and the length of the announcement.
fn literal(line: &[u8]) -> Option<(usize, usize)> {
    let open = line.strip_suffix(b"}\r\n")?.iter().rposition(|byte| *byte == b'{')?;
    let size = std::str::from_utf8(&line[open + 1..line.len() - 3]).ok()?.parse().ok()?;
    Some((size, line.len() - open))
}

/// Takes a response or a part of one apart.
pub(super) fn values(mut rest: &[u8]) -> Vec<Value> {
    let mut open: Vec<Vec<Value>> = vec![Vec::new()];
    while let Some((&first, after)) = rest.split_first() {
        let value = match first {
            b' ' | b'\r' | b'\n' => {
                rest = after;
                continue;
            }
            b'(' => {
                open.push(Vec::new());
                rest = after;
                continue;
            }
            b')' => {
                rest = after;
                Value::List(open.pop().unwrap())
            }
            b'"' => {
                let (text, end) = quoted(after);
                rest = &after[end..];
                Value::Text(text)
            }
            b'{' => {
                let line = rest.iter().position(|byte| *byte == b'\n').unwrap() + 1;
                let (size, _) = literal(&rest[..line]).unwrap();
                let text = rest[line..line + size].to_vec();
                rest = &rest[line + size..];
                Value::Text(text)
            }
            _ => {
                let end = rest.iter().position(|byte| b" ()\r\n".contains(byte)).unwrap_or(rest.len());
                let atom = String::from_utf8_lossy(&rest[..end]).into_owned();
                rest = &rest[end..];
                Value::Atom(atom)
            }
        };
        open.last_mut().unwrap().push(value);
    }
    assert_eq!(open.len(), 1, "a parenthesis is open");
    open.pop().unwrap()
}

/// The text of a quoted string whose `"` is behind, and where it ends.
fn quoted(text: &[u8]) -> (Vec<u8>, usize) {
    let mut content = Vec::new();
    let mut at = 0;
    while text[at] != b'"' {
        at += usize::from(text[at] == b'\\');
        content.push(text[at]);
        at += 1;
    }
    (content, at + 1)
}
