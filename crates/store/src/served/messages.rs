//! Changes of messages: append, flags, expunge, copy, move, replace.

use super::{MAX_KEYWORDS, Outcome, Refused, Stop, live_mailbox};
use crate::cell::{Cell, Delivery, Prepared, Tx};
use crate::error::StoreError;
use crate::index::{rows, served};
use crate::types::{AccountId, BlobId, Mailbox, MailboxId, Traits};
use message::{Digest, Flags, Keyword};

type Result<T> = std::result::Result<T, StoreError>;

/// UIDs that nobody asked for and that are read for all that, rather than ask once more behind them.
const READ_THROUGH: u32 = 32;
pub(super) const EVERY_UID: (u32, u32) = (1, u32::MAX);

/// A message to append.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its bytes ([`Prepared::new`]).
    pub bytes: Prepared,
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: Vec<Keyword>,
    /// INTERNALDATE, seconds since 1970 UTC; `None` is now.
    pub internal_date: Option<i64>,
}

/// What was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// UIDVALIDITY of the mailbox.
    pub uidvalidity: u32,
    /// The new UIDs, in the order of the messages.
    pub uids: Vec<u32>,
    /// The modification sequence of all of them; the mailbox's where there are none.
    pub modseq: u64,
}

/// What a change does to flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagMode {
    /// The message has these and no others.
    Replace,
    /// It has these too.
    Add,
    /// It has these no more.
    Remove,
}

/// A change of flags (RFC 9051 §6.4.6).
#[derive(Clone, Debug)]
pub struct FlagChange {
    /// Of which messages; those that are not there are passed over.
    pub uids: Vec<u32>,
    /// Leaves messages alone that changed behind this modification sequence (RFC 7162 §3.1.3).
    pub unchanged_since: Option<u64>,
    /// What it does.
    pub mode: FlagMode,
    /// With which system flags.
    pub flags: Flags,
    /// With which keywords.
    pub keywords: Vec<Keyword>,
}

/// What a change of flags did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Messages whose flags are others now, by UID. One whose flags were so already is not changed.
    pub changed: Vec<u32>,
    /// Messages that had changed behind `unchanged_since`, by UID: MODIFIED.
    pub modified: Vec<u32>,
    /// The modification sequence of those that changed; the mailbox's where none did.
    pub modseq: u64,
}

/// What was expunged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expunged {
    /// UIDs that are gone, ascending.
    pub uids: Vec<u32>,
    /// The modification sequence of that; the mailbox's where none is gone.
    pub modseq: u64,
}

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// UIDVALIDITY of the target.
    pub uidvalidity: u32,
    /// UIDs in the source, ascending, each with that in the target.
    pub pairs: Vec<(u32, u32)>,
    /// The modification sequence of the copies; the target's where there are none.
    pub modseq: u64,
}

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where to.
    pub copied: Copied,
    /// The modification sequence in the source of their being gone.
    pub expunged_modseq: u64,
}

/// What replaced a message (RFC 8508).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// UIDVALIDITY of the target.
    pub uidvalidity: u32,
    /// The UID in the target.
    pub uid: u32,
    /// Its modification sequence.
    pub modseq: u64,
    /// The modification sequence in the source of the old message's being gone.
    pub expunged_modseq: u64,
}

