//! A served mailbox as it was after some commit, in memory.
//!
//! 52 bytes a message, in three arrays that images share as far as they are alike: what a UID names never changes, and
//! flags change without UIDs. An image of the next state costs a copy of what changed, and not even that when nobody
//! holds the image before.

use crate::cell::View;
use crate::error::StoreError;
use crate::index::rows;
use crate::index::served::{self, ImageRow};
use crate::segment::record::decode_keywords;
use crate::types::{AccountId, BlobId, LIVE, Mailbox, MailboxId, Traits};
use message::{Flags, Keyword};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

type Result<T> = std::result::Result<T, StoreError>;

/// So many lists of keywords may stand in an image that none of its messages has any more.
const SPARE_LISTS: usize = 1024;

/// An immutable picture of a served mailbox: its messages ascending by UID.
#[derive(Clone, Debug)]
pub struct Image {
    mailbox: Mailbox,
    uids: Arc<Vec<u32>>,
    contents: Arc<Vec<Content>>,
    marks: Arc<Vec<Marks>>,
    lists: Arc<Lists>,
    counts: Counts,
}

/// A message in an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// Its UID.
    pub uid: u32,
    /// Its bytes.
    pub blob: BlobId,
    /// Their length in CRLF form; 0 where the index has lost them.
    pub size_bytes: u64,
    /// System flags.
    pub flags: Flags,
    /// Keywords, each once, sorted.
    pub keywords: &'a [Keyword],
    /// INTERNALDATE, seconds since 1970 UTC.
    pub internal_date: i64,
    /// When it was saved here (RFC 8514), seconds since 1970 UTC.
    pub save_date: i64,
    /// Its modification sequence.
    pub modseq: u64,
    /// Its marks.
    pub traits: Traits,
}

/// What STATUS asks of a mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages.
    pub messages: u64,
    /// Messages without `\Seen`.
    pub unseen: u64,
    /// Messages with `\Deleted`.
    pub deleted: u64,
    /// Size of all messages.
    pub size_bytes: u64,
    /// Size of those with `\Deleted`.
    pub deleted_bytes: u64,
    /// UID of the first message without `\Seen`.
    pub first_unseen: Option<u32>,
}

/// What a UID names.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Content {
    blob: BlobId,
    size_bytes: u64,
    internal_date: i64,
    save_date: i64,
}

/// What changes about a message.
#[derive(Clone, Copy, Debug)]
struct Marks {
    modseq: u64,
    /// Which of the image's lists.
    keywords: u32,
    flags: Flags,
    traits: Traits,
}

/// Every list of keywords that a message of the mailbox has, once; the first is empty.
#[derive(Clone, Debug)]
struct Lists {
    lists: Vec<Vec<Keyword>>,
    by_text: HashMap<String, u32>,
}

impl Lists {
    fn new() -> Self {
        Lists { lists: vec![Vec::new()], by_text: HashMap::from([(String::new(), 0)]) }
    }
}

/// The number of a list, which is added where it is new.
fn list_number(lists: &mut Arc<Lists>, text: &str) -> Result<u32> {
    if let Some(number) = lists.by_text.get(text) {
        return Ok(*number);
    }
    let list = decode_keywords(text).map_err(|_| StoreError::BadRow("malformed keywords".into()))?;
    let lists = Arc::make_mut(lists);
    let number = u32::try_from(lists.lists.len()).map_err(|_| StoreError::BadRow("too many keywords".into()))?;
    lists.lists.push(list);
    lists.by_text.insert(text.to_owned(), number);
    Ok(number)
}

impl Image {
    /// Takes a picture of a live account's mailbox. One taken before, since when the mailbox changed by the rules of
    /// served mailboxes only, spares reading what did not change.
    ///
    /// # Errors
    /// Those of the index.
    pub(crate) fn take(
        view: &View<'_>,
        account: AccountId,
        mailbox: MailboxId,
        before: Option<Arc<Image>>,
    ) -> Result<Option<Image>> {
        if rows::account_by_id(view.db, account)?.is_none_or(|a| a.lineage != LIVE) {
            return Ok(None);
        }
        let Some(mailbox) = served::mailbox(view.db, account, mailbox)? else { return Ok(None) };
        let usable = |image: &Arc<Image>| {
            image.mailbox.uidvalidity == mailbox.uidvalidity && image.lists.lists.len() <= image.len() + SPARE_LISTS
        };
        match before.filter(usable) {
            Some(before) => Arc::unwrap_or_clone(before).follow(view, account, mailbox).map(Some),
            None => Image::whole(view, account, mailbox).map(Some),
        }
    }

    fn whole(view: &View<'_>, account: AccountId, mailbox: Mailbox) -> Result<Image> {
        let mut columns = Columns::default();
        let mut lists = Arc::new(Lists::new());
        served::for_each_image_row(view.db, account, mailbox.id, None, |row| {
            columns.push(row.uid, content_of(&row), marks_of(&row, &mut lists)?);
            Ok(())
        })?;
        Ok(columns.image(mailbox, lists))
    }

