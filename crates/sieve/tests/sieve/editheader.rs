//! Headers that scripts change (RFC 5293).

use crate::account::Account;
use message::{header, mime, to_crlf};
use sieve::limits::{MAX_ADDED_HEADER_BYTES, MAX_HEADER_EDITS, MAX_HEADER_GAPS, MAX_HEADERS};
use sieve::{Action, Delivery, Features, HeaderVersion, Outcome, RunError};

const ON: Features = Features { editheader: true };

const REQUIRE: &str = r#"require ["editheader", "fileinto", "copy", "variables", "index", "date", "reject", "vacation",
    "relational", "comparator-i;ascii-numeric", "body", "encoded-character"];
"#;

const MESSAGE: &str = "Received: from a by b; Thu, 12 Feb 2009 15:31:30 +0100\nFrom: Ana <ana@example.org>\n\
                       To: yo@example.com\nSubject: hola\nX-Hello: one\nX-Hello: two\n words\nX-Hello: three\n\
                       Auto-Submitted: no\n\nX-Hello: body\n";

fn parse(script: &str) -> sieve::Script {
    sieve::parse_with(format!("{REQUIRE}{script}").as_bytes(), ON)
        .unwrap_or_else(|errors| panic!("{errors:?}\n{script}"))
}

fn run(script: &str, message: &str) -> Result<Outcome, RunError> {
    Account::default().run_parsed(&parse(script), message.as_bytes())
}

/// What a script delivers: where to, and the fields that are not as they came, with `-` before those that are gone.
pub(crate) fn changes(script: &str, message: &str) -> Vec<String> {
    let crlf = to_crlf(message.as_bytes());
    let line = |place: String, version: &HeaderVersion| {
        let fields = |bytes: &[u8]| -> Vec<String> {
            let text = |field: header::Field<'_>| {
                let value = String::from_utf8(field.value().into_owned()).unwrap();
                format!("{}: {value}", std::str::from_utf8(field.name()).unwrap())
            };
            header::fields(bytes).map(text).collect()
        };
        let edited = version.apply(&crlf);
        let (header, rest) = crlf.split_at(header::length(&crlf));
        assert_eq!([&version.apply(header), rest].concat(), edited[..], "the header alone is changed likewise");
        let (before, after) = (fields(&crlf), fields(&edited));
        assert_eq!(edited[edited.len() - 15..], crlf[crlf.len() - 15..], "the body is as it was");
        let gone = before.iter().filter(|field| !after.contains(field)).map(|field| format!(" -{field}"));
        let new = after.iter().filter(|field| !before.contains(field)).map(|field| format!(" {field}"));
        place + &gone.chain(new).collect::<String>()
    };
    let lines = run(script, message).unwrap_or_else(|error| panic!("{error}: {script}")).actions;
    lines
        .iter()
        .map(|action| match action {
            Action::Keep { header, .. } => line("INBOX".to_owned(), header),
            Action::FileInto { mailbox, header, .. } => line(mailbox.to_string(), header),
            Action::Redirect { address, header, .. } => line(address.to_string(), header),
            other => format!("{other:?}"),
        })
        .collect()
}

