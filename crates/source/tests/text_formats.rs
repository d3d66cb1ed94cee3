//! Formats that are text: account lists, alias maps, mbox files.

#![allow(clippy::unwrap_used)]

use message::{Address, Flags};
use proptest::prelude::*;
use source::mbox::{MboxScan, Variant, read_range, scan_file};
use source::{Account, AliasAddress, Item, ItemKind, Notice, ReadError, csv_accounts, passwd, virtual_map};
use std::fs::File;
use std::io::Write;

// ---- passwd-files ----

fn account(address: &str) -> Account {
    Account {
        address: Address::new(address).unwrap(),
        password_hash: None,
        name: None,
        quota_bytes: None,
        disabled: false,
        forwards: Vec::new(),
        language: None,
        home: None,
    }
}

#[test]
fn a_passwd_line_gives_an_account() {
    let text = "\u{feff}# vmail users\r\n\r\n\
        Ana@Example.org:{SSHA}TY0p/+==:5000:5000:Ana Luna:/var/vmail/ana::userdb_quota_rule=*:storage=100M\r\n\
        pepe@example.org:$6$salt$hash:5000:5000:José López,B2,555-1234,::/bin/false:nologin userdb_home=/srv/pepe\r\n\
        luz@example.org:::\r\n";
    let (accounts, notices) = passwd::parse(text.as_bytes(), "users");
    assert_eq!(
        accounts,
        [
            Account {
                password_hash: Some("{SSHA}TY0p/+==".into()),
                name: Some("Ana Luna".into()),
                quota_bytes: Some(100 << 20),
                home: Some("/var/vmail/ana".into()),
                ..account("Ana@example.org")
            },
            Account {
                password_hash: Some("$6$salt$hash".into()),
                name: Some("José López".into()),
                disabled: true,
                home: Some("/srv/pepe".into()),
                ..account("pepe@example.org")
            },
            account("luz@example.org"),
        ]
    );
    assert_eq!(accounts[0].address.as_str(), "Ana@example.org", "the localpart keeps its spelling");
    assert_eq!(notices, []);
}

#[test]
fn quota_rules_are_read_in_their_units() {
    let table: [(&str, Option<u64>); 14] = [
        ("userdb_quota_rule=*:storage=1G", Some(1 << 30)),
        ("userdb_quota_rule=*:storage=1024", Some(1 << 20)),
        ("userdb_quota_rule=*:storage=7k", Some(7 << 10)),
        ("userdb_quota_rule=*:storage=2T", Some(2 << 40)),
        ("userdb_quota_rule=*:storage=512B", Some(512)),
        ("userdb_quota_rule=*:bytes=104857600", Some(100 << 20)),
        ("quota_rule=*:messages=1000:storage=5M", Some(5 << 20)),
        ("userdb_quota_rule=Trash:storage=+10M userdb_quota_rule2=*:storage=20M", Some(20 << 20)),
        ("userdb_quota_rule=*:storage=10M userdb_quota_rule2=*:storage=20M", Some(10 << 20)),
        ("userdb_quota_storage_size=3M", Some(3 << 20)),
        ("userdb_quota_rule=*:storage=0", None),
        ("userdb_quota_rule=*:messages=10", None),
        ("userdb_quota_rule=Trash:storage=+10M", None),
        ("nodelay allow_nets=192.0.2.0/24", None),
    ];
    for (extra, expected) in table {
        let (accounts, notices) = passwd::parse(format!("a@example.org:x:1:1::::{extra}").as_bytes(), "users");
        assert_eq!(accounts[0].quota_bytes, expected, "{extra}");
        assert_eq!(notices, [], "{extra}");
    }
    for extra in
        ["userdb_quota_rule=*:storage=lots", "quota_rule=*:storage=99999999999999999999G", "quota_rule=*:bytes="]
    {
        let (accounts, notices) = passwd::parse(format!("a@example.org:x:1:1::::{extra}").as_bytes(), "users");
        assert_eq!((accounts[0].quota_bytes, notices.len(), notices[0].rule), (None, 1, "7.5"), "{extra}");
    }
}

#[test]
fn locked_hashes_disable_the_account_and_stay_as_they_are() {
    let table = [
        ("{MD5-CRYPT}!$1$abc$def", true),
        ("!$6$abc$def", true),
        ("!!", true),
        ("*", true),
        ("{CRYPT}*LK*", true),
        ("{SHA512-CRYPT}$6$abc$d!f*", false),
        ("{PLAIN}!wow", false),
        ("{plain.b64}!wow", false),
        ("{unclosed!", false),
    ];
    for (hash, disabled) in table {
        let (accounts, _) = passwd::parse(format!("a@example.org:{hash}:1:1").as_bytes(), "users");
        assert_eq!(accounts[0].disabled, disabled, "{hash}");
        assert_eq!(accounts[0].password_hash.as_deref(), Some(hash));
    }
}

#[test]
fn lines_that_give_no_account_are_listed_and_show_no_secret() {
    let long = format!("long@example.org:{}", "x".repeat(70_000));
    let lines: [&[u8]; 9] = [
        b"bare:{SSHA}c2VjcmV0:1:1",
        b"{SSHA}c2VjcmV0:ana@example.org",
        b"$6$c2VjcmV0@x/y:1",
        b"a b@example.org:c2VjcmV0",
        b"\xf1@example.org:c2VjcmV0",
        b"ana@example.org:{SSHA}one",
        b"ANA@example.org:c2VjcmV0",
        b"latin@example.org:{PLAIN}c2VjcmV0\xf1:1:1:I\xf1igo:",
        long.as_bytes(),
    ];
    let (accounts, notices) = passwd::parse(&lines.join(&b'\n'), "users");

    let addresses: Vec<&str> = accounts.iter().map(|a| a.address.as_str()).collect();
    assert_eq!(addresses, ["ana@example.org", "latin@example.org"]);
    assert_eq!(accounts[1].password_hash, None, "a hash that is not UTF-8 cannot be kept");
    assert_eq!(accounts[1].name.as_deref(), Some("Iñigo"));
    assert_eq!(
        places(&notices),
        ["users:1", "users:2", "users:3", "users:4", "users:5", "users:7", "users:8", "users:9"]
    );
    assert!(notices[0].text.contains("\"bare\" has no domain"));
    for notice in &notices {
        assert!(!notice.text.contains("c2VjcmV0"), "{}", notice.text);
    }
}

