//! Builders of lineages, and what an integrator makes of a plan.
#![allow(dead_code, reason = "each test file uses its part")]

use integrate::plan::lineage::{Damage, Lineage, Mailbox, Message};
use integrate::plan::{AccountPlan, Change};
use message::{Digest, Flags, Identity, Keyword, MailboxName, SpecialUse};

/// The identity of the message that a test calls `n`.
pub(crate) fn identity(n: u64) -> Identity {
    blake3::hash(&n.to_le_bytes()).into()
}

/// The content digest of one way in which the message `n` is written.
pub(crate) fn digest(n: u64, variant: u64) -> Digest {
    written(identity(n), variant)
}

fn written(identity: Identity, variant: u64) -> Digest {
    blake3::hash(&[identity.as_bytes().as_slice(), &variant.to_le_bytes()].concat()).into()
}

/// A copy of the message `n` under a UID: no flags, dated by its UID.
pub(crate) fn copy(uid: u32, n: u64) -> Message {
    Message {
        uid,
        uid_served: true,
        digest: digest(n, 0),
        identity: identity(n),
        flags: Flags::NONE,
        keywords: Vec::new(),
        internal_date: i64::from(uid),
        size_bytes: 1000,
        uidl: None,
        damaged: None,
    }
}

/// A damaged copy, `n`, of the message `whole`.
pub(crate) fn wreck(uid: u32, n: u64, whole: Option<u64>) -> Message {
    Message { damaged: Some(Damage { whole: whole.map(identity) }), ..copy(uid, n) }
}

pub(crate) trait Dressed: Sized {
    fn flags(self, flags: Flags) -> Self;
    fn keywords(self, keywords: &[&str]) -> Self;
    fn dated(self, internal_date: i64) -> Self;
    fn uidl(self, uidl: &str) -> Self;
    fn written(self, variant: u64) -> Self;
    fn unserved(self) -> Self;
}

impl Dressed for Message {
    fn flags(self, flags: Flags) -> Self {
        Message { flags, ..self }
    }
    fn keywords(self, keywords: &[&str]) -> Self {
        Message { keywords: keywords.iter().map(|k| Keyword::new(k).unwrap()).collect(), ..self }
    }
    fn dated(self, internal_date: i64) -> Self {
        Message { internal_date, ..self }
    }
    fn uidl(self, uidl: &str) -> Self {
        Message { uidl: Some(uidl.to_owned()), ..self }
    }
    fn written(self, variant: u64) -> Self {
        Message { digest: written(self.identity, variant), ..self }
    }
    fn unserved(self) -> Self {
        Message { uid_served: false, ..self }
    }
}

/// A mailbox with UIDNEXT just above its messages.
pub(crate) fn mailbox(name: &str, uidvalidity: u32, messages: Vec<Message>) -> Mailbox {
    Mailbox {
        name: MailboxName::new(name).unwrap(),
        special_use: None,
        subscribed: false,
        uidvalidity: Some(uidvalidity),
        uidnext: messages.iter().map(|m| m.uid + 1).max().unwrap_or(1),
        highest_modseq: 0,
        messages,
        expunged: Vec::new(),
    }
}

pub(crate) fn with_use(mailbox: Mailbox, special_use: SpecialUse) -> Mailbox {
    Mailbox { special_use: Some(special_use), ..mailbox }
}

pub(crate) fn lineage(mailboxes: Vec<Mailbox>) -> Lineage {
    Lineage { mailboxes }
}

/// What the live account is once a plan has been carried out.
pub(crate) fn carry_out(plan: &AccountPlan, before: &Lineage, after: &Lineage) -> Lineage {
    let mailboxes = plan.mailboxes.iter().map(|m| {
        let messages: Vec<Message> = plan
            .messages_of(m)
            .iter()
            .map(|p| Message {
                uid: p.uid,
                uid_served: true,
                flags: p.flags,
                keywords: p.keywords(before, after).to_vec(),
                internal_date: p.internal_date,
                uidl: p.uidl(before, after).map(str::to_owned),
                ..p.content(before, after).clone()
            })
            .collect();
        let live = m.after.map(|i| &after.mailboxes[i]).filter(|live| live.uidvalidity == Some(m.uidvalidity));
        let expunged = live.map_or(Vec::new(), |live| {
            let gone = live.messages.iter().filter(|old| messages.iter().all(|new| new.uid != old.uid));
            live.expunged.iter().copied().chain(gone.map(|m| (m.uid, Some(m.identity)))).collect()
        });
        Mailbox {
            name: m.name.clone(),
            special_use: m.special_use,
            subscribed: m.subscribed,
            uidvalidity: Some(m.uidvalidity),
            uidnext: m.uidnext,
            highest_modseq: m.modseq_floor,
            messages,
            expunged,
        }
    });
    lineage(mailboxes.collect())
}

/// The UIDs of a mailbox of the result, with what is to be written of each message.
pub(crate) fn rows(plan: &AccountPlan, name: &str) -> Vec<(u32, Change)> {
    let m = plan.mailboxes.iter().find(|m| m.name.as_str() == name).unwrap();
    plan.messages_of(m).iter().map(|p| (p.uid, p.change)).collect()
}
