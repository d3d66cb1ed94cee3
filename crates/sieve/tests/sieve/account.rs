//! An account that scripts run for, and outcomes as lines.

use message::{Address, MailboxName, SpecialUse, mime, to_crlf};
use sieve::{Action, Context, Delivery, MessageFlags, Outcome, RunError};
use std::collections::HashMap;

/// When the tests' messages come: 2026-11-22 13:00:00 UTC, a Sunday.
pub(crate) const NOW_S: i64 = 1_795_352_400;

/// Who it is that scripts run for.
pub(crate) struct Account {
    pub(crate) mailboxes: Vec<&'static str>,
    pub(crate) answered: HashMap<(String, String), i64>,
    pub(crate) seen: HashMap<String, i64>,
    pub(crate) envelope_from: &'static str,
    pub(crate) envelope_to: &'static str,
    pub(crate) now_s: i64,
    pub(crate) zone_offset_s: i64,
}

impl Default for Account {
    fn default() -> Self {
        Account {
            mailboxes: vec!["INBOX", "Spam", "Work/2026"],
            answered: HashMap::new(),
            seen: HashMap::new(),
            envelope_from: "ana@example.org",
            envelope_to: "yo+tag@example.com",
            now_s: NOW_S,
            zone_offset_s: 0,
        }
    }
}

impl Context for Account {
    fn mailbox_exists(&mut self, name: &MailboxName) -> bool {
        self.mailboxes.contains(&name.as_str())
    }

    fn mailbox_of_use(&mut self, special_use: SpecialUse) -> Option<MailboxName> {
        (special_use == SpecialUse::Junk).then(|| MailboxName::new("Spam").unwrap())
    }

    fn mailbox_of_id(&mut self, id: &str) -> Option<MailboxName> {
        (id == "F6352ae03").then(|| MailboxName::new("Work/2026").unwrap())
    }

    fn addresses(&mut self) -> Vec<Address> {
        vec![Address::new("yo@example.com").unwrap()]
    }

    fn last_vacation(&mut self, handle: &str, recipient: &Address) -> Option<i64> {
        self.answered.get(&(handle.to_owned(), recipient.key().to_owned())).copied()
    }

    fn seen_until(&mut self, id: &str) -> Option<i64> {
        self.seen.get(id).copied()
    }

    fn environment(&mut self, item: &str) -> Option<String> {
        (item == "domain").then(|| "example.com".to_owned())
    }
}

impl Account {
    /// Runs a script that has no error, and does what it asks for as far as later runs depend on it.
    pub(crate) fn run(&mut self, script: &str, message: &str) -> Result<Outcome, RunError> {
        let script = sieve::parse(script.as_bytes()).unwrap_or_else(|errors| panic!("{errors:?}\n{script}"));
        let outcome = self.run_parsed(&script, message.as_bytes())?;
        for action in &outcome.actions {
            if let Action::Vacation(reply) = action {
                let key = (reply.handle.clone(), reply.recipient.key().to_owned());
                self.answered.insert(key, self.now_s);
            }
        }
        self.seen.extend(outcome.seen.iter().map(|seen| (seen.id.clone(), seen.until_s)));
        Ok(outcome)
    }

    pub(crate) fn run_parsed(&mut self, script: &sieve::Script, message: &[u8]) -> Result<Outcome, RunError> {
        let crlf = to_crlf(message);
        self.run_on_parts(script, &crlf, &mime::parse(&crlf))
    }

    /// As [`Account::run_parsed`], on a message in CRLF form whose parts are known.
    pub(crate) fn run_on_parts(
        &mut self,
        script: &sieve::Script,
        crlf: &[u8],
        message: &mime::Part,
    ) -> Result<Outcome, RunError> {
        let delivery = Delivery {
            crlf,
            top_bytes: 0,
            message,
            envelope_from: self.envelope_from,
            envelope_to: self.envelope_to,
            time_s: self.now_s,
            zone_offset_s: self.zone_offset_s,
        };
        script.run(&delivery, self)
    }
}

/// What a script does with a message, a line for each action; an error as one line.
pub(crate) fn outcome(script: &str, message: &str) -> Vec<String> {
    match Account::default().run(script, message) {
        Ok(outcome) => lines(&outcome),
        Err(error) => vec![format!("error: {error}")],
    }
}

/// Whether a test is true of a message; `require` names what it needs.
pub(crate) fn holds(require: &str, test: &str, message: &str) -> bool {
    let script = format!("require [\"fileinto\"{require}];\r\nif {test} {{ fileinto \"yes\"; }}");
    outcome(&script, message) == ["fileinto yes"]
}

pub(crate) fn lines(outcome: &Outcome) -> Vec<String> {
    outcome.actions.iter().map(line).collect()
}

fn line(action: &Action) -> String {
    let with_copy = |copy: bool| if copy { " :copy" } else { "" };
    match action {
        Action::Keep { flags, .. } => format!("keep{}", flag_words(flags)),
        Action::FileInto { mailbox, special_use, create, copy, flags, .. } => {
            let special_use = special_use.map_or(String::new(), |it| format!(" {}", it.attribute()));
            let create = if *create { " :create" } else { "" };
            format!("fileinto {mailbox}{special_use}{create}{}{}", with_copy(*copy), flag_words(flags))
        }
        Action::Redirect { address, copy, .. } => format!("redirect {address}{}", with_copy(*copy)),
        Action::Discard => "discard".to_owned(),
        Action::Reject { reason, extended } => format!("{} {reason}", if *extended { "ereject" } else { "reject" }),
        Action::Vacation(reply) => format!("vacation to {}", reply.recipient),
    }
}

pub(crate) fn flag_words(flags: &MessageFlags) -> String {
    let system = flags.system.imap_names().map(str::to_owned);
    let mut words: Vec<String> = system.chain(flags.keywords.iter().map(|keyword| keyword.to_string())).collect();
    words.sort();
    words.iter().map(|word| format!(" {word}")).collect()
}
