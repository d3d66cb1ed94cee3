//! A small IMAP and POP3 client that says what it was shown.
//!
//! It shares no parser with the product: a witness that used our own code would repeat our own mistakes.

use anyhow::{Context, bail, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A mailbox as IMAP shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedMailbox {
    /// Its name, decoded; levels separated by Dovecot's `.`.
    pub name: String,
    /// Attributes of LIST, sorted (`\HasNoChildren`, `\NoSelect`).
    pub attributes: Vec<String>,
    /// Whether LSUB has it.
    pub subscribed: bool,
    /// UIDVALIDITY; 0 where it cannot be selected.
    pub uidvalidity: u32,
    /// UIDNEXT; 0 where it cannot be selected.
    pub uidnext: u32,
    /// Its messages by UID.
    pub messages: Vec<ServedMessage>,
}

/// A message as IMAP shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedMessage {
    /// Its UID.
    pub uid: u32,
    /// System flags and keywords, sorted; `\Recent` left out, which belongs to the session.
    pub flags: Vec<String>,
    /// INTERNALDATE in seconds since 1970 UTC.
    pub internal_date: i64,
    /// RFC822.SIZE in bytes.
    pub size_bytes: u64,
    /// Its bytes, CRLF at the ends of lines.
    pub body: Vec<u8>,
}

/// A message as POP3 lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UidlEntry {
    /// Its UIDL.
    pub uidl: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Its bytes, as RETR gives them.
    pub body: Vec<u8>,
}

/// Whether IMAP's LOGIN is answered with OK.
pub(super) fn opens(server: SocketAddr, login: &str, password: &str) -> anyhow::Result<bool> {
    Imap::connect(server)?.login(login, password)
}

/// Reads a whole account by IMAP.
pub(crate) fn account(server: SocketAddr, login: &str, password: &str) -> anyhow::Result<Vec<ServedMailbox>> {
    let mut imap = Imap::connect(server)?;
    ensure!(imap.login(login, password)?, "{login} does not open");
    let mut subscribed = Vec::new();
    for line in imap.command(b"LSUB \"\" *")? {
        if let [Value::Atom(star), Value::Atom(lsub), _, _, name] = &line[..]
            && star == "*"
            && lsub == "LSUB"
        {
            subscribed.push(name.text()?.to_vec());
        }
    }
    let mut listed = Vec::new();
    for line in imap.command(b"LIST \"\" *")? {
        if let [Value::Atom(star), Value::Atom(list), attributes, _, name] = &line[..]
            && star == "*"
            && list == "LIST"
        {
            listed.push((attributes.atoms()?, name.text()?.to_vec()));
        }
    }
    let mut mailboxes = Vec::new();
    for (mut attributes, name) in listed {
        attributes.sort();
        let mut mailbox = ServedMailbox {
            name: decode_utf7(&name)?,
            subscribed: subscribed.contains(&name),
            uidvalidity: 0,
            uidnext: 0,
            messages: Vec::new(),
            attributes,
        };
        if !mailbox.attributes.iter().any(|attribute| attribute.eq_ignore_ascii_case("\\NoSelect")) {
            imap.examine(&name, &mut mailbox).with_context(|| mailbox.name.clone())?;
        }
        mailboxes.push(mailbox);
    }
    imap.command(b"LOGOUT")?;
    mailboxes.sort_by(|a, b| (a.name != "INBOX", &a.name).cmp(&(b.name != "INBOX", &b.name)));
    Ok(mailboxes)
}

/// Reads what POP3 lists.
pub(crate) fn maildrop(server: SocketAddr, login: &str, password: &str) -> anyhow::Result<Vec<UidlEntry>> {
    let mut connection = connect(server)?;
    let mut ask = |command: &str| -> anyhow::Result<()> {
        if !command.is_empty() {
            connection.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        }
        let answer = line(&mut connection)?;
        let verb = command.split(' ').next().unwrap_or_default();
        ensure!(answer.starts_with(b"+OK"), "POP3 {verb}: {}", String::from_utf8_lossy(&answer));
        Ok(())
    };
    ask("")?;
    ask(&format!("USER {login}"))?;
    ask(&format!("PASS {password}"))?;
    ask("LIST")?;
    let sizes = numbered(&mut connection)?;
    connection.get_mut().write_all(b"UIDL\r\n")?;
    ensure!(line(&mut connection)?.starts_with(b"+OK"), "POP3 UIDL");
    let uidls = numbered(&mut connection)?;
    let mut bodies = Vec::new();
    for number in 1..=uidls.len() {
        connection.get_mut().write_all(format!("RETR {number}\r\n").as_bytes())?;
        ensure!(line(&mut connection)?.starts_with(b"+OK"), "POP3 RETR {number}");
        bodies.push(dotted(&mut connection)?);
    }
    connection.get_mut().write_all(b"QUIT\r\n")?;
    line(&mut connection)?;
    ensure!(sizes.len() == uidls.len(), "LIST has {} lines, UIDL {}", sizes.len(), uidls.len());
    let entries = uidls.into_iter().zip(sizes).zip(bodies);
    entries.map(|((uidl, size), body)| Ok(UidlEntry { uidl, size_bytes: size.parse()?, body })).collect()
}

