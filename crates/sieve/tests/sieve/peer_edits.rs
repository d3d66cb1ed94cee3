//! Headers as Pigeonhole changes them (RFC 5293), compared by what lies in the mailboxes when a script has run, and by what
//! it would send on.

use crate::account::Account;
use crate::peer::{Peer, messages};
use message::{decoded_header, header, to_crlf};
use sieve::{Action, Features, Outcome};
use std::path::Path;

/// A message in a mailbox: where, its fields in their order as they are read, and its body.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stored {
    mailbox: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Stands for a mailbox where a message is sent on.
const SENT_ON: &str = "(sent on)";

/// What comes of a script and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Done {
    /// Not a script that may be run.
    Refused,
    /// What lies in the mailboxes, sorted.
    Stored(Vec<Stored>),
}

impl Stored {
    fn new(mailbox: &str, bytes: &[u8]) -> Stored {
        let crlf = to_crlf(bytes);
        let text = |field: header::Field<'_>| {
            let name = String::from_utf8_lossy(field.name()).to_lowercase();
            (name, decoded_header(&field.value()).trim().to_owned())
        };
        let body = memchr::memmem::find(&crlf, b"\r\n\r\n").map_or(Vec::new(), |at| crlf[at + 4..].to_vec());
        Stored { mailbox: mailbox.to_owned(), fields: header::fields(&crlf).map(text).collect(), body }
    }

    /// A message that is sent on, by its header. Whoever sends it on replaces Return-Path, and Pigeonhole adds a Message-ID
    /// where there is none; that is no script's doing.
    fn sent_on(bytes: &[u8]) -> Stored {
        let mut stored = Stored { body: Vec::new(), ..Stored::new(SENT_ON, bytes) };
        let is_made = |value: &str| value.starts_with("<dovecot-sieve-");
        stored.fields.retain(|(name, value)| name != "return-path" && !(name == "message-id" && is_made(value)));
        stored
    }
}

fn ours(script: &str, message: &[u8]) -> Done {
    let Ok(script) = sieve::parse_with(script.as_bytes(), Features { editheader: true }) else { return Done::Refused };
    let outcome = Account::default().run_parsed(&script, message).unwrap_or_else(|_| Outcome::keep());
    let crlf = to_crlf(message);
    let stored = outcome.actions.iter().filter_map(|action| match action {
        Action::Keep { header, .. } => Some(Stored::new("INBOX", &header.apply(&crlf))),
        Action::FileInto { mailbox, header, .. } => Some(Stored::new(mailbox.as_str(), &header.apply(&crlf))),
        Action::Redirect { header, .. } => Some(Stored::sent_on(&header.apply(&crlf))),
        _ => None,
    });
    let mut stored: Vec<Stored> = stored.collect();
    stored.sort();
    Done::Stored(stored)
}

fn theirs(peer: &Peer, number: usize, script: &str, message: &Path) -> anyhow::Result<Done> {
    let root = peer.directory.path();
    let (path, maildir) = (root.join("script.sieve"), root.join(format!("mail-{number}")));
    std::fs::write(&path, script)?;
    let mut command = peer.command();
    command.arg("-e").arg("-l").arg(format!("maildir:{}", maildir.display())).arg(path).arg(message);
    let ran = testkit::process::run(&mut command)?;
    match ran.code() {
        // It failed, and the message is kept.
        Some(0 | 1) => {}
        Some(89) => return Ok(Done::Refused),
        other => anyhow::bail!("sieve-test ended with {other:?} over {}:\n{script}\n{}", message.display(), ran.stderr),
    }
    let mut stored = Vec::from_iter(sent_on(&ran.stdout));
    // Where nothing was stored there is no directory.
    if maildir.exists() {
        read(&maildir, "INBOX", &mut stored)?;
        for entry in std::fs::read_dir(&maildir)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_prefix('.'))
                && entry.file_type()?.is_dir()
            {
                read(&entry.path(), name, &mut stored)?;
            }
        }
        std::fs::remove_dir_all(&maildir)?;
    }
    stored.sort();
    Ok(Done::Stored(stored))
}

/// What `sieve-test` would send on, which it prints below two fields of its own.
fn sent_on(printed: &str) -> Option<Stored> {
    let (_, below) = printed.split_once("X-Sieve-Redirected-From: ")?;
    let (header, _) = below.split_once('\n')?.1.split_once("\n\n")?;
    Some(Stored::sent_on(format!("{header}\n\n").as_bytes()))
}

