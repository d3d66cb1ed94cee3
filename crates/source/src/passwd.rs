//! Account lines of a Dovecot passwd-file: `user:password:uid:gid:gecos:home:shell:extra_fields`.
//!
//! Everything after the seventh colon is extra fields, colons included, because values such as
//! `userdb_quota_rule=*:storage=100M` hold them. Lines that give no account are notices with file and line; no notice
//! ever shows a password field, nor a user field that could be one by mistake (`RULES.md 7.9`).

use crate::{Account, Notice};
use message::Address;
use std::borrow::Cow;
use std::collections::HashMap;

/// The longest line that is looked at: longer ones are damage, no account needs them.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Schemes whose value is the password itself, so that a leading `!` or `*` belongs to it and locks nothing.
const PLAIN_SCHEMES: [&str; 3] = ["PLAIN", "CLEAR", "CLEARTEXT"];

/// Reads the account lines of a passwd-file; `file` is what notices call it.
///
/// A repeated address keeps its first line. Password fields are kept exactly as written.
pub fn parse(text: &[u8], file: &str) -> (Vec<Account>, Vec<Notice>) {
    let mut accounts: Vec<Account> = Vec::new();
    let mut notices = Vec::new();
    let mut lines_by_address: HashMap<String, usize> = HashMap::new();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    for (index, line) in text.split(|&b| b == b'\n').enumerate() {
        let number = index + 1;
        let mut notice = |rule, text: String| notices.push(Notice { rule, place: format!("{file}:{number}"), text });
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() || line.trim_ascii_start().starts_with(b"#") {
            continue;
        }
        if line.len() > MAX_LINE_BYTES {
            notice("7.9", format!("the line has {} bytes and was not taken as an account line", line.len()));
            continue;
        }
        let (account, doubts) = match parse_line(line) {
            Ok(parsed) => parsed,
            Err(reason) => {
                notice("7.9", format!("the line gives no account: {reason}"));
                continue;
            }
        };
        if let Some(first) = lines_by_address.get(account.address.key()) {
            notice("7.9", format!("{} stands already in line {first}, which was kept", account.address));
            continue;
        }
        for doubt in doubts {
            notice(doubt.rule, format!("{}: {}", account.address, doubt.text));
        }
        lines_by_address.insert(account.address.key().to_owned(), number);
        accounts.push(account);
    }
    (accounts, notices)
}

/// Something about an accepted line that is worth listing.
struct Doubt {
    rule: &'static str,
    text: &'static str,
}

fn parse_line(line: &[u8]) -> Result<(Account, Vec<Doubt>), Cow<'static, str>> {
    let mut fields = line.splitn(8, |&b| b == b':');
    let mut next = || fields.next().unwrap_or_default();
    let (user, password) = (next(), next());
    let (_uid, _gid) = (next(), next());
    let (gecos, home, _shell, extra) = (next(), next(), next(), next());

    let mut doubts = Vec::new();
    let extra = Extra::parse(extra, &mut doubts);
    let address = address_of(user, extra.user.as_deref())?;
    let password_hash = password_text(password).unwrap_or_else(|()| {
        doubts.push(Doubt { rule: "7.2", text: "the password field is not UTF-8 and cannot be used" });
        None
    });
    Ok((
        Account {
            address,
            disabled: extra.nologin || password_hash.as_deref().is_some_and(is_locked),
            password_hash,
            name: name_of_gecos(gecos),
            quota_bytes: extra.quota_bytes,
            forwards: Vec::new(),
            language: None,
            home: extra.home.or_else(|| some_text(home)),
        },
        doubts,
    ))
}

/// The address of the user field; where that is a bare login name, the `user` extra field may say it.
fn address_of(user: &[u8], extra_user: Option<&str>) -> Result<Address, Cow<'static, str>> {
    let Ok(user) = std::str::from_utf8(user.trim_ascii()) else {
        return Err("the user field is not UTF-8".into());
    };
    if user.contains('@') {
        return Address::new(user).map_err(|e| e.reason.into());
    }
    if let Some(Ok(address)) = extra_user.map(Address::new) {
        return Ok(address);
    }
    // A damaged line may begin with another field: only what cannot be a hash is repeated.
    let harmless = (1..=64).contains(&user.len())
        && user.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    Err(if harmless {
        format!("the user {user:?} has no domain").into()
    } else {
        "the user field is no address".into()
    })
}

