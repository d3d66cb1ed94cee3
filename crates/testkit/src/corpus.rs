//! The shared corpus of real mail, message by message; [`crate::incident::require`] says where it lies.

use anyhow::{Context, ensure};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A message of the corpus.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Where it is from: `openbmc/166`, `spam-2/00016`, `odd/007`.
    pub name: String,
    /// Its bytes as published.
    pub raw: Vec<u8>,
}

/// Reads every message of the corpus, in an order that is always the same.
///
/// # Errors
/// When an archive cannot be unpacked or is not of the form that its README describes.
pub fn read(corpus: &Path) -> anyhow::Result<Vec<Mail>> {
    let mut mails = Vec::new();
    for list in ["linux-hams", "openbmc", "r-help-es-2009-2014"] {
        let packed = corpus.join(format!("{list}.mbox.zst"));
        let messages = mboxrd(&unpack(&packed)?).with_context(|| packed.display().to_string())?;
        mails.extend(messages.into_iter().enumerate().map(|(at, raw)| Mail { name: format!("{list}/{at}"), raw }));
    }
    let place = tempfile::tempdir()?;
    let mut tar = Command::new("tar").args(["-x", "-C"]).arg(place.path()).stdin(Stdio::piped()).spawn()?;
    let archive = unpack(&corpus.join("spamassassin.tar.zst"))?;
    tar.stdin.take().context("standard input was piped")?.write_all(&archive)?;
    ensure!(tar.wait()?.success(), "tar cannot read the archive");
    for folder in sorted(place.path())? {
        let name = folder.file_name().context("a folder has a name")?.to_string_lossy().into_owned();
        mails.extend(eml_files(&folder, &name, '.')?);
    }
    mails.extend(eml_files(&corpus.join("odd"), "odd", '-')?);
    Ok(mails)
}

/// The messages of a directory, each by what stands before `mark` in its name.
fn eml_files(directory: &Path, folder: &str, mark: char) -> anyhow::Result<Vec<Mail>> {
    let mut mails = Vec::new();
    for path in sorted(directory)?.into_iter().filter(|path| path.extension().is_some_and(|it| it == "eml")) {
        let file = path.file_name().context("a file has a name")?.to_string_lossy().into_owned();
        let number = file.split(mark).next().unwrap_or(&file);
        mails.push(Mail { name: format!("{folder}/{number}"), raw: std::fs::read(&path)? });
    }
    Ok(mails)
}

fn sorted(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn unpack(packed: &Path) -> anyhow::Result<Vec<u8>> {
    let ran = Command::new("zstd").args(["-dcq", "--long=27"]).arg(packed).output()?;
    ensure!(ran.status.success(), "cannot unpack {}", packed.display());
    Ok(ran.stdout)
}

/// Takes an mbox apart: a postmark before each message, an empty line behind it, one `>` before what looks like a
/// postmark.
fn mboxrd(mbox: &[u8]) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let mut after_empty = true;
    for line in mbox.split_inclusive(|byte| *byte == b'\n') {
        if after_empty && line.starts_with(b"From ") {
            messages.push(Vec::new());
        } else if let Some(message) = messages.last_mut() {
            let quotes = line.iter().take_while(|byte| **byte == b'>').count();
            let quoted = quotes > 0 && line[quotes..].starts_with(b"From ");
            message.extend_from_slice(&line[usize::from(quoted)..]);
        }
        after_empty = line == b"\n";
    }
    for message in &mut messages {
        ensure!(message.ends_with(b"\n\n"), "an empty line follows on each message");
        message.pop();
    }
    Ok(messages)
}
