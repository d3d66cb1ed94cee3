//! Finding messages, a stretch of the mailbox at a time.

use super::bits::Bits;
use super::plan::{FieldTest, Plan, RowTest};
use crate::answer::Refusal;
use crate::cache::{self, Kind};
use crate::command::object_id;
use crate::session::selected::Selected;
use crate::syntax::SearchKey;
use edge::SignedIn;
use memchr::memmem;
use message::{header, text};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Image, StoreError};

/// About how long a step works: long enough that its own cost does not count, short enough that the client can be told
/// of progress and the connection be looked after.
const STEP: Duration = Duration::from_millis(40);
/// A stretch that takes longer is given up and tried on fewer messages: texts are indexed on the way, and a client may
/// ask for a thousand things at once.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many messages the first stretch has.
const FIRST_STRETCH: usize = 1024;
/// Stretches never get shorter, so that each does get done.
const SHORTEST_STRETCH: usize = 1;
/// How many messages are read for their header fields before the time is looked at.
const READ_AT_ONCE: usize = 64;
/// Nor longer: what was found out fast of the messages before may be found out slowly of the next.
const LONGEST_STRETCH: usize = 16 * 1024;

/// A search in the making.
pub(in crate::command) struct Finder {
    plan: Plan,
    /// The mailbox as it was when the search began, for all of it.
    image: Arc<Image>,
    /// Indexes of the image below this are done.
    next: usize,
    /// Indexes from here are of messages that the client does not know of.
    end: usize,
    stretch: usize,
    found: Vec<u32>,
}

impl Finder {
    /// Begins a search in the open mailbox.
    ///
    /// # Errors
    /// When the mailbox is gone; those of the store.
    pub(in crate::command) fn new(
        user: &SignedIn,
        selected: &Selected,
        key: &SearchKey,
        now: i64,
    ) -> Result<Self, Refusal> {
        let image = selected.image(user)?;
        let known_to = selected.view.last_uid().unwrap_or(0);
        let end = image.uids().partition_point(|&uid| uid <= known_to);
        let plan = Plan::new(key, selected, now);
        Ok(Finder { plan, image, next: 0, end, stretch: FIRST_STRETCH, found: Vec::new() })
    }

    /// Searches on for a while. Whether it is done.
    ///
    /// # Errors
    /// Those of the store.
    pub(in crate::command) fn step(&mut self, user: &SignedIn, selected: &Selected) -> Result<bool, Refusal> {
        let began = Instant::now();
        while self.next < self.end && began.elapsed() < STEP {
            let to = self.end.min(self.next.saturating_add(self.stretch));
            let stretch_began = Instant::now();
            let stretch =
                Stretch { user, image: &self.image, from: self.next, len: to - self.next, began: stretch_began };
            match stretch.matching(&self.plan, &stretch.known(selected)) {
                Ok(matching) => {
                    self.found.extend(matching.iter().map(|index| self.image.uids()[self.next + index]));
                    self.next = to;
                    if stretch_began.elapsed() < STEP / 2 {
                        self.stretch = (self.stretch * 4).min(LONGEST_STRETCH);
                    }
                }
                Err(Trouble::TooSlow) => self.stretch = (stretch.len / 4).max(SHORTEST_STRETCH),
                Err(Trouble::Store(error)) => return Err(error.into()),
            }
        }
        Ok(self.next >= self.end)
    }

    /// How many messages are done, of how many.
    pub(in crate::command) fn progress(&self) -> (usize, usize) {
        (self.next, self.end)
    }

    /// Whether messages that the client knows of are gone, and could not be looked at.
    pub(in crate::command) fn missed_some(&self, selected: &Selected) -> bool {
        self.end < selected.view.len() as usize
    }

    /// Takes out what was found: UIDs ascending, and the mailbox that they are of.
    pub(in crate::command) fn take_found(&mut self) -> (Vec<u32>, Arc<Image>) {
        (std::mem::take(&mut self.found), Arc::clone(&self.image))
    }
}

