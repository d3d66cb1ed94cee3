//! HTML reduced to its words, in one pass.
//!
//! Not a parser: it knows where tags, comments and raw text end, which elements stand inside a line, and the character
//! references of everyday mail. What is malformed is read as text where it can be.

use memchr::{memchr, memmem, memrchr};

/// Elements whose content is no text for people.
const SKIPPED: [&str; 4] = ["script", "style", "template", "svg"];

/// Elements that part no words. Every other element does.
const INLINE: [&str; 28] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd",
    "mark", "q", "s", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "wbr",
];

/// Character references by name, in order of their bytes.
const NAMED: [(&str, char); 121] = [
    ("AElig", 'Æ'),
    ("Aacute", 'Á'),
    ("Acirc", 'Â'),
    ("Agrave", 'À'),
    ("Aring", 'Å'),
    ("Atilde", 'Ã'),
    ("Auml", 'Ä'),
    ("Ccedil", 'Ç'),
    ("ETH", 'Ð'),
    ("Eacute", 'É'),
    ("Ecirc", 'Ê'),
    ("Egrave", 'È'),
    ("Euml", 'Ë'),
    ("Iacute", 'Í'),
    ("Icirc", 'Î'),
    ("Igrave", 'Ì'),
    ("Iuml", 'Ï'),
    ("Ntilde", 'Ñ'),
    ("OElig", 'Œ'),
    ("Oacute", 'Ó'),
    ("Ocirc", 'Ô'),
    ("Ograve", 'Ò'),
    ("Oslash", 'Ø'),
    ("Otilde", 'Õ'),
    ("Ouml", 'Ö'),
    ("Scaron", 'Š'),
    ("THORN", 'Þ'),
    ("Uacute", 'Ú'),
    ("Ucirc", 'Û'),
    ("Ugrave", 'Ù'),
    ("Uuml", 'Ü'),
    ("Yacute", 'Ý'),
    ("aacute", 'á'),
    ("acirc", 'â'),
    ("acute", '´'),
    ("aelig", 'æ'),
    ("agrave", 'à'),
    ("amp", '&'),
    ("apos", '\''),
    ("aring", 'å'),
    ("atilde", 'ã'),
    ("auml", 'ä'),
    ("bdquo", '„'),
    ("brvbar", '¦'),
    ("bull", '•'),
    ("ccedil", 'ç'),
    ("cedil", '¸'),
    ("cent", '¢'),
    ("copy", '©'),
    ("curren", '¤'),
    ("deg", '°'),
    ("divide", '÷'),
    ("eacute", 'é'),
    ("ecirc", 'ê'),
    ("egrave", 'è'),
    ("emsp", ' '),
    ("ensp", ' '),
    ("eth", 'ð'),
    ("euml", 'ë'),
    ("euro", '€'),
    ("frac12", '½'),
    ("frac14", '¼'),
    ("frac34", '¾'),
    ("gt", '>'),
    ("hellip", '…'),
    ("iacute", 'í'),
    ("icirc", 'î'),
    ("iexcl", '¡'),
    ("igrave", 'ì'),
    ("iquest", '¿'),
    ("iuml", 'ï'),
    ("laquo", '«'),
    ("ldquo", '“'),
    ("lsaquo", '‹'),
    ("lsquo", '‘'),
    ("lt", '<'),
    ("macr", '¯'),
    ("mdash", '—'),
    ("micro", 'µ'),
    ("middot", '·'),
    ("nbsp", '\u{A0}'),
    ("ndash", '–'),
    ("not", '¬'),
    ("ntilde", 'ñ'),
    ("oacute", 'ó'),
    ("ocirc", 'ô'),
    ("oelig", 'œ'),
    ("ograve", 'ò'),
    ("ordf", 'ª'),
    ("ordm", 'º'),
    ("oslash", 'ø'),
    ("otilde", 'õ'),
    ("ouml", 'ö'),
    ("para", '¶'),
    ("permil", '‰'),
    ("plusmn", '±'),
    ("pound", '£'),
    ("quot", '"'),
    ("raquo", '»'),
    ("rdquo", '”'),
    ("reg", '®'),
    ("rsaquo", '›'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("scaron", 'š'),
    ("sect", '§'),
    ("shy", '\u{AD}'),
    ("sup1", '¹'),
    ("sup2", '²'),
    ("sup3", '³'),
    ("szlig", 'ß'),
    ("thinsp", ' '),
    ("thorn", 'þ'),
    ("times", '×'),
    ("trade", '™'),
    ("uacute", 'ú'),
    ("ucirc", 'û'),
    ("ugrave", 'ù'),
    ("uml", '¨'),
    ("uuml", 'ü'),
    ("yacute", 'ý'),
];

/// The longest reference that is looked for, in bytes after the `&`.
const MAX_REFERENCE: usize = 12;

/// The text of HTML; elements that are no part of a line are line ends.
pub(super) fn text(html: &str) -> String {
    let mut scanner = Scanner { html, at: 0, out: String::with_capacity(html.len() / 2), ends: LastOf::find(html) };
    scanner.run();
    scanner.out
}

/// Where certain bytes stand last: nothing that a scan looks for stands behind them, so no scan is in vain twice.
struct LastOf {
    greater: Option<usize>,
    double_quote: Option<usize>,
    single_quote: Option<usize>,
    comment_end: Option<usize>,
}

impl LastOf {
    fn find(html: &str) -> LastOf {
        let bytes = html.as_bytes();
        LastOf {
            greater: memrchr(b'>', bytes),
            double_quote: memrchr(b'"', bytes),
            single_quote: memrchr(b'\'', bytes),
            comment_end: memmem::rfind(bytes, b"-->"),
        }
    }
}

struct Scanner<'a> {
    html: &'a str,
    at: usize,
    out: String,
    ends: LastOf,
}

