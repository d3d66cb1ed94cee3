//! RFC 5804 §2.5 to §2.13: what is done with scripts.

use crate::world::*;
use managesieve::{Limits, Settings};
use sieve::Features;
use sieve::settings::Vacation;

#[test]
fn a_script_is_put_read_renamed_run_and_deleted() {
    let world = World::new();
    let mut client = world.signed_in();
    let script = "require \"fileinto\";\r\nfileinto \"Año \\\"1\\\"\";\r\n";
    assert!(client.put("trabajo", script).starts_with("OK "));
    assert!(client.put("vacío", "").starts_with("OK "), "an empty script is a script");
    let stored = world.directory().script(world.ana, "trabajo").unwrap().unwrap();
    assert_eq!(stored.content, script.as_bytes(), "as it came");
    assert_eq!(client.ok("LISTSCRIPTS"), "\"trabajo\"\r\n\"vacío\"\r\nOK \"these are the scripts\"\r\n");
    client.ok("SETACTIVE \"trabajo\"");
    assert_eq!(client.ok("LISTSCRIPTS").lines().next(), Some("\"trabajo\" ACTIVE"));
    assert_eq!(
        client.ok("GETSCRIPT \"trabajo\""),
        format!("{{{}}}\r\n{script}\r\nOK \"that is the script\"\r\n", script.len())
    );

    client.no("DELETESCRIPT \"trabajo\"", "(ACTIVE) ");
    client.no("RENAMESCRIPT \"trabajo\" \"vacío\"", "(ALREADYEXISTS) ");
    client.ok("RENAMESCRIPT \"trabajo\" \"a/../b \\\"c\\\"\"");
    assert_eq!(world.names(), ["a/../b \"c\"*", "vacío"], "it stays active, and no name is a file's");
    assert!(client.put("vacío", "stop;").starts_with("OK "), "replaced");
    client.ok("SETACTIVE \"vacío\"");
    client.ok("DELETESCRIPT \"a/../b \\\"c\\\"\"");
    client.ok("SETACTIVE \"\"");
    client.ok("DELETESCRIPT \"vacío\"");
    assert_eq!(client.ok("LISTSCRIPTS"), "OK \"these are the scripts\"\r\n");
    for command in
        ["GETSCRIPT \"x\"", "SETACTIVE \"x\"", "DELETESCRIPT \"x\"", "RENAMESCRIPT \"x\" \"y\"", "GETSCRIPT \"\""]
    {
        client.no(command, "(NONEXISTENT) ");
    }
    world.finish();
}

/// RFC 5804 §1.7: what is told is what may be required.
#[test]
fn headers_are_changed_where_that_is_switched_on() {
    let script = "require \"editheader\"; addheader \"X-A\" \"b\";";
    let world = World::new();
    let mut client = world.signed_in();
    assert!(!client.ok("CAPABILITY").contains("editheader"));
    let refused = client.put("a", script);
    assert!(refused.starts_with("NO ") && refused.contains("is switched off here"), "{refused}");
    assert!(world.names().is_empty());
    // One that came with an integration is kept, and does not run.
    world.directory().write(|tx| tx.put_script(world.ana, "antes", script.as_bytes())).unwrap();
    client.no("SETACTIVE \"antes\"", "\"line 1");
    world.finish();

    let world = World::with(true, Settings { features: Features { editheader: true }, ..Settings::default() });
    let mut client = world.signed_in();
    assert!(client.ok("CAPABILITY").contains(" editheader "));
    assert!(client.put("a", script).starts_with("OK "));
    client.ok("SETACTIVE \"a\"");
    world.finish();
}

#[test]
fn a_script_that_could_not_run_is_refused_with_its_lines_and_the_old_one_stays() {
    let world = World::new();
    let mut client = world.signed_in();
    assert!(client.put("a", "keep;").starts_with("OK "));
    let answer = client.put("a", "keep;\r\nkep;\r\nfileinto \"x\";\r\n");
    assert!(answer.starts_with("NO {") && answer.contains("\r\nline 2, column 1: "), "{answer}");
    assert!(answer.contains("\r\nline 3, column 1: "), "{answer}");
    assert_eq!(world.directory().script(world.ana, "a").unwrap().unwrap().content, b"keep;");
    client.no("CHECKSCRIPT \"kep;\"", "\"line 1, column 1: ");
    client.ok("CHECKSCRIPT \"keep;\"");
    assert_eq!(world.names(), ["a"], "what is checked is not stored");

    // An integration brings what its users had.
    world.directory().write(|tx| tx.put_script(world.ana, "antes", b"require \"vnd.x\";")).unwrap();
    client.no("SETACTIVE \"antes\"", "\"line 1");
    client.ok("GETSCRIPT \"antes\"");
    client.ok("DELETESCRIPT \"antes\"");
    world.finish();
}

