//! What Pigeonhole (Debian's `sieve-test`) makes of the same scripts and messages.
//!
//! Where we differ, the row says how and why; a difference that is not in a row fails the test, and so does a row that
//! does not differ any more.

use crate::account::{Account, flag_words};
use anyhow::Context;
use sieve::Action;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What comes of a script and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Done {
    /// Not a script that may be run.
    Refused,
    /// It failed while it ran: an implicit keep.
    Failed,
    /// The actions in order.
    Actions(Vec<String>),
}

/// What Pigeonhole needs to run for a test that stays inside its directory.
pub(crate) struct Peer {
    pub(crate) directory: tempfile::TempDir,
}

impl Peer {
    pub(crate) fn new() -> anyhow::Result<Self> {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir()?;
        // As root it goes on as somebody else, who must be able to read what lies here.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777))?;
        let (user, group) = user_and_group()?;
        let home = directory.path().display();
        let configuration = format!(
            "mail_home={home}/home\nmail_location=maildir:{home}/mail\nbase_dir={home}/run\nlog_path=/dev/stderr\n\
             mail_uid={user}\nmail_gid={group}\nfirst_valid_uid=1\nplugin {{\n  sieve_extensions = +vacation-seconds +editheader\n\
             sieve_editheader_max_header_size = 64k\n  sieve_editheader_protected = {PROTECTED}\n}}\n"
        );
        std::fs::write(directory.path().join("dovecot.conf"), configuration)?;
        Ok(Peer { directory })
    }

    /// `sieve-test` without its script and message.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("sieve-test");
        command.env("TZ", "UTC").arg("-C").arg("-c").arg(self.directory.path().join("dovecot.conf"));
        command.args(["-f", "ana@example.org", "-r", "yo+tag@example.com", "-a", "yo+tag@example.com"]);
        command
    }

    fn run(&self, script: &str, message: &Path) -> anyhow::Result<Done> {
        let path = self.directory.path().join("script.sieve");
        std::fs::write(&path, script)?;
        let ran = testkit::process::run(self.command().arg(path).arg(message))?;
        match ran.code() {
            Some(0) => Ok(Done::Actions(actions(&ran.stdout))),
            Some(1) => Ok(Done::Failed),
            Some(89) => Ok(Done::Refused),
            other => anyhow::bail!("sieve-test ended with {other:?}: {}", ran.stderr),
        }
    }
}

/// Fields that neither of us lets scripts change, beside those that RFC 5293 §6 names.
const PROTECTED: &str = "return-path delivered-to original-recipient received authentication-results received-spf arc-seal \
                         arc-message-signature arc-authentication-results from sender";

/// Whom Pigeonhole runs as: whoever runs the test, and nobody in place of root.
pub(crate) fn user_and_group() -> anyhow::Result<(String, String)> {
    let id = |what: &str| -> anyhow::Result<String> {
        let ran = testkit::process::run(Command::new("id").arg(what))?;
        Ok(ran.stdout.trim().to_owned())
    };
    Ok(match &id("-u")?[..] {
        "0" => ("nobody".to_owned(), "nogroup".to_owned()),
        user => (user.to_owned(), id("-g")?),
    })
}

/// The actions that `sieve-test` lists, in the form of [`ours`].
pub(crate) fn actions(listed: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in listed.lines() {
        let line = line.trim();
        if let Some(flags) = line.strip_prefix("+ add IMAP flags: ") {
            let mut flags: Vec<String> = flags.split(' ').map(str::to_lowercase).collect();
            flags.sort();
            let last = found.last_mut().expect("flags belong to an action");
            flags.iter().for_each(|flag| last.push_str(&format!(" {flag}")));
        }
        let Some(action) = line.strip_prefix("* ") else { continue };
        let words = [("store message in folder: ", "store "), ("redirect message to: ", "redirect ")];
        let known = words.iter().find_map(|(theirs, ours)| Some((ours, action.strip_prefix(theirs)?)));
        found.push(match known {
            Some((ours, what)) => format!("{ours}{}", what.trim_matches(['<', '>'])),
            None => action.split(' ').next().unwrap_or_default().to_owned(),
        });
    }
    found
}

