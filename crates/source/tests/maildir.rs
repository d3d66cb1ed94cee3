//! Maildir++ as Dovecot and Courier leave it, whole and damaged.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use message::Flags;
use source::{ItemKind, ReadError};

const MAIL: &str = "Subject: x\n\nhello\n";

#[test]
fn a_dovecot_maildir_is_listed_with_everything_that_it_knows() {
    let tree = Tree::new();
    tree.file("Maildir/cur/1373330001.M1P1.h,S=18,W=21:2,FSab", MAIL)
        .dated("Maildir/cur/1373330001.M1P1.h,S=18,W=21:2,FSab", 1_373_330_001)
        .file("Maildir/new/1373330002.M2P1.h", MAIL)
        .file("Maildir/cur/1373330003.M3P1.h:2,T", MAIL)
        .file("Maildir/tmp/1373330004.M4P1.h", "Subj")
        .file(
            "Maildir/dovecot-uidlist",
            "3 V1206641295 N44 G0123\n7 P99.abc :1373330002.M2P1.h\n12 W21 S18 :1373330001.M1P1.h,S=18,W=21\n40 :1373330003.M3P1.h\n",
        )
        .file("Maildir/dovecot-keywords", "0 $Forwarded\n1 Facturado\n")
        .file("Maildir/maildirsize", "104857600S,1000C\n18 1\n")
        .file("Maildir/subscriptions", "V\t2\n\nFacturas\tA&APE-o 2012\nINBOX\nGone\n")
        .file("Maildir/dovecot-uidvalidity", "5d2d3c2a")
        .file("Maildir/dovecot.index.log", "\x01")
        .directory("Maildir/.Facturas/cur")
        .file("Maildir/.Facturas.A&APE-o 2012/cur/1373330005.M5P1.h:2,", MAIL)
        .file("Maildir/.Facturas.A&APE-o 2012/dovecot-uidlist", "3 V1206641296 N2\n1 :1373330005.M5P1.h\n")
        .file("Maildir/.Facturas.A&APE-o 2012/maildirfolder", "");

    let scan = scan_only(&*tree.open_account());
    assert_eq!(names(&scan), ["INBOX", "Facturas", "Facturas/Año 2012"]);
    assert_eq!(scan.quota_bytes, Some(104_857_600));
    assert!(says(&scan.notices, "6.3", "the subscription to Gone"));
    let subscribed: Vec<bool> = scan.mailboxes.iter().map(|m| m.subscribed).collect();
    assert_eq!(subscribed, [true, false, true]);

    let inbox = mailbox(&scan, "INBOX");
    assert_eq!((inbox.uidvalidity, inbox.uidnext, &inbox.name_was), (Some(1_206_641_295), Some(44), &None));
    let [second, first, third, rest @ ..] = &inbox.items[..] else { panic!("three messages are expected") };
    assert_eq!((second.uid, second.uidl.as_deref(), second.flags), (Some(7), Some("99.abc"), Flags::NONE));
    assert_eq!((first.uid, first.uidl.as_deref()), (Some(12), Some("0000000c47ebe28f")));
    assert_eq!(first.flags, Flags::SEEN | Flags::FLAGGED);
    assert_eq!(first.keywords.iter().map(|k| k.as_str()).collect::<Vec<_>>(), ["$Forwarded", "Facturado"]);
    assert_eq!((first.promised_size, first.promised_crlf_size), (Some(18), Some(21)));
    assert_eq!((first.internal_date, first.stamp.length_bytes), (1_373_330_001, 18));
    assert_eq!((third.uid, third.flags), (Some(40), Flags::DELETED));
    let rest: Vec<_> = rest.iter().map(|item| (path_of(item), item.kind)).collect();
    assert_eq!(
        rest,
        [
            ("tmp/1373330004.M4P1.h".to_owned(), ItemKind::Unfinished),
            ("dovecot.index.log".to_owned(), ItemKind::NotAMessage),
        ]
    );

    let inner = mailbox(&scan, "Facturas/Año 2012");
    assert_eq!(inner.uidvalidity, Some(1_206_641_296));
    assert_eq!((inner.items[0].uid, &inner.items[0].uidl), (Some(1), &None), "POP3 serves the INBOX alone");
}

