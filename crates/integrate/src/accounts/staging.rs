//! Staging: what a source's files say of accounts goes into its lineage. Staging the same source again writes nothing
//! (`RULES.md` G4).

use super::line::{AccountLine, Entry, MaildropLine};
use directory::{DirectoryError, LineageAlias, LineageDomain, LineageId, LineageNotice, LineageScript, Tx};
use message::Address;
use source::MaildropScan;
use std::collections::BTreeMap;

/// Writes down domains, account lines and aliases of a source, in place of those it had when it was last staged.
///
/// # Errors
/// Those of the directory.
pub fn stage_directory(tx: &mut Tx<'_>, lineage: LineageId, listed: &source::Directory) -> Result<(), DirectoryError> {
    let staged = Staged::read(tx, lineage)?;
    let mut wanted = Staged { scripts: staged.scripts.clone(), notices: staged.notices.clone(), ..Staged::default() };
    for domain in listed.domains.iter().filter(|d| !d.name.is_empty()) {
        let name = domain.name.to_lowercase();
        let (disabled, customer) = (domain.disabled, domain.customer.clone());
        wanted.domains.insert(name.clone(), LineageDomain { name, disabled, customer });
    }
    for (key, entry) in &staged.entries {
        wanted.entries.insert(key.clone(), Entry { line: None, maildrops: entry.maildrops.clone() });
    }
    for account in &listed.accounts {
        wanted.entries.entry(account.address.key().to_owned()).or_default().line = Some(AccountLine::of(account));
    }
    wanted.entries.retain(|_, entry| *entry != Entry::default());
    for alias in &listed.aliases {
        let address = match &alias.address {
            source::AliasAddress::Address(address) => address.key().to_owned(),
            source::AliasAddress::CatchAll(domain) => format!("@{}", domain.to_lowercase()),
        };
        wanted.aliases.insert(address.clone(), LineageAlias { address, targets: alias.targets.clone() });
    }
    wanted.write_over(tx, lineage, &staged)
}

/// Writes down that a maildrop exists, how it spells its address, the quota it says itself and its scripts. A second
/// maildrop of the same address, which differs in case, is kept beside the first (`RULES.md 7.8`).
///
/// # Errors
/// Those of the directory.
pub fn stage_maildrop(
    tx: &mut Tx<'_>,
    lineage: LineageId,
    address: &Address,
    scan: &MaildropScan,
) -> Result<(), DirectoryError> {
    let key = address.key();
    let row = tx.lineage_account(lineage, key)?;
    let mut entry = row.as_ref().map(Entry::of).transpose()?.unwrap_or_default();
    let place = entry.maildrops.binary_search_by(|m| m.address.as_str().cmp(address.as_str()));
    let old = place.ok().map(|at| entry.maildrops.remove(at));
    let mut names = Names::taken_by(&entry.maildrops);
    let mut drop = MaildropLine {
        address: address.clone(),
        // Two maildrops may have the very same spelling (in two trees): then the larger quota stands (7.5).
        quota_bytes: scan.quota_bytes.max(old.as_ref().and_then(|m| m.quota_bytes)),
        scripts: old.map(|m| m.scripts).unwrap_or_default(),
    };
    drop.scripts.iter().for_each(|(_, staged)| names.take(staged));
    let there = tx.lineage_scripts(lineage, key)?;
    for script in &scan.scripts {
        let known = drop.scripts.iter().find(|(own, _)| *own == script.name).map(|(_, staged)| staged.clone());
        let name = known.unwrap_or_else(|| {
            let name = names.free(&script.name);
            drop.scripts.push((script.name.clone(), name.clone()));
            name
        });
        let (content, active) = (script.content.clone(), script.active);
        let wanted = LineageScript { account_key: key.to_owned(), name, content, active };
        if !there.contains(&wanted) {
            tx.put_lineage_script(lineage, &wanted)?;
        }
    }
    let at = place.unwrap_or_else(|at| at);
    entry.maildrops.insert(at, drop);
    let wanted = entry.to_row(key);
    if row.as_ref() != Some(&wanted) {
        tx.put_lineage_account(lineage, &wanted)?;
    }
    Ok(())
}

