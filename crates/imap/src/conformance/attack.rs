//! Clients and correspondents who mean harm: hostile mail and hostile numbers, answers that stay within the grammar, and
//! what one account can learn of another.

use super::attack_syntax::{Value, is_envelope, read_all};
use super::harness::{Client, World};

/// Mail that tries to get out of its quotes.
fn hostile_mail() -> Vec<Vec<u8>> {
    let long = "x".repeat(40_000);
    let texts: [&[u8]; 14] = [
        b"Subject: a\"b\\c\\\r\nFrom: \"q\\\"\\\\\" <a\\\"@\"b\\\">\r\n\r\nx\r\n",
        b"Subject: =?UTF-8?Q?a=0D=0A* BYE now=0D=0A?=\r\nFrom: =?UTF-8?B?AA0KKiBCWUU=?= <=?UTF-8?Q?x=0D=0A?=@y>\r\n\r\n",
        b"Subject: caf\xe9 \x80\xff\r\nTo: \xff\xfe <\xe9@\xe9>\r\nMessage-ID: <\"\\\r\n \xe9>\r\n\r\n\xff\r\n",
        b"From: a:b:c;d;<>,,,;\"\r\nTo: (((((((\r\nCc: undisclosed-recipients:;\r\nSender: @\r\nReply-To: <@@@>\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=\"a\\\"b\"\r\n\r\n--a\"b\r\n\r\n--a\"b--\r\n",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary\r\n",
        b"Content-Type: text/\"x\\\"; name*=utf-8''%0d%0a%00; name=\"\r\n \\\r\n\r\nx",
        b"Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\nSubject: {5}\r\n\r\n",
        b"Content-Type: a\"b/c\\d; e\"=f; =g; h=\r\nContent-ID: <\"\\>\r\nContent-Disposition: \"\\x; y*0=z; y*1*=%00\r\n\
          Content-Language: \"en\", \\, es\r\nContent-Location: a\"b\r\nContent-MD5: \\\"\r\nContent-Description: =?x?Q?\"?=\r\n\r\n",
        b"Content-Transfer-Encoding: x-\"odd\\\r\n\r\nx\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n",
        b"\r\n",
        b"no header at all",
        b"Date: Fri, 99 Foo 99999999999999999999 99:99:99 +9999\r\nIn-Reply-To: ((\r\nReferences: <a\r\n b> <c\"\\>\r\n\r\n",
    ];
    let mut all: Vec<Vec<u8>> = texts.iter().map(|text| text.to_vec()).collect();
    all.push(format!("Subject: {long}\r\nFrom: {long} <{long}@{long}>\r\n\r\n").into_bytes());
    all.push(format!("To: {}\r\n\r\n", "a,".repeat(3_000)).into_bytes());
    all.push("Content-Type: message/rfc822\r\n\r\n".repeat(300).into_bytes());
    all
}

/// What is said, held against the grammar.
#[track_caller]
fn reads(client: &mut Client, command: &str, utf8: bool) -> Vec<Vec<Value>> {
    let said = client.raw(&[command.as_bytes(), b"\r\n"].concat());
    read_all(&said, utf8).unwrap_or_else(|why| panic!("{command}: {why}"))
}

