//! What a client was told of an account's mailboxes, and how they are now.

use crate::answer::Refusal;
use edge::SignedIn;
use std::collections::{BTreeMap, BTreeSet};
use store::{Mailbox, MailboxId};

/// An account's mailboxes at some moment.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) mailboxes: BTreeMap<MailboxId, Known>,
    /// Names that are subscribed to and have no mailbox.
    subscriptions: BTreeSet<String>,
    /// The server's annotations.
    notes: Notes,
}

/// A mailbox at some moment.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) mailbox: Mailbox,
    messages: u64,
    notes: Notes,
}

/// Annotations.
type Notes = BTreeMap<String, Vec<u8>>;

/// What became different.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A mailbox was made, renamed (then with the name it had), or deleted; or something beneath it was.
    Name {
        name: String,
        old_name: Option<String>,
        subscribed: bool,
    },
    Subscription {
        name: String,
    },
    Messages {
        mailbox: Mailbox,
        only_flags: bool,
    },
    /// Of the server where the name is empty.
    Metadata {
        name: String,
        subscribed: bool,
        entries: Vec<String>,
    },
}

impl Picture {
    /// Looks at an account for the first time.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) fn take(user: &SignedIn, with_notes: bool) -> Result<Self, Refusal> {
        Picture::default().follow(user, with_notes)
    }

    /// Looks at an account again.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) fn follow(&self, user: &SignedIn, with_notes: bool) -> Result<Picture, Refusal> {
        let account = user.mail.id;
        let (mailboxes, subscriptions, mut notes) = user.cell.read(|view| {
            let mailboxes = view.mailboxes(account)?;
            let mut notes = BTreeMap::new();
            if with_notes {
                let of = mailboxes.iter().map(|mailbox| Some(mailbox.id)).chain([None]);
                for of in of {
                    notes.insert(of, view.annotations(account, of)?.into_iter().collect::<Notes>());
                }
            }
            Ok((mailboxes, view.subscriptions(account)?, notes))
        })?;
        let mut known = BTreeMap::new();
        for mailbox in mailboxes {
            let before = self.mailboxes.get(&mailbox.id);
            let messages = match before.filter(|before| before.mailbox.highest_modseq == mailbox.highest_modseq) {
                Some(before) => before.messages,
                None => user.cell.counts(account, mailbox.id)?.map_or(0, |(_, counts)| counts.messages),
            };
            let notes = notes.remove(&Some(mailbox.id)).unwrap_or_default();
            known.insert(mailbox.id, Known { mailbox, messages, notes });
        }
        Ok(Picture {
            mailboxes: known,
            subscriptions: subscriptions.iter().map(|name| name.as_str().to_owned()).collect(),
            notes: notes.remove(&None).unwrap_or_default(),
        })
    }

    /// What is different in a later picture: names first, so that what follows is told of names that are known.
    pub(super) fn changes_to(&self, now: &Picture) -> Vec<Change> {
        let mut changes = self.names(now);
        changes.extend(self.subscriptions(now));
        for (id, now) in &now.mailboxes {
            let mailbox = &now.mailbox;
            let before = self.mailboxes.get(id);
            let is_same = before.is_some_and(|before| {
                before.mailbox.highest_modseq == mailbox.highest_modseq
                    && before.mailbox.uidvalidity == mailbox.uidvalidity
                    && before.mailbox.uidnext == mailbox.uidnext
            });
            if !is_same && (before.is_some() || now.messages > 0) {
                let only_flags = before
                    .is_some_and(|before| before.mailbox.uidnext == mailbox.uidnext && before.messages == now.messages);
                changes.push(Change::Messages { mailbox: mailbox.clone(), only_flags });
            }
            let entries = differences(before.map_or(&Notes::new(), |before| &before.notes), &now.notes);
            if !entries.is_empty() {
                let (name, subscribed) = (mailbox.name.as_str().to_owned(), mailbox.subscribed);
                changes.push(Change::Metadata { name, subscribed, entries });
            }
        }
        let entries = differences(&self.notes, &now.notes);
        if !entries.is_empty() {
            changes.push(Change::Metadata { name: String::new(), subscribed: false, entries });
        }
        changes
    }

    fn names(&self, now: &Picture) -> Vec<Change> {
        let mut changes = Vec::new();
        let renamed: Vec<(&str, &str)> = self
            .mailboxes
            .iter()
            .filter_map(|(id, before)| {
                let (old, new) = (before.mailbox.name.as_str(), now.mailboxes.get(id)?.mailbox.name.as_str());
                (old != new).then_some((old, new))
            })
            .collect();
        // What lies beneath a renamed mailbox goes with it without a word (RFC 5465 §5.4).
        let goes_along = |old: &str, new: &str| {
            renamed.iter().any(|(old_root, new_root)| {
                let beneath = |name: &str, root: &str| {
                    name.strip_prefix(root).filter(|rest| rest.starts_with('/')).map(str::to_owned)
                };
                beneath(old, old_root).is_some_and(|rest| beneath(new, new_root).as_ref() == Some(&rest))
            })
        };
        for (id, mailbox) in now.mailboxes.iter().map(|(id, known)| (id, &known.mailbox)) {
            let (name, subscribed) = (mailbox.name.as_str().to_owned(), mailbox.subscribed);
            match self.mailboxes.get(id).map(|before| before.mailbox.name.as_str()) {
                None => changes.extend(made_or_gone(name, subscribed)),
                Some(old) if old != name && !goes_along(old, &name) => {
                    changes.push(Change::Name { name, old_name: Some(old.to_owned()), subscribed });
                }
                Some(_) => {}
            }
        }
        for (_, before) in self.mailboxes.iter().filter(|(id, _)| !now.mailboxes.contains_key(id)) {
            let mailbox = &before.mailbox;
            changes.extend(made_or_gone(mailbox.name.as_str().to_owned(), mailbox.subscribed));
        }
        // Of two inferiors that came at once, their superior is told of once.
        let mut told = BTreeSet::new();
        changes.retain(|change| match change {
            Change::Name { name, .. } => told.insert(name.clone()),
            _ => true,
        });
        changes
    }

    fn subscriptions(&self, now: &Picture) -> Vec<Change> {
        let (before, after) = (self.subscribed(), now.subscribed());
        before.symmetric_difference(&after).map(|name| Change::Subscription { name: (*name).to_owned() }).collect()
    }

    fn subscribed(&self) -> BTreeSet<&str> {
        let mailboxes = self.mailboxes.values().map(|known| &known.mailbox).filter(|mailbox| mailbox.subscribed);
        mailboxes.map(|mailbox| mailbox.name.as_str()).chain(self.subscriptions.iter().map(|name| &name[..])).collect()
    }
}

/// A mailbox that was made or deleted, and what it lies directly beneath.
fn made_or_gone(name: String, subscribed: bool) -> Vec<Change> {
    let above = name.rsplit_once('/').map(|(above, _)| above.to_owned());
    let above = above.map(|name| Change::Name { name, old_name: None, subscribed: false });
    [Change::Name { name, old_name: None, subscribed }].into_iter().chain(above).collect()
}

fn differences(before: &Notes, now: &Notes) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != now.get(*name)).cloned().collect()
}
