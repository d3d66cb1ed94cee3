//! What operators do with waiting mail, here and from another process.

use crate::world::*;
use edge::{Blocking, Shutdown};
use queue::control::{self, AskError};
use queue::operator::{Action, Answer, Changed, Selection, Standing};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::spool::Purpose;

fn everything() -> Selection {
    Selection { everything: true, ..Selection::default() }
}

fn hop(hop: &str) -> Selection {
    Selection { hop: Some(hop.to_owned()), ..Selection::default() }
}

fn changed(world: &World, action: Action) -> Changed {
    match world.queue.carry_out(&action).unwrap() {
        Answer::Changed(changed) => changed,
        other => panic!("{other:?}"),
    }
}

fn refused(world: &World, action: Action) -> String {
    match world.queue.carry_out(&action).unwrap() {
        Answer::Refused { why } => why,
        other => panic!("{other:?}"),
    }
}

fn some(messages: u64, recipients: u64) -> Changed {
    Changed { messages, recipients, ..Changed::default() }
}

/// Three messages, of which one goes to two hops.
fn three() -> World {
    let world = World::new(settings());
    world.put(world.submission(), &[to("eva@example.net"), to("ivo@example.com")]);
    world.put(world.queue.envelope(Purpose::Forward, "ada@example.net"), &[to("ivo@example.com")]);
    world.pass(3600);
    world.put(world.queue.envelope(Purpose::Notification, ""), &[to("pia@example.net")]);
    world
}

#[test]
fn what_waits_is_listed_and_shown() {
    let world = three();
    let list =
        |which: Selection, limit| match world.queue.carry_out(&Action::List { which, after: None, limit }).unwrap() {
            Answer::Messages { messages, next } => (messages, next),
            other => panic!("{other:?}"),
        };
    let senders = |which| list(which, 10).0.iter().map(|m| m.sender.clone()).collect::<Vec<_>>();
    assert_eq!(senders(everything()), ["ana@example.org", "ada@example.net", ""]);
    assert_eq!(senders(hop("Example.com")), ["ana@example.org", "ada@example.net"]);
    assert_eq!(senders(Selection { recipient: Some("PIA@example.net".into()), ..everything() }), [""]);
    assert_eq!(senders(Selection { sender: Some("ADA@example.net".into()), ..everything() }), ["ada@example.net"]);
    assert_eq!(senders(Selection { sender: Some(String::new()), ..everything() }), [""]);
    assert_eq!(senders(Selection { older_than_s: Some(1800), ..everything() }).len(), 2);
    assert!(senders(Selection { state: Some(Standing::Held), ..everything() }).is_empty());

    let (first, next) = list(everything(), 2);
    assert_eq!(next.as_deref(), Some(first[1].id.as_str()));
    let action = Action::List { which: everything(), after: next, limit: 2 };
    assert!(
        matches!(world.queue.carry_out(&action).unwrap(), Answer::Messages { messages, next: None } if messages.len() == 1)
    );

    let Answer::Message(Some(shown)) = world.queue.carry_out(&Action::Show { id: first[0].id.clone() }).unwrap() else {
        panic!("it waits")
    };
    assert_eq!((shown.purpose.as_str(), shown.size_bytes), ("submission", MESSAGE.len() as u64));
    assert_eq!(shown.recipients[1].address, "ivo@example.com");
    assert_eq!((shown.recipients[1].state, shown.recipients[1].attempts), (Standing::Waiting, 0));
    let gone = world.queue.carry_out(&Action::Show { id: "1".into() }).unwrap();
    assert_eq!(gone, Answer::Message(None));
}