#[test]
fn answers_about_hostile_mail_stay_within_the_grammar() {
    for utf8 in [false, true] {
        let world = World::new();
        let mut ana = world.ana();
        if utf8 {
            ana.ok("e ENABLE IMAP4rev2 UTF8=ACCEPT CONDSTORE");
        }
        let mail = hostile_mail();
        for message in &mail {
            ana.append_bytes("INBOX", message, "k![#$&'+,-./:;<=>?@^_`|}~ $Forwarded");
        }
        ana.ok("s SELECT INBOX");
        for command in [
            "f1 FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY BODYSTRUCTURE MODSEQ EMAILID THREADID SAVEDATE PREVIEW)",
            "f2 FETCH 1:* (BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[1.1.HEADER])",
            "f3 FETCH 1:* (BODY.PEEK[HEADER.FIELDS (\"a\\\"b\" \"x y\" SUBJECT)]<3.9> BODY.PEEK[HEADER.FIELDS.NOT (TO)])",
            "f4 FETCH 1:* (BINARY.PEEK[1] BINARY.SIZE[1])",
            "f5 FETCH 1:* (BODY.PEEK[]<18446744073709551615.18446744073709551615> BODY.PEEK[4294967295.4294967295])",
            "f6 UID FETCH 1:* BODY[TEXT]",
            "s1 SEARCH RETURN (MIN MAX COUNT ALL SAVE) OR FROM \"\\\"\" NOT SUBJECT \"\\\\\"",
            "s2 SORT (SUBJECT FROM TO CC DATE SIZE REVERSE ARRIVAL DISPLAYFROM DISPLAYTO) UTF-8 ALL",
            "s3 THREAD REFERENCES UTF-8 ALL",
            "s4 THREAD ORDEREDSUBJECT UTF-8 ALL",
            "s5 UID SEARCH RETURN (PARTIAL -1:-4294967295) ALL",
            "s6 SEARCH MODSEQ 1",
        ] {
            reads(&mut ana, command, utf8);
        }
        let envelopes = reads(&mut ana, "f7 FETCH 1:* ENVELOPE", utf8);
        let told: Vec<&Value> = envelopes
            .iter()
            .filter_map(|response| match &response[..] {
                [_, _, Value::List(items)] => Some(&items[1]),
                _ => None,
            })
            .collect();
        assert_eq!(told.len(), mail.len());
        assert!(told.into_iter().all(is_envelope), "an envelope has its ten members");
        world.finish();
    }
}

#[test]
fn answers_about_hostile_names_stay_within_the_grammar() {
    for utf8 in [false, true] {
        let world = World::new();
        let mut ana = world.ana();
        if utf8 {
            ana.ok("e ENABLE IMAP4rev2 UTF8=ACCEPT");
        }
        for name in
            ["a\"b", "a\\b", "a b", "NIL", "{5}", "~{5}", "(", "a]b", "[a]", "\u{f1}/\u{65e5}", "&-", "&AOk-", "+", "-"]
        {
            ana.send(&format!("c CREATE {{{}+}}\r\n{name}", name.len()));
            ana.send(&format!("u SUBSCRIBE {{{}+}}\r\nno {name}", name.len() + 3));
        }
        let inferior = "i/".repeat(400);
        ana.send(&format!("c CREATE {{{}+}}\r\n{inferior}", inferior.len()));
        for command in [
            "l1 LIST \"\" *",
            "l2 LIST \"\" (* %) RETURN (SUBSCRIBED CHILDREN SPECIAL-USE STATUS (MESSAGES SIZE UIDNEXT MAILBOXID))",
            "l3 LSUB \"\" *",
            "l4 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN (METADATA (/private/comment))",
            "q GETQUOTAROOT \"a\\\"b\"",
            "m1 SETMETADATA \"a\\\"b\" (/private/comment {6+}\r\n\"\\\r\n\"\r)",
            "m2 SETMETADATA INBOX (/private/comment ~{3+}\r\na\0b)",
            "m3 GETMETADATA (DEPTH infinity) INBOX (/private \"/private/a\\\"b\" /private/nothing)",
            "m4 GETMETADATA \"a\\\"b\" /private/comment",
            "s1 STATUS \"a\\\\b\" (MESSAGES)",
            "s2 SELECT \"a\\\"b\"",
            "n NOTIFY SET STATUS (PERSONAL (MessageNew MessageExpunge))",
            "i ID (\"name\" {4+}\r\n\"\\\r\n)",
            "r RENAME \"a b\" \"\"",
            "x XYZZY \"\\\"",
        ] {
            reads(&mut ana, command, utf8);
        }
        world.finish();
    }
}

#[test]
fn a_message_is_not_told_a_thousand_times_in_one_response() {
    let world = World::new();
    let mut ana = world.ana();
    let text = "text of a line, and so on\r\n".repeat(40_000);
    ana.append_bytes("INBOX", format!("X-Long: {}\r\n\r\n{text}", "y".repeat(100_000)).as_bytes(), "");
    ana.ok("s SELECT INBOX");
    for items in
        ["BODY.PEEK[] ".repeat(1_000), "BODY.PEEK[HEADER.FIELDS (X)] ".repeat(1_000), "BINARY.SIZE[1] ".repeat(1_000)]
    {
        assert_eq!(
            ana.fails(&format!("f FETCH 1 ({})", items.trim_end())),
            "NO [LIMIT] too much was asked of one message"
        );
    }
    let several =
        ana.ok("f FETCH 1 (BODY.PEEK[] RFC822.HEADER BODY.PEEK[TEXT] BODY.PEEK[1] BINARY.PEEK[1] BINARY.SIZE[1])");
    assert_eq!(several.len(), 1, "each of its texts may be asked for at once");
    world.finish();
}

