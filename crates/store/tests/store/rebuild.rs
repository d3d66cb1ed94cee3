//! An index made anew: from segments alone, from a snapshot and the segments behind it, and when a snapshot is damaged.

use std::path::Path;

use message::{Flags, Keyword};
use store::{
    Account, Cell, Delivery, LIVE, LineageId, Mailbox, MailboxId, OpenOptions, Origin, Rebuilt, Store, StoreError,
    Traits,
};
use tempfile::TempDir;

use crate::support::{
    address, assert_sound, contents, delivery, digest, live, mailbox, make_account, name, open, options, prepared, raw,
    scratch,
};

fn new_store() -> (TempDir, Store) {
    let home = scratch();
    let store = Store::init(home.path(), 1, options()).unwrap();
    (home, store)
}

fn cell(store: &Store) -> &Cell {
    &store.cells()[0]
}

/// Closes a store, makes its indexes anew and opens it.
fn rebuild(home: &Path, store: Store) -> (Rebuilt, Store) {
    drop(store);
    let rebuilt = Store::rebuild(home, None, options()).unwrap().remove(0);
    let store = open(home);
    assert_sound(&store);
    (rebuilt, store)
}

#[track_caller]
fn assert_nothing_found(rebuilt: &Rebuilt) {
    assert_eq!(rebuilt.findings, []);
}

/// An account's messages: mailbox, UID, and which of some texts it is.
fn texts(store: &Store, who: &str, texts: &[&str]) -> Vec<(String, u32, String)> {
    let live = live(store);
    let Some(account) = live.get(&(LIVE, who.to_owned())) else { return Vec::new() };
    let named = |d| texts.iter().find(|t| digest(&raw(t)) == d).map_or("?".to_owned(), |t| (*t).to_owned());
    let boxes = account.mailboxes.iter();
    boxes.flat_map(|(name, m)| m.messages.iter().map(|(uid, c)| (name.clone(), *uid, named(c.digest)))).collect()
}

fn deliver(store: &Store, account: &Account, mailbox: MailboxId, texts: &[&str]) {
    cell(store).deliver(texts.iter().map(|t| delivery(account, mailbox, t)).collect()).unwrap();
}

fn make_mailbox(store: &Store, account: &Account, name: &str, uidvalidity: u32) -> MailboxId {
    cell(store).write(|tx| tx.create_mailbox(account, &mailbox(name, uidvalidity))).unwrap()
}

fn rename(store: &Store, account: &Account, mailbox: MailboxId, to: &str) {
    let boxes = cell(store).read(|v| v.mailboxes(account.id)).unwrap();
    let found = boxes.into_iter().find(|m| m.id == mailbox).unwrap();
    cell(store).write(|tx| tx.put_mailbox(account.id, &Mailbox { name: name(to), ..found })).unwrap();
}

#[test]
fn segments_alone_tell_place_date_flags_and_uidl_of_every_delivery() {
    let (home, store) = new_store();
    let (ana, inbox) = make_account(&store, "Ana@example.org", 1000);
    let archive = make_mailbox(&store, &ana, "Archivo/Año 2012", 1001);
    let full = Delivery {
        uid: Some(41),
        flags: Flags::ANSWERED | Flags::FLAGGED | Flags::FORWARDED,
        keywords: vec![Keyword::new("$Label1").unwrap(), Keyword::new("Urgente").unwrap()],
        internal_date: -5,
        uidl: Some("0000004d51dbf220".into()),
        traits: Traits::ENDS_EARLY.with(Traits::OF_BEFORE),
        ..delivery(&ana, archive, "b*3000")
    };
    cell(&store).deliver(vec![delivery(&ana, inbox, "a"), full, delivery(&ana, archive, "a")]).unwrap();
    // A hidden lineage beside it, with what it knows of its source.
    let ana_before = cell(&store).write(|tx| {
        tx.create_account(LineageId(3), &address("ana@example.org"))?;
        let account = tx.account(LineageId(3), &address("ana@example.org"))?.unwrap();
        Ok((account.clone(), tx.create_mailbox(&account, &mailbox("INBOX", 7))?))
    });
    let (ana_before, inbox_before) = ana_before.unwrap();
    let origin = Origin {
        path: b"cur/1:2,S".to_vec(),
        range: None,
        length_bytes: 9,
        modified_ns: 1,
        changed_ns: 2,
        inode: 3,
        mended: Some("{}".into()),
    };
    let staged = Delivery {
        uid: Some(500),
        traits: Traits::UID_MADE_UP,
        item: Some((12, 1, origin)),
        ..delivery(&ana_before, inbox_before, "b*3000")
    };
    cell(&store).deliver(vec![staged]).unwrap();
    let before = contents(&store, &[LIVE, LineageId(3)]);

    let (rebuilt, store) = rebuild(home.path(), store);

    assert_nothing_found(&rebuilt);
    assert_eq!((rebuilt.snapshot, rebuilt.messages), (None, 3));
    assert_eq!(contents(&store, &[LIVE, LineageId(3)]), before);
}

