//! The commands that do something.

use super::arguments::Arguments;
use super::{Checker, is};
use crate::compare::MatchType;
use crate::extension::Extension;
use crate::limits::{DEFAULT_VACATION_DAYS, MAX_VACATION_DAYS, MIN_VACATION_S};
use crate::mailbox::address_of;
use crate::program::{Case, DeleteHeader, FileInto, FlagChange, Modifiers, StepKind, Vacation};
use crate::syntax::{Argument, Command, Tests};
use crate::template::Template;
use message::{FieldError, NewField};

const DAY_S: u64 = 86_400;

impl Checker {
    /// Checks a command that is no control structure.
    pub(super) fn command(&mut self, command: &Command) -> Option<StepKind> {
        if command.tests != Tests::None || command.block.is_some() {
            self.error(command.at, format!("{} takes neither test nor block", command.name));
            return None;
        }
        let arguments = Arguments::new(command.at, &command.name, &command.arguments);
        let extension = match &command.name.to_ascii_lowercase()[..] {
            "keep" | "discard" | "stop" | "redirect" => None,
            "fileinto" => Some(Extension::FileInto),
            "reject" => Some(Extension::Reject),
            "ereject" => Some(Extension::Ereject),
            "vacation" => Some(Extension::Vacation),
            "set" => Some(Extension::Variables),
            "setflag" | "addflag" | "removeflag" => Some(Extension::Imap4Flags),
            "addheader" | "deleteheader" => Some(Extension::EditHeader),
            "error" => Some(Extension::Ihave),
            "require" => {
                self.error(command.at, "require must stand before all other commands");
                return None;
            }
            _ => {
                self.error(command.at, format!("there is no command {} here", command.name));
                return None;
            }
        };
        if let Some(extension) = extension {
            self.need(command.at, &command.name, extension);
        }
        match &command.name.to_ascii_lowercase()[..] {
            "keep" => self.keep(arguments),
            "discard" => arguments.rest(self, 0, 0).map(|_| StepKind::Discard),
            "stop" => arguments.rest(self, 0, 0).map(|_| StepKind::Stop),
            "redirect" => self.redirect(arguments),
            "fileinto" => self.fileinto(arguments),
            "reject" | "ereject" => {
                let extended = is(&command.name, "ereject");
                self.one_string(arguments).map(|reason| StepKind::Reject { reason, extended })
            }
            "vacation" => self.vacation(arguments),
            "set" => self.set(arguments),
            "setflag" => self.flags(arguments, FlagChange::Set),
            "addflag" => self.flags(arguments, FlagChange::Add),
            "removeflag" => self.flags(arguments, FlagChange::Remove),
            "addheader" => self.add_header(arguments),
            "deleteheader" => self.delete_header(arguments),
            _ => self.one_string(arguments).map(StepKind::Error),
        }
    }

    fn one_string(&mut self, arguments: Arguments<'_>) -> Option<Template> {
        let rest = arguments.rest(self, 1, 1)?;
        self.string(rest[0])
    }

    fn keep(&mut self, mut arguments: Arguments<'_>) -> Option<StepKind> {
        let flags = arguments.value(self, "flags", Some(Extension::Imap4Flags));
        let flags = flags.and_then(|argument| self.strings(argument));
        arguments.rest(self, 0, 0)?;
        Some(StepKind::Keep { flags })
    }

    fn redirect(&mut self, mut arguments: Arguments<'_>) -> Option<StepKind> {
        let copy = arguments.flag(self, "copy", Some(Extension::Copy));
        let rest = arguments.rest(self, 1, 1)?;
        let address = self.string(rest[0])?;
        self.constant_address(rest[0], &address);
        Some(StepKind::Redirect { address, copy })
    }

    /// Says that a string is no address where that is sure.
    fn constant_address(&mut self, argument: &Argument, address: &Template) {
        if let Some(text) = address.as_constant()
            && address_of(text).is_none()
        {
            self.error(argument.at, format!("{text:?} is no mail address"));
        }
    }

    fn fileinto(&mut self, mut arguments: Arguments<'_>) -> Option<StepKind> {
        let copy = arguments.flag(self, "copy", Some(Extension::Copy));
        let create = arguments.flag(self, "create", Some(Extension::Mailbox));
        let flags = arguments.value(self, "flags", Some(Extension::Imap4Flags));
        let flags = flags.and_then(|argument| self.strings(argument));
        let special_use = arguments.value(self, "specialuse", Some(Extension::SpecialUse));
        let special_use = special_use.and_then(|argument| self.string(argument));
        let mailbox_id = arguments.value(self, "mailboxid", Some(Extension::MailboxId));
        let mailbox_id = mailbox_id.and_then(|argument| self.string(argument));
        let at = arguments.at;
        let mailbox = self.one_string(arguments)?;
        if special_use.is_some() && mailbox_id.is_some() {
            // RFC 9042 §4.3.
            self.error(at, ":specialuse and :mailboxid exclude each other");
        }
        if mailbox.as_constant() == Some("") {
            self.error(at, "fileinto needs the name of a mailbox");
        }
        Some(StepKind::FileInto(FileInto { mailbox, copy, create, flags, special_use, mailbox_id }))
    }