#[test]
fn a_courier_maildir_is_listed_with_everything_that_it_knows() {
    let tree = Tree::new();
    tree.file("Maildir/cur/1373330001.M1P1.h,S=18:2,S", MAIL)
        .file("Maildir/cur/1373330002.M2P1.h:2,", MAIL)
        .file("Maildir/cur/1373330003.M3P1.h:2,", MAIL)
        .file("Maildir/courierimapuiddb", "1 1206641295 30\n3 1373330001.M1P1.h,S=18\n17 1373330002.M2P1.h\n")
        .file(
            "Maildir/courierpop3dsizelist",
            "/3 9 1700\n1373330001.M1P1.h,S=18:2, 21 7:1700:0\n1373330002.M2P1.h 21 8:0:0\n",
        )
        .file("Maildir/courierimapkeywords/:list", "Uno\nDos\n\n1373330001.M1P1.h,S=18:0 1\n1373330002.M2P1.h:0\n")
        .file("Maildir/courierimapkeywords/.5.1373330002.M2P1.h", "Dos\n")
        .file("Maildir/courierimapkeywords/.4.1373330002.M2P1.h", "Tres\n")
        .file("Maildir/courierimapsubscribed", "INBOX\nINBOX.Sent.2012\n")
        .file("Maildir/.Sent.2012/courierimapacl", "owner aceilrstwx\n")
        .directory("Maildir/.Sent.2012/cur");

    let scan = scan_only(&*tree.open_account());
    assert!(scan.mailboxes.iter().all(|m| m.subscribed));
    let inbox = mailbox(&scan, "INBOX");
    assert_eq!((inbox.uidvalidity, inbox.uidnext), (Some(1_206_641_295), Some(30)));
    let keywords = |index: usize| inbox.items[index].keywords.iter().map(|k| k.as_str()).collect::<Vec<_>>();
    assert_eq!((inbox.items[0].uid, inbox.items[0].uidl.as_deref()), (Some(3), Some("UID7-1700")));
    assert_eq!((inbox.items[1].uid, inbox.items[1].uidl.as_deref()), (Some(17), Some("UID8")));
    assert_eq!((inbox.items[2].uid, inbox.items[2].uidl.as_deref()), (None, None));
    assert_eq!((keywords(0), keywords(1), keywords(2)), (vec!["Uno", "Dos"], vec!["Dos"], vec![]));
    assert_eq!(inbox.items.len(), 3, "Courier's own files are no items");
}

#[test]
fn the_uidl_rule_of_the_description_counts() {
    let tree = Tree::new();
    tree.file("Maildir/cur/1373330001.M1P1.h:2,", MAIL)
        .file("Maildir/dovecot-uidlist", "3 V1206641295 N44\n7 :1373330001.M1P1.h\n");
    for (rule, uidl) in [("%f", "1373330001.M1P1.h"), ("%v-%u", "1206641295-7"), ("%08Xu%08Xv", "0000000747ebe28f")] {
        let description = format!(
            "format = \"maildir\"\nroot = \"Maildir\"\naccount = \"a@example.org\"\npop3_uidl_format = \"{rule}\"\n"
        );
        let scan = scan_only(&*tree.open_with(&description));
        assert_eq!(mailbox(&scan, "INBOX").items[0].uidl.as_deref(), Some(uidl), "{rule}");
    }
}

