//! A platform with an integration that has begun, and words to lay things out in both lineages.

use directory::{
    Account, AccountState, Alias, AliasAddress, Directory, DirectoryError, Domain, IntegrationId, LineageId,
    LineageRole, NewAccount, NewIntegration, Secret, Tx,
};
use integrate::accounts::{
    self, Decision, Facts, Known, MailMover, MailSeen, MoveError, Resolution, ResolveError, Settled,
};
use integrate::{Platform, Selection};
use message::{Address, MailboxName};
use std::cell::{Cell, RefCell};

/// Noon of 2025-11-24, which it always is here.
pub(crate) const NOW: i64 = 1_763_985_600;
/// A password that can be verified.
pub(crate) const GOOD: &str = "{PLAIN}sol1234";
/// Another one.
pub(crate) const OTHER: &str = "{PLAIN}mar5678";
/// A scheme that cannot be verified.
pub(crate) const BAD: &str = "{LANMAN}01FC5A6BE7BC6929AAD3B435B51404EE";

pub(crate) struct World {
    pub(crate) platform: Platform,
    pub(crate) integration: IntegrationId,
    pub(crate) before: LineageId,
    _place: tempfile::TempDir,
}

/// What a source's files say.
#[derive(Default)]
pub(crate) struct Files(pub(crate) source::Directory);

pub(crate) fn address(text: &str) -> Address {
    Address::new(text).unwrap()
}

pub(crate) fn texts(targets: &[&str]) -> Vec<String> {
    targets.iter().map(|t| (*t).to_owned()).collect()
}

pub(crate) fn line(text: &str, hash: &str) -> source::Account {
    source::Account {
        address: address(text),
        password_hash: Some(hash.to_owned()).filter(|h| !h.is_empty()),
        name: None,
        quota_bytes: None,
        disabled: false,
        forwards: Vec::new(),
        language: None,
        home: None,
    }
}

pub(crate) fn scan(quota_bytes: Option<u64>, scripts: &[(&str, &str, bool)]) -> source::MaildropScan {
    let script = |(name, text, active): &(&str, &str, bool)| source::Script {
        name: (*name).to_owned(),
        content: text.as_bytes().to_vec(),
        active: *active,
    };
    source::MaildropScan { quota_bytes, scripts: scripts.iter().map(script).collect(), ..Default::default() }
}

fn alias_address(text: &str) -> AliasAddress {
    match text.strip_prefix('@') {
        Some(domain) => AliasAddress::CatchAll(domain.to_owned()),
        None => AliasAddress::Exact(address(text)),
    }
}

impl Files {
    pub(crate) fn domain(mut self, name: &str, customer: Option<&str>, disabled: bool) -> Self {
        let customer = customer.map(str::to_owned);
        self.0.domains.push(source::Domain { name: name.to_owned(), customer, disabled });
        self
    }

    pub(crate) fn account(mut self, text: &str, hash: &str, set: impl FnOnce(&mut source::Account)) -> Self {
        let mut account = line(text, hash);
        set(&mut account);
        self.0.accounts.push(account);
        self
    }

    pub(crate) fn alias(mut self, text: &str, targets: &[&str]) -> Self {
        let address = match alias_address(text) {
            AliasAddress::Exact(address) => source::AliasAddress::Address(address),
            AliasAddress::CatchAll(domain) => source::AliasAddress::CatchAll(domain),
        };
        self.0.aliases.push(source::Alias { address, targets: texts(targets) });
        self
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let options = store::OpenOptions::for_purpose("test");
        let mut platform = Platform::init(&place.path().join("data"), 1, options).unwrap();
        platform.directory = platform.directory.with_clock(|| NOW);
        let begun = NewIntegration {
            label: "test".to_owned(),
            state: "staged".to_owned(),
            policy: "{}".to_owned(),
            before_source: None,
            after_source: None,
            base_source: None,
        };
        let (integration, before) = platform
            .directory
            .write(|tx| {
                let id = tx.add_integration(&begun)?;
                Ok((id, tx.add_lineage(Some(id), LineageRole::Before, "before")?))
            })
            .unwrap();
        World { platform, integration, before, _place: place }
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.platform.directory
    }