#[test]
fn too_much_to_tell_unasked_is_not_told() {
    let world = World::new();
    let (mut ana, mut other) = world.two_in_inbox();
    ana.ok("n NOTIFY SET (SELECTED (MessageNew (UID BODY.PEEK[]) MessageExpunge))");
    let large = format!("Subject: large\r\n\r\n{}", "a line of text\r\n".repeat(60_000));
    for _ in 0..12 {
        other.append_bytes("INBOX", large.as_bytes(), "");
    }
    let heard = ana.hears();
    assert!(heard.iter().map(String::len).sum::<usize>() < 7 * large.len(), "some are left out");
    assert_eq!(heard.last().unwrap(), "* OK [NOTIFICATIONOVERFLOW] too much mail came to tell of");
    assert_eq!(ana.ok("f FETCH 12 UID"), ["* 12 FETCH (UID 12)"], "all of them have numbers");
    other.append("INBOX", "more", "");
    assert_eq!(ana.ok("n NOOP"), [""; 0], "nothing is told until it is asked for again");
    world.finish();
}

#[test]
fn the_first_message_of_a_mailbox_raises_what_an_empty_one_said() {
    let world = World::new();
    let mut ana = world.ana();
    ana.ok("c CREATE Work");
    ana.ok("e ENABLE QRESYNC");
    for mailbox in ["INBOX", "Work"] {
        let highest = |client: &mut Client| -> u64 {
            let said = client.ok(&format!("t STATUS {mailbox} (HIGHESTMODSEQ)"));
            said[0].rsplit(' ').next().unwrap().trim_end_matches(')').parse().unwrap()
        };
        let before = highest(&mut ana);
        ana.append(mailbox, "first", "");
        assert!(highest(&mut ana) > before, "{mailbox}: a client that compares them sees that mail came");
        ana.ok(&format!("s SELECT {mailbox}"));
        let told = ana.ok(&format!("f UID FETCH 1:* (FLAGS) (CHANGEDSINCE {before} VANISHED)"));
        assert_eq!(told.len(), 1, "{mailbox}: {told:?}");
    }
    world.finish();
}

#[test]
fn nobody_finds_or_reads_the_mail_of_another() {
    let world = World::new();
    world.add_account("eva@example.org");
    let (mut ana, mut eva) = (world.ana(), world.client("eva@example.org"));
    ana.append("INBOX", "xylophone", "");
    ana.append("INBOX", "shared", "");
    eva.append("INBOX", "shared", "");
    ana.ok("s SELECT INBOX");
    eva.ok("s SELECT INBOX");
    // Ana's search has put her words into the index of the cell by now.
    assert_eq!(ana.ok("t SEARCH TEXT xylophone"), ["* SEARCH 1"]);
    let id = |said: Vec<String>, item: &str| {
        said[0].split_once(&format!("{item} (")).unwrap().1.split(')').next().unwrap().to_owned()
    };
    let email = id(ana.ok("f FETCH 1 EMAILID"), "EMAILID");
    let thread = id(ana.ok("f FETCH 1 THREADID"), "THREADID");
    for key in ["TEXT xylophone", "SUBJECT xylophone", "BODY xylophone", "HEADER X-Any xylophone"] {
        assert_eq!(eva.ok(&format!("t SEARCH {key}")), ["* SEARCH"], "{key}");
    }
    assert_eq!(eva.ok(&format!("t SEARCH EMAILID {email}")), ["* SEARCH"]);
    assert_eq!(eva.ok(&format!("t SEARCH THREADID {thread}")), ["* SEARCH"]);
    assert_eq!(eva.ok("t UID SEARCH UID 1:* NOT TEXT xylophone"), ["* SEARCH 1"]);
    assert_eq!(eva.ok("t SEARCH RETURN (COUNT) TEXT shared"), ["* ESEARCH (TAG \"t\") COUNT 1"]);
    for mailbox in ["ana@example.org/INBOX", "../ana@example.org/INBOX", "~ana/INBOX", "user/ana/INBOX", "#shared/ana"]
    {
        assert!(eva.fails(&format!("s EXAMINE \"{mailbox}\"")).starts_with("NO "), "{mailbox}");
    }
    world.finish();
}

