//! A strict reader of responses: what it takes is in the grammar of RFC 9051 §9, down to quotes, spaces and octets.

/// A value of a response.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Atom(String),
    Text(Vec<u8>),
    List(Vec<Value>),
}

struct Reader<'a> {
    left: &'a [u8],
    /// Within a response code, which `]` ends.
    in_code: bool,
}

type Read<T> = Result<T, String>;

/// Reads everything that a server said, as values of each response. `utf8`: quoted strings may be UTF-8.
pub(super) fn read_all(said: &[u8], utf8: bool) -> Read<Vec<Vec<Value>>> {
    let mut reader = Reader { left: said, in_code: false };
    let mut responses = Vec::new();
    while !reader.left.is_empty() {
        let before = reader.left;
        let response = reader.response(utf8);
        responses.push(response.map_err(|why| format!("{why} in {:?}", String::from_utf8_lossy(before)))?);
    }
    Ok(responses)
}

impl Reader<'_> {
    fn eat(&mut self, text: &[u8]) -> bool {
        let rest = self.left.strip_prefix(text);
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }

    fn expect(&mut self, text: &str) -> Read<()> {
        let at = String::from_utf8_lossy(&self.left[..self.left.len().min(40)]).into_owned();
        if self.eat(text.as_bytes()) { Ok(()) } else { Err(format!("{text:?} was expected at {at:?}")) }
    }

    fn while_(&mut self, holds: impl Fn(u8) -> bool) -> &[u8] {
        let length = self.left.iter().position(|byte| !holds(*byte)).unwrap_or(self.left.len());
        let (taken, left) = self.left.split_at(length);
        self.left = left;
        taken
    }

    fn response(&mut self, utf8: bool) -> Read<Vec<Value>> {
        if self.eat(b"+ ") {
            self.while_(|byte| !matches!(byte, b'\r' | b'\n' | 0));
            return self.expect("\r\n").map(|()| Vec::new());
        }
        if !self.eat(b"* ") {
            let tag = self.while_(|byte| byte.is_ascii_alphanumeric()).len();
            if tag == 0 {
                return Err("a tag was expected".into());
            }
            self.expect(" ")?;
            return self.condition().ok_or("a tagged response is OK, NO or BAD")?.map(|()| Vec::new());
        }
        if let Some(read) = self.condition() {
            return read.map(|()| Vec::new());
        }
        let mut values = vec![self.value(utf8)?];
        while !self.eat(b"\r\n") {
            let threads = values == [Value::Atom("THREAD".into())] || values.last().is_some_and(is_list);
            if !(threads && self.left.starts_with(b"(")) {
                self.expect(" ")?;
            }
            values.push(self.value(utf8)?);
        }
        Ok(values)
    }

    /// `OK [CODE ...] text`, if it is one.
    fn condition(&mut self) -> Option<Read<()>> {
        let words: [&[u8]; 5] = [b"OK ", b"NO ", b"BAD ", b"BYE ", b"PREAUTH "];
        words.iter().any(|word| self.eat(word)).then(|| {
            if self.left.starts_with(b"[") {
                self.eat(b"[");
                self.in_code = true;
                self.value(false)?;
                while !self.eat(b"]") {
                    self.expect(" ")?;
                    self.value(false)?;
                }
                self.in_code = false;
                self.expect(" ")?;
            }
            match self.while_(|byte| matches!(byte, b' '..=b'~')).len() {
                0 => Err("a text is not empty".into()),
                _ => self.expect("\r\n"),
            }
        })
    }

    fn value(&mut self, utf8: bool) -> Read<Value> {
        match self.left.first() {
            Some(b'(') => self.list(utf8),
            Some(b'"') => self.quoted(utf8),
            Some(b'{' | b'~') => self.literal(),
            _ => self.atom(utf8),
        }
    }

    fn list(&mut self, utf8: bool) -> Read<Value> {
        self.expect("(")?;
        let mut values = Vec::new();
        while !self.eat(b")") {
            // Bodies, addresses and threads stand side by side.
            let side_by_side = self.left.starts_with(b"(") && values.last().is_some_and(is_list);
            if !values.is_empty() && !side_by_side {
                self.expect(" ")?;
            }
            values.push(self.value(utf8)?);
        }
        Ok(Value::List(values))
    }

    fn quoted(&mut self, utf8: bool) -> Read<Value> {
        self.expect("\"")?;
        let mut text = Vec::new();
        loop {
            let Some((&byte, rest)) = self.left.split_first() else { return Err("a quote is open".into()) };
            self.left = rest;
            match byte {
                b'"' => break,
                b'\\' => match self.left.split_first() {
                    Some((byte @ (b'"' | b'\\'), rest)) => {
                        text.push(*byte);
                        self.left = rest;
                    }
                    _ => return Err("only quotes and backslashes are escaped".into()),
                },
                b'\r' | b'\n' | 0 => return Err("a quoted string has no CR, LF and NUL".into()),
                0x80.. if !utf8 => return Err("a quoted string is ASCII".into()),
                _ => text.push(byte),
            }
        }
        if std::str::from_utf8(&text).is_err() {
            return Err("a quoted string is UTF-8".into());
        }
        Ok(Value::Text(text))
    }

    fn literal(&mut self) -> Read<Value> {
        let binary = self.eat(b"~");
        self.expect("{")?;
        let length = self.while_(|byte| byte.is_ascii_digit());
        let length: usize = String::from_utf8_lossy(length).parse().map_err(|_| "a literal has a length")?;
        self.expect("}\r\n")?;
        let (bytes, left) = self.left.split_at_checked(length).ok_or("a literal is whole")?;
        if !binary && bytes.contains(&0) {
            return Err("a literal has no NUL".into());
        }
        self.left = left;
        Ok(Value::Text(bytes.to_vec()))
    }

    /// An atom, a flag, or an item of FETCH with its section.
    fn atom(&mut self, utf8: bool) -> Read<Value> {
        self.eat(b"\\");
        let whole = self.left;
        let in_code = self.in_code;
        let mut atom = self.while_(|byte| is_atom_char(byte) && !(in_code && byte == b']')).to_vec();
        if [&b"BODY["[..], b"BINARY[", b"BINARY.SIZE["].iter().any(|begin| atom.starts_with(begin)) {
            // The section is read again, from its bracket.
            let taken = atom.len() - atom.iter().position(|byte| *byte == b'[').unwrap_or(0) - 1;
            atom.truncate(atom.len() - taken);
            self.left = &whole[atom.len()..];
            while !self.eat(b"]") {
                match self.left.first() {
                    Some(b'(') => _ = self.list(utf8)?,
                    Some(b' ') => self.expect(" ")?,
                    _ if self.while_(|byte| byte.is_ascii_alphanumeric() || byte == b'.').is_empty() => {
                        return Err("a section ends".into());
                    }
                    _ => {}
                }
            }
            if self.eat(b"<") {
                self.while_(|byte| byte.is_ascii_digit());
                self.expect(">")?;
            }
        }
        match atom.is_empty() {
            true if !self.eat(b"*") => {
                let at = String::from_utf8_lossy(&self.left[..self.left.len().min(40)]).into_owned();
                Err(format!("an atom was expected at {at:?}"))
            }
            _ => Ok(Value::Atom(String::from_utf8_lossy(&atom).into_owned())),
        }
    }
}

fn is_list(value: &Value) -> bool {
    matches!(value, Value::List(_))
}

fn is_atom_char(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\')
}

/// Whether a value is an ENVELOPE: ten members, of which six are lists of addresses of four texts.
pub(super) fn is_envelope(value: &Value) -> bool {
    let Value::List(members) = value else { return false };
    let text = |value: &Value| matches!(value, Value::Text(_)) || *value == Value::Atom("NIL".into());
    let addresses = |value: &Value| match value {
        Value::List(all) => {
            !all.is_empty()
                && all.iter().all(|one| matches!(one, Value::List(four) if four.len() == 4 && four.iter().all(text)))
        }
        other => *other == Value::Atom("NIL".into()),
    };
    members.len() == 10
        && members
            .iter()
            .enumerate()
            .all(|(at, member)| if (2..8).contains(&at) { addresses(member) } else { text(member) })
}
