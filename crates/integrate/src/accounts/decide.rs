//! What becomes of one account: a pure function of what is known of it (`RULES.md 6.4`, 7.1 to 7.9, 8.1, 8.2, 8.5, 8.7,
//! 8.8).

use super::conflict::{self, Evidence, Found, Kind, ScriptText, Side};
use super::facts::Facts;
use super::line::AccountLine;
use super::people::names_differ;
use super::scripts::{self, NewScript};
use super::targets::{fit, includes, same_targets, without};
use directory::password::{UnusableReason, usable};
use directory::{Account, AccountState, Forward, NewAccount, Secret};
use message::Address;
use serde::{Deserialize, Serialize};

/// Where an account was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Case {
    /// In both lineages (`RULES.md 7.1`).
    Both,
    /// In *before* only (`RULES.md 7.3`).
    BeforeOnly,
    /// In *after* only (`RULES.md 7.4`).
    AfterOnly,
    /// In *before* only, and mail is all that is left of it (`RULES.md 7.9`).
    MaildropWithoutAccount,
    /// In *before* only, without mail (`RULES.md 7.9`).
    AccountWithoutMaildrop,
}

/// What is to become of the mail of *before*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailStep {
    /// It joins the live account, which is made where there is none.
    Join,
    /// It is kept apart, readable by nobody (`RULES.md 8.7`).
    Seal,
    /// There is none.
    Nothing,
}

/// Which lineage's password opens the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordOrigin {
    /// That of *after*.
    After,
    /// That of *before*.
    Before,
    /// None: it is locked until its admin sets one.
    None,
}

/// What is to become of the account itself.
#[derive(Clone, Debug, PartialEq)]
pub enum AccountStep {
    /// It stays as it is.
    Keep,
    /// It comes back. Its integration is filled in when that is done.
    Create(NewAccount),
    /// It takes these settings.
    Change(Settings),
}

/// Settings to be changed; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The hash of the password.
    pub password_hash: Option<Secret>,
    /// Whether its owner may sign in.
    pub state: Option<AccountState>,
    /// The display name.
    pub name: Option<String>,
    /// The quota in bytes.
    pub quota_bytes: Option<u64>,
    /// The language tag.
    pub language: Option<String>,
}

/// Something worth listing in the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The rule under which it is listed (`7.8`).
    pub rule: String,
    /// What was found and what was done about it.
    pub text: String,
}

/// What is to become of one account.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Whose.
    pub address: Address,
    /// Where it was found.
    pub case: Case,
    /// What is to become of its mail of *before*.
    pub mail: MailStep,
    /// What is to become of the account.
    pub account: AccountStep,
    /// Which password opens it.
    pub password: PasswordOrigin,
    /// The forward that it takes over from *before*.
    pub forward: Option<Forward>,
    /// The scripts that it takes over from *before*, none of them running.
    pub scripts: Vec<NewScript>,
    /// The script that is to run; `None`: as it is.
    pub activate_script: Option<String>,
    /// For the report.
    pub notices: Vec<Notice>,
    /// What a person must decide.
    pub conflicts: Vec<Found>,
}

/// Decides what becomes of an account. An address that is an account in neither lineage comes out as one of *after*
/// with nothing to do.
pub fn decide(facts: &Facts) -> Decision {
    let mut decision = Decision {
        address: facts.address.clone(),
        case: case_of(facts),
        mail: MailStep::Nothing,
        account: AccountStep::Keep,
        password: PasswordOrigin::None,
        forward: None,
        scripts: Vec::new(),
        activate_script: None,
        notices: Vec::new(),
        conflicts: Vec::new(),
    };
    match &facts.live {
        Some(live) if facts.before_has_account() && are_two_people(facts, live) => decision.seal(facts, live),
        Some(live) if facts.before_has_account() => decision.join(facts, live),
        Some(live) => decision.password = password_of_live(live),
        None if facts.before_has_account() => decision.restore(facts),
        None => {}
    }
    decision.compare_aliases(facts);
    decision
}

