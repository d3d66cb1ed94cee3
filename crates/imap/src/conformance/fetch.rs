//! FETCH (RFC 9051 §6.4.5) and what extensions add to it.

use super::harness::{Client, World};

/// A message of four parts: text, a message, data, and one in an encoding that nobody knows.
const LETTER: &str = "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n\
    From: Terry Gray <gray@cac.example>\r\n\
    Subject: minutes\r\n\
    To: imap@cac.example\r\n\
    Message-ID: <B27397@cac.example>\r\n\
    X-Rare: seldom\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    Hola, Espa=C3=B1a\r\n\
    --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n\
    --b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n\
    --b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: x-odd\r\n\r\nodd\r\n\
    --b--\r\n";

fn with_letter(world: &World) -> Client {
    let mut ana = world.ana();
    ana.append_bytes("INBOX", LETTER.as_bytes(), "");
    ana.ok("s SELECT INBOX");
    ana
}

#[test]
fn items_are_answered_in_the_order_asked() {
    let world = World::new();
    let mut ana = with_letter(&world);
    let size = LETTER.len();
    let told = ana.ok("f FETCH 1 (UID RFC822.SIZE FLAGS)");
    assert_eq!(told, [format!("* 1 FETCH (UID 1 RFC822.SIZE {size} FLAGS ())")]);
    let told = ana.ok("f UID FETCH 1 (FLAGS)");
    assert_eq!(told, ["* 1 FETCH (UID 1 FLAGS ())"], "RFC 9051 §6.4.9: UID is told though not asked for");
    let told = ana.ok("f FETCH 1 FAST");
    assert!(told[0].starts_with("* 1 FETCH (FLAGS () INTERNALDATE \""), "{told:?}");
    assert!(told[0].ends_with(&format!("+0000\" RFC822.SIZE {size})")), "{told:?}");
    world.finish();
}

#[test]
fn envelope_and_structure_are_told_from_the_cache_as_when_first_computed() {
    let world = World::new();
    let mut ana = with_letter(&world);
    let first = ana.ok("f FETCH 1 (ENVELOPE BODY BODYSTRUCTURE)");
    let envelope = "ENVELOPE (\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"minutes\" \
        ((\"Terry Gray\" NIL \"gray\" \"cac.example\")) ((\"Terry Gray\" NIL \"gray\" \"cac.example\")) \
        ((\"Terry Gray\" NIL \"gray\" \"cac.example\")) ((NIL NIL \"imap\" \"cac.example\")) NIL NIL NIL \
        \"<B27397@cac.example>\")";
    assert!(first[0].contains(envelope), "{first:?}");
    assert!(first[0].contains(" BODY ((\"text\" \"plain\" "), "{first:?}");
    assert!(first[0].contains(" BODYSTRUCTURE ((\"text\" \"plain\" "), "{first:?}");
    assert_eq!(ana.ok("f FETCH 1 (ENVELOPE BODY BODYSTRUCTURE)"), first);
    world.finish();
}

#[test]
fn texts_of_parts_are_named_by_their_numbers() {
    let world = World::new();
    let mut ana = with_letter(&world);
    let header_end = LETTER.find("\r\n\r\n").unwrap() + 4;
    let table = [
        ("BODY[]", Some(LETTER)),
        ("BODY[HEADER]", Some(&LETTER[..header_end])),
        ("BODY[TEXT]", Some(&LETTER[header_end..])),
        ("BODY[1]", Some("Hola, Espa=C3=B1a")),
        (
            "BODY[1.MIME]",
            Some("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"),
        ),
        ("BODY[2]", Some("Subject: inner\r\n\r\ninner text")),
        ("BODY[2.HEADER]", Some("Subject: inner\r\n\r\n")),
        ("BODY[2.TEXT]", Some("inner text")),
        ("BODY[2.1]", Some("inner text")),
        ("BODY[HEADER.FIELDS (TO SUBJECT)]", Some("Subject: minutes\r\nTo: imap@cac.example\r\n\r\n")),
        ("BODY[HEADER.FIELDS (X-RARE)]", Some("X-Rare: seldom\r\n\r\n")),
        ("BODY[HEADER.FIELDS (X-RARE SUBJECT)]", Some("Subject: minutes\r\nX-Rare: seldom\r\n\r\n")),
        ("BODY[HEADER.FIELDS (BCC)]", Some("\r\n")),
        ("BODY[2.HEADER.FIELDS (SUBJECT)]", Some("Subject: inner\r\n\r\n")),
        ("BODY[2.HEADER.FIELDS.NOT (SUBJECT)]", Some("\r\n")),
        ("BODY[5]", None),
        ("BODY[1.HEADER]", None),
    ];
    for (section, expected) in table {
        let told = ana.ok(&format!("f FETCH 1 ({})", section.replacen("BODY", "BODY.PEEK", 1)));
        let value = expected.map_or("NIL".to_owned(), |text| format!("{{{}}}\r\n{text}", text.len()));
        assert_eq!(told, [format!("* 1 FETCH ({section} {value})")]);
    }
    let told = ana.ok("f FETCH 1 (FLAGS RFC822.HEADER)");
    assert_eq!(told, [format!("* 1 FETCH (FLAGS () RFC822.HEADER {{{header_end}}}\r\n{})", &LETTER[..header_end])]);
    world.finish();
}

