//! Mail programs as people use them, on the integrated sample: each signs in with the password that its owner knows and
//! finds everything; and those that were synchronised before the integration fetch only what is new to them
//! (`RULES.md` G7).

#![expect(clippy::unwrap_used, reason = "tests")]

mod curl;
mod doveadm;
mod fetchmail;
mod mbsync;
mod mpop;
mod mutt;
mod offlineimap;
mod over;
mod python;
mod quiet;

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::process::{Ran, run};
use testkit::served::Served;

/// An account of the sample that the integration gave messages of both histories, and its new password.
const ANA: &str = "ana@panaderia.example";
const PASSWORD: &str = "nuevo-ana";

/// The integrated sample, served.
struct World {
    served: Served,
    data: PathBuf,
    root: tempfile::TempDir,
    messages: Vec<Message>,
}

/// A message of Ana's as the command line lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    mailbox: String,
    digest: String,
    identity: String,
    uidl: Option<String>,
    size_bytes: u64,
}

impl World {
    fn new() -> Self {
        Self::with("")
    }

    /// With more keys in the configuration.
    fn with(more: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        testkit::sample::lay_out(root.path()).unwrap();
        let data = root.path().join("data");
        let (before, after) = (root.path().join("before"), root.path().join("after"));
        let integrated =
            run(reintegra(&data).args(["integrate", "run", "--yes", "--before"]).arg(before).arg("--after").arg(after))
                .unwrap();
        // 1: two files are past reading and decisions wait.
        assert_eq!(integrated.code(), Some(1), "{}", integrated.stderr);
        let messages = list(&data);
        // Everything of before is shown: what clients make of it is looked at here.
        let more = format!("pop3.before = \"show\"\n{more}");
        let served = Served::start(Path::new(env!("CARGO_BIN_EXE_reintegra")), &data, &more).unwrap();
        World { served, data, root, messages }
    }

    /// A path in the world's own directory.
    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a configuration that only its owner may read.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// A client's command, in surroundings of its own.
    fn client(&self, program: &str) -> Command {
        let home = self.path("home");
        std::fs::create_dir_all(&home).unwrap();
        let mut command = Command::new(program);
        command.env("HOME", &home).env_remove("XDG_CONFIG_HOME").env("LC_ALL", "C.UTF-8").current_dir(&home);
        command
    }

    /// The digests of Ana's messages: of one mailbox, or of all.
    fn digests(&self, mailbox: Option<&str>) -> BTreeSet<String> {
        let wanted = self.messages.iter().filter(|m| mailbox.is_none_or(|name| m.mailbox == name));
        wanted.map(|m| m.digest.clone()).collect()
    }

    /// How long the messages of these identities are together.
    fn size_bytes(&self, identities: &[String]) -> u64 {
        let size = |id: &String| self.messages.iter().find(|m| m.identity == *id).map_or(0, |m| m.size_bytes);
        identities.iter().map(size).sum()
    }

    /// How many bytes IMAP clients were sent so far.
    fn sent_bytes(&self) -> u64 {
        let metrics = testkit::served::get(self.served.operator, "/metrics").unwrap();
        let line = metrics.lines().find_map(|line| line.strip_prefix("reintegra_imap_bytes_total{direction=\"out\"} "));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }

    /// Ends the service and checks all that it left.
    fn finish(self) {
        let (status, log) = self.served.stop().unwrap();
        assert!(status.success(), "{status}\n{log}");
        assert!(!log.contains(PASSWORD), "a password stands in the log");
        let checked = run(reintegra(&self.data).arg("check")).unwrap();
        assert_eq!(checked.code(), Some(0), "{}{}", checked.stdout, checked.stderr);
    }
}

fn reintegra(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reintegra"));
    command.arg("--data").arg(data);
    command
}

/// Ana's messages.
fn list(data: &Path) -> Vec<Message> {
    let listed = run(reintegra(data).args(["messages", ANA, "--json"])).unwrap();
    assert_eq!(listed.code(), Some(0), "{}", listed.stderr);
    let rows: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let message = |row: &Value| Message {
        mailbox: text(row, "mailbox"),
        digest: text(row, "digest"),
        identity: text(row, "identity"),
        uidl: row["uidl"].as_str().map(str::to_owned),
        size_bytes: row["size"].as_u64().unwrap(),
    };
    rows.iter().map(message).collect()
}

/// The content digest of a message as a client keeps it (`RULES.md 2.1`).
fn digest(bytes: &[u8]) -> String {
    message::examine(&message::to_crlf(bytes)).digest.to_string()
}

/// A message's identity (`RULES.md 2.2`): the same for two copies that differ in what clients write into them.
fn identity(bytes: &[u8]) -> String {
    message::examine(&message::to_crlf(bytes)).identity.to_string()
}

/// The digests of the messages in the directories `cur` and `new` beneath a directory.
fn maildir_digests(root: &Path) -> Vec<String> {
    maildir(root).iter().map(|bytes| digest(bytes)).collect()
}

/// The identities of the messages in the directories `cur` and `new` beneath a directory.
fn maildir_identities(root: &Path) -> Vec<String> {
    maildir(root).iter().map(|bytes| identity(bytes)).collect()
}

fn maildir(root: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if directory.ends_with("cur") || directory.ends_with("new") {
                found.push(std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// The same digests without regard to order, each as often as it is there.
fn sorted(digests: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut digests: Vec<String> = digests.into_iter().collect();
    digests.sort();
    digests
}

fn succeeded(ran: &Ran) {
    assert!(ran.status.success(), "{}\n{}{}", ran.status, ran.stdout, ran.stderr);
}
