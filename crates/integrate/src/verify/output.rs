//! The files of an integration's proof, and writing them.

use super::Run;
use super::account::Finished;
use crate::integration::{IntegrationError, io};
use crate::ledger::{Format, Head, Header, HeaderSource, LedgerWriter, SigningKey};
use crate::platform::Platform;
use directory::IntegrationId;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

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

/// The ledger and the proof on their way to the disk.
pub(super) struct Output {
    ledger: LedgerWriter<File>,
    ledger_path: PathBuf,
    proof: BufWriter<File>,
    proof_path: PathBuf,
    served: BufWriter<File>,
    served_path: PathBuf,
    seq: u64,
}

impl Output {
    pub(super) fn create(platform: &Platform, files: &ProofFiles, run: &Run<'_>) -> Result<Self, IntegrationError> {
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

    pub(super) fn write(&mut self, one: Finished) -> Result<(), IntegrationError> {
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
    pub(super) fn finish(self, platform: &Platform, files: &ProofFiles) -> Result<Head, IntegrationError> {
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
fn signing_key(platform: &Platform) -> Result<SigningKey, IntegrationError> {
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