#[test]
fn a_text_can_be_fetched_piece_by_piece() {
    let world = World::new();
    let mut ana = with_letter(&world);
    assert_eq!(ana.ok("f FETCH 1 BODY.PEEK[1]<6.4>"), ["* 1 FETCH (BODY[1]<6> {4}\r\nEspa)"]);
    assert_eq!(ana.ok("f FETCH 1 BODY.PEEK[1]<15.100>"), ["* 1 FETCH (BODY[1]<15> {2}\r\n1a)"]);
    assert_eq!(ana.ok("f FETCH 1 BODY.PEEK[1]<17.1>"), ["* 1 FETCH (BODY[1]<17> {0}\r\n)"], "beyond the end");
    assert_eq!(
        ana.ok("f FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]<0.7>"),
        ["* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT)]<0> {7}\r\nSubject)"]
    );
    let mut whole = String::new();
    for from in (0..LETTER.len()).step_by(100) {
        let told = ana.ok(&format!("f FETCH 1 BODY.PEEK[]<{from}.100>"));
        whole.push_str(told[0].split_once("}\r\n").unwrap().1.strip_suffix(')').unwrap());
    }
    assert_eq!(whole, LETTER);
    world.finish();
}

#[test]
fn who_reads_a_text_has_seen_the_message() {
    let world = World::new();
    let mut ana = with_letter(&world);
    let mut other = world.ana();
    other.ok("s SELECT INBOX");
    assert_eq!(ana.ok("f FETCH 1 BODY[1]"), ["* 1 FETCH (BODY[1] {17}\r\nHola, Espa=C3=B1a FLAGS (\\Seen))"]);
    assert_eq!(other.ok("n NOOP"), ["* 1 FETCH (UID 1 FLAGS (\\Seen))"], "the other session hears of it");
    assert_eq!(ana.ok("n NOOP"), Vec::<String>::new(), "the one that did it was told already");
    assert_eq!(ana.ok("f FETCH 1 BODY[1]"), ["* 1 FETCH (BODY[1] {17}\r\nHola, Espa=C3=B1a)"]);

    ana.ok("t STORE 1 -FLAGS.SILENT (\\Seen)");
    ana.ok("f FETCH 1 (BODY.PEEK[] RFC822.HEADER BODY.PEEK[HEADER] ENVELOPE BINARY.PEEK[1] PREVIEW)");
    assert_eq!(ana.ok("f FETCH 1 FLAGS"), ["* 1 FETCH (FLAGS ())"]);
    ana.ok("e EXAMINE INBOX");
    ana.ok("f FETCH 1 (RFC822.TEXT)");
    assert_eq!(
        ana.ok("f FETCH 1 FLAGS"),
        ["* 1 FETCH (FLAGS ())"],
        "nothing is changed in a mailbox opened for reading"
    );
    world.finish();
}

/// RFC 7162 §3.1: once CONDSTORE is on, changed flags come with their modification sequence.
#[test]
fn with_condstore_what_was_seen_is_told_with_its_modification_sequence() {
    let world = World::new();
    let mut ana = world.ana();
    ana.append("INBOX", "a", "");
    ana.ok("s SELECT INBOX (CONDSTORE)");
    let told = ana.ok("f FETCH 1 (RFC822.SIZE BODY[TEXT])");
    assert_eq!(told, ["* 1 FETCH (RFC822.SIZE 46 BODY[TEXT] {3}\r\na\r\n FLAGS (\\Seen) MODSEQ (3))"]);
    assert_eq!(ana.ok("n NOOP"), Vec::<String>::new());
    world.finish();
}

