//! Domains, accounts and aliases from the files that a description names.

use crate::description::Description;
use crate::domains::Domains;
use crate::root::printable;
use crate::{AliasAddress, Directory, SourceError, csv_accounts, passwd, virtual_map};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Reads the files; `fetch` gives the bytes of one, and what notices call it.
///
/// # Errors
/// When one cannot be read. Lines that cannot be understood are notices.
pub(crate) fn read(
    description: &Description,
    fetch: impl Fn(&Path) -> Result<(Vec<u8>, String), SourceError>,
) -> Result<Directory, SourceError> {
    let mut directory = Directory::default();
    let mut domains = Domains::default();
    for path in &description.domains {
        let (text, name) = fetch(path)?;
        domains.add_file(&text, &name, &mut directory.notices);
    }
    if let Some(path) = &description.accounts {
        let (text, name) = fetch(path)?;
        let (accounts, notices) = if is_csv(path, &text) {
            csv_accounts::parse(&text, &name)
                .map_err(|message| SourceError::Description { path: path.clone(), message })?
        } else {
            passwd::parse(&text, &name)
        };
        directory.accounts = accounts;
        directory.notices.extend(notices);
    }
    if let Some(path) = &description.aliases {
        let (text, name) = fetch(path)?;
        let (aliases, notices) = virtual_map::parse(&text, &name);
        directory.aliases = aliases;
        directory.notices.extend(notices);
    }
    for account in &directory.accounts {
        domains.add(account.address.domain());
    }
    for alias in &directory.aliases {
        match &alias.address {
            AliasAddress::Address(address) => domains.add(address.domain()),
            AliasAddress::CatchAll(domain) => domains.add(domain),
        };
    }
    directory.domains = domains.into_list();
    Ok(directory)
}

/// A file that the operator named: links are followed.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn named_file(path: &Path) -> Result<(Vec<u8>, String), SourceError> {
    let text = std::fs::read(path).map_err(|cause| SourceError::Io { path: path.to_owned(), cause })?;
    Ok((text, printable(path.file_name().unwrap_or_default().as_bytes())))
}

/// Whether a file of accounts is CSV: by its name, or by a header that names the column `address`.
fn is_csv(path: &Path, text: &[u8]) -> bool {
    let first = text.split(|&b| b == b'\n').next().unwrap_or_default().to_ascii_lowercase();
    let mut columns = first.split(|b| b",;".contains(b)).map(|column| column.trim_ascii());
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
        || (columns.any(|column| column.trim_ascii() == b"address" || column == b"\"address\"")
            && !first.contains(&b':'))
}
