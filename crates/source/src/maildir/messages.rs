//! The messages of one Maildir directory: its files joined with its UID list and keywords.
//!
//! The file wins over the list (`RULES.md 9.4`): a file that the list does not name has no UID, and a line that names no
//! file is an item of its own (`RULES.md 9.5`).

use super::control::{self, Letters};
use super::file_name::{self, FileName};
use super::uidl_rule::{Facts, UidlRule, is_uidl};
use super::{CONTROL_LIMIT_BYTES, item, notice};
use crate::root::{Entry, EntryKind, Root, join, printable};
use crate::uidlist::{self, UidList};
use crate::{Item, ItemKind, Notice, ReadError, Stamp};
use message::{Flags, Keyword};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Lines without files that become items; a list with more of them is no record of what was lost.
const MAX_LISTED_NO_FILE: usize = 1_000_000;

/// The messages of a directory, and what its UID list says about it as a whole.
#[derive(Debug, Default)]
pub(super) struct Messages {
    pub(super) uidvalidity: Option<u32>,
    pub(super) uidnext: Option<u32>,
    pub(super) items: Vec<Item>,
    pub(super) notices: Vec<Notice>,
}

/// A file of `cur/` or `new/`.
pub(super) struct MessageFile {
    /// Beneath the source's root.
    pub(super) path: Vec<u8>,
    /// Its directory entry, a regular file.
    pub(super) entry: Entry,
}

/// What lies beside the messages.
struct Beside {
    list_path: Vec<u8>,
    list: Option<Vec<u8>>,
    is_courier: bool,
    letters: Letters,
    courier_keywords: HashMap<Vec<u8>, Vec<Keyword>>,
    courier_uidls: Option<HashMap<Vec<u8>, String>>,
}

/// Which line of the UID list belongs to which file, by index.
struct Match {
    line_of_file: Vec<Option<usize>>,
    by_stem: HashSet<usize>,
    has_file: Vec<bool>,
}

/// Joins the files of one Maildir directory with what lies beside them. `uidl_rule` is `Some` for the INBOX, which alone
/// POP3 serves: the rule given, or (`Some(None)`) the one that the server whose lists are found has by default.
pub(super) fn read(
    root: &Root,
    place: &[u8],
    beside: &[Entry],
    files: &[MessageFile],
    uidl_rule: Option<Option<&UidlRule>>,
) -> Messages {
    let mut messages = Messages::default();
    let beside = Beside::read(root, place, beside, uidl_rule.is_some(), &mut messages.notices);
    let names: Vec<FileName<'_>> = files.iter().map(|file| file_name::parse(&file.entry.name)).collect();
    let list = beside.list.as_deref().map(uidlist::parse).unwrap_or_default();
    if beside.list.is_none() && !files.is_empty() {
        let text = "there is no UID list; the messages get new UIDs";
        messages.notices.push(notice("9.4", place, text));
    }
    messages.judge_list(&list, &beside);
    let matched = Match::new(&list, &names);
    let mut uids = UidTable::new(&list, &matched, &names);
    let mut unknown_letters = BTreeSet::new();
    let default_rule = if beside.is_courier { UidlRule::file_name() } else { UidlRule::dovecot() };

    for (index, (file, name)) in files.iter().zip(&names).enumerate() {
        let line = matched.line_of_file[index].map(|line| &list.entries[line]);
        let mut message = item(ItemKind::Message, file.path.clone(), file.entry.stamp);
        message.uid = uids.of_file[index];
        if let Some(text) = uids.why_none.remove(&index) {
            message.notices.push(notice("9.4", &file.path, &text));
        }
        if matched.by_stem.contains(&index) {
            let text =
                "the UID list writes this name otherwise, but the delivery's own part is the same; the UID is believed";
            message.notices.push(notice("9.4", &file.path, text));
        }
        read_letters(name, &beside, &mut message, &mut unknown_letters);
        message.promised_size = name.size.or(line.and_then(|l| l.size));
        message.promised_crlf_size = name.crlf_size.or(line.and_then(|l| l.crlf_size));
        if let Some(rule) = uidl_rule {
            let own = line.and_then(|l| l.uidl).and_then(stored_uidl);
            let facts =
                Facts { uid: message.uid.zip(messages.uidvalidity), base: name.base, guid: line.and_then(|l| l.guid) };
            message.uidl = match (own, &beside.courier_uidls, rule) {
                (Some(own), _, _) => Some(own),
                (None, _, Some(rule)) => rule.apply(facts),
                (None, Some(uidls), None) => uidls.get(name.base).cloned(),
                (None, None, None) => default_rule.apply(facts),
            };
        }
        messages.items.push(message);
    }
    if !unknown_letters.is_empty() {
        let letters: String = unknown_letters.into_iter().map(char::from).collect();
        let text = format!("the letters {letters} in file names stand for no flag or keyword and are left out");
        messages.notices.push(notice("4.1", place, &text));
    }
    messages.list_lines_without_file(&list, &beside, &matched, &mut uids);
    messages.items.sort_by(|a, b| (a.uid.is_none(), a.uid, &a.locator).cmp(&(b.uid.is_none(), b.uid, &b.locator)));
    messages
}

