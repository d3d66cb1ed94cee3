//! An account of the store as the plan reads it, with what of its rows the plan need not know.

use crate::plan::lineage::{Damage, Lineage, Mailbox, Message};
use crate::plan::{AccountPlan, Finding, MailboxPlan};
use crate::stage::ORPHAN_UIDS;
use message::Identity;
use std::collections::HashMap;
use store::{Account, Blob, LIVE, StoreError, Traits, View, uidl_by_rule};

/// One lineage's account.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// The account; `None` where the lineage has none.
    pub(crate) account: Option<Account>,
    /// As the plan reads it. Mailboxes are by number, as in `mailboxes`.
    pub(crate) lineage: Lineage,
    /// The mailboxes' rows.
    pub(crate) mailboxes: Vec<store::Mailbox>,
    /// Behind each message of `lineage`: its row and its bytes.
    pub(crate) rows: Vec<Vec<(store::Message, Blob)>>,
}

impl Loaded {
    /// Reads an account.
    pub(crate) fn read(view: &View<'_>, account: Option<Account>) -> Result<Self, StoreError> {
        let Some(account) = account else { return Ok(Loaded::default()) };
        let live = account.lineage == LIVE;
        let mut loaded = Loaded::default();
        for mailbox in view.mailboxes(account.id)? {
            let (mut messages, mut rows) = (Vec::new(), Vec::new());
            // Staging makes UIDs up far above all others; the plan sees them follow those that were served, so that
            // none of the result climbs to where clients that count in 31 bits lose their way.
            let room = mailbox.uidnext < crate::stage::MADE_UP_UIDS;
            let mut made_up = (mailbox.uidnext..u32::MAX).take_while(|_| room);
            view.for_each_message(account.id, mailbox.id, |row, blob| {
                let mut message = plan_message(&mailbox, &row, &blob);
                if !message.uid_served {
                    message.uid = made_up.next().unwrap_or(row.uid);
                }
                messages.push(message);
                rows.push((row, blob));
                Ok(())
            })?;
            // What a staged source expunged is not known; what the live account expunged is.
            let expunged = match live {
                true => view.expunged(account.id, mailbox.id)?.into_iter().map(|(uid, _, i)| (uid, i)).collect(),
                false => Vec::new(),
            };
            loaded.lineage.mailboxes.push(Mailbox {
                name: mailbox.name.clone(),
                special_use: mailbox.special_use,
                subscribed: mailbox.subscribed,
                uidvalidity: mailbox.uidvalidity,
                uidnext: mailbox.uidnext,
                highest_modseq: mailbox.highest_modseq,
                messages,
                expunged,
            });
            loaded.mailboxes.push(mailbox);
            loaded.rows.push(rows);
        }
        loaded.account = Some(account);
        Ok(loaded)
    }

    /// Number of messages.
    pub(crate) fn count(&self) -> u64 {
        self.rows.iter().map(|r| r.len() as u64).sum()
    }

    /// Takes mailboxes out of a plan that staging made for orphans (`RULES.md 9.3`) all of which turn out to be
    /// elsewhere (3.4): no history knows them. `self` is *before*.
    pub(crate) fn leave_out_unneeded(&self, plan: &mut AccountPlan) {
        let stays = |m: &MailboxPlan| {
            let of_before_alone = m.before.filter(|_| m.after.is_none() && m.placements.is_empty());
            !of_before_alone.is_some_and(|before| self.is_made_for_orphans(before))
        };
        let mut next = 0;
        let mut numbers = Vec::with_capacity(plan.mailboxes.len());
        for mailbox in &plan.mailboxes {
            numbers.push(next);
            next += usize::from(stays(mailbox));
        }
        if next == plan.mailboxes.len() {
            return;
        }
        plan.mailboxes.retain(stays);
        for placement in &mut plan.placements {
            let number = numbers[placement.mailbox as usize];
            placement.mailbox = u32::try_from(number).expect("a mailbox's new number is not above its old one");
        }
        for finding in &mut plan.findings {
            match finding {
                Finding::SpecialUseJoined { mailbox }
                | Finding::SpecialUseYielded { mailbox, .. }
                | Finding::UidvalidityRenewed { mailbox, .. } => *mailbox = numbers[*mailbox],
                Finding::UidlRenewed { .. } | Finding::NearTwins { .. } | Finding::DeletionsRefused { .. } => {}
            }
        }
    }

    fn is_made_for_orphans(&self, mailbox: usize) -> bool {
        let (row, messages) = (&self.mailboxes[mailbox], &self.rows[mailbox]);
        row.uidvalidity.is_none() && !messages.is_empty() && messages.iter().all(|(m, _)| m.uid >= ORPHAN_UIDS)
    }

    /// Every message's bytes, each once.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.rows.iter().flatten().map(|(_, blob)| blob)
    }

    /// Tells the plan which damaged messages are the beginnings of which whole ones (`RULES.md 9.2`).
    pub(crate) fn set_wholes(&mut self, wholes: &HashMap<Identity, Identity>) {
        for message in self.lineage.mailboxes.iter_mut().flat_map(|m| &mut m.messages) {
            if let Some(damage) = &mut message.damaged {
                damage.whole = wholes.get(&message.identity).copied();
            }
        }
    }
}

fn plan_message(mailbox: &store::Mailbox, row: &store::Message, blob: &Blob) -> Message {
    let uid_served = !row.traits.contains(Traits::UID_MADE_UP);
    // POP3 serves the INBOX alone; only there does the rule's UIDL stand for something that was served.
    let by_rule = || mailbox.uidvalidity.filter(|_| mailbox.name.is_inbox() && uid_served);
    Message {
        uid: row.uid,
        uid_served,
        digest: blob.digest,
        identity: blob.identity,
        flags: row.flags,
        keywords: row.keywords.clone(),
        internal_date: row.internal_date,
        size_bytes: blob.size_bytes,
        uidl: row.uidl.clone().or_else(|| by_rule().map(|v| uidl_by_rule(v, row.uid))),
        damaged: row.traits.damaged().then_some(Damage { whole: None }),
    }
}
