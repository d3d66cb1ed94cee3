//! Deciding conflicts: what each choice does, changing it, and being cut short.

use crate::support::{BAD, Files, GOOD, Mover, OTHER, World, address, hash_of, open, scan, texts};
use directory::{AccountState, Forward, NewAccount};
use integrate::accounts::{ConflictRow, ResolveError};

const ANA: &str = "ana@example.org";
const PEPE: &str = "pepe@example.org";

/// Ana's account where an alias to Pepe and to the outside was.
fn account_where_an_alias_was() -> World {
    let world = World::new();
    world.has(ANA, GOOD, |a: &mut NewAccount| a.name = Some("Ana".to_owned()));
    world.has(PEPE, GOOD, |_| {});
    world.stage(Files::default().alias(ANA, &["out@example.net", PEPE]));
    world.settle_shared();
    world.settle(ANA);
    world
}

/// An alias to Pepe where Ana's account was.
fn alias_where_an_account_was() -> World {
    let world = World::new();
    world.has(PEPE, GOOD, |_| {});
    world.has_alias(ANA, &[PEPE]);
    world.had(ANA, GOOD, |_| {});
    world.settle_shared();
    world.settle(ANA);
    world
}

fn two_people() -> World {
    let world = World::new();
    world.stage(Files::default().domain("example.org", None, false).account(ANA, GOOD, |a| {
        a.name = Some("Laura Ruiz".to_owned());
        a.forwards = vec![address("laura@example.net")];
    }));
    world.maildrop(ANA, &scan(None, &[("s", "keep;", true)]));
    world.has(ANA, BAD, |a: &mut NewAccount| a.name = Some("José Ibáñez".to_owned()));
    world.settle(ANA);
    world
}

/// The only conflict.
fn only(world: &World) -> ConflictRow {
    let mut rows = world.conflicts();
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows.remove(0)
}

/// Decides it, with what the mover was asked for.
fn choose(world: &World, choice: &str) -> Vec<String> {
    let mover = Mover::default();
    let number = only(world).number;
    let resolution = world.resolve(number, choice, &mover).unwrap();
    assert!(!resolution.already);
    assert_eq!(only(world).state, "decided");
    world.check();
    mover.moved.into_inner()
}

#[test]
fn every_choice_says_what_it_does_in_both_languages() {
    for world in [account_where_an_alias_was(), alias_where_an_account_was(), two_people()] {
        let row = only(&world);
        assert_eq!(row.state, "open");
        for choice in &row.choices {
            assert!(choice.effect_es.ends_with('.') && choice.effect_en.ends_with('.'), "{choice:?}");
        }
        let json = serde_json::to_value(&row).unwrap();
        assert!(json["evidence"]["before"]["what"].is_string() && json["choices"][0]["choice"].is_string());
    }
}

#[test]
fn evidence_names_both_sides_by_facts_and_dates() {
    let row = only(&account_where_an_alias_was());
    assert_eq!((row.evidence.before.what.as_str(), row.evidence.after.what.as_str()), ("alias", "account"));
    assert_eq!(row.evidence.before.receiver.as_deref(), Some(PEPE));
    assert_eq!(row.evidence.after.messages, Some(3));
    assert_eq!(row.evidence.after.created_at.as_deref(), Some("2025-11-24T12:00:00Z"));
}

#[test]
fn rule_8_1_keep_account() {
    let world = account_where_an_alias_was();
    let live = world.live();
    assert_eq!(choose(&world, "keep-account"), Vec::<String>::new());
    assert_eq!(world.live(), live);
}

#[test]
fn rule_8_1_restore_alias_into_mailbox() {
    let world = account_where_an_alias_was();
    let moved = choose(&world, "restore-alias-into-mailbox");
    assert_eq!(moved, ["give ana@example.org to pepe@example.org in ana@example.org"]);
    assert_eq!(world.targets(ANA), Some(texts(&["out@example.net", PEPE])));
    assert_eq!(world.account(ANA).state, AccountState::Closed);
}

#[test]
fn rule_8_1_restore_alias_close_account() {
    let world = account_where_an_alias_was();
    assert_eq!(choose(&world, "restore-alias-close-account"), Vec::<String>::new());
    assert_eq!(world.targets(ANA), Some(texts(&["out@example.net", PEPE])));
    assert_eq!(world.account(ANA).state, AccountState::Closed);
}

