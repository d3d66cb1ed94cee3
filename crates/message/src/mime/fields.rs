//! The fields of a part's header that say what the part is (RFC 2045, RFC 2183, RFC 3282, RFC 2557).

use super::scan::Scanner;
use super::{Disposition, Parameter};
use crate::lines::{self, Line};

/// What a part's header says, each by the first field of its name.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    /// Type, subtype; `None`: there is no field, or none that can be understood.
    pub(super) media: Option<(Vec<u8>, Vec<u8>)>,
    pub(super) parameters: Vec<Parameter>,
    pub(super) transfer_encoding: Option<Vec<u8>>,
    pub(super) id: Option<Vec<u8>>,
    pub(super) description: Option<Vec<u8>>,
    pub(super) md5: Option<Vec<u8>>,
    pub(super) disposition: Option<Disposition>,
    pub(super) languages: Vec<Vec<u8>>,
    pub(super) location: Option<Vec<u8>>,
}

impl Fields {
    /// Whether the body cannot be read before its transfer encoding is undone.
    pub(super) fn is_encoded(&self) -> bool {
        let plain = ["7bit", "8bit", "binary"];
        let is_plain = |encoding: &Vec<u8>| plain.iter().any(|plain| encoding.eq_ignore_ascii_case(plain.as_bytes()));
        self.transfer_encoding.as_ref().is_some_and(|encoding| !is_plain(encoding))
    }
}

/// Reads the fields of a header; lines that are no field are passed over.
pub(super) fn read(header: &[u8]) -> Fields {
    let mut fields = Fields::default();
    let mut media_seen = false;
    for line in lines::lines(header) {
        let Some(name) = line.name().and_then(content_name) else { continue };
        match &name.to_ascii_lowercase()[..] {
            b"type" if !media_seen => {
                media_seen = true;
                read_type(&line, &mut fields);
            }
            b"transfer-encoding" if fields.transfer_encoding.is_none() => {
                fields.transfer_encoding = transfer_encoding(&line.value());
            }
            b"id" => set(&mut fields.id, &line),
            b"description" => set(&mut fields.description, &line),
            b"md5" => set(&mut fields.md5, &line),
            b"location" => set(&mut fields.location, &line),
            b"disposition" if fields.disposition.is_none() => fields.disposition = disposition(&line.value()),
            b"language" if fields.languages.is_empty() => fields.languages = languages(&line.value()),
            _ => {}
        }
    }
    fields
}

/// What stands after `Content-` in a field's name.
fn content_name(name: &[u8]) -> Option<&[u8]> {
    let (first, rest) = name.split_at_checked(b"content-".len())?;
    first.eq_ignore_ascii_case(b"content-").then_some(rest)
}

/// Keeps the value of the first field that has one.
fn set(slot: &mut Option<Vec<u8>>, line: &Line<'_>) {
    if slot.is_none() {
        *slot = Some(line.value().into_owned()).filter(|value| !value.is_empty());
    }
}

/// ```text
/// content = "Content-Type" ":" type "/" subtype *(";" parameter)
/// ```
///
/// RFC 2045 §5.2: what is no such field is text/plain. A type that lacks its subtype keeps the type, save text, whose
/// default is plain.
fn read_type(line: &Line<'_>, fields: &mut Fields) {
    let value = line.value();
    let mut scanner = Scanner::new(&value);
    scanner.skip_space();
    let media_type = scanner.token().to_vec();
    scanner.skip_space();
    if media_type.is_empty() {
        return;
    }
    let mut subtype = Vec::new();
    if scanner.take(b'/') {
        scanner.skip_space();
        subtype = scanner.token().to_vec();
        scanner.skip_space();
    }
    if subtype.is_empty() {
        let default = if media_type.eq_ignore_ascii_case(b"text") { "plain" } else { "x-unknown" };
        subtype = default.as_bytes().to_vec();
    }
    fields.media = Some((media_type, subtype));
    fields.parameters = parameters(&mut scanner);
}

/// ```text
/// encoding = "Content-Transfer-Encoding" ":" mechanism
/// ```
///
/// A `;` may follow, as some write. Where anything else does, it is no mechanism: `text/html`, `quoted printable`.
fn transfer_encoding(value: &[u8]) -> Option<Vec<u8>> {
    let mut scanner = Scanner::new(value);
    scanner.skip_space();
    let mechanism = scanner.token();
    scanner.skip_space();
    (!mechanism.is_empty() && matches!(scanner.peek(), None | Some(b';'))).then(|| mechanism.to_vec())
}