#[test]
fn searches_mean_what_they_say_whatever_they_are_made_of() {
    let world = World::new();
    let mut ana = world.ana();
    ana.append_bytes("INBOX", b"Subject: alpha beta\r\nX-Odd: a: b\r\n\r\nbody one\r\n", "");
    ana.append_bytes("INBOX", b"Subject: gamma\r\n\r\nbody two alpha\r\n", "");
    ana.append_bytes("INBOX", b"Subject: \r\n\r\n\r\n", "");
    ana.ok("s SELECT INBOX");
    let never = "HEADER X-None y ".repeat(1_500);
    for (key, found) in [
        ("TEXT \"\"", " 1 2 3"),
        ("BODY \"\"", " 1 2 3"),
        ("NOT TEXT alpha", " 3"),
        ("OR BODY alpha SUBJECT alpha", " 1 2"),
        ("NOT OR BODY alpha SUBJECT alpha", " 3"),
        ("NOT (TEXT alpha TEXT two)", " 1 3"),
        ("OR NOT BODY one NOT BODY two", " 1 2 3"),
        ("HEADER X-Odd \"a: b\"", " 1"),
        ("HEADER X-Odd \"\"", " 1"),
        ("HEADER \"X-Odd:\" \"\"", ""),
        ("HEADER Subject \"\"", " 1 2 3"),
        ("SUBJECT \"alpha  beta\"", " 1"),
        ("LARGER 9223372036854775807", ""),
        ("SMALLER 9223372036854775807", " 1 2 3"),
        ("OLDER 4294967295", ""),
        ("YOUNGER 4294967295", " 1 2 3"),
        ("UID 4294967295:4294967294", ""),
        ("UID 3:*", " 3"),
        ("UID 9:*", " 3"),
        ("MODSEQ 9223372036854775807", ""),
        (&never, ""),
    ] {
        let said = ana.ok(&format!("t SEARCH {}", key.trim_end()));
        assert_eq!(said.last().unwrap(), &format!("* SEARCH{found}"), "{key}");
    }
    world.finish();
}

#[test]
fn a_saved_result_forgets_what_is_gone() {
    let world = World::new();
    let (mut one, mut two) = world.two_in_inbox();
    for subject in ["a", "b", "c"] {
        one.append("INBOX", subject, "");
    }
    one.ok("n NOOP");
    two.ok("n NOOP");
    one.ok("t SEARCH RETURN (SAVE) ALL");
    two.ok("t STORE 2 +FLAGS.SILENT (\\Deleted)");
    two.ok("t EXPUNGE");
    one.ok("n NOOP");
    assert_eq!(one.ok("f FETCH $ UID"), ["* 1 FETCH (UID 1)", "* 2 FETCH (UID 3)"]);
    assert_eq!(
        one.ok("t SEARCH RETURN (PARTIAL 1:4294967295 COUNT) $"),
        ["* ESEARCH (TAG \"t\") COUNT 2 PARTIAL (1:4294967295 1:2)"]
    );
    assert!(one.fails("t SEARCH RETURN (SAVE PARTIAL 9223372036854775808:1) ALL").starts_with("BAD "));
    assert_eq!(one.ok("f FETCH $ UID").len(), 2, "what was refused changes nothing");
    world.finish();
}

