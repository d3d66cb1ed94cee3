//! What a platform holds, as its clients would be shown it.

use directory::SignIn;
use integrate::Platform;
use message::{Address, Flags, MailboxName};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use store::{LIVE, LineageId, Traits, uidl_by_rule};

/// A mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Levels separated by `.`, as Maildir++ has it.
    pub name: String,
    pub uidvalidity: Option<u32>,
    pub uidnext: u32,
    pub subscribed: bool,
    pub messages: Vec<ShownMessage>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShownMessage {
    pub uid: u32,
    /// SHA-256 of its bytes with CRLF line ends: not the digest that the product computes.
    pub digest: String,
    /// The same with 0x80 for every NUL, of which IMAP has none: what Dovecot sends.
    pub imap_digest: String,
    pub size_bytes: u64,
    /// Maildir letters of the flags that IMAP writes with a backslash.
    pub flags: String,
    pub keywords: Vec<String>,
    pub internal_date: i64,
    /// What POP3 would say, were this the INBOX.
    pub uidl: String,
    pub damaged: bool,
}

pub fn address(text: &str) -> Address {
    Address::new(text).unwrap()
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn dotted(name: &MailboxName) -> String {
    name.levels().collect::<Vec<_>>().join(".")
}

/// The mailboxes of a live account, by name, INBOX first; empty where the store has none.
pub fn account(platform: &Platform, of: &str) -> Vec<Shown> {
    lineage_account(platform, LIVE, of)
}

/// Likewise of any lineage.
pub fn lineage_account(platform: &Platform, lineage: LineageId, of: &str) -> Vec<Shown> {
    let of = address(of);
    let cell = platform.store.cell_of(&of);
    let mut shown = cell
        .read(|view| {
            let mut shown = Vec::new();
            let Some(account) = view.account(lineage, &of)? else { return Ok(shown) };
            for mailbox in view.mailboxes(account.id)? {
                let mut messages = Vec::new();
                view.for_each_message(account.id, mailbox.id, |row, blob| {
                    let by_rule = || uidl_by_rule(mailbox.uidvalidity.unwrap_or(0), row.uid);
                    let served = row.flags.without(Flags::FORWARDED).maildir_letters();
                    let forwarded = row.flags.contains(Flags::FORWARDED).then(|| "$Forwarded".to_owned());
                    let mut keywords: Vec<String> = row.keywords.iter().map(|k| k.as_str().to_owned()).collect();
                    keywords.extend(forwarded);
                    keywords.sort();
                    let bytes = view.bytes(&blob)?;
                    let in_imap: Vec<u8> = bytes.iter().map(|byte| if *byte == 0 { 0x80 } else { *byte }).collect();
                    messages.push(ShownMessage {
                        uid: row.uid,
                        digest: sha256(&bytes),
                        imap_digest: sha256(&in_imap),
                        size_bytes: blob.size_bytes,
                        flags: served,
                        keywords,
                        internal_date: row.internal_date,
                        uidl: row.uidl.clone().unwrap_or_else(by_rule),
                        damaged: row.traits.contains(Traits::ENDS_EARLY) || row.traits.contains(Traits::ENDS_IN_ZEROS),
                    });
                    Ok(())
                })?;
                messages.sort();
                shown.push(Shown {
                    name: dotted(&mailbox.name),
                    uidvalidity: mailbox.uidvalidity,
                    uidnext: mailbox.uidnext,
                    subscribed: mailbox.subscribed,
                    messages,
                });
            }
            Ok(shown)
        })
        .unwrap();
    shown.sort_by(|a, b| (a.name != "INBOX", &a.name).cmp(&(b.name != "INBOX", &b.name)));
    shown
}

/// One mailbox of a live account.
pub fn mailbox(platform: &Platform, of: &str, name: &str) -> Shown {
    let found = account(platform, of).into_iter().find(|m| m.name == name);
    found.unwrap_or_else(|| panic!("{of} has no mailbox {name}"))
}

/// The digests of an account's messages, sorted, with their mailboxes.
pub fn placed_digests(mailboxes: &[Shown]) -> Vec<(String, String)> {
    let each = mailboxes.iter().flat_map(|m| m.messages.iter().map(|one| (m.name.clone(), one.digest.clone())));
    let mut all: Vec<_> = each.collect();
    all.sort();
    all
}

/// Every digest of every live account, sorted.
pub fn all_digests(platform: &Platform) -> Vec<String> {
    let mut all: Vec<String> =
        addresses(platform).iter().flat_map(|a| placed_digests(&account(platform, a))).map(|(_, d)| d).collect();
    all.sort();
    all
}

/// The addresses of all live accounts, of the store and of the directory.
pub fn addresses(platform: &Platform) -> Vec<String> {
    let mut found = std::collections::BTreeMap::new();
    for cell in platform.store.cells() {
        for account in cell.read(|view| view.accounts(LIVE)).unwrap() {
            found.insert(address(&account.address).key().to_owned(), account.address);
        }
    }
    platform
        .directory
        .for_each_account(|account| {
            found.insert(account.address.key().to_owned(), account.address.to_string());
            Ok(())
        })
        .unwrap();
    found.into_values().collect()
}

/// Everything that the platform holds of its live accounts: equal means that nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Everything {
    pub mail: BTreeMap<String, Vec<Shown>>,
    /// Address, state, quota, and a digest of the password's hash.
    pub accounts: Vec<(String, String, Option<u64>, String)>,
    /// Address, targets, whether in force.
    pub aliases: Vec<(String, Vec<String>, bool)>,
    /// Address, name, text, whether it runs.
    pub scripts: Vec<(String, String, Vec<u8>, bool)>,
    /// Address, targets, whether a copy is kept.
    pub forwards: Vec<(String, Vec<String>, bool)>,
}