/// ```text
/// disposition = "Content-Disposition" ":" disposition-type *(";" disposition-parm)
/// ```
fn disposition(value: &[u8]) -> Option<Disposition> {
    let mut scanner = Scanner::new(value);
    scanner.skip_space();
    let kind = scanner.token().to_vec();
    scanner.skip_space();
    (!kind.is_empty()).then(|| Disposition { kind, parameters: parameters(&mut scanner) })
}

/// ```text
/// Language-List = Language-Tag [CFWS] *("," [CFWS] Language-Tag [CFWS])
/// ```
fn languages(value: &[u8]) -> Vec<Vec<u8>> {
    let mut scanner = Scanner::new(value);
    let mut languages = Vec::new();
    while !scanner.at_end() {
        scanner.skip_space();
        let tag = match scanner.peek() {
            Some(b'"') => scanner.quoted_string(),
            _ => scanner.token().to_vec(),
        };
        if !tag.is_empty() {
            languages.push(tag);
        }
        scanner.take_while(|byte| byte != b',');
        scanner.bump();
    }
    languages
}

/// ```text
/// *(";" attribute "=" value)
/// ```
///
/// A `;` may be missing. What is no parameter is passed over to the next one. The pieces of a value that is continued (RFC 2231 §3) are joined
/// and stand behind the others; where a piece has a charset or percent signs (RFC 2231 §4), so has the whole, and its name
/// keeps the `*` at its end.
fn parameters(scanner: &mut Scanner<'_>) -> Vec<Parameter> {
    let mut plain = Vec::new();
    let mut pieces = Vec::new();
    while !scanner.at_end() {
        scanner.take(b';');
        scanner.skip_space();
        let name = scanner.token();
        scanner.skip_space();
        if name.is_empty() || !scanner.take(b'=') {
            scanner.take_while(|byte| byte != b';');
            continue;
        }
        scanner.skip_space();
        let value = match scanner.peek() {
            Some(b'"') => scanner.quoted_string(),
            // An encoded word without quotes, which RFC 2047 §5 forbids and clients write.
            Some(b'=') => scanner.take_while(|byte| !matches!(byte, b';' | b' ' | b'\t' | b'\r' | b'\n')).to_vec(),
            _ => scanner.token().to_vec(),
        };
        scanner.skip_space();
        match Piece::of(name) {
            Some(piece) => pieces.push((piece, value)),
            None => plain.push(Parameter { name: name.to_vec(), value }),
        }
    }
    plain.extend(join(pieces));
    plain
}

/// The name of a piece of a continued or extended value: `filename*1*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    /// In lower case.
    key: Vec<u8>,
    index: usize,
    extended: bool,
    name: Vec<u8>,
}

impl Piece {
    fn of(name: &[u8]) -> Option<Piece> {
        let star = memchr::memchr(b'*', name)?;
        let (name, rest) = (&name[..star], &name[star + 1..]);
        let (digits, extended) = match rest.strip_suffix(b"*") {
            Some(digits) => (digits, true),
            None => (rest, rest.is_empty()),
        };
        let index = match std::str::from_utf8(digits).ok()? {
            "" => 0,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            _ => return None,
        };
        Some(Piece { key: name.to_ascii_lowercase(), index, extended, name: name.to_vec() })
    }
}

/// Joins pieces by name and number. A number that is missing ends a value.
fn join(mut pieces: Vec<(Piece, Vec<u8>)>) -> Vec<Parameter> {
    pieces.sort();
    let mut joined = Vec::new();
    for pieces in pieces.chunk_by(|(a, _), (b, _)| a.key == b.key) {
        let pieces: Vec<_> = pieces.iter().zip(0..).take_while(|((piece, _), n)| piece.index == *n).collect();
        let Some(((first, _), _)) = pieces.first() else { continue };
        let extended = pieces.iter().any(|((piece, _), _)| piece.extended);
        let mut value = Vec::new();
        for ((piece, text), _) in &pieces {
            match extended && !piece.extended {
                true => push_percent_encoded(text, &mut value),
                false => value.extend_from_slice(text),
            }
        }
        let mut name = first.name.clone();
        if extended {
            // Without a charset before it the value must say that it has none (RFC 2231 §4).
            if !first.extended {
                value.splice(0..0, *b"''");
            }
            name.push(b'*');
        }
        joined.push(Parameter { name, value });
    }
    joined
}