/// Reads a message up to the line of one dot; a line that begins with a dot has one more (RFC 1939 §3).
fn dotted(connection: &mut BufReader<TcpStream>) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = line(connection)?;
        if line == b"." {
            return Ok(body);
        }
        body.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        body.extend_from_slice(b"\r\n");
    }
}

/// Reads `1 x`, `2 y`, … to the line of one dot, and gives what stands behind the numbers.
fn numbered(connection: &mut BufReader<TcpStream>) -> anyhow::Result<Vec<String>> {
    let mut out = Vec::new();
    loop {
        let line = String::from_utf8(line(connection)?)?;
        if line == "." {
            return Ok(out);
        }
        let (number, rest) = line.split_once(' ').with_context(|| line.clone())?;
        ensure!(number.parse() == Ok(out.len() + 1), "out of order: {line}");
        out.push(rest.to_owned());
    }
}

fn connect(server: SocketAddr) -> anyhow::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    Ok(BufReader::new(stream))
}

/// Reads a line without its end.
fn line(connection: &mut BufReader<TcpStream>) -> anyhow::Result<Vec<u8>> {
    let mut line = Vec::new();
    connection.read_until(b'\n', &mut line)?;
    let Some(text) = line.strip_suffix(b"\r\n") else { bail!("the server broke off: {:?}", line.escape_ascii()) };
    Ok(text.to_vec())
}

struct Imap(BufReader<TcpStream>);

impl Imap {
    fn connect(server: SocketAddr) -> anyhow::Result<Imap> {
        let mut imap = Imap(connect(server)?);
        let greeting = line(&mut imap.0)?;
        ensure!(greeting.starts_with(b"* OK"), "greeting: {:?}", greeting.escape_ascii());
        Ok(imap)
    }

    /// LOGIN; `false` when the server says NO.
    fn login(&mut self, login: &str, password: &str) -> anyhow::Result<bool> {
        let arguments = [login, password].map(|text| quoted(text.as_bytes())).join(&b' ');
        self.send(&[b"LOGIN ", &arguments[..]].concat())?;
        Ok(self.answer()?.1)
    }

    fn examine(&mut self, name: &[u8], mailbox: &mut ServedMailbox) -> anyhow::Result<()> {
        for line in self.command(&[b"EXAMINE ", &quoted(name)[..]].concat())? {
            // * OK [UIDVALIDITY 7] UIDs valid
            let code = match &line[..] {
                [_, _, Value::Atom(key), Value::Atom(value), ..] => Some((key.as_str(), value.trim_end_matches(']'))),
                _ => None,
            };
            match code {
                Some(("[UIDVALIDITY", value)) => mailbox.uidvalidity = value.parse()?,
                Some(("[UIDNEXT", value)) => mailbox.uidnext = value.parse()?,
                _ => {}
            }
        }
        for line in self.command(b"UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")? {
            if let [_, _, Value::Atom(fetch), Value::List(items)] = &line[..]
                && fetch == "FETCH"
            {
                mailbox.messages.push(message(items)?);
            }
        }
        mailbox.messages.sort_by_key(|message| message.uid);
        Ok(())
    }

    /// Sends a command and gives its untagged answers.
    fn command(&mut self, command: &[u8]) -> anyhow::Result<Vec<Vec<Value>>> {
        self.send(command)?;
        let (lines, good) = self.answer()?;
        ensure!(good, "{}: {:?}", command.escape_ascii(), lines.last());
        Ok(lines)
    }

    fn send(&mut self, command: &[u8]) -> anyhow::Result<()> {
        self.0.get_mut().write_all(&[b"a ", command, b"\r\n"].concat())?;
        Ok(())
    }