    fn follow(mut self, view: &View<'_>, account: AccountId, mailbox: Mailbox) -> Result<Image> {
        let since = std::mem::replace(&mut self.mailbox, mailbox).highest_modseq;
        if since == self.mailbox.highest_modseq {
            return Ok(self);
        }
        let mut changed = Vec::new();
        served::for_each_image_row(view.db, account, self.mailbox.id, Some(since), |row| {
            changed.push((row.uid, content_of(&row), marks_of(&row, &mut self.lists)?));
            Ok(())
        })?;
        let gone = served::expunged_since(view.db, account, self.mailbox.id, since)?;
        let last = self.uids.last().copied().unwrap_or(0);
        let there = |uid: &u32| self.uids.binary_search(uid).is_ok();
        if gone.iter().any(there) || changed.iter().any(|c| c.0 < last && !there(&c.0)) {
            return Ok(self.merged(changed, &gone));
        }
        for (uid, content, marks) in changed {
            match self.uids.binary_search(&uid) {
                Ok(index) => {
                    Arc::make_mut(&mut self.marks)[index] = marks;
                    if self.contents[index] != content {
                        Arc::make_mut(&mut self.contents)[index] = content;
                    }
                }
                Err(_) => {
                    Arc::make_mut(&mut self.uids).push(uid);
                    Arc::make_mut(&mut self.contents).push(content);
                    Arc::make_mut(&mut self.marks).push(marks);
                }
            }
        }
        self.counts = counts(&self.uids, &self.contents, &self.marks);
        Ok(self)
    }

    /// With changed and new messages in their places and without those that are gone, both ascending.
    fn merged(self, changed: Vec<(u32, Content, Marks)>, gone: &[u32]) -> Image {
        let mut columns = Columns::default();
        let mut changed = changed.into_iter().peekable();
        for (index, uid) in self.uids.iter().enumerate() {
            while let Some((uid, content, marks)) = changed.next_if(|c| c.0 < *uid) {
                columns.push(uid, content, marks);
            }
            if let Some((uid, content, marks)) = changed.next_if(|c| c.0 == *uid) {
                columns.push(uid, content, marks);
            } else if gone.binary_search(uid).is_err() {
                columns.push(*uid, self.contents[index], self.marks[index]);
            }
        }
        changed.for_each(|(uid, content, marks)| columns.push(uid, content, marks));
        columns.image(self.mailbox, self.lists)
    }

    /// The mailbox's row as of this image.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.uids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// The UIDs, ascending.
    pub fn uids(&self) -> &[u32] {
        &self.uids
    }

    /// Where a UID stands, from 0.
    pub fn position(&self, uid: u32) -> Option<usize> {
        self.uids.binary_search(&uid).ok()
    }

    /// A message by its place, from 0.
    ///
    /// # Panics
    /// When there is none.
    pub fn row(&self, index: usize) -> Row<'_> {
        let (Content { blob, size_bytes, internal_date, save_date }, marks) = (self.contents[index], self.marks[index]);
        let Marks { modseq, keywords, flags, traits } = marks;
        let keywords = &self.lists.lists[keywords as usize];
        Row { uid: self.uids[index], blob, size_bytes, flags, keywords, internal_date, save_date, modseq, traits }
    }

    /// Every message, by UID.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.len()).map(|index| self.row(index))
    }

    /// What STATUS asks.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Every keyword that a message of the mailbox has, sorted.
    pub fn keywords(&self) -> Vec<Keyword> {
        let mut used = vec![false; self.lists.lists.len()];
        self.marks.iter().for_each(|marks| used[marks.keywords as usize] = true);
        let lists = self.lists.lists.iter().zip(used).filter(|(_, used)| *used);
        lists.flat_map(|(list, _)| list).cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What it takes in memory, in messages: keywords of a hostile owner may take more than everything else.
    pub(crate) fn weight(&self) -> usize {
        let texts: usize = self.lists.by_text.keys().map(String::len).sum();
        // A keyword costs its text twice and the head of a string.
        self.len() + texts / 8
    }
}

#[cfg(test)]
impl Image {
    /// An image of messages that are all alike.
    pub(super) fn alike(mailbox: Mailbox, messages: u32) -> Image {
        let content = Content { blob: BlobId(1), size_bytes: 1, internal_date: 0, save_date: 0 };
        let marks = Marks { modseq: 1, keywords: 0, flags: Flags::NONE, traits: Traits::default() };
        let mut columns = Columns::default();
        (1..=messages).for_each(|uid| columns.push(uid, content, marks));
        columns.image(mailbox, Arc::new(Lists::new()))
    }
}

/// The arrays of an image that is being made.
#[derive(Default)]
struct Columns {
    uids: Vec<u32>,
    contents: Vec<Content>,
    marks: Vec<Marks>,
}

impl Columns {
    fn push(&mut self, uid: u32, content: Content, marks: Marks) {
        self.uids.push(uid);
        self.contents.push(content);
        self.marks.push(marks);
    }

    fn image(self, mailbox: Mailbox, lists: Arc<Lists>) -> Image {
        let Columns { uids, contents, marks } = self;
        let counts = counts(&uids, &contents, &marks);
        Image { mailbox, uids: Arc::new(uids), contents: Arc::new(contents), marks: Arc::new(marks), lists, counts }
    }
}

fn content_of(row: &ImageRow<'_>) -> Content {
    let ImageRow { blob, size_bytes, internal_date, save_date, .. } = *row;
    Content { blob, size_bytes, internal_date, save_date }
}

fn marks_of(row: &ImageRow<'_>, lists: &mut Arc<Lists>) -> Result<Marks> {
    let keywords = list_number(lists, row.keywords)?;
    Ok(Marks { modseq: row.modseq, keywords, flags: row.flags, traits: row.traits })
}

fn counts(uids: &[u32], contents: &[Content], marks: &[Marks]) -> Counts {
    let mut counts = Counts { messages: uids.len() as u64, ..Counts::default() };
    for ((uid, content), marks) in uids.iter().zip(contents).zip(marks) {
        counts.size_bytes += content.size_bytes;
        if !marks.flags.contains(Flags::SEEN) {
            counts.unseen += 1;
            counts.first_unseen = counts.first_unseen.or(Some(*uid));
        }
        if marks.flags.contains(Flags::DELETED) {
            counts.deleted += 1;
            counts.deleted_bytes += content.size_bytes;
        }
    }
    counts
}