fn ours(script: &str, message: &[u8]) -> Done {
    let Ok(script) = sieve::parse(script.as_bytes()) else { return Done::Refused };
    let Ok(outcome) = Account::default().run_parsed(&script, message) else { return Done::Failed };
    let line = |action: &Action| match action {
        Action::Keep { flags, .. } => format!("store INBOX{}", flag_words(flags)),
        Action::FileInto { mailbox, flags, .. } => format!("store {mailbox}{}", flag_words(flags)),
        Action::Redirect { address, .. } => format!("redirect {address}"),
        Action::Discard => "discard".to_owned(),
        Action::Reject { .. } => "reject".to_owned(),
        Action::Vacation(_) => "send".to_owned(),
    };
    let lines = outcome.actions.iter().map(line);
    // The order of flags is that of their letters there, too; case is ours to choose.
    Done::Actions(lines.map(|line| sorted_flags(&line)).collect())
}

/// A line with its flags in lower case and in order.
fn sorted_flags(line: &str) -> String {
    let Some((what, flags)) = line.find(" \\").or_else(|| line.find(" $")).map(|at| line.split_at(at)) else {
        return line.to_owned();
    };
    let mut flags: Vec<String> = flags.split_whitespace().map(str::to_lowercase).collect();
    flags.sort();
    format!("{what} {}", flags.join(" "))
}

const ALL: &str = r#"require ["fileinto", "envelope", "body", "imap4flags", "copy", "mailbox", "variables", "relational",
    "date", "index", "subaddress", "comparator-i;ascii-numeric", "encoded-character", "reject", "vacation",
    "environment", "ihave", "vacation-seconds"];
"#;

/// Tests; of each comes a script that files what it is true of.
const TESTS: [&str; 62] = [
    r#"header :contains "subject" "a""#,
    r#"header :is ["subject", "x-none"] ["Hola", "Presupuesto"]"#,
    r#"header :matches "subject" "*e*""#,
    r#"header :matches "subject" "R?: *""#,
    r#"header :matches "from" "*<*@*.*>*""#,
    r#"header :contains "subject" """#,
    r#"header :is "subject" """#,
    r#"header :contains "from" ["ana", "ruiz", "maria"]"#,
    r#"header :comparator "i;octet" :contains "subject" "P""#,
    r#"header :comparator "i;octet" :matches "subject" "*ñ*""#,
    r#"header :contains "subject" "ñ""#,
    r#"header :count "gt" "received" "0""#,
    r#"header :count "ge" ["to", "cc", "from"] "2""#,
    r#"header :value "gt" "subject" "m""#,
    r#"header :value "lt" :comparator "i;ascii-numeric" "x-priority" "3""#,
    r#"header :index 1 :contains "received" "by""#,
    r#"header :index 1 :last :contains "received" "mx""#,
    r#"header :index 2 :contains "received" "mx""#,
    r#"header :is "X-EMPTY" """#,
    r#"header :contains "x-folded" "two words""#,
    r#"exists "subject""#,
    r#"exists ["from", "to", "x-empty"]"#,
    r#"exists "x-none""#,
    r#"size :over 500"#,
    r#"size :under 1K"#,
    r#"size :over 1M"#,
    r#"address :all :contains "from" "@""#,
    r#"address :domain :is ["from", "to"] "example.org""#,
    r#"address :domain :matches ["from", "to", "cc"] "*.example""#,
    r#"address :localpart :contains "from" "a""#,
    r#"address :is "to" "yo@example.com""#,
    r#"address :user :is "to" "yo""#,
    r#"address :detail :is "to" "lista""#,
    r#"address :count "ge" "to" "2""#,
    r#"address :comparator "i;octet" :domain "from" "example.org""#,
    r#"envelope :all :is "from" "ana@example.org""#,
    r#"envelope :detail :is "to" "tag""#,
    r#"envelope :domain :is "to" "EXAMPLE.com""#,
    r#"envelope :localpart :matches "to" "*+*""#,
    r#"body :contains "a""#,
    r#"body :raw :contains "=""#,
    r#"body :raw :contains "Hola""#,
    r#"body :content "text" :contains "señor""#,
    r#"body :content "text/html" :contains "<p>""#,
    r#"body :content ["image", "application"] :contains """#,
    r#"body :contains "oferta""#,
    r#"date :originalzone "date" "year" "2025""#,
    r#"date :value "ge" :zone "+0000" "date" "hour" "12""#,
    r#"date :originalzone :matches "date" "std11" "*""#,
    r#"date :zone "+0530" :is "date" "weekday" "2""#,
    r#"date :zone "+0000" :is "date" "julian" "60779""#,
    r#"date :originalzone :value "ge" "date" "date" "2020-01-01""#,
    r#"date :originalzone :contains "date" "iso8601" "T""#,
    r#"date :index 1 :originalzone :matches "received" "date" "20*""#,
    r#"anyof (header :contains "subject" "x", not exists "date")"#,
    r#"allof (true, anyof (false, size :under 100K))"#,
    r#"not allof (exists "from", exists "x-none")"#,
    r#"string :matches "abc" "?b*""#,
    r#"string :count "eq" ["a", ""] "1""#,
    r#"string :contains "${hex: 61 62}" "AB""#,
    r#"ihave ["copy", "x-none"]"#,
    r#"string :value "gt" :comparator "i;ascii-casemap" "[x]" "m""#,
];

