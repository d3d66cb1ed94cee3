//! Fifty sessions that append, flag, move and expunge in one account at once.
//!
//! Each keeps a model of its mailbox that it makes from the server's untagged responses alone. No response may contradict
//! it (a number that names another message than the model says, a UID that is not above those before it), and whenever all
//! are quiet, every model is what the store holds. At the end nothing is lost, and no UID named two messages.

use super::support::{Client, Server, append};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex};
use std::time::Duration;
use store::MailboxId;

const SESSIONS: usize = 50;
const ROUNDS: usize = 4;
const OPERATIONS: usize = 16;
/// How long a session waits for the others: one that failed never comes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A message as a client knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    uid: Option<u32>,
    flags: Option<BTreeSet<String>>,
}

/// What a client takes for the content of its mailbox.
struct Model {
    client: Client,
    mailbox: &'static str,
    messages: Vec<Known>,
}

impl Model {
    fn open(mut client: Client, mailbox: &'static str, qresync: bool) -> Self {
        if qresync {
            client.ok("ENABLE QRESYNC");
        }
        let mut model = Model { client, mailbox, messages: Vec::new() };
        model.ok(&format!("SELECT {mailbox}"));
        model.learn();
        model
    }

    /// Sends a command that must succeed, and believes what is answered. Gives the tagged line.
    fn ok(&mut self, command: &str) -> String {
        let line = self.send(command);
        assert!(line.starts_with("OK "), "{command}: {line}");
        line
    }

    fn send(&mut self, command: &str) -> String {
        let mut answer = self.client.send(command);
        let last = answer.pop().unwrap();
        // MOVE says where messages went in an untagged response.
        let mut copied = String::new();
        for line in answer {
            if line.starts_with("* OK [COPYUID") {
                copied.clone_from(&line);
            }
            self.hear(&line);
        }
        format!("{last} {copied}")
    }

    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["*", "VANISHED", uids] => self.vanish(uids),
            ["*", "VANISHED", uids, rest] => panic!("VANISHED {uids} {rest} was not asked for"),
            ["*", number, "EXISTS"] => {
                let number: usize = number.parse().unwrap();
                assert!(number >= self.messages.len(), "EXISTS never takes away: {line}");
                self.messages.resize(number, Known::default());
            }
            ["*", number, "EXPUNGE"] => {
                let number: usize = number.parse().unwrap();
                assert!((1..=self.messages.len()).contains(&number), "{line}");
                self.messages.remove(number - 1);
            }
            ["*", number, "FETCH", rest] => self.fetched(number.parse().unwrap(), rest),
            _ => assert!(!line.starts_with("* BYE"), "{line}"),
        }
    }

    fn fetched(&mut self, number: usize, rest: &str) {
        assert!((1..=self.messages.len()).contains(&number), "FETCH of {number}, of {}", self.messages.len());
        let after = |word: &str| rest.split_once(word).map(|(_, after)| after);
        if let Some(uid) = after("UID ").map(|text| text.split([' ', ')']).next().unwrap().parse::<u32>().unwrap()) {
            let known = self.messages[number - 1].uid;
            assert!(known.is_none_or(|known| known == uid), "number {number} was UID {known:?} and is {uid}");
            let before = self.messages[..number - 1].iter().filter_map(|message| message.uid).max();
            assert!(before.is_none_or(|before| before < uid), "UID {uid} at {number} is not above {before:?}");
            self.messages[number - 1].uid = Some(uid);
        }
        if let Some(flags) = after("FLAGS (").map(|text| text.split_once(')').unwrap().0) {
            let flags = flags.split_ascii_whitespace().map(str::to_owned).collect();
            self.messages[number - 1].flags = Some(flags);
        }
    }

    /// Each of these UIDs was a message: one that is known by it, or one of those whose UID was not asked for yet.
    fn vanish(&mut self, uids: &str) {
        for range in uids.split(',') {
            let (low, high) = range.split_once(':').unwrap_or((range, range));
            for uid in low.parse().unwrap()..=high.parse::<u32>().unwrap() {
                let known = self.messages.iter().position(|message| message.uid == Some(uid));
                let unknown = || self.messages.iter().position(|message| message.uid.is_none());
                let at = known.or_else(unknown).unwrap_or_else(|| panic!("UID {uid} vanished and never was"));
                self.messages.remove(at);
            }
        }
    }

    /// Asks for what EXISTS left open.
    fn learn(&mut self) {
        let unknown = |message: &Known| message.flags.is_none() || message.uid.is_none();
        while let Some(first) = self.messages.iter().position(unknown) {
            // By numbers, which cannot change under a FETCH.
            self.send(&format!("FETCH {}:* (UID FLAGS)", first + 1));
            // Some may be gone already, which cannot be told under a FETCH.
            self.ok("NOOP");
        }
    }

    /// Catches up until there is nothing new.
    fn settle(&mut self) {
        self.ok("NOOP");
        self.learn();
        self.ok("NOOP");
        self.learn();
    }

    fn with(&self, keyword: &str) -> Vec<u32> {
        let has = |message: &&Known| message.flags.as_ref().is_some_and(|flags| flags.contains(keyword));
        self.messages.iter().filter(has).filter_map(|message| message.uid).collect()
    }
}

/// Where all sessions wait for one another.
#[derive(Default)]
struct Meeting {
    /// How many came, over all meetings.
    came: Mutex<usize>,
    all_there: Condvar,
}

impl Meeting {
    fn wait(&self) {
        let mut came = self.came.lock().unwrap();
        *came += 1;
        let wanted = came.div_ceil(SESSIONS) * SESSIONS;
        self.all_there.notify_all();
        let waited = self.all_there.wait_timeout_while(came, PATIENCE, |came| *came < wanted).unwrap();
        assert!(!waited.1.timed_out(), "a session never came");
    }
}

