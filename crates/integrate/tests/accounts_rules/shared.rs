//! Domains, customers, aliases and catch-alls.

use crate::support::{Files, GOOD, World, address, scan, texts};
use directory::{AliasAddress, Domain};
use integrate::Selection;
use integrate::accounts::{self, SharedDetail};

fn pair(kind: &str, address: &str) -> (String, String) {
    (kind.to_owned(), address.to_owned())
}

#[test]
fn rule_7_6_domains_in_one_lineage_only_are_kept() {
    let world = World::new();
    world.hosts("new.example");
    world.hosts("both.example");
    world.write(|tx| {
        let off = tx.domain("both.example")?.unwrap();
        tx.update_domain(&Domain { disabled: true, ..off })
    });
    world.stage(
        Files::default()
            .domain("old.example", Some("Luna"), false)
            .domain("off.example", None, true)
            .domain("both.example", None, false)
            .domain("no domain", None, false),
    );
    assert_eq!(world.settle_shared().domains, 2);
    let disabled = |name: &str| world.directory().domain(name).unwrap().map(|d| d.disabled);
    assert_eq!(disabled("new.example"), Some(false));
    assert_eq!(disabled("old.example"), Some(false));
    assert_eq!(disabled("off.example"), Some(true));
    assert_eq!(disabled("both.example"), Some(true), "disabled in after stays disabled");
    let row = world.directory().account_apply(world.integration, "@no domain").unwrap().unwrap();
    assert_eq!(SharedDetail::of(&row).unwrap().notices.len(), 1, "what can be no domain is listed");
    world.check();
}

#[test]
fn rule_8_6_another_customer_is_for_the_operator_and_a_missing_one_is_filled_in() {
    let world = World::new();
    let id = world.write(|tx| tx.add_customer("Sol"));
    for name in ["one.example", "two.example"] {
        world.hosts(name);
    }
    world.write(|tx| {
        let one = tx.domain("one.example")?.unwrap();
        tx.update_domain(&Domain { customer_id: Some(id), ..one })
    });
    world.stage(Files::default().domain("one.example", Some("Luna"), false).domain("two.example", Some("Luna"), false));
    world.settle_shared();
    assert_eq!(world.conflict_words(), [pair("domain-owner", "one.example")]);
    assert_eq!(world.directory().domain("one.example").unwrap().unwrap().customer_id, Some(id));
    assert!(world.directory().domain("two.example").unwrap().unwrap().customer_id.is_some());
    world.check();
}

#[test]
fn aliases_in_before_only_come_back_and_those_of_after_stay_in_force() {
    let world = World::new();
    world.has("maria@example.org", GOOD, |_| {});
    world.has_alias("info@example.org", &["maria@example.org"]);
    world.has_alias("same@example.org", &["b@example.net", "A@example.net"]);
    world.has_alias("new@example.org", &["maria@example.org"]);
    world.has_alias("@example.org", &["maria@example.org"]);
    world.stage(
        Files::default()
            .domain("example.org", None, false)
            .alias("web@example.org", &["pepe@example.org", "x@example.net"])
            .alias("info@example.org", &["pepe@example.org"])
            .alias("same@example.org", &["a@example.net", "B@example.net", "a@example.net"])
            .alias("maria@example.org", &["pepe@example.org"])
            .alias("broken@example.org", &["a\u{1}b"])
            .alias("@example.org", &["pepe@example.org"])
            .alias("@old.example", &["pepe@example.org"]),
    );
    let settled = world.settle_shared();
    assert_eq!((settled.aliases, settled.conflicts), (2, 3));
    assert_eq!(world.targets("web@example.org"), Some(texts(&["pepe@example.org", "x@example.net"])));
    assert_eq!(world.targets("info@example.org"), Some(texts(&["maria@example.org"])), "after stays in force");
    assert_eq!(world.targets("same@example.org"), Some(texts(&["b@example.net", "A@example.net"])));
    assert_eq!(world.targets("new@example.org"), Some(texts(&["maria@example.org"])));
    assert_eq!(world.targets("maria@example.org"), None, "an account stands there");
    assert_eq!(world.targets("broken@example.org"), None, "no usable target");
    assert_eq!(world.targets("@old.example"), Some(texts(&["pepe@example.org"])), "its domain came back with it");
    world.settle("maria@example.org");
    assert_eq!(world.conflicts()[2].evidence.after.messages, Some(3), "the account's own decision knows more");
    let expected = [
        pair("catch-all", "@example.org"),
        pair("alias-alias", "info@example.org"),
        pair("account-alias", "maria@example.org"),
    ];
    assert_eq!(world.conflict_words(), expected);
    world.check();
}