fn push_percent_encoded(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters_of(value: &str) -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let mut scanner = Scanner::new(value.as_bytes());
        parameters(&mut scanner).into_iter().map(|p| (text(p.name), text(p.value))).collect()
    }

    #[test]
    fn parameters_by_table() {
        let table: [(&str, &[(&str, &str)]); 13] = [
            ("; charset=us-ascii (Plain text)", &[("charset", "us-ascii")]),
            ("; charset=\"us-ascii\"", &[("charset", "us-ascii")]),
            (";a=\"x\\\"y\\z\" ; B = c", &[("a", "x\"yz"), ("B", "c")]),
            ("; name==?utf-8?q?a_b?=; x", &[("name", "=?utf-8?q?a_b?=")]),
            ("; x; ; =3; a=1", &[("a", "1")]),
            ("; a=b c; d=e", &[("a", "b"), ("d", "e")]),
            ("a=b c=\"d\"e=f", &[("a", "b"), ("c", "d"), ("e", "f")]),
            ("; a=\"open; b=c", &[("a", "open; b=c")]),
            // RFC 2231 §3 and §4.
            ("; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub\"", &[("URL", "ftp://cs.utk.edu/pub")]),
            (
                "; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
                &[("title*", "us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A")],
            ),
            (
                "; title*0*=us-ascii'en'This%20is; title*1*=%20even%20more; title*2=\" isn't it!\"",
                &[("title*", "us-ascii'en'This%20is%20even%20more%20isn%27t%20it!")],
            ),
            ("; a*2=z; a*0=x; a*1=y; b=1; a*4=w", &[("b", "1"), ("a", "xyz")]),
            ("; a*1=x; a*x=y", &[("a*x", "y")]),
        ];
        for (value, expected) in table {
            let expected: Vec<_> = expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(parameters_of(value), expected, "{value}");
        }
    }

    #[test]
    fn fields_are_read_once_each() {
        let fields = read(
            b"Content-Type: (c) text (d) / (e) HTML (f) ; charset=x\r\ncontent-type: image/png\r\n\
              Content-Transfer-Encoding: (x) Base64 (y)\r\nContent-ID:\r\n <a@b>\r\nContent-ID: <c@d>\r\n\
              Content-Language: en, (x) es-MX\r\nContent-Disposition: ATTACHMENT; filename=\"a\r\n b\"\r\n\
              Content-MD5: Q2hlY2s=\r\nContent-Location: http://x/\r\n\r\n",
        );
        assert_eq!(fields.media, Some((b"text".to_vec(), b"HTML".to_vec())));
        assert_eq!(fields.parameters, [Parameter { name: b"charset".to_vec(), value: b"x".to_vec() }]);
        assert_eq!(fields.transfer_encoding.as_deref(), Some(&b"Base64"[..]));
        assert_eq!(fields.id.as_deref(), Some(&b"<a@b>"[..]));
        assert_eq!(fields.languages, [b"en".to_vec(), b"es-MX".to_vec()]);
        let name = Parameter { name: b"filename".to_vec(), value: b"a b".to_vec() };
        assert_eq!(fields.disposition, Some(Disposition { kind: b"ATTACHMENT".to_vec(), parameters: vec![name] }));
        assert_eq!(fields.md5.as_deref(), Some(&b"Q2hlY2s="[..]));
        assert_eq!(fields.location.as_deref(), Some(&b"http://x/"[..]));
    }

    #[test]
    fn a_type_that_cannot_be_understood_is_text_plain() {
        let media = |value: &str| read(format!("Content-Type: {value}\r\n").as_bytes()).media;
        let is = |media_type: &str, subtype: &str| Some((media_type.into(), subtype.into()));
        assert_eq!(media(""), None);
        assert_eq!(media("/plain"), None);
        assert_eq!(media("TEXT"), is("TEXT", "plain"));
        assert_eq!(media("text/"), is("text", "plain"));
        assert_eq!(media("application"), is("application", "x-unknown"));
    }

    #[test]
    fn a_transfer_encoding_is_one_word() {
        let encoding =
            |value: &str| transfer_encoding(value.as_bytes()).map(|word| String::from_utf8_lossy(&word).into_owned());
        assert_eq!(encoding("(a) 8BIT (b)").as_deref(), Some("8BIT"));
        assert_eq!(encoding("quoted-printable;").as_deref(), Some("quoted-printable"));
        assert_eq!(encoding("quoted printable"), None);
        assert_eq!(encoding("text/html"), None);
        assert_eq!(encoding(""), None);
    }
}
