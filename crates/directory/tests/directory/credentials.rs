//! What signing in over the network needs: SCRAM keys, app passwords, switches, networks.

use crate::{Fixture, address, collect, now, set_now};
use directory::password::{ScramKeys, hash_new};
use directory::{
    AccountId, AccountState, Arrival, Directory, DirectoryError, LAST_LOGIN_GRAIN_S, MAX_APP_PASSWORDS, MAX_NETWORKS,
    NETWORK_KNOWN_S, Proven, Refusal, SCRAM_ITERATIONS, Secret, SignIn,
};

const ANA: &str = "ana@example.org";
const PASSWORD: &[u8] = b"hierro2602";
const SSHA: &str = "{SSHA}qhVFGgJ+x4skg8EPaCj3xNNRPlKdT+xh";
/// Of [`SSHA`].
const OLD_PASSWORD: &str = "hierro2602ñ";

/// What a password proves by SCRAM.
fn prove(directory: &Directory, login: &str, password: &[u8]) -> Option<Proven> {
    let challenge = directory.scram_challenge(login).unwrap();
    let keys = ScramKeys::derive(password, &challenge.salt, challenge.iterations);
    challenge.candidates.into_iter().find(|c| c.keys == keys).map(|c| c.proven)
}

fn hash_of(directory: &Directory, id: AccountId) -> Secret {
    directory.account_by_id(id).unwrap().unwrap().password_hash.unwrap()
}

fn arrive(directory: &Directory, proven: &Proven, network: &str, password: Option<&[u8]>) {
    let arrival = Arrival { proven, from: "192.0.2.7", network, protocol: "imap" };
    directory.remember(&arrival, password).unwrap();
}

fn refusal(signed_in: SignIn<directory::Account>) -> Option<Refusal> {
    match signed_in {
        SignIn::Welcome { not_recorded, .. } => {
            assert!(not_recorded.is_none());
            None
        }
        SignIn::Refused(refusal) => Some(refusal),
    }
}