#[test]
fn an_account_that_follows_another_at_its_address_keeps_its_own_mail() {
    let (home, store) = new_store();
    let (first, inbox) = make_account(&store, "ana@example.org", 1000);
    deliver(&store, &first, inbox, &["of the first", "of the first too"]);
    cell(&store).write(|tx| tx.remove_account(&first)).unwrap();
    // Spelt otherwise, and the segments were not told of the removal in between.
    let (second, inbox) = make_account(&store, "Ana@Example.org", 1002);
    deliver(&store, &second, inbox, &["of the second"]);

    cell(&store).flush_manifests().unwrap();
    let (rebuilt, store) = rebuild(home.path(), store);

    assert_nothing_found(&rebuilt);
    let found = texts(&store, "Ana@example.org", &["of the first", "of the second"]);
    assert_eq!(found, [("INBOX".to_owned(), 1, "of the second".to_owned())]);
}

#[test]
fn mail_of_two_accounts_at_one_address_stays_apart_though_no_manifest_was_written() {
    let (home, store) = new_store();
    let (first, inbox) = make_account(&store, "ana@example.org", 1000);
    deliver(&store, &first, inbox, &["first"]);
    cell(&store).write(|tx| tx.remove_account(&first)).unwrap();
    let (second, inbox) = make_account(&store, "ana@example.org", 1002);
    deliver(&store, &second, inbox, &["second"]);

    let (rebuilt, store) = rebuild(home.path(), store);

    assert_nothing_found(&rebuilt);
    let found = texts(&store, "ana@example.org", &["first", "second"]);
    let at = |mailbox: &str, text: &str| (mailbox.to_owned(), 1, text.to_owned());
    assert_eq!(found, [at("INBOX", "first"), at("INBOX (1002)", "second")]);
}

#[test]
fn a_mailbox_that_took_a_renamed_ones_name_is_another_mailbox() {
    let (home, store) = new_store();
    let (ana, _) = make_account(&store, "ana@example.org", 1000);
    let old = make_mailbox(&store, &ana, "Facturas", 1001);
    deliver(&store, &ana, old, &["one"]);
    rename(&store, &ana, old, "Facturas 2011");
    let new = make_mailbox(&store, &ana, "Facturas", 1002);
    deliver(&store, &ana, new, &["two"]);
    deliver(&store, &ana, old, &["three"]);

    let (rebuilt, store) = rebuild(home.path(), store);

    assert_nothing_found(&rebuilt);
    let found = texts(&store, "ana@example.org", &["one", "two", "three"]);
    let at = |mailbox: &str, uid, text: &str| (mailbox.to_owned(), uid, text.to_owned());
    let new_name = "Facturas (1002)";
    assert_eq!(found, [at(new_name, 1, "two"), at("Facturas 2011", 1, "one"), at("Facturas 2011", 2, "three")]);
}

#[test]
fn a_renamed_account_is_one_account() {
    let (home, store) = new_store();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    deliver(&store, &ana, inbox, &["a"]);
    cell(&store).write(|tx| tx.set_address(ana.id, &address("ana.maria@example.org"))).unwrap();
    let renamed = Account { address: "ana.maria@example.org".into(), ..ana };
    deliver(&store, &renamed, inbox, &["b"]);
    cell(&store).flush_manifests().unwrap();
    let before = live(&store);

    let (rebuilt, store) = rebuild(home.path(), store);

    assert_nothing_found(&rebuilt);
    assert_eq!(live(&store), before);
}

