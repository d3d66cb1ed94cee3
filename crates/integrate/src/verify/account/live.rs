//! The live account as it is, and as it was before the apply.

use super::At;
use crate::ledger::Target;
use crate::over::{Served, ServedMailbox, ServedMessage};
use message::{Address, Digest, Identity};
use std::collections::{BTreeMap, HashMap, HashSet};
use store::{Blob, LIVE, Mailbox, Message, StoreError, Traits, View};

/// A live message as it was before the apply.
pub(super) struct Was {
    pub(super) mailbox: String,
    pub(super) digest: Digest,
    /// `None`: its bytes are not in the store any more.
    pub(super) blob: Option<Blob>,
}

impl Was {
    pub(super) fn identity(&self) -> Option<Identity> {
        self.blob.map(|b| b.identity)
    }
}

/// The live account.
#[derive(Default)]
pub(super) struct Live {
    pub(super) mailboxes: Vec<Mailbox>,
    /// Every message, with its mailbox's index.
    pub(super) rows: Vec<(usize, Message, Blob)>,
    pub(super) by_place: HashMap<At, usize>,
    pub(super) expunged: HashSet<At>,
}

/// How the ledger names a message of an account.
pub(super) fn target(account: Option<&Address>, mailbox: &Mailbox, message: &Message, blob: &Blob) -> Target {
    Target {
        account: account.map(ToString::to_string).unwrap_or_default(),
        mailbox: mailbox.name.to_string(),
        uidvalidity: mailbox.uidvalidity.unwrap_or(0),
        uid: message.uid,
        uidl: message.uidl.clone(),
        digest: blob.digest,
    }
}

/// The account as the journal keeps it from before the apply.
pub(super) fn was_of(view: &View<'_>, state: &store::AccountState) -> Result<BTreeMap<At, Was>, StoreError> {
    let mut was = BTreeMap::new();
    for mailbox in &state.mailboxes {
        for (message, digest) in &mailbox.messages {
            let name = mailbox.mailbox.name.to_string();
            let one = Was { mailbox: name, digest: *digest, blob: view.blob(digest)? };
            was.insert((mailbox.mailbox.id.0, message.uid), one);
        }
    }
    Ok(was)
}

impl Live {
    pub(super) fn load(view: &View<'_>, address: &Address) -> Result<Self, StoreError> {
        let mut live = Live::default();
        let Some(account) = view.account(LIVE, address)? else { return Ok(live) };
        for mailbox in view.mailboxes(account.id)? {
            let index = live.mailboxes.len();
            view.for_each_message(account.id, mailbox.id, |message, blob| {
                live.by_place.insert((mailbox.id.0, message.uid), live.rows.len());
                live.rows.push((index, message, blob));
                Ok(())
            })?;
            live.expunged.extend(view.expunged(account.id, mailbox.id)?.into_iter().map(|e| (mailbox.id.0, e.0)));
            live.mailboxes.push(mailbox);
        }
        Ok(live)
    }

    /// As it must be served; `None`: there is no account.
    pub(super) fn served(&self, address: &Address) -> Option<Served> {
        let mailbox = |mailbox: &Mailbox| ServedMailbox {
            name: mailbox.name.to_string(),
            uidvalidity: mailbox.uidvalidity.unwrap_or(0),
            uidnext: mailbox.uidnext,
            messages: Vec::new(),
        };
        let mut mailboxes: Vec<ServedMailbox> = self.mailboxes.iter().map(mailbox).collect();
        for (index, message, _) in &self.rows {
            mailboxes[*index].messages.push(ServedMessage {
                uid: message.uid,
                flags: message.flags.bits(),
                keywords: message.keywords.iter().map(ToString::to_string).collect(),
                date: message.internal_date,
                uidl: message.uidl.clone(),
                before: message.traits.contains(Traits::OF_BEFORE),
            });
        }
        (!mailboxes.is_empty()).then(|| Served { address: address.to_string(), mailboxes })
    }

    /// As it is, taken for as it was.
    pub(super) fn as_was(&self) -> BTreeMap<At, Was> {
        let one = |(index, message, blob): &(usize, Message, Blob)| {
            let mailbox = &self.mailboxes[*index];
            let was = Was { mailbox: mailbox.name.to_string(), digest: blob.digest, blob: Some(*blob) };
            ((mailbox.id.0, message.uid), was)
        };
        self.rows.iter().map(one).collect()
    }
}
