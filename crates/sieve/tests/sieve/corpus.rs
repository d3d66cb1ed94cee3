//! Pigeonhole and we over the corpus of real mail: the same questions, the same answers, but for differences that
//! [`argued`] explains; a difference that it does not explain fails, and so does an explanation of none.
//!
//! `corpus/*.tests` hold questions, a Sieve test each. A script asks all of a file, so that one run answers many. Debian's
//! `sieve-filter`, which has Pigeonhole's interpreter as `sieve-test` has it, runs that script on a whole mailbox.
//! `corpus/*.sieve` are scripts as people write them, of which the actions are compared: on all of the corpus by
//! `sieve-filter`; on some of it, with envelopes and everything else that a delivery has, by `sieve-test`.

mod argued;

use crate::account::{Account, flag_words};
use argued::{Argued, Difference};
use message::{Address, decoded_header, header, mime};
use sieve::Action;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use testkit::corpus::Mail;

/// The files of questions. What is asked later may build on what was found out before: see [`Difference::doubtful`].
const QUESTIONS: [(&str, &str); 5] = [
    ("header", include_str!("corpus/header.tests")),
    ("address", include_str!("corpus/address.tests")),
    ("body", include_str!("corpus/body.tests")),
    ("date", include_str!("corpus/date.tests")),
    ("variables", include_str!("corpus/variables.tests")),
];

const REQUIRE: &str = r#"require ["fileinto", "body", "imap4flags", "mailbox", "variables", "relational", "date", "index",
    "subaddress", "comparator-i;ascii-numeric", "encoded-character", "reject", "environment", "ihave", "special-use"];
"#;

/// Stands between answers; no mail of the corpus has it.
const BETWEEN: &str = "␟";

/// A file of questions as a script.
struct Questions {
    file: &'static str,
    tests: Vec<&'static str>,
    text: String,
    script: sieve::Script,
}

impl Questions {
    fn new(file: &'static str, lines: &'static str) -> Questions {
        let mut tests = Vec::new();
        let mut text = REQUIRE.to_owned();
        for line in lines.lines().filter(|line| !line.starts_with('#')) {
            if line.ends_with([';', '}']) {
                text += &format!("{line}\n");
                continue;
            }
            // What wildcards stood for before is forgotten first.
            let number = tests.len();
            text += &format!(
                "if string :matches \"\" \"*\" {{ }}\n\
                 if {line} {{ set \"answer{number}\" \"+${{1}}|${{2}}|${{3}}\"; }} else {{ set \"answer{number}\" \"-\"; }}\n"
            );
            tests.push(line);
        }
        let answers: Vec<String> = (0..tests.len()).map(|number| format!("${{answer{number}}}")).collect();
        let answers = answers.join(BETWEEN);
        // Each tells them in a way that the other has not.
        text += &format!(
            "if ihave \"vnd.dovecot.debug\" {{ debug_log \"{answers}\"; }} else {{ reject \"{answers}\"; }}\n"
        );
        let script = sieve::parse(text.as_bytes()).unwrap_or_else(|errors| panic!("{file}: {errors:?}\n{text}"));
        Questions { file, tests, text, script }
    }

    fn ours(&self, message: &Message) -> Vec<String> {
        let outcome = Account::default().run_on_parts(&self.script, &message.crlf, &message.parts);
        let outcome = outcome.unwrap_or_else(|error| panic!("{}: {error}", message.name));
        let [Action::Reject { reason, .. }] = &outcome.actions[..] else { panic!("{}: {outcome:?}", message.name) };
        reason.split(BETWEEN).map(str::to_owned).collect()
    }

    /// The answers about every message.
    fn theirs(&self, peer: &Peer) -> Vec<Vec<String>> {
        let ran = peer.filter(&format!("{}-questions", self.file), &self.text);
        // A value may hold line ends, so a record goes on to the next.
        let mut records = ran.stderr.split("info: DEBUG: ");
        assert_eq!(records.next(), Some(""), "nothing but answers");
        let answers = |record: &str| {
            let answers = record.strip_suffix(".\n").unwrap_or_else(|| panic!("{record}"));
            answers.split(BETWEEN).map(str::to_owned).collect()
        };
        records.map(answers).collect()
    }
}

