//! Domain admins.

use crate::{Fixture, address, collect, domain, now, texts};
use directory::{AdminCredential, DirectoryError, DomainAdmin, NewAdmin, Secret};
use std::slice;

fn admin(login: &str, domains: &[&str]) -> NewAdmin {
    NewAdmin {
        login: address(login),
        credential: AdminCredential::Own(Some(Secret::new("{PLAIN}x"))),
        domains: texts(domains),
        password_set_at: None,
    }
}

#[test]
fn an_admin_looks_after_domains() {
    let Fixture { directory, place: _place } = Fixture::new();
    directory.write(|tx| tx.add_domain(&domain("example.com"))).unwrap();
    let new = admin("Jefa@elsewhere.example", &["example.org", "example.com"]);
    let id = directory.write(|tx| tx.add_admin(&new)).unwrap();
    let stored = DomainAdmin {
        id,
        login: new.login.clone(),
        credential: new.credential.clone(),
        domains: texts(&["example.com", "example.org"]),
        created_at: now(),
        password_set_at: None,
        last_login_at: None,
    };
    assert_eq!(directory.admin(&address("jefa@elsewhere.example")).unwrap(), Some(stored.clone()));
    assert_eq!(directory.admins_of_domain("example.com").unwrap(), slice::from_ref(&stored));
    assert_eq!(collect!(directory, for_each_admin), slice::from_ref(&stored));

    let changed = DomainAdmin { domains: texts(&["example.org"]), last_login_at: Some(7), ..stored };
    directory.write(|tx| tx.update_admin(&changed)).unwrap();
    assert_eq!(directory.admin(&new.login).unwrap(), Some(changed));
    assert_eq!(directory.admins_of_domain("example.com").unwrap(), []);
    let used = directory.write(|tx| tx.remove_domain("example.org"));
    assert!(matches!(used, Err(DirectoryError::InUse { .. })));

    let taken = directory.write(|tx| tx.add_admin(&admin("jefa@ELSEWHERE.example", &[])));
    assert!(matches!(taken, Err(DirectoryError::Exists { what: "domain admin", .. })));
    let nowhere = directory.write(|tx| tx.add_admin(&admin("otra@example.org", &["example.edu"])));
    assert!(matches!(nowhere, Err(DirectoryError::Dangling { what: "domain admin", .. })));
    directory.write(|tx| tx.remove_admin(id)).unwrap();
    assert_eq!(collect!(directory, for_each_admin), []);
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn an_admin_may_sign_in_with_an_account_which_then_stays() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let ana = fixture.add("ana@example.org");
    let new = NewAdmin { credential: AdminCredential::Account(ana), ..admin("ana@example.org", &["example.org"]) };
    let id = directory.write(|tx| tx.add_admin(&new)).unwrap();
    assert_eq!(directory.admin(&new.login).unwrap().unwrap().credential, AdminCredential::Account(ana));
    let used = directory.write(|tx| tx.remove_account(ana));
    assert!(matches!(used, Err(DirectoryError::InUse { what: "account", .. })));
    let not_theirs = directory.write(|tx| tx.set_admin_password(id, &Secret::new("{PLAIN}y")));
    assert!(matches!(not_theirs, Err(DirectoryError::Missing { .. })));
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn setting_a_password_is_dated() {
    let Fixture { directory, place: _place } = Fixture::new();
    let new = NewAdmin { credential: AdminCredential::Own(None), ..admin("jefa@example.org", &["example.org"]) };
    let id = directory.write(|tx| tx.add_admin(&new)).unwrap();
    let hash = Secret::new("{PLAIN}y");
    directory.write(|tx| tx.set_admin_password(id, &hash)).unwrap();
    let found = directory.admin(&new.login).unwrap().unwrap();
    assert_eq!((found.credential, found.password_set_at), (AdminCredential::Own(Some(hash)), Some(now())));
    assert_eq!(directory.check_consistency().unwrap(), []);
}
