//! Plan: a pure function of two (or three) lineages of an account to decisions (`RULES.md` 2 to 6, 9.2).
//!
//! [`plan`] reads no disk, no clock and no random numbers, and answers the same to the same question, whatever the
//! order in which a lineage lists its mailboxes. It takes time O(n log n) in the number of copies and a small constant
//! of memory for each. `docs/design/plan.md` tells the algorithm step by step, and why the odd cases are decided as
//! they are.

mod copies;
mod decisions;
mod fates;
pub mod lineage;
mod mailboxes;
mod matching;
mod numbering;
mod placing;
mod policy;
mod uidls;

pub use decisions::{
    AccountPlan, Change, CopyId, Fate, Finding, Keeps, Keywords, MailboxPlan, Outcome, Placement, Renewal, Rules, Uidl,
};
pub use policy::{Policy, Side, Twins};

use copies::Copies;
use fates::{Fates, Survivors};
use lineage::{Lineage, Mailbox};
use mailboxes::{Joined, Mailboxes};
use numbering::Numbering;
use placing::Placed;

/// Plans one account: what its mailboxes and messages will be, and what becomes of every copy.
///
/// An account that only one lineage has is planned with an empty one for the other.
pub fn plan(before: &Lineage, after: &Lineage, base: Option<&Lineage>, twins: &Twins, policy: &Policy) -> AccountPlan {
    let mailboxes = Mailboxes::join(before, after);
    let copies = Copies::new(before, after, base, &mailboxes);
    let mut exhausted = vec![false; mailboxes.joined.len()];
    // A mailbox that runs out of UIDs is numbered anew, and so its UIDs say nothing in the match: match again.
    let (numbering, matching, mut placed) = loop {
        let mut numbering = Numbering::decide(&mailboxes, &copies, base, policy, &exhausted);
        let matching = matching::match_copies(&copies, &mailboxes, &numbering, twins, policy);
        let placed = placing::place(&copies, &mailboxes, &mut numbering, &matching);
        if placed.exhausted.is_empty() {
            break (numbering, matching, placed);
        }
        for &home in &placed.exhausted {
            exhausted[home] = true;
        }
    };
    let mut findings = mailboxes.findings.clone();
    findings.extend(matching.findings.iter().cloned());
    let lineages: Vec<&Lineage> = [Some(before), Some(after), base].into_iter().flatten().collect();
    uidls::assign(&mut placed, &copies, &mailboxes, &lineages, &mut findings);
    let survivors = Survivors::find(&copies, &mailboxes, &mut placed);
    placed.note_changes(&copies);

    let planned: Vec<MailboxPlan> =
        mailboxes.joined.iter().enumerate().map(|(i, j)| mailbox_plan(i, j, &numbering[i], &placed)).collect();
    for (mailbox, m) in planned.iter().enumerate() {
        if let Some(why @ (Renewal::Clash { .. } | Renewal::Exhausted)) = m.renewal {
            findings.push(Finding::UidvalidityRenewed { mailbox, why });
        }
    }
    let of_lineages = [before, after].into_iter().flat_map(|l| &l.mailboxes).filter_map(|m| m.uidvalidity);
    let highest_uidvalidity = planned.iter().map(|m| m.uidvalidity).chain(of_lineages).max().unwrap_or(0);
    let fates =
        Fates { copies: &copies, placed: &placed, matching: &matching, mailboxes: &planned, survivors: &survivors };
    let before = fates.of_side(Side::Before, before);
    let after = fates.of_side(Side::After, after);
    let base = base.map_or(Vec::new(), |base| fates.of_base(base));
    AccountPlan {
        mailboxes: planned,
        placements: placed.placements,
        before,
        after,
        base,
        findings,
        highest_uidvalidity,
    }
}

fn mailbox_plan(i: usize, j: &Joined<'_>, numbering: &Numbering, placed: &Placed) -> MailboxPlan {
    let of_either = || [j.before, j.after].into_iter().flatten();
    let subscribed = of_either().any(|m| m.subscribed);
    let modseq_floor = of_either().map(|m| m.highest_modseq).max().unwrap_or(0);
    let (uidvalidity, uidnext) = (numbering.uidvalidity, placed.uidnexts[i]);
    let is_same = |live: &Mailbox| {
        live.special_use == j.special_use
            && live.subscribed == subscribed
            && live.uidvalidity == Some(uidvalidity)
            && live.uidnext == uidnext
            && live.highest_modseq == modseq_floor
    };
    MailboxPlan {
        name: j.name.clone(),
        special_use: j.special_use,
        subscribed,
        before: j.before_index,
        after: j.after_index,
        uidvalidity,
        uidnext,
        modseq_floor,
        keeps: numbering.keeps,
        renewal: numbering.renewal,
        changed: !j.after.is_some_and(is_same),
        placements: placed.ranges[i].clone(),
    }
}
