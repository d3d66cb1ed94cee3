//! The numbers of an account for the report, and what of it is damaged.

use super::ends::{End, end};
use super::judge::Judge;
use super::{At, WorkItem};
use crate::journal::{CopyFates, ResultMailbox};
use crate::ledger::{LedgerRow, LineageRole, Outcome};
use crate::report::{AccountReport, Case, DamageEntry, DamageReason, MailboxReport, PasswordOrigin, UidDecision};
use crate::stage::StagedKind;
use crate::verify::AccountProof;
use std::collections::HashSet;
use store::{Blob, Mailbox, Message, Traits};

impl Judge<'_, '_> {
    pub(super) fn totals(&self, proof: &mut AccountProof) {
        let work = self.work;
        let t = &mut proof.totals;
        let staged = |role: LineageRole| {
            let is = move |i: &&WorkItem| i.role == role && i.item.kind == StagedKind::Message as u8;
            work.items.iter().filter(is)
        };
        t.before = staged(LineageRole::Before).count() as u64;
        t.after = work.was.len() as u64;
        let own_boxes: Vec<i64> = work.fates.iter().flat_map(|f| f.mailboxes.iter().map(|m| m.id)).collect();
        let after_ends: Vec<End> = work.after_fates.values().map(|f| end(f, &own_boxes)).collect();
        let after_kept: HashSet<At> = after_ends
            .iter()
            .filter_map(|e| match e {
                End::Result { at, kept: true, .. } => Some(*at),
                _ => None,
            })
            .collect();
        let mut paired: HashSet<At> = HashSet::new();
        let mut same_as = after_ends.iter().filter(|e| matches!(e, End::Result { kept: false, .. })).count() as u64;
        t.deleted = after_ends.iter().filter(|e| matches!(e, End::Deleted(_))).count() as u64;
        for item in staged(LineageRole::Before) {
            match item.end {
                End::Result { at, kept: false, .. } => {
                    same_as += 1;
                    if after_kept.contains(&at) {
                        paired.insert(at);
                    }
                }
                End::Deleted(_) => t.deleted += 1,
                End::Sealed => t.sealed += 1,
                End::Unattributed => t.unattributed += 1,
                _ => {}
            }
        }
        t.in_both = paired.len() as u64;
        t.damaged_replaced = same_as - t.in_both;
        // Expunged since: they were in the result, and their owner took them out.
        t.result += work.live.expunged.iter().filter(|at| self.was_in_result(**at)).count() as u64;
        t.added = t.result.saturating_sub(t.after.saturating_sub(t.deleted));
        let of_kind = |kind: StagedKind| work.items.iter().filter(|i| i.item.kind == kind as u8).count() as u64;
        t.unreadable = of_kind(StagedKind::Unreadable);
        t.not_a_message = of_kind(StagedKind::NotAMessage);
        t.listed_no_file = of_kind(StagedKind::ListedNoFile);
        t.unfinished = of_kind(StagedKind::Unfinished);
        let damaged =
            |i: &&WorkItem| i.role != LineageRole::Base && i.staged.as_ref().is_some_and(|s| s.0.traits.damaged());
        t.damaged = work.items.iter().filter(damaged).count() as u64;
        let Some(address) = &work.address else { return };
        let fates = work.fates.as_ref();
        t.same_message_id_pairs = fates.map_or(0, |f| f.same_message_id.len() as u64);
        t.near_twin_pairs = fates.map_or(0, |f| f.near_twins.len() as u64);
        proof.report = Some(AccountReport {
            address: address.to_string(),
            case: Case::Both,
            totals: *t,
            mailboxes: self.mailboxes(&paired),
            password: PasswordOrigin::After,
            over_quota: false,
            open_decisions: 0,
            notices: Vec::new(),
        });
    }

    fn was_in_result(&self, at: At) -> bool {
        let is = |e: End| matches!(e, End::Result { at: a, .. } if a == at);
        self.work.items.iter().any(|i| i.role != LineageRole::Base && is(i.end))
            || (self.work.fates.is_none() && self.work.was.contains_key(&at))
    }

    fn mailboxes(&self, paired: &HashSet<At>) -> Vec<MailboxReport> {
        let work = self.work;
        let Some(fates) = &work.fates else {
            let count =
                |m: &Mailbox| work.live.rows.iter().filter(|r| work.live.mailboxes[r.0].id == m.id).count() as u64;
            let row = |m: &Mailbox| MailboxReport {
                name: m.name.to_string(),
                name_before: None,
                before: 0,
                after: count(m),
                both: 0,
                result: count(m),
                uid: UidDecision::After,
            };
            return work.live.mailboxes.iter().map(row).collect();
        };
        let copies = |fates: &[CopyFates], name: &Option<String>| {
            let named = fates.iter().filter(|f| Some(&f.name) == name.as_ref());
            named.map(|f| f.copies.len() as u64).sum::<u64>()
        };
        let row = |m: &ResultMailbox| MailboxReport {
            name: m.name.clone(),
            name_before: m.before.clone().filter(|b| *b != m.name),
            before: copies(&fates.before, &m.before),
            after: copies(&fates.after, &m.after),
            both: paired.iter().filter(|at| at.0 == m.id).count() as u64,
            result: {
                let here = |r: &&(usize, Message, Blob)| work.live.mailboxes[r.0].id.0 == m.id && r.1.uid < m.uidnext;
                work.live.rows.iter().filter(here).count() as u64
            },
            uid: match m.uids.as_str() {
                "both" => UidDecision::Both,
                "before" => UidDecision::Before,
                "new" => UidDecision::Renewed,
                _ => UidDecision::After,
            },
        };
        fates.mailboxes.iter().map(row).collect()
    }

    pub(super) fn damage_entry(&self, item: &WorkItem, row: &LedgerRow) -> Option<DamageEntry> {
        if matches!(row.outcome, Outcome::Kept | Outcome::SameAs) && !row.damaged {
            return None;
        }
        let traits = item.staged.as_ref().map(|s| s.0.traits);
        let reason = match (row.outcome, traits, row.reason.as_deref()) {
            (_, Some(t), _) if t.contains(Traits::ENDS_EARLY) => DamageReason::EndsEarly,
            (_, Some(t), _) if t.contains(Traits::ENDS_IN_ZEROS) => DamageReason::EndsInZeros,
            (Outcome::Unreadable, _, Some("it is empty")) => DamageReason::Empty,
            (Outcome::Unreadable, _, Some("it is filled with zeros")) => DamageReason::ZeroFilled,
            (Outcome::Unreadable, _, Some(text)) => DamageReason::Other(text.to_owned()),
            _ => DamageReason::ByOutcome,
        };
        Some(DamageEntry {
            lineage: item.role,
            domain: self.work.address.as_ref().map(|a| a.domain().to_owned()),
            account: row.account.clone(),
            mailbox: row.mailbox.clone(),
            path: row.path.clone(),
            reason,
            outcome: row.outcome,
            damaged: row.damaged && matches!(row.outcome, Outcome::Kept),
        })
    }
}
