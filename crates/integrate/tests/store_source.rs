//! Another store as a source: everything in it is listed and read, and nothing in it changes. Every test ends with the
//! full check of the other store.
#![allow(clippy::unwrap_used)]

use directory::{
    AccountState, AdminCredential, Directory, DomainAlias, Forward, NewAccount, NewAdmin, Secret, password,
};
use integrate::stage::stage;
use integrate::{Platform, Silent, open_source};
use message::{Address, Flags, Keyword, MailboxName, SpecialUse, examine};
use source::{AliasAddress, ItemKind, Maildrop, MaildropScan, ReadError, Source, SourceError};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use store::segment::record::{HEAD_LEN, Head};
use store::{Account, Delivery, LIVE, LineageId, MailboxId, NewMailbox, OpenOptions, Prepared, Store, Traits, inbox};
use tempfile::TempDir;

const ARRIVED: i64 = 1_373_392_800;
const SCRIPT: &[u8] = b"require \"fileinto\";\r\nfileinto \"Clientes\";\r\n";
const HASH: &str = "{SHA512-CRYPT}$6$rounds=5000$saltsalt$kZ2";

/// The other store while it is being made.
struct Other {
    place: TempDir,
    store: Store,
    directory: Directory,
}

impl Other {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let store = Store::init(&place.path().join("data"), 3, OpenOptions::for_purpose("test")).unwrap();
        let directory = Directory::open(&store.dir().join("directory.sqlite"), None).unwrap();
        Other { place, store, directory }
    }

    fn domain(&self, name: &str) {
        let domain = directory::Domain { name: name.into(), customer_id: None, disabled: false, created_at: ARRIVED };
        self.directory.write(|tx| tx.add_domain(&domain)).unwrap();
    }

    fn account(&self, new: NewAccount) -> directory::AccountId {
        self.directory.write(|tx| tx.add_account(&new)).unwrap()
    }

    /// An account of the store with an INBOX.
    fn mail_of(&self, text: &str) -> (Account, MailboxId) {
        let address = address(text);
        let made = self.store.cell_of(&address).write(|tx| {
            tx.create_account(LIVE, &address)?;
            let account = tx.account(LIVE, &address)?.unwrap();
            let inbox = NewMailbox { uidvalidity: Some(1_300_000_001), ..inbox() };
            let inbox = tx.create_mailbox(&account, &inbox)?;
            Ok((account, inbox))
        });
        made.unwrap()
    }

    fn mailbox(&self, account: &Account, new: &NewMailbox) -> MailboxId {
        self.store.cell_of(&address(&account.address)).write(|tx| tx.create_mailbox(account, new)).unwrap()
    }

    fn deliver(&self, delivery: Delivery, account: &Account) -> u32 {
        self.store.cell_of(&address(&account.address)).deliver(vec![delivery]).unwrap()[0].uid
    }

    /// One account `ana@example.org` with one message in its INBOX for each text.
    fn with_mail(texts: &[&str]) -> Self {
        let other = Other::new();
        other.domain("example.org");
        other.account(NewAccount::new(address("ana@example.org")));
        let (ana, inbox) = other.mail_of("ana@example.org");
        for text in texts {
            other.deliver(delivery(&ana, inbox, text), &ana);
        }
        other
    }

    /// Ends the making.
    fn close(self) -> Closed {
        self.store.settle().unwrap();
        Closed { place: self.place }
    }
}

/// The other store when nobody has it open.
struct Closed {
    place: TempDir,
}

impl Closed {
    fn dir(&self) -> PathBuf {
        self.place.path().join("data")
    }

    fn source(&self) -> Box<dyn Source> {
        open_source(&self.dir()).unwrap()
    }

    fn refusal(&self) -> String {
        refusal(&self.dir())
    }

    fn index(&self, address_text: &str) -> PathBuf {
        let store = Store::open(&self.dir(), OpenOptions::for_purpose("test")).unwrap();
        store.cell_of(&address(address_text)).dir().join("index.sqlite")
    }

