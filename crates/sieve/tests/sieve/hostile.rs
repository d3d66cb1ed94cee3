//! Scripts and messages that are meant to hurt: each ends, with an outcome or an error that says why.

use crate::account::{Account, lines, outcome};
use message::{header, to_crlf};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sieve::limits::{MAX_ACTIONS, MAX_REDIRECTS, MAX_SCRIPT_BYTES, MAX_SEEN};
use sieve::{Action, Features};

#[test]
fn patterns_of_many_wildcards_end() {
    let value = "a".repeat(15_000);
    let message = format!("X-Long: {value}\n\n");
    for pattern in
        ["*a".repeat(1000) + "b", "*a*a*a*a*a*a*a*a*b".to_owned(), "*".repeat(10_000) + "b", "?".repeat(5000) + "*b"]
    {
        let script = format!("if header :matches \"x-long\" \"{pattern}\" {{ discard; }}");
        assert_eq!(outcome(&script, &message), ["keep"], "{}", &pattern[..10]);
    }
    // The one shape that costs its length times that of the value: it is stopped once it costs too much.
    let script = format!("if header :matches \"x-long\" \"*{}b*\" {{ discard; }}", "a".repeat(7500));
    assert_eq!(outcome(&script, &message), ["error: line 1: the script does more work than one message may cost"]);
}

#[test]
fn growing_variables_are_cut_off() {
    let mut script = "require [\"variables\", \"fileinto\"]; set \"a\" \"0123456789abcdef\";\n".to_owned();
    for _ in 0..500 {
        script += "set \"a\" \"${a}${a}${a}${a}${a}${a}${a}${a}\";\n";
    }
    script += "set :length \"n\" \"${a}\"; fileinto \"${n}\";";
    assert_eq!(outcome(&script, ""), ["fileinto 4096"]);
    let all = format!("{script} redirect \"{}\";", "${a}".repeat(20));
    let error = outcome(&all, "");
    assert!(error[0].ends_with("a string or list is too long once its variables are expanded"), "{error:?}");
    for test in [
        format!("string [{}\"\"] \"x\"", "\"${a}${a}${a}${a}\", ".repeat(2000)),
        format!("hasflag [{}\"\"] \"x\"", "\"f\", ".repeat(60_000)),
    ] {
        let flags: String = (0..60).map(|number| format!("{}{number} ", "f".repeat(60))).collect();
        let script = script.replace("[\"variables\"", "[\"variables\", \"imap4flags\"");
        let error = outcome(&format!("{script} setflag \"f\" \"{flags}\"; if {test} {{}}"), "");
        assert!(error[0].contains("too long once its variables"), "{error:?}");
    }
    let many: String = (0..300).map(|number| format!("set \"v{number}\" \"\";\n")).collect();
    let error = outcome(&format!("require \"variables\";\n{many}"), "");
    assert_eq!(error, ["error: line 258: there are more variables than a script may have"]);
}

/// Each is looked up, and each that is new is written down.
#[test]
fn duplicates_are_looked_for_and_remembered_a_few_times() {
    let require = "require \"duplicate\";\n";
    let each = |count: usize| -> String {
        (0..count).map(|number| format!("if duplicate :uniqueid \"{number}\" {{ discard; }}\n")).collect()
    };
    let most = Account::default().run(&format!("{require}{}", each(MAX_SEEN)), "").unwrap();
    assert_eq!(most.seen.len(), MAX_SEEN);
    assert_eq!(
        outcome(&format!("{require}{}", each(MAX_SEEN + 1)), ""),
        ["error: line 34: one message is remembered for more than 32 duplicate tests"]
    );
    let require = "require [\"duplicate\", \"mailbox\", \"fileinto\", \"mailboxid\", \"special-use\"];\n";
    for often in [
        "if duplicate {}\n".repeat(25_000),
        format!("if mailboxexists [{}\"INBOX\"] {{}}", "\"INBOX\", ".repeat(25_000)),
        format!("if mailboxidexists [{}\"F6352ae03\"] {{}}", "\"F6352ae03\", ".repeat(25_000)),
        format!("if specialuse_exists [{0}\"\\\\Junk\"] {{}}", "\"\\\\Junk\", ".repeat(25_000)),
        "fileinto \"INBOX\";\n".repeat(25_000),
    ] {
        let error = outcome(&format!("{require}{often}"), "Message-ID: <1@x>\n\n");
        assert!(
            error[0].ends_with("the script does more work than one message may cost"),
            "{}: {error:?}",
            &often[..40]
        );
    }
}

