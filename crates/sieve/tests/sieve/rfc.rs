//! The examples of the RFCs, by section, and what their words ask for.

use crate::account::{Account, holds, lines, outcome};

/// RFC 5228 §2.4.2.4 and others: the message that many examples speak of.
const MESSAGE_A: &str = "Date: Tue, 1 Apr 1997 09:06:31 -0800 (PST)\nFrom: coyote@desert.example.org\n\
                         To: roadrunner@acme.example.com\nSubject: I have a present for you\n\n\
                         Look, I'm sorry about the whole anvil thing.\n";
const MESSAGE_B: &str = "From: youcouldberich!@reply-by-postal-mail.invalid\nTo: rube@landru.example.com\n\
                         Date: Mon, 31 Mar 1997 18:26:10 -0800\nSubject: $$$ YOU, TOO, CAN BE A MILLIONAIRE! $$$\n\n\
                         YOU MAY HAVE ALREADY WON TEN MILLION DOLLARS!\n";

const HEADERS: &str = "From: Ana Ruiz <Ana+Lists@Example.ORG>\nTo: team: yo@example.com, b@x.example;\n\
                       Cc: \"Ñ, B\" <c@example.net>\nSubject:  =?utf-8?q?Se=C3=B1al?= de\n\tprueba  \n\
                       X-Caffeine: C8H10N4O2\nX-Empty:\nReceived: from a by b; Thu, 12 Feb 2009 15:31:30 +0100\n\
                       Received: from b by c; Wed, 11 Feb 2009 23:00:00 -0100\nDate: Thu, 12 Feb 2009 15:00:00 +0100\n\
                       Message-ID: <1@example.org>\n\nbody\n";

/// RFC 5228 §3 to §5.
#[test]
fn the_language_itself() {
    let script = r#"
        require ["fileinto", "reject"];
        # §2.10.2, §3.1
        if header :contains "from" "coyote" { discard; }
        elsif header :contains ["subject"] ["$$$"] { discard; }
        else { fileinto "INBOX.else"; }"#;
    assert_eq!(outcome(script, MESSAGE_A), ["discard"]);
    assert_eq!(outcome(script, MESSAGE_B), ["discard"]);
    assert_eq!(outcome(script, HEADERS), ["fileinto INBOX.else"]);
    let script = r#"if header :contains ["From"] ["coyote"] { redirect "acm@example.com"; }
        elsif header :contains "Subject" "$$$" { redirect "postmaster@example.com"; }
        else { redirect "field@example.com"; }"#;
    assert_eq!(outcome(script, MESSAGE_A), ["redirect acm@example.com"]);
    assert_eq!(outcome(script, MESSAGE_B), ["redirect postmaster@example.com"]);
    assert_eq!(outcome("", MESSAGE_A), ["keep"]);
    assert_eq!(outcome("stop; discard;", MESSAGE_A), ["keep"]);
    assert_eq!(outcome("if true { if false { keep; } stop; } discard;", MESSAGE_A), ["keep"]);
}

/// RFC 5228 §2.10.3 and §2.10.6.
#[test]
fn the_same_action_twice_is_one() {
    let script = r#"require "fileinto"; fileinto "a"; fileinto "a"; keep; fileinto "inbox"; keep;
                    redirect "a@x"; redirect "A@x"; discard; discard;"#;
    assert_eq!(outcome(script, ""), ["fileinto a", "keep", "redirect a@x", "discard"]);
    let script =
        "require [\"variables\", \"fileinto\"];\nfileinto \"a\";\nset \"x\" \"no address\";\nredirect \"${x}\";";
    assert_eq!(outcome(script, ""), ["error: line 4: \"no address\" is no mail address"]);
}