fn read(maildir: &Path, mailbox: &str, stored: &mut Vec<Stored>) -> anyhow::Result<()> {
    for part in ["new", "cur"].map(|part| maildir.join(part)) {
        for entry in part.is_dir().then(|| std::fs::read_dir(&part)).transpose()?.into_iter().flatten() {
            stored.push(Stored::new(mailbox, &std::fs::read(entry?.path())?));
        }
    }
    Ok(())
}

const REQUIRE: &str = r#"require ["editheader", "fileinto", "mailbox", "variables", "relational", "index", "copy",
    "comparator-i;ascii-numeric", "encoded-character", "date", "body"];
"#;

/// Scripts, with [`REQUIRE`] before them.
const SCRIPTS: [&str; 36] = [
    "",
    r#"addheader "X-A" "b";"#,
    r#"addheader "X-A" "1"; addheader "X-A" "2"; addheader :last "X-A" "3"; addheader :last "X-B" "4";"#,
    "addheader \"X-A\" \"\"; addheader \"X-B\" \"  a   b\tc  \";",
    r#"addheader "X-A" "año"; addheader :last "Subject" "[lista] ¿qué tal? — bien";"#,
    r#"addheader "X-Long" "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore magna aliqua.";"#,
    r#"addheader "X-Long" "El veloz murciélago hindú comía feliz cardillo y kiwi; la cigüeña tocaba el saxofón detrás del palenque de paja: ñandúes, pingüinos y más.";"#,
    r#"addheader "Comments" "=?utf-8?q?ya_est=C3=A1?=";"#,
    r#"deleteheader "Subject"; addheader "Subject" "otro";"#,
    r#"deleteheader "subject"; deleteheader "DATE"; deleteheader "x-none";"#,
    r#"deleteheader "received"; deleteheader "from"; deleteheader "return-path"; deleteheader "delivered-to"; deleteheader "auto-submitted";"#,
    r#"addheader "From" "x@y.example"; addheader "Received" "by us"; addheader "Return-Path" "<a@x>"; addheader "Sender" "a@x";"#,
    r#"deleteheader :contains "to" "example"; deleteheader :contains "subject" "a";"#,
    r#"deleteheader :is "subject" "hola";"#,
    r#"deleteheader :comparator "i;octet" :is "subject" "hola";"#,
    r#"deleteheader :matches "subject" ["R*", "*prueba"];"#,
    r#"deleteheader :value "gt" "x-priority" "2"; deleteheader :value "lt" :comparator "i;ascii-numeric" "x-priority" "3";"#,
    r#"addheader "X-H" "1"; addheader "X-H" "2"; addheader "X-H" "3"; deleteheader :index 1 "x-h"; deleteheader :index 2 "x-h";"#,
    r#"addheader "X-H" "1"; addheader "X-H" "2"; addheader "X-H" "3"; deleteheader :index 1 :last "x-h"; deleteheader :index 5 "x-h";"#,
    r#"addheader "X-H" "1"; addheader "X-H" "2"; deleteheader :index 1 :contains "x-h" "1"; deleteheader :index 2 :last :is "x-h" "2";"#,
    r#"addheader "To" "otra@example.net"; deleteheader :index 1 :last "to";"#,
    r#"keep; addheader "X-A" "1"; keep; fileinto :create "a"; deleteheader "subject"; fileinto :create "b"; fileinto "a";"#,
    r#"fileinto :copy :create "a"; addheader "X-A" "1";"#,
    r#"addheader "X-A" "1"; fileinto :create "a"; addheader "X-A" "2"; stop; addheader "X-A" "3";"#,
    r#"addheader "X-A" "1"; if exists "x-a" { fileinto :create "there"; } deleteheader "x-a"; if exists "x-a" { discard; }"#,
    r#"addheader :last "Subject" "ñu"; if header :index 1 :last :is "subject" "ñu" { fileinto :create "there"; }"#,
    r#"deleteheader "subject"; if header :contains "subject" "" { fileinto :create "a"; } else { fileinto :create "b"; }"#,
    r#"addheader "Cc" "Eva <eva@x.example>"; if address :domain "cc" "x.example" { addheader "X-Cc" "x"; }"#,
    r#"if header :matches "subject" "*" { addheader "X-Was" "<${1}>"; deleteheader "subject"; addheader "Subject" "[x] ${1}"; }"#,
    r#"set "n" "X-N"; set "v" "señal"; addheader "${n}" "${v}"; if header "x-n" "señal" { fileinto :create "yes"; }"#,
    r#"set "n" "X N"; addheader "X-A" "1"; addheader "${n}" "y";"#,
    r#"deleteheader :matches "subject" "*o*"; addheader "X-M" "<${1}>";"#,
    r#"addheader "Content-Type" "text/html"; deleteheader "mime-version"; if body :contains "a" { addheader "X-Body" "a"; }"#,
    r#"addheader "X-A" "1"; deleteheader "subject"; redirect "a@example.net"; addheader "X-A" "2";"#,
    r#"redirect :copy "a@example.net"; addheader "X-A" "1"; redirect :copy "a@example.net"; deleteheader "to";"#,
    r#"addheader "X-P" "0123456789012345678901234567890123456789"; if size :over 400 { addheader "X-Size" "over"; }"#,
];