#[test]
fn long_scripts_and_deep_ones_are_refused_or_run() {
    assert!(sieve::parse(format!("redirect \"{}\";", "x".repeat(10 << 20)).as_bytes()).is_err());
    let longest = format!("if header :contains \"x\" \"{}\" {{}}", "x".repeat(MAX_SCRIPT_BYTES - 40));
    assert_eq!(outcome(&longest, "X: y\n\n"), ["keep"]);
    assert!(sieve::parse("if true {".repeat(100_000).as_bytes()).is_err());
    assert!(sieve::parse(format!("if {} true {{}}", "not ".repeat(100_000)).as_bytes()).is_err());
    assert_eq!(outcome(&["if true {".repeat(32), "}".repeat(32)].concat(), ""), ["keep"]);
    let many = "if header :contains [\"a\", \"b\", \"c\"] [\"x\", \"y\"] { discard; }\n".repeat(15_000);
    assert_eq!(outcome(&many, "Subject: x\n\n"), ["keep"]);
}

#[test]
fn actions_are_counted() {
    let many = |command: &str, count: usize| -> String {
        (0..count).map(|number| command.replace('#', &number.to_string())).collect()
    };
    let require = "require [\"fileinto\", \"copy\"];";
    let files = outcome(&format!("{require}{}", many("fileinto \"m#\";", MAX_ACTIONS)), "");
    assert_eq!(files.len(), MAX_ACTIONS);
    let files = outcome(&format!("{require}{}", many("fileinto \"m#\";", MAX_ACTIONS + 1)), "");
    assert_eq!(files, ["error: line 1: the script does more than 32 actions"]);
    let redirects = outcome(&many("redirect \"a#@x\";", MAX_REDIRECTS + 1), "");
    assert_eq!(redirects, ["error: line 1: the script sends the message on to more than 4 addresses"]);
}

#[test]
fn large_messages_cost_no_more_than_allowed() {
    let html = format!("Subject: x\nContent-Type: text/html\n\n{}", "<p>word word word</p>\n".repeat(10_000));
    let message = format!("Subject: x\n\n{}", "word word word word\n".repeat(250_000));
    let test = "if body :contains [\"one\", \"two\", \"three\"] { discard; }\n";
    let parsed = sieve::parse(format!("require \"body\";\n{}", test.repeat(3)).as_bytes()).unwrap();
    for message in [&html, &message] {
        assert_eq!(lines(&Account::default().run_parsed(&parsed, message.as_bytes()).unwrap()), ["keep"]);
    }
    let parsed = sieve::parse(format!("require \"body\";\n{}", test.repeat(300)).as_bytes()).unwrap();
    let error = Account::default().run_parsed(&parsed, message.as_bytes()).unwrap_err();
    assert_eq!(error.what, "the script does more work than one message may cost");
    let header = format!("{}\n\nbody", "X-Many: a\n".repeat(20_000));
    let parsed = sieve::parse("if header :is \"x-many\" \"b\" { discard; }\n".repeat(1000).as_bytes()).unwrap();
    assert!(Account::default().run_parsed(&parsed, header.as_bytes()).is_err());
}

/// Pieces of scripts: commands that are whole, so that many of what is made of them can be run.
const COMMANDS: [&str; 20] = [
    "keep;",
    "discard;",
    "stop;",
    "fileinto :create :flags \"$a \\\\Seen\" \"a${1}${v}\";",
    "fileinto :copy \"b\";",
    "redirect \"a${1}@x.example\";",
    "redirect :copy \"b@x.example\";",
    "reject \"no ${v}\";",
    "vacation :days 3 :subject \"${v}\" \"away ${0}\";",
    "set :quotewildcard :upper \"v\" \"${v}${1}x*\";",
    "set :length \"v\" \"${v}\";",
    "addflag \"$b ${v}\";",
    "removeflag \"$b\";",
    "if string :matches \"${v}\" \"*x?*\" { set \"v\" \"${1}y${2}\"; }",
    "if duplicate :uniqueid \"${v}\" { keep; }",
    "if hasflag :count \"gt\" :comparator \"i;ascii-numeric\" \"1\" { discard; }",
    "addheader \"X-${v}\" \"${1} ${v}\";",
    "addheader :last \"Subject\" \"ñ ${0}\";",
    "deleteheader :index 1 :last :matches \"subject\" \"*${v}*\";",
    "deleteheader \"${v}Received\";",
];

