//! Manual pages and completions.

use crate::{Place, reintegra, text};

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::new();
    let out = place.path("man/pages");
    let ran = reintegra(&["man", "--out", text(&out)]);
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
    for page in ["reintegra", "reintegra-init", "reintegra-integrate-run", "reintegra-ledger-check"] {
        assert!(out.join(format!("{page}.1")).is_file(), "{page}");
    }
    let main = std::fs::read_to_string(out.join("reintegra.1")).unwrap();
    assert!(main.contains("wrong use"), "the exit codes stand in it");
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = reintegra(&["completions", shell]);
        assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
        assert!(ran.stdout.contains("integrate"), "{shell}");
    }
    assert_eq!(reintegra(&["completions", "abacus"]).code(), Some(2));
}
