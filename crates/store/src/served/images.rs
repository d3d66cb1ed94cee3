//! Images of a cell's mailboxes: who holds which, and what makes them stale.
//!
//! Every change of a mailbox gets a number of the cell's clock under the writer's lock, after the commit and before the
//! writer's caller hears of it. An image carries the number that its mailbox had when the state it shows was yet to be
//! read: as long as the mailbox has that number, the image is as new as the last commit that anybody heard of.

use super::image::{Counts, Image};
use super::touched::Touched;
use crate::cell::Cell;
use crate::error::StoreError;
use crate::group::lock;
use crate::types::{AccountId, Mailbox, MailboxId};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

type Result<T> = std::result::Result<T, StoreError>;

/// Messages in the images that a cell keeps: 26 MB, so that the usual four cells stay at about 100 MB. A mailbox that is
/// larger than this is kept alone.
const KEPT_ROWS: usize = 500_000;
/// Mailboxes whose counts a cell keeps, and accounts whose usage: some 10 MB.
const KEPT_COUNTS: usize = 50_000;

/// What an account holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Its messages; one that stands in two mailboxes is two.
    pub messages: u64,
    /// Their size in CRLF form.
    pub size_bytes: u64,
}

/// What a cell keeps in memory of its served mailboxes.
#[derive(Default)]
pub(crate) struct Images {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    clock: u64,
    mailboxes: BTreeMap<(AccountId, MailboxId), Held>,
    usages: BTreeMap<AccountId, HeldUsage>,
    /// Accounts that a transaction which is just being committed has touched.
    under_way: Vec<AccountId>,
    /// What the images weigh.
    weight: usize,
}

struct Held {
    /// When the mailbox last changed, or came to be held.
    changed: u64,
    /// When it last changed in a way that modification sequences do not tell.
    changed_anew: u64,
    image: Option<(u64, Arc<Image>)>,
    /// They outlive the image.
    counts: Option<(u64, Mailbox, Counts)>,
    used: u64,
    /// Held by who makes the image; others wait here rather than make it too.
    making: Arc<Mutex<()>>,
}

struct HeldUsage {
    changed: u64,
    usage: Option<Usage>,
}

impl State {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn held(&mut self, at: (AccountId, MailboxId)) -> &mut Held {
        let now = self.tick();
        if self.mailboxes.len() >= KEPT_COUNTS && !self.mailboxes.contains_key(&at) {
            self.mailboxes.retain(|_, held| held.image.is_some() || Arc::strong_count(&held.making) > 1);
        }
        let fresh =
            || Held { changed: now, changed_anew: now, image: None, counts: None, used: now, making: Arc::default() };
        let held = self.mailboxes.entry(at).or_insert_with(fresh);
        held.used = now;
        held
    }

    fn put(&mut self, at: (AccountId, MailboxId), changed: u64, image: Arc<Image>) {
        self.weight += image.weight();
        let held = self.held(at);
        held.counts = Some((changed, image.mailbox().clone(), image.counts()));
        if let Some((_, old)) = held.image.replace((changed, image)) {
            self.weight -= old.weight();
        }
        while self.weight > KEPT_ROWS {
            let others = self.mailboxes.iter_mut().filter(|(key, held)| **key != at && held.image.is_some());
            let Some((_, least)) = others.min_by_key(|(_, held)| held.used) else { break };
            let (_, image) = least.image.take().expect("it was asked for one that has an image");
            self.weight -= image.weight();
        }
    }

    fn drop_image(held: &mut Held, weight: &mut usize) -> Option<(u64, Arc<Image>)> {
        let taken = held.image.take();
        if let Some((_, image)) = &taken {
            *weight -= image.weight();
        }
        taken
    }
}

fn of(account: AccountId) -> RangeInclusive<(AccountId, MailboxId)> {
    (account, MailboxId(i64::MIN))..=(account, MailboxId(i64::MAX))
}

impl Images {
    /// What a transaction touched is about to be committed.
    pub(crate) fn begin(&self, touched: &Touched) {
        lock(&self.state).under_way = touched.iter().map(|(account, _)| account).collect();
    }

    /// It is committed, and nobody was told yet; or nobody knows whether it is.
    pub(crate) fn end(&self, touched: &Touched, committed: bool) {
        let mut state = lock(&self.state);
        state.under_way.clear();
        let now = state.tick();
        for (account, touch) in touched.iter() {
            let anew = touch.anew || !committed;
            if anew {
                for (_, held) in state.mailboxes.range_mut(of(account)) {
                    (held.changed, held.changed_anew) = (now, now);
                }
            }
            for mailbox in &touch.mailboxes {
                if let Some(held) = state.mailboxes.get_mut(&(account, *mailbox)) {
                    held.changed = now;
                }
            }
            if let Some(held) = state.usages.get_mut(&account) {
                held.changed = now;
                held.usage = held.usage.filter(|_| !anew).map(|usage| Usage {
                    messages: usage.messages.saturating_add_signed(touch.messages),
                    size_bytes: usage.size_bytes.saturating_add_signed(touch.size_bytes),
                });
            }
        }
    }

    /// Anything may have changed.
    pub(crate) fn forget(&self) {
        let mut state = lock(&self.state);
        let now = state.tick();
        state.mailboxes.values_mut().for_each(|held| (held.changed, held.changed_anew) = (now, now));
        state.usages.values_mut().for_each(|held| (held.changed, held.usage) = (now, None));
    }
}

