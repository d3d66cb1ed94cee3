//! The project's own sample incident (`examples/incident`), and what a right integration of it gives.

use crate::process::{Ran, run};
use crate::requirement::{has_programs, workspace};
use anyhow::Context;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

/// Where the sample lies in the clone.
pub fn committed() -> PathBuf {
    workspace().join("examples/incident")
}

/// Runs the script that makes the sample; `None` without Python, where it says that the test was not run.
///
/// # Errors
/// When it cannot be started.
///
/// # Panics
/// Without Python in CI or beside the shared material.
pub fn script(arguments: &[&str]) -> anyhow::Result<Option<Ran>> {
    if !has_programs(&["python3"]) {
        return Ok(None);
    }
    run(Command::new("python3").arg(committed().with_file_name("make_incident.py")).args(arguments)).map(Some)
}

/// Copies the sample's `before` and `after` into a directory and gives its files the times that a checkout loses.
///
/// # Errors
/// When a file cannot be read or written.
pub fn lay_out(into: &Path) -> anyhow::Result<()> {
    let sample = committed();
    for lineage in ["before", "after"] {
        copy(&sample.join(lineage), &into.join(lineage))?;
    }
    let times = std::fs::read_to_string(sample.join("times.tsv"))?;
    for line in times.lines() {
        let (seconds, path) = line.split_once('\t').with_context(|| format!("times.tsv: {line}"))?;
        let modified = UNIX_EPOCH + Duration::from_secs(seconds.parse()?);
        let file = std::fs::File::options().append(true).open(into.join(path)).with_context(|| path.to_owned())?;
        file.set_modified(modified)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Reads what a right integration of the sample gives.
///
/// # Errors
/// When `expected.json` cannot be read or is not of the form below.
pub fn expected() -> anyhow::Result<Expected> {
    let text = std::fs::read(committed().join("expected.json"))?;
    serde_json::from_slice(&text).context("expected.json")
}

/// What a right integration of the sample gives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Version of the form of `expected.json`.
    pub format: u32,
    /// Sums over all accounts.
    pub totals: Totals,
    /// Pairs to be listed.
    pub pairs: Pairs,
    /// Domains of either lineage.
    pub domains: Vec<ExpectedDomain>,
    /// Aliases of either lineage.
    pub aliases: Vec<ExpectedAlias>,
    /// Decisions that wait.
    pub conflicts: Vec<ExpectedConflict>,
    /// Accounts of either lineage.
    pub accounts: Vec<ExpectedAccount>,
}

/// Numbers of messages or files. `result = before + after + recovered - both - folded`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Messages that can be read in the mailboxes of before.
    pub before: usize,
    /// Likewise of after.
    pub after: usize,
    /// Messages of lost+found that were given back to their account.
    pub recovered: usize,
    /// Pairs: one message in both lineages.
    pub both: usize,
    /// Damaged messages for which a whole copy stands (`RULES.md 9.2`).
    pub folded: usize,
    /// Messages after integration.
    pub result: usize,
    /// Damaged messages, folded or kept.
    pub damaged: usize,
    /// Files of which nothing can be read.
    pub unreadable: usize,
    /// Files that are no message.
    pub not_a_message: usize,
    /// Unfinished deliveries.
    pub unfinished: usize,
    /// UIDs listed without a file.
    pub listed_no_file: usize,
    /// Messages of lost+found whose account is not known; in the sums only.
    #[serde(default)]
    pub unattributed: usize,
}

/// Numbers of pairs that the report lists.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pairs {
    /// One Message-ID, different content (`RULES.md 2.3`).
    pub same_message_id: usize,
    /// Near twins (`RULES.md 2.5`).
    pub near_twins: usize,
}

/// A domain and the lineages that know it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedDomain {
    /// Its name.
    pub name: String,
    /// Whether before has it.
    pub before: bool,
    /// Whether after has it.
    pub after: bool,
}

/// An alias (`@domain`: the catch-all) and its targets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedAlias {
    /// Its address.
    pub address: String,
    /// Its targets in before.
    pub before: Option<Vec<String>>,
    /// Its targets in after.
    pub after: Option<Vec<String>>,
    /// Its targets while no conflict is decided; `None`: an account stands at its address (`RULES.md 8.1`).
    pub in_force: Option<Vec<String>>,
}

/// A decision that waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedConflict {
    /// The rule's number (`8.1`).
    pub rule: String,
    /// Whose admin decides.
    pub domain: String,
    /// What it is about.
    pub address: String,
}

/// An account after integration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedAccount {
    /// Its address as it stays.
    pub address: String,
    /// Its address in before, where its mail or line is there.
    pub address_before: Option<String>,
    /// What the sample shows with it, in words.
    pub case: String,
    /// `open`, `locked` (no password opens it) or `disabled`.
    pub state: String,
    /// Its password.
    pub password: ExpectedPassword,
    /// The text of the active Sieve script.
    pub active_script: Option<String>,
    /// Whether the other lineage's script is kept beside it (`RULES.md 6.4`).
    pub other_script_kept: bool,
    /// Its numbers.
    pub totals: Totals,
    /// Its mailboxes, INBOX first.
    pub mailboxes: Vec<ExpectedMailbox>,
}

/// A password of the sample; it is public.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedPassword {
    /// Whose it is: `before`, `after` or `none`.
    pub origin: String,
    /// The password itself.
    pub plain: Option<String>,
}

/// A mailbox after integration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedMailbox {
    /// Its name, levels separated by `.`.
    pub name: String,
    /// Names of the mailboxes of before that went into it under another name (`RULES.md 6.2`).
    pub was: Vec<String>,
    /// Messages of before that were in it.
    pub before: usize,
    /// Messages of after that were in it.
    pub after: usize,
    /// Pairs that stand in it.
    pub both: usize,
    /// Messages that it holds.
    pub result: usize,
    /// UIDVALIDITY; `None` where the mailbox is new.
    pub uidvalidity: Option<u32>,
    /// Whether the owner is subscribed to it.
    pub subscribed: bool,
    /// Its messages, by date.
    pub messages: Vec<ExpectedMessage>,
}

/// A message after integration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedMessage {
    /// SHA-256 of its bytes with CRLF line ends, in hex.
    pub digest: String,
    /// Maildir letters of its system flags, in order (`FRS`).
    pub flags: String,
    /// Its keywords, in order.
    pub keywords: Vec<String>,
    /// INTERNALDATE in seconds since 1970 UTC; true only of a sample that [`lay_out`] made.
    pub internal_date: i64,
    /// Its UID where the rules keep one, else `None`: a new one.
    pub uid: Option<u32>,
    /// Whether it is damaged.
    #[serde(default)]
    pub damaged: bool,
    /// The mailbox of before that it moved from (`RULES.md 3.4`).
    #[serde(default)]
    pub moved_from: Option<String>,
}

impl Expected {
    /// Gives the accounts by address.
    pub fn by_address(&self) -> BTreeMap<&str, &ExpectedAccount> {
        self.accounts.iter().map(|account| (account.address.as_str(), account)).collect()
    }
}
