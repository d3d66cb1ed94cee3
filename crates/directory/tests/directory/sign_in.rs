//! Signing in: passwords, states, what is kept of a sign-in.

use crate::{Fixture, address, now, set_now, texts};
use directory::password::{Verdict, verify};
use directory::{
    AccountId, AccountState, AdminCredential, Directory, LAST_LOGIN_GRAIN_S, NewAdmin, Refusal, Secret, SignIn,
};

const PASSWORD: &str = "hierro2602ñ";
/// Of [`PASSWORD`].
const SSHA: &str = "{SSHA}qhVFGgJ+x4skg8EPaCj3xNNRPlKdT+xh";

fn with_hash(fixture: &Fixture, login: &str, hash: &str) -> AccountId {
    let id = fixture.add(login);
    fixture.directory.write(|tx| tx.set_password(id, &Secret::new(hash))).unwrap();
    id
}

fn refusal(directory: &Directory, login: &str, password: &str) -> Option<Refusal> {
    match directory.sign_in(login, password.as_bytes()).unwrap() {
        SignIn::Refused(refusal) => Some(refusal),
        SignIn::Welcome { not_recorded, .. } => {
            assert!(not_recorded.is_none());
            None
        }
    }
}

fn hash_of(directory: &Directory, id: AccountId) -> Secret {
    directory.account_by_id(id).unwrap().unwrap().password_hash.unwrap()
}

#[test]
fn a_good_sign_in_replaces_an_old_hash_once() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let id = with_hash(&fixture, "Ana@example.org", SSHA);
    let set_at = now();
    set_now(now() + 10);
    assert_eq!(refusal(directory, "ana@EXAMPLE.org", "hierro"), Some(Refusal::WrongPassword));
    assert_eq!(hash_of(directory, id).expose(), SSHA, "a wrong password changes nothing");

    assert_eq!(refusal(directory, "ana@EXAMPLE.org", PASSWORD), None);
    let account = directory.account_by_id(id).unwrap().unwrap();
    assert_eq!((account.last_login_at, account.password_set_at), (Some(now()), Some(set_at)));
    let hash = account.password_hash.unwrap();
    let verdict = verify(PASSWORD.as_bytes(), hash.expose(), &address("ana@example.org"));
    assert_eq!(verdict, Verdict::Right { rehash: false });

    assert_eq!(refusal(directory, "ana@example.org", PASSWORD), None);
    assert_eq!(hash_of(directory, id), hash, "a new hash stays");
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn clients_that_poll_do_not_write_each_time() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let hash = directory::password::hash_new(PASSWORD.as_bytes()).unwrap();
    let id = with_hash(&fixture, "ana@example.org", hash.expose());
    let first = now();
    let last_login = || directory.account_by_id(id).unwrap().unwrap().last_login_at;
    assert_eq!(refusal(directory, "ana@example.org", PASSWORD), None);
    assert_eq!(last_login(), Some(first));
    set_now(first + LAST_LOGIN_GRAIN_S - 1);
    assert_eq!(refusal(directory, "ana@example.org", PASSWORD), None);
    assert_eq!(last_login(), Some(first));
    set_now(first + LAST_LOGIN_GRAIN_S);
    assert_eq!(refusal(directory, "ana@example.org", PASSWORD), None);
    assert_eq!(last_login(), Some(now()));
    set_now(first);
    assert_eq!(refusal(directory, "ana@example.org", PASSWORD), None);
    assert_eq!(last_login(), Some(first), "a clock that was put right wins");
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn who_is_refused_and_why() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let id = with_hash(&fixture, "ana@example.org", SSHA);
    assert_eq!(refusal(directory, "eva@example.org", PASSWORD), Some(Refusal::NoSuchLogin));
    assert_eq!(refusal(directory, "no address", PASSWORD), Some(Refusal::NoSuchLogin));
    assert_eq!(refusal(directory, "ana@example.org", ""), Some(Refusal::WrongPassword));
    for (state, expected) in [
        (AccountState::Locked, Refusal::Locked),
        (AccountState::Disabled, Refusal::Disabled),
        (AccountState::Closed, Refusal::Closed),
        (AccountState::Sealed, Refusal::Sealed),
    ] {
        directory.write(|tx| tx.set_account_state(id, state)).unwrap();
        assert_eq!(refusal(directory, "ana@example.org", PASSWORD), Some(expected));
        assert_eq!(refusal(directory, "ana@example.org", "wrong"), Some(Refusal::WrongPassword), "{state:?}");
    }
    directory.write(|tx| tx.set_account_state(id, AccountState::Open)).unwrap();
    let mut domain = directory.domain("example.org").unwrap().unwrap();
    domain.disabled = true;
    directory.write(|tx| tx.update_domain(&domain)).unwrap();
    assert_eq!(refusal(directory, "ana@example.org", PASSWORD), Some(Refusal::DomainDisabled));
    assert_eq!(hash_of(directory, id).expose(), SSHA, "no refused sign-in changes anything");
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn a_hash_that_cannot_be_verified_lets_nobody_in() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let id = with_hash(&fixture, "ana@example.org", "{OTP}sha1 1024 b4f61ab8e37c97ef 6be699e6c4436392");
    assert!(matches!(refusal(directory, "ana@example.org", PASSWORD), Some(Refusal::Unusable(_))));
    directory.write(|tx| tx.set_account_state(id, AccountState::Locked)).unwrap();
    assert_eq!(refusal(directory, "ana@example.org", PASSWORD), Some(Refusal::Locked));
    fixture.add("eva@example.org");
    assert!(matches!(refusal(directory, "eva@example.org", ""), Some(Refusal::Unusable(_))));
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn a_directory_that_cannot_be_written_still_lets_people_in() {
    let fixture = Fixture::new();
    with_hash(&fixture, "ana@example.org", SSHA);
    fixture
        .raw()
        .execute_batch("CREATE TRIGGER full BEFORE UPDATE ON account BEGIN SELECT RAISE(ABORT, 'full'); END")
        .unwrap();
    let SignIn::Welcome { who, not_recorded } =
        fixture.directory.sign_in("ana@example.org", PASSWORD.as_bytes()).unwrap()
    else {
        panic!("refused");
    };
    assert_eq!(who.address, address("ana@example.org"));
    assert!(not_recorded.is_some());
    assert_eq!(fixture.directory.check_consistency().unwrap(), []);
}

