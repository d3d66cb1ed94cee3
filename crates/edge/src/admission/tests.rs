//! Signing in, as drivers see it.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::fixture::{ANA, PASSWORD, Platform, peer};
use crate::sasl::scram_client::Client;
use crate::sasl::{Exchange, Step};
use directory::{AccountState, Secret};
use std::time::Duration;

const HOME: &str = "198.51.100.7";
const ATTACKER: &str = "203.0.113.66";

impl Platform {
    async fn plain(&self, login: &str, password: &str, from: &str) -> Result<SignedIn, SignInError> {
        let attempt = Attempt::plain(login, password);
        self.services.admission.sign_in(&self.services, &peer(from), attempt).await
    }

    async fn error(&self, login: &str, password: &str, from: &str) -> Option<SignInError> {
        self.plain(login, password, from).await.err()
    }

    /// Signs in with SCRAM; whoever is let in has seen the server's proof.
    async fn scram(&self, mut client: Client, from: &str) -> Result<SignedIn, SignInError> {
        let mechanism = if client.binding.is_empty() { "SCRAM-SHA-256" } else { "SCRAM-SHA-256-PLUS" };
        let peer = peer(from);
        let (mut exchange, step) = Exchange::start(&self.services, mechanism, &peer, Some(&client.first()));
        let Step::Challenge(server_first) = step else { panic!("{step:?}") };
        let Step::Verify(attempt) = exchange.answer(&client.last(&server_first)) else { panic!("nothing to verify") };
        let signed_in = self.services.admission.sign_in(&self.services, &peer, attempt).await?;
        let Step::Challenge(server_final) = exchange.accepted() else { panic!("no proof of the server") };
        assert!(client.believes(&server_final));
        assert!(matches!(exchange.answer(b""), Step::Done));
        Ok(signed_in)
    }

    /// Wrong passwords from an address until it has to wait.
    async fn guess_until_barred(&self, login: &str, from: &str) {
        for guess in 0..100 {
            if self.error(login, &format!("guess {guess}"), from).await == Some(SignInError::TryLater) {
                return;
            }
        }
        panic!("nobody was barred");
    }
}

#[tokio::test]
async fn whoever_signs_in_finds_their_mail() {
    let platform = Platform::new();
    let id = platform.add_imported(ANA, PASSWORD);
    platform.services.directory.write(|tx| tx.switch_off(id, "qresync")).unwrap();
    let ana = platform.plain("Ana@EXAMPLE.org", PASSWORD, HOME).await.unwrap();
    assert_eq!((ana.account.id, ana.mail.address.as_str()), (id, ANA));
    assert_eq!(ana.switched_off, ["QRESYNC"]);
    let boxes = ana.cell.read(|view| view.mailboxes(ana.mail.id)).unwrap();
    assert_eq!(boxes.len(), 1, "an INBOX");
    assert!(platform.services.directory.knows_network(id, &peer(HOME).networks().narrow.to_string()).unwrap());
    platform.check();
}