/// RFC 5293 §4, §5 and §7.
#[test]
fn fields_come_and_go() {
    let all = "INBOX -X-Hello: one -X-Hello: two words -X-Hello: three";
    let table = [
        (r#"addheader "X-A" "b";"#, &["INBOX X-A: b"][..]),
        (r#"addheader "X-A" "1"; addheader "X-A" "2"; addheader :last "X-A" "3";"#, &["INBOX X-A: 2 X-A: 1 X-A: 3"]),
        (r#"addheader "X-Hello" "World"; deleteheader :index 1 "X-Hello";"#, &["INBOX"]),
        (
            r#"deleteheader :index 1 "X-Hello"; deleteheader :index 2 "X-Hello";"#,
            &["INBOX -X-Hello: one -X-Hello: three"],
        ),
        (r#"deleteheader "x-hello";"#, &[all]),
        (r#"deleteheader :contains "x-hello" "";"#, &[all]),
        (r#"deleteheader :index 1 :last "x-hello";"#, &["INBOX -X-Hello: three"]),
        (r#"deleteheader :index 3 :last "x-hello";"#, &["INBOX -X-Hello: one"]),
        (r#"deleteheader :index 4 :last "x-hello"; deleteheader :index 4 "x-hello"; deleteheader "none";"#, &["INBOX"]),
        // The field of the number, if it fits; not the first that fits.
        (r#"deleteheader :index 1 :contains "x-hello" "two";"#, &["INBOX"]),
        (r#"deleteheader :index 2 :is "x-hello" "TWO WORDS";"#, &["INBOX -X-Hello: two words"]),
        (r#"deleteheader :comparator "i;octet" "x-hello" "TWO WORDS";"#, &["INBOX"]),
        (r#"deleteheader :matches "x-hello" ["o*", "t?o *"];"#, &["INBOX -X-Hello: one -X-Hello: two words"]),
        (r#"deleteheader :value "gt" "x-hello" "p";"#, &["INBOX -X-Hello: two words -X-Hello: three"]),
        // What was added is deleted as what was there.
        (
            r#"addheader "X-Hello" "four"; deleteheader :contains "x-hello" ["two", "four"];"#,
            &["INBOX -X-Hello: two words"],
        ),
        (
            r#"deleteheader "Subject"; addheader "Subject" "[lista] año";"#,
            &["INBOX -Subject: hola Subject: [lista] =?UTF-8?B?YcOxbw==?="],
        ),
        // Each action has the header as it is then.
        (
            r#"fileinto "a"; addheader "X-A" "1"; fileinto "b"; redirect :copy "c@x"; deleteheader "x-a"; redirect :copy "d@x";
               addheader "X-A" "2"; keep;"#,
            &["a", "b X-A: 1", "c@x X-A: 1", "d@x", "INBOX X-A: 2"],
        ),
        // A message that was changed is the same message: one to each mailbox and address.
        (
            r#"keep; addheader "X-A" "1"; keep; fileinto "inbox"; fileinto "a"; redirect "b@x"; addheader "X-A" "2"; fileinto "a";
               redirect "b@x";"#,
            &["INBOX", "a X-A: 1", "b@x X-A: 1"],
        ),
        // The implicit keep is done at the end; changes do not cancel it, nor bring it back.
        (r#"fileinto :copy "a"; addheader "X-A" "1"; stop; addheader "X-A" "2";"#, &["a", "INBOX X-A: 1"]),
        (r#"fileinto "a"; addheader "X-A" "1";"#, &["a"]),
        // Values that match leave match variables (RFC 5229 §3.2).
        (
            r#"deleteheader :matches "x-hello" "t*"; addheader "X-A" "${1}";"#,
            &["INBOX -X-Hello: two words -X-Hello: three X-A: hree"],
        ),
        (r#"set "n" "X-V"; set "v" "ñ"; addheader "${n}" "${v}"; deleteheader "${n}" "${v}";"#, &["INBOX"]),
    ];
    for (script, expected) in table {
        assert_eq!(changes(script, MESSAGE), expected, "{script}");
    }
}

/// RFC 5293 §7: tests look at the header as it is.
#[test]
fn tests_see_what_was_changed() {
    let edits = r#"addheader "X-New" "señal"; addheader :last "Cc" "Eva <eva@x.example>"; deleteheader "subject";
        deleteheader :index 1 "x-hello"; addheader "Date" "Thu, 12 Feb 2009 15:00:00 +0100";
        addheader "Content-Type" "text/html";
    "#;
    let table = [
        (r#"header :contains "x-new" "SEñal""#, true),
        (r#"exists ["x-new", "cc"]"#, true),
        (r#"exists "subject""#, false),
        (r#"header :index 1 "x-hello" "two words""#, true),
        (r#"header :index 1 :last "x-hello" "three""#, true),
        (r#"header :count "eq" "x-hello" "2""#, true),
        (r#"address :domain "cc" "x.example""#, true),
        (r#"date :originalzone "date" "date" "2009-02-12""#, true),
        (r#"header :contains "x-new" """#, true),
        // Of the body nothing changes (RFC 5293 §7 leaves that to us).
        (r#"body :content "text/plain" :contains "X-Hello""#, true),
        (r#"body :raw :contains "X-New""#, false),
    ];
    for (test, expected) in table {
        let script = format!("{edits} if {test} {{ fileinto \"yes\"; }} else {{ fileinto \"no\"; }}");
        let place = if expected { "yes" } else { "no" };
        assert!(changes(&script, MESSAGE)[0].starts_with(place), "{test}");
    }
    // The size is that of the message as it is then: RFC 5293 speaks of no other.
    let size = to_crlf(MESSAGE.as_bytes()).len();
    let script = format!(
        "if size :over {size} {{ fileinto \"no\"; }} addheader \"X\" \"1\"; if size :under {} {{ fileinto \"no\"; }}
         if size :over {} {{ fileinto \"no\"; }} deleteheader \"x\"; if size :over {size} {{ fileinto \"no\"; }}
         deleteheader \"x-hello\"; if size :under {} {{ fileinto \"yes\"; }}",
        size + 6,
        size + 6,
        size - 30
    );
    assert_eq!(changes(&script, MESSAGE).len(), 1);
    assert!(changes(&script, MESSAGE)[0].starts_with("yes"));
}

/// RFC 5293 §6.
#[test]
fn what_others_rest_on_stays() {
    let message = "Return-Path: <a@x>\nDelivered-To: yo@example.com\nAuthentication-Results: h; spf=pass\nARC-Seal: a\n\
                   Received: from a by b; now\nReceived-SPF: pass\nFrom: Ana <ana@example.org>\nSender: a@x\n\
                   Auto-Submitted: auto-replied\nDKIM-Signature: v=1\nSubject: hola\n\nX-Hello: body\n";
    for name in [
        "Return-Path",
        "Delivered-To",
        "Authentication-Results",
        "ARC-Seal",
        "Received",
        "Received-SPF",
        "FROM",
        "sender",
        "ARC-Message-Signature",
        "ARC-Authentication-Results",
        "original-recipient",
    ] {
        assert_eq!(
            changes(&format!("deleteheader \"{name}\"; addheader \"{name}\" \"x\";"), message),
            ["INBOX"],
            "{name}"
        );
    }
    assert_eq!(changes("deleteheader \"auto-submitted\";", message), ["INBOX"]);
    // What is a program's does not become a person's, not for those who read the first field alone.
    assert_eq!(changes("addheader \"auto-submitted\" \"no\";", message), ["INBOX"]);
    let script = "addheader \"Auto-Submitted\" \"auto-generated\"; addheader \"Auto-Submitted\" \"no\";";
    assert_eq!(changes(script, "Subject: hola\n\nX-Hello: body\n"), ["INBOX Auto-Submitted: auto-generated"]);
    assert_eq!(changes("deleteheader \"dkim-signature\";", message), ["INBOX -DKIM-Signature: v=1"]);
    // The counting is that of the fields that are there.
    assert_eq!(changes("deleteheader :index 1 :last \"subject\";", message), ["INBOX -Subject: hola"]);
}

/// RFC 5230 §4.5 and §5.2 look at the header, so at the one that is there now; RFC 5293 §7 has them among the actions that do.
#[test]
fn vacations_look_at_what_is_there_and_refusals_do_not() {
    let replies = |script: &str, message: &str| -> Vec<String> {
        let outcome = run(&format!("{script} vacation \"away\";"), message).unwrap();
        let text = |action: &Action| match action {
            Action::Vacation(reply) => Some(String::from_utf8(reply.message.clone()).unwrap()),
            _ => None,
        };
        outcome.actions.iter().filter_map(text).collect()
    };
    assert!(replies("", MESSAGE)[0].contains("Subject: Auto: hola\r\n"));
    assert!(replies(r#"addheader "Subject" "changed";"#, MESSAGE)[0].contains("Subject: Auto: changed\r\n"));
    assert!(replies(r#"deleteheader "to";"#, MESSAGE).is_empty());
    assert!(replies(r#"addheader "List-Id" "<a.x>";"#, MESSAGE).is_empty());
    let automatic = MESSAGE.replace("Auto-Submitted: no", "Auto-Submitted: auto-generated");
    assert!(replies("", &automatic).is_empty());
    assert!(replies(r#"deleteheader "auto-submitted"; addheader "Auto-Submitted" "no";"#, &automatic).is_empty());

    // What says that nobody wants an answer is not unsaid.
    for field in ["List-Id: <a.x>", "Precedence: bulk", "X-Loop: a@x", "X-Auto-Response-Suppress: All"] {
        let message = format!("{field}\n{MESSAGE}");
        let name = field.split(':').next().unwrap();
        assert!(replies(&format!("deleteheader \"{name}\";"), &message).is_empty(), "{field}");
    }

    let outcome = run(r#"addheader "X-A" "b"; reject "no";"#, MESSAGE).unwrap();
    assert_eq!(outcome.actions, [Action::Reject { reason: "no".to_owned(), extended: false }]);
}

/// RFC 5228 §2.10.6, RFC 5293 §7: where a script fails nothing is changed.
#[test]
fn what_is_no_field_is_an_error() {
    let because = |script: &str| run(script, MESSAGE).unwrap_err().what;
    for (name, value, expected) in [
        ("X B", "v", "cannot be the name of a header field"),
        ("", "v", "cannot be the name of a header field"),
        ("X:", "v", "cannot be the name of a header field"),
        ("Ñ", "v", "cannot be the name of a header field"),
        ("X${hex: 0d 0a}Bcc", "v", "cannot be the name of a header field"),
        ("X", "a${hex: 0d 0a}Bcc: b@x", "a line end or another control character"),
        ("X", "a${hex: 0a} b", "a line end or another control character"),
        ("X", "a${hex: 00}", "a line end or another control character"),
    ] {
        // Where it stands in the script, the script is not right.
        let script = format!("{REQUIRE}addheader \"{name}\" \"{value}\";");
        let errors = sieve::parse_with(script.as_bytes(), ON).unwrap_err();
        assert!(errors[0].what.contains(expected) && errors[0].line == 3, "{errors:?}");
        // Where it comes out of the message or a variable, it fails.
        let error = because(&format!("set \"n\" \"{name}\"; set \"v\" \"{value}\"; addheader \"${{n}}\" \"${{v}}\";"));
        assert!(error.contains(expected), "{error}");
    }
    assert!(because("set \"n\" \"a b\"; deleteheader \"${n}\";").contains("cannot be the name"));
    // No text of a header becomes a field: what reads it leaves line ends out.
    let folded = "Subject: a\n Bcc: b@x\n\nX-Hello: body\n";
    let script = r#"if header :matches "subject" "*" { addheader "X-A" "${1}"; }"#;
    assert_eq!(changes(script, folded), ["INBOX X-A: a Bcc: b@x"]);

    for (script, expected) in [
        ("addheader \"X\";", "addheader takes 2 arguments beside its tags, not 1"),
        ("addheader :index 1 \"X\" \"y\";", "addheader has no tag :index, or has it twice"),
        ("deleteheader;", "deleteheader takes 1 to 2 arguments beside its tags, not 0"),
        ("deleteheader :last \"X\";", ":last needs :index"),
        ("deleteheader :index 0 \"X\";", ":index counts from 1"),
        ("deleteheader [\"X\", \"Y\"];", "a string is expected"),
        (
            "deleteheader \"a b\";",
            "\"a b\" cannot be the name of a header field: it has printable ASCII characters, no space and no colon",
        ),
        (
            "deleteheader :count \"ge\" \"X\" \"2\";",
            "deleteheader looks at one field at a time: :count has no meaning with it",
        ),
    ] {
        let errors = sieve::parse_with(format!("{REQUIRE}{script}").as_bytes(), ON).unwrap_err();
        assert_eq!(errors[0].what, expected, "{script}");
    }
    // Without values there is nothing to compare (RFC 5293 §5), so how does not matter.
    assert!(sieve::parse_with(format!("{REQUIRE}deleteheader :count \"ge\" \"X\";").as_bytes(), ON).is_ok());
    let script = "addheader \"X\" \"y\";";
    assert_eq!(sieve::parse_with(script.as_bytes(), ON).unwrap_err()[0].what, "addheader needs require \"editheader\"");
}

#[test]
fn how_much_is_changed_is_bounded() {
    let edits = |count: usize| "addheader \"X\" \"y\"; deleteheader \"x\";\n".repeat(count);
    assert_eq!(changes(&edits(MAX_HEADER_EDITS / 2), MESSAGE), ["INBOX"]);
    let error = run(&format!("{}addheader \"X\" \"y\";", edits(MAX_HEADER_EDITS / 2)), MESSAGE).unwrap_err();
    assert_eq!(error.to_string(), "line 53: the script changes the header more than 100 times");
    let long = format!("addheader \"X-Long\" \"{}\";\n", "word ".repeat(2_000));
    let error = run(&long.repeat(7), MESSAGE).unwrap_err();
    assert!(error.what.contains(&format!("more than {MAX_ADDED_HEADER_BYTES} bytes")), "{error}");
    assert!(run(&long.repeat(6), MESSAGE).is_ok());
    let copies = |count: usize| -> String {
        (0..count).map(|number| format!("fileinto \"m{number}\"; addheader \"X\" \"{number}\"; ")).collect()
    };
    assert_eq!(changes(&format!("{} stop;", copies(MAX_HEADERS)), MESSAGE).len(), MAX_HEADERS);
    let error = run(&copies(MAX_HEADERS + 1), MESSAGE).unwrap_err();
    assert!(error.what.contains("more than 8 different messages"), "{error}");
    // Many fields and many patterns cost what the header test would cost.
    let message = format!("{}\nX-Hello: body\n", "X-Many: a\n".repeat(20_000));
    assert!(run(&"deleteheader :contains \"x-many\" \"b\";\n".repeat(99), &message).is_err());
    let gone = run("deleteheader \"x-many\";", &message).unwrap();
    let Action::Keep { header, .. } = &gone.actions[0] else { panic!("{gone:?}") };
    assert_eq!(&header.apply(&to_crlf(message.as_bytes()))[..], b"\r\nX-Hello: body\r\n");
    let apart = |count: usize| format!("{}\nX-Hello: body\n", "X-Many: a\nX-Other: b\n".repeat(count));
    assert!(run("deleteheader \"x-many\";", &apart(MAX_HEADER_GAPS)).is_ok());
    let error = run("deleteheader \"x-many\";", &apart(MAX_HEADER_GAPS + 1)).unwrap_err();
    assert!(error.what.contains("at more than 1000 places"), "{error}");
}

#[test]
fn it_is_off_unless_somebody_switches_it_on() {
    let off = Features::default();
    assert!(!off.editheader && !sieve::extensions(off).any(|name| name == "editheader"));
    assert!(sieve::extensions(ON).any(|name| name == "editheader"));
    for script in ["require \"editheader\";", "require [\"fileinto\", \"editheader\"]; addheader \"X\" \"y\";"] {
        let errors = sieve::parse(script.as_bytes()).unwrap_err();
        assert!(errors[0].what.starts_with("the extension \"editheader\" is switched off here"), "{errors:?}");
        assert_eq!(errors.len(), 1, "what follows from it is not told");
        assert!(sieve::parse_with(script.as_bytes(), ON).is_ok());
    }
    let asks = b"require [\"ihave\", \"fileinto\"]; if ihave \"editheader\" { addheader \"X\" \"y\"; } else { fileinto \"off\"; }";
    for (features, expected) in [(off, "off"), (ON, "INBOX")] {
        let script = sieve::parse_with(asks, features).unwrap();
        let outcome = Account::default().run_parsed(&script, MESSAGE.as_bytes()).unwrap();
        let place = match &outcome.actions[..] {
            [Action::FileInto { mailbox, .. }] => mailbox.to_string(),
            _ => "INBOX".to_owned(),
        };
        assert_eq!(place, expected);
    }
}

/// What the delivery put above all stays above, and is there to be looked at.
#[test]
fn changes_are_made_below_what_the_delivery_wrote() {
    let (top, below) = ("Return-Path: <a@x>\r\nDelivered-To: yo@example.com\r\n", "Subject: hola\r\n\r\nbody\r\n");
    let crlf = [top, below].concat();
    let parsed = mime::parse(crlf.as_bytes());
    let delivery = Delivery {
        crlf: crlf.as_bytes(),
        top_bytes: top.len(),
        message: &parsed,
        envelope_from: "a@x",
        envelope_to: "yo@example.com",
        time_s: 0,
        zone_offset_s: 0,
    };
    let size = crlf.len();
    let script = parse(&format!(
        "addheader \"X-A\" \"b\"; deleteheader \"delivered-to\"; deleteheader \"subject\";
         if not allof (exists [\"delivered-to\", \"return-path\", \"x-a\"], not exists \"subject\", size :under {size}) {{ discard; }}"
    ));
    let outcome = script.run(&delivery, &mut Account::default()).unwrap();
    let [Action::Keep { header, .. }] = &outcome.actions[..] else { panic!("{outcome:?}") };
    assert!(!header.is_original());
    assert_eq!(&header.apply(below.as_bytes())[..], b"X-A: b\r\n\r\nbody\r\n");
}
