//! Finds the string literals of Rust source, comments and lifetimes told apart from them.

/// A string literal as it is written, without its quotes, and the line on which it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Literal<'a> {
    pub(super) line: usize,
    pub(super) text: &'a str,
}

/// Gives the string literals of a source file, byte and raw ones included, in order.
pub(super) fn literals(source: &str) -> Vec<Literal<'_>> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < source.len() {
        let rest = &source[at..];
        at += if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some((opening, length)) = string(rest, source[..at].chars().next_back()) {
            let line = 1 + source[..at].matches('\n').count();
            out.push(Literal { line, text: &rest[opening..opening + length] });
            // Past the closing quote; the `#` behind that of a raw string are then code like any other.
            opening + length + rest[opening + length..].find('"').map_or(0, |quote| quote + 1)
        } else if rest.starts_with('\'') {
            character(rest)
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
    }
    out
}

/// Length of a block comment, nested ones included.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let rest = &rest[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Whether a string literal begins here: the length of what opens it, and of its text.
fn string(rest: &str, before: Option<char>) -> Option<(usize, usize)> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let behind = rest.strip_prefix(prefix).unwrap_or_default();
        behind.starts_with('"') || prefix.contains('r') && behind.trim_start_matches('#').starts_with('"')
    })?;
    // The `r` of `var"` would be the end of a word, and `r#type` a name.
    if !prefix.is_empty() && before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let behind = &rest[prefix.len()..];
    let hashes = behind.len() - behind.trim_start_matches('#').len();
    if hashes > 0 && !prefix.contains('r') {
        return None;
    }
    let opening = prefix.len() + hashes + 1;
    let text = &rest[opening..];
    let length = if prefix.contains('r') {
        text.find(&format!("\"{}", "#".repeat(hashes))).unwrap_or(text.len())
    } else {
        let mut escaped = false;
        let end = text.find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        end.unwrap_or(text.len())
    };
    Some((opening, length))
}

/// Length of a character literal, or of the quote alone where it opens a lifetime.
fn character(rest: &str) -> usize {
    let inner = &rest[1..];
    match inner.chars().next() {
        // `'\''` and `'\\'`: the escaped character does not close it.
        Some('\\') => 3 + inner[1..].chars().skip(1).take_while(|c| *c != '\'').map(char::len_utf8).sum::<usize>() + 1,
        Some(c) if inner[c.len_utf8()..].starts_with('\'') => 2 + c.len_utf8(),
        _ => 1,
    }
    .min(rest.len())
}

#[cfg(test)]
mod tests {
    use super::{Literal, literals};

    fn texts(source: &str) -> Vec<&str> {
        literals(source).iter().map(|literal| literal.text).collect()
    }

    #[test]
    fn every_form_of_string_is_found() {
        assert_eq!(
            texts(r###"("a", b"b", c"c", r"d\", br"e", r#"f "g" h"#, cr##"i"# "##)"###),
            ["a", "b", "c", "d\\", "e", "f \"g\" h", "i\"# "]
        );
    }

    #[test]
    fn escapes_do_not_end_a_string() {
        assert_eq!(texts(r#"f("a \" b", "c\\", "d")"#), [r#"a \" b"#, r"c\\", "d"]);
    }

    #[test]
    fn comments_characters_lifetimes_and_names_are_no_strings() {
        let source = "// \"a\"\n/* \"b\" /* \"c\" */ \"d\" */ f('\"', '\\'', '\\\\', '\\u{22}', 'é', \"e\"); \
                      fn g<'a>(r#type: &'a str, bar: u8) -> &'static str { \"f\" }";
        assert_eq!(texts(source), ["e", "f"]);
    }

    #[test]
    fn lines_are_counted_and_an_open_string_ends_with_the_file() {
        assert_eq!(literals("\n\n  \"a\nb"), [Literal { line: 3, text: "a\nb" }]);
    }
}
