//! Debian's Dovecot as the witness: what it serves of an exported integration is what the store holds, and against what
//! it served of the two histories nothing has changed its name (`RULES.md` G7, G11).
#![allow(clippy::unwrap_used)]

mod support_flow;

use integrate::Platform;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use support_flow::shown::{self, Shown};
use support_flow::{Bench, check};
use testkit::dovecot::{Dovecot, ServedMailbox};

#[test]
fn the_sample_is_served_as_the_store_holds_it() {
    let bench = Bench::of_sample();
    let platform = bench.init(4);
    bench.integrate(&platform);
    is_served_as_held(&bench, &platform);
    check(&platform);
}

#[test]
fn the_small_incident_is_served_as_the_store_holds_it() {
    let Some(bench) = Bench::of_small_incident() else { return };
    let platform = bench.init(4);
    bench.integrate(&platform);
    is_served_as_held(&bench, &platform);
    check(&platform);
}

fn is_served_as_held(bench: &Bench, platform: &Platform) {
    let out = bench.export(platform);
    let Some(dovecot) = Dovecot::start(&out, None).unwrap() else { return };
    for address in shown::addresses(platform) {
        let held = shown::account(platform, &address);
        if held.is_empty() {
            continue;
        }
        let served = dovecot.account(&address, "any").unwrap();
        let selectable = served.iter().filter(|m| can_be_selected(m)).count();
        assert_eq!(selectable, held.len(), "{address}");
        for mailbox in &held {
            let found = served.iter().find(|m| m.name == mailbox.name);
            is_same(&address, found.unwrap_or_else(|| panic!("{address} {}", mailbox.name)), mailbox);
        }
        let mut listed: Vec<String> = dovecot.maildrop(&address, "any").unwrap().into_iter().map(|e| e.uidl).collect();
        listed.sort();
        let mut uidls: Vec<String> = held[0].messages.iter().map(|m| m.uidl.clone()).collect();
        uidls.sort();
        assert_eq!(listed, uidls, "{address}");
    }
    let log = dovecot.log();
    assert!(!log.contains("Error") && !log.contains("Panic"), "{log}");
}

fn can_be_selected(mailbox: &ServedMailbox) -> bool {
    !mailbox.attributes.iter().any(|attribute| attribute.eq_ignore_ascii_case("\\NoSelect"))
}

fn is_same(address: &str, served: &ServedMailbox, held: &Shown) {
    let place = format!("{address} {}", held.name);
    assert_eq!((Some(served.uidvalidity), served.uidnext), (held.uidvalidity, held.uidnext), "{place}");
    assert_eq!(served.subscribed, held.subscribed, "{place}");
    assert_eq!(served.messages.len(), held.messages.len(), "{place}");
    for (served, held) in served.messages.iter().zip(&held.messages) {
        let place = format!("{place} UID {}", held.uid);
        assert_eq!((served.uid, shown::sha256(&served.body)), (held.uid, held.imap_digest.clone()), "{place}");
        assert_eq!((served.internal_date, served.size_bytes), (held.internal_date, held.size_bytes), "{place}");
        let (system, mut keywords): (Vec<&String>, Vec<&String>) =
            served.flags.iter().partition(|flag| flag.starts_with('\\'));
        keywords.sort();
        assert_eq!(letters(&system), held.flags, "{place}");
        // A forward that stands as a letter in a file's name is kept by Dovecot and not shown.
        let of_store = held.keywords.iter().filter(|k| *k != "$Forwarded");
        let of_dovecot = keywords.into_iter().filter(|k| *k != "$Forwarded");
        assert_eq!(of_dovecot.collect::<Vec<_>>(), of_store.collect::<Vec<_>>(), "{place}");
    }
}

fn letters(flags: &[&String]) -> String {
    let letter = |flag: &str| match flag {
        "\\Draft" => 'D',
        "\\Flagged" => 'F',
        "\\Answered" => 'R',
        "\\Seen" => 'S',
        "\\Deleted" => 'T',
        other => panic!("Dovecot shows the flag {other}"),
    };
    let mut letters: Vec<char> = flags.iter().map(|flag| letter(flag)).collect();
    letters.sort_unstable();
    letters.into_iter().collect()
}

#[test]
fn no_identity_that_was_served_names_anything_else_in_the_sample() {
    let bench = Bench::of_sample();
    identities_stay(&bench);
}

#[test]
fn no_identity_that_was_served_names_anything_else_in_the_small_incident() {
    let Some(bench) = Bench::of_small_incident() else { return };
    identities_stay(&bench);
}

/// What a history served: by mailbox, UIDVALIDITY and UID, and by UIDL, the message.
#[derive(Default)]
struct Identities {
    by_uid: BTreeMap<(String, u32, u32), String>,
    by_uidl: BTreeMap<String, String>,
    mailboxes: BTreeMap<String, (u32, usize)>,
}

