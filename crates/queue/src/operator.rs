//! What an operator does with waiting mail: look at it, have it tried at once, hold it, let it go on, give it up, drop it.
//!
//! Nothing here touches mail in mailboxes: the queue has only what has still to reach somebody. Recipients that are being
//! tried at the moment are left alone and counted as busy.
//!
//! The types are what the command line and a running server say to each other (see [`crate::control`]), and what `--json`
//! prints.

use crate::judge::{Ending, judge};
use crate::queue::Queue;
use serde::{Deserialize, Serialize};
use store::StoreError;
use store::spool::{Filter, Purpose, QueueId, Queued, Recipient, Settled, Settlement, State};

/// Messages that are looked at, or changed, in one step.
const STEP: usize = 200;
/// Messages of one list at most.
const MAX_LIST: usize = 1000;
/// Recipients of one list after which no message is added.
const MAX_LINES: usize = 5000;

/// What an operator wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// To see what waits.
    List {
        /// What of it.
        which: Selection,
        /// Behind which message the list goes on.
        after: Option<String>,
        /// Messages at most.
        limit: usize,
    },
    /// To see a message's envelope, recipients and last words.
    Show {
        /// Which.
        id: String,
    },
    /// To know how much an action would concern.
    Count {
        /// What.
        which: Selection,
    },
    /// To have what waits tried at once. What is held stays held.
    Retry {
        /// What.
        which: Selection,
    },
    /// To have what waits not tried until it is released.
    Hold {
        /// What.
        which: Selection,
    },
    /// To let what is held go on, at once.
    Release {
        /// What.
        which: Selection,
    },
    /// To give up: the sender gets a DSN, as if the time were over.
    Bounce {
        /// What.
        which: Selection,
        /// What the sender is told.
        why: String,
    },
    /// To destroy the waiting message: it reaches nobody, and nobody is told.
    Drop {
        /// What.
        which: Selection,
    },
}

impl Action {
    /// What it is called at the command line, where it changes anything.
    pub(crate) fn change(&self) -> Option<(&'static str, &Selection)> {
        match self {
            Action::List { .. } | Action::Show { .. } | Action::Count { .. } => None,
            Action::Retry { which } => Some(("retry", which)),
            Action::Hold { which } => Some(("hold", which)),
            Action::Release { which } => Some(("release", which)),
            Action::Bounce { which, .. } => Some(("bounce", which)),
            Action::Drop { which } => Some(("drop", which)),
        }
    }
}

/// What of the waiting mail: all that is said must hold. Saying nothing selects nothing, unless `everything` is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// A message.
    pub id: Option<String>,
    /// The reverse-path, without regard to ASCII case; empty: the null reverse-path.
    pub sender: Option<String>,
    /// A recipient's address, without regard to ASCII case.
    pub recipient: Option<String>,
    /// The domain that a recipient waits for.
    pub hop: Option<String>,
    /// What becomes of a recipient.
    pub state: Option<Standing>,
    /// What came so many seconds ago or earlier.
    pub older_than_s: Option<i64>,
    /// All there is.
    pub everything: bool,
}

/// What becomes of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is tried when it is due.
    Waiting,
    /// It waits for the operator.
    Held,
    /// It is being tried at the moment.
    Running,
}

/// What an operator hears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A list.
    Messages {
        /// Oldest first.
        messages: Vec<Entry>,
        /// Behind which message it goes on; `None`: that was all.
        next: Option<String>,
    },
    /// A message; `None`: it does not wait, or no more.
    Message(Option<Entry>),
    /// How much was changed, or would be.
    Changed(Changed),
    /// It was not done.
    Refused {
        /// Why, and what to do now.
        why: String,
    },
}

/// How much an action changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Messages.
    pub messages: u64,
    /// Recipients of them.
    pub recipients: u64,
    /// Recipients that were left alone because they are being tried at the moment: ask again in a minute.
    pub busy: u64,
    /// Recipients that were to be given up and are held, because there is nobody who could be told.
    pub untold: u64,
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Names it.
    pub id: String,
    /// The reverse-path.
    pub sender: String,
    /// What it is on its way for: `submission`, `forward`, `notification`, `reply`, `held`.
    pub purpose: String,
    /// The account that it comes from.
    pub account: Option<String>,
    /// ENVID.
    pub envelope_id: Option<String>,
    /// When it came, in seconds since 1970 UTC.
    pub arrived_s: i64,
    /// When it is given up, in seconds since 1970 UTC.
    pub expires_s: i64,
    /// Its length.
    pub size_bytes: u64,
    /// Whom it has still to reach, of those that were asked for.
    pub recipients: Vec<Line>,
}