#[test]
fn saying_nothing_changes_nothing() {
    let world = three();
    for action in [Action::Drop { which: Selection::default() }, Action::Hold { which: Selection::default() }] {
        assert!(refused(&world, action).starts_with("nothing was selected"));
    }
    assert!(
        refused(&world, Action::Drop { which: Selection { id: Some("x\n".into()), ..everything() } })
            .contains("names no")
    );
    assert_eq!(world.spool().counts().unwrap().messages, 3);
    assert_eq!(changed(&world, Action::Count { which: everything() }), some(3, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_not_tried_until_it_is_released() {
    let mut world = three();
    assert_eq!(changed(&world, Action::Hold { which: hop("example.com") }), some(2, 2));
    assert_eq!(changed(&world, Action::Hold { which: hop("example.com") }), some(0, 0));
    world.run();
    world.until(|world| world.spool().counts().unwrap().waiting == 0).await;
    // Tried at once is not released.
    assert_eq!(changed(&world, Action::Retry { which: everything() }), some(0, 0));
    world.pass(86_400);
    assert!(world.peers.reached("example.com").is_empty());
    assert_eq!(changed(&world, Action::Release { which: everything() }), some(2, 2));
    world.until(|world| world.spool().counts().unwrap().messages == 0).await;
    assert_eq!(world.peers.tries_of("ivo@example.com"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hop_out_of_reach_is_tried_at_once_when_the_operator_says_so() {
    let mut world = three();
    world.peers.at_hop("example.com", Some(Does::Says(unreached())));
    world.run();
    world.until(|world| world.peers.tries_of("ivo@example.com") >= 1).await;
    world.until_quiet().await;
    world.peers.at_hop("example.com", None);
    assert_eq!(changed(&world, Action::Retry { which: hop("example.com") }), some(2, 2));
    world.until(|world| world.spool().counts().unwrap().messages == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_told_and_what_is_dropped_is_not() {
    let mut world = three();
    let why = "example.com is no more".to_owned();
    assert_eq!(
        changed(&world, Action::Drop { which: Selection { sender: Some("ada@example.net".into()), ..everything() } }),
        some(1, 1)
    );
    assert_eq!(changed(&world, Action::Bounce { which: hop("example.com"), why: why.clone() }), some(1, 1));
    // Of a notification nobody can be told.
    let which = Selection { recipient: Some("pia@example.net".into()), ..Selection::default() };
    assert_eq!(changed(&world, Action::Bounce { which, why }), Changed { untold: 1, ..some(1, 1) });
    world.run();
    world.until(|world| world.spool().counts().unwrap().waiting == 0).await;
    world.stop().await;

    assert_eq!(world.spool().counts().unwrap().held, 1);
    let dsns = world.peers.mailbox("ana@example.org");
    assert_eq!(dsns.len(), 1);
    assert_eq!(fields_of(&dsns[0], "Final-Recipient"), ["rfc822; ivo@example.com"]);
    assert_eq!(fields_of(&dsns[0], "Diagnostic-Code"), ["X-Reintegra; example.com is no more"]);
    assert!(world.peers.tries().iter().all(|t| t.address == "ana@example.org" || t.address == "eva@example.net"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_tried_is_left_alone() {
    let mut world = World::new(settings());
    world.peers.at_hop("example.net", Some(Does::Hangs));
    world.put(world.submission(), &[to("eva@example.net")]);
    world.run();
    world.until(|world| world.peers.most.load(Ordering::SeqCst) == 1).await;
    for action in [Action::Drop { which: everything() }, Action::Hold { which: everything() }] {
        assert_eq!(changed(&world, action), Changed { busy: 1, ..Changed::default() });
    }
    assert_eq!(world.spool().counts().unwrap().waiting, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_asks_over_a_socket() {
    let world = three();
    let deep = world.directory.path().join("a-directory-with-a-name-that-is-longer-than-sockets-like".repeat(2));
    std::fs::create_dir(&deep).unwrap();
    for path in [world.directory.path().join("control"), deep.join("control")] {
        assert!(matches!(control::ask(&path, &Action::Count { which: everything() }), Err(AskError::NoServer { .. })));
        // A dead server's.
        std::fs::write(&path, "").unwrap();
        let (stop, shutdown) = Shutdown::channel();
        let (queue, at) = (Arc::clone(&world.queue), path.clone());
        let server =
            tokio::spawn(async move { control::serve(queue, Blocking::default(), &at, shutdown).await.unwrap() });
        world
            .until(|_| std::os::unix::fs::FileTypeExt::is_socket(&std::fs::metadata(&path).unwrap().file_type()))
            .await;
        let ask = |action: Action| {
            let path = path.clone();
            async move { tokio::task::spawn_blocking(move || control::ask(&path, &action)).await.unwrap() }
        };
        assert_eq!(ask(Action::Count { which: everything() }).await.unwrap(), Answer::Changed(some(3, 4)));
        let listed = ask(Action::List { which: everything(), after: None, limit: 10 }).await.unwrap();
        assert!(matches!(listed, Answer::Messages { messages, .. } if messages.len() == 3));
        assert_eq!(
            ask(Action::Drop { which: Selection::default() }).await.unwrap(),
            world.queue.carry_out(&Action::Drop { which: Selection::default() }).unwrap()
        );
        let long = Selection { sender: Some("a".repeat(100_000)), ..everything() };
        assert!(matches!(
            ask(Action::Count { which: long }).await,
            Ok(Answer::Refused { .. }) | Err(AskError::NoAnswer(_))
        ));
        stop.request();
        server.await.unwrap();
        assert!(!path.exists());
    }
}
