//! Text in the form in which it is compared.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Folds a text for comparing: `México`, `MEXICO` and `mexico` become one.
///
/// Compatibility decomposition (NFKD) without combining marks; letters in lower case by full mapping, so that `ß` is `ss`;
/// runs of white space one space; what takes no place (soft hyphens, zero-width spaces) left out. Folding again changes
/// nothing.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        // Most of mail is ASCII, for which none of this is needed.
        let ascii = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
        // A letter before a mark is decomposed with it, to the same effect: marks are left out.
        let (plain, after) = rest.split_at(ascii);
        plain.bytes().for_each(|byte| push(char::from(byte.to_ascii_lowercase()), &mut folded));
        let other = after.bytes().position(|byte| byte.is_ascii()).unwrap_or(after.len());
        let (foreign, after) = after.split_at(other);
        // By upper case, which brings `ß`, `ſ` and final sigma together with what they stand for; `ẞ` is upper case already.
        let cased = foreign.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
        let cased = cased.flat_map(char::to_uppercase).flat_map(char::to_lowercase);
        let cased = cased.nfkd().filter(|c| !is_combining_mark(*c));
        cased.for_each(|c| push(c, &mut folded));
        rest = after;
    }
    folded
}

fn push(c: char, folded: &mut String) {
    if c.is_whitespace() {
        if !folded.ends_with(' ') {
            folded.push(' ');
        }
    } else if !is_invisible(c) {
        folded.push(c);
    }
}

/// Whether a character takes no place and parts no words.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_by_table() {
        let table = [
            ("", ""),
            ("México", "mexico"),
            ("ME\u{301}XICO", "mexico"),
            ("Ñandú  \t\r\n CIGÜEÑA", "nandu ciguena"),
            ("Straße STRAẞE", "strasse strasse"),
            ("ΌΣΟΣ όσος", "οσοσ οσοσ"),
            ("ﬁn １２", "fin 12"),
            ("a\u{AD}b\u{200B}c", "abc"),
            ("a\u{A0}b", "a b"),
            ("İstanbul", "istanbul"),
            ("Москва Ёлка", "москва елка"),
            ("漢字", "漢字"),
        ];
        for (text, folded) in table {
            assert_eq!(fold(text), folded, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn folding_again_changes_nothing(text in "\\PC{0,24}") {
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }

        #[test]
        fn case_and_form_do_not_matter(text in "[a-zñáéíóúüA-Z ]{0,24}") {
            prop_assert_eq!(fold(&text.to_uppercase()), fold(&text));
            prop_assert_eq!(fold(&text.nfd().collect::<String>()), fold(&text));
        }
    }
}
