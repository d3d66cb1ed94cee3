//! The test suite of RFC 7208 (OpenSPF's), case by case against a DNS server that has its records. It is not ours to
//! keep: `REINTEGRA_SPF_SUITE` says where it lies.

use std::collections::BTreeSet;

use dns::{Config, Dnssec, Resolver};
use provenance::{Asked, Options, Spf, Verifier};
use testkit::dns_server::{DnsServer, Failure, Zones};
use yaml_rust2::{Yaml, YamlLoader};

use crate::world::ip;

const VARIABLE: &str = "REINTEGRA_SPF_SUITE";
/// Cases in the release of 2014.04 and what pyspf added to it.
const CASES: usize = 203;

/// Where we differ from the suite: case, what it says, what we say, why. Each row must be needed.
const DEVIATIONS: &[(&str, &str, &str, &str)] = &[
    (
        "null-text",
        "pass",
        "temperror",
        "a TXT record without strings is malformed (RFC 1035 §3.3.14), and nothing of an answer that has one is believed",
    ),
    (
        "v-macro-ip6",
        "fail: cafe:babe::1 is queried as 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.E.B.A.B.E.F.A.C.ip6.arpa",
        "fail: cafe:babe::1 is queried as 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.e.b.a.b.e.f.a.c.ip6.arpa",
        "the example of RFC 7208 §7.4 has an address in lower case; to DNS it is the same",
    ),
];

/// Records that a name is given, and whether other questions for it are not answered.
#[derive(Default)]
struct Records {
    zones: Zones,
    silent: Vec<String>,
}

impl Records {
    fn read(zonedata: &Yaml) -> Records {
        let mut records = Records::default();
        for (owner, list) in zonedata.as_hash().unwrap() {
            records.add(text(owner), list.as_vec().unwrap());
        }
        records
    }

    fn add(&mut self, owner: &str, list: &[Yaml]) {
        let typed: Vec<(&str, &Yaml)> = list
            .iter()
            .filter_map(Yaml::as_hash)
            .flat_map(|record| record.iter().map(|(kind, data)| (text(kind), data)))
            .collect();
        // Records of the type SPF stand for those of TXT too, unless there are any of those: of a type that is no more
        // (RFC 7208 §3.1) there is nothing else to be seen.
        let has_txt = typed.iter().any(|(kind, _)| *kind == "TXT");
        let mut known = BTreeSet::new();
        for (kind, data) in &typed {
            // A server does not have one record twice.
            if !known.insert(format!("{kind} {data:?}")) || data.as_str() == Some("NONE") {
                continue;
            }
            let zones = std::mem::take(&mut self.zones);
            self.zones = match *kind {
                "SPF" if has_txt => zones,
                "TXT" | "SPF" => zones.strings(owner, &strings(data)),
                "A" | "AAAA" => zones.address(owner, ip(text(data))),
                "CNAME" => zones.cname(owner, text(data)),
                "MX" => zones.mx(owner, u16::try_from(data[0].as_i64().unwrap()).unwrap(), text(&data[1])),
                "PTR" => zones.text(&format!("{owner}. PTR {}.", text(data).trim_end_matches('.'))),
                other => panic!("{owner} has a record of type {other}"),
            };
        }
        // Only for its TXT records is a name asked that has any of its own and does not answer otherwise.
        let answers = typed.iter().any(|(kind, data)| *kind == "TXT" && data.as_str() != Some("NONE"));
        if list.iter().any(|item| item.as_str() == Some("TIMEOUT")) && !answers {
            self.silent.push(owner.to_owned());
        }
    }

    async fn serve(self) -> DnsServer {
        let server = DnsServer::start(self.zones).await.unwrap();
        for name in &self.silent {
            // What silence comes to in the end, and sooner.
            server.fail(name, Failure::ServFail);
        }
        server
    }
}

fn text(yaml: &Yaml) -> &str {
    yaml.as_str().unwrap_or_else(|| panic!("{yaml:?} is no text"))
}

/// The strings of a TXT record; the suite writes octets as characters.
fn strings(data: &Yaml) -> Vec<Vec<u8>> {
    let octets = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    match data.as_vec() {
        Some(list) => list.iter().map(|string| octets(text(string))).collect(),
        None => vec![octets(text(data))],
    }
}

/// What the suite allows; with the explanation, where it names one.
fn allowed(case: &Yaml) -> Vec<String> {
    let results = match case["result"].as_vec() {
        Some(list) => list.iter().map(text).collect(),
        None => vec![text(&case["result"])],
    };
    let explained = |result: &str| match case["explanation"].as_str() {
        None => result.to_owned(),
        // None of the domain's own.
        Some("DEFAULT") => format!("{result}: "),
        Some(explanation) => format!("{result}: {explanation}"),
    };
    results.into_iter().map(explained).collect()
}

fn found(case: &Yaml, spf: &Spf) -> String {
    let result = spf.outcome.as_str();
    match case["explanation"].as_str() {
        None => result.to_owned(),
        Some(_) => format!("{result}: {}", spf.explanation.as_deref().unwrap_or_default()),
    }
}

#[tokio::test]
async fn every_case_of_the_suite_comes_out_as_it_says() {
    let Some(path) = testkit::file_named_by(VARIABLE, "the test suite of RFC 7208") else { return };
    let suite = std::fs::read_to_string(path).unwrap();
    let mut wrong = Vec::new();
    let mut unused: Vec<&str> = DEVIATIONS.iter().map(|row| row.0).collect();
    let mut count = 0;
    for scenario in YamlLoader::load_from_str(&suite).unwrap() {
        let server = Records::read(&scenario["zonedata"]).serve().await;
        let config = Config::new(vec![server.address()], Dnssec::Off);
        let verifier = Verifier::new(Resolver::new(&config).unwrap(), Options::default());
        for (name, case) in scenario["tests"].as_hash().unwrap() {
            count += 1;
            let name = text(name);
            let asked = Asked {
                client: ip(text(&case["host"])),
                helo: text(&case["helo"]),
                reverse_path: text(&case["mailfrom"]),
                hostname: "receiver.example",
                message: b"Subject: x\r\n\r\n",
            };
            let spf = verifier.verify(&asked).await.spf;
            let (found, mut allowed) = (found(case, &spf), allowed(case));
            if let Some((_, theirs, ours, _)) = DEVIATIONS.iter().find(|row| row.0 == name) {
                assert_eq!(allowed, [*theirs], "{name}: the suite has changed");
                allowed = vec![(*ours).to_owned()];
                unused.retain(|other| *other != name);
            }
            if !allowed.contains(&found) {
                wrong.push(format!("{name}: expected {allowed:?}, found {found:?} ({:?})", spf.problem));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(unused.is_empty(), "deviations that are none: {unused:?}");
    assert_eq!(count, CASES);
}