#[tokio::test]
async fn who_is_not_let_in_and_what_they_are_told() {
    let platform = Platform::new();
    let id = platform.add_imported(ANA, PASSWORD);
    assert_eq!(platform.error(ANA, "another", HOME).await, Some(SignInError::Wrong));
    assert_eq!(platform.error(ANA, "", HOME).await, Some(SignInError::Wrong));
    assert_eq!(platform.error("nobody@example.org", PASSWORD, HOME).await, Some(SignInError::Wrong));
    assert_eq!(platform.error("no address", PASSWORD, HOME).await, Some(SignInError::Wrong));
    for (state, refusal) in [
        (AccountState::Disabled, Refusal::Disabled),
        (AccountState::Locked, Refusal::Locked),
        (AccountState::Closed, Refusal::Closed),
        (AccountState::Sealed, Refusal::Sealed),
    ] {
        platform.services.directory.write(|tx| tx.set_account_state(id, state)).unwrap();
        assert_eq!(platform.error(ANA, PASSWORD, HOME).await, Some(SignInError::Refused(refusal)));
        assert_eq!(platform.error(ANA, "another", HOME).await, Some(SignInError::Wrong), "nobody else is told");
    }
    let mut insecure = peer(HOME);
    insecure.secure = false;
    let attempt = Attempt::plain(ANA, PASSWORD);
    let error = platform.services.admission.sign_in(&platform.services, &insecure, attempt).await.unwrap_err();
    assert_eq!(error, SignInError::Insecure);
    platform.check();
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_answered_after_a_while() {
    let platform = Platform::with(|policy| policy.failure_delay = Duration::from_secs(2));
    platform.add_imported(ANA, PASSWORD);
    let begin = tokio::time::Instant::now();
    assert!(platform.plain(ANA, PASSWORD, HOME).await.is_ok());
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(platform.error(ANA, "another", HOME).await, Some(SignInError::Wrong));
    assert!(begin.elapsed() >= Duration::from_secs(2));
}

/// Else a clock tells the accounts with slow hashes from those with fast ones, and both from logins that are nobody's.
#[tokio::test(start_paused = true)]
async fn how_long_a_check_took_shows_in_no_answer() {
    let delay = Duration::from_secs(2);
    let platform = Platform::with(|policy| policy.failure_delay = delay);
    platform.add_imported(ANA, PASSWORD);
    for (wait_ms, delays) in [(0, 1), (700, 1), (1999, 1), (2500, 2)] {
        let busy = platform.services.admission.hashing.take_all();
        let begin = tokio::time::Instant::now();
        let free = async {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            drop(busy);
        };
        let wrong = format!("wrong {wait_ms}");
        let ((), error) = tokio::join!(free, platform.error(ANA, &wrong, HOME));
        assert_eq!(error, Some(SignInError::Wrong));
        assert_eq!(begin.elapsed().as_millis(), (delay * delays).as_millis(), "after {wait_ms} ms");
    }
    assert_eq!(whole_delays(Duration::from_secs(5), Duration::ZERO), Duration::ZERO);
    assert_eq!(whole_delays(Duration::from_secs(4), delay), Duration::from_secs(6));
}

/// What anybody is told of a locked account is told to anybody, but not of a thousand accounts a minute.
#[tokio::test]
async fn asking_around_for_locked_accounts_is_held_up() {
    let platform = Platform::new();
    for number in 0..40 {
        let id = platform.add_imported(&format!("user{number}@example.org"), PASSWORD);
        let shut = |tx: &mut directory::Tx<'_>| {
            tx.set_password(id, &Secret::new("{CRYPT}!"))?;
            tx.set_account_state(id, AccountState::Locked)
        };
        platform.services.directory.write(shut).unwrap();
    }
    let mut told = 0;
    for number in 0..40 {
        match platform.error(&format!("user{number}@example.org"), "any", ATTACKER).await {
            Some(SignInError::Refused(Refusal::Locked)) => told += 1,
            other => assert_eq!(other, Some(SignInError::TryLater)),
        }
    }
    assert!((1..=25).contains(&told), "{told}");
    let elsewhere = platform.error("user39@example.org", PASSWORD, HOME).await;
    assert_eq!(elsewhere, Some(SignInError::Refused(Refusal::Locked)));
    platform.check();
}

#[tokio::test]
async fn one_password_on_many_connections_is_hashed_once() {
    let platform = Arc::new(Platform::new());
    platform.add(ANA, PASSWORD);
    let used = Arc::clone(&platform.services.admission.hashing.used);
    // One permit is left, so that they come one after the other.
    let mut busy = platform.services.admission.hashing.take_all();
    drop(busy.remove(0));
    for (round, password) in [PASSWORD, "another"].into_iter().enumerate() {
        let mut arrivals = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let platform = Arc::clone(&platform);
            arrivals.spawn(async move { platform.plain(ANA, password, HOME).await.is_ok() });
        }
        assert!(arrivals.join_all().await.iter().all(|is_in| *is_in == (round == 0)));
        assert_eq!(used.load(std::sync::atomic::Ordering::SeqCst), round + 1);
    }
    platform.check();
}

#[tokio::test]
async fn the_owner_gets_in_whatever_others_try() {
    let platform = Platform::new();
    platform.add_imported(ANA, PASSWORD);
    platform.guess_until_barred(ANA, ATTACKER).await;
    assert_eq!(platform.error(ANA, PASSWORD, ATTACKER).await, Some(SignInError::TryLater));
    assert!(platform.plain(ANA, PASSWORD, HOME).await.is_ok());
    assert!(platform.plain(ANA, PASSWORD, "192.0.2.1").await.is_ok());
    platform.pass_s(86_400);
    assert!(platform.plain(ANA, PASSWORD, ATTACKER).await.is_ok(), "nobody waits for ever");
    platform.check();
}