/// RFC 5228 §5.
#[test]
fn tests_by_table() {
    let table = [
        (r#"exists ["From", "date"]"#, true),
        (r#"exists ["From", "X-None"]"#, false),
        (r#"exists "x-empty""#, true),
        (r#"allof (true, not false)"#, true),
        (r#"anyof (false, not true)"#, false),
        (r#"size :over 100"#, true),
        (r#"size :under 100"#, false),
        (r#"header :is "subject" "señal de prueba""#, true),
        ("header :is \"subject\" \"SEñal de\tprueba\"", false),
        (r#"header :contains "subject" "seÑal""#, false),
        (r#"header :contains "subject" "DE PRUEBA""#, true),
        (r#"header :comparator "i;octet" :contains "subject" "DE PRUEBA""#, false),
        // §5.7: an empty value contains the empty key; a field that is absent contains nothing.
        (r#"header :is "X-Empty" """#, true),
        (r#"header :contains "X-Caffeine" """#, true),
        (r#"header :is "X-Caffeine" """#, false),
        (r#"header :contains "X-None" """#, false),
        (r#"header :matches "X-Caffeine" "C?H*O2""#, true),
        (r#"header :matches "X-Caffeine" "C?H*O""#, false),
        (r#"address :is "from" "ana+lists@example.org""#, true),
        (r#"address :domain "from" "EXAMPLE.org""#, true),
        (r#"address :localpart :comparator "i;octet" "from" "ana+lists""#, false),
        (r#"address :all "to" "b@x.example""#, true),
        (r#"address :contains "to" "team""#, false),
        (r#"address "cc" "c@example.net""#, true),
        (r#"header :contains "cc" "Ñ""#, true),
    ];
    for (test, expected) in table {
        assert_eq!(holds("", test, HEADERS), expected, "{test}");
    }
}

/// RFC 5228 §5.4, RFC 5233 §4.
#[test]
fn envelope_and_subaddress() {
    let require = ", \"envelope\", \"subaddress\"";
    let table = [
        (r#"envelope "from" "ana@example.org""#, true),
        (r#"envelope :domain ["from", "to"] "example.com""#, true),
        (r#"envelope :detail "to" "TAG""#, true),
        (r#"envelope :user "to" "yo""#, true),
        (r#"envelope :localpart "to" "yo+tag""#, true),
        (r#"envelope :detail "from" """#, false),
        (r#"envelope :user "from" "ana""#, true),
        (r#"address :detail "from" "lists""#, true),
        (r#"address :user "from" "ana""#, true),
    ];
    for (test, expected) in table {
        assert_eq!(holds(require, test, HEADERS), expected, "{test}");
    }
    let mut account = Account { envelope_from: "", ..Account::default() };
    let script = r#"require "envelope"; if envelope :all :is "from" "" { discard; }"#;
    assert_eq!(lines(&account.run(script, "").unwrap()), ["discard"]);
}

/// RFC 5231 §5 to §7, RFC 5051.
#[test]
fn relational_and_comparators() {
    let require = r#", "relational", "comparator-i;ascii-numeric", "comparator-i;unicode-casemap", "variables""#;
    let table = [
        (r#"address :count "gt" "to" "1""#, true),
        (r#"address :count "eq" ["to", "cc"] ["1", "3"]"#, true),
        (r#"header :count "lt" :comparator "i;ascii-numeric" "received" "2""#, false),
        (r#"string :value "ge" :comparator "i;ascii-numeric" "010" "9x""#, true),
        (r#"string :value "ge" "010" "9x""#, false),
        (r#"string :value "lt" "abc" "ABD""#, true),
        (r#"string :is :comparator "i;ascii-numeric" "" "x""#, true),
        (r#"string :value "gt" :comparator "i;ascii-numeric" "x" "99999999999999999999999999""#, true),
        (r#"string :value "eq" :comparator "i;ascii-numeric" "007" "7""#, true),
        (r#"string :value "ne" "a" ["a", "b"]"#, true),
        (r#"string :count "eq" ["a", "", "b"] "2""#, true),
        (r#"header :contains :comparator "i;unicode-casemap" "subject" "SEÑAL""#, true),
        (r#"header :matches :comparator "i;unicode-casemap" "subject" "se?AL *""#, true),
        (r#"header :is :comparator "i;ascii-casemap" "subject" "SEÑAL de  prueba""#, false),
    ];
    for (test, expected) in table {
        assert_eq!(holds(require, test, HEADERS), expected, "{test}");
    }
}

/// RFC 5229 §3.2 and §6.
#[test]
fn variables_and_matches() {
    let message = "List-ID: Wiki <wiki.example.org>\nSubject: [acme-users] [fwd] version 1.0 is out\nTo: coyote@ACME.Example.COM\n";
    let script = r#"require ["fileinto", "variables", "mailbox"];
        if header :matches "List-ID" "*<*@*" { fileinto "INBOX.lists.${2}"; stop; }
        if header :matches "Subject" "[*] *" { fileinto :create "lists/${1} ${2}"; set "dollar" "$"; }
        if string :matches "a.b.c" "*.?.*" { set "parts" "${0}|${1}|${2}|${3}|${4}"; }
        if string :matches "no" "y*" { set "parts" "wrong"; }
        fileinto "${parts}"; fileinto "${dollar}{beep}"; set :upperfirst :lower "x" "mAIL"; fileinto "${X}${none}";"#;
    assert_eq!(
        outcome(script, message),
        [
            "fileinto lists/acme-users [fwd] version 1.0 is out :create",
            "fileinto a.b.c|a|b|c|",
            "fileinto ${beep}",
            "fileinto Mail"
        ]
    );
    let table = [
        ("*.*", "a.b.c", "a|b.c"),
        ("*b*b*", "abcbb", "a|c|b"),
        ("?*?", "ñax", "ñ|a|x"),
        ("\\\\*\\\\?*", "*?x", "x|"),
        ("a**c", "abc", "|b"),
        ("*", "", "|"),
        ("*a?b*", "aabb aXb", "|a|b aXb"),
    ];
    for (pattern, value, captures) in table {
        let script = format!(
            "require [\"fileinto\", \"variables\"];\nif string :matches \"{value}\" \"{pattern}\" {{ set \"x\" \"${{1}}|${{2}}|${{3}}\"; }}\n\
             fileinto \"x${{x}}\";"
        );
        let found = outcome(&script, "")[0].strip_prefix("fileinto x").unwrap().trim_end_matches('|').to_owned();
        assert_eq!(found, captures.trim_end_matches('|'), "{pattern} {value}");
    }
}

/// RFC 5232 §3 to §6.
#[test]
fn flags() {
    let script = r#"require ["fileinto", "imap4flags", "variables"];
        setflag "\\Seen"; addflag ["$MDNRequired \\flagged", "\\seen"]; removeflag "\\FLAGGED";
        fileinto "a"; fileinto :flags "\\Deleted" "b"; keep :flags [];"#;
    assert!(sieve::parse(script.as_bytes()).is_err(), "a list has a string");
    let script = script.replace(" keep :flags [];", "");
    assert_eq!(outcome(&script, ""), [r"fileinto a $MDNRequired \Seen", r"fileinto b \Deleted"]);
    let script = r#"require ["imap4flags", "variables", "relational"];
        addflag "mine" ["\\Answered", "$x"]; addflag "$y bad(flag \\Recent";
        if allof (hasflag :contains "mine" "ANSW", not hasflag "$x", hasflag :count "eq" ["mine"] "2", hasflag "a $Y") {
            addflag "${mine}"; }"#;
    assert_eq!(outcome(script, ""), [r"keep $x $y \Answered"]);
}

/// RFC 3894, RFC 5490, RFC 8579, RFC 9042.
#[test]
fn copies_and_mailboxes() {
    let require = r#", "mailbox", "special-use", "mailboxid""#;
    let table = [
        (r#"mailboxexists ["inbox", "Work/2026"]"#, true),
        (r#"mailboxexists ["INBOX", "Other"]"#, false),
        (r#"mailboxexists "a//b""#, false),
        (r#"mailboxidexists "F6352ae03""#, true),
        (r#"mailboxidexists ["F6352ae03", "no"]"#, false),
        (r#"specialuse_exists "\\Junk""#, true),
        (r#"specialuse_exists ["\\Junk", "\\Archive"]"#, false),
        (r#"specialuse_exists "Spam" "\\junk""#, true),
        (r#"specialuse_exists "INBOX" "\\Junk""#, false),
    ];
    for (test, expected) in table {
        assert_eq!(holds(require, test, ""), expected, "{test}");
    }
    let script = r#"require ["fileinto", "copy", "mailbox", "special-use", "mailboxid"];
        redirect :copy "a@x"; fileinto :copy "b"; fileinto :copy :specialuse "\\Junk" "Elsewhere";
        fileinto :copy :specialuse "\\Archive" :create "Old"; fileinto :copy :mailboxid "F6352ae03" "c";"#;
    assert_eq!(
        outcome(script, ""),
        [
            "redirect a@x :copy",
            "fileinto b :copy",
            r"fileinto Spam \Junk :copy",
            r"fileinto Old \Archive :create :copy",
            "fileinto Work/2026 :copy",
            "keep"
        ]
    );
    assert_eq!(
        outcome("require \"fileinto\"; fileinto \"a//b\";", ""),
        ["error: line 1: \"a//b\" is no name that a mailbox can have"]
    );
}

/// RFC 5260 §4 to §6.
#[test]
fn dates() {
    let require = r#", "date", "index", "relational""#;
    let table = [
        (r#"date :value "ge" "date" "hour" "09""#, true),
        (r#"date "date" "hour" "14""#, true),
        (r#"date :originalzone "date" "hour" "15""#, true),
        (r#"date :zone "-0500" "date" "time" "09:00:00""#, true),
        (r#"date "received" "date" "2009-02-12""#, true),
        (r#"date :index 2 "received" "date" "2009-02-12""#, true),
        (r#"date :index 2 :originalzone "received" "std11" "Wed, 11 Feb 2009 23:00:00 -0100""#, true),
        (r#"date :index 1 :last "received" "weekday" "4""#, true),
        (r#"date :index 3 "received" "year" "2009""#, false),
        (r#"date "x-none" "year" "2009""#, false),
        (r#"date :count "eq" "x-none" "year" "0""#, true),
        (r#"currentdate "iso8601" "2026-11-22T13:00:00Z""#, true),
        (r#"currentdate :zone "+0100" "iso8601" "2026-11-22T14:00:00+01:00""#, true),
        (r#"allof (currentdate :value "ge" "date" "2026-11-01", currentdate :value "le" "date" "2026-11-30")"#, true),
        (r#"anyof (currentdate "weekday" "0", currentdate "weekday" "6")"#, true),
        (r#"header :index 1 :contains "received" "by b""#, true),
        (r#"header :index 1 :last :contains "received" "by b""#, false),
        (r#"address :index 1 "to" "yo@example.com""#, true),
    ];
    for (test, expected) in table {
        assert_eq!(holds(require, test, HEADERS), expected, "{test}");
    }
}

/// RFC 5173 §5.
#[test]
fn bodies() {
    let message = "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\nprologue\n--b\nContent-Type: text/plain; charset=iso-8859-1\n\
                   Content-Transfer-Encoding: quoted-printable\n\nHola se=F1or\n--b\nContent-Type: text/html\n\n\
                   <p>fr<b>ee</b> money<script>hidden</script></p>\n--b\nContent-Type: message/rfc822\n\nSubject: inner\n\ninner body\n\
                   --b\nContent-Type: application/x-thing\nContent-Transfer-Encoding: base64\n\nTUFSS0VS\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: x-uuencode\n\nM\n--b--\nepilogue\n";
    let table = [
        (r#"body :contains "señor""#, true),
        (r#"body :raw :contains "se=F1or""#, true),
        (r#"body :raw :contains "MARKER""#, false),
        (r#"body :content "application" :contains "MARKER""#, true),
        (r#"body :content ["image", "APPLICATION/x-thing"] :is "marker""#, true),
        (r#"body :content "application/" :contains "MARKER""#, false),
        (r#"body :content "" :contains "MARKER""#, true),
        (r#"body :text :contains "MARKER""#, false),
        (r#"body :text :contains "free money""#, true),
        (r#"body :text :contains "hidden""#, false),
        (r#"body :content "text/html" :contains "<b>""#, true),
        (r#"body :content "multipart" :contains "prologue""#, true),
        (r#"body :content "multipart" :contains "epilogue""#, true),
        (r#"body :content "multipart" :contains "--b""#, false),
        (r#"body :content "message/rfc822" :contains "inner body""#, false),
        (r#"body :content "message/rfc822" :contains "Subject: inner""#, true),
        (r#"body :contains "inner body""#, true),
        (r#"body :content "image" :contains """#, true),
        (r#"body :content "image" :contains "M""#, false),
    ];
    for (test, expected) in table {
        assert_eq!(holds(", \"body\"", test, message), expected, "{test}");
    }
    // §6: no match variables.
    let script = r#"require ["body", "variables", "fileinto"];
        if header :matches "subject" "*" { if body :raw :matches "*Hola*" { fileinto "got ${1}"; } }"#;
    assert_eq!(outcome(script, message), ["fileinto got x"]);
}

/// RFC 5183 §4, RFC 5463 §4 and §5.
#[test]
fn environment_and_ihave() {
    let require = r#", "environment""#;
    assert!(holds(require, r#"environment "location" "MDA""#, ""));
    assert!(holds(require, r#"environment "domain" "example.com""#, ""));
    assert!(!holds(require, r#"environment :contains "remote-ip" """#, ""));
    let script = r#"require "ihave";
        if ihave "notify-by-pigeon" { pigeon :fast "x"; if pigeontest :y {} }
        elsif ihave ["fileinto", "copy"] { fileinto :copy "a"; }
        if not ihave "envelope" { error "none"; }
        if envelope "from" "ana@example.org" { fileinto "b"; }"#;
    assert_eq!(outcome(script, ""), ["fileinto a :copy", "fileinto b"]);
    assert_eq!(outcome("require \"ihave\";\nerror \"so it is\";", ""), ["error: line 2: the script says: so it is"]);
    assert_eq!(outcome("require \"ihave\";\nif nonsense {}", ""), ["error: line 2: there is no test nonsense here"]);
}

/// RFC 7352 §3.
#[test]
fn duplicates() {
    let script = r#"require ["duplicate", "fileinto"]; if duplicate { fileinto "again"; }"#;
    let mut account = Account::default();
    let run = |account: &mut Account, script: &str, message: &str| lines(&account.run(script, message).unwrap());
    assert_eq!(run(&mut account, script, HEADERS), ["keep"]);
    assert_eq!(run(&mut account, script, HEADERS), ["fileinto again"]);
    assert_eq!(run(&mut account, script, "Message-ID: <2@x>\n\n"), ["keep"]);
    assert_eq!(run(&mut account, script, "Subject: no id\n\n"), ["keep"]);
    assert_eq!(run(&mut account, script, "Subject: no id\n\n"), ["keep"]);
    let handled = script.replace("duplicate {", "duplicate :handle \"h\" :seconds 60 :header \"X-Caffeine\" {");
    assert_eq!(run(&mut account, &handled, HEADERS), ["keep"]);
    account.now_s += 59;
    assert_eq!(run(&mut account, &handled, HEADERS), ["fileinto again"]);
    account.now_s += 1;
    assert_eq!(run(&mut account, &handled, HEADERS), ["keep"]);
    // §3: nothing is remembered of a script that fails.
    let fails = r#"require ["duplicate", "ihave"]; if duplicate :uniqueid "u" {} error "x";"#;
    assert!(account.run(fails, HEADERS).is_err());
    let unique = script.replace("duplicate {", "duplicate :uniqueid \"u\" {");
    assert_eq!(run(&mut account, &unique, HEADERS), ["keep"]);
}

/// RFC 5429 §2.
#[test]
fn refusals() {
    let reject = "require [\"reject\", \"ereject\", \"fileinto\", \"vacation\"];\n";
    let run = |script: &str| outcome(&format!("{reject}{script}"), "");
    assert_eq!(run("reject \"no\";"), ["reject no"]);
    assert_eq!(run("ereject text:\nno\n.\n;"), ["ereject no\r\n"]);
    assert_eq!(run("discard; reject \"no\";"), ["discard", "reject no"]);
    for clash in [
        "keep; reject \"no\";",
        "reject \"no\";fileinto \"a\";",
        "reject \"a\";ereject \"b\";",
        "redirect \"a@x\"; reject \"\";",
    ] {
        assert_eq!(
            run(clash),
            ["error: line 2: a message cannot be refused and something else be done with it"],
            "{clash}"
        );
    }
}

/// What is wrong is said with its place, all of it.
#[test]
fn scripts_with_errors() {
    let table: [(&str, &[&str]); 25] = [
        ("fileinto \"x\";", &["1:1: fileinto needs require \"fileinto\""]),
        ("require \"x-y\";", &["1:9: there is no extension \"x-y\" here"]),
        ("require \"regex\";", &["1:9: there is no extension \"regex\" here"]),
        ("keep; require \"copy\";", &["1:7: require must stand before all other commands"]),
        ("else { keep; }", &["1:1: else must follow on if or elsif"]),
        ("if true { } keep; elsif true { }", &["1:19: elsif must follow on if or elsif"]),
        ("if true;", &["1:1: if needs a block"]),
        ("if { }", &["1:1: if takes one test"]),
        ("if not (true) {}", &["1:4: not takes one test"]),
        ("if anyof true {}", &["1:4: anyof takes a list of tests in parentheses"]),
        ("if true { foo; }\nbar;", &["1:11: there is no command foo here", "2:1: there is no command bar here"]),
        ("keep :copy;", &["1:6: keep has no tag :copy, or has it twice"]),
        ("keep 1;", &["1:1: keep takes 0 arguments beside its tags, not 1"]),
        ("redirect \"nobody\";", &["1:10: \"nobody\" is no mail address"]),
        ("redirect :copy \"a@x\";", &["1:10: :copy needs require \"copy\""]),
        ("if size 1 {}", &["1:4: size takes :over or :under"]),
        ("if header :is :contains \"a\" \"b\" {}", &["1:4: :contains of header excludes another tag beside it"]),
        ("if header :comparator \"i;x\" \"a\" \"b\" {}", &["1:23: there is no comparator \"i;x\" here"]),
        ("if header :value \"gt\" \"a\" \"b\" {}", &["1:11: :value needs require \"relational\""]),
        ("if header \"a\" :is \"b\" {}", &["1:4: the tags of header must stand before its other arguments"]),
        ("require \"date\"; if currentdate \"century\" \"1\" {}", &["1:32: a date has no part \"century\""]),
        ("require \"variables\"; set \"1a\" \"\";", &["1:26: \"1a\" is no name of a variable"]),
        (
            "require \"variables\"; set :upper :lower \"a\" \"\";",
            &["1:22: :upper of set excludes another tag beside it"],
        ),
        (
            "require \"envelope\"; if envelope \"auth\" \"x\" {}",
            &["1:33: the envelope has no part \"auth\" here: from and to are known"],
        ),
        (
            "require [\"comparator-i;ascii-numeric\"]; if header :contains :comparator \"i;ascii-numeric\" \"a\" \"b\" {}",
            &["1:44: i;ascii-numeric compares whole numbers: :contains and :matches have no meaning with it"],
        ),
    ];
    for (script, expected) in table {
        let errors = sieve::parse(script.as_bytes()).unwrap_err();
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{script}");
    }
    assert_eq!(sieve::parse("foo;".repeat(1000).as_bytes()).unwrap_err().len(), sieve::limits::MAX_ERRORS);
    assert!(sieve::extensions(sieve::Features::default()).any(|name| name == "vacation-seconds"));
}

/// RFC 5228 §2.10.2: whoever runs another script behind this one asks whether anything cancelled the implicit keep.
#[test]
fn the_implicit_keep_is_told_from_one_that_a_script_asks_for() {
    for (script, expected) in [
        ("", true),
        ("keep;", false),
        ("discard;", false),
        ("require \"copy\"; redirect :copy \"a@x\";", true),
        ("redirect \"a@x\";", false),
        ("require [\"fileinto\", \"copy\"]; fileinto :copy \"INBOX\";", true),
    ] {
        let outcome = Account::default().run(script, MESSAGE_A).unwrap();
        assert_eq!(outcome.implicit_keep, expected, "{script}");
    }
    assert!(sieve::Outcome::keep().implicit_keep);
}