impl Everything {
    /// Fails at the first thing that differs, and names it.
    pub fn must_be(&self, was: &Everything, when: &str) {
        let addresses = |e: &Everything| e.mail.keys().cloned().collect::<Vec<_>>();
        assert_eq!(addresses(self), addresses(was), "{when}");
        for (address, mailboxes) in &self.mail {
            let names = |m: &[Shown]| m.iter().map(|m| m.name.clone()).collect::<Vec<_>>();
            assert_eq!(names(mailboxes), names(&was.mail[address]), "{when}: {address}");
            for (is, was) in mailboxes.iter().zip(&was.mail[address]) {
                assert_eq!(is, was, "{when}: {address}");
            }
        }
        assert_eq!(self.accounts, was.accounts, "{when}");
        assert_eq!(self.aliases, was.aliases, "{when}");
        assert_eq!(self.scripts, was.scripts, "{when}");
        assert_eq!(self.forwards, was.forwards, "{when}");
    }
}

pub fn everything(platform: &Platform) -> Everything {
    let directory = &platform.directory;
    let mail = addresses(platform).into_iter().map(|a| (a.clone(), account(platform, &a))).collect();
    let (mut accounts, mut aliases) = (Vec::new(), Vec::new());
    let (mut scripts, mut forwards) = (Vec::new(), Vec::new());
    let mut ids = Vec::new();
    directory
        .for_each_account(|a| {
            let hash = a.password_hash.as_ref().map_or(String::new(), |h| sha256(h.expose().as_bytes()));
            ids.push((a.id, a.address.to_string()));
            accounts.push((a.address.to_string(), a.state.as_str().to_owned(), a.quota_bytes, hash));
            Ok(())
        })
        .unwrap();
    directory
        .for_each_alias(|alias| {
            aliases.push((alias.address.key(), alias.targets, alias.enabled));
            Ok(())
        })
        .unwrap();
    for (id, address) in ids {
        for script in directory.scripts(id).unwrap() {
            scripts.push((address.clone(), script.name, script.content, script.active));
        }
        forwards.extend(directory.forward(id).unwrap().map(|f| (address.clone(), f.targets, f.keep_copy)));
    }
    accounts.sort();
    aliases.sort();
    scripts.sort();
    forwards.sort();
    Everything { mail, accounts, aliases, scripts, forwards }
}

/// Whether a password opens an account; else why not.
pub fn signs_in(platform: &Platform, login: &str, password: &str) -> Result<(), directory::Refusal> {
    match platform.directory.sign_in(login, password.as_bytes()).unwrap() {
        SignIn::Welcome { not_recorded, .. } => {
            assert!(not_recorded.is_none(), "{not_recorded:?}");
            Ok(())
        }
        SignIn::Refused(refusal) => Err(refusal),
    }
}

/// Aliases by address, with their targets and whether they are in force.
pub fn aliases(platform: &Platform) -> BTreeMap<String, (Vec<String>, bool)> {
    let mut found = BTreeMap::new();
    platform
        .directory
        .for_each_alias(|alias| {
            found.insert(alias.address.key(), (alias.targets, alias.enabled));
            Ok(())
        })
        .unwrap();
    found
}
