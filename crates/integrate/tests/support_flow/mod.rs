//! Whole integrations for tests: a platform and its steps, what it then holds, and the full check.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod ledger;
pub mod served;
pub mod shown;

use directory::IntegrationId;
use integrate::plan::Policy;
use integrate::{Applied, Imported, Named, Platform, Selection, Silent, Verified, stage::Staged};
use std::path::{Path, PathBuf};
use store::OpenOptions;
use tempfile::TempDir;

/// A directory for a test: `source` lies there, `data` is made by [`Bench::init`].
pub struct Bench {
    place: TempDir,
}

/// An integration that went from import to verify.
pub struct Whole {
    pub import: IntegrationId,
    pub id: IntegrationId,
    pub staged: Staged,
    pub applied: Applied,
    pub verified: Verified,
}

impl Bench {
    pub fn new() -> Bench {
        Bench { place: tempfile::tempdir().unwrap() }
    }

    /// With the project's own sample laid out.
    pub fn of_sample() -> Bench {
        let bench = Bench::new();
        testkit::sample::lay_out(&bench.incident()).unwrap();
        bench
    }

    /// With the ready-made incident of the corpus; `None` where there is none.
    pub fn of_small_incident() -> Option<Bench> {
        testkit::incident::require()?;
        let bench = Bench::new();
        let incident = testkit::incident::small(bench.place.path()).unwrap();
        std::fs::rename(incident, bench.incident()).unwrap();
        Some(bench)
    }

    /// With an incident that the corpus's generator makes; `None` where there is none.
    pub fn of_generated(arguments: &str) -> Option<Bench> {
        testkit::incident::require()?;
        let bench = Bench::new();
        let arguments: Vec<&str> = arguments.split(' ').collect();
        testkit::incident::generate(&bench.incident(), &arguments).unwrap();
        Some(bench)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub fn incident(&self) -> PathBuf {
        self.path("incident")
    }

    pub fn before(&self) -> PathBuf {
        self.incident().join("before")
    }

    pub fn after(&self) -> PathBuf {
        self.incident().join("after")
    }

    pub fn init(&self, cells: u32) -> Platform {
        Platform::init(&self.path("data"), cells, OpenOptions::for_purpose("test")).unwrap()
    }

    pub fn open(&self) -> Platform {
        Platform::open(&self.path("data"), OpenOptions::for_purpose("test")).unwrap()
    }

    /// Exports everything and gives where it lies.
    pub fn export(&self, platform: &Platform) -> PathBuf {
        let out = self.path("export");
        let exported = integrate::export_maildir(platform, &out, &Selection::default(), &Silent).unwrap();
        assert_eq!(exported.unreadable, 0);
        out
    }

    /// Imports the incident's *after*, stages, applies and verifies its *before*.
    pub fn integrate(&self, platform: &Platform) -> Whole {
        integrate(platform, &self.before(), &self.after())
    }
}

pub fn import(platform: &Platform, path: &Path) -> Imported {
    let source = integrate::open_source(path).unwrap();
    let named = Named { path: path.to_str().unwrap(), source: &*source };
    integrate::import(platform, &named, &Silent).unwrap()
}

pub fn stage(platform: &Platform, before: &Path, policy: Option<Policy>) -> (IntegrationId, Staged) {
    stage_with_base(platform, before, None, policy)
}

pub fn stage_with_base(
    platform: &Platform,
    before: &Path,
    base: Option<&Path>,
    policy: Option<Policy>,
) -> (IntegrationId, Staged) {
    let source = integrate::open_source(before).unwrap();
    let named = Named { path: before.to_str().unwrap(), source: &*source };
    let base_source = base.map(|path| (path, integrate::open_source(path).unwrap()));
    let base = base_source.as_ref().map(|(path, source)| Named { path: path.to_str().unwrap(), source: &**source });
    integrate::stage_integration(platform, &named, base.as_ref(), Some("test"), policy, &Silent).unwrap()
}

pub fn apply(platform: &Platform, id: IntegrationId) -> Applied {
    integrate::apply(platform, id, &Selection::default(), &Silent).unwrap()
}

/// Verifies everything; nothing may be wrong.
pub fn verify(platform: &Platform, id: IntegrationId) -> Verified {
    let verified = integrate::verify(platform, id, &Selection::default(), &Silent).unwrap();
    assert_eq!(verified.problems, Vec::<String>::new());
    verified
}

pub fn integrate(platform: &Platform, before: &Path, after: &Path) -> Whole {
    let import = import(platform, after).id;
    let (id, staged) = stage(platform, before, None);
    let applied = apply(platform, id);
    Whole { import, id, staged, applied, verified: verify(platform, id) }
}

/// The full check: every record and row of every cell, and the directory.
pub fn check(platform: &Platform) {
    for cell in platform.store.cells() {
        assert_eq!(cell.check().unwrap().problems, []);
    }
    assert_eq!(platform.directory.check_consistency().unwrap(), []);
}