impl Beside {
    fn read(root: &Root, place: &[u8], entries: &[Entry], is_inbox: bool, notices: &mut Vec<Notice>) -> Beside {
        let has = |name: &[u8]| entries.iter().any(|entry| entry.name == name);
        let mut fetch = |name: &[u8]| -> Option<Vec<u8>> {
            let path = join(place, name);
            let mut text = Vec::new();
            match root.read(&path, CONTROL_LIMIT_BYTES, &mut text) {
                Ok(()) => Some(text),
                Err(ReadError::Gone) => None,
                Err(error) => {
                    notices.push(notice("9.4", &path, &format!("it cannot be read: {error}")));
                    None
                }
            }
        };
        let is_courier = !has(b"dovecot-uidlist") && (has(b"courierimapuiddb") || has(b"courierpop3dsizelist"));
        let list_name: &[u8] = if is_courier { b"courierimapuiddb" } else { b"dovecot-uidlist" };
        let list = has(list_name).then(|| fetch(list_name)).flatten();
        let keywords = has(b"dovecot-keywords").then(|| fetch(b"dovecot-keywords")).flatten();
        let uidls = (is_courier && is_inbox && has(b"courierpop3dsizelist")).then(|| fetch(b"courierpop3dsizelist"));
        let courier_keywords = match has(b"courierimapkeywords") {
            true => courier_keywords(root, &join(place, b"courierimapkeywords")),
            false => HashMap::new(),
        };
        let (letters, bad) =
            keywords.as_deref().map(control::dovecot_keywords).unwrap_or(([const { None }; 26], vec![]));
        if let Some(line) = bad.first() {
            let text = format!("{} lines name no keyword that IMAP knows, the first is line {line}", bad.len());
            notices.push(notice("4.1", &join(place, b"dovecot-keywords"), &text));
        }
        Beside {
            list_path: join(place, list_name),
            list,
            is_courier,
            letters,
            courier_keywords,
            courier_uidls: uidls.flatten().map(|text| control::courier_uidls(&text)),
        }
    }
}

/// The keywords of a `courierimapkeywords/`: the list, and the newer files of single messages, which override it. Of
/// `.NUMBER.BASE` the highest number counts, before all of them `BASE` alone.
fn courier_keywords(root: &Root, place: &[u8]) -> HashMap<Vec<u8>, Vec<Keyword>> {
    let mut text = Vec::new();
    let mut keywords = match root.read(&join(place, b":list"), CONTROL_LIMIT_BYTES, &mut text) {
        Ok(()) => control::courier_keywords(&text),
        Err(_) => HashMap::new(),
    };
    let mut newest: HashMap<Vec<u8>, (u64, Vec<u8>)> = HashMap::new();
    for entry in root.list(place).unwrap_or_default() {
        if entry.kind != EntryKind::File || entry.name == b":list" {
            continue;
        }
        let numbered = entry.name.strip_prefix(b".").and_then(|rest| {
            let dot = memchr::memchr(b'.', rest)?;
            Some((std::str::from_utf8(&rest[..dot]).ok()?.parse::<u64>().ok()?, rest[dot + 1..].to_vec()))
        });
        let (rank, base) = numbered.unwrap_or_else(|| (u64::MAX, entry.name.clone()));
        let known = newest.entry(base).or_insert((rank, entry.name.clone()));
        if rank > known.0 {
            *known = (rank, entry.name);
        }
    }
    for (base, (_, name)) in newest {
        if root.read(&join(place, &name), CONTROL_LIMIT_BYTES, &mut text).is_ok() {
            keywords.insert(base, control::courier_message_keywords(&text));
        }
    }
    keywords
}

