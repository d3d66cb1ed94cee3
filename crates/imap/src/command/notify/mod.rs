//! NOTIFY (RFC 5465) and IDLE (RFC 2177).
//!
//! What a client hears unasked of its open mailbox is decided by the group `SELECTED`; what it hears of others comes
//! from comparing the account with a picture of it that the session keeps ([`picture`]).

mod picture;
mod wanted;

use super::{Flow, fetch, list, metadata, status};
use crate::answer::{Refusal, Status, say_status};
use crate::session::core::{Core, Expunges, Moment};
use crate::session::selected::Heed;
use crate::syntax::{Notify, ResponseCode, StatusItem};
use edge::SignedIn;
use picture::{Change, Picture};
use store::Mailbox;
use wanted::{Events, Wanted};

/// How many mailboxes an account may have for NOTIFY to watch them: each session that does keeps a picture of them all.
const MAX_MAILBOXES: usize = 2_000;

/// What a client wants to hear unasked, and what it was told of.
pub(crate) struct Registration {
    wanted: Wanted,
    picture: Picture,
    /// Names that this session's own commands touched since: it knows of those (RFC 5465 §5).
    own: Vec<String>,
}

impl Registration {
    /// Notes that the session itself did something about a name, and so about what is above it; the empty name is the
    /// server's.
    pub(crate) fn done_here(&mut self, name: &str) {
        let above = name.rsplit_once('/').map(|(above, _)| above.to_owned());
        self.own.extend(above);
        self.own.push(name.to_owned());
    }
}

/// IDLE: from here until DONE changes are told as they happen.
pub(super) fn idle(core: &mut Core, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    core.user()?;
    out.extend_from_slice(b"+ idling\r\n");
    core.tell_changes(Moment::Idle, out)?;
    Ok(Flow::Idle)
}

/// NOTIFY.
pub(super) fn run(core: &mut Core, notify: Notify, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    core.user()?;
    let Notify::Set { status, groups } = notify else {
        core.notify = Some(Box::new(nothing()));
        return Ok(Flow::Done(Status::ok("nothing will be told unasked")));
    };
    let wanted = Wanted::new(groups)?;
    // What happened in the open mailbox meanwhile is told first (RFC 5465 §3.1).
    core.catch_up(Heed::everything(Expunges::Told), out)?;
    let user = core.user()?;
    let picture = Picture::take(user, wanted.metadata())?;
    if picture.mailboxes.len() > MAX_MAILBOXES {
        return Err(Refusal::no("too many mailboxes to watch").with_code(ResponseCode::NotificationOverflow));
    }
    if status {
        say_each_status(core, user, &wanted, &picture, out)?;
    }
    core.notify = Some(Box::new(Registration { wanted, picture, own: Vec::new() }));
    Ok(Flow::Done(Status::ok("you will hear of it")))
}

fn nothing() -> Registration {
    Registration { wanted: Wanted::nothing(), picture: Picture::default(), own: Vec::new() }
}

/// Tells what the client asked to hear of.
///
/// # Errors
/// Those of the store.
pub(crate) fn tell(core: &mut Core, moment: Moment, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let Some(mut registration) = core.notify.take() else { return Ok(()) };
    let told = tell_of(core, &mut registration, moment, out);
    if core.notify.is_none() {
        core.notify = Some(registration);
    }
    told
}

fn tell_of(core: &mut Core, registration: &mut Registration, moment: Moment, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let own = std::mem::take(&mut registration.own);
    if !tell_of_selected(core, &registration.wanted, moment, out)? {
        overflow(registration, "too much mail came to tell of", out);
    }
    if core.closing || registration.wanted.is_deaf() {
        return Ok(());
    }
    let user = core.user()?;
    let now = registration.picture.follow(user, registration.wanted.metadata())?;
    if now.mailboxes.len() > MAX_MAILBOXES {
        overflow(registration, "too many mailboxes to watch", out);
        return Ok(());
    }
    let changes = registration.picture.changes_to(&now);
    registration.picture = now;
    if !changes.is_empty() {
        tell_changes(core, &registration.wanted, &changes, &own, out)?;
    }
    Ok(())
}

