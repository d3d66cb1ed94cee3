//! What a script wants done, and which of it goes together.

use super::{Fail, HeaderVersion};
use crate::limits::{MAX_ACTIONS, MAX_HEADERS, MAX_REDIRECTS, MAX_SEEN};
use crate::vacation::VacationReply;
use message::{Address, Flags, Keyword, MailboxName, SpecialUse};

/// What to do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What to do, in the order of the script; an implicit keep stands last. Never empty.
    pub actions: Vec<Action>,
    /// What to remember once all of it is done (RFC 7352).
    pub seen: Vec<Seen>,
    /// Whether nothing cancelled the implicit keep (RFC 5228 §2.10.2); the keep that it led to is among the actions.
    pub implicit_keep: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Deliver as if there were no script: into INBOX.
    Keep {
        /// To be set.
        flags: MessageFlags,
        /// What becomes of the header.
        header: HeaderVersion,
    },
    /// Deliver into a mailbox.
    FileInto {
        /// Its name. Where it does not exist and is not to be created, the message goes to INBOX.
        mailbox: MailboxName,
        /// The special use that it gets if it is created.
        special_use: Option<SpecialUse>,
        /// Whether to create it.
        create: bool,
        /// Whether this is a copy beside what else is done.
        copy: bool,
        /// To be set.
        flags: MessageFlags,
        /// What becomes of the header.
        header: HeaderVersion,
    },
    /// Send the message on.
    Redirect {
        /// To whom.
        address: Address,
        /// Whether this is a copy beside what else is done.
        copy: bool,
        /// What becomes of the header.
        header: HeaderVersion,
    },
    /// Deliver nothing where nothing else is asked for.
    Discard,
    /// Refuse the message: as it came, whatever was made of its header (RFC 5293 §7).
    Reject {
        /// The words for the sender.
        reason: String,
        /// Whether by `ereject`: in the SMTP answer wherever that can be, never silently (RFC 5429 §2.1).
        extended: bool,
    },
    /// Answer the sender.
    Vacation(VacationReply),
}

/// The flags that a delivered message gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFlags {
    /// System flags.
    pub system: Flags,
    /// Keywords.
    pub keywords: Vec<Keyword>,
}

/// A message that a `duplicate` test is to know again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Stands for the message under the test's handle: 64 hexadecimal digits.
    pub id: String,
    /// Until when to remember it, in seconds since 1970 UTC.
    pub until_s: i64,
}

impl Outcome {
    /// What is done where there is no script, or it failed.
    pub fn keep() -> Self {
        let actions = vec![Action::Keep { flags: MessageFlags::default(), header: HeaderVersion::default() }];
        Outcome { actions, seen: Vec::new(), implicit_keep: true }
    }
}

impl MessageFlags {
    pub(super) fn new(names: &[String]) -> Self {
        let mut flags = MessageFlags::default();
        for name in names {
            match (Flags::from_imap_name(name), Keyword::new(name)) {
                (Some(flag), _) => flags.system = flags.system | flag,
                (None, Ok(keyword)) => flags.keywords.push(keyword),
                (None, Err(_)) => {}
            }
        }
        flags
    }

    fn merge(&mut self, other: MessageFlags) {
        self.system = self.system | other.system;
        for keyword in other.keywords {
            if !self.keywords.contains(&keyword) {
                self.keywords.push(keyword);
            }
        }
    }
}

/// Whether a word can be a flag of a message; `\Recent` cannot (RFC 5232 §2).
pub(super) fn is_flag(word: &str) -> bool {
    Flags::from_imap_name(word).is_some() || Keyword::new(word).is_ok()
}

/// RFC 5429 §2.4, RFC 5230 §4.7: who is told that the mail was refused must not learn otherwise.
const REFUSED: &str = "a message cannot be refused and something else be done with it";

fn refuses(action: &Action) -> bool {
    matches!(action, Action::Reject { .. })
}

/// The actions so far.
pub(super) struct Actions {
    list: Vec<Action>,
    seen: Vec<Seen>,
    /// Whether nothing has cancelled the implicit keep.
    implicit_keep: bool,
    /// Whether there was a vacation, with a reply or without (RFC 5230 §4.7).
    vacation: bool,
    max_redirects: usize,
}

impl Actions {
    pub(super) fn new(max_redirects: usize) -> Self {
        Actions { list: Vec::new(), seen: Vec::new(), implicit_keep: true, vacation: false, max_redirects }
    }

    fn push(&mut self, action: Action) -> Result<(), Fail> {
        let is_harmless = |action: &Action| matches!(action, Action::Discard);
        let clashes = match refuses(&action) {
            true => self.vacation || self.list.iter().any(|other| !is_harmless(other)),
            false => !is_harmless(&action) && self.list.iter().any(refuses),
        };
        if clashes {
            return Err(Fail(REFUSED.to_owned()));
        }
        // Who may redirect more often may do so much more.
        let max_actions = MAX_ACTIONS + self.max_redirects.saturating_sub(MAX_REDIRECTS);
        if self.list.len() >= max_actions {
            return Err(Fail(format!("the script does more than {max_actions} actions")));
        }
        let mut headers: Vec<&HeaderVersion> = Vec::new();
        for header in self.list.iter().chain([&action]).filter_map(header_of) {
            if !headers.iter().any(|other| other.is_same(header)) {
                headers.push(header);
            }
        }
        if headers.len() > MAX_HEADERS {
            return Err(Fail(format!("the script makes more than {MAX_HEADERS} different messages of one")));
        }
        self.list.push(action);
        Ok(())
    }

