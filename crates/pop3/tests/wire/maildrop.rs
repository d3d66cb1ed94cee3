//! The maildrop: RFC 1939 §5 and §7, `RULES.md` 5.2 and 5.3.

use crate::world::*;
use message::Flags;
use store::uidl_by_rule;

#[test]
fn messages_are_listed_retrieved_and_deleted_at_quit() {
    let world = World::new();
    let first = world.deliver("Subject: one\n\nfirst\n.dot\n..two dots\n");
    let second = world.deliver("Subject: two\n\nsecond");
    let mut client = world.signed_in();
    let sizes = ["Subject: one\r\n\r\nfirst\r\n.dot\r\n..two dots\r\n".len(), "Subject: two\r\n\r\nsecond".len()];

    assert_eq!(client.ok("STAT"), format!("+OK 2 {}", sizes[0] + sizes[1]));
    assert_eq!(client.lines("LIST"), [format!("1 {}", sizes[0]), format!("2 {}", sizes[1])]);
    assert_eq!(client.ok("LIST 2"), format!("+OK 2 {}", sizes[1]));
    assert_eq!(client.lines("RETR 1"), ["Subject: one", "", "first", ".dot", "..two dots"]);
    // A last line without its ending gets one: the dot stands on a line of its own.
    assert_eq!(client.lines("RETR 2"), ["Subject: two", "", "second"]);
    assert_eq!(client.lines("TOP 1 0"), ["Subject: one", ""]);
    assert_eq!(client.lines("TOP 1 2"), ["Subject: one", "", "first", ".dot"]);
    assert_eq!(client.lines("TOP 1 99999999999"), ["Subject: one", "", "first", ".dot", "..two dots"]);

    client.ok("DELE 1");
    client.err("DELE 1", "there is no message of that number");
    client.err("RETR 1", "there is no message of that number");
    assert_eq!(client.ok("STAT"), format!("+OK 1 {}", sizes[1]));
    assert_eq!(client.lines("LIST"), [format!("2 {}", sizes[1])]);
    client.ok("RSET");
    assert_eq!(client.lines("LIST").len(), 2);
    client.ok("DELE 1");
    assert_eq!(world.left().len(), 2, "nothing goes before QUIT");
    client.ok("QUIT");
    assert!(client.is_over());
    // What was retrieved whole was seen; what was only looked at from above would not have been.
    assert_eq!(world.left(), [(second, Flags::SEEN)]);
    assert!(first < second);
    world.finish();
}

#[test]
fn a_connection_that_breaks_off_deletes_nothing() {
    let world = World::new();
    let uid = world.deliver("Subject: one\n\nfirst\n");
    let mut client = world.signed_in();
    client.lines("RETR 1");
    client.ok("DELE 1");
    drop(client);
    // The lock is free once the server has noticed.
    while world.client().ask(&format!("USER {ANA}")).is_empty() {}
    let mut again = loop {
        let mut client = world.client();
        client.ok(&format!("USER {ANA}"));
        if client.ask(&format!("PASS {PASSWORD}")).starts_with("+OK") {
            break client;
        }
    };
    assert_eq!(again.ok("STAT"), "+OK 1 23");
    again.ok("QUIT");
    assert_eq!(world.left(), [(uid, Flags::NONE)]);
    world.finish();
}

#[test]
fn a_maildrop_is_open_once_and_says_so() {
    let world = World::new();
    let mut one = world.signed_in();
    let mut other = world.client();
    other.ok(&format!("USER {ANA}"));
    other.err(&format!("PASS {PASSWORD}"), "[IN-USE]");
    one.ok("QUIT");
    assert!(one.is_over());
    other.ok(&format!("USER {ANA}"));
    other.ok(&format!("PASS {PASSWORD}"));
    other.ok("QUIT");
    world.finish();
}

