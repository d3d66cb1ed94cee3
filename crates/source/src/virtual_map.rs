//! Alias lines of a Postfix map in its text form: virtual(5).
//!
//! `pattern target, target …`, one logical line each: a line that begins with white space goes on with the one before,
//! and blank lines and lines whose first character is `#` may stand anywhere between. Targets are kept as written.
//! Patterns that are no alias of an address or a domain are notices (`RULES.md` section 8 compares aliases only).

use crate::{Alias, AliasAddress, Notice};
use message::Address;
use std::collections::HashMap;

/// The longest logical line that is looked at: some tens of thousands of targets.
const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// Reads the alias lines of a map; `file` is what notices call it. A repeated pattern keeps its first line, as
/// postmap(1) does.
pub fn parse(text: &[u8], file: &str) -> (Vec<Alias>, Vec<Notice>) {
    let mut aliases: Vec<Alias> = Vec::new();
    let mut notices = Vec::new();
    let mut line_by_address: HashMap<AliasAddress, usize> = HashMap::new();
    for logical in logical_lines(text) {
        let number = logical.number;
        let mut notice = |text: String| notices.push(Notice { rule: "8.3", place: format!("{file}:{number}"), text });
        let alias = match parse_line(&logical) {
            Ok(alias) => alias,
            Err(reason) => {
                notice(reason);
                continue;
            }
        };
        if let Some(first) = line_by_address.get(&alias.address) {
            let name = name_of(&alias.address);
            notice(format!("{name} stands already in line {first}, which was kept"));
            continue;
        }
        line_by_address.insert(alias.address.clone(), number);
        aliases.push(alias);
    }
    (aliases, notices)
}

/// A line with its continuations.
struct Logical {
    /// The number of its first physical line, from 1.
    number: usize,
    bytes: Vec<u8>,
    /// Whether it continues nothing: white space stands before the first pattern of the file.
    headless: bool,
}

fn logical_lines(text: &[u8]) -> Vec<Logical> {
    let mut lines: Vec<Logical> = Vec::new();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    for (index, line) in text.split(|&b| b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let trimmed = line.trim_ascii_start();
        if trimmed.is_empty() || trimmed.starts_with(b"#") {
            continue;
        }
        let continues = trimmed.len() < line.len();
        match lines.last_mut() {
            Some(last) if continues => last.bytes.extend_from_slice(line),
            _ => lines.push(Logical { number: index + 1, bytes: line.to_vec(), headless: continues }),
        }
    }
    lines
}

fn parse_line(logical: &Logical) -> Result<Alias, String> {
    if logical.headless {
        return Err("the line begins with white space but there is no line that it could continue".to_owned());
    }
    if logical.bytes.len() > MAX_LINE_BYTES {
        return Err(format!("the line has {} bytes and was not taken as an alias", logical.bytes.len()));
    }
    let Ok(text) = std::str::from_utf8(&logical.bytes) else {
        return Err("the line is not UTF-8 and was not taken as an alias".to_owned());
    };
    if text.starts_with('"') {
        return Err("a quoted localpart cannot be hosted here, the line was not taken as an alias".to_owned());
    }
    let (pattern, rest) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
    let address = parse_pattern(pattern)?;
    let targets = split_targets(rest);
    if targets.is_empty() {
        return Err(format!("{pattern:?} has no target"));
    }
    Ok(Alias { address, targets })
}

fn parse_pattern(pattern: &str) -> Result<AliasAddress, String> {
    if let Some(domain) = pattern.strip_prefix('@') {
        // An address of the domain passes exactly where the domain does.
        let probe = Address::new(&format!("postmaster@{domain}"));
        return match probe {
            Ok(address) => Ok(AliasAddress::CatchAll(address.domain().to_owned())),
            Err(e) => Err(format!("{pattern:?} is no catch-all: {}", e.reason)),
        };
    }
    if pattern.contains('@') {
        return match Address::new(pattern) {
            Ok(address) => Ok(AliasAddress::Address(address)),
            Err(e) => Err(format!("{pattern:?} is no address: {}", e.reason)),
        };
    }
    Err(if pattern.contains('.') && !pattern.contains('/') {
        format!("{pattern:?} only marks a virtual domain (old style), it is no alias")
    } else {
        format!("{pattern:?} has no domain and was not taken as an alias")
    })
}

/// Splits targets at commas and white space outside double quotes.
fn split_targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    let mut target = String::new();
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        if !quoted && (c == ',' || c.is_ascii_whitespace()) {
            if !target.is_empty() {
                targets.push(std::mem::take(&mut target));
            }
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        target.push(c);
    }
    if !target.is_empty() {
        targets.push(target);
    }
    targets
}

fn name_of(address: &AliasAddress) -> String {
    match address {
        AliasAddress::Address(address) => address.to_string(),
        AliasAddress::CatchAll(domain) => format!("@{domain}"),
    }
}