/// Ends a staging: its findings replace those of the last one, and the lineage is staged.
///
/// # Errors
/// Those of the directory.
pub fn finish_staging(
    tx: &mut Tx<'_>,
    lineage: LineageId,
    directory_notices: &[source::Notice],
    scan_notices: &[source::Notice],
) -> Result<(), DirectoryError> {
    let mut there = Vec::new();
    tx.for_each_lineage_notice(lineage, |notice| {
        there.push(notice);
        Ok(())
    })?;
    let wanted: Vec<LineageNotice> = directory_notices
        .iter()
        .chain(scan_notices)
        .zip(0..)
        .map(|(notice, seq)| LineageNotice {
            seq,
            rule: notice.rule.to_owned(),
            place: notice.place.clone(),
            text: notice.text.clone(),
        })
        .collect();
    let changed = wanted != there;
    if wanted.len() < there.len() {
        // Rows of a lineage are removed all at once.
        let staged = Staged::read(tx, lineage)?;
        tx.clear_lineage(lineage)?;
        Staged { notices: wanted, ..staged }.write_over(tx, lineage, &Staged::default())?;
    } else {
        for notice in wanted.iter().filter(|n| there.get(n.seq as usize) != Some(n)) {
            tx.put_lineage_notice(lineage, notice)?;
        }
    }
    let row = tx.lineage(lineage)?;
    let mut row = row.ok_or_else(|| DirectoryError::Missing { what: "lineage", key: lineage.to_string() })?;
    if changed || row.staged_at.is_none() {
        row.staged_at = Some(tx.now());
        tx.update_lineage(&row)?;
    }
    Ok(())
}

/// Everything that is written down of a lineage.
#[derive(Default)]
struct Staged {
    domains: BTreeMap<String, LineageDomain>,
    entries: BTreeMap<String, Entry>,
    aliases: BTreeMap<String, LineageAlias>,
    scripts: Vec<LineageScript>,
    notices: Vec<LineageNotice>,
}

impl Staged {
    fn read(tx: &Tx<'_>, lineage: LineageId) -> Result<Self, DirectoryError> {
        let mut staged = Staged::default();
        tx.for_each_lineage_domain(lineage, |domain| {
            staged.domains.insert(domain.name.clone(), domain);
            Ok(())
        })?;
        tx.for_each_lineage_account(lineage, |row| {
            staged.entries.insert(row.key.clone(), Entry::of(&row)?);
            Ok(())
        })?;
        tx.for_each_lineage_alias(lineage, |alias| {
            staged.aliases.insert(alias.address.clone(), alias);
            Ok(())
        })?;
        tx.for_each_lineage_script(lineage, |script| {
            staged.scripts.push(script);
            Ok(())
        })?;
        tx.for_each_lineage_notice(lineage, |notice| {
            staged.notices.push(notice);
            Ok(())
        })?;
        Ok(staged)
    }

    /// Writes what differs from `there`; where something of it has gone, everything.
    fn write_over(&self, tx: &mut Tx<'_>, lineage: LineageId, there: &Staged) -> Result<(), DirectoryError> {
        let gone = there.domains.keys().any(|k| !self.domains.contains_key(k))
            || there.entries.keys().any(|k| !self.entries.contains_key(k))
            || there.aliases.keys().any(|k| !self.aliases.contains_key(k));
        if gone {
            tx.clear_lineage(lineage)?;
            return self.write_over(tx, lineage, &Staged::default());
        }
        for domain in self.domains.values().filter(|d| there.domains.get(&d.name) != Some(d)) {
            tx.put_lineage_domain(lineage, domain)?;
        }
        for (key, entry) in self.entries.iter().filter(|(k, e)| there.entries.get(*k) != Some(e)) {
            tx.put_lineage_account(lineage, &entry.to_row(key))?;
        }
        for alias in self.aliases.values().filter(|a| there.aliases.get(&a.address) != Some(a)) {
            tx.put_lineage_alias(lineage, alias)?;
        }
        // Nothing here changes scripts and findings: they are the same, or all of them are to be written again.
        if self.scripts != there.scripts {
            self.scripts.iter().try_for_each(|script| tx.put_lineage_script(lineage, script))?;
        }
        if self.notices != there.notices {
            self.notices.iter().try_for_each(|notice| tx.put_lineage_notice(lineage, notice))?;
        }
        Ok(())
    }
}

/// Names of scripts of one address: those of its several maildrops must not cover one another.
struct Names(Vec<String>);

impl Names {
    fn taken_by(maildrops: &[MaildropLine]) -> Self {
        Names(maildrops.iter().flat_map(|m| m.scripts.iter().map(|(_, staged)| staged.clone())).collect())
    }

    fn take(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }

    fn free(&mut self, name: &str) -> String {
        let numbered = (2..).map(|n| format!("{name} ({n})"));
        let free = std::iter::once(name.to_owned()).chain(numbered).find(|n| !self.0.contains(n));
        let free = free.expect("there are more numbers than names");
        self.take(&free);
        free
    }
}