/// RFC 3516 §4.3, RFC 9051 §6.4.5.
#[test]
fn parts_can_be_fetched_decoded() {
    let world = World::new();
    let mut ana = with_letter(&world);
    assert_eq!(ana.ok("f FETCH 1 (BINARY.SIZE[1] BINARY.SIZE[3])"), ["* 1 FETCH (BINARY.SIZE[1] 13 BINARY.SIZE[3] 4)"]);
    assert_eq!(ana.ok("f FETCH 1 BINARY.PEEK[1]"), ["* 1 FETCH (BINARY[1] {13}\r\nHola, España)"]);
    assert_eq!(ana.ok("f FETCH 1 BINARY.PEEK[1]<6.3>"), ["* 1 FETCH (BINARY[1]<6> {3}\r\nEsp)"]);
    assert_eq!(
        ana.ok("f FETCH 1 BINARY.PEEK[3]"),
        ["* 1 FETCH (BINARY[3] ~{4}\r\n\0\u{1}\u{2}\u{3})"],
        "a NUL needs a literal8"
    );
    assert_eq!(ana.ok("f FETCH 1 BINARY.PEEK[7]"), ["* 1 FETCH (BINARY[7] NIL)"]);
    assert!(ana.fails("f FETCH 1 BINARY.PEEK[4]").starts_with("NO [UNKNOWN-CTE] "));
    assert_eq!(ana.send("f FETCH 1 (UID BINARY.SIZE[4])")[0], "* 1 FETCH (UID 1)");
    assert_eq!(ana.ok("f FETCH 1 (BINARY[1])"), ["* 1 FETCH (BINARY[1] {13}\r\nHola, España FLAGS (\\Seen))"]);
    world.finish();
}

/// RFC 8474 §5.
#[test]
fn copies_share_their_identity_and_replies_their_thread() {
    let world = World::new();
    let mut ana = with_letter(&world);
    ana.append_bytes("INBOX", b"Subject: Re: minutes\r\nIn-Reply-To: <B27397@cac.example>\r\n\r\nyes\r\n", "");
    ana.append_bytes("INBOX", b"Subject: nobody\r\n\r\nknows\r\n", "");
    ana.ok("c CREATE Copies");
    ana.ok("c COPY 1 Copies");
    let ids: Vec<String> = ana.ok("f FETCH 1:* (EMAILID THREADID)");
    let of = |line: &str, word: &str| line.split_once(word).unwrap().1.split(&[' ', ')']).nth(1).unwrap().to_owned();
    let (letter, reply) = (of(&ids[0], "EMAILID"), of(&ids[1], "EMAILID"));
    assert_ne!(letter, reply);
    assert_eq!(of(&ids[0], "THREADID"), of(&ids[1], "THREADID"));
    assert!(ids[2].ends_with("THREADID NIL)"), "{ids:?}");
    let letter = letter.trim_matches(['(', ')']);
    assert_eq!(ana.ok(&format!("x SEARCH EMAILID {letter}")), ["* SEARCH 1"]);
    let thread = of(&ids[0], "THREADID");
    assert_eq!(ana.ok(&format!("x SEARCH THREADID {}", thread.trim_matches(['(', ')']))), ["* SEARCH 1 2"]);
    ana.ok("s SELECT Copies");
    assert_eq!(ana.ok("f FETCH 1 EMAILID"), [format!("* 1 FETCH (EMAILID ({letter}))")]);
    world.finish();
}

/// RFC 8970 §3, RFC 8514 §4.
#[test]
fn previews_and_save_dates_are_told() {
    let world = World::new();
    let mut ana = with_letter(&world);
    assert_eq!(ana.ok("f FETCH 1 PREVIEW (LAZY)"), ["* 1 FETCH (PREVIEW NIL)"], "it would cost something");
    assert_eq!(ana.ok("f FETCH 1 PREVIEW"), ["* 1 FETCH (PREVIEW {13}\r\nHola, España)"]);
    assert_eq!(ana.ok("f FETCH 1 PREVIEW (LAZY)"), ["* 1 FETCH (PREVIEW {13}\r\nHola, España)"]);
    let told = ana.ok("f FETCH 1 SAVEDATE");
    assert!(told[0].starts_with("* 1 FETCH (SAVEDATE \"") && told[0].ends_with(" +0000\")"), "{told:?}");
    world.finish();
}

