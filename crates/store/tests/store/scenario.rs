//! A life of a store in steps, each of which may be done again: what tests of crashes and failures interrupt.

use std::path::Path;

use message::{Flags, Keyword};
use store::{Account, Cell, Delivery, FlagChange, FlagMode, LIVE, Mailbox, Message, Store, StoreError, Traits};
use tempfile::TempDir;
use testkit::crashdisk::CrashDisk;

use crate::support::{
    Contents, MailboxContents, address, delivery, digest, live, mailbox, make_account, name, options, raw, scratch,
};

/// What a step does to a store when it is interrupted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Some of its messages may be there.
    Delivers,
    /// All of it or nothing.
    Writes,
    /// Nothing that a reader sees.
    Settles,
}

pub(crate) type Step = (Kind, fn(&Store) -> Result<(), StoreError>);

pub(crate) const STEPS: [Step; 12] = [
    (Kind::Delivers, |store| deliver(store, "ana@example.org", "INBOX", &[(1, "a"), (2, "b*2500"), (3, "a")])),
    (Kind::Writes, make_bob),
    (Kind::Delivers, |store| deliver(store, "bob@example.org", "Facturas", &[(7, "b*2500"), (9, "c*1500")])),
    (Kind::Writes, expunge_and_describe),
    (Kind::Settles, |store| store.cells().iter().try_for_each(Cell::flush_manifests)),
    // Two segments come to their end.
    (Kind::Delivers, |store| {
        deliver(store, "ana@example.org", "INBOX", &[(4, "d*20000"), (5, "e*20000"), (6, "f*20000")])
    }),
    (Kind::Writes, mark_as_answered),
    (Kind::Settles, Store::settle),
    (Kind::Delivers, |store| deliver(store, "ana@example.org", "INBOX", &[(7, "g")])),
    (Kind::Delivers, |store| deliver(store, "bob@example.org", "INBOX", &[(1, "h"), (2, "g")])),
    // As people do it.
    (Kind::Writes, |store| served(store, "ana@example.org", "INBOX", flag)),
    (Kind::Writes, |store| served(store, "bob@example.org", "Facturas", rename)),
];

/// The store at its start, and what it holds after each number of steps.
pub(crate) struct Scenario {
    home: TempDir,
    pub(crate) after: Vec<Contents>,
}

impl Scenario {
    pub(crate) fn new() -> Self {
        let home = scratch();
        let store = Store::init(&home.path().join("start"), 1, options()).unwrap();
        make_account(&store, "ana@example.org", 1000);
        drop(store);
        testkit::files::copy_tree(&home.path().join("start"), &home.path().join("uncut")).unwrap();
        let store = Store::open(&home.path().join("uncut"), options()).unwrap();
        let mut after = vec![live(&store)];
        for (_, step) in STEPS {
            step(&store).unwrap();
            after.push(live(&store));
        }
        Scenario { home, after }
    }

    /// The store at its start, on a crash disk of its own in a fresh directory.
    pub(crate) fn disk(&self) -> (TempDir, CrashDisk) {
        let home = scratch();
        testkit::files::copy_tree(&self.home.path().join("start"), &home.path().join("live")).unwrap();
        let disk = CrashDisk::new(&home.path().join("live")).unwrap();
        (home, disk)
    }

    pub(crate) fn at_the_end(&self) -> &Contents {
        self.after.last().unwrap()
    }

    /// What is there after an interruption is what was acknowledged, and at most of the step under way what such a
    /// step may leave.
    #[track_caller]
    pub(crate) fn assert_after(&self, found: &Contents, done: usize, at: &str) {
        let before = &self.after[done];
        let Some((kind, _)) = STEPS.get(done) else { return assert_eq!(found, before, "{at}") };
        let then = &self.after[done + 1];
        match kind {
            Kind::Settles => assert_eq!(found, before, "{at}"),
            Kind::Writes => assert!(found == before || found == then, "{at}: half of step {done}: {found:#?}"),
            Kind::Delivers => assert_between(before, found, then, at),
        }
    }
}

/// Every message of `before` is in `found`, and every one of `found` in `then`; the mailboxes are those of both.
#[track_caller]
fn assert_between(before: &Contents, found: &Contents, then: &Contents, at: &str) {
    assert!(before.keys().eq(found.keys()), "{at}");
    for (account, of_found) in found {
        let (of_before, of_then) = (&before[account], &then[account]);
        assert!(of_before.mailboxes.keys().eq(of_found.mailboxes.keys()), "{at}");
        for (name, m) in &of_found.mailboxes {
            let (low, high) = (&of_before.mailboxes[name], &of_then.mailboxes[name]);
            assert!(
                low.messages.iter().all(|(uid, c)| m.messages.get(uid) == Some(c)),
                "{at}: {name} lost mail: {m:?}"
            );
            assert!(m.messages.iter().all(|(uid, c)| high.messages.get(uid) == Some(c)), "{at}: {name} made up: {m:?}");
            assert!((low.uidnext..=high.uidnext).contains(&m.uidnext), "{at}: UIDNEXT {}", m.uidnext);
            assert!(m.messages.keys().all(|uid| *uid < m.uidnext), "{at}: UIDNEXT {}", m.uidnext);
            assert_eq!((&m.expunged, m.uidvalidity), (&low.expunged, low.uidvalidity), "{at}");
        }
    }
}

