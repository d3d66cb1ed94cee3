//! What was read of an account against what the journal says of it: a row for every item, and what is wrong.

use super::counts::Copies;
use super::ends::{End, another_may_stand};
use super::live::target;
use super::{AccountWork, At, Finished, WorkItem, pairs};
use crate::integration::IntegrationError;
use crate::ledger::{LedgerRow, LineageRole, Outcome, encode_path};
use crate::plan::Rules;
use crate::report::Totals;
use crate::stage::StagedKind;
use crate::verify::reading::{Buffers, Seen};
use crate::verify::{AccountProof, Run};
use message::{Address, Flags, Identity};
use std::collections::HashMap;
use store::{Blob, LIVE, Mailbox, Message, StoreError, Traits};

/// An account being judged. What is wrong with a message is an `Err` within: the store's own failures end the run.
pub(super) struct Judge<'a, 'w> {
    pub(super) run: &'a Run<'a>,
    pub(super) work: &'a AccountWork<'w>,
    seen: HashMap<usize, Result<Seen, String>>,
    /// The identity of each message of the result, by its row in `Live::rows`.
    pub(super) result: Vec<Result<Identity, String>>,
    pub(super) tally: HashMap<Identity, Copies>,
    pub(super) rows: Vec<LedgerRow>,
}

/// What stands at a place of the result.
pub(super) enum Standing<'a> {
    /// A message.
    Message {
        /// Its row in `Live::rows`.
        index: usize,
        mailbox: &'a Mailbox,
        message: &'a Message,
        blob: &'a Blob,
    },
    /// None any more: its owner expunged it.
    Expunged,
    /// None.
    Nothing,
}

impl<'a, 'w> Judge<'a, 'w> {
    pub(super) fn new(
        run: &'a Run<'a>,
        work: &'a AccountWork<'w>,
        seen: HashMap<usize, Result<Seen, String>>,
        result: Vec<Result<Identity, String>>,
    ) -> Self {
        Judge { run, work, seen, result, tally: HashMap::new(), rows: Vec::new() }
    }

    pub(super) fn judge(mut self) -> Result<Finished, IntegrationError> {
        let mut proof = AccountProof {
            address: self.work.address.as_ref().map(|a| a.to_string()),
            totals: Totals::default(),
            report: None,
            damage: Vec::new(),
            same_message_id: Vec::new(),
            near_twins: Vec::new(),
            problems: Vec::new(),
        };
        for index in 0..self.work.items.len() {
            let row = self.item(index, &mut proof)?;
            self.rows.push(row);
        }
        self.unlisted_live(&mut proof)?;
        for (history, locator) in &self.work.unstaged {
            let source = self.run.histories.all[*history].source.describe();
            let text = format!("{} of {source} was not staged; stage again", encode_path(&locator.path));
            proof.problems.push(self.about(&text));
        }
        self.count_result(&mut proof);
        self.compare_counts(&mut proof);
        self.totals(&mut proof);
        if let Some(fates) =
            self.work.fates.as_ref().filter(|f| !f.same_message_id.is_empty() || !f.near_twins.is_empty())
        {
            let sides = pairs::Sides::of(self.work);
            proof.same_message_id = sides.pairs(fates.same_message_id.iter().map(|(a, b)| (a, b)))?;
            proof.near_twins = sides.pairs(fates.near_twins.iter().map(|(a, b, _)| (a, b)))?;
        }
        let served = self.work.address.as_ref().and_then(|address| self.work.live.served(address));
        Ok(Finished { rows: self.rows, proof, served })
    }

    pub(super) fn about(&self, text: &str) -> String {
        match &self.work.address {
            Some(address) => format!("{address}: {text}"),
            None => format!("orphans: {text}"),
        }
    }

