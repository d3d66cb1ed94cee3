//! The sources of an integration, opened anew for its proof.

use crate::integration::{IntegrationError, Lineages, Step};
use crate::ledger::LineageRole;
use crate::platform::Platform;
use directory::IntegrationId;
use message::Address;
use source::{Item, Locator, Maildrop, Source};
use std::collections::HashMap;
use std::path::Path;
use store::LineageId;

/// The sources of an integration, opened anew.
pub(super) struct Histories {
    pub(super) all: Vec<History>,
}

/// One source and the lineage that was staged from it.
pub(super) struct History {
    pub(super) role: LineageRole,
    pub(super) lineage: LineageId,
    /// Whose journal tells what became of its items first: the integration itself, or the import.
    pub(super) journal: IntegrationId,
    pub(super) source: Box<dyn Source>,
    pub(super) maildrops: HashMap<Address, Vec<Maildrop>>,
    /// Orphans by where they lie: they belong to no account's own listing.
    pub(super) orphans: HashMap<Locator, Item>,
}

impl Histories {
    pub(super) fn open(platform: &Platform, lineages: &Lineages) -> Result<Self, IntegrationError> {
        let mut all = Vec::new();
        let id = lineages.row.id;
        let import = lineages.step == Step::Imported;
        let role = if import { LineageRole::After } else { LineageRole::Before };
        for lineage in platform.directory.lineages_of(id)? {
            let role = if lineage.role == directory::LineageRole::Base { LineageRole::Base } else { role };
            all.push(History::open(role, lineage.id, id, &lineage.source)?);
        }
        if !import {
            let mut imports = Vec::new();
            platform.directory.for_each_integration(|i| {
                if Step::from_word(&i.state) == Some(Step::Imported) && i.id < id {
                    imports.push(i.id);
                }
                Ok(())
            })?;
            for import in imports {
                for lineage in platform.directory.lineages_of(import)? {
                    all.push(History::open(LineageRole::After, lineage.id, import, &lineage.source)?);
                }
            }
        }
        Ok(Histories { all })
    }
}

impl History {
    fn open(
        role: LineageRole,
        lineage: directory::LineageId,
        journal: IntegrationId,
        path: &str,
    ) -> Result<Self, IntegrationError> {
        let source = crate::open_source(Path::new(path))?;
        let (mut maildrops, mut orphans) = (HashMap::<Address, Vec<Maildrop>>::new(), HashMap::new());
        for drop in source.maildrops()? {
            match &drop.address {
                Some(address) => maildrops.entry(address.clone()).or_default().push(drop),
                None => {
                    for item in source.scan(&drop)?.mailboxes.into_iter().flat_map(|m| m.items) {
                        orphans.insert(item.locator.clone(), item);
                    }
                }
            }
        }
        let lineage = LineageId(lineage.get());
        Ok(History { role, lineage, journal, source, maildrops, orphans })
    }

    /// What the source lists for an address now.
    pub(super) fn listed(&self, address: &Address) -> Result<HashMap<Locator, (Item, String)>, IntegrationError> {
        let mut listed = HashMap::new();
        for drop in self.maildrops.get(address).into_iter().flatten() {
            for mailbox in self.source.scan(drop)?.mailboxes {
                let name = mailbox.name.to_string();
                listed.extend(mailbox.items.into_iter().map(|i| (i.locator.clone(), (i, name.clone()))));
            }
        }
        Ok(listed)
    }
}
