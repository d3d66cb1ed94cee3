//! `integrate stage`: reads the recovered history into the store, hidden.

use super::policy;
use crate::cli::{PolicyArgs, StageArgs};
use crate::command::import;
use crate::command::source::Opened;
use crate::command::staged::{self, Told};
use crate::exit::Exit;
use crate::session::Session;
use anyhow::Context as _;
use directory::IntegrationId;
use integrate::Platform;

/// What is staged.
pub(super) struct Sources {
    pub(super) before: Opened,
    pub(super) base: Option<Opened>,
}

pub(super) fn run(args: &StageArgs, session: &mut Session) -> anyhow::Result<Exit> {
    for source in [Some(&args.before), args.base.as_ref()].into_iter().flatten() {
        import::must_be_elsewhere(source, session)?;
    }
    let sources =
        Sources { before: Opened::at(&args.before)?, base: args.base.as_deref().map(Opened::at).transpose()? };
    let platform = session.open("integrate stage")?;
    let (id, told) = stage(&platform, &sources, args.label.as_deref(), args.policy, session)?;
    session.output.line(format_args!("integration {id} is staged: `integrate plan` says what it would do"));
    Ok(told.exit)
}

/// Stages and tells of it.
pub(super) fn stage(
    platform: &Platform,
    sources: &Sources,
    label: Option<&str>,
    policy: PolicyArgs,
    session: &mut Session,
) -> anyhow::Result<(IntegrationId, Told)> {
    if let Some(base) = &sources.base {
        sources.before.must_differ(base)?;
    }
    let base = sources.base.as_ref().map(Opened::named);
    let policy = policy::fresh(policy);
    let done = session.step("stage", |progress| {
        integrate::stage_integration(platform, &sources.before.named(), base.as_ref(), label, policy, progress)
    });
    let done = done.context("staging stopped; run it again, and it goes on from there")?;
    let (id, staged) = done.value;
    Ok((id, staged::tell(&staged, &done.took, &mut session.output)))
}