/// A message of the corpus in CRLF form, as both count it.
struct Message {
    name: String,
    crlf: Vec<u8>,
    parts: mime::Part,
}

impl Message {
    fn new(mail: &Mail) -> Message {
        let crlf = message::to_crlf(&mail.raw).into_owned();
        Message { name: mail.name.clone(), parts: mime::parse(&crlf), crlf }
    }
}

#[test]
fn pigeonhole_answers_the_same() {
    let Some(messages) = messages() else { return };
    let peer = Peer::new(&messages);
    let questions = QUESTIONS.map(|(file, lines)| Questions::new(file, lines));
    let theirs: Vec<Vec<Vec<String>>> = questions.iter().map(|questions| questions.theirs(&peer)).collect();
    for (questions, theirs) in questions.iter().zip(&theirs) {
        assert_eq!(theirs.len(), messages.len(), "{}", questions.file);
    }
    let half = messages.len().div_ceil(2);
    let found = std::thread::scope(|scope| {
        let compare = |from: usize, messages: &[Message]| {
            let mut argued = Argued::default();
            for (at, message) in (from..).zip(messages) {
                compare(message, &questions, |file| &theirs[file][at], &mut argued);
            }
            argued
        };
        let (first, second) = messages.split_at(half);
        let second = scope.spawn(move || compare(half, second));
        compare(0, first).and(second.join().unwrap())
    });
    eprintln!("{} answers compared on {} messages; {} differ", found.compared, messages.len(), found.differing);
    found.check();
}

/// Scripts, and whether `sieve-filter` can run them: it knows no envelope, and ends where one fails.
const SCRIPTS: [(&str, &str, bool); 18] = [
    ("attachments", include_str!("corpus/attachments.sieve"), true),
    ("dates", include_str!("corpus/dates.sieve"), true),
    ("discard", include_str!("corpus/discard.sieve"), true),
    ("envelope", include_str!("corpus/envelope.sieve"), false),
    ("fails", include_str!("corpus/fails.sieve"), false),
    ("flags", include_str!("corpus/flags.sieve"), true),
    ("forward", include_str!("corpus/forward.sieve"), true),
    ("junk", include_str!("corpus/junk.sieve"), true),
    ("lists", include_str!("corpus/lists.sieve"), true),
    ("mailboxes", include_str!("corpus/mailboxes.sieve"), true),
    ("nested", include_str!("corpus/nested.sieve"), false),
    ("numbers", include_str!("corpus/numbers.sieve"), true),
    ("refuse", include_str!("corpus/refuse.sieve"), false),
    ("roundcube", include_str!("corpus/roundcube.sieve"), false),
    ("spanish", include_str!("corpus/spanish.sieve"), true),
    ("subaddress", include_str!("corpus/subaddress.sieve"), false),
    (VACATION, include_str!("corpus/vacation.sieve"), false),
    ("variables", include_str!("corpus/variables.sieve"), true),
];

/// What scripts ask that is argued in [`argued`]: where an answer differs, so may what is done.
const ASKED: [(&str, &str); 7] = [
    ("attachments", include_str!("corpus/asked/attachments.tests")),
    ("dates", include_str!("corpus/asked/dates.tests")),
    ("forward", "address :localpart :matches \"from\" \"?*\"\n"),
    ("numbers", "address :count \"gt\" :comparator \"i;ascii-numeric\" [\"to\", \"cc\"] \"4\"\n"),
    ("spanish", include_str!("corpus/asked/spanish.tests")),
    ("variables", "header :matches \"subject\" \"*\"\n"),
    (VACATION, "header :matches \"subject\" \"*\"\n"),
];

/// The script whose answers are compared, as they are sent.
const VACATION: &str = "vacation";

/// Every so many messages are delivered by `sieve-test`, which starts anew for each script and message.
const DELIVERED: usize = 40;