    fn vacation(&mut self, mut arguments: Arguments<'_>) -> Option<StepKind> {
        let at = arguments.at;
        let days = arguments.value(self, "days", None).and_then(|argument| self.number(argument));
        let seconds = arguments.value(self, "seconds", Some(Extension::VacationSeconds));
        let seconds = seconds.and_then(|argument| self.number(argument));
        if days.is_some() && seconds.is_some() {
            self.error(at, ":days and :seconds exclude each other");
        }
        let days = days.map(|days| days.clamp(1, MAX_VACATION_DAYS) * DAY_S);
        let seconds = seconds.map(|seconds| seconds.clamp(MIN_VACATION_S, MAX_VACATION_DAYS * DAY_S));
        let subject = arguments.value(self, "subject", None).and_then(|argument| self.string(argument));
        let from = arguments.value(self, "from", None).and_then(|argument| {
            let from = self.string(argument)?;
            self.constant_address(argument, &from);
            Some(from)
        });
        let addresses = arguments.value(self, "addresses", None).and_then(|argument| self.strings(argument));
        let mime = arguments.flag(self, "mime", None);
        let handle = arguments.value(self, "handle", None).and_then(|argument| self.string(argument));
        let reason = self.one_string(arguments)?;
        Some(StepKind::Vacation(Box::new(Vacation {
            interval_s: days.or(seconds).unwrap_or(DEFAULT_VACATION_DAYS * DAY_S),
            subject,
            from,
            addresses: addresses.unwrap_or_default(),
            mime,
            handle,
            reason,
        })))
    }

    fn set(&mut self, mut arguments: Arguments<'_>) -> Option<StepKind> {
        let case = [("lower", Case::Lower, None), ("upper", Case::Upper, None)];
        let first = [("lowerfirst", Case::Lower, None), ("upperfirst", Case::Upper, None)];
        let modifiers = Modifiers {
            case: arguments.one_of(self, &case),
            first: arguments.one_of(self, &first),
            quote_wildcard: arguments.flag(self, "quotewildcard", None),
            length: arguments.flag(self, "length", None),
        };
        let rest = arguments.rest(self, 2, 2)?;
        let name = self.variable_name(rest[0])?;
        let value = self.string(rest[1])?;
        Some(StepKind::Set { name, modifiers, value })
    }

    fn flags(&mut self, arguments: Arguments<'_>, change: FlagChange) -> Option<StepKind> {
        let at = arguments.at;
        let rest = arguments.rest(self, 1, 2)?;
        let (variable, flags) = match rest[..] {
            [variable, flags] => {
                self.need(at, "a flag variable", Extension::Variables);
                (Some(self.variable_name(variable)?), flags)
            }
            _ => (None, rest[0]),
        };
        let flags = self.strings(flags)?;
        Some(StepKind::Flags { change, variable, flags })
    }

    /// RFC 5293 §4.
    fn add_header(&mut self, mut arguments: Arguments<'_>) -> Option<StepKind> {
        let last = arguments.flag(self, "last", None);
        let rest = arguments.rest(self, 2, 2)?;
        let name = self.field_name(rest[0])?;
        let value = self.string(rest[1])?;
        if let Some(text) = value.as_constant() {
            self.agrees(rest[1], NewField::new("X", text).map(drop));
        }
        Some(StepKind::AddHeader { name, value, last })
    }

    /// RFC 5293 §5.
    fn delete_header(&mut self, mut arguments: Arguments<'_>) -> Option<StepKind> {
        let at = arguments.at;
        let index = self.index(&mut arguments, None);
        let how = arguments.matching(self)?;
        let rest = arguments.rest(self, 1, 2)?;
        let name = self.field_name(rest[0])?;
        let matching = match rest.get(1) {
            Some(patterns) => Some(self.keys(how, patterns)?),
            None => None,
        };
        if matching.as_ref().is_some_and(|matching| matches!(matching.match_type, MatchType::Count(_))) {
            self.error(at, "deleteheader looks at one field at a time: :count has no meaning with it");
        }
        Some(StepKind::DeleteHeader(Box::new(DeleteHeader { name, index, matching })))
    }

    fn field_name(&mut self, argument: &Argument) -> Option<Template> {
        let name = self.string(argument)?;
        if let Some(text) = name.as_constant() {
            self.agrees(argument, NewField::check_name(text));
        }
        Some(name)
    }

    fn agrees(&mut self, argument: &Argument, written: Result<(), FieldError>) {
        if let Err(why) = written {
            self.error(argument.at, why.to_string());
        }
    }
}
