//! One account's home: its Maildir with all mailboxes, and its Sieve scripts.

use super::chunk::{CHUNK_BYTES, CHUNK_MESSAGES, Chunk, Target, UID_LIST, UidList};
use super::disk::{Dir, component, component_within};
use super::folder::{Folder, folders};
use super::keywords::{Count, Letters};
use super::{ExportError, Result, Run};
use directory::Script;
use message::{Address, Keyword};
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use store::{Account, Blob, Cell, Mailbox, Message, StoreError, Traits, View};

/// The longest name of a script: `.sieve` and a number may follow.
const SCRIPT_STEM_BYTES: usize = 230;

/// The home of an address beneath a directory.
pub(super) fn make(parent: &Dir, address: &Address) -> Result<Dir> {
    parent.make(&component(address.domain()))?.make(&component(address.localpart()))
}

/// Writes the scripts, and the link that says which one runs.
pub(super) fn write_scripts(run: &Run<'_>, home: &Dir, address: &Address, scripts: &[Script]) -> Result<()> {
    if scripts.is_empty() {
        return Ok(());
    }
    let directory = home.make("sieve")?;
    let mut taken = HashSet::new();
    for script in scripts {
        let name = script_file(&script.name, &mut taken);
        if name.strip_suffix(".sieve") != Some(&script.name) {
            run.notice("6.4", address, format!("the script {:?} is called {name}", script.name));
        }
        directory.write_file(&name, &script.content, None)?;
        if script.active {
            // Pigeonhole wants a link here; of a copy it does not know which script it is.
            home.link(&format!("sieve/{name}"), ".dovecot.sieve")?;
        }
    }
    Ok(())
}

/// A file name for a script that none of the others has.
fn script_file(name: &str, taken: &mut HashSet<String>) -> String {
    let stem = component_within(name, SCRIPT_STEM_BYTES);
    let numbered = (2..).map(|n| format!("{stem}-{n}.sieve"));
    let mut files = std::iter::once(format!("{stem}.sieve")).chain(numbered);
    files.find(|file| taken.insert(file.clone())).expect("numbers do not run out")
}

/// Writes every mailbox of an account and hands out its messages; gives the number of mailboxes.
pub(super) fn write_mailboxes(
    run: &Run<'_>,
    view: &View<'_>,
    (cell, account): (&Cell, &Account),
    maildir: &Dir,
    jobs: &SyncSender<Chunk>,
) -> Result<u64> {
    let mailboxes = view.mailboxes(account.id)?;
    let folders = folders(mailboxes.iter().map(|mailbox| &mailbox.name));
    for (mailbox, folder) in mailboxes.iter().zip(&folders) {
        let writer = Writer { run, view, cell, account, mailbox, folder };
        let target = writer.begin(maildir)?;
        writer.hand_out(Arc::new(target), jobs)?;
    }
    let subscribed = mailboxes.iter().zip(&folders).filter(|(mailbox, _)| mailbox.subscribed);
    let lines: String = subscribed.map(|(_, folder)| format!("{}\n", folder.subscription())).collect();
    if !lines.is_empty() {
        maildir.write_file("subscriptions", lines.as_bytes(), None)?;
    }
    let served = mailboxes.iter().filter_map(|mailbox| mailbox.uidvalidity);
    let highest = served.fold(view.max_uidvalidity(account.id)?, u32::max);
    // From this, Dovecot gives the next mailbox one that the account never had (`RULES.md` G11).
    if (1..u32::MAX).contains(&highest) {
        maildir.write_file("dovecot-uidvalidity", format!("{highest:08x}").as_bytes(), None)?;
        maildir.write_file(&format!("dovecot-uidvalidity.{highest:08x}"), b"", None)?;
    }
    Ok(mailboxes.len() as u64)
}

/// One mailbox.
struct Writer<'a> {
    run: &'a Run<'a>,
    view: &'a View<'a>,
    cell: &'a Cell,
    account: &'a Account,
    mailbox: &'a Mailbox,
    folder: &'a Folder,
}

impl Writer<'_> {
    /// Makes the directory and everything in it but the messages.
    fn begin(&self, maildir: &Dir) -> Result<Target> {
        let Mailbox { name, uidnext, .. } = self.mailbox;
        let place = format!("{} {name}", self.account.address);
        if let Some((text, why)) = &self.folder.mended {
            self.run.notice("6.1", &place, format!("the mailbox is called {text}: {why}"));
        }
        let Some(uidvalidity) = self.mailbox.uidvalidity else {
            return Err(StoreError::BadRow(format!("{place} has no UIDVALIDITY")).into());
        };
        let directory = match name.is_inbox() {
            true => maildir.another()?,
            false => {
                let directory = maildir.make(&self.folder.directory())?;
                directory.make_all(&["cur", "new", "tmp"])?;
                directory.write_file("maildirfolder", b"", None)?;
                directory
            }
        };
        let (letters, maildrop) = self.survey(&place)?;
        if let Some(text) = letters.text() {
            directory.write_file("dovecot-keywords", text.as_bytes(), None)?;
        }
        let guid = guid(self.account, self.mailbox, uidvalidity);
        let mut list = directory.new_file(UID_LIST)?;
        let header = format!("3 V{uidvalidity} N{uidnext} G{guid}\n");
        list.write_all(header.as_bytes()).map_err(directory.error(UID_LIST))?;
        Ok(Target {
            cell: self.cell.number() as usize,
            place,
            mailbox: self.mailbox.id.0,
            uidvalidity,
            cur: directory.make("cur")?,
            directory,
            letters,
            maildrop,
            list: Mutex::new(UidList::new(list)),
        })
    }

    /// Goes through the rows once, for what every file name or line depends on.
    fn survey(&self, place: &str) -> Result<(Letters, Option<HashMap<u32, u32>>)> {
        let mut keywords = Count::default();
        let mut maildrop = Maildrop::default();
        let inbox = self.mailbox.name.is_inbox();
        self.view.for_each_message(self.account.id, self.mailbox.id, |message, _| {
            keywords.add(&message.keywords);
            if inbox {
                maildrop.add(&message);
            }
            Ok(())
        })?;
        let (letters, others) = keywords.letters();
        if !others.is_empty() {
            self.run.notice("4.1", place, left_out(&others));
        }
        Ok((letters, inbox.then(|| maildrop.order())))
    }

    fn hand_out(&self, target: Arc<Target>, jobs: &SyncSender<Chunk>) -> Result<()> {
        let mut chunks = Chunks { run: self.run, target, jobs, number: 0, rows: Vec::new(), bytes: 0 };
        let mut failure = None;
        let walked = self.view.for_each_message(self.account.id, self.mailbox.id, |message, blob| {
            chunks.add(message, blob).map_err(|error| {
                failure = Some(error);
                StoreError::Stopped
            })
        });
        failure.map_or(walked.map_err(ExportError::from), Err)?;
        chunks.send()
    }
}

