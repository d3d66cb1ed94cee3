//! The collation i;unicode-casemap (RFC 5051).

use unicode_normalization::char::decompose_compatible;

/// A text in the form whose bytes i;unicode-casemap compares: each character in title case, then decomposed.
///
/// The mapping is by single characters (RFC 5051 §2.1), so `ß` stays.
pub fn casemap(text: &str) -> String {
    let mut mapped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' => mapped.push(c.to_ascii_uppercase()),
            _ => decompose_compatible(title_case(c), |c| mapped.push(c)),
        }
    }
    mapped
}

/// The simple title case mapping of a character.
fn title_case(c: char) -> char {
    let ligature = |first: u32| char::from_u32(first + 1).unwrap_or(c);
    match c {
        // DŽ and its like have a title case of their own.
        '\u{1C4}'..='\u{1C6}' => ligature(0x1C4),
        '\u{1C7}'..='\u{1C9}' => ligature(0x1C7),
        '\u{1CA}'..='\u{1CC}' => ligature(0x1CA),
        '\u{1F1}'..='\u{1F3}' => ligature(0x1F1),
        // Georgian has capitals, and titles without them.
        '\u{10D0}'..='\u{10FF}' => c,
        // Greek with iota below: its full upper case is two letters.
        '\u{1F80}'..='\u{1FAF}' => char::from_u32(c as u32 | 8).unwrap_or(c),
        '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => char::from_u32(c as u32 + 9).unwrap_or(c),
        _ => {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(upper), None) => upper,
                _ => c,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_by_table() {
        let table = [
            ("", ""),
            ("Hola\t[1]", "HOLA\t[1]"),
            ("Señal", "SEN\u{303}AL"),
            ("straße", "STRAßE"),
            ("ǆ Ǆ", "Dz\u{30C} Dz\u{30C}"),
            ("ᾳ ᾼ", "Α\u{345} Α\u{345}"),
            ("ﬁ", "fi"),
            ("ა", "ა"),
            ("Ёлка", "Е\u{308}ЛКА"),
        ];
        for (text, mapped) in table {
            assert_eq!(casemap(text), mapped, "{text:?}");
        }
    }
}
