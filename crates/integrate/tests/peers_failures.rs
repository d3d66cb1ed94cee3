//! What other programs were measured to get wrong when they join two histories, each as a whole integration.
#![allow(clippy::unwrap_used)]

mod support_faults;

use message::Digest;
use std::collections::BTreeMap;
use support_faults::state::State;
use support_faults::tree::{Mail, Tree, raw};
use support_faults::{apply, assert_proven, assert_sound, import, init, integrate, stage};
use tempfile::TempDir;

const ANA: &str = "ana@example.org";

/// A lineage's INBOX: its UIDVALIDITY and its messages.
type Inbox<'a> = (u32, &'a [Mail]);

/// Integrates two INBOXes of one account, proves it, does it all again, and gives what came out.
fn join(before: Inbox<'_>, after: Inbox<'_>) -> State {
    let home = TempDir::new().unwrap();
    lay_out(&home, before, after);
    let platform = init(&home.path().join("data"), 1);
    let id = integrate(&platform, home.path()).unwrap();
    assert_proven(&platform, id, "joined");
    assert_sound(&platform, "joined");
    let state = State::of(&platform);

    import(&platform, &home.path().join("after")).unwrap();
    let (again, staged) = stage(&platform, &home.path().join("before")).unwrap();
    assert_eq!((again, staged.staged, staged.moved, staged.gone), (id, 0, 0, 0));
    let applied = apply(&platform, id).unwrap();
    assert_eq!((applied.added, applied.changed, applied.removed), (0, 0, 0));
    support_faults::state::assert_same(&State::of(&platform), &state, "all of it once more");
    assert_proven(&platform, id, "once more");
    assert_sound(&platform, "once more");
    state
}

fn lay_out(home: &TempDir, before: Inbox<'_>, after: Inbox<'_>) {
    for (name, (uidvalidity, mail)) in [("before", before), ("after", after)] {
        let tree = Tree::new(&home.path().join(name), &[ANA]);
        tree.mailbox(ANA, "", Some(uidvalidity), mail);
    }
}

fn digest(raw: &[u8]) -> Digest {
    message::examine(&message::to_crlf(raw)).digest
}

/// The copies of each message in the INBOX, by digest.
fn copies(state: &State) -> BTreeMap<Digest, usize> {
    let mut copies = BTreeMap::new();
    for message in state.mailbox(ANA, "INBOX").messages.values() {
        *copies.entry(message.digest).or_default() += 1;
    }
    copies
}

/// Asserts that the INBOX holds these messages, byte for byte as they were, and no others.
#[track_caller]
fn assert_is(state: &State, expected: &[(&[u8], usize)]) {
    let mut wanted = BTreeMap::new();
    for (raw, count) in expected {
        *wanted.entry(digest(raw)).or_default() += count;
    }
    assert_eq!(copies(state), wanted);
}

/// A message without a Message-ID.
fn nameless(subject: &str, body: &str) -> Vec<u8> {
    format!("From: a@elsewhere.example\nSubject: {subject}\nDate: Mon, 8 Jul 2013 10:00:00 +0200\n\n{body}\n")
        .into_bytes()
}

fn received(id: &str, body: &str) -> Vec<u8> {
    let from = "from mx.elsewhere.example by old.example.org; Mon, 8 Jul 2013 10:00:00 +0200";
    format!("Received: {from}\nMessage-ID: {id}\nSubject: one\n\n{body}\n").into_bytes()
}

#[test]
fn messages_without_a_message_id_stay_apart() {
    let (one, two, three) = (nameless("one", "1"), nameless("one", "2"), nameless("", "3"));
    let state = join(
        (100, &[Mail::new(1, one.clone()), Mail::new(2, two.clone())]),
        (200, &[Mail::new(1, two.clone()), Mail::new(2, three.clone())]),
    );
    assert_is(&state, &[(&one, 1), (&two, 1), (&three, 1)]);
}