#[tokio::test]
async fn a_network_that_the_owner_came_from_does_not_wait_for_neighbours() {
    let platform = Platform::new();
    platform.add_imported(ANA, PASSWORD);
    assert!(platform.plain(ANA, PASSWORD, HOME).await.is_ok());
    for number in 0..40 {
        platform.error(&format!("user{number}@example.org"), "Summer2026", HOME).await;
    }
    assert_eq!(platform.error("eva@example.org", "x", HOME).await, Some(SignInError::TryLater));
    assert!(platform.plain(ANA, PASSWORD, HOME).await.is_ok());
    platform.check();
}

#[tokio::test]
async fn an_app_password_is_let_in_even_from_a_barred_network() {
    let platform = Platform::new();
    let id = platform.add(ANA, PASSWORD);
    let (app, secret) = platform.services.directory.add_app_password(id, "Teléfono", ANA).unwrap();
    platform.guess_until_barred(ANA, HOME).await;
    assert_eq!(platform.error(ANA, PASSWORD, HOME).await, Some(SignInError::TryLater));
    assert!(platform.plain(ANA, secret.expose(), HOME).await.is_ok());
    assert!(platform.scram(Client::new(ANA, secret.expose()), HOME).await.is_ok());
    let used = platform.services.directory.app_password(app).unwrap().unwrap().last_use.unwrap();
    assert_eq!((used.from.as_str(), used.protocol.as_str()), (HOME, "imap"));
    platform.services.directory.remove_app_password(app, ANA).unwrap();
    assert!(platform.plain(ANA, secret.expose(), HOME).await.is_err());
    platform.check();
}

#[tokio::test(start_paused = true)]
async fn those_who_were_in_lately_do_not_wait_for_a_hash() {
    let platform = Platform::new();
    let id = platform.add(ANA, PASSWORD);
    platform.add("eva@example.org", PASSWORD);
    assert!(platform.plain(ANA, PASSWORD, HOME).await.is_ok());
    let busy = platform.services.admission.hashing.take_all();
    assert!(platform.plain(ANA, PASSWORD, HOME).await.is_ok());
    assert_eq!(platform.error("eva@example.org", PASSWORD, HOME).await, Some(SignInError::Busy));

    // A changed password and a changed state are seen at once.
    platform.services.directory.write(|tx| tx.set_account_state(id, AccountState::Disabled)).unwrap();
    assert_eq!(platform.error(ANA, PASSWORD, HOME).await, Some(SignInError::Refused(Refusal::Disabled)));
    platform.services.directory.write(|tx| tx.set_account_state(id, AccountState::Open)).unwrap();
    platform.services.directory.write(|tx| tx.set_password(id, &Secret::new("{PLAIN}another"))).unwrap();
    assert_eq!(platform.error(ANA, PASSWORD, HOME).await, Some(SignInError::Busy), "it has to be hashed");
    drop(busy);
    assert_eq!(platform.error(ANA, PASSWORD, HOME).await, Some(SignInError::Wrong));
    assert!(platform.plain(ANA, "another", HOME).await.is_ok());
    platform.pass_s(3600);
    let busy = platform.services.admission.hashing.take_all();
    assert_eq!(platform.error(ANA, "another", HOME).await, Some(SignInError::Busy), "it was a while ago");
    drop(busy);
    platform.check();
}

#[tokio::test]
async fn those_who_are_in_do_not_wait_for_those_who_sign_in() {
    let platform = Arc::new(Platform::with(|policy| policy.scram = ScramOffer::Never));
    for number in 0..30 {
        platform.add_imported(&format!("user{number}@example.org"), PASSWORD);
    }
    platform.add_imported(ANA, PASSWORD);
    let ana = platform.plain(ANA, PASSWORD, HOME).await.unwrap();
    let busy = platform.services.admission.hashing.take_all();
    let mut arrivals = tokio::task::JoinSet::new();
    for number in 0..30 {
        let platform = Arc::clone(&platform);
        arrivals
            .spawn(async move { platform.plain(&format!("user{number}@example.org"), PASSWORD, HOME).await.is_ok() });
    }
    tokio::task::yield_now().await;
    let boxes = platform.services.run(move || ana.cell.read(|view| view.mailboxes(ana.mail.id)).unwrap().len()).await;
    assert_eq!(boxes, 1, "while thirty wait");
    drop(busy);
    assert!(arrivals.join_all().await.iter().all(|is_in| *is_in), "and then they are in, every one");
    platform.check();
}

