//! The policy that options ask for.

use crate::cli::{Lineage, PolicyArgs};
use anyhow::Context as _;
use directory::{Directory, IntegrationId};
use integrate::Policies;
use integrate::plan::{Policy, Side};

/// The policy of a new integration; `None`: nothing was asked for.
pub(super) fn fresh(args: PolicyArgs) -> Option<Policy> {
    over(Policy::default(), args)
}

/// The policy of an integration with what was asked for put over it; `None`: nothing was.
///
/// # Errors
/// Those of the directory.
pub(super) fn of(args: PolicyArgs, id: IntegrationId, directory: &Directory) -> anyhow::Result<Option<Policy>> {
    let integration = directory.integration(id)?.with_context(|| format!("integration {id} has gone"))?;
    let policies: Policies = serde_json::from_str(&integration.policy)
        .with_context(|| format!("the policy of integration {id} cannot be understood"))?;
    Ok(over(policies.plan, args))
}

fn over(policy: Policy, args: PolicyArgs) -> Option<Policy> {
    if args == PolicyArgs::default() {
        return None;
    }
    let keep_uids = args.keep_uids.map(|lineage| match lineage {
        Lineage::Before => Side::Before,
        Lineage::After => Side::After,
    });
    Some(Policy {
        join_twins: policy.join_twins || args.join_twins,
        honour_deletions: policy.honour_deletions || args.honour_deletions,
        keep_uids: keep_uids.or(policy.keep_uids),
        ..policy
    })
}

#[cfg(test)]
mod tests {
    use super::over;
    use crate::cli::{Lineage, PolicyArgs};
    use integrate::plan::{Policy, Side};

    #[test]
    fn options_add_to_what_was_chosen_before() {
        let chosen = Policy { join_twins: true, fresh_uidvalidity: 9, ..Policy::default() };
        assert_eq!(over(chosen.clone(), PolicyArgs::default()), None);
        let asked = PolicyArgs { honour_deletions: true, keep_uids: Some(Lineage::Before), ..PolicyArgs::default() };
        let both = Policy { honour_deletions: true, keep_uids: Some(Side::Before), ..chosen };
        assert_eq!(over(both.clone(), asked), Some(both), "asking twice is asking once");
    }
}