#[test]
fn rule_8_1_both() {
    let world = account_where_an_alias_was();
    choose(&world, "both");
    let account = world.account(ANA);
    let expected = Forward { targets: texts(&["out@example.net", PEPE]), keep_copy: true };
    assert_eq!(world.directory().forward(account.id).unwrap(), Some(expected));
    assert!(open(&account) && world.targets(ANA).is_none());
}

#[test]
fn rule_8_2_the_account_opens_while_the_conflict_waits() {
    let world = alias_where_an_account_was();
    assert_eq!(only(&world).kind, "alias-account");
    assert!(open(&world.account(ANA)));
    assert_eq!(world.targets(ANA), Some(texts(&[PEPE])));
    world.check();
}

#[test]
fn rule_8_2_each_choice() {
    // choice: whether the alias is in force, whether the account is open, whether it forwards, what mail moves
    let table = [
        ("account-receives", false, true, false, None),
        (
            "keep-alias-give-mail",
            true,
            false,
            false,
            Some("give ana@example.org to pepe@example.org in ana@example.org"),
        ),
        ("keep-alias-close-account", true, false, false, None),
        ("both", false, true, true, None),
    ];
    for (choice, in_force, is_open, forwards, mail) in table {
        let world = alias_where_an_account_was();
        let moved = choose(&world, choice);
        assert_eq!(moved.first().map(String::as_str), mail, "{choice}");
        assert_eq!(world.alias(ANA).unwrap().enabled, in_force, "{choice}");
        let account = world.account(ANA);
        assert_eq!(open(&account), is_open, "{choice}");
        assert_eq!(world.directory().forward(account.id).unwrap().is_some(), forwards, "{choice}");
    }
}

#[test]
fn rules_8_3_and_8_4_each_choice() {
    for place in ["info@example.org", "@example.org"] {
        for (choice, expected) in [
            ("after", &["new@example.net"][..]),
            ("before", &["old@example.net"]),
            ("both", &["new@example.net", "old@example.net"]),
        ] {
            let world = World::new();
            world.has_alias(place, &["new@example.net"]);
            world.stage(Files::default().alias(place, &["old@example.net"]));
            world.settle_shared();
            choose(&world, choice);
            assert_eq!(world.targets(place), Some(texts(expected)), "{place} {choice}");
        }
    }
}

#[test]
fn rule_8_4_a_domain_alias_of_before_takes_the_place_of_a_catch_all() {
    let world = World::new();
    world.hosts("other.example");
    world.has_alias("@example.org", &["new@example.net"]);
    world.stage(Files::default().alias("@example.org", &["@other.example"]));
    world.settle_shared();
    let live = world.live();
    choose(&world, "before");
    assert_eq!(world.directory().domain_alias("example.org").unwrap().unwrap().to, "other.example");
    assert_eq!(world.targets("@example.org"), None);
    choose(&world, "after");
    assert_eq!(world.live(), live);
}

#[test]
fn rule_8_5_each_choice() {
    for (choice, expected) in [
        ("after", &["new@example.net"][..]),
        ("before", &["old@example.net"]),
        ("both", &["new@example.net", "old@example.net"]),
    ] {
        let world = World::new();
        world.had(ANA, GOOD, |a| a.forwards = vec![address("old@example.net")]);
        let id = world.has(ANA, OTHER, |_| {}).id;
        let forward = Forward { targets: texts(&["new@example.net"]), keep_copy: true };
        world.write(|tx| tx.put_forward(id, &forward));
        world.settle(ANA);
        choose(&world, choice);
        assert_eq!(world.directory().forward(id).unwrap().unwrap().targets, texts(expected), "{choice}");
    }
}

