//! CAPABILITY, STARTTLS, LOGIN, AUTHENTICATE (RFC 9051 §6.1.1, §6.2), ENABLE (RFC 5161), ID (RFC 2971), and the ends of a
//! session.

use super::harness::{PASSWORD, World};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

fn capabilities(lines: &[String]) -> Vec<String> {
    let line = lines.iter().find_map(|line| line.strip_prefix("* CAPABILITY ")).unwrap();
    line.split(' ').map(str::to_owned).collect()
}

/// What stands in `[CAPABILITY ...]`.
fn code(line: &str) -> Vec<String> {
    let list = line.split_once("[CAPABILITY ").unwrap().1.split_once(']').unwrap().0;
    list.split(' ').map(str::to_owned).collect()
}

fn has(list: &[String], name: &str) -> bool {
    list.iter().any(|other| other == name)
}

#[test]
fn before_tls_nobody_can_sign_in() {
    let world = World::new();
    let (mut client, greeting) = world.connect(false, true);
    assert!(greeting[0].starts_with("* OK [CAPABILITY IMAP4rev2 IMAP4rev1 "), "{greeting:?}");
    let list = capabilities(&client.ok("a CAPABILITY"));
    assert_eq!(list, code(&greeting[0]));
    assert!(has(&list, "STARTTLS") && has(&list, "LOGINDISABLED") && has(&list, "SASL-IR"));
    assert!(!list.iter().any(|name| name.starts_with("AUTH=")), "{list:?}");
    assert!(client.fails(&format!("b LOGIN ana@example.org {PASSWORD}")).starts_with("NO [PRIVACYREQUIRED]"));
    assert!(client.fails("c AUTHENTICATE PLAIN =").starts_with("NO [PRIVACYREQUIRED]"));
    assert!(client.fails("d SELECT INBOX").starts_with("BAD "));
    world.finish();
}

#[test]
fn tls_changes_what_is_offered_and_forgets_what_was_pipelined() {
    let world = World::new();
    let (mut client, _) = world.connect(false, true);
    // RFC 9051 §11.1: what an attacker put behind STARTTLS is not taken for the client's.
    let said = client.raw(b"a STARTTLS\r\nb CAPABILITY\r\n");
    assert_eq!(String::from_utf8(said).unwrap(), "a OK begin TLS now\r\n");
    let list = capabilities(&client.ok("c CAPABILITY"));
    assert!(has(&list, "AUTH=PLAIN") && has(&list, "AUTH=SCRAM-SHA-256") && has(&list, "AUTH=LOGIN"));
    assert!(!has(&list, "STARTTLS") && !has(&list, "LOGINDISABLED"));
    assert!(!has(&list, "AUTH=SCRAM-SHA-256-PLUS"), "there is nothing to bind to");
    assert!(client.fails("d STARTTLS").starts_with("BAD "));
    world.finish();
}

#[test]
fn starttls_is_refused_where_there_is_none() {
    let world = World::new();
    let (mut client, _) = world.connect(false, false);
    assert!(!has(&capabilities(&client.ok("a CAPABILITY")), "STARTTLS"));
    assert!(client.fails("b STARTTLS").starts_with("BAD "));
    world.finish();
}

#[test]
fn login_lets_in_with_the_right_password_only() {
    let world = World::new();
    let (mut client, _) = world.stranger();
    assert!(client.fails("a LOGIN ana@example.org wrong").starts_with("NO [AUTHENTICATIONFAILED]"));
    assert!(client.fails("b LOGIN nobody@example.org wrong").starts_with("NO [AUTHENTICATIONFAILED]"));
    let line = client.ok_line(&format!("c LOGIN \"ana@example.org\" {{{}+}}\r\n{PASSWORD}", PASSWORD.len()));
    let list = code(&line);
    assert!(has(&list, "IDLE") && has(&list, "QRESYNC") && has(&list, "IMAP4rev2"));
    assert!(!list.iter().any(|name| name.starts_with("AUTH=")) && !has(&list, "STARTTLS"));
    assert!(client.fails(&format!("d LOGIN ana@example.org {PASSWORD}")).starts_with("BAD "));
    assert!(client.fails("e AUTHENTICATE PLAIN").starts_with("BAD "));
    assert_eq!(capabilities(&client.ok("f CAPABILITY")), list);
    world.finish();
}

#[test]
fn plain_takes_its_response_with_the_command_or_after_a_challenge() {
    let world = World::new();
    let response = STANDARD.encode(format!("\0ana@example.org\0{PASSWORD}"));
    let (mut client, _) = world.stranger();
    assert!(client.ok_line(&format!("a AUTHENTICATE PLAIN {response}")).contains("[CAPABILITY "));
    let (mut client, _) = world.stranger();
    assert_eq!(client.send("a AUTHENTICATE PLAIN"), ["+ "]);
    assert!(client.send(&response)[0].starts_with("a OK [CAPABILITY "));
    let (mut client, _) = world.stranger();
    assert_eq!(client.send("a authenticate login"), [format!("+ {}", STANDARD.encode("Username:"))]);
    assert_eq!(client.send(&STANDARD.encode("ana@example.org")), [format!("+ {}", STANDARD.encode("Password:"))]);
    assert!(client.send(&STANDARD.encode(PASSWORD))[0].starts_with("a OK "));
    world.finish();
}