#[test]
fn rule_9_4_a_repeated_uid_stays_with_the_first_file() {
    let tree = Tree::new();
    tree.file("Maildir/cur/1.a:2,", MAIL)
        .file("Maildir/cur/2.b:2,", MAIL)
        .file("Maildir/cur/3.c:2,", MAIL)
        .file("Maildir/dovecot-uidlist", "3 V5 N9\n4 :2.b\n4 :1.a\n3 :3.c\n");
    let scan = scan_only(&*tree.open_account());
    let inbox = mailbox(&scan, "INBOX");
    let expected = [("cur/3.c:2,", Some(3)), ("cur/2.b:2,", Some(4)), ("cur/1.a:2,", None)];
    assert_eq!(uids(inbox), expected.map(|(path, uid)| (path.to_owned(), uid)));
    assert!(says(&inbox.items[2].notices, "9.4", "UID 4 stands on two lines"));
    assert!(says(&scan.notices, "9.4", "not in ascending order"));
}

#[test]
fn rule_9_4_two_files_of_one_name_and_two_lines_of_one_file() {
    let tree = Tree::new();
    tree.file("Maildir/cur/1.a:2,S", MAIL)
        .file("Maildir/new/1.a", MAIL)
        .file("Maildir/dovecot-uidlist", "3 V5 N9\n4 :1.a\n5 :1.a\n");
    let scan = scan_only(&*tree.open_account());
    let inbox = mailbox(&scan, "INBOX");
    assert_eq!(uids(inbox), [("cur/1.a:2,S".to_owned(), Some(4)), ("new/1.a".to_owned(), None)]);
    assert!(says(&inbox.items[1].notices, "9.4", "the other keeps the UID"));
    assert!(says(&scan.notices, "9.4", "listed twice; UID 4 is believed, 5 is not"));
    assert_eq!(others(inbox), []);
}

#[test]
fn rule_9_4_garbage_in_the_list_ends_it_there() {
    let tree = Tree::new();
    tree.file("Maildir/cur/1.a:2,", MAIL)
        .file("Maildir/cur/2.b:2,", MAIL)
        .file("Maildir/dovecot-uidlist", b"3 V5 N90\n4 :1.a\n\0\0\0\0\n8 :2.b\n");
    let scan = scan_only(&*tree.open_account());
    let inbox = mailbox(&scan, "INBOX");
    assert_eq!((inbox.uidvalidity, inbox.uidnext), (Some(5), Some(90)));
    assert_eq!(uids(inbox), [("cur/1.a:2,".to_owned(), Some(4)), ("cur/2.b:2,".to_owned(), None)]);
    assert!(says(&scan.notices, "9.4", "line 3, byte 16: the line holds NUL bytes; the 1 UIDs before it are believed"));
}

#[test]
fn rule_9_4_without_a_header_no_uid_is_believed() {
    let tree = Tree::new();
    tree.file("Maildir/cur/1.a:2,", MAIL).file("Maildir/dovecot-uidlist", "x\n4 P7.x :1.a\n5 :1373330005.b\n");
    let scan = scan_only(&*tree.open_account());
    let inbox = mailbox(&scan, "INBOX");
    assert_eq!((inbox.uidvalidity, inbox.uidnext), (None, None));
    assert_eq!((inbox.items[0].uid, inbox.items[0].uidl.as_deref()), (None, Some("7.x")));
    assert_eq!((inbox.items[1].kind, inbox.items[1].uid), (ItemKind::ListedNoFile, None));
}

#[test]
fn uidnext_is_never_at_or_below_a_uid() {
    let tree = Tree::new();
    tree.file("Maildir/cur/1.a:2,", MAIL).file("Maildir/dovecot-uidlist", "3 V5 N4\n4 :1.a\n9 :gone\n");
    let scan = scan_only(&*tree.open_account());
    assert_eq!(mailbox(&scan, "INBOX").uidnext, Some(10));
    assert!(says(&scan.notices, "9.4", "it is taken as 10"));
}