/// Gives up: from here on nothing is told unasked (RFC 5465 §5.8).
fn overflow(registration: &mut Registration, why: &'static str, out: &mut Vec<u8>) {
    say_status(out, None, &Status::ok(why).with_code(ResponseCode::NotificationOverflow));
    *registration = nothing();
}

/// `false`: it was too much, and some was left out.
fn tell_of_selected(core: &mut Core, wanted: &Wanted, moment: Moment, out: &mut Vec<u8>) -> Result<bool, Refusal> {
    let Some(open) = &wanted.open else {
        if let Some(selected) = &mut core.selected {
            // Nothing is told, and so nothing twice.
            selected.silent.clear();
        }
        return Ok(true);
    };
    let expunges = match (open.delayed, moment) {
        (false, _) | (true, Moment::Idle) => Expunges::Told,
        (true, Moment::Command) => core.expunges,
        (true, Moment::Between) => Expunges::Held,
    };
    let known_to = core.selected.as_ref().and_then(|selected| selected.view.last_uid()).unwrap_or(0);
    core.catch_up(Heed { expunges, flags: open.flags }, out)?;
    let Some(selected) = core.selected.as_ref().filter(|_| !open.fetch.is_empty()) else { return Ok(true) };
    let new: Vec<u32> = selected.view.uids_between(known_to.saturating_add(1), u32::MAX).collect();
    if new.is_empty() {
        return Ok(true);
    }
    fetch::unasked(core, new, &open.fetch, out)
}

fn say_each_status(
    core: &Core,
    user: &SignedIn,
    wanted: &Wanted,
    picture: &Picture,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let others = picture.mailboxes.values().map(|known| &known.mailbox).filter(|mailbox| !is_open(core, mailbox));
    for mailbox in others {
        let events = wanted.events_of(mailbox.name.as_str(), mailbox.subscribed);
        if events.messages {
            status::write(core, user, mailbox, &status_items(core, events), out)?;
        }
    }
    Ok(())
}

fn is_open(core: &Core, mailbox: &Mailbox) -> bool {
    core.selected.as_ref().is_some_and(|selected| selected.mailbox == mailbox.id)
}

/// What a STATUS response must hold (RFC 5465 §3.1, §5.1 to §5.3).
fn status_items(core: &Core, events: Events) -> Vec<StatusItem> {
    let mut items = vec![StatusItem::Messages, StatusItem::UidNext, StatusItem::UidValidity, StatusItem::Unseen];
    if core.offers("CONDSTORE") && (events.flags || core.enabled.condstore) {
        items.push(StatusItem::HighestModSeq);
    }
    items
}

fn tell_changes(
    core: &Core,
    wanted: &Wanted,
    changes: &[Change],
    own: &[String],
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let user = core.user()?;
    let is_own = |name: &str| own.iter().any(|own| own == name);
    let mut tree = None;
    for change in changes {
        match change {
            Change::Name { name, old_name, subscribed } => {
                let hears = |name: &str| wanted.events_of(name, *subscribed).names;
                if is_own(name) || !(hears(name) || old_name.as_deref().is_some_and(hears)) {
                    continue;
                }
                let tree = list::tree::Tree::read_once(&mut tree, user)?;
                list::say_node(core, name, tree.node(name), old_name.as_deref(), out);
            }
            Change::Subscription { name } => {
                // A name is of the subscribed ones before and after it changes.
                let events = wanted.events_of(name, true);
                if !events.subscriptions || is_own(name) {
                    continue;
                }
                let tree = list::tree::Tree::read_once(&mut tree, user)?;
                list::say_node(core, name, tree.node(name), None, out);
            }
            Change::Messages { mailbox, only_flags } => {
                let events = wanted.events_of(mailbox.name.as_str(), mailbox.subscribed);
                let heard = if *only_flags { events.flags } else { events.messages };
                if heard && !is_open(core, mailbox) {
                    status::write(core, user, mailbox, &status_items(core, events), out)?;
                }
            }
            Change::Metadata { name, subscribed, entries } => {
                let heard = match name.is_empty() {
                    true => wanted.server_metadata,
                    false => wanted.events_of(name, *subscribed).metadata,
                };
                if heard && !is_own(name) {
                    metadata::say_changed(core, name, entries, out);
                }
            }
        }
    }
    Ok(())
}
