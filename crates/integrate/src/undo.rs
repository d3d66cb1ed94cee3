//! Undo: an apply is taken back, and what came since stays (`RULES.md` G9).
//!
//! Undo works on the account as it is now, not on a copy of how it was: rows that the apply added go, rows that it took
//! away come back, rows that it changed get their flags and dates back unless somebody changed them since. UIDVALIDITY and UIDNEXT
//! stay as they are: no UID that was ever served comes to name anything else (`RULES.md 5.1`, G11).

use crate::flip::Flipped;
use crate::load::Loaded;
use crate::plan::{AccountPlan, Outcome};
use message::{Digest, Flags, Keyword, MailboxName, SpecialUse};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use store::{Account, BlobId, Mailbox, Message, StoreError, Traits, Tx};

/// What an apply did to an account, as far as it must be known to take it back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct UndoRecord {
    /// Whether the live account was there before.
    pub(crate) existed: bool,
    /// Mailboxes that were made, with the UIDNEXT that they were made with.
    created: Vec<(i64, u32)>,
    /// Mailboxes whose settings changed: number, special use and subscription before and after.
    resettled: Vec<(i64, Settings, Settings)>,
    /// UIDs added, by mailbox.
    added: BTreeMap<i64, Vec<u32>>,
    /// Rows changed: mailbox, UID now, how it was, how it became.
    changed: Vec<(i64, u32, RowState, RowState)>,
    /// Rows taken away: mailbox, UIDVALIDITY and the row.
    removed: Vec<(i64, Option<u32>, u32, RowState)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Settings {
    special_use: Option<String>,
    subscribed: bool,
}

/// What of a row an apply can change, and an undo give back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RowState {
    digest: String,
    flags: u8,
    keywords: Vec<String>,
    internal_date: i64,
    save_date: i64,
    uidl: Option<String>,
    traits: u8,
}

impl RowState {
    fn of(row: &Message, digest: Digest) -> Self {
        RowState {
            digest: digest.to_string(),
            flags: row.flags.bits(),
            keywords: row.keywords.iter().map(Keyword::to_string).collect(),
            internal_date: row.internal_date,
            save_date: row.save_date,
            uidl: row.uidl.clone(),
            traits: row.traits.0,
        }
    }

    fn to_row(&self, tx: &Tx<'_>, uid: u32, modseq: u64) -> Result<Message, StoreError> {
        Ok(Message {
            uid,
            blob: self.blob(tx)?,
            flags: Flags::from_bits(self.flags),
            keywords: self.keywords(),
            internal_date: self.internal_date,
            save_date: self.save_date,
            modseq,
            uidl: self.uidl.clone(),
            traits: Traits(self.traits),
        })
    }

    fn keywords(&self) -> Vec<Keyword> {
        self.keywords.iter().filter_map(|k| Keyword::new(k).ok()).collect()
    }

    fn blob(&self, tx: &Tx<'_>) -> Result<BlobId, StoreError> {
        let digest = self.digest.parse().map_err(|_| StoreError::BadRow("an undo record's digest".into()))?;
        let blob = tx.blob(&digest)?;
        blob.map(|b| b.id).ok_or_else(|| StoreError::BadRow(format!("the cell has no bytes of {digest}")))
    }
}

impl Settings {
    fn of(special_use: Option<SpecialUse>, subscribed: bool) -> Self {
        Settings { special_use: special_use.map(|u| u.attribute().to_owned()), subscribed }
    }
}

impl UndoRecord {
    /// What a flip did.
    pub(crate) fn of(plan: &AccountPlan, flipped: &Flipped, live: &Loaded) -> Self {
        let mut record = UndoRecord { existed: live.account.is_some(), ..UndoRecord::default() };
        for (m, id) in plan.mailboxes.iter().zip(&flipped.mailboxes) {
            match m.after {
                None => record.created.push((id.0, m.uidnext)),
                Some(index) => {
                    let old = &live.mailboxes[index];
                    let was = Settings::of(old.special_use, old.subscribed);
                    let became = Settings::of(m.special_use, m.subscribed);
                    if was != became {
                        record.resettled.push((id.0, was, became));
                    }
                }
            }
            for placement in plan.messages_of(m).iter().filter(|p| p.after.is_none()) {
                record.added.entry(id.0).or_default().push(placement.uid);
            }
        }
        for (index, mailbox) in live.mailboxes.iter().enumerate() {
            for ((row, blob), fate) in live.rows[index].iter().zip(&plan.after[index]) {
                let was = || RowState::of(row, blob.digest);
                match fate.outcome {
                    Outcome::Kept { placement } => {
                        let p = &plan.placements[placement as usize];
                        let id = flipped.mailboxes[p.mailbox as usize];
                        if let Some((became, digest)) = flipped.rewritten.get(&(id.0, p.uid)) {
                            record.changed.push((id.0, p.uid, was(), RowState::of(became, *digest)));
                        }
                    }
                    _ => record.removed.push((mailbox.id.0, mailbox.uidvalidity, row.uid, was())),
                }
            }
        }
        record
    }

