//! FETCH, STORE, COPY, MOVE, APPEND, REPLACE: RFC 9051 §6.3.12 and §6.4, RFC 3501, RFC 3502, RFC 3516, RFC 4315,
//! RFC 6851, RFC 6855, RFC 7162, RFC 8474, RFC 8508, RFC 8514, RFC 8970, RFC 9394.

use super::*;
use message::Flags;

fn fetch(ranges: &[(u32, u32)], items: &[FetchItem]) -> Fetch {
    Fetch {
        by: By::Seq,
        numbers: numbers(ranges),
        items: items.to_vec(),
        changed_since: None,
        vanished: false,
        partial: None,
    }
}

fn section(part: &[u32], text: SectionText) -> FetchItem {
    FetchItem::Section { section: Section { part: part.to_vec(), text }, partial: None, peek: false }
}

fn items(text: &str) -> Vec<FetchItem> {
    let Command::Fetch(fetch) = strictly(&format!("FETCH 1 {text}")) else { panic!("{text}") };
    fetch.items
}

/// RFC 9051 §6.4.5 and §6.4.9.
#[test]
fn the_examples_of_fetch() {
    let fields = SectionText::HeaderFields(vec!["DATE".into(), "FROM".into()]);
    assert_eq!(
        strictly("FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])"),
        Command::Fetch(fetch(&[(2, 4)], &[FetchItem::Flags, section(&[], fields)]))
    );
    assert_eq!(
        strictly("UID FETCH 4827313:4828442 FLAGS"),
        Command::Fetch(Fetch { by: By::Uid, ..fetch(&[(4_827_313, 4_828_442)], &[FetchItem::Flags]) })
    );
    assert_eq!(
        strictly("FETCH $ UID"),
        Command::Fetch(Fetch { numbers: Numbers::Saved, ..fetch(&[], &[FetchItem::Uid]) })
    );
}

#[test]
fn every_item() {
    for (text, expected) in [
        ("FLAGS", FetchItem::Flags),
        ("uid", FetchItem::Uid),
        ("INTERNALDATE", FetchItem::InternalDate),
        ("RFC822.SIZE", FetchItem::Rfc822Size),
        ("ENVELOPE", FetchItem::Envelope),
        ("BODY", FetchItem::Body),
        ("BODYSTRUCTURE", FetchItem::BodyStructure),
        ("RFC822", FetchItem::Rfc822),
        ("RFC822.HEADER", FetchItem::Rfc822Header),
        ("RFC822.TEXT", FetchItem::Rfc822Text),
        ("MODSEQ", FetchItem::ModSeq),
        ("EMAILID", FetchItem::EmailId),
        ("THREADID", FetchItem::ThreadId),
        ("SAVEDATE", FetchItem::SaveDate),
        ("PREVIEW", FetchItem::Preview { lazy: false }),
        ("PREVIEW (LAZY)", FetchItem::Preview { lazy: true }),
        ("BINARY[]", FetchItem::Binary { part: vec![], partial: None, peek: false }),
        ("BINARY[1.2]<0.5>", FetchItem::Binary { part: vec![1, 2], partial: Some((0, 5)), peek: false }),
        ("BINARY.PEEK[3]", FetchItem::Binary { part: vec![3], partial: None, peek: true }),
        ("BINARY.SIZE[4]", FetchItem::BinarySize { part: vec![4] }),
    ] {
        assert_eq!(items(text), std::slice::from_ref(&expected), "{text}");
        assert_eq!(items(&format!("({text} UID)")), [expected, FetchItem::Uid], "{text}");
    }
}

#[test]
fn macros_are_several_items() {
    let fast = [FetchItem::Flags, FetchItem::InternalDate, FetchItem::Rfc822Size];
    assert_eq!(items("fast"), fast);
    assert_eq!(items("ALL"), [&fast[..], &[FetchItem::Envelope]].concat());
    assert_eq!(items("FULL"), [&fast[..], &[FetchItem::Envelope, FetchItem::Body]].concat());
}

