//! What moving mail asks: forwarding and vacation, DKIM keys, what Sieve scripts remember.

use crate::{Fixture, collect, now, set_now, texts};
use directory::{
    Directory, DirectoryError, DkimAlgorithm, DkimState, ErrorClass, Forward, MAX_SIEVE_MEMORY, NewDkimKey, Secret,
    SieveMemory, SieveMemoryId,
};
use sieve::settings::{Day, MAX_FORWARDS, Vacation};

fn vacation() -> Vacation {
    Vacation {
        subject: Some("Estoy fuera".to_owned()),
        text: "Vuelvo el lunes.\n".to_owned(),
        first_day: Day::parse("2026-08-01"),
        last_day: Day::parse("2026-08-31"),
        interval_days: 7,
    }
}

#[test]
fn forwarding_and_vacation_are_one_script_and_each_is_set_without_the_other() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let ana = fixture.add("ana@example.org");
    let forward = Forward { targets: texts(&["|old program", "b@example.com"]), keep_copy: true };
    assert_eq!(directory.settings_script(ana).unwrap(), None);
    directory.write(|tx| tx.put_vacation(ana, &vacation())).unwrap();
    directory.write(|tx| tx.put_forward(ana, &forward)).unwrap();
    let script = directory.settings_script(ana).unwrap().unwrap();
    assert!(sieve::parse(&script).is_ok());
    let settings = sieve::settings::read(&script).unwrap();
    assert_eq!((settings.vacation.as_ref(), settings.keeps_copy), (Some(&vacation()), true));
    assert_eq!(directory.scripts(ana).unwrap(), [], "it is none of the scripts of the account's owner");

    assert_eq!((directory.forward(ana).unwrap(), directory.vacation(ana).unwrap()), (Some(forward), Some(vacation())));
    let later = Vacation { subject: None, interval_days: 1, ..vacation() };
    directory.write(|tx| tx.put_vacation(ana, &later)).unwrap();
    assert_eq!(directory.vacation(ana).unwrap(), Some(later.clone()));
    assert!(directory.write(|tx| tx.remove_forward(ana)).unwrap());
    assert_eq!((directory.forward(ana).unwrap(), directory.vacation(ana).unwrap()), (None, Some(later)));
    assert_eq!(collect_forwards(directory), [], "who has a vacation has no forward");
    assert!(directory.write(|tx| tx.remove_vacation(ana)).unwrap());
    assert!(!directory.write(|tx| tx.remove_vacation(ana)).unwrap());
    assert_eq!(directory.settings_script(ana).unwrap(), None, "no settings, no script");

    directory.write(|tx| tx.put_vacation(ana, &vacation())).unwrap();
    directory.write(|tx| tx.remove_account(ana)).unwrap();
    assert_eq!(directory.settings_script(ana).unwrap(), None);
    assert_eq!(directory.check_consistency().unwrap(), []);
}

fn collect_forwards(directory: &Directory) -> Vec<Forward> {
    let mut all = Vec::new();
    directory
        .for_each_forward(|_, forward| {
            all.push(forward);
            Ok(())
        })
        .unwrap();
    all
}

#[test]
fn a_vacation_goes_to_other_systems_as_a_script() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let ana = fixture.add("ana@example.org");
    let forward = Forward { targets: texts(&["b@example.com"]), keep_copy: false };
    directory.write(|tx| tx.put_forward(ana, &forward)).unwrap();
    assert_eq!(directory.scripts_with_vacation(ana).unwrap(), []);
    directory.write(|tx| tx.put_vacation(ana, &vacation())).unwrap();
    let scripts = directory.scripts_with_vacation(ana).unwrap();
    assert_eq!((scripts[0].name.as_str(), scripts[0].active), ("vacation", true));
    assert!(sieve::parse(&scripts[0].content).is_ok());
    assert!(!String::from_utf8_lossy(&scripts[0].content).contains("example.com"), "forwards are kept elsewhere");

    directory
        .write(|tx| {
            tx.put_script(ana, "vacation", b"keep;")?;
            tx.activate_script(ana, Some("vacation"))
        })
        .unwrap();
    let scripts = directory.scripts_with_vacation(ana).unwrap();
    let shown: Vec<_> = scripts.iter().map(|s| (s.name.as_str(), s.active)).collect();
    assert_eq!(shown, [("vacation", true), ("vacation 2", false)]);
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn settings_that_cannot_be_are_refused_in_words_for_their_owner_and_leave_the_old() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let ana = fixture.add("ana@example.org");
    directory.write(|tx| tx.put_vacation(ana, &vacation())).unwrap();
    let backwards = Vacation { last_day: Day::parse("2026-07-31"), ..vacation() };
    let error = directory.write(|tx| tx.put_vacation(ana, &backwards)).unwrap_err();
    assert_eq!(error.to_string(), "the last day of a vacation is before its first");
    assert_eq!(error.class(), ErrorClass::Peer);
    let targets = (0..=MAX_FORWARDS).map(|n| format!("a{n}@x.example")).collect();
    let error = directory.write(|tx| tx.put_forward(ana, &Forward { targets, keep_copy: true })).unwrap_err();
    assert_eq!(error.to_string(), "mail can be sent on to 1000 addresses at most");
    assert_eq!((directory.vacation(ana).unwrap(), directory.forward(ana).unwrap()), (Some(vacation()), None));

    directory.write(|tx| tx.remove_account(ana)).unwrap();
    let nobody = directory.write(|tx| tx.put_vacation(ana, &vacation()));
    assert!(matches!(nobody, Err(DirectoryError::Dangling { what: "vacation", .. })));
    assert_eq!(directory.check_consistency().unwrap(), []);
}