impl Scanner<'_> {
    fn run(&mut self) {
        let bytes = self.html.as_bytes();
        while self.at < bytes.len() {
            let plain = bytes[self.at..].iter().position(|byte| matches!(byte, b'<' | b'&'));
            let end = plain.map_or(bytes.len(), |length| self.at + length);
            self.out.push_str(&self.html[self.at..end]);
            self.at = end;
            match bytes.get(end) {
                Some(b'<') => self.markup(),
                Some(_) => self.reference(),
                None => {}
            }
        }
    }

    /// Reads what begins with `<`.
    fn markup(&mut self) {
        let rest = &self.html.as_bytes()[self.at + 1..];
        let is_markup = rest.first().is_some_and(|byte| byte.is_ascii_alphabetic() || b"/!?".contains(byte));
        if !is_markup || self.ends.greater.is_none_or(|last| last < self.at) {
            self.out.push('<');
            self.at += 1;
        } else if rest.starts_with(b"!--") && self.ends.comment_end.is_some_and(|last| last >= self.at + 2) {
            let length = memmem::find(&rest[1..], b"-->").unwrap_or_default();
            self.at += 2 + length + 3;
        } else {
            self.tag();
        }
    }

    /// Reads a tag that ends, and the content of an element that is skipped.
    fn tag(&mut self) {
        let bytes = self.html.as_bytes();
        let closing = bytes[self.at + 1] == b'/';
        let start = self.at + 1 + usize::from(closing);
        let length = bytes[start..].iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or_default();
        let name = self.html[start..start + length].to_ascii_lowercase();
        self.at = self.tag_end(start + length);
        if !INLINE.contains(&&name[..]) && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        if !closing && SKIPPED.contains(&&name[..]) {
            self.skip_element(&name);
        }
    }

    /// Where a tag ends: behind the first `>` that stands in no quotes, if quotes end at all.
    fn tag_end(&self, mut at: usize) -> usize {
        let bytes = self.html.as_bytes();
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            let last = match byte {
                b'>' => return at,
                b'"' => self.ends.double_quote,
                b'\'' => self.ends.single_quote,
                _ => continue,
            };
            // A quote begins only a value: behind `=`.
            let begins_value = bytes[..at - 1].trim_ascii_end().ends_with(b"=");
            if begins_value && last.is_some_and(|last| last >= at) {
                at += memchr(byte, &bytes[at..]).map_or(0, |length| length + 1);
            }
        }
        // Only quotes held the rest: it is a tag without an end.
        bytes.len()
    }

    /// Passes over everything up to the end tag of an element.
    fn skip_element(&mut self, name: &str) {
        let bytes = self.html.as_bytes();
        loop {
            let Some(length) = memmem::find(&bytes[self.at..], b"</") else {
                self.at = bytes.len();
                return;
            };
            self.at += length + 2;
            let is_end = bytes[self.at..].get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()));
            if is_end {
                self.at = memchr(b'>', &bytes[self.at..]).map_or(bytes.len(), |length| self.at + length + 1);
                return;
            }
        }
    }

    /// Reads what begins with `&`.
    fn reference(&mut self) {
        let rest = &self.html[self.at + 1..];
        match resolve(rest) {
            Some((c, length)) => {
                self.out.push(c);
                self.at += 1 + length;
            }
            None => {
                self.out.push('&');
                self.at += 1;
            }
        }
    }
}

