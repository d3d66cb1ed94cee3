//! Changes of mailboxes that need a case of their own.

use message::{Flags, SpecialUse};
use store::{MAX_ANNOTATION_BYTES, MAX_ANNOTATIONS, Refused, Store};

use super::support::{Served, held, id_of, new_message};
use crate::support::{assert_sound, mailbox, name, open, options};

#[test]
fn inferiors_go_with_a_renamed_mailbox_also_up_a_level() {
    let served = Served::new();
    let deep = served.create("x/a/a/a");
    let ana = served.ana.id;
    served.cell().append(ana, deep, vec![new_message("m")]).unwrap().unwrap();
    served.cell().rename(ana, &name("x"), &name("y/z")).unwrap().unwrap();
    let renamed = served.cell().rename(ana, &name("y/z/a"), &name("y/q")).unwrap().unwrap();
    let names: Vec<_> = renamed.mailboxes.iter().map(|(was, m)| (was.as_str(), m.name.as_str())).collect();
    assert_eq!(names, [("y/z/a", "y/q"), ("y/z/a/a", "y/q/a"), ("y/z/a/a/a", "y/q/a/a")]);
    assert_eq!(id_of(served.cell(), &served.ana, "y/q/a/a"), deep);
    assert_eq!(served.image(deep).uids(), [1]);
    let taken = served.cell().rename(ana, &name("y/q"), &name("y/z")).unwrap();
    assert_eq!(taken, Err(Refused::AlreadyExists));
    assert_sound(&served.store);
}

#[test]
fn a_name_may_go_up_into_the_place_of_a_level_that_is_no_mailbox() {
    let served = Served::new();
    // As sources have them: inferiors without their superior.
    let cell = served.cell();
    for (text, uidvalidity) in [("a/b", 70), ("a/b/b", 71), ("a/b/b/b", 72)] {
        cell.write(|tx| tx.create_mailbox(&served.ana, &mailbox(text, uidvalidity))).unwrap();
    }
    let renamed = cell.rename(served.ana.id, &name("a/b"), &name("a")).unwrap().unwrap();
    let names: Vec<_> = renamed.mailboxes.iter().map(|(_, m)| (m.name.as_str(), m.uidvalidity.unwrap())).collect();
    assert_eq!(names, [("a", 70), ("a/b", 71), ("a/b/b", 72)]);
    assert_sound(&served.store);
}

#[test]
fn a_rename_that_makes_a_name_too_long_is_refused_whole() {
    let served = Served::new();
    let long = "n".repeat(700);
    served.create(&format!("a/{long}"));
    let refused = served.cell().rename(served.ana.id, &name("a"), &name(&"m".repeat(700))).unwrap();
    assert_eq!(refused, Err(Refused::NameTooLong));
    id_of(served.cell(), &served.ana, &format!("a/{long}"));
}

#[test]
fn a_renamed_inbox_is_empty_and_stays_and_its_inferiors_too() {
    let served = Served::new();
    served.create("INBOX/x");
    served.fill(&["a", "b", "c"]);
    let before = held(served.cell(), &served.ana, served.inbox);
    let renamed = served.cell().rename(served.ana.id, &name("inbox"), &name("Viejo/2012")).unwrap().unwrap();
    let target = renamed.mailboxes[0].1.id;
    let after = held(served.cell(), &served.ana, target);
    assert!(after.keys().eq(before.keys()));
    assert!(after.values().zip(before.values()).all(|(a, b)| (a.blob, a.internal_date) == (b.blob, b.internal_date)));
    let inbox = served.image(served.inbox);
    assert_eq!((inbox.len(), inbox.mailbox().uidnext), (0, 4));
    let expunged = served.cell().read(|view| view.expunged_since(served.ana.id, served.inbox, 0)).unwrap();
    assert_eq!(expunged, [1, 2, 3]);
    id_of(served.cell(), &served.ana, "INBOX/x");
    id_of(served.cell(), &served.ana, "Viejo");
    assert_sound(&served.store);
}

#[test]
fn a_name_that_is_used_again_never_has_a_uidvalidity_that_was_served_under_it() {
    let served = Served::new();
    let (cell, ana) = (served.cell(), &served.ana);
    // Two recovered mailboxes that were made in the same second.
    for text in ["a", "b", "c"] {
        cell.write(|tx| tx.create_mailbox(ana, &mailbox(text, 1000))).unwrap();
    }
    let uidvalidity =
        |text: &str| cell.read(|view| view.mailbox_by_name(ana.id, &name(text))).unwrap().unwrap().uidvalidity;
    cell.rename(ana.id, &name("a"), &name("d")).unwrap().unwrap();
    assert!(uidvalidity("d") > Some(1000), "b may have been at any name");
    cell.delete(ana.id, &name("b")).unwrap().unwrap();
    cell.rename(ana.id, &name("c"), &name("b")).unwrap().unwrap();
    assert!(uidvalidity("b") > uidvalidity("d"), "another b was served with 1000");
    let highest = uidvalidity("b");
    cell.delete(ana.id, &name("d")).unwrap().unwrap();
    cell.create_served(ana.id, &name("d"), None).unwrap().unwrap();
    assert!(uidvalidity("d") > highest);
    let kept = uidvalidity("d");
    cell.rename(ana.id, &name("d"), &name("e")).unwrap().unwrap();
    assert_eq!(uidvalidity("e"), kept, "nobody else ever had it");
    assert_sound(&served.store);
}