/// RFC 5802 §3 and RFC 7677, the client's side: the last message of the client, and the server's answer to it.
fn scram(first_bare: &str, server_first: &str, password: &str) -> (String, String) {
    let field = |name: &str| {
        server_first.split(',').find_map(|field| field.strip_prefix(name)).unwrap_or_else(|| panic!("{server_first}"))
    };
    let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec();
    let mut salted = [0; 32];
    let (salt, rounds) = (STANDARD.decode(field("s=")).unwrap(), field("i=").parse::<std::num::NonZeroU32>().unwrap());
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut salted);
    let without_proof = format!("c=biws,r={}", field("r="));
    let signed = format!("{first_bare},{server_first},{without_proof}");
    let client_key = mac(&salted, b"Client Key");
    let signature = mac(digest::digest(&digest::SHA256, &client_key).as_ref(), signed.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, bits)| key ^ bits).collect();
    let server_key = mac(&salted, b"Server Key");
    let verifier = STANDARD.encode(mac(&server_key, signed.as_bytes()));
    (format!("{without_proof},p={}", STANDARD.encode(proof)), format!("v={verifier}"))
}

#[test]
fn scram_proves_both_sides_before_anyone_is_in() {
    let world = World::new();
    // The first sign-in with the password itself leaves the keys behind.
    let (mut client, _) = world.stranger();
    client.ok(&format!("a LOGIN ana@example.org {PASSWORD}"));
    for (password, is_right) in [(PASSWORD, true), ("wrong", false)] {
        let (mut client, _) = world.stranger();
        let first_bare = "n=ana@example.org,r=fyko+d2lbbFgONRv9qkxdawL";
        let initial = STANDARD.encode(format!("n,,{first_bare}"));
        let challenge = client.send(&format!("b AUTHENTICATE SCRAM-SHA-256 {initial}"));
        let server_first = STANDARD.decode(challenge[0].strip_prefix("+ ").unwrap()).unwrap();
        let (last, verifier) = scram(first_bare, std::str::from_utf8(&server_first).unwrap(), password);
        let answer = client.send(&STANDARD.encode(last));
        if !is_right {
            assert!(answer[0].starts_with("b NO [AUTHENTICATIONFAILED]"), "{answer:?}");
            continue;
        }
        assert_eq!(answer, [format!("+ {}", STANDARD.encode(verifier))]);
        assert!(client.send("")[0].starts_with("b OK [CAPABILITY "));
        client.ok("c SELECT INBOX");
    }
    // Whoever stops before the end is not in.
    let (mut client, _) = world.stranger();
    let first_bare = "n=ana@example.org,r=abcdefghijklmnop";
    let initial = STANDARD.encode(format!("n,,{first_bare}"));
    let challenge = client.send(&format!("b AUTHENTICATE SCRAM-SHA-256 {initial}"));
    let server_first = STANDARD.decode(challenge[0].strip_prefix("+ ").unwrap()).unwrap();
    let (last, _) = scram(first_bare, std::str::from_utf8(&server_first).unwrap(), PASSWORD);
    client.send(&STANDARD.encode(last));
    assert!(client.send("*")[0].starts_with("b BAD "));
    assert!(client.fails("c SELECT INBOX").starts_with("BAD "));
    world.finish();
}

#[test]
fn an_exchange_can_be_given_up_and_nonsense_ends_it() {
    let world = World::new();
    let (mut client, _) = world.stranger();
    assert_eq!(client.send("a AUTHENTICATE PLAIN"), ["+ "]);
    assert!(client.send("*")[0].starts_with("a BAD "));
    assert_eq!(client.send("b AUTHENTICATE PLAIN"), ["+ "]);
    assert!(client.send("not base64!")[0].starts_with("b BAD "));
    assert!(client.fails("c AUTHENTICATE KERBEROS_V4").starts_with("NO [CANNOT]"));
    let for_eva = STANDARD.encode(format!("eva@example.org\0ana@example.org\0{PASSWORD}"));
    assert!(client.fails(&format!("d AUTHENTICATE PLAIN {for_eva}")).starts_with("NO [AUTHORIZATIONFAILED]"));
    client.ok("e NOOP");
    world.finish();
}

