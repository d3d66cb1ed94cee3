//! Random operations on a store and on a simple model of it, in memory. At the end the store is sound and holds what
//! the model holds; also after a rebuild from a snapshot, and, of what the segments were told, from segments alone.

use std::collections::BTreeMap;
use std::path::Path;

use message::{Flags, Keyword};
use proptest::prelude::*;
use store::{
    Account, AccountId, Cell, Delivery, Item, Journal, LIVE, LineageId, Mailbox, MailboxId, Message, NewMailbox,
    Origin, Store, StoreError, Traits, inbox,
};

use crate::support::{
    AccountContents, Contents, DATE, MailboxContents, MessageContents, address, assert_sound, contents, delivery,
    digest, name, open, options, raw, scratch,
};

const ADDRESSES: [&str; 5] =
    ["ana@example.org", "bob@example.org", "Carla@example.net", "dora@example.com", "eva@example.org"];
const LINEAGES: [LineageId; 3] = [LIVE, LineageId(1), LineageId(2)];
const MAILBOXES: [&str; 3] = ["INBOX", "Enviados", "Facturas/2012"];
const CASES: u32 = 40;
/// Few, so that bytes come again; one fills segments.
const TEXTS: [&str; 6] = ["a", "b", "c", "d*9000", "e*400", "f"];

/// An account, by its places in [`LINEAGES`] and [`ADDRESSES`].
type Who = (usize, usize);

#[derive(Clone, Debug)]
enum Op {
    /// Into one mailbox: which text, and which UID above the lowest free one less three, where one is given.
    Deliver(Who, usize, Vec<(usize, Option<u32>)>),
    CreateAccount(Who),
    RemoveAccount(Who),
    CreateMailbox(Who, usize),
    RemoveMailbox(Who, usize),
    Subscribe(Who, usize, bool),
    Expunge(Who, usize, usize),
    Mark(Who, usize, usize, u8),
    /// Into another mailbox, under its next UID.
    Copy(Who, usize, usize, usize),
    PutItem(Who, i64),
    RemoveItem(Who, i64),
    PutJournal(i64, usize, u8),
    ForgetJournal(i64),
    ForgetLineage(usize),
    Describe(Who),
    FlushManifests,
    Sync,
    Snapshot,
    Settle,
    Reopen,
    Rebuild,
}

fn any_op() -> impl Strategy<Value = Op> {
    let who = || (prop_oneof![3 => Just(0usize), 1 => 1..3usize], 0..ADDRESSES.len());
    let mailbox = || 0..MAILBOXES.len();
    let message = (0..TEXTS.len(), proptest::option::weighted(0.3, 0..6u32));
    prop_oneof![
        12 => (who(), mailbox(), proptest::collection::vec(message, 1..5)).prop_map(|(w, m, d)| Op::Deliver(w, m, d)),
        6 => who().prop_map(Op::CreateAccount),
        1 => who().prop_map(Op::RemoveAccount),
        5 => (who(), mailbox()).prop_map(|(w, m)| Op::CreateMailbox(w, m)),
        1 => (who(), 1..MAILBOXES.len()).prop_map(|(w, m)| Op::RemoveMailbox(w, m)),
        1 => (who(), mailbox(), any::<bool>()).prop_map(|(w, m, s)| Op::Subscribe(w, m, s)),
        3 => (who(), mailbox(), 0..8usize).prop_map(|(w, m, n)| Op::Expunge(w, m, n)),
        2 => (who(), mailbox(), 0..8usize, any::<u8>()).prop_map(|(w, m, n, f)| Op::Mark(w, m, n, f)),
        2 => (who(), mailbox(), 0..8usize, mailbox()).prop_map(|(w, m, n, t)| Op::Copy(w, m, n, t)),
        1 => (who(), 0..4i64).prop_map(|(w, n)| Op::PutItem(w, n)),
        1 => (who(), 0..4i64).prop_map(|(w, n)| Op::RemoveItem(w, n)),
        1 => (1..3i64, 0..ADDRESSES.len(), any::<u8>()).prop_map(|(i, a, n)| Op::PutJournal(i, a, n)),
        1 => (1..3i64).prop_map(Op::ForgetJournal),
        1 => (1..3usize).prop_map(Op::ForgetLineage),
        2 => who().prop_map(Op::Describe),
        1 => Just(Op::FlushManifests),
        1 => Just(Op::Sync),
        1 => Just(Op::Snapshot),
        1 => Just(Op::Settle),
        2 => Just(Op::Reopen),
        1 => Just(Op::Rebuild),
    ]
}

