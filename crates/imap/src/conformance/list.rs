//! LIST in all its forms, and LSUB (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 9590; RFC 3501 §6.3.9).

use super::harness::{Client, World};

/// The mailboxes of the examples of RFC 5258 §5 (RFC 9051 §6.3.9.6).
fn fruit(world: &World) -> Client {
    let mut ana = world.ana();
    for name in ["Fruit/Apple", "Fruit/Banana", "Tofu", "Vegetable/Broccoli", "Vegetable/Corn"] {
        ana.ok(&format!("c CREATE {name}"));
    }
    for name in ["INBOX", "Fruit/Banana", "Fruit/Peach", "Vegetable", "Vegetable/Broccoli"] {
        ana.ok(&format!("s SUBSCRIBE {name}"));
    }
    ana
}

fn names(list: &[String]) -> Vec<&str> {
    list.iter().map(|line| line.rsplit_once("\"/\" ").unwrap().1).collect()
}

#[test]
fn an_empty_pattern_asks_for_the_separator() {
    let world = World::new();
    assert_eq!(world.ana().ok("a LIST \"\" \"\""), ["* LIST (\\Noselect) \"/\" \"\""]);
    world.finish();
}

#[test]
fn patterns_reach_through_levels_or_stay_within() {
    let world = World::new();
    let mut ana = fruit(&world);
    assert_eq!(
        ana.ok("a LIST \"\" %"),
        [
            "* LIST (\\HasNoChildren) \"/\" INBOX",
            "* LIST (\\HasChildren) \"/\" Fruit",
            "* LIST (\\HasNoChildren) \"/\" Tofu",
            "* LIST (\\HasChildren) \"/\" Vegetable",
        ]
    );
    assert_eq!(names(&ana.ok("b LIST Fruit/ %")), ["Fruit/Apple", "Fruit/Banana"]);
    assert_eq!(names(&ana.ok("c LIST \"\" *l*e")), ["Fruit/Apple", "Vegetable"]);
    assert_eq!(names(&ana.ok("d LIST \"\" InBoX")), ["INBOX"]);
    assert_eq!(ana.ok("e LIST \"\" Nowhere*"), [""; 0]);
    assert!(ana.fails(&format!("f LIST \"\" {}", "%a".repeat(30))).starts_with("NO [LIMIT]"));
    assert!(ana.fails(&format!("g LIST \"\" ({})", ["*"; 101].join(" "))).starts_with("NO [LIMIT]"));
    world.finish();
}

/// RFC 5258 §5, examples 2, 3, 5 and 6.
#[test]
fn subscribed_names_are_selected_and_told() {
    let world = World::new();
    let mut ana = fruit(&world);
    assert_eq!(
        ana.ok("a LIST (SUBSCRIBED) \"\" \"*\""),
        [
            "* LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX",
            "* LIST (\\HasNoChildren \\Subscribed) \"/\" Fruit/Banana",
            "* LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" Fruit/Peach",
            "* LIST (\\HasChildren \\Subscribed) \"/\" Vegetable",
            "* LIST (\\HasNoChildren \\Subscribed) \"/\" Vegetable/Broccoli",
        ]
    );
    assert_eq!(
        ana.ok("b LIST () \"\" \"%\" RETURN (CHILDREN)"),
        [
            "* LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX",
            "* LIST (\\HasChildren) \"/\" Fruit",
            "* LIST (\\HasNoChildren) \"/\" Tofu",
            "* LIST (\\HasChildren \\Subscribed) \"/\" Vegetable",
        ]
    );
    assert_eq!(
        ana.ok("c LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"%\""),
        [
            "* LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX",
            "* LIST (\\HasChildren) \"/\" Fruit (\"CHILDINFO\" (\"SUBSCRIBED\"))",
            "* LIST (\\HasChildren \\Subscribed) \"/\" Vegetable (\"CHILDINFO\" (\"SUBSCRIBED\"))",
        ]
    );
    assert_eq!(names(&ana.ok("d LIST (SUBSCRIBED REMOTE) \"\" Fruit/%")), ["Fruit/Banana", "Fruit/Peach"]);
    assert!(ana.fails("e LIST (RECURSIVEMATCH) \"\" *").starts_with("BAD "));
    assert!(ana.fails("f LIST (RECURSIVEMATCH REMOTE) \"\" *").starts_with("BAD "));
    world.finish();
}