#[tokio::test]
async fn an_account_has_so_many_sessions() {
    let platform = Platform::with(|policy| policy.max_sessions_per_account = 2);
    platform.add_imported(ANA, PASSWORD);
    platform.add_imported("eva@example.org", PASSWORD);
    let one = platform.plain(ANA, PASSWORD, HOME).await.unwrap();
    let _two = platform.plain(ANA, PASSWORD, HOME).await.unwrap();
    assert_eq!(platform.error(ANA, PASSWORD, HOME).await, Some(SignInError::TooManySessions));
    assert!(platform.plain("eva@example.org", PASSWORD, HOME).await.is_ok());
    drop(one);
    assert!(platform.plain(ANA, PASSWORD, HOME).await.is_ok());
}

#[tokio::test]
async fn scram_lets_in_who_knows_the_password() {
    let platform = Platform::new();
    let id = platform.add(ANA, PASSWORD);
    let bound = || Client::new(ANA, PASSWORD).bound(&[7; 32]);
    assert_eq!(platform.scram(Client::new(ANA, PASSWORD), HOME).await.unwrap().account.id, id);
    assert_eq!(platform.scram(bound(), HOME).await.unwrap().account.id, id);
    assert_eq!(platform.scram(Client::new(ANA, "another"), HOME).await.unwrap_err(), SignInError::Wrong);
    let nobody = Client::new("nobody@example.org", PASSWORD);
    assert_eq!(platform.scram(nobody, HOME).await.unwrap_err(), SignInError::Wrong);

    platform.services.directory.write(|tx| tx.set_account_state(id, AccountState::Sealed)).unwrap();
    assert_eq!(platform.scram(bound(), HOME).await.unwrap_err(), SignInError::Refused(Refusal::Sealed));
    platform.services.directory.write(|tx| tx.set_account_state(id, AccountState::Open)).unwrap();
    platform.services.directory.write(|tx| tx.set_password(id, &Secret::new("{PLAIN}another"))).unwrap();
    assert_eq!(platform.scram(bound(), HOME).await.unwrap_err(), SignInError::Wrong, "keys of a former password");
    assert!(platform.plain(ANA, "another", HOME).await.is_ok());
    assert!(platform.scram(Client::new(ANA, "another"), HOME).await.is_ok(), "a good sign-in made new keys");
    platform.check();
}

#[tokio::test]
async fn guessing_by_scram_waits_too() {
    let platform = Platform::new();
    platform.add(ANA, PASSWORD);
    let mut tries = 0;
    while platform.scram(Client::new(ANA, "the same wrong one"), ATTACKER).await.unwrap_err() == SignInError::Wrong {
        tries += 1;
    }
    assert!((1..20).contains(&tries), "{tries}");
    assert_eq!(platform.scram(Client::new(ANA, PASSWORD), ATTACKER).await.unwrap_err(), SignInError::TryLater);
    assert_eq!(platform.error(ANA, PASSWORD, ATTACKER).await, Some(SignInError::TryLater));
    assert!(platform.scram(Client::new(ANA, PASSWORD), HOME).await.is_ok());
}

#[tokio::test]
async fn a_telephone_with_an_old_password_does_not_shut_its_own_home_by_scram_either() {
    let platform = Platform::new();
    let id = platform.add(ANA, PASSWORD);
    let (telephone, secret) = platform.services.directory.add_app_password(id, "Teléfono", ANA).unwrap();
    assert!(platform.scram(Client::new(ANA, PASSWORD), HOME).await.is_ok());
    platform.services.directory.change_password(id, b"another").unwrap();
    platform.services.directory.remove_app_password(telephone, ANA).unwrap();
    for _ in 0..40 {
        for old in [PASSWORD, secret.expose()] {
            assert_eq!(platform.scram(Client::new(ANA, old), HOME).await.unwrap_err(), SignInError::Wrong);
        }
        assert!(platform.scram(Client::new(ANA, "another"), HOME).await.is_ok(), "the owner's other programs");
        platform.pass_s(5);
    }
    // It tells whoever guesses nothing: guesses beside it count.
    platform.guess_until_barred(ANA, HOME).await;
    assert_eq!(platform.scram(Client::new(ANA, "another"), HOME).await.unwrap_err(), SignInError::TryLater);
    platform.check();
}