    /// One item of a source: its row, and what of it is wrong.
    fn item(&mut self, index: usize, proof: &mut AccountProof) -> Result<LedgerRow, IntegrationError> {
        let item = &self.work.items[index];
        let seen = self.seen.get(&index).cloned();
        let mut row = self.blank_row(item);
        if let Some(Ok(seen)) = &seen {
            (row.digest, row.identity, row.size_bytes) = (Some(seen.digest), Some(seen.identity), seen.size_bytes);
        }
        let kind = StagedKind::from_number(item.item.kind);
        let ok = match kind {
            Some(StagedKind::Message) => self.message(item, seen, &mut row)?,
            Some(StagedKind::HeldAlready) => {
                row.outcome = Outcome::SameAs;
                row.rules.push("9.3".into());
                self.held_already(item, seen, &mut row)?
            }
            Some(StagedKind::Unreadable) => {
                row.outcome = Outcome::Unreadable;
                row.rules.push("9.1".into());
                match seen {
                    Some(Ok(_)) => {
                        row.reason =
                            Some("it could not be read when it was staged, and can be now: stage again".into());
                        Err("an unreadable file can be read now; stage again".to_owned())
                    }
                    _ => Ok(()),
                }
            }
            other => {
                row.outcome = match other {
                    Some(StagedKind::Unfinished) => Outcome::Unfinished,
                    Some(StagedKind::ListedNoFile) => Outcome::ListedNoFile,
                    _ => Outcome::NotAMessage,
                };
                row.rules.push("9.5".into());
                Ok(())
            }
        };
        if let Err(why) = &ok {
            proof.problems.push(self.about(&format!("{}: {why}", row.path)));
            if matches!(row.outcome, Outcome::Kept | Outcome::SameAs) {
                proof.totals.missing += 1;
            }
        }
        row.verified = Some(ok.is_ok());
        if let Some(entry) = self.damage_entry(item, &row) {
            proof.damage.push(entry);
        }
        Ok(row)
    }

    fn blank_row(&self, item: &WorkItem) -> LedgerRow {
        let mended: Vec<String> =
            item.item.origin.mended.as_deref().and_then(|m| serde_json::from_str(m).ok()).unwrap_or_default();
        let staged_uid = item.staged.as_ref().filter(|s| !s.0.traits.contains(Traits::UID_MADE_UP)).map(|s| s.0.uid);
        LedgerRow {
            seq: 0,
            integration: self.run.lineages.row.id.get(),
            lineage: item.role,
            account: self.work.address.as_ref().map(|a| a.to_string()),
            mailbox: Some(item.mailbox.clone()).filter(|m| !m.is_empty()),
            path: encode_path(&item.item.origin.path),
            offset: item.item.origin.range.map(|r| r.0),
            length: item.item.origin.range.map(|r| r.1),
            uid: staged_uid.or(item.item.listed_uid),
            uidvalidity: item.uidvalidity,
            uidl: item.listed.as_ref().and_then(|l| l.uidl.clone()),
            size_bytes: item.item.origin.length_bytes,
            digest: None,
            identity: None,
            outcome: Outcome::NotAMessage,
            damaged: item.staged.as_ref().is_some_and(|s| s.0.traits.damaged()),
            reason: item.item.reason.clone(),
            rules: Vec::new(),
            target: None,
            was_in: None,
            mended,
            verified: None,
        }
    }

