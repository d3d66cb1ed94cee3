//! Incidents laid out by the shared corpus, where it is at hand: `../shared/corpus` beside the workspace, or where
//! `REINTEGRA_CORPUS` says.

use crate::requirement::{has_programs, not_run, shared_is_there, workspace};
use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Finds the corpus directory.
pub fn corpus_dir() -> Option<PathBuf> {
    let place =
        std::env::var_os("REINTEGRA_CORPUS").map_or_else(|| workspace().join("../shared/corpus"), PathBuf::from);
    place.join("make_incident.py").is_file().then_some(place)
}

/// Finds the corpus and everything that laying it out needs (`python3`, `zstd`, `tar`), for a test that cannot do
/// without: `None` on a bare clone, where it says that the test was not run.
///
/// # Panics
/// Where the shared material or `REINTEGRA_CORPUS` is there without the corpus; where a program is missing beside it,
/// or in CI.
pub fn require() -> Option<PathBuf> {
    let Some(corpus) = corpus_dir() else {
        let must = shared_is_there() || std::env::var_os("REINTEGRA_CORPUS").is_some();
        not_run("the corpus of mail is not at ../shared/corpus (REINTEGRA_CORPUS)", must);
        return None;
    };
    has_programs(&["python3", "zstd", "tar"]).then_some(corpus)
}

/// Unpacks the ready-made incident below `into`, modes and times kept, and gives its directory (with `before`,
/// `after`, `truth.json`).
///
/// # Errors
/// When there is no corpus (see [`require`]) or it cannot be unpacked.
pub fn small(into: &Path) -> anyhow::Result<PathBuf> {
    let archive = corpus_dir().context("no corpus")?.join("incident-small.tar.zst");
    let mut unpack = Command::new("zstd").args(["-dcq", "--long=27"]).arg(&archive).stdout(Stdio::piped()).spawn()?;
    let packed = unpack.stdout.take().context("standard output was piped")?;
    let tar = Command::new("tar").args(["-xp", "-C"]).arg(into).stdin(packed).status()?;
    ensure!(unpack.wait()?.success() && tar.success(), "cannot unpack {}", archive.display());
    Ok(into.join("incident-small"))
}

/// Lays out an incident of its own in `into`, which must not exist yet, by the corpus's generator and its arguments
/// (`["--seed", "7", "--synthetic"]`).
///
/// # Errors
/// When there is no corpus (see [`require`]) or the generator fails; with what it said.
pub fn generate(into: &Path, args: &[&str]) -> anyhow::Result<()> {
    let script = corpus_dir().context("no corpus")?.join("make_incident.py");
    let ran = crate::process::run(Command::new("python3").arg(script).arg(into).args(args))?;
    ensure!(ran.status.success(), "the generator failed: {}{}", ran.stdout, ran.stderr);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_incident_keeps_its_times() -> anyhow::Result<()> {
        let Some(_) = require() else { return Ok(()) };
        let place = tempfile::tempdir()?;
        let incident = small(place.path())?;
        let inbox = std::fs::read_dir(incident.join("before/mail/panaderialuna.es/ana/Maildir/cur"))?;
        for file in inbox {
            let modified = file?.metadata()?.modified()?.duration_since(std::time::UNIX_EPOCH)?;
            assert!(modified.as_secs() < 1_373_400_000, "an old mail is dated by when it was unpacked");
        }
        Ok(())
    }

    #[test]
    fn a_generated_incident_is_where_it_was_asked_for() -> anyhow::Result<()> {
        let Some(_) = require() else { return Ok(()) };
        let place = tempfile::tempdir()?;
        let incident = place.path().join("incident");
        generate(&incident, &["--seed", "7", "--synthetic", "--domains", "1", "--users", "2", "--messages", "20"])?;
        assert!(incident.join("truth.json").is_file());
        let again = generate(&incident, &[]).expect_err("the directory exists");
        assert!(again.to_string().contains("the generator failed"), "{again}");
        Ok(())
    }
}
