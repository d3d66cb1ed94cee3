//! What the TOML reader says of a value, in words for people who know no Rust.

use crate::nearest::Nearest;

/// Words a message of the reader's. The key is named by who shows it; messages of our own are left as they are.
pub(super) fn of(message: &str) -> String {
    let message = message.trim_end();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown_key(rest);
    }
    if message.starts_with("unknown variant ") {
        return format!("one of {} is expected", quoted(message).skip(1).collect::<Vec<_>>().join(", "));
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("{name} is missing");
    }
    if message == "invalid IP address syntax" {
        return "an IP address is expected, such as 192.0.2.1 or 2001:db8::1".to_owned();
    }
    // Of a choice of words.
    if message == "wanted string or table" {
        return wanted("a string");
    }
    let is_of_a_value = message.starts_with("invalid type: ") || message.starts_with("invalid value: ");
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if is_of_a_value => wanted(expected),
        _ => message.to_owned(),
    }
}

/// From "`that`, expected one of `these`, `those`".
fn unknown_key(rest: &str) -> String {
    let mut names = quoted(rest);
    let wanted = names.next().unwrap_or_default();
    let names: Vec<&str> = names.collect();
    let mut nearest = Nearest::to(wanted.trim_matches('`'));
    names.iter().for_each(|name| nearest.consider(name.trim_matches('`')));
    match nearest.found() {
        Some(meant) => format!("there is no such key; did you mean `{meant}`?"),
        None => format!("there is no such key; there are {}", names.join(", ")),
    }
}

/// What stands between backticks, with them.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let backticks: Vec<usize> = text.match_indices('`').map(|(at, _)| at).collect();
    let pairs: Vec<(usize, usize)> = backticks.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    pairs.into_iter().map(move |(from, to)| &text[from..=to])
}

/// What kind of value is expected.
fn wanted(expected: &str) -> String {
    match expected {
        "a nonzero u32" | "nonzero u32" => "a whole number from 1 on is expected".to_owned(),
        "a string" | "string" | "path string" => "a text is expected, in quotes".to_owned(),
        "a boolean" => "`true` or `false` is expected".to_owned(),
        // Addresses, in all lists but that of certificates, which nobody writes as a list.
        "a sequence" => "a list is expected: [\"0.0.0.0:143\"]".to_owned(),
        text if text.starts_with("struct ") => "a table is expected".to_owned(),
        other => format!("{other} is expected"),
    }
}