#[test]
fn one_message_id_and_one_received_with_two_bodies_are_two_messages() {
    let (old, new) = (received("<a@x>", "the first draft"), received("<a@x>", "the second draft"));
    let state = join((100, &[Mail::new(1, old.clone())]), (200, &[Mail::new(1, new.clone())]));
    assert_is(&state, &[(&old, 1), (&new, 1)]);
}

#[test]
fn message_ids_that_differ_in_case_or_in_8_bit_letters_alone_are_several_messages() {
    let with_bytes = |bytes: &[u8]| {
        let mut raw = b"Message-ID: <".to_vec();
        raw.extend_from_slice(bytes);
        raw.extend_from_slice(b"@x>\nSubject: one\n\nthe same body\n");
        raw
    };
    let all = [&b"abc"[..], b"ABC", b"ab\xe9", b"ab\xe8", "ab\u{e9}".as_bytes()].map(with_bytes);
    let mail = |range: std::ops::Range<usize>| -> Vec<Mail> {
        (1..).zip(&all[range]).map(|(uid, raw)| Mail::new(uid, raw.clone())).collect()
    };
    let state = join((100, &mail(0..4)), (200, &mail(1..5)));
    let expected: Vec<(&[u8], usize)> = all.iter().map(|raw| (&raw[..], 1)).collect();
    assert_is(&state, &expected);
}

#[test]
fn twins_in_one_mailbox_are_as_many_as_the_lineage_with_more_of_them_has() {
    let twin = raw("twin", "the same, again and again");
    let twins = |count: u32| -> Vec<Mail> { (1..=count).map(|uid| Mail::new(uid, twin.clone())).collect() };
    for (before, after, result) in [(21, 0, 21), (0, 21, 21), (21, 21, 21), (21, 3, 21), (3, 21, 21), (1, 1, 1)] {
        let state = join((100, &twins(before)), (200, &twins(after)));
        assert_is(&state, &[(&twin, result)]);
    }
}

#[test]
fn two_of_three_differ_in_what_clients_wrote_and_are_one_message_still() {
    let plain = raw("plain", "text");
    let mut marked = b"Status: RO\nX-UID: 7\nX-Keywords: work\n".to_vec();
    marked.extend_from_slice(&plain);
    let state = join((100, &[Mail::new(1, plain.clone())]), (200, &[Mail::new(1, marked)]));
    // The bytes are those of before (RULES.md 2.4).
    assert_is(&state, &[(&plain, 1)]);
}

#[test]
fn flags_of_the_copy_that_was_read_survive_the_one_that_was_not() {
    for (before, after, expected) in
        [("RS", "", "RS"), ("", "FS", "FS"), ("R", "FS", "FRS"), ("ST", "", "S"), ("", "T", "T")]
    {
        let one = raw("one", "read in one history");
        let state =
            join((100, &[Mail::new(1, one.clone()).flags(before)]), (200, &[Mail::new(1, one.clone()).flags(after)]));
        let inbox = state.mailbox(ANA, "INBOX");
        let flags: Vec<&str> = inbox.messages.values().map(|m| m.flags.as_str()).collect();
        assert_eq!(flags, [expected], "{before} and {after}");
    }
}

#[test]
fn no_body_and_no_header_is_written_into() {
    let odd = [
        &b"Subject: no end of line"[..],
        b"Subject: mixed\r\nX: 1\n\nline\r\nline\nlone\rreturn\n",
        b"\n\nonly a body\n\n\n",
        b"From nobody Mon Jul  8 10:00:00 2013\nSubject: a postmark inside\n\n>From quoted\n",
        b"Subject: zeros\n\n\0\0\0not at the end\n",
        b"not a header at all\nSubject: late\n\n\xff\xfe\x00binary\n",
    ];
    let mail: Vec<Mail> = (1..).zip(odd).map(|(uid, raw)| Mail::new(uid, raw)).collect();
    let expected: Vec<(&[u8], usize)> = odd.iter().map(|raw| (*raw, 1)).collect();
    assert_is(&join((100, &mail), (200, &[])), &expected);
    assert_is(&join((100, &[]), (200, &mail)), &expected);
    assert_is(&join((100, &mail), (200, &mail)), &expected);
}