#[test]
fn rule_8_6_the_domain_goes_back() {
    let world = World::new();
    let id = world.write(|tx| tx.add_customer("Sol"));
    world.write(|tx| {
        tx.add_domain(&directory::Domain {
            name: "example.org".into(),
            customer_id: Some(id),
            disabled: false,
            created_at: 0,
        })
    });
    world.stage(Files::default().domain("example.org", Some("Luna"), false));
    world.settle_shared();
    let owner = || {
        let id = world.directory().domain("example.org").unwrap().unwrap().customer_id.unwrap();
        world.directory().customer(id).unwrap().unwrap().name
    };
    choose(&world, "before");
    assert_eq!(owner(), "Luna");
    choose(&world, "after");
    assert_eq!(owner(), "Sol");
    assert!(world.directory().customer_by_name("Luna").unwrap().is_none(), "nothing is left of the first choice");
}

#[test]
fn rule_8_7_the_same_person_joins() {
    let world = two_people();
    assert_eq!(only(&world).kind, "two-people");
    assert_eq!(world.directory().forward(world.account(ANA).id).unwrap(), None);
    assert_eq!(choose(&world, "same-person"), ["join ana@example.org"]);
    let account = world.account(ANA);
    assert_eq!(
        (hash_of(&account), account.name.as_deref()),
        (Some(GOOD), Some("José Ibáñez")),
        "as 7.1 and 7.2 have it"
    );
    assert_eq!(world.directory().forward(account.id).unwrap().unwrap().targets, texts(&["laura@example.net"]));
    let row = world.directory().account_apply(world.integration, ANA).unwrap().unwrap();
    let detail = integrate::accounts::AccountDetail::of(&row).unwrap();
    assert_eq!(detail.mail, integrate::accounts::MailStep::Join);
    let number = only(&world).number;
    let refused = world.resolve(number, "sealed-until:2030-01-01", &Mover::default());
    assert!(matches!(refused, Err(ResolveError::Final { .. })), "{refused:?}");
}

#[test]
fn rule_8_7_another_address() {
    let world = two_people();
    let number = only(&world).number;
    let mover = Mover::default();
    for wrong in ["ana@example.org", "laura@nowhere.example", "laura", ""] {
        let refused = world.resolve(number, &format!("another-address:{wrong}"), &mover);
        assert!(matches!(refused, Err(ResolveError::Argument { .. })), "{wrong} {refused:?}");
    }
    assert_eq!(choose(&world, "another-address:laura@example.org"), ["restore ana@example.org as laura@example.org"]);
    let laura = world.account("laura@example.org");
    assert!(open(&laura) && hash_of(&laura) == Some(GOOD), "she opens it with her password");
    assert_eq!(laura.name.as_deref(), Some("Laura Ruiz"));
    assert_eq!(world.directory().active_script(laura.id).unwrap().unwrap().content, b"keep;");
    assert_eq!(hash_of(&world.account(ANA)), Some(BAD), "nothing of hers touches his");
}

#[test]
fn rule_8_7_a_hash_that_holds_the_login_opens_no_other_address() {
    let world = World::new();
    let bound = "{DIGEST-MD5}0123456789abcdef0123456789abcdef";
    world.had(ANA, bound, |a| a.name = Some("Laura Ruiz".to_owned()));
    world.has(ANA, GOOD, |a: &mut NewAccount| a.name = Some("José Ibáñez".to_owned()));
    world.settle(ANA);
    choose(&world, "another-address:laura@example.org");
    let laura = world.account("laura@example.org");
    assert_eq!((hash_of(&laura), laura.state), (None, AccountState::Locked));
}

#[test]
fn rule_8_7_sealed_until_a_date() {
    let world = two_people();
    let (number, mover, live) = (only(&world).number, Mover::default(), world.live());
    for wrong in ["sealed-until:2025-11-24", "sealed-until:soon", "sealed-until:"] {
        assert!(matches!(world.resolve(number, wrong, &mover), Err(ResolveError::Argument { .. })), "{wrong}");
    }
    assert_eq!(choose(&world, "sealed-until:2026-06-30"), Vec::<String>::new());
    assert_eq!(choose(&world, "sealed-until:2026-12-31"), Vec::<String>::new(), "the date can be moved");
    assert_eq!(world.live(), live);
}