/// The character that a reference names, and the reference's length after the `&`; the `;` may be missing.
fn resolve(rest: &str) -> Option<(char, usize)> {
    let bytes = &rest.as_bytes()[..rest.len().min(MAX_REFERENCE)];
    let length = bytes.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'#').unwrap_or(bytes.len());
    let name = &rest[..length];
    let c = match name.strip_prefix('#') {
        Some(number) => numbered(number)?,
        None => NAMED.binary_search_by_key(&name, |(known, _)| known).ok().map(|at| NAMED[at].1)?,
    };
    Some((c, length + usize::from(bytes.get(length) == Some(&b';'))))
}

fn numbered(number: &str) -> Option<char> {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    match code {
        0 => None,
        // HTML reads the C1 controls as windows-1252.
        0x80..=0x9F => crate::charset::decode(encoding_rs::WINDOWS_1252, &[code as u8]).chars().next(),
        _ => char::from_u32(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_by_table() {
        let table = [
            ("", ""),
            ("Hola", "Hola"),
            ("<p>Hola <b>M&eacute;xi</b>co</p>", "\nHola México\n"),
            ("a<br>b<BR/>c", "a\nb\nc"),
            ("<td>a</td><td>b</td>", "\na\nb\n"),
            ("a<style>p { x: \"</p>\" }</style>b", "a\nb"),
            ("<SCRIPT>if (a < b) { \"</b>\" }</Script >x", "\nx"),
            ("<script>never ends", "\n"),
            ("<title>T</title><body onload=\"a > b\">x", "\nT\nx"),
            ("a<!-- <b> -- > -->b", "ab"),
            ("a<!-- open <b>c", "a\nc"),
            ("<!DOCTYPE html><?php x ?>a", "\na"),
            ("1 < 2 && 3 > 2", "1 < 2 && 3 > 2"),
            ("a <b", "a <b"),
            ("<a href=\"x>y", "y"),
            ("<a href='x>y' title=\"'\">z</a>", "z"),
            ("<p class=it's>x</p>'", "\nx\n'"),
            ("&lt;&#64;&#x40;&amp;amp;&nbsp;&#150;&euro;", "<@@&amp;\u{A0}–€"),
            ("&copy 2013 &unknown; &; &#0; &#xD800;", "© 2013 &unknown; &; &#0; &#xD800;"),
        ];
        for (html, expected) in table {
            assert_eq!(text(html), expected, "{html}");
        }
    }

    #[test]
    fn references_are_in_order() {
        assert!(NAMED.is_sorted_by(|(a, _), (b, _)| a < b));
    }
}