    /// Reads to the tagged line, which is the last of those given; whether it says OK.
    fn answer(&mut self) -> anyhow::Result<(Vec<Vec<Value>>, bool)> {
        let mut lines = Vec::new();
        loop {
            let line = self.response()?;
            let tagged = matches!(line.first(), Some(Value::Atom(tag)) if tag == "a");
            let good = matches!(line.get(1), Some(Value::Atom(word)) if word == "OK");
            lines.push(line);
            if tagged {
                return Ok((lines, good));
            }
        }
    }

    /// Reads one response, literals included.
    fn response(&mut self) -> anyhow::Result<Vec<Value>> {
        let mut open: Vec<Vec<Value>> = vec![Vec::new()];
        loop {
            let text = line(&mut self.0)?;
            let literal = literal_size(&text);
            let text = &text[..text.len() - literal.map_or(0, |(_, marker)| marker)];
            parse(text, &mut open)?;
            let Some((size, _)) = literal else { break };
            let mut bytes = vec![0; size];
            self.0.read_exact(&mut bytes)?;
            open.last_mut().context("a parenthesis too many")?.push(Value::Text(bytes));
        }
        ensure!(open.len() == 1, "a parenthesis is left open");
        open.pop().context("a parenthesis too many")
    }
}

/// A piece of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Atom(String),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    List(Vec<Value>),
}

impl Value {
    fn text(&self) -> anyhow::Result<&[u8]> {
        match self {
            Value::Atom(text) => Ok(text.as_bytes()),
            Value::Text(text) => Ok(text),
            Value::List(_) => bail!("a list where a text belongs"),
        }
    }

    fn atoms(&self) -> anyhow::Result<Vec<String>> {
        let Value::List(values) = self else { bail!("no list: {self:?}") };
        values.iter().map(|value| Ok(String::from_utf8(value.text()?.to_vec())?)).collect()
    }

    fn number<N: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(&self) -> anyhow::Result<N> {
        Ok(std::str::from_utf8(self.text()?)?.parse()?)
    }
}

/// Finds `{12}` at the end of a line: the literal's size, and the length of the marker.
fn literal_size(line: &[u8]) -> Option<(usize, usize)> {
    let start = line.strip_suffix(b"}")?.iter().rposition(|&byte| byte == b'{')?;
    let digits = std::str::from_utf8(&line[start + 1..line.len() - 1]).ok()?;
    Some((digits.parse().ok()?, line.len() - start))
}

/// Adds the values of a line to the innermost open list. `open` has the lists that are open, outermost first.
fn parse(mut text: &[u8], open: &mut Vec<Vec<Value>>) -> anyhow::Result<()> {
    while let Some((&first, rest)) = text.split_first() {
        match first {
            b' ' => text = rest,
            b'(' => {
                open.push(Vec::new());
                text = rest;
            }
            b')' => {
                let done = open.pop().context("a parenthesis too many")?;
                let outer = open.last_mut().context("a parenthesis too many")?;
                outer.push(Value::List(done));
                text = rest;
            }
            b'"' => {
                let mut value = Vec::new();
                let mut bytes = rest.iter().copied().enumerate();
                let end = loop {
                    match bytes.next().context("a quoted string without an end")? {
                        (at, b'"') => break at,
                        (_, b'\\') => value.push(bytes.next().context("a backslash at the end")?.1),
                        (_, byte) => value.push(byte),
                    }
                };
                open.last_mut().context("a parenthesis too many")?.push(Value::Text(value));
                text = &rest[end + 1..];
            }
            _ => {
                let end = text.iter().position(|byte| b" ()".contains(byte)).unwrap_or(text.len());
                let atom = String::from_utf8_lossy(&text[..end]).into_owned();
                open.last_mut().context("a parenthesis too many")?.push(Value::Atom(atom));
                text = &text[end..];
            }
        }
    }
    Ok(())
}

/// Reads the items of a FETCH response.
fn message(items: &[Value]) -> anyhow::Result<ServedMessage> {
    let item = |name: &str| {
        let mut pairs = items.chunks_exact(2);
        let found = pairs.find(|pair| matches!(&pair[0], Value::Atom(atom) if atom == name));
        found.map(|pair| &pair[1]).with_context(|| format!("FETCH without {name}"))
    };
    let mut flags = item("FLAGS")?.atoms()?;
    flags.retain(|flag| flag != "\\Recent");
    flags.sort();
    Ok(ServedMessage {
        uid: item("UID")?.number()?,
        flags,
        internal_date: seconds(std::str::from_utf8(item("INTERNALDATE")?.text()?)?)?,
        size_bytes: item("RFC822.SIZE")?.number()?,
        body: item("BODY[]")?.text()?.to_vec(),
    })
}