/// Why a stretch was not searched.
enum Trouble {
    TooSlow,
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Trouble::Store(error)
    }
}

/// Consecutive messages of an image.
#[derive(Clone, Copy)]
struct Stretch<'a> {
    user: &'a SignedIn,
    image: &'a Image,
    from: usize,
    len: usize,
    began: Instant,
}

impl Stretch<'_> {
    /// Whether there is time left, or the stretch cannot be shorter.
    fn may_go_on(&self) -> bool {
        self.len <= SHORTEST_STRETCH || self.began.elapsed() < PATIENCE
    }

    /// Those that the client knows of.
    fn known(&self, selected: &Selected) -> Bits {
        let uids = &self.image.uids()[self.from..self.from + self.len];
        let (Some(&first), Some(&last)) = (uids.first(), uids.last()) else { return Bits::none(0) };
        let mut known = Bits::none(self.len);
        let mut view = selected.view.uids_between(first, last).peekable();
        for (index, uid) in uids.iter().enumerate() {
            while view.next_if(|known| known < uid).is_some() {}
            if view.next_if_eq(uid).is_some() {
                known.add(index);
            }
        }
        known
    }

    /// Those of `among` that are as the plan says.
    fn matching(&self, plan: &Plan, among: &Bits) -> Result<Bits, Trouble> {
        if among.is_empty() {
            return Ok(among.clone());
        }
        if !self.may_go_on() {
            return Err(Trouble::TooSlow);
        }
        match plan {
            Plan::All => Ok(among.clone()),
            Plan::Nothing => Ok(Bits::none(self.len)),
            Plan::And(plans) => plans.iter().try_fold(among.clone(), |left, plan| self.matching(plan, &left)),
            Plan::Or(plans) => {
                let (mut found, mut left) = (Bits::none(self.len), among.clone());
                for plan in plans {
                    let more = self.matching(plan, &left)?;
                    left.subtract(&more);
                    found.join(&more);
                }
                Ok(found)
            }
            Plan::Not(plan) => {
                let mut rest = among.clone();
                rest.subtract(&self.matching(plan, among)?);
                Ok(rest)
            }
            Plan::Uids(ranges) => Ok(self.within(ranges, among)),
            Plan::Row(test) => Ok(self.rows(test, among)),
            Plan::Sent(test) => {
                self.cached(Kind::Header, among, |header| cache::sent_day(header).is_some_and(|day| test.holds(day)))
            }
            Plan::Header(test) => self.headers(test, among),
            Plan::EmailId(id) => self.of_email_id(id, among),
            Plan::ThreadId(id) => {
                self.cached(Kind::Thread, among, |keys| object_id::of_thread(keys).is_some_and(|own| own == *id))
            }
            Plan::Text(needles) => self.texts(needles, among),
        }
    }

    fn within(&self, ranges: &[(u32, u32)], among: &Bits) -> Bits {
        let mut found = Bits::none(self.len);
        let mut ranges = ranges.iter().peekable();
        for index in among.iter() {
            let uid = self.image.uids()[self.from + index];
            while ranges.next_if(|&&(_, high)| high < uid).is_some() {}
            match ranges.peek() {
                Some(&&(low, _)) if low <= uid => found.add(index),
                Some(_) => {}
                None => break,
            }
        }
        found
    }

    fn rows(&self, test: &RowTest, among: &Bits) -> Bits {
        let day = |seconds: i64| seconds.div_euclid(86_400);
        let mut found = Bits::none(self.len);
        for index in among.iter() {
            let row = self.image.row(self.from + index);
            let holds = match test {
                RowTest::Flag(flag) => row.flags.contains(*flag),
                RowTest::Keyword(keyword) => row.keywords.contains(keyword),
                // The day of UTC: what zone an arrival was written in is not kept.
                RowTest::Internal(test) => test.holds(day(row.internal_date)),
                RowTest::Saved(test) => test.holds(day(row.save_date)),
                RowTest::Larger(size) => row.size_bytes > *size,
                RowTest::Smaller(size) => row.size_bytes < *size,
                RowTest::Until(second) => row.internal_date <= *second,
                RowTest::From(second) => row.internal_date >= *second,
                RowTest::ModSeq(modseq) => row.modseq >= *modseq,
            };
            if holds {
                found.add(index);
            }
        }
        found
    }

    /// The messages of indexes, and the indexes.
    fn blobs(&self, among: &Bits) -> (Vec<store::BlobId>, Vec<usize>) {
        among.iter().map(|index| (self.image.row(self.from + index).blob, index)).unzip()
    }

    fn cached(&self, kind: Kind, among: &Bits, mut holds: impl FnMut(&[u8]) -> bool) -> Result<Bits, Trouble> {
        let (blobs, indexes) = self.blobs(among);
        let mut found = Bits::none(self.len);
        let each = |at: usize, value: Option<&[u8]>| {
            if value.is_some_and(&mut holds) {
                found.add(indexes[at]);
            }
        };
        match cache::for_each_while(&self.user.cell, kind, &blobs, || self.may_go_on(), each)? {
            true => Ok(found),
            false => Err(Trouble::TooSlow),
        }
    }

    fn headers(&self, test: &FieldTest, among: &Bits) -> Result<Bits, Trouble> {
        let mut look = Look::new(test);
        if cache::keeps_field(&test.name) {
            return self.cached(Kind::Header, among, |header| look.finds(header));
        }
        let (blobs, indexes) = self.blobs(among);
        let mut found = Bits::none(self.len);
        for (blobs, indexes) in blobs.chunks(READ_AT_ONCE).zip(indexes.chunks(READ_AT_ONCE)) {
            if !self.may_go_on() {
                return Err(Trouble::TooSlow);
            }
            cache::read_each(&self.user.cell, blobs, |at, bytes| {
                if bytes.is_some_and(|bytes| look.finds(bytes)) {
                    found.add(indexes[at]);
                }
            })?;
        }
        Ok(found)
    }

    fn of_email_id(&self, id: &str, among: &Bits) -> Result<Bits, Trouble> {
        let (blobs, indexes) = self.blobs(among);
        let mut found = Bits::none(self.len);
        for (blob, index) in cache::known(&self.user.cell, &blobs)?.into_iter().zip(indexes) {
            if blob.is_some_and(|blob| object_id::of_email(&blob.digest) == id) {
                found.add(index);
            }
        }
        Ok(found)
    }

    fn texts(&self, needles: &[(store::TextScope, String)], among: &Bits) -> Result<Bits, Trouble> {
        let (blobs, indexes) = self.blobs(among);
        let needles: Vec<_> = needles.iter().map(|(scope, needle)| (*scope, needle.as_str())).collect();
        let mut go_on = |_, _| self.may_go_on();
        let matching = self.user.cell.search_text(&blobs, &needles, &mut go_on)?.ok_or(Trouble::TooSlow)?;
        let mut found = Bits::none(self.len);
        for (_, index) in matching.into_iter().zip(indexes).filter(|(matches, _)| *matches) {
            found.add(index);
        }
        Ok(found)
    }
}

