//! Staging what a source's files say: again and again, and with changes in between.

use crate::support::{BAD, Files, GOOD, World, address, scan};
use directory::LineageNotice;
use integrate::accounts::{finish_staging, stage_directory};
use std::cell::RefCell;

/// All that is staged but the findings, as text; then those.
fn staged(world: &World) -> (String, Vec<LineageNotice>) {
    let (text, mut notices) = (RefCell::new(String::new()), Vec::new());
    let add = |line: String| {
        *text.borrow_mut() += &(line + "\n");
        Ok(())
    };
    let (directory, before) = (world.directory(), world.before);
    directory.for_each_lineage_domain(before, |d| add(format!("{d:?}"))).unwrap();
    directory.for_each_lineage_account(before, |a| add(format!("{} {}", a.key, a.json.expose()))).unwrap();
    directory.for_each_lineage_alias(before, |a| add(format!("{a:?}"))).unwrap();
    directory.for_each_lineage_script(before, |s| add(format!("{s:?}"))).unwrap();
    directory
        .for_each_lineage_notice(before, |n| {
            notices.push(n);
            Ok(())
        })
        .unwrap();
    (text.into_inner(), notices)
}

fn files() -> Files {
    Files::default()
        .domain("example.org", Some("Panadería Luna"), false)
        .account("Ana@example.org", GOOD, |a| {
            a.name = Some("Ana García".to_owned());
            a.forwards = vec![address("copia@example.net")];
        })
        .account("pepe@example.org", BAD, |_| {})
        .alias("info@example.org", &["ana@example.org"])
        .alias("@example.org", &["ana@example.org"])
}

#[test]
fn staging_again_changes_nothing() {
    let world = World::new();
    let drop = scan(Some(1024), &[("roundcube", "keep;", true)]);
    world.stage(files());
    world.maildrop("Ana@example.org", &drop);
    let first = staged(&world);
    world.stage(files());
    world.maildrop("Ana@example.org", &drop);
    assert_eq!(staged(&world), first);
    world.check();
}

#[test]
fn a_line_that_is_gone_leaves_the_maildrop_and_its_scripts() {
    let world = World::new();
    world.stage(files());
    world.maildrop("ana@example.org", &scan(None, &[("roundcube", "keep;", true)]));
    world.stage(Files::default().domain("example.org", None, true));
    let facts = world.facts("ana@example.org");
    assert_eq!(facts.before, None);
    assert!(facts.before_has_maildrop());
    assert_eq!(facts.before_scripts.len(), 1);
    assert!(!world.facts("pepe@example.org").before_has_account());
    assert_eq!(world.directory().lineage_alias(world.before, "info@example.org").unwrap(), None);
    let domain = world.directory().lineage_domain(world.before, "example.org").unwrap().unwrap();
    assert_eq!((domain.disabled, domain.customer), (true, None));
    world.check();
}

#[test]
fn two_maildrops_of_one_address_stand_beside_each_other() {
    let world = World::new();
    let (one, two) = (scan(Some(10), &[("s", "keep;", true)]), scan(Some(20), &[("s", "stop;", true)]));
    for _ in 0..2 {
        world.maildrop("Pepe@example.org", &one);
        world.maildrop("pepe@example.org", &two);
    }
    let facts = world.facts("pepe@example.org");
    let spellings: Vec<_> = facts.before_maildrops.iter().map(|m| m.address.as_str()).collect();
    assert_eq!(spellings, ["Pepe@example.org", "pepe@example.org"]);
    let scripts: Vec<_> = facts.before_scripts.iter().map(|s| (s.name.as_str(), &s.content[..])).collect();
    assert_eq!(scripts, [("s", &b"keep;"[..]), ("s (2)", b"stop;")]);
    world.check();
}

#[test]
fn a_script_that_is_changed_is_replaced_and_keeps_its_name() {
    let world = World::new();
    world.maildrop("pepe@example.org", &scan(None, &[("s", "keep;", true)]));
    world.maildrop("pepe@example.org", &scan(None, &[("s", "stop;", false), ("t", "keep;", true)]));
    let scripts = world.facts("pepe@example.org").before_scripts;
    let scripts: Vec<_> = scripts.iter().map(|s| (s.name.as_str(), &s.content[..], s.active)).collect();
    assert_eq!(scripts, [("s", &b"stop;"[..], false), ("t", b"keep;", true)]);
}

#[test]
fn findings_replace_those_of_the_last_staging() {
    let world = World::new();
    let notice = |text: &str| source::Notice { rule: "9.4", place: "x".to_owned(), text: text.to_owned() };
    let (a, b, c) = (notice("a"), notice("b"), notice("c"));
    world.stage(files());
    world.maildrop("ana@example.org", &scan(None, &[("s", "keep;", true)]));
    world.write(|tx| finish_staging(tx, world.before, &[a.clone(), b.clone()], std::slice::from_ref(&c)));
    let (text, notices) = staged(&world);
    assert_eq!(notices.iter().map(|n| n.text.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let lineage = world.directory().lineage(world.before).unwrap().unwrap();
    assert_eq!(lineage.staged_at, Some(crate::support::NOW));

    world.write(|tx| finish_staging(tx, world.before, &[], &[c]));
    let (after, notices) = staged(&world);
    assert_eq!(notices.iter().map(|n| n.text.as_str()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(after, text, "the rest stays");
    world.check();
}

#[test]
fn no_error_and_no_debug_text_shows_a_hash() {
    let world = World::new();
    world.stage(files());
    let facts = world.facts("ana@example.org");
    let shown = format!("{facts:?} {:?} {:?}", integrate::accounts::decide(&facts), world.settle("ana@example.org"));
    assert!(!shown.contains("sol1234"), "{shown}");
    let detail = world.directory().account_apply(world.integration, "ana@example.org").unwrap().unwrap().detail;
    assert!(!detail.contains("sol1234"));
    world
        .directory()
        .for_each_audit(0, |entry| {
            assert!(!entry.detail.contains("sol1234"));
            Ok(())
        })
        .unwrap();
}

#[test]
fn eight_thousand_accounts_are_compared_in_one_go() {
    let world = World::new();
    let many = || {
        let mut files = Files::default().domain("example.org", None, false);
        for n in 0..8_000 {
            files = files.account(&format!("a{n}@example.org"), GOOD, |a| a.quota_bytes = Some(n));
        }
        files
    };
    world.stage(many());
    let before = staged(&world);
    world.write(|tx| stage_directory(tx, world.before, &many().0));
    assert_eq!(staged(&world), before);
}