#[test]
fn rule_9_5_a_listed_uid_without_a_file_is_an_item() {
    let tree = Tree::new();
    let list = "3 V5 N9\n4 :1.a\n6 :1373330005.M5P1.h,S=900,W=920\n";
    tree.file("Maildir/cur/1.a:2,", MAIL).file("Maildir/dovecot-uidlist", list);
    let scan = scan_only(&*tree.open_account());
    let missing = &mailbox(&scan, "INBOX").items[1];
    assert_eq!((missing.kind, missing.uid, missing.internal_date), (ItemKind::ListedNoFile, Some(6), 1_373_330_005));
    let (at, length) = missing.locator.range.unwrap();
    assert_eq!(&list[at as usize..(at + length) as usize], "6 :1373330005.M5P1.h,S=900,W=920");
    assert_eq!(missing.locator.path, b"dovecot-uidlist");
    assert!(says(&missing.notices, "9.5", "UID 6 is listed"));
}

#[test]
fn names_that_were_changed_by_hand_keep_their_uid_where_no_doubt_is_left() {
    let tree = Tree::new();
    tree.file(b"Maildir/cur/copia de Jos\xe9 1373330001.M1P1.h,S=18:2,S", MAIL)
        .file("Maildir/cur/1373330002.M2P1.h\n,S=18:2,S", MAIL)
        .file("Maildir/cur/1373330003.M3P1.h,S=99!2,FS", MAIL)
        .file("Maildir/cur/1373330004.M4P1.h,S=1:2,", MAIL)
        .file("Maildir/cur/1373330004.M4P1.h,S=2:2,", MAIL)
        .file(
            "Maildir/dovecot-uidlist",
            "3 V5 N9\n1 :1373330001.M1P1.h,S=18\n2 :1373330002.M2P1.h,S=18\n3 :1373330003.M3P1.h,S=18\n4 :1373330004.M4P1.h,S=3\n",
        );
    let scan = scan_only(&*tree.open_account());
    let inbox = mailbox(&scan, "INBOX");
    let seen: Vec<_> = inbox.items.iter().filter(|i| i.kind == ItemKind::Message).map(|i| (i.uid, i.flags)).collect();
    let (seen_flag, none) = (Flags::SEEN, Flags::NONE);
    let expected =
        [(Some(1), seen_flag), (Some(2), seen_flag), (Some(3), seen_flag | Flags::FLAGGED), (None, none), (None, none)];
    assert_eq!(seen, expected);
    assert!(says(&inbox.items[2].notices, "4.1", "they are believed"));
    assert!(says(&inbox.items[0].notices, "9.4", "the UID is believed"));
}

#[test]
fn flags_behind_a_foreign_separator_are_believed_only_if_all_are_known() {
    let tree = Tree::new();
    tree.file("Maildir/cur/1.a;2,S", MAIL).file("Maildir/cur/2.b!2,Sc", MAIL).file("Maildir/cur/3.c:2,SXc", MAIL);
    let scan = scan_only(&*tree.open_account());
    let flags: Vec<Flags> = mailbox(&scan, "INBOX").items.iter().map(|item| item.flags).collect();
    assert_eq!(flags, [Flags::SEEN, Flags::NONE, Flags::SEEN]);
    assert!(says(&scan.notices, "4.1", "the letters Xc in file names"));
}

