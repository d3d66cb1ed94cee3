//! Verify: every source read again from disk, every message of the result from its segment, and each accounted for.
//!
//! Shares no state with apply (`RULES.md 10.1`): sources are listed and read anew, digests and identities are computed
//! by [`names`], and what must hold (G1, G2, G3, G6, G8) is decided from what was read. Apply's journal is used for
//! one thing: to know which message of the result a row of the ledger is to name, and then that message is looked at.
//!
//! Accounts go by in windows, so that memory does not grow with their number.

mod account;
mod names;
mod reading;

use crate::integration::{IntegrationError, Lineages, Proved, Step, io, now, set_proved};
use crate::ledger::{Format, Head, Header, HeaderSource, LedgerWriter, LineageRole, SigningKey};
use crate::platform::Platform;
use crate::progress::Progress;
use crate::report::{AccountReport, DamageEntry, Pair, Totals};
use crate::select::Selection;
use crate::stage::UNATTRIBUTED;
use account::{AccountWork, Finished};
use directory::IntegrationId;
use message::Address;
use reading::{Buffers, Seen, read_both};
use serde::{Deserialize, Serialize};
use source::{Item, Locator, Maildrop, Source};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use store::LineageId;

/// Items and result messages that are looked at together.
const WINDOW: usize = 8192;

/// What verify found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verified {
    /// Accounts looked at.
    pub accounts: u64,
    /// Rows of the ledger.
    pub rows: u64,
    /// The numbers of all of them.
    pub totals: Totals,
    /// What is not as it must be, in words; empty: everything holds.
    pub problems: Vec<String>,
    /// Bytes of sources and segments that were read.
    pub read_bytes: u64,
    /// The ledger, when all accounts were looked at.
    pub ledger: Option<Head>,
}

/// What verify keeps of an account for the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AccountProof {
    pub(crate) address: Option<String>,
    pub(crate) totals: Totals,
    pub(crate) report: Option<AccountReport>,
    pub(crate) damage: Vec<DamageEntry>,
    pub(crate) same_message_id: Vec<Pair>,
    pub(crate) near_twins: Vec<Pair>,
    pub(crate) problems: Vec<String>,
}

/// The files of an integration's proof.
pub(crate) struct ProofFiles {
    pub(crate) dir: PathBuf,
}

impl ProofFiles {
    pub(crate) fn of(platform: &Platform, id: IntegrationId) -> Self {
        Self::in_dir(platform.dir(), id)
    }

    /// Those in a data directory, which need not be open.
    pub(crate) fn in_dir(dir: &Path, id: IntegrationId) -> Self {
        ProofFiles { dir: dir.join("integrations").join(id.get().to_string()) }
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.dir.join("ledger.jsonl")
    }

    pub(crate) fn proof(&self) -> PathBuf {
        self.dir.join("proof.jsonl")
    }

    /// What the second reader compares beside the ledger (`RULES.md 10.4`).
    pub(crate) fn served(&self) -> PathBuf {
        self.dir.join("served.jsonl")
    }
}

/// Reads every source and the whole result of the chosen accounts and accounts for every message.
///
/// With every account chosen, the ledger is written, chained and signed, and survives a power loss when this returns.
///
/// # Errors
/// When the integration is not applied, a source cannot be opened, or the store or a file fails. What is wrong with
/// the mail itself is in the result.
pub fn verify(
    platform: &Platform,
    id: IntegrationId,
    selection: &Selection,
    progress: &dyn Progress,
) -> Result<Verified, IntegrationError> {
    let lineages = Lineages::of(platform, id)?;
    let waiting = crate::apply::pending(platform, &lineages, selection)?.0;
    if waiting > 0 || !matches!(lineages.step, Step::Applying | Step::Applied | Step::Imported) {
        let text =
            format!("integration {} is not applied ({waiting} accounts wait): apply it first, then verify", id.get());
        return Err(IntegrationError::Order(text));
    }
    let histories = Histories::open(platform, &lineages)?;
    let mut run = Run { platform, lineages: &lineages, histories: &histories, progress, verified: Verified::default() };
    let files = ProofFiles::of(platform, id);
    let mut output = selection.is_all().then(|| Output::create(platform, &files, &run)).transpose()?;
    let mut window: Vec<AccountWork<'_>> = Vec::new();
    let mut weight = 0;
    for address in run.addresses()?.into_iter().filter(|a| selection.has(a)) {
        let work = AccountWork::gather(&run, address)?;
        progress.found(work.weight() as u64, 0);
        weight += work.weight();
        window.push(work);
        if weight >= WINDOW {
            run.window(std::mem::take(&mut window), output.as_mut())?;
            weight = 0;
        }
    }
    if selection.is_all() {
        window.extend(AccountWork::unattributed(&run)?);
    }
    run.window(window, output.as_mut())?;
    let mut verified = run.verified;
    if let Some(output) = output {
        let head = output.finish(platform, &files)?;
        let problems = verified.problems.len() as u64;
        let at = now();
        set_proved(
            platform,
            id,
            Some(&Proved { at, rows: head.rows, head: head.head.to_string(), totals: verified.totals, problems }),
        )?;
        verified.ledger = Some(head);
        crate::steps::snapshots(platform)?;
    }
    Ok(verified)
}

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
    maildrops: HashMap<Address, Vec<Maildrop>>,
    /// Orphans by where they lie: they belong to no account's own listing.
    pub(super) orphans: HashMap<Locator, Item>,
}

