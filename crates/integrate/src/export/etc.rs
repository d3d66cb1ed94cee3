//! The files beside the mail: accounts for Dovecot, domains and address maps for Postfix.
//!
//! None of them can hold a comment or a blank line: other readers take every line for an entry. What would not survive in
//! its line is left out and listed; a hash is written exactly or not at all.

use super::disk::{self, Dir};
use super::{ExportError, Result, Run};
use directory::{Account, Alias, AliasAddress, DirectoryError, Domain, DomainAlias, Secret};
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

const MIB: u64 = 1 << 20;

/// The files, being written.
pub(super) struct Etc<'a> {
    run: &'a Run<'a>,
    etc: &'a Dir,
    postfix: Dir,
    users: Lines,
    /// Lines of accounts that must not be opened at all: no server is told to read this file.
    users_aside: Lines,
}

/// A file of lines.
struct Lines {
    file: BufWriter<File>,
    path: PathBuf,
}

impl<'a> Etc<'a> {
    pub(super) fn begin(run: &'a Run<'a>, etc: &'a Dir) -> Result<Self> {
        let (dovecot, postfix) = (etc.make("dovecot")?, etc.make("postfix")?);
        let (users, users_aside) = (Lines::new(&dovecot, "users")?, Lines::new(&dovecot, "users-quarantined")?);
        Ok(Etc { run, etc, postfix, users, users_aside })
    }

    /// Writes the lists of domains; gives the domains in which nobody may sign in.
    pub(super) fn domains(&self) -> Result<HashSet<String>> {
        let run = self.run;
        let directory = &run.platform.directory;
        let mut all = Lines::new(self.etc, "domains")?;
        let mut receiving = Lines::new(&self.postfix, "virtual_domains")?;
        let mut shut = HashSet::new();
        walking(
            |each| directory.for_each_domain(each),
            |domain| {
                if !is_chosen(run, &domain.name) {
                    return Ok(());
                }
                let customer = domain.customer_id.map(|id| directory.customer(id)).transpose()?.flatten();
                all.put(&domain_line(run, &domain, customer.map(|customer| customer.name)))?;
                if domain.disabled {
                    shut.insert(domain.name);
                    return Ok(());
                }
                receiving.put(&format!("{}\tOK", domain.name))
            },
        )?;
        all.finish()?;
        receiving.finish()?;
        Ok(shut)
    }

    /// Writes an account's line; `aside`: into the file that no server reads, `barred`: its owner may not sign in.
    pub(super) fn account(&mut self, account: &Account, aside: bool, barred: bool) -> Result<()> {
        let address = account.address.as_str();
        if address.starts_with('#') {
            self.run.notice("7.3", address, "a line that begins with # is a comment: the account is not in users");
            return Ok(());
        }
        let (line, doubts) = users_line(account, barred);
        doubts.into_iter().for_each(|(rule, text)| self.run.notice(rule, address, text));
        if aside { self.users_aside.put(&line) } else { self.users.put(&line) }
    }

    /// Ends the lists of accounts and writes the maps of addresses.
    pub(super) fn maps(mut self) -> Result<()> {
        self.users.finish()?;
        self.users_aside.finish()?;
        self.aliases()?;
        self.forwards()
    }

    /// Aliases, then those of whole domains, which are the same to Postfix.
    fn aliases(&self) -> Result<()> {
        let run = self.run;
        let directory = &run.platform.directory;
        let mut map = Lines::new(&self.postfix, "virtual")?;
        let mut catch_alls = HashSet::new();
        walking(
            |each| directory.for_each_alias(each),
            |alias| {
                if !is_alias_chosen(run, &alias) {
                    return Ok(());
                }
                if !alias.enabled {
                    run.notice("8", &alias.address, "the alias is not in force and is left out");
                    return Ok(());
                }
                if let AliasAddress::CatchAll(domain) = &alias.address {
                    catch_alls.insert(domain.clone());
                }
                map.put_entry(run, &alias.address.to_string(), &alias.targets)
            },
        )?;
        walking(
            |each| directory.for_each_domain_alias(each),
            |DomainAlias { from, to }| {
                if !is_wholly_chosen(run, &from) {
                    return Ok(());
                }
                if catch_alls.contains(&from) {
                    let text = format!("it stands for {to} and has a catch-all: the map can hold one, and holds that");
                    run.notice("8.4", format!("@{from}"), text);
                    return Ok(());
                }
                map.put_entry(run, &format!("@{from}"), &[format!("@{to}")])
            },
        )?;
        map.finish()
    }