#[test]
fn a_bare_user_takes_its_address_from_the_extra_fields() {
    let (accounts, notices) = passwd::parse(b"ana:x:1:1::::userdb_user=ana@example.org", "users");
    assert_eq!(accounts[0].address.as_str(), "ana@example.org");
    assert_eq!(notices, []);
}

fn places(notices: &[Notice]) -> Vec<&str> {
    notices.iter().map(|notice| notice.place.as_str()).collect()
}

// ---- CSV ----

#[test]
fn a_csv_row_gives_an_account() {
    let text = "\u{feff}Address,password_hash,name,quota_mb,disabled,forwards,language,home\r\n\
        ana@example.org,{SSHA}abc,\"Luna, Ana\",100,no,b@example.org c@example.org;B@example.org,es,/var/ana\r\n\
        \"pepe@example.org\",!$6$x,,,,,,\r\n\
        ,,,,,,,\r\n\
        luz@example.org,,\"Luz \"\"Lu\"\"\",0,sí\r\n";
    let (accounts, notices) = csv_accounts::parse(text.as_bytes(), "a.csv").unwrap();
    assert_eq!(
        accounts,
        [
            Account {
                password_hash: Some("{SSHA}abc".into()),
                name: Some("Luna, Ana".into()),
                quota_bytes: Some(100 << 20),
                forwards: vec![Address::new("b@example.org").unwrap(), Address::new("c@example.org").unwrap()],
                language: Some("es".into()),
                home: Some("/var/ana".into()),
                ..account("ana@example.org")
            },
            Account { password_hash: Some("!$6$x".into()), disabled: true, ..account("pepe@example.org") },
            Account { name: Some("Luz \"Lu\"".into()), disabled: true, ..account("luz@example.org") },
        ]
    );
    assert_eq!(notices, []);
}

#[test]
fn a_spreadsheet_in_spanish_separates_with_semicolons() {
    let text = b"address;name;quota_bytes\r\nana@example.org;I\xf1igo, el otro;1000\r\n";
    let (accounts, notices) = csv_accounts::parse(text, "a.csv").unwrap();
    let expected =
        Account { name: Some("Iñigo, el otro".into()), quota_bytes: Some(1000), ..account("ana@example.org") };
    assert_eq!(accounts, [expected]);
    assert_eq!(notices, []);
}

#[test]
fn a_header_that_is_not_understood_is_an_error() {
    let table = [
        ("", "a header row is expected"),
        ("address,pasword_hash\n", "unknown column \"pasword_hash\""),
        ("name,quota_mb\n", "no column \"address\""),
        ("address,name,Name\n", "\"name\" stands twice"),
        ("address,quota_mb,quota_bytes\n", "both"),
        ("\u{feff}address,\n", "unknown column \"\""),
    ];
    for (text, expected) in table {
        let error = csv_accounts::parse(text.as_bytes(), "a.csv").unwrap_err();
        assert!(error.starts_with("a.csv: ") && error.contains(expected), "{text:?}: {error}");
    }
    let known = csv_accounts::parse(b"adress\n", "a.csv").unwrap_err();
    assert!(known.contains("address, password_hash, name, quota_mb, quota_bytes, disabled"), "{known}");
    let utf16 = csv_accounts::parse(b"\xff\xfea\0d\0", "a.csv").unwrap_err();
    assert!(utf16.contains("save it as CSV in UTF-8"), "{utf16}");
}

#[test]
fn a_bad_row_is_a_notice_with_its_line() {
    let text = "address,password_hash,quota_mb,disabled,forwards\n\
        nobody,c2VjcmV0\n\
        ana@example.org,\"c2Vj\ncmV0\",c2VjcmV0,perhaps,c2VjcmV0\n\
        ana@example.org,c2VjcmV0\n\
        luz@example.org,x,1,no,,c2VjcmV0\n";
    let (accounts, notices) = csv_accounts::parse(text.as_bytes(), "a.csv").unwrap();
    let addresses: Vec<&str> = accounts.iter().map(|a| a.address.as_str()).collect();
    assert_eq!(addresses, ["ana@example.org", "luz@example.org"]);
    assert!(accounts[0].disabled, "what is not plainly enabled stays shut");
    assert_eq!(places(&notices), ["a.csv:2", "a.csv:3", "a.csv:3", "a.csv:3", "a.csv:5", "a.csv:6"]);
    for notice in &notices {
        assert!(!notice.text.contains("c2Vj"), "{}", notice.text);
    }
}

// ---- alias maps ----

fn aliases(text: &str) -> (Vec<(String, Vec<String>)>, Vec<Notice>) {
    let (aliases, notices) = virtual_map::parse(text.as_bytes(), "virtual");
    let name = |address: AliasAddress| match address {
        AliasAddress::Address(address) => address.to_string(),
        AliasAddress::CatchAll(domain) => format!("@{domain}"),
    };
    (aliases.into_iter().map(|alias| (name(alias.address), alias.targets)).collect(), notices)
}