fn case_of(facts: &Facts) -> Case {
    match (&facts.live, &facts.before, facts.before_has_maildrop()) {
        (Some(_), Some(_), _) | (Some(_), None, true) => Case::Both,
        (Some(_), None, false) | (None, None, false) => Case::AfterOnly,
        (None, Some(_), true) => Case::BeforeOnly,
        (None, Some(_), false) => Case::AccountWithoutMaildrop,
        (None, None, true) => Case::MaildropWithoutAccount,
    }
}

/// `RULES.md 8.7`: what a person said decides, else display names without a common word.
fn are_two_people(facts: &Facts, live: &Account) -> bool {
    let names = facts.before.as_ref().and_then(|l| l.name.as_deref()).zip(live.name.as_deref());
    facts.known.two_people.unwrap_or_else(|| names.is_some_and(|(before, after)| names_differ(before, after)))
}

/// Which password opens an account that is left as it is.
fn password_of_live(live: &Account) -> PasswordOrigin {
    match verdict(live.password_hash.as_ref()) {
        Ok(_) => PasswordOrigin::After,
        Err(_) => PasswordOrigin::None,
    }
}

/// The hash, if a password can be verified against it (`RULES.md 7.2`).
fn verdict(hash: Option<&Secret>) -> Result<&Secret, UnusableReason> {
    let hash = hash.ok_or(UnusableReason::Empty)?;
    usable(hash.expose()).map(|()| hash)
}

impl Decision {
    fn list(&mut self, rule: &str, text: String) {
        self.notices.push(Notice { rule: rule.to_owned(), text });
    }

    fn find(&mut self, kind: Kind, evidence: Evidence, choices: Vec<conflict::Choice>) {
        let (domain, address) = (self.address.domain().to_owned(), self.address.key().to_owned());
        self.conflicts.push(Found { kind, domain, address, evidence, choices });
    }

    /// `RULES.md 8.7`: nothing of *before* touches the live account, its password least of all.
    fn seal(&mut self, facts: &Facts, live: &Account) {
        self.password = password_of_live(live);
        if facts.before_has_maildrop() {
            self.mail = MailStep::Seal;
        }
        let before = Side { name: facts.before.as_ref().and_then(|l| l.name.clone()), ..Side::of("account") };
        let evidence = Evidence {
            before: before.with_mail(facts.known.before_mail),
            after: Side::of("account").with_account(live).with_mail(facts.known.live_mail),
        };
        self.find(Kind::TwoPeople, evidence, conflict::two_people(facts.address.as_str()));
        self.list(
            "8.7",
            "two people may have held the address: what was before is sealed until that is decided".into(),
        );
    }

    /// `RULES.md 7.1`: in both lineages.
    fn join(&mut self, facts: &Facts, live: &Account) {
        if facts.before_has_maildrop() {
            self.mail = MailStep::Join;
        }
        let before = facts.before.as_ref();
        let mut settings = self.join_password(before, live);
        if live.name.is_none() {
            settings.name = before.and_then(|l| l.name.clone());
        }
        if live.language.is_none() {
            settings.language = before.and_then(fit_language);
        }
        // The larger (7.5); none says: as the server has it.
        settings.quota_bytes = facts.before_quota_bytes().filter(|q| live.quota_bytes.is_none_or(|l| *q > l));
        self.list_spellings(facts);
        self.join_forwards(facts);
        self.join_scripts(facts, live.language.as_deref().or(settings.language.as_deref()));
        if settings != Settings::default() {
            self.account = AccountStep::Change(settings);
        }
    }

