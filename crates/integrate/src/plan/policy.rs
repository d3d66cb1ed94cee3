//! What an operator may choose, and what the plan is told beforehand.

use message::Identity;
use serde::{Deserialize, Serialize};

/// One of the two lineages that an integration joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The lineage recovered from before the incident.
    Before,
    /// The live lineage.
    After,
}

/// The choices of a run; the default is that of `RULES.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Near twins are one message (`RULES.md 2.5`); otherwise both stay and the pair is listed.
    pub join_twins: bool,
    /// What one lineage deleted since the base goes (`RULES.md 3.5`); otherwise it stays. Without a base: no effect.
    pub honour_deletions: bool,
    /// Whose UIDVALIDITY and UIDs a mailbox of both lineages keeps; `None`: `RULES.md 5.1` decides for each.
    pub keep_uids: Option<Side>,
    /// The lowest UIDVALIDITY to give where a new one is needed: the time in seconds is a good one.
    pub fresh_uidvalidity: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { join_twins: false, honour_deletions: false, keep_uids: None, fresh_uidvalidity: 1 }
    }
}

/// The pairs of near twins in an account (`RULES.md 2.5`): an identity in *before* and one in *after*.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Twins {
    /// The pairs, in any order. A pair whose messages are not there has no effect.
    pub pairs: Vec<(Identity, Identity)>,
}
