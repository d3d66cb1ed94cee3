//! A heap: a directory with one message a file, at any depth, as people export mail (`RULES.md 9.3`).
//!
//! Every regular file is an item: a message if it begins like one. A file that begins with a postmark and is not called
//! `.eml` is an mbox and gives an item for each of its messages. Nothing here has a UID; flags are those that a client
//! wrote into the header.

use crate::mbox::{self, Variant, fields};
use crate::mbox_tree::{empty_mailbox, whole_file};
use crate::root::{Entry, EntryKind, Root, join, printable};
use crate::{Item, ItemKind, MaildropScan, ReadError, SourceError};
use fields::{Fields, MAX_HEADER_BYTES};
use message::MailboxName;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Levels of directories that are gone into; deeper ones are listed as unreadable.
const MAX_DEPTH: usize = 32;

/// What the one mailbox of a heap is called.
const MAILBOX: &str = "heap";

/// Lists a heap; `place` is a directory beneath the root.
///
/// # Errors
/// When the place cannot be listed.
pub(crate) fn scan(root: &Root, place: &[u8]) -> Result<MaildropScan, SourceError> {
    let entries =
        root.list(place).map_err(|cause| SourceError::Io { path: root.path().join(printable(place)), cause })?;
    let mut items = Vec::new();
    add_entries(root, place, &entries, 1, &mut items);
    let mut mailbox = empty_mailbox(MailboxName::new(MAILBOX).expect("the name is one level of letters"));
    mailbox.items = items;
    Ok(MaildropScan { mailboxes: vec![mailbox], ..MaildropScan::default() })
}

fn add_entries(root: &Root, path: &[u8], entries: &[Entry], depth: usize, items: &mut Vec<Item>) {
    for entry in entries {
        let path = join(path, &entry.name);
        let unreadable = |why: &str| whole_file(&path, entry.stamp, ItemKind::Unreadable, Some(why));
        match entry.kind {
            EntryKind::File => match file_items(root, &path, entry) {
                Ok(found) => items.extend(found),
                Err(e) => items.push(unreadable(&format!("the file cannot be read: {e}"))),
            },
            EntryKind::Directory if depth == MAX_DEPTH => {
                items.push(unreadable("it lies too deep and was not gone into"))
            }
            EntryKind::Directory => match root.list(&path) {
                Ok(entries) => add_entries(root, &path, &entries, depth + 1, items),
                Err(e) => items.push(unreadable(&format!("the directory cannot be listed: {e}"))),
            },
            EntryKind::Link => items.push(unreadable("it is a symbolic link")),
            EntryKind::Special => items.push(unreadable("it is no regular file")),
            EntryKind::Unknown => items.push(unreadable("it cannot be looked at")),
        }
    }
}

/// The items of a file, by what it begins with.
fn file_items(root: &Root, path: &[u8], entry: &Entry) -> Result<Vec<Item>, ReadError> {
    let (file, _) = root.open_file(path)?;
    let mut start = read_start(&file, 16 * 1024)?;
    let is_eml = path.len() >= 4 && path[path.len() - 4..].eq_ignore_ascii_case(b".eml");
    if start.starts_with(b"From ") && !is_eml {
        let mut scan = mbox::scan_file(&file, path, Variant::Auto, u64::MAX)?;
        if scan.postmarks > 0 {
            // They count within one file, and a heap may hold many.
            for item in &mut scan.items {
                (item.uid, item.uidl) = (None, None);
            }
            return Ok(scan.items);
        }
    }
    if fields::header_length(&start).is_none() && start.len() == 16 * 1024 {
        start = read_start(&file, MAX_HEADER_BYTES)?;
    }
    let header = without_postmark(&start);
    // What is empty or zeros was a message before the damage: reading it says so (`RULES.md 9.1`).
    let is_blank = start.iter().all(|&b| b == 0);
    let looks_like_mail = fields::begins_with_field(header);
    let kind = if looks_like_mail || is_blank { ItemKind::Message } else { ItemKind::NotAMessage };
    let mut item = whole_file(path, entry.stamp, kind, None);
    if looks_like_mail {
        let length = fields::header_length(header).unwrap_or(header.len());
        let fields = Fields::read(&header[..length]);
        (item.flags, item.keywords) = fields.marks(None);
        item.internal_date = fields.arrival().unwrap_or(item.internal_date);
    }
    Ok(vec![item])
}

/// The beginning of a file, at most `limit_bytes` of it.
fn read_start(file: &File, limit_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; limit_bytes];
    let mut filled = 0;
    while filled < limit_bytes {
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// What stands behind a leading `From ` line.
fn without_postmark(bytes: &[u8]) -> &[u8] {
    if !bytes.starts_with(b"From ") {
        return bytes;
    }
    memchr::memchr(b'\n', bytes).map_or(b"", |end| &bytes[end + 1..])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use message::Flags;
    use std::fs;

    #[test]
    fn every_file_of_a_heap_is_an_item() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("found");
        let mbox = "From a@b Wed Mar  6 15:00:10 2013\nX-IMAPbase: 7 9\nX-UID: 3\nStatus: RO\n\nc\n\n".repeat(2);
        let long =
            format!("A: {}\nX-Mozilla-Status: 0001\nDate: Wed, 6 Mar 2013 15:00:10 +0000\n\nx", "y".repeat(40_000));
        let files = [
            ("a.eml", "Subject: x\nX-Status: F\nReceived: by x; Wed, 6 Mar 2013 15:00:10 +0000\n\nx\n"),
            ("b.EML", &mbox),
            ("c.mbox", &mbox),
            ("d/e/f", &long),
            ("empty", ""),
            ("g.txt", "This is no mail.\n"),
            ("zeros", "\0\0\0"),
        ];
        for (name, text) in files {
            fs::create_dir_all(place.join(name).parent().unwrap()).unwrap();
            fs::write(place.join(name), text).unwrap();
        }
        std::os::unix::fs::symlink("a.eml", place.join("link")).unwrap();
        let deep = (0..40).fold(place.clone(), |path, _| path.join("z"));
        fs::create_dir_all(deep).unwrap();

        let scan = scan(&Root::open(root.path()).unwrap(), b"found").unwrap();
        assert_eq!(scan.mailboxes.len(), 1);
        let items = &scan.mailboxes[0].items;
        let kinds: Vec<String> = items
            .iter()
            .map(|item| format!("{} {:?} {:?}", printable(&item.locator.path), item.locator.range, item.kind))
            .collect();
        assert_eq!(
            kinds,
            [
                "found/a.eml None Message",
                "found/b.EML None Message",
                "found/c.mbox Some((34, 39)) Message",
                "found/c.mbox Some((108, 39)) Message",
                "found/d/e/f None Message",
                "found/empty None Message",
                "found/g.txt None NotAMessage",
                "found/link None Unreadable",
                &format!("found{} None Unreadable", "/z".repeat(MAX_DEPTH)),
                "found/zeros None Message",
            ]
        );
        let flags: Vec<Flags> = items[..5].iter().map(|item| item.flags).collect();
        assert_eq!(flags, [Flags::FLAGGED, Flags::SEEN, Flags::SEEN, Flags::SEEN, Flags::SEEN]);
        assert!(items.iter().all(|item| item.uid.is_none()));
        for dated in [0, 2, 3, 4] {
            assert_eq!(items[dated].internal_date, 1_362_582_010, "{dated}");
        }
    }
}
