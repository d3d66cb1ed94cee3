//! What the suites about faults share: lineages laid out as trees, the steps of an integration, and a state to compare.
#![allow(dead_code, reason = "every suite uses a part of it")]

pub(crate) mod reading;
pub(crate) mod state;
pub(crate) mod tree;

use directory::IntegrationId;
use integrate::stage::Staged;
use integrate::{Applied, Imported, IntegrationError, Named, Platform, Selection, Silent, Verified};
use source::Source;
use state::State;
use std::path::Path;
use store::OpenOptions;

pub(crate) fn init(dir: &Path, cells: u32) -> Platform {
    Platform::init(dir, cells, OpenOptions::for_purpose("test")).unwrap()
}

pub(crate) fn open(dir: &Path) -> Platform {
    Platform::open(dir, OpenOptions::for_purpose("test")).unwrap()
}

pub(crate) fn import(platform: &Platform, path: &Path) -> Result<Imported, IntegrationError> {
    let source = integrate::open_source(path)?;
    let named = Named { path: path.to_str().unwrap(), source: &*source };
    integrate::import(platform, &named, &Silent)
}

pub(crate) fn stage(platform: &Platform, path: &Path) -> Result<(IntegrationId, Staged), IntegrationError> {
    stage_from(platform, path, &*integrate::open_source(path)?)
}

/// Stages a source that is known by a path and is perhaps not as it stands there.
pub(crate) fn stage_from(
    platform: &Platform,
    path: &Path,
    source: &dyn Source,
) -> Result<(IntegrationId, Staged), IntegrationError> {
    let named = Named { path: path.to_str().unwrap(), source };
    integrate::stage_integration(platform, &named, None, None, None, &Silent)
}

pub(crate) fn apply(platform: &Platform, id: IntegrationId) -> Result<Applied, IntegrationError> {
    integrate::apply(platform, id, &Selection::default(), &Silent)
}

pub(crate) fn undo(platform: &Platform, id: IntegrationId) -> Result<integrate::Undone, IntegrationError> {
    integrate::undo(platform, id, &Selection::default(), &Silent)
}

pub(crate) fn verify(platform: &Platform, id: IntegrationId) -> Result<Verified, IntegrationError> {
    integrate::verify(platform, id, &Selection::default(), &Silent)
}

/// Import of *after*, stage of *before*, apply.
pub(crate) fn integrate(platform: &Platform, incident: &Path) -> Result<IntegrationId, IntegrationError> {
    import(platform, &incident.join("after"))?;
    let (id, _) = stage(platform, &incident.join("before"))?;
    apply(platform, id)?;
    Ok(id)
}

#[track_caller]
pub(crate) fn assert_proven(platform: &Platform, id: IntegrationId, at: &str) -> Verified {
    let verified = verify(platform, id).unwrap();
    assert_eq!(verified.problems, Vec::<String>::new(), "{at}");
    verified
}

/// The full check: every record against every row, and the directory.
#[track_caller]
pub(crate) fn assert_sound(platform: &Platform, at: &str) {
    for cell in platform.store.cells() {
        assert_eq!(cell.check().unwrap().problems, [], "{at}");
    }
    assert_eq!(platform.directory.check_consistency().unwrap(), [], "{at}");
}

/// Integrates an incident on a platform of its own, proves it, and gives what came out.
pub(crate) fn uninterrupted(home: &Path, incident: &Path, cells: u32) -> State {
    let platform = init(home, cells);
    let id = integrate(&platform, incident).unwrap();
    assert_proven(&platform, id, "uninterrupted");
    assert_sound(&platform, "uninterrupted");
    State::of(&platform)
}
