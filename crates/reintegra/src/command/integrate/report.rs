//! `integrate report`: writes the report or the ledger.

use super::which;
use crate::cli::{ReportArgs, ReportFormat};
use crate::exit::Exit;
use crate::session::Session;
use anyhow::Context as _;
use directory::IntegrationId;
use integrate::Platform;
use integrate::ledger::Format;
use integrate::report::{Report, html};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

pub(super) fn run(args: &ReportArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let platform = session.look("integrate report")?;
    let id = which::integration(args.which, &platform.directory)?;
    let what = match args.format {
        ReportFormat::Json | ReportFormat::Html => "report",
        ReportFormat::LedgerJsonl | ReportFormat::LedgerCsv => "ledger",
    };
    let done = session.step("report", |_| write(&platform, id, args.format, &args.out));
    let done = done.with_context(|| format!("the {what} could not be written"))?;
    session.output.line(format_args!("wrote the {what} to {} in {}", args.out.display(), done.took));
    Ok(Exit::Complete)
}

fn write(platform: &Platform, id: IntegrationId, format: ReportFormat, out: &Path) -> anyhow::Result<()> {
    match format {
        ReportFormat::Json => write_json(&integrate::build_report(platform, id)?, out),
        ReportFormat::Html => write_html(&integrate::build_report(platform, id)?, out),
        ReportFormat::LedgerJsonl => {
            write_whole(out, |to| Ok(integrate::write_ledger(platform, id, Format::Jsonl, to)?))
        }
        ReportFormat::LedgerCsv => write_whole(out, |to| Ok(integrate::write_ledger(platform, id, Format::Csv, to)?)),
    }
}

/// Writes the report for people and for programs into the integration's own directory; gives where the first lies.
///
/// # Errors
/// When there is no proof to report on, or a file cannot be written.
pub(super) fn write_both(platform: &Platform, id: IntegrationId) -> anyhow::Result<PathBuf> {
    let report = integrate::build_report(platform, id)?;
    let dir = platform.dir().join("integrations").join(id.to_string());
    let page = dir.join("report.html");
    write_html(&report, &page)?;
    write_json(&report, &dir.join("report.json"))?;
    Ok(page)
}

fn write_json(report: &Report, out: &Path) -> anyhow::Result<()> {
    write_whole(out, |to| {
        serde_json::to_writer_pretty(&mut *to, report)?;
        Ok(to.write_all(b"\n")?)
    })
}

fn write_html(report: &Report, out: &Path) -> anyhow::Result<()> {
    write_whole(out, |to| Ok(to.write_all(html::render(report).as_bytes())?))
}

/// Writes a file that appears only when it is whole and on the disk. What it holds may name people: it is the owner's
/// alone to read.
fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut name = path.file_name().with_context(|| format!("{} names no file", path.display()))?.to_owned();
    name.push(".new");
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || -> anyhow::Result<()> {
        // Under a name of its own: another process may be writing the same report. Of one that fails nothing stays.
        let new = tempfile::Builder::new().prefix(&name).tempfile_in(parent)?;
        let mut writer = BufWriter::with_capacity(1 << 18, new.as_file());
        write(&mut writer)?;
        writer.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        new.persist(path).map_err(|failed| failed.error)?;
        Ok(File::open(parent)?.sync_all()?)
    };
    written().with_context(|| path.display().to_string())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::write_whole;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("report.json");
        write_whole(&file, |to| Ok(to.write_all(b"first")?)).unwrap();
        let stopped = write_whole(&file, |to| {
            to.write_all(b"second")?;
            anyhow::bail!("the disk is full")
        });
        assert!(stopped.is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing is left lying about");
        write_whole(&file, |to| Ok(to.write_all(b"third")?)).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"third");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn who_writes_the_same_file_meanwhile_is_no_hindrance() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("report.json");
        write_whole(&file, |to| {
            to.write_all(b"a longer first half, ")?;
            write_whole(&file, |to| Ok(to.write_all(b"other")?))?;
            assert_eq!(std::fs::read(&file)?, b"other");
            Ok(to.write_all(b"second half")?)
        })
        .unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"a longer first half, second half");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
