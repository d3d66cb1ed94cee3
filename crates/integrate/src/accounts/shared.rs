//! What accounts share: domains and their customers, aliases and catch-alls (`RULES.md 7.6`, 8.1 to 8.4, 8.6).
//!
//! What is done to a domain is written down in a row of its own among those of the accounts, under the key `@domain`.

use super::changes::{Changes, Recorder};
use super::conflict::{self, Evidence, Found, Kind, Side};
use super::decide::{Notice, decide};
use super::facts::{Facts, Known};
use super::line::Entry;
use super::loops::{Routes, looping};
use super::settle::{ACTOR, before_of, broken, confirmed, created, forget_conflicts};
use super::targets::{fit, is_domain, other_domain, same_targets};
use crate::select::Selection;
use directory::{
    AccountApply, Alias, AliasAddress, ConflictNumber, DirectoryError, Domain, IntegrationId, LineageDomain, LineageId,
    Secret, Tx,
};
use message::Address;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// [`AccountApply::state`] of a domain's row.
const SHARED: &str = "shared";

/// The conflicts that are about aliases.
const OF_ALIASES: [Kind; 4] = [Kind::AccountAlias, Kind::AliasAlias, Kind::CatchAll, Kind::AliasLoop];

/// What settling came to, now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SharedSettled {
    /// Domains that came back.
    pub domains: u64,
    /// Aliases and catch-alls that came back.
    pub aliases: u64,
    /// Conflicts that were found.
    pub conflicts: u64,
}

/// What an integration did to a domain: the detail of the row with the key `@domain`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SharedDetail {
    /// Whether the domain itself came back.
    pub domain_restored: bool,
    /// The aliases that came back, by key.
    pub aliases_restored: Vec<String>,
    /// The conflicts that were found.
    pub conflicts: Vec<i64>,
    /// For the report.
    pub notices: Vec<Notice>,
}

impl SharedDetail {
    /// Reads the row of a domain.
    ///
    /// # Errors
    /// When the row is not one that settling wrote.
    pub fn of(row: &AccountApply) -> Result<Self, DirectoryError> {
        serde_json::from_str(&row.detail).map_err(|_| broken(&row.account_key))
    }
}

/// What takes a domain's part back, and what of it was settled already.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Undo {
    changes: Changes,
    /// Whether the domain itself was looked at.
    domain: bool,
    /// The aliases that were looked at, by key.
    aliases: BTreeSet<String>,
}

/// Puts back domains, aliases and catch-alls of *before* that are chosen, where *after* says nothing of them, and lists
/// what differs. Done already, it does nothing. Before or after the accounts makes no difference.
///
/// # Errors
/// Those of the directory; also when the integration is confirmed.
pub fn settle_shared(
    tx: &mut Tx<'_>,
    integration: IntegrationId,
    before: LineageId,
    selection: &Selection,
) -> Result<SharedSettled, DirectoryError> {
    let view = View::read(tx, integration, before)?;
    let held = looping(&view.live, &view.before);
    let mut rows = Rows { integration, open: BTreeMap::new() };
    let mut settled = SharedSettled::default();
    for domain in view.domains.values().filter(|d| chooses_domain(selection, &d.name)) {
        let row = rows.open(tx, &domain.name)?;
        row.dirty |= row.settle_domain(tx, integration, Some(domain), &mut settled)?;
    }
    for (key, targets) in &view.before_aliases {
        let Some(address) = alias_address(key) else { continue };
        let chosen = match &address {
            AliasAddress::Exact(address) => selection.has(address),
            AliasAddress::CatchAll(domain) => chooses_domain(selection, domain),
        };
        if !chosen || !is_domain(address.domain()) {
            continue;
        }
        let row = rows.open(tx, address.domain())?;
        if row.undo.aliases.contains(key) {
            continue;
        }
        // Both ends of a domain alias must be there, chosen or not.
        for name in [Some(address.domain().to_owned()), other_domain(targets)].into_iter().flatten() {
            let domain = view.domains.get(&name);
            if domain.is_some() || name == address.domain() {
                let row = rows.open(tx, &name)?;
                row.dirty |= row.settle_domain(tx, integration, domain, &mut settled)?;
            }
        }
        let row = rows.open(tx, address.domain())?;
        row.dirty = true;
        let outside = held.get(key);
        let found = row.settle_alias(tx, &view, &address, targets, outside, &mut settled)?;
        let number = found.map(|f| tx.put_conflict(&f.of(integration))).transpose()?.map(|n| n.get());
        row.detail.conflicts.extend(number);
        settled.conflicts += u64::from(number.is_some());
        row.undo.aliases.insert(key.clone());
    }
    rows.write(tx)?;
    Ok(settled)
}

