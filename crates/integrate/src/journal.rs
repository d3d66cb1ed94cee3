//! The journal of an apply, per account: what became of every copy, how the account was and how it became.
//!
//! Written in the same transaction as the mail, so that an account is either applied and undoable, or not applied.

use crate::flip::Flipped;
use crate::load::Loaded;
use crate::plan::{AccountPlan, Fate, Finding, Keeps, Outcome, Renewal, Rules, Side};
use crate::relations::Relations;
use message::Identity;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use store::{AccountState, Malformed, StoreError};

/// zstd level of what is kept until the integration is confirmed.
const LEVEL: i32 = 1;
/// More than any account's state takes, and a bound for what a damaged frame may ask for.
const MAX_UNPACKED: usize = 1 << 31;

/// How far an account is in an integration: [`store::Journal::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progressed {
    /// Its mail is integrated.
    Applied,
    /// Its mail is integrated, and more of its source was staged since: it waits to be applied again.
    Grown,
    /// *Before* is kept sealed (`RULES.md 8.7`).
    Sealed,
    /// *Before* was sealed and is now the mail of another address (`RULES.md 8.7`).
    Moved,
    /// It was integrated and taken back.
    Undone,
}

impl Progressed {
    /// The word in the journal.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Progressed::Applied => "applied",
            Progressed::Grown => "grown",
            Progressed::Sealed => "sealed",
            Progressed::Moved => "moved",
            Progressed::Undone => "undone",
        }
    }

    /// The state of a word.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [Progressed::Applied, Progressed::Grown, Progressed::Sealed, Progressed::Moved, Progressed::Undone];
        all.into_iter().find(|p| p.as_str() == word)
    }
}

/// What became of every copy of an account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fates {
    /// The mailboxes of the result.
    pub(crate) mailboxes: Vec<ResultMailbox>,
    /// Copies of *before*: by the shadow mailbox's number, then by UID.
    pub(crate) before: Vec<CopyFates>,
    /// Copies of *after*, by the live mailbox's number.
    pub(crate) after: Vec<CopyFates>,
    /// Copies of *base*.
    pub(crate) base: Vec<CopyFates>,
    /// Findings of the plan, by rule number, in words.
    pub(crate) findings: Vec<(String, String)>,
    /// Pairs of one Message-ID and different content.
    pub(crate) same_message_id: Vec<(String, String)>,
    /// Pairs of near twins, and whether they were joined.
    pub(crate) near_twins: Vec<(String, String, bool)>,
}

/// A mailbox of the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ResultMailbox {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) uidvalidity: u32,
    /// UIDs from here on arrived after the apply.
    pub(crate) uidnext: u32,
    /// Rows with a higher modification sequence were changed after the apply.
    pub(crate) modseq: u64,
    /// Its name in *before*, where that has it.
    pub(crate) before: Option<String>,
    /// Its name in *after*, where that had it.
    pub(crate) after: Option<String>,
    /// Whose UIDs it keeps: `before`, `after`, `both`, `new`.
    pub(crate) uids: String,
}

/// What became of the copies in one mailbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CopyFates {
    pub(crate) mailbox: i64,
    pub(crate) name: String,
    pub(crate) uidvalidity: Option<u32>,
    /// By UID.
    pub(crate) copies: Vec<Copy>,
}

/// UID, outcome, index of the result's mailbox, UID there, rules.
type Copy = (u32, u8, u32, u32, u16);

/// What became of one copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CopyFate {
    pub(crate) outcome: FateKind,
    /// Index of the result's mailbox and UID there, where it is or has become a message of the result.
    pub(crate) target: Option<(usize, u32)>,
    pub(crate) rules: Rules,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FateKind {
    Kept,
    SameAs,
    Deleted,
    Gone,
}

