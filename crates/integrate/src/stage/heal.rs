//! Staged messages whose bytes were damaged in the store since: read again where their source still has them.

use super::{Run, StageError, StagedKind};
use message::{Digest, examine, to_crlf};
use source::{Locator, ReadError};
use std::collections::{HashMap, HashSet};
use store::{Account, Cell, Delivery, Item, MailboxId, Message, Place, Prepared, StoreError};

/// Bytes that are made durable together.
const BATCH_BYTES: u64 = 4 << 20;

/// Stages once more what lies damaged in the store, of items whose files are as they were: staging does not read those. Comes
/// behind everything else of a staging, so that the items say where their files are now.
///
/// # Errors
/// Those of the store; when the source as a whole is away. A file that is gone, or is another by now, leaves its message as
/// it is.
pub(super) fn heal(run: &Run<'_>) -> Result<(), StageError> {
    for cell in run.platform.store.cells() {
        let places = cell.read(|view| Ok(view.damaged()))?;
        if places.is_empty() {
            continue;
        }
        for account in cell.read(|view| view.accounts(run.store_lineage()))? {
            heal_account(run, cell, &account, &places)?;
        }
    }
    // Also of what was healed on the way, by what was new here.
    run.platform.store.cells().iter().try_for_each(|cell| Ok(cell.flush_manifests()?))
}

/// A staged message with damaged bytes.
struct Damaged {
    number: i64,
    item: Item,
    mailbox: MailboxId,
    row: Message,
    digest: Digest,
}

fn heal_account(run: &Run<'_>, cell: &Cell, account: &Account, places: &HashSet<Place>) -> Result<(), StageError> {
    let (mut good, mut bytes, mut raw) = (Vec::new(), 0, Vec::new());
    for one in damaged_of(cell, account, places)? {
        let locator = Locator { path: one.item.origin.path.clone(), range: one.item.origin.range };
        match run.source.read(&locator, &mut raw) {
            Ok(()) => {}
            Err(ReadError::Away(error)) => return Err(StageError::Source(error.into())),
            Err(_) => continue,
        }
        let crlf = to_crlf(&raw);
        let seen = examine(&crlf);
        if seen.digest != one.digest {
            continue;
        }
        let message = Prepared::new(&crlf, &seen);
        bytes += message.stored_bytes();
        good.push(one.delivery(account, message));
        if bytes >= BATCH_BYTES {
            deliver(run, cell, std::mem::take(&mut good))?;
            bytes = 0;
        }
    }
    deliver(run, cell, good)
}

fn deliver(run: &Run<'_>, cell: &Cell, good: Vec<Delivery>) -> Result<(), StageError> {
    let count = good.len() as u64;
    cell.deliver(good)?;
    run.count(|staged| staged.healed += count);
    Ok(())
}

fn damaged_of(cell: &Cell, account: &Account, places: &HashSet<Place>) -> Result<Vec<Damaged>, StoreError> {
    cell.read(|view| {
        let mut rows: HashMap<(MailboxId, u32), (Message, Digest)> = HashMap::new();
        for mailbox in view.mailboxes(account.id)? {
            view.for_each_message(account.id, mailbox.id, |message, blob| {
                if places.contains(&blob.place) {
                    rows.insert((mailbox.id, message.uid), (message, blob.digest));
                }
                Ok(())
            })?;
        }
        let mut damaged = Vec::new();
        if rows.is_empty() {
            return Ok(damaged);
        }
        view.for_each_item(account.id, |number, item| {
            if let Some(at) = item.message.filter(|_| item.kind == StagedKind::Message as u8)
                && let Some((row, digest)) = rows.remove(&at)
            {
                damaged.push(Damaged { number, item, mailbox: at.0, row, digest });
            }
            Ok(())
        })?;
        Ok(damaged)
    })
}

impl Damaged {
    /// What is there already, with its bytes: the store takes no more of it than these.
    fn delivery(self, account: &Account, message: Prepared) -> Delivery {
        let Damaged { number, item, mailbox, row, .. } = self;
        Delivery {
            account: account.id,
            mailbox,
            uid: Some(row.uid),
            message,
            flags: row.flags,
            keywords: row.keywords,
            internal_date: row.internal_date,
            uidl: row.uidl,
            traits: row.traits,
            item: Some((number, item.kind, item.origin)),
            id: None,
        }
    }
}