/// Takes back what [`settle_shared`] did to what is chosen, and what was decided in its conflicts. What people changed
/// since stays, and so does a domain that something is in: accounts go first.
///
/// # Errors
/// Those of the directory; also when the integration is confirmed.
pub fn undo_shared(
    tx: &mut Tx<'_>,
    integration: IntegrationId,
    selection: &Selection,
) -> Result<Vec<Notice>, DirectoryError> {
    let mut domains = Vec::new();
    tx.for_each_account_apply(integration, Some(SHARED), |row| {
        domains.extend(row.account_key.strip_prefix('@').map(str::to_owned));
        Ok(())
    })?;
    let no_account = |_: &Address| false;
    let mut kept = Vec::new();
    // The last first: a customer was added with the first of its domains, and can go when none is left.
    for name in domains.into_iter().rev() {
        let mut row = Row::read(tx, integration, &name)?;
        let whole = chooses_domain(selection, &name);
        let is_chosen = |key: &str| whole || alias_of(key).is_some_and(|a| selection.has(&a));
        let chosen: Vec<String> = row.undo.aliases.iter().filter(|k| is_chosen(k)).cloned().collect();
        if chosen.is_empty() && !whole {
            continue;
        }
        let mut places: Vec<(Kind, &str, &str)> = Vec::new();
        for key in &chosen {
            places.extend(OF_ALIASES.map(|kind| (kind, name.as_str(), key.as_str())));
            row.undo.aliases.remove(key);
        }
        places.extend(whole.then_some((Kind::DomainOwner, name.as_str(), "")));
        kept.extend(forget_conflicts(tx, integration, &places, &no_account)?);
        let changes =
            if whole { std::mem::take(&mut row.undo.changes) } else { row.undo.changes.split_aliases(is_chosen) };
        kept.extend(changes.take_back(tx, &no_account)?);
        tx.audit(
            ACTOR,
            "domain.undo",
            &name,
            &json!({ "integration": integration.get(), "aliases": chosen }).to_string(),
        )?;
        row.detail.aliases_restored.retain(|k| !chosen.contains(k));
        let mut there = BTreeSet::new();
        for number in &row.detail.conflicts {
            if tx.conflict(ConflictNumber::new_unchecked(*number))?.is_some() {
                there.insert(*number);
            }
        }
        row.detail.conflicts.retain(|n| there.contains(n));
        if whole {
            tx.remove_account_apply(integration, &row.key)?;
        } else {
            row.write(tx, integration)?;
        }
    }
    Ok(kept)
}

/// Makes sure that the domain of an account that comes back is there.
pub(super) fn restore_domain(tx: &mut Tx<'_>, integration: IntegrationId, name: &str) -> Result<(), DirectoryError> {
    if tx.domain(name)?.is_some() {
        return Ok(());
    }
    let before = before_of(tx, integration)?;
    let domain = before.map(|lineage| tx.lineage_domain(lineage, name)).transpose()?.flatten();
    let mut row = Row::read(tx, integration, name)?;
    // A domain that an admin has removed since it was looked at comes back with its account.
    row.undo.domain = false;
    row.settle_domain(tx, integration, domain.as_ref(), &mut SharedSettled::default())?;
    row.write(tx, integration)
}

