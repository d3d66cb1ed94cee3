//! RFC 5804 §1.7, §2.1 to §2.4: capabilities, STARTTLS, AUTHENTICATE; who may stay.

use crate::world::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use directory::AccountState;
use managesieve::{Settings, Times};
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;
use std::time::Duration;

#[test]
fn capabilities_follow_the_state() {
    let world = World::new();
    let mut client = world.client();
    let before = client.ok("CAPABILITY");
    let wanted = [
        "\"IMPLEMENTATION\" \"Reintegra\"\r\n",
        "\"SASL\" \"SCRAM-SHA-256 PLAIN LOGIN\"\r\n",
        "\"MAXREDIRECTS\" \"4\"\r\n",
        "\"VERSION\" \"1.0\"\r\n",
        "\"STARTTLS\"\r\n",
    ];
    for line in wanted {
        assert!(before.contains(line), "{line} {before}");
    }
    let sieve = before.lines().find(|line| line.starts_with("\"SIEVE\" \"")).unwrap();
    for extension in ["fileinto", "vacation", "imap4flags"] {
        assert!(sieve.split(['"', ' ']).any(|word| word == extension), "{sieve}");
    }
    assert!(!before.contains("OWNER") && !before.contains("UNAUTHENTICATE"));
    client.ok(&plain(ANA, PASSWORD));
    let after = client.ok("capability");
    assert!(after.contains("\"OWNER\" \"ana@example.org\"\r\n") && !after.contains("STARTTLS"), "{after}");
    client.no("STARTTLS", "\"TLS begins before");
    client.no(&plain(ANA, PASSWORD), "\"you are in already");
    client.ok("LOGOUT");
    assert!(client.is_over());
    world.finish();
}

#[test]
fn nothing_secret_is_taken_in_the_clear_and_tls_begins_anew() {
    let world = World::with(false, Settings::default());
    let mut client = world.client();
    assert!(client.ok("CAPABILITY").contains("\"SASL\" \"\"\r\n"));
    client.no(&plain(ANA, PASSWORD), "(ENCRYPT-NEEDED)");
    client.no("LISTSCRIPTS", "\"sign in first");
    // What is sent with it in the clear was sent by nobody knows whom.
    client.send(b"STARTTLS\r\nNOOP \"injected\"\r\n");
    assert!(client.answer().starts_with("OK "));
    let mut client = client.start_tls();
    let told = client.answer();
    assert!(told.contains("\"SASL\" \"SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\"\r\n"), "{told}");
    assert!(!told.contains("STARTTLS") && !told.contains("injected"), "{told}");
    client.no("STARTTLS", "\"TLS is on already");
    client.ok(&plain(ANA, PASSWORD));
    client.ok("LISTSCRIPTS");
    world.finish();
}

#[test]
fn every_mechanism_lets_in_and_a_wrong_password_does_not() {
    let world = World::new();
    let mut client = world.client();
    client.send(b"AUTHENTICATE \"plain\"\r\n\"");
    client.send(BASE64.encode(format!("\0{ANA}\0{PASSWORD}")).as_bytes());
    assert_eq!(client_line(&mut client), "\"\"", "an empty challenge");
    client.send(b"\"\r\n");
    assert!(client.answer().starts_with("OK "));

    let mut client = world.client();
    client.send(b"AUTHENTICATE \"LOGIN\"\r\n");
    assert_eq!(client_line(&mut client), format!("\"{}\"", BASE64.encode("Username:")));
    let name = BASE64.encode(ANA);
    client.send(format!("{{{}+}}\r\n{name}\r\n", name.len()).as_bytes());
    assert_eq!(client_line(&mut client), format!("\"{}\"", BASE64.encode("Password:")));
    client.ok(&format!("\"{}\"", BASE64.encode(PASSWORD)));

    let mut client = world.client();
    client.send(b"AUTHENTICATE \"PLAIN\"\r\n");
    client_line(&mut client);
    client.no("\"*\"", "\"cancelled");
    client.no("AUTHENTICATE \"CRAM-MD5\"", "\"that mechanism");
    client.no(&plain(ANA, "wrong"), "\"the login or the password is wrong");
    client.no("AUTHENTICATE \"PLAIN\" \"!\"", "\"that is not what");
    let last = client.ask(&plain("nobody@example.org", "x"));
    assert!(last.starts_with("NO "), "{last}");
    assert!(client.answer().starts_with("BYE "), "enough is enough");
    assert!(client.is_over());
    world.finish();
}

