//! Sieve: every script is parsed or refused with places inside of it, and every run ends within its limits, twice the same.
//!
//! The input is a script, a NUL, and a message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use message::{Address, MailboxName, SpecialUse, mime, to_crlf};
use sieve::limits::{MAX_ACTIONS, MAX_ADDED_HEADER_BYTES, MAX_REDIRECTS};
use sieve::{Action, Context, Delivery, Features, settings};

struct Account;

impl Context for Account {
    fn mailbox_exists(&mut self, name: &MailboxName) -> bool {
        name.is_inbox()
    }

    fn mailbox_of_use(&mut self, special_use: SpecialUse) -> Option<MailboxName> {
        (special_use == SpecialUse::Junk).then(MailboxName::inbox)
    }

    fn mailbox_of_id(&mut self, id: &str) -> Option<MailboxName> {
        MailboxName::new(id).ok()
    }

    fn addresses(&mut self) -> Vec<Address> {
        Vec::from_iter(Address::new("yo@example.com"))
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
}

fuzz_target!(|input: &[u8]| {
    let cut = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let (script, message) = (&input[..cut], input.get(cut + 1..).unwrap_or_default());
    if let Some(settings) = settings::read(script) {
        assert_eq!(settings::write(&settings).as_deref().map(str::as_bytes), Ok(script));
    }
    let script = match sieve::parse_with(script, Features { editheader: true }) {
        Ok(script) => script,
        Err(errors) => {
            let lines = script.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!(!errors.is_empty() && errors.iter().all(|error| (1..=lines).contains(&error.line)));
            return;
        }
    };
    let crlf = to_crlf(message);
    let parsed = mime::parse(&crlf);
    let delivery = Delivery {
        crlf: &crlf,
        top_bytes: 0,
        message: &parsed,
        envelope_from: "ana@example.org",
        envelope_to: "yo+tag@example.com",
        time_s: 1_795_352_400,
        zone_offset_s: 3600,
    };
    let ran = script.run(&delivery, &mut Account);
    assert_eq!(ran, script.run(&delivery, &mut Account));
    let Ok(outcome) = ran else { return };
    assert!((1..=MAX_ACTIONS + 1).contains(&outcome.actions.len()));
    let redirects = outcome.actions.iter().filter(|action| matches!(action, Action::Redirect { .. })).count();
    assert!(redirects <= MAX_REDIRECTS);
    let received = |bytes: &[u8]| message::header::fields(bytes).filter(|field| field.is("Received")).count();
    for action in &outcome.actions {
        if let Action::Keep { header, .. } | Action::FileInto { header, .. } | Action::Redirect { header, .. } = action
        {
            let edited = header.apply(&crlf);
            assert_eq!(received(&edited), received(&crlf));
            assert!(edited.len() <= crlf.len() + MAX_ADDED_HEADER_BYTES + 2);
        }
        if let Action::Vacation(reply) = action {
            // What was the text of a field made no field.
            assert!(message::header::find(&reply.message, "Bcc").is_none());
        }
    }
});