/// Whether a domain as a whole is chosen, and not merely accounts in it.
fn chooses_domain(selection: &Selection, name: &str) -> bool {
    selection.is_all() || selection.domains.iter().any(|d| d == name)
}

/// Both lineages as far as aliases go.
struct View {
    integration: IntegrationId,
    lineage: LineageId,
    domains: BTreeMap<String, LineageDomain>,
    /// Every alias of *before*.
    before_aliases: BTreeMap<String, Vec<String>>,
    /// Every alias of *after*, whether in force or not; domain aliases as catch-alls with `@other`.
    live_aliases: BTreeMap<String, Vec<String>>,
    /// What is in force now.
    live: Routes,
    /// Accounts of *before*, and those of its aliases that are to be put back or were.
    before: Routes,
}

impl View {
    fn read(tx: &Tx<'_>, integration: IntegrationId, lineage: LineageId) -> Result<Self, DirectoryError> {
        let (domains, before_aliases, live_aliases) = Default::default();
        let (live, before) = (Routes::default(), Routes::default());
        let mut view = View { integration, lineage, domains, before_aliases, live_aliases, live, before };
        tx.for_each_lineage_domain(lineage, |domain| {
            view.domains.insert(domain.name.clone(), domain);
            Ok(())
        })?;
        tx.for_each_lineage_alias(lineage, |alias| {
            view.before_aliases.insert(alias.address, alias.targets);
            Ok(())
        })?;
        tx.for_each_lineage_account(lineage, |row| {
            let entry = Entry::of(&row)?;
            let forwards = entry.line.map(|l| l.forwards).filter(|f| !f.is_empty());
            view.before.forwards.extend(forwards.map(|f| (row.key.clone(), f)));
            view.before.accounts.insert(row.key);
            Ok(())
        })?;
        view.read_live(tx)?;
        let puttable = view.before_aliases.iter().filter(|(key, _)| !view.live.accounts.contains(*key));
        view.before.aliases = puttable.map(|(k, t)| (k.clone(), t.clone())).collect();
        Ok(view)
    }

    fn read_live(&mut self, tx: &Tx<'_>) -> Result<(), DirectoryError> {
        let ours = created(tx, self.integration)?;
        let mut keys = BTreeMap::new();
        tx.for_each_account(|account| {
            let key = account.address.key().to_owned();
            keys.insert(account.id, key.clone());
            // What this integration brought back was no account of after.
            if !ours.contains(&key) {
                self.live.accounts.insert(key);
            }
            Ok(())
        })?;
        tx.for_each_forward(|id, forward| {
            self.live.forwards.extend(keys.get(&id).map(|key| (key.clone(), forward.targets)));
            Ok(())
        })?;
        tx.for_each_domain_alias(|alias| {
            let (key, targets) = (format!("@{}", alias.from), vec![format!("@{}", alias.to)]);
            self.live.aliases.insert(key.clone(), targets.clone());
            self.live_aliases.insert(key, targets);
            Ok(())
        })?;
        tx.for_each_alias(|alias| {
            if alias.enabled {
                self.live.aliases.insert(alias.address.key(), alias.targets.clone());
            }
            self.live_aliases.insert(alias.address.key(), alias.targets);
            Ok(())
        })
    }
}

impl View {
    /// The conflict of an alias of *before* with an account of *after* (`RULES.md 8.1`), which the account's own
    /// decision finds too: accounts in *after* only need not be settled. Whichever comes first writes it down.
    fn account_alias(&self, tx: &Tx<'_>, address: &Address) -> Result<Option<Found>, DirectoryError> {
        let kind = Kind::AccountAlias;
        if tx.find_conflict(self.integration, kind.as_str(), address.domain(), address.key())?.is_some() {
            return Ok(None);
        }
        let decision = decide(&Facts::read(tx, self.lineage, address, Known::default())?);
        Ok(decision.conflicts.into_iter().find(|found| found.kind == kind))
    }
}

