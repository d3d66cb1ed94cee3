//! All that is promised of a platform's content, in a form that compares and shows where it differs.

use directory::ConflictState;
use integrate::Platform;
use message::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use store::{LIVE, uidl_by_rule};

/// UIDVALIDITYs from here on were made from the clock of a run: the trees of these suites have lower ones.
const FRESH: u32 = 1_700_000_000;

/// Live mail and the directory. Two runs of one integration differ in nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) mail: BTreeMap<String, BTreeMap<String, MailboxState>>,
    /// Accounts, aliases, forwards, scripts, domains and conflicts, one a line.
    pub(crate) directory: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MailboxState {
    /// `None`: made from the clock.
    pub(crate) uidvalidity: Option<u32>,
    pub(crate) uidnext: u32,
    pub(crate) subscribed: bool,
    pub(crate) messages: BTreeMap<u32, MessageState>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageState {
    pub(crate) digest: Digest,
    pub(crate) flags: String,
    pub(crate) keywords: Vec<String>,
    pub(crate) internal_date: i64,
    /// `None`: by the rule from a UIDVALIDITY that was made from the clock.
    pub(crate) uidl: Option<String>,
    pub(crate) traits: u8,
}

impl State {
    pub(crate) fn of(platform: &Platform) -> Self {
        State { mail: mail(platform), directory: directory(platform) }
    }

    /// Every message as account and digest, as often as it is there.
    pub(crate) fn copies(&self) -> BTreeMap<(String, Digest), usize> {
        let mut copies = BTreeMap::new();
        for (account, mailboxes) in &self.mail {
            for message in mailboxes.values().flat_map(|m| m.messages.values()) {
                *copies.entry((account.clone(), message.digest)).or_default() += 1;
            }
        }
        copies
    }

    pub(crate) fn mailbox(&self, account: &str, mailbox: &str) -> &MailboxState {
        let mailboxes = self.mail.get(account).unwrap_or_else(|| panic!("there is no account {account}"));
        mailboxes.get(mailbox).unwrap_or_else(|| panic!("{account} has no {mailbox}, but {:?}", mailboxes.keys()))
    }

    pub(crate) fn message_count(&self) -> usize {
        self.copies().values().sum()
    }

    fn lines(&self) -> BTreeSet<String> {
        let mut lines = self.directory.clone();
        for (account, mailboxes) in &self.mail {
            lines.insert(format!("mail of {account}"));
            for (name, mailbox) in mailboxes {
                let MailboxState { uidvalidity, uidnext, subscribed, messages } = mailbox;
                lines.insert(format!("{account} {name}: {uidvalidity:?}, next {uidnext}, subscribed {subscribed}"));
                lines.extend(messages.iter().map(|(uid, message)| format!("{account} {name} UID {uid}: {message:?}")));
            }
        }
        lines
    }
}

/// Asserts that two states are one, and shows only what differs.
#[track_caller]
pub(crate) fn assert_same(found: &State, expected: &State, at: &str) {
    let (found, expected) = (found.lines(), expected.lines());
    let missing: Vec<_> = expected.difference(&found).collect();
    let surplus: Vec<_> = found.difference(&expected).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "{at}\nmissing: {missing:#?}\nsurplus: {surplus:#?}");
}

/// Asserts that every copy of `kept` is in `state`.
#[track_caller]
pub(crate) fn assert_holds(state: &State, kept: &State, at: &str) {
    let copies = state.copies();
    for (message, count) in kept.copies() {
        let found = copies.get(&message).copied().unwrap_or(0);
        assert!(found >= count, "{at}: of {message:?} there are {found}, {count} were acknowledged");
    }
}

fn mail(platform: &Platform) -> BTreeMap<String, BTreeMap<String, MailboxState>> {
    let mut mail = BTreeMap::new();
    for cell in platform.store.cells() {
        cell.read(|view| {
            for account in view.accounts(LIVE)? {
                let mut mailboxes = BTreeMap::new();
                for mailbox in view.mailboxes(account.id)? {
                    let uidvalidity = mailbox.uidvalidity.filter(|v| *v < FRESH);
                    let (uidnext, subscribed) = (mailbox.uidnext, mailbox.subscribed);
                    let mut state = MailboxState { uidvalidity, uidnext, subscribed, ..MailboxState::default() };
                    view.for_each_message(account.id, mailbox.id, |m, blob| {
                        let uidl = m.uidl.or_else(|| uidvalidity.map(|v| uidl_by_rule(v, m.uid)));
                        let message = MessageState {
                            digest: blob.digest,
                            flags: m.flags.maildir_letters(),
                            keywords: m.keywords.iter().map(|k| k.to_string()).collect(),
                            internal_date: m.internal_date,
                            uidl,
                            traits: m.traits.0,
                        };
                        state.messages.insert(m.uid, message);
                        Ok(())
                    })?;
                    mailboxes.insert(mailbox.name.to_string(), state);
                }
                mail.insert(account.address, mailboxes);
            }
            Ok(())
        })
        .unwrap();
    }
    mail
}

fn directory(platform: &Platform) -> BTreeSet<String> {
    let directory = &platform.directory;
    let mut lines = BTreeSet::new();
    directory
        .for_each_account(|a| {
            // A hash is never shown, and a number made of it tells as well whose it is.
            let password = a.password_hash.map(|h| BuildHasherDefault::<DefaultHasher>::default().hash_one(h.expose()));
            lines.insert(format!(
                "account {}: {:?}, {:?}, password {password:?}, quota {:?}, grace {}, restored {}, {:?}, {:?}",
                a.address,
                a.state,
                a.name,
                a.quota_bytes,
                a.quota_grace_until.is_some(),
                a.restored.is_some(),
                a.language,
                a.pop3_before,
            ));
            for script in directory.scripts(a.id)? {
                lines.insert(format!(
                    "script {} {} active {}: {:?}",
                    a.address, script.name, script.active, script.content
                ));
            }
            if let Some(forward) = directory.forward(a.id)? {
                lines.insert(format!("forward {}: {forward:?}", a.address));
            }
            Ok(())
        })
        .unwrap();
    directory
        .for_each_alias(|alias| {
            lines.insert(format!("alias {}: {:?}", alias.address.key(), alias.targets));
            Ok(())
        })
        .unwrap();
    directory
        .for_each_domain(|domain| {
            lines.insert(format!("domain {}: disabled {}", domain.name, domain.disabled));
            Ok(())
        })
        .unwrap();
    directory
        .for_each_integration(|integration| {
            directory.for_each_conflict(integration.id, Some(ConflictState::Open), |c| {
                let c = c.conflict;
                lines.insert(format!("conflict {} {} {}: {}", c.kind, c.domain, c.address, c.choices));
                Ok(())
            })
        })
        .unwrap();
    lines
}
