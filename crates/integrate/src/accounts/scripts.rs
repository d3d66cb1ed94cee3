//! Sieve scripts of an account: which runs, and under which names the others are kept (`RULES.md 6.4`, 8.8).

use directory::{LineageScript, Script};
use std::collections::BTreeSet;

/// What becomes of the scripts of *before*.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Scripts {
    /// To be added to those that are there.
    pub(super) add: Vec<NewScript>,
    /// Which of all is to run; `None`: as it is.
    pub(super) activate: Option<String>,
    /// The script of *before* that *after*'s keeps from running: its name now, and its text.
    pub(super) rival: Option<NewScript>,
}

/// A script to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewScript {
    /// Its name.
    pub name: String,
    /// Its text.
    pub content: Vec<u8>,
}

/// Decides on the scripts of *before* beside those of the live account.
pub(super) fn join(live: &[Script], before: &[LineageScript], language: Option<&str>) -> Scripts {
    let running = live.iter().find(|s| s.active);
    let ran = before.iter().find(|s| s.active);
    let mut names: BTreeSet<String> = live.iter().map(|s| s.name.clone()).collect();
    let mut scripts = Scripts::default();
    for script in before {
        let is_the_one = ran.is_some_and(|r| r.name == script.name);
        let rivals = is_the_one && running.is_some_and(|r| r.content != script.content);
        let there = live.iter().find(|s| s.content == script.content).map(|s| s.name.clone());
        let name = there.unwrap_or_else(|| {
            let name = fit_name(&script.name);
            let name = if rivals || names.contains(&name) { of_before(&name, language) } else { name };
            let name = free(name, &names);
            names.insert(name.clone());
            scripts.add.push(NewScript { name: name.clone(), content: script.content.clone() });
            name
        });
        if rivals {
            scripts.rival = Some(NewScript { name, content: script.content.clone() });
        } else if is_the_one && running.is_none() {
            scripts.activate = Some(name);
        }
    }
    scripts
}

/// A name that says that the script is of *before*.
fn of_before(name: &str, language: Option<&str>) -> String {
    let english = language.is_some_and(|l| l.to_ascii_lowercase().starts_with("en"));
    if english { format!("{name} (before)") } else { format!("{name} (antes)") }
}

/// A name as the directory takes them: not empty, without control characters.
fn fit_name(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    if name.is_empty() { "script".to_owned() } else { name }
}

fn free(name: String, taken: &BTreeSet<String>) -> String {
    let numbered = (2..).map(|n| format!("{name} {n}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names.find(|n| !taken.contains(n)).expect("there are more numbers than names")
}

#[cfg(test)]
mod tests {
    use super::*;
    use directory::AccountId;

    fn live(name: &str, content: &str, active: bool) -> Script {
        let account = AccountId::new_unchecked(1);
        Script { account, name: name.into(), content: content.into(), active }
    }

    fn before(name: &str, content: &str, active: bool) -> LineageScript {
        LineageScript { account_key: "ana@example.org".into(), name: name.into(), content: content.into(), active }
    }

    fn new(name: &str, content: &str) -> NewScript {
        NewScript { name: name.into(), content: content.into() }
    }

    #[test]
    fn where_after_runs_none_that_of_before_runs() {
        let joined = join(&[], &[before("roundcube", "keep;", true), before("old", "stop;", false)], None);
        assert_eq!(joined.add, [new("roundcube", "keep;"), new("old", "stop;")]);
        assert_eq!(joined.activate.as_deref(), Some("roundcube"));
        assert_eq!(joined.rival, None);
    }

    #[test]
    fn where_after_runs_one_that_of_before_is_kept_under_a_name_that_says_so() {
        let joined = join(&[live("roundcube", "discard;", true)], &[before("roundcube", "keep;", true)], None);
        assert_eq!(joined.add, [new("roundcube (antes)", "keep;")]);
        assert_eq!((joined.activate, joined.rival), (None, Some(new("roundcube (antes)", "keep;"))));
        let english = join(&[live("a", "discard;", true)], &[before("b", "keep;", true)], Some("en-GB"));
        assert_eq!(english.add, [new("b (before)", "keep;")], "also where the name is free");
    }

    #[test]
    fn the_same_text_is_kept_once() {
        let joined = join(&[live("sieve", "keep;", true)], &[before("roundcube", "keep;", true)], None);
        assert_eq!(joined, Scripts::default());
        let idle = join(&[live("sieve", "keep;", false)], &[before("roundcube", "keep;", true)], None);
        assert_eq!((idle.add.len(), idle.activate.as_deref()), (0, Some("sieve")));
    }

    #[test]
    fn names_never_cover_one_another() {
        let there = [live("a", "1", true), live("a (antes)", "2", false)];
        let joined = join(&there, &[before("a", "3", true), before("\u{7}", "4", false)], None);
        assert_eq!(joined.add, [new("a (antes) 2", "3"), new("script", "4")]);
    }
}
