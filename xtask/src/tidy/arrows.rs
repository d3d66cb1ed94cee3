//! Crates import downwards only, tests may take `testkit` besides, and only the storage crates know a database.

use super::{Finding, Tree};

/// Each crate of ours with those it may import, lowest first.
const ARROWS: [(&str, &[&str]); 18] = [
    ("message", &[]),
    ("source", &["message"]),
    ("sieve", &["message"]),
    ("store", &["message"]),
    ("directory", &["message", "sieve"]),
    ("dns", &[]),
    ("provenance", &["message", "dns"]),
    ("integrate", &["message", "source", "store", "directory"]),
    ("edge", &["message", "store", "directory"]),
    ("acme", &["edge"]),
    ("queue", &["message", "store", "directory", "dns", "provenance", "edge"]),
    ("smtp", &["message", "sieve", "store", "directory", "dns", "provenance", "edge", "queue"]),
    ("managesieve", &["message", "sieve", "store", "directory", "edge"]),
    ("pop3", &["message", "store", "directory", "edge"]),
    ("imap", &["message", "store", "directory", "edge"]),
    (
        "reintegra",
        &[
            "message",
            "source",
            "store",
            "directory",
            "sieve",
            "integrate",
            "dns",
            "provenance",
            "edge",
            "acme",
            "queue",
            "smtp",
            "managesieve",
            "pop3",
            "imap",
        ],
    ),
    ("testkit", &["message", "store"]),
    ("xtask", &[]),
];

/// Crates of others that only some of ours may import: who knows SQL is decided here (`testkit` breaks disks under it).
const RESERVED: [(&str, &[&str]); 1] = [("rusqlite", &["store", "directory", "testkit"])];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        let Some(name) = crate_of_manifest(path) else { continue };
        let mut say = |what: String| findings.push(Finding::new(path, None, what));
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
            say(format!("{name} has no place among the arrows: add it to xtask/src/tidy/arrows.rs"));
            continue;
        };
        let manifest = match text.parse::<toml::Table>() {
            Ok(manifest) => manifest,
            Err(error) => {
                say(format!("cannot be read: {}", error.message()));
                continue;
            }
        };
        for (kind, imported) in imports(&manifest) {
            let test = kind == "dev-dependencies";
            let ours = ARROWS.iter().any(|(known, _)| *known == imported);
            if ours && !allowed.contains(&imported.as_str()) && !(test && imported == "testkit") {
                say(format!("{name} must not import {imported} ({kind})"));
            }
            if RESERVED.iter().any(|(crate_, users)| *crate_ == imported && !users.contains(&name)) {
                say(format!("{name} must not import {imported}: SQL lives in store and directory"));
            }
        }
    }
    findings
}

/// `crates/NAME/Cargo.toml` or `xtask/Cargo.toml`.
fn crate_of_manifest(path: &str) -> Option<&str> {
    match path.strip_suffix("/Cargo.toml")? {
        "xtask" => Some("xtask"),
        directory => directory.strip_prefix("crates/").filter(|name| !name.contains('/')),
    }
}

/// Every import of a manifest, those for one target included, as (kind, name of the package).
fn imports(manifest: &toml::Table) -> Vec<(&'static str, String)> {
    let targets = manifest.get("target").and_then(|targets| targets.as_table());
    let per_target = targets.into_iter().flat_map(|targets| targets.values()).filter_map(|target| target.as_table());
    let mut out = Vec::new();
    for section in std::iter::once(manifest).chain(per_target) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = section.get(kind).and_then(|entries| entries.as_table());
            for (key, entry) in entries.into_iter().flatten() {
                let renamed = entry.get("package").and_then(|package| package.as_str());
                out.push((kind, renamed.unwrap_or(key).to_owned()));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::said;

    #[test]
    fn downward_imports_are_good() {
        let manifest = "[dependencies]\nmessage.workspace = true\nblake3 = \"1\"\nrusqlite = \"1\"\n\
                        [dev-dependencies]\ntestkit.workspace = true\n";
        assert!(said(check, &[("crates/store/Cargo.toml", manifest)]).is_empty());
    }

    #[test]
    fn an_upward_import_is_found_however_it_is_written() {
        for upward in [
            "[dependencies]\nstore.workspace = true\n",
            "[dependencies]\nstore = { path = \"../store\" }\n",
            "[dependencies]\nother = { package = \"store\", path = \"../store\" }\n",
            "[build-dependencies]\nstore.workspace = true\n",
            "[dev-dependencies]\nstore.workspace = true\n",
            "[target.'cfg(unix)'.dependencies]\nstore.workspace = true\n",
        ] {
            let said = said(check, &[("crates/source/Cargo.toml", upward)]);
            assert_eq!(said.len(), 1, "{upward}");
            assert!(said[0].starts_with("crates/source/Cargo.toml: source must not import store"), "{said:?}");
        }
    }

    #[test]
    fn testkit_is_for_tests_only() {
        let said = said(check, &[("crates/reintegra/Cargo.toml", "[dependencies]\ntestkit.workspace = true\n")]);
        assert_eq!(said, ["crates/reintegra/Cargo.toml: reintegra must not import testkit (dependencies)"]);
    }

    #[test]
    fn only_storage_crates_know_a_database() {
        let said = said(check, &[("crates/integrate/Cargo.toml", "[dependencies]\nrusqlite.workspace = true\n")]);
        assert_eq!(
            said,
            ["crates/integrate/Cargo.toml: integrate must not import rusqlite: SQL lives in store and directory"]
        );
    }

    #[test]
    fn a_crate_without_a_place_and_a_broken_manifest_are_found() {
        let said = said(check, &[("crates/web/Cargo.toml", ""), ("crates/store/Cargo.toml", "[dep")]);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("cannot be read") && said[1].contains("web has no place"), "{said:?}");
    }
}