impl Histories {
    fn open(platform: &Platform, lineages: &Lineages) -> Result<Self, IntegrationError> {
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

/// What every part of one verification shares.
pub(super) struct Run<'a> {
    pub(super) platform: &'a Platform,
    pub(super) lineages: &'a Lineages,
    pub(super) histories: &'a Histories,
    progress: &'a dyn Progress,
    verified: Verified,
}

impl Run<'_> {
    /// Every address that any lineage, or the result, has.
    fn addresses(&self) -> Result<BTreeSet<Address>, IntegrationError> {
        let mut found = BTreeSet::new();
        for cell in self.platform.store.cells() {
            for lineage in self.histories.all.iter().map(|h| h.lineage).chain([store::LIVE]) {
                for account in cell.read(|view| view.accounts(lineage))? {
                    found.extend(Address::new(&account.address).ok().filter(|a| a.as_str() != UNATTRIBUTED));
                }
            }
        }
        for history in &self.histories.all {
            found.extend(history.maildrops.keys().cloned());
        }
        Ok(found)
    }

    fn window(&mut self, works: Vec<AccountWork<'_>>, output: Option<&mut Output>) -> Result<(), IntegrationError> {
        let mut items = Vec::new();
        let mut rows: Vec<(usize, store::Blob, bool)> = Vec::new();
        for (index, work) in works.iter().enumerate() {
            items.extend(work.to_read().map(|item| (index, item)));
            let expected = work.expected();
            rows.extend(work.result_blobs().map(|blob| (index, blob, expected.contains(&blob.digest))));
        }
        // In the order in which they lie, whatever the order of the accounts.
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_unstable_by_key(|row| (works[rows[*row].0].cell.number(), rows[*row].1.place));
        let histories = self.histories;
        let (read, results) = read_both(
            &items,
            &order,
            |buffers, (work, item)| {
                let (history, locator) = works[*work].locator(*item);
                let seen = buffers.source(&*histories.all[history].source, &locator);
                self.progress.done(1, seen.as_ref().map_or(0, |s| s.size_bytes));
                seen
            },
            |buffers, row| {
                let (work, blob, expected) = &rows[*row];
                let cell = works[*work].cell;
                let result = match expected {
                    true => buffers.whole(cell, blob).map(|whole| whole.map(|_| None)),
                    false => buffers.identity(cell, blob).map(|identity| identity.map(Some)),
                };
                self.progress.done(1, blob.size_bytes);
                result
            },
        );
        let mut seen: Vec<HashMap<usize, Result<Seen, String>>> = works.iter().map(|_| HashMap::new()).collect();
        for ((work, item), result) in items.into_iter().zip(read) {
            self.verified.read_bytes += result.as_ref().map_or(0, |s| s.size_bytes);
            seen[work].insert(item, result);
        }
        let known: Vec<_> = seen
            .iter()
            .map(|s| s.values().flatten().map(|s| (s.digest, s.identity)).collect::<HashMap<_, _>>())
            .collect();
        let mut identities = Vec::with_capacity(rows.len());
        let mut buffers = Buffers::default();
        for (row, result) in order.into_iter().zip(results) {
            let (work, blob, _) = &rows[row];
            let identity = match (result?, known[*work].get(&blob.digest)) {
                (Ok(Some(identity)), _) | (Ok(None), Some(&identity)) => Ok(identity),
                // The source has other bytes than it had.
                (Ok(None), None) => buffers.identity(works[*work].cell, blob)?,
                (Err(why), _) => Err(why),
            };
            identities.push((row, identity));
        }
        identities.sort_unstable_by_key(|i| i.0);
        let mut results = identities.into_iter().map(|i| i.1);
        self.verified.read_bytes += rows.iter().map(|(_, b, _)| b.size_bytes).sum::<u64>();
        let mut finished = Vec::new();
        for (work, seen) in works.into_iter().zip(seen) {
            let count = work.result_blobs().count();
            let identities = results.by_ref().take(count).collect();
            finished.push(work.finish(self, seen, identities)?);
        }
        self.take(finished, output)
    }

    fn take(&mut self, finished: Vec<Finished>, mut output: Option<&mut Output>) -> Result<(), IntegrationError> {
        for one in finished {
            self.verified.accounts += u64::from(one.proof.address.is_some());
            self.verified.rows += one.rows.len() as u64;
            self.verified.totals += one.proof.totals;
            self.verified.problems.extend(one.proof.problems.iter().cloned());
            if let Some(output) = output.as_deref_mut() {
                output.write(one)?;
            }
        }
        Ok(())
    }
}

