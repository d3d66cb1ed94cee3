//! What must be served: the ledger's rows, and the flags and dates that verify wrote beside them.

use super::account::{Wanted, WantedMailbox, WantedMessage};
use crate::integration::{IntegrationError, Step, io, proved_in};
use crate::ledger;
use crate::select::Selection;
use crate::verify::ProofFiles;
use directory::{Directory, IntegrationId};
use message::{Address, Flags, Keyword};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use store::uidl_by_rule;

/// An account as verify found it: a line of the file beside the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Served {
    pub(crate) address: String,
    pub(crate) mailboxes: Vec<ServedMailbox>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServedMailbox {
    pub(crate) name: String,
    pub(crate) uidvalidity: u32,
    pub(crate) uidnext: u32,
    pub(crate) messages: Vec<ServedMessage>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServedMessage {
    pub(crate) uid: u32,
    pub(crate) flags: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keywords: Vec<String>,
    pub(crate) date: i64,
    /// `None`: by the rule (`RULES.md 5.2`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uidl: Option<String>,
    /// Whether it is of *before* (`RULES.md 5.3`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) before: bool,
}

/// Reads both files for the chosen accounts.
///
/// # Errors
/// When one of them is not there, not whole, or says other things than the other.
pub(super) fn read(
    dir: &Path,
    directory: &Directory,
    id: IntegrationId,
    selection: &Selection,
) -> Result<Vec<Wanted>, IntegrationError> {
    let step = directory.integration(id)?.and_then(|row| Step::from_word(&row.state));
    if step == Some(Step::Undone) {
        let text = format!("integration {} was taken back: nothing of it is served", id.get());
        return Err(IntegrationError::Order(text));
    }
    let Some(proved) = proved_in(directory, id)? else {
        return Err(again(id, "what was verified of it holds no longer, or nothing was"));
    };
    let files = ProofFiles::in_dir(dir, id);
    let mut accounts = read_served(&files, id, selection)?;
    let path = files.ledger();
    let mut strange = 0_u64;
    let checked = ledger::for_each_row(open(&path, id)?, |row| {
        let Some(target) = &row.target else { return };
        let Some(account) = accounts.get_mut(&target.account.to_lowercase()) else { return };
        let mailbox = account.mailboxes.get_mut(&target.mailbox).filter(|m| m.uidvalidity == target.uidvalidity);
        match mailbox.and_then(|mailbox| mailbox.messages.get_mut(&target.uid)) {
            Some(message) => message.digest = Some(target.digest),
            None => strange += 1,
        }
    });
    let checked = checked.map_err(|why| again(id, &format!("its ledger is not whole ({why})")))?;
    if checked.head.to_string() != proved.head {
        return Err(again(id, "its ledger is not that of the last verify"));
    }
    if strange > 0 {
        return Err(again(id, &format!("{strange} rows of its ledger and the files beside it are of two verifies")));
    }
    Ok(accounts.into_values().collect())
}

fn read_served(
    files: &ProofFiles,
    id: IntegrationId,
    selection: &Selection,
) -> Result<BTreeMap<String, Wanted>, IntegrationError> {
    let path = files.served();
    let damaged = |why: &dyn std::fmt::Display| again(id, &format!("{} is damaged ({why})", path.display()));
    let mut accounts = BTreeMap::new();
    for line in BufReader::new(open(&path, id)?).lines() {
        let line = line.map_err(io(&path))?;
        let served: Served = serde_json::from_str(&line).map_err(|e| damaged(&e))?;
        let address = Address::new(&served.address).map_err(|e| damaged(&e))?;
        if selection.has(&address) {
            let mailboxes = served.mailboxes.into_iter().map(wanted_mailbox).collect::<Result<HashMap<_, _>, _>>();
            let mailboxes = mailboxes.map_err(|e| damaged(&e))?;
            accounts.insert(address.as_str().to_lowercase(), Wanted { address, mailboxes });
        }
    }
    Ok(accounts)
}

fn wanted_mailbox(served: ServedMailbox) -> Result<(String, WantedMailbox), message::KeywordError> {
    let mut messages = BTreeMap::new();
    for message in served.messages {
        let keywords = message.keywords.iter().map(|k| Keyword::new(k)).collect::<Result<_, _>>()?;
        let uidl = message.uidl.unwrap_or_else(|| uidl_by_rule(served.uidvalidity, message.uid));
        let wanted = WantedMessage {
            digest: None,
            flags: Flags::from_bits(message.flags),
            keywords,
            internal_date: message.date,
            uidl,
            of_before: message.before,
        };
        messages.insert(message.uid, wanted);
    }
    let (uidvalidity, uidnext) = (served.uidvalidity, served.uidnext);
    Ok((served.name, WantedMailbox { uidvalidity, uidnext, messages }))
}

fn open(path: &Path, id: IntegrationId) -> Result<File, IntegrationError> {
    match File::open(path) {
        Ok(file) => Ok(file),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(again(id, &format!("there is no {}", path.file_name().unwrap_or_default().display())))
        }
        Err(e) => Err(io(path)(e)),
    }
}

fn again(id: IntegrationId, why: &str) -> IntegrationError {
    let id = id.get();
    IntegrationError::Order(format!(
        "integration {id} cannot be compared: {why}; run `integrate verify --id {id}` for all accounts first"
    ))
}
