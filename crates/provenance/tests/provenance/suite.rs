//! The vectors that mail-auth publishes with its source: SPF (the rules and examples of RFC 7208), DKIM (RFC 8463's example
//! among them) and ARC. They are read where cargo keeps them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use dns::{Config, Dnssec, Resolver};
use provenance::{Asked, Options, Outcome, Verifier};
use testkit::dns_server::{DnsServer, Failure, Zones};

use crate::world::{World, ip};

/// Where we differ from the SPF vectors, and why: file, case, number of the test in it, what they say, what we say. Each
/// row must be needed.
const DEVIATIONS: &[(&str, &str, usize, &str, &str, &str)] = &[
    (
        "all.yml",
        "All test",
        1,
        "fail",
        "permerror",
        "a syntax error anywhere spoils the record (RFC 7208 §4.6): ip is no mechanism",
    ),
    (
        "basic.yml",
        "DNS Lookup Limits",
        1,
        "softfail",
        "permerror",
        "ten names that do not exist are more than two void lookups (RFC 7208 §4.6.4)",
    ),
    ("exists.yml", "Exists", 2, "pass", "fail", "exists looks for A records and nothing else (RFC 7208 §5.7)"),
    (
        "macro.yml",
        "Macro expansion 2",
        2,
        "pass",
        "fail",
        "exists looks for A records and nothing else (RFC 7208 §5.7)",
    ),
    ("ip.yml", "IPv6 match", 4, "pass", "fail", "ip6 does not match an IPv4 client, mapped or not (RFC 7208 §5.6)"),
];

/// Stands in the names at which the vectors want DNS to fail.
const BROKEN: &str = "_dns_error";

/// DKIM vectors that have expired (x=) since they were made; mail-auth looks at them as of then, and the world does not.
const EXPIRED: &[&str] = &["005.txt"];

/// The cases of one file, and the records they share.
#[derive(Default)]
struct Case {
    name: String,
    records: Records,
    tests: Vec<Test>,
}

