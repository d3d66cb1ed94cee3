//! Changes of messages that need a case of their own.

use std::sync::{Arc, Mutex};

use message::{Flags, Keyword};
use store::{FlagMode, LIVE, LineageId, MAX_KEYWORDS, MailboxId, Refused, inbox};

use super::support::{Served, change, held, keywords, new_message};
use crate::support::{address, assert_sound, delivery, open, raw};

#[test]
fn a_flag_that_a_message_has_already_is_no_change() {
    let served = Served::new();
    let uids = served.fill(&["a", "b"]);
    served.flag(&uids, FlagMode::Add, Flags::SEEN);
    let before = served.image(served.inbox);
    let again = change(&uids, FlagMode::Add, Flags::SEEN, &[]);
    let stored = served.cell().store_flags(served.ana.id, served.inbox, again).unwrap().unwrap();
    assert_eq!((stored.changed, stored.modseq), (vec![], before.mailbox().highest_modseq));
    assert!(Arc::ptr_eq(&before, &served.image(served.inbox)), "and no new picture is taken");
}

#[test]
fn the_keyword_forwarded_is_the_flag() {
    let served = Served::new();
    let uids = served.fill(&["a"]);
    let forwarded = change(&uids, FlagMode::Add, Flags::NONE, &["$FORWARDED", "b", "B", "a"]);
    served.cell().store_flags(served.ana.id, served.inbox, forwarded).unwrap().unwrap();
    let image = served.image(served.inbox);
    assert_eq!((image.row(0).flags, image.row(0).keywords), (Flags::FORWARDED, &keywords(&["a", "b"])[..]));
}

#[test]
fn a_message_has_a_bounded_number_of_keywords_and_keeps_those_that_it_came_with() {
    let served = Served::new();
    let many: Vec<Keyword> = (0..=MAX_KEYWORDS).map(|n| Keyword::new(&format!("k{n:03}")).unwrap()).collect();
    let mut new = new_message("a");
    new.keywords = many.clone();
    let refused = served.cell().append(served.ana.id, served.inbox, vec![new]).unwrap();
    assert_eq!(refused, Err(Refused::TooManyKeywords));
    let mut recovered = delivery(&served.ana, served.inbox, "b");
    recovered.keywords = many;
    served.cell().deliver(vec![recovered]).unwrap();
    let store = |mode, words: &[&str]| {
        served.cell().store_flags(served.ana.id, served.inbox, change(&[1], mode, Flags::NONE, words)).unwrap()
    };
    assert_eq!(store(FlagMode::Add, &["one.more"]), Err(Refused::TooManyKeywords));
    assert_eq!(store(FlagMode::Remove, &["k000"]).unwrap().changed, [1]);
    assert_eq!(served.image(served.inbox).row(0).keywords.len(), MAX_KEYWORDS);
}

#[test]
fn hidden_lineages_and_strangers_are_not_served() {
    let served = Served::new();
    let cell = served.cell();
    let (hidden, mailbox) = cell
        .write(|tx| {
            let account = tx.account_or_new(LineageId(1), &address("ana@example.org"))?;
            let mailbox = tx.create_mailbox(&account, &inbox())?;
            Ok((account, mailbox))
        })
        .unwrap();
    for (account, mailbox) in [(hidden.id, mailbox), (served.ana.id, MailboxId(77)), (hidden.id, served.inbox)] {
        assert_eq!(cell.append(account, mailbox, vec![]).unwrap(), Err(Refused::NoSuchMailbox));
        assert_eq!(cell.append(account, mailbox, vec![new_message("a")]).unwrap(), Err(Refused::NoSuchMailbox));
        assert_eq!(cell.expunge(account, mailbox, None).unwrap(), Err(Refused::NoSuchMailbox));
        let flags = change(&[1], FlagMode::Add, Flags::SEEN, &[]);
        assert_eq!(cell.store_flags(account, mailbox, flags).unwrap(), Err(Refused::NoSuchMailbox));
        assert!(cell.image(account, mailbox).unwrap().is_none());
        assert_eq!(cell.counts(account, mailbox).unwrap(), None);
    }
    assert_eq!(cell.copy(served.ana.id, served.inbox, &[1], mailbox).unwrap().unwrap().pairs, []);
    assert_eq!(cell.copy(served.ana.id, served.inbox, &[1], MailboxId(77)).unwrap(), Err(Refused::NoSuchTarget));
}

