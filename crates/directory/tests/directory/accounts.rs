//! Customers, domains, accounts, forwards, Sieve scripts.

use crate::{Fixture, address, collect, domain, now, set_now, texts};
use directory::{
    Account, AccountState, Customer, DirectoryError, Domain, DomainAlias, Forward, NewAccount, NewIntegration,
    Pop3Before, Secret,
};
use std::slice;

#[test]
fn customers_own_domains() {
    let Fixture { directory, place: _place } = Fixture::new();
    let (azul, luna) = directory.write(|tx| Ok((tx.add_customer("Azul")?, tx.add_customer("Luna")?))).unwrap();
    let owned = Domain { customer_id: Some(azul), ..domain("example.com") };
    directory.write(|tx| tx.add_domain(&owned)).unwrap();
    assert_eq!(directory.domain("example.com").unwrap(), Some(owned.clone()));
    assert_eq!(directory.domains_of_customer(azul).unwrap(), ["example.com"]);

    let moved = Domain { customer_id: Some(luna), disabled: true, ..owned };
    directory.write(|tx| tx.update_domain(&moved)).unwrap();
    assert_eq!(directory.domain("example.com").unwrap(), Some(moved));

    let kept = directory.write(|tx| tx.remove_customer(luna));
    assert!(matches!(kept, Err(DirectoryError::InUse { what: "customer", .. })));
    directory.write(|tx| tx.remove_customer(azul)).unwrap();
    directory.write(|tx| tx.rename_customer(luna, "Luna S.L.")).unwrap();
    let luna = Customer { id: luna, name: "Luna S.L.".to_owned() };
    assert_eq!(directory.customer(luna.id).unwrap(), Some(luna.clone()));
    assert_eq!(directory.customer_by_name("Luna S.L.").unwrap(), Some(luna.clone()));
    assert_eq!(collect!(directory, for_each_customer), [luna]);
    let taken = directory.write(|tx| tx.add_customer("Luna S.L."));
    assert!(matches!(taken, Err(DirectoryError::Exists { what: "customer", .. })));
    let nameless = directory.write(|tx| tx.add_customer(" "));
    assert!(matches!(nameless, Err(DirectoryError::Invalid { what: "customer", .. })));
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn domains_are_listed_by_name_and_removed_when_empty() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    directory.write(|tx| tx.add_domain(&domain("b.example"))).unwrap();
    directory.write(|tx| tx.add_domain(&domain("a.example"))).unwrap();
    let names: Vec<String> = collect!(directory, for_each_domain).into_iter().map(|d| d.name).collect();
    assert_eq!(names, ["a.example", "b.example", "example.org"]);

    let ana = fixture.add("ana@a.example");
    let used = directory.write(|tx| tx.remove_domain("a.example"));
    assert!(matches!(used, Err(DirectoryError::InUse { what: "domain", .. })));
    directory.write(|tx| tx.remove_account(ana)).unwrap();
    directory.write(|tx| tx.remove_domain("a.example")).unwrap();
    assert_eq!(directory.domain("a.example").unwrap(), None);
    let gone = directory.write(|tx| tx.remove_domain("a.example"));
    assert!(matches!(gone, Err(DirectoryError::Missing { what: "domain", .. })));
    let unknown = directory.write(|tx| tx.update_domain(&domain("a.example")));
    assert!(matches!(unknown, Err(DirectoryError::Missing { what: "domain", .. })));
    let twice = directory.write(|tx| tx.add_domain(&domain("b.example")));
    assert!(matches!(twice, Err(DirectoryError::Exists { what: "domain", .. })));
    for wrong in ["", "Example.net", "a b", "a@b", ".a", "a..b"] {
        let refused = directory.write(|tx| tx.add_domain(&domain(wrong)));
        assert!(matches!(refused, Err(DirectoryError::Invalid { what: "domain", .. })), "{wrong:?}");
    }
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn a_domain_may_stand_for_another() {
    let Fixture { directory, place: _place } = Fixture::new();
    let alias = |from: &str, to: &str| DomainAlias { from: from.to_owned(), to: to.to_owned() };
    directory.write(|tx| tx.add_domain(&domain("example.com"))).unwrap();
    directory.write(|tx| tx.add_domain(&domain("example.net"))).unwrap();
    directory.write(|tx| tx.put_domain_alias(&alias("example.com", "example.org"))).unwrap();
    directory.write(|tx| tx.put_domain_alias(&alias("example.com", "example.net"))).unwrap();
    assert_eq!(directory.domain_alias("example.com").unwrap(), Some(alias("example.com", "example.net")));
    assert_eq!(collect!(directory, for_each_domain_alias), [alias("example.com", "example.net")]);

    let itself = directory.write(|tx| tx.put_domain_alias(&alias("example.com", "example.com")));
    assert!(matches!(itself, Err(DirectoryError::Invalid { what: "domain alias", .. })));
    let nowhere = directory.write(|tx| tx.put_domain_alias(&alias("example.com", "example.edu")));
    assert!(matches!(nowhere, Err(DirectoryError::Dangling { what: "domain alias", .. })));
    let used = directory.write(|tx| tx.remove_domain("example.net"));
    assert!(matches!(used, Err(DirectoryError::InUse { .. })));
    directory.write(|tx| tx.remove_domain_alias("example.com")).unwrap();
    assert_eq!(directory.domain_alias("example.com").unwrap(), None);
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn an_account_keeps_everything_it_is_given() {
    let Fixture { directory, place: _place } = Fixture::new();
    let begun = NewIntegration {
        label: "July".to_owned(),
        state: "applying".to_owned(),
        policy: "{}".to_owned(),
        before_source: None,
        after_source: None,
        base_source: None,
    };
    let integration = directory.write(|tx| tx.add_integration(&begun)).unwrap();
    let new = NewAccount {
        address: address("Ana.Pérez@Example.ORG"),
        name: Some("Ana Pérez".to_owned()),
        password_hash: Some(Secret::new("{PLAIN}x")),
        state: AccountState::Sealed,
        quota_bytes: Some(1 << 40),
        quota_grace_until: Some(1_375_000_000),
        language: Some("es".to_owned()),
        pop3_before: Some(Pop3Before::SeenHide),
        password_set_at: Some(1_300_000_000),
        restored: Some(integration),
    };
    let id = directory.write(|tx| tx.add_account(&new)).unwrap();
    let stored = Account {
        id,
        address: new.address,
        name: new.name,
        password_hash: new.password_hash,
        state: new.state,
        quota_bytes: new.quota_bytes,
        quota_grace_until: new.quota_grace_until,
        language: new.language,
        pop3_before: new.pop3_before,
        created_at: now(),
        password_set_at: new.password_set_at,
        last_login_at: None,
        restored: new.restored,
    };
    let found = directory.account(&address("ANA.PÉREZ@example.org")).unwrap().unwrap();
    assert_eq!(found, stored);
    assert_eq!(found.address.as_str(), "Ana.Pérez@example.org", "its spelling stays");
    assert_eq!(directory.account_by_id(id).unwrap(), Some(stored.clone()));
    assert_eq!(collect!(directory, for_each_restored_account, integration), slice::from_ref(&stored));

    let changed = Account {
        address: address("ana@example.org"),
        name: None,
        password_hash: None,
        state: AccountState::Closed,
        quota_bytes: None,
        quota_grace_until: None,
        language: None,
        pop3_before: None,
        created_at: 1,
        password_set_at: None,
        last_login_at: Some(2),
        restored: None,
        ..stored
    };
    directory.write(|tx| tx.update_account(&changed)).unwrap();
    assert_eq!(directory.account_by_id(id).unwrap(), Some(changed));
    assert_eq!(directory.account(&address("ana.pérez@example.org")).unwrap(), None);
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn accounts_of_one_address_or_of_no_domain_are_refused() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let ana = fixture.add("ana@example.org");
    let add = |text: &str| directory.write(|tx| tx.add_account(&NewAccount::new(address(text))));
    assert!(
        matches!(add("ANA@example.org"), Err(DirectoryError::Exists { what: "account", key }) if key == "ana@example.org")
    );
    assert!(matches!(add("ana@example.edu"), Err(DirectoryError::Dangling { what: "account", .. })));

    let pepe = fixture.add("pepe@example.org");
    let mut account = directory.account_by_id(pepe).unwrap().unwrap();
    account.address = address("Ana@example.org");
    let taken = directory.write(|tx| tx.update_account(&account));
    assert!(matches!(taken, Err(DirectoryError::Exists { what: "account", .. })));
    account.address = address("pepe@example.org");
    account.quota_bytes = Some(u64::MAX);
    let vast = directory.write(|tx| tx.update_account(&account));
    assert!(matches!(vast, Err(DirectoryError::Invalid { what: "account", .. })));
    account.quota_bytes = None;
    account.language = Some("es; DROP".to_owned());
    let tongue = directory.write(|tx| tx.update_account(&account));
    assert!(matches!(tongue, Err(DirectoryError::Invalid { what: "account", .. })));

    directory.write(|tx| tx.remove_account(ana)).unwrap();
    let gone = directory.write(|tx| tx.remove_account(ana));
    assert!(matches!(gone, Err(DirectoryError::Missing { what: "account", .. })));
    let gone = directory.write(|tx| tx.set_account_state(ana, AccountState::Open));
    assert!(matches!(gone, Err(DirectoryError::Missing { what: "account", .. })));
    assert_ne!(fixture.add("ana@example.org"), ana, "an id never names a second account");
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn accounts_are_given_by_domain_and_address_however_many_there_are() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    directory.write(|tx| tx.add_domain(&domain("a.example"))).unwrap();
    let names: Vec<String> = (0..1001).map(|n| format!("u{n:04}@example.org")).collect();
    directory
        .write(|tx| {
            for name in names.iter().rev() {
                tx.add_account(&NewAccount::new(address(name)))?;
            }
            tx.add_account(&NewAccount::new(address("Zoe@a.example"))).map(|_| ())
        })
        .unwrap();
    let keys = |accounts: Vec<Account>| accounts.iter().map(|a| a.address.key().to_owned()).collect::<Vec<_>>();
    assert_eq!(keys(collect!(directory, for_each_account_of_domain, "example.org")), names);
    let all = keys(collect!(directory, for_each_account));
    assert_eq!(all[0], "zoe@a.example");
    assert_eq!(all[1..], names);

    let mut seen = 0;
    let stopped = directory.for_each_account(|_| {
        seen += 1;
        if seen == 3 { Err(DirectoryError::caller("enough")) } else { Ok(()) }
    });
    assert!(matches!(stopped, Err(DirectoryError::Caller(_))));
    assert_eq!(seen, 3);
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn setting_a_password_opens_a_locked_account_and_no_other() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let id = fixture.add("ana@example.org");
    for (before, after) in [
        (AccountState::Locked, AccountState::Open),
        (AccountState::Open, AccountState::Open),
        (AccountState::Disabled, AccountState::Disabled),
        (AccountState::Closed, AccountState::Closed),
        (AccountState::Sealed, AccountState::Sealed),
    ] {
        set_now(now() + 1);
        directory
            .write(|tx| {
                tx.set_account_state(id, before)?;
                tx.set_password(id, &Secret::new("{PLAIN}x"))
            })
            .unwrap();
        let account = directory.account_by_id(id).unwrap().unwrap();
        assert_eq!((account.state, account.password_set_at), (after, Some(now())));
    }
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn a_forward_goes_with_its_account() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let ana = fixture.add("ana@example.org");
    let forward = Forward { targets: texts(&["b@example.com", "a@example.com"]), keep_copy: true };
    directory.write(|tx| tx.put_forward(ana, &forward)).unwrap();
    assert_eq!(directory.forward(ana).unwrap(), Some(forward.clone()));
    let moved = Forward { keep_copy: false, ..forward };
    directory.write(|tx| tx.put_forward(ana, &moved)).unwrap();
    let mut all = Vec::new();
    directory
        .for_each_forward(|id, forward| {
            all.push((id, forward));
            Ok(())
        })
        .unwrap();
    assert_eq!(all, [(ana, moved)]);

    let empty = Forward { targets: Vec::new(), keep_copy: true };
    let refused = directory.write(|tx| tx.put_forward(ana, &empty));
    assert!(matches!(refused, Err(DirectoryError::Invalid { what: "forward", .. })));
    assert!(directory.write(|tx| tx.remove_forward(ana)).unwrap());
    assert!(!directory.write(|tx| tx.remove_forward(ana)).unwrap());
    directory.write(|tx| tx.put_forward(ana, &Forward { targets: texts(&["x"]), keep_copy: true })).unwrap();
    directory.write(|tx| tx.remove_account(ana)).unwrap();
    assert_eq!(directory.forward(ana).unwrap(), None);
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn one_script_of_an_account_is_active_at_most() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let (ana, eva) = (fixture.add("ana@example.org"), fixture.add("eva@example.org"));
    directory
        .write(|tx| {
            tx.put_script(ana, "work", b"keep;")?;
            tx.put_script(ana, "holiday", b"discard;")?;
            tx.put_script(eva, "work", &[0xff, 0x00])?;
            tx.activate_script(eva, Some("work"))?;
            tx.activate_script(ana, Some("work"))?;
            tx.activate_script(ana, Some("holiday"))
        })
        .unwrap();
    let active = directory.active_script(ana).unwrap().unwrap();
    assert_eq!((active.name.as_str(), active.content.as_slice()), ("holiday", &b"discard;"[..]));
    assert_eq!(directory.active_script(eva).unwrap().unwrap().content, [0xff, 0x00]);

    directory.write(|tx| tx.put_script(ana, "holiday", b"stop;")).unwrap();
    let active = directory.script(ana, "holiday").unwrap().unwrap();
    assert!(active.active, "a new text leaves it active");
    assert_eq!(active.content, b"stop;");
    let names: Vec<String> = directory.scripts(ana).unwrap().into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["holiday", "work"]);

    let sizes: Vec<_> = directory.script_sizes(ana).unwrap().into_iter().map(|s| (s.name, s.bytes, s.active)).collect();
    assert_eq!(sizes, [("holiday".to_owned(), 5, true), ("work".to_owned(), 5, false)]);

    directory.write(|tx| tx.rename_script(ana, "holiday", "août")).unwrap();
    assert_eq!(directory.active_script(ana).unwrap().unwrap().name, "août", "another name leaves it active");
    let taken = directory.write(|tx| tx.rename_script(ana, "août", "work"));
    assert!(matches!(taken, Err(DirectoryError::Exists { what: "script", .. })));
    let unknown = directory.write(|tx| tx.rename_script(ana, "holiday", "b"));
    assert!(matches!(unknown, Err(DirectoryError::Missing { what: "script", .. })));
    let refused = directory.write(|tx| tx.rename_script(ana, "août", ""));
    assert!(matches!(refused, Err(DirectoryError::Invalid { what: "script", .. })));

    let unknown = directory.write(|tx| tx.activate_script(ana, Some("none")));
    assert!(matches!(unknown, Err(DirectoryError::Missing { what: "script", .. })));
    assert!(directory.active_script(ana).unwrap().is_some(), "a failed change leaves the old one active");
    directory.write(|tx| tx.activate_script(ana, None)).unwrap();
    assert_eq!(directory.active_script(ana).unwrap(), None);
    directory.write(|tx| tx.remove_script(ana, "work")).unwrap();
    let gone = directory.write(|tx| tx.remove_script(ana, "work"));
    assert!(matches!(gone, Err(DirectoryError::Missing { what: "script", .. })));
    for wrong in ["", "a\nb"] {
        let refused = directory.write(|tx| tx.put_script(ana, wrong, b""));
        assert!(matches!(refused, Err(DirectoryError::Invalid { what: "script", .. })));
    }
    directory.write(|tx| tx.remove_account(ana)).unwrap();
    assert_eq!(directory.scripts(ana).unwrap(), []);
    assert_eq!(directory.check_consistency().unwrap(), []);
}