#[test]
fn rule_8_8_the_script_of_before() {
    let world = World::new();
    world.stage(Files::default().account(ANA, GOOD, |_| {}));
    world.maildrop(ANA, &scan(None, &[("s", "keep;", true)]));
    let id = world.has(ANA, OTHER, |_| {}).id;
    world.write(|tx| {
        tx.put_script(id, "s", b"stop;")?;
        tx.activate_script(id, Some("s"))
    });
    world.settle(ANA);
    choose(&world, "activate-before");
    assert_eq!(world.directory().active_script(id).unwrap().unwrap().content, b"keep;");
    choose(&world, "keep-after");
    assert_eq!(world.directory().active_script(id).unwrap().unwrap().content, b"stop;");
}

#[test]
fn an_alias_that_loops_comes_back_without_the_loop() {
    let world = World::new();
    world.has_alias("b@example.org", &["a@example.org"]);
    world.stage(Files::default().alias("a@example.org", &["b@example.org", "out@example.net"]));
    world.settle_shared();
    choose(&world, "without-loop");
    assert_eq!(world.targets("a@example.org"), Some(texts(&["out@example.net"])));
    choose(&world, "leave-out");
    assert_eq!(world.targets("a@example.org"), None);
}

#[test]
fn a_choice_that_sends_mail_in_circles_is_refused() {
    let world = World::new();
    world.has_alias("a@example.org", &["out@example.net"]);
    world.has_alias("b@example.org", &["a@example.org"]);
    world.stage(Files::default().alias("a@example.org", &["b@example.org"]));
    world.settle_shared();
    let (number, live) = (only(&world).number, world.live());
    for choice in ["before", "both"] {
        let refused = world.resolve(number, choice, &Mover::default());
        assert!(matches!(refused, Err(ResolveError::Loop { .. })), "{refused:?}");
    }
    assert_eq!((world.live(), only(&world).state.as_str()), (live, "open"), "nothing of it was done");
    world.check();
}

#[test]
fn a_wrong_choice_names_the_right_ones() {
    let world = account_where_an_alias_was();
    let (number, mover) = (only(&world).number, Mover::default());
    for wrong in ["", "after", "keep-account:x", "another-address:x@example.org", "KEEP-ACCOUNT"] {
        let error = world.resolve(number, wrong, &mover).unwrap_err();
        assert!(matches!(error, ResolveError::WrongChoice { .. }), "{wrong}");
        assert!(error.to_string().contains("restore-alias-close-account"), "{error}");
    }
    assert!(matches!(world.resolve(number + 1, "both", &mover), Err(ResolveError::NoSuchConflict { .. })));
}

#[test]
fn every_choice_can_be_changed_and_leaves_nothing_of_the_first() {
    let layouts: [fn() -> World; 2] = [account_where_an_alias_was, alias_where_an_account_was];
    for lay in layouts {
        let world = lay();
        let choices: Vec<String> = only(&world).choices.into_iter().map(|c| c.choice).collect();
        let mut direct = Vec::new();
        for choice in &choices {
            let world = lay();
            choose(&world, choice);
            direct.push(world.live());
        }
        for (first, (second, expected)) in
            choices.iter().flat_map(|f| std::iter::repeat(f).zip(choices.iter().zip(&direct)))
        {
            if first != second {
                let _ = world.resolve(only(&world).number, first, &Mover::default()).unwrap();
                choose(&world, second);
                assert_eq!(world.live(), *expected, "{first}, then {second}");
            }
        }
    }
}

#[test]
fn the_same_choice_again_does_nothing() {
    let world = account_where_an_alias_was();
    choose(&world, "restore-alias-into-mailbox");
    let (number, mover, live) = (only(&world).number, Mover::default(), world.live());
    let again = world.resolve(number, "restore-alias-into-mailbox", &mover).unwrap();
    assert!(again.already && mover.moved.borrow().is_empty());
    assert_eq!(world.live(), live);
}

#[test]
fn cut_short_while_mail_moves_the_choice_stands_and_goes_on() {
    let world = account_where_an_alias_was();
    let (number, mover) = (only(&world).number, Mover::default());
    mover.fails.set(true);
    let error = world.resolve(number, "restore-alias-into-mailbox", &mover).unwrap_err();
    assert!(matches!(error, ResolveError::Mail { .. }), "{error}");
    assert_eq!(only(&world).state, "unfinished");
    assert_eq!(world.targets(ANA), Some(texts(&["out@example.net", PEPE])), "new mail goes where it should already");
    mover.fails.set(false);
    let resolution = world.resolve(number, "restore-alias-into-mailbox", &mover).unwrap();
    assert!(!resolution.already);
    assert_eq!((mover.moved.borrow().len(), only(&world).state.as_str()), (1, "decided"));
    world.check();
}

