//! An account's simple settings, forwarding and vacation, kept as a script: there is one mechanism.
//!
//! A script that [`write()`] wrote begins with a comment that says so, and [`read`] gives its settings back. One that was
//! changed by hand is nobody's settings any more, but a script like every other.
//!
//! Settings of other mail systems name more than addresses: programs, files, users of a host. Such a target stands in the
//! script as a command that is commented out, so that it is not lost and nothing is done about it.

use crate::limits::{MAX_EXPANDED_BYTES, MAX_SCRIPT_BYTES, MAX_VACATION_DAYS};
use crate::mailbox::address_of;
use crate::syntax::{self, Argument, Command, Tests, Value};
use message::Address;
use std::fmt;

/// To how many addresses settings send mail on: an account that stands for a department forwards to all of it. Whoever runs
/// settings lets them redirect as often ([`Context::max_redirects`](crate::Context::max_redirects)); other scripts may not.
pub const MAX_FORWARDS: usize = 1000;

/// How the script begins.
const MARK: &str = "# Forwarding and vacation, version 1. Written from the account's settings: a change by hand makes it a \
                    script like every other.\r\n";
const REQUIRE: &str = "require [\"copy\", \"date\", \"relational\", \"vacation\"];\r\n";
/// What stands before a target to which nothing is sent.
const OFF: &str = "# ";

/// What an account's owner sets without knowing Sieve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where mail is sent on to, in order.
    pub forward_to: Vec<Target>,
    /// Whether mail that is sent on stays here too.
    pub keeps_copy: bool,
    /// What people are told who write.
    pub vacation: Option<Vacation>,
}

/// Where mail is sent on to: an address, or what another mail system took for a target. To the latter nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(String);

/// An answer to people who write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vacation {
    /// Its subject; made from that of the message where there is none.
    pub subject: Option<String>,
    /// Its text; lines end with LF.
    pub text: String,
    /// The first day of it, in the account's time zone.
    pub first_day: Option<Day>,
    /// The last day of it.
    pub last_day: Option<Day>,
    /// How many days nobody is answered twice.
    pub interval_days: u64,
}

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    year: u16,
    month: u8,
    day: u8,
}

/// Settings that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// More addresses than [`MAX_FORWARDS`].
    #[error("mail can be sent on to {MAX_FORWARDS} addresses at most")]
    TooManyAddresses,
    /// More than [`MAX_SCRIPT_BYTES`] in all.
    #[error("the settings make a script longer than {MAX_SCRIPT_BYTES} bytes")]
    TooMuch,
    /// Too much text.
    #[error("the text of a vacation, or its subject, is longer than {MAX_EXPANDED_BYTES} bytes")]
    TooLong,
    /// The text is empty or holds a NUL or a bare CR.
    #[error("the text of a vacation must not be empty nor hold control characters that no mail may hold")]
    NoText,
    /// The last day is before the first.
    #[error("the last day of a vacation is before its first")]
    EndsBeforeItBegins,
    /// An interval that is none.
    #[error("the interval between two answers is 1 to {MAX_VACATION_DAYS} days")]
    Interval,
}

impl Target {
    /// Takes a target as it was written; `None` where it is empty or holds a control character.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.chars().any(char::is_control)).then(|| Target(text.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, where it is one: then mail is sent there.
    pub fn address(&self) -> Option<Address> {
        let address = Address::new(&self.0).ok()?;
        // A redirect reads it as a header would.
        let (name, read) = address_of(&self.0)?;
        (name.is_none() && read.as_str() == address.as_str()).then_some(address)
    }
}

impl From<Address> for Target {
    fn from(address: Address) -> Self {
        Target(address.to_string())
    }
}