#[test]
fn an_alias_map_is_read_as_postfix_reads_it() {
    let (found, notices) = aliases(
        "# comment\n\n\
         info@Example.org\tana@example.org, pepe@example.org luz\r\n\
         todos@example.org ana@example.org,\n\
         # a comment within a line\n\
         \n\
         \tpepe@example.org\n\
         \x20 \"| /usr/bin/cmd a,b\"@x, /var/mail/x\n\
         @example.net @example.org\n\
         @example.com  ana@example.org\n",
    );
    let expected: [(&str, &[&str]); 4] = [
        ("info@example.org", &["ana@example.org", "pepe@example.org", "luz"]),
        ("todos@example.org", &["ana@example.org", "pepe@example.org", "\"| /usr/bin/cmd a,b\"@x", "/var/mail/x"]),
        ("@example.net", &["@example.org"]),
        ("@example.com", &["ana@example.org"]),
    ];
    let expected = expected
        .map(|(name, targets)| (name.to_owned(), targets.iter().map(|&target| target.to_owned()).collect::<Vec<_>>()));
    assert_eq!(found, expected);
    assert_eq!(notices, []);
}

#[test]
fn lines_that_give_no_alias_are_listed() {
    let table = [
        ("  ana@example.org x", "no line that it could continue"),
        ("example.org anything", "only marks a virtual domain"),
        ("postmaster ana@example.org", "has no domain"),
        ("\"john doe\"@example.org x", "quoted localpart"),
        ("info@example.org", "has no target"),
        ("info@example.org ,, ,", "has no target"),
        ("@ x", "is no catch-all"),
        ("@exa..mple x", "is no catch-all"),
        ("a@b@example.org x", "is no address"),
        ("/^.*@example\\.org$/ x", "is no address"),
    ];
    for (line, expected) in table {
        let (found, notices) = aliases(line);
        assert_eq!(found, [], "{line}");
        assert_eq!((notices.len(), notices[0].place.as_str()), (1, "virtual:1"), "{line}");
        assert!(notices[0].text.contains(expected), "{line}: {}", notices[0].text);
    }
    let (found, notices) = aliases("a@example.org x\nA@EXAMPLE.org y\n@Example.org x\n@example.org y");
    assert_eq!(found.iter().map(|alias| alias.1[0].as_str()).collect::<Vec<_>>(), ["x", "x"]);
    assert_eq!(places(&notices), ["virtual:2", "virtual:4"]);
    assert!(notices[0].text.contains("stands already in line 1"));
}

// ---- mbox ----