    /// `RULES.md 7.2`. A usable password of either lineage is never lost, and one of *after* never replaced.
    fn join_password(&mut self, before: Option<&AccountLine>, live: &Account) -> Settings {
        let mut settings = Settings::default();
        let waits = matches!(live.state, AccountState::Open | AccountState::Locked);
        let reason = match verdict(live.password_hash.as_ref()) {
            Ok(_) => {
                self.password = PasswordOrigin::After;
                return settings;
            }
            Err(reason) => reason,
        };
        let old = before.and_then(|l| l.password_hash.as_ref());
        if let Ok(hash) = verdict(old) {
            self.password = PasswordOrigin::Before;
            settings.password_hash = Some(hash.clone());
            // Where after says nothing of a password, what before says of it counts, that it may not be used included.
            let disabled = before.is_some_and(|l| l.disabled);
            let state = if disabled { AccountState::Disabled } else { AccountState::Open };
            settings.state = Some(state).filter(|s| waits && *s != live.state);
            self.list("7.2", format!("the password of after cannot be used ({reason}): that of before is in force"));
            return settings;
        }
        if live.password_hash.is_none() {
            settings.password_hash = old.cloned();
        }
        settings.state = Some(AccountState::Locked).filter(|s| waits && *s != live.state);
        self.list("7.2", format!("neither password can be used (that of after: {reason}): locked until one is set"));
        settings
    }

    /// `RULES.md 7.8`.
    fn list_spellings(&mut self, facts: &Facts) {
        let line = facts.before.iter().map(|l| l.address.as_str());
        let mut others: Vec<&str> = line.chain(facts.before_maildrops.iter().map(|m| m.address.as_str())).collect();
        others.sort_unstable();
        others.dedup();
        others.retain(|o| *o != facts.address.as_str());
        if !others.is_empty() {
            let text = format!("before also wrote it {}: {} stays", others.join(" and "), facts.address);
            self.list("7.8", text);
        }
    }

    /// `RULES.md 7.1` and 8.5: the forward of *after*, and where it has none, of *before*.
    fn join_forwards(&mut self, facts: &Facts) {
        let key = facts.address.key();
        let Some(before) = forward_of_before(facts) else { return };
        let after = match (&facts.live_forward, &facts.live_alias) {
            (Some(forward), _) => forward.clone(),
            (None, Some(alias)) => {
                // Two aliases are compared as aliases (8.3).
                if facts.before_alias.is_none() && !same_targets(&without(&alias.targets, key), &before.targets) {
                    let text = format!("it forwarded to {}; the alias of after stays", before.targets.join(", "));
                    self.list("8.5", text);
                }
                return;
            }
            (None, None) => {
                self.list("7.1", format!("it forwards to {} again, as before", before.targets.join(", ")));
                self.forward = Some(before);
                return;
            }
        };
        if after.keep_copy == before.keep_copy && same_targets(&after.targets, &before.targets) {
            return;
        }
        let side = |f: &Forward| Side { keep_copy: Some(f.keep_copy), ..Side::targets("forwarding", &f.targets) };
        let choices = conflict::forwarding(facts.address.as_str(), &before.targets, &after.targets);
        self.find(Kind::Forwarding, Evidence { before: side(&before), after: side(&after) }, choices);
    }

    /// `RULES.md 6.4` and 8.8.
    fn join_scripts(&mut self, facts: &Facts, language: Option<&str>) {
        let joined = scripts::join(&facts.live_scripts, &facts.before_scripts, language);
        let running = facts.live_scripts.iter().find(|s| s.active);
        if let (Some(rival), Some(running)) = (&joined.rival, running) {
            let side =
                |name: &str, text: &[u8]| Side { script: Some(ScriptText::of(name, text)), ..Side::of("script") };
            let evidence =
                Evidence { before: side(&rival.name, &rival.content), after: side(&running.name, &running.content) };
            self.find(Kind::Script, evidence, conflict::script(&rival.name, &running.name));
        }
        self.scripts = joined.add;
        self.activate_script = joined.activate;
    }

