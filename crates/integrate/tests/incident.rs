//! Whole integrations of incidents whose right outcome is known.
#![allow(clippy::unwrap_used)]

use integrate::{Named, Platform, Selection, Silent, Verified};
use std::path::Path;
use store::OpenOptions;
use tempfile::TempDir;

fn named(path: &Path) -> (String, Box<dyn source::Source>) {
    (path.to_str().unwrap().to_owned(), integrate::open_source(path).unwrap())
}

fn open(dir: &Path, cells: u32) -> Platform {
    Platform::init(dir, cells, OpenOptions::for_purpose("test")).unwrap()
}

/// Import *after*, stage *before*, apply, verify.
fn integrate(platform: &Platform, incident: &Path) -> Verified {
    let (after_path, after) = named(&incident.join("after"));
    integrate::import(platform, &Named { path: &after_path, source: &*after }, &Silent).unwrap();
    let (before_path, before) = named(&incident.join("before"));
    let before = Named { path: &before_path, source: &*before };
    let (id, staged) = integrate::stage_integration(platform, &before, None, None, None, &Silent).unwrap();
    println!("{staged:?}");
    let applied = integrate::apply(platform, id, &Selection::default(), &Silent).unwrap();
    println!("{applied:?}");
    integrate::verify(platform, id, &Selection::default(), &Silent).unwrap()
}

fn check(platform: &Platform) {
    for cell in platform.store.cells() {
        assert_eq!(cell.check().unwrap().problems, []);
    }
    assert_eq!(platform.directory.check_consistency().unwrap(), []);
}

#[test]
fn the_small_incident_comes_out_right() {
    let Some(_) = testkit::incident::require() else { return };
    let dir = TempDir::new().unwrap();
    let incident = testkit::incident::small(dir.path()).unwrap();
    let platform = open(&dir.path().join("data"), 4);
    let verified = integrate(&platform, &incident);
    println!("{:#?}", verified);
    assert_eq!(verified.problems, Vec::<String>::new());
    check(&platform);
    let out = dir.path().join("out");
    integrate::export_maildir(&platform, &out, &Selection::default(), &Silent).unwrap();
    if let Err(wrong) = testkit::truth::check(&incident, &out) {
        panic!("{wrong}");
    }
}