#[test]
fn admins_sign_in_with_their_own_password_or_that_of_their_account() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let ana = with_hash(&fixture, "ana@example.org", SSHA);
    let add = |login: &str, credential| {
        let new =
            NewAdmin { login: address(login), credential, domains: texts(&["example.org"]), password_set_at: None };
        directory.write(|tx| tx.add_admin(&new)).unwrap()
    };
    let own = add("jefa@elsewhere.example", AdminCredential::Own(Some(Secret::new(SSHA))));
    add("ana@example.org", AdminCredential::Account(ana));
    add("nobody@example.org", AdminCredential::Own(None));
    let refusal = |login: &str, password: &str| match directory.sign_in_admin(login, password.as_bytes()).unwrap() {
        SignIn::Refused(refusal) => Some(refusal),
        SignIn::Welcome { not_recorded, .. } => {
            assert!(not_recorded.is_none());
            None
        }
    };

    assert_eq!(refusal("jefa@elsewhere.example", "wrong"), Some(Refusal::WrongPassword));
    assert_eq!(refusal("jefa@elsewhere.example", PASSWORD), None);
    let admin = directory.admin(&address("jefa@elsewhere.example")).unwrap().unwrap();
    assert_eq!((admin.id, admin.last_login_at), (own, Some(now())));
    let AdminCredential::Own(Some(hash)) = admin.credential else { panic!("the password is gone") };
    assert!(hash.expose().starts_with("{ARGON2ID}"));

    assert_eq!(refusal("ana@example.org", PASSWORD), None);
    assert!(hash_of(directory, ana).expose().starts_with("{ARGON2ID}"), "the account's hash is the one replaced");
    directory.write(|tx| tx.set_account_state(ana, AccountState::Disabled)).unwrap();
    assert_eq!(refusal("ana@example.org", PASSWORD), Some(Refusal::Disabled));
    assert!(matches!(refusal("nobody@example.org", PASSWORD), Some(Refusal::Unusable(_))));
    assert_eq!(refusal("stranger@example.org", PASSWORD), Some(Refusal::NoSuchLogin));
    assert_eq!(directory.check_consistency().unwrap(), []);
}
