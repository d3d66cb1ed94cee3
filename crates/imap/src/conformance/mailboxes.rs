//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE (RFC 9051 §6.3.4 to §6.3.8, §6.3.10; RFC 6154).

use super::harness::World;

fn names(list: &[String]) -> Vec<&str> {
    list.iter().map(|line| line.rsplit_once("\"/\" ").unwrap().1).collect()
}

#[test]
fn create_makes_what_is_missing_above() {
    let world = World::new();
    let mut ana = world.ana();
    ana.ok("a CREATE Work/2026/May/");
    assert_eq!(names(&ana.ok("b LIST \"\" *")), ["INBOX", "Work", "Work/2026", "Work/2026/May"]);
    assert!(ana.fails("c CREATE Work/2026").starts_with("NO [ALREADYEXISTS]"));
    assert!(ana.fails("d CREATE inbox").starts_with("NO [ALREADYEXISTS]"));
    assert!(ana.fails("e CREATE \"\"").starts_with("NO [CANNOT]"));
    assert!(ana.fails("f CREATE a//b").starts_with("NO [CANNOT]"));
    assert!(ana.fails("g CREATE a/../b").starts_with("NO [CANNOT]"));
    assert!(ana.fails(&format!("h CREATE {}", "x/".repeat(40))).starts_with("NO [LIMIT]"));
    world.finish();
}

#[test]
fn names_come_in_modified_utf_7_and_in_utf_8() {
    let world = World::new();
    let (mut old, mut new) = (world.ana(), world.ana());
    new.ok("a ENABLE IMAP4rev2");
    old.ok("b CREATE \"A&AOk-rea\"");
    assert_eq!(names(&old.ok("c LIST \"\" A*")), ["A&AOk-rea"]);
    assert_eq!(names(&new.ok("d LIST \"\" A*")), ["\"Aérea\""]);
    let mut newer = world.ana();
    newer.ok("d ENABLE UTF8=ACCEPT");
    assert_eq!(newer.ok("d STATUS \"Aérea\" (MESSAGES)"), ["* STATUS \"Aérea\" (MESSAGES 0)"]);
    new.ok("e DELETE \"Aérea\"");
    assert!(old.fails("f DELETE \"A&AOk-rea\"").starts_with("NO [NONEXISTENT]"));
    world.finish();
}

#[test]
fn a_name_that_was_normalised_is_told_of() {
    let world = World::new();
    let mut ana = world.ana();
    ana.ok("a ENABLE IMAP4rev2");
    // RFC 9051 §5.1 and §6.3.9.7: `e` with a combining accent becomes one character.
    let said = ana.ok("b CREATE \"cafe\u{301}\"");
    assert_eq!(said, ["* LIST (\\HasNoChildren) \"/\" \"café\" (\"OLDNAME\" (\"cafe\u{301}\"))"]);
    let said = ana.ok("c SELECT \"cafe\u{301}\"");
    assert!(
        said.contains(&"* LIST (\\HasNoChildren) \"/\" \"café\" (\"OLDNAME\" (\"cafe\u{301}\"))".to_owned()),
        "{said:?}"
    );
    world.finish();
}

#[test]
fn a_mailbox_can_be_made_for_a_use() {
    let world = World::new();
    let mut ana = world.ana();
    ana.ok("a CREATE MySent (USE (\\Sent))");
    assert_eq!(ana.ok("b LIST \"\" MySent"), ["* LIST (\\HasNoChildren \\Sent) \"/\" MySent"]);
    assert!(ana.fails("c CREATE Other (USE (\\Sent))").starts_with("NO [USEATTR]"), "there is one already");
    assert!(ana.fails("d CREATE Other (USE (\\All))").starts_with("NO [USEATTR]"));
    assert!(ana.fails("e CREATE Other (USE (\\Trash \\Junk))").starts_with("NO [USEATTR]"));
    assert!(ana.fails("f SELECT Other").starts_with("NO [NONEXISTENT]"), "nothing was made");
    world.finish();
}

#[test]
fn a_mailbox_is_known_by_its_name_where_none_has_the_attribute() {
    let world = World::new();
    let mut ana = world.ana();
    for (tag, name) in [("a", "Enviados"), ("b", "Papelera"), ("c", "Spam"), ("d", "Borradores"), ("e", "Spam/Old")] {
        ana.ok(&format!("{tag} CREATE {name}"));
    }
    assert_eq!(
        ana.ok("f LIST (SPECIAL-USE) \"\" *"),
        [
            "* LIST (\\HasNoChildren \\Drafts) \"/\" Borradores",
            "* LIST (\\HasNoChildren \\Sent) \"/\" Enviados",
            "* LIST (\\HasNoChildren \\Trash) \"/\" Papelera",
            "* LIST (\\HasChildren \\Junk) \"/\" Spam",
        ]
    );
    // Of two, the one that is used.
    ana.ok("g CREATE Sent");
    ana.append("Sent", "one", "");
    assert_eq!(ana.ok("h LIST (SPECIAL-USE) \"\" Sent"), ["* LIST (\\HasNoChildren \\Sent) \"/\" Sent"]);
    assert_eq!(ana.ok("i LIST \"\" Enviados"), ["* LIST (\\HasNoChildren) \"/\" Enviados"]);
    // An attribute beats any name.
    ana.ok("j CREATE Outgoing (USE (\\Sent))");
    assert_eq!(ana.ok("k LIST \"\" Sent"), ["* LIST (\\HasNoChildren) \"/\" Sent"]);
    world.finish();
}