impl Cell {
    /// Appends messages to a live account's mailbox, all of them or none, with one modification sequence. It shares the
    /// sync of [`Cell::deliver`] with others; UIDs are given behind it in turn.
    ///
    /// # Errors
    /// As [`Cell::deliver`].
    pub fn append(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        messages: Vec<NewMessage>,
    ) -> Result<Outcome<Appended>> {
        let count = messages.len();
        let room = |found: Option<Mailbox>| match found {
            None => Err(Refused::NoSuchMailbox),
            Some(found) => has_room(&found, count).map(|()| found),
        };
        let found = match room(self.read(|view| live_mailbox(view, account, mailbox))?) {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        let deliveries: Outcome<Vec<_>> = messages.into_iter().map(|m| delivery(account, mailbox, m)).collect();
        let deliveries = match deliveries {
            Ok(deliveries) => deliveries,
            Err(refused) => return Ok(Err(refused)),
        };
        let appended =
            |uids, uidvalidity: Option<u32>, modseq| Appended { uidvalidity: uidvalidity.unwrap_or(0), uids, modseq };
        match self.deliver(deliveries) {
            Ok(delivered) => {
                let uids = delivered.iter().map(|d| d.uid).collect();
                let first = delivered.first();
                let at = first.map_or((found.uidvalidity, found.highest_modseq), |d| (d.uidvalidity, d.modseq));
                Ok(Ok(appended(uids, at.0, at.1)))
            }
            // It may be gone, or full, by the time that its turn came.
            Err(error @ StoreError::Caller(_)) => match room(self.read(|view| live_mailbox(view, account, mailbox))?) {
                Ok(_) => Err(error),
                Err(refused) => Ok(Err(refused)),
            },
            Err(error) => Err(error),
        }
    }

    /// Changes flags of a live account's messages, with one modification sequence.
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn store_flags(&self, account: AccountId, mailbox: MailboxId, change: FlagChange) -> Result<Outcome<Stored>> {
        let FlagChange { mut uids, unchanged_since, mode, flags, keywords } = change;
        uids.sort_unstable();
        uids.dedup();
        let (flags, keywords) = told_apart(flags, keywords);
        self.serve(|tx| {
            let found = live_mailbox(tx, account, mailbox)?.ok_or(Refused::NoSuchMailbox)?;
            let (mut changed, mut modified) = (Vec::new(), Vec::new());
            let mut too_many = false;
            for span in spans(&uids) {
                served::for_each_marks(tx.db, account, mailbox, span, |uid, had, words, modseq| {
                    if uids.binary_search(&uid).is_err() {
                        return Ok(());
                    }
                    if unchanged_since.is_some_and(|since| modseq > since) {
                        modified.push(uid);
                        return Ok(());
                    }
                    let (now, now_words) = match mode {
                        FlagMode::Replace => (flags, keywords.clone()),
                        FlagMode::Add => (had | flags, union(&words, &keywords)),
                        FlagMode::Remove => (had.without(flags), without(&words, &keywords)),
                    };
                    too_many |= now_words.len() > MAX_KEYWORDS && now_words.len() > words.len();
                    if (now, &now_words) != (had, &words) {
                        changed.push((uid, now, now_words));
                    }
                    Ok(())
                })?;
            }
            if too_many {
                return Err(Refused::TooManyKeywords.into());
            }
            let modseq = raise(tx, account, &found, !changed.is_empty())?;
            for (uid, flags, keywords) in &changed {
                served::set_marks(tx.db, account, mailbox, *uid, *flags, keywords, modseq)?;
            }
            let changed = changed.into_iter().map(|(uid, ..)| uid).collect();
            Ok(Stored { changed, modified, modseq })
        })
    }

    /// Expunges messages of a live account that have `\Deleted`: all such, or those among some UIDs.
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn expunge(&self, account: AccountId, mailbox: MailboxId, uids: Option<Vec<u32>>) -> Result<Outcome<Expunged>> {
        let uids = uids.map(|mut uids| {
            uids.sort_unstable();
            uids.dedup();
            uids
        });
        self.serve(|tx| {
            let found = live_mailbox(tx, account, mailbox)?.ok_or(Refused::NoSuchMailbox)?;
            let asked = |uid: &u32| uids.as_ref().is_none_or(|uids| uids.binary_search(uid).is_ok());
            let (mut gone, mut runs) = (Vec::new(), Vec::new());
            for span in uids.as_deref().map_or_else(|| vec![EVERY_UID], spans) {
                let mut run: Option<(u32, u32)> = None;
                served::for_each_marks(tx.db, account, mailbox, span, |uid, flags, _, _| {
                    if flags.contains(Flags::DELETED) && asked(&uid) {
                        gone.push(uid);
                        run = Some((run.map_or(uid, |run| run.0), uid));
                    } else {
                        runs.extend(run.take());
                    }
                    Ok(())
                })?;
                runs.extend(run);
            }
            let mut gone_bytes = 0;
            for run in &runs {
                gone_bytes += served::size_between(tx.db, account, mailbox, *run)?;
            }
            let taken = Taken { runs, messages: gone.len(), size_bytes: gone_bytes };
            let modseq = take_out(tx, account, &found, &taken)?;
            Ok(Expunged { uids: gone, modseq })
        })
    }

    /// Copies messages of a live account, those that are there, by UID, all of them or none. Flags, keywords and
    /// INTERNALDATE stay, SAVEDATE is now.
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn copy(&self, account: AccountId, from: MailboxId, uids: &[u32], to: MailboxId) -> Result<Outcome<Copied>> {
        let uids = sorted(uids);
        self.serve(|tx| {
            live_mailbox(tx, account, from)?.ok_or(Refused::NoSuchMailbox)?;
            Ok(copy_within(tx, account, from, &Asked::Some(&uids), to)?.0)
        })
    }

    /// Moves messages of a live account as [`Cell::copy`] copies them, in one transaction (RFC 6851).
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn move_messages(
        &self,
        account: AccountId,
        from: MailboxId,
        uids: &[u32],
        to: MailboxId,
    ) -> Result<Outcome<Moved>> {
        let uids = sorted(uids);
        self.serve(|tx| {
            live_mailbox(tx, account, from)?.ok_or(Refused::NoSuchMailbox)?;
            move_within(tx, account, from, &Asked::Some(&uids), to)
        })
    }

    /// Appends a message to a mailbox and expunges another in the same transaction (RFC 8508).
    ///
    /// # Errors
    /// Those of the disk and of the index.
    pub fn replace(
        &self,
        account: AccountId,
        from: MailboxId,
        uid: u32,
        to: MailboxId,
        message: NewMessage,
    ) -> Result<Outcome<Replaced>> {
        let delivery = match delivery(account, to, message) {
            Ok(delivery) => delivery,
            Err(refused) => return Ok(Err(refused)),
        };
        self.serve(|tx| {
            live_mailbox(tx, account, from)?.ok_or(Refused::NoSuchMailbox)?;
            has_room(&live_mailbox(tx, account, to)?.ok_or(Refused::NoSuchTarget)?, 1)?;
            rows::message(tx.db, account, from, uid)?.ok_or(Refused::NoSuchMessage)?;
            let delivered = tx.deliver(std::slice::from_ref(&delivery), [])?;
            let new = delivered.first().expect("one was delivered");
            let source = served::mailbox(tx.db, account, from)?.ok_or(Refused::NoSuchMailbox)?;
            let size_bytes = served::size_between(tx.db, account, from, (uid, uid))?;
            let taken = Taken { runs: vec![(uid, uid)], messages: 1, size_bytes };
            let expunged_modseq = take_out(tx, account, &source, &taken)?;
            let uidvalidity = new.uidvalidity.unwrap_or(0);
            Ok(Replaced { uidvalidity, uid: new.uid, modseq: new.modseq, expunged_modseq })
        })
    }
}

/// Messages that are to be copied or moved.
pub(super) enum Asked<'a> {
    All,
    /// By UID, ascending.
    Some(&'a [u32]),
}

/// Messages of a mailbox that are to go.
struct Taken {
    /// Stretches of UIDs that hold these and no other messages.
    runs: Vec<(u32, u32)>,
    messages: usize,
    size_bytes: u64,
}

/// Copies within a transaction; gives also where the originals are.
fn copy_within(
    tx: &Tx<'_>,
    account: AccountId,
    from: MailboxId,
    asked: &Asked<'_>,
    to: MailboxId,
) -> std::result::Result<(Copied, Taken), Stop> {
    let target = live_mailbox(tx, account, to)?.ok_or(Refused::NoSuchTarget)?;
    let spans = match asked {
        Asked::All => vec![EVERY_UID],
        Asked::Some(uids) => spans(uids),
    };
    let (mut sources, mut runs, mut deliveries) = (Vec::new(), Vec::new(), Vec::new());
    let mut known: Vec<(Digest, BlobId)> = Vec::new();
    for span in spans {
        let mut run: Option<(u32, u32)> = None;
        served::for_each_between(tx.db, account, from, span, |message, blob| {
            let uid = message.uid;
            let wanted = !matches!(asked, Asked::Some(uids) if uids.binary_search(&uid).is_err());
            // One whose bytes the index has lost stays where it is.
            let Some(blob) = blob.filter(|_| wanted) else {
                runs.extend(run.take());
                return Ok(());
            };
            run = Some((run.map_or(uid, |run| run.0), uid));
            sources.push(uid);
            known.push((blob.digest, blob.id));
            deliveries.push(Delivery {
                account,
                mailbox: to,
                uid: None,
                message: Prepared::of(&blob),
                flags: message.flags,
                keywords: message.keywords,
                internal_date: message.internal_date,
                // It names the message in its own mailbox; another that has it there would be no maildrop's.
                uidl: None,
                traits: message.traits,
                item: None,
                id: None,
            });
            Ok(())
        })?;
        runs.extend(run);
    }
    let size_bytes = deliveries.iter().map(|d: &Delivery| d.message.size_bytes()).sum();
    let taken = Taken { runs, messages: deliveries.len(), size_bytes };
    has_room(&target, deliveries.len())?;
    let uidvalidity = target.uidvalidity.unwrap_or(0);
    if deliveries.is_empty() {
        return Ok((Copied { uidvalidity, pairs: Vec::new(), modseq: target.highest_modseq }, taken));
    }
    let delivered = tx.deliver(&deliveries, known)?;
    let modseq = delivered.first().map_or(target.highest_modseq, |d| d.modseq);
    let pairs = sources.into_iter().zip(delivered.iter().map(|d| d.uid)).collect();
    Ok((Copied { uidvalidity, pairs, modseq }, taken))
}

/// Moves within a transaction.
pub(super) fn move_within(
    tx: &Tx<'_>,
    account: AccountId,
    from: MailboxId,
    asked: &Asked<'_>,
    to: MailboxId,
) -> std::result::Result<Moved, Stop> {
    let (copied, taken) = copy_within(tx, account, from, asked, to)?;
    // Read again: it may be the target too.
    let source = served::mailbox(tx.db, account, from)?.ok_or(Refused::NoSuchMailbox)?;
    let expunged_modseq = take_out(tx, account, &source, &taken)?;
    Ok(Moved { copied, expunged_modseq })
}

/// Expunges messages. Gives the modification sequence of that.
fn take_out(tx: &Tx<'_>, account: AccountId, from: &Mailbox, taken: &Taken) -> Result<u64> {
    let modseq = raise(tx, account, from, taken.messages > 0)?;
    for run in &taken.runs {
        served::expunge_between(tx.db, account, from.id, *run, modseq)?;
    }
    if taken.messages > 0 {
        tx.touched().usage(account, -(taken.messages as i64), -(taken.size_bytes as i64));
    }
    Ok(modseq)
}

/// Gives a change of a mailbox its modification sequence; what changes nothing has the mailbox's.
fn raise(tx: &Tx<'_>, account: AccountId, mailbox: &Mailbox, changes: bool) -> Result<u64> {
    if !changes {
        return Ok(mailbox.highest_modseq);
    }
    let modseq = mailbox.highest_modseq + 1;
    rows::raise_mailbox(tx.db, account, mailbox.id, 1, modseq)?;
    tx.touched().mailbox(account, mailbox.id);
    Ok(modseq)
}

/// Whether so many more messages can get a UID: `u32::MAX` is none, since UIDNEXT must be above it.
fn has_room(mailbox: &Mailbox, messages: usize) -> Outcome<()> {
    let left = u64::from(u32::MAX - mailbox.uidnext);
    if messages as u64 <= left { Ok(()) } else { Err(Refused::NoUidsLeft) }
}

fn delivery(account: AccountId, mailbox: MailboxId, message: NewMessage) -> Outcome<Delivery> {
    let (flags, keywords) = told_apart(message.flags, message.keywords);
    if keywords.len() > MAX_KEYWORDS {
        return Err(Refused::TooManyKeywords);
    }
    Ok(Delivery {
        account,
        mailbox,
        uid: None,
        message: message.bytes,
        flags,
        keywords,
        internal_date: message.internal_date.unwrap_or_else(crate::now),
        uidl: None,
        traits: Traits::default(),
        item: None,
        id: None,
    })
}

/// Keywords once each, sorted, without those that are kept as flags (`$Forwarded`).
fn told_apart(mut flags: Flags, mut keywords: Vec<Keyword>) -> (Flags, Vec<Keyword>) {
    keywords.retain(|keyword| match Flags::from_imap_name(keyword.as_str()) {
        Some(flag) => {
            flags = flags | flag;
            false
        }
        None => true,
    });
    keywords.sort();
    keywords.dedup();
    (flags, keywords)
}

/// Both lists are sorted; the spelling that stands already stays.
fn union(had: &[Keyword], more: &[Keyword]) -> Vec<Keyword> {
    let mut all = had.to_vec();
    all.extend(more.iter().filter(|k| had.binary_search(k).is_err()).cloned());
    all.sort();
    all
}

fn without(had: &[Keyword], fewer: &[Keyword]) -> Vec<Keyword> {
    had.iter().filter(|k| fewer.binary_search(k).is_err()).cloned().collect()
}

fn sorted(uids: &[u32]) -> Vec<u32> {
    let mut uids = uids.to_vec();
    uids.sort_unstable();
    uids.dedup();
    uids
}

/// Few stretches that hold every UID of an ascending list.
fn spans(uids: &[u32]) -> Vec<(u32, u32)> {
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for uid in uids {
        match spans.last_mut() {
            Some((_, to)) if uid - *to <= READ_THROUGH => *to = *uid,
            _ => spans.push((*uid, *uid)),
        }
    }
    spans
}