    /// What two applies did, the second upon the first's result.
    pub(crate) fn followed_by(mut self, second: UndoRecord) -> UndoRecord {
        let was_added: HashSet<(i64, u32)> =
            self.added.iter().flat_map(|(id, uids)| uids.iter().map(|uid| (*id, *uid))).collect();
        let added = |at: (i64, u32)| was_added.contains(&at);
        self.created.extend(second.created);
        for (id, was, became) in second.resettled {
            match self.resettled.iter_mut().find(|r| r.0 == id) {
                Some(first) => first.2 = became,
                None => self.resettled.push((id, was, became)),
            }
        }
        let mut changed: BTreeMap<(i64, u32), (RowState, RowState)> =
            self.changed.drain(..).map(|(id, uid, was, became)| ((id, uid), (was, became))).collect();
        for (id, uid, was, became) in second.changed {
            match changed.get_mut(&(id, uid)) {
                Some(first) => first.1 = became,
                None if added((id, uid)) => {}
                None => _ = changed.insert((id, uid), (was, became)),
            }
        }
        for (id, uidvalidity, uid, was) in second.removed {
            let first = changed.remove(&(id, uid)).map_or(was, |c| c.0);
            if !added((id, uid)) {
                self.removed.push((id, uidvalidity, uid, first));
            }
        }
        self.changed = changed.into_iter().map(|((id, uid), (was, became))| (id, uid, was, became)).collect();
        for (id, uids) in second.added {
            self.added.entry(id).or_default().extend(uids);
        }
        self
    }

    /// Takes the apply back. Gives whether the live account is still there.
    pub(crate) fn undo(&self, tx: &Tx<'_>, account: &Account) -> Result<bool, StoreError> {
        let now = tx.mailboxes(account.id)?.into_iter().map(|m| (m.id.0, m)).collect();
        let mut mailboxes = Touched { now, touched: BTreeMap::new() };
        for (id, uids) in &self.added {
            let Some(mailbox) = mailboxes.touch(*id) else { continue };
            let (mailbox, modseq) = (mailbox.id, mailbox.highest_modseq);
            for uid in uids {
                tx.expunge(account.id, mailbox, *uid, modseq)?;
            }
        }
        for (id, uid, was, became) in &self.changed {
            let Some(mailbox) = mailboxes.touch(*id) else { continue };
            let (mailbox, modseq) = (mailbox.id, mailbox.highest_modseq);
            let Some(now) = tx.message(account.id, mailbox, *uid)? else { continue };
            let mut row = was.to_row(tx, *uid, modseq)?;
            // What somebody did since the apply is theirs.
            if now.flags.bits() != became.flags {
                row.flags = now.flags;
            }
            if now.keywords != became.keywords() {
                row.keywords = now.keywords.clone();
            }
            // Its UIDL may depend on a UID that it no longer has.
            row.uidl = now.uidl.clone();
            tx.put_message(account.id, mailbox, &row)?;
        }
        for (id, uidvalidity, uid, was) in &self.removed {
            let Some(now) = mailboxes.touch(*id) else { continue };
            let (mailbox, modseq) = (now.id, now.highest_modseq);
            let same = now.uidvalidity == *uidvalidity && tx.message(account.id, mailbox, *uid)?.is_none();
            let uid = if same { *uid } else { now.uidnext };
            now.uidnext = now.uidnext.max(uid + 1);
            tx.remove_expunged(account.id, mailbox, uid)?;
            tx.put_message(account.id, mailbox, &was.to_row(tx, uid, modseq)?)?;
        }
        for (id, was, became) in &self.resettled {
            let Some(now) = mailboxes.touch(*id) else { continue };
            if Settings::of(now.special_use, now.subscribed) == *became {
                now.special_use = was.special_use.as_deref().and_then(SpecialUse::from_attribute);
                now.subscribed = was.subscribed;
            }
        }
        for mailbox in mailboxes.touched.values() {
            tx.put_mailbox(account.id, mailbox)?;
        }
        self.remove_created(tx, account)
    }

    /// Mailboxes that the apply made and that nobody used since go; the account too, if it was not there and is empty.
    fn remove_created(&self, tx: &Tx<'_>, account: &Account) -> Result<bool, StoreError> {
        let mut left = 0;
        for mailbox in tx.mailboxes(account.id)? {
            let made_with = self.created.iter().find(|(id, _)| *id == mailbox.id.0).map(|(_, uidnext)| *uidnext);
            let mut empty = true;
            tx.for_each_message(account.id, mailbox.id, |_, _| {
                empty = false;
                Ok(())
            })?;
            let unused = empty && made_with == Some(mailbox.uidnext);
            if unused && (!mailbox.name.is_inbox() || !self.existed) {
                tx.remove_mailbox(account.id, mailbox.id)?;
            } else if !(empty && mailbox.name == MailboxName::inbox() && mailbox.uidnext == 1 && !self.existed) {
                left += 1;
            }
        }
        if !self.existed && left == 0 {
            tx.remove_account(account)?;
            return Ok(false);
        }
        if !tx.mailboxes(account.id)?.iter().any(|m| m.name.is_inbox()) {
            tx.create_mailbox(account, &store::inbox())?;
        }
        Ok(true)
    }

    pub(crate) fn pack(&self) -> Vec<u8> {
        crate::journal::pack(&serde_json::to_vec(self).expect("an undo record holds nothing that JSON cannot"))
    }

    pub(crate) fn unpack(packed: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(&crate::journal::unpack(packed)?).map_err(|_| crate::journal::malformed())
    }
}

/// The mailboxes of an account, and those that an undo changes: each with one new modification sequence.
struct Touched {
    now: HashMap<i64, Mailbox>,
    touched: BTreeMap<i64, Mailbox>,
}

impl Touched {
    /// `None` where somebody removed the mailbox since.
    fn touch(&mut self, id: i64) -> Option<&mut Mailbox> {
        let now = self.now.get(&id)?;
        let raised = || Mailbox { highest_modseq: now.highest_modseq + 1, ..now.clone() };
        Some(self.touched.entry(id).or_insert_with(raised))
    }
}

/// Rows that a flip wrote over live ones, by mailbox number and UID.
pub(crate) type ResultRows = HashMap<(i64, u32), (Message, Digest)>;
