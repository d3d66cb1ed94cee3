//! Message identifiers in the form in which they are compared (RFC 5256 §3, RFC 5322 §3.6.4).
//!
//! ```text
//! msg-id   = [CFWS] "<" id-left "@" id-right ">" [CFWS]
//! ```
//!
//! `<"a.b"@c>` and `<a.b@c>` are one. What is no identifier is passed over.

/// The identifiers of an unfolded value, without angle brackets, one after the other.
pub(super) fn message_ids(value: &[u8]) -> MessageIds<'_> {
    MessageIds { rest: value }
}

/// See [`message_ids`].
pub(super) struct MessageIds<'a> {
    rest: &'a [u8],
}

impl Iterator for MessageIds<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let start = memchr::memchr(b'<', self.rest)?;
            self.rest = &self.rest[start + 1..];
            if let Some(id) = self.inside() {
                return Some(id);
            }
        }
    }
}

impl MessageIds<'_> {
    /// Reads what follows on a `<`, up to the `>`; `None` when it is no identifier.
    fn inside(&mut self) -> Option<Vec<u8>> {
        let mut id = Vec::new();
        let mut at = None;
        while let Some((&byte, rest)) = self.rest.split_first() {
            match byte {
                b'<' => return None,
                b'>' => {
                    self.rest = rest;
                    // Something stands on both sides of the `@`.
                    return at.is_some_and(|at| at > 0 && at + 1 < id.len()).then_some(id);
                }
                b'"' if at.is_none() && memchr::memchr(b'"', rest).is_some() => {
                    self.rest = rest;
                    self.quoted(&mut id);
                    continue;
                }
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ => {
                    if byte == b'@' {
                        at = Some(id.len());
                    }
                    id.push(byte);
                }
            }
            self.rest = rest;
        }
        None
    }

    /// Appends the rest of a quoted string, without its quotes and escapes.
    fn quoted(&mut self, id: &mut Vec<u8>) {
        while let Some((&byte, rest)) = self.rest.split_first() {
            self.rest = rest;
            match (byte, rest.split_first()) {
                (b'"', _) => return,
                (b'\\', Some((&escaped, rest))) => {
                    id.push(escaped);
                    self.rest = rest;
                }
                _ => id.push(byte),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_by_table() {
        let table: [(&str, &[&str]); 11] = [
            ("", &[]),
            ("<a@b>", &["a@b"]),
            ("<a@b> <c@d>\r\n\t<e@f>", &["a@b", "c@d", "e@f"]),
            ("<a@b><c@d>", &["a@b", "c@d"]),
            // RFC 5256 §3.
            ("<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>", &["01KF8JCEOCBS0045PS@xxx.yyy.com"]),
            ("< a @ b >", &["a@b"]),
            ("Message of Monday <a@b> (comment)", &["a@b"]),
            ("<> <a> <@b> <a@> <c@d>", &["c@d"]),
            ("<a@b <c@d> <e@f", &["c@d"]),
            ("<\"a\\\"<>b\"@c>", &["a\"<>b@c"]),
            // A quote that does not end.
            ("<\"from <a@b>", &["a@b"]),
        ];
        for (value, ids) in table {
            let found: Vec<_> =
                message_ids(value.as_bytes()).map(|id| String::from_utf8_lossy(&id).into_owned()).collect();
            assert_eq!(found, ids, "{value}");
        }
    }
}