#[derive(Clone, Default)]
struct Records(BTreeMap<(String, &'static str), Vec<String>>);

struct Test {
    helo: String,
    sender: String,
    client: String,
    expected: String,
    explanation: Option<String>,
}

/// The folder of mail-auth's source.
fn vectors() -> PathBuf {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let out = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let mail_auth = packages.iter().find(|package| package["name"] == "mail-auth").unwrap();
    let manifest = PathBuf::from(mail_auth["manifest_path"].as_str().unwrap());
    manifest.parent().unwrap().join("resources")
}

fn files(folder: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(vectors().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Reads a file of SPF cases. Records are added as they come, and a test knows those before it.
fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = vec![Case::default()];
    let (mut helo, mut sender, mut client) = (String::new(), String::new(), String::new());
    for line in text.lines() {
        if line == "---" {
            (helo, sender, client) = (String::new(), String::new(), "127.0.0.1".to_owned());
            continue;
        }
        let line = line.trim();
        let line = line.strip_prefix('-').map_or(line, str::trim);
        let Some((word, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        let case = cases.last_mut().unwrap();
        match word {
            "domain" => helo = value.to_owned(),
            "sender" => sender = value.to_owned(),
            "ip" => client = value.to_owned(),
            "expect" => {
                let (expected, explanation) = value.split_once(' ').map_or((value, None), |(e, x)| (e, Some(x)));
                case.tests.push(Test {
                    helo: helo.clone(),
                    sender: sender.clone(),
                    client: client.clone(),
                    expected: expected.to_ascii_lowercase(),
                    explanation: explanation.map(|text| text.trim().to_owned()),
                });
            }
            "name" | "spf" | "exp" | "a" | "aaaa" | "mx" | "ptr" => {
                let mut next = Case { records: case.records.clone(), name: case.name.clone(), tests: Vec::new() };
                if word == "name" {
                    next.name = value.to_owned();
                } else {
                    next.records.add(word, value);
                }
                if case.tests.is_empty() {
                    *case = next;
                } else {
                    cases.push(next);
                }
            }
            _ => {}
        }
    }
    cases.retain(|case| !case.tests.is_empty());
    cases
}

impl Case {
    /// All that may be a name in it.
    fn names(&self) -> impl Iterator<Item = String> {
        let tested = self.tests.iter().map(|test| &test.helo);
        let recorded = self.records.0.values().flatten();
        let texts: Vec<&String> = tested.chain(recorded).collect();
        let words: Vec<String> = texts.iter().flat_map(|text| text.split([' ', ':'])).map(str::to_owned).collect();
        words.into_iter()
    }
}

impl Records {
    fn add(&mut self, kind: &str, value: &str) {
        let kind = match kind {
            "spf" | "exp" => "TXT",
            "a" => "A",
            "aaaa" => "AAAA",
            "mx" => "MX",
            "ptr" => "PTR",
            _ => return,
        };
        let (owner, data) = value.split_once(' ').unwrap();
        let data = match kind {
            "TXT" => vec![data.trim().to_owned()],
            _ => data.split(',').map(|item| item.trim().to_owned()).collect(),
        };
        self.0.insert((owner.trim().to_owned(), kind), data);
    }

    fn zones(&self) -> Zones {
        let mut zones = Zones::new();
        // The vectors have records at names that no server can hold, to see that nobody asks for them.
        let can_be = |owner: &str| owner.len() <= 253 && owner.split('.').all(|label| label.len() <= 63);
        for ((owner, kind), data) in self.0.iter().filter(|((owner, _), _)| can_be(owner)) {
            for (number, item) in data.iter().enumerate() {
                zones = match *kind {
                    "TXT" => zones.txt(owner, item),
                    "PTR" => zones.ptr(ip(owner), item),
                    "MX" => {
                        // The vectors give the addresses of mail hosts, not their names.
                        let host = format!("mx{number}.{owner}.hosts.invalid");
                        zones.mx(owner, 10, &host).address(&host, ip(item))
                    }
                    _ => zones.address(owner, ip(item)),
                };
            }
        }
        zones
    }
}

#[tokio::test]
async fn spf_does_what_the_vectors_say() {
    let mut wrong = Vec::new();
    let mut unused: Vec<_> = DEVIATIONS.iter().map(|row| (row.0, row.1, row.2)).collect();
    let mut count = 0;
    for (file, text) in files("spf") {
        for case in cases(&text) {
            let server = DnsServer::start(case.records.zones()).await.unwrap();
            for name in case.names().filter(|name| name.contains(BROKEN)) {
                server.fail(&name, Failure::ServFail);
            }
            let config = Config::new(vec![server.address()], Dnssec::Off);
            let verifier = Verifier::new(Resolver::new(&config).unwrap(), Options::default());
            for (number, test) in case.tests.iter().enumerate() {
                count += 1;
                let message = b"Subject: x\r\n\r\n";
                let asked = Asked {
                    client: ip(&test.client),
                    helo: &test.helo,
                    reverse_path: &test.sender,
                    hostname: "localdomain.org",
                    message,
                };
                let findings = verifier.verify(&asked).await;
                let spf = if findings.spf_helo.outcome == Outcome::Fail { &findings.spf_helo } else { &findings.spf };
                let key = (file.as_str(), case.name.as_str(), number + 1);
                let deviation = DEVIATIONS.iter().find(|row| (row.0, row.1, row.2) == key);
                let expected = deviation.map_or(test.expected.as_str(), |row| row.4);
                unused.retain(|row| *row != key);
                if let Some(row) = deviation {
                    assert_eq!(row.3, test.expected, "{key:?}: the vectors have changed");
                }
                let explained = test.explanation.as_ref().is_none_or(|text| spf.explanation.as_ref() == Some(text));
                if spf.outcome.as_str() != expected || !explained {
                    wrong.push(format!("{key:?}: expected {expected} {:?}, found {spf:?}", test.explanation));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(unused.is_empty(), "deviations that are none: {unused:?}");
    assert!(count > 100, "only {count} tests were found");
}

/// A file of records, an empty line, and a message.
async fn verified(text: &str) -> provenance::Findings {
    let (records, message) = text.split_once("\n\n").unwrap();
    let mut zones = Zones::new();
    for (owner, data) in records.lines().filter_map(|line| line.split_once(' ')) {
        zones = zones.txt(owner, data);
    }
    World::new(zones).await.verify(message.replace('\n', "\r\n").as_bytes()).await
}

#[tokio::test]
async fn dkim_passes_as_the_vectors_say() {
    let files = files("dkim");
    assert!(files.len() >= 6);
    for (file, text) in files {
        let findings = verified(&text).await;
        let last = findings.dkim.last().unwrap();
        if EXPIRED.contains(&file.as_str()) {
            assert_eq!(last.problem.as_deref(), Some("Signature expired"), "{file}: {:?}", findings.dkim);
        } else {
            assert_eq!(last.outcome, Outcome::Pass, "{file}: {:?}", findings.dkim);
        }
    }
}

/// RFC 8463 §A.3: both of its signatures.
#[tokio::test]
async fn the_example_of_rfc_8463_passes_twice() {
    let text = std::fs::read_to_string(vectors().join("dkim/001.txt")).unwrap();
    let findings = verified(&text).await;
    let found: Vec<_> = findings.dkim.iter().map(|dkim| (dkim.algorithm, dkim.outcome)).collect();
    assert_eq!(found, [("ed25519-sha256", Outcome::Pass), ("rsa-sha256", Outcome::Pass)]);
}

#[tokio::test]
async fn arc_passes_as_the_vectors_say() {
    let files = files("arc");
    assert!(files.len() >= 2);
    for (file, text) in files {
        let findings = verified(&text).await;
        assert_eq!(findings.arc.outcome, Outcome::Pass, "{file}: {:?}", findings.arc);
        assert_eq!(findings.arc.sealers.len(), findings.arc.instances as usize, "{file}");
        // A message that is changed fails.
        let changed = text.trim_end().to_owned() + "x\n";
        assert_eq!(verified(&changed).await.arc.outcome, Outcome::Fail, "{file}");
    }
}
