//! Targets of aliases and forwards compared: order, repetition and the case of addresses do not matter.

use message::Address;
use std::collections::BTreeSet;

/// The form of a target that compares. What is no address is compared as written, where it runs a program or names a
/// file, and else without regard to case.
pub(super) fn target_key(target: &str) -> String {
    match Address::new(target) {
        Ok(address) => address.key().to_owned(),
        Err(_) if target.starts_with(['|', '/', ':', '"', '\\']) => target.to_owned(),
        Err(_) => target.to_lowercase(),
    }
}

/// Whether two lists deliver to the same places (`RULES.md 8.3`).
pub(super) fn same_targets(a: &[String], b: &[String]) -> bool {
    let keys = |targets: &[String]| targets.iter().map(|t| target_key(t)).collect::<BTreeSet<_>>();
    keys(a) == keys(b)
}

/// The targets of `first`, then those of `second` that it has not.
pub(super) fn union(first: &[String], second: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    first.iter().chain(second).filter(|t| seen.insert(target_key(t))).cloned().collect()
}

/// The targets that are not an address itself.
pub(super) fn without(targets: &[String], key: &str) -> Vec<String> {
    targets.iter().filter(|t| target_key(t) != key).cloned().collect()
}

/// Whether an address is among its own targets.
pub(super) fn includes(targets: &[String], key: &str) -> bool {
    targets.iter().any(|t| target_key(t) == key)
}

/// The targets that the directory takes: not empty, and without control characters.
pub(super) fn fit(targets: &[String]) -> Vec<String> {
    targets.iter().filter(|t| !t.is_empty() && !t.chars().any(char::is_control)).cloned().collect()
}

/// The domain that a catch-all maps every address of its own to: `@other` and nothing else.
pub(super) fn other_domain(targets: &[String]) -> Option<String> {
    let [target] = targets else { return None };
    let domain = target.strip_prefix('@')?.to_lowercase();
    is_domain(&domain).then_some(domain)
}

/// Whether a text, in lower case, is a domain name as the directory takes them.
pub(super) fn is_domain(name: &str) -> bool {
    Address::new(&format!("postmaster@{name}")).is_ok_and(|a| a.domain() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(targets: &[&str]) -> Vec<String> {
        targets.iter().map(|t| (*t).to_owned()).collect()
    }

    #[test]
    fn order_repetition_and_case_do_not_make_a_difference() {
        let a = texts(&["Ana@Example.org", "pepe@example.org", "ana@example.org"]);
        assert!(same_targets(&a, &texts(&["PEPE@example.ORG", "ana@example.org"])));
        assert!(!same_targets(&a, &texts(&["ana@example.org"])));
    }

    #[test]
    fn a_program_keeps_its_case_and_a_local_name_does_not() {
        assert!(!same_targets(&texts(&["|/bin/X"]), &texts(&["|/bin/x"])));
        assert!(same_targets(&texts(&["Root"]), &texts(&["root"])));
        assert!(!same_targets(&texts(&["root"]), &texts(&["root@example.org"])), "who qualifies it is not known");
    }

    #[test]
    fn a_union_keeps_the_first_spelling_and_order() {
        let both = union(&texts(&["B@example.org", "a@example.org"]), &texts(&["b@example.org", "c@example.org"]));
        assert_eq!(both, texts(&["B@example.org", "a@example.org", "c@example.org"]));
    }

    #[test]
    fn only_a_lone_other_domain_is_a_domain_alias() {
        assert_eq!(other_domain(&texts(&["@Other.example"])).as_deref(), Some("other.example"));
        assert_eq!(other_domain(&texts(&["@other.example", "a@example.org"])), None);
        assert_eq!(other_domain(&texts(&["ana@other.example"])), None);
        assert_eq!(other_domain(&texts(&["@"])), None);
    }
}