/// Looks for a text in the fields of one name.
struct Look<'a> {
    test: &'a FieldTest,
    finder: memmem::Finder<'a>,
    /// What the last value was folded to.
    folded: Vec<u8>,
}

impl<'a> Look<'a> {
    fn new(test: &'a FieldTest) -> Self {
        Look { test, finder: memmem::Finder::new(&test.needle), folded: Vec::new() }
    }

    fn finds(&mut self, header: &[u8]) -> bool {
        header::fields(header).any(|field| field.is(&self.test.name) && self.finds_in(field.raw_value()))
    }

    fn finds_in(&mut self, raw: &[u8]) -> bool {
        if self.test.needle.is_empty() {
            return true;
        }
        if fold_plain(raw, &mut self.folded) {
            return self.finder.find(&self.folded).is_some();
        }
        self.finder.find(text::fold(&message::decoded_header(raw)).as_bytes()).is_some()
    }
}

/// Folds a value as [`text::fold`] does what [`message::decoded_header`] makes of it, if it is plain text: printable ASCII
/// without encoded words. That is most of them, and takes a small part of the time.
fn fold_plain(raw: &[u8], folded: &mut Vec<u8>) -> bool {
    folded.clear();
    let raw = raw.trim_ascii();
    for (at, &byte) in raw.iter().enumerate() {
        match byte {
            b' ' | b'\t' => {
                if folded.last() != Some(&b' ') {
                    folded.push(b' ');
                }
            }
            b'\r' if matches!(raw[at + 1..], [b'\n', b' ' | b'\t', ..]) => {}
            b'\n' if at > 0 && raw[at - 1] == b'\r' => {}
            b'?' if at > 0 && raw[at - 1] == b'=' => return false,
            0x21..=0x7e => folded.push(byte.to_ascii_lowercase()),
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn finds(header: &str, name: &str, needle: &str) -> bool {
        let test = FieldTest { name: name.into(), needle: text::fold(needle) };
        Look::new(&test).finds(header.as_bytes())
    }

    #[test]
    fn fields_are_looked_into_as_people_read_them() {
        let header = "Subject: =?UTF-8?Q?Reuni=C3=B3n_en_M=C3=A9xico?=\r\nTo: Ana\r\n <ana@example.org>\r\nX: \r\n\r\n";
        assert!(finds(header, "subject", "MEXICO"), "case and accents are folded");
        assert!(finds(header, "Subject", "reunión en"));
        assert!(finds(header, "To", "ana <ANA@"), "folds are undone");
        assert!(!finds(header, "To", "mexico"));
        assert!(finds(header, "X", ""), "an empty text asks whether the field is there");
        assert!(!finds(header, "Cc", ""));
    }

    #[test]
    fn a_stretch_that_takes_too_long_is_given_up_unless_it_cannot_be_shorter() {
        let world = crate::conformance::harness::World::new();
        let mut ana = world.ana();
        for subject in ["a", "b"] {
            ana.append("INBOX", subject, "");
        }
        let address = message::Address::new("ana@example.org").unwrap();
        let account = world.services.directory.account(&address).unwrap().unwrap();
        let user = world.services.open(account).unwrap();
        let inbox = user.cell.read(|view| view.mailboxes(user.mail.id)).unwrap()[0].id;
        let image = user.cell.image(user.mail.id, inbox).unwrap().unwrap();
        let long_ago = Instant::now().checked_sub(2 * PATIENCE).unwrap();
        let matching = |began, len: usize, plan: &Plan| {
            let mut all = Bits::none(len);
            (0..len).for_each(|index| all.add(index));
            let stretch = Stretch { user: &user, image: &image, from: 0, len, began };
            stretch.matching(plan, &all).map(|found| found.iter().count())
        };
        let header = |name: &str| Plan::Header(FieldTest { name: name.into(), needle: String::new() });
        let text = Plan::Text(vec![(store::TextScope::Text, "example".into())]);
        for plan in [header("Subject"), header("X-None"), text, Plan::Not(Box::new(Plan::Nothing))] {
            assert!(matches!(matching(long_ago, 2, &plan), Err(Trouble::TooSlow)), "{plan:?}");
            assert!(matching(long_ago, 1, &plan).is_ok(), "{plan:?}");
            assert!(matching(Instant::now(), 2, &plan).is_ok(), "{plan:?}");
        }
    }

    proptest! {
        #[test]
        fn plain_text_is_folded_as_any_text(value in "[ \t]?[a-zA-Z=?<>@.\r\n \t]{0,30}") {
            let mut folded = Vec::new();
            if fold_plain(value.as_bytes(), &mut folded) {
                let slow = text::fold(&message::decoded_header(value.as_bytes()));
                prop_assert_eq!(String::from_utf8(folded).unwrap().trim().to_owned(), slow.trim());
            }
        }
    }
}