    /// A staged message: is it where the row will say?
    fn message(
        &mut self,
        item: &WorkItem,
        seen: Option<Result<Seen, String>>,
        row: &mut LedgerRow,
    ) -> Result<Result<(), String>, IntegrationError> {
        let Some((_, staged)) = &item.staged else { return Ok(Err("its staged message is not there".into())) };
        let mut wrong = None;
        let identity = match seen {
            Some(Ok(seen)) if seen.digest == staged.digest => seen.identity,
            Some(Ok(seen)) => {
                wrong = Some("it changed after it was staged; stage again".to_owned());
                seen.identity
            }
            Some(Err(why)) => {
                // Its bytes are in the store all the same, and are compared with what was staged.
                row.reason = Some(format!("cannot be read any more ({why}); as it was staged"));
                staged.identity
            }
            None => staged.identity,
        };
        (row.digest, row.identity) = (row.digest.or(Some(staged.digest)), row.identity.or(Some(identity)));
        let copies = self.tally.entry(identity).or_default();
        let joined = matches!(item.end, End::Result { kept: false, rules, .. } if another_may_stand(rules));
        let counted = !joined && !matches!(item.end, End::Sealed | End::Unattributed | End::ExpungedEarlier);
        match item.role {
            LineageRole::Before => copies.before += u64::from(counted),
            // Copies of the live lineage are counted as it was before the apply, mail that came since the import included.
            LineageRole::After => {}
            LineageRole::Base => copies.base += 1,
        }
        copies.excused |= joined || matches!(item.end, End::Deleted(_) | End::Gone);
        let found = match item.end {
            End::Result { at, kept, rules } => {
                row.outcome = if kept { Outcome::Kept } else { Outcome::SameAs };
                row.rules = rules.numbers().map(str::to_owned).collect();
                self.in_result(item, at, identity, rules, row)?
            }
            End::Deleted(rules) => {
                row.outcome = Outcome::Deleted;
                row.rules = rules.numbers().map(str::to_owned).collect();
                Ok(())
            }
            End::ExpungedEarlier => {
                row.outcome = Outcome::Deleted;
                row.reason = Some("its owner expunged it after the import and before the integration".into());
                Ok(())
            }
            End::Gone => {
                row.outcome = Outcome::Deleted;
                row.rules.push("3.5".into());
                row.reason = Some("both histories had deleted it".into());
                Ok(())
            }
            End::Sealed | End::Unattributed => {
                let sealed = item.end == End::Sealed;
                row.outcome = if sealed { Outcome::Sealed } else { Outcome::Unattributed };
                row.rules.push(if sealed { "8.7" } else { "9.3" }.into());
                self.still_stored(staged, identity)?
            }
            End::NoMessage | End::Unknown => Err("the integration knows nothing of it".to_owned()),
        };
        Ok(match wrong {
            Some(why) => Err(why),
            None => found,
        })
    }

    /// What is kept apart is read from its segment too.
    fn still_stored(&self, staged: &Blob, identity: Identity) -> Result<Result<(), String>, IntegrationError> {
        let read = Buffers::default().identity(self.work.cell, staged)?;
        Ok(match read {
            Ok(found) if found == identity => Ok(()),
            Ok(_) => Err("what is stored of it is another message".into()),
            Err(why) => Err(why),
        })
    }

    fn in_result(
        &mut self,
        item: &WorkItem,
        at: At,
        identity: Identity,
        rules: Rules,
        row: &mut LedgerRow,
    ) -> Result<Result<(), String>, IntegrationError> {
        let (index, mailbox, message, blob) = match self.standing(at, row) {
            Standing::Message { index, mailbox, message, blob } => (index, mailbox, message, blob),
            Standing::Expunged => {
                self.tally.entry(identity).or_default().expunged.insert(at);
                return Ok(Ok(()));
            }
            Standing::Nothing => return Ok(Err("the message that stands for it is not there".into())),
        };
        row.was_in = Some(item.mailbox.clone()).filter(|m| *m != mailbox.name.as_str());
        match &self.result[index] {
            Ok(there) if *there == identity => Ok(self.as_it_was(item, mailbox, message)),
            Ok(_) => self.stands_for(item.staged.as_ref().map(|s| &s.1), blob, rules),
            Err(why) => Ok(Err(why.clone())),
        }
    }