/// RFC 7162 §3.1.4.1 and §3.2.6.
#[test]
fn only_what_changed_can_be_fetched() {
    let world = World::new();
    let mut ana = world.ana();
    for subject in ["a", "b", "c", "d"] {
        ana.append("INBOX", subject, "");
    }
    ana.ok("e ENABLE QRESYNC");
    ana.ok("s SELECT INBOX");
    ana.ok("t STORE 2 +FLAGS.SILENT (\\Flagged)");
    ana.ok("t STORE 4 +FLAGS.SILENT (\\Deleted)");
    ana.ok("x EXPUNGE");
    let told = ana.ok("f UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5)");
    assert_eq!(told, ["* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (6))"]);
    let told = ana.ok("f UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5 VANISHED)");
    assert_eq!(told, ["* VANISHED (EARLIER) 4", "* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (6))"]);
    let told = ana.ok("f UID FETCH 1:3 (FLAGS) (CHANGEDSINCE 5 VANISHED)");
    assert_eq!(told, ["* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (6))"], "only those that were asked for");
    assert!(ana.fails("f FETCH 1:* (FLAGS) (CHANGEDSINCE 5 VANISHED)").starts_with("BAD "));
    world.finish();
}

#[test]
fn asking_for_modification_sequences_switches_them_on() {
    let world = World::new();
    let mut ana = world.ana();
    ana.append("INBOX", "a", "");
    ana.ok("s SELECT INBOX");
    let told = ana.ok("f FETCH 1 (MODSEQ)");
    assert_eq!(told.len(), 2);
    assert!(told[0].starts_with("* OK [HIGHESTMODSEQ 2] "), "{told:?}");
    assert_eq!(told[1], "* 1 FETCH (MODSEQ (2))");
    assert_eq!(ana.ok("f FETCH 1 (MODSEQ)"), ["* 1 FETCH (MODSEQ (2))"]);
    assert_eq!(ana.ok("t STORE 1 +FLAGS (\\Seen)"), ["* 1 FETCH (FLAGS (\\Seen) MODSEQ (3))"]);
    world.finish();
}

/// RFC 9394 §3.3.
#[test]
fn a_page_of_messages_can_be_fetched() {
    let world = World::new();
    let mut ana = world.ana();
    for subject in ["a", "b", "c", "d"] {
        ana.append("INBOX", subject, "");
    }
    ana.ok("s SELECT INBOX");
    assert_eq!(ana.ok("f UID FETCH 2:* (UID) (PARTIAL 1:2)"), ["* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)"]);
    assert_eq!(ana.ok("f UID FETCH 1:* (UID) (PARTIAL -1:-2)"), ["* 3 FETCH (UID 3)", "* 4 FETCH (UID 4)"]);
    assert_eq!(ana.ok("f UID FETCH 1:* (UID) (PARTIAL 5:10)"), Vec::<String>::new());
    assert!(ana.fails("f FETCH 1:* (UID) (PARTIAL 1:2)").starts_with("BAD "));
    world.finish();
}

/// RFC 9586 §3.
#[test]
fn a_client_of_uids_alone_is_told_uids_alone() {
    let world = World::new();
    let mut ana = world.ana();
    ana.append("INBOX", "a", "");
    ana.append("INBOX", "b", "");
    ana.ok("e ENABLE UIDONLY");
    ana.ok("s SELECT INBOX");
    assert_eq!(ana.ok("f UID FETCH 2 (FLAGS)"), ["* 2 UIDFETCH (FLAGS ())"]);
    assert_eq!(ana.ok("t UID STORE 1 +FLAGS (\\Deleted)"), ["* 1 UIDFETCH (FLAGS (\\Deleted))"]);
    assert_eq!(ana.ok("x EXPUNGE"), ["* VANISHED 1"]);
    assert!(ana.fails("f FETCH 1 (FLAGS)").starts_with("BAD [UIDREQUIRED] "));
    world.finish();
}

/// RFC 2180 §4.1, RFC 5530 (EXPUNGEISSUED).
#[test]
fn a_message_that_is_gone_is_left_out() {
    let world = World::new();
    let mut ana = world.ana();
    for subject in ["a", "b", "c"] {
        ana.append("INBOX", subject, "");
    }
    let (mut one, mut two) = world.two_in_inbox();
    one.ok("t STORE 2 +FLAGS.SILENT (\\Deleted)");
    one.ok("x EXPUNGE");
    let answer = two.send("f FETCH 1:3 (UID)");
    assert_eq!(answer[..2], ["* 1 FETCH (UID 1)", "* 3 FETCH (UID 3)"], "its number still stands");
    assert!(answer.last().unwrap().starts_with("f OK [EXPUNGEISSUED] "), "{answer:?}");
    assert_eq!(
        two.ok("f UID FETCH 1:* (FLAGS)"),
        ["* 1 FETCH (UID 1 FLAGS ())", "* 3 FETCH (UID 3 FLAGS ())", "* 2 EXPUNGE"]
    );
    assert!(two.fails("f FETCH 3 (UID)").starts_with("BAD "), "no such number any more");
    world.finish();
}

