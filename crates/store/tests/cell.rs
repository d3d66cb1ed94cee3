//! A store as its callers use it: deliver, read, change, reopen, rebuild. Every test ends with the full check.
#![allow(clippy::unwrap_used)]

use message::{Address, Flags, MailboxName, examine};
use store::{Account, Delivery, LIVE, MailboxId, NewMailbox, OpenOptions, Prepared, Store, Traits, inbox};
use tempfile::TempDir;

fn open(dir: &std::path::Path) -> Store {
    if dir.join("format").exists() {
        Store::open(dir, OpenOptions::for_purpose("test")).unwrap()
    } else {
        Store::init(dir, 2, OpenOptions::for_purpose("test")).unwrap()
    }
}

fn check(store: &Store) {
    for cell in store.cells() {
        assert_eq!(cell.check().unwrap().problems, []);
    }
}

fn make(store: &Store, address: &str) -> (Account, MailboxId) {
    let address = Address::new(address).unwrap();
    let cell = store.cell_of(&address);
    cell.write(|tx| {
        tx.create_account(LIVE, &address)?;
        let account = tx.account(LIVE, &address)?.unwrap();
        let mailbox = tx.create_mailbox(&account, &inbox())?;
        Ok((account, mailbox))
    })
    .unwrap()
}

fn mail(text: &str) -> Prepared {
    let crlf = format!("Subject: {text}\r\nMessage-ID: <{text}@example.org>\r\n\r\n{text}\r\n");
    Prepared::new(crlf.as_bytes(), &examine(crlf.as_bytes()))
}

fn delivery(account: &Account, mailbox: MailboxId, text: &str) -> Delivery {
    Delivery {
        account: account.id,
        mailbox,
        uid: None,
        message: mail(text),
        flags: Flags::SEEN,
        keywords: vec![],
        internal_date: 1_373_392_800,
        uidl: None,
        traits: Traits::default(),
        item: None,
        id: None,
    }
}

fn uids(store: &Store, account: &Account, mailbox: MailboxId) -> Vec<u32> {
    let cell = store.cell_of(&Address::new(&account.address).unwrap());
    let mut found = Vec::new();
    cell.read(|v| {
        v.for_each_message(account.id, mailbox, |m, _| {
            found.push(m.uid);
            Ok(())
        })
    })
    .unwrap();
    found
}

#[test]
fn what_is_delivered_is_there_after_reopening_and_its_bytes_are_kept_once() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (ana, inbox) = make(&store, "ana@example.org");
    let cell = store.cell_of(&Address::new("ana@example.org").unwrap());
    let first = cell.deliver(vec![delivery(&ana, inbox, "a"), delivery(&ana, inbox, "b")]).unwrap();
    let again = cell.deliver(vec![delivery(&ana, inbox, "a")]).unwrap();
    assert_eq!(first.iter().map(|d| (d.uid, d.new_bytes)).collect::<Vec<_>>(), [(1, true), (2, true)]);
    assert_eq!((again[0].uid, again[0].new_bytes), (3, false));
    check(&store);
    drop(store);
    let store = open(dir.path());
    assert_eq!(uids(&store, &ana, inbox), [1, 2, 3]);
    check(&store);
}

#[test]
fn an_index_is_made_anew_from_the_segments_alone() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let (ana, inbox_id) = make(&store, "ana@example.org");
    let address = Address::new("ana@example.org").unwrap();
    let cell = store.cell_of(&address);
    cell.deliver(vec![delivery(&ana, inbox_id, "a"), delivery(&ana, inbox_id, "b")]).unwrap();
    let sent = cell
        .write(|tx| {
            let new = NewMailbox { name: MailboxName::new("Enviados").unwrap(), ..inbox() };
            tx.create_mailbox(&ana, &new)
        })
        .unwrap();
    cell.deliver(vec![delivery(&ana, sent, "c")]).unwrap();
    cell.write(|tx| tx.expunge(ana.id, inbox_id, 1, 9).and_then(|_| tx.describe(ana.id))).unwrap();
    cell.write(|tx| {
        let mut boxes = tx.mailboxes(ana.id)?;
        boxes[0].highest_modseq = 9;
        tx.put_mailbox(ana.id, &boxes[0])
    })
    .unwrap();
    cell.flush_manifests().unwrap();
    cell.deliver(vec![delivery(&ana, inbox_id, "d")]).unwrap();
    let before = cell.read(|v| v.account_state(ana.id)).unwrap();
    drop(store);
    let rebuilt = Store::rebuild(dir.path(), None, OpenOptions::for_purpose("test")).unwrap();
    assert!(rebuilt.iter().all(|r| r.snapshot.is_none() && r.findings.is_empty()), "{rebuilt:?}");
    assert_eq!(rebuilt.iter().map(|r| r.messages).sum::<u64>(), 3);
    let store = open(dir.path());
    let after = store.cell_of(&address).read(|v| v.account_state(v.account(LIVE, &address)?.unwrap().id)).unwrap();
    let without_numbers = |s: &store::AccountState| {
        let mut s = s.clone();
        s.mailboxes.iter_mut().flat_map(|m| &mut m.messages).for_each(|m| m.0.blob = store::BlobId(0));
        s
    };
    assert_eq!(without_numbers(&after), without_numbers(&before));
    check(&store);
}

#[test]
fn a_second_process_is_refused_and_told_who_holds_the_directory() {
    let dir = TempDir::new().unwrap();
    let _held = open(dir.path());
    let Err(refused) = Store::open(dir.path(), OpenOptions::for_purpose("second")) else { panic!("it opened") };
    assert!(refused.to_string().contains(&format!("process {} (test)", std::process::id())), "{refused}");
}

#[test]
fn a_directory_of_a_newer_version_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()));
    let format = dir.path().join("format");
    let text = std::fs::read_to_string(&format).unwrap().replacen("reintegra-data 1", "reintegra-data 2", 1);
    std::fs::write(&format, text).unwrap();
    let Err(refused) = Store::open(dir.path(), OpenOptions::for_purpose("test")) else { panic!("it opened") };
    assert!(refused.to_string().contains("format 2") && refused.to_string().contains("newer"), "{refused}");
}