/// The store under test and what it should hold.
struct World<'a> {
    dir: &'a Path,
    store: Option<Store>,
    contents: Contents,
    journals: BTreeMap<(i64, usize), Journal>,
    /// The highest UIDVALIDITY that a live account's mailboxes had.
    highest: BTreeMap<String, u32>,
}

impl World<'_> {
    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is closed only while it is opened again")
    }

    fn cell(&self, who: Who) -> &Cell {
        self.store().cell_of(&address(ADDRESSES[who.1]))
    }

    fn key(who: Who) -> (LineageId, String) {
        (LINEAGES[who.0], ADDRESSES[who.1].to_owned())
    }

    fn account(&self, who: Who) -> Option<Account> {
        let found = self.cell(who).read(|v| v.account(LINEAGES[who.0], &address(ADDRESSES[who.1]))).unwrap();
        assert_eq!(found.is_some(), self.contents.contains_key(&Self::key(who)));
        found
    }

    /// A mailbox in the store, and the model's.
    fn mailbox(&mut self, who: Who, mailbox: usize) -> Option<(Account, Mailbox, &mut MailboxContents)> {
        let account = self.account(who)?;
        let boxes = self.cell(who).read(|v| v.mailboxes(account.id)).unwrap();
        let found = boxes.into_iter().find(|m| m.name.as_str() == MAILBOXES[mailbox]);
        let expected = self.contents.get_mut(&Self::key(who)).unwrap().mailboxes.get_mut(MAILBOXES[mailbox]);
        assert_eq!(found.is_some(), expected.is_some());
        Some((account, found?, expected?))
    }

    fn nth_uid(of: &MailboxContents, n: usize) -> Option<u32> {
        of.messages.keys().nth(n).copied()
    }

    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(open(self.dir));
        assert_eq!(self.store().findings(), []);
    }

    fn assert_equal(&self) {
        assert_eq!(contents(self.store(), &LINEAGES), self.contents);
        for integration in 1..3 {
            for (n, text) in ADDRESSES.iter().enumerate() {
                let found = self.cell((0, n)).read(|v| v.journal(integration, &address(text))).unwrap();
                assert_eq!(found.as_ref(), self.journals.get(&(integration, n)));
            }
        }
        assert_sound(self.store());
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Deliver(who, mailbox, messages) => self.deliver(*who, *mailbox, messages),
            Op::CreateAccount(who) => self.create_account(*who),
            Op::RemoveAccount(who) => {
                if let Some(account) = self.account(*who) {
                    self.cell(*who).write(|tx| tx.remove_account(&account)).unwrap();
                    self.contents.remove(&Self::key(*who));
                }
            }
            Op::CreateMailbox(who, mailbox) => self.create_mailbox(*who, *mailbox),
            Op::RemoveMailbox(who, mailbox) => {
                let Some((account, found, _)) = self.mailbox(*who, *mailbox) else { return };
                self.cell(*who).write(|tx| tx.remove_mailbox(account.id, found.id)).unwrap();
                let expected = self.contents.get_mut(&Self::key(*who)).unwrap();
                expected.mailboxes.remove(MAILBOXES[*mailbox]);
                self.drop_items(*who, &account, |m| m.0 == found.id);
            }
            Op::Subscribe(who, mailbox, subscribed) => {
                let Some((account, found, expected)) = self.mailbox(*who, *mailbox) else { return };
                expected.subscribed = *subscribed;
                let changed = Mailbox { subscribed: *subscribed, ..found };
                self.cell(*who).write_unsynced(|tx| tx.put_mailbox(account.id, &changed)).unwrap();
            }
            Op::Expunge(who, mailbox, n) => self.expunge(*who, *mailbox, *n),
            Op::Mark(who, mailbox, n, flags) => self.mark(*who, *mailbox, *n, *flags),
            Op::Copy(who, from, n, to) => self.copy(*who, *from, *n, *to),
            Op::PutItem(who, number) => {
                let Some(account) = self.account(*who).filter(|a| a.lineage != LIVE) else { return };
                self.cell(*who).write(|tx| tx.put_item(account.id, *number, &item(*number))).unwrap();
                self.contents.get_mut(&Self::key(*who)).unwrap().items.insert(*number, item(*number));
            }
            Op::RemoveItem(who, number) => {
                let Some(account) = self.account(*who) else { return };
                self.cell(*who).write(|tx| tx.remove_item(account.id, *number)).unwrap();
                self.contents.get_mut(&Self::key(*who)).unwrap().items.remove(number);
            }
            Op::PutJournal(integration, who, n) => {
                let journal =
                    Journal { state: format!("state {n}"), was: Some(vec![*n; 3]), became: None, fates: Some(vec![]) };
                let at = address(ADDRESSES[*who]);
                self.cell((0, *who)).write(|tx| tx.put_journal(*integration, &at, &journal)).unwrap();
                self.journals.insert((*integration, *who), journal);
            }
            Op::ForgetJournal(integration) => {
                for cell in self.store().cells() {
                    cell.write(|tx| tx.forget_journal(*integration)).unwrap();
                }
                self.journals.retain(|(i, _), _| i != integration);
            }
            Op::ForgetLineage(lineage) => {
                for cell in self.store().cells() {
                    cell.forget_lineage(LINEAGES[*lineage]).unwrap();
                }
                self.contents.retain(|(l, _), _| *l != LINEAGES[*lineage]);
            }
            Op::Describe(who) => {
                let Some(account) = self.account(*who) else { return };
                self.cell(*who).write(|tx| tx.describe(account.id)).unwrap();
            }
            Op::FlushManifests => self.store().cells().iter().for_each(|c| c.flush_manifests().unwrap()),
            Op::Sync => self.store().cells().iter().for_each(|c| c.sync().unwrap()),
            Op::Snapshot => self.snapshot(),
            Op::Settle => self.store().settle().unwrap(),
            Op::Reopen => self.reopen(),
            Op::Rebuild => {
                self.snapshot();
                self.store = None;
                let rebuilt = Store::rebuild(self.dir, None, options()).unwrap();
                assert!(rebuilt.iter().all(|r| r.snapshot.is_some() && r.findings.is_empty()), "{rebuilt:?}");
                self.reopen();
            }
        }
    }

    fn snapshot(&self) {
        for cell in self.store().cells() {
            cell.snapshot().unwrap();
        }
    }

    fn deliver(&mut self, who: Who, mailbox: usize, messages: &[(usize, Option<u32>)]) {
        let Some((account, found, expected)) = self.mailbox(who, mailbox) else { return };
        let mut after = expected.clone();
        let mut items = Vec::new();
        let mut uids = Some(Vec::new());
        let mut deliveries = Vec::new();
        for (n, (text, offset)) in messages.iter().enumerate() {
            let given = offset.map(|o| (expected.uidnext + o).saturating_sub(3).max(1));
            let flags = Flags::from_bits((n * 7) as u8);
            let keywords = if n == 1 { vec![Keyword::new("Urgente").unwrap()] } else { vec![] };
            let uid = given.unwrap_or(after.uidnext);
            let bytes = digest(&raw(TEXTS[*text]));
            match after.messages.get(&uid) {
                Some(there) if there.digest == bytes => {}
                None if !after.expunged.contains(&uid) => {
                    after.uidnext = after.uidnext.max(uid + 1);
                    let keywords = keywords.iter().map(Keyword::to_string).collect();
                    if account.lineage != LIVE {
                        items.push((item_number(found.id, uid), Item { message: Some((found.id, uid)), ..staged() }));
                    }
                    let (internal_date, uidl, traits) = (DATE + n as i64, None, Traits::default());
                    after
                        .messages
                        .insert(uid, MessageContents { digest: bytes, flags, keywords, internal_date, uidl, traits });
                }
                _ => uids = None,
            }
            uids.iter_mut().for_each(|u| u.push(uid));
            let internal_date = DATE + n as i64;
            let one = delivery(&account, found.id, TEXTS[*text]);
            let item = (account.lineage != LIVE).then(|| (item_number(found.id, uid), 1, staged().origin));
            deliveries.push(Delivery { uid: given, flags, keywords, internal_date, item, ..one });
        }
        if uids.is_some() {
            *expected = after;
            self.contents.get_mut(&Self::key(who)).unwrap().items.extend(items);
        }
        match (self.cell(who).deliver(deliveries), uids) {
            (Ok(delivered), Some(uids)) => assert_eq!(delivered.iter().map(|d| d.uid).collect::<Vec<_>>(), uids),
            (Err(StoreError::Caller(_)), None) => {}
            (result, expected) => panic!("{result:?} where UIDs {expected:?} were expected"),
        }
    }

    fn create_account(&mut self, who: Who) {
        let (there, at) = (self.account(who), address(ADDRESSES[who.1]));
        let made = self.cell(who).write(|tx| tx.create_account(LINEAGES[who.0], &at));
        match there {
            Some(_) => assert!(matches!(made, Err(StoreError::Caller(_)))),
            None => {
                self.contents.insert(Self::key(who), AccountContents::default());
                made.unwrap();
                self.create_mailbox(who, 0);
            }
        }
    }

    fn create_mailbox(&mut self, who: Who, mailbox: usize) {
        let Some(account) = self.account(who) else { return };
        if self.mailbox(who, mailbox).is_some() {
            return;
        }
        let new = NewMailbox { name: name(MAILBOXES[mailbox]), ..inbox() };
        let id = self.cell(who).write(|tx| tx.create_mailbox(&account, &new)).unwrap();
        let made = self.cell(who).read(|v| v.mailboxes(account.id)).unwrap().into_iter().find(|m| m.id == id).unwrap();
        if account.lineage == LIVE {
            let highest = self.highest.entry(account.address.clone()).or_default();
            let (given, before) = (made.uidvalidity.unwrap(), *highest);
            assert!(given > before, "UIDVALIDITY {given} after {before}");
            *highest = given;
        } else {
            assert_eq!(made.uidvalidity, None);
        }
        let uidvalidity = made.uidvalidity;
        let (messages, expunged) = (BTreeMap::new(), Vec::new());
        let made = MailboxContents { id, uidvalidity, uidnext: 1, subscribed: true, messages, expunged };
        let expected = self.contents.get_mut(&Self::key(who)).unwrap();
        assert!(expected.mailboxes.values().all(|m| m.id != id));
        expected.mailboxes.insert(MAILBOXES[mailbox].to_owned(), made);
    }

    fn expunge(&mut self, who: Who, mailbox: usize, n: usize) {
        let Some((account, mut found, expected)) = self.mailbox(who, mailbox) else { return };
        let Some(uid) = Self::nth_uid(expected, n) else { return };
        expected.messages.remove(&uid);
        expected.expunged.push(uid);
        expected.expunged.sort_unstable();
        found.highest_modseq += 1;
        let expunged = self.cell(who).write(|tx| {
            tx.put_mailbox(account.id, &found)?;
            tx.expunge(account.id, found.id, uid, found.highest_modseq)
        });
        assert!(expunged.unwrap());
        self.drop_items(who, &account, |m| m == (found.id, uid));
    }

    /// Removes staged items that became messages which are gone.
    fn drop_items(&mut self, who: Who, account: &Account, gone: impl Fn((MailboxId, u32)) -> bool) {
        let expected = self.contents.get_mut(&Self::key(who)).unwrap();
        let lost: Vec<i64> =
            expected.items.extract_if(.., |_, i| i.message.is_some_and(&gone)).map(|(number, _)| number).collect();
        let removed = self.cell(who).write(|tx| lost.iter().try_for_each(|number| tx.remove_item(account.id, *number)));
        removed.unwrap();
    }

    fn mark(&mut self, who: Who, mailbox: usize, n: usize, flags: u8) {
        let Some((account, mut found, expected)) = self.mailbox(who, mailbox) else { return };
        let Some(uid) = Self::nth_uid(expected, n) else { return };
        let message = expected.messages.get_mut(&uid).unwrap();
        message.flags = Flags::from_bits(flags);
        message.uidl = flags.is_multiple_of(2).then(|| format!("uidl {:?} {uid}", found.id));
        let (changed_flags, changed_uidl) = (message.flags, message.uidl.clone());
        found.highest_modseq += 1;
        let (_, row, _) = self.messages(who, account.id, found.id).into_iter().find(|(u, ..)| *u == uid).unwrap();
        let row = Message { flags: changed_flags, uidl: changed_uidl, modseq: found.highest_modseq, ..row };
        self.cell(who)
            .write_unsynced(|tx| {
                tx.put_mailbox(account.id, &found)?;
                tx.put_message(account.id, found.id, &row)
            })
            .unwrap();
    }

    fn copy(&mut self, who: Who, from: usize, n: usize, to: usize) {
        let Some((account, source, expected)) = self.mailbox(who, from) else { return };
        let Some(uid) = Self::nth_uid(expected, n) else { return };
        let copied = MessageContents { uidl: None, ..expected.messages[&uid].clone() };
        let Some((_, mut target, expected)) = self.mailbox(who, to) else { return };
        let fresh = expected.uidnext;
        expected.messages.insert(fresh, copied);
        expected.uidnext += 1;
        target.uidnext += 1;
        target.highest_modseq += 1;
        let (_, row, _) = self.messages(who, account.id, source.id).into_iter().find(|(u, ..)| *u == uid).unwrap();
        let row = Message { uid: fresh, uidl: None, modseq: target.highest_modseq, ..row };
        self.cell(who)
            .write(|tx| {
                tx.put_mailbox(account.id, &target)?;
                tx.put_message(account.id, target.id, &row)
            })
            .unwrap();
    }

    fn messages(&self, who: Who, account: AccountId, mailbox: MailboxId) -> Vec<(u32, Message, store::Blob)> {
        let mut all = Vec::new();
        self.cell(who)
            .read(|v| {
                v.for_each_message(account, mailbox, |message, blob| {
                    all.push((message.uid, message, blob));
                    Ok(())
                })
            })
            .unwrap();
        all
    }
}