pub(crate) fn segment_count(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("cells/00/segments")).unwrap().count()
}

fn account(store: &Store, text: &str) -> Result<Option<Account>, StoreError> {
    let address = address(text);
    store.cell_of(&address).read(|view| view.account(LIVE, &address))
}

fn find(store: &Store, text: &str, mailbox: &str) -> Result<(Account, Mailbox), StoreError> {
    let account = account(store, text)?.unwrap();
    let boxes = store.cells()[0].read(|view| view.mailboxes(account.id))?;
    Ok((account, boxes.into_iter().find(|m| m.name.as_str() == mailbox).unwrap()))
}

fn deliver(store: &Store, who: &str, mailbox: &str, messages: &[(u32, &str)]) -> Result<(), StoreError> {
    let (account, mailbox) = find(store, who, mailbox)?;
    let deliveries = messages.iter().map(|(uid, text)| Delivery {
        uid: Some(*uid),
        flags: if uid % 2 == 0 { Flags::FLAGGED } else { Flags::SEEN | Flags::DRAFT },
        keywords: vec![Keyword::new("$NotJunk").unwrap()],
        uidl: (*uid == 4).then(|| "uidl-of-d".into()),
        traits: if *uid == 2 { Traits::ENDS_EARLY } else { Traits::default() },
        ..delivery(&account, mailbox.id, text)
    });
    let delivered = store.cells()[0].deliver(deliveries.collect())?;
    assert!(delivered.iter().zip(messages).all(|(d, m)| d.uid == m.0));
    Ok(())
}

fn served(
    store: &Store,
    who: &str,
    mailbox: &str,
    step: fn(&Cell, &Account, &MailboxContents) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let account = account(store, who)?.unwrap();
    let all = live(store);
    let mailboxes = &all[&(LIVE, account.address.clone())].mailboxes;
    mailboxes.get(mailbox).map_or(Ok(()), |mailbox| step(&store.cells()[0], &account, mailbox))
}

fn flag(cell: &Cell, ana: &Account, inbox: &MailboxContents) -> Result<(), StoreError> {
    let (mode, flags, keywords) = (FlagMode::Add, Flags::DELETED, vec![]);
    let change = FlagChange { uids: vec![1, 2], unchanged_since: None, mode, flags, keywords };
    cell.store_flags(ana.id, inbox.id, change).map(|stored| assert!(stored.is_ok()))
}

fn rename(cell: &Cell, bob: &Account, _: &MailboxContents) -> Result<(), StoreError> {
    cell.rename(bob.id, &name("Facturas"), &name("Viejas")).map(|renamed| assert!(renamed.is_ok()))
}

fn make_bob(store: &Store) -> Result<(), StoreError> {
    if account(store, "bob@example.org")?.is_some() {
        return Ok(());
    }
    let address = address("bob@example.org");
    store.cells()[0].write(|tx| {
        tx.create_account(LIVE, &address)?;
        let bob = tx.account(LIVE, &address)?.unwrap();
        tx.create_mailbox(&bob, &mailbox("INBOX", 2000))?;
        tx.create_mailbox(&bob, &mailbox("Facturas", 2001)).map(|_| ())
    })
}

fn expunge_and_describe(store: &Store) -> Result<(), StoreError> {
    let (ana, mut inbox) = find(store, "ana@example.org", "INBOX")?;
    store.cells()[0].write(|tx| {
        if tx.expunge(ana.id, inbox.id, 3, inbox.highest_modseq + 1)? {
            inbox.highest_modseq += 1;
            tx.put_mailbox(ana.id, &inbox)?;
        }
        tx.describe(ana.id)
    })
}

fn mark_as_answered(store: &Store) -> Result<(), StoreError> {
    let (ana, mut inbox) = find(store, "ana@example.org", "INBOX")?;
    store.cells()[0].write(|tx| {
        let blob = tx.blob(&digest(&raw("a")))?.unwrap();
        inbox.highest_modseq += 1;
        tx.put_mailbox(ana.id, &inbox)?;
        let message = Message {
            uid: 1,
            blob: blob.id,
            flags: Flags::SEEN | Flags::ANSWERED,
            keywords: vec![],
            internal_date: 1,
            save_date: 1,
            modseq: inbox.highest_modseq,
            uidl: Some("uidl-of-a".into()),
            traits: Traits::default(),
        };
        tx.put_message(ana.id, inbox.id, &message)
    })
}