/// A recipient that a message has still to reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its place among the message's recipients.
    pub number: u32,
    /// The address.
    pub address: String,
    /// The domain that it waits for.
    pub hop: String,
    /// What becomes of it.
    pub state: Standing,
    /// When it is tried next, in seconds since 1970 UTC.
    pub due_s: i64,
    /// Until when it is held, where that is not for ever: nobody could be told that it failed, and then it is dropped. In
    /// seconds since 1970 UTC.
    #[serde(default)]
    pub held_until_s: Option<i64>,
    /// How often it was tried.
    pub attempts: u32,
    /// What was said at the last try.
    pub last: Option<String>,
    /// Whether the sender was told that it takes long.
    pub delay_told: bool,
}

/// An action that changes something.
#[derive(Clone, Copy)]
enum Change<'a> {
    Nothing,
    Retry,
    Hold,
    Release,
    Bounce(&'a str),
    Drop,
}

impl Queue {
    /// Does what an operator wants. It is durable on return. Blocks, for many messages for long; others go on meanwhile.
    ///
    /// # Errors
    /// When the spool cannot be read or written; what was changed before stays changed.
    pub fn carry_out(&self, action: &Action) -> Result<Answer, StoreError> {
        match action {
            Action::List { which, after, limit } => self.list(which, after.as_deref(), *limit),
            Action::Show { id } => {
                let Ok(id) = id.parse::<QueueId>() else { return Ok(no_such_name(id)) };
                let found = self.spool.message(id)?;
                Ok(Answer::Message(found.map(|(message, recipients)| self.entry(&message, &recipients))))
            }
            Action::Count { which } => self.change(which, Change::Nothing),
            Action::Retry { which } => self.change(which, Change::Retry),
            Action::Hold { which } => self.change(which, Change::Hold),
            Action::Release { which } => self.change(which, Change::Release),
            Action::Bounce { which, why } => self.change(which, Change::Bounce(why)),
            Action::Drop { which } => self.change(which, Change::Drop),
        }
    }

    fn list(&self, which: &Selection, after: Option<&str>, limit: usize) -> Result<Answer, StoreError> {
        let limit = limit.clamp(1, MAX_LIST);
        let mut after = match after.map(|after| (after, after.parse::<QueueId>())) {
            None => None,
            Some((_, Ok(after))) => Some(after),
            Some((after, Err(_))) => return Ok(no_such_name(after)),
        };
        let (mut messages, mut lines) = (Vec::new(), 0);
        loop {
            let page = match self.page(which, after, STEP)? {
                Ok(page) => page,
                Err(refused) => return Ok(refused),
            };
            let last = page.last;
            for (message, recipients) in page.found {
                if messages.len() == limit || lines >= MAX_LINES {
                    return Ok(Answer::Messages { messages, next: after.map(|id| id.to_string()) });
                }
                after = Some(message.id);
                lines += recipients.len();
                messages.push(self.entry(&message, &recipients));
            }
            let Some(last) = last else { return Ok(Answer::Messages { messages, next: None }) };
            after = Some(last);
        }
    }

