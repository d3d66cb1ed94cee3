//! The base subject, by which messages are sorted and threads found (RFC 5256 §2.1), and the date a message was sent.

use crate::date::parse_date;
use crate::header;

/// When a message in CRLF form says it was sent: its first Date field in seconds since 1970 UTC.
pub fn sent_date(crlf: &[u8]) -> Option<i64> {
    parse_date(&header::find(crlf, "Date")?.value())
}

/// The base subject of a subject whose encoded words are decoded, and whether the subject marks a reply or a forward.
///
/// ```text
/// subject         = *subj-leader [subj-middle] *subj-trailer
/// subj-refwd      = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
/// subj-blob       = "[" *BLOBCHAR "]" *WSP
/// subj-leader     = (*subj-blob subj-refwd) / WSP
/// subj-trailer    = "(fwd)" / WSP
/// subj-fwd        = "[fwd:" subject "]"
/// ```
pub fn base_subject(decoded: &str) -> (String, bool) {
    let subject = decoded.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut base = &subject[..];
    let mut marked = false;
    loop {
        while let Some(rest) = strip_trailer(base) {
            marked |= !base.ends_with(' ');
            base = rest;
        }
        marked |= strip_leaders(&mut base);
        match strip_forward(base) {
            Some(inner) => base = inner,
            None => return (base.to_owned(), marked),
        }
        marked = true;
    }
}

/// Step 2: what is left before a `subj-trailer`.
fn strip_trailer(text: &str) -> Option<&str> {
    text.strip_suffix(' ').or_else(|| strip_suffix(text, "(fwd)"))
}

/// Steps 3 to 5; whether a `subj-refwd` was among what went.
fn strip_leaders(text: &mut &str) -> bool {
    let mut marked = false;
    loop {
        *text = text.trim_start_matches(' ');
        // All blobs at the beginning at once: what they stand before decides about each of them.
        let (mut after, mut last) = (*text, *text);
        while let Some(rest) = strip_blob(after) {
            last = after;
            after = rest;
        }
        if let Some(rest) = strip_refwd(after) {
            marked = true;
            *text = rest;
        } else {
            // The last blob stays if nothing would be left.
            *text = if after.is_empty() { last } else { after };
            return marked;
        }
    }
}

/// Step 6: what stands inside a `subj-fwd`.
fn strip_forward(text: &str) -> Option<&str> {
    strip_prefix(text, "[fwd:")?.strip_suffix(']')
}

/// What follows on a `subj-refwd`.
fn strip_refwd(text: &str) -> Option<&str> {
    let rest = ["re", "fwd", "fw"].iter().find_map(|word| strip_prefix(text, word))?.trim_start_matches(' ');
    strip_blob(rest).unwrap_or(rest).strip_prefix(':')
}

/// What follows on a `subj-blob`.
fn strip_blob(text: &str) -> Option<&str> {
    let content = text.strip_prefix('[')?;
    let end = content.find(['[', ']'])?;
    Some(content[end..].strip_prefix(']')?.trim_start_matches(' '))
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn strip_suffix<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (rest, end) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    end.eq_ignore_ascii_case(suffix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base_subjects_by_table() {
        let table = [
            ("", "", false),
            ("Hola", "Hola", false),
            ("  Hola \t a\r\n  todos ", "Hola a todos", false),
            ("Re: Hola", "Hola", true),
            ("RE : Fwd: FW:Hola", "Hola", true),
            ("re[2]: Hola", "Hola", true),
            ("Re [x] : Hola", "Hola", true),
            ("[lista] Hola", "Hola", false),
            ("[a] [b]Re: [c] Fw[d]: Hola (fwd) (FWD)", "Hola", true),
            ("Hola (fwd)", "Hola", true),
            ("[Fwd: Hola]", "Hola", true),
            ("[fwd: re: [x] Hola (fwd)] ", "Hola", true),
            ("[Fwd: [Fwd: Hola]]", "Hola", true),
            // What would leave nothing stays.
            ("[lista]", "[lista]", false),
            ("[a][b]", "[b]", false),
            ("Re: [a]", "[a]", true),
            ("Re:", "", true),
            ("(fwd)", "", true),
            ("[Fwd:]", "", true),
            // What only looks like one.
            ("Reunión: hoy", "Reunión: hoy", false),
            ("Re Hola", "Re Hola", false),
            ("Rv: Hola", "Rv: Hola", false),
            ("[a[b] Hola", "[a[b] Hola", false),
            ("ñ(fwd", "ñ(fwd", false),
        ];
        for (subject, base, marked) in table {
            assert_eq!(base_subject(subject), (base.to_owned(), marked), "{subject:?}");
        }
    }

    proptest! {
        #[test]
        fn the_base_of_a_base_is_itself(subject in "(re|fwd?|\\[|\\]|:|a| |\\(fwd\\)|ñ){0,12}") {
            let (base, _) = base_subject(&subject);
            prop_assert_eq!(base_subject(&base), (base.clone(), false));
        }
    }

    #[test]
    fn the_date_is_that_of_the_first_date_field() {
        assert_eq!(sent_date(b"Date: Thu, 1 Jan 1970 01:00:00 +0100\r\nDate: x\r\n\r\n"), Some(0));
        assert_eq!(sent_date(b"Subject: x\r\n\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\n"), None);
    }
}