    /// Forwards are a map of their own: among aliases they would be taken for some.
    fn forwards(&self) -> Result<()> {
        let run = self.run;
        let directory = &run.platform.directory;
        let mut map = Lines::new(&self.postfix, "virtual_forwards")?;
        walking(
            |each| directory.for_each_forward(|id, forward| each((id, forward))),
            |(id, forward)| {
                let Some(account) = directory.account_by_id(id)? else { return Ok(()) };
                if !run.selection.has(&account.address) {
                    return Ok(());
                }
                let itself = forward.keep_copy.then(|| account.address.to_string());
                let targets: Vec<String> = itself.into_iter().chain(forward.targets).collect();
                map.put_entry(run, account.address.as_str(), &targets)
            },
        )?;
        map.finish()
    }
}

impl Lines {
    fn new(directory: &Dir, name: &str) -> Result<Self> {
        Ok(Lines { file: BufWriter::new(directory.new_file(name)?), path: directory.path_of(name) })
    }

    fn put(&mut self, line: &str) -> Result<()> {
        writeln!(self.file, "{line}").map_err(disk::error(&self.path))
    }

    /// An entry of an address map: `address`, a tab, the targets with `, ` between them.
    fn put_entry(&mut self, run: &Run<'_>, address: &str, targets: &[String]) -> Result<()> {
        let (fit, unfit): (Vec<&String>, Vec<&String>) = targets.iter().partition(|target| is_one_target(target));
        for target in unfit {
            run.notice("8.3", address, format!("the target {target:?} cannot stand in an address map"));
        }
        if address.starts_with('#') {
            run.notice("8.3", address, "an entry that begins with # is a comment: it is not in the map");
            return Ok(());
        }
        let fit: Vec<&str> = fit.into_iter().map(String::as_str).collect();
        if fit.is_empty() { Ok(()) } else { self.put(&format!("{address}\t{}", fit.join(", "))) }
    }

    fn finish(&mut self) -> Result<()> {
        self.file.flush().map_err(disk::error(&self.path))
    }
}

/// Whether a domain, or an account in it, is among the chosen.
fn is_chosen(run: &Run<'_>, domain: &str) -> bool {
    is_wholly_chosen(run, domain) || run.selection.accounts.iter().any(|address| address.domain() == domain)
}

fn is_wholly_chosen(run: &Run<'_>, domain: &str) -> bool {
    run.selection.is_all() || run.selection.domains.iter().any(|chosen| chosen == domain)
}

fn is_alias_chosen(run: &Run<'_>, alias: &Alias) -> bool {
    match &alias.address {
        AliasAddress::Exact(address) => is_wholly_chosen(run, address.domain()) || run.selection.has(address),
        AliasAddress::CatchAll(domain) => is_wholly_chosen(run, domain),
    }
}

/// `domain [disabled] [customer=NAME]`.
fn domain_line(run: &Run<'_>, domain: &Domain, customer: Option<String>) -> String {
    let mut line = domain.name.clone();
    if domain.disabled {
        line.push_str(" disabled");
    }
    match customer {
        Some(name) if name.chars().any(char::is_whitespace) => {
            run.notice("7.6", &domain.name, format!("the customer {name:?} is not one word and is left out"));
        }
        Some(name) => line.push_str(&format!(" customer={name}")),
        None => {}
    }
    line
}