/// What a lineage serves: (UIDVALIDITY, UID) and UIDL of every message of its INBOX, and what they name.
fn served((uidvalidity, mail): Inbox<'_>) -> Vec<(u32, String, Digest)> {
    let rule = |uid: u32| store::uidl_by_rule(uidvalidity, uid);
    let each = mail.iter().filter_map(|m| Some((m.uid?, m)));
    each.map(|(uid, m)| (uid, m.uidl.clone().unwrap_or_else(|| rule(uid)), digest(&m.raw))).collect()
}

#[test]
fn no_uid_and_no_uidl_that_was_served_comes_to_name_anything_else() {
    let before: Vec<Mail> = (1..=8).map(|uid| Mail::new(uid, raw(&format!("old{uid}"), "of before"))).collect();
    let shared = |uid: u32| Mail::new(uid, raw(&format!("old{uid}"), "of before"));
    let fresh = |uid: u32| Mail::new(uid, raw(&format!("new{uid}"), "of after"));
    let with_uidls: Vec<Mail> = (1..=8).map(|uid| shared(uid).uidl(&format!("UID{}", 100 + uid))).collect();
    let cases: [(&str, Inbox<'_>, Inbox<'_>); 5] = [
        ("other UIDVALIDITY", (100, &before), (200, &[fresh(1), fresh(2), shared(3)])),
        ("one UIDVALIDITY, UIDs that clash", (100, &before), (100, &[fresh(1), fresh(2), shared(3)])),
        ("one UIDVALIDITY, nothing clashes", (100, &before), (100, &[shared(2), fresh(11), fresh(12)])),
        (
            "UIDLs of its own, and the same again",
            (100, &with_uidls),
            (200, &[fresh(1).uidl("UID103"), shared(4).uidl("UID1")]),
        ),
        ("after is empty", (100, &with_uidls), (200, &[])),
    ];
    for (case, before, after) in cases {
        let state = join(before, after);
        let inbox = state.mailbox(ANA, "INBOX");
        // One that both served for different messages stays with that of before (RULES.md 5.2).
        let of_before: BTreeMap<String, Digest> = served(before).into_iter().map(|(_, u, d)| (u, d)).collect();
        for (uidvalidity, lineage) in [(before.0, served(before)), (after.0, served(after))] {
            for (uid, uidl, digest) in lineage {
                if let Some(named) = inbox.messages.get(&uid).filter(|_| inbox.uidvalidity == Some(uidvalidity)) {
                    assert_eq!(named.digest, digest, "{case}: UID {uid} under {uidvalidity}");
                }
                let named = inbox.messages.values().filter(|m| m.uidl.as_ref() == Some(&uidl));
                let named: Vec<Digest> = named.map(|m| m.digest).collect();
                let owner = of_before.get(&uidl).copied().unwrap_or(digest);
                assert!(named.iter().all(|d| *d == owner), "{case}: UIDL {uidl}");
            }
        }
        let mut uidls: Vec<_> = inbox.messages.values().filter_map(|m| m.uidl.clone()).collect();
        uidls.sort();
        let all = uidls.len();
        uidls.dedup();
        assert_eq!(uidls.len(), all, "{case}: a UIDL stands twice");
    }
}

#[test]
fn the_uids_that_clients_saw_last_stay() {
    let old = |uid: u32| Mail::new(uid, raw(&format!("old{uid}"), "of before"));
    let new = |uid: u32| Mail::new(uid, raw(&format!("new{uid}"), "of after"));
    let after = [new(1), new(2), old(3)];
    let state = join((100, &[old(1), old(2), old(3)]), (200, &after));
    let inbox = state.mailbox(ANA, "INBOX");
    assert_eq!(inbox.uidvalidity, Some(200));
    for mail in &after {
        assert_eq!(inbox.messages[&mail.uid.unwrap()].digest, digest(&mail.raw));
    }
    assert_eq!(inbox.messages.len(), 5);
}
