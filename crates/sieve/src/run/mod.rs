//! A program run on a message.

mod actions;
mod body;
mod date;
mod header;
mod test;

pub use actions::{Action, MessageFlags, Outcome, Seen};
pub(crate) use date::{rfc5322, zone_offset};
pub use header::HeaderVersion;

use crate::compare::{MatchType, OutOfSteps, Steps, any_matches};
use crate::limits::{MAX_FLAGS, MAX_LIST_BYTES, MAX_REDIRECTS, MAX_STEPS};
use crate::program::{DeleteHeader, FileInto, FlagChange, Step, StepKind};
use crate::template::{Template, TooLong, TooMany, Variables};
use crate::vacation;
use actions::Actions;
use header::{Header, may_take_out};
use message::mime::Part;
use message::{Address, MailboxName, NewField, SpecialUse, decoded_header};
use std::borrow::Cow;

/// A message on its way into an account.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Its bytes in CRLF form, as they will be stored.
    pub crlf: &'a [u8],
    /// How many of these bytes, at their beginning, are header fields that the delivery itself put above all. What a script
    /// does to the header leaves them there, and is done to what stands below them.
    pub top_bytes: usize,
    /// Its parts, as [`message::mime::parse`] finds them.
    pub message: &'a Part,
    /// The reverse-path without angle brackets; empty for a null one.
    pub envelope_from: &'a str,
    /// The forward-path without angle brackets, subaddress included.
    pub envelope_to: &'a str,
    /// When it is delivered, in seconds since 1970 UTC.
    pub time_s: i64,
    /// The offset from UTC of the zone that the account lives in, in seconds.
    pub zone_offset_s: i64,
}

impl<'a> Delivery<'a> {
    fn top_and_below(&self) -> (&'a [u8], &'a [u8]) {
        self.crlf.split_at(self.top_bytes.min(self.crlf.len()))
    }
}

/// What a script can ask about its account.
pub trait Context {
    /// The mailbox that a script means by a name. Scripts that came from elsewhere may write it with another separator or a
    /// namespace's prefix.
    fn mailbox_name(&mut self, text: &str) -> Option<MailboxName> {
        MailboxName::new(text).ok()
    }

    /// Whether there is such a mailbox and mail may be delivered into it (RFC 5490 §3.1).
    fn mailbox_exists(&mut self, name: &MailboxName) -> bool;

    /// The mailbox of a special use (RFC 8579).
    fn mailbox_of_use(&mut self, special_use: SpecialUse) -> Option<MailboxName>;

    /// The mailbox of a MAILBOXID (RFC 9042).
    fn mailbox_of_id(&mut self, id: &str) -> Option<MailboxName>;

    /// The addresses at which the account's owner gets mail and from which they may send it, the account's own first.
    fn addresses(&mut self) -> Vec<Address>;

    /// When the vacation of a handle last answered an address, in seconds since 1970 UTC.
    fn last_vacation(&mut self, handle: &str, recipient: &Address) -> Option<i64>;

    /// Until when a message counts as seen, in seconds since 1970 UTC, by the id that an earlier [`Seen`] carried.
    fn seen_until(&mut self, id: &str) -> Option<i64>;

    /// An item of the environment (RFC 5183): `domain`, `host`, `remote-host`, `remote-ip`.
    fn environment(&mut self, item: &str) -> Option<String>;

    /// How many redirects a message may cause.
    fn max_redirects(&self) -> usize {
        MAX_REDIRECTS
    }
}

/// A script failed while it ran.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct RunError {
    /// The line of the command or test.
    pub line: usize,
    /// What happened, for the person who wrote the script.
    pub what: String,
}

/// Why a command or test fails, before its line is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fail(pub(crate) String);

impl From<OutOfSteps> for Fail {
    fn from(_: OutOfSteps) -> Self {
        Fail("the script does more work than one message may cost".to_owned())
    }
}

impl From<TooLong> for Fail {
    fn from(_: TooLong) -> Self {
        Fail("a string or list is too long once its variables are expanded".to_owned())
    }
}

impl From<TooMany> for Fail {
    fn from(_: TooMany) -> Self {
        Fail("there are more variables than a script may have".to_owned())
    }
}

/// Whether the script goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Stop,
}

pub(crate) fn run(steps: &[Step], delivery: &Delivery<'_>, context: &mut dyn Context) -> Result<Outcome, RunError> {
    let actions = Actions::new(context.max_redirects());
    let mut runner = Runner {
        delivery,
        context,
        variables: Variables::default(),
        flags: Vec::new(),
        header: Header::default(),
        actions,
        steps: Steps(MAX_STEPS),
        texts: None,
    };
    runner.block(steps)?;
    Ok(runner.actions.finish(&runner.flags, runner.header.version()))
}

