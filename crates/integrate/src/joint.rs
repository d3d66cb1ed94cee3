//! The histories of one account side by side, and the plan that joins them: what apply does and `integrate plan` shows.

use crate::integration::Lineages;
use crate::load::Loaded;
use crate::plan::{AccountPlan, Policy, plan};
use crate::relations::Relations;
use message::Address;
use store::{LIVE, LineageId, StoreError, View};

/// The histories of an account.
pub(crate) struct Histories {
    pub(crate) before: Loaded,
    pub(crate) live: Loaded,
    pub(crate) base: Loaded,
    has_base: bool,
}

impl Histories {
    /// Reads them.
    pub(crate) fn read(view: &View<'_>, lineages: &Lineages, address: &Address) -> Result<Self, StoreError> {
        let staged = |id: directory::LineageId| view.account(LineageId(id.get()), address);
        Ok(Histories {
            before: Loaded::read(view, staged(lineages.before)?)?,
            live: Loaded::read(view, view.account(LIVE, address)?)?,
            base: Loaded::read(view, lineages.base.map(staged).transpose()?.flatten())?,
            has_base: lineages.base.is_some(),
        })
    }

    /// Plans how they become one, after reading the messages that only reading can tell apart.
    pub(crate) fn plan(&mut self, view: &View<'_>, policy: &Policy) -> Result<(AccountPlan, Relations), StoreError> {
        let relations = Relations::find(view, &[&self.before, &self.live, &self.base])?;
        self.before.set_wholes(&relations.wholes);
        self.live.set_wholes(&relations.wholes);
        let base = self.has_base.then_some(&self.base.lineage);
        let mut plan = plan(&self.before.lineage, &self.live.lineage, base, &relations.twins, policy);
        self.before.leave_out_unneeded(&mut plan);
        Ok((plan, relations))
    }

    /// Number of messages that apply has to look at.
    pub(crate) fn count(&self) -> u64 {
        self.before.count() + self.live.count()
    }
}
