//! Whole trees: what is detected, what `source.toml` describes, whose each maildrop is.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use message::Flags;
use source::{Format, ItemKind, Source, SourceError};

const MAIL: &str = "Delivered-To: ana@luna.example\nSubject: x\n\nhello\n";

fn server_tree() -> Tree {
    let tree = Tree::new();
    tree.file("etc/domains", "luna.example\nsol.example disabled customer=sol\n")
        .file("etc/postfix/virtual_domains", "luna.example\tOK\nmar.example\tOK\n")
        .file("etc/postfix/virtual", "info@luna.example ana@luna.example\n@mar.example @luna.example\n")
        .file(
            "etc/dovecot/users",
            "ana@luna.example:{SSHA}x:5000:5000::/var/vmail/luna.example/ana::\npepe@luna.example:{PLAIN}x:::::\nnobody@luna.example::::::\n",
        )
        .file("mail/luna.example/ana/Maildir/cur/1.a:2,S", MAIL)
        .file("mail/luna.example/Pepe/Maildir/new/2.b", MAIL);
    tree
}

fn open(tree: &Tree) -> Box<dyn Source> {
    source::open(tree.root()).unwrap()
}

fn maildrops(source: &dyn Source) -> Vec<(String, Option<String>)> {
    let text = |m: source::Maildrop| (m.place.escape_ascii().to_string(), m.address.map(|a| a.to_string()));
    source.maildrops().unwrap().into_iter().map(text).collect()
}

fn row(place: &str, address: Option<&str>) -> (String, Option<String>) {
    (place.to_owned(), address.map(str::to_owned))
}

fn refusal(tree: &Tree) -> String {
    source::open(tree.root()).err().expect("it is refused").to_string()
}

#[test]
fn the_tree_of_a_mail_server_is_known_as_it_stands() {
    let tree = server_tree();
    let source = open(&tree);
    assert_eq!(source.describe(), format!("maildir tree {}", tree.root().display()));
    let directory = source.directory().unwrap();
    let domains: Vec<_> = directory.domains.iter().map(|d| (&d.name[..], d.disabled, d.customer.as_deref())).collect();
    assert_eq!(
        domains,
        [("luna.example", false, None), ("mar.example", false, None), ("sol.example", true, Some("sol")),]
    );
    assert_eq!((directory.accounts.len(), directory.aliases.len(), directory.notices.len()), (3, 2, 0));
    assert_eq!(
        maildrops(&*source),
        [
            row("mail/luna.example/Pepe", Some("pepe@luna.example")),
            row("mail/luna.example/ana", Some("ana@luna.example")),
        ]
    );
}

#[test]
fn every_directory_of_mail_is_a_maildrop_whatever_its_name() {
    let tree = server_tree();
    tree.file("mail/luna.example/pepe/Maildir/cur/3.c:2,", MAIL)
        .file("mail/luna.example/lost one/Maildir/cur/4.d:2,", MAIL)
        .file("mail/luna.example/noline/Maildir/cur/5.e:2,", MAIL)
        .file("mail/..bad/ana/Maildir/cur/6.f:2,", MAIL)
        .file("mail/luna.example/direct/cur/7.g:2,", MAIL)
        .file("mail/luna.example/forgotten.eml", MAIL)
        .file("mail/readme", "no mail\n")
        .link("mail/luna.example/alias", "ana")
        .directory("mail/luna.example/empty")
        .directory("spool");
    let source = open(&tree);
    assert_eq!(
        maildrops(&*source),
        [
            row("mail/..bad/ana", None),
            row("mail/luna.example/Pepe", Some("pepe@luna.example")),
            row("mail/luna.example/ana", Some("ana@luna.example")),
            row("mail/luna.example/direct", Some("direct@luna.example")),
            row("mail/luna.example/lost one", None),
            row("mail/luna.example/noline", Some("noline@luna.example")),
            row("mail/luna.example/pepe", Some("pepe@luna.example")),
            row("mail", None),
            row("mail/luna.example", None),
        ]
    );
    let direct = scan_at(&*source, "mail/luna.example/direct");
    assert_eq!(uids(mailbox(&direct, "INBOX")), [("mail/luna.example/direct/cur/7.g:2,".to_owned(), None)]);

    let loose = scan_at(&*source, "mail/luna.example");
    let loose = mailbox(&loose, "luna.example");
    assert_eq!(uids(loose), [("mail/luna.example/forgotten.eml".to_owned(), None)]);
    assert_eq!(others(loose), [("mail/luna.example/alias".to_owned(), ItemKind::Unreadable)]);
    let top = scan_at(&*source, "mail");
    assert_eq!(others(mailbox(&top, "mail")), [("mail/readme".to_owned(), ItemKind::NotAMessage)]);
    assert!(says(&source.directory().unwrap().notices, "9.3", "is not read"), "spool is named");
}