/// Flags and keywords of a file name, and Courier's keywords of its base name.
fn read_letters(name: &FileName<'_>, beside: &Beside, message: &mut Item, unknown: &mut BTreeSet<u8>) {
    let mut keywords: Vec<&Keyword> = beside.courier_keywords.get(name.base).into_iter().flatten().collect();
    let mut flags = Flags::NONE;
    let mut nameless = Vec::new();
    for &letter in name.letters.unwrap_or_default() {
        match (Flags::from_maildir_letter(letter.into()), letter) {
            (Some(flag), _) => flags = flags | flag,
            (None, b'a'..=b'z') => match &beside.letters[usize::from(letter - b'a')] {
                Some(keyword) => keywords.push(keyword),
                None => nameless.push(letter),
            },
            (None, _) => nameless.push(letter),
        }
    }
    if name.foreign_separator {
        if !nameless.is_empty() {
            let text =
                "another character than : stands before its flags, and not all of them are known: none is believed";
            message.notices.push(notice("4.1", &message.locator.path, text));
            return;
        }
        let text = "another character than : stands before its flags; they are believed";
        message.notices.push(notice("4.1", &message.locator.path, text));
    }
    unknown.extend(nameless.into_iter().filter(u8::is_ascii_graphic));
    for keyword in keywords {
        if !message.keywords.contains(keyword) {
            message.keywords.push(keyword.clone());
        }
    }
    message.flags = flags;
}

impl Match {
    fn new(list: &UidList<'_>, names: &[FileName<'_>]) -> Match {
        let mut first_line: HashMap<&[u8], usize> = HashMap::with_capacity(list.entries.len());
        for (line, entry) in list.entries.iter().enumerate() {
            first_line.entry(entry.name).or_insert(line);
        }
        let mut matched = Match {
            line_of_file: vec![None; names.len()],
            by_stem: HashSet::new(),
            has_file: vec![false; list.entries.len()],
        };
        for (index, name) in names.iter().enumerate() {
            if let Some(&line) = first_line.get(name.base).filter(|&&line| !matched.has_file[line]) {
                matched.line_of_file[index] = Some(line);
                matched.has_file[line] = true;
            }
        }
        // A line that repeats a file's name is no file that is missing.
        let named: HashSet<&[u8]> = names.iter().map(|name| name.base).collect();
        for (line, entry) in list.entries.iter().enumerate() {
            matched.has_file[line] |= named.contains(entry.name);
        }
        matched.join_by_stem(list, names);
        matched
    }

    /// Joins files and lines that are left over where exactly one of each has the same stem: names change when files are
    /// copied or renamed by hand.
    fn join_by_stem(&mut self, list: &UidList<'_>, names: &[FileName<'_>]) {
        let lines: Vec<usize> = (0..list.entries.len()).filter(|&line| !self.has_file[line]).collect();
        let files: Vec<usize> = (0..names.len()).filter(|&file| self.line_of_file[file].is_none()).collect();
        if lines.is_empty() || files.is_empty() {
            return;
        }
        let only = |pairs: Vec<(Vec<u8>, usize)>| {
            let mut unique: HashMap<Vec<u8>, Option<usize>> = HashMap::new();
            for (stem, index) in pairs {
                unique.entry(stem).and_modify(|known| *known = None).or_insert(Some(index));
            }
            unique
        };
        let lines = only(lines.into_iter().map(|line| (file_name::stem(list.entries[line].name), line)).collect());
        let files = only(files.into_iter().map(|file| (file_name::stem(names[file].base), file)).collect());
        for (stem, file) in files {
            if let (Some(file), Some(Some(line)), false) = (file, lines.get(&stem), stem.is_empty()) {
                self.line_of_file[file] = Some(*line);
                self.has_file[*line] = true;
                self.by_stem.insert(file);
            }
        }
    }
}

/// Which UID every file has, each UID once: of several files on lines with one UID, the first in the list keeps it.
struct UidTable {
    of_file: Vec<Option<u32>>,
    why_none: HashMap<usize, String>,
    taken: HashSet<u32>,
}

