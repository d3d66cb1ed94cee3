//! What is signed passes, and any change of what was signed fails.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use provenance::{Outcome, Signer, remove_forged, sign};
use testkit::dns_server::Zones;

use crate::world::{NOW_S, World, ed25519, key_name, outcomes, rsa};

/// A field that signatures cover, in all the shapes that mail has.
fn field() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["To", "cc", "SUBJECT", "Date", "Message-ID", "Content-Type", "List-ID"]);
    let value = "[ -~]{0,30}(\r\n[ \t]{1,3}[!-~]{1,20}){0,3}";
    (name, value).prop_map(|(name, value)| format!("{name}:{value}\r\n"))
}

fn message() -> impl Strategy<Value = String> {
    let body = prop::collection::vec("[ -~\t]{0,40}\r\n", 0..6);
    (prop::collection::vec(field(), 0..6), body)
        .prop_map(|(fields, body)| format!("From: Ana <ana@example.test>\r\n{}\r\n{}", fields.concat(), body.concat()))
}

fn check(signer: Signer, record: &str, cases: u32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new(Zones::new().txt(&key_name(&signer), record)));
    let signers = [signer];
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let verify = |message: &[u8]| outcomes(&runtime.block_on(world.verify(message)));
    runner
        .run(&(message(), any::<prop::sample::Index>(), 1..=255_u8), |(message, place, change)| {
            let field = sign(&signers, message.as_bytes(), NOW_S).unwrap();
            let signed = [field.as_bytes(), message.as_bytes()].concat();
            prop_assert_eq!(verify(&signed), [Outcome::Pass], "{:?}", message);

            // A letter of the header's values or the body becomes another one. White space is left alone: the relaxed form
            // does not care about all of it.
            let letters: Vec<usize> =
                (0..message.len()).filter(|at| message.as_bytes()[*at].is_ascii_alphanumeric()).collect();
            let at = field.len() + letters[place.index(letters.len())];
            let mut changed = signed.clone();
            changed[at] = b'a' + (changed[at].wrapping_add(change)) % 26;
            if !changed[at].eq_ignore_ascii_case(&signed[at]) {
                prop_assert_ne!(verify(&changed), [Outcome::Pass], "changed at {} of {:?}", at, signed);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_ed25519_signs_holds_until_it_is_changed() {
    let (signer, record) = ed25519("example.test");
    check(signer, &record, 150);
}

#[test]
fn what_rsa_signs_holds_until_it_is_changed() {
    let (signer, record) = rsa("example.test");
    check(signer, &record, 40);
}

/// What forged fields, and readers who differ about line ends, are made of.
const WORDS: [&str; 18] = [
    "Authentication-Results",
    "authentication-RESULTS : ",
    "mx.our.test",
    "From: a@b",
    ":",
    " ",
    "\t",
    "\r\n",
    "\r",
    "\n",
    "(",
    ")",
    "\\",
    "\"",
    ";",
    "\r\n\r\n",
    "x",
    "\0",
];

#[test]
fn what_is_left_has_no_forged_field_and_its_whole_body() {
    let words = prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..24);
    let mut runner = TestRunner::new(Config { cases: 20_000, failure_persistence: None, ..Config::default() });
    runner
        .run(&words, |words| {
            let message = format!("From: a@b\r\n{}\r\n\r\nbody\r\n", words.concat());
            let clean = remove_forged(message.as_bytes(), "mx.our.test").into_owned();
            prop_assert_eq!(&remove_forged(&clean, "mx.our.test")[..], &clean[..]);
            let body = message.find("\r\n\r\n").map(|at| &message.as_bytes()[at + 2..]).unwrap();
            prop_assert!(clean.ends_with(body));
            Ok(())
        })
        .unwrap();
}
