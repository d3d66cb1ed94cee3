//! Mailboxes: RFC 9051 §6.3, RFC 3501, RFC 5258, RFC 5464, RFC 5465, RFC 5819, RFC 6154, RFC 7162, RFC 9208, RFC 9590.

use super::*;
use message::SpecialUse;

fn select(name: &str) -> Select {
    Select { mailbox: mailbox(name), read_only: false, condstore: false, qresync: None }
}

/// RFC 9051 §6.3.2 and §6.3.3, RFC 7162 §3.1.8.
#[test]
fn select_and_examine() {
    assert_eq!(strictly("SELECT INBOX"), Command::Select(select("INBOX")));
    assert_eq!(strictly("EXAMINE blurdybloop"), Command::Select(Select { read_only: true, ..select("blurdybloop") }));
    assert_eq!(strictly("SELECT INBOX (CONDSTORE)"), Command::Select(Select { condstore: true, ..select("INBOX") }));
    refused("SELECT INBOX (X)");
    refused("SELECT INBOX ()");
    refused("SELECT");
}

/// RFC 7162 §3.2.5.
#[test]
fn select_with_qresync() {
    let with = |qresync| Command::Select(Select { qresync: Some(qresync), ..select("INBOX") });
    let known = Qresync { uidvalidity: 67_890_007, modseq: 20_050_715_194_045_000, known_uids: None, match_data: None };
    assert_eq!(strictly("SELECT INBOX (QRESYNC (67890007 20050715194045000))"), with(known.clone()));
    let known_uids = Some(set(&[(41, 41), (43, 211), (214, 541)]));
    assert_eq!(
        strictly("SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))"),
        with(Qresync { known_uids, ..known.clone() })
    );
    let match_data = Some((set(&[(5000, 5000), (9990, 9991)]), set(&[(15000, 15000), (29970, 29970), (29973, 29973)])));
    assert_eq!(
        strictly("SELECT INBOX (QRESYNC (67890007 20050715194045000 (5000,9990:9991 15000,29970,29973)))"),
        with(Qresync { match_data: match_data.clone(), ..known.clone() })
    );
    assert_eq!(
        strictly("SELECT INBOX (QRESYNC (67890007 20050715194045000 1:29997 (5000,9990:9991 15000,29970,29973)))"),
        with(Qresync { known_uids: Some(set(&[(1, 29997)])), match_data, ..known })
    );
    for bad in ["(1 2 *)", "(1 2 1:*)", "(1 2 (1:2 5))", "(1 2 () 3)", "(0 2)", "(1 9223372036854775808)", "(1)", "1 2"]
    {
        refused(&format!("SELECT INBOX (QRESYNC {bad})"));
    }
}

/// RFC 9051 §6.3.4 to §6.3.8, RFC 6154 §5.
#[test]
fn create_delete_rename_and_subscriptions() {
    let create = |name: &str, special_use| Command::Create { mailbox: mailbox(name), special_use };
    assert_eq!(strictly("CREATE owatagusiam/"), create("owatagusiam/", vec![]));
    assert_eq!(
        strictly(r"CREATE MySpecial (USE (\Drafts \Sent))"),
        create("MySpecial", vec![UseArg::Known(SpecialUse::Drafts), UseArg::Known(SpecialUse::Sent)])
    );
    assert_eq!(strictly(r"CREATE Everything (USE (\All))"), create("Everything", vec![UseArg::Other("\\All".into())]));
    assert_eq!(strictly("CREATE x (USE ())"), create("x", vec![]));
    refused("CREATE x (USE (Sent))");
    refused("CREATE x (COLOUR blue)");
    assert_eq!(strictly("DELETE foo/bar"), Command::Delete(mailbox("foo/bar")));
    assert_eq!(
        strictly("RENAME blurdybloop sarasoop"),
        Command::Rename { from: mailbox("blurdybloop"), to: mailbox("sarasoop") }
    );
    assert_eq!(strictly("SUBSCRIBE #news.comp.mail.mime"), Command::Subscribe(mailbox("#news.comp.mail.mime")));
    assert_eq!(strictly("UNSUBSCRIBE #news"), Command::Unsubscribe(mailbox("#news")));
}

