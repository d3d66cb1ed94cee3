//! Text is text: files end with a newline, Rust has no tabs, and no file names a place of the machine it was made on.

use super::{Finding, Tree};

/// Kinds of file that people write, and that end with a newline.
const WRITTEN: [&str; 11] = [".rs", ".toml", ".md", ".tsv", ".py", ".sh", ".html", ".css", ".sql", ".json", ".yml"];

/// Roots of places that are some person's. Written in two parts: this file is looked at as well.
const PRIVATE: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// Homes that are nobody's: of mail in countless guides to Dovecot, and of the person of our own examples.
const SAMPLES: [&str; 2] = ["vmail", "ana"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        if WRITTEN.iter().any(|end| path.ends_with(end)) && !text.is_empty() && !text.ends_with('\n') {
            findings.push(Finding::new(path, text.lines().count(), "the last line has no end"));
        }
        for (index, line) in text.lines().enumerate() {
            if let Some(place) = private_place(line) {
                findings.push(Finding::new(path, index + 1, format!("names a place of one machine: {place}")));
            }
        }
    }
    for (path, text) in tree.rust_files() {
        if let Some(index) = text.lines().position(|line| line.contains('\t')) {
            findings.push(Finding::new(path, index + 1, "a tab; write \\t where one is meant"));
        }
    }
    findings
}

/// Finds an absolute path below a private root. What stands before tells it from the middle of an address or a path.
fn private_place(line: &str) -> Option<&str> {
    PRIVATE.iter().find_map(|root| {
        line.match_indices(root).find_map(|(at, _)| {
            let inside = line[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || "._-}*$%".contains(c));
            let rest = &line[at..];
            let end = rest.find([' ', '"', '\'', '`', ')', '<', ':', ',']).unwrap_or(rest.len());
            let first = rest[..end].split('/').nth(2).unwrap_or_default();
            let names_someone = !first.is_empty() && !SAMPLES.contains(&first);
            (!inside && names_someone).then(|| &rest[..end])
        })
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::said;

    #[test]
    fn clean_text_is_good() {
        let good = "//! See https://example.org/work/a and target/root/b.\nconst HOME: [&str; 2] = [\"/home/vmail/a\", \"/home/ana/b\"];\n";
        assert!(said(check, &[("a.rs", good), ("b.md", ""), ("LICENSE", "no end")]).is_empty());
    }

    #[test]
    fn a_last_line_without_an_end_is_found() {
        assert_eq!(said(check, &[("a.md", "one\ntwo")]), ["a.md:2: the last line has no end"]);
    }

    #[test]
    fn tabs_are_found_in_rust_only() {
        let said = said(check, &[("a.rs", "fn a() {\n\tb()\n}\n"), ("a.tsv", "a\tb\n")]);
        assert_eq!(said, ["a.rs:2: a tab; write \\t where one is meant"]);
    }

    #[test]
    fn places_of_a_machine_are_found() {
        for place in [concat!("/ho", "me/someone/src"), concat!("/ro", "ot/.cargo"), concat!("/wo", "rk/main")] {
            for line in [format!("see {place}\n"), format!("`{place}`\n"), format!("{place}: x\n")] {
                let said = said(check, &[("a.txt", &line)]);
                assert_eq!(said, [format!("a.txt:1: names a place of one machine: {place}")]);
            }
        }
    }
}