    fn change(&self, which: &Selection, change: Change<'_>) -> Result<Answer, StoreError> {
        if *which == Selection::default() {
            return Ok(Answer::Refused {
                why: "nothing was selected; name a message, a sender, a recipient or a domain, or say that everything is \
                      meant"
                    .to_owned(),
            });
        }
        let mut changed = Changed::default();
        let mut after = None;
        loop {
            let page = {
                // From here to the commit nothing of it is taken.
                let mut hops = self.hops();
                let page = match self.page(which, after, STEP)? {
                    Ok(page) => page,
                    Err(refused) => return Ok(refused),
                };
                let mut settlements = Vec::new();
                for (message, mut recipients) in page.found {
                    let all = recipients.len();
                    recipients.retain(|r| !hops.is_taken(&r.hop, message.id));
                    changed.busy += (all - recipients.len()) as u64;
                    recipients.retain(|r| match change {
                        Change::Nothing | Change::Bounce(_) | Change::Drop => true,
                        Change::Retry => r.state == State::Waiting,
                        // What would be dropped one day is then held for ever.
                        Change::Hold => r.state == State::Waiting || r.ends,
                        Change::Release => r.state == State::Held,
                    });
                    if recipients.is_empty() {
                        continue;
                    }
                    changed.messages += 1;
                    changed.recipients += recipients.len() as u64;
                    if matches!(change, Change::Retry | Change::Release) {
                        recipients.iter().for_each(|r| hops.let_in(&r.hop));
                    }
                    settlements.extend(self.settlements_of_change(&message, &recipients, change, &mut changed)?);
                }
                if !settlements.is_empty() {
                    self.spool.settle(settlements, false)?;
                }
                page.last
            };
            match page {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        if !matches!(change, Change::Nothing) {
            self.spool.sync()?;
            self.wake();
        }
        Ok(Answer::Changed(changed))
    }

    fn settlements_of_change(
        &self,
        message: &Queued,
        recipients: &[Recipient],
        change: Change<'_>,
        changed: &mut Changed,
    ) -> Result<Vec<Settlement>, StoreError> {
        let all = |settled: Settled| {
            let recipients = recipients.iter().map(|r| (r.number, settled.clone())).collect();
            vec![Settlement { id: message.id, recipients, then: Vec::new() }]
        };
        Ok(match change {
            Change::Nothing => Vec::new(),
            Change::Retry | Change::Release => all(Settled::Released),
            Change::Hold => all(Settled::Held { until_s: None }),
            Change::Drop => {
                tracing::info!(id = %message.id, recipients = recipients.len(), "waiting mail was dropped by an operator");
                all(Settled::Failed)
            }
            Change::Bounce(why) => {
                let now_s = self.now_s();
                let ending = || Ending::GivenUp(why.to_owned());
                let endings = recipients.iter().map(|r| (r, ending())).collect();
                let judged = judge(&self.settings.schedule, message, endings, None, now_s);
                let settlements =
                    self.settlements(message, judged, now_s, || self.spool.bytes(message).map(Into::into))?;
                let held =
                    |s: &Settlement| s.recipients.iter().filter(|(_, end)| matches!(end, Settled::Held { .. })).count();
                let untold = settlements.iter().map(held).sum::<usize>() as u64;
                changed.untold += untold;
                settlements
            }
        })
    }

    /// A step through what is selected.
    fn page(
        &self,
        which: &Selection,
        after: Option<QueueId>,
        limit: usize,
    ) -> Result<Result<Page, Answer>, StoreError> {
        let Selection { id, sender, recipient, hop, state, older_than_s, everything: _ } = which;
        let wanted_state = state.and_then(|state| match state {
            Standing::Waiting | Standing::Running => Some(State::Waiting),
            Standing::Held => Some(State::Held),
        });
        let (found, last) = match id {
            Some(text) => {
                let Ok(id) = text.parse::<QueueId>() else { return Ok(Err(no_such_name(text))) };
                (if after.is_none() { Vec::from_iter(self.spool.message(id)?) } else { Vec::new() }, None)
            }
            None => {
                let filter = Filter {
                    sender: sender.clone(),
                    recipient: recipient.clone(),
                    hop: hop.as_ref().map(|hop| hop.to_lowercase()),
                    state: wanted_state,
                };
                let found = self.spool.list(after, limit, &filter)?;
                let last = found.last().map(|(message, _)| message.id).filter(|_| found.len() == limit);
                (found, last)
            }
        };
        let same =
            |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(is));
        let latest_s = older_than_s.map(|s| self.now_s().saturating_sub(s));
        let found = found.into_iter().filter_map(|(message, mut recipients)| {
            let old = latest_s.is_none_or(|latest_s| message.envelope.arrived_s <= latest_s);
            if !old || !same(sender, &message.envelope.reverse_path) {
                return None;
            }
            recipients.retain(|r| {
                same(recipient, &r.address) && same(hop, &r.hop) && wanted_state.is_none_or(|state| state == r.state)
            });
            (!recipients.is_empty()).then_some((message, recipients))
        });
        Ok(Ok(Page { found: found.collect(), last }))
    }

    fn entry(&self, message: &Queued, recipients: &[Recipient]) -> Entry {
        let envelope = &message.envelope;
        let hops = self.hops();
        let line = |r: &Recipient| Line {
            number: r.number,
            address: r.address.clone(),
            hop: r.hop.clone(),
            state: match r.state {
                State::Held => Standing::Held,
                State::Waiting if hops.is_taken(&r.hop, message.id) => Standing::Running,
                State::Waiting => Standing::Waiting,
            },
            due_s: r.due_s,
            held_until_s: r.ends.then_some(r.due_s),
            attempts: r.attempts,
            last: r.last.clone(),
            delay_told: r.delay_told,
        };
        let purpose = match envelope.purpose {
            Purpose::Submission => "submission",
            Purpose::Forward => "forward",
            Purpose::Notification => "notification",
            Purpose::Reply => "reply",
            Purpose::Held => "held",
        };
        Entry {
            id: message.id.to_string(),
            sender: envelope.reverse_path.clone(),
            purpose: purpose.to_owned(),
            account: envelope.account.clone(),
            envelope_id: envelope.envelope_id.clone(),
            arrived_s: envelope.arrived_s,
            expires_s: envelope.expires_s,
            size_bytes: message.size_bytes,
            recipients: recipients.iter().map(line).collect(),
        }
    }
}

/// A step through what is selected.
struct Page {
    found: Vec<(Queued, Vec<Recipient>)>,
    /// Where the next step goes on; `None`: there is none.
    last: Option<QueueId>,
}

fn no_such_name(text: &str) -> Answer {
    let text: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    Answer::Refused {
        why: format!("{text:?} names no message: names are digits and letters from A to F, as a list shows them"),
    }
}