/// Reads an IMAP date-time (RFC 9051 §9: ` 1-Jul-1996 02:44:25 -0700`) as seconds since 1970 UTC.
fn seconds(date_time: &str) -> anyhow::Result<i64> {
    let parts: Vec<&str> = date_time.trim().split([' ', '-', ':']).collect();
    let zone = date_time.get(date_time.len().saturating_sub(5)..).context("no zone")?;
    let [day, month, year, hour, minute, second, ..] = parts[..] else { bail!("no date-time: {date_time}") };
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|name| *name == month).with_context(|| format!("no month: {date_time}"))?;
    let (day, year): (i64, i64) = (day.parse()?, year.parse()?);
    let clock = hour.parse::<i64>()? * 3600 + minute.parse::<i64>()? * 60 + second.parse::<i64>()?;
    let (hours, minutes): (i64, i64) = (zone[1..3].parse()?, zone[3..5].parse()?);
    let offset = (hours * 60 + minutes) * if zone.starts_with('-') { -60 } else { 60 };
    // Years counted from March, so that a leap day is the last of its year.
    let (year, month) = if month < 2 { (year - 1, month as i64 + 10) } else { (year, month as i64 - 2) };
    let days =
        365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day
            - 719_469;
    Ok(days * 86_400 + clock - offset)
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for &byte in text {
        if byte == b'"' || byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
    out
}

/// Decodes modified UTF-7 (RFC 3501 §5.1.3).
fn decode_utf7(name: &[u8]) -> anyhow::Result<String> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";
    let text = std::str::from_utf8(name)?;
    let mut pieces = text.split('&');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (shifted, plain) = piece.split_once('-').with_context(|| format!("no end of a shift: {text}"))?;
        if shifted.is_empty() {
            out.push('&');
        }
        let (mut bits, mut count, mut units) = (0_u32, 0, Vec::new());
        for byte in shifted.bytes() {
            let digit = DIGITS.iter().position(|&digit| digit == byte).with_context(|| format!("no digit: {text}"))?;
            bits = bits << 6 | digit as u32;
            count += 6;
            if count >= 16 {
                count -= 16;
                units.push((bits >> count & 0xffff) as u16);
            }
        }
        out += &String::from_utf16(&units)?;
        out += plain;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_seconds() -> anyhow::Result<()> {
        for (date_time, expected) in [
            (" 1-Jan-1970 00:00:00 +0000", 0),
            ("29-Feb-2024 12:00:00 +0000", 1_709_208_000),
            ("01-Mar-2024 00:30:00 +0100", 1_709_249_400),
            ("17-Jul-1996 02:44:25 -0700", 837_596_665),
            ("31-Dec-1999 23:59:59 +0000", 946_684_799),
        ] {
            assert_eq!(seconds(date_time)?, expected, "{date_time}");
        }
        Ok(())
    }

    #[test]
    fn names_are_decoded() -> anyhow::Result<()> {
        for (wire, name) in [
            ("INBOX", "INBOX"),
            ("A&APE-o 2012", "Año 2012"),
            ("Pe&APE-a &- C&AO0-a", "Peña & Cía"),
            ("&ZeVnLA-", "日本"),
            ("&2D3eAA-", "\u{1f600}"),
        ] {
            assert_eq!(decode_utf7(wire.as_bytes())?, name);
        }
        assert!(decode_utf7(b"A&APE").is_err());
        Ok(())
    }

    #[test]
    fn responses_are_taken_apart() -> anyhow::Result<()> {
        let mut open = vec![Vec::new()];
        parse(br#"* LIST (\A \B) "." "a \"b\"""#, &mut open)?;
        let atom = |text: &str| Value::Atom(text.into());
        let text = |text: &str| Value::Text(text.into());
        let attributes = Value::List(vec![atom("\\A"), atom("\\B")]);
        assert_eq!(open, [[atom("*"), atom("LIST"), attributes, text("."), text("a \"b\"")]]);
        assert!(parse(b"))", &mut open).is_err());
        assert_eq!(literal_size(b"* 1 FETCH (BODY[] {12}"), Some((12, 4)));
        assert_eq!(literal_size(b"* OK {x}"), None);
        Ok(())
    }
}