#[test]
fn what_lies_beside_the_maildir_is_listed_too() {
    let tree = server_tree();
    tree.file("mail/luna.example/ana/Maildir.old/cur/8.h:2,F", MAIL)
        .file("mail/luna.example/ana/Maildir.old/.Sent/cur/9.i:2,", MAIL)
        .file("mail/luna.example/ana/mdbox/storage/m.1", "\x01")
        .file("mail/luna.example/ana/.dovecot.lda-dupes", "x")
        .file("mail/luna.example/ana/notes.txt", "x");
    let scan = scan_at(&*open(&tree), "mail/luna.example/ana");
    assert_eq!(names(&scan), ["INBOX", "Maildir.old", "Maildir.old/Sent"]);
    assert_eq!(mailbox(&scan, "Maildir.old").items[0].flags, Flags::FLAGGED);
    assert_eq!(
        others(mailbox(&scan, "INBOX")),
        [
            ("mail/luna.example/ana/mdbox/storage/m.1".to_owned(), ItemKind::Unreadable),
            ("mail/luna.example/ana/notes.txt".to_owned(), ItemKind::NotAMessage),
        ]
    );
}

#[test]
fn rule_9_3_orphans_are_one_maildrop_without_an_address() {
    let tree = server_tree();
    tree.file("lost+found/#1", MAIL)
        .file("lost+found/#2", "")
        .file("lost+found/#3", "\0\0\0\0")
        .file("lost+found/#4", "\x7fELF\0\0\0")
        .file(
            "lost+found/#5",
            format!("From a@b Mon Jul  8 10:00:00 2013\n{MAIL}\nFrom a@b Mon Jul  8 10:00:01 2013\n{MAIL}"),
        )
        .file("lost+found/#20/cur/1.a:2,RS", MAIL)
        .file("lost+found/#20/dovecot-uidlist", "3 V7 N9\n4 :1.a\n")
        .file("lost+found/#20/tmp/2.b", MAIL)
        .file("lost+found/#30/pepe/Maildir/new/3.c", MAIL)
        .file("lost+found/#30/pepe/Maildir/.Sent/cur/4.d:2,S", MAIL)
        .link("lost+found/#40", "../etc/dovecot/users")
        .file("quarantine/unreadable.eml", MAIL);
    let source = open(&tree);
    assert_eq!(maildrops(&*source)[2..], [row("lost+found", None), row("quarantine", None)]);

    let scan = scan_at(&*source, "lost+found");
    assert_eq!(names(&scan), ["#20", "#30/pepe/Maildir", "#30/pepe/Maildir/Sent", "lost+found"]);
    let loose = mailbox(&scan, "lost+found");
    let paths: Vec<_> = uids(loose).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["lost+found/#1", "lost+found/#2", "lost+found/#3", "lost+found/#5", "lost+found/#5"]);
    assert_eq!(
        others(loose),
        [("lost+found/#4".to_owned(), ItemKind::NotAMessage), ("lost+found/#40".to_owned(), ItemKind::Unreadable),]
    );
    let folder = mailbox(&scan, "#20");
    assert_eq!((folder.uidvalidity, folder.items[0].uid), (Some(7), Some(4)));
    assert_eq!((folder.items[0].flags, folder.items[1].kind), (Flags::ANSWERED | Flags::SEEN, ItemKind::Unfinished));
    let mut buffer = Vec::new();
    let in_mbox = loose.items.iter().find(|item| item.locator.path == b"lost+found/#5").unwrap();
    source.read(&in_mbox.locator, &mut buffer).unwrap();
    assert_eq!(buffer, MAIL.as_bytes());
}