impl Cell {
    /// A live account's mailbox as it is now: not older than the last commit that had returned when this was called.
    /// `None` when there is no such mailbox.
    ///
    /// # Errors
    /// Those of the index.
    pub fn image(&self, account: AccountId, mailbox: MailboxId) -> Result<Option<Arc<Image>>> {
        let at = (account, mailbox);
        let fresh = |state: &mut State| {
            let held = state.held(at);
            held.image.as_ref().filter(|(changed, _)| *changed == held.changed).map(|(_, image)| image.clone())
        };
        let making = {
            let mut state = lock(&self.images.state);
            if let Some(image) = fresh(&mut state) {
                return Ok(Some(image));
            }
            state.held(at).making.clone()
        };
        let _turn = lock(&making);
        let (changed, before) = {
            let mut state = lock(&self.images.state);
            if let Some(image) = fresh(&mut state) {
                return Ok(Some(image));
            }
            let State { mailboxes, weight, .. } = &mut *state;
            let held = mailboxes.get_mut(&at).expect("it was asked for just now");
            // Taken out of the cell's hands, so that nothing is copied unless a session holds it.
            let before = State::drop_image(held, weight);
            (held.changed, before.filter(|(changed, _)| *changed >= held.changed_anew).map(|(_, image)| image))
        };
        let image = self.read(|view| Image::take(view, account, mailbox, before))?.map(Arc::new);
        let mut state = lock(&self.images.state);
        match &image {
            Some(image) => state.put(at, changed, image.clone()),
            None => {
                if let Some(mut held) = state.mailboxes.remove(&at) {
                    State::drop_image(&mut held, &mut state.weight);
                }
            }
        }
        Ok(image)
    }

    /// What STATUS asks of a live account's mailbox, as new as an [`Cell::image`], and without one while the mailbox
    /// does not change.
    ///
    /// # Errors
    /// Those of the index.
    pub fn counts(&self, account: AccountId, mailbox: MailboxId) -> Result<Option<(Mailbox, Counts)>> {
        let known = {
            let state = lock(&self.images.state);
            state.mailboxes.get(&(account, mailbox)).and_then(|held| {
                let (_, mailbox, counts) = held.counts.as_ref().filter(|(changed, ..)| *changed == held.changed)?;
                Some((mailbox.clone(), *counts))
            })
        };
        match known {
            Some(known) => Ok(Some(known)),
            None => Ok(self.image(account, mailbox)?.map(|image| (image.mailbox().clone(), image.counts()))),
        }
    }

    /// What a live account holds: what a quota is compared with.
    ///
    /// # Errors
    /// Those of the index.
    pub fn served_usage(&self, account: AccountId) -> Result<Usage> {
        let changed = {
            let mut state = lock(&self.images.state);
            if let Some(usage) = state.usages.get(&account).and_then(|held| held.usage) {
                return Ok(usage);
            }
            let now = state.tick();
            if state.usages.len() >= KEPT_COUNTS {
                state.usages.clear();
            }
            let changed = state.usages.entry(account).or_insert(HeldUsage { changed: now, usage: None }).changed;
            // What is being committed may be read below or not: it could be counted twice.
            (!state.under_way.contains(&account)).then_some(changed)
        };
        let (messages, size_bytes) = self.read(|view| view.usage(account))?;
        let usage = Usage { messages, size_bytes };
        let mut state = lock(&self.images.state);
        let State { usages, under_way, .. } = &mut *state;
        if let Some(held) = usages.get_mut(&account).filter(|held| changed == Some(held.changed))
            && !under_way.contains(&account)
        {
            held.usage = Some(usage);
        }
        Ok(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::inbox;

    const ANA: AccountId = AccountId(1);

    fn put(state: &mut State, number: i64, messages: usize) {
        let at = (ANA, MailboxId(number));
        let changed = state.held(at).changed;
        let image = Image::alike(inbox().numbered(at.1), u32::try_from(messages).expect("it is a small number"));
        state.put(at, changed, Arc::new(image));
    }

    fn with_image(state: &State) -> Vec<i64> {
        state.mailboxes.iter().filter(|(_, held)| held.image.is_some()).map(|((_, id), _)| id.0).collect()
    }

    #[test]
    fn the_image_used_longest_ago_is_let_go_and_its_counts_stay() {
        let mut state = State::default();
        (1..=3).for_each(|number| put(&mut state, number, KEPT_ROWS / 3));
        assert_eq!(with_image(&state), [1, 2, 3]);
        state.held((ANA, MailboxId(1)));
        put(&mut state, 4, KEPT_ROWS / 3);
        assert_eq!(with_image(&state), [1, 3, 4]);
        assert!(state.mailboxes[&(ANA, MailboxId(2))].counts.is_some());
        put(&mut state, 3, 1);
        put(&mut state, 2, KEPT_ROWS / 3);
        assert_eq!(with_image(&state), [1, 2, 3, 4], "one that grew small made room");

        put(&mut state, 5, KEPT_ROWS + 1);
        assert_eq!(with_image(&state), [5], "a mailbox that is too large for all is kept alone");
        put(&mut state, 1, 1);
        assert_eq!((with_image(&state), state.weight), (vec![1], 1));
    }

    #[test]
    fn mailboxes_are_forgotten_when_there_are_too_many_but_not_those_with_images() {
        let mut state = State::default();
        put(&mut state, 0, 1);
        (1..KEPT_COUNTS as i64).for_each(|number| _ = state.held((ANA, MailboxId(number))));
        assert_eq!(state.mailboxes.len(), KEPT_COUNTS);
        let waited_for = state.held((ANA, MailboxId(7))).making.clone();
        state.held((ANA, MailboxId(-1)));
        assert_eq!(state.mailboxes.keys().map(|(_, id)| id.0).collect::<Vec<_>>(), [-1, 0, 7]);
        drop(waited_for);
    }
}