#[test]
fn a_mailbox_without_uids_left_takes_no_more() {
    let served = Served::new();
    served.fill(&["a", "b"]);
    let full = served.create("Llena");
    let cell = served.cell();
    cell.write(|tx| {
        let row = tx.mailbox(served.ana.id, full)?.unwrap();
        tx.put_mailbox(served.ana.id, &store::Mailbox { uidnext: u32::MAX - 1, ..row })
    })
    .unwrap();
    let two = vec![new_message("c"), new_message("d")];
    assert_eq!(cell.append(served.ana.id, full, two).unwrap(), Err(Refused::NoUidsLeft));
    assert_eq!(cell.copy(served.ana.id, served.inbox, &[1, 2], full).unwrap(), Err(Refused::NoUidsLeft));
    let one = cell.append(served.ana.id, full, vec![new_message("c")]).unwrap().unwrap();
    assert_eq!(one.uids, [u32::MAX - 1]);
    assert_eq!(cell.move_messages(served.ana.id, served.inbox, &[1], full).unwrap(), Err(Refused::NoUidsLeft));
    assert_sound(&served.store);
}

#[test]
fn a_message_whose_bytes_the_index_has_lost_stays_where_it_is() {
    let served = Served::new();
    served.fill(&["a", "b", "c"]);
    let target = served.create("a");
    let Served { _home: home, store, ana, inbox } = served;
    drop(store);
    let db = rusqlite::Connection::open(home.path().join("cells/00/index.sqlite")).unwrap();
    assert_eq!(db.execute("UPDATE message SET blob_id = 99 WHERE uid = 2", []).unwrap(), 1);
    drop(db);
    let store = open(home.path());
    let cell = &store.cells()[0];
    let moved = cell.move_messages(ana.id, inbox, &[1, 2, 3], target).unwrap().unwrap();
    assert_eq!(moved.copied.pairs, [(1, 1), (3, 2)]);
    let image = cell.image(ana.id, inbox).unwrap().unwrap();
    assert_eq!((image.uids(), image.row(0).size_bytes), (&[2][..], 0));
}

#[test]
fn copies_are_in_the_segments_and_their_uids_are_never_given_again() {
    let served = Served::new();
    let uids = served.fill(&["a", "b", "c"]);
    let target = served.create("Archivo");
    let copied = served.cell().copy(served.ana.id, served.inbox, &uids, target).unwrap().unwrap();
    assert_eq!(copied.pairs, [(1, 1), (2, 2), (3, 3)]);
    let before = held(served.cell(), &served.ana, target);
    let Served { _home: home, store, .. } = served;
    drop(store);
    for file in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        std::fs::remove_file(home.path().join("cells/00").join(file)).ok();
    }
    let rebuilt = store::Store::rebuild(home.path(), None, crate::support::options()).unwrap();
    assert!(rebuilt.iter().all(|r| r.snapshot.is_none() && r.findings.is_empty()), "{rebuilt:?}");
    let store = open(home.path());
    let cell = &store.cells()[0];
    let ana = cell.read(|view| view.account(LIVE, &address("ana@example.org"))).unwrap().unwrap();
    let archive = super::support::id_of(cell, &ana, "Archivo");
    let sizes = |of: std::collections::BTreeMap<u32, super::support::Seen>| -> Vec<(u32, u64, i64)> {
        of.into_iter().map(|(uid, m)| (uid, m.size_bytes, m.internal_date)).collect()
    };
    assert_eq!(sizes(held(cell, &ana, archive)), sizes(before));
    assert_eq!(cell.append(ana.id, archive, vec![new_message("d")]).unwrap().unwrap().uids, [4]);
    assert_sound(&store);
}

#[test]
fn who_listens_hears_of_every_account_that_a_commit_changed_and_may_ask_at_once() {
    let served = Served::new();
    let uids = served.fill(&["a"]);
    let store = Arc::new(served.store);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (asked, told) = (Arc::downgrade(&store), heard.clone());
    assert!(store.on_change(Arc::new(move |cell, account| {
        let seen = asked.upgrade().map(|store| {
            let cell = &store.cells()[cell as usize];
            cell.counts(account, MailboxId(1)).unwrap().unwrap().1.messages
        });
        told.lock().unwrap().push((account, seen));
    })));
    assert!(!store.on_change(Arc::new(|_, _| panic!("a second one is not taken"))));

    let (cell, ana, inbox) = (&store.cells()[0], &served.ana, served.inbox);
    cell.append(ana.id, inbox, vec![new_message("b")]).unwrap().unwrap();
    cell.deliver(vec![delivery(ana, inbox, "c")]).unwrap();
    cell.store_flags(ana.id, inbox, change(&uids, FlagMode::Add, Flags::DELETED, &[])).unwrap().unwrap();
    cell.expunge(ana.id, inbox, None).unwrap().unwrap();
    let expected = [(ana.id, Some(2)), (ana.id, Some(3)), (ana.id, Some(3)), (ana.id, Some(2))];
    assert_eq!(*heard.lock().unwrap(), expected);

    // What changes nothing is told to nobody.
    cell.expunge(ana.id, inbox, None).unwrap().unwrap();
    cell.delete(ana.id, &crate::support::name("none")).unwrap().unwrap_err();
    cell.write(|_| Ok(())).unwrap();
    assert_eq!(heard.lock().unwrap().len(), 4);
    assert_eq!(cell.served_usage(ana.id).unwrap().size_bytes, (raw("b").len() + raw("c").len()) as u64);
}
