//! Sessions and sign-in: RFC 9051 §6.1 and §6.2, RFC 2971, RFC 4959, RFC 4978, RFC 5161, RFC 7888.

use super::*;

fn secret(bytes: &[u8]) -> SecretArg {
    SecretArg(bytes.to_vec())
}

#[test]
fn commands_without_arguments() {
    for (text, command) in [
        ("CAPABILITY", Command::Capability),
        ("NOOP", Command::Noop),
        ("LOGOUT", Command::Logout),
        ("STARTTLS", Command::StartTls),
        ("NAMESPACE", Command::Namespace),
        ("IDLE", Command::Idle),
        ("CHECK", Command::Check),
        ("CLOSE", Command::Close),
        ("UNSELECT", Command::Unselect),
        ("EXPUNGE", Command::Expunge { uids: None }),
    ] {
        assert_eq!(strictly(text), command);
        assert_eq!(strictly(&text.to_lowercase()), command);
        assert!(parse(format!("a {text} x").as_bytes(), REV1).is_err(), "{text}");
    }
}

#[test]
fn a_tag_is_kept_as_it_is() {
    let tagged = parse(b"A.1-x]& NOOP", REV1).unwrap();
    assert_eq!(tagged, Tagged { tag: "A.1-x]&".into(), command: Command::Noop });
    let longest = "t".repeat(64);
    assert_eq!(parse(format!("{longest} NOOP").as_bytes(), REV1).unwrap().tag, longest);
}

/// RFC 2971 §3.1.
#[test]
fn id() {
    let client = strictly(r#"ID ("name" "sodr" "version" "19.34" "vendor" "Pink Floyd Music Limited")"#);
    let pair = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
    let expected = vec![pair("name", "sodr"), pair("version", "19.34"), pair("vendor", "Pink Floyd Music Limited")];
    assert_eq!(client, Command::Id(Some(expected)));
    assert_eq!(strictly("ID NIL"), Command::Id(None));
    assert_eq!(strictly("ID ()"), Command::Id(Some(vec![])));
    assert_eq!(strictly(r#"ID ("os" NIL)"#), Command::Id(Some(vec![("os".into(), None)])));
}

/// RFC 9051 §6.2.2, RFC 4959 §3.
#[test]
fn authenticate() {
    let authenticate = |mechanism: &str, initial| Command::Authenticate { mechanism: mechanism.into(), initial };
    assert_eq!(strictly("AUTHENTICATE GSSAPI"), authenticate("GSSAPI", None));
    assert_eq!(
        strictly("authenticate plain dGVzdAB0ZXN0AHRlc3Q="),
        authenticate("PLAIN", Some(secret(b"test\0test\0test")))
    );
    assert_eq!(strictly("AUTHENTICATE EXTERNAL ="), authenticate("EXTERNAL", Some(secret(b""))));
    assert_eq!(
        strictly("AUTHENTICATE SCRAM-SHA-256-PLUS cD10bHMtZXhwb3J0ZXI="),
        authenticate("SCRAM-SHA-256-PLUS", Some(secret(b"p=tls-exporter")))
    );
    for bad in ["AUTHENTICATE", "AUTHENTICATE PLAIN a", "AUTHENTICATE PLAIN dGVzdA", "AUTHENTICATE PLAIN dGVz dGVz"] {
        refused(bad);
    }
}

/// RFC 9051 §6.2.3, RFC 7888 §4.
#[test]
fn login() {
    let login = |user: &str, password: &[u8]| Command::Login { user: user.into(), password: secret(password) };
    assert_eq!(strictly("LOGIN SMITH SESAME"), login("SMITH", b"SESAME"));
    assert_eq!(strictly("LOGIN {11}\r\nFRED FOOBAR {7}\r\nfat man"), login("FRED FOOBAR", b"fat man"));
    assert_eq!(strictly("LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man"), login("FRED FOOBAR", b"fat man"));
    assert_eq!(strictly(r#"LOGIN "a\"b\\c" "]x%y*""#), login("a\"b\\c", b"]x%y*"));
    assert_eq!(strictly("LOGIN {0}\r\n \"\""), login("", b""));
}

#[test]
fn a_password_is_never_shown() {
    let shown = format!("{:?} {:?}", strictly("LOGIN a sesame"), strictly("AUTHENTICATE PLAIN AGEAc2VzYW1l"));
    assert!(!shown.contains("sesame") && !shown.contains("115"), "{shown}");
    let error = refused("LOGIN a sesame sesame");
    assert!(!format!("{error:?} {error}").contains("sesame"), "{error:?}");
}

/// RFC 5161 §3.1, RFC 6855 §3, RFC 4978 §3.
#[test]
fn enable_and_compress() {
    assert_eq!(
        strictly("ENABLE CONDSTORE X-GOOD-IDEA"),
        Command::Enable(vec!["CONDSTORE".into(), "X-GOOD-IDEA".into()])
    );
    assert_eq!(strictly("ENABLE utf8=accept"), Command::Enable(vec!["UTF8=ACCEPT".into()]));
    assert_eq!(strictly("COMPRESS deflate"), Command::Compress("DEFLATE".into()));
    refused("ENABLE");
}
