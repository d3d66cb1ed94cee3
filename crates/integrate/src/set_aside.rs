//! What belongs to no account, for the export: orphans of nobody and sealed histories (`RULES.md` 8.7, 9.3).

use crate::export::{ExportError, Exported, Quarantine, maildir_and};
use crate::journal::Progressed;
use crate::ledger::encode_path;
use crate::platform::Platform;
use crate::progress::Progress;
use crate::select::Selection;
use crate::stage::UNATTRIBUTED;
use directory::Lineage;
use store::{Account, Cell, LineageId};

/// Writes the chosen accounts as a Maildir++ tree into a new or empty directory, and with them, when all are chosen, what
/// belongs to nobody under `quarantine/`. When it returns, the tree survives a power loss.
///
/// # Errors
/// As [`crate::export::maildir`].
pub fn export_maildir(
    platform: &Platform,
    out: &std::path::Path,
    selection: &Selection,
    progress: &dyn Progress,
) -> Result<Exported, ExportError> {
    maildir_and(platform, out, selection, progress, |quarantine| {
        if !selection.is_all() {
            return Ok(());
        }
        let mut lineages = Vec::new();
        platform.directory.for_each_lineage(|lineage| {
            lineages.push(lineage);
            Ok(())
        })?;
        for cell in platform.store.cells() {
            for lineage in &lineages {
                set_aside(cell, lineage, quarantine)?;
            }
        }
        Ok(())
    })
}

fn set_aside(cell: &Cell, lineage: &Lineage, quarantine: &mut Quarantine<'_>) -> Result<(), ExportError> {
    let id = LineageId(lineage.id.get());
    let states = match lineage.integration {
        Some(integration) => cell.read(|view| view.journal_states(integration.get()))?,
        None => Vec::new(),
    };
    let sealed = |account: &Account| {
        let key = account.address.to_lowercase();
        states.iter().any(|(k, s)| *k == key && Progressed::from_word(s) == Some(Progressed::Sealed))
    };
    for account in cell.read(|view| view.accounts(id))? {
        let nobody = account.address == UNATTRIBUTED;
        if !nobody && !sealed(&account) {
            continue;
        }
        let place = if nobody { "unattributed".to_owned() } else { format!("sealed/{}", account.address) };
        let mut found = Vec::new();
        cell.read(|view| {
            for mailbox in view.mailboxes(account.id)? {
                view.for_each_message(account.id, mailbox.id, |message, blob| {
                    let name = encode_path(mailbox.name.as_str().as_bytes());
                    found.push((format!("{place}/{}/{name}/{}.eml", id.0, message.uid), blob));
                    Ok(())
                })?;
            }
            Ok(())
        })?;
        for (path, blob) in found {
            quarantine.put(&path, &cell.bytes(&blob)?)?;
        }
    }
    Ok(())
}
