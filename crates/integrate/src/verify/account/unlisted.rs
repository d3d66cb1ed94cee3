//! Live messages that no source brought: rows of their own.

use super::At;
use super::ends::{End, another_may_stand, end};
use super::judge::{Judge, Standing};
use super::live::Was;
use crate::integration::IntegrationError;
use crate::ledger::{LedgerRow, LineageRole, Outcome, encode_path};
use crate::plan::Rules;
use crate::verify::AccountProof;
use std::collections::HashSet;

impl Judge<'_, '_> {
    /// Makes the rows, and counts every copy of the live lineage.
    pub(super) fn unlisted_live(&mut self, proof: &mut AccountProof) -> Result<(), IntegrationError> {
        let work = self.work;
        let mut brought: HashSet<At> = HashSet::new();
        for item in work.items.iter().filter(|i| i.role == LineageRole::After) {
            if let End::Result { at, .. } = item.end {
                brought.insert(at);
            }
        }
        // What was left out of the result has the row of the file that it came from, too.
        let imported: HashSet<At> = work.items.iter().filter_map(|i| i.live).collect();
        let own_boxes: Vec<i64> = work.fates.iter().flat_map(|f| f.mailboxes.iter().map(|m| m.id)).collect();
        for (at, was) in &work.was {
            let end = match work.after_fates.get(at) {
                Some(fate) => end(fate, &own_boxes),
                None => End::Result { at: *at, kept: true, rules: Rules::NONE },
            };
            if let Some(identity) = was.identity() {
                let copies = self.tally.entry(identity).or_default();
                let excused = matches!(end, End::Result { kept: false, rules, .. } if another_may_stand(rules));
                copies.after += u64::from(!excused);
                copies.excused |= excused || matches!(end, End::Deleted(_));
                if let End::Result { at, .. } = end
                    && work.live.expunged.contains(&at)
                {
                    copies.expunged.insert(at);
                }
            }
            if matches!(end, End::Result { at, .. } if brought.contains(&at)) || imported.contains(at) {
                continue;
            }
            let row = self.live_row(*at, was, end, proof)?;
            self.rows.push(row);
        }
        Ok(())
    }

    fn live_row(&self, at: At, was: &Was, end: End, proof: &mut AccountProof) -> Result<LedgerRow, IntegrationError> {
        let mut row = LedgerRow {
            seq: 0,
            integration: self.run.lineages.row.id.get(),
            lineage: LineageRole::After,
            account: self.work.address.as_ref().map(|a| a.to_string()),
            mailbox: Some(was.mailbox.clone()),
            path: format!("live/{}/{}", encode_path(was.mailbox.as_bytes()), at.1),
            offset: None,
            length: None,
            uid: Some(at.1),
            uidvalidity: None,
            uidl: None,
            size_bytes: was.blob.map_or(0, |b| b.size_bytes),
            digest: Some(was.digest),
            identity: was.identity(),
            outcome: Outcome::Kept,
            damaged: false,
            reason: None,
            rules: Vec::new(),
            target: None,
            was_in: None,
            mended: Vec::new(),
            verified: None,
        };
        let found = match end {
            End::Result { at, kept, rules } => {
                row.outcome = if kept { Outcome::Kept } else { Outcome::SameAs };
                row.rules = rules.numbers().map(str::to_owned).collect();
                self.live_in_result(at, was, rules, &mut row)?
            }
            End::Deleted(rules) => {
                row.outcome = Outcome::Deleted;
                row.rules = rules.numbers().map(str::to_owned).collect();
                Ok(())
            }
            _ => {
                row.outcome = Outcome::Deleted;
                Ok(())
            }
        };
        if let Err(why) = &found {
            proof.totals.missing += 1;
            proof.problems.push(self.about(&format!("{}: {why}", row.path)));
        }
        row.verified = Some(found.is_ok());
        Ok(row)
    }

    /// Whether what stands for a live message is in the result, and may.
    fn live_in_result(
        &self,
        at: At,
        was: &Was,
        rules: Rules,
        row: &mut LedgerRow,
    ) -> Result<Result<(), String>, IntegrationError> {
        let (index, blob) = match self.standing(at, row) {
            Standing::Message { index, blob, .. } => (index, blob),
            Standing::Expunged => return Ok(Ok(())),
            Standing::Nothing => return Ok(Err("a live message is not in the result".into())),
        };
        match &self.result[index] {
            Ok(there) if Some(*there) == was.identity() => Ok(Ok(())),
            Ok(_) => self.stands_for(was.blob.as_ref(), blob, rules),
            Err(why) => Ok(Err(why.clone())),
        }
    }
}
