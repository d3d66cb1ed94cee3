//! Every cited RFC stands in `docs/rfc.tsv`, and what that table calls done is cited where it is done.

use super::{Finding, Tree};
use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = "docs/rfc.tsv";
const HEAD: &str = "rfc\ttitle\tstatus\tnote";
const STATES: [&str; 5] = ["yes", "partial", "planned", "no", "deviation"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(table) = tree.0.get(TABLE) else {
        return vec![Finding::new(TABLE, None, "is missing")];
    };
    let (rows, mut findings) = read(table);
    let mut cited_in_code = BTreeSet::new();
    for (path, text) in tree.files() {
        if path.starts_with("xtask/") || !(path.ends_with(".rs") || path.ends_with(".md")) {
            continue;
        }
        for (line, number) in citations(text) {
            if path.ends_with(".rs") {
                cited_in_code.insert(number);
            }
            if !rows.contains_key(&number) {
                findings.push(Finding::new(path, line, format!("RFC {number} is not in {TABLE}")));
            }
        }
    }
    for (number, (line, status)) in rows {
        if ["yes", "partial"].contains(&status) && !cited_in_code.contains(&number) {
            let what = format!("RFC {number} is called {status}, and no source file cites it");
            findings.push(Finding::new(TABLE, line, what));
        }
    }
    findings
}

/// Reads the table: number to (line, status), and what is wrong with its form.
fn read(table: &str) -> (BTreeMap<u32, (usize, &str)>, Vec<Finding>) {
    let (mut rows, mut findings) = (BTreeMap::new(), Vec::new());
    if table.lines().next() != Some(HEAD) {
        findings.push(Finding::new(TABLE, 1, format!("must begin with {HEAD:?}")));
    }
    let mut last = 0;
    for (index, row) in table.lines().enumerate().skip(1) {
        let line = index + 1;
        let columns: Vec<&str> = row.split('\t').collect();
        let ([number, title, status, note], Ok(parsed)) = (&columns[..], columns[0].parse::<u32>()) else {
            findings.push(Finding::new(TABLE, line, format!("is no row of four columns: {row:?}")));
            continue;
        };
        if parsed <= last {
            findings.push(Finding::new(TABLE, line, format!("RFC {number} is out of order or twice")));
        }
        if !STATES.contains(status) {
            findings.push(Finding::new(TABLE, line, format!("{status:?} is none of {STATES:?}")));
        }
        if title.is_empty() || note.is_empty() {
            findings.push(Finding::new(TABLE, line, format!("RFC {number} needs a title and a note")));
        }
        last = parsed;
        rows.insert(parsed, (line, *status));
    }
    (rows, findings)
}

/// `RFC 5322`, also across a line's end in a comment is not looked for: the citation style keeps them together.
fn citations(text: &str) -> Vec<(usize, u32)> {
    let mut out = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for piece in line.split("RFC ").skip(1) {
            let digits: String = piece.chars().take_while(char::is_ascii_digit).collect();
            out.extend(digits.parse().ok().map(|number| (index + 1, number)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::said;

    const TABLE: &str = "rfc\ttitle\tstatus\tnote\n3501\tIMAP4rev1\tplanned\tlater\n5322\tMessages\tyes\theaders\n";
    const CODE: (&str, &str) = ("crates/message/src/a.rs", "//! Fields (RFC 5322 §2.2), names (RFC 3501 §5.1.3).\n");

    #[test]
    fn a_table_that_is_true_is_good() {
        assert!(said(check, &[("docs/rfc.tsv", TABLE), CODE]).is_empty());
    }

    #[test]
    fn a_citation_without_a_row_is_found() {
        let other = ("docs/design/a.md", "# A\nSee RFC 5322 and RFC 9051 §2.\n");
        assert_eq!(
            said(check, &[("docs/rfc.tsv", TABLE), CODE, other]),
            ["docs/design/a.md:2: RFC 9051 is not in docs/rfc.tsv"]
        );
    }

    #[test]
    fn a_claim_without_a_citation_is_found() {
        assert_eq!(
            said(check, &[("docs/rfc.tsv", TABLE)]),
            ["docs/rfc.tsv:3: RFC 5322 is called yes, and no source file cites it"]
        );
    }

    #[test]
    fn a_table_of_the_wrong_form_is_found() {
        assert_eq!(said(check, &[]), ["docs/rfc.tsv: is missing"]);
        for (row, what) in [
            ("5322\tMessages\tplanned", "four columns"),
            ("x\tMessages\tplanned\tnote", "four columns"),
            ("5322\tMessages\tdone\tnote", "none of"),
            ("5322\t\tplanned\tnote", "a title and a note"),
            ("5322\tMessages\tplanned\tnote\n5321\tSMTP\tplanned\tnote", "out of order"),
        ] {
            let said = said(check, &[("docs/rfc.tsv", &format!("rfc\ttitle\tstatus\tnote\n{row}\n"))]);
            assert!(said.len() == 1 && said[0].contains(what), "{row}: {said:?}");
        }
        assert!(said(check, &[("docs/rfc.tsv", "number\n")])[0].contains("must begin with"));
    }
}
