//! Descriptions of IMAP servers: what is wrong with one is said with its key, and no secret is.

use super::{ANA, Described};

#[test]
fn what_is_wrong_is_said_with_its_key() {
    let described = Described::of(&[ANA]);
    described.secret("master", "maestra\n");
    std::fs::write(described.path("users"), "ana@example.org:{PLAIN}x:::::\nluis@example.org:{PLAIN}x:::::\n").unwrap();
    let url = "url = \"imaps://mail.example.org\"\n";
    for (lines, why) in [
        ("credentials = \"credentials\"\n".to_owned(), "key url is missing"),
        ("url = \"http://x\"\n".to_owned(), "line 2, key url"),
        ("url = \"pop3://x\"\ncredentials = \"credentials\"\n".to_owned(), "key url: an address that begins with imap"),
        ("url = \"imap://ana:clave@x\"\n".to_owned(), "said in a file"),
        (url.to_owned(), "nothing says how to sign in"),
        (format!("{url}master_user = \"m\"\n"), "nothing says how to sign in"),
        (format!("{url}master_user = \"m\"\nmaster_password_file = \"master\"\n"), "nothing says whose mail"),
        (format!("{url}credentials = \"credentials\"\nmaster_user = \"m\"\n"), "not both"),
        (format!("{url}credentials = \"credentials\"\nmaster_authzid = true\n"), "are for master_user"),
        (format!("{url}credentials = \"nothing\"\n"), "nothing"),
        (format!("{url}credentials = \"credentials\"\naccounts = \"users\"\n"), "no password of luis@example.org"),
        (format!("{url}credentials = \"credentials\"\naccount = \"eva@example.org\"\n"), "no password of eva"),
        (format!("{url}credentials = \"credentials\"\nlayout = \"{{address}}\"\n"), "key layout is for trees"),
        (format!("{url}credentials = \"credentials\"\nseparator = \".\"\n"), "key separator is for trees"),
        (format!("{url}credentials = \"credentials\"\npop3_uidl_format = \"%f\"\n"), "no %f"),
        (format!("{url}credentials = \"credentials\"\nconnections = 0\n"), "key connections"),
        (format!("{url}credentials = \"credentials\"\ntls = \"perhaps\"\n"), "key tls"),
        (format!("{url}credentials = \"credentials\"\nexclude = [\"\"]\n"), "key exclude"),
        (format!("{url}credentials = \"credentials\"\nlogin = \"all\"\n"), "key login"),
        (format!("{url}credentials = \"credentials\"\nca_file = \"credentials\"\n"), "no certificate"),
        (format!("{url}credentials = \"credentials\"\npop3_url = \"imap://x\"\n"), "key pop3_url"),
    ] {
        let error = described.try_open(&lines).err().unwrap_or_else(|| panic!("{lines} is taken")).to_string();
        assert!(error.contains(why), "{lines}: {error}");
        assert!(!error.contains("clave"), "{error}");
    }
    let source = described.try_open(&format!("{url}credentials = \"credentials\"\n")).unwrap();
    assert_eq!(source.describe(), "IMAP server imaps://mail.example.org");
}

#[test]
fn keys_of_servers_are_for_servers() {
    let home = tempfile::TempDir::new().unwrap();
    let path = home.path().join("source.toml");
    std::fs::write(&path, "format = \"maildir\"\naccount = \"ana@example.org\"\nconnections = 3\n").unwrap();
    let error = source::open(&path).err().unwrap().to_string();
    assert!(error.contains("key connections is for format = \"imap\""), "{error}");
}