/// RFC 9051 §6.4.5.1.
#[test]
fn every_section() {
    let fields = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    for (text, part, expected) in [
        ("[]", &[][..], SectionText::All),
        ("[HEADER]", &[], SectionText::Header),
        ("[TEXT]", &[], SectionText::Text),
        ("[1]", &[1], SectionText::All),
        ("[4.2.2.1]", &[4, 2, 2, 1], SectionText::All),
        ("[4.2.HEADER]", &[4, 2], SectionText::Header),
        ("[3.text]", &[3], SectionText::Text),
        ("[4.1.MIME]", &[4, 1], SectionText::Mime),
        ("[HEADER.FIELDS (From \"to\")]", &[], SectionText::HeaderFields(fields(&["FROM", "TO"]))),
        ("[3.HEADER.FIELDS.NOT ({2}\r\ncc)]", &[3], SectionText::HeaderFieldsNot(fields(&["CC"]))),
    ] {
        assert_eq!(items(&format!("BODY{text}")), [section(part, expected.clone())], "{text}");
        let section = Section { part: part.to_vec(), text: expected };
        let peeked = FetchItem::Section { section, partial: Some((17, 1024)), peek: true };
        assert_eq!(items(&format!("body.peek{text}<17.1024>")), [peeked], "{text}");
    }
    for bad in [
        "BODY[",
        "BODY[0]",
        "BODY[1.]",
        "BODY[.1]",
        "BODY[1 ]",
        "BODY[MIME]",
        "BODY[1.FOO]",
        "BODY[1TEXT]",
        "BODY[HEADER.FIELDS]",
        "BODY[HEADER.FIELDS ()]",
        "BODY[HEADER.FIELDS(FROM)]",
        "BODY[]<0>",
        "BODY[]<0.0>",
        "BODY[]<.1>",
        "BODY.PEEK",
        "BODYSTRUCTURE[]",
        "BINARY",
        "BINARY[1.]",
        "BINARY[HEADER]",
        "BINARY.SIZE[1]<0.1>",
        "FLAGS UID",
        "()",
        "X",
    ] {
        refused(&format!("FETCH 1 {bad}"));
    }
}

/// RFC 7162 §3.1.4 and §3.2.6, RFC 9394 §3.3.
#[test]
fn modifiers_of_fetch() {
    let by_uid = |ranges: &[(u32, u32)]| Fetch { by: By::Uid, ..fetch(ranges, &[FetchItem::Flags]) };
    assert_eq!(
        strictly("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345)"),
        Command::Fetch(Fetch { changed_since: Some(12345), ..by_uid(&[(1, 0)]) })
    );
    assert_eq!(
        strictly("UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)"),
        Command::Fetch(Fetch { changed_since: Some(12345), vanished: true, ..by_uid(&[(300, 500)]) })
    );
    assert_eq!(
        strictly("UID FETCH 25900:26600 (FLAGS) (PARTIAL -1:-30)"),
        Command::Fetch(Fetch { partial: Some((-1, -30)), ..by_uid(&[(25900, 26600)]) })
    );
    let preview = [FetchItem::Preview { lazy: true }];
    assert_eq!(
        strictly("FETCH 1 PREVIEW (LAZY) (CHANGEDSINCE 1)"),
        Command::Fetch(Fetch { changed_since: Some(1), ..fetch(&[(1, 1)], &preview) })
    );
    let preview = [FetchItem::Preview { lazy: false }];
    assert_eq!(
        strictly("FETCH 1 PREVIEW (CHANGEDSINCE 1)"),
        Command::Fetch(Fetch { changed_since: Some(1), ..fetch(&[(1, 1)], &preview) })
    );
    for bad in [
        "FETCH 1 FLAGS (CHANGEDSINCE 5 VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
        "FETCH 1 FLAGS (PARTIAL 1:2)",
        "UID FETCH 1 FLAGS ()",
        "UID FETCH 1 FLAGS (X)",
        "UID FETCH 1 FLAGS (CHANGEDSINCE)",
    ] {
        refused(bad);
    }
}