/// Whole scripts, with [`ALL`] before them.
const SCRIPTS: [&str; 37] = [
    "",
    "keep;",
    "discard;",
    "stop; discard;",
    "fileinto \"a\"; fileinto \"b\"; fileinto \"a\";",
    "keep; keep;",
    "discard; keep;",
    "redirect \"a@example.net\";",
    "redirect :copy \"a@example.net\"; redirect :copy \"b@example.net\";",
    "redirect \"a@example.net\"; redirect \"A@example.net\";",
    "fileinto :copy \"a\";",
    "fileinto :create \"a/b\"; keep;",
    "setflag \"\\\\Seen\";",
    "setflag [\"\\\\seen\", \"$x\"]; addflag \"\\\\flagged \\\\SEEN\"; removeflag \"$x\"; keep;",
    "addflag \"\\\\Deleted\"; fileinto \"a\"; setflag \"\\\\Draft\"; fileinto \"b\";",
    "keep :flags \"\\\\Answered $y\";",
    "if hasflag \"\\\\Seen\" { discard; }",
    "addflag \"\\\\Seen\"; if hasflag :contains \"SEE\" { fileinto \"a\"; }",
    "setflag \"v\" \"$a $b\"; if hasflag :count \"ge\" \"v\" \"2\" { fileinto \"a\"; }",
    "set \"a\" \"x\"; set :upper \"b\" \"${a}y\"; fileinto \"${B}${none}\";",
    "set :upperfirst :lower \"a\" \"JUAN\"; set :length \"b\" \"ñu\"; fileinto \"${a}-${b}\";",
    "set :quotewildcard \"a\" \"*\"; if string :matches \"x\" \"${a}\" { discard; } fileinto \"q${a}\";",
    "if header :matches \"subject\" \"*\" { set \"s\" \"${1}\"; } if string :is \"${s}\" \"\" { discard; }",
    "if header :matches \"from\" \"*<*@*>\" { fileinto \"from ${2}\"; }",
    "if string :matches \"a-b-c\" \"*-*\" { fileinto \"${1}|${2}|${0}\"; }",
    "if string :matches \"frop\" \"?r*\" { fileinto \"${1}|${2}|${3}\"; }",
    "if string :matches \"a.b@c\" [\"x*\", \"*.*@*\"] { fileinto \"${1}${2}${3}\"; }",
    "fileinto \"${hex: 41}${unicode: f1}$\";",
    "reject \"no\";",
    "reject \"no\"; keep;",
    "discard; reject \"no\";",
    "vacation :addresses \"yo@example.com\" \"x\"; vacation \"y\";",
    "vacation \"x\"; reject \"y\";",
    "if true { if false { discard; } else { fileinto \"deep\"; stop; } } discard;",
    "if false { discard; } elsif true { fileinto \"b\"; } else { discard; }",
    "set \"a\" \"no address\"; redirect \"${a}\";",
    "fileinto text:\na.b\n.\n;",
];

