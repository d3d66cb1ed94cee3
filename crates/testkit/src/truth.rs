//! Holds a result against the truth of an incident, by the corpus's own checker, which shares no code with us.

use crate::incident::corpus_dir;
use std::path::Path;
use std::process::Command;

/// Checks an exported result against `truth.json` of `incident`, by the rules and with keywords.
///
/// # Errors
/// What the checker found wrong, one finding on a line, or why it could not run.
pub fn check(incident: &Path, result: &Path) -> Result<(), String> {
    let script = corpus_dir().ok_or("no corpus")?.join("check_truth.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(incident).arg("--result").arg(result).args(["--rules", "--keywords"]);
    let ran = crate::process::run(&mut command).map_err(|error| format!("{error:#}"))?;
    if ran.status.success() { Ok(()) } else { Err(ran.stdout + &ran.stderr) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident;

    #[test]
    fn one_lineage_is_no_integration() -> anyhow::Result<()> {
        let Some(_) = incident::require() else { return Ok(()) };
        let place = tempfile::tempdir()?;
        let incident = incident::small(place.path())?;
        let findings = check(&incident, &incident.join("after")).expect_err("the mail of before is missing");
        assert!(findings.contains("LOST"), "{findings}");
        Ok(())
    }
}
