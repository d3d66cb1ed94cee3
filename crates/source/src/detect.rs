//! What a path is: a description, a tree that is known as it stands, or something that needs a description first.

use crate::SourceError;
use crate::description::{Description, FILE_NAME, Format};
use crate::layout::Layout;
use crate::maildir::is_maildir;
use crate::root::{Entry, EntryKind, Root, join};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where the whole tree of a mail server keeps its mail.
const LAYOUT: &str = "mail/{domain}/{localpart}/Maildir";

/// Where it keeps the rest, beneath its root.
const ACCOUNTS: &str = "etc/dovecot/users";
const ALIASES: &str = "etc/postfix/virtual";
const DOMAINS: [&str; 2] = ["etc/domains", "etc/postfix/virtual_domains"];
const ORPHANS: [&str; 2] = ["lost+found", "quarantine"];

/// How many files are looked into to say what a directory might be.
const FILES_LOOKED_INTO: usize = 100;

/// Says what lies at a path: a `source.toml`, a directory with one in it, or a directory that is known as it stands (the
/// tree of a mail server, as this program's own export writes it too).
///
/// # Errors
/// When it cannot be read, when the description is wrong, or when the path is a kind of mail that needs a description: the
/// error then shows one.
pub fn describe(path: &Path) -> Result<Description, SourceError> {
    let io = |cause| SourceError::Io { path: path.to_owned(), cause };
    let metadata = std::fs::metadata(path).map_err(io)?;
    if metadata.is_file() {
        return describe_file(path);
    }
    let file = path.join(FILE_NAME);
    if file.try_exists().map_err(io)? {
        return Description::read(&file);
    }
    let root = Root::open(path).map_err(io)?;
    let entries = root.list(b".").map_err(io)?;
    match server_tree(path, &root) {
        Some(description) => Ok(description),
        None => Err(unknown(path, &root, &entries)),
    }
}

fn describe_file(path: &Path) -> Result<Description, SourceError> {
    if path.extension().is_some_and(|extension| extension == "toml") {
        return Description::read(path);
    }
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(5).read_to_end(&mut head));
    read.map_err(|cause| SourceError::Io { path: path.to_owned(), cause })?;
    let message = if head == b"From " {
        let what = "it looks like an mbox file; put it into a directory of its own, because every file there becomes a mailbox of \
                    the account";
        needs(Path::new("that directory"), what, Format::Mbox, "account = \"name@example.org\"\n")
    } else {
        format!("it is a file, but no {FILE_NAME}; a directory or a file that ends in .toml is expected")
    };
    Err(SourceError::Unknown { path: path.to_owned(), message })
}

/// The whole tree of a mail server.
fn server_tree(path: &Path, root: &Root) -> Option<Description> {
    if !root.is_directory(b"mail") {
        return None;
    }
    let layout = Layout::parse(LAYOUT).expect("the layout of server trees is well-formed");
    let exists = |file: &str| matches!(root.stat(file.as_bytes()), Ok(Some(_)));
    if ![ACCOUNTS, DOMAINS[0], DOMAINS[1]].into_iter().any(exists) && !has_maildir(root, &layout) {
        return None;
    }
    let mut description = Description::new(path, Format::Maildir, path.to_owned());
    description.layout = Some(layout);
    description.files_in_tree = true;
    let present = |file: &str| exists(file).then(|| PathBuf::from(file));
    description.accounts = present(ACCOUNTS);
    description.aliases = present(ALIASES);
    description.domains = DOMAINS.iter().filter_map(|file| present(file)).collect();
    description.orphans =
        ORPHANS.iter().map(|name| name.as_bytes().to_vec()).filter(|name| root.is_directory(name)).collect();
    Some(description)
}

/// Whether one of the homes has a Maildir or is one.
fn has_maildir(root: &Root, layout: &Layout) -> bool {
    let is_maildir_at = |place: &[u8]| root.list(place).is_ok_and(|entries| is_maildir(&entries));
    let homes = layout.find(root, &|_| false).unwrap_or_default().homes;
    homes.iter().any(|home| is_maildir_at(&join(&home.place, b"Maildir")) || is_maildir_at(&home.place))
}

/// The error for a directory that is not known as it stands.
fn unknown(path: &Path, root: &Root, entries: &[Entry]) -> SourceError {
    let message = if is_maildir(entries) {
        needs(path, "it is one Maildir, and nothing says whose", Format::Maildir, "account = \"name@example.org\"\n")
    } else {
        match kind_of_files(root, b".", entries) {
            Some(Format::Mbox) => {
                let keys = "account = \"name@example.org\"\n";
                needs(path, "it holds mbox files, and nothing says whose", Format::Mbox, keys)
            }
            Some(_) => {
                let what = "it is a heap of messages, and nothing says whose";
                needs(path, what, Format::Eml, "orphans = [\".\"]  # or: account = \"name@example.org\"\n")
            }
            None => {
                let keys = "layout = \"{domain}/{localpart}/Maildir\"\naccounts = \"users\"\n";
                let what = "it is nothing that is known as it stands: there is no source.toml, no mail/DOMAIN/LOCALPART/Maildir, \
                            no cur/ and new/, no mbox and no .eml in it";
                needs(path, what, Format::Maildir, keys)
            }
        }
    };
    SourceError::Unknown { path: path.to_owned(), message }
}

/// The text that says what something is and shows the description to write.
fn needs(root: &Path, what: &str, format: Format, keys: &str) -> String {
    let root = quoted(&root.to_string_lossy());
    format!(
        "{what}; write a file {FILE_NAME} such as the following, and give that instead:\n\nformat = \"{}\"\nroot = {root}\n{keys}",
        format.name()
    )
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// What the files of a directory, and of those in it, seem to be.
fn kind_of_files(root: &Root, place: &[u8], entries: &[Entry]) -> Option<Format> {
    let mut files: Vec<Vec<u8>> = Vec::new();
    for entry in entries {
        let path = join(place, &entry.name);
        match entry.kind {
            EntryKind::File => files.push(path),
            EntryKind::Directory if files.len() < FILES_LOOKED_INTO => {
                let inner = root.list(&path).unwrap_or_default();
                files.extend(inner.iter().filter(|e| e.kind == EntryKind::File).map(|e| join(&path, &e.name)));
            }
            _ => {}
        }
    }
    files.truncate(FILES_LOOKED_INTO);
    let is_eml = |path: &[u8]| path.len() >= 4 && path[path.len() - 4..].eq_ignore_ascii_case(b".eml");
    if files.iter().any(|path| is_eml(path)) {
        return Some(Format::Eml);
    }
    let begins_with_postmark = |path: &Vec<u8>| {
        let mut head = Vec::new();
        let file = root.open_file(path).map(|(file, _)| file.take(5).read_to_end(&mut head));
        file.is_ok() && head == b"From "
    };
    files.iter().any(begins_with_postmark).then_some(Format::Mbox)
}