const TESTS: [&str; 10] = [
    "true",
    "header :matches \"subject\" \"*a?\\\\**\"",
    "header :contains [\"subject\", \"x\"] [\"${1}\", \"b\"]",
    "address :detail :is [\"from\", \"to\"] \"x\"",
    "envelope :user :matches \"to\" \"*\"",
    "body :text :contains \"word\"",
    "body :content \"text\" :matches \"*w*r*\"",
    "date :originalzone :matches \"date\" \"std11\" \"*, * * *\"",
    "currentdate :value \"ge\" \"julian\" \"60000\"",
    "not anyof (size :over 100, exists \"subject\")",
];

fn script() -> impl Strategy<Value = String> {
    let command = prop_oneof![
        3 => select(&COMMANDS[..]).prop_map(str::to_owned),
        1 => (select(&TESTS[..]), select(&COMMANDS[..]), select(&COMMANDS[..]))
            .prop_map(|(test, yes, no)| format!("if {test} {{ {yes} }} else {{ {no} }}")),
    ];
    let require = "require [\"fileinto\", \"envelope\", \"body\", \"imap4flags\", \"copy\", \"mailbox\", \"variables\", \
                   \"relational\", \"date\", \"subaddress\", \"comparator-i;ascii-numeric\", \"reject\", \"vacation\", \
                   \"duplicate\", \"editheader\"];\n";
    vec(command, 0..12).prop_map(move |commands| format!("{require}{}", commands.join("\n")))
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just(b"Subject: =?utf-8?q?a=C3=B1*?= b".to_vec()),
        Just(b"From: a+x@example.org".to_vec()),
        Just(b"To: grupo: yo@example.com, b@x;".to_vec()),
        Just(b"Date: Tue, 08 Apr 2025 19:06:31 +0200".to_vec()),
        Just(b"Content-Type: multipart/mixed; boundary=b".to_vec()),
        Just(b"--b".to_vec()),
        Just(b"--b--".to_vec()),
        Just(Vec::new()),
        Just(b"word <b>word</b>".to_vec()),
        vec(any::<u8>(), 0..20),
    ];
    vec(line, 0..16).prop_map(|lines| lines.join(&b"\n"[..]))
}

proptest! {
    #[test]
    fn every_run_ends_within_its_limits(script in script(), message in message()) {
        let parsed = sieve::parse_with(script.as_bytes(), Features { editheader: true }).unwrap();
        let ran = Account::default().run_parsed(&parsed, &message);
        prop_assert_eq!(&ran, &Account::default().run_parsed(&parsed, &message));
        let Ok(outcome) = ran else { return Ok(()) };
        let count = |is_it: fn(&Action) -> bool| outcome.actions.iter().filter(|action| is_it(action)).count();
        prop_assert!((1..=MAX_ACTIONS + 1).contains(&outcome.actions.len()));
        let redirects = count(|action| matches!(action, Action::Redirect { .. }));
        let keeps = count(|action| matches!(action, Action::Keep { .. }));
        prop_assert!(redirects <= MAX_REDIRECTS && keeps <= 1);
        if count(|action| matches!(action, Action::Reject { .. })) > 0 {
            let others = count(|action| !matches!(action, Action::Reject { .. } | Action::Discard));
            prop_assert_eq!(others, 0, "{:?}", outcome);
        }
        let crlf = to_crlf(&message);
        let from = |bytes: &[u8]| header::fields(bytes).filter(|field| field.is("From")).count();
        for action in &outcome.actions {
            if let Action::Keep { header, .. } | Action::FileInto { header, .. } | Action::Redirect { header, .. } = action {
                let edited = header.apply(&crlf);
                prop_assert_eq!(from(&edited), from(&crlf));
                let (alone, rest) = crlf.split_at(header::length(&crlf));
                prop_assert_eq!([&header.apply(alone), rest].concat(), &edited[..]);
            }
        }
    }

    #[test]
    fn words_in_any_order_are_a_script_or_an_error(
        words in vec(select(&["if", "not", "anyof", "(", ")", "{", "}", ";", ",", "[", "]", "\"a\"", ":is", ":comparator",
            ":value", "10K", "header", "keep", "fileinto", "require", "\"fileinto\"", "text:\n.\n", "ihave", "set",
            "\"ihave\"", "\"variables\"", "elsif", "else", "stop", "true", "date", "vacation", ":days"][..]), 0..30)
    ) {
        if let Ok(script) = sieve::parse(words.join(" ").as_bytes()) {
            let _ = Account::default().run_parsed(&script, b"A: b\n\n");
        }
    }
}
