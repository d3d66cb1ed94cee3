//! Conservation, no invention and no duplication, counted identity by identity (G1, G2, G3).

use super::At;
use super::judge::Judge;
use crate::verify::AccountProof;
use std::collections::HashSet;

/// Copies of one identity.
#[derive(Default)]
pub(super) struct Copies {
    pub(super) before: u64,
    pub(super) after: u64,
    pub(super) base: u64,
    result: u64,
    /// Distinct messages of the result that were expunged since.
    pub(super) expunged: HashSet<At>,
    /// Some copy was joined with another message, or deleted by policy: counts need not match.
    pub(super) excused: bool,
}

impl Judge<'_, '_> {
    /// Counts what the result had when it was made: what arrived since is left out.
    pub(super) fn count_result(&mut self, proof: &mut AccountProof) {
        for (index, (mailbox, message, _)) in self.work.live.rows.iter().enumerate() {
            let mailbox = &self.work.live.mailboxes[*mailbox];
            if self.work.arrived_since(mailbox, message.uid) {
                continue;
            }
            proof.totals.result += 1;
            match &self.result[index] {
                Ok(identity) => self.tally.entry(*identity).or_default().result += 1,
                Err(why) => {
                    let text = format!("UID {} of {}: {why}", message.uid, mailbox.name);
                    proof.problems.push(self.about(&text));
                }
            }
        }
    }

    /// G1, G2 and G3, identity by identity.
    pub(super) fn compare_counts(&self, proof: &mut AccountProof) {
        let mut identities: Vec<_> = self.tally.iter().collect();
        identities.sort_by_key(|(identity, _)| **identity);
        for (identity, copies) in identities {
            let sources = copies.before.max(copies.after);
            let expected = sources.saturating_sub(copies.expunged.len() as u64);
            if copies.result > 0 && copies.before + copies.after + copies.base == 0 && !copies.excused {
                proof.problems.push(self.about(&format!("G2: {identity} is in the result and in no source")));
            } else if copies.result < expected && !copies.excused {
                proof.totals.missing += expected - copies.result;
                let text = format!("G1: of {identity} there are {} copies, expected {expected}", copies.result);
                proof.problems.push(self.about(&text));
            } else if copies.result > sources.max(copies.base) && !copies.excused {
                let text = format!("G3: of {identity} there are {} copies, expected {expected}", copies.result);
                proof.problems.push(self.about(&text));
            }
        }
    }
}
