//! How the server speaks (RFC 5804 §4).

/// The longest quoted string, in bytes (RFC 5804 §4).
const MAX_QUOTED_BYTES: usize = 1024;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    No,
    /// And the connection ends.
    Bye,
}

/// A response code (RFC 5804 §1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code<'a> {
    /// Sign in over TLS.
    EncryptNeeded,
    /// Any limit.
    Quota,
    /// The limit on how many scripts there may be.
    QuotaMaxScripts,
    /// The limit on how long one may be.
    QuotaMaxSize,
    /// The same may succeed later.
    TryLater,
    /// It cannot be done to the script that runs.
    Active,
    /// There is no such script.
    Nonexistent,
    /// There is such a script.
    AlreadyExists,
    /// What SASL says at its end, in Base64.
    Sasl(&'a str),
    /// What the client gave with NOOP.
    Tag(&'a [u8]),
}

/// Writes the end of an answer: the verdict, a code, a text for people.
pub(crate) fn end(out: &mut Vec<u8>, verdict: Verdict, code: Option<Code<'_>>, text: &str) {
    out.extend_from_slice(match verdict {
        Verdict::Ok => b"OK ",
        Verdict::No => b"NO ",
        Verdict::Bye => b"BYE ",
    });
    if let Some(code) = code {
        out.push(b'(');
        let (word, argument) = match code {
            Code::EncryptNeeded => ("ENCRYPT-NEEDED", None),
            Code::Quota => ("QUOTA", None),
            Code::QuotaMaxScripts => ("QUOTA/MAXSCRIPTS", None),
            Code::QuotaMaxSize => ("QUOTA/MAXSIZE", None),
            Code::TryLater => ("TRYLATER", None),
            Code::Active => ("ACTIVE", None),
            Code::Nonexistent => ("NONEXISTENT", None),
            Code::AlreadyExists => ("ALREADYEXISTS", None),
            Code::Sasl(data) => ("SASL", Some(data.as_bytes())),
            Code::Tag(tag) => ("TAG", Some(tag)),
        };
        out.extend_from_slice(word.as_bytes());
        if let Some(argument) = argument {
            out.push(b' ');
            string(out, argument);
        }
        out.extend_from_slice(b") ");
    }
    string(out, text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes a line of strings.
pub(crate) fn strings(out: &mut Vec<u8>, values: &[&[u8]]) {
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        string(out, value);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a string: in quotes where it can be, else as a literal.
pub(crate) fn string(out: &mut Vec<u8>, value: &[u8]) {
    let is_quotable = value.len() <= MAX_QUOTED_BYTES
        && !value.iter().any(|b| matches!(b, b'\0' | b'\r' | b'\n'))
        && std::str::from_utf8(value).is_ok();
    if !is_quotable {
        return literal(out, value);
    }
    out.push(b'"');
    for &byte in value {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Writes a string as a literal.
pub(crate) fn literal(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(format!("{{{}}}\r\n", value.len()).as_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn answers_by_table() {
        let table = [
            (Verdict::Ok, None, "OK \"done\"\r\n"),
            (Verdict::No, Some(Code::QuotaMaxScripts), "NO (QUOTA/MAXSCRIPTS) \"done\"\r\n"),
            (Verdict::Bye, Some(Code::TryLater), "BYE (TRYLATER) \"done\"\r\n"),
            (Verdict::Ok, Some(Code::Sasl("dj0=")), "OK (SASL \"dj0=\") \"done\"\r\n"),
            (Verdict::Ok, Some(Code::Tag(b"a\") OK \"")), "OK (TAG \"a\\\") OK \\\"\") \"done\"\r\n"),
            (Verdict::Ok, Some(Code::Tag(b"\r\nOK")), "OK (TAG {4}\r\n\r\nOK) \"done\"\r\n"),
        ];
        for (verdict, code, expected) in table {
            assert_eq!(said(|out| end(out, verdict, code, "done")), expected);
        }
    }

    #[test]
    fn strings_are_quoted_where_they_can_be() {
        let long = "a".repeat(MAX_QUOTED_BYTES);
        let table = [
            ("", "\"\"".to_owned()),
            ("ñ\t\"\\", "\"ñ\t\\\"\\\\\"".to_owned()),
            ("a\nb", "{3}\r\na\nb".to_owned()),
            (&long, format!("\"{long}\"")),
        ];
        for (value, expected) in table {
            assert_eq!(said(|out| string(out, value.as_bytes())), expected);
        }
        let longer = format!("{long}a");
        assert_eq!(said(|out| string(out, longer.as_bytes())), format!("{{1025}}\r\n{longer}"));
        assert_eq!(said(|out| string(out, b"\xff")), "{1}\r\n\u{fffd}");
        assert_eq!(said(|out| strings(out, &[b"a", b"b"])), "\"a\" \"b\"\r\n");
    }
}