#[tokio::test]
async fn a_proof_that_is_overtaken_by_a_new_password_is_worth_nothing() {
    let platform = Platform::new();
    let id = platform.add(ANA, PASSWORD);
    let (peer, mut client) = (peer(HOME), Client::new(ANA, PASSWORD));
    let (mut exchange, step) = Exchange::start(&platform.services, "scram-sha-256", &peer, Some(&client.first()));
    let Step::Challenge(server_first) = step else { panic!("{step:?}") };
    let Step::Verify(attempt) = exchange.answer(&client.last(&server_first)) else { panic!("nothing to verify") };
    platform.services.directory.change_password(id, b"another").unwrap();
    let outcome = platform.services.admission.sign_in(&platform.services, &peer, attempt).await;
    assert_eq!(outcome.unwrap_err(), SignInError::Wrong);
    platform.check();
}

#[tokio::test]
async fn scram_is_offered_when_everybody_can() {
    let all = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"];
    let platform = Platform::new();
    platform.add(ANA, PASSWORD);
    assert_eq!(platform.services.mechanisms(&peer(HOME)), all);
    let mut unbound = peer(HOME);
    unbound.channel_binding = None;
    assert_eq!(platform.services.mechanisms(&unbound), all[1..]);
    unbound.secure = false;
    assert_eq!(platform.services.mechanisms(&unbound), [""; 0]);

    let platform = Platform::new();
    platform.add_imported(ANA, PASSWORD);
    assert_eq!(platform.services.mechanisms(&peer(HOME)), all[2..], "Ana could not");
    let platform = Platform::with(|policy| policy.scram = ScramOffer::Never);
    platform.add(ANA, PASSWORD);
    assert_eq!(platform.services.mechanisms(&peer(HOME)), all[2..]);
    let (_, step) = Exchange::start(&platform.services, "SCRAM-SHA-256", &peer(HOME), None);
    assert!(matches!(step, Step::Refused(crate::sasl::Refused::Mechanism)));
    let (_, step) = Exchange::start(&platform.services, "CRAM-MD5", &peer(HOME), None);
    assert!(matches!(step, Step::Refused(crate::sasl::Refused::Mechanism)));
    let (_, step) = Exchange::start(&platform.services, "PLAIN", &unbound, None);
    assert!(matches!(step, Step::Refused(crate::sasl::Refused::Insecure)));
}

#[tokio::test]
async fn a_password_is_right_however_its_letters_are_composed() {
    for (set, typed) in
        [("se\u{f1}al", "sen\u{303}al"), ("sen\u{303}al", "sen\u{303}al"), ("\u{2168}ñ", "\u{2168}n\u{303}")]
    {
        let platform = Platform::new();
        platform.add_imported(ANA, set);
        assert!(platform.plain(ANA, typed, HOME).await.is_ok(), "{set:?} {typed:?}");
        assert!(platform.plain(ANA, typed, HOME).await.is_ok(), "{set:?} {typed:?} again");
        assert_eq!(platform.error(ANA, "senal", HOME).await, Some(SignInError::Wrong));
    }
}

#[tokio::test]
async fn a_session_hears_of_what_another_commits() {
    let platform = Platform::new();
    platform.add_imported(ANA, PASSWORD);
    let ana = platform.plain(ANA, PASSWORD, HOME).await.unwrap();
    let mut watch = platform.services.hub.watch(ana.cell.number(), ana.mail.id);
    let other = platform.plain(ANA, PASSWORD, HOME).await.unwrap();
    let name = message::MailboxName::from_levels(["Facturas"]).unwrap();
    let created = platform.services.run(move || other.cell.create_served(other.mail.id, &name, None).unwrap()).await;
    assert!(created.is_ok());
    watch.changed().await;
}
