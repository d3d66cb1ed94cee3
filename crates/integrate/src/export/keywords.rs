//! The letters `a` to `z` that stand for a mailbox's keywords in the names of its files.

use message::Keyword;
use std::collections::HashMap;

/// Letters that there are.
const LETTERS: usize = 26;

/// How often each keyword stands in a mailbox.
#[derive(Default)]
pub(super) struct Count(HashMap<Keyword, u64>);

/// The keywords that have a letter, by keyword.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Letters(Vec<Keyword>);

impl Count {
    pub(super) fn add(&mut self, keywords: &[Keyword]) {
        for keyword in keywords {
            match self.0.get_mut(keyword) {
                Some(count) => *count += 1,
                None => _ = self.0.insert(keyword.clone(), 1),
            }
        }
    }

    /// Gives letters to the keywords used most, and the others back with the number of messages that have them.
    pub(super) fn letters(self) -> (Letters, Vec<(Keyword, u64)>) {
        let mut counts: Vec<(Keyword, u64)> = self.0.into_iter().collect();
        counts.sort_by(|(a, n), (b, m)| (m, a).cmp(&(n, b)));
        let others = counts.split_off(counts.len().min(LETTERS));
        let mut kept: Vec<Keyword> = counts.into_iter().map(|(keyword, _)| keyword).collect();
        kept.sort();
        (Letters(kept), others)
    }
}

impl Letters {
    /// Appends the letters of a message's keywords, in the order of the alphabet as the format asks.
    pub(super) fn push(&self, keywords: &[Keyword], name: &mut String) {
        let mut letters: Vec<usize> = keywords.iter().filter_map(|k| self.0.binary_search(k).ok()).collect();
        letters.sort_unstable();
        name.extend(letters.into_iter().map(|index| char::from(b'a' + index as u8)));
    }

    /// The text of `dovecot-keywords`; `None` where no message has any.
    pub(super) fn text(&self) -> Option<String> {
        let lines = self.0.iter().enumerate().map(|(index, keyword)| format!("{index} {keyword}\n"));
        (!self.0.is_empty()).then(|| lines.collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keyword(text: &str) -> Keyword {
        Keyword::new(text).unwrap()
    }

    #[test]
    fn letters_go_by_keyword() {
        let mut count = Count::default();
        count.add(&[keyword("Zeta"), keyword("$Label1")]);
        count.add(&[keyword("alfa")]);
        let (letters, others) = count.letters();
        assert_eq!(letters.text().unwrap(), "0 $Label1\n1 alfa\n2 Zeta\n");
        assert!(others.is_empty());
        let mut name = String::from("FS");
        letters.push(&[keyword("zeta"), keyword("$Label1"), keyword("unknown")], &mut name);
        assert_eq!(name, "FSac");
    }

    #[test]
    fn the_rarest_go_without() {
        let mut count = Count::default();
        for n in 0..28 {
            count.add(&[keyword(&format!("k{n:02}"))]);
            if n != 3 && n != 20 {
                count.add(&[keyword(&format!("k{n:02}"))]);
            }
        }
        let (letters, others) = count.letters();
        assert_eq!(others, [(keyword("k03"), 1), (keyword("k20"), 1)]);
        assert_eq!(letters.text().unwrap().lines().count(), LETTERS);
    }

    #[test]
    fn no_keywords_need_no_file() {
        assert_eq!(Count::default().letters().0.text(), None);
    }
}