#[test]
fn pigeonhole_does_the_same_with_real_mail() {
    let Some(messages) = messages() else { return };
    let peer = Peer::new(&messages);
    let mut differences = Vec::new();
    let mut compared = 0;
    let mut explained = BTreeSet::new();
    for (name, text, on_all) in SCRIPTS {
        let script = sieve::parse(text.as_bytes()).unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
        let doubtful = doubtful(name, &peer, &messages);
        let mut compare = |message: &Message, envelope: &Envelope, theirs: Option<Vec<String>>| {
            compared += 1;
            let ours = done(name, &script, message, envelope);
            if ours == theirs {
                return;
            }
            if doubtful.contains(&message.name[..]) {
                explained.insert(name);
            } else if let Some(reason) = argued::reason_of_outcome(ours.as_deref(), theirs.as_deref()) {
                explained.insert(reason);
            } else {
                differences.push(format!("{name} {}\n  ours   {ours:?}\n  theirs {theirs:?}", message.name));
            }
        };
        if on_all {
            let listed = peer.filter(name, text).stdout;
            let theirs: Vec<Vec<String>> =
                listed.split(">> Filtering message:").skip(1).map(crate::peer::actions).collect();
            assert_eq!(theirs.len(), messages.len(), "{name}");
            for (message, theirs) in messages.iter().zip(theirs) {
                compare(message, &Envelope::default(), Some(theirs));
            }
        }
        for (at, message) in messages.iter().enumerate().step_by(DELIVERED) {
            let envelope = Envelope::of(message, at);
            compare(message, &envelope, peer.deliver(name, text, message, &envelope));
        }
    }
    eprintln!("{compared} outcomes compared; {} differ without a reason", differences.len());
    let some = &differences[..differences.len().min(20)];
    assert!(some.is_empty(), "{} outcomes differ without a reason:\n{}", differences.len(), some.join("\n"));
    // Few messages with such a subject are answered, none of those that are compared always.
    let asked = ASKED.iter().map(|(name, _)| *name).filter(|name| *name != VACATION);
    for reason in asked.chain(argued::OUTCOMES) {
        assert!(explained.contains(reason), "there is no such difference any more: {reason}");
    }
}

/// The messages about which a script asks something that is answered differently for a reason.
fn doubtful<'m>(script: &str, peer: &Peer, messages: &'m [Message]) -> BTreeSet<&'m str> {
    let Some((name, tests)) = ASKED.iter().find(|(name, _)| *name == script) else { return BTreeSet::new() };
    let questions = [Questions::new(name, tests)];
    let theirs = questions[0].theirs(peer);
    assert_eq!(theirs.len(), messages.len(), "{name}");
    let mut argued = Argued::default();
    let mut doubtful = BTreeSet::new();
    for (message, theirs) in messages.iter().zip(&theirs) {
        let before = argued.differing;
        compare(message, &questions, |_| theirs, &mut argued);
        if argued.differing > before {
            doubtful.insert(&message.name[..]);
        }
    }
    argued.check_explained();
    doubtful
}

/// From whom and to whom a message comes.
struct Envelope {
    from: &'static str,
    to: &'static str,
}

impl Default for Envelope {
    fn default() -> Self {
        Envelope { from: "ana@example.org", to: "yo+tag@example.com" }
    }
}

impl Envelope {
    /// The first addresses of the message, where it has any; every second message comes to a subaddress.
    fn of(message: &Message, at: usize) -> Envelope {
        let envelope = message::envelope::parse(&message.crlf);
        let first = |list: &[message::envelope::MailAddress]| {
            let text = |part: &Option<Vec<u8>>| String::from_utf8(part.clone().unwrap_or_default()).unwrap_or_default();
            let addresses = list.iter().map(|address| format!("{}@{}", text(&address.mailbox), text(&address.host)));
            let mut known = addresses.filter_map(|address| Address::new(&address).ok());
            // An account of a test keeps what lives as long as it does.
            known.find(|address| address.as_str().is_ascii()).map(|address| &*address.to_string().leak())
        };
        let usual = Envelope::default();
        let to = if at.is_multiple_of(2) { first(&envelope.to) } else { None };
        Envelope { from: first(&envelope.from).unwrap_or(usual.from), to: to.unwrap_or(usual.to) }
    }
}