/// The password field as it stands; `None` when it is empty.
pub(crate) fn password_text(field: &[u8]) -> Result<Option<String>, ()> {
    let text = std::str::from_utf8(field).map_err(|_| ())?;
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Whether a hash is marked as locked: `!` or `*` stands first, after the scheme if there is one (shadow(5), usermod(8)).
pub(crate) fn is_locked(hash: &str) -> bool {
    let (scheme, value) = match hash.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((scheme, value)) => (scheme, value),
        None => ("", hash),
    };
    let scheme = scheme.split('.').next().unwrap_or_default();
    value.starts_with(['!', '*']) && !PLAIN_SCHEMES.iter().any(|plain| plain.eq_ignore_ascii_case(scheme))
}

/// The full name of a gecos field: all of it, or what stands before the first comma of `name,room,phone,…`.
fn name_of_gecos(gecos: &[u8]) -> Option<String> {
    let text = lenient_text(gecos);
    let name = if text.matches(',').count() >= 2 { text.split(',').next().unwrap_or_default() } else { &text };
    some_text(name.as_bytes())
}

/// The trimmed text of a field without control characters; `None` when nothing is left.
pub(crate) fn some_text(field: &[u8]) -> Option<String> {
    let text: String = lenient_text(field).chars().filter(|c| !c.is_control()).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Text that should be UTF-8 and, where it is not, was written as ISO-8859-1 by an older system.
pub(crate) fn lenient_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&b| char::from(b)).collect()),
    }
}

/// What the extra fields say that concerns an account here; the rest configures a server that is gone.
#[derive(Default)]
struct Extra {
    quota_bytes: Option<u64>,
    nologin: bool,
    user: Option<String>,
    home: Option<String>,
}

impl Extra {
    fn parse(field: &[u8], doubts: &mut Vec<Doubt>) -> Self {
        let mut extra = Extra::default();
        for word in lenient_text(field).split_ascii_whitespace() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            match key.strip_prefix("userdb_").unwrap_or(key) {
                "nologin" => extra.nologin = !["n", "no", "0", "false"].contains(&value),
                "user" => extra.user = Some(value.to_owned()),
                "home" => extra.home = some_text(value.as_bytes()),
                "quota_storage_size" => extra.note_quota(size_bytes(value, 1), doubts),
                rule if rule.strip_prefix("quota_rule").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())) => {
                    if let Some(limit) = rule_of_root(value) {
                        extra.note_quota(limit, doubts);
                    }
                }
                _ => {}
            }
        }
        extra
    }

    /// Takes the first quota that is said; zero means none.
    fn note_quota(&mut self, bytes: Result<u64, ()>, doubts: &mut Vec<Doubt>) {
        match bytes {
            Ok(0) => {}
            Ok(bytes) => self.quota_bytes = self.quota_bytes.or(Some(bytes)),
            Err(()) => doubts.push(Doubt { rule: "7.5", text: "the quota rule cannot be understood and was not used" }),
        }
    }
}

/// The storage limit of a quota rule for everything (`*:storage=1G:messages=1000`); `None` where the rule is about
/// single mailboxes (`Trash:storage=+100M`), or limits no storage.
fn rule_of_root(rule: &str) -> Option<Result<u64, ()>> {
    let limits = rule.strip_prefix("*:")?;
    limits.split(':').find_map(|limit| match limit.split_once('=')? {
        ("storage", size) => Some(size_bytes(size, 1024)),
        ("bytes", size) => Some(size_bytes(size, 1)),
        _ => None,
    })
}

/// A size with an optional suffix B, K, M, G or T in either case; without one it counts in `unit_bytes`.
fn size_bytes(text: &str, unit_bytes: u64) -> Result<u64, ()> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => unit_bytes,
        "B" => 1,
        "K" | "KB" => 1 << 10,
        "M" | "MB" => 1 << 20,
        "G" | "GB" => 1 << 30,
        "T" | "TB" => 1 << 40,
        _ => return Err(()),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(());
    }
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).ok_or(())
}
