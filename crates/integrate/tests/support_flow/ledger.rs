//! A ledger as somebody else reads it, and the items of a source counted without the product.

use directory::IntegrationId;
use integrate::Platform;
use integrate::ledger::{self, Checked, Format};
use serde_json::Value;
use std::path::Path;

/// Exports a ledger in both forms, checks each under the platform's key, and gives its rows as JSON.
///
/// Both must be one ledger: the same head, the same number of rows.
pub fn rows(platform: &Platform, id: IntegrationId) -> (Checked, Vec<Value>) {
    let key = integrate::public_key(platform).unwrap().unwrap();
    let export = |format| {
        let mut text = Vec::new();
        integrate::write_ledger(platform, id, format, &mut text).unwrap();
        text
    };
    let (jsonl, csv) = (export(Format::Jsonl), export(Format::Csv));
    let checked = ledger::check(&jsonl[..], Some(&key)).unwrap();
    assert!(checked.key_compared);
    let as_csv = ledger::check(&csv[..], Some(&key)).unwrap();
    assert_eq!((as_csv.head, as_csv.rows), (checked.head, checked.rows));
    let lines = String::from_utf8(jsonl).unwrap();
    let values = lines.lines().map(|line| serde_json::from_str(line).unwrap());
    let rows: Vec<Value> = values.filter(|value: &Value| value.get("seq").is_some()).collect();
    assert_eq!(rows.len() as u64, checked.rows);
    (checked, rows)
}

/// Counts the items of a server tree by looking at it: every file in `cur`, `new` and `tmp`, every orphan, and every
/// UID that a list has without a file.
pub fn items_of_tree(root: &Path) -> u64 {
    let mut count = 0;
    walk(&root.join("mail"), &mut |path| {
        let parent = path.parent().unwrap();
        let holder = parent.file_name().unwrap();
        count += u64::from(holder == "cur" || holder == "new" || holder == "tmp");
        if path.file_name().unwrap() == "dovecot-uidlist" {
            count += listed_without_file(parent);
        }
    });
    if root.join("lost+found").exists() {
        walk(&root.join("lost+found"), &mut |_| count += 1);
    }
    count
}

fn listed_without_file(mailbox: &Path) -> u64 {
    let text = std::fs::read(mailbox.join("dovecot-uidlist")).unwrap();
    let mut there = Vec::new();
    for part in ["cur", "new"] {
        if mailbox.join(part).exists() {
            walk(&mailbox.join(part), &mut |path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                there.push(name.split(":2,").next().unwrap().to_owned());
            });
        }
    }
    let lines = String::from_utf8_lossy(&text).into_owned();
    let listed = lines.lines().skip(1).filter_map(|line| line.split_once(" :"));
    let names = listed.map(|(_, name)| name.split(":2,").next().unwrap().to_owned());
    names.filter(|name| !there.contains(name)).count() as u64
}

fn walk(directory: &Path, each: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => walk(&entry.path(), each),
            false => each(&entry.path()),
        }
    }
}

/// The files of a server tree that need a row (those that serve the format need none), relative to its root, as bytes.
pub fn files_of_tree(root: &Path) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    let mut add = |path: &Path| files.push(path.strip_prefix(root).unwrap().as_os_str().as_encoded_bytes().to_vec());
    walk(&root.join("mail"), &mut |path| {
        let holder = path.parent().unwrap().file_name().unwrap();
        if holder == "cur" || holder == "new" || holder == "tmp" {
            add(path);
        }
    });
    if root.join("lost+found").exists() {
        walk(&root.join("lost+found"), &mut |path| {
            let name = path.file_name().unwrap().to_string_lossy();
            if name != "maildirfolder" && !name.starts_with("dovecot-") {
                add(path);
            }
        });
    }
    files
}