/// Scripts that one of us might refuse.
const REFUSABLE: [&str; 30] = [
    "foo;",
    "keep",
    "keep;;",
    "if true { keep; ",
    "fileinto \"a\";",
    "require \"fileinto\"; fileinto;",
    "require \"fileinto\"; fileinto \"a\" \"b\";",
    "require \"fileinto\"; fileinto :foo \"a\";",
    "require \"fileinto\"; fileinto [\"a\", \"b\"];",
    "require \"nothing\";",
    "keep; require \"fileinto\";",
    "require [\"fileinto\", \"fileinto\"]; keep;",
    "if not true { }",
    "if not (true) { }",
    "if anyof true { }",
    "if anyof () { }",
    "if header :is :is \"a\" \"b\" { }",
    "if header :is :contains \"a\" \"b\" { }",
    "if header \"a\" { }",
    "if header [] \"a\" { }",
    "if header :comparator \"i;nothing\" \"a\" \"b\" { }",
    "if size 1 { }",
    "if size :over \"1\" { }",
    "if size :over 1K { stop; }",
    "elsif true { }",
    "redirect \"no address\";",
    "redirect \"Ana <ana@example.net>\";",
    "require \"variables\"; set \"1\" \"x\";",
    "require \"variables\"; set \"a\" \"${b.c}\";",
    "/* not ended",
];

/// Where we differ: the beginning of the test or script, and why.
const DIFFERENCES: [(&str, &str); 6] = [
    ("header :matches \"subject\" \"R?: *\"", "Pigeonhole lets `R?: *` match `Ramo`, which has no colon."),
    (
        "string :contains \"${hex: 61 62}\" \"AB\"",
        "Pigeonhole's string test compares with i;octet; by RFC 5228 §2.7.3 every test compares with i;ascii-casemap \
         unless it says otherwise.",
    ),
    (
        "string :value \"gt\" :comparator \"i;ascii-casemap\" \"[x]\"",
        "By RFC 4790 §9.2 letters compare as capitals, so `[` stands behind them; to Pigeonhole they are small.",
    ),
    (
        "redirect \"a@example.net\"; redirect \"A@example.net\"",
        "Localparts are the same to us in any case (`RULES.md 7.8`), so one message is sent.",
    ),
    ("fileinto text:", "A line end is no part of a mailbox name (RFC 5198 §2): we keep the message, and say so."),
    (
        "require \"variables\"; set \"a\" \"${b.c}\"",
        "RFC 5229 §3: a namespace without its extension is an error; Pigeonhole leaves the text as it is.",
    ),
];

#[test]
fn pigeonhole_does_the_same() -> anyhow::Result<()> {
    if !testkit::has_programs(&["sieve-test"]) {
        return Ok(());
    }
    let peer = Peer::new()?;
    let messages = messages(peer.directory.path())?;
    let of_tests = TESTS
        .iter()
        .map(|test| (*test, format!("{ALL}if {test} {{ fileinto \"yes\"; }} else {{ fileinto \"no\"; }}"), true));
    let whole = SCRIPTS.iter().map(|script| (*script, format!("{ALL}{script}"), true));
    // Whether a script is refused does not depend on the message.
    let refusable = REFUSABLE.iter().map(|script| (*script, (*script).to_owned(), false));
    let mut different: Vec<String> = Vec::new();
    let mut argued: Vec<&str> = Vec::new();
    let mut compared = 0;
    for (row, script, on_all) in of_tests.chain(whole).chain(refusable) {
        let count = if on_all { messages.len() } else { 1 };
        for message in &messages[..count] {
            let theirs = peer.run(&script, message)?;
            let ours = ours(&script, &std::fs::read(message)?);
            compared += 1;
            if ours == theirs {
                continue;
            }
            match DIFFERENCES.iter().find(|(start, _)| row.starts_with(start)) {
                Some((start, _)) => argued.push(start),
                None => {
                    different.push(format!("{row}\n  {}\n  ours   {ours:?}\n  theirs {theirs:?}", message.display()))
                }
            }
        }
    }
    assert!(different.is_empty(), "{} of {compared} differ:\n{}", different.len(), different.join("\n"));
    for (start, _) in DIFFERENCES {
        assert!(argued.contains(&start), "there is no difference any more: {start}");
    }
    assert!(compared > 900, "{compared}");
    Ok(())
}

