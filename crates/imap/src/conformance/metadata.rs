//! GETMETADATA and SETMETADATA (RFC 5464).

use super::harness::World;

#[test]
fn values_are_kept_until_they_are_taken_away() {
    let world = World::new();
    let mut ana = world.ana();
    ana.ok("a SETMETADATA INBOX (/private/comment \"mine\" /Shared/Comment {5+}\r\na\r\nb\\)");
    assert_eq!(ana.ok("b GETMETADATA INBOX /private/comment"), ["* METADATA INBOX (/private/comment \"mine\")"]);
    assert_eq!(
        ana.ok("c GETMETADATA INBOX (/shared/comment /shared/nothing)"),
        ["* METADATA INBOX (/shared/comment {5}\r\na\r\nb\\ /shared/nothing NIL)"]
    );
    ana.ok("d SETMETADATA INBOX (/private/comment NIL)");
    assert_eq!(ana.ok("e GETMETADATA INBOX /private/comment"), ["* METADATA INBOX (/private/comment NIL)"]);
    assert!(ana.fails("f GETMETADATA Nowhere /private/comment").starts_with("NO [NONEXISTENT]"));
    world.finish();
}

#[test]
fn depth_and_size_choose_what_is_told() {
    let world = World::new();
    let mut ana = world.ana();
    ana.ok("a SETMETADATA INBOX (/private/f/a/x \"1\" /private/f/b \"22\" /private/f \"333\" /private/other \"4\")");
    assert_eq!(
        ana.ok("b GETMETADATA INBOX (DEPTH 1) (/private/f)"),
        ["* METADATA INBOX (/private/f \"333\" /private/f/b \"22\")"]
    );
    assert_eq!(
        ana.ok("c GETMETADATA INBOX (DEPTH infinity) (/private/f)"),
        ["* METADATA INBOX (/private/f \"333\" /private/f/a/x \"1\" /private/f/b \"22\")"]
    );
    // RFC 5464 §4.2.1: the size of the largest that was left out.
    let said = ana.send("d GETMETADATA INBOX (MAXSIZE 1 DEPTH infinity) (/private/f)");
    assert_eq!(said[0], "* METADATA INBOX (/private/f/a/x \"1\")");
    assert!(said[1].starts_with("d OK [METADATA LONGENTRIES 3] "), "{said:?}");
    world.finish();
}

#[test]
fn the_server_keeps_what_is_private_to_an_account() {
    let world = World::new();
    world.add_account("eva@example.org");
    let (mut ana, mut eva) = (world.ana(), world.client("eva@example.org"));
    ana.ok("a SETMETADATA \"\" (/private/vendor/colour \"red\")");
    assert_eq!(
        ana.ok("b GETMETADATA \"\" /private/vendor/colour"),
        ["* METADATA \"\" (/private/vendor/colour \"red\")"]
    );
    assert_eq!(eva.ok("c GETMETADATA \"\" /private/vendor/colour"), ["* METADATA \"\" (/private/vendor/colour NIL)"]);
    assert!(ana.fails("d SETMETADATA \"\" (/shared/comment \"hello\")").starts_with("NO [NOPERM]"));
    world.finish();
}

#[test]
fn limits_are_told_and_all_is_set_or_nothing() {
    let world = World::new();
    let mut ana = world.ana();
    let large = "x".repeat(store::MAX_ANNOTATION_BYTES + 1);
    let set = format!("a SETMETADATA INBOX (/private/a \"1\" /private/b {{{}+}}\r\n{large})", large.len());
    assert!(ana.fails(&set).starts_with(&format!("NO [METADATA MAXSIZE {}]", store::MAX_ANNOTATION_BYTES)));
    let many: Vec<String> = (0..=store::MAX_ANNOTATIONS).map(|n| format!("/private/n{n} \"\"")).collect();
    assert!(ana.fails(&format!("b SETMETADATA INBOX ({})", many.join(" "))).starts_with("NO [METADATA TOOMANY]"));
    assert_eq!(ana.ok("c GETMETADATA INBOX /private/a"), ["* METADATA INBOX (/private/a NIL)"]);
    for name in ["/other/a", "/private", "private/a", "/private/a//b", "/private/a*", "/private/a/"] {
        assert!(ana.fails(&format!("d SETMETADATA INBOX ({name} \"1\")")).starts_with("BAD "), "{name}");
    }
    world.finish();
}