/// The state of a run.
struct Runner<'r> {
    delivery: &'r Delivery<'r>,
    context: &'r mut dyn Context,
    variables: Variables,
    /// The internal variable of RFC 5232.
    flags: Vec<String>,
    header: Header,
    actions: Actions,
    steps: Steps,
    /// The parts of the message as text, once a test asked for them.
    texts: Option<Vec<body::PartText>>,
}

impl Runner<'_> {
    fn block(&mut self, steps: &[Step]) -> Result<Flow, RunError> {
        for step in steps {
            let failed = |fail: Fail| RunError { line: step.line, what: fail.0 };
            self.steps.take(1).map_err(|out| failed(out.into()))?;
            let flow = match &step.kind {
                StepKind::If(branches) => self.branches(branches)?,
                StepKind::Stop => Flow::Stop,
                other => {
                    self.action(other).map_err(failed)?;
                    Flow::On
                }
            };
            if flow == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::On)
    }

    fn branches(&mut self, branches: &[(crate::program::Test, Vec<Step>)]) -> Result<Flow, RunError> {
        for (test, block) in branches {
            if self.test(test)? {
                return self.block(block);
            }
        }
        Ok(Flow::On)
    }

    fn action(&mut self, kind: &StepKind) -> Result<(), Fail> {
        match kind {
            // Control flow is the caller's.
            StepKind::If(_) | StepKind::Stop => Ok(()),
            StepKind::Keep { flags } => {
                let flags = self.action_flags(flags.as_deref())?;
                self.actions.keep(flags, self.header.version())
            }
            StepKind::Discard => self.actions.discard(),
            StepKind::FileInto(fileinto) => self.fileinto(fileinto),
            StepKind::Redirect { address, copy } => {
                let text = self.expand(address)?;
                let (_, address) =
                    crate::mailbox::address_of(&text).ok_or_else(|| Fail(format!("{text:?} is no mail address")))?;
                self.actions.redirect(address, *copy, self.header.version())
            }
            StepKind::Reject { reason, extended } => {
                let reason = self.expand(reason)?;
                self.actions.reject(reason, *extended)
            }
            StepKind::Vacation(vacation) => {
                let expanded = vacation::Expanded::new(vacation, |template| self.expand(template))?;
                let header = self.header.message(self.delivery);
                let reply = vacation::reply(&expanded, self.delivery, &header, self.context);
                self.actions.vacation(reply)
            }
            StepKind::Set { name, modifiers, value } => {
                let value = self.variables.value(value, *modifiers);
                self.steps.take_bytes(value.len())?;
                Ok(self.variables.set(name, value)?)
            }
            StepKind::Flags { change, variable, flags } => self.change_flags(*change, variable.as_deref(), flags),
            StepKind::AddHeader { name, value, last } => self.add_header(name, value, *last),
            StepKind::DeleteHeader(deletion) => self.delete_header(deletion),
            StepKind::Error(reason) => Err(Fail(format!("the script says: {}", self.expand(reason)?))),
            StepKind::Fault(what) => Err(Fail(what.clone())),
        }
    }

    fn expand(&mut self, template: &Template) -> Result<String, Fail> {
        let text = template.expand(&self.variables)?;
        self.steps.take_bytes(text.len())?;
        Ok(text)
    }

    fn expand_all(&mut self, templates: &[Template]) -> Result<Vec<String>, Fail> {
        let mut texts = Vec::with_capacity(templates.len());
        let mut room = MAX_LIST_BYTES;
        for template in templates {
            let text = self.expand(template)?;
            room = room.checked_sub(text.len()).ok_or(TooLong)?;
            texts.push(text);
        }
        Ok(texts)
    }

    fn fileinto(&mut self, fileinto: &FileInto) -> Result<(), Fail> {
        let text = self.expand(&fileinto.mailbox)?;
        self.steps.take(test::QUESTION_STEPS)?;
        let mut mailbox = self
            .context
            .mailbox_name(&text)
            .ok_or_else(|| Fail(format!("{text:?} is no name that a mailbox can have")))?;
        let mut special_use = None;
        if let Some(attribute) = &fileinto.special_use {
            let attribute = self.expand(attribute)?;
            special_use = SpecialUse::from_attribute(&attribute);
            if let Some(there) = special_use.and_then(|special_use| self.context.mailbox_of_use(special_use)) {
                mailbox = there;
            }
        }
        if let Some(id) = &fileinto.mailbox_id {
            let id = self.expand(id)?;
            if let Some(there) = self.context.mailbox_of_id(&id) {
                mailbox = there;
            }
        }
        let flags = self.action_flags(fileinto.flags.as_deref())?;
        let header = self.header.version();
        self.actions.fileinto(mailbox, special_use, fileinto.create, fileinto.copy, flags, header)
    }

    /// RFC 5293 §4.
    fn add_header(&mut self, name: &Template, value: &Template, last: bool) -> Result<(), Fail> {
        let (name, value) = (self.expand(name)?, self.expand(value)?);
        let field = NewField::new(&name, &value).map_err(|why| Fail(why.to_string()))?;
        self.header.count()?;
        self.steps.take_bytes(self.header.bytes(self.delivery))?;
        match self.header.may_add(self.delivery, &name) {
            true => self.header.add(field, last),
            false => Ok(()),
        }
    }

    /// RFC 5293 §5.
    fn delete_header(&mut self, deletion: &DeleteHeader) -> Result<(), Fail> {
        let name = self.expand(&deletion.name)?;
        NewField::check_name(&name).map_err(|why| Fail(why.to_string()))?;
        self.header.count()?;
        let keys = match &deletion.matching {
            Some(matching) => self.expand_all(&matching.keys)?,
            None => Vec::new(),
        };
        if !may_take_out(&name) {
            return Ok(());
        }
        self.steps.take_bytes(self.header.bytes(self.delivery))?;
        let places = self.header.places(self.delivery, &name);
        let (skipped, most) = test::indexed(deletion.index, || places.clone().count());
        let (mut gone, mut captured) = (Vec::new(), None);
        for (place, field) in places.skip(skipped).take(most) {
            self.steps.take(field.raw_value().len() / 4 + test::FIELD_STEPS)?;
            if let Some(matching) = &deletion.matching {
                let value = decoded_header(&field.value());
                let values = [Cow::Borrowed(value.trim())];
                match any_matches(matching.comparator, matching.match_type, &values, &keys, &mut self.steps)? {
                    Some(captures) => captured = Some(captures),
                    None => continue,
                }
            }
            gone.push(place);
        }
        if let Some(captures) = captured
            && deletion.matching.as_ref().is_some_and(|matching| matching.match_type == MatchType::Matches)
        {
            self.variables.set_captures(captures);
        }
        self.header.take_out(gone)
    }

    /// The flags of an action: those it names, else those of the internal variable.
    fn action_flags(&mut self, flags: Option<&[Template]>) -> Result<MessageFlags, Fail> {
        match flags {
            None => Ok(MessageFlags::new(&self.flags)),
            Some(flags) => {
                let texts = self.expand_all(flags)?;
                let mut list = Vec::new();
                self.add_flags(&mut list, &texts)?;
                Ok(MessageFlags::new(&list))
            }
        }
    }

    fn change_flags(&mut self, change: FlagChange, variable: Option<&str>, flags: &[Template]) -> Result<(), Fail> {
        let texts = self.expand_all(flags)?;
        let mut list = Vec::new();
        if change != FlagChange::Set {
            list = self.flags_of(variable)?;
        }
        match change {
            FlagChange::Set | FlagChange::Add => self.add_flags(&mut list, &texts)?,
            FlagChange::Remove => {
                let mut gone = Vec::new();
                self.add_flags(&mut gone, &texts)?;
                list.retain(|flag| !gone.iter().any(|gone| gone.eq_ignore_ascii_case(flag)));
            }
        }
        match variable {
            None => self.flags = list,
            Some(name) => self.variables.set(name, list.join(" "))?,
        }
        Ok(())
    }

    /// The flags of a variable; of the internal one where none is named.
    fn flags_of(&mut self, variable: Option<&str>) -> Result<Vec<String>, Fail> {
        match variable {
            None => Ok(self.flags.clone()),
            Some(name) => {
                let text = self.variables.get(name).to_owned();
                let mut list = Vec::new();
                self.add_flags(&mut list, &[text])?;
                Ok(list)
            }
        }
    }

    /// Adds the flags of strings that hold some each, every flag once (RFC 5232 §2); what cannot be a flag is passed over.
    fn add_flags(&mut self, list: &mut Vec<String>, texts: &[String]) -> Result<(), Fail> {
        for flag in texts.iter().flat_map(|text| text.split_ascii_whitespace()) {
            self.steps.take(1 + list.len() / 8)?;
            if list.len() < MAX_FLAGS
                && actions::is_flag(flag)
                && !list.iter().any(|known| known.eq_ignore_ascii_case(flag))
            {
                list.push(flag.to_owned());
            }
        }
        Ok(())
    }
}
