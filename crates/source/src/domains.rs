//! Lists of domains: one a line, with words after the name (Postfix's `virtual_domains` has `OK` there).
//!
//! ```text
//! line = domain *( 1*WSP word )       word = "disabled" / "customer=" name / anything else, which says nothing
//! ```

use crate::{Domain, Notice};
use message::Address;
use std::collections::BTreeMap;

/// The domains of a source, each once, by name.
#[derive(Debug, Default)]
pub(crate) struct Domains {
    by_name: BTreeMap<String, Domain>,
}

impl Domains {
    /// Adds a domain of which nothing but the name is known.
    pub(crate) fn add(&mut self, name: &str) -> &mut Domain {
        let name = name.to_lowercase();
        let fresh = Domain { name: name.clone(), customer: None, disabled: false };
        self.by_name.entry(name).or_insert(fresh)
    }

    /// Adds the domains of a file; `file` is what notices call it.
    pub(crate) fn add_file(&mut self, text: &[u8], file: &str, notices: &mut Vec<Notice>) {
        for (index, line) in text.split(|&b| b == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let line = String::from_utf8_lossy(line);
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or_default();
            if Address::new(&format!("postmaster@{name}")).is_err() {
                let place = format!("{file}:{}", index + 1);
                let text = "the line does not begin with the name of a domain; it is left out".to_owned();
                notices.push(Notice { rule: "7.6", place, text });
                continue;
            }
            let domain = self.add(name);
            for word in words {
                if word == "disabled" {
                    domain.disabled = true;
                } else if let Some(customer) = word.strip_prefix("customer=").filter(|c| !c.is_empty()) {
                    domain.customer.get_or_insert_with(|| customer.to_owned());
                }
            }
        }
    }

    /// The domains by name.
    pub(crate) fn into_list(self) -> Vec<Domain> {
        self.by_name.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_joined() {
        let (mut domains, mut notices) = (Domains::default(), Vec::new());
        domains.add_file(
            b"# ours\nB.example\tOK\r\na.example disabled customer=luna\n\n@x\n",
            "etc/domains",
            &mut notices,
        );
        domains.add("b.EXAMPLE");
        let list = domains.into_list();
        let a = Domain { name: "a.example".into(), customer: Some("luna".into()), disabled: true };
        assert_eq!(list, [a, Domain { name: "b.example".into(), customer: None, disabled: false }]);
        assert_eq!(notices.iter().map(|n| &n.place[..]).collect::<Vec<_>>(), ["etc/domains:5"]);
    }
}