fn item_number(mailbox: MailboxId, uid: u32) -> i64 {
    mailbox.0 * 1000 + i64::from(uid)
}

/// An item that became a message.
fn staged() -> Item {
    Item { kind: 1, mailbox_name: None, listed_uid: None, reason: None, ..item(5) }
}

fn item(number: i64) -> Item {
    let path = b"Maildir/cur/\xff".to_vec();
    let (range, length_bytes, inode) = (Some((number as u64, 9)), 10, u64::MAX);
    let origin = Origin { path, range, length_bytes, modified_ns: -1, changed_ns: 1, inode, mended: None };
    let reason = Some("all zeros".to_owned());
    Item { origin, kind: 3, message: None, mailbox_name: Some("Año".into()), listed_uid: Some(7), reason }
}

fn live_through(cells: u32, ops: &[Op]) {
    let home = scratch();
    let store = Some(Store::init(home.path(), cells, options()).unwrap());
    let (contents_so_far, journals, highest) = Default::default();
    let mut world = World { dir: home.path(), store, contents: contents_so_far, journals, highest };
    for op in ops {
        world.apply(op);
    }
    world.assert_equal();
    world.reopen();
    world.assert_equal();
    world.apply(&Op::Rebuild);
    world.assert_equal();

    // The segments are told of every account, and are all that is left.
    for who in (0..ADDRESSES.len()).map(|n| (0, n)) {
        world.apply(&Op::Describe(who));
    }
    world.apply(&Op::FlushManifests);
    world.store = None;
    for cell in 0..cells {
        let cell = home.path().join(format!("cells/{cell:02}"));
        for entry in std::fs::read_dir(&cell).unwrap() {
            let path = entry.unwrap().path();
            match path.file_name().unwrap().to_str() {
                Some("segments") => {}
                _ if path.is_dir() => std::fs::remove_dir_all(path).unwrap(),
                _ => std::fs::remove_file(path).unwrap(),
            }
        }
    }
    let rebuilt = Store::rebuild(home.path(), None, options()).unwrap();
    assert!(rebuilt.iter().all(|r| r.snapshot.is_none() && r.findings.is_empty()), "{rebuilt:?}");
    let store = open(home.path());
    world.contents.retain(|(lineage, _), _| *lineage == LIVE);
    assert_eq!(contents(&store, &[LIVE]), world.contents);
    assert_sound(&store);
}

/// The environment may ask for a longer run.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(CASES, |n| n.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn a_store_of_one_cell_holds_what_its_model_holds(ops in proptest::collection::vec(any_op(), 1..80)) {
        live_through(1, &ops);
    }

    #[test]
    fn a_store_of_four_cells_holds_what_its_model_holds(ops in proptest::collection::vec(any_op(), 1..80)) {
        live_through(4, &ops);
    }
}