/// Rows of domains, read when they are first needed.
struct Rows {
    integration: IntegrationId,
    open: BTreeMap<String, Row>,
}

/// The row of a domain.
struct Row {
    key: String,
    undo: Undo,
    detail: SharedDetail,
    dirty: bool,
}

impl Rows {
    fn open(&mut self, tx: &Tx<'_>, domain: &str) -> Result<&mut Row, DirectoryError> {
        if !self.open.contains_key(domain) {
            self.open.insert(domain.to_owned(), Row::read(tx, self.integration, domain)?);
        }
        Ok(self.open.get_mut(domain).expect("it was just put there"))
    }

    fn write(self, tx: &mut Tx<'_>) -> Result<(), DirectoryError> {
        self.open.values().filter(|row| row.dirty).try_for_each(|row| row.write(tx, self.integration))
    }
}

impl Row {
    fn read(tx: &Tx<'_>, integration: IntegrationId, domain: &str) -> Result<Self, DirectoryError> {
        let key = format!("@{domain}");
        let Some(row) = tx.account_apply(integration, &key)? else {
            return Ok(Row { key, undo: Undo::default(), detail: SharedDetail::default(), dirty: false });
        };
        let undo = row.undo.as_ref().ok_or_else(|| confirmed(&key))?;
        let undo = serde_json::from_str(undo.expose()).map_err(|_| broken(&key))?;
        Ok(Row { undo, detail: SharedDetail::of(&row)?, key, dirty: false })
    }

    fn write(&self, tx: &mut Tx<'_>, integration: IntegrationId) -> Result<(), DirectoryError> {
        let undo = serde_json::to_string(&self.undo).expect("what takes a domain back is JSON");
        tx.put_account_apply(&AccountApply {
            integration,
            account_key: self.key.clone(),
            state: SHARED.to_owned(),
            undo: Some(Secret::new(undo)),
            detail: serde_json::to_string(&self.detail).expect("what was done to a domain is JSON"),
        })
    }

    fn list(&mut self, rule: &str, text: String) {
        self.detail.notices.push(Notice { rule: rule.to_owned(), text });
    }

    /// Brings a domain back, or compares whose it is. Yields whether there was anything to do.
    fn settle_domain(
        &mut self,
        tx: &mut Tx<'_>,
        integration: IntegrationId,
        before: Option<&LineageDomain>,
        settled: &mut SharedSettled,
    ) -> Result<bool, DirectoryError> {
        if std::mem::replace(&mut self.undo.domain, true) {
            return Ok(false);
        }
        let name = self.key.trim_start_matches('@').to_owned();
        if !is_domain(&name) {
            self.list("7.6", format!("{name} can be no domain here: not put back"));
            return Ok(true);
        }
        let customer = before.and_then(|d| d.customer.as_deref()).filter(|c| !c.trim().is_empty());
        let live = tx.domain(&name)?;
        let mut recorder = Recorder { tx, changes: &mut self.undo.changes };
        let Some(live) = live else {
            let customer_id = customer.map(|c| recorder.customer(c)).transpose()?;
            let disabled = before.is_some_and(|d| d.disabled);
            let created_at = recorder.tx.now();
            recorder.add_domain(&Domain { name: name.clone(), customer_id, disabled, created_at })?;
            self.detail.domain_restored = true;
            settled.domains += 1;
            let told = json!({ "integration": integration.get(), "disabled": disabled, "customer": customer });
            tx.audit(ACTOR, "domain.restore", &name, &told.to_string())?;
            return Ok(true);
        };
        let Some(customer) = customer else { return Ok(true) };
        let Some(owner) = live.customer_id else {
            let id = recorder.customer(customer)?;
            recorder.set_customer(&live, id)?;
            return Ok(true);
        };
        let owner = tx.customer(owner)?.map(|c| c.name).unwrap_or_default();
        if owner != customer {
            let side = |name: &str| Side { customer: Some(name.to_owned()), ..Side::of("domain") };
            let found = Found {
                kind: Kind::DomainOwner,
                choices: conflict::domain_owner(&name, customer, &owner),
                domain: name,
                address: String::new(),
                evidence: Evidence { before: side(customer), after: side(&owner) },
            };
            let number = tx.put_conflict(&found.of(integration))?.get();
            self.detail.conflicts.push(number);
            settled.conflicts += 1;
        }
        Ok(true)
    }

