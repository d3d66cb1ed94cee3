//! The corpus of real mail, message by message.

use std::path::Path;
use std::process::{Command, Stdio};

/// A message of the corpus.
pub(crate) struct Mail {
    /// Where it is from: `openbmc/166`, `spam-2/00016`, `odd/007`.
    pub(crate) name: String,
    pub(crate) raw: Vec<u8>,
}

/// Every message of the corpus in a fixed order.
pub(crate) fn read(corpus: &Path) -> Vec<Mail> {
    let mut mails = Vec::new();
    for list in ["linux-hams", "openbmc", "r-help-es-2009-2014"] {
        let packed = corpus.join(format!("{list}.mbox.zst"));
        let messages = mboxrd(&unpack(&packed)).into_iter().enumerate();
        mails.extend(messages.map(|(at, raw)| Mail { name: format!("{list}/{at}"), raw }));
    }
    let place = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar").args(["-x", "-C"]).arg(place.path()).stdin(Stdio::piped()).spawn().unwrap();
    let archive = unpack(&corpus.join("spamassassin.tar.zst"));
    std::io::Write::write_all(tar.stdin.as_mut().unwrap(), &archive).unwrap();
    assert!(tar.wait().unwrap().success());
    for folder in sorted(place.path()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        mails.extend(eml_files(&folder, &name, '.'));
    }
    mails.extend(eml_files(&corpus.join("odd"), "odd", '-'));
    mails
}

/// The messages of a directory, each by what stands before `mark` in its name.
fn eml_files(directory: &Path, folder: &str, mark: char) -> Vec<Mail> {
    let files =
        sorted(directory).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "eml"));
    let name = |path: &Path| {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        format!("{folder}/{}", file.split(mark).next().unwrap())
    };
    files.map(|path| Mail { name: name(&path), raw: std::fs::read(&path).unwrap() }).collect()
}

fn sorted(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn unpack(packed: &Path) -> Vec<u8> {
    let ran = Command::new("zstd").args(["-dcq", "--long=27"]).arg(packed).output().unwrap();
    assert!(ran.status.success(), "{}", packed.display());
    ran.stdout
}

/// Takes an mbox apart: a postmark before each message, an empty line behind it, one `>` before what looks like a
/// postmark.
fn mboxrd(mbox: &[u8]) -> Vec<Vec<u8>> {
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
        assert!(message.ends_with(b"\n\n"), "an empty line follows on each message");
        message.pop();
    }
    messages
}