#[test]
fn what_was_removed_and_forgotten_stays_so() {
    let (home, store) = new_store();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    let (bob, bobs) = make_account(&store, "bob@example.org", 1000);
    deliver(&store, &ana, inbox, &["a"]);
    deliver(&store, &bob, bobs, &["b"]);
    for lineage in [LineageId(1), LineageId(2)] {
        let made = cell(&store).write(|tx| {
            tx.create_account(lineage, &address("ana@example.org"))?;
            let account = tx.account(lineage, &address("ana@example.org"))?.unwrap();
            Ok((account.clone(), tx.create_mailbox(&account, &mailbox("INBOX", 5))?))
        });
        let (account, inbox) = made.unwrap();
        deliver(&store, &account, inbox, &["c"]);
    }
    cell(&store).write(|tx| tx.remove_account(&bob)).unwrap();
    cell(&store).flush_manifests().unwrap();
    cell(&store).forget_lineage(LineageId(1)).unwrap();
    assert!(matches!(cell(&store).forget_lineage(LIVE), Err(StoreError::Caller(_))));
    let all = [LIVE, LineageId(1), LineageId(2)];
    let before = contents(&store, &all);

    let (rebuilt, store) = rebuild(home.path(), store);

    assert_nothing_found(&rebuilt);
    assert_eq!(contents(&store, &all), before);
    assert_eq!(before.len(), 2);
}

#[test]
fn an_account_whose_inbox_never_had_mail_has_one_again() {
    let (home, store) = new_store();
    let (ana, _) = make_account(&store, "ana@example.org", 1000);
    let sent = make_mailbox(&store, &ana, "Enviados", 1001);
    deliver(&store, &ana, sent, &["a"]);

    let (rebuilt, store) = rebuild(home.path(), store);

    assert_nothing_found(&rebuilt);
    let live = live(&store);
    let mailboxes = &live[&(LIVE, "ana@example.org".to_owned())].mailboxes;
    assert_eq!(mailboxes.keys().collect::<Vec<_>>(), ["Enviados", "INBOX"]);
    assert!(mailboxes["INBOX"].uidvalidity > Some(1001), "no client takes it for one that it knew");
}

/// What no segment tells: flags that changed, a mailbox without mail, a journal.
fn change_what_segments_do_not_tell(store: &Store, ana: &Account, inbox: MailboxId) {
    let state = cell(store).read(|v| v.account_state(ana.id)).unwrap();
    let (first, bytes) = state.mailboxes[0].messages[0].clone();
    cell(store)
        .write(|tx| {
            let blob = tx.blob(&bytes)?.unwrap().id;
            tx.put_message(ana.id, inbox, &store::Message { flags: Flags::FLAGGED, blob, ..first.clone() })?;
            tx.create_mailbox(ana, &mailbox("Vacía", 1010))?;
            let journal = store::Journal { state: "applied".into(), was: None, became: None, fates: None };
            tx.put_journal(1, &address(&ana.address), &journal)
        })
        .unwrap();
}

#[test]
fn a_snapshot_and_the_segments_behind_it_give_the_exact_state() {
    let (home, store) = new_store();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    deliver(&store, &ana, inbox, &["a", "b"]);
    change_what_segments_do_not_tell(&store, &ana, inbox);
    let older = cell(&store).snapshot().unwrap();
    let snapshot = cell(&store).snapshot().unwrap();
    assert!(snapshot > older);
    deliver(&store, &ana, inbox, &["c*9000", "a"]);
    let (bob, bobs) = make_account(&store, "bob@example.org", 1000);
    deliver(&store, &bob, bobs, &["c*9000"]);
    let before = live(&store);

    let (rebuilt, store) = rebuild(home.path(), store);

    assert_nothing_found(&rebuilt);
    assert_eq!((rebuilt.snapshot, rebuilt.messages), (Some(snapshot), 5));
    assert_eq!(live(&store), before);
    assert!(cell(&store).read(|v| v.journal(1, &address("ana@example.org"))).unwrap().is_some());
}

