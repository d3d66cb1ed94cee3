//! What a client asked to hear of (RFC 5465 §5, §6).

use crate::answer::Refusal;
use crate::syntax::{Event, EventGroup, FetchItem, MailboxArg, MailboxFilter, ResponseCode};
use message::MailboxName;

/// The events that are known here.
const EVENTS: [&str; 7] = [
    "MessageNew",
    "MessageExpunge",
    "FlagChange",
    "MailboxName",
    "SubscriptionChange",
    "MailboxMetadataChange",
    "ServerMetadataChange",
];

/// How many names the groups of one NOTIFY may hold: each change is held against each.
const MAX_NAMES: usize = 1_000;

/// All that a client asked to hear of.
#[derive(Debug, PartialEq)]
pub(super) struct Wanted {
    /// Of the mailbox that is open; `None`: nothing.
    pub(super) open: Option<Open>,
    /// Of the server's annotations.
    pub(super) server_metadata: bool,
    others: Vec<(Which, Events)>,
}

/// What is wanted of the mailbox that is open.
#[derive(Debug, PartialEq)]
pub(super) struct Open {
    /// Whether removals wait for a command that allows them (RFC 5465 §6.1.2).
    pub(super) delayed: bool,
    pub(super) flags: bool,
    /// What of new messages is told.
    pub(super) fetch: Vec<FetchItem>,
}

/// Events, as far as they are about one mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Events {
    /// MessageNew and MessageExpunge: one cannot be had without the other.
    pub(super) messages: bool,
    pub(super) flags: bool,
    pub(super) names: bool,
    pub(super) subscriptions: bool,
    pub(super) metadata: bool,
}

/// Which mailboxes.
#[derive(Debug, PartialEq, Eq)]
enum Which {
    /// Scripts may deliver into any mailbox, so that INBOXES is PERSONAL (RFC 5465 §6.3).
    All,
    Subscribed,
    Beneath(Vec<String>),
    Named(Vec<String>),
}

impl Wanted {
    /// Nothing at all.
    pub(super) fn nothing() -> Self {
        Wanted { open: None, server_metadata: false, others: Vec::new() }
    }

    /// What the groups of a NOTIFY ask for.
    ///
    /// # Errors
    /// For events that are not known here, and combinations that RFC 5465 §5 and §6 exclude.
    pub(super) fn new(groups: Vec<EventGroup>) -> Result<Self, Refusal> {
        let mut wanted = Wanted::nothing();
        let mut selected = 0;
        for EventGroup { mailboxes, events } in groups {
            let (asked, server_metadata, fetch) = read(events)?;
            let which = match mailboxes {
                MailboxFilter::Selected | MailboxFilter::SelectedDelayed => {
                    selected += 1;
                    if asked.names || asked.subscriptions || asked.metadata || server_metadata {
                        return Err(Refusal::bad("of the selected mailbox only messages can be told"));
                    }
                    let delayed = mailboxes == MailboxFilter::SelectedDelayed;
                    wanted.open = asked.messages.then_some(Open { delayed, flags: asked.flags, fetch });
                    continue;
                }
                MailboxFilter::Inboxes | MailboxFilter::Personal => Which::All,
                MailboxFilter::Subscribed => Which::Subscribed,
                MailboxFilter::Subtree(names) => Which::Beneath(normalised(&names)),
                MailboxFilter::Mailboxes(names) => Which::Named(normalised(&names)),
            };
            if !fetch.is_empty() {
                return Err(Refusal::bad("only of the selected mailbox messages can be fetched"));
            }
            wanted.server_metadata |= server_metadata;
            wanted.others.push((which, asked));
        }
        let names = wanted.others.iter().map(|(which, _)| match which {
            Which::All | Which::Subscribed => 1,
            Which::Beneath(names) | Which::Named(names) => names.len(),
        });
        if names.sum::<usize>() > MAX_NAMES {
            return Err(Refusal::no("too many names to watch").with_code(ResponseCode::NotificationOverflow));
        }
        match selected {
            0 | 1 => Ok(wanted),
            _ => Err(Refusal::bad("there is only one selected mailbox")),
        }
    }

    /// Whether nothing is to be told but of the mailbox that is open.
    pub(super) fn is_deaf(&self) -> bool {
        self.others.is_empty()
    }

    /// Whether annotations matter.
    pub(super) fn metadata(&self) -> bool {
        self.server_metadata || self.others.iter().any(|(_, events)| events.metadata)
    }

    /// What is to be told of a mailbox by this name. Several groups may name it.
    pub(super) fn events_of(&self, name: &str, subscribed: bool) -> Events {
        let hold = |which: &Which| match which {
            Which::All => true,
            Which::Subscribed => subscribed,
            Which::Named(names) => names.iter().any(|named| named == name),
            Which::Beneath(names) => names
                .iter()
                .any(|root| name.strip_prefix(&root[..]).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))),
        };
        let groups = self.others.iter().filter(|(which, _)| hold(which)).map(|(_, events)| *events);
        groups.fold(Events::default(), Events::with)
    }
}

impl Events {
    fn with(self, other: Events) -> Events {
        Events {
            messages: self.messages || other.messages,
            flags: self.flags || other.flags,
            names: self.names || other.names,
            subscriptions: self.subscriptions || other.subscriptions,
            metadata: self.metadata || other.metadata,
        }
    }
}

/// Names as mailboxes have them; those that none can have are left out (RFC 5465 §3.1).
fn normalised(names: &[MailboxArg]) -> Vec<String> {
    names.iter().filter_map(|name| Some(MailboxName::new(&name.0).ok()?.as_str().to_owned())).collect()
}

/// The events of a group, whether the server's annotations are among them, and what to fetch of new messages.
fn read(events: Vec<Event>) -> Result<(Events, bool, Vec<FetchItem>), Refusal> {
    let (mut asked, mut server_metadata, mut expunges) = (Events::default(), false, false);
    let mut fetch = Vec::new();
    for event in events {
        match event {
            Event::MessageNew(items) => {
                asked.messages = true;
                fetch = items;
            }
            Event::MessageExpunge => expunges = true,
            Event::FlagChange => asked.flags = true,
            Event::MailboxName => asked.names = true,
            Event::SubscriptionChange => asked.subscriptions = true,
            Event::MailboxMetadataChange => asked.metadata = true,
            Event::ServerMetadataChange => server_metadata = true,
            Event::AnnotationChange | Event::Other(_) => {
                let code = ResponseCode::BadEvent(EVENTS.to_vec());
                return Err(Refusal::no("there is an unknown event").with_code(code));
            }
        }
    }
    if asked.messages != expunges || asked.flags && !expunges {
        return Err(Refusal::bad("MessageNew and MessageExpunge go together, and FlagChange with both"));
    }
    Ok((asked, server_metadata, fetch))
}
