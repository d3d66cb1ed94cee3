//! The flip: a plan becomes the live account, inside one transaction of its cell.
//!
//! Order within the transaction: rows that go, then rows that come, then the mailboxes' own rows. Every changed or added
//! row gets the one modification sequence above all that either lineage served (`RULES.md 5.5`).

use crate::load::Loaded;
use crate::plan::{AccountPlan, Keeps, MailboxPlan, Outcome, Placement, Side};
use crate::undo::ResultRows;
use message::{Address, Digest};
use store::{Account, AccountId, LIVE, MailboxId, Message, NewMailbox, StoreError, Traits, Tx, inbox, uidl_by_rule};

/// What a flip needs to know besides the plan.
pub(crate) struct Flip<'a> {
    pub(crate) address: &'a Address,
    pub(crate) before: &'a Loaded,
    pub(crate) live: &'a Loaded,
    pub(crate) plan: &'a AccountPlan,
    /// Whether messages that come from *before* are marked so (not when a source is imported).
    pub(crate) mark_before: bool,
    /// Seconds since 1970 UTC.
    pub(crate) now: i64,
}

/// What a flip did.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Flipped {
    /// The numbers of the result's mailboxes, in the order of the plan.
    pub(crate) mailboxes: Vec<MailboxId>,
    pub(crate) added: u64,
    pub(crate) changed: u64,
    pub(crate) removed: u64,
    /// Live rows as they were written, by mailbox number and UID.
    pub(crate) rewritten: ResultRows,
}

impl Flip<'_> {
    /// Writes the result.
    pub(crate) fn write(&self, tx: &Tx<'_>) -> Result<(AccountId, Flipped), StoreError> {
        let account = tx.account_or_new(LIVE, self.address)?;
        let mut flipped = Flipped::default();
        for mailbox in &self.plan.mailboxes {
            let id = self.mailbox(tx, &account, mailbox, &mut flipped)?;
            flipped.mailboxes.push(id);
        }
        if !tx.mailboxes(account.id)?.iter().any(|m| m.name.is_inbox()) {
            tx.create_mailbox(&account, &inbox())?;
        }
        tx.raise_max_uidvalidity(account.id, self.plan.highest_uidvalidity)?;
        Ok((account.id, flipped))
    }

    fn mailbox(
        &self,
        tx: &Tx<'_>,
        account: &Account,
        m: &MailboxPlan,
        flipped: &mut Flipped,
    ) -> Result<MailboxId, StoreError> {
        let old = m.after.map(|index| &self.live.mailboxes[index]);
        let renewed = old.is_some_and(|o| o.uidvalidity != Some(m.uidvalidity));
        let modseq = m.modseq_floor + 1;
        let id = match old {
            Some(old) => old.id,
            None => tx.create_mailbox(account, &row_of(m, m.modseq_floor))?,
        };
        let mut touched = renewed;
        if renewed {
            tx.clear_mailbox(account.id, id)?;
        } else if let Some(index) = m.after {
            for uid in self.leavers(index) {
                tx.expunge(account.id, id, uid, modseq)?;
                flipped.removed += 1;
                touched = true;
            }
        }
        for placement in self.plan.messages_of(m) {
            if placement.change.is_none() && !renewed {
                continue;
            }
            touched = true;
            let (row, digest) = self.row(m, placement, modseq);
            tx.put_message(account.id, id, &row)?;
            if placement.after.is_none() {
                flipped.added += 1;
                // A UID that both lineages gave to this message may be one that the live account had expunged.
                if m.keeps == Keeps::Both {
                    tx.remove_expunged(account.id, id, placement.uid)?;
                }
            } else {
                flipped.changed += 1;
                flipped.rewritten.insert((id.0, placement.uid), (row, digest));
            }
        }
        if touched || m.changed {
            let highest_modseq = if touched { modseq } else { m.modseq_floor };
            tx.put_mailbox(account.id, &row_of(m, highest_modseq).numbered(id))?;
        }
        Ok(id)
    }

    /// Live rows that the result does not have at their UID: the same as another message, deleted, or renumbered.
    fn leavers<'s>(&'s self, index: usize) -> impl Iterator<Item = u32> + 's {
        let messages = &self.live.lineage.mailboxes[index].messages;
        messages.iter().zip(&self.plan.after[index]).filter_map(|(message, fate)| match fate.outcome {
            Outcome::Kept { placement } => {
                let placement = &self.plan.placements[placement as usize];
                (placement.uid != message.uid).then_some(message.uid)
            }
            _ => Some(message.uid),
        })
    }

    fn row(&self, m: &MailboxPlan, p: &Placement, modseq: u64) -> (Message, Digest) {
        let (before, after) = (&self.before.lineage, &self.live.lineage);
        let old =
            |side: &Loaded, copy: crate::plan::CopyId| side.rows[copy.mailbox as usize][copy.message as usize].clone();
        let live = p.after.map(|copy| old(self.live, copy));
        let from_before = p.before.map(|copy| old(self.before, copy));
        let bytes = match p.bytes {
            Side::Before => from_before.as_ref(),
            Side::After => live.as_ref(),
        };
        let (content, blob) = bytes.expect("the plan takes bytes from a copy that is there");
        let damage = content.traits.0 & (Traits::ENDS_EARLY.0 | Traits::ENDS_IN_ZEROS.0);
        let origin = match &live {
            Some((row, _)) => row.traits.0 & Traits::OF_BEFORE.0,
            None if self.mark_before => Traits::OF_BEFORE.0,
            None => from_before.as_ref().map_or(0, |(row, _)| row.traits.0 & Traits::OF_BEFORE.0),
        };
        let uidl = p.uidl(before, after).filter(|uidl| *uidl != uidl_by_rule(m.uidvalidity, p.uid));
        let row = Message {
            uid: p.uid,
            blob: blob.id,
            flags: p.flags,
            keywords: p.keywords(before, after).to_vec(),
            internal_date: p.internal_date,
            save_date: live.as_ref().map_or(self.now, |(row, _)| row.save_date),
            modseq,
            uidl: uidl.map(str::to_owned),
            traits: Traits(damage | origin),
        };
        (row, blob.digest)
    }
}

/// A mailbox of the result as its row will be.
fn row_of(m: &MailboxPlan, highest_modseq: u64) -> NewMailbox {
    NewMailbox {
        name: m.name.clone(),
        uidvalidity: Some(m.uidvalidity),
        uidnext: m.uidnext,
        highest_modseq,
        special_use: m.special_use,
        subscribed: m.subscribed,
    }
}

impl Flipped {
    /// Whether any message changed.
    pub(crate) fn changes(&self) -> bool {
        self.added + self.changed + self.removed > 0
    }
}