/// What we do, as [`Peer::deliver`] tells it.
fn done(name: &str, script: &sieve::Script, message: &Message, envelope: &Envelope) -> Option<Vec<String>> {
    let mut account = Account { envelope_from: envelope.from, envelope_to: envelope.to, ..Account::default() };
    let outcome = account.run_on_parts(script, &message.crlf, &message.parts).ok()?;
    let line = |action: &Action| match action {
        Action::Keep { flags, .. } => format!("store INBOX{}", flag_words(flags).to_lowercase()),
        Action::FileInto { mailbox, flags, .. } => format!("store {mailbox}{}", flag_words(flags).to_lowercase()),
        Action::Redirect { address, .. } => format!("redirect {address}"),
        Action::Discard => "discard".to_owned(),
        Action::Reject { .. } => "reject".to_owned(),
        Action::Vacation(reply) => format!("send {}", answer(&reply.message)),
    };
    let lines: Vec<String> = outcome.actions.iter().map(line).collect();
    // What is kept beside an answer, a peer that answers does not list.
    let answers = lines.iter().filter(|line| line.starts_with("send "));
    Some(if name == VACATION { answers.cloned().collect() } else { lines })
}

/// An answer's recipient without a name, in lower case, and its subject without spaces, by which lines are folded.
fn answer(message: &[u8]) -> String {
    let value =
        |name: &str| header::find(message, name).map(|field| decoded_header(&field.value())).unwrap_or_default();
    let (to, subject) = (value("To"), value("Subject"));
    let to = to.rsplit('<').next().unwrap_or_default().trim_end_matches('>');
    format!("{} {}", to.to_lowercase(), subject.split_whitespace().collect::<String>())
}

/// Compares all answers about a message.
fn compare<'a>(
    message: &Message,
    questions: &[Questions],
    theirs: impl Fn(usize) -> &'a [String],
    argued: &mut Argued,
) {
    let mut doubtful = BTreeSet::new();
    for (at, questions) in questions.iter().enumerate() {
        let (ours, theirs) = (questions.ours(message), theirs(at));
        assert_eq!((ours.len(), theirs.len()), (questions.tests.len(), questions.tests.len()), "{}", message.name);
        for ((test, ours_here), theirs_here) in questions.tests.iter().zip(&ours).zip(theirs) {
            argued.compared += 1;
            if ours_here == theirs_here {
                continue;
            }
            let difference = Difference {
                name: &message.name,
                crlf: &message.crlf,
                parts: &message.parts,
                test,
                ours: ours_here,
                theirs: theirs_here,
                tests: &questions.tests,
                our_answers: &ours,
                their_answers: theirs,
                doubtful: &doubtful,
            };
            argued.take(&difference);
            let whole = difference.asks_for_whole();
            doubtful.extend(whole);
        }
    }
}

/// Every so many messages of the corpus are compared, and all that [`argued`] names: without optimisation, all take more than
/// a minute. `REINTEGRA_SIEVE_CORPUS=all` compares all.
const EVERY: usize = 3;

/// The corpus, or some of it; `None` where it or the peer is not at hand, which is an error in CI and beside the shared material.
fn messages() -> Option<Vec<Message>> {
    let corpus = testkit::incident::require()?;
    if !testkit::has_programs(&["sieve-filter", "sieve-test"]) {
        return None;
    }
    let all = std::env::var_os("REINTEGRA_SIEVE_CORPUS").is_some_and(|which| which == "all");
    let named: BTreeSet<&str> = argued::messages().collect();
    let mails = testkit::corpus::read(&corpus).unwrap();
    let mails =
        mails.iter().enumerate().filter(|(at, mail)| all || at.is_multiple_of(EVERY) || named.contains(&mail.name[..]));
    Some(mails.map(|(_, mail)| Message::new(mail)).collect())
}