/// RFC 9051 §5.1 and appendix A.1.
#[test]
fn names_are_decoded() {
    for (written, name) in [
        ("inBox", "INBOX"),
        ("{5}\r\ninbox", "INBOX"),
        ("\"INBOX/Sub\"", "INBOX/Sub"),
        ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
        ("Espa&APE-a", "España"),
        ("\"Tom &- Jerry\"", "Tom & Jerry"),
        ("a]b", "a]b"),
    ] {
        assert_eq!(strictly(&format!("DELETE {written}")), Command::Delete(mailbox(name)));
    }
    let utf8 = |written: &str| parse_as(format!("a DELETE {written}").as_bytes(), REV2, true).unwrap().command;
    assert_eq!(utf8("\"España\""), Command::Delete(mailbox("España")));
    assert_eq!(utf8("\"Tom & Jerry\""), Command::Delete(mailbox("Tom & Jerry")));
    assert_eq!(utf8("Espa&APE-a"), Command::Delete(mailbox("Espa&APE-a")), "it is the name itself");
}

fn list(reference: &str, patterns: &[&str]) -> List {
    List {
        extended: false,
        select: ListSelect::default(),
        reference: reference.into(),
        patterns: patterns.iter().map(|&pattern| pattern.to_owned()).collect(),
        returns: ListReturn::default(),
    }
}