fn identities_stay(bench: &Bench) {
    let addresses = homes(&[bench.before(), bench.after()]);
    let Some(before) = served_by(&bench.before(), &addresses) else { return };
    let Some(after) = served_by(&bench.after(), &addresses) else { return };
    let platform = bench.init(1);
    bench.integrate(&platform);
    let out = bench.export(&platform);
    let Some(result) = served_by(&out, &addresses) else { return };
    assert_eq!(result.len(), addresses.iter().filter(|a| has_home(&out, a)).count(), "all of the result is served");
    let mut compared = 0;
    let nothing = Identities::default();
    for (key, is) in &result {
        let histories = [before.get(key).unwrap_or(&nothing), after.get(key).unwrap_or(&nothing)];
        for was in histories {
            // G11: what stands at an identity that was served is what was served there.
            for (at, ident) in &is.by_uid {
                if let Some(was) = was.by_uid.get(at) {
                    assert_eq!(ident, was, "{key} {at:?}");
                    compared += 1;
                }
            }
            for (uidl, ident) in &is.by_uidl {
                if let Some(was) = was.by_uidl.get(uidl) {
                    assert_eq!(ident, was, "{key} {uidl}");
                    compared += 1;
                }
            }
        }
        // G7: a mailbox of after that had mail keeps its UIDVALIDITY, and every UID that it served names what it did.
        let after = histories[1];
        for ((name, uidvalidity, uid), ident) in &after.by_uid {
            let Some((now, _)) = is.mailboxes.get(name) else { panic!("{key} {name} is gone") };
            assert_eq!(now, uidvalidity, "{key} {name}");
            assert_eq!(is.by_uid.get(&(name.clone(), *uidvalidity, *uid)), Some(ident), "{key} {name} UID {uid}");
        }
        for (uidl, ident) in &after.by_uidl {
            assert_eq!(is.by_uidl.get(uidl), Some(ident), "{key} {uidl}");
        }
        // An account that only before had comes back as it was.
        if after.mailboxes.is_empty() {
            for (at, ident) in &histories[0].by_uid {
                assert_eq!(is.by_uid.get(at), Some(ident), "{key} {at:?}");
            }
            for (uidl, ident) in &histories[0].by_uidl {
                assert_eq!(is.by_uidl.get(uidl), Some(ident), "{key} {uidl}");
            }
        }
    }
    assert!(compared > 10, "only {compared} identities could be compared");
    check(&platform);
}

/// Everything that Dovecot serves of a tree, by account.
fn served_by(root: &Path, addresses: &BTreeSet<String>) -> Option<BTreeMap<String, Identities>> {
    let dovecot = Dovecot::start(root, None).unwrap()?;
    let mut found = BTreeMap::new();
    for address in addresses {
        if !has_home(root, address) {
            continue;
        }
        let mut identities = Identities::default();
        // Dovecot breaks off at a message that is shorter than its name promises: such an account it cannot serve.
        let (Ok(mailboxes), Ok(maildrop)) = (dovecot.account(address, "any"), dovecot.maildrop(address, "any")) else {
            continue;
        };
        for mailbox in mailboxes.iter().filter(|m| can_be_selected(m)) {
            identities.mailboxes.insert(mailbox.name.clone(), (mailbox.uidvalidity, mailbox.messages.len()));
            for message in &mailbox.messages {
                let at = (mailbox.name.clone(), mailbox.uidvalidity, message.uid);
                identities.by_uid.insert(at, identity(&message.body));
            }
        }
        for entry in maildrop {
            identities.by_uidl.insert(entry.uidl, identity(&entry.body));
        }
        // Both histories may write one account in two ways.
        found.insert(address.to_lowercase(), identities);
    }
    Some(found)
}

/// `RULES.md` 2.2: of a pair, the bytes of *before* are kept and clients are told that it is the same.
fn identity(body: &[u8]) -> String {
    message::examine(body).identity.to_string()
}

fn has_home(root: &Path, address: &str) -> bool {
    let (localpart, domain) = address.split_once('@').unwrap();
    root.join("mail").join(domain).join(localpart).join("Maildir").exists()
}

/// The addresses of all homes of some trees, each as it is written.
fn homes(roots: &[std::path::PathBuf]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for root in roots {
        for domain in std::fs::read_dir(root.join("mail")).unwrap() {
            let domain = domain.unwrap();
            for home in std::fs::read_dir(domain.path()).unwrap() {
                let (home, domain) = (home.unwrap().file_name(), domain.file_name());
                found.insert(format!("{}@{}", home.to_str().unwrap(), domain.to_str().unwrap()));
            }
        }
    }
    found
}