/// The ledger and the proof on their way to the disk.
struct Output {
    ledger: LedgerWriter<File>,
    ledger_path: PathBuf,
    proof: BufWriter<File>,
    proof_path: PathBuf,
    served: BufWriter<File>,
    served_path: PathBuf,
    seq: u64,
}

impl Output {
    fn create(platform: &Platform, files: &ProofFiles, run: &Run<'_>) -> Result<Self, IntegrationError> {
        std::fs::create_dir_all(&files.dir).map_err(io(&files.dir))?;
        let ledger_path = files.dir.join("ledger.jsonl.new");
        let proof_path = files.dir.join("proof.jsonl.new");
        let served_path = files.dir.join("served.jsonl.new");
        let lineages = run.lineages;
        let mut sources = Vec::new();
        for history in &run.histories.all {
            let mut items = 0;
            for cell in platform.store.cells() {
                items +=
                    cell.read(|view| view.count_items(history.lineage, crate::stage::StagedKind::Attributed as u8))?;
            }
            sources.push(HeaderSource { lineage: history.role, description: history.source.describe(), items });
        }
        let policy = serde_json::to_value(&lineages.policies.plan).unwrap_or_default();
        let header = Header {
            integration: lineages.row.id.get(),
            label: lineages.row.label.clone(),
            policy,
            sources,
            started: lineages.row.created_at,
            finished: None,
            tool_version: concat!("reintegra ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let file = File::create(&ledger_path).map_err(io(&ledger_path))?;
        let proof = BufWriter::new(File::create(&proof_path).map_err(io(&proof_path))?);
        let served = BufWriter::new(File::create(&served_path).map_err(io(&served_path))?);
        let ledger = LedgerWriter::new(file, &header, Format::Jsonl)?;
        Ok(Output { ledger, ledger_path, proof, proof_path, served, served_path, seq: 0 })
    }

    fn write(&mut self, one: Finished) -> Result<(), IntegrationError> {
        for mut row in one.rows {
            self.seq += 1;
            row.seq = self.seq;
            self.ledger.push(&row)?;
        }
        let line = serde_json::to_string(&one.proof).expect("a proof is plain data");
        writeln!(self.proof, "{line}").map_err(io(&self.proof_path))?;
        if let Some(served) = &one.served {
            let line = serde_json::to_string(served).expect("an account is plain data");
            writeln!(self.served, "{line}").map_err(io(&self.served_path))?;
        }
        Ok(())
    }

    /// Signs the ledger, and makes all files durable under their names.
    fn finish(self, platform: &Platform, files: &ProofFiles) -> Result<Head, IntegrationError> {
        let key = signing_key(platform)?;
        let head = self.ledger.finish(&key)?;
        let proof = self.proof.into_inner().map_err(|e| e.into_error()).map_err(io(&self.proof_path))?;
        proof.sync_all().map_err(io(&self.proof_path))?;
        let served = self.served.into_inner().map_err(|e| e.into_error()).map_err(io(&self.served_path))?;
        served.sync_all().map_err(io(&self.served_path))?;
        File::open(&self.ledger_path).and_then(|f| f.sync_all()).map_err(io(&self.ledger_path))?;
        std::fs::rename(&self.ledger_path, files.ledger()).map_err(io(&files.ledger()))?;
        std::fs::rename(&self.proof_path, files.proof()).map_err(io(&files.proof()))?;
        std::fs::rename(&self.served_path, files.served()).map_err(io(&files.served()))?;
        File::open(&files.dir).and_then(|d| d.sync_all()).map_err(io(&files.dir))?;
        Ok(head)
    }
}

/// The platform's key, made when it is first needed.
pub(crate) fn signing_key(platform: &Platform) -> Result<SigningKey, IntegrationError> {
    let path = platform.key_dir().join("ledger.key");
    if path.exists() {
        return Ok(SigningKey::load(&path)?);
    }
    std::fs::create_dir_all(platform.key_dir()).map_err(io(&platform.key_dir()))?;
    let key = SigningKey::create(&path)?;
    let public = path.with_extension("pub");
    store::write_durably(&public, format!("{}\n", key.public()).as_bytes())?;
    Ok(key)
}

/// The ledger of an integration as it was last written.
pub(crate) fn ledger_file(platform: &Platform, id: IntegrationId) -> Result<File, IntegrationError> {
    let path = ProofFiles::of(platform, id).ledger();
    match File::open(&path) {
        Ok(file) => Ok(file),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(IntegrationError::Order(format!(
            "integration {} has no ledger yet: run `integrate verify` for all accounts first",
            id.get()
        ))),
        Err(e) => Err(io(&path)(e)),
    }
}