#[test]
fn delete_leaves_what_others_lie_beneath() {
    let world = World::new();
    let mut ana = world.ana();
    ana.ok("a CREATE Work/2026");
    assert!(ana.fails("b DELETE Work").starts_with("NO [HASCHILDREN]"));
    assert!(ana.fails("c DELETE Nowhere").starts_with("NO [NONEXISTENT]"));
    assert!(ana.fails("d DELETE INBOX").starts_with("NO [CANNOT]"));
    ana.ok("e DELETE Work/2026");
    ana.ok("f DELETE Work");
    assert_eq!(names(&ana.ok("g LIST \"\" *")), ["INBOX"]);
    world.finish();
}

#[test]
fn a_mailbox_made_again_has_a_greater_uidvalidity() {
    let world = World::new();
    let mut ana = world.ana();
    let uidvalidity =
        |status: Vec<String>| -> u32 { status[0].rsplit_once(' ').unwrap().1.trim_end_matches(')').parse().unwrap() };
    ana.ok("a CREATE Plans");
    let first = uidvalidity(ana.ok("b STATUS Plans (UIDVALIDITY)"));
    ana.ok("c RENAME Plans Ideas");
    assert_eq!(uidvalidity(ana.ok("d STATUS Ideas (UIDVALIDITY)")), first, "it survives a RENAME");
    ana.ok("e CREATE Plans");
    assert!(uidvalidity(ana.ok("f STATUS Plans (UIDVALIDITY)")) > first);
    world.finish();
}

#[test]
fn rename_takes_along_what_lies_beneath() {
    let world = World::new();
    let mut ana = world.ana();
    ana.ok("a CREATE Work/2026");
    ana.append("Work/2026", "one", "");
    ana.ok("b RENAME Work Old/Work");
    assert_eq!(names(&ana.ok("c LIST \"\" *")), ["INBOX", "Old", "Old/Work", "Old/Work/2026"]);
    assert_eq!(ana.ok("d STATUS Old/Work/2026 (MESSAGES)"), ["* STATUS Old/Work/2026 (MESSAGES 1)"]);
    assert!(ana.fails("e RENAME Old INBOX").starts_with("NO [ALREADYEXISTS]"));
    assert!(ana.fails("f RENAME Old Old/Work/Older").starts_with("NO [CANNOT]"));
    assert!(ana.fails("g RENAME Nowhere Somewhere").starts_with("NO [NONEXISTENT]"));
    world.finish();
}

#[test]
fn renaming_inbox_moves_its_mail_and_leaves_it() {
    let world = World::new();
    let (mut ana, mut phone) = world.two_in_inbox();
    ana.append("INBOX", "one", "\\Flagged");
    phone.ok("a NOOP");
    ana.ok("b CREATE INBOX/Below");
    ana.ok("c RENAME INBOX Archive");
    assert_eq!(names(&ana.ok("d LIST \"\" *")), ["INBOX", "Archive", "INBOX/Below"]);
    assert_eq!(ana.ok("e STATUS Archive (MESSAGES)"), ["* STATUS Archive (MESSAGES 1)"]);
    assert_eq!(phone.ok("f NOOP"), ["* 1 EXPUNGE"]);
    world.finish();
}

#[test]
fn a_session_goes_on_in_a_mailbox_that_is_renamed_and_ends_in_one_that_is_deleted() {
    let world = World::new();
    let (mut ana, mut phone) = (world.ana(), world.ana());
    ana.ok("a CREATE Plans");
    phone.ok("b SELECT Plans");
    ana.ok("c RENAME Plans Ideas");
    ana.append("Ideas", "one", "");
    assert_eq!(phone.ok("d NOOP"), ["* 1 EXISTS", "* 0 RECENT"]);
    ana.ok("e DELETE Ideas");
    let said = phone.send("f NOOP");
    assert!(said.len() == 1 && said[0].starts_with("* BYE "), "{said:?}");
    assert!(phone.is_closed());
    world.finish();
}

#[test]
fn deleting_the_open_mailbox_closes_it() {
    let world = World::new();
    let mut ana = world.ana();
    ana.ok("a CREATE Plans");
    ana.ok("b SELECT Plans");
    assert!(ana.ok("c DELETE Plans")[0].starts_with("* OK [CLOSED] "));
    assert!(ana.fails("d CHECK").starts_with("BAD "));
    ana.ok("e SELECT INBOX");
    world.finish();
}

#[test]
fn a_subscription_outlives_its_mailbox() {
    let world = World::new();
    let mut ana = world.ana();
    ana.ok("a CREATE Plans");
    ana.ok("b SUBSCRIBE Plans");
    ana.ok("c SUBSCRIBE Not/Yet");
    ana.ok("d DELETE Plans");
    assert_eq!(
        ana.ok("e LIST (SUBSCRIBED) \"\" (N* P*)"),
        [
            "* LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" Not/Yet",
            "* LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" Plans",
        ]
    );
    ana.ok("f CREATE Not/Yet");
    ana.ok("g UNSUBSCRIBE Plans");
    ana.ok("h UNSUBSCRIBE Plans");
    assert_eq!(ana.ok("i LSUB \"\" *"), ["* LSUB () \"/\" INBOX", "* LSUB () \"/\" Not/Yet"]);
    world.finish();
}

#[test]
fn everything_is_in_one_namespace() {
    let world = World::new();
    assert_eq!(world.ana().ok("a NAMESPACE"), ["* NAMESPACE ((\"\" \"/\")) NIL NIL"]);
    world.finish();
}
