//! The open mailbox, as its client knows it.

use super::core::{Enabled, Expunges};
use super::view::UidView;
use crate::answer::Refusal;
use crate::syntax::set::{Numbers, SequenceSet};
use crate::syntax::{self, By};
use edge::SignedIn;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Image, MailboxId};

/// What of the open mailbox a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heed {
    /// Whether messages may lose their numbers now.
    pub(crate) expunges: Expunges,
    /// Whether changed flags are told.
    pub(crate) flags: bool,
}

impl Heed {
    /// Everything.
    pub(crate) fn everything(expunges: Expunges) -> Self {
        Heed { expunges, flags: true }
    }
}

/// The open mailbox.
pub(crate) struct Selected {
    /// Which.
    pub(crate) mailbox: MailboxId,
    pub(crate) uidvalidity: u32,
    /// Opened by EXAMINE.
    pub(crate) read_only: bool,
    /// What the client takes for the content.
    pub(crate) view: UidView,
    /// The result that was saved last (RFC 5182), UIDs ascending.
    pub(crate) saved: Vec<u32>,
    /// Every change up to this modification sequence was told, but for removals that had to wait.
    pub(crate) told: u64,
    /// Changes that the client made itself and asked to hear nothing of (`.SILENT`): UID and modification sequence.
    pub(crate) silent: BTreeMap<u32, u64>,
    /// The keywords that the client was told of (`FLAGS`).
    pub(crate) keywords: Vec<message::Keyword>,
    /// Whether messages are gone that the view still holds.
    pub(crate) removals_wait: bool,
}

impl Selected {
    /// The mailbox as it is now, for answering from. It may hold messages that the view does not, and lack others.
    ///
    /// # Errors
    /// When it is gone; those of the store.
    pub(crate) fn image(&self, user: &SignedIn) -> Result<Arc<Image>, Refusal> {
        let image = user.cell.image(user.mail.id, self.mailbox)?;
        image.ok_or_else(|| Refusal::no("the mailbox was deleted").with_code(syntax::ResponseCode::NonExistent))
    }

    /// The UIDs of the view that a command names, ascending. Sequence numbers beyond the view are an error, UIDs that
    /// are not there are none (RFC 9051 §9, `seq-number` and `uniqueid`).
    ///
    /// # Errors
    /// When a sequence number names no message.
    pub(crate) fn resolve(&self, by: By, numbers: &Numbers) -> Result<Vec<u32>, Refusal> {
        match (numbers, by) {
            (Numbers::Saved, _) => Ok(self.saved.iter().copied().filter(|&uid| self.view.seq(uid).is_some()).collect()),
            (Numbers::Set(set), By::Uid) => Ok(self.resolve_uids(set)),
            (Numbers::Set(set), By::Seq) => {
                let ranges = set.resolve(self.view.len());
                if ranges.iter().any(|&(low, high)| low == 0 || high > self.view.len()) {
                    return Err(Refusal::bad("there is no message of that number"));
                }
                Ok(ranges.iter().flat_map(|&(low, high)| low..=high).filter_map(|seq| self.view.uid(seq)).collect())
            }
        }
    }

    fn resolve_uids(&self, set: &SequenceSet) -> Vec<u32> {
        let ranges = set.resolve(self.view.last_uid().unwrap_or(0));
        ranges.iter().flat_map(|&(low, high)| self.view.uids_between(low, high)).collect()
    }

