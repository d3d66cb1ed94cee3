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
    let platform = session.open("integrate report")?;
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
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut name = path.file_name().with_context(|| format!("{} names no file", path.display()))?.to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let open = || -> anyhow::Result<()> {
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        let mut writer = BufWriter::with_capacity(1 << 18, file);
        write(&mut writer)?;
        writer.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&new, path)?;
        Ok(File::open(parent)?.sync_all()?)
    };
    let written = open();
    if written.is_err() {
        // Half a report helps nobody; should it stay, the next one takes its place.
        let _ = std::fs::remove_file(&new);
    }
    written.with_context(|| path.display().to_string())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::write_whole;

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
    }
}
