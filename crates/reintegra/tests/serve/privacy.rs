//! Mail is for nobody else on the machine, and a service that cannot write does not begin.

use super::*;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;

/// Everything under a path, itself included.
fn everything(path: &Path, found: &mut Vec<PathBuf>) {
    found.push(path.to_owned());
    if path.is_dir() {
        path.read_dir().unwrap().for_each(|entry| everything(&entry.unwrap().path(), found));
    }
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

const LOUD: &str = "can look into the data directory";

#[test]
fn nobody_else_can_read_what_is_made() {
    if !testkit::has_programs(&["sh"]) {
        return;
    }
    let place = Place::new();
    let mut command = Command::new("sh");
    command.args(["-c", "umask 022 && exec \"$0\" --data \"$1\" init --cells 2", binary()]).arg(place.data());
    let ran = run(&mut command).unwrap();
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
    assert_eq!(mode(&place.data()), 0o700);
    let log = stop(place.serve(""));
    assert!(!log.contains(LOUD), "{log}");
    let mut made = Vec::new();
    everything(&place.data(), &mut made);
    assert!(made.iter().any(|path| path.ends_with("index.sqlite")), "{made:?}");
    for path in made {
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
    // What others were let into before is left as it is, and told.
    set_mode(&place.data(), 0o755);
    let log = stop(place.serve(""));
    assert!(log.contains(LOUD) && log.contains("chmod 700"), "{log}");
    assert_eq!(mode(&place.data()), 0o755);
}

#[test]
fn pages_and_completions_are_for_everybody() {
    if !testkit::has_programs(&["sh"]) {
        return;
    }
    let place = Place::new();
    let mut command = Command::new("sh");
    command.args(["-c", "umask 022 && exec \"$0\" man --out \"$1\"", binary()]).arg(place.path("man"));
    assert_eq!(run(&mut command).unwrap().code(), Some(0));
    assert_eq!(mode(&place.path("man/reintegra.1")), 0o644);
}

#[test]
fn a_service_that_cannot_write_does_not_begin() {
    const NOBODY: u32 = 65_534;
    let place = Place::with_ana();
    let config = place.write(
        "reintegra.toml",
        &format!(
            "imap.listen = [\"127.0.0.1:0\"]\nimap.listen_tls = []\npop3.listen = []\npop3.listen_tls = []\n\
             operator.listen = \"\"\n{NO_MAIL}"
        ),
    );
    let is_root = rustix::process::geteuid().is_root();
    // Whoever is root may write everything, so it is nobody's then.
    let own = |path: &Path| {
        let mut all = Vec::new();
        everything(path, &mut all);
        all.iter().for_each(|path| chown(path, Some(NOBODY), Some(NOBODY)).unwrap());
    };
    if is_root {
        own(place.root.path());
    }
    for (file, what) in [("cells/00/index.sqlite", "cells/00/index.sqlite"), ("directory.sqlite", "directory.sqlite")] {
        let path = place.data().join(file);
        let shut = |shut: bool| match is_root {
            true => chown(&path, Some(if shut { 0 } else { NOBODY }), None).unwrap(),
            false => set_mode(&path, if shut { 0o400 } else { 0o600 }),
        };
        set_mode(&path, 0o644);
        shut(true);
        let mut command = place.command(&["serve", "--config", config.to_str().unwrap()]);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut served = spawned::Spawned::start(command, place.path("log"));
        assert!(!served.says(" serving"), "{}", served.log());
        let (status, log) = served.ended();
        assert_eq!(status.code(), Some(3), "{file}: {log}");
        assert!(log.contains(what) && log.contains("cannot be written") && log.contains("\n  now: "), "{file}: {log}");
        shut(false);
    }
}