    /// Every segment with its bytes.
    fn segments(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let cells = fs::read_dir(self.dir().join("cells")).unwrap().map(|e| e.unwrap().path().join("segments"));
        let files = cells.flat_map(|dir| fs::read_dir(dir).unwrap()).map(|e| e.unwrap().path());
        files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    /// The full check of mail and directory: what is wrong.
    fn problems(&self) -> Vec<String> {
        let store = Store::open(&self.dir(), OpenOptions::for_purpose("check")).unwrap();
        let directory = Directory::open(&self.dir().join("directory.sqlite"), None).unwrap();
        let cells = store.cells().iter().flat_map(|cell| cell.check().unwrap().problems).map(|p| p.text);
        cells.chain(directory.check_consistency().unwrap().into_iter().map(|p| p.text)).collect()
    }
}

fn address(text: &str) -> Address {
    Address::new(text).unwrap()
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

fn keyword(text: &str) -> Keyword {
    Keyword::new(text).unwrap()
}

fn mail(text: &str) -> Vec<u8> {
    format!("Subject: {text}\r\nMessage-ID: <{text}@example.org>\r\n\r\n{text}\r\n").into_bytes()
}

fn delivery(account: &Account, mailbox: MailboxId, text: &str) -> Delivery {
    let crlf = mail(text);
    Delivery {
        account: account.id,
        mailbox,
        uid: None,
        message: Prepared::new(&crlf, &examine(&crlf)),
        flags: Flags::NONE,
        keywords: vec![],
        internal_date: ARRIVED,
        uidl: None,
        traits: Traits::default(),
        item: None,
        id: None,
    }
}

fn refusal(path: &Path) -> String {
    match open_source(path) {
        Ok(source) => panic!("{} was opened", source.describe()),
        Err(error) => error.to_string(),
    }
}

fn maildrop(source: &dyn Source, text: &str) -> Maildrop {
    let mut all = source.maildrops().unwrap().into_iter();
    all.find(|m| m.address == Some(address(text))).unwrap()
}

fn scan(source: &dyn Source, text: &str) -> MaildropScan {
    source.scan(&maildrop(source, text)).unwrap()
}

fn read(source: &dyn Source, item: &source::Item) -> Result<Vec<u8>, ReadError> {
    let mut buffer = b"left by an earlier message".to_vec();
    source.read(&item.locator, &mut buffer).map(|()| buffer)
}

fn read_all(source: &dyn Source, mailbox: &source::Mailbox) -> Vec<Vec<u8>> {
    mailbox.items.iter().map(|item| read(source, item).unwrap()).collect()
}

fn notices(notices: &[source::Notice]) -> Vec<(&str, &str)> {
    notices.iter().map(|n| (n.rule, n.place.as_str())).collect()
}

#[test]
fn domains_accounts_and_aliases_are_listed_as_the_other_store_has_them() {
    let other = Other::new();
    let customer = other.directory.write(|tx| tx.add_customer("Acme")).unwrap();
    let of_acme = directory::Domain {
        name: "example.org".into(),
        customer_id: Some(customer),
        disabled: false,
        created_at: ARRIVED,
    };
    let off = directory::Domain { name: "off.example".into(), customer_id: None, disabled: true, created_at: ARRIVED };
    other.directory.write(|tx| tx.add_domain(&of_acme).and_then(|()| tx.add_domain(&off))).unwrap();
    other.domain("old.example");
    let ana = NewAccount {
        name: Some("Ana Núñez".into()),
        password_hash: Some(Secret::new(HASH)),
        quota_bytes: Some(5 << 30),
        language: Some("es".into()),
        ..NewAccount::new(address("Ana@example.org"))
    };
    let ana = other.account(ana);
    other.account(NewAccount { state: AccountState::Disabled, ..NewAccount::new(address("ben@example.org")) });
    other.account(NewAccount::new(address("cleo@off.example")));
    let alias = |address, targets: &[&str]| directory::Alias {
        address,
        targets: targets.iter().map(|t| (*t).to_owned()).collect(),
        enabled: true,
    };
    let (info, rest) = (address("info@example.org"), "example.org".to_owned());
    other
        .directory
        .write(|tx| {
            let forward = Forward { targets: vec!["ana@elsewhere.example".into()], keep_copy: true };
            tx.put_forward(ana, &forward)?;
            tx.put_alias(&alias(directory::AliasAddress::Exact(info), &["ana@example.org", "ben"]))?;
            tx.put_alias(&alias(directory::AliasAddress::CatchAll(rest), &["ana@example.org"]))?;
            tx.put_domain_alias(&DomainAlias { from: "old.example".into(), to: "example.org".into() })
        })
        .unwrap();
    let other = other.close();
    let source = other.source();

    let listed = source.directory().unwrap();

    let domain = |name: &str, customer: Option<&str>, disabled| source::Domain {
        name: name.into(),
        customer: customer.map(str::to_owned),
        disabled,
    };
    assert_eq!(
        listed.domains,
        [
            domain("example.org", Some("Acme"), false),
            domain("off.example", None, true),
            domain("old.example", None, false)
        ]
    );
    let plain = |text: &str| source::Account {
        address: address(text),
        password_hash: None,
        name: None,
        quota_bytes: None,
        disabled: false,
        forwards: vec![],
        language: None,
        home: None,
    };
    let ana = source::Account {
        password_hash: Some(HASH.into()),
        name: Some("Ana Núñez".into()),
        quota_bytes: Some(5 << 30),
        forwards: vec![address("ana@elsewhere.example")],
        language: Some("es".into()),
        ..plain("Ana@example.org")
    };
    let ben = source::Account { disabled: true, ..plain("ben@example.org") };
    assert_eq!(listed.accounts, [ana, ben, plain("cleo@off.example")]);
    assert_eq!(listed.accounts[0].address.as_str(), "Ana@example.org");
    let alias = |address, targets: &[&str]| source::Alias {
        address,
        targets: targets.iter().map(|t| (*t).to_owned()).collect(),
    };
    assert_eq!(
        listed.aliases,
        [
            alias(AliasAddress::CatchAll("old.example".into()), &["@example.org"]),
            alias(AliasAddress::CatchAll("example.org".into()), &["ana@example.org"]),
            alias(AliasAddress::Address(address("info@example.org")), &["ana@example.org", "ben"]),
        ]
    );
    assert_eq!(listed.notices, []);
    drop(source);
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn a_locked_account_is_listed_so_that_it_stays_locked() {
    let other = Other::new();
    other.domain("example.org");
    for (text, hash) in
        [("none@example.org", None), ("was@example.org", Some("!x")), ("usable@example.org", Some("{PLAIN}secret"))]
    {
        let (state, password_hash) = (AccountState::Locked, hash.map(Secret::new));
        other.account(NewAccount { state, password_hash, ..NewAccount::new(address(text)) });
    }
    let other = other.close();
    let source = other.source();

    let listed = source.directory().unwrap().accounts;

    let hashes: Vec<_> = listed.iter().map(|a| (a.password_hash.as_deref(), a.disabled)).collect();
    assert_eq!(hashes, [(None, false), (Some("!{PLAIN}secret"), false), (Some("!x"), false)]);
    assert_eq!(password::usable("!{PLAIN}secret"), Err(password::UnusableReason::Locked));
    drop(source);
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn what_a_source_has_no_word_for_is_a_notice() {
    let other = Other::new();
    for name in ["example.org", "old.example"] {
        other.domain(name);
    }
    let ana = other.account(NewAccount::new(address("ana@example.org")));
    other.account(NewAccount { state: AccountState::Closed, ..NewAccount::new(address("ben@example.org")) });
    other.account(NewAccount { state: AccountState::Sealed, ..NewAccount::new(address("cleo@example.org")) });
    let alias = |address, enabled| directory::Alias { address, targets: vec!["ana@example.org".into()], enabled };
    other
        .directory
        .write(|tx| {
            tx.put_forward(ana, &Forward { targets: vec!["root".into(), "a@b.example".into()], keep_copy: false })?;
            tx.put_alias(&alias(directory::AliasAddress::Exact(address("off@example.org")), false))?;
            tx.put_alias(&alias(directory::AliasAddress::CatchAll("old.example".into()), true))?;
            tx.put_domain_alias(&DomainAlias { from: "old.example".into(), to: "example.org".into() })?;
            let (login, credential) = (address("boss@example.org"), AdminCredential::Own(None));
            tx.add_admin(&NewAdmin { login, credential, domains: vec!["example.org".into()], password_set_at: None })?;
            tx.add_lineage(None, directory::LineageRole::Import, "maildir tree /srv/old").map(|_| ())
        })
        .unwrap();
    let other = other.close();
    let source = other.source();

    let listed = source.directory().unwrap();

    assert_eq!(
        notices(&listed.notices),
        [
            ("8.5", "ana@example.org"),
            ("8.5", "ana@example.org"),
            ("8.2", "ben@example.org"),
            ("8.7", "cleo@example.org"),
            ("8", "off@example.org"),
            ("8.4", "@old.example"),
            ("7.7", "directory.sqlite"),
            ("9.3", "lineage 1"),
        ]
    );
    assert_eq!(listed.accounts[0].forwards, [address("a@b.example")]);
    assert_eq!(listed.accounts.iter().map(|a| a.disabled).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(listed.aliases.len(), 1, "{:?}", listed.aliases);
    assert_eq!(listed.aliases[0].targets, ["@example.org"]);
    drop(source);
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn every_mailbox_and_message_is_listed_as_it_is_and_read_as_it_was_delivered() {
    let other = Other::new();
    other.domain("example.org");
    let ana_id = other.account(NewAccount::new(address("Ana@example.org")));
    let (ana, inbox) = other.mail_of("ana@example.org");
    let sent = other.mailbox(
        &ana,
        &NewMailbox {
            name: name("Correo/Enviados"),
            uidvalidity: Some(1_300_000_002),
            uidnext: 40,
            highest_modseq: 77,
            special_use: Some(SpecialUse::Sent),
            subscribed: false,
        },
    );
    other.mailbox(&ana, &NewMailbox { name: name("Año 2012"), uidvalidity: Some(1_300_000_003), ..store::inbox() });
    let read_and_marked = Delivery {
        uid: Some(3),
        flags: Flags::SEEN.union(Flags::ANSWERED),
        keywords: vec![keyword("$MDNSent"), keyword("urgente")],
        uidl: Some("old-uidl-3".into()),
        ..delivery(&ana, inbox, "marked")
    };
    other.deliver(read_and_marked, &ana);
    other.deliver(Delivery { uid: Some(9), ..delivery(&ana, inbox, "plain") }, &ana);
    other.deliver(delivery(&ana, inbox, "expunged"), &ana);
    other.deliver(Delivery { internal_date: -1, ..delivery(&ana, sent, "plain") }, &ana);
    other.store.cell_of(&address("ana@example.org")).write(|tx| tx.expunge(ana.id, inbox, 10, 3)).unwrap();
    other
        .directory
        .write(|tx| {
            tx.put_script(ana_id, "filtros", SCRIPT)?;
            tx.put_script(ana_id, "viejo", b"keep;")?;
            tx.activate_script(ana_id, Some("filtros"))
        })
        .unwrap();
    let other = other.close();
    let source = other.source();

    let drop_of_ana = maildrop(&*source, "ana@example.org");
    let scan = source.scan(&drop_of_ana).unwrap();

    assert_eq!(drop_of_ana.place, b"mail/example.org/ana");
    assert_eq!(drop_of_ana.address.unwrap().as_str(), "Ana@example.org");
    let mailboxes: Vec<_> = scan
        .mailboxes
        .iter()
        .map(|m| (m.name.as_str(), m.uidvalidity, m.uidnext, m.highest_modseq, m.special_use, m.subscribed))
        .collect();
    assert_eq!(
        mailboxes,
        [
            ("INBOX", Some(1_300_000_001), Some(11), Some(3), None, true),
            ("Año 2012", Some(1_300_000_003), Some(1), Some(0), None, true),
            ("Correo/Enviados", Some(1_300_000_002), Some(41), Some(78), Some(SpecialUse::Sent), false),
        ]
    );
    let [marked, plain] = &scan.mailboxes[0].items[..] else { panic!("{:?}", scan.mailboxes[0]) };
    assert_eq!((marked.kind, marked.uid, marked.internal_date), (ItemKind::Message, Some(3), ARRIVED));
    assert_eq!(marked.flags, Flags::SEEN.union(Flags::ANSWERED));
    assert_eq!(marked.keywords, [keyword("$MDNSent"), keyword("urgente")]);
    assert_eq!(marked.uidl.as_deref(), Some("old-uidl-3"));
    assert_eq!((plain.uid, plain.uidl.as_deref()), (Some(9), Some("000000094d7c6d01")));
    let [of_sent] = &scan.mailboxes[2].items[..] else { panic!("{:?}", scan.mailboxes[2]) };
    assert_eq!((of_sent.uid, of_sent.uidl.as_deref()), (Some(40), None));
    assert_eq!((of_sent.stamp.length_bytes, of_sent.stamp.modified_ns), (mail("plain").len() as u64, -1_000_000_000));
    assert_eq!(read_all(&*source, &scan.mailboxes[0]), [mail("marked"), mail("plain")]);
    assert_eq!(read_all(&*source, &scan.mailboxes[2]), [mail("plain")]);
    let scripts: Vec<_> = scan.scripts.iter().map(|s| (s.name.as_str(), &s.content[..], s.active)).collect();
    assert_eq!(scripts, [("filtros", SCRIPT, true), ("viejo", &b"keep;"[..], false)]);
    assert!(scan.notices.is_empty() && scan.quota_bytes.is_none());
    drop(source);
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn every_live_account_of_every_cell_is_a_maildrop_and_a_hidden_one_is_not() {
    let other = Other::new();
    let texts: Vec<String> = (0..30).map(|n| format!("p{n:02}@example.org")).collect();
    for text in &texts {
        let (account, inbox) = other.mail_of(text);
        other.deliver(delivery(&account, inbox, text), &account);
    }
    let hidden = address("hidden@example.org");
    other.store.cell_of(&hidden).write(|tx| tx.create_account(LineageId(5), &hidden)).unwrap();
    assert!(other.store.cells().iter().all(|c| !c.read(|v| v.accounts(LIVE)).unwrap().is_empty()));
    let other = other.close();
    let source = other.source();

    let maildrops = source.maildrops().unwrap();

    let addresses: Vec<_> = maildrops.iter().map(|m| m.address.as_ref().unwrap().to_string()).collect();
    assert_eq!(addresses, texts);
    for (maildrop, text) in maildrops.iter().zip(&texts) {
        let scan = source.scan(maildrop).unwrap();
        assert_eq!(read_all(&*source, &scan.mailboxes[0]), [mail(text)]);
    }
    drop(source);
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn an_unchanged_message_is_recognised_and_the_other_store_is_as_it_was() {
    let other = Other::new();
    let (account, inbox) = other.mail_of("ana@example.org");
    let clients = other.mailbox(&account, &NewMailbox { name: name("Clientes"), ..store::inbox() });
    for (mailbox, text) in [(inbox, "a"), (clients, "b"), (clients, "c")] {
        other.deliver(delivery(&account, mailbox, text), &account);
    }
    let other = other.close();
    let (segments, source) = (other.segments(), other.source());
    let items = |source: &dyn Source| {
        let mailboxes = scan(source, "ana@example.org").mailboxes;
        mailboxes.into_iter().flat_map(|m| m.items).collect::<Vec<_>>()
    };
    let first = items(&*source);
    drop(source);
    assert_eq!(other.segments(), segments);

    // Meanwhile its owner renames a mailbox and reads a message in it.
    let store = Store::open(&other.dir(), OpenOptions::for_purpose("test")).unwrap();
    let changed = store.cell_of(&address("ana@example.org")).write(|tx| {
        let mut mailbox = tx.mailboxes(account.id)?.into_iter().find(|m| m.id == clients).unwrap();
        mailbox.name = name("Clientes 2012");
        tx.put_mailbox(account.id, &mailbox)?;
        let mut message = tx.message(account.id, clients, 1)?.unwrap();
        message.flags = Flags::SEEN;
        tx.put_message(account.id, clients, &message)
    });
    changed.unwrap();
    drop(store);
    let source = other.source();
    let second = items(&*source);

    let stable = |items: &[source::Item]| items.iter().map(|i| (i.locator.clone(), i.stamp)).collect::<Vec<_>>();
    assert_eq!(stable(&second), stable(&first));
    assert_eq!(second.iter().map(|i| i.flags).collect::<Vec<_>>(), [Flags::NONE, Flags::SEEN, Flags::NONE]);
    drop(source);
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn a_store_is_staged_once_and_the_second_time_nothing_of_it_is_read() {
    let other = Other::with_mail(&["a", "b"]).close();
    let target = tempfile::tempdir().unwrap();
    let platform = Platform::init(target.path(), 2, OpenOptions::for_purpose("test")).unwrap();
    let lineage = platform.directory.write(|tx| tx.add_lineage(None, directory::LineageRole::Import, "other")).unwrap();

    let [first, second] = [(); 2].map(|()| stage(&platform, &*other.source(), lineage, &Silent).unwrap());

    assert_eq!((first.items, first.staged), (2, 2));
    assert_eq!((second.items, second.staged, second.read_bytes), (2, 0, 0));
    let ana = address("ana@example.org");
    let staged = platform.store.cell_of(&ana).read(|view| {
        let account = view.account(LineageId(lineage.get()), &ana)?.unwrap();
        let inbox = view.mailboxes(account.id)?.remove(0);
        let mut messages = Vec::new();
        view.for_each_message(account.id, inbox.id, |message, blob| {
            messages.push((message.uid, view.bytes(&blob)?));
            Ok(())
        })?;
        Ok((inbox.uidvalidity, inbox.uidnext, messages))
    });
    assert_eq!(staged.unwrap(), (Some(1_300_000_001), 3, vec![(1, mail("a")), (2, mail("b"))]));
    for cell in platform.store.cells() {
        assert_eq!(cell.check().unwrap().problems, []);
    }
    assert_eq!(platform.directory.check_consistency().unwrap(), []);
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn a_message_that_ends_early_is_promised_to_be_longer_and_a_whole_one_keeps_its_promise() {
    let other = Other::new();
    let (ana, inbox) = other.mail_of("ana@example.org");
    other.deliver(delivery(&ana, inbox, "whole"), &ana);
    other.deliver(Delivery { traits: Traits::ENDS_EARLY, ..delivery(&ana, inbox, "cut") }, &ana);
    let other = other.close();
    let source = other.source();

    let items = scan(&*source, "ana@example.org").mailboxes.remove(0).items;

    let damage = |item: &source::Item| {
        let bytes = read(&*source, item).unwrap();
        message::damage_of(bytes.len() as u64, item.promised_size, &examine(&bytes))
    };
    assert_eq!(items.iter().map(damage).collect::<Vec<_>>(), [None, Some(message::DamageKind::EndsEarly)]);
    drop(source);
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn a_corrupt_record_is_an_unreadable_message_and_the_rest_is_read() {
    let other = Other::with_mail(&["a", "b", "c"]);
    let ana = address("ana@example.org");
    let cell = other.store.cell_of(&ana);
    let mut places = Vec::new();
    cell.read(|view| {
        let account = view.account(LIVE, &ana)?.unwrap();
        let inbox = view.mailboxes(account.id)?.remove(0);
        view.for_each_message(account.id, inbox.id, |_, blob| {
            places.push(blob.place);
            Ok(())
        })
    })
    .unwrap();
    let segment = cell.dir().join("segments").join(format!("{:08x}.seg", places[1].segment));
    let other = other.close();
    let mut bytes = fs::read(&segment).unwrap();
    let at = usize::try_from(places[1].position).unwrap();
    let head = Head::decode(bytes[at..].first_chunk::<HEAD_LEN>().unwrap(), places[1].segment, at as u64).unwrap();
    bytes[usize::try_from(head.payload_position()).unwrap() + 3] ^= 0x40;
    fs::write(&segment, bytes).unwrap();
    let source = other.source();

    let items = scan(&*source, "ana@example.org").mailboxes.remove(0).items;

    assert_eq!(items.iter().map(|i| i.kind).collect::<Vec<_>>(), [ItemKind::Message; 3]);
    let Err(ReadError::Io(why)) = read(&*source, &items[1]) else { panic!("it was read") };
    assert_eq!(why.kind(), std::io::ErrorKind::InvalidData);
    assert!(why.to_string().starts_with(&format!("segment 00000001 at {at}: ")), "{why}");
    assert_eq!(read(&*source, &items[0]).unwrap(), mail("a"));
    assert_eq!(read(&*source, &items[2]).unwrap(), mail("c"));
    drop(source);
    let problems = other.problems();
    assert!(!problems.is_empty() && problems.iter().all(|p| p.contains(&at.to_string())), "{problems:?}");
}

#[test]
fn a_mailbox_whose_index_is_damaged_is_listed_as_far_as_it_goes_and_whole_after_a_rebuild() {
    let other = Other::with_mail(&["a"]);
    let ana = address("ana@example.org");
    let (account, inbox) = other
        .store
        .cell_of(&ana)
        .read(|view| {
            let account = view.account(LIVE, &ana)?.unwrap();
            let inbox = view.mailboxes(account.id)?.remove(0).id;
            Ok((account, inbox))
        })
        .unwrap();
    let tagged = Delivery { keywords: vec![keyword("unmistakable")], ..delivery(&account, inbox, "b") };
    other.deliver(tagged, &account);
    let sent = other.mailbox(&account, &NewMailbox { name: name("Sent"), ..store::inbox() });
    other.deliver(delivery(&account, sent, "c"), &account);
    let other = other.close();
    replace(&other.index("ana@example.org"), b"unmistakable", b"unmistak(ble");
    let source = other.source();

    let mailboxes = scan(&*source, "ana@example.org").mailboxes;

    let [a, rest] = &mailboxes[0].items[..] else { panic!("{:?}", mailboxes[0]) };
    assert_eq!(read(&*source, a).unwrap(), mail("a"));
    assert_eq!(rest.kind, ItemKind::Unreadable);
    let remedy = format!("reintegra --data {} rebuild", other.dir().display());
    assert!(rest.notices[0].rule == "9.1" && rest.notices[0].text.contains(&remedy), "{:?}", rest.notices);
    assert!(read(&*source, rest).is_err());
    assert_eq!(read_all(&*source, &mailboxes[1]), [mail("c")]);
    drop(source);
    assert!(!other.problems().is_empty());

    Store::rebuild(&other.dir(), None, OpenOptions::for_purpose("test")).unwrap();
    let source = other.source();
    let mailboxes = scan(&*source, "ana@example.org").mailboxes;
    assert_eq!(read_all(&*source, &mailboxes[0]), [mail("a"), mail("b")]);
    assert_eq!(mailboxes[0].items[1].keywords, [keyword("unmistakable")]);
    drop(source);
    assert_eq!(other.problems(), [""; 0]);
}

/// Replaces a text wherever it stands in a file.
fn replace(path: &Path, from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(path).unwrap();
    let found: Vec<usize> = memchr::memmem::find_iter(&bytes, from).collect();
    assert!(!found.is_empty(), "{} does not hold it", path.display());
    for at in found {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn mail_under_what_is_no_address_is_nobodys_and_read_all_the_same() {
    let other = Other::new();
    let (account, inbox) = other.mail_of("Unmistakable@example.org");
    other.deliver(delivery(&account, inbox, "a"), &account);
    let cell = other.store.cell_of(&address(&account.address)).number();
    let other = other.close();
    replace(&other.index("unmistakable@example.org"), b"Unmistakable@", b"Unmistak ble@");
    let source = other.source();

    let maildrops = source.maildrops().unwrap();

    assert_eq!(maildrops.len(), 1);
    assert_eq!(maildrops[0].address, None);
    let place = format!("stray/{cell:02}/{}", account.id.0);
    assert_eq!(maildrops[0].place, place.as_bytes());
    let scan = source.scan(&maildrops[0]).unwrap();
    assert_eq!(read_all(&*source, &scan.mailboxes[0]), [mail("a")]);
    assert_eq!(notices(&scan.notices), [("9.4", place.as_str())]);
    drop(source);
    replace(&other.index("unmistakable@example.org"), b"Unmistak ble@", b"Unmistakable@");
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn of_an_address_in_two_cells_the_served_one_comes_first_and_both_are_read() {
    let other = Other::with_mail(&["served"]);
    let ana = address("ana@example.org");
    let own = other.store.cell_of(&ana).number();
    let stray = other.store.cells().iter().find(|cell| cell.number() != own).unwrap();
    let (account, inbox) = stray
        .write(|tx| {
            tx.create_account(LIVE, &ana)?;
            let account = tx.account(LIVE, &ana)?.unwrap();
            let inbox = tx.create_mailbox(&account, &inbox())?;
            Ok((account, inbox))
        })
        .unwrap();
    stray.deliver(vec![delivery(&account, inbox, "stray")]).unwrap();
    let place = format!("stray/{:02}/{}", stray.number(), account.id.0);
    let other = other.close();
    let source = other.source();

    let maildrops = source.maildrops().unwrap();

    let listed: Vec<_> = maildrops.iter().map(|m| (m.address.clone(), m.place.as_slice())).collect();
    assert_eq!(listed, [(Some(ana.clone()), &b"mail/example.org/ana"[..]), (Some(ana), place.as_bytes())]);
    let [served, stray] = [0, 1].map(|n| source.scan(&maildrops[n]).unwrap());
    assert_eq!(read_all(&*source, &served.mailboxes[0]), [mail("served")]);
    assert_eq!(read_all(&*source, &stray.mailboxes[0]), [mail("stray")]);
    assert_eq!(notices(&served.notices), []);
    assert_eq!(notices(&stray.notices), [("9.4", place.as_str())]);
    drop(source);
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn mail_is_read_although_the_directory_is_lost_and_no_empty_one_is_made() {
    let other = Other::with_mail(&["a"]).close();
    for name in ["directory.sqlite", "directory.sqlite-wal", "directory.sqlite-shm"] {
        let path = other.dir().join(name);
        if path.exists() {
            fs::remove_file(path).unwrap();
        }
    }
    let source = other.source();

    let listed = source.directory().unwrap();

    assert_eq!(notices(&listed.notices), [("7.9", "directory.sqlite")]);
    assert!(listed.accounts.is_empty());
    let scan = scan(&*source, "ana@example.org");
    assert_eq!(read_all(&*source, &scan.mailboxes[0]), [mail("a")]);
    drop(source);
    assert!(!other.dir().join("directory.sqlite").exists());
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn a_directory_that_is_none_is_refused_with_what_to_do() {
    let other = Other::with_mail(&[]).close();
    let path = other.dir().join("directory.sqlite");
    let kept = fs::read(&path).unwrap();
    fs::write(&path, [b'?'; 8192]).unwrap();

    let refused = other.refusal();

    assert!(refused.contains("directory.sqlite: ") && refused.contains("move it away"), "{refused}");
    fs::write(&path, kept).unwrap();
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn a_store_is_not_a_source_for_itself_and_nobody_else_opens_it_meanwhile() {
    let other = Other::with_mail(&["a"]).close();
    let target = Store::open(&other.dir(), OpenOptions::for_purpose("reintegra integrate")).unwrap();
    assert!(other.refusal().contains("not integrated into itself"), "{}", other.refusal());
    let by_another_name = other.place.path().join("link");
    std::os::unix::fs::symlink(other.dir(), &by_another_name).unwrap();
    assert!(refusal(&by_another_name).contains("not integrated into itself"));
    drop(target);

    let source = other.source();
    let Err(refused) = Store::open(&other.dir(), OpenOptions::for_purpose("test")) else { panic!("it opened") };
    let holder = format!("process {} (being read as a source)", std::process::id());
    assert!(refused.to_string().contains(&holder), "{refused}");
    assert!(other.refusal().contains("no two sources"));
    drop(source);
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn a_data_directory_is_found_as_it_stands_and_by_a_description() {
    let other = Other::with_mail(&["a"]).close();
    assert_eq!(other.source().describe(), format!("Reintegra data directory {}", other.dir().display()));

    let described = other.place.path().join("source.toml");
    fs::write(&described, "format = \"reintegra\"\nroot = \"data\"\n").unwrap();
    for path in [&described, other.place.path()] {
        let source = open_source(path).unwrap();
        assert_eq!(source.maildrops().unwrap().len(), 1);
    }
    fs::write(&described, "format = \"reintegra\"\nroot = \"data/cells\"\n").unwrap();
    let refused = refusal(&described);
    assert!(
        refused.contains("source.toml: key root: ") && refused.contains("no Reintegra data directory"),
        "{refused}"
    );
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn anything_else_is_what_crate_source_says() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir_all(place.path().join("mail/example.org/ana/Maildir/cur")).unwrap();
    fs::create_dir_all(place.path().join("mail/example.org/ana/Maildir/new")).unwrap();
    let source = open_source(place.path()).unwrap();
    assert_eq!(source.describe(), format!("maildir tree {}", place.path().display()));

    let nothing = tempfile::tempdir().unwrap();
    fs::write(nothing.path().join("format"), "JPEG\n").unwrap();
    assert!(matches!(open_source(nothing.path()), Err(SourceError::Unknown { .. })));
    assert!(matches!(open_source(&nothing.path().join("missing")), Err(SourceError::Io { .. })));
}

#[test]
fn a_newer_format_and_a_lost_index_are_refused_with_what_to_do() {
    let other = Other::with_mail(&["a"]).close();
    let format = other.dir().join("format");
    let kept = fs::read_to_string(&format).unwrap();
    fs::write(&format, kept.replacen("reintegra-data 1", "reintegra-data 2", 1)).unwrap();
    assert!(other.refusal().contains("use a newer Reintegra"), "{}", other.refusal());
    fs::write(&format, kept).unwrap();

    let index = other.index("ana@example.org");
    fs::write(&index, [b'?'; 8192]).unwrap();
    let refused = other.refusal();
    assert!(refused.contains(&format!("reintegra --data {} rebuild", other.dir().display())), "{refused}");
    fs::remove_file(&index).unwrap();
    Store::rebuild(&other.dir(), None, OpenOptions::for_purpose("test")).unwrap();
    let source = other.source();
    assert_eq!(read_all(&*source, &scan(&*source, "ana@example.org").mailboxes[0]), [mail("a")]);
    drop(source);
    assert_eq!(other.problems(), [""; 0]);
}

#[test]
fn a_locator_that_names_nothing_is_gone_and_one_of_other_bytes_has_changed() {
    let other = Other::with_mail(&["a", "b"]).close();
    let source = other.source();
    let items = scan(&*source, "ana@example.org").mailboxes.remove(0).items;
    let at = |path: String| source::Locator { path: path.into_bytes(), range: None };
    let of = |item: &source::Item| String::from_utf8(item.locator.path.clone()).unwrap();
    let mut buffer = b"left by an earlier message".to_vec();

    let (digest_of_b, first) = (of(&items[1]).split_once('-').unwrap().1.to_owned(), of(&items[0]));
    let swapped = at(format!("{}-{digest_of_b}", first.split_once('-').unwrap().0));
    assert!(matches!(source.read(&swapped, &mut buffer), Err(ReadError::Changed)));
    assert!(buffer.is_empty());
    for path in ["", "mail/example.org/ana", "mail/example.org/ana/1/x", "../../../etc/passwd"] {
        assert!(matches!(source.read(&at(path.to_owned()), &mut buffer), Err(ReadError::Gone)), "{path}");
    }
    let ranged = source::Locator { range: Some((0, 1)), ..items[0].locator.clone() };
    assert!(matches!(source.read(&ranged, &mut buffer), Err(ReadError::Gone)));
    let elsewhere = at(first.replace("/1/1-", "/1/7-"));
    assert!(matches!(source.read(&elsewhere, &mut buffer), Err(ReadError::Gone)));
    let stranger = Maildrop { address: None, place: b"mail/example.org/nobody".to_vec() };
    assert!(matches!(source.scan(&stranger), Err(SourceError::Io { .. })));
    drop(source);
    assert_eq!(other.problems(), [""; 0]);
}
