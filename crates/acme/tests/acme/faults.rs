//! What goes wrong at the authority leaves what is shown as it is, and is tried again at a bearable pace.

use crate::proxy::Fault;
use crate::world::world;
use acme::Kind;
use std::time::Duration;

const LIMITED: &str =
    r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates","status":429}"#;
const HTTP: [Kind; 1] = [Kind::Http01];
const ONE: [&[&str]; 1] = [&["mail.example.org"]];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_is_told_and_tried_again() {
    let Some(world) = world().await else { return };
    let answer = |status, body: &str| Fault::Answer { status, retry_after_s: None, body: body.to_owned() };
    let wrong = rcgen::generate_simple_self_signed(["mail.example.org".to_owned()]).unwrap().cert.pem();
    let faults = [
        ("/dir", answer(503, "<html>down</html>"), "status 503"),
        ("/dir", Fault::BreakOff, "broke off"),
        ("/dir", answer(200, "{}"), "JSON"),
        ("/nonce-plz", answer(500, ""), "status 500"),
        ("/order-plz", answer(429, LIMITED), "too many certificates (rateLimited)"),
        ("/order-plz", answer(500, "{}"), "ACME server cannot be used"),
        ("/order-plz", answer(403, "{\"type\":\"urn:ietf:params:acme:error:unauthorized\"}"), "unauthorized"),
        ("/chalZ/", answer(500, "<html>"), "status 500"),
        ("/finalize-order/", answer(403, "{\"type\":\"urn:ietf:params:acme:error:badCSR\"}"), "badCSR"),
        ("/certZ/", Fault::Body(wrong), "cannot be used"),
        ("/certZ/", Fault::Body("no chain".to_owned()), "cannot be used"),
        ("/certZ/", Fault::Body("x".repeat(1 << 20)), "more than can be meant"),
    ];
    world.proxy.fail(faults[0].0, faults[0].1.clone());
    let running = world.run(world.settings(&ONE, &HTTP)).await;
    let mut former: Option<&'static str> = None;
    for (path, fault, said) in faults {
        // They come in the order in which requests do: whatever gets past a former one meets the next.
        world.proxy.fail(path, fault.clone());
        if let Some(former) = former.filter(|former| *former != path) {
            world.proxy.mend(former);
        }
        former = Some(path);
        let what = format!("{path} {fault:?}");
        let is_said = |states: &[acme::State]| {
            let error = states.first().and_then(|state| state.error.as_deref());
            error.is_some_and(|error| error.contains(said))
        };
        let states = world.states_when(&what, is_said).await;
        assert!(states[0].certificate.is_none() && states[0].failures > 0, "{what}");
    }
    if let Some(former) = former {
        world.proxy.mend(former);
    }
    world.states_when("all is well", |states| states[0].failures == 0 && states[0].certificate.is_some()).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_to_be_left_alone_is_left_alone_even_after_a_restart() {
    let Some(world) = world().await else { return };
    let limited = Fault::Answer { status: 429, retry_after_s: Some(5000), body: LIMITED.to_owned() };
    world.proxy.fail("/order-plz", limited);
    let running = world.run(world.settings(&ONE, &HTTP)).await;
    // Before it may come a nonce that was refused once too often: that is tried again soon, and counts as well.
    let is_limited = |state: &acme::State| state.error.as_deref().is_some_and(|error| error.contains("rateLimited"));
    let states = world.states_when("it is limited", |states| states.iter().any(is_limited)).await;
    let failures = states[0].failures;
    assert!(states[0].next_attempt_s >= states[0].last_attempt_s + 5000, "{states:#?}");
    running.end().await;
    let orders = world.proxy.asked("/order-plz");
    let running = world.run(world.settings(&[&["mail.example.org"], &["mx.example.com"]], &HTTP)).await;
    let of_both = |states: &[acme::State]| states.len() == 2 && is_limited(&states[1]);
    let states = world.states_when("the other was tried", of_both).await;
    assert_eq!(states[0].failures, failures, "{states:#?}");
    assert_eq!(world.proxy.asked("/order-plz"), orders + 1, "for the other alone");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_holds_nothing_up_for_ever() {
    let Some(world) = world().await else { return };
    world.proxy.fail("/order-plz", Fault::Late(Duration::from_secs(600)));
    let mut settings = world.settings(&ONE, &HTTP);
    settings.pace.request = Duration::from_secs(1);
    let running = world.run(settings).await;
    let is_said = |states: &[acme::State]| {
        states.iter().any(|state| state.error.as_deref().is_some_and(|error| error.contains("took too long")))
    };
    world.states_when("it took too long", is_said).await;
    running.end().await;
}
