//! Digest and identity once more, by another way.
//!
//! Verify decides with this and not with `message::examine`, so that one mistake cannot make both apply and its proof
//! wrong. It is written for the reader: it copies where the other is careful not to. `docs/design/identity.md` is what
//! both must do, and a test holds them against each other.

use message::{Digest, Identity};

/// Header fields that the identity leaves out (`RULES.md 2.2`).
const LEFT_OUT: [&str; 17] = [
    "status",
    "x-status",
    "x-uid",
    "x-uidl",
    "x-keywords",
    "x-imap",
    "x-imapbase",
    "x-account-key",
    "x-mozilla-status",
    "x-mozilla-status2",
    "x-mozilla-keys",
    "x-evolution",
    "x-evolution-source",
    "content-length",
    "lines",
    "x-offlineimap",
    "x-tuid",
];

/// Room to work in, used again from message to message.
#[derive(Default)]
pub(super) struct Room {
    crlf: Vec<u8>,
    canonical: Vec<u8>,
}

impl Room {
    /// The digest and the identity of bytes as they lie.
    pub(super) fn names(&mut self, raw: &[u8]) -> (Digest, Identity) {
        write_crlf(raw, &mut self.crlf);
        let digest = Digest::from(blake3::hash(&self.crlf));
        (digest, self.identity_of_crlf())
    }

    /// The identity of bytes that are in CRLF form.
    pub(super) fn identity(&mut self, crlf: &[u8]) -> Identity {
        self.crlf.clear();
        self.crlf.extend_from_slice(crlf);
        self.identity_of_crlf()
    }

    fn identity_of_crlf(&mut self) -> Identity {
        let Room { crlf, canonical } = self;
        canonical.clear();
        let body = write_header(crlf, canonical);
        canonical.extend_from_slice(b"\r\n");
        let mut end = body.len();
        while body[..end].ends_with(b"\r\n") {
            end -= 2;
        }
        Identity::from(blake3::Hasher::new().update(canonical).update(&body[..end]).finalize())
    }
}

fn write_crlf(raw: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\n', rest) {
        let (line, tail) = rest.split_at(at);
        out.extend_from_slice(line);
        if line.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(b'\n');
        rest = &tail[1..];
    }
    out.extend_from_slice(rest);
}

/// Writes the canonical header and gives the body.
fn write_header<'a>(crlf: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let mut rest = crlf;
    let mut group: Vec<&[u8]> = Vec::new();
    loop {
        let (line, tail) = match memchr::memmem::find(rest, b"\r\n") {
            Some(at) => (&rest[..at], &rest[at + 2..]),
            None => (rest, &rest[rest.len()..]),
        };
        if line.is_empty() {
            write_group(&group, out);
            return tail;
        }
        let continues = line[0] == b' ' || line[0] == b'\t';
        if !continues {
            write_group(&group, out);
            group.clear();
        }
        group.push(line);
        rest = tail;
    }
}

/// Writes one line of a header with what continues it.
fn write_group(group: &[&[u8]], out: &mut Vec<u8>) {
    let Some((first, more)) = group.split_first() else { return };
    let Some((name, value)) = field(first) else {
        if out.is_empty() && first.starts_with(b"From ") {
            // The mbox line goes; what stands under it as its continuation is a line of its own.
            return write_lines(more, out);
        }
        return write_lines(group, out);
    };
    if LEFT_OUT.iter().any(|n| n.as_bytes().eq_ignore_ascii_case(name.trim_ascii_end())) {
        return;
    }
    let mut whole = value.to_vec();
    more.iter().for_each(|line| whole.extend_from_slice(line));
    let is_space = |b: &u8| *b == b' ' || *b == b'\t';
    let start = whole.iter().position(|b| !is_space(b)).unwrap_or(whole.len());
    let end = whole.iter().rposition(|b| !is_space(b)).map_or(start, |last| last + 1);
    out.extend_from_slice(name);
    out.push(b':');
    out.extend_from_slice(&whole[start..end]);
    out.extend_from_slice(b"\r\n");
}

fn write_lines(lines: &[&[u8]], out: &mut Vec<u8>) {
    for line in lines {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
}

/// Name, with the white space before the colon, and what stands behind the colon; `None` for a line that is no field.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|b| *b == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let mut word = name;
    while let [rest @ .., b' ' | b'\t'] = word {
        word = rest;
    }
    let printable = !word.is_empty() && word.iter().all(|b| (33..=126).contains(b));
    printable.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both_agree(raw: &[u8]) -> Result<(), TestCaseError> {
        let seen = message::examine(&message::to_crlf(raw));
        prop_assert_eq!(
            Room::default().names(raw),
            (seen.digest, seen.identity),
            "{:?}",
            raw.escape_ascii().to_string()
        );
        Ok(())
    }

    proptest! {
        #[test]
        fn both_ways_give_one_name(
            lines in proptest::collection::vec(
                prop_oneof![
                    Just("From ana Mon Jul  8 2013".to_owned()),
                    Just(String::new()),
                    Just("Status: RO".to_owned()),
                    Just("x-uid : 3".to_owned()),
                    Just(" continued\t ".to_owned()),
                    Just("\t".to_owned()),
                    Just("A b: c ".to_owned()),
                    "[ -~]{0,12}",
                    "[A-Za-z]{1,8}:[ -~\t\r\0]{0,12}",
                ],
                0..12,
            ),
            ending in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        ) {
            both_agree(lines.join(ending).as_bytes())?;
        }

        #[test]
        fn both_ways_give_one_name_to_any_bytes(raw: Vec<u8>) {
            both_agree(&raw)?;
        }
    }
}