#[test]
fn cut_short_another_choice_can_be_made_unless_people_are_being_joined() {
    let mover = Mover::default();
    mover.fails.set(true);
    let world = account_where_an_alias_was();
    let (number, live) = (only(&world).number, world.live());
    world.resolve(number, "restore-alias-into-mailbox", &mover).unwrap_err();
    world.resolve(number, "keep-account", &mover).unwrap();
    assert_eq!(world.live(), live);

    let world = two_people();
    let number = only(&world).number;
    world.resolve(number, "same-person", &mover).unwrap_err();
    let refused = world.resolve(number, "sealed-until:2030-01-01", &mover);
    assert!(matches!(refused, Err(ResolveError::Final { .. })), "{refused:?}");
    mover.fails.set(false);
    world.resolve(number, "same-person", &mover).unwrap();
    assert_eq!(*mover.moved.borrow(), ["join ana@example.org"]);
}

#[test]
fn what_people_changed_after_a_choice_stays_when_it_is_changed() {
    let world = account_where_an_alias_was();
    choose(&world, "restore-alias-close-account");
    world.has_alias(ANA, &["mine@example.net"]);
    let number = only(&world).number;
    let resolution = world.resolve(number, "keep-account", &Mover::default()).unwrap();
    assert_eq!(resolution.kept.len(), 1);
    assert_eq!(world.targets(ANA), Some(texts(&["mine@example.net"])));
    assert!(open(&world.account(ANA)));
}

#[test]
fn what_the_choice_was_about_may_be_gone() {
    let world = account_where_an_alias_was();
    let id = world.account(ANA).id;
    world.write(|tx| tx.remove_account(id));
    let refused = world.resolve(only(&world).number, "both", &Mover::default());
    assert!(matches!(refused, Err(ResolveError::Changed { .. })), "{refused:?}");
}

#[test]
fn a_confirmed_choice_cannot_be_changed() {
    let world = account_where_an_alias_was();
    choose(&world, "both");
    world.write(|tx| tx.forget_undo(world.integration));
    let number = only(&world).number;
    let refused = world.resolve(number, "keep-account", &Mover::default());
    assert!(matches!(refused, Err(ResolveError::Final { .. })), "{refused:?}");
    assert!(world.resolve(number, "both", &Mover::default()).unwrap().already);
}

#[test]
fn undoing_the_integration_takes_choices_back_and_removes_conflicts() {
    for choice in ["both", "restore-alias-close-account", "restore-alias-into-mailbox"] {
        let world = account_where_an_alias_was();
        let live = world.live();
        choose(&world, choice);
        world.undo(ANA, false);
        world.undo_shared();
        assert_eq!((world.live(), world.conflicts()), (live, vec![]), "{choice}");
        world.check();
    }
}

#[test]
fn who_decided_what_is_in_the_audit_log() {
    let world = account_where_an_alias_was();
    choose(&world, "keep-account");
    choose(&world, "both");
    let mut log = Vec::new();
    world
        .directory()
        .for_each_audit_of(ANA, |a| {
            if a.action == "conflict.decide" {
                let detail: serde_json::Value = serde_json::from_str(&a.detail).unwrap();
                log.push((
                    a.actor,
                    detail["choice"].as_str().unwrap().to_owned(),
                    detail["was"].as_str().map(str::to_owned),
                ));
            }
            Ok(())
        })
        .unwrap();
    let entry =
        |choice: &str, was: Option<&str>| ("admin@example.org".to_owned(), choice.to_owned(), was.map(str::to_owned));
    assert_eq!(log, [entry("keep-account", None), entry("both", Some("keep-account"))]);
    let row = only(&world);
    assert_eq!(
        (row.decided_by.as_deref(), row.decided_at.as_deref()),
        (Some("admin@example.org"), Some("2025-11-24T12:00:00Z"))
    );
}