fn client_line<S: std::io::Read + std::io::Write>(client: &mut Client<S>) -> String {
    let mut line = String::new();
    std::io::BufRead::read_line(&mut client.stream, &mut line).unwrap();
    line.trim_end_matches("\r\n").to_owned()
}

#[test]
fn scram_ends_with_the_answer_that_proves_the_server() {
    let world = World::new();
    let mut client = world.client();
    let bare = format!("n={ANA},r=nonce");
    client.send(format!("AUTHENTICATE \"SCRAM-SHA-256\" \"{}\"\r\n", BASE64.encode(format!("n,,{bare}"))).as_bytes());
    let challenge = BASE64.decode(client_line(&mut client).trim_matches('"')).unwrap();
    let challenge = String::from_utf8(challenge).unwrap();
    let field = |name: &str| challenge.split(',').find_map(|f| f.strip_prefix(name)).unwrap().to_owned();
    let (salt, iterations) = (BASE64.decode(field("s=")).unwrap(), field("i=").parse().unwrap());
    let mut salted = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        NonZeroU32::new(iterations).unwrap(),
        &salt,
        PASSWORD.as_bytes(),
        &mut salted,
    );
    let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    let without_proof = format!("c=biws,r={}", field("r="));
    let spoken = format!("{bare},{challenge},{without_proof}");
    let client_key = sign(&salted, b"Client Key");
    let stored = digest::digest(&digest::SHA256, client_key.as_ref());
    let signature = sign(stored.as_ref(), spoken.as_bytes());
    let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
    let last = format!("{without_proof},p={}", BASE64.encode(proof));
    let answer = client.ok(&format!("\"{}\"", BASE64.encode(last)));
    let server_signature = sign(sign(&salted, b"Server Key").as_ref(), spoken.as_bytes());
    let verifier = BASE64.encode(format!("v={}", BASE64.encode(server_signature.as_ref())));
    assert_eq!(answer, format!("OK (SASL \"{verifier}\") \"welcome\"\r\n"));
    client.ok("LISTSCRIPTS");
    world.finish();
}

#[test]
fn whoever_may_not_stay_is_told_and_out() {
    let times = Times { look_again: Duration::from_millis(50), ..Times::default() };
    let world = World::with(true, Settings { times, ..Settings::default() });
    let mut client = world.signed_in();
    world.directory().write(|tx| tx.set_account_state(world.ana, AccountState::Disabled)).unwrap();
    assert!(client.answer().starts_with("BYE \"the account or its password was changed"));
    assert!(client.is_over());
    world.finish();
}

#[test]
fn a_server_that_goes_down_says_so() {
    let world = World::new();
    let mut client = world.signed_in();
    world.request_stop();
    assert!(client.answer().starts_with("BYE (TRYLATER) "));
    assert!(client.is_over());
    world.finish();
}

#[test]
fn silence_is_not_waited_for_for_ever() {
    let times = Times { stranger: Duration::from_millis(50), ..Times::default() };
    let world = World::with(true, Settings { times, ..Settings::default() });
    let mut client = world.client();
    assert!(client.answer().starts_with("BYE \"there was nothing to do"));
    assert!(client.is_over());

    let times = Times { unfinished: Duration::from_millis(50), ..Times::default() };
    let patient = World::with(true, Settings { times, ..Settings::default() });
    let mut client = patient.signed_in();
    client.send(b"PUTSCRIPT \"a\" {5+}\r\nkee");
    assert!(client.answer().starts_with("BYE "), "a command that does not end");
    assert_eq!(patient.names(), Vec::<String>::new());
    patient.finish();
    world.finish();
}
