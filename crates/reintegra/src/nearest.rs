//! What somebody may have meant who wrote a name that there is not.

/// Collects the name nearest to one that was not found.
pub(crate) struct Nearest {
    wanted: Vec<char>,
    best: Option<(usize, String)>,
}

impl Nearest {
    /// Looks for a name like this.
    pub(crate) fn to(wanted: &str) -> Self {
        Nearest { wanted: folded(wanted), best: None }
    }

    /// Takes a name into consideration.
    pub(crate) fn consider(&mut self, name: &str) {
        let candidate = folded(name);
        let limit = self.best.as_ref().map_or(self.wanted.len() / 3 + 1, |(distance, _)| distance.saturating_sub(1));
        if self.wanted.len().abs_diff(candidate.len()) > limit {
            return;
        }
        let distance = distance(&self.wanted, &candidate);
        if distance <= limit {
            self.best = Some((distance, name.to_owned()));
        }
    }

    /// The nearest, where any is near enough to have been meant.
    pub(crate) fn found(self) -> Option<String> {
        self.best.map(|(_, name)| name)
    }
}

fn folded(name: &str) -> Vec<char> {
    name.chars().flat_map(char::to_lowercase).collect()
}

/// How many characters must be put in, taken out or replaced to make one of the other (Levenshtein).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::Nearest;

    fn nearest(wanted: &str, names: &[&str]) -> Option<String> {
        let mut nearest = Nearest::to(wanted);
        names.iter().for_each(|name| nearest.consider(name));
        nearest.found()
    }

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        let names = ["pepe@example.org", "ana@example.org", "ana@example.net"];
        assert_eq!(nearest("ana@exmaple.org", &names).as_deref(), Some("ana@example.org"));
        assert_eq!(nearest("ANA@EXAMPLE.NET", &names).as_deref(), Some("ana@example.net"));
        assert_eq!(nearest("inbx", &["Sent", "INBOX"]).as_deref(), Some("INBOX"));
    }

    #[test]
    fn nothing_is_guessed_from_far_away() {
        assert_eq!(nearest("ana", &["zacarias", "bob"]), None);
        assert_eq!(nearest("", &["inbox"]), None);
        assert_eq!(nearest("ana", &[]), None);
    }
}