/// RFC 9051 §6.4.6, RFC 7162 §3.1.3.
#[test]
fn store() {
    let store = Store {
        by: By::Seq,
        numbers: numbers(&[(2, 4)]),
        unchanged_since: None,
        mode: StoreMode::Add,
        silent: false,
        flags: vec![FlagArg::Flag(Flags::DELETED)],
    };
    assert_eq!(strictly(r"STORE 2:4 +FLAGS (\Deleted)"), Command::Store(store.clone()));
    assert_eq!(strictly(r"store 2:4 +flags \deleted"), Command::Store(store.clone()));
    assert_eq!(
        strictly(r"UID STORE 7,5,9 (UNCHANGEDSINCE 320162338) +FLAGS.SILENT (\Deleted)"),
        Command::Store(Store {
            by: By::Uid,
            numbers: numbers(&[(7, 7), (5, 5), (9, 9)]),
            unchanged_since: Some(320_162_338),
            silent: true,
            ..store.clone()
        })
    );
    assert_eq!(
        strictly("STORE 2:4 (UNCHANGEDSINCE 0) FLAGS ()"),
        Command::Store(Store { unchanged_since: Some(0), mode: StoreMode::Replace, flags: vec![], ..store.clone() })
    );
    let flags = vec![
        FlagArg::Flag(Flags::SEEN),
        FlagArg::Flag(Flags::FORWARDED),
        FlagArg::Keyword(keyword("$Junk")),
        FlagArg::Ignored,
        FlagArg::Ignored,
    ];
    assert_eq!(
        strictly(r"STORE 2:4 -FLAGS \SEEN $FORWARDED $Junk \Recent \X"),
        Command::Store(Store { mode: StoreMode::Remove, flags, ..store })
    );
    let long = format!("STORE 1 FLAGS {}", "x".repeat(129));
    for bad in
        ["STORE 1 FLAGS", "STORE 1 +-FLAGS ()", "STORE 1 FLAG ()", "STORE 1 FLAGS \\", "STORE 1 FLAGS (\\*)", &long]
    {
        refused(bad);
    }
}

/// RFC 9051 §6.4.7 to §6.4.9, RFC 4315 §2.1, RFC 6851 §3.1, RFC 5182 §3.
#[test]
fn copy_move_and_expunge() {
    let meeting = || mailbox("MEETING");
    let copy = |by, numbers| Command::Copy { by, numbers, mailbox: meeting() };
    assert_eq!(strictly("COPY 2:4 MEETING"), copy(By::Seq, numbers(&[(2, 4)])));
    assert_eq!(strictly("UID COPY $ MEETING"), copy(By::Uid, Numbers::Saved));
    assert_eq!(
        strictly("UID MOVE 42:69 MEETING"),
        Command::Move { by: By::Uid, numbers: numbers(&[(42, 69)]), mailbox: meeting() }
    );
    assert_eq!(
        strictly("MOVE * MEETING"),
        Command::Move { by: By::Seq, numbers: numbers(&[(0, 0)]), mailbox: meeting() }
    );
    assert_eq!(strictly("UID EXPUNGE 3000:3002"), Command::Expunge { uids: Some(numbers(&[(3000, 3002)])) });
    for bad in ["UID", "UID NOOP", "UID EXPUNGE", "COPY 1", "COPY x y", "COPY $,1 x", "MOVE 1:2:3 x", "EXPUNGE 1"] {
        refused(bad);
    }
}

fn message(bytes: &[u8]) -> AppendMessage {
    AppendMessage { flags: vec![], internal_date: None, bytes: bytes.to_vec(), binary: false }
}

