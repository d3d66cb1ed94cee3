//! Alias maps: patterns stand once, targets are never empty, and an alias written again reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use source::AliasAddress;
use source::virtual_map::parse;
use std::collections::HashSet;

fuzz_target!(|text: &[u8]| {
    let (aliases, _) = parse(text, "virtual");
    let mut seen = HashSet::new();
    for alias in &aliases {
        assert!(seen.insert(alias.address.clone()));
        assert!(!alias.targets.is_empty() && alias.targets.iter().all(|target| !target.is_empty()));

        // Targets that hold a control character can only be quoted ones, and a line cannot carry all of them.
        if alias.targets.iter().any(|target| target.chars().any(char::is_control)) {
            continue;
        }
        let pattern = match &alias.address {
            AliasAddress::Address(address) => address.to_string(),
            AliasAddress::CatchAll(domain) => format!("@{domain}"),
        };
        // A comment first, so that nothing in the pattern can be taken for the file's byte order mark.
        let (again, notices) = parse(format!("#\n{pattern} {}", alias.targets.join(", ")).as_bytes(), "again");
        assert!(notices.is_empty(), "{notices:?}");
        assert_eq!(again.len(), 1);
        assert_eq!((&again[0].address, &again[0].targets), (&alias.address, &alias.targets));
    }
});