/// RFC 5258 §5, example 9: a parent is told of when something beneath it is selected that the pattern does not reach.
#[test]
fn recursive_match_tells_of_what_the_pattern_does_not_reach() {
    let world = World::new();
    let mut ana = world.ana();
    for name in ["foo2/bar1", "foo2/bar2", "baz2/bar2", "baz2/bar22", "eps2/mamba", "qux2/bar2"] {
        ana.ok(&format!("c CREATE {name}"));
        ana.ok(&format!("s SUBSCRIBE {name}"));
    }
    ana.ok("a SUBSCRIBE eps2");
    ana.ok("b DELETE qux2/bar2");
    ana.ok("c DELETE qux2");
    assert_eq!(
        ana.ok("d LIST (RECURSIVEMATCH SUBSCRIBED) \"\" \"*2\""),
        [
            "* LIST (\\HasNoChildren \\Subscribed) \"/\" baz2/bar2",
            "* LIST (\\HasNoChildren \\Subscribed) \"/\" baz2/bar22",
            "* LIST (\\HasChildren \\Subscribed) \"/\" eps2 (\"CHILDINFO\" (\"SUBSCRIBED\"))",
            "* LIST (\\HasChildren) \"/\" foo2 (\"CHILDINFO\" (\"SUBSCRIBED\"))",
            "* LIST (\\HasNoChildren \\Subscribed) \"/\" foo2/bar2",
            "* LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" qux2/bar2",
        ]
    );
    // A parent that is no mailbox itself.
    let said = ana.ok("e LIST (RECURSIVEMATCH SUBSCRIBED) \"\" \"q%\"");
    assert_eq!(said, ["* LIST (\\NonExistent \\HasNoChildren) \"/\" qux2 (\"CHILDINFO\" (\"SUBSCRIBED\"))"]);
    world.finish();
}

#[test]
fn several_patterns_are_one_list() {
    let world = World::new();
    let mut ana = fruit(&world);
    assert_eq!(names(&ana.ok("a LIST \"\" (INBOX Tofu Fruit/%)")), ["INBOX", "Fruit/Apple", "Fruit/Banana", "Tofu"]);
    world.finish();
}

#[test]
fn status_comes_behind_each_mailbox_that_was_selected() {
    let world = World::new();
    let mut ana = fruit(&world);
    ana.append("Tofu", "one", "");
    assert_eq!(
        ana.ok("a LIST \"\" T* RETURN (STATUS (MESSAGES UNSEEN SIZE))"),
        ["* LIST (\\HasNoChildren) \"/\" Tofu", "* STATUS Tofu (MESSAGES 1 UNSEEN 1 SIZE 52)"]
    );
    // RFC 5819 §2: none for a name that is no mailbox, or that stands there for others only.
    let said =
        ana.ok("b LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (Fruit Fruit/Peach Vegetable) RETURN (STATUS (MESSAGES))");
    let statuses: Vec<&String> = said.iter().filter(|line| line.starts_with("* STATUS")).collect();
    assert_eq!(statuses, ["* STATUS Vegetable (MESSAGES 0)"]);
    world.finish();
}

#[test]
fn metadata_comes_behind_each_mailbox() {
    let world = World::new();
    let mut ana = fruit(&world);
    ana.ok("a SETMETADATA Tofu (/shared/comment \"white\")");
    assert_eq!(
        ana.ok("b LIST \"\" (INBOX Tofu) RETURN (METADATA (/shared/comment))"),
        [
            "* LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX",
            "* METADATA INBOX (/shared/comment NIL)",
            "* LIST (\\HasNoChildren) \"/\" Tofu",
            "* METADATA Tofu (/shared/comment \"white\")",
        ]
    );
    world.finish();
}

/// RFC 3501 §6.3.9: `%` shows a name above one that is subscribed to.
#[test]
fn lsub_tells_of_what_is_above() {
    let world = World::new();
    let mut ana = fruit(&world);
    assert_eq!(
        ana.ok("a LSUB \"\" %"),
        ["* LSUB (\\Noselect) \"/\" Fruit", "* LSUB () \"/\" INBOX", "* LSUB () \"/\" Vegetable"]
    );
    assert_eq!(ana.ok("b LSUB Fruit/ *"), ["* LSUB () \"/\" Fruit/Banana", "* LSUB () \"/\" Fruit/Peach"]);
    world.finish();
}

#[test]
fn thousands_of_mailboxes_are_listed_whole() {
    let world = World::new();
    let mut ana = world.ana();
    world.make_mailboxes(3000);
    let said = ana.ok("a LIST \"\" * RETURN (STATUS (MESSAGES))");
    assert_eq!(said.len(), 2 * 3001);
    assert_eq!(said[6001], "* STATUS Many02999 (MESSAGES 0)");
    world.finish();
}