impl UidTable {
    fn new(list: &UidList<'_>, matched: &Match, names: &[FileName<'_>]) -> UidTable {
        let mut table = UidTable {
            of_file: vec![None; names.len()],
            why_none: HashMap::new(),
            taken: HashSet::with_capacity(names.len()),
        };
        if list.uidvalidity.is_none() {
            return table;
        }
        let mut pairs: Vec<(usize, usize)> =
            matched.line_of_file.iter().enumerate().filter_map(|(file, line)| Some(((*line)?, file))).collect();
        pairs.sort_unstable();
        for (line, file) in pairs {
            let uid = list.entries[line].uid;
            if table.taken.insert(uid) {
                table.of_file[file] = Some(uid);
            } else {
                let text = format!(
                    "UID {uid} stands on two lines of the UID list; another file keeps it, this one gets a new one"
                );
                table.why_none.insert(file, text);
            }
        }
        let listed: HashSet<&[u8]> = list.entries.iter().map(|entry| entry.name).collect();
        for (file, name) in names.iter().enumerate() {
            if matched.line_of_file[file].is_none() && listed.contains(name.base) {
                let text = "two files have the name that the UID list gives once; the other keeps the UID".to_owned();
                table.why_none.insert(file, text);
            }
        }
        table
    }
}

impl Messages {
    /// Takes UIDVALIDITY and UIDNEXT from the list and says what is wrong with it as a whole.
    fn judge_list(&mut self, list: &UidList<'_>, beside: &Beside) {
        if beside.list.is_none() {
            return;
        }
        let mut say = |text: String| self.notices.push(notice("9.4", &beside.list_path, &text));
        if let Some(broken) = list.broken {
            let kept = match (list.uidvalidity, list.entries.len()) {
                (None, _) => "no UID of it is believed".to_owned(),
                (Some(_), n) => format!("the {n} UIDs before it are believed"),
            };
            say(format!("line {}, byte {}: {}; {kept}", broken.line, broken.offset, broken.reason));
        }
        let Some(uidvalidity) = list.uidvalidity else { return };
        let highest = list.entries.iter().map(|entry| entry.uid).max();
        let least = highest.map_or(1, |uid| uid + 1);
        if list.uidnext.is_none_or(|uidnext| uidnext < least) {
            say(format!("UIDNEXT is missing or below the UIDs in use; it is taken as {least}"));
        }
        if let Some(pair) = list.entries.windows(2).find(|pair| pair[1].uid < pair[0].uid) {
            say(format!("UIDs are not in ascending order: {} stands after {}", pair[1].uid, pair[0].uid));
        }
        let mut seen = HashMap::new();
        for entry in &list.entries {
            let first = *seen.entry(entry.name).or_insert(entry.uid);
            if first != entry.uid {
                say(format!(
                    "{} is listed twice; UID {first} is believed, {} is not",
                    printable(entry.name),
                    entry.uid
                ));
            }
        }
        self.uidvalidity = Some(uidvalidity);
        self.uidnext = Some(list.uidnext.unwrap_or(0).max(least));
    }

    /// Adds an item for every line that names no file.
    fn list_lines_without_file(&mut self, list: &UidList<'_>, beside: &Beside, matched: &Match, uids: &mut UidTable) {
        let without =
            list.entries.iter().zip(&matched.has_file).filter(|(_, has_file)| !**has_file).map(|(entry, _)| entry);
        for entry in without.clone().take(MAX_LISTED_NO_FILE) {
            let text = format!("UID {} is listed for {}, and no such file exists", entry.uid, printable(entry.name));
            let mut missing = item(ItemKind::ListedNoFile, beside.list_path.clone(), Stamp::default());
            missing.locator.range = Some(entry.line);
            missing.notices.push(notice("9.5", &beside.list_path, &text));
            missing.uid = (list.uidvalidity.is_some() && uids.taken.insert(entry.uid)).then_some(entry.uid);
            missing.uidl = entry.uidl.and_then(stored_uidl);
            missing.internal_date = file_name::delivery_time(entry.name).unwrap_or(0);
            let name = file_name::parse(entry.name);
            missing.promised_size = name.size.or(entry.size);
            missing.promised_crlf_size = name.crlf_size.or(entry.crlf_size);
            self.items.push(missing);
        }
        let more = without.count().saturating_sub(MAX_LISTED_NO_FILE);
        if more > 0 {
            let text = format!("{more} more lines name no file; they are not listed one by one");
            self.notices.push(notice("9.5", &beside.list_path, &text));
        }
    }
}

/// A UIDL of a `P` record, where POP3 can have served it.
fn stored_uidl(bytes: &[u8]) -> Option<String> {
    is_uidl(bytes).then(|| String::from_utf8_lossy(bytes).into_owned())
}