#[test]
fn an_account_that_had_the_highest_uidvalidity_makes_no_mailbox_that_would_have_it_too() {
    let served = Served::new();
    served.cell().write(|tx| tx.create_mailbox(&served.ana, &mailbox("a", u32::MAX))).unwrap();
    let refused = served.cell().create_served(served.ana.id, &name("b"), None).unwrap();
    assert_eq!(refused, Err(Refused::NoUidvalidityLeft));
}

#[test]
fn one_mailbox_has_a_special_use() {
    let served = Served::new();
    let create = |text: &str| served.cell().create_served(served.ana.id, &name(text), Some(SpecialUse::Sent)).unwrap();
    assert_eq!(create("Enviados").unwrap().mailbox.special_use, Some(SpecialUse::Sent));
    assert_eq!(create("Sent"), Err(Refused::SpecialUseTaken));
}

#[test]
fn subscriptions_and_annotations_survive_snapshot_rebuild_and_manifest() {
    let served = Served::new();
    served.create("a");
    let (cell, ana) = (served.cell(), served.ana.id);
    cell.subscribe(ana, &name("gone"), true).unwrap().unwrap();
    let entry = |text: &str, value: &[u8]| vec![(text.to_owned(), Some(value.to_vec()))];
    cell.set_annotations(ana, None, entry("/shared/admin", b"mailto:a@example.org")).unwrap().unwrap();
    cell.set_annotations(ana, Some(served.inbox), entry("/private/comment", b"")).unwrap().unwrap();
    cell.write(|tx| tx.describe(ana)).unwrap();
    cell.flush_manifests().unwrap();
    let state = |store: &Store| {
        let cell = &store.cells()[0];
        let found = cell.read(|view| view.account_state(ana)).unwrap();
        (found.subscriptions, found.annotations)
    };
    let before = state(&served.store);
    assert_eq!((before.0.len(), before.1.len()), (1, 2));
    let Served { _home: home, store, .. } = served;
    drop(store);
    for with_snapshot in [false, true] {
        if with_snapshot {
            open(home.path()).cells()[0].snapshot().unwrap();
        }
        let rebuilt = Store::rebuild(home.path(), None, options()).unwrap();
        assert_eq!(rebuilt[0].snapshot.is_some(), with_snapshot);
        let store = open(home.path());
        assert_eq!(state(&store), before);
        assert_sound(&store);
    }
    let store = open(home.path());
    let cell = &store.cells()[0];
    let account = cell.read(|view| view.accounts(store::LIVE)).unwrap().remove(0);
    cell.write(|tx| tx.remove_account(&account)).unwrap();
    assert_sound(&store);
}

#[test]
fn annotations_are_bounded_and_have_names_of_annotations() {
    let served = Served::new();
    let set = |entries: &[(&str, usize)]| {
        let entries = entries.iter().map(|(entry, length)| ((*entry).to_owned(), Some(vec![b'v'; *length]))).collect();
        served.cell().set_annotations(served.ana.id, None, entries).unwrap()
    };
    for wrong in
        ["", "/", "/private", "/private/", "/other/x", "/private//x", "/shared/x*", "/shared/\u{e9}", "private/x"]
    {
        assert_eq!(set(&[(wrong, 1)]), Err(Refused::BadEntry), "{wrong}");
    }
    assert_eq!(set(&[("/private/x", MAX_ANNOTATION_BYTES + 1)]), Err(Refused::AnnotationTooLarge));
    assert_eq!(set(&[("/private/x", MAX_ANNOTATION_BYTES)]).unwrap(), ["/private/x"]);
    let many: Vec<String> = (0..MAX_ANNOTATIONS).map(|n| format!("/shared/{n}")).collect();
    let many: Vec<(&str, usize)> = many.iter().map(|entry| (entry.as_str(), 1)).collect();
    assert_eq!(set(&many), Err(Refused::TooManyAnnotations));
    assert_eq!(set(&many[1..]).unwrap().len(), MAX_ANNOTATIONS - 1);
    assert_eq!(set(&many[1..]).unwrap().len(), 0, "nothing of that is new");
}

#[test]
fn a_deleted_mailbox_is_gone_with_its_mail_and_its_annotations() {
    let served = Served::new();
    let id = served.create("a");
    let (cell, ana) = (served.cell(), served.ana.id);
    cell.append(ana, id, vec![new_message("m")]).unwrap().unwrap();
    served.fill(&["m", "n"]);
    let image = served.image(id);
    let before = cell.served_usage(ana).unwrap();
    cell.set_annotations(ana, Some(id), vec![("/shared/x".into(), Some(vec![1]))]).unwrap().unwrap();
    let inbox = served.image(served.inbox);
    cell.delete(ana, &name("a")).unwrap().unwrap();
    assert!(cell.image(ana, id).unwrap().is_none());
    assert_eq!(cell.counts(ana, id).unwrap(), None);
    assert_eq!(cell.served_usage(ana).unwrap().messages, before.messages - 1);
    assert_eq!((image.uids(), image.row(0).flags), (&[1][..], Flags::NONE), "who has it open sees it as it was");
    assert!(std::sync::Arc::ptr_eq(&inbox, &served.image(served.inbox)), "no other mailbox is read again");
    assert_sound(&served.store);
}
