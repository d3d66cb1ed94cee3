//! The consistency check: every record against its checksums and digest, every row against every other.
//!
//! Invariants (the same list that writing keeps; RFC 9051 §2.3.1.1, RFC 7162, `RULES.md` G11; 5, 6, 10 and 11 are what can
//! be seen of the rules of served mailboxes, which `served` lists):
//!
//! 1. Every record is whole, and its bytes are those that its digest names.
//! 2. Every blob row points to a record of that digest with bytes, and its identity and size are those of the bytes.
//! 3. Every delivery record's bytes are known to the index.
//! 4. Every message's bytes, mailbox and account exist.
//! 5. A live mailbox has a UIDVALIDITY, at most the highest that its account ever had; UIDs are below UIDNEXT; modification
//!    sequences are above 0 in live mailboxes, and not above HIGHESTMODSEQ.
//! 6. No UID is both a message and expunged.
//! 7. No POP3 UIDL stands twice in a live INBOX.
//! 8. A live account has exactly one INBOX.
//! 9. A staged item that became a message points to one.
//! 10. No mailbox has a name that is subscribed to as one without a mailbox.
//! 11. Annotations belong to an account, and to a mailbox of it or to the server; their entries have names that such have.

use crate::catch_up::{left_over, tail};
use crate::cell::{Cell, Finding};
use crate::error::{Class, StoreError};
use crate::index::{rows, served, sqlite};
use crate::segment::log::Found;
use crate::segment::record::{self, Codec, Kind, SEGMENT_HEAD_LEN};
use crate::served::is_entry;
use crate::types::{
    Account, Annotation, Blob, BlobId, LIVE, LineageId, Mailbox, MailboxId, Place, Traits, uidl_by_rule,
};
use std::collections::{BTreeSet, HashMap, HashSet};

type Result<T> = std::result::Result<T, StoreError>;

/// What a check of a cell went through and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Records read, whole or not.
    pub records: u64,
    /// Distinct messages' bytes unpacked and hashed.
    pub blobs: u64,
    /// Message rows looked at.
    pub messages: u64,
    /// Stretches of segments that cannot be used and were reported when the index came upon them: what a power loss
    /// tore before it was acknowledged, and damage that a rebuild met. They are no problems again.
    pub reported: u64,
    /// What is wrong.
    pub problems: Vec<Finding>,
    /// Where the only bytes of a message should lie and are damaged or missing, ascending: see [`Cell::note_damage`].
    pub damaged: Vec<Place>,
    /// The messages of every lineage that have such bytes: whom the problems with them concern.
    pub damaged_messages: Vec<Finding>,
    /// Lineages that have such messages: a good copy may still lie where they were read from.
    pub damaged_lineages: BTreeSet<LineageId>,
}

impl Cell {
    /// Checks every record and every index row of the cell against each other. Changes nothing.
    ///
    /// # Errors
    /// When the index or a segment cannot be read at all; damage is a problem in the report.
    pub fn check(&self) -> Result<CheckReport> {
        self.read(|view| {
            let left = by_segment(left_over(view.db)?);
            let mut check = Check { cell: self, view, left, damaged: HashSet::new(), report: CheckReport::default() };
            for line in sqlite::integrity(view.db)? {
                check.problem(format!("index.sqlite: {line}"));
            }
            let segments = check.segments();
            check.survive("index", segments)?;
            let rows = check.rows();
            check.survive("index", rows)?;
            check.report.damaged.sort_unstable();
            Ok(check.report)
        })
    }
}

/// Stretches as [`Check::left`] has them. There is one for each record that was healed, and all other records are looked for
/// among them.
fn by_segment(stretches: Vec<(u32, u64, u64)>) -> HashMap<u32, Vec<(u64, u64)>> {
    let mut left: HashMap<u32, Vec<(u64, u64)>> = HashMap::new();
    for (number, from, to) in stretches {
        left.entry(number).or_default().push((from, to));
    }
    for stretches in left.values_mut() {
        stretches.sort_unstable();
        let mut furthest = 0;
        for (_, to) in stretches {
            furthest = furthest.max(*to);
            *to = furthest;
        }
    }
    left
}