    /// `RULES.md 7.3` and 7.9: in *before* only.
    fn restore(&mut self, facts: &Facts) {
        if facts.before_has_maildrop() {
            self.mail = MailStep::Join;
        }
        let mut account = NewAccount::new(facts.address.clone());
        account.quota_bytes = facts.before_quota_bytes();
        match &facts.before {
            Some(line) => {
                account.name = line.name.clone();
                account.language = fit_language(line);
                account.password_hash = line.password_hash.clone();
                account.state = self.restored_state(line);
                if !facts.before_has_maildrop() {
                    self.list("7.9", "an account line without a maildrop: restored as an empty account".into());
                }
            }
            None => {
                account.state = AccountState::Locked;
                let text = "a maildrop without an account line: restored as a locked account until a password is set";
                self.list("7.9", text.into());
            }
        }
        self.list_spellings(facts);
        let forwards = facts.before.as_ref().map_or(&[][..], |l| &l.forwards);
        self.forward = forward_to(&without(forwards, facts.address.key()), true);
        self.join_scripts(facts, account.language.as_deref());
        self.account = AccountStep::Create(account);
    }

    fn restored_state(&mut self, line: &AccountLine) -> AccountState {
        let verdict = verdict(line.password_hash.as_ref()).map(|_| ());
        if verdict.is_ok() || (line.disabled && line.password_hash.is_some()) {
            self.password = PasswordOrigin::Before;
        }
        match verdict {
            _ if line.disabled => {
                self.list("7.9", "disabled before: it stays disabled".into());
                AccountState::Disabled
            }
            Ok(()) => AccountState::Open,
            Err(reason) => {
                self.list("7.2", format!("its password cannot be used ({reason}): locked until one is set"));
                AccountState::Locked
            }
        }
    }

    /// `RULES.md 8.1` and 8.2. Where both lineages have an alias at the address, the aliases are compared (8.3).
    fn compare_aliases(&mut self, facts: &Facts) {
        let (key, address) = (facts.address.key(), facts.address.as_str());
        match (&facts.live, &facts.live_alias, &facts.before_alias) {
            // An alias that leads back to its own account was a copy and is a forward now, or said nothing.
            (Some(_), None, Some(targets)) if includes(targets, key) && facts.before_has_account() => {}
            (Some(live), None, Some(targets)) => {
                let others = without(targets, key);
                if others.is_empty() {
                    return;
                }
                let receiver = facts.before_alias_account.as_ref().map(Address::to_string);
                let choices = conflict::account_alias(address, &others, receiver.as_deref());
                let evidence = Evidence {
                    before: Side { receiver, ..Side::targets("alias", targets) },
                    after: Side::of("account").with_account(live).with_mail(facts.known.live_mail),
                };
                self.find(Kind::AccountAlias, evidence, choices);
            }
            (None, Some(alias), None) if facts.before_has_account() => {
                if includes(&alias.targets, key) {
                    self.list(
                        "8.2",
                        format!("an alias of after delivers to it and to others: {}", alias.targets.join(", ")),
                    );
                    return;
                }
                let receiver = facts.live_alias_account.as_ref().map(Address::to_string);
                let choices = conflict::alias_account(address, &alias.targets, receiver.as_deref());
                let before = Side { name: facts.before.as_ref().and_then(|l| l.name.clone()), ..Side::of("account") };
                let evidence = Evidence {
                    before: before.with_mail(facts.known.before_mail),
                    after: Side { receiver, ..Side::targets("alias", &alias.targets) },
                };
                self.find(Kind::AliasAccount, evidence, choices);
            }
            _ => {}
        }
    }
}

/// How an account of *before* forwarded: beside itself, or by an alias at its address that led back to it.
fn forward_of_before(facts: &Facts) -> Option<Forward> {
    let key = facts.address.key();
    let mut targets = facts.before.as_ref().map_or_else(Vec::new, |l| l.forwards.clone());
    targets.extend(facts.before_alias.iter().filter(|a| includes(a, key)).flatten().cloned());
    forward_to(&without(&targets, key), true)
}

fn forward_to(targets: &[String], keep_copy: bool) -> Option<Forward> {
    let targets = super::targets::union(&fit(targets), &[]);
    (!targets.is_empty()).then_some(Forward { targets, keep_copy })
}

/// The language, where it has the shape of a language tag (RFC 5646 §2.1).
fn fit_language(line: &AccountLine) -> Option<String> {
    let part = |p: &str| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric());
    line.language.clone().filter(|tag| tag.len() <= 35 && tag.split('-').all(part))
}