/// `address:hash:uid:gid:name:home:shell:extra fields`, and what of the account could not stand in it. User, group and
/// home are left to Dovecot's `mail_uid`, `mail_gid` and `mail_home`: only its administrator knows them.
fn users_line(account: &Account, barred: bool) -> (String, Vec<(&'static str, &'static str)>) {
    let mut doubts = Vec::new();
    let fits = |text: &str| !text.chars().any(|c| c == ':' || c.is_control());
    let hash = account.password_hash.as_ref().map_or("", Secret::expose);
    if !fits(hash) {
        doubts.push(("7.2", "its hash cannot stand in a line of users: set a password before it is opened"));
    }
    let name = account.name.as_deref().unwrap_or_default();
    // What stands before the first of several commas would be taken for the name.
    let name_fits = fits(name) && name.trim() == name && name.matches(',').count() < 2;
    if !name_fits {
        doubts.push(("7.3", "its display name cannot stand in a line of users and is left out"));
    }
    let quota = match account.quota_bytes {
        None => None,
        Some(0) => {
            doubts.push(("7.5", "its quota is 0 bytes, which Dovecot takes for none"));
            None
        }
        Some(bytes) if bytes % MIB == 0 => Some(format!("userdb_quota_rule=*:storage={}M", bytes / MIB)),
        Some(bytes) => Some(format!("userdb_quota_rule=*:bytes={bytes}")),
    };
    let extra: Vec<String> = quota.into_iter().chain(barred.then(|| "nologin".to_owned())).collect();
    let (hash, name) = (if fits(hash) { hash } else { "" }, if name_fits { name } else { "" });
    (format!("{}:{hash}:::{name}:::{}", account.address, extra.join(" ")), doubts)
}

/// Whether a target stays one in an address map: no comma or white space but between double quotes, which must end.
fn is_one_target(target: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    let plain = target.chars().all(|c| {
        let fits = quoted || !(c == ',' || c.is_whitespace());
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        fits
    });
    plain && !quoted
}

/// Walks through rows of the directory with a body that can also fail otherwise than the directory does.
pub(super) fn walking<T>(
    walk: impl FnOnce(&mut dyn FnMut(T) -> Each) -> Each,
    mut body: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let mut failure = None;
    let walked = walk(&mut |row| {
        body(row).map_err(|error| {
            failure = Some(error);
            DirectoryError::Stopped
        })
    });
    failure.map_or(walked.map_err(ExportError::from), Err)
}

/// What a walk through the directory asks of its callback.
type Each = std::result::Result<(), DirectoryError>;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use directory::{AccountId, AccountState};
    use message::Address;

    fn account(hash: &str) -> Account {
        Account {
            id: AccountId::new_unchecked(1),
            address: Address::new("Ana@x.es").unwrap(),
            name: None,
            password_hash: Some(Secret::new(hash)),
            state: AccountState::Open,
            quota_bytes: None,
            quota_grace_until: None,
            language: None,
            pop3_before: None,
            created_at: 0,
            password_set_at: None,
            last_login_at: None,
            restored: None,
        }
    }

    #[test]
    fn lines_of_users() {
        let line = |account: &Account, barred| users_line(account, barred);
        let plain = account("{SSHA}abc=");
        assert_eq!(line(&plain, false), ("Ana@x.es:{SSHA}abc=::::::".into(), vec![]));
        assert_eq!(line(&plain, true).0, "Ana@x.es:{SSHA}abc=::::::nologin");
        let quota = Account { quota_bytes: Some(100 * MIB), name: Some("Ana Ñ".into()), ..account("x") };
        assert_eq!(
            line(&quota, true),
            ("Ana@x.es:x:::Ana Ñ:::userdb_quota_rule=*:storage=100M nologin".into(), vec![])
        );
        let odd = Account { quota_bytes: Some(MIB + 1), password_hash: None, ..account("") };
        assert_eq!(line(&odd, false), ("Ana@x.es:::::::userdb_quota_rule=*:bytes=1048577".into(), vec![]));
    }

    #[test]
    fn what_would_break_a_line_is_left_out_and_listed() {
        for hash in ["{PLAIN}a:b", "{PLAIN}a\nroot:x", "{PLAIN}\0"] {
            let (line, doubts) = users_line(&account(hash), false);
            assert_eq!((line.as_str(), doubts.len()), ("Ana@x.es:::::::", 1));
            assert!(!doubts[0].1.contains("PLAIN"));
        }
        for name in ["a:b", "Luna, Ana, Sr.", " ana", "a\nb"] {
            let (line, doubts) = users_line(&Account { name: Some(name.into()), ..account("x") }, false);
            assert_eq!((line.as_str(), doubts.len()), ("Ana@x.es:x::::::", 1), "{name}");
        }
    }

    #[test]
    fn targets_that_stay_one() {
        for target in ["ana@x.es", "ana", "\"a b\"@x.es", "|\"run this, that\"", "\"a\\\" b\"@x"] {
            assert!(is_one_target(target), "{target}");
        }
        for target in ["a b", "a,b", "\"a", "\"a\\\" b"] {
            assert!(!is_one_target(target), "{target}");
        }
    }
}