#[test]
fn a_damaged_snapshot_is_named_and_the_one_before_it_is_used_and_then_none() {
    let (home, store) = new_store();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    deliver(&store, &ana, inbox, &["a", "b"]);
    change_what_segments_do_not_tell(&store, &ana, inbox);
    let older = cell(&store).snapshot().unwrap();
    let newer = cell(&store).snapshot().unwrap();
    let before = live(&store);

    let mut bytes = std::fs::read(&newer).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0x5a);
    std::fs::write(&newer, bytes).unwrap();
    let (rebuilt, store) = rebuild(home.path(), store);
    assert_eq!(rebuilt.snapshot.as_ref(), Some(&older));
    assert_eq!(rebuilt.findings.len(), 1);
    assert!(rebuilt.findings[0].text.contains(newer.to_str().unwrap()), "{rebuilt:?}");
    assert_eq!(live(&store), before);

    std::fs::write(&older, b"no database").unwrap();
    std::fs::write(&newer, b"").unwrap();
    let (rebuilt, store) = rebuild(home.path(), store);
    assert_eq!((rebuilt.snapshot, rebuilt.findings.len(), rebuilt.messages), (None, 2, 2));
    assert_eq!(texts(&store, "ana@example.org", &["a", "b"]).len(), 2);
}

#[test]
fn two_snapshots_are_kept() {
    let (home, store) = new_store();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    deliver(&store, &ana, inbox, &["a"]);
    let made: Vec<_> = (0..4).map(|_| cell(&store).snapshot().unwrap()).collect();
    let mut kept: Vec<_> =
        std::fs::read_dir(home.path().join("cells/00/snapshots")).unwrap().map(|e| e.unwrap().path()).collect();
    kept.sort();
    assert_eq!(kept, made[2..]);
    assert_sound(&store);
}

#[test]
fn a_store_whose_index_is_lost_does_not_open_as_an_empty_one() {
    let (home, store) = new_store();
    let (ana, inbox) = make_account(&store, "ana@example.org", 1000);
    deliver(&store, &ana, inbox, &["a"]);
    let before = live(&store);
    drop(store);
    let index = home.path().join("cells/00/index.sqlite");
    for lose in [|p: &Path| std::fs::remove_file(p).unwrap(), |p: &Path| std::fs::write(p, b"").unwrap()] {
        lose(&index);
        for _ in 0..2 {
            let Err(refused) = Store::open(home.path(), options()) else { panic!("it opened") };
            assert!(refused.to_string().contains("reintegra rebuild"), "{refused}");
        }
        let rebuilt = Store::rebuild(home.path(), None, options()).unwrap();
        assert_nothing_found(&rebuilt[0]);
        let store = open(home.path());
        assert_eq!(live(&store), before);
        assert_sound(&store);
    }
}

#[test]
fn a_store_without_one_of_its_cells_does_not_open() {
    let home = scratch();
    drop(Store::init(home.path(), 3, options()).unwrap());
    std::fs::rename(home.path().join("cells/01"), home.path().join("elsewhere")).unwrap();
    let Err(refused) = Store::open(home.path(), options()) else { panic!("it opened") };
    assert!(refused.to_string().contains("cell 01"), "{refused}");
    std::fs::rename(home.path().join("elsewhere"), home.path().join("cells/01")).unwrap();
    assert_sound(&open(home.path()));
}

#[test]
fn one_cell_is_made_anew_without_touching_the_others() {
    let home = scratch();
    let store = Store::init(home.path(), 4, options()).unwrap();
    for n in 0..8 {
        let (account, inbox) = make_account(&store, &format!("user{n}@example.org"), 1000);
        let message = Delivery { message: prepared(&raw("a")), ..delivery(&account, inbox, "a") };
        store.cell_of(&address(&account.address)).deliver(vec![message]).unwrap();
    }
    let before = live(&store);
    drop(store);
    let index = |n: u32| home.path().join(format!("cells/{n:02}/index.sqlite"));
    let others = [0, 1, 3].map(|n| std::fs::read(index(n)).unwrap());
    let rebuilt = Store::rebuild(home.path(), Some(2), options()).unwrap();
    assert_eq!(rebuilt.iter().map(|r| r.cell).collect::<Vec<_>>(), [2]);
    assert_eq!([0, 1, 3].map(|n| std::fs::read(index(n)).unwrap()), others);
    assert!(Store::rebuild(home.path(), Some(4), OpenOptions::for_purpose("test")).is_err());
    let store = open(home.path());
    assert_eq!(live(&store), before);
    assert_sound(&store);
}