/// Which message each UID was given to.
type Given = Mutex<BTreeMap<(&'static str, u32), String>>;

/// Random numbers of a session's own, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// What one session does.
fn session(number: usize, mut model: Model, meeting: &Meeting, given: &Given, check: impl Fn(&Model)) -> Vec<String> {
    let mut dice = Dice(number as u64 + 1);
    let mut appended = Vec::new();
    for round in 0..ROUNDS {
        for operation in 0..OPERATIONS {
            match dice.below(8) {
                0..=2 => {
                    let id = format!("{number}-{round}-{operation}");
                    let keyword = if operation % 2 == 0 { "Mortal" } else { "" };
                    let target = if dice.below(4) == 0 { "Other" } else { "INBOX" };
                    let message = format!("Message-ID: <{id}@example.org>\r\n\r\n{id}\r\n");
                    let line = model.ok(&append(target, keyword, &message));
                    let uid = code(&line, "APPENDUID")[1].parse().unwrap();
                    assert_eq!(given.lock().unwrap().insert((target, uid), id.clone()), None, "UID {uid} twice");
                    if keyword.is_empty() {
                        appended.push(id);
                    }
                }
                3 => {
                    let count = model.messages.len();
                    if count > 0 {
                        let number = dice.below(count) + 1;
                        model.send(&format!("STORE {number} {}FLAGS (\\Seen)", ["+", "-"][dice.below(2)]));
                    }
                }
                4 => {
                    let mortal = model.with("Mortal");
                    if !mortal.is_empty() {
                        let uid = mortal[dice.below(mortal.len())];
                        model.ok(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"));
                        // What was asked for silently is so without being told.
                        for message in model.messages.iter_mut().filter(|message| message.uid == Some(uid)) {
                            message.flags.iter_mut().for_each(|flags| _ = flags.insert("\\Deleted".to_owned()));
                        }
                    }
                }
                5 => {
                    model.ok("EXPUNGE");
                }
                6 => {
                    let known: Vec<u32> = model.messages.iter().filter_map(|message| message.uid).collect();
                    if !known.is_empty() {
                        let uid = known[dice.below(known.len())];
                        let target = if model.mailbox == "INBOX" { "Other" } else { "INBOX" };
                        let line = model.ok(&format!("UID MOVE {uid} {target}"));
                        if line.contains("COPYUID") {
                            let to = code(&line, "COPYUID")[2].parse().unwrap();
                            let mut given = given.lock().unwrap();
                            let moved = given.get(&(model.mailbox, uid)).cloned();
                            let before = given.insert((target, to), moved.unwrap_or_default());
                            assert_eq!(before, None, "UID {to} twice");
                        }
                    }
                }
                _ => {
                    model.ok("NOOP");
                }
            }
            model.learn();
        }
        meeting.wait();
        model.settle();
        check(&model);
        meeting.wait();
    }
    appended
}

/// The words of a response code.
fn code(line: &str, name: &str) -> Vec<String> {
    let code = line.split_once(&format!("[{name} ")).unwrap_or_else(|| panic!("no {name} in {line}")).1;
    let code = code.split_once(']').unwrap().0;
    code.split(' ').map(str::to_owned).collect()
}

#[test]
fn fifty_sessions_in_one_account_agree_with_the_store() {
    let server = Server::start();
    let mut first = server.ana();
    first.ok("CREATE Other");
    let account = message::Address::new("ana@example.org").unwrap();
    let cell = &server.services.store.cells()[0];
    let account = cell.read(|view| view.account(store::LIVE, &account)).unwrap().unwrap().id;
    let mailboxes: BTreeMap<String, MailboxId> = cell
        .read(|view| view.mailboxes(account))
        .unwrap()
        .into_iter()
        .map(|mailbox| (mailbox.name.as_str().to_owned(), mailbox.id))
        .collect();
    let stored = |mailbox: &str| {
        let image = cell.image(account, mailboxes[mailbox]).unwrap().unwrap();
        let flags = |row: &store::Row<'_>| {
            let keywords = row.keywords.iter().map(|keyword| keyword.as_str().to_owned());
            row.flags.imap_names().map(str::to_owned).chain(keywords).collect()
        };
        image.rows().map(|row| Known { uid: Some(row.uid), flags: Some(flags(&row)) }).collect::<Vec<_>>()
    };
    let check = |model: &Model| assert_eq!(model.messages, stored(model.mailbox), "{}", model.mailbox);
    let (meeting, given) = (Meeting::default(), Given::default());
    let appended: Vec<String> = std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|number| {
                let mailbox = if number % 3 == 2 { "Other" } else { "INBOX" };
                let model = Model::open(server.ana(), mailbox, number % 4 == 1);
                let (meeting, given, check) = (&meeting, &given, &check);
                scope.spawn(move || session(number, model, meeting, given, check))
            })
            .collect();
        sessions.into_iter().flat_map(|session| session.join().unwrap()).collect()
    });
    // Nothing that nobody deleted is lost or doubled.
    let mut found = Vec::new();
    for mailbox in ["INBOX", "Other"] {
        first.ok(&format!("SELECT {mailbox}"));
        if stored(mailbox).is_empty() {
            continue;
        }
        for line in first.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]") {
            found.push(line.split_once('<').unwrap().1.split_once('@').unwrap().0.to_owned());
        }
    }
    let once: BTreeSet<&String> = found.iter().collect();
    assert_eq!(once.len(), found.len(), "a message stands twice");
    let lost: Vec<&String> = appended.iter().filter(|id| !once.contains(id)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    drop(first);
    server.finish();
}