/// The order of the maildrop (`RULES.md 5.2`).
#[derive(Default)]
struct Maildrop {
    /// Date and UID of messages of *before*.
    before: Vec<(i64, u32)>,
    /// The lowest UID of the others.
    first_other: Option<u32>,
}

impl Maildrop {
    fn add(&mut self, message: &Message) {
        match message.traits.contains(Traits::OF_BEFORE) {
            true => self.before.push((message.internal_date, message.uid)),
            false => self.first_other = self.first_other.or(Some(message.uid)),
        }
    }

    /// Places by UID, for those that have to be told: none where the order is that of the UIDs. Dovecot lists what has a
    /// place first, and the rest by UID behind.
    fn order(mut self) -> HashMap<u32, u32> {
        self.before.sort_unstable();
        let uids = self.before.iter().map(|(_, uid)| *uid);
        if uids.clone().chain(self.first_other).is_sorted() {
            return HashMap::new();
        }
        uids.zip(1..).collect()
    }
}

/// Rows on their way into chunks.
struct Chunks<'a> {
    run: &'a Run<'a>,
    target: Arc<Target>,
    jobs: &'a SyncSender<Chunk>,
    number: u64,
    rows: Vec<(Message, Blob)>,
    bytes: u64,
}

impl Chunks<'_> {
    fn add(&mut self, message: Message, blob: Blob) -> Result<()> {
        self.bytes += blob.size_bytes;
        self.rows.push((message, blob));
        if self.rows.len() < CHUNK_MESSAGES && self.bytes < CHUNK_BYTES { Ok(()) } else { self.send() }
    }

    fn send(&mut self) -> Result<()> {
        // The failure that stopped the workers is told by them.
        if self.run.stop.load(Ordering::Relaxed) {
            return Err(ExportError::Worker);
        }
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        let chunk = Chunk { target: self.target.clone(), number: self.number, rows };
        (self.number, self.bytes) = (self.number + 1, 0);
        self.jobs.send(chunk).map_err(|_| ExportError::Worker)
    }
}

/// A mailbox's GUID: the same in every export of the same mailbox, and another for any other.
fn guid(account: &Account, mailbox: &Mailbox, uidvalidity: u32) -> String {
    let names = format!("{}\n{}\n{uidvalidity}", account.address.to_lowercase(), mailbox.id.0);
    blake3::hash(names.as_bytes()).to_hex()[..32].to_owned()
}

/// What is said of keywords without a letter.
fn left_out(keywords: &[(Keyword, u64)]) -> String {
    let list: Vec<String> = keywords.iter().map(|(keyword, count)| format!("{keyword} ({count})")).collect();
    format!(
        "a mailbox has letters for 26 keywords; these, used least, are left out (from so many messages): {}",
        list.join(", ")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn script_files_are_one_name_each() {
        let mut taken = HashSet::new();
        let long = "x".repeat(300);
        let names = ["roundcube", "../../etc/passwd", "..", "a/b", "a%2Fb", &long, &format!("{long}y")];
        let files: Vec<String> = names.iter().map(|name| script_file(name, &mut taken)).collect();
        assert_eq!(files[0], "roundcube.sieve");
        assert_eq!(files[1], "..%2F..%2Fetc%2Fpasswd.sieve");
        assert_eq!(files[2], "%2E%2E.sieve");
        assert_eq!((files[3].as_str(), files[4].as_str()), ("a%2Fb.sieve", "a%2Fb-2.sieve"));
        assert!(files.iter().all(|f| f.ends_with(".sieve") && f.len() <= 255 && !f.contains('/')), "{files:?}");
        assert_eq!(files.iter().collect::<HashSet<_>>().len(), names.len());
    }

    #[test]
    fn the_maildrop_is_ordered_only_where_uids_are_not() {
        let order = |before: &[(i64, u32)], first_other| Maildrop { before: before.to_vec(), first_other }.order();
        assert!(order(&[], Some(1)).is_empty());
        assert!(order(&[(10, 1), (10, 2), (30, 5)], Some(6)).is_empty());
        assert_eq!(order(&[(20, 7), (10, 8)], None), HashMap::from([(8, 1), (7, 2)]));
        assert_eq!(order(&[(10, 7), (20, 8)], Some(3)), HashMap::from([(7, 1), (8, 2)]));
    }
}