/// Parts of which hostile commands are made.
const SHAPES: [&str; 44] = [
    "FETCH # (UID FLAGS)",
    "UID FETCH # (FLAGS) (CHANGEDSINCE @ VANISHED)",
    "UID FETCH # (UID) (PARTIAL -@:-@)",
    "UID FETCH # (UID) (PARTIAL @:@)",
    "FETCH # BODY[]<@.@>",
    "FETCH # BINARY.PEEK[@.@]<@.@>",
    "FETCH # BODY[@.HEADER.FIELDS (?)]",
    "STORE # +FLAGS (?)",
    "STORE # (UNCHANGEDSINCE @) -FLAGS.SILENT (\\Seen)",
    "UID STORE # FLAGS.SILENT (\\Deleted)",
    "SEARCH RETURN (PARTIAL @:@ SAVE) #",
    "SEARCH RETURN (MIN MAX COUNT) NOT UID #",
    "SEARCH OR # NOT (OLDER @ YOUNGER @)",
    "SEARCH LARGER @ MODSEQ @",
    "SEARCH CHARSET ? TEXT ?",
    "SEARCH HEADER ? ? BODY ?",
    "SEARCH KEYWORD ?",
    "SORT (REVERSE SIZE DATE) UTF-8 #",
    "UID SORT RETURN (PARTIAL -@:-@) (FROM) UTF-8 ALL",
    "UID THREAD ? UTF-8 #",
    "COPY # ?",
    "MOVE # ?",
    "UID MOVE # INBOX",
    "UID EXPUNGE #",
    "REPLACE # INBOX {2+}\r\na\n",
    "UID REPLACE # ? {2+}\r\na\n",
    "APPEND ? (\\Seen ?) {2+}\r\na\n {2+}\r\nb\n",
    "APPEND INBOX {3+}\r\na\n\0",
    "APPEND INBOX ~{3+}\r\na\n\0",
    "CREATE ?",
    "DELETE ?",
    "RENAME ? ?",
    "RENAME inBox ?",
    "SELECT ? (QRESYNC (@ @ # (# #)))",
    "SELECT INBOX (QRESYNC (1 @))",
    "EXAMINE iNbOx",
    "STATUS ? (MESSAGES SIZE)",
    "LIST ? ?",
    "SETMETADATA ? (/private/x ?)",
    "GETMETADATA (MAXSIZE @ DEPTH 1) ? (/private/x)",
    "NOTIFY SET (MAILBOXES (? INBOX) (MessageNew MessageExpunge))",
    "ENABLE QRESYNC",
    "ENABLE UIDONLY",
    "EXPUNGE",
];
const NUMBERS: [&str; 9] = [
    "0",
    "1",
    "2",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "99999999999999999999",
];
const SETS: [&str; 9] = ["1", "*", "1:*", "*:1", "1:4294967295", "4294967295:4294967294", "$", "2,1,2,*:3", "0"];
const STRINGS: [&str; 14] = [
    "INBOX",
    "inbox",
    "a",
    "a/b",
    "a/b/c",
    "\"\"",
    "\"a/\"",
    "\"/\"",
    "&",
    "\"&&&\"",
    "\"&AGE-\"",
    "{2+}\r\n\u{f1}",
    "{1+}\r\n\0",
    "NIL",
];

#[test]
fn hostile_numbers_and_names_are_answered_once_and_within_the_grammar() {
    let mut dice = 7_u64;
    let mut below = |limit: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(dice >> 33).unwrap() % limit
    };
    for _ in 0..6 {
        let world = World::new();
        let mut clients = [world.ana(), world.ana()];
        for client in &mut clients {
            client.append("INBOX", "x", "");
            client.ok("s SELECT INBOX");
        }
        for number in 0..400 {
            let mut command = format!("t{number} ");
            for c in SHAPES[below(SHAPES.len())].chars() {
                match c {
                    '#' => command += SETS[below(SETS.len())],
                    '@' => command += NUMBERS[below(NUMBERS.len())],
                    '?' => command += STRINGS[below(STRINGS.len())],
                    c => command.push(c),
                }
            }
            let client = &mut clients[number % 2];
            let said = client.raw(&[command.as_bytes(), b"\r\n"].concat());
            if let Err(why) = read_all(&said, true) {
                panic!("{command}: {why}");
            }
            let said = String::from_utf8_lossy(&said).into_owned();
            let answers = said.split("\r\n").filter(|line| line.starts_with(&format!("t{number} "))).count();
            assert!(answers == 1 || answers == 0 && client.is_closed(), "{command:?}: {said}");
            if client.is_closed() {
                assert!(said.trim_end().rsplit("\r\n").next().unwrap().starts_with("* BYE "), "{command:?}: {said}");
                *client = world.ana();
                client.send("s SELECT INBOX");
            }
        }
        world.finish();
    }
}