    /// What stands at a place of the result; the row says so.
    pub(super) fn standing(&self, at: At, row: &mut LedgerRow) -> Standing<'a> {
        let live = &self.work.live;
        if let Some(index) = live.by_place.get(&at).copied() {
            let (mailbox, message, blob) = &live.rows[index];
            let mailbox = &live.mailboxes[*mailbox];
            row.target = Some(target(self.work.address.as_ref(), mailbox, message, blob));
            return Standing::Message { index, mailbox, message, blob };
        }
        if live.expunged.contains(&at) {
            row.reason = Some("its owner expunged it after the integration".into());
            return Standing::Expunged;
        }
        Standing::Nothing
    }

    /// Whether a different message may stand for this one: the whole of a damaged one, or its near twin.
    pub(super) fn stands_for(
        &self,
        copy: Option<&Blob>,
        survivor: &Blob,
        rules: Rules,
    ) -> Result<Result<(), String>, IntegrationError> {
        if !another_may_stand(rules) {
            return Ok(Err("the message that should stand for it is another one".into()));
        }
        let Some(copy) = copy else { return Ok(Err("what it was is not in the store any more".into())) };
        let (one, other) = match (self.stored(copy)?, self.stored(survivor)?) {
            (Ok(one), Ok(other)) => (one, other),
            (Err(why), _) | (_, Err(why)) => return Ok(Err(why)),
        };
        let damaged = rules.contains(Rules::DAMAGED);
        let stands = if damaged { message::is_beginning_of(&one, &other) } else { message::near_twins(&one, &other) };
        let what = if damaged { "the whole of it" } else { "its near twin" };
        Ok(if stands { Ok(()) } else { Err(format!("the message that should stand for it is not {what}")) })
    }

    /// A message's bytes; the text says why there are none.
    fn stored(&self, blob: &Blob) -> Result<Result<Vec<u8>, String>, IntegrationError> {
        match self.work.cell.bytes(blob) {
            Ok(bytes) => Ok(Ok(bytes)),
            Err(error @ StoreError::Corrupt { .. }) => Ok(Err(error.to_string())),
            Err(other) => Err(other.into()),
        }
    }

    /// Flags and dates: nothing set is lost, and an account that only one history had is as it was (4.1, 4.3, G6).
    fn as_it_was(&self, item: &WorkItem, mailbox: &Mailbox, message: &Message) -> Result<(), String> {
        let Some(listed) = &item.listed else { return Ok(()) };
        let recorded = self.work.fates.as_ref().and_then(|f| f.mailboxes.iter().find(|m| m.id == mailbox.id.0));
        if recorded.is_none_or(|m| message.modseq > m.modseq) || item.role == LineageRole::Base {
            return Ok(());
        }
        let kept = listed.flags.without(Flags::DELETED).without(Flags::DRAFT);
        if !message.flags.contains(kept) || listed.keywords.iter().any(|k| !message.keywords.contains(k)) {
            return Err("a flag or keyword that it had is lost".into());
        }
        if message.internal_date > listed.internal_date {
            return Err("its INTERNALDATE is later than it was".into());
        }
        let alone = !self.work.existed && item.role == LineageRole::Before && self.work.state.is_some();
        // One that a message whose file is gone had before cannot name this one too (G11).
        let taken = item.staged.as_ref().is_some_and(|s| s.0.traits.contains(Traits::UID_MADE_UP));
        let listed_uid = listed.uid.filter(|_| !taken);
        let same_uid = listed_uid.is_none_or(|uid| uid == message.uid || item.uidvalidity != mailbox.uidvalidity);
        let orphan = self.run.histories.all[item.history].orphans.contains_key(&listed.locator);
        if alone && !orphan {
            let same = (message.flags, message.internal_date) == (listed.flags, listed.internal_date);
            if mailbox.name.as_str() != item.mailbox || !same || !same_uid {
                return Err("its account had one history, and it is not as it was there".into());
            }
        }
        Ok(())
    }

    /// An orphan that its owner holds already.
    fn held_already(
        &mut self,
        item: &WorkItem,
        seen: Option<Result<Seen, String>>,
        row: &mut LedgerRow,
    ) -> Result<Result<(), String>, IntegrationError> {
        let owner = item.item.reason.as_deref().and_then(|r| r.split(' ').next()).and_then(|a| Address::new(a).ok());
        let (Some(owner), Some(Ok(seen))) = (owner, seen) else {
            return Ok(Err("it cannot be read any more; stage again".into()));
        };
        row.account = Some(owner.to_string());
        let cell = self.run.platform.store.cell_of(&owner);
        let found = cell.read(|view| {
            let Some(account) = view.account(LIVE, &owner)? else { return Ok(None) };
            let mut found = None;
            for mailbox in view.mailboxes(account.id)? {
                view.for_each_message(account.id, mailbox.id, |message, blob| {
                    if blob.identity == seen.identity && found.is_none() {
                        found = Some((mailbox.clone(), message, blob));
                    }
                    Ok(())
                })?;
            }
            Ok(found)
        })?;
        let Some((mailbox, message, blob)) = found else {
            return Ok(Err(format!("{owner} does not hold it")));
        };
        row.target = Some(target(Some(&owner), &mailbox, &message, &blob));
        Ok(Ok(()))
    }
}
