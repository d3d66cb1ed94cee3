//! A platform made by hand, for tests of the export.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part")]

use directory::{AccountId, AccountState, Domain, NewAccount, Secret};
use integrate::{Platform, Selection, Silent, export};
use message::{Address, Flags, Keyword, MailboxName, examine, to_crlf};
use std::path::{Path, PathBuf};
use store::{Blob, Delivery, LIVE, Mailbox, MailboxId, Message, NewMailbox, OpenOptions, Prepared, Traits, inbox};
use tempfile::TempDir;

/// A data directory, and beside it the place of an export.
pub(crate) struct World {
    pub(crate) place: TempDir,
    pub(crate) platform: Platform,
}

/// A message to be delivered.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) uid: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) flags: Flags,
    pub(crate) keywords: Vec<String>,
    pub(crate) internal_date: i64,
    pub(crate) uidl: Option<String>,
    pub(crate) traits: Traits,
}

impl Mail {
    /// An ordinary message, its bytes in any form.
    pub(crate) fn new(uid: u32, text: &str) -> Mail {
        let bytes = format!("From: ana@example.org\nSubject: {uid}\n\n{text}\n").into_bytes();
        Mail::of_bytes(uid, bytes)
    }

    pub(crate) fn of_bytes(uid: u32, bytes: Vec<u8>) -> Mail {
        let internal_date = 1_373_000_000 + i64::from(uid) * 60;
        let (flags, traits) = (Flags::NONE, Traits::default());
        Mail { uid, bytes, flags, keywords: Vec::new(), internal_date, uidl: None, traits }
    }

    pub(crate) fn at(self, internal_date: i64) -> Mail {
        Mail { internal_date, ..self }
    }

    pub(crate) fn flags(self, flags: Flags) -> Mail {
        Mail { flags, ..self }
    }

    pub(crate) fn keywords(self, keywords: &[&str]) -> Mail {
        Mail { keywords: keywords.iter().map(|k| (*k).to_owned()).collect(), ..self }
    }

    pub(crate) fn uidl(self, uidl: &str) -> Mail {
        Mail { uidl: Some(uidl.to_owned()), ..self }
    }

    pub(crate) fn of_before(self) -> Mail {
        Mail { traits: Traits::OF_BEFORE, ..self }
    }
}

/// What the store holds of a mailbox: its row, and its messages with their bytes in CRLF form.
pub(crate) type Held = (Mailbox, Vec<(Message, Blob, Vec<u8>)>);

impl World {
    /// An empty platform that hosts `example.org` and `luna.es`.
    pub(crate) fn new() -> World {
        let place = TempDir::new().unwrap();
        let platform = Platform::init(&place.path().join("data"), 2, OpenOptions::for_purpose("test")).unwrap();
        let domain = |name: &str| Domain { name: name.into(), customer_id: None, disabled: false, created_at: 0 };
        let domains = [domain("example.org"), domain("luna.es")];
        platform.directory.write(|tx| domains.iter().try_for_each(|domain| tx.add_domain(domain))).unwrap();
        World { place, platform }
    }

    /// An open account with a password and nothing but an INBOX.
    pub(crate) fn account(&self, address: &str) -> AccountId {
        self.account_as(address, AccountState::Open, Some("{PLAIN}secreto"))
    }

    pub(crate) fn account_as(&self, address: &str, state: AccountState, hash: Option<&str>) -> AccountId {
        let address = Address::new(address).unwrap();
        let made = self.platform.store.cell_of(&address).write(|tx| {
            tx.create_account(LIVE, &address)?;
            tx.create_mailbox(&tx.account(LIVE, &address)?.unwrap(), &inbox())
        });
        made.unwrap();
        let new = NewAccount { state, password_hash: hash.map(Secret::new), ..NewAccount::new(address) };
        self.platform.directory.write(|tx| tx.add_account(&new)).unwrap()
    }

    /// Makes a mailbox, or gives the INBOX its numbers, and delivers into it.
    pub(crate) fn mailbox(
        &self,
        address: &str,
        name: &str,
        uidvalidity: u32,
        uidnext: u32,
        mail: &[Mail],
    ) -> MailboxId {
        let address = Address::new(address).unwrap();
        let cell = self.platform.store.cell_of(&address);
        let new = NewMailbox {
            name: MailboxName::new(name).unwrap(),
            uidvalidity: Some(uidvalidity),
            uidnext,
            highest_modseq: 0,
            special_use: None,
            subscribed: name.len().is_multiple_of(3),
        };
        let (account, mailbox) = cell
            .write(|tx| {
                let account = tx.account(LIVE, &address)?.unwrap();
                let Some(inbox) = tx.mailboxes(account.id)?.into_iter().find(|m| m.name == new.name) else {
                    return Ok((account.id, tx.create_mailbox(&account, &new)?));
                };
                tx.put_mailbox(account.id, &Mailbox { uidvalidity: new.uidvalidity, uidnext, ..inbox })?;
                Ok((account.id, inbox.id))
            })
            .unwrap();
        let delivery = |mail: &Mail| {
            let crlf = to_crlf(&mail.bytes);
            let mut keywords: Vec<Keyword> = mail.keywords.iter().map(|k| Keyword::new(k).unwrap()).collect();
            keywords.sort();
            Delivery {
                account,
                mailbox,
                uid: Some(mail.uid),
                message: Prepared::new(&crlf, &examine(&crlf)),
                flags: mail.flags,
                keywords,
                internal_date: mail.internal_date,
                uidl: mail.uidl.clone(),
                traits: mail.traits,
                item: None,
                id: None,
            }
        };
        cell.deliver(mail.iter().map(delivery).collect()).unwrap();
        mailbox
    }

    /// Everything that the store holds of an account.
    pub(crate) fn held(&self, address: &str) -> Vec<Held> {
        let address = Address::new(address).unwrap();
        let read = self.platform.store.cell_of(&address).read(|view| {
            let account = view.account(LIVE, &address)?.unwrap().id;
            let mut held = Vec::new();
            for mailbox in view.mailboxes(account)? {
                let mut messages = Vec::new();
                view.for_each_message(account, mailbox.id, |message, blob| {
                    let bytes = view.bytes(&blob)?;
                    messages.push((message, blob, bytes));
                    Ok(())
                })?;
                held.push((mailbox, messages));
            }
            Ok(held)
        });
        read.unwrap()
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.place.path().join("out")
    }

    /// Exports everything, and checks that the store was left as it should be.
    pub(crate) fn export(&self) -> export::Exported {
        let exported = export::maildir(&self.platform, &self.out(), &Selection::default(), &Silent).unwrap();
        for cell in self.platform.store.cells() {
            assert_eq!(cell.check().unwrap().problems, []);
        }
        exported
    }

    pub(crate) fn file(&self, path: &str) -> String {
        std::fs::read_to_string(self.out().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

/// Every path beneath a directory, directories included, sorted.
pub(crate) fn paths(root: &Path) -> Vec<String> {
    fn walk(root: &Path, directory: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            found.push(entry.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            if entry.is_dir() && !entry.is_symlink() {
                walk(root, &entry, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort();
    found
}
