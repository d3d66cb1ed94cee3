//! Certificates come, are shown, and are kept (RFC 8555, RFC 8737).

use crate::proxy::Fault;
use crate::world::{world, world_of_short_lives};
use acme::Kind;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::os::unix::fs::PermissionsExt;
use testkit::dns_server::Failure;

const BOTH: [Kind; 2] = [Kind::Http01, Kind::TlsAlpn01];

#[tokio::test(flavor = "multi_thread")]
async fn each_challenge_brings_certificates_that_are_shown_at_once_and_after_a_restart() {
    for kind in BOTH {
        let Some(world) = world().await else { return };
        let certificates: [&[&str]; 2] = [&["mail.example.org", "imap.example.org"], &["mx.example.com"]];
        let settings = world.settings(&certificates, &[kind]);
        let running = world.run(settings.clone()).await;
        let own = running.shows("mail.example.org").await;
        let whole = |states: &[acme::State]| states.len() == 2 && states.iter().all(|state| state.failures == 0);
        let states = world.states_when("both are issued", whole).await;
        assert_eq!(states[0].names, ["mail.example.org", "imap.example.org"]);
        let certificate = states[0].certificate.clone().unwrap();
        assert!(certificate.covers("mail.example.org") && certificate.covers("imap.example.org"));
        assert!(
            states[0].next_attempt_s > certificate.not_before_s && states[0].next_attempt_s < certificate.not_after_s
        );

        let kept = |name: &str| world.kept_in().join(name);
        let first = CertificateDer::from_pem_file(kept("mail.example.org.pem")).unwrap();
        assert_ne!(first, own);
        assert_eq!(running.shows("imap.example.org").await, first);
        let mx = CertificateDer::from_pem_file(kept("mx.example.com.pem")).unwrap();
        assert_eq!(running.shows("mx.example.com").await, mx);
        assert_ne!(running.shows("unknown.example.net").await, own, "a real one goes before our own");
        for name in ["account.json", "mail.example.org.pem", "mail.example.org.json"] {
            let mode = std::fs::metadata(kept(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        running.end().await;

        // Started again, it has nothing to do.
        let asked = || ["/order-plz", "/sign-me-up"].map(|path| world.proxy.asked(path));
        let before = asked();
        let running = world.run(settings).await;
        assert_eq!(running.shows("mail.example.org").await, first);
        assert_eq!(running.shows("unknown.example.net").await, first, "the first of the configuration");
        running.end().await;
        assert_eq!(asked(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_point_here_fails_alone() {
    let Some(world) = world().await else { return };
    world.dns.fail("late.example.org", Failure::NoSuchName);
    let certificates: [&[&str]; 2] = [&["late.example.org", "mail.example.org"], &["mx.example.com"]];
    let running = world.run(world.settings(&certificates, &BOTH)).await;
    let states = world
        .states_when("what can be had is there", |states| {
            states.len() == 2 && states.iter().all(|state| state.certificate.is_some())
        })
        .await;
    assert!(states[0].certificate.as_ref().unwrap().covers("mail.example.org"));
    assert!(!states[0].certificate.as_ref().unwrap().covers("late.example.org"));
    assert_eq!(states[0].refused.len(), 1, "{states:#?}");
    assert_eq!(states[0].refused[0].name, "late.example.org");
    assert!(states[0].refused[0].reason.contains("late.example.org"), "{states:#?}");
    assert!(states[1].certificate.as_ref().unwrap().covers("mx.example.com"));
    let partial = running.shows("mail.example.org").await;

    // It is tried again, and what is there already is not issued again.
    let issued = world.proxy.asked("/finalize-order");
    world.states_when("it is tried again", |states| states[0].failures >= 3).await;
    assert_eq!(world.proxy.asked("/finalize-order"), issued);
    assert_eq!(running.shows("mail.example.org").await, partial);

    world.dns.mend("late.example.org");
    let states = world.states_when("it is mended", |states| states[0].failures == 0).await;
    assert!(states[0].certificate.as_ref().unwrap().covers("late.example.org"));
    assert_ne!(running.shows("late.example.org").await, partial);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_grows_old_is_renewed_and_goes_on_while_that_fails() {
    let Some(world) = world_of_short_lives().await else { return };
    let running = world.run(world.settings(&[&["mail.example.org"]], &[Kind::Http01])).await;
    let not_after_s = |states: &[acme::State]| states.first()?.certificate.as_ref().map(|one| one.not_after_s);
    let states = world.states_when("the first", |states| not_after_s(states).is_some()).await;
    let (first, first_ends_s) = (running.shows("mail.example.org").await, not_after_s(&states));
    let down = Fault::Answer { status: 503, retry_after_s: None, body: String::new() };
    world.proxy.fail("/order-plz", down);
    world.states_when("it is tried", |states| states[0].failures > 0).await;
    assert_eq!(running.shows("mail.example.org").await, first);
    world.proxy.mend("/order-plz");
    world.states_when("the second", |states| states[0].failures == 0 && not_after_s(states) > first_ends_s).await;
    assert_ne!(running.shows("mail.example.org").await, first);
    running.end().await;
}

/// RFC 9773: an authority that must revoke a certificate says so.
#[tokio::test(flavor = "multi_thread")]
async fn the_authority_may_say_when_to_renew() {
    let Some(world) = world().await else { return };
    world.proxy.suggest("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z");
    let running = world.run(world.settings(&[&["mail.example.org"]], &[Kind::Http01])).await;
    let serial = |states: &[acme::State]| Some(states.first()?.certificate.as_ref()?.serial.clone());
    let first = serial(&world.states_when("the first", |states| serial(states).is_some()).await);
    world.states_when("another at once", |states| serial(states) != first).await;
    assert!(world.proxy.asked("/renewal-info/") > 0);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_forgot_the_account_gets_a_new_one() {
    let Some(mut world) = world().await else { return };
    let whole = |states: &[acme::State]| states.iter().all(|state| state.failures == 0);
    let running = world.run(world.settings(&[&["mail.example.org"]], &[Kind::Http01])).await;
    world.states_when("the first", |states| states.len() == 1 && whole(states)).await;
    running.end().await;
    let former = std::fs::read(world.kept_in().join("account.json")).unwrap();
    world.replace_authority();
    let certificates: [&[&str]; 2] = [&["mail.example.org"], &["mx.example.com"]];
    let running = world.run(world.settings(&certificates, &[Kind::Http01])).await;
    world.states_when("both", |states| states.len() == 2 && whole(states)).await;
    assert_ne!(std::fs::read(world.kept_in().join("account.json")).unwrap(), former);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_one_challenge_cannot_be_seen_the_other_is_tried() {
    let Some(world) = world().await else { return };
    // Nobody answers at the port of HTTP-01.
    let running = world.run_with(world.settings(&[&["mail.example.org"]], &BOTH), &[Kind::TlsAlpn01]).await;
    let states = world.states_when("it failed", |states| states.iter().any(|state| state.failures > 0)).await;
    assert_eq!(states[0].refused.len(), 1, "{states:#?}");
    world.states_when("the other", |states| states[0].failures == 0 && states[0].certificate.is_some()).await;
    running.end().await;
}