impl Fates {
    /// The fates of a plan that was flipped.
    pub(crate) fn of(plan: &AccountPlan, flipped: &Flipped, before: &Loaded, live: &Loaded, base: &Loaded) -> Self {
        let name = |loaded: &Loaded, index: Option<usize>| index.map(|i| loaded.mailboxes[i].name.to_string());
        let mailboxes = plan.mailboxes.iter().zip(&flipped.mailboxes).map(|(m, id)| ResultMailbox {
            id: id.0,
            name: m.name.to_string(),
            uidvalidity: m.uidvalidity,
            uidnext: m.uidnext,
            modseq: m.modseq_floor + 1,
            before: name(before, m.before),
            after: name(live, m.after),
            uids: match (m.renewal, m.keeps) {
                (Some(_), _) => "new",
                (None, Keeps::Both) => "both",
                (None, Keeps::One(Side::Before)) => "before",
                (None, Keeps::One(Side::After)) => "after",
            }
            .to_owned(),
        });
        Fates {
            mailboxes: mailboxes.collect(),
            before: copy_fates(plan, before, &plan.before),
            after: copy_fates(plan, live, &plan.after),
            base: copy_fates(plan, base, &plan.base),
            findings: Self::findings_of(plan),
            ..Fates::default()
        }
    }

    /// What a plan found, by rule number, in words.
    pub(crate) fn findings_of(plan: &AccountPlan) -> Vec<(String, String)> {
        plan.findings.iter().filter_map(|f| in_words(plan, f)).collect()
    }

    /// Adds what reading messages found.
    pub(crate) fn set_pairs(&mut self, relations: &Relations, joined: bool) {
        let text = |i: &Identity| i.to_string();
        self.same_message_id = relations.same_message_id.iter().map(|(a, b)| (text(a), text(b))).collect();
        self.near_twins = relations.twins.pairs.iter().map(|(a, b)| (text(a), text(b), joined)).collect();
    }

    /// Whether these are the fates of exactly these copies of *before*.
    pub(crate) fn knows_before(&self, copies: &HashSet<(i64, u32)>) -> bool {
        let known = self.before.iter().flat_map(|f| f.copies.iter().map(|c| (f.mailbox, c.0)));
        let count = self.before.iter().map(|f| f.copies.len()).sum::<usize>();
        count == copies.len() && known.into_iter().all(|at| copies.contains(&at))
    }

    /// The fates of two applies of one account, the second upon the first's result.
    pub(crate) fn followed_by(self, second: Fates) -> Fates {
        let place = |fates: &Fates, copy: &Copy| fates.mailboxes.get(copy.2 as usize).map(|m| (m.id, copy.3));
        let then = Self::by_copy(&second.after);
        let mut after = self.after.clone();
        for copy in after.iter_mut().flat_map(|f| &mut f.copies).filter(|c| c.1 < 2) {
            let Some(fate) = place(&self, copy).and_then(|at| then.get(&at)) else { continue };
            let kind = if copy.1 == 0 { fate.outcome as u8 } else { (fate.outcome as u8).max(1) };
            let (mailbox, uid) = fate.target.map_or((0, 0), |(index, uid)| (index as u32, uid));
            *copy = (copy.0, kind, mailbox, uid, copy.4 | fate.rules.bits());
        }
        // A copy that the first apply brought is found in the live account by the second, and is its own survivor.
        let first: HashMap<_, _> = self
            .before
            .iter()
            .flat_map(|f| f.copies.iter().map(|c| ((f.mailbox, c.0), (c, place(&self, c)))))
            .collect();
        let mut before = second.before.clone();
        for fates in &mut before {
            for copy in &mut fates.copies {
                let Some((was, at)) = first.get(&(fates.mailbox, copy.0)) else { continue };
                if was.1 == 0 && copy.1 == 1 && at.is_some() && *at == place(&second, copy) {
                    (copy.1, copy.4) = (0, was.4);
                }
            }
        }
        let mut findings = self.findings;
        findings.extend(second.findings.iter().cloned());
        Fates { before, after, findings, ..second }
    }

    /// Fates by mailbox number and UID.
    pub(crate) fn by_copy(fates: &[CopyFates]) -> HashMap<(i64, u32), CopyFate> {
        let each = |f: &CopyFates| {
            let mailbox = f.mailbox;
            f.copies.clone().into_iter().map(move |(uid, kind, target, target_uid, rules)| {
                let outcome = match kind {
                    0 => FateKind::Kept,
                    1 => FateKind::SameAs,
                    2 => FateKind::Deleted,
                    _ => FateKind::Gone,
                };
                let target = (kind < 2).then_some((target as usize, target_uid));
                ((mailbox, uid), CopyFate { outcome, target, rules: Rules::from_bits(rules) })
            })
        };
        fates.iter().flat_map(each).collect()
    }