impl Day {
    /// Reads `2026-08-31`; `None` where that is no day.
    pub fn parse(text: &str) -> Option<Self> {
        let is_shaped = text.len() == 10
            && text.bytes().enumerate().all(|(at, b)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() });
        if !is_shaped {
            return None;
        }
        let day = Day { year: text[..4].parse().ok()?, month: text[5..7].parse().ok()?, day: text[8..].parse().ok()? };
        let leap = day.year.is_multiple_of(4) && (!day.year.is_multiple_of(100) || day.year.is_multiple_of(400));
        let length = match day.month {
            2 => 28 + u8::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        (day.year > 0 && (1..=length).contains(&day.day)).then_some(day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// Writes settings as a script.
///
/// # Errors
/// When they cannot be.
pub fn write(settings: &Settings) -> Result<String, SettingsError> {
    settings.vacation.as_ref().map_or(Ok(()), check_vacation)?;
    if settings.forward_to.iter().filter(|target| target.address().is_some()).count() > MAX_FORWARDS {
        return Err(SettingsError::TooManyAddresses);
    }
    let script = write_unchecked(settings);
    if script.len() > MAX_SCRIPT_BYTES { Err(SettingsError::TooMuch) } else { Ok(script) }
}

/// Writes settings that an earlier release took: [`read`] gives all of them back. Of what [`write()`] would not take, as much
/// is done as a script may do.
pub fn write_unchecked(settings: &Settings) -> String {
    let Settings { forward_to, keeps_copy, vacation } = settings;
    let mut script = [MARK, REQUIRE].concat();
    if let Some(vacation) = vacation {
        push_vacation(vacation, &mut script);
    }
    let copy = if *keeps_copy { ":copy " } else { "" };
    let mut room = MAX_FORWARDS;
    for target in forward_to {
        let is_sent_to = room > 0 && target.address().is_some();
        room -= usize::from(is_sent_to);
        let off = if is_sent_to { "" } else { OFF };
        script.push_str(&format!("{off}redirect {copy}{};\r\n", quoted(&target.0)));
    }
    script
}

fn check_vacation(vacation: &Vacation) -> Result<(), SettingsError> {
    let Vacation { subject, text, first_day, last_day, interval_days } = vacation;
    let texts = || subject.iter().chain([text]);
    if texts().any(|text| text.len() > MAX_EXPANDED_BYTES / 2) {
        return Err(SettingsError::TooLong);
    }
    if text.trim().is_empty() || texts().any(|text| text.contains(['\0', '\r'])) {
        return Err(SettingsError::NoText);
    }
    if first_day.zip(*last_day).is_some_and(|(first, last)| last < first) {
        return Err(SettingsError::EndsBeforeItBegins);
    }
    if !(1..=MAX_VACATION_DAYS).contains(interval_days) {
        return Err(SettingsError::Interval);
    }
    Ok(())
}

fn push_vacation(vacation: &Vacation, script: &mut String) {
    let Vacation { subject, text, first_day, last_day, interval_days } = vacation;
    let tests = [("ge", *first_day), ("le", *last_day)];
    let tests = tests.into_iter().filter_map(|(relation, day)| Some((relation, day?)));
    let tests = tests.map(|(relation, day)| format!("currentdate :value \"{relation}\" \"date\" \"{day}\""));
    let tests: Vec<String> = std::iter::once("true".to_owned()).chain(tests).collect();
    script.push_str(&format!("if allof ({}) {{\r\n", tests.join(", ")));
    let subject = subject.as_ref().map_or(String::new(), |subject| format!(":subject {} ", quoted(subject)));
    script.push_str(&format!("  vacation :days {interval_days} {subject}{};\r\n}}\r\n", quoted(text)));
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\r\n"))
}

/// The settings that a script was written from; `None` for any other script.
pub fn read(script: &[u8]) -> Option<Settings> {
    let text = std::str::from_utf8(script).ok()?;
    if !text.starts_with(MARK) {
        return None;
    }
    let mut settings = Settings::default();
    // The targets are the last lines, and nothing but targets ends like them.
    let mut rest = text;
    while let Some((before, (keeps_copy, target))) = last_line(rest).and_then(|(b, line)| Some((b, read_target(line)?)))
    {
        settings.forward_to.push(target);
        settings.keeps_copy = keeps_copy;
        rest = before;
    }
    settings.forward_to.reverse();
    for command in &syntax::parse(rest.as_bytes()).ok()? {
        if command.name == "if" {
            settings.vacation = Some(read_vacation(command)?);
        }
    }
    // Whatever else stands in it would be lost.
    (write_unchecked(&settings) == text).then_some(settings)
}

/// The last line without its ending, and what stands before it.
fn last_line(text: &str) -> Option<(&str, &str)> {
    let line_end = text.strip_suffix("\r\n")?;
    let begin = line_end.rfind("\r\n").map_or(0, |at| at + 2);
    Some((&text[..begin], &line_end[begin..]))
}

/// Whether a copy is kept, and the target of a line.
fn read_target(line: &str) -> Option<(bool, Target)> {
    let rest = line.strip_prefix(OFF).unwrap_or(line).strip_prefix("redirect ")?;
    let (keeps_copy, rest) = match rest.strip_prefix(":copy ") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let mut quoted = rest.strip_prefix('"')?.strip_suffix("\";")?.chars();
    let mut text = String::new();
    while let Some(char) = quoted.next() {
        text.push(if char == '\\' { quoted.next()? } else { char });
    }
    Some((keeps_copy, Target::new(&text)?))
}

fn read_vacation(command: &Command) -> Option<Vacation> {
    let [vacation] = &command.block.as_ref()?[..] else { return None };
    let Tests::One(allof) = &command.tests else { return None };
    let Tests::List(tests) = &allof.tests else { return None };
    let day = |relation: &str| {
        let is_it = |argument: &Argument| matches!(&argument.value, Value::String(text) if text == relation);
        let test = tests.iter().find(|test| test.arguments.iter().any(is_it))?;
        Day::parse(last_string(&test.arguments)?)
    };
    let subject = vacation.arguments.windows(2).find_map(|pair| match (&pair[0].value, &pair[1].value) {
        (Value::Tag(tag), Value::String(text)) if tag == "subject" => Some(text.replace("\r\n", "\n")),
        _ => None,
    });
    let interval_days = vacation.arguments.iter().find_map(|argument| match argument.value {
        Value::Number(number) => Some(number),
        _ => None,
    })?;
    let text = last_string(&vacation.arguments)?.replace("\r\n", "\n");
    Some(Vacation { subject, text, first_day: day("ge"), last_day: day("le"), interval_days })
}

fn last_string(arguments: &[Argument]) -> Option<&str> {
    match &arguments.last()?.value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn targets(texts: &[&str]) -> Vec<Target> {
        texts.iter().map(|text| Target::new(text).unwrap()).collect()
    }

    fn settings() -> Settings {
        Settings {
            forward_to: targets(&["Ana@example.org"]),
            keeps_copy: true,
            vacation: Some(Vacation {
                subject: Some("Estoy \"fuera\"".to_owned()),
                text: "Vuelvo\nel \\lunes.\n.\n".to_owned(),
                first_day: Day::parse("2026-08-01"),
                last_day: Day::parse("2026-08-31"),
                interval_days: 7,
            }),
        }
    }

    #[test]
    fn settings_are_a_script_that_may_be_run() {
        let script = write(&settings()).unwrap();
        assert!(crate::parse(script.as_bytes()).is_ok(), "{script}");
        assert_eq!(read(script.as_bytes()), Some(settings()));
        let none = write(&Settings::default()).unwrap();
        assert!(crate::parse(none.as_bytes()).is_ok());
        assert_eq!(read(none.as_bytes()), Some(Settings::default()));
    }

    #[test]
    fn a_script_changed_by_hand_is_no_settings() {
        let script = write(&settings()).unwrap();
        for changed in [
            format!("{script}keep;\r\n"),
            format!("# mine\r\n{script}"),
            script.replace(":copy ", ""),
            script.replace("redirect", "redirect "),
            String::new(),
        ] {
            // Without its copy the script says what settings can say, too.
            let expected =
                (changed == script.replace(":copy ", "")).then(|| Settings { keeps_copy: false, ..settings() });
            assert_eq!(read(changed.as_bytes()), expected, "{changed}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let vacation = |change: fn(&mut Vacation)| {
            let mut settings = settings();
            settings.vacation.iter_mut().for_each(change);
            write(&settings).unwrap_err()
        };
        assert_eq!(vacation(|v| v.text = " \n".to_owned()), SettingsError::NoText);
        assert_eq!(vacation(|v| v.text = "a\rb".to_owned()), SettingsError::NoText);
        assert_eq!(vacation(|v| v.text = "a".repeat(100_000)), SettingsError::TooLong);
        assert_eq!(vacation(|v| v.last_day = Day::parse("2026-07-31")), SettingsError::EndsBeforeItBegins);
        assert_eq!(vacation(|v| v.interval_days = 0), SettingsError::Interval);
        let address = |number: usize| Target::new(&format!("a{number}@x")).unwrap();
        let many = |count: usize| Settings { forward_to: (0..count).map(address).collect(), ..Settings::default() };
        assert_eq!(write(&many(MAX_FORWARDS + 1)), Err(SettingsError::TooManyAddresses));
        assert!(crate::parse(write(&many(MAX_FORWARDS)).unwrap().as_bytes()).is_ok());
        let long = Settings { forward_to: targets(&[&"x".repeat(MAX_SCRIPT_BYTES)]), ..Settings::default() };
        assert_eq!(write(&long), Err(SettingsError::TooMuch));
        assert_eq!((Target::new(""), Target::new("a@x\n")), (None, None));
    }

    #[test]
    fn a_target_that_is_no_address_stays_and_gets_nothing() {
        let texts = [
            "a@x",
            "|/usr/bin/vacation \"ana\"",
            "\\ana",
            "/dev/null",
            "Ana <a@x>",
            "a(b@x",
            "A@X.es",
            "a@x",
            "b@x,c@x",
        ];
        for keeps_copy in [false, true] {
            let settings = Settings { forward_to: targets(&texts), keeps_copy, ..settings() };
            let script = write(&settings).unwrap();
            assert!(crate::parse(script.as_bytes()).is_ok(), "{script}");
            assert_eq!(read(script.as_bytes()), Some(settings.clone()), "in their order, and as they were written");
            let sent: Vec<&str> = script.lines().filter(|line| line.starts_with("redirect")).collect();
            let copy = if keeps_copy { ":copy " } else { "" };
            assert_eq!(sent, ["a@x", "A@X.es", "a@x"].map(|to| format!("redirect {copy}\"{to}\";")));
        }
        let nowhere = Settings { forward_to: targets(&["|p"]), keeps_copy: true, vacation: None };
        assert_eq!(read(write(&nowhere).unwrap().as_bytes()), Some(nowhere));
    }

    /// An account without anything.
    struct Bare;

    impl crate::Context for Bare {
        fn mailbox_exists(&mut self, _: &message::MailboxName) -> bool {
            false
        }

        fn mailbox_of_use(&mut self, _: message::SpecialUse) -> Option<message::MailboxName> {
            None
        }

        fn mailbox_of_id(&mut self, _: &str) -> Option<message::MailboxName> {
            None
        }

        fn addresses(&mut self) -> Vec<Address> {
            Vec::new()
        }

        fn last_vacation(&mut self, _: &str, _: &Address) -> Option<i64> {
            None
        }

        fn seen_until(&mut self, _: &str) -> Option<i64> {
            None
        }

        fn environment(&mut self, _: &str) -> Option<String> {
            None
        }

        fn max_redirects(&self) -> usize {
            MAX_FORWARDS
        }
    }

    #[test]
    fn mail_goes_to_every_address_and_stays_where_there_is_none() {
        let actions = |forward_to: Vec<Target>, keeps_copy: bool| {
            let script = write(&Settings { forward_to, keeps_copy, vacation: None }).unwrap();
            let crlf = b"Subject: x\r\n\r\n";
            let message = message::mime::parse(crlf);
            let delivery = crate::Delivery {
                crlf,
                top_bytes: 0,
                message: &message,
                envelope_from: "eva@x",
                envelope_to: "ana@x",
                time_s: 0,
                zone_offset_s: 0,
            };
            crate::parse(script.as_bytes()).unwrap().run(&delivery, &mut Bare).unwrap().actions
        };
        let many: Vec<Target> = (0..MAX_FORWARDS).map(|n| Target::new(&format!("a{n}@x")).unwrap()).collect();
        assert_eq!(actions(many.clone(), false).len(), MAX_FORWARDS);
        assert_eq!(actions(many, true).len(), MAX_FORWARDS + 1, "and a copy stays");
        for keeps_copy in [false, true] {
            let kept = actions(targets(&["|program", "root"]), keeps_copy);
            assert!(matches!(kept[..], [crate::Action::Keep { .. }]), "{kept:?}");
        }
    }

    #[test]
    fn what_an_earlier_release_took_is_not_lost() {
        let address = |number: usize| Target::new(&format!("a{number}@x")).unwrap();
        let many = Settings { forward_to: (0..2 * MAX_FORWARDS).map(address).collect(), ..Settings::default() };
        let script = write_unchecked(&many);
        assert_eq!(read(script.as_bytes()), Some(many));
        assert_eq!(script.lines().filter(|line| line.starts_with("redirect")).count(), MAX_FORWARDS);
    }

    #[test]
    fn days_by_table() {
        for text in ["2024-02-29", "2026-12-31"] {
            assert_eq!(Day::parse(text).unwrap().to_string(), text);
        }
        for text in
            ["2026-02-29", "2026-13-01", "2026-00-01", "2026-01-00", "0000-01-01", "2026-1-01", "2026-01-0é", ""]
        {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn targets_come_back(texts in proptest::collection::vec("[ -~ñ]{1,12}|[a-z]{1,3}@[a-z]{1,3}", 0..6), keeps in any::<bool>()) {
            let forward_to: Vec<Target> = texts.iter().map(|text| Target::new(text).unwrap()).collect();
            let settings = Settings { keeps_copy: keeps && !forward_to.is_empty(), forward_to, ..settings() };
            let script = write(&settings).unwrap();
            prop_assert!(crate::parse(script.as_bytes()).is_ok());
            prop_assert_eq!(read(script.as_bytes()), Some(settings));
        }

        #[test]
        fn texts_come_back(subject in "[ -~ñ]{0,20}", text in "x[ -~ñ\n]{0,40}") {
            let vacation = Vacation { subject: Some(subject), text, first_day: None, last_day: None, interval_days: 1 };
            let settings = Settings { vacation: Some(vacation), ..Settings::default() };
            let script = write(&settings).unwrap();
            prop_assert!(crate::parse(script.as_bytes()).is_ok());
            prop_assert_eq!(read(script.as_bytes()), Some(settings));
        }
    }
}