/// RFC 9051 §6.3.9, RFC 3501 §6.3.8 and §6.3.9.
#[test]
fn list_as_it_always_was() {
    assert_eq!(strictly(r#"LIST "" """#), Command::List(list("", &[""])));
    assert_eq!(strictly(r#"LIST "" *"#), Command::List(list("", &["*"])));
    assert_eq!(strictly("LIST #news.comp.mail.misc \"\""), Command::List(list("#news.comp.mail.misc", &[""])));
    assert_eq!(strictly("LIST /usr/staff/jones \"\""), Command::List(list("/usr/staff/jones", &[""])));
    assert_eq!(strictly("LIST ~/Mail/ %"), Command::List(list("~/Mail/", &["%"])));
    assert_eq!(strictly("LIST \"\" Espa&APE-a*"), Command::List(list("", &["España*"])));
    assert_eq!(
        strictly("LSUB \"#news.\" \"comp.mail.*\""),
        Command::Lsub { reference: "#news.".into(), pattern: "comp.mail.*".into() }
    );
}

/// RFC 5258 §5, RFC 5819 §3, RFC 6154 §5.2, RFC 9590 §3.
#[test]
fn list_extended() {
    let extended = |list: List| Command::List(List { extended: true, ..list });
    let subscribed = ListSelect { subscribed: true, ..ListSelect::default() };
    assert_eq!(strictly(r#"LIST (SUBSCRIBED) "" "*""#), extended(List { select: subscribed, ..list("", &["*"]) }));
    assert_eq!(strictly(r#"LIST () "" "%""#), extended(list("", &["%"])));
    let children = ListReturn { children: true, ..ListReturn::default() };
    assert_eq!(
        strictly(r#"LIST (REMOTE) "" "%" RETURN (CHILDREN)"#),
        extended(List {
            select: ListSelect { remote: true, ..ListSelect::default() },
            returns: children.clone(),
            ..list("", &["%"])
        })
    );
    assert_eq!(
        strictly(r#"LIST (SUBSCRIBED RECURSIVEMATCH) "" "%""#),
        extended(List { select: ListSelect { recursive_match: true, ..subscribed }, ..list("", &["%"]) })
    );
    assert_eq!(
        strictly(r#"LIST "" ("INBOX" "Drafts" "Sent/%") RETURN ()"#),
        extended(list("", &["INBOX", "Drafts", "Sent/%"]))
    );
    assert_eq!(
        strictly(r#"LIST (SPECIAL-USE) "" "*" RETURN (SPECIAL-USE SUBSCRIBED)"#),
        extended(List {
            select: ListSelect { special_use: true, ..ListSelect::default() },
            returns: ListReturn { special_use: true, subscribed: true, ..ListReturn::default() },
            ..list("", &["*"])
        })
    );
    let status = Some(vec![StatusItem::Messages, StatusItem::Unseen]);
    assert_eq!(
        strictly(r#"LIST "" % RETURN (CHILDREN STATUS (MESSAGES UNSEEN))"#),
        extended(List { returns: ListReturn { status, ..children }, ..list("", &["%"]) })
    );
    let metadata = Some(vec!["/shared/comment".to_owned(), "/private/comment".to_owned()]);
    assert_eq!(
        strictly(r#"LIST "" % RETURN (METADATA ("/shared/comment" "/private/comment"))"#),
        extended(List { returns: ListReturn { metadata, ..ListReturn::default() }, ..list("", &["%"]) })
    );
    for bad in [
        r#"LIST (RECURSIVEMATCH) "" *"#,
        r#"LIST (REMOTE RECURSIVEMATCH) "" *"#,
        r#"LIST (X) "" *"#,
        r#"LIST "" ()"#,
        r#"LIST "" * RETURN"#,
        r#"LIST "" * RETURN (X)"#,
        r#"LIST "" * RETURN (STATUS)"#,
        r#"LIST "" * (SUBSCRIBED)"#,
        r#"LIST """#,
    ] {
        refused(bad);
    }
}

/// RFC 9051 §6.3.11, RFC 7162 §3.1.7, RFC 7889 §3, RFC 8438 §3, RFC 8474 §4.3, RFC 9208 §4.1.4.
#[test]
fn status() {
    let status = |name: &str, items: &[StatusItem]| Command::Status { mailbox: mailbox(name), items: items.to_vec() };
    assert_eq!(
        strictly("STATUS blurdybloop (UIDNEXT MESSAGES)"),
        status("blurdybloop", &[StatusItem::UidNext, StatusItem::Messages])
    );
    let all = "STATUS inbox (messages recent uidnext uidvalidity unseen deleted size highestmodseq mailboxid appendlimit \
        deleted-storage)";
    let items = [
        StatusItem::Messages,
        StatusItem::Recent,
        StatusItem::UidNext,
        StatusItem::UidValidity,
        StatusItem::Unseen,
        StatusItem::Deleted,
        StatusItem::Size,
        StatusItem::HighestModSeq,
        StatusItem::MailboxId,
        StatusItem::AppendLimit,
        StatusItem::DeletedStorage,
    ];
    assert_eq!(strictly(all), status("INBOX", &items));
    refused("STATUS x ()");
    refused("STATUS x MESSAGES");
    refused("STATUS x (COLOUR)");
}

/// RFC 9208 §4.1.
#[test]
fn quotas() {
    assert_eq!(strictly("GETQUOTA \"!partition/sda4\""), Command::GetQuota("!partition/sda4".into()));
    assert_eq!(strictly("GETQUOTA \"\""), Command::GetQuota(String::new()));
    assert_eq!(strictly("GETQUOTAROOT INBOX"), Command::GetQuotaRoot(mailbox("INBOX")));
    assert_eq!(
        strictly("SETQUOTA \"\" (storage 512 MESSAGE 9223372036854775807)"),
        Command::SetQuota {
            root: String::new(),
            limits: vec![("STORAGE".into(), 512), ("MESSAGE".into(), 9_223_372_036_854_775_807)]
        }
    );
    assert_eq!(strictly("SETQUOTA \"\" ()"), Command::SetQuota { root: String::new(), limits: vec![] });
}

/// RFC 5464 §4.2 and §4.3.
#[test]
fn metadata() {
    let get = |name: &str, max_size, depth, entries: &[&str]| {
        let entries = entries.iter().map(|&entry| entry.to_owned()).collect();
        Command::GetMetadata(GetMetadata { mailbox: mailbox(name), max_size, depth, entries })
    };
    assert_eq!(strictly("GETMETADATA \"\" /shared/comment"), get("", None, Depth::Zero, &["/shared/comment"]));
    assert_eq!(
        strictly("GETMETADATA (MAXSIZE 1024) INBOX (/shared/comment /private/comment)"),
        get("INBOX", Some(1024), Depth::Zero, &["/shared/comment", "/private/comment"])
    );
    assert_eq!(
        strictly("GETMETADATA (DEPTH 1 MAXSIZE 9) INBOX (/private/filters/values)"),
        get("INBOX", Some(9), Depth::One, &["/private/filters/values"])
    );
    assert_eq!(strictly("GETMETADATA (depth Infinity) x /a"), get("x", None, Depth::Infinity, &["/a"]));
    let set = |entries: &[(&str, Option<&[u8]>)]| Command::SetMetadata {
        mailbox: mailbox("INBOX"),
        entries: entries.iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect(),
    };
    assert_eq!(
        strictly("SETMETADATA INBOX (/private/comment {33}\r\nMy new comment across\r\ntwo lines.)"),
        set(&[("/private/comment", Some(b"My new comment across\r\ntwo lines."))])
    );
    assert_eq!(
        strictly("SETMETADATA INBOX (/private/comment NIL /shared/comment \"x\" /shared/bin ~{3}\r\n\0\r\n)"),
        set(&[("/private/comment", None), ("/shared/comment", Some(b"x")), ("/shared/bin", Some(b"\0\r\n"))])
    );
    for entry in ["comment", "/", "//a", "/a/", "/a//b", "\"/a*\"", "\"/a%b\"", "\"/ñ\"", "\"\""] {
        refused(&format!("GETMETADATA INBOX {entry}"));
    }
    refused("GETMETADATA (COLOUR 1) INBOX /a");
    refused("SETMETADATA INBOX ()");
}

/// RFC 5465 §3, §5 and §6.
#[test]
fn notify() {
    let set = |status, groups| Command::Notify(Notify::Set { status, groups });
    assert_eq!(strictly("NOTIFY NONE"), Command::Notify(Notify::None));
    assert_eq!(
        strictly("notify set (mailboxes INBOX (Messagenew messageExpunge)) (personal (SubscriptionChange))"),
        set(
            false,
            vec![
                EventGroup {
                    mailboxes: MailboxFilter::Mailboxes(vec![mailbox("INBOX")]),
                    events: vec![Event::MessageNew(vec![]), Event::MessageExpunge]
                },
                EventGroup { mailboxes: MailboxFilter::Personal, events: vec![Event::SubscriptionChange] },
            ]
        )
    );
    assert_eq!(
        strictly(
            "notify set status (selected (Messagenew (uid flags) messageExpunge)) \
             (subtree (Lists Work) (MessageNew FlagChange MessageExpunge)) (inboxes NONE)"
        ),
        set(
            true,
            vec![
                EventGroup {
                    mailboxes: MailboxFilter::Selected,
                    events: vec![Event::MessageNew(vec![FetchItem::Uid, FetchItem::Flags]), Event::MessageExpunge]
                },
                EventGroup {
                    mailboxes: MailboxFilter::Subtree(vec![mailbox("Lists"), mailbox("Work")]),
                    events: vec![Event::MessageNew(vec![]), Event::FlagChange, Event::MessageExpunge]
                },
                EventGroup { mailboxes: MailboxFilter::Inboxes, events: vec![] },
            ]
        )
    );
    assert_eq!(
        strictly(
            "NOTIFY SET (selected-delayed NONE) (subscribed (MailboxName MailboxMetadataChange ServerMetadataChange X))"
        ),
        set(
            false,
            vec![
                EventGroup { mailboxes: MailboxFilter::SelectedDelayed, events: vec![] },
                EventGroup {
                    mailboxes: MailboxFilter::Subscribed,
                    events: vec![
                        Event::MailboxName,
                        Event::MailboxMetadataChange,
                        Event::ServerMetadataChange,
                        Event::Other("X".into())
                    ]
                },
            ]
        )
    );
    for bad in [
        "SET",
        "SET STATUS",
        "SET (everywhere NONE)",
        "SET (personal ())",
        "SET (personal (MessageNew))",
        "SET (personal (MessageExpunge))",
        "SET (personal (FlagChange))",
        "SET (personal (AnnotationChange))",
        "SET (personal (MessageNew (UID) MessageExpunge))",
        "SET (selected (MailboxName))",
        "SET (selected NONE) (selected-delayed NONE)",
        "SET (subtree (MessageNew MessageExpunge))",
    ] {
        refused(&format!("NOTIFY {bad}"));
    }
}