#[test]
fn a_long_answer_is_whole() {
    let world = World::new();
    let mut ana = world.ana();
    let many = " {14+}\r\nSubject: a\r\n\r\n".repeat(3000);
    ana.ok(&format!("a APPEND INBOX{many}"));
    ana.ok("s SELECT INBOX");
    let told = ana.ok("f FETCH 1:* (FLAGS UID ENVELOPE BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
    assert_eq!(told.len(), 3000);
    for (index, line) in told.iter().enumerate() {
        let number = index + 1;
        assert!(line.starts_with(&format!("* {number} FETCH (FLAGS () UID {number} ENVELOPE (")), "{line}");
    }
    let told = ana.ok("f FETCH 1:* (BODY[TEXT])");
    assert!(told.iter().all(|line| line.ends_with("BODY[TEXT] {0}\r\n FLAGS (\\Seen))")), "{}", told[0]);
    assert_eq!(told.len(), 3000);
    world.finish();
}

#[test]
fn what_is_switched_off_is_not_told() {
    let world = World::new();
    for capability in ["OBJECTID", "PREVIEW", "SAVEDATE", "BINARY", "CONDSTORE"] {
        world.switch_off(capability);
    }
    let mut ana = with_letter(&world);
    for item in ["EMAILID", "THREADID", "PREVIEW", "SAVEDATE", "BINARY.PEEK[1]", "BINARY.SIZE[1]", "MODSEQ"] {
        assert!(ana.fails(&format!("f FETCH 1 {item}")).starts_with("BAD "), "{item}");
    }
    world.finish();
}

/// A message whose bytes are damaged on disk stops nobody from reading the others, and is never told as something else.
#[test]
fn a_damaged_message_is_left_out_and_said() {
    let world = World::new();
    let mut ana = world.ana();
    ana.append("INBOX", "sound", "");
    let dirt = "Subject: hurt\r\n\r\nabcdefghijklmnopqrstuvwxyz\r\n";
    ana.append_bytes("INBOX", dirt.as_bytes(), "");
    ana.append("INBOX", "healthy", "");
    let segments = world.services.store.cells()[0].dir().join("segments");
    let segment = std::fs::read_dir(segments).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let at = bytes.windows(5).position(|window| window == b"hurt\r").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, bytes).unwrap();

    ana.ok("s SELECT INBOX");
    for items in ["ENVELOPE", "BODY.PEEK[]", "PREVIEW", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"] {
        let answer = ana.send(&format!("f FETCH 1:* {items}"));
        assert_eq!(answer.len(), 3, "{answer:?}");
        assert!(answer[0].starts_with("* 1 FETCH (") && answer[1].starts_with("* 3 FETCH ("), "{answer:?}");
        assert!(answer[2].starts_with("f NO [CONTACTADMIN] "), "{answer:?}");
    }
    assert_eq!(ana.ok("f FETCH 2 (UID FLAGS)"), ["* 2 FETCH (UID 2 FLAGS ())"]);
    assert_eq!(ana.ok("x SEARCH NOT SUBJECT healthy"), ["* SEARCH 1 2"]);
    assert_eq!(ana.ok("x SORT (SUBJECT) UTF-8 ALL"), ["* SORT 2 3 1"]);
    let found = world.services.store.cells()[0].check().unwrap().problems;
    assert!(!found.is_empty(), "check finds it, too");
}

/// RFC 9051 §7.3.5: no flag is told that the client does not know of.
#[test]
fn keywords_are_made_known_before_they_are_told() {
    let world = World::new();
    world.ana().append("INBOX", "a", "");
    let (mut one, mut two) = world.two_in_inbox();
    one.ok("t STORE 1 +FLAGS (Later)");
    let told = two.ok("f FETCH 1 FLAGS");
    assert!(told[0].starts_with("* FLAGS (") && told[0].ends_with(" Later)"), "{told:?}");
    assert_eq!(told[1], "* 1 FETCH (FLAGS (Later))");
    world.finish();
}
