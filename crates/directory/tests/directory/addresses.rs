//! Aliases and catch-alls.

use crate::{Fixture, address, collect, domain, texts};
use directory::{Alias, AliasAddress, DirectoryError};

fn alias(at: &str, targets: &[&str]) -> Alias {
    let at = match at.strip_prefix('@') {
        Some(domain) => AliasAddress::CatchAll(domain.to_owned()),
        None => AliasAddress::Exact(address(at)),
    };
    Alias { address: at, targets: texts(targets), enabled: true }
}

#[test]
fn an_alias_keeps_its_targets_in_order_and_its_spelling() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let info = alias("Info@example.org", &["z@example.org", "a@example.org", "local"]);
    directory.write(|tx| tx.put_alias(&info)).unwrap();
    let found = directory.alias(&alias("INFO@example.org", &[]).address).unwrap().unwrap();
    assert_eq!(found, info);
    assert_eq!(found.address.to_string(), "Info@example.org");

    let changed = Alias { enabled: false, ..alias("info@example.org", &["b@example.org"]) };
    directory.write(|tx| tx.put_alias(&changed)).unwrap();
    let found = directory.alias(&info.address).unwrap().unwrap();
    assert_eq!(found, changed);
    assert_eq!(found.address.to_string(), "info@example.org", "the latest spelling stays");

    directory.write(|tx| tx.remove_alias(&info.address)).unwrap();
    let gone = directory.write(|tx| tx.remove_alias(&info.address));
    assert!(matches!(gone, Err(DirectoryError::Missing { what: "alias", .. })));
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn aliases_are_given_by_domain_and_a_catch_all_first() {
    let Fixture { directory, place: _place } = Fixture::new();
    directory.write(|tx| tx.add_domain(&domain("a.example"))).unwrap();
    let list = [
        alias("@a.example", &["ana@a.example"]),
        alias("z@a.example", &["ana@a.example"]),
        alias("@example.org", &["ana@example.org"]),
        alias("!odd@example.org", &["ana@example.org"]),
        alias("info@example.org", &["ana@example.org"]),
    ];
    directory.write(|tx| list.iter().rev().try_for_each(|a| tx.put_alias(a))).unwrap();
    let mut sorted = list.to_vec();
    // By bytes, `!` stands before `@`.
    sorted.swap(2, 3);
    assert_eq!(collect!(directory, for_each_alias), sorted);
    assert_eq!(collect!(directory, for_each_alias_of_domain, "a.example"), list[..2]);
    assert_eq!(directory.alias(&list[2].address).unwrap(), Some(list[2].clone()));
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn an_account_may_stand_at_an_alias_while_a_conflict_waits() {
    let fixture = Fixture::new();
    fixture.add("info@example.org");
    fixture.directory.write(|tx| tx.put_alias(&alias("info@example.org", &["ana@example.org"]))).unwrap();
    assert_eq!(fixture.directory.check_consistency().unwrap(), []);
}

#[test]
fn aliases_without_a_domain_or_targets_are_refused() {
    let Fixture { directory, place: _place } = Fixture::new();
    let put = |alias: Alias| directory.write(|tx| tx.put_alias(&alias));
    assert!(matches!(put(alias("a@example.edu", &["x"])), Err(DirectoryError::Dangling { what: "alias", .. })));
    assert!(matches!(put(alias("@example.edu", &["x"])), Err(DirectoryError::Dangling { what: "alias", .. })));
    for targets in [&[][..], &[""], &["a\nb"]] {
        assert!(matches!(put(alias("a@example.org", targets)), Err(DirectoryError::Invalid { what: "alias", .. })));
    }
    assert_eq!(directory.check_consistency().unwrap(), []);
}