    /// Tells what happened since the client was told last. `false`: the mailbox is gone, or is another by now.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn catch_up(
        &mut self,
        user: &SignedIn,
        enabled: Enabled,
        heed: Heed,
        out: &mut Vec<u8>,
    ) -> Result<bool, Refusal> {
        let Some(image) = user.cell.image(user.mail.id, self.mailbox)? else { return Ok(false) };
        if image.mailbox().uidvalidity != Some(self.uidvalidity) {
            return Ok(false);
        }
        let now = image.mailbox().highest_modseq;
        if now == self.told && !(self.removals_wait && heed.expunges == Expunges::Told) {
            return Ok(true);
        }
        let known_to = self.view.last_uid().unwrap_or(0);
        let known = image.uids().partition_point(|&uid| uid <= known_to);
        let Some(gone) = missing_from(&self.view, &image.uids()[..known]) else { return Ok(false) };
        self.removals_wait = !gone.is_empty() && heed.expunges == Expunges::Held;
        if !gone.is_empty() && !self.removals_wait {
            self.remove(&gone, enabled, out);
        }
        self.tell_arrivals(&image.uids()[known..], enabled, out);
        if heed.flags {
            self.tell_flags(&image, known, enabled, out);
        }
        self.told = now;
        self.silent.clear();
        Ok(true)
    }

    /// Tells that messages are gone, and takes them out of the view.
    pub(crate) fn remove(&mut self, gone: &[u32], enabled: Enabled, out: &mut Vec<u8>) {
        if gone.is_empty() {
            return;
        }
        if enabled.qresync || enabled.uid_only {
            syntax::write_vanished(out, false, gone);
        } else {
            // From the end, so that the numbers still to be told stay as they are.
            for seq in gone.iter().rev().filter_map(|&uid| self.view.seq(uid)) {
                syntax::write_numbered(out, seq, "EXPUNGE");
            }
        }
        self.view.remove(gone);
        self.saved.retain(|uid| gone.binary_search(uid).is_err());
    }

    /// Tells of messages above all that the client knows. One that came and went in between was never in the view.
    fn tell_arrivals(&mut self, new: &[u32], enabled: Enabled, out: &mut Vec<u8>) {
        if new.is_empty() {
            return;
        }
        for &uid in new {
            self.view.push(uid);
        }
        syntax::write_numbered(out, self.view.len(), "EXISTS");
        if !enabled.rev2 {
            syntax::write_numbered(out, 0, "RECENT");
        }
    }

    /// Tells of other flags of the first `known` messages of the image.
    fn tell_flags(&mut self, image: &Image, known: usize, enabled: Enabled, out: &mut Vec<u8>) {
        self.tell_keywords(image, out);
        for row in image.rows().take(known).filter(|row| row.modseq > self.told) {
            if self.silent.get(&row.uid) == Some(&row.modseq) {
                continue;
            }
            let Some(seq) = self.view.seq(row.uid) else { continue };
            write_flags_of(out, enabled, seq, &row);
        }
    }

    /// Tells of keywords that the client has not heard of (RFC 9051 §7.3.5).
    pub(crate) fn tell_keywords(&mut self, image: &Image, out: &mut Vec<u8>) {
        let keywords = image.keywords();
        if keywords.iter().all(|keyword| self.keywords.contains(keyword)) {
            return;
        }
        self.keywords = keywords;
        syntax::write_flags_response(out, &self.keywords);
    }
}

/// The UIDs of a view that are not among those of a mailbox, both ascending. `None` when the mailbox has one that the view
/// lacks: an integration put mail back below the newest message, and no number can be given to it.
fn missing_from(view: &UidView, there: &[u32]) -> Option<Vec<u32>> {
    let mut gone = Vec::new();
    // Most changes are arrivals and flags.
    if view.is(there) {
        return Some(gone);
    }
    let mut there = there.iter().copied().peekable();
    for uid in view.uids() {
        match there.next_if(|&next| next <= uid) {
            Some(next) if next == uid => {}
            Some(_) => return None,
            None => gone.push(uid),
        }
    }
    there.next().is_none().then_some(gone)
}

/// A FETCH response with the flags of a message, as changes are told: with its UID (RFC 9051 §7.5.2).
pub(crate) fn write_flags_of(out: &mut Vec<u8>, enabled: Enabled, seq: u32, row: &store::Row<'_>) {
    let number = if enabled.uid_only { row.uid } else { seq };
    syntax::open_fetch(out, number, enabled.uid_only);
    if !enabled.uid_only {
        syntax::write_fetch_uid(out, row.uid);
        out.push(b' ');
    }
    syntax::write_fetch_flags(out, row.flags, row.keywords);
    if enabled.condstore {
        out.push(b' ');
        syntax::write_fetch_modseq(out, row.modseq);
    }
    out.extend_from_slice(b")\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_what_the_view_has_and_the_mailbox_has_not() {
        let view = UidView::new(&[2, 3, 5, 9]);
        assert_eq!(missing_from(&view, &[2, 3, 5, 9]), Some(vec![]));
        assert_eq!(missing_from(&view, &[3, 9]), Some(vec![2, 5]));
        assert_eq!(missing_from(&view, &[]), Some(vec![2, 3, 5, 9]));
    }

    #[test]
    fn a_message_below_the_newest_that_no_client_was_told_of_ends_the_session() {
        let view = UidView::new(&[2, 3, 5, 9]);
        assert_eq!(missing_from(&view, &[1, 2, 3, 5, 9]), None);
        assert_eq!(missing_from(&view, &[2, 4, 5, 9]), None);
        assert_eq!(missing_from(&view, &[2, 3, 5, 8]), None);
    }
}