    /// RFC 5293 §7: a second copy in INBOX is none, whatever became of the header meanwhile.
    pub(super) fn keep(&mut self, flags: MessageFlags, header: HeaderVersion) -> Result<(), Fail> {
        self.implicit_keep = false;
        match self.list.iter_mut().find_map(flags_in_inbox) {
            Some(there) => {
                there.merge(flags);
                Ok(())
            }
            None => self.push(Action::Keep { flags, header }),
        }
    }

    pub(super) fn discard(&mut self) -> Result<(), Fail> {
        self.implicit_keep = false;
        match self.list.contains(&Action::Discard) {
            true => Ok(()),
            false => self.push(Action::Discard),
        }
    }

    /// RFC 5228 §2.10.3: one copy to a mailbox, however often it is named; it gets the flags of all.
    pub(super) fn fileinto(
        &mut self,
        mailbox: MailboxName,
        special_use: Option<SpecialUse>,
        create: bool,
        copy: bool,
        flags: MessageFlags,
        header: HeaderVersion,
    ) -> Result<(), Fail> {
        self.implicit_keep &= copy;
        if mailbox.is_inbox()
            && let Some(there) = self.list.iter_mut().find_map(flags_in_inbox)
        {
            there.merge(flags);
            return Ok(());
        }
        let same = self.list.iter_mut().find_map(|action| match action {
            Action::FileInto { mailbox: other, create, copy, flags, .. } if *other == mailbox => {
                Some((create, copy, flags))
            }
            _ => None,
        });
        if let Some((create_there, copy_there, flags_there)) = same {
            *create_there |= create;
            *copy_there &= copy;
            flags_there.merge(flags);
            return Ok(());
        }
        self.push(Action::FileInto { mailbox, special_use, create, copy, flags, header })
    }

    pub(super) fn redirect(&mut self, address: Address, copy: bool, header: HeaderVersion) -> Result<(), Fail> {
        self.implicit_keep &= copy;
        let same = self.list.iter_mut().find_map(|action| match action {
            Action::Redirect { address: other, copy, .. } if *other == address => Some(copy),
            _ => None,
        });
        if let Some(copy_there) = same {
            *copy_there &= copy;
            return Ok(());
        }
        let redirects = self.list.iter().filter(|action| matches!(action, Action::Redirect { .. })).count();
        if redirects >= self.max_redirects {
            return Err(Fail(format!("the script sends the message on to more than {} addresses", self.max_redirects)));
        }
        self.push(Action::Redirect { address, copy, header })
    }

    pub(super) fn reject(&mut self, reason: String, extended: bool) -> Result<(), Fail> {
        self.implicit_keep = false;
        self.push(Action::Reject { reason, extended })
    }

    /// Takes the reply of a vacation; there is none where the message is not to be answered, but even then a script that
    /// also refuses it fails, lest it do now one thing and now another.
    pub(super) fn vacation(&mut self, reply: Option<VacationReply>) -> Result<(), Fail> {
        if self.vacation || self.list.iter().any(refuses) {
            let what = if self.vacation { "vacation may be done once for a message" } else { REFUSED };
            return Err(Fail(what.to_owned()));
        }
        self.vacation = true;
        match reply {
            Some(reply) => self.push(Action::Vacation(reply)),
            None => Ok(()),
        }
    }

    pub(super) fn remember(&mut self, seen: Seen) -> Result<(), Fail> {
        if let Some(known) = self.seen.iter_mut().find(|known| known.id == seen.id) {
            known.until_s = known.until_s.max(seen.until_s);
            return Ok(());
        }
        if self.seen.len() >= MAX_SEEN {
            return Err(Fail(format!("one message is remembered for more than {MAX_SEEN} duplicate tests")));
        }
        self.seen.push(seen);
        Ok(())
    }

    /// The outcome of a script that ended well, whose internal flags and header at its end are given.
    pub(super) fn finish(mut self, flags: &[String], header: HeaderVersion) -> Outcome {
        if self.implicit_keep {
            let flags = MessageFlags::new(flags);
            match self.list.iter_mut().find_map(flags_in_inbox) {
                Some(there) => there.merge(flags),
                None => self.list.push(Action::Keep { flags, header }),
            }
        }
        Outcome { actions: self.list, seen: self.seen, implicit_keep: self.implicit_keep }
    }
}

/// The header that an action stores or sends.
fn header_of(action: &Action) -> Option<&HeaderVersion> {
    match action {
        Action::Keep { header, .. } | Action::FileInto { header, .. } | Action::Redirect { header, .. } => Some(header),
        Action::Discard | Action::Reject { .. } | Action::Vacation(_) => None,
    }
}

/// The flags of an action that delivers into INBOX.
fn flags_in_inbox(action: &mut Action) -> Option<&mut MessageFlags> {
    match action {
        Action::Keep { flags, .. } => Some(flags),
        Action::FileInto { mailbox, flags, .. } if mailbox.is_inbox() => Some(flags),
        _ => None,
    }
}
