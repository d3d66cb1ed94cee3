//! NOTIFY (RFC 5465 §8).

use super::cursor::{Cursor, Failure, Parsed};
use super::fetch::fetch_items;
use super::mailbox::mailbox;
use super::quirk::Quirk;
use crate::syntax::command::{Command, Event, EventGroup, MailboxFilter, Notify};

/// ```text
/// notify       = "NOTIFY" SP (notify-set / notify-none)
/// notify-set   = "SET" [SP "STATUS"] SP event-groups
/// notify-none  = "NONE"
/// event-groups = event-group *(SP event-group)
/// ```
/// Only one group is for the selected mailbox.
pub(super) fn notify(c: &mut Cursor<'_>) -> Parsed<Command> {
    c.sp()?;
    if c.eat_word("NONE") {
        return Ok(Command::Notify(Notify::None));
    }
    if !c.eat_word("SET") {
        return Err(c.failure("SET or NONE was expected"));
    }
    c.sp()?;
    let status = c.eat_word("STATUS");
    if status {
        c.sp()?;
    }
    let mut groups = vec![event_group(c)?];
    while c.more()? {
        groups.push(event_group(c)?);
    }
    if groups.iter().filter(|group| is_selected(&group.mailboxes)).count() > 1 {
        return Err(c.failure("the selected mailbox stands twice"));
    }
    Ok(Command::Notify(Notify::Set { status, groups }))
}

fn is_selected(mailboxes: &MailboxFilter) -> bool {
    matches!(mailboxes, MailboxFilter::Selected | MailboxFilter::SelectedDelayed)
}

/// ```text
/// event-group      = "(" filter-mailboxes SP events ")"
/// filter-mailboxes = "selected" / "selected-delayed" / "inboxes" / "personal" / "subscribed"
///                  / "subtree" SP one-or-more-mailbox / "mailboxes" SP one-or-more-mailbox
/// events           = "(" event *(SP event) ")" / "NONE"
/// ```
fn event_group(c: &mut Cursor<'_>) -> Parsed<EventGroup> {
    c.expect(b'(', "a group of events begins with (")?;
    let mailboxes = match c.word()?.as_str() {
        "SELECTED" => MailboxFilter::Selected,
        "SELECTED-DELAYED" => MailboxFilter::SelectedDelayed,
        "INBOXES" => MailboxFilter::Inboxes,
        "PERSONAL" => MailboxFilter::Personal,
        "SUBSCRIBED" => MailboxFilter::Subscribed,
        "SUBTREE" => {
            c.sp()?;
            MailboxFilter::Subtree(c.one_or_list(mailbox)?)
        }
        "MAILBOXES" => {
            c.sp()?;
            MailboxFilter::Mailboxes(c.one_or_list(mailbox)?)
        }
        _ => return Err(c.failure("it is not known which mailboxes are meant")),
    };
    c.sp()?;
    let at = c.at();
    let selected = is_selected(&mailboxes);
    let events = if c.eat_word("NONE") {
        Vec::new()
    } else if c.peek() == Some(b'(') {
        c.list(|c| event(c, selected))?
    } else {
        c.tolerate(Quirk::BareEvents)?;
        let mut events = vec![event(c, selected)?];
        while c.peek() == Some(b' ') {
            c.sp()?;
            events.push(event(c, selected)?);
        }
        events
    };
    c.expect(b')', "the group of events does not end")?;
    match objection(&events, selected) {
        Some(message) => Err(Failure { at, ..c.failure(message) }),
        None => Ok(EventGroup { mailboxes, events }),
    }
}

/// ```text
/// event         = message-event / mailbox-event / user-event / event-ext
/// message-event = "MessageNew" [SP "(" fetch-att *(SP fetch-att) ")"]     ; the list only for the selected mailbox
///               / "MessageExpunge" / "FlagChange" / "AnnotationChange"
/// mailbox-event = "MailboxName" / "SubscriptionChange" / "MailboxMetadataChange"
/// user-event    = "ServerMetadataChange"
/// event-ext     = atom
/// ```
fn event(c: &mut Cursor<'_>, selected: bool) -> Parsed<Event> {
    let name = c.atom()?;
    Ok(match name.to_ascii_uppercase().as_str() {
        "MESSAGENEW" => Event::MessageNew(match c.looks_at(" (") {
            true if !selected => return Err(c.failure("items to fetch are for the selected mailbox")),
            true => {
                c.sp()?;
                c.list(fetch_items)?.concat()
            }
            false => Vec::new(),
        }),
        "MESSAGEEXPUNGE" => Event::MessageExpunge,
        "FLAGCHANGE" => Event::FlagChange,
        "ANNOTATIONCHANGE" => Event::AnnotationChange,
        "MAILBOXNAME" => Event::MailboxName,
        "SUBSCRIPTIONCHANGE" => Event::SubscriptionChange,
        "MAILBOXMETADATACHANGE" => Event::MailboxMetadataChange,
        "SERVERMETADATACHANGE" => Event::ServerMetadataChange,
        _ => Event::Other(name.to_owned()),
    })
}

/// What the comments of the grammar forbid: MessageNew and MessageExpunge stand together, FlagChange and
/// AnnotationChange stand with both, and only events of messages are for the selected mailbox.
fn objection(events: &[Event], selected: bool) -> Option<&'static str> {
    let has = |wanted: fn(&Event) -> bool| events.iter().any(wanted);
    let new = has(|event| matches!(event, Event::MessageNew(_)));
    let expunge = has(|event| matches!(event, Event::MessageExpunge));
    let change = has(|event| matches!(event, Event::FlagChange | Event::AnnotationChange));
    let other = has(|event| {
        matches!(
            event,
            Event::MailboxName | Event::SubscriptionChange | Event::MailboxMetadataChange | Event::ServerMetadataChange
        )
    });
    if new != expunge {
        Some("MessageNew and MessageExpunge stand together")
    } else if change && !new {
        Some("changes of messages are told with MessageNew and MessageExpunge only")
    } else if selected && other {
        Some("the selected mailbox has events of messages only")
    } else {
        None
    }
}