    /// Puts an alias of *before* back, or yields the conflict that it makes.
    fn settle_alias(
        &mut self,
        tx: &mut Tx<'_>,
        view: &View,
        address: &AliasAddress,
        targets: &[String],
        outside: Option<&Vec<String>>,
        settled: &mut SharedSettled,
    ) -> Result<Option<Found>, DirectoryError> {
        let key = address.key();
        let found = |kind, evidence, choices| {
            let domain = address.domain().to_owned();
            Some(Found { kind, domain, address: key.clone(), evidence, choices })
        };
        if let Some(live) = view.live_aliases.get(&key) {
            if same_targets(live, targets) {
                return Ok(None);
            }
            let kind = if key.starts_with('@') { Kind::CatchAll } else { Kind::AliasAlias };
            let evidence = Evidence { before: Side::targets("alias", targets), after: Side::targets("alias", live) };
            return Ok(found(kind, evidence, conflict::targets(&key, targets, live)));
        }
        if let AliasAddress::Exact(address) = address
            && view.live.accounts.contains(&key)
        {
            return view.account_alias(tx, address);
        }
        if let Some(outside) = outside {
            let evidence = Evidence { before: Side::targets("alias", targets), after: Side::of("nothing") };
            return Ok(found(Kind::AliasLoop, evidence, conflict::alias_loop(&key, outside)));
        }
        let targets = fit(targets);
        if targets.is_empty() {
            self.list("8.3", format!("the alias {key} of before has no target that can be one here: not put back"));
            return Ok(None);
        }
        put_alias(&mut Recorder { tx, changes: &mut self.undo.changes }, address, &targets)?;
        settled.aliases += 1;
        self.detail.aliases_restored.push(key.clone());
        let told = json!({ "targets": targets });
        tx.audit(ACTOR, "alias.restore", &key, &told.to_string())?;
        Ok(None)
    }
}

/// Puts an alias in force: a catch-all to one whole hosted domain as a domain alias.
pub(super) fn put_alias(
    recorder: &mut Recorder<'_, '_>,
    address: &AliasAddress,
    targets: &[String],
) -> Result<(), DirectoryError> {
    let alias = Alias { address: address.clone(), targets: targets.to_vec(), enabled: true };
    let AliasAddress::CatchAll(domain) = address else {
        return recorder.set_alias(address, Some(&alias));
    };
    let other = other_domain(targets).filter(|other| other != domain);
    let hosted = match &other {
        Some(other) => recorder.tx.domain(other)?.is_some(),
        None => false,
    };
    let to = other.as_deref().filter(|_| hosted);
    recorder.set_domain_alias(domain, to)?;
    recorder.set_alias(address, Some(&alias).filter(|_| !hosted))
}

fn alias_of(key: &str) -> Option<Address> {
    Address::new(key).ok()
}

/// What a staged key answers to.
fn alias_address(key: &str) -> Option<AliasAddress> {
    match key.strip_prefix('@') {
        Some(domain) => Some(AliasAddress::CatchAll(domain.to_owned())),
        None => alias_of(key).map(AliasAddress::Exact),
    }
}