/// Messages of our own and some of the sample incident, as files that the peer can read.
pub(crate) fn messages(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut texts: Vec<Vec<u8>> = OWN.iter().map(|text| text.as_bytes().to_vec()).collect();
    let mut files = Vec::new();
    find(&testkit::sample::committed(), &mut files)?;
    files.sort();
    // Every seventh, so that both lineages and several accounts are among them.
    for file in files.iter().step_by(7) {
        let text = std::fs::read(file)?;
        // What is damaged is no message to either of us.
        if text.starts_with(b"Return-Path") || text.starts_with(b"Received") || text.starts_with(b"From:") {
            texts.push(text);
        }
    }
    anyhow::ensure!(texts.len() > OWN.len(), "there is a sample");
    let mut paths = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let path = directory.join(format!("{number}.eml"));
        // Pigeonhole counts line ends as they will be stored: CRLF, as we do.
        std::fs::write(&path, message::to_crlf(text)).with_context(|| path.display().to_string())?;
        paths.push(path);
    }
    Ok(paths)
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find(&entry.path(), files)?;
        } else if directory.ends_with("cur") {
            files.push(entry.path());
        }
    }
    Ok(())
}

const OWN: [&str; 5] = [
    "From: Ana Ruiz <ana@example.org>\nTo: yo@example.com\nSubject: Hola\nDate: Tue, 08 Apr 2025 19:06:31 +0200\n\
     X-Empty:\nX-Priority: 1 (high)\nMessage-ID: <1@example.org>\n\nHola, oferta.\n",
    "Received: from mx.example.net by mail.example.com; Tue, 8 Apr 2025 12:00:01 +0000\n\
     Received: from pc by mx.example.net; Tue, 8 Apr 2025 12:00:00 +0000\n\
     From: =?utf-8?q?Mar=C3=ADa?= <maria+x@correo.example>\nTo: yo+lista@example.com, \"B, C\" <b@example.org>\n\
     Cc: grupo: uno@x.example, dos@y.example;\nSubject: =?utf-8?B?U2XDsWFs?= de prueba\nX-Folded: two\n words\n\
     Date: Tue, 08 Apr 2025 23:30:00 -0500 (EST)\nMIME-Version: 1.0\n\
     Content-Type: multipart/alternative; boundary=\"b\"\n\nprologue\n--b\nContent-Type: text/plain; charset=iso-8859-1\n\
     Content-Transfer-Encoding: quoted-printable\n\nEstimado se=F1or:\n--b\nContent-Type: text/html; charset=utf-8\n\n\
     <html><body><p>Estimado <b>señor</b></p></body></html>\n--b--\n",
    "From: lista@example.org\nTo: undisclosed-recipients:;\nSubject: Re: presupuesto\nX-Priority: 5\n\
     Date: Tue, 08 Apr 2025 08:00:00 GMT\nMIME-Version: 1.0\nContent-Type: application/octet-stream\n\
     Content-Transfer-Encoding: base64\n\nSG9sYQ==\n",
    "Subject: no more than this\n\n",
    "From: ana@example.org\nTo: yo@example.com\nSubject: Ramo\nDate: Tue, 08 Apr 2025 08:00:00 +0000\n\nRosas\n",
];
