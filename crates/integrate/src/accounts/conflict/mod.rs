//! Conflicts: what a person decides (`RULES.md 8`). What each is, what can be chosen, and what a choice does.
//!
//! While one waits, *after* stays in force and nothing of *before* is thrown away.

mod choices;
mod evidence;
mod list;
mod resolve;

pub use choices::Choice;
pub use evidence::{Evidence, ScriptText, Side};
pub use list::{ConflictRow, list_conflicts};
pub use resolve::{MailMover, MoveError, Resolution, ResolveError, resolve};

pub(super) use choices::{
    account_alias, alias_account, alias_loop, domain_owner, forwarding, script, targets, two_people,
};
pub(super) use resolve::take_back;

use directory::{IntegrationId, NewConflict};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// What kind of conflict it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// The word it is stored and written as.
            pub fn as_str(self) -> &'static str {
                match self { $(Kind::$variant => $word,)* }
            }

            /// The kind of a word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Kind::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// `RULES.md 8.1`.
    AccountAlias = "account-alias",
    /// `RULES.md 8.2`.
    AliasAccount = "alias-account",
    /// `RULES.md 8.3`.
    AliasAlias = "alias-alias",
    /// `RULES.md 8.4`.
    CatchAll = "catch-all",
    /// `RULES.md 8.5`.
    Forwarding = "forwarding",
    /// `RULES.md 8.6`, for the operator.
    DomainOwner = "domain-owner",
    /// `RULES.md 8.7`.
    TwoPeople = "two-people",
    /// `RULES.md 8.8`.
    Script = "script",
    /// An alias of *before* that would make mail go in circles with those of *after* (`RULES.md 8`).
    AliasLoop = "alias-loop",
}

/// A conflict that was found, before it has an integration and a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// What kind.
    pub kind: Kind,
    /// The domain whose admin sees it.
    pub domain: String,
    /// The key of the address it is about; empty where it is about the domain.
    pub address: String,
    /// What each lineage says.
    pub evidence: Evidence,
    /// What can be chosen.
    pub choices: Vec<Choice>,
}

impl Found {
    pub(super) fn of(self, integration: IntegrationId) -> NewConflict {
        NewConflict {
            integration,
            kind: self.kind.as_str().to_owned(),
            domain: self.domain,
            address: self.address,
            evidence: serde_json::to_string(&self.evidence).expect("evidence is JSON"),
            choices: serde_json::to_string(&self.choices).expect("choices are JSON"),
        }
    }
}
