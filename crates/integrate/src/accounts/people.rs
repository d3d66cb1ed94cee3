//! Evidence that two different people held one address (`RULES.md 8.7`).

use std::collections::BTreeSet;
use unicode_normalization::UnicodeNormalization;

/// Whether two display names have no common word. A name without any word of two letters says nothing.
pub(super) fn names_differ(a: &str, b: &str) -> bool {
    let (a, b) = (words(a), words(b));
    !a.is_empty() && !b.is_empty() && a.is_disjoint(&b)
}

/// The words of two letters or more, without case and accents.
fn words(name: &str) -> BTreeSet<String> {
    let folded: String = name.nfkd().filter(|c| !unicode_normalization::char::is_combining_mark(*c)).collect();
    let folded = folded.to_lowercase();
    let words = folded.split(|c: char| !c.is_alphanumeric());
    words.filter(|w| w.chars().nth(1).is_some()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_common_word_is_no_evidence() {
        assert!(!names_differ("María Núñez", "Maria Lopez"), "accents do not count");
        assert!(!names_differ("PEÑA, Luis", "luis pena"));
        assert!(!names_differ("Ana-María Gil", "María"));
        assert!(names_differ("Laura Ruiz", "José Ibáñez"));
    }

    #[test]
    fn a_name_that_says_nothing_is_no_evidence() {
        assert!(!names_differ("", "Laura"));
        assert!(!names_differ("L. R.", "José"), "initials are no words");
        assert!(!names_differ("?", "!"));
    }

    #[test]
    fn one_letter_in_common_is_no_common_word() {
        assert!(names_differ("Laura R", "José R"));
    }
}