    pub(crate) fn write<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T, DirectoryError>) -> T {
        self.directory().write(work).unwrap()
    }

    // What before says.

    pub(crate) fn stage(&self, files: Files) {
        self.write(|tx| accounts::stage_directory(tx, self.before, &files.0));
    }

    pub(crate) fn maildrop(&self, text: &str, scan: &source::MaildropScan) {
        self.write(|tx| accounts::stage_maildrop(tx, self.before, &address(text), scan));
    }

    /// An account of before with its maildrop.
    pub(crate) fn had(&self, text: &str, hash: &str, set: impl FnOnce(&mut source::Account)) {
        self.stage(Files::default().account(text, hash, set));
        self.maildrop(text, &scan(None, &[]));
    }

    // What is live.

    pub(crate) fn hosts(&self, name: &str) {
        self.write(|tx| match tx.domain(name)? {
            Some(_) => Ok(()),
            None => {
                tx.add_domain(&Domain { name: name.to_owned(), customer_id: None, disabled: false, created_at: NOW })
            }
        });
    }

    pub(crate) fn has(&self, text: &str, hash: &str, set: impl FnOnce(&mut NewAccount)) -> Account {
        let mut account = NewAccount::new(address(text));
        account.password_hash = Some(hash).filter(|h| !h.is_empty()).map(Secret::new);
        set(&mut account);
        self.hosts(account.address.domain());
        self.write(|tx| tx.add_account(&account).map(|_| ()));
        self.account(text)
    }

    pub(crate) fn has_alias(&self, text: &str, targets: &[&str]) {
        let alias = Alias { address: alias_address(text), targets: texts(targets), enabled: true };
        self.hosts(alias.address.domain());
        self.write(|tx| tx.put_alias(&alias));
    }

    // What comes of it.

    pub(crate) fn facts(&self, text: &str) -> Facts {
        let mail = MailSeen { messages: 3, last_at: Some(NOW - 86_400) };
        let known = Known { live_mail: Some(mail), ..Known::default() };
        Facts::read(self.directory(), self.before, &address(text), known).unwrap()
    }

    pub(crate) fn decide(&self, text: &str) -> Decision {
        accounts::decide(&self.facts(text))
    }

    pub(crate) fn settle(&self, text: &str) -> Settled {
        let decision = self.decide(text);
        self.write(|tx| accounts::settle_account(tx, self.integration, &decision))
    }

    pub(crate) fn settle_shared(&self) -> accounts::SharedSettled {
        self.write(|tx| accounts::settle_shared(tx, self.integration, self.before, &Selection::default()))
    }

    pub(crate) fn undo(&self, text: &str, mail_is_gone: bool) -> accounts::Undone {
        let key = address(text).key().to_owned();
        self.write(|tx| accounts::undo_account(tx, self.integration, &key, &|_| mail_is_gone))
    }

    pub(crate) fn undo_shared(&self) -> Vec<accounts::Notice> {
        self.write(|tx| accounts::undo_shared(tx, self.integration, &Selection::default()))
    }

    pub(crate) fn account(&self, text: &str) -> Account {
        self.directory().account(&address(text)).unwrap().unwrap()
    }

    pub(crate) fn alias(&self, text: &str) -> Option<Alias> {
        self.directory().alias(&alias_address(text)).unwrap()
    }

    pub(crate) fn targets(&self, text: &str) -> Option<Vec<String>> {
        self.alias(text).map(|a| a.targets)
    }

    pub(crate) fn conflicts(&self) -> Vec<accounts::ConflictRow> {
        accounts::list_conflicts(self.directory(), Some(self.integration)).unwrap()
    }

    /// The words of the conflicts with their addresses.
    pub(crate) fn conflict_words(&self) -> Vec<(String, String)> {
        self.conflicts()
            .into_iter()
            .map(|c| (c.kind, if c.address.is_empty() { c.domain } else { c.address }))
            .collect()
    }

    pub(crate) fn resolve(&self, number: i64, choice: &str, mover: &Mover) -> Result<Resolution, ResolveError> {
        let number = directory::ConflictNumber::new_unchecked(number);
        accounts::resolve(&self.platform, number, choice, "admin@example.org", mover)
    }

    /// All that is live, as text: hashes too.
    pub(crate) fn live(&self) -> String {
        let (directory, out) = (self.directory(), RefCell::new(String::new()));
        let add = |text: String| {
            out.borrow_mut().push_str(&text);
            out.borrow_mut().push('\n');
            Ok(())
        };
        directory.for_each_customer(|c| add(format!("{c:?}"))).unwrap();
        directory.for_each_domain(|d| add(format!("{d:?}"))).unwrap();
        directory.for_each_domain_alias(|a| add(format!("{a:?}"))).unwrap();
        directory.for_each_alias(|a| add(format!("{a:?}"))).unwrap();
        directory
            .for_each_account(|a| {
                add(format!("{a:?} {:?}", a.password_hash.as_ref().map(Secret::expose)))?;
                add(format!("{:?}", directory.scripts(a.id)?))
            })
            .unwrap();
        directory.for_each_forward(|id, f| add(format!("{id} {f:?}"))).unwrap();
        out.into_inner()
    }

    /// Ends every story that writes.
    pub(crate) fn check(&self) {
        assert_eq!(self.directory().check_consistency().unwrap(), []);
    }
}

pub(crate) fn hash_of(account: &Account) -> Option<&str> {
    account.password_hash.as_ref().map(Secret::expose)
}

pub(crate) fn open(account: &Account) -> bool {
    account.state == AccountState::Open
}

/// Writes down what mail it was asked to move, and fails when told to.
#[derive(Default)]
pub(crate) struct Mover {
    pub(crate) moved: RefCell<Vec<String>>,
    pub(crate) fails: Cell<bool>,
}

impl Mover {
    fn note(&self, text: String) -> Result<(), MoveError> {
        if self.fails.get() {
            return Err("the disk is full".into());
        }
        self.moved.borrow_mut().push(text);
        Ok(())
    }
}

impl MailMover for Mover {
    fn join(&self, _: IntegrationId, address: &Address) -> Result<(), MoveError> {
        self.note(format!("join {address}"))
    }

    fn give_mail(
        &self,
        _: IntegrationId,
        from: &Address,
        to: &Address,
        mailbox: &MailboxName,
    ) -> Result<(), MoveError> {
        self.note(format!("give {from} to {to} in {mailbox}"))
    }

    fn restore_sealed_as(&self, _: IntegrationId, from: &Address, new: &Address) -> Result<(), MoveError> {
        self.note(format!("restore {from} as {new}"))
    }
}
