//! `--domain` and `--account` against what there is: a slip of the finger must not pass as an empty choice.

use crate::cli::SelectionArgs;
use crate::failure::Problem;
use crate::nearest::Nearest;
use directory::{Directory, DirectoryError, LineageId};
use integrate::Selection;
use message::Address;

/// Reads a choice of accounts among the live ones and those of some lineages.
///
/// # Errors
/// [`Problem`] (wrong use) naming what there is not and what may have been meant; those of the directory.
pub(crate) fn read(args: &SelectionArgs, directory: &Directory, lineages: &[LineageId]) -> anyhow::Result<Selection> {
    let known = Known { directory, lineages };
    let mut selection = Selection::default();
    for name in &args.domains {
        selection.domains.push(known.domain(name)?);
    }
    for text in &args.accounts {
        selection.accounts.push(known.account(text)?);
    }
    Ok(selection)
}

/// Reads the address of one live account.
///
/// # Errors
/// As [`read`].
pub(crate) fn live_account(text: &str, directory: &Directory) -> anyhow::Result<Address> {
    Known { directory, lineages: &[] }.account(text)
}

/// Reads the name of one hosted domain.
///
/// # Errors
/// As [`read`].
pub(crate) fn live_domain(text: &str, directory: &Directory) -> anyhow::Result<String> {
    Known { directory, lineages: &[] }.domain(text)
}

/// The problem of a name that there is not.
pub(crate) fn unknown(what: &str, name: &str, nearest: Nearest, list: &str) -> Problem {
    let problem = Problem::wrong_use(format!("there is no {what} {name}"));
    match nearest.found() {
        Some(meant) => problem.now(format!("did you mean {meant}? {list}")),
        None => problem.now(list),
    }
}

/// Where names are looked up.
struct Known<'a> {
    directory: &'a Directory,
    lineages: &'a [LineageId],
}

impl Known<'_> {
    fn domain(&self, text: &str) -> anyhow::Result<String> {
        let name = text.to_lowercase();
        if self.directory.domain(&name)?.is_some() {
            return Ok(name);
        }
        let (mut found, mut nearest) = (false, Nearest::to(&name));
        let mut consider = |domain: &str| {
            found |= domain == name;
            nearest.consider(domain);
        };
        self.directory.for_each_domain(|domain| {
            consider(&domain.name);
            Ok(())
        })?;
        for lineage in self.lineages {
            self.directory.for_each_lineage_domain(*lineage, |domain| {
                consider(&domain.name);
                Ok(())
            })?;
        }
        // A maildrop may stand in a domain that no file of its source names.
        self.for_each_key(|key| consider(key.rsplit_once('@').map_or(key, |(_, domain)| domain)))?;
        match found {
            true => Ok(name),
            false => Err(unknown("domain", text, nearest, "`reintegra accounts` lists accounts by domain").into()),
        }
    }

    fn account(&self, text: &str) -> anyhow::Result<Address> {
        let list = "`reintegra accounts` lists them";
        let mut nearest = Nearest::to(text);
        if let Ok(address) = Address::new(text) {
            if self.directory.account(&address)?.is_some() {
                return Ok(address);
            }
            for lineage in self.lineages {
                if self.directory.lineage_account(*lineage, address.key())?.is_some() {
                    return Ok(address);
                }
            }
        }
        self.for_each_key(|key| nearest.consider(key))?;
        Err(unknown("account", text, nearest, list).into())
    }

    /// Gives every address, in the form that compares.
    fn for_each_key(&self, mut each: impl FnMut(&str)) -> Result<(), DirectoryError> {
        self.directory.for_each_account(|account| {
            each(account.address.key());
            Ok(())
        })?;
        for lineage in self.lineages {
            self.directory.for_each_lineage_account(*lineage, |account| {
                each(&account.key);
                Ok(())
            })?;
        }
        Ok(())
    }
}