fn file_with(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn scan(bytes: &[u8], variant: Variant) -> MboxScan {
    scan_file(&file_with(bytes), b"mail/x", variant, u64::MAX).unwrap()
}

fn bytes_of(file: &File, item: &Item, variant: Variant) -> Vec<u8> {
    let mut buffer = Vec::new();
    read_range(file, item.locator.range.unwrap(), variant, u64::MAX, &mut buffer).unwrap();
    buffer
}

/// The messages of an mbox as they are read.
fn messages(bytes: &[u8], variant: Variant) -> Vec<String> {
    let file = file_with(bytes);
    let scan = scan_file(&file, b"mail/x", variant, u64::MAX).unwrap();
    scan.items.iter().map(|item| String::from_utf8(bytes_of(&file, item, variant)).unwrap()).collect()
}

#[test]
fn messages_stand_between_postmarks() {
    let text = b"From ana@example.org Wed Mar  6 15:00:10 2013\nSubject: one\n\nfirst\n\n\
        From pepe@example.org Thu Mar  7 15:00:10 2013\nSubject: two\n\nsecond\nFrom here on text\n\n\
        From - Fri Mar  8 15:00:10 2013\nSubject: three\n\n\n\n";
    let expected = ["Subject: one\n\nfirst\n", "Subject: two\n\nsecond\nFrom here on text\n", "Subject: three\n\n\n"];
    for variant in [Variant::Auto, Variant::O, Variant::Rd] {
        assert_eq!(messages(text, variant), expected, "{variant:?}");
    }
    let crlf = String::from_utf8(text.to_vec()).unwrap().replace('\n', "\r\n");
    assert_eq!(messages(crlf.as_bytes(), Variant::Auto), expected.map(|m| m.replace('\n', "\r\n")));
    let scan = scan(text, Variant::Auto);
    assert_eq!(scan.items[0].locator.range, Some((46, 20)));
    assert_eq!(scan.items[0].locator.path, b"mail/x");
    assert!(scan.items.iter().all(|item| item.notices.is_empty()));
}

#[test]
fn postmarks_are_known_by_their_date() {
    // The internal date where the line is a postmark.
    let table: [(&str, Option<i64>); 36] = [
        ("From ana@example.org Wed Mar  6 15:00:10 2013", Some(1_362_582_010)),
        ("From ana@example.org  Wed Mar 06 15:00:10 2013", Some(1_362_582_010)),
        ("From ana@example.org wed mar 6 15:00:10 2013", Some(1_362_582_010)),
        ("From ana@example.org Mar 6 15:00:10 2013", Some(1_362_582_010)),
        ("From ana@example.org Wed Mar  6 15:00 2013", Some(1_362_582_000)),
        ("From ana@example.org Wed Mar  6 16:00:10 2013 +0100", Some(1_362_582_010)),
        ("From ana@example.org Wed Mar  6 16:00:10 +0100 2013", Some(1_362_582_010)),
        ("From ana@example.org Wed Mar  6 11:30:10 2013 -0330 (NST)", Some(1_362_582_010)),
        ("From ana@example.org Wed Mar  6 16:00:10 CET 2013", Some(1_362_582_010)),
        ("From ana@example.org Wed Mar  6 10:00:10 2013 EST", Some(1_362_582_010)),
        ("From ana@example.org Wed Mar  6 15:00:10 XYZ 2013", Some(1_362_582_010)),
        ("From ana@example.org Wed, 6 Mar 2013 16:00:10 +0100", Some(1_362_582_010)),
        ("From ana@example.org 6 Mar 2013 15:00:10 GMT", Some(1_362_582_010)),
        ("From ana@example.org Wed Mar  6 15:00:10 2013 remote from uucphost", Some(1_362_582_010)),
        ("From ana at example.org  Wed Mar  6 15:00:10 2013", Some(1_362_582_010)),
        ("From \"ana luna\"@example.org Wed Mar  6 15:00:10 2013", Some(1_362_582_010)),
        ("From ???@??? Wed Mar 06 15:00:10 2013", Some(1_362_582_010)),
        ("From - Wed Mar 06 15:00:10 2013", Some(1_362_582_010)),
        ("From  Wed Mar 06 15:00:10 2013", Some(1_362_582_010)),
        ("From MAILER-DAEMON Sat Dec 31 23:59:60 2016", Some(1_483_228_799)),
        ("From ana@example.org Thu Feb 29 00:00:00 2024", Some(1_709_164_800)),
        ("From ana@example.org Fri Feb 29 00:00:00 2023", None),
        ("From ana@example.org Wed Mar  6 25:00:10 2013", None),
        ("From ana@example.org Wed Mar  6 15:00:10 13", None),
        ("From ana@example.org Wed Mar  6 15:00:10 1869", None),
        ("From ana@example.org Wed Mar  6 2013", None),
        ("From ana@example.org Wed Mar  6 15:00:10:00 2013", None),
        ("From ana@example.org Wed Mar  6 15:00:10 2013 and so on", None),
        ("From ana@example.org", None),
        ("From ", None),
        ("From what I saw on Wed Mar  6 15:00:10 2013", None),
        ("From me to you", None),
        ("From: ana@example.org Wed Mar  6 15:00:10 2013", None),
        ("from ana@example.org Wed Mar  6 15:00:10 2013", None),
        (" From ana@example.org Wed Mar  6 15:00:10 2013", None),
        (">From ana@example.org Wed Mar  6 15:00:10 2013", None),
    ];
    for (line, date) in table {
        let text = format!("From x Thu Jan  1 00:00:00 1970\nA: b\n\nc\n\n{line}\nD: e\n\nf\n");
        let scan = scan(text.as_bytes(), Variant::Auto);
        assert_eq!(scan.items.get(1).map(|item| item.internal_date), date, "{line}");
    }
    // Latin-1 in the sender is no reason to lose the message.
    let odd =
        scan(b"From x Thu Jan  1 00:00:00 1970\nA: b\n\nFrom i\xf1igo Wed Mar  6 15:00:10 2013\nA: c\n", Variant::O);
    assert_eq!(odd.items.len(), 2);
}

#[test]
fn doubtful_postmarks_stay_text_with_a_notice() {
    let table = [
        // After a blank line, but no postmark.
        ("From here to there:\nx: y\n", 1),
        // A postmark, but no header behind it.
        ("From a@b Wed Mar  6 15:00:10 2013\nthis is prose\n", 1),
        ("From a@b Wed Mar  6 15:00:10 2013\n\nthis is prose\n", 1),
    ];
    for (doubtful, count) in table {
        let text = format!("From x Thu Jan  1 00:00:00 1970\nA: b\n\nc\n\n{doubtful}");
        let scan = scan(text.as_bytes(), Variant::Auto);
        assert_eq!(scan.items.len(), 1, "{doubtful}");
        let notice = &scan.items[0].notices[0];
        assert_eq!((notice.rule, notice.place.as_str()), ("9.2", "mail/x, byte 32"));
        assert!(notice.text.ends_with(&format!("{count}, the first at byte 41")), "{}", notice.text);
    }
    // A postmark without a blank line before it.
    let glued = b"From x Thu Jan  1 00:00:00 1970\nA: b\n\nc\nFrom a@b Wed Mar  6 15:00:10 2013\nA: b\n";
    let scan = scan(glued, Variant::Auto);
    assert_eq!((scan.items.len(), scan.items[0].notices.len()), (1, 1));
}

#[test]
fn a_postmark_behind_a_hole_begins_a_message() {
    let mut text = b"From x Thu Jan  1 00:00:00 1970\nA: b\n\nthe disk fai".to_vec();
    text.extend([0; 5000]);
    text.extend(b"From a@b Wed Mar  6 15:00:10 2013\nC: d\n\nwhole\n");
    let found = messages(&text, Variant::Auto);
    assert_eq!(found.len(), 2);
    assert!(found[0].ends_with('\0'));
    assert_eq!(found[1], "C: d\n\nwhole\n");
}

#[test]
fn torn_messages_do_not_read_each_others_fields() {
    let torn = "A: b\n\0\0From x Thu Jan  1 00:00:00 1970\n";
    let text = format!("From x Thu Jan  1 00:00:00 1970\n{}Status: RO\nX-UID: 1\n\nc\n", torn.repeat(3));
    let scan = scan(text.as_bytes(), Variant::Auto);
    let flags: Vec<Flags> = scan.items.iter().map(|item| item.flags).collect();
    assert_eq!(flags, [Flags::NONE, Flags::NONE, Flags::NONE, Flags::SEEN]);
}

#[test]
fn what_a_crash_left_of_a_header_still_begins_a_message() {
    for tail in ["", "Subj", "Subject: x", "\0\0\0\0"] {
        let text = format!("From x Thu Jan  1 00:00:00 1970\nA: b\n\nc\n\nFrom a@b Wed Mar  6 15:00:10 2013\n{tail}");
        assert_eq!(messages(text.as_bytes(), Variant::Auto), ["A: b\n\nc\n", tail], "{tail:?}");
    }
}

#[test]
fn bytes_before_the_first_postmark_are_an_item() {
    let table = [
        ("ana wrote this\nat the end of a lost message\n\n", ItemKind::Message),
        ("Subject: no postmark\n\nbody\n\n", ItemKind::Message),
        ("\n", ItemKind::NotAMessage),
        ("\0\0\0\0", ItemKind::NotAMessage),
    ];
    for (leading, kind) in table {
        let text = format!("{leading}From a@b Wed Mar  6 15:00:10 2013\nA: b\n\nc\n");
        let found = scan(text.as_bytes(), Variant::Auto);
        assert_eq!((found.items.len(), found.postmarks), (2, 1), "{leading:?}");
        assert_eq!(found.items[0].kind, kind, "{leading:?}");
        assert_eq!(found.items[0].notices[0].rule, "9.2");
        assert_eq!(found.items[1].internal_date, 1_362_582_010);
    }
}

#[test]
fn a_file_without_postmark_is_one_item() {
    let eml = scan(b"Subject: x\nDate: Wed, 6 Mar 2013 15:00:10 +0000\n\nbody\n\n", Variant::Auto);
    assert_eq!((eml.postmarks, eml.items.len(), eml.items[0].kind), (0, 1, ItemKind::Message));
    assert_eq!(eml.items[0].locator.range, Some((0, 55)));
    assert_eq!(eml.items[0].internal_date, 1_362_582_010);
    let binary = scan(b"\x7fELF\x01\x01", Variant::Auto);
    assert_eq!((binary.postmarks, binary.items[0].kind), (0, ItemKind::NotAMessage));
    assert!(scan(b"", Variant::Auto).items.is_empty());
}

#[test]
fn a_writer_that_leaves_dates_out_is_known_by_its_first_line() {
    let text = b"From ana@example.org\nA: b\n\nc\n\nFrom pepe@example.org\nA: b\n\nFrom here text\nd\n";
    assert_eq!(messages(text, Variant::Auto), ["A: b\n\nc\n", "A: b\n\nFrom here text\nd\n"]);
}

#[test]
fn content_length_counts_only_where_it_leads_to_a_postmark() {
    let inner = "x\n\nFrom a@b Wed Mar  6 15:00:10 2013\nLooks: like one\n\nbut is not\n";
    let with = |length: usize| {
        format!(
            "From x Thu Jan  1 00:00:00 1970\nContent-Length: {length}\n\n{inner}\n\
             From c@d Wed Mar  6 15:00:10 2013\nA: b\nContent-Length: 2\n\nc\n"
        )
    };
    for variant in [Variant::Auto, Variant::Cl2] {
        let right = messages(with(inner.len()).as_bytes(), variant);
        assert_eq!(
            right,
            [format!("Content-Length: {}\n\n{inner}", inner.len()), "A: b\nContent-Length: 2\n\nc\n".into()]
        );
        for wrong in [inner.len() - 1, inner.len() + 7, 0, 100_000] {
            let scan = scan(with(wrong).as_bytes(), variant);
            assert_eq!(scan.items.len(), 3, "{wrong}");
            assert!(scan.items[0].notices[0].text.starts_with("Content-Length does not lead"), "{wrong}");
        }
    }
    assert_eq!(scan(with(inner.len()).as_bytes(), Variant::O).items.len(), 3, "mboxo knows no lengths");
    // A length to the end of the file, with and without a blank line there; a body of no bytes.
    for end in ["c\n\n", "c\n"] {
        let text = format!("From x Thu Jan  1 00:00:00 1970\nContent-Length: 2\n\n{end}");
        assert_eq!(messages(text.as_bytes(), Variant::Cl2), ["Content-Length: 2\n\nc\n"]);
    }
    let none = b"From x Thu Jan  1 00:00:00 1970\nContent-Length: 0\n\n\nFrom x Thu Jan  1 00:00:00 1970\nContent-Length: 0\n\n";
    assert_eq!(messages(none, Variant::Cl2), ["Content-Length: 0\n\n"; 2]);
    let missing = scan(b"From x Thu Jan  1 00:00:00 1970\nA: b\n\nc\n", Variant::Cl2);
    assert!(missing.items[0].notices[0].text.starts_with("there is no Content-Length"));
}

#[test]
fn flags_and_keywords_come_from_the_header() {
    let table: [(&str, Flags, &[&str]); 14] = [
        ("Status: RO", Flags::SEEN, &[]),
        ("Status: O", Flags::NONE, &[]),
        ("X-Status: ADFT", Flags::ANSWERED.union(Flags::DELETED).union(Flags::FLAGGED).union(Flags::DRAFT), &[]),
        ("X-Keywords: $Label1 Factura $label1", Flags::NONE, &["$Label1", "Factura"]),
        ("X-Keywords: $forwarded x", Flags::FORWARDED, &["x"]),
        ("X-Mozilla-Status: 0001", Flags::SEEN, &[]),
        ("X-Mozilla-Status: 0002", Flags::ANSWERED, &[]),
        ("X-Mozilla-Status: 0004", Flags::FLAGGED, &[]),
        ("X-Mozilla-Status: 0009", Flags::SEEN.union(Flags::DELETED), &[]),
        ("X-Mozilla-Status: 1001", Flags::SEEN.union(Flags::FORWARDED), &[]),
        ("X-Mozilla-Status: zzzz", Flags::NONE, &[]),
        ("X-Mozilla-Status2: 00200000", Flags::DELETED, &[]),
        ("X-Mozilla-Status2: 04000000", Flags::NONE, &["$label2"]),
        ("X-Mozilla-Keys: $label1 nonjunk   bad(word) ", Flags::NONE, &["$label1", "nonjunk"]),
    ];
    for (field, flags, keywords) in table {
        for eol in ["\n", "\r\n"] {
            let text = format!("From x Thu Jan  1 00:00:00 1970{eol}{field}{eol}{eol}c{eol}");
            let scan = scan(text.as_bytes(), Variant::Auto);
            assert_eq!(scan.items[0].flags, flags, "{field}");
            let found: Vec<&str> = scan.items[0].keywords.iter().map(|keyword| keyword.as_str()).collect();
            assert_eq!(found, keywords, "{field}");
        }
    }
    let body = scan(b"From x Thu Jan  1 00:00:00 1970\nA: b\n\nStatus: RO\n", Variant::Auto);
    assert_eq!(body.items[0].flags, Flags::NONE, "a body is no header");
}

/// An mbox with one message for each text of header fields.
fn mbox(headers: &[&str]) -> String {
    headers.iter().map(|fields| format!("From x Thu Jan  1 00:00:00 1970\n{fields}A: b\n\nc\n\n")).collect()
}

#[test]
fn uids_count_under_x_imapbase_while_they_ascend() {
    let uids = |headers: &[&str]| {
        let scan = scan(mbox(headers).as_bytes(), Variant::Auto);
        let notices: usize = scan.items.iter().map(|item| item.notices.len()).sum();
        (scan.uidvalidity, scan.uidnext, scan.items.iter().map(|item| item.uid).collect::<Vec<_>>(), notices)
    };
    // As Dovecot and c-client write them: the second number is the last UID given, not the next one.
    let kept = uids(&["X-IMAPbase: 1362582010 0000000009 Factura\nX-UID: 3\n", "X-UID: 4   \n", "", "X-UID: 9\n"]);
    assert_eq!(kept, (Some(1_362_582_010), Some(10), vec![Some(3), Some(4), None, Some(9)], 0));
    let next = uids(&["X-IMAPbase: 7 9\nX-UID: 9\n", "X-UID: 10\n", "X-UID: 12\n", "X-UID: 4294967295\n"]);
    assert_eq!(next, (Some(7), Some(11), vec![Some(9), Some(10), None, None], 2));
    let repeated = uids(&["X-IMAPbase: 7 9\nX-UID: 3\n", "X-UID: 3\n", "X-UID: 5\n"]);
    assert_eq!(repeated, (Some(7), Some(10), vec![Some(3), None, None], 2));
    let none = uids(&["X-UID: 3\n", "X-IMAPbase: 7 9\nX-UID: 4\n"]);
    assert_eq!(none, (None, None, vec![None, None], 0));
    for broken in
        ["X-IMAPbase: 0 9\n", "X-IMAPbase: x 9\n", "X-IMAPbase: 7\n", "X-IMAPbase: 7 2147483648\n", "X-IMAPbase:\n"]
    {
        let scan = scan(mbox(&[&format!("{broken}X-UID: 1\n")]).as_bytes(), Variant::Auto);
        assert_eq!((scan.uidvalidity, scan.uidnext, scan.items[0].uid), (None, None, None), "{broken}");
        assert!(scan.notices[0].text.starts_with("X-IMAPbase of the first message"), "{broken}");
    }
    let unbased = scan(mbox(&["X-UID: 3\n", "X-UID: 4\n"]).as_bytes(), Variant::Auto);
    assert_eq!(unbased.notices[0].rule, "9.4");
    assert!(unbased.notices[0].text.ends_with("not believed: 2"));
}

#[test]
fn keywords_that_the_mailbox_does_not_name_came_with_the_mail() {
    let text = mbox(&[
        "X-IMAPbase: 7 9 Factura\nX-Keywords: Factura Junk $Forwarded\n",
        "X-Keywords: FACTURA\nX-Mozilla-Keys: mine\n",
    ]);
    let scan = scan(text.as_bytes(), Variant::Auto);
    let keywords: Vec<Vec<&str>> =
        scan.items.iter().map(|item| item.keywords.iter().map(|keyword| keyword.as_str()).collect()).collect();
    assert_eq!(keywords, [vec!["Factura"], vec!["mine", "FACTURA"]]);
    assert_eq!(scan.items[0].flags, Flags::NONE);
}

#[test]
fn the_folder_data_note_is_no_message() {
    let note = "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1362582010 0000000042 Factura\nStatus: RO\n";
    let found = scan(mbox(&[note, "X-UID: 41\n"]).as_bytes(), Variant::Auto);
    assert_eq!(
        found.items.iter().map(|item| item.kind).collect::<Vec<_>>(),
        [ItemKind::NotAMessage, ItemKind::Message]
    );
    assert_eq!((found.uidvalidity, found.uidnext, found.items[1].uid), (Some(1_362_582_010), Some(43), Some(41)));
    // Neither half of the note makes a message disappear, nor does the note anywhere but first.
    for forged in ["X-IMAP: 7 9\nSubject: hello\n", "Subject: DON'T DELETE THIS MESSAGE\n"] {
        assert_eq!(scan(mbox(&[forged]).as_bytes(), Variant::Auto).items[0].kind, ItemKind::Message);
    }
    assert_eq!(scan(mbox(&["", note]).as_bytes(), Variant::Auto).items[1].kind, ItemKind::Message);
}

#[test]
fn uidls_are_kept_once() {
    let long = format!("X-UIDL: {}\n", "x".repeat(71));
    let found = scan(mbox(&["X-UIDL: 4f2a\n", "X-UIDL: 4f2a\n", "X-UIDL: a b\n", &long]).as_bytes(), Variant::Auto);
    let uidls: Vec<Option<&str>> = found.items.iter().map(|item| item.uidl.as_deref()).collect();
    assert_eq!(uidls, [Some("4f2a"), None, None, None]);
    assert_eq!(found.items[1].notices[0].rule, "5.2");
}

#[test]
fn the_internal_date_comes_from_the_postmark_then_the_header_then_the_file() {
    let date = |text: &str| scan(text.as_bytes(), Variant::Auto).items[0].internal_date;
    let header =
        "Received: from a by b\n\tfor <c@d>; Wed, 6 Mar 2013 15:00:10 +0000\nDate: Tue, 5 Mar 2013 15:00:10 +0000\n";
    assert_eq!(date(&format!("From x Thu Jan  1 00:00:09 1970\n{header}\n")), 9);
    assert_eq!(date(&format!("From x\n{header}\n")), 1_362_582_010);
    assert_eq!(date("From x\nDate: Tue, 5 Mar 2013 15:00:10 +0000\n\n"), 1_362_495_610);
    let file = file_with(b"From x\nA: b\n\n");
    let modified = file.metadata().unwrap().modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let found = scan_file(&file, b"x", Variant::Auto, u64::MAX).unwrap();
    assert_eq!(found.items[0].internal_date, i64::try_from(modified.as_secs()).unwrap());
}

#[test]
fn reading_takes_one_quote_off_for_mboxrd_only() {
    let text = "From x Thu Jan  1 00:00:00 1970\nA: b\n\n>From a\n>>From b\n > From c\nx>From d\n>From\n\n";
    let left_alone = "A: b\n\n>From a\n>>From b\n > From c\nx>From d\n>From\n";
    let unquoted = "A: b\n\nFrom a\n>From b\n > From c\nx>From d\n>From\n";
    for (variant, expected) in [(Variant::O, left_alone), (Variant::Auto, left_alone), (Variant::Rd, unquoted)] {
        assert_eq!(messages(text.as_bytes(), variant), [expected], "{variant:?}");
    }
}

#[test]
fn a_file_that_changed_is_not_read_as_if_it_had_not() {
    let text = b"From x Thu Jan  1 00:00:00 1970\nA: b\n\nc\n\nFrom x Thu Jan  1 00:00:00 1970\nA: b\n\nd\n\n";
    let ranges: Vec<(u64, u64)> =
        scan(text, Variant::Auto).items.iter().map(|item| item.locator.range.unwrap()).collect();
    let mut buffer = vec![1, 2, 3];
    let mut read = |bytes: &[u8], range| read_range(&file_with(bytes), range, Variant::Auto, 100, &mut buffer);

    for range in &ranges {
        read(text, *range).unwrap();
    }
    let grown = [&text[..], b"From x Thu Jan  1 00:00:00 1970\nnew: mail\n\n"].concat();
    for range in &ranges {
        read(&grown, *range).unwrap();
    }
    // The first message was expunged; one byte went missing; the end was cut off.
    for changed in [&text[43..], &text[1..], &text[..text.len() - 2]] {
        assert!(matches!(read(changed, ranges[1]), Err(ReadError::Changed)));
    }
    for range in [(0, 5), (31, 8), (32, 7), (1 << 60, 1), (u64::MAX, 2)] {
        assert!(matches!(read(text, range), Err(ReadError::Changed)), "{range:?}");
    }
    assert!(matches!(
        read(&grown.repeat(9), (32, 700)),
        Err(ReadError::TooLarge { length_bytes: 700, limit_bytes: 100 })
    ));
    assert!(buffer.is_empty(), "what could not be read leaves nothing behind");
}

#[test]
fn a_message_above_the_limit_is_listed() {
    let file = file_with(b"From x Thu Jan  1 00:00:00 1970\nA: b\n\nc\n");
    let scan = scan_file(&file, b"mail/%f1\xf1", Variant::Auto, 7).unwrap();
    assert_eq!(scan.items[0].kind, ItemKind::Message);
    assert_eq!(
        (scan.items[0].notices[0].rule, scan.items[0].notices[0].place.as_str()),
        ("9.1", "mail/%25f1%F1, byte 32")
    );
}

#[test]
fn large_messages_cross_the_window() {
    // Headers, postmarks and separators at every place around the window's end, and a body of several windows.
    let window = 1024 * 1024;
    for shift in 0..120 {
        let filler = "x".repeat(window - 100 + shift);
        let text = mbox(&["Status: RO\n"]).repeat(2)
            + &format!("From x Thu Jan  1 00:00:00 1970\nA: b\n\n{filler}\n\n")
            + &mbox(&["X-Status: F\n"]);
        let scan = scan(text.as_bytes(), Variant::Auto);
        assert_eq!(scan.items.len(), 4, "{shift}");
        assert_eq!(scan.items[2].locator.range.unwrap().1, (filler.len() + 7) as u64);
        assert_eq!(scan.items[3].flags, Flags::FLAGGED);
    }
    let long = format!("From x Thu Jan  1 00:00:00 1970\nA: b\n\n{}", "From y\n\n".repeat(600_000));
    let scan = scan(long.as_bytes(), Variant::Auto);
    assert_eq!(scan.items.len(), 1);
    assert!(scan.items[0].notices[0].text.ends_with("600000, the first at byte 38"));
}

// ---- properties of mbox ----

/// A line of text that is as bad for an mbox as lines get.
fn nasty_line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"From ".to_vec()),
        Just(b"From a@b Wed Mar  6 15:00:10 2013".to_vec()),
        Just(b">From a@b Wed Mar  6 15:00:10 2013".to_vec()),
        Just(b">>From x".to_vec()),
        Just(b"Subject: not a header".to_vec()),
        Just(b"Content-Length: 3".to_vec()),
        Just(b"X-UID: 7".to_vec()),
        Just(b"\0\0".to_vec()),
        proptest::collection::vec(any::<u8>().prop_filter("a line", |b| *b != b'\n'), 0..40),
    ]
}