/// RFC 9051 §6.3.12, RFC 3502 §6, RFC 3516 §4.4, RFC 6855 §4.
#[test]
fn append() {
    let append = |name: &str, messages: &[AppendMessage]| Command::Append {
        mailbox: mailbox(name),
        messages: messages.to_vec(),
    };
    let seen = AppendMessage { flags: vec![FlagArg::Flag(Flags::SEEN)], ..message(b"Date: x\r\n\r\n") };
    assert_eq!(
        strictly("APPEND saved-messages (\\Seen) {11}\r\nDate: x\r\n\r\n"),
        append("saved-messages", std::slice::from_ref(&seen))
    );
    let dated = AppendMessage { internal_date: Some(760_312_945), ..message(b"b") };
    assert_eq!(
        strictly("APPEND x (\\Seen) {11+}\r\nDate: x\r\n\r\n \" 4-Feb-1994 03:32:25 +0530\" {1+}\r\nb {0+}\r\n"),
        append("x", &[seen, dated, message(b"")])
    );
    let binary = AppendMessage { binary: true, ..message(b"a\0b") };
    assert_eq!(strictly("APPEND x ~{3}\r\na\0b"), append("x", &[binary]));
    assert_eq!(strictly("APPEND x UTF8 (~{2}\r\n\u{f1})"), append("x", &[message("ñ".as_bytes())]));
    for bad in [
        "APPEND x",
        "APPEND x (\\Seen)",
        "APPEND x () {2}\r\nx",
        "APPEND x {1}\r\nxy",
        "APPEND x {1}\r\nx{1}\r\ny",
        "APPEND x \"quoted\"",
        "APPEND x UTF8 ({1}\r\nx)",
        "APPEND x UTF8 (~{1}\r\nx",
    ] {
        refused(bad);
    }
}

#[test]
fn the_date_of_an_append() {
    let date = |text: &str| format!("APPEND x \"{text}\" {{1+}}\r\nx");
    let parsed = |text: &str| match strictly(&date(text)) {
        Command::Append { messages, .. } => messages[0].internal_date.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(parsed("17-Jul-1996 02:44:25 -0700"), 837_596_665);
    assert_eq!(parsed("01-JAN-1970 00:00:00 +0000"), 0);
    assert_eq!(parsed(" 1-jan-1970 00:00:60 +0000"), 60);
    assert_eq!(parsed("01-Jan-1970 00:00:00 +1400"), -50_400);
    assert_eq!(parsed("29-Feb-2000 23:59:59 +0000"), 951_868_799);
    assert_eq!(parsed("01-Jan-0000 00:00:00 +0000"), -62_167_219_200);
    for bad in [
        "29-Feb-1900 00:00:00 +0000",
        "00-Jan-2000 00:00:00 +0000",
        "32-Jan-2000 00:00:00 +0000",
        "  1-Jan-2000 00:00:00 +0000",
        "001-Jan-2000 00:00:00 +0000",
        "01-Jan-2000 24:00:00 +0000",
        "01-Jan-2000 00:60:00 +0000",
        "01-Jan-2000 00:00:61 +0000",
        "01-Jan-2000 00:00:00 0000",
        "01-Jan-2000 00:00:00 +0060",
        "01-Jan-2000 00:00:00",
        "01-Jan-2000",
        "01-Jan-99 00:00:00 +0000",
        "01-January-2000 00:00:00 +0000",
        "",
    ] {
        refused(&date(bad));
    }
}

/// RFC 8508 §3.
#[test]
fn replace() {
    let replace = |by, ranges: &[(u32, u32)], message| Command::Replace {
        by,
        number: numbers(ranges),
        mailbox: mailbox("Drafts"),
        message,
    };
    let draft = AppendMessage { flags: vec![FlagArg::Flag(Flags::SEEN), FlagArg::Flag(Flags::DRAFT)], ..message(b"x") };
    assert_eq!(strictly("REPLACE 4 Drafts (\\Seen \\Draft) {1}\r\nx"), replace(By::Seq, &[(4, 4)], draft));
    assert_eq!(strictly("UID REPLACE * Drafts {1}\r\nx"), replace(By::Uid, &[(0, 0)], message(b"x")));
    for bad in ["REPLACE 1:2 x {1+}\r\nx", "REPLACE $ x {1+}\r\nx", "REPLACE 1 x {1+}\r\nx {1+}\r\ny", "REPLACE 1 x"] {
        refused(bad);
    }
}