#[test]
fn an_account_of_after_that_nobody_settles_has_its_conflict_and_loses_it_with_the_undo() {
    let world = World::new();
    world.has("maria@example.org", GOOD, |_| {});
    world.stage(Files::default().alias("maria@example.org", &["pepe@example.org"]));
    world.settle_shared();
    assert_eq!(world.conflict_words(), [pair("account-alias", "maria@example.org")]);
    let live = world.live();
    let number = world.conflicts()[0].number;
    world.resolve(number, "restore-alias-close-account", &crate::support::Mover::default()).unwrap();
    assert_ne!(world.live(), live);
    world.undo_shared();
    assert_eq!((world.live(), world.conflicts()), (live, vec![]));
    world.check();
}

#[test]
fn settling_again_changes_nothing_even_where_an_admin_went_on() {
    let world = World::new();
    world.stage(Files::default().alias("web@example.org", &["pepe@example.net"]));
    world.settle_shared();
    let web = AliasAddress::Exact(address("web@example.org"));
    world.write(|tx| tx.remove_alias(&web));
    let live = world.live();
    assert_eq!(world.settle_shared(), accounts::SharedSettled::default());
    assert_eq!(world.live(), live, "what was removed since does not come back");
    world.check();
}

#[test]
fn taking_back_leaves_what_was_changed_since() {
    let world = World::new();
    world.has("maria@example.org", GOOD, |_| {});
    world.has_alias("info@example.org", &["maria@example.org"]);
    let before = world.live();
    world.stage(
        Files::default()
            .domain("example.org", Some("Luna"), false)
            .domain("old.example", Some("Luna"), false)
            .alias("web@example.org", &["pepe@example.org"])
            .alias("info@example.org", &["pepe@example.org"])
            .alias("@old.example", &["@example.org"]),
    );
    world.settle_shared();
    assert_eq!(world.directory().domain_alias("old.example").unwrap().unwrap().to, "example.org");
    assert_eq!(world.undo_shared(), []);
    assert_eq!((world.live(), world.conflicts()), (before, vec![]));

    world.settle_shared();
    world.has_alias("web@example.org", &["maria@example.org"]);
    let kept = world.undo_shared();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(world.targets("web@example.org"), Some(texts(&["maria@example.org"])));
    world.check();
}

#[test]
fn a_domain_that_something_is_in_stays() {
    let world = World::new();
    world.stage(Files::default().domain("old.example", None, false));
    world.settle_shared();
    world.has("nueva@old.example", GOOD, |_| {});
    assert_eq!(world.undo_shared().len(), 1);
    assert!(world.directory().domain("old.example").unwrap().is_some());
    world.check();
}

#[test]
fn only_what_is_chosen_is_settled_and_taken_back() {
    let world = World::new();
    world.stage(
        Files::default()
            .domain("one.example", None, false)
            .domain("two.example", None, false)
            .alias("a@one.example", &["x@example.net"])
            .alias("b@one.example", &["x@example.net"])
            .alias("a@two.example", &["x@example.net"]),
    );
    let accounts =
        |list: &[&str]| Selection { accounts: list.iter().map(|a| address(a)).collect(), ..Selection::default() };
    let domain = |name: &str| Selection { domains: texts(&[name]), ..Selection::default() };
    let settle = |s: &Selection| world.write(|tx| accounts::settle_shared(tx, world.integration, world.before, s));
    let undo = |s: &Selection| world.write(|tx| accounts::undo_shared(tx, world.integration, s));
    assert_eq!(settle(&accounts(&["a@one.example"])).aliases, 1);
    assert_eq!(world.targets("b@one.example"), None);
    assert_eq!(settle(&domain("one.example")).aliases, 1);
    assert!(world.directory().domain("two.example").unwrap().is_none());
    undo(&accounts(&["a@one.example"]));
    assert_eq!((world.targets("a@one.example"), world.targets("b@one.example").is_some()), (None, true));
    assert_eq!(settle(&Selection::default()).aliases, 2, "what was taken back can come again");
    undo(&domain("one.example"));
    assert!(world.directory().domain("one.example").unwrap().is_none());
    assert!(world.targets("a@two.example").is_some());
    world.check();
}

#[test]
fn an_account_that_came_back_first_is_no_account_of_after() {
    let world = World::new();
    world.stage(
        Files::default()
            .account("ana@example.org", GOOD, |_| {})
            .alias("ana@example.org", &["ana@example.org", "x@example.net"]),
    );
    world.maildrop("ana@example.org", &scan(None, &[]));
    world.settle("ana@example.org");
    world.settle_shared();
    assert_eq!(
        world.targets("ana@example.org"),
        Some(texts(&["ana@example.org", "x@example.net"])),
        "both as they were"
    );
    assert_eq!(world.conflicts(), []);
    world.check();
}

#[test]
fn an_alias_that_would_close_a_loop_waits() {
    let world = World::new();
    world.has_alias("b@example.org", &["a@example.org"]);
    world.stage(
        Files::default()
            .alias("a@example.org", &["b@example.org", "x@example.net"])
            .alias("c@example.org", &["b@example.org"]),
    );
    world.settle_shared();
    assert_eq!(world.conflict_words(), [pair("alias-loop", "a@example.org")]);
    assert_eq!((world.targets("a@example.org"), world.targets("c@example.org").is_some()), (None, true));
    world.check();
}