#[test]
fn enable_names_what_it_switched_on() {
    let world = World::new();
    let mut ana = world.ana();
    assert_eq!(ana.ok("a ENABLE CONDSTORE X-GOOD-IDEA"), ["* ENABLED CONDSTORE"]);
    assert_eq!(ana.ok("b ENABLE QRESYNC UTF8=ACCEPT IMAP4rev2"), ["* ENABLED QRESYNC UTF8=ACCEPT IMAP4rev2"]);
    assert_eq!(ana.ok("c ENABLE QRESYNC"), ["* ENABLED"]);
    ana.ok("d SELECT INBOX");
    assert!(ana.fails("e ENABLE UIDONLY").starts_with("BAD "), "RFC 5161 §3.1: not with a mailbox open");
    world.finish();
}

#[test]
fn who_is_who() {
    let world = World::new();
    let (mut client, _) = world.stranger();
    let answer = client.ok("a ID (\"name\" \"Thunderbird\" \"version\" \"140\")");
    assert_eq!(answer, ["* ID (\"name\" \"Reintegra\" \"vendor\" \"Reintegra\")"]);
    assert_eq!(client.ok("b ID NIL"), answer);
    world.finish();
}

#[test]
fn a_switched_off_capability_is_neither_listed_nor_honoured() {
    let world = World::new();
    for capability in [
        "IDLE",
        "QRESYNC",
        "MOVE",
        "APPENDLIMIT",
        "COMPRESS=DEFLATE",
        "SPECIAL-USE",
        "SORT",
        "OBJECTID",
        "CHILDREN",
        "STATUS=SIZE",
        "METADATA",
    ] {
        world.switch_off(capability);
    }
    let mut ana = world.ana();
    let list = capabilities(&ana.ok("a CAPABILITY"));
    for name in ["IDLE", "QRESYNC", "MOVE", "COMPRESS=DEFLATE", "SPECIAL-USE", "SORT", "OBJECTID", "METADATA"] {
        assert!(!has(&list, name), "{name}");
    }
    assert!(!list.iter().any(|name| name.starts_with("APPENDLIMIT")) && has(&list, "CONDSTORE"));
    assert_eq!(ana.ok("b ENABLE QRESYNC"), ["* ENABLED"]);
    assert!(ana.fails("c IDLE").starts_with("BAD "));
    assert!(ana.fails("d COMPRESS DEFLATE").starts_with("BAD "));
    ana.ok("e CREATE Sent");
    assert_eq!(ana.ok("f LIST \"\" Sent"), ["* LIST () \"/\" Sent"]);
    assert!(!ana.ok("g SELECT INBOX").iter().any(|line| line.contains("MAILBOXID")));
    assert!(!ana.ok_line("g CREATE Other").contains("MAILBOXID"));
    assert!(ana.fails("g STATUS INBOX (SIZE)").starts_with("BAD "));
    assert!(ana.fails("g STATUS INBOX (APPENDLIMIT)").starts_with("BAD "));
    assert!(ana.fails("g STATUS INBOX (MAILBOXID)").starts_with("BAD "));
    assert!(ana.fails("g GETMETADATA INBOX /private/comment").starts_with("BAD "));
    assert!(ana.fails("h MOVE 1 Sent").starts_with("BAD "));
    world.finish();
}

#[test]
fn compress_is_offered_once() {
    let world = World::new();
    let mut ana = world.ana();
    assert!(has(&capabilities(&ana.ok("a CAPABILITY")), "COMPRESS=DEFLATE"));
    assert!(ana.fails("b COMPRESS LZ4").starts_with("BAD "));
    ana.ok("c COMPRESS DEFLATE");
    assert!(ana.fails("d COMPRESS DEFLATE").starts_with("NO [COMPRESSIONACTIVE]"));
    assert!(!has(&capabilities(&ana.ok("e CAPABILITY")), "COMPRESS=DEFLATE"));
    world.finish();
}

#[test]
fn logout_says_bye_first() {
    let world = World::new();
    let mut ana = world.ana();
    ana.ok("a SELECT INBOX");
    let answer = ana.send("b LOGOUT");
    assert!(answer[0].starts_with("* BYE ") && answer[1].starts_with("b OK "), "{answer:?}");
    assert!(ana.is_closed());
    world.finish();
}

#[test]
fn whoever_talks_another_protocol_is_shown_out() {
    let world = World::new();
    let (mut browser, _) = world.stranger();
    let answer = browser.raw(b"GET / HTTP/1.1\r\nHost: mail.example.org\r\nA: b\r\nC: d\r\nE: f\r\nG: h\r\nI: j\r\n");
    assert!(String::from_utf8(answer).unwrap().lines().last().unwrap().starts_with("* BYE "));
    assert!(browser.is_closed());
    world.finish();
}

#[test]
fn mistakes_of_somebody_who_also_does_things_right_are_forgiven() {
    let world = World::new();
    let mut ana = world.ana();
    for _ in 0..100 {
        ana.fails("a XYZZY");
        ana.ok("b NOOP");
    }
    assert!(!ana.is_closed());
    world.finish();
}