#[test]
fn every_folder_keeps_its_mail_whatever_its_name() {
    let tree = Tree::new();
    let folders: [&[u8]; 12] = [
        b".A..B",
        b"..Hidden",
        b".Ni\xf1os",
        b".Ni&APE-os",
        "/.Ni\u{f1}os".as_bytes().strip_prefix(b"/").unwrap(),
        "/.Nin\u{303}os".as_bytes().strip_prefix(b"/").unwrap(),
        b".a\nb",
        b".R&D",
        b".INBOX",
        b".inbox.Sub",
        b".&AC4ALg-",
        b"Nested",
    ];
    for folder in folders {
        tree.file([b"Maildir/", folder, b"/cur/1.a:2,"].concat(), MAIL);
    }
    tree.file("Maildir/Nested/Inner/cur/2.b:2,", MAIL).directory("Maildir/cur");
    let scan = scan_only(&*tree.open_account());
    assert_eq!(
        names(&scan),
        [
            "INBOX",
            "%2E%2E",
            "A/_/B",
            "INBOX (2)",
            "INBOX/Sub",
            "Nested",
            "Nested/Inner",
            "Niños",
            "Niños (2)",
            "Niños (3)",
            "Niños (4)",
            "R&D",
            "_/Hidden",
            "a%0Ab",
        ]
    );
    let messages = items(&scan).iter().filter(|item| item.kind == ItemKind::Message).count();
    assert_eq!(messages, folders.len() + 1);
    assert_eq!(mailbox(&scan, "A/_/B").name_was.as_deref(), Some(&b"A..B"[..]));
    assert_eq!(mailbox(&scan, "Niños").name_was, None, "the name that is fit as written is not the one to change");
    assert!(says(&scan.notices, "6.1", "another folder is Niños already"));
}

#[test]
fn every_file_is_an_item_once() {
    let tree = Tree::new();
    for path in [
        "cur/1.a:2,S",
        "cur/.hidden",
        "cur/.DS_Store",
        "cur/Thumbs.db",
        "cur/dir/1.in",
        "cur/dir/deep/2.in",
        "new/2.b",
        "tmp/3.c",
        "unknown.txt",
        "dovecot.index",
        "dovecot.index.cache",
        ".Sent/cur/4.d:2,",
        ".Sent/notes",
        ".Sent/tmp/5.e",
        "attic/old.txt",
        "attic/older/6.f",
        "Fs/cur/7.g:2,",
    ] {
        tree.file(format!("Maildir/{path}"), MAIL);
    }
    let files = tree.files("Maildir").len();
    tree.file("Maildir/dovecot-uidlist", "3 V5 N9\n")
        .file("Maildir/subscriptions", "Sent\n")
        .file("Maildir/maildirsize", "1S\n");
    let source = tree.open_account();
    let scan = scan_only(&*source);
    let all = items(&scan);
    let mut paths: Vec<_> = all.iter().filter(|i| i.kind != ItemKind::Unreadable).map(|i| &i.locator.path).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), files);
    assert_eq!(all.len(), files + 1, "and one more for the directory among messages");
    let inbox = mailbox(&scan, "INBOX");
    let messages: Vec<_> = uids(inbox).into_iter().map(|(path, _)| path).collect();
    assert_eq!(messages, ["cur/.hidden", "cur/1.a:2,S", "new/2.b", "cur/dir/1.in", "cur/dir/deep/2.in"]);
    let again = scan_only(&*source);
    assert_eq!(format!("{scan:?}"), format!("{again:?}"), "a listing that finds the same says the same");
}

#[test]
fn links_devices_and_directories_are_unreadable_and_nothing_is_followed() {
    let tree = Tree::new();
    tree.file("outside/1.secret", MAIL)
        .file("Maildir/cur/1.a:2,", MAIL)
        .link("Maildir/cur/2.link:2,", "../../outside/1.secret")
        .link("Maildir/cur/3.link:2,", "1.a:2,")
        .link("Maildir/.Stolen", "../outside")
        .directory("Maildir/new")
        .link("Maildir/.Sent/cur", "../../outside")
        .link("Maildir/dovecot-uidlist", "../outside/1.secret")
        .directory("Maildir/cur/4.directory");
    let fifo = tree.path("Maildir/cur/5.fifo:2,");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.path("Maildir/new/6.socket")).unwrap();

    let source = tree.open_account();
    let scan = scan_only(&*source);
    let all = items(&scan);
    let unreadable: Vec<_> = all.iter().filter(|i| i.kind == ItemKind::Unreadable).map(|i| path_of(i)).collect();
    assert_eq!(
        unreadable,
        [
            "cur/2.link:2,",
            "cur/3.link:2,",
            "cur/4.directory",
            "cur/5.fifo:2,",
            "new/6.socket",
            ".Stolen",
            "dovecot-uidlist",
            ".Sent/cur",
        ]
    );
    assert_eq!(uids(mailbox(&scan, "INBOX")), [("cur/1.a:2,".to_owned(), None)]);
    assert!(says(&scan.notices, "9.4", "it cannot be read: it is not a regular file inside the source"));
    let mut buffer = Vec::new();
    for item in all.iter().filter(|item| item.kind == ItemKind::Unreadable) {
        assert!(matches!(source.read(&item.locator, &mut buffer), Err(ReadError::NotAFile)), "{}", path_of(item));
    }
}