    pub(crate) fn pack(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("fates hold nothing that JSON cannot");
        pack(&json)
    }

    pub(crate) fn unpack(packed: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(&unpack(packed)?).map_err(|_| malformed())
    }
}

fn copy_fates(plan: &AccountPlan, loaded: &Loaded, fates: &[Vec<Fate>]) -> Vec<CopyFates> {
    let each = loaded.mailboxes.iter().zip(&loaded.rows).zip(fates).map(|((mailbox, rows), fates)| CopyFates {
        mailbox: mailbox.id.0,
        name: mailbox.name.to_string(),
        uidvalidity: mailbox.uidvalidity,
        copies: rows.iter().zip(fates).map(|((row, _), fate)| copy_fate(plan, row.uid, fate)).collect(),
    });
    each.collect()
}

fn copy_fate(plan: &AccountPlan, uid: u32, fate: &Fate) -> Copy {
    let kind = match fate.outcome {
        Outcome::Kept { .. } => 0,
        Outcome::SameAs { .. } => 1,
        Outcome::Deleted => 2,
        Outcome::Gone => 3,
    };
    let target = fate.outcome.placement().map(|p| &plan.placements[p]);
    (uid, kind, target.map_or(0, |p| p.mailbox), target.map_or(0, |p| p.uid), fate.rules.bits())
}

fn in_words(plan: &AccountPlan, finding: &Finding) -> Option<(String, String)> {
    let name = |index: usize| plan.mailboxes[index].name.to_string();
    let (rule, text) = match finding {
        Finding::SpecialUseJoined { mailbox } => {
            ("6.2", format!("two mailboxes of one special use are one, under the name {:?}", name(*mailbox)))
        }
        Finding::SpecialUseYielded { mailbox, special_use } => {
            ("6.2", format!("{:?} is no longer marked {}: another mailbox is", name(*mailbox), special_use.attribute()))
        }
        Finding::UidvalidityRenewed { mailbox, why } => {
            let why = match why {
                Renewal::Clash { uid } => format!("UID {uid} named different messages in the two histories"),
                Renewal::Exhausted => "no UIDs were left".to_owned(),
                Renewal::Unknown => "neither history has one that is known".to_owned(),
            };
            ("5.4", format!("{:?} has a new UIDVALIDITY, clients will download it again: {why}", name(*mailbox)))
        }
        Finding::UidlRenewed { placement, .. } => {
            let p = &plan.placements[*placement];
            (
                "5.2",
                format!(
                    "UID {} of {:?} has a new POP3 UIDL: its own is another message's",
                    p.uid,
                    name(p.mailbox as usize)
                ),
            )
        }
        Finding::DeletionsRefused { side } => {
            let side = if *side == Side::Before { "before" } else { "after" };
            ("3.5", format!("deletions in {side} were not honoured: it never held a message of the base"))
        }
        // Listed as pairs.
        Finding::NearTwins { .. } => return None,
    };
    Some((rule.to_owned(), text))
}

/// Packs an account's state for the journal.
pub(crate) fn pack_state(state: &AccountState) -> Vec<u8> {
    pack(&state.encode())
}

/// Takes an account's state from the journal.
pub(crate) fn unpack_state(packed: &[u8]) -> Result<AccountState, StoreError> {
    AccountState::decode(&unpack(packed)?).map_err(|Malformed| malformed())
}

pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, LEVEL).expect("zstd compresses any bytes into a buffer of its own size")
}

pub(crate) fn unpack(packed: &[u8]) -> Result<Vec<u8>, StoreError> {
    let length = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten().and_then(|n| usize::try_from(n).ok());
    let length = length.filter(|n| *n <= MAX_UNPACKED).ok_or_else(malformed)?;
    zstd::bulk::decompress(packed, length).map_err(|_| malformed())
}

pub(crate) fn malformed() -> StoreError {
    StoreError::BadRow("an entry of the integration's journal is malformed".into())
}