#[test]
fn there_is_room_for_so_many_scripts_of_such_a_length() {
    let limits = Limits { script_bytes: 100, scripts: 2, account_bytes: 150 };
    let world = World::with(true, Settings { limits, ..Settings::default() });
    let mut client = world.signed_in();
    let script = |bytes: usize| format!("#{}\r\n", "a".repeat(bytes - 3));
    client.no("HAVESPACE \"a\" 101", "(QUOTA/MAXSIZE) ");
    client.ok("HAVESPACE \"a\" 100");
    assert!(client.put("a", &script(101)).starts_with("NO (QUOTA/MAXSIZE) "));
    assert!(client.put("a", &script(100_000)).starts_with("NO (QUOTA/MAXSIZE) "), "thrown away as it comes");
    assert!(client.put("a", &script(100)).starts_with("OK "));
    client.no("HAVESPACE \"b\" 51", "(QUOTA) ");
    assert!(client.put("b", &script(51)).starts_with("NO (QUOTA) "));
    assert!(client.put("b", &script(50)).starts_with("OK "));
    client.no("HAVESPACE \"c\" 0", "(QUOTA/MAXSCRIPTS) ");
    assert!(client.put("c", "").starts_with("NO (QUOTA/MAXSCRIPTS) "));
    assert!(client.put("a", &script(99)).starts_with("OK "), "one that is there can be changed");
    assert_eq!(world.names(), ["a", "b"]);
    world.finish();
}

#[test]
fn settings_are_none_of_the_scripts() {
    let world = World::new();
    let vacation =
        Vacation { subject: None, text: "No estoy.".into(), first_day: None, last_day: None, interval_days: 7 };
    world.directory().write(|tx| tx.put_vacation(world.ana, &vacation)).unwrap();
    let mut client = world.signed_in();
    assert_eq!(client.ok("LISTSCRIPTS"), "OK \"these are the scripts\"\r\n");
    assert!(client.put("vacation", "keep;").starts_with("OK "));
    client.ok("SETACTIVE \"vacation\"");
    client.ok("SETACTIVE \"\"");
    client.ok("DELETESCRIPT \"vacation\"");
    assert_eq!(world.directory().vacation(world.ana).unwrap(), Some(vacation));
    world.finish();
}

#[test]
fn noop_gives_its_tag_back() {
    let world = World::new();
    let mut client = world.client();
    assert_eq!(client.ok("NOOP"), "OK \"nothing done\"\r\n");
    assert_eq!(client.ok("NOOP \"a \\\"b\""), "OK (TAG \"a \\\"b\") \"nothing done\"\r\n");
    assert_eq!(client.ok("noop {4+}\r\n\r\nOK"), "OK (TAG {4}\r\n\r\nOK) \"nothing done\"\r\n");
    world.finish();
}

#[test]
fn pipelined_commands_are_answered_in_order_and_two_sessions_see_one_another() {
    let world = World::new();
    let mut one = world.client();
    let pipeline =
        format!("{}\r\nPUTSCRIPT \"a\" {{5+}}\r\nkeep;\r\nSETACTIVE \"a\"\r\nLOGOUT\r\n", plain(ANA, PASSWORD));
    one.send(pipeline.as_bytes());
    for text in ["welcome", "stored", "active", "until next time"] {
        assert_eq!(one.answer(), format!("OK \"{text}\"\r\n"));
    }
    assert!(one.is_over());
    let (mut one, mut two) = (world.signed_in(), world.signed_in());
    one.ok("RENAMESCRIPT \"a\" \"b\"");
    assert!(two.ok("LISTSCRIPTS").starts_with("\"b\" ACTIVE\r\n"));
    two.no("RENAMESCRIPT \"a\" \"c\"", "(NONEXISTENT) ");
    world.finish();
}