#[test]
fn reading_gives_the_bytes_or_says_why_not() {
    let tree = Tree::new();
    tree.file("outside", MAIL)
        .file("Maildir/cur/1.a:2,", MAIL)
        .file("Maildir/cur/2.b:2,", MAIL)
        .file("Maildir/cur/3.c:2,", "");
    std::fs::File::create(tree.path("Maildir/cur/4.sparse:2,")).unwrap().set_len(1 << 40).unwrap();
    let source = tree.open_account();
    let scan = scan_only(&*source);
    let inbox = mailbox(&scan, "INBOX");
    let mut buffer = b"left over".to_vec();
    source.read(&inbox.items[0].locator, &mut buffer).unwrap();
    assert_eq!(buffer, MAIL.as_bytes());
    source.read(&inbox.items[2].locator, &mut buffer).unwrap();
    assert_eq!(buffer, b"");
    let too_large = source.read(&inbox.items[3].locator, &mut buffer).unwrap_err();
    assert!(matches!(too_large, ReadError::TooLarge { length_bytes, .. } if length_bytes == 1 << 40));
    assert!(buffer.capacity() < 1 << 30, "the limit is asked before memory is");

    std::fs::remove_file(tree.path("Maildir/cur/1.a:2,")).unwrap();
    assert!(matches!(source.read(&inbox.items[0].locator, &mut buffer), Err(ReadError::Gone)));
    std::fs::remove_file(tree.path("Maildir/cur/2.b:2,")).unwrap();
    tree.link("Maildir/cur/2.b:2,", "../../outside");
    assert!(matches!(source.read(&inbox.items[1].locator, &mut buffer), Err(ReadError::NotAFile)));
    for path in ["../outside", "cur/../../outside", "", "/etc/passwd", "cur/./x", "cur", "cur//x", "nul\0"] {
        let locator = source::Locator { path: path.as_bytes().to_vec(), range: None };
        assert!(matches!(source.read(&locator, &mut buffer), Err(ReadError::NotAFile)), "{path:?}");
    }
}

#[test]
fn hard_links_are_messages_of_their_own() {
    let tree = Tree::new();
    tree.file("Maildir/cur/1.a:2,", MAIL).directory("Maildir/.Copy/cur");
    std::fs::hard_link(tree.path("Maildir/cur/1.a:2,"), tree.path("Maildir/.Copy/cur/1.a:2,S")).unwrap();
    let scan = scan_only(&*tree.open_account());
    let inodes: Vec<_> = items(&scan).iter().map(|item| (item.kind, item.stamp.inode)).collect();
    assert_eq!((inodes.len(), inodes[0]), (2, inodes[1]));
}

#[test]
fn trees_of_directories_end_somewhere() {
    let tree = Tree::new();
    let deep = format!("Maildir/{}", vec!["d"; 60].join("/"));
    tree.file(format!("{deep}/cur/1.a:2,"), MAIL).directory("Maildir/cur");
    let scan = scan_only(&*tree.open_account());
    let all = items(&scan);
    assert_eq!(all.iter().map(|item| item.kind).collect::<Vec<_>>(), [ItemKind::Unreadable]);
    assert!(says(&all[0].notices, "9.1", "it lies too deep"));
}