#[test]
fn rule_6_4_the_active_script_is_found_without_following_links() {
    let home = "mail/luna.example/ana";
    enum Active {
        Link(&'static str),
        Copy(&'static str),
        None,
    }
    type Case = (&'static str, Active, &'static [(&'static str, bool)], usize);
    let cases: [Case; 6] = [
        ("a link", Active::Link("sieve/b.sieve"), &[("a", false), ("b", true)], 0),
        ("a link of the lost server", Active::Link("/var/vmail/ana/sieve/a.sieve"), &[("a", true), ("b", false)], 0),
        ("a copy", Active::Copy("keep;"), &[("a", false), ("b", true)], 0),
        ("one of its own", Active::Copy("stop;"), &[("a", false), ("b", false), ("dovecot", true)], 0),
        ("a link out of the tree", Active::Link("../../../etc/dovecot/users"), &[("a", false), ("b", false)], 1),
        ("none", Active::None, &[("a", false), ("b", false)], 0),
    ];
    for (case, active, expected, notices) in cases {
        let tree = server_tree();
        tree.file(format!("{home}/sieve/a.sieve"), "discard;").file(format!("{home}/sieve/b.sieve"), "keep;");
        tree.link(format!("{home}/sieve/c.sieve"), "../../../../etc/domains");
        match active {
            Active::Link(target) => tree.link(format!("{home}/.dovecot.sieve"), target),
            Active::Copy(text) => tree.file(format!("{home}/.dovecot.sieve"), text),
            Active::None => &tree,
        };
        let scan = scan_at(&*open(&tree), home);
        let scripts: Vec<_> = scan.scripts.iter().map(|s| (&s.name[..], s.active)).collect();
        assert_eq!(scripts, expected, "{case}");
        let said = scan.notices.iter().filter(|n| n.rule == "6.4").count();
        assert_eq!(said, notices + 1, "{case}: the link c.sieve is one notice");
    }
}

#[test]
fn account_files_that_are_links_are_not_followed_out_of_a_detected_tree() {
    let tree = server_tree();
    std::fs::remove_file(tree.path("etc/dovecot/users")).unwrap();
    tree.file("secret", "ana@luna.example:{PLAIN}x:::::\n").link("etc/dovecot/users", "../../secret");
    let error = open(&tree).directory().unwrap_err();
    assert!(matches!(&error, SourceError::Io { path, .. } if path.ends_with("etc/dovecot/users")), "{error}");
}

#[test]
fn mail_that_needs_a_description_is_refused_with_one_that_works() {
    let maildir = Tree::new();
    maildir.file("cur/1.a:2,", MAIL);
    let mbox = Tree::new();
    mbox.file("inbox", format!("From a@b Mon Jul  8 10:00:00 2013\n{MAIL}"));
    let heap = Tree::new();
    heap.file("a/1.eml", MAIL).file("2.EML", MAIL);
    for (tree, words) in
        [(maildir, "it is one Maildir"), (mbox, "it holds mbox files"), (heap, "it is a heap of messages")]
    {
        let refused = refusal(&tree);
        assert!(refused.contains(words), "{refused}");
        let (_, description) = refused.split_once(":\n\n").unwrap();
        let written = Tree::new();
        let source = written.open_with(description);
        let messages = items(&scan_only(&*source)).iter().filter(|item| item.kind == ItemKind::Message).count();
        assert!(messages > 0, "{description}");
    }
    let nothing = Tree::new();
    nothing.file("x", "y");
    assert!(refusal(&nothing).contains("it is nothing that is known as it stands"));
    assert!(matches!(source::open(&nothing.path("absent")), Err(SourceError::Io { .. })));
    assert!(source::open(&nothing.path("x")).err().unwrap().to_string().contains("no source.toml"));
}

#[test]
fn a_described_maildir_tree_with_a_layout_of_its_own() {
    let tree = Tree::new();
    tree.file("store/l/luna.example/ana/mail/Maildir/cur/1.a:2,S", MAIL)
        .file("store/l/luna.example/ana/mail/other", "x")
        .file("store/found/#1", MAIL)
        .file("users.csv", "address,password_hash\nAna@luna.example,{SSHA}x\n")
        .file("aliases", "info@luna.example ana@luna.example\n")
        .file("domains", "luna.example\n");
    let source = tree.open_with(
        "format = \"maildir\"\nroot = \"store\"\nlayout = \"*/{domain}/{localpart}/mail/Maildir\"\naccounts = \"users.csv\"\n\
         aliases = \"aliases\"\ndomains = \"domains\"\norphans = [\"found\"]\n",
    );
    let directory = source.directory().unwrap();
    assert_eq!((directory.accounts.len(), directory.aliases.len(), directory.domains.len()), (1, 1, 1));
    assert_eq!(maildrops(&*source), [row("l/luna.example/ana", Some("Ana@luna.example")), row("found", None)]);
    let scan = scan_at(&*source, "l/luna.example/ana");
    assert_eq!(uids(mailbox(&scan, "INBOX")).len(), 1);
    assert_eq!(others(mailbox(&scan, "INBOX")).len(), 1);
}

#[test]
fn mbox_trees_and_heaps_stand_in_the_same_layouts() {
    let mbox = format!("From a@b Mon Jul  8 10:00:00 2013\nX-IMAPbase: 1206641295 9\nX-UID: 7\n{MAIL}\n");
    let tree = Tree::new();
    tree.file("luna.example/ana/inbox", &mbox).file("luna.example/ana/Sent", &mbox).file("luna.example/pepe", &mbox);
    let description = "format = \"mbox\"\nlayout = \"{domain}/{localpart}\"\n";
    let source = tree.open_with(description);
    assert_eq!(
        maildrops(&*source),
        [row("luna.example/ana", Some("ana@luna.example")), row("luna.example/pepe", Some("pepe@luna.example")),]
    );
    let scan = scan_at(&*source, "luna.example/ana");
    assert_eq!(names(&scan), ["INBOX", "Sent"]);
    let message = &mailbox(&scan, "INBOX").items[0];
    assert_eq!((message.uid, message.uidl.as_deref()), (Some(7), Some("0000000747ebe28f")));
    assert_eq!(mailbox(&scan, "Sent").items[0].uidl, None);
    assert_eq!(names(&scan_at(&*source, "luna.example/pepe")), ["INBOX"]);

    let spool = Tree::new();
    spool.file("spool/ana", &mbox).file("spool/pepe", &mbox);
    let source = spool.open_with(
        "format = \"mbox\"\nroot = \"spool\"\nlayout = \"{localpart}\"\ndefault_domain = \"Luna.example\"\n",
    );
    assert_eq!(maildrops(&*source), [row("ana", Some("ana@luna.example")), row("pepe", Some("pepe@luna.example"))]);

    let heap = Tree::new();
    heap.file("luna.example/ana/a.eml", MAIL).file("luna.example/ana/deep/b.eml", MAIL);
    let source = heap.open_with("format = \"eml\"\nlayout = \"{domain}/{localpart}\"\n");
    assert_eq!(items(&scan_at(&*source, "luna.example/ana")).len(), 2);
}

#[test]
fn a_namespace_is_taken_off_names() {
    let tree = Tree::new();
    tree.directory("Maildir/cur")
        .file("Maildir/.INBOX.Sent/cur/1.a:2,", MAIL)
        .file("Maildir/.R&D/cur/2.b:2,", MAIL)
        .file("Maildir/subscriptions", "INBOX.Sent\n");
    let source = tree.open_with(
        "format = \"maildir\"\nroot = \"Maildir\"\naccount = \"ana@luna.example\"\nnamespace_prefix = \"INBOX.\"\nutf8_names = true\n",
    );
    let scan = scan_only(&*source);
    assert_eq!(names(&scan), ["INBOX", "R&D", "Sent"]);
    assert!(mailbox(&scan, "Sent").subscribed);
    assert_eq!(mailbox(&scan, "R&D").name_was, None);
}

#[test]
fn what_is_wrong_with_a_description_is_said_with_key_and_line() {
    let table = [
        ("", "missing field `format`"),
        (
            "format = \"maildir\"\nroots = \"x\"\naccount = \"a@b.example\"\n",
            "line 2, key roots: unknown field `roots`, expected one of",
        ),
        ("format = \"Maildir\"\n", "line 1, key format: \"Maildir\": one of \"maildir\", \"mbox\", \"eml\""),
        ("format = \"maildir\"\n", "nothing says whose mail this is"),
        ("format = \"maildir\"\nlayout = \"{localpart}\"\n", "key layout has no {domain}"),
        (
            "format = \"maildir\"\naccount = \"a@b.example\"\ndefault_domain = \"b.example\"\n",
            "key default_domain is for a layout",
        ),
        ("format = \"maildir\"\nlayout = \"{user}\"\n", "line 2, key layout: \"{user}\""),
        ("format = \"maildir\"\nlayout = \"{domain}/{localpart}\"\naccount = \"a@b.example\"\n", "exclude each other"),
        ("format = \"maildir\"\n\naccount = \"ana\"\n", "line 3, key account: \"ana\": there is no @"),
        (
            "format = \"maildir\"\naccount = \"a@b.example\"\norphans = [\"../x\"]\n",
            "line 3, key orphans: \"../x\": a directory beneath root",
        ),
        (
            "format = \"maildir\"\naccount = \"a@b.example\"\norphans = [\"absent\"]\n",
            "key orphans: absent is no directory",
        ),
        (
            "format = \"maildir\"\naccount = \"a@b.example\"\norphans = [\".\"]\n",
            "key orphans: \".\" is the whole root",
        ),
        ("format = \"maildir\"\naccount = \"a@b.example\"\nseparator = \"|\"\n", "line 3, key separator"),
        (
            "format = \"maildir\"\naccount = \"a@b.example\"\npop3_uidl_format = \"%q\"\n",
            "line 3, key pop3_uidl_format: \"%q\": %q is not known",
        ),
        (
            "format = \"mbox\"\naccount = \"a@b.example\"\nmbox_variant = \"x\"\n",
            "line 3, key mbox_variant: \"x\": one of \"auto\"",
        ),
        ("format = \"maildir\"\naccount = \"a@b.example\"\nmax_message_bytes = -1\n", "line 3, key max_message_bytes"),
        ("format = \"maildir\naccount = 1\n", "line 1"),
        ("format = \"reintegra\"\nroot = \"x\"\n", "cannot be opened as one here"),
        ("format = \"imap\"\n", "key url is missing"),
    ];
    for (text, words) in table {
        let tree = Tree::new();
        tree.file("source.toml", text);
        let refused = refusal(&tree);
        assert!(refused.contains(words), "{text:?} says {refused}");
        assert!(refused.contains("source.toml: "), "{refused}");
    }
}

#[test]
fn another_store_is_described_and_left_to_the_caller() {
    let tree = Tree::new();
    tree.file("source.toml", "format = \"reintegra\"\nroot = \"data\"\n");
    let description = source::describe(tree.root()).unwrap();
    assert_eq!((description.format, description.root), (Format::Reintegra, tree.path("data")));
}

#[test]
fn the_example_of_the_documentation_is_right_and_every_key_is_in_its_table() {
    let page = include_str!("../../../docs/source-toml.md");
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let tree = Tree::new();
    tree.file("source.toml", example);
    assert_eq!(source::describe(tree.root()).unwrap().format, Format::Maildir);
    let of_server = page.split("```toml\n").find(|block| block.starts_with("format = \"imap\"")).unwrap();
    tree.file("source.toml", of_server.split("```").next().unwrap());
    assert_eq!(source::describe(tree.root()).unwrap().format, Format::Imap);
    tree.file("source.toml", "x = 1\n");
    let refused = source::describe(tree.root()).unwrap_err().to_string();
    let keys: Vec<&str> = refused.split('`').skip(3).step_by(2).collect();
    assert_eq!(keys.first(), Some(&"format"), "{refused}");
    for key in keys {
        assert!(page.contains(&format!("| `{key}` |")), "{key} is not in the table");
    }
}
