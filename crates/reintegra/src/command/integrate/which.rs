//! Which integration a step is about, and which of its accounts.

use crate::cli::{IdArgs, StepArgs};
use crate::failure::Problem;
use crate::selection;
use directory::{Directory, IntegrationId, Lineage, LineageRole};
use integrate::{Platform, Selection, Step};

/// The integration of a number, or the newest that is not confirmed.
///
/// # Errors
/// [`Problem`] (wrong use) when there is none; those of the directory.
pub(in crate::command) fn integration(args: IdArgs, directory: &Directory) -> anyhow::Result<IntegrationId> {
    if let Some(number) = args.id {
        let id = IntegrationId::new_unchecked(number);
        return match directory.integration(id)? {
            Some(_) => Ok(id),
            None => Err(Problem::wrong_use(format!("there is no integration {number}"))
                .now("`reintegra integrate list` lists them")
                .into()),
        };
    }
    let (mut newest, mut closed) = (None, None);
    directory.for_each_integration(|integration| {
        match (is_import(&directory.lineages_of(integration.id)?), Step::from_word(&integration.state)) {
            (true, _) => {}
            (false, Some(Step::Confirmed)) => closed = Some(integration.id),
            (false, _) => newest = Some(integration.id),
        }
        Ok(())
    })?;
    newest.ok_or_else(|| {
        let problem = Problem::wrong_use("there is no integration to work on");
        match closed {
            Some(id) => problem
                .because(format!("the newest, {id}, is confirmed"))
                .now(format!("name it with --id {id}, or begin another with `reintegra integrate stage`")),
            None => problem.now("begin one with `reintegra integrate stage --before SOURCE`"),
        }
        .into()
    })
}

/// The integration of a number, or the newest that was verified as a whole and not taken back, confirmed or not; where
/// none was, as [`integration`].
///
/// # Errors
/// As [`integration`].
pub(in crate::command) fn verified(args: IdArgs, directory: &Directory) -> anyhow::Result<IntegrationId> {
    let mut newest = None;
    if args.id.is_none() {
        directory.for_each_integration(|integration| {
            let is_undone = Step::from_word(&integration.state) == Some(Step::Undone);
            if integration.summary.is_some() && !is_undone && !is_import(&directory.lineages_of(integration.id)?) {
                newest = Some(integration.id);
            }
            Ok(())
        })?;
    }
    newest.map_or_else(|| self::integration(args, directory), Ok)
}

/// Whether an integration of these lineages is a plain import.
pub(super) fn is_import(lineages: &[Lineage]) -> bool {
    lineages.iter().any(|lineage| lineage.role == LineageRole::Import)
}

/// The integration and the accounts of a step.
///
/// # Errors
/// As [`integration`] and [`selection::read`].
pub(super) fn step(args: &StepArgs, platform: &Platform) -> anyhow::Result<(IntegrationId, Selection)> {
    let id = integration(args.which, &platform.directory)?;
    let lineages: Vec<_> = platform.directory.lineages_of(id)?.into_iter().map(|lineage| lineage.id).collect();
    Ok((id, selection::read(&args.accounts, &platform.directory, &lineages)?))
}
