//! What a Maildir of a server tree served, read without the product; and the yardstick of the corpus for one message.

use super::shown::sha256;
use std::path::Path;

/// Header fields that stores and clients write (`volatile_headers` of an incident's truth).
const VOLATILE: [&str; 13] = [
    "content-length",
    "lines",
    "status",
    "x-account-key",
    "x-imap",
    "x-imapbase",
    "x-keywords",
    "x-mozilla-keys",
    "x-mozilla-status",
    "x-mozilla-status2",
    "x-status",
    "x-uid",
    "x-uidl",
];

/// A message with the UID that its list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    pub uid: u32,
    pub ident: String,
    pub digest: String,
}

/// The messages of a folder that its UID list names; the files of names that nobody lists are left out.
pub fn folder(directory: &Path) -> Vec<Served> {
    let Ok(list) = std::fs::read(directory.join("dovecot-uidlist")) else { return Vec::new() };
    let mut files = Vec::new();
    for part in ["cur", "new"] {
        let Ok(entries) = std::fs::read_dir(directory.join(part)) else { continue };
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    let list = String::from_utf8_lossy(&list).into_owned();
    let mut found = Vec::new();
    for line in list.lines().skip(1) {
        let Some((head, base)) = line.split_once(" :") else { continue };
        let Ok(uid) = head.split(' ').next().unwrap().parse() else { continue };
        let file = files.iter().find(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            // A list may name files with the flags that they had.
            name.split(":2,").next() == base.split(":2,").next()
        });
        if let Some(bytes) = file.and_then(|file| std::fs::read(file).ok()) {
            found.push(Served { uid, ident: ident(&bytes), digest: sha256(&crlf(&bytes)) });
        }
    }
    found
}

/// Line ends as CRLF, by another way than the product's.
pub fn crlf(bytes: &[u8]) -> Vec<u8> {
    let lines = bytes.split(|byte| *byte == b'\n').collect::<Vec<_>>();
    let last = lines.len() - 1;
    let each = lines.iter().enumerate();
    // A CR at the very end is no part of a line end.
    let bare = each.map(|(at, line)| if at == last { line } else { line.strip_suffix(b"\r").unwrap_or(line) });
    bare.collect::<Vec<_>>().join(&b"\r\n"[..])
}

/// The rule by which the corpus takes two files for one message.
pub fn ident(bytes: &[u8]) -> String {
    let text = crlf(bytes);
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l)).collect();
    let header = lines.iter().take_while(|line| !line.is_empty()).count();
    let (mut kept, mut dropping) = (Vec::<&[u8]>::new(), false);
    for line in &lines[..header] {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line.split(|byte| *byte == b':').next().unwrap();
            let has_colon = name.len() < line.len();
            let name = String::from_utf8_lossy(name).trim_end_matches([' ', '\t']).to_lowercase();
            dropping = has_colon && VOLATILE.contains(&name.as_str());
        }
        if !dropping {
            kept.push(line);
        }
    }
    let body = lines.get(header + 1..).unwrap_or_default().join(&b'\n');
    let end = body.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last + 1);
    let mut form = kept.join(&b'\n');
    form.extend_from_slice(b"\n\n");
    form.extend_from_slice(&body[..end]);
    sha256(&form)[..32].to_owned()
}