struct Check<'a> {
    cell: &'a Cell,
    view: &'a crate::cell::View<'a>,
    /// By segment: from, and the furthest end of those that begin here or before; ascending.
    left: HashMap<u32, Vec<(u64, u64)>>,
    /// Of which bytes there is no good record.
    damaged: HashSet<BlobId>,
    report: CheckReport,
}

impl Check<'_> {
    fn problem(&mut self, text: String) {
        self.report.problems.push(Finding { cell: self.cell.number(), text });
    }

    /// Notes that the record of a message's bytes is no good.
    fn damaged(&mut self, blob: &Blob, text: String) {
        self.problem(text);
        if self.damaged.insert(blob.id) {
            self.report.damaged.push(blob.place);
        }
    }

    /// Turns damage of the index into a problem, and goes on behind it.
    fn survive(&mut self, at: &str, result: Result<()>) -> Result<()> {
        match result {
            Err(error) if error.class() == Class::Corruption => {
                self.problem(format!("{at}: {error}"));
                Ok(())
            }
            other => other,
        }
    }

    /// Whether a stretch is one that was reported when the index came upon it.
    fn was_reported(&mut self, number: u32, from: u64, to: u64) -> bool {
        let before = |left: &Vec<(u64, u64)>| left.partition_point(|l| l.0 <= from).checked_sub(1).map(|at| left[at].1);
        let known = self.left.get(&number).and_then(before).is_some_and(|end| to <= end);
        self.report.reported += u64::from(known);
        known
    }

    /// Invariants 1 to 3. Blob rows come in the order of the segments, so one segment's rows are held at a time.
    fn segments(&mut self) -> Result<()> {
        // What a writer appends in the meantime is not in the view.
        let Some(end) = tail(self.view.db)? else { return Ok(()) };
        let mut numbers = self.cell.segments().numbers()?;
        numbers.retain(|number| *number <= end.segment);
        let mut numbers = numbers.into_iter().peekable();
        let mut held: Vec<Blob> = Vec::new();
        rows::for_each_blob(self.view.db, |blob| {
            while let Some(number) = numbers.next_if(|n| *n < blob.place.segment) {
                self.segment(number, end, std::mem::take(&mut held))?;
            }
            held.push(blob);
            Ok(())
        })?;
        for number in numbers {
            self.segment(number, end, std::mem::take(&mut held))?;
        }
        for blob in held {
            self.damaged(&blob, format!("segment {:08x} is missing; it held {}", blob.place.segment, blob.digest));
        }
        Ok(())
    }

    fn segment(&mut self, number: u32, end: Place, blobs: Vec<Blob>) -> Result<()> {
        if let Err(error @ StoreError::Corrupt { .. }) = self.cell.segments().segment_head(number)
            && !self.was_reported(number, 0, SEGMENT_HEAD_LEN as u64)
        {
            self.problem(format!("{error}"));
        }
        let mut expected: HashMap<u64, Blob> = HashMap::new();
        for blob in blobs {
            if blob.place.segment == number {
                expected.insert(blob.place.position, blob);
            } else {
                self.damaged(&blob, format!("segment {:08x} is missing; it held {}", blob.place.segment, blob.digest));
            }
        }
        let length = self.cell.segments().length(number)?;
        let end = if end.segment == number { Some(end.position) } else { None };
        let cut = end.filter(|end| *end > length.next_multiple_of(8) && !self.was_reported(number, length, *end));
        if let Some(end) = cut {
            self.problem(format!("segment {number:08x} ends at {length}; the index knows it up to {end}"));
        }
        let mut found = Vec::new();
        let mut damaged = Vec::new();
        let cell = self.cell;
        cell.segments().scan(number, SEGMENT_HEAD_LEN as u64, end.is_none(), |record| {
            let position = match &record {
                Found::Record(head, _) => head.position,
                Found::Damaged(from, ..) => *from,
            };
            if end.is_some_and(|end| position >= end) {
                return Ok(());
            }
            match record {
                Found::Record(head, meta) => {
                    found.push((*head, head.kind == Kind::Delivery && record::Delivery::decode(meta).is_err()))
                }
                Found::Damaged(from, to, why) => {
                    damaged.push((from, to, format!("segment {number:08x} from {from} to {to}: {why}")))
                }
            }
            Ok(())
        })?;
        for (from, to, text) in damaged {
            if !self.was_reported(number, from, to) {
                self.problem(text);
            }
        }
        for (head, malformed) in found {
            self.report.records += 1;
            let at = format!("segment {number:08x} at {}", head.position);
            let blob = expected.remove(&head.position);
            if blob.is_none() && self.was_reported(number, head.position, head.position + head.total_len()) {
                continue;
            }
            if malformed {
                self.problem(format!("{at}: its description is malformed"));
            }
            self.record(Place { segment: number, position: head.position }, &head, blob, &at)?;
        }
        for (position, blob) in expected {
            let text = format!("segment {number:08x} at {position}: there is no record of {}", blob.digest);
            self.damaged(&blob, text);
        }
        Ok(())
    }

    fn record(&mut self, place: Place, head: &record::Head, blob: Option<Blob>, at: &str) -> Result<()> {
        if head.codec == Codec::Elsewhere && head.raw_len > 0 {
            if let Some(blob) = blob {
                self.damaged(&blob, format!("{at}: the index expects bytes in a record that has none"));
            }
            if head.kind == Kind::Delivery && self.view.blob(&head.digest)?.is_none() {
                self.problem(format!("{at}: its bytes {} are nowhere in the cell", head.digest));
            }
            return Ok(());
        }
        let raw = match self.cell.segments().verify(place).and_then(|()| self.cell.segments().read(place)) {
            Ok((_, raw)) => raw,
            Err(StoreError::Corrupt { why, .. }) => {
                let text = format!("{at}: {why}");
                match blob {
                    Some(blob) => self.damaged(&blob, text),
                    None => self.problem(text),
                }
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        self.report.blobs += u64::from(blob.is_some());
        match blob {
            Some(blob) if blob.digest != head.digest => {
                let text = format!("{at}: the index expects {} here, the record is {}", blob.digest, head.digest);
                self.damaged(&blob, text);
            }
            Some(blob) => {
                let seen = message::examine(&raw);
                if (seen.identity, seen.message_id, seen.first_field, seen.size_bytes)
                    != (blob.identity, blob.message_id, blob.first_field, blob.size_bytes)
                {
                    self.problem(format!("{at}: the index describes other bytes than the record has"));
                }
            }
            None if head.kind == Kind::Delivery && self.view.blob(&head.digest)?.is_none() => {
                self.problem(format!("{at}: the index does not know its message"));
            }
            None => {}
        }
        Ok(())
    }

    /// Invariants 4 to 11.
    fn rows(&mut self) -> Result<()> {
        for text in rows::strays(self.view.db)? {
            self.problem(format!("index: {text} belong to nothing"));
        }
        for (account, mailbox, uid) in rows::messages_without_bytes(self.view.db)? {
            let text = format!("account {} mailbox {} UID {uid}: the index has no bytes for it", account.0, mailbox.0);
            self.problem(text);
        }
        for account in rows::accounts(self.view.db, None)? {
            let result = self.account(&account);
            self.survive(&account.address, result)?;
        }
        Ok(())
    }

    fn account(&mut self, account: &Account) -> Result<()> {
        let live = account.lineage == LIVE;
        let mailboxes = self.view.mailboxes(account.id)?;
        let highest = self.view.max_uidvalidity(account.id)?;
        if live && mailboxes.iter().filter(|m| m.name.is_inbox()).count() != 1 {
            self.problem(format!("{}: there is not exactly one INBOX", account.address));
        }
        for name in self.view.subscriptions(account.id)? {
            if mailboxes.iter().any(|m| m.name == name) {
                self.problem(format!("{} {name}: it is subscribed to as if it were not there", account.address));
            }
        }
        for Annotation { entry, .. } in served::all_annotations(self.view.db, account.id)? {
            if !is_entry(&entry) {
                self.problem(format!("{}: annotation {entry:?} has no name of one", account.address));
            }
        }
        let mut uids = HashSet::new();
        for mailbox in &mailboxes {
            let at = format!("{} {} (lineage {})", account.address, mailbox.name, account.lineage.0);
            match mailbox.uidvalidity {
                Some(v) if v == 0 || v > highest => self.problem(format!("{at}: UIDVALIDITY {v} cannot be")),
                None if live => self.problem(format!("{at}: it has no UIDVALIDITY")),
                _ => {}
            }
            let result = self.mailbox(account, mailbox, &at, &mut uids);
            self.survive(&at, result)?;
        }
        let mut lost = 0;
        self.view.for_each_item(account.id, |_, item| {
            lost += u64::from(item.message.is_some_and(|at| !uids.contains(&at)));
            Ok(())
        })?;
        if lost > 0 {
            let at = &account.address;
            self.problem(format!("{at}: {lost} staged items point to messages that are not there"));
        }
        Ok(())
    }

    fn mailbox(
        &mut self,
        account: &Account,
        mailbox: &Mailbox,
        at: &str,
        uids: &mut HashSet<(MailboxId, u32)>,
    ) -> Result<()> {
        let live = account.lineage == LIVE;
        let expunged: HashMap<u32, u64> =
            self.view.expunged(account.id, mailbox.id)?.into_iter().map(|(uid, modseq, _)| (uid, modseq)).collect();
        let mut problems = Vec::new();
        let mut uidls: HashMap<String, u32> = HashMap::new();
        let mut count = 0;
        rows::for_each_message_row(self.view.db, account.id, mailbox.id, |m| {
            count += 1;
            let made_up = m.traits.contains(Traits::UID_MADE_UP);
            if m.uid == 0 || (m.uid >= mailbox.uidnext && !made_up) || (made_up && live) {
                problems.push(format!("{at}: UID {} is not below UIDNEXT {}", m.uid, mailbox.uidnext));
            }
            if m.modseq > mailbox.highest_modseq {
                problems.push(format!("{at}: UID {} has a modification sequence above the mailbox's", m.uid));
            }
            if self.damaged.contains(&m.blob) {
                let text = format!("{at}: the bytes of UID {} are damaged", m.uid);
                self.report.damaged_messages.push(Finding { cell: self.cell.number(), text });
                self.report.damaged_lineages.insert(account.lineage);
            }
            if live && m.modseq == 0 {
                problems.push(format!("{at}: UID {} has no modification sequence", m.uid));
            }
            if expunged.contains_key(&m.uid) {
                problems.push(format!("{at}: UID {} is there and expunged", m.uid));
            }
            if live && mailbox.name.is_inbox() {
                let uidl = m.uidl.unwrap_or_else(|| uidl_by_rule(mailbox.uidvalidity.unwrap_or(0), m.uid));
                if let Some(other) = uidls.insert(uidl, m.uid) {
                    problems.push(format!("{at}: UIDs {other} and {} have one UIDL", m.uid));
                }
            }
            // Only staged accounts have items that look for these.
            if !live {
                uids.insert((mailbox.id, m.uid));
            }
            Ok(())
        })?;
        self.report.messages += count;
        if expunged.iter().any(|(uid, modseq)| *uid >= mailbox.uidnext || *modseq > mailbox.highest_modseq) {
            problems.push(format!("{at}: an expunged UID or its sequence is above the mailbox's"));
        }
        problems.into_iter().for_each(|p| self.problem(p));
        Ok(())
    }
}