/// A message whose every line ends.
fn nasty_message() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(nasty_line(), 0..12).prop_map(|lines| {
        let mut message = b"Subject: x\n\n".to_vec();
        for line in lines {
            message.extend(line);
            message.push(b'\n');
        }
        message
    })
}

/// Writes an mbox as a writer of the variant does.
fn write_mbox(messages: &[Vec<u8>], variant: Variant) -> Vec<u8> {
    let mut text = Vec::new();
    for message in messages {
        text.extend(b"From ana@example.org Wed Mar  6 15:00:10 2013\n");
        if variant == Variant::Cl2 {
            let body = message.len() - b"Subject: x\n\n".len();
            text.extend(format!("Content-Length: {body}\n").bytes());
            text.extend(message);
        } else {
            for line in message.split_inclusive(|&b| b == b'\n') {
                text.extend(quoted(line, variant));
            }
        }
        text.push(b'\n');
    }
    text
}

fn quoted(line: &[u8], variant: Variant) -> Vec<u8> {
    let unquoted = line.iter().position(|&b| b != b'>').map_or(line, |at| &line[at..]);
    let quote = if variant == Variant::Rd { unquoted.starts_with(b"From ") } else { line.starts_with(b"From ") };
    [if quote { &b">"[..] } else { b"" }, line].concat()
}