fn key(selector: &str, algorithm: DkimAlgorithm) -> NewDkimKey {
    NewDkimKey {
        domain: "example.org".to_owned(),
        selector: selector.to_owned(),
        algorithm,
        private_key: Secret::new(format!("the key of {selector}")),
        public_record: "v=DKIM1; k=rsa; p=MIIB".to_owned(),
    }
}

#[test]
fn a_domain_signs_with_the_latest_key_of_each_algorithm() {
    use DkimAlgorithm::{Ed25519Sha256, RsaSha256};
    let Fixture { directory, place: _place } = Fixture::new();
    let signing = || -> Vec<String> {
        directory.dkim_signing_keys("example.org").unwrap().into_iter().map(|key| key.selector).collect()
    };
    directory
        .write(|tx| {
            tx.add_dkim_key(&key("r1", RsaSha256), "op")?;
            tx.add_dkim_key(&key("r2", RsaSha256), "op")?;
            tx.add_dkim_key(&key("e1", Ed25519Sha256), "op")
        })
        .unwrap();
    assert!(signing().is_empty(), "nothing signs before its record is published");
    let activate = |selector| directory.write(|tx| tx.activate_dkim_key("example.org", selector, "op")).unwrap();
    assert_eq!((activate("r1"), activate("e1")), (None, None));
    assert_eq!(signing(), ["r1", "e1"]);
    assert_eq!(directory.dkim_signing_keys("example.org").unwrap()[0].private_key, Secret::new("the key of r1"));
    set_now(now() + 86_400);
    assert_eq!(activate("r2"), Some("r1".to_owned()), "rotation");
    assert_eq!(activate("r2"), None, "it signs already");
    assert_eq!(signing(), ["r2", "e1"]);
    let states: Vec<_> =
        directory.dkim_keys("example.org").unwrap().into_iter().map(|k| (k.selector, k.state)).collect();
    let expected = [("e1", DkimState::Active), ("r1", DkimState::Retired), ("r2", DkimState::Active)];
    assert_eq!(states, expected.map(|(selector, state)| (selector.to_owned(), state)));
    assert_eq!(directory.dkim_key("example.org", "r1").unwrap().unwrap().retired_at, Some(now()));
    assert_eq!(collect!(directory, for_each_dkim_key).len(), 3);

    let used = directory.write(|tx| tx.remove_dkim_key("example.org", "r2", "op"));
    assert!(matches!(used, Err(DirectoryError::InUse { what: "DKIM key", .. })));
    directory.write(|tx| tx.remove_dkim_key("example.org", "r1", "op")).unwrap();
    assert_eq!(activate("e1"), None);
    directory.write(|tx| tx.retire_dkim_key("example.org", "r2", "op")).unwrap();
    assert_eq!(signing(), ["e1"]);
    assert_eq!(activate("r2"), None, "a retired one may sign again");
    assert_eq!(signing(), ["r2", "e1"]);
    let actions: Vec<String> = collect!(directory, for_each_audit, 0).into_iter().map(|entry| entry.action).collect();
    let expected = [
        "dkim.add",
        "dkim.add",
        "dkim.add",
        "dkim.activate",
        "dkim.activate",
        "dkim.retire",
        "dkim.activate",
        "dkim.remove",
        "dkim.retire",
        "dkim.activate",
    ];
    assert_eq!(actions, expected);

    directory.write(|tx| tx.remove_domain("example.org")).unwrap();
    assert_eq!(directory.dkim_keys("example.org").unwrap(), [], "the keys go with their domain");
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn dkim_keys_that_cannot_be_are_refused_and_none_prints() {
    let Fixture { directory, place: _place } = Fixture::new();
    let good = key("r1", DkimAlgorithm::RsaSha256);
    let add = |key: NewDkimKey| directory.write(|tx| tx.add_dkim_key(&key, "op"));
    for selector in ["", "R1", "a b", "-a", "a.", &"a".repeat(64)] {
        let refused = add(NewDkimKey { selector: selector.to_owned(), ..good.clone() });
        assert!(matches!(refused, Err(DirectoryError::Invalid { what: "DKIM key", .. })), "{selector:?}");
    }
    for record in ["", "v=DKIM1\" \"", "v=\n", &"x".repeat(5000)] {
        let refused = add(NewDkimKey { public_record: record.to_owned(), ..good.clone() });
        assert!(matches!(refused, Err(DirectoryError::Invalid { .. })), "{record:?}");
    }
    let refused = add(NewDkimKey { private_key: Secret::new(""), ..good.clone() });
    assert!(matches!(refused, Err(DirectoryError::Invalid { .. })));
    let stranger = add(NewDkimKey { domain: "example.com".to_owned(), ..good.clone() });
    assert!(matches!(stranger, Err(DirectoryError::Dangling { what: "DKIM key", .. })));
    add(good.clone()).unwrap();
    assert!(matches!(add(good), Err(DirectoryError::Exists { what: "DKIM key", .. })));
    for work in [
        directory.write(|tx| tx.activate_dkim_key("example.org", "r9", "op").map(|_| ())),
        directory.write(|tx| tx.retire_dkim_key("example.org", "r1", "op")),
        directory.write(|tx| tx.remove_dkim_key("example.org", "r9", "op")),
    ] {
        assert!(matches!(work, Err(DirectoryError::Missing { .. })));
    }
    directory.write(|tx| tx.activate_dkim_key("example.org", "r1", "op")).unwrap();
    let shown = format!("{:?} {:?}", directory.dkim_keys("example.org"), directory.dkim_signing_keys("example.org"));
    assert!(!shown.contains("the key of"), "{shown}");
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn of_two_deliveries_that_want_to_answer_one_does() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let (ana, eva) = (fixture.add("ana@example.org"), fixture.add("eva@example.org"));
    let id = SieveMemoryId::new("vacation", &["handle", "pepe@example.com"]);
    let claim = |account, now_s| directory.write(|tx| tx.claim_sieve_memory(account, &id, now_s, now_s + 100)).unwrap();
    assert_eq!(directory.sieve_memory(ana, &id).unwrap(), None);
    assert_eq!((claim(ana, 1000), claim(ana, 1001), claim(eva, 1001)), (true, false, true));
    assert_eq!(directory.sieve_memory(ana, &id).unwrap(), Some(SieveMemory { seen_s: 1000, until_s: 1100 }));
    assert_eq!((claim(ana, 1099), claim(ana, 1100)), (false, true), "what has passed counts no more");
    assert!(directory.write(|tx| tx.remove_sieve_memory(ana, &id)).unwrap());
    assert!(!directory.write(|tx| tx.remove_sieve_memory(ana, &id)).unwrap());
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn memories_are_made_longer_never_shorter_and_go_when_they_have_passed() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let ana = fixture.add("ana@example.org");
    let id = |number: usize| SieveMemoryId::new("duplicate", &[&number.to_string()]);
    let put =
        |number, now_s, until_s| directory.write(|tx| tx.put_sieve_memory(ana, &id(number), now_s, until_s)).unwrap();
    put(0, 1000, 1100);
    put(0, 1001, 1050);
    assert_eq!(directory.sieve_memory(ana, &id(0)).unwrap(), Some(SieveMemory { seen_s: 1001, until_s: 1100 }));
    put(0, 1002, 1200);
    assert_eq!(directory.sieve_memory(ana, &id(0)).unwrap().unwrap().until_s, 1200);
    put(1, 1200, 1300);
    assert_eq!(directory.sieve_memory(ana, &id(0)).unwrap(), None, "it has passed, and went with the next");
    assert_eq!(directory.write(|tx| tx.forget_sieve_memory(1300, 10)).unwrap(), 1);

    directory
        .write(|tx| {
            for number in 0..MAX_SIEVE_MEMORY as i64 {
                tx.put_sieve_memory(ana, &id(number as usize), 2000, 3000 + number)?;
            }
            tx.put_sieve_memory(ana, &id(MAX_SIEVE_MEMORY), 2000, 9_000_000)
        })
        .unwrap();
    assert_eq!(directory.sieve_memory(ana, &id(0)).unwrap(), None, "what would go first makes room");
    assert!(directory.sieve_memory(ana, &id(1)).unwrap().is_some());
    assert_eq!(directory.write(|tx| tx.forget_sieve_memory(i64::MAX, 10)).unwrap(), 10, "no more than asked for");
    assert_eq!(directory.check_consistency().unwrap(), []);
}