#[test]
fn what_arrives_or_goes_meanwhile_changes_no_number() {
    let world = World::new();
    let first = world.deliver("Subject: one\n\nfirst\n");
    let second = world.deliver("Subject: two\n\nsecond\n");
    let mut client = world.signed_in();
    world.expunge(first);
    let third = world.deliver("Subject: three\n\nthird\n");
    assert_eq!(client.lines("LIST").len(), 2);
    // Its bytes are still there: what was promised is kept.
    assert_eq!(client.lines("RETR 1"), ["Subject: one", "", "first"]);
    client.ok("DELE 1");
    client.ok("DELE 2");
    client.ok("QUIT");
    assert_eq!(world.left().iter().map(|(uid, _)| *uid).collect::<Vec<_>>(), [third]);
    assert!(second < third);
    world.finish();
}

#[test]
fn uidls_are_those_that_were_served_before_and_else_by_the_rule() {
    let world = World::new();
    let uids = [1, 2, 3].map(|n| world.deliver(&format!("Subject: {n}\n\ntext\n")));
    world.change(uids[1], |message| message.uidl = Some("kept.from.the.old.server".to_owned()));
    let (account, inbox) = world.inbox();
    let mailbox = world.services.store.cells()[0].read(|view| view.mailbox(account.id, inbox)).unwrap().unwrap();
    let by_rule = |uid: u32| uidl_by_rule(mailbox.uidvalidity.unwrap(), uid);
    let mut client = world.signed_in();
    assert_eq!(
        client.lines("UIDL"),
        [format!("1 {}", by_rule(uids[0])), "2 kept.from.the.old.server".to_owned(), format!("3 {}", by_rule(uids[2]))]
    );
    assert_eq!(client.ok("UIDL 2"), "+OK 2 kept.from.the.old.server");
    client.ok("DELE 1");
    assert_eq!(client.lines("UIDL")[0], "2 kept.from.the.old.server");
    client.err("UIDL 1", "there is no message");
    client.ok("RSET");
    client.ok("QUIT");
    world.finish();
}

#[test]
fn the_order_is_by_date_within_before_and_then_after() {
    let world = World::new();
    let after = world.deliver("Subject: after\n\ntext\n");
    let late = world.deliver("Subject: late\n\ntext\n");
    let early = world.deliver("Subject: early\n\ntext\n");
    world.brought_back(late, 1_600_000_000, false);
    world.brought_back(early, 1_500_000_000, false);
    let mut client = world.signed_in();
    let subjects = ["1", "2", "3"].map(|number| client.lines(&format!("TOP {number} 0"))[0].clone());
    assert_eq!(subjects, ["Subject: early", "Subject: late", "Subject: after"]);
    client.ok("QUIT");
    assert!(after < late);
    world.finish();
}

#[test]
fn what_came_back_is_shown_as_the_account_chose() {
    use directory::Pop3Before;
    let world = World::new();
    let uids = ["seen", "unseen", "new"].map(|name| world.deliver(&format!("Subject: {name}\n\ntext\n")));
    world.brought_back(uids[0], 1_500_000_000, true);
    world.brought_back(uids[1], 1_500_000_001, false);
    let shown = || {
        let mut client = world.signed_in();
        let count = client.lines("LIST").len();
        let subjects: Vec<String> = (1..=count).map(|n| client.lines(&format!("TOP {n} 0"))[0].clone()).collect();
        client.ok("QUIT");
        assert!(client.is_over());
        subjects.join(" ").replace("Subject: ", "")
    };
    let choose = |choice| {
        let directory = &world.services.directory;
        let mut account = directory.account(&message::Address::new(ANA).unwrap()).unwrap().unwrap();
        account.pop3_before = choice;
        directory.write(|tx| tx.update_account(&account)).unwrap();
    };
    assert_eq!(shown(), "unseen new", "without a choice: seen-hide");
    choose(Some(Pop3Before::Show));
    assert_eq!(shown(), "seen unseen new");
    choose(Some(Pop3Before::Hide));
    assert_eq!(shown(), "new");
    choose(Some(Pop3Before::SeenHide));
    assert_eq!(shown(), "unseen new");
    // Hidden is not deleted.
    assert_eq!(world.left().len(), 3);
    world.finish();
}