/// What must come out of [`write_mbox`].
fn expected(messages: &[Vec<u8>], variant: Variant) -> Vec<Vec<u8>> {
    let change = |message: &Vec<u8>| match variant {
        Variant::Rd => message.clone(),
        Variant::Cl2 => [format!("Content-Length: {}\n", message.len() - 12).as_bytes(), message].concat(),
        Variant::O | Variant::Auto => {
            message.split_inclusive(|&b| b == b'\n').flat_map(|line| quoted(line, variant)).collect()
        }
    };
    messages.iter().map(change).collect()
}

/// Checks that ranges, postmarks and separators are all of a file, each byte once.
fn assert_covered(bytes: &[u8], scan: &MboxScan) {
    let mut at = 0;
    for (index, item) in scan.items.iter().enumerate() {
        let (start, length) = item.locator.range.unwrap();
        let (start, end) = (usize::try_from(start).unwrap(), usize::try_from(start + length).unwrap());
        assert!(at <= start && start <= end && end <= bytes.len());
        let gap = &bytes[at..start];
        let separator: &[u8] = [&b"\r\n"[..], b"\n"].into_iter().find(|s| gap.starts_with(s)).unwrap_or(b"");
        let postmark = &gap[separator.len()..];
        if index == 0 && start == 0 {
            assert!(gap.is_empty());
        } else {
            assert!(postmark.starts_with(b"From "), "{:?}", postmark.escape_ascii().to_string());
            assert_eq!(
                postmark.iter().filter(|&&b| b == b'\n').count(),
                usize::from(start < bytes.len() || postmark.ends_with(b"\n"))
            );
        }
        at = end;
    }
    assert!([&b""[..], b"\n", b"\r\n"].contains(&&bytes[at..]));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        messages in proptest::collection::vec(nasty_message(), 0..6),
        variant in prop_oneof![Just(Variant::O), Just(Variant::Rd), Just(Variant::Cl2), Just(Variant::Auto)],
    ) {
        let text = write_mbox(&messages, variant);
        let file = file_with(&text);
        let scan = scan_file(&file, b"x", variant, u64::MAX).unwrap();
        assert_covered(&text, &scan);
        let found: Vec<Vec<u8>> = scan.items.iter().map(|item| bytes_of(&file, item, variant)).collect();
        prop_assert_eq!(found, expected(&messages, variant));
    }

    #[test]
    fn any_bytes_are_covered(
        lines in proptest::collection::vec(nasty_line(), 0..60),
        ends in proptest::collection::vec(prop_oneof![Just("\n"), Just("\n"), Just("\r\n"), Just("")], 60),
        variant in prop_oneof![Just(Variant::O), Just(Variant::Rd), Just(Variant::Cl2), Just(Variant::Auto)],
    ) {
        let text: Vec<u8> = lines.iter().zip(&ends).flat_map(|(line, end)| [line, end.as_bytes()].concat()).collect();
        let file = file_with(&text);
        let scan = scan_file(&file, b"x", variant, u64::MAX).unwrap();
        assert_covered(&text, &scan);
        for item in &scan.items {
            bytes_of(&file, item, variant);
        }
    }

    #[test]
    fn account_and_alias_lists_take_any_text(text in "([ -~ñ:;,\n\t\"{}=@#]|@example\\.org|:){0,200}") {
        let (accounts, notices) = passwd::parse(text.as_bytes(), "f");
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')).count();
        prop_assert!(accounts.len() + notices.len() >= lines, "no line is lost silently");
        virtual_map::parse(text.as_bytes(), "f");
        let rows = csv_accounts::parse(format!("address,password_hash,quota_mb\n{text}").as_bytes(), "f");
        prop_assert!(rows.is_ok());
    }
}