/// Scripts that one of us might refuse, or fail at. Two are not here because Pigeonhole 0.5.19 dies of them: a list of names
/// to deleteheader, and `:count` of its values.
const REFUSABLE: [&str; 11] = [
    r#"addheader "X B" "v";"#,
    r#"addheader "" "v";"#,
    r#"addheader "X:" "v";"#,
    r#"addheader "Ñ" "v";"#,
    r#"addheader "X";"#,
    r#"addheader :index 1 "X" "v";"#,
    r#"addheader ["X"] "v";"#,
    r#"deleteheader;"#,
    r#"deleteheader "X B";"#,
    r#"deleteheader :last "subject";"#,
    r#"addheader "X-A" "a${hex: 0d 0a 20}b";"#,
];

/// Where we differ: the script, the number of the message, and why.
const DIFFERENCES: [(&str, usize, &str); 5] = [
    (
        r#"deleteheader "subject"; if header :contains "subject" "" { fileinto :create "a"; } else { fileinto :create "b"; }"#,
        3,
        "Where the only field of a header is gone, Pigeonhole's tests go on seeing it, though it stores none.",
    ),
    (
        r#"addheader "Content-Type" "text/html"; deleteheader "mime-version"; if body :contains "a" { addheader "X-Body" "a"; }"#,
        1,
        "RFC 5293 §7 lets us choose: to body tests a message is what it was when it came, to Pigeonhole what it is now.",
    ),
    (r#"addheader "" "v";"#, 0, "What is no name is an error (RFC 5293 §4); Pigeonhole takes the script."),
    (
        r#"deleteheader :last "subject";"#,
        0,
        "RFC 5293 §5: `:last` without `:index` is an error; Pigeonhole says so and runs the script.",
    ),
    (
        r#"addheader "X-A" "a${hex: 0d 0a 20}b";"#,
        0,
        "RFC 5293 §4 lets us choose: a line end in a value is an error here, and made a fold there.",
    ),
];

#[test]
fn pigeonhole_changes_headers_likewise() -> anyhow::Result<()> {
    if !testkit::has_programs(&["sieve-test"]) {
        return Ok(());
    }
    let peer = Peer::new()?;
    let mut messages = messages(peer.directory.path())?;
    // Messages of our own and some others; each run takes a process and its syncs.
    messages.truncate(8);
    let on_all = SCRIPTS.iter().map(|script| (script, messages.len()));
    let (mut different, mut argued) = (Vec::new(), Vec::new());
    let mut compared = 0;
    for (row, count) in on_all.chain(REFUSABLE.iter().map(|script| (script, 1))) {
        let script = format!("{REQUIRE}{row}");
        for (number, message) in messages[..count].iter().enumerate() {
            compared += 1;
            let (ours, theirs) = (ours(&script, &std::fs::read(message)?), theirs(&peer, compared, &script, message)?);
            if ours == theirs {
                continue;
            }
            match DIFFERENCES.iter().find(|(script, on, _)| (script, *on) == (row, number)) {
                Some(difference) => argued.push(difference),
                None => {
                    different.push(format!("{row}\n  {}\n  ours   {ours:?}\n  theirs {theirs:?}", message.display()))
                }
            }
        }
    }
    assert!(different.is_empty(), "{} of {compared} differ:\n{}", different.len(), different.join("\n"));
    for difference in &DIFFERENCES {
        assert!(argued.contains(&difference), "there is no difference any more: {difference:?}");
    }
    assert!(compared > 250, "{compared}");
    Ok(())
}