#[test]
fn a_password_that_is_set_in_plain_has_scram_keys() {
    let Fixture { directory, place: _place } = Fixture::new();
    let id = directory.write(|tx| tx.add_account(&directory::NewAccount::new(address(ANA)))).unwrap();
    directory.change_password(id, PASSWORD).unwrap();
    let proven = prove(&directory, "Ana@EXAMPLE.org", PASSWORD).unwrap();
    assert_eq!((proven.account(), proven.app_password()), (id, None));
    assert_eq!(prove(&directory, ANA, b"another"), None);
    assert_eq!(refusal(directory.sign_in_proven(&proven).unwrap()), None);
    assert_eq!(refusal(directory.sign_in(ANA, PASSWORD).unwrap()), None);
    assert_eq!(directory.account_by_id(id).unwrap().unwrap().last_login_at, Some(now()));
    assert!(matches!(directory.change_password(id, b""), Err(DirectoryError::Password(_))));
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn an_imported_password_gets_keys_at_its_next_good_sign_in() {
    let Fixture { directory, place: _place } = Fixture::new();
    let id = directory.write(|tx| tx.add_account(&directory::NewAccount::new(address(ANA)))).unwrap();
    directory.write(|tx| tx.set_password(id, &Secret::new(SSHA))).unwrap();
    assert!(!directory.everybody_has_scram_keys().unwrap());
    assert_eq!(prove(&directory, ANA, OLD_PASSWORD.as_bytes()), None);

    let SignIn::Welcome { who, .. } = directory.sign_in(ANA, OLD_PASSWORD.as_bytes()).unwrap() else { panic!("no") };
    let hash = who.password_hash.unwrap();
    assert_eq!(hash, hash_of(&directory, id), "the hash that the password is right for now");
    arrive(&directory, &Proven::password(id, &hash), "home", Some(OLD_PASSWORD.as_bytes()));
    assert!(prove(&directory, ANA, OLD_PASSWORD.as_bytes()).is_some());
    // The same password as another keyboard types it.
    assert!(prove(&directory, ANA, "hierro2602n\u{303}".as_bytes()).is_some());
    assert!(directory.everybody_has_scram_keys().unwrap());
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn keys_of_a_former_password_let_nobody_in() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let id = fixture.add(ANA);
    directory.change_password(id, PASSWORD).unwrap();
    let proven = prove(directory, ANA, PASSWORD).unwrap();
    let former = hash_of(directory, id);

    // By another way than in plain, as an integration does it.
    directory.write(|tx| tx.set_password(id, &Secret::new(SSHA))).unwrap();
    assert_eq!(prove(directory, ANA, PASSWORD), None);
    assert_eq!(refusal(directory.sign_in_proven(&proven).unwrap()), Some(Refusal::WrongPassword), "proven before that");
    // Whoever signed in with the former password just before: its keys are not kept beside the new hash.
    arrive(directory, &Proven::password(id, &former), "home", Some(PASSWORD));
    assert_eq!(prove(directory, ANA, PASSWORD), None);
    assert_eq!(directory.check_consistency().unwrap(), []);

    // Even if the keys had stayed.
    directory.change_password(id, PASSWORD).unwrap();
    fixture
        .raw()
        .execute_batch(&format!("DROP TRIGGER scram_of_former_hash; UPDATE account SET password_hash = '{SSHA}'"))
        .unwrap();
    assert_eq!(prove(directory, ANA, PASSWORD), None);
    let problems = directory.check_consistency().unwrap();
    assert!(problems.iter().any(|p| p.invariant == "scram"), "{problems:?}");
}

#[test]
fn an_imported_scram_password_serves_at_once() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let id = fixture.add(ANA);
    // What doveadm wrote for "pencil", with the salt of RFC 7677 §3.
    let hash = "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,\
                wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    directory.write(|tx| tx.set_password(id, &Secret::new(hash))).unwrap();
    let challenge = directory.scram_challenge(ANA).unwrap();
    assert_eq!((challenge.iterations.get(), challenge.salt.len()), (4096, 16));
    assert!(prove(directory, ANA, b"pencil").is_some());
    assert!(directory.everybody_has_scram_keys().unwrap());
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn a_login_that_is_nobodys_is_answered_like_one() {
    let fixture = Fixture::new();
    let id = fixture.add(ANA);
    let before = fixture.directory.scram_challenge(ANA).unwrap();
    let nobody = fixture.directory.scram_challenge("nobody@example.org").unwrap();
    assert_eq!((nobody.salt.len(), nobody.iterations), (before.salt.len(), SCRAM_ITERATIONS));
    assert_ne!(nobody.salt, before.salt);
    assert_eq!(fixture.directory.scram_challenge("NOBODY@example.org").unwrap().salt, nobody.salt);
    for odd in ["", "no address", "\0", &"x".repeat(5000)] {
        assert!(fixture.directory.scram_challenge(odd).unwrap().candidates.is_empty());
    }
    let fixture = fixture.reopen();
    assert_eq!(fixture.directory.scram_challenge("nobody@example.org").unwrap().salt, nobody.salt, "for ever");
    fixture.directory.change_password(id, PASSWORD).unwrap();
    assert_eq!(fixture.directory.scram_challenge(ANA).unwrap().salt, before.salt, "keys do not show in the salt");
    assert_eq!(fixture.directory.check_consistency().unwrap(), []);
}

#[test]
fn accounts_that_need_no_keys_do_not_count() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    assert!(directory.everybody_has_scram_keys().unwrap());
    fixture.add("no-password@example.org");
    let locked = fixture.add("locked@example.org");
    let unusable = fixture.add("unusable@example.org");
    directory
        .write(|tx| {
            tx.set_password(unusable, &Secret::new("{OTP}sha1 1024 b4f61ab8e37c97ef 6be699e6c4436392"))?;
            tx.set_password(locked, &Secret::new(SSHA))?;
            tx.set_account_state(locked, AccountState::Locked)
        })
        .unwrap();
    assert!(directory.everybody_has_scram_keys().unwrap());
    directory.write(|tx| tx.set_account_state(locked, AccountState::Open)).unwrap();
    assert!(!directory.everybody_has_scram_keys().unwrap());
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn an_app_password_lets_its_device_in_until_it_is_removed() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let id = fixture.add(ANA);
    let other = fixture.add("eva@example.org");
    directory.write(|tx| tx.set_password(id, &hash_new(PASSWORD)?)).unwrap();
    let (phone, secret) = directory.add_app_password(id, "Teléfono", ANA).unwrap();
    let (tablet, other_secret) = directory.add_app_password(id, "Tablet", ANA).unwrap();
    assert!(secret.expose().len() >= 16 && secret != other_secret);

    let typed = secret.expose().to_uppercase();
    let proven = directory.try_app_password(id, typed.as_bytes()).unwrap().unwrap();
    assert_eq!(proven.app_password(), Some(phone));
    assert_eq!(directory.try_app_password(other, typed.as_bytes()).unwrap(), None, "it is not Eva's");
    assert_eq!(directory.try_app_password(id, PASSWORD).unwrap(), None);
    assert_eq!(directory.try_app_password(id, b"00000000000000000000").unwrap(), None);
    let by_scram = prove(directory, ANA, secret.expose().as_bytes()).unwrap();
    assert_eq!(by_scram, proven);
    assert_eq!(refusal(directory.sign_in_proven(&proven).unwrap()), None);
    assert_eq!(refusal(directory.sign_in(ANA, typed.as_bytes()).unwrap()), Some(Refusal::WrongPassword));

    let last_use = |id| directory.app_password(id).unwrap().unwrap().last_use.map(|u| (u.at, u.from, u.protocol));
    let first = now();
    arrive(directory, &proven, "home", None);
    assert_eq!(last_use(phone), Some((first, "192.0.2.7".to_owned(), "imap".to_owned())));
    set_now(first + LAST_LOGIN_GRAIN_S - 1);
    arrive(directory, &proven, "home", None);
    assert_eq!(last_use(phone).unwrap().0, first, "clients that poll do not write each time");
    set_now(first + LAST_LOGIN_GRAIN_S);
    arrive(directory, &proven, "home", None);
    assert_eq!(last_use(phone).unwrap().0, now());
    assert_eq!(last_use(tablet), None);

    directory.write(|tx| tx.set_account_state(id, AccountState::Disabled)).unwrap();
    assert_eq!(refusal(directory.sign_in_proven(&proven).unwrap()), Some(Refusal::Disabled));
    directory.write(|tx| tx.set_account_state(id, AccountState::Open)).unwrap();
    directory.remove_app_password(phone, "admin@example.org").unwrap();
    assert!(matches!(directory.remove_app_password(phone, ANA), Err(DirectoryError::Missing { .. })));
    assert_eq!(refusal(directory.sign_in_proven(&proven).unwrap()), Some(Refusal::WrongPassword));
    assert_eq!(directory.try_app_password(id, typed.as_bytes()).unwrap(), None);
    let labels: Vec<String> = directory.app_passwords(id).unwrap().into_iter().map(|a| a.label).collect();
    assert_eq!(labels, ["Tablet"]);

    let audits = collect!(directory, for_each_audit_of, ANA);
    let told: Vec<(&str, &str)> = audits.iter().map(|a| (a.actor.as_str(), a.action.as_str())).collect();
    let add = (ANA, "app-password.add");
    assert_eq!(told, [add, add, ("admin@example.org", "app-password.remove")]);
    assert!(audits.iter().all(|a| !a.detail.contains(secret.expose())));
    assert_eq!(audits[2].detail, r#"{"app_password":1,"label":"Teléfono"}"#);
    directory.write(|tx| tx.remove_account(id)).unwrap();
    assert_eq!(collect!(directory, for_each_app_password), []);
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn an_account_has_so_many_app_passwords_and_no_more() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let id = fixture.add(ANA);
    for label in ["", " ", "a\nb", &"x".repeat(129)] {
        assert!(matches!(directory.add_app_password(id, label, ANA), Err(DirectoryError::Invalid { .. })), "{label:?}");
    }
    let nobody = AccountId::new_unchecked(1000);
    assert!(matches!(directory.add_app_password(nobody, "x", ANA), Err(DirectoryError::Missing { .. })));
    directory.add_app_password(id, "first", ANA).unwrap();
    let copies =
        "INSERT INTO app_password (account_id, label, hash_salt, hash, salt, iterations, stored_key, server_key,
        created_at) SELECT account_id, label, hash_salt, hash, salt, iterations, stored_key, server_key, created_at
        FROM app_password WHERE id = 1";
    for _ in 1..MAX_APP_PASSWORDS {
        fixture.raw().execute_batch(copies).unwrap();
    }
    assert!(matches!(directory.add_app_password(id, "another", ANA), Err(DirectoryError::Invalid { .. })));
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn switches_are_kept_in_capitals() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let id = fixture.add(ANA);
    assert!(directory.write(|tx| tx.switch_off(id, "qresync")).unwrap());
    assert!(!directory.write(|tx| tx.switch_off(id, "QResync")).unwrap(), "it was off");
    assert!(directory.write(|tx| tx.switch_off(id, "COMPRESS=DEFLATE")).unwrap());
    assert_eq!(directory.switched_off(id).unwrap(), ["COMPRESS=DEFLATE", "QRESYNC"]);
    for wrong in ["", "A B", "Ñ", "A\"", &"X".repeat(65)] {
        let refused = directory.write(|tx| tx.switch_off(id, wrong));
        assert!(matches!(refused, Err(DirectoryError::Invalid { what: "switch", .. })), "{wrong:?}");
    }
    let nobody = AccountId::new_unchecked(1000);
    assert!(matches!(directory.write(|tx| tx.switch_off(nobody, "IDLE")), Err(DirectoryError::Dangling { .. })));
    assert!(directory.write(|tx| tx.switch_on(id, "Qresync")).unwrap());
    assert!(!directory.write(|tx| tx.switch_on(id, "QRESYNC")).unwrap());
    assert_eq!(collect!(directory, for_each_switch), [(id, "COMPRESS=DEFLATE".to_owned())]);
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn a_network_is_known_for_five_weeks_after_the_last_good_sign_in() {
    let fixture = Fixture::new();
    let directory = &fixture.directory;
    let id = fixture.add(ANA);
    let other = fixture.add("eva@example.org");
    directory.write(|tx| tx.set_password(id, &Secret::new(SSHA))).unwrap();
    let proven = Proven::password(id, &Secret::new(SSHA));
    let first = now();
    assert!(!directory.knows_network(id, "home").unwrap());
    arrive(directory, &proven, "home", None);
    assert!(directory.knows_network(id, "home").unwrap());
    assert!(!directory.knows_network(id, "elsewhere").unwrap());
    assert!(!directory.knows_network(other, "home").unwrap());
    set_now(first + NETWORK_KNOWN_S - 1);
    assert!(directory.knows_network(id, "home").unwrap());
    set_now(first + NETWORK_KNOWN_S);
    assert!(!directory.knows_network(id, "home").unwrap());

    for number in 0..MAX_NETWORKS + 10 {
        set_now(now() + 1);
        arrive(directory, &proven, &format!("hotel {number}"), None);
    }
    let known = (0..MAX_NETWORKS + 10).filter(|n| directory.knows_network(id, &format!("hotel {n}")).unwrap());
    assert!(known.eq(10..MAX_NETWORKS + 10), "the latest stay");
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn a_directory_of_the_former_schema_is_brought_up_to_date() {
    let fixture = Fixture::new();
    let id = fixture.add(ANA);
    fixture.directory.write(|tx| tx.set_password(id, &Secret::new(SSHA))).unwrap();
    fixture
        .raw()
        .execute_batch(
            "DROP TABLE secret; DROP TRIGGER scram_of_former_hash; DROP TABLE scram; DROP TABLE app_password;
            DROP TABLE account_switch; DROP TABLE account_network; DROP TABLE settings_script; DROP TABLE sieve_seen;
            DROP TABLE dkim_key; CREATE TABLE forward (account_id INTEGER, targets TEXT, keep_copy INTEGER);
            DELETE FROM schema_migration WHERE number >= 2",
        )
        .unwrap();
    let fixture = fixture.reopen();
    assert_eq!(hash_of(&fixture.directory, id).expose(), SSHA);
    assert!(fixture.directory.add_app_password(id, "Teléfono", ANA).is_ok());
    assert_eq!(fixture.directory.check_consistency().unwrap(), []);
}

#[test]
fn a_new_password_has_keys_as_strong_as_any_whatever_was_imported_before() {
    let Fixture { directory, place: _place } = Fixture::new();
    let mut ana = directory::NewAccount::new(address(ANA));
    // Of "pencil", with the salt and the iterations of RFC 7677 §3.
    ana.password_hash = Some(Secret::new(
        "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,\
         wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    ));
    let id = directory.write(|tx| tx.add_account(&ana)).unwrap();
    assert_eq!(directory.scram_challenge(ANA).unwrap().iterations.get(), 4096);
    assert!(prove(&directory, ANA, b"pencil").is_some());
    directory.change_password(id, PASSWORD).unwrap();
    assert_eq!(directory.scram_challenge(ANA).unwrap().iterations, SCRAM_ITERATIONS);
    assert!(prove(&directory, ANA, PASSWORD).is_some());

    let (_, app) = directory.add_app_password(id, "Phone", ANA).unwrap();
    directory.change_password(id, b"another").unwrap();
    assert!(prove(&directory, ANA, b"another").is_some());
    assert!(prove(&directory, ANA, app.expose().as_bytes()).is_some(), "one salt still serves both");
    assert_eq!(directory.check_consistency().unwrap(), []);
}

#[test]
fn what_was_proven_prints_nothing_of_the_hash() {
    let (id, hash) = (AccountId::new_unchecked(7), Secret::new("{PLAIN}hierro2602"));
    let proven = format!("{:?}", Proven::password(id, &hash));
    assert_eq!(proven, "Proven { account: AccountId(7), by: Password(..) }");
}