/// What Pigeonhole needs: a mailbox with all messages, and two more.
struct Peer {
    place: tempfile::TempDir,
}

impl Peer {
    fn new(messages: &[Message]) -> Peer {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let mailboxes = ["mail", "mail/.Spam", "mail/.Work.2026", "thrown"].map(|mailbox| root.join(mailbox));
        for mailbox in &mailboxes {
            for name in ["cur", "new", "tmp"] {
                std::fs::create_dir_all(mailbox.join(name)).unwrap();
            }
        }
        let mut uidlist = format!("3 V1 N{} G00000000000000000000000000000001\n", messages.len() + 1);
        for (message, uid) in messages.iter().zip(1..) {
            uidlist += &format!("{uid} :{uid}.example\n");
            std::fs::write(root.join(format!("mail/cur/{uid}.example:2,")), &message.crlf).unwrap();
        }
        std::fs::write(root.join("mail/dovecot-uidlist"), uidlist).unwrap();
        let (user, group) = crate::peer::user_and_group().unwrap();
        let home = root.display();
        let configuration = format!(
            "mail_home={home}/home\nmail_location=maildir:{home}/mail\nbase_dir={home}/run\nlog_path=/dev/stderr\n\
             mail_uid={user}\nmail_gid={group}\nfirst_valid_uid=1\n\
             namespace inbox {{\n  inbox = yes\n  separator = /\n  mailbox Spam {{\n    special_use = \\Junk\n  }}\n}}\n\
             plugin {{\n  sieve_extensions = +vacation-seconds +special-use +vnd.dovecot.debug\n}}\n"
        );
        std::fs::write(root.join("dovecot.conf"), configuration).unwrap();
        everybody_may_write(root);
        Peer { place }
    }

    /// Runs a script on all messages.
    fn filter(&self, name: &str, script: &str) -> testkit::process::Ran {
        let path = self.place.path().join(format!("{name}.sieve"));
        std::fs::write(&path, script).unwrap();
        let mut command = Command::new("sieve-filter");
        command.env("TZ", "UTC").arg("-C").arg("-c").arg(self.place.path().join("dovecot.conf"));
        let ran = testkit::process::run(command.arg("-v").arg(path).arg("INBOX")).unwrap();
        assert!(ran.status.success(), "{name}: {}", ran.stderr);
        ran
    }

    /// Delivers a message: what is done, a line for each action; `None` where the script fails.
    fn deliver(&self, name: &str, script: &str, message: &Message, envelope: &Envelope) -> Option<Vec<String>> {
        let place = self.place.path();
        let (script_path, mail) = (place.join(format!("{name}.sieve")), place.join("delivered.eml"));
        if !script_path.exists() {
            std::fs::write(&script_path, script).unwrap();
        }
        std::fs::write(&mail, &message.crlf).unwrap();
        let mut command = Command::new("sieve-test");
        command.env("TZ", "UTC").arg("-c").arg(place.join("dovecot.conf"));
        command.args(["-f", envelope.from, "-r", envelope.to, "-a", envelope.to]);
        if name == VACATION {
            // Whether an answer is due shows only where one is sent.
            command.arg("-e").arg("-l").arg(format!("maildir:{}", place.join("thrown").display()));
        }
        let ran = testkit::process::run(command.arg(script_path).arg(mail)).unwrap();
        match ran.code() {
            Some(0) if name == VACATION => {
                let sent = ran.stdout.contains("START MESSAGE:").then(|| message::to_crlf(ran.stdout.as_bytes()));
                Some(sent.iter().map(|sent| format!("send {}", answer(sent))).collect())
            }
            Some(0) => Some(crate::peer::actions(&ran.stdout)),
            Some(1) => None,
            other => panic!("{name} {}: {other:?} {}", message.name, ran.stderr),
        }
    }
}

/// As root, Pigeonhole goes on as somebody else.
fn everybody_may_write(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;

    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(directory, 0o777);
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            everybody_may_write(&path);
        } else {
            mode(&path, 0o666);
        }
    }
}
