//! Mail that moves because a conflict was decided (`RULES.md` 8).

use crate::accounts::{MailMover, MoveError};
use crate::apply::{Applied, flip_account};
use crate::integration::Lineages;
use crate::journal::Progressed;
use crate::platform::Platform;
use directory::IntegrationId;
use message::{Address, Identity, MailboxName};
use std::collections::HashMap;
use store::{
    Account, Blob, Cell, Delivery, Journal, LIVE, LineageId, Mailbox, MailboxId, Message, NewMailbox, Prepared,
    StoreError, Traits,
};

/// Messages that are made durable together.
const BATCH: usize = 128;

/// Moves mail within a platform.
pub struct Mover<'a>(
    /// Where.
    pub &'a Platform,
);

impl MailMover for Mover<'_> {
    fn join(&self, integration: IntegrationId, address: &Address) -> Result<(), MoveError> {
        let lineages = Lineages::of(self.0, integration)?;
        let cell = self.0.store.cell_of(address);
        cell.write(|tx| {
            let state = tx.journal(integration.get(), address)?.and_then(|j| Progressed::from_word(&j.state));
            if state == Some(Progressed::Applied) {
                return Ok(());
            }
            flip_account(tx, &lineages, address, &mut Applied::default()).map(|_| ())
        })?;
        Ok(cell.flush_manifests()?)
    }

    fn give_mail(
        &self,
        _: IntegrationId,
        from: &Address,
        to: &Address,
        mailbox: &MailboxName,
    ) -> Result<(), MoveError> {
        let (source, target) = (self.0.store.cell_of(from), self.0.store.cell_of(to));
        let messages = all_messages(source, LIVE, from)?;
        let (account, mailbox) = find_or_make(target, to, &NewMailbox { name: mailbox.clone(), ..store::inbox() })?;
        // As many copies as there are, less those that an earlier call has given.
        let mut there: HashMap<Identity, u64> = HashMap::new();
        target.read(|view| {
            view.for_each_message(account.id, mailbox, |_, blob| {
                *there.entry(blob.identity).or_default() += 1;
                Ok(())
            })
        })?;
        let mut missing = Vec::new();
        for (_, message, blob) in messages {
            match there.get_mut(&blob.identity).filter(|n| **n > 0) {
                Some(n) => *n -= 1,
                None => missing.push((message, blob)),
            }
        }
        for chunk in missing.chunks(BATCH) {
            let each = chunk.iter().map(|(message, blob)| copy(source, target, &account, mailbox, message, blob, None));
            target.deliver(each.collect::<Result<Vec<_>, _>>()?)?;
        }
        Ok(())
    }

    fn restore_sealed_as(&self, integration: IntegrationId, from: &Address, new: &Address) -> Result<(), MoveError> {
        let lineages = Lineages::of(self.0, integration)?;
        let (source, target) = (self.0.store.cell_of(from), self.0.store.cell_of(new));
        let lineage = LineageId(lineages.before.get());
        let mut by_mailbox: Vec<(Mailbox, Vec<(Message, Blob)>)> = Vec::new();
        for (mailbox, message, blob) in all_messages(source, lineage, from)? {
            match by_mailbox.last_mut().filter(|(m, _)| m.id == mailbox.id) {
                Some((_, messages)) => messages.push((message, blob)),
                None => by_mailbox.push((mailbox, vec![(message, blob)])),
            }
        }
        find_or_make(target, new, &store::inbox())?;
        for (mailbox, messages) in by_mailbox {
            let (account, id) = find_or_make(target, new, &mailbox.unnumbered())?;
            for chunk in numbered(messages, mailbox.uidnext).chunks(BATCH) {
                let each = chunk.iter().map(|(uid, m, b)| copy(source, target, &account, id, m, b, Some(*uid)));
                target.deliver(each.collect::<Result<Vec<_>, _>>()?)?;
            }
        }
        Ok(source.write(|tx| {
            let state = Progressed::Moved.as_str().to_owned();
            tx.put_journal(integration.get(), from, &Journal { state, was: None, became: None, fates: None })
        })?)
    }
}

/// UIDs for messages of a staged mailbox: their own, and for those that staging made up new ones above.
fn numbered(messages: Vec<(Message, Blob)>, uidnext: u32) -> Vec<(u32, Message, Blob)> {
    let (made_up, served): (Vec<_>, Vec<_>) =
        messages.into_iter().partition(|(m, _)| m.traits.contains(Traits::UID_MADE_UP));
    let mut made_up = made_up;
    made_up.sort_by_key(|(m, _)| (m.internal_date, m.uid));
    let next = uidnext.saturating_add(1);
    let served = served.into_iter().map(|(m, b)| (m.uid, m, b));
    served.chain((next..).zip(made_up).map(|(uid, (m, b))| (uid, m, b))).collect()
}

fn all_messages(
    cell: &Cell,
    lineage: LineageId,
    address: &Address,
) -> Result<Vec<(Mailbox, Message, Blob)>, StoreError> {
    cell.read(|view| {
        let mut found = Vec::new();
        let Some(account) = view.account(lineage, address)? else { return Ok(found) };
        for mailbox in view.mailboxes(account.id)? {
            view.for_each_message(account.id, mailbox.id, |message, blob| {
                found.push((mailbox.clone(), message, blob));
                Ok(())
            })?;
        }
        Ok(found)
    })
}

/// The live account and one of its mailboxes, made where they are missing.
fn find_or_make(cell: &Cell, address: &Address, wanted: &NewMailbox) -> Result<(Account, MailboxId), StoreError> {
    cell.write(|tx| {
        let account = tx.account_or_new(LIVE, address)?;
        let found = tx.mailboxes(account.id)?.into_iter().find(|m| m.name == wanted.name);
        let id = match found {
            // An INBOX that nobody used yet takes the numbers that clients of the sealed one know.
            Some(m) if m.uidnext == 1 && wanted.uidvalidity.is_some() => {
                tx.put_mailbox(account.id, &wanted.clone().numbered(m.id))?;
                m.id
            }
            Some(m) => m.id,
            None => tx.create_mailbox(&account, wanted)?,
        };
        Ok((account, id))
    })
}

fn copy(
    from: &Cell,
    to: &Cell,
    account: &Account,
    mailbox: MailboxId,
    message: &Message,
    blob: &Blob,
    uid: Option<u32>,
) -> Result<Delivery, StoreError> {
    let bytes = from.bytes(blob)?;
    let seen = message::examine(&bytes);
    let known = to.has(&seen.digest)?;
    Ok(Delivery {
        account: account.id,
        mailbox,
        uid,
        message: if known { Prepared::known(&seen) } else { Prepared::new(&bytes, &seen) },
        flags: message.flags,
        keywords: message.keywords.clone(),
        internal_date: message.internal_date,
        // With its own UID a message keeps the UIDL that was served for it.
        uidl: message.uidl.clone().filter(|_| uid.is_some()),
        traits: Traits(message.traits.0 & !Traits::UID_MADE_UP.0).with(Traits::OF_BEFORE),
        item: None,
        id: None,
    })
}
