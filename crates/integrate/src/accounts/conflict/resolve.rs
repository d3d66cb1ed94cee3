//! Deciding a conflict: what a choice does to accounts, aliases and mail, and taking a choice back.
//!
//! A choice that moves mail has three steps, each durable before the next: the directory takes the choice and says that
//! its mail is still to be moved; the mail is moved; the directory says that it was. Until the last step the conflict
//! is *unfinished*, its mail is where it was, and choosing the same again goes on.

use super::Kind;
use super::choices::{
    ACCOUNT_RECEIVES, ACTIVATE_BEFORE, AFTER, ANOTHER_ADDRESS, BEFORE, BOTH, KEEP_ACCOUNT, KEEP_AFTER,
    KEEP_ALIAS_CLOSE_ACCOUNT, KEEP_ALIAS_GIVE_MAIL, LEAVE_OUT, RESTORE_ALIAS_CLOSE_ACCOUNT, RESTORE_ALIAS_INTO_MAILBOX,
    SAME_PERSON, SEALED_UNTIL, WITHOUT_LOOP,
};
use super::evidence::Evidence;
use super::list::{broken, choices, evidence};
use crate::accounts::changes::{Changes, Recorder};
use crate::accounts::decide::{AccountStep, Notice, PasswordOrigin, decide};
use crate::accounts::facts::{Facts, Known};
use crate::accounts::line::address_text;
use crate::accounts::loops::leads_back;
use crate::accounts::settle::{before_of, carry_out, note_joined};
use crate::accounts::shared::put_alias;
use crate::accounts::targets::{fit, target_key, union, without};
use crate::platform::Platform;
use directory::{
    Account, AccountState, Alias, AliasAddress, Conflict, ConflictNumber, Decision, DirectoryError, Forward,
    IntegrationId, LineageId, Secret, Tx,
};
use message::{Address, MailboxName};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Why mail could not be moved.
pub type MoveError = Box<dyn std::error::Error + Send + Sync>;

/// Moves mail for a choice. Each is durable when it returns, may be called again after it was cut short or done, and
/// loses nothing in between.
pub trait MailMover {
    /// Joins what is sealed of an address with its live mailboxes (`RULES.md 8.7`).
    ///
    /// # Errors
    /// When the store fails.
    fn join(&self, integration: IntegrationId, address: &Address) -> Result<(), MoveError>;

    /// Adds the live mail of one account to a mailbox of another, which is made where there is none: what is not there
    /// yet. The account keeps its own, so that the choice can be changed.
    ///
    /// # Errors
    /// When the store fails.
    fn give_mail(
        &self,
        integration: IntegrationId,
        from: &Address,
        to: &Address,
        mailbox: &MailboxName,
    ) -> Result<(), MoveError>;

    /// Makes what is sealed of an address the mail of the account at another, which the directory has already.
    ///
    /// # Errors
    /// When the store fails.
    fn restore_sealed_as(&self, integration: IntegrationId, from: &Address, new: &Address) -> Result<(), MoveError>;
}

/// What deciding came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Which conflict.
    pub number: ConflictNumber,
    /// What was chosen.
    pub choice: String,
    /// Whether it had been chosen before, and nothing was left to do.
    pub already: bool,
    /// What of an earlier choice stays because people changed it since.
    pub kept: Vec<Notice>,
}

/// A conflict could not be decided.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// There is none of that number.
    #[error("there is no conflict {number}: `conflicts` lists them")]
    NoSuchConflict {
        /// The number.
        number: ConflictNumber,
    },
    /// It has no such choice.
    #[error("conflict {number} has no choice {choice:?}; choose one of: {}", choices.join(", "))]
    WrongChoice {
        /// The conflict.
        number: ConflictNumber,
        /// What was chosen.
        choice: String,
        /// What can be.
        choices: Vec<String>,
    },
    /// What was given with the choice cannot be used.
    #[error("{argument:?} cannot be used: {reason}")]
    Argument {
        /// What was given.
        argument: String,
        /// Why not, and what would do.
        reason: String,
    },
    /// The earlier choice cannot be changed.
    #[error("conflict {number} was decided as {choice}, which cannot be changed by itself: {reason}")]
    Final {
        /// The conflict.
        number: ConflictNumber,
        /// What was chosen.
        choice: String,
        /// Why not, and what can be done.
        reason: &'static str,
    },
    /// What the choice is about is no longer as it was.
    #[error("conflict {number} is about something that has changed since: {what}")]
    Changed {
        /// The conflict.
        number: ConflictNumber,
        /// What is missing.
        what: String,
    },
    /// Mail would go in circles.
    #[error("mail to {address} would come back to it without end: choose otherwise, or change the targets first")]
    Loop {
        /// Whose.
        address: String,
    },
    /// Its mail was not moved. The choice stands; choosing it again goes on.
    #[error("the mail of conflict {number} was not moved; choose {choice} again to go on")]
    Mail {
        /// The conflict.
        number: ConflictNumber,
        /// What was chosen.
        choice: String,
        /// Why.
        #[source]
        cause: MoveError,
    },
    /// The directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// What takes a choice back, and how far it is: [`Decision::undo`].
#[derive(Debug, Default, Serialize, Deserialize)]
struct Undo {
    changes: Changes,
    mail: Option<Move>,
    mail_is_moved: bool,
}

/// What mail a choice moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
enum Move {
    Join,
    Give {
        #[serde(with = "address_text")]
        to: Address,
    },
    RestoreAs {
        #[serde(with = "address_text")]
        new: Address,
    },
}

/// What the first step left to do.
enum Next {
    Nothing { already: bool },
    Mail { address: Address, integration: IntegrationId, step: Move },
}

/// Decides a conflict. The one who decides may decide otherwise later, as long as the integration can be undone and no
/// mail was joined or given an address of its own.
///
/// # Errors
/// See [`ResolveError`]: whatever it is, no mail is lost and the conflict can be decided again.
pub fn resolve(
    platform: &Platform,
    number: ConflictNumber,
    choice: &str,
    actor: &str,
    mail: &dyn MailMover,
) -> Result<Resolution, ResolveError> {
    let (next, kept) = write(platform, |tx| take_choice(tx, number, choice, actor))?;
    let already = match next {
        Next::Nothing { already } => already,
        Next::Mail { address, integration, step } => {
            move_mail(mail, integration, &address, &step).map_err(|cause| ResolveError::Mail {
                number,
                choice: choice.to_owned(),
                cause,
            })?;
            write(platform, |tx| finish(tx, number, choice, actor))?;
            false
        }
    };
    Ok(Resolution { number, choice: choice.to_owned(), already, kept })
}

fn move_mail(
    mail: &dyn MailMover,
    integration: IntegrationId,
    address: &Address,
    step: &Move,
) -> Result<(), MoveError> {
    match step {
        Move::Join => mail.join(integration, address),
        Move::Give { to } => mail.give_mail(integration, address, to, &MailboxName::new(address.as_str())?),
        Move::RestoreAs { new } => mail.restore_sealed_as(integration, address, new),
    }
}

/// Runs work in a transaction that its own refusals roll back.
fn write<T>(platform: &Platform, work: impl FnOnce(&mut Tx<'_>) -> Result<T, ResolveError>) -> Result<T, ResolveError> {
    let result = platform.directory.write(|tx| {
        work(tx).map_err(|error| match error {
            ResolveError::Directory(error) => error,
            refusal => DirectoryError::caller(refusal),
        })
    });
    result.map_err(|error| match error {
        DirectoryError::Caller(cause) => match cause.downcast::<ResolveError>() {
            Ok(refusal) => *refusal,
            Err(cause) => ResolveError::Directory(DirectoryError::Caller(cause)),
        },
        error => ResolveError::Directory(error),
    })
}

/// The first step: the directory takes the choice.
fn take_choice(
    tx: &mut Tx<'_>,
    number: ConflictNumber,
    choice: &str,
    actor: &str,
) -> Result<(Next, Vec<Notice>), ResolveError> {
    let conflict = tx.conflict(number)?.ok_or(ResolveError::NoSuchConflict { number })?;
    let argument = check_choice(&conflict, choice)?;
    let mut kept = Vec::new();
    if let Some(decision) = &conflict.decision {
        let undo = decision.undo.as_ref().map(|u| read_undo(&conflict, u)).transpose()?;
        let step = undo.as_ref().and_then(|u| u.mail.clone().filter(|_| !u.mail_is_moved));
        if decision.choice == choice {
            let next = match step {
                Some(step) => next_move(tx, &conflict, step)?,
                None => Next::Nothing { already: true },
            };
            return Ok((next, kept));
        }
        let is_final = |reason| ResolveError::Final { number, choice: decision.choice.clone(), reason };
        let undo = undo.ok_or_else(|| is_final("its integration is confirmed"))?;
        if matches!(undo.mail, Some(Move::Join | Move::RestoreAs { .. })) {
            return Err(is_final(
                "mail has moved with it; undoing the account's part of the integration takes it back",
            ));
        }
        if let Some(Move::Give { to }) = &undo.mail {
            let text = format!("mail that was given to {to} stays there");
            kept.push(Notice { rule: "8".to_owned(), text });
        }
        kept.extend(undo.changes.take_back(tx, &|_| false)?);
    }
    let mut changes = Changes::default();
    let mut work =
        Work { conflict: &conflict, evidence: evidence(&conflict)?, recorder: Recorder { tx, changes: &mut changes } };
    let step = work.choose(choice, argument)?;
    work.check_loop()?;
    let undo = Undo { changes, mail: step.clone(), mail_is_moved: false };
    decide_as(tx, number, choice, actor, &undo)?;
    let subject = subject(&conflict);
    let was = conflict.decision.as_ref().map(|d| &d.choice);
    let told = json!({ "conflict": number.get(), "kind": conflict.conflict.kind, "choice": choice, "was": was });
    tx.audit(actor, "conflict.decide", subject, &told.to_string())?;
    let next = match step {
        Some(step) => next_move(tx, &conflict, step)?,
        None => Next::Nothing { already: false },
    };
    Ok((next, kept))
}

/// The last step: the mail is moved.
fn finish(tx: &mut Tx<'_>, number: ConflictNumber, choice: &str, actor: &str) -> Result<(), ResolveError> {
    let conflict = tx.conflict(number)?.ok_or(ResolveError::NoSuchConflict { number })?;
    let Some(decision) = conflict.decision.as_ref().filter(|d| d.choice == choice) else {
        let what = "somebody decided it otherwise while its mail was moved".to_owned();
        return Err(ResolveError::Changed { number, what });
    };
    if let Some(undo) = &decision.undo {
        let undo = Undo { mail_is_moved: true, ..read_undo(&conflict, undo)? };
        let undo = serde_json::to_string(&undo).expect("what takes a choice back is JSON");
        tx.decide_conflict(number, &Decision { undo: Some(Secret::new(undo)), ..decision.clone() })?;
    }
    let told = json!({ "conflict": number.get(), "choice": choice });
    tx.audit(actor, "conflict.mail-moved", subject(&conflict), &told.to_string())?;
    Ok(())
}

/// Takes back what a decided conflict changed, as when its integration is undone; mail is not its business. Yields what
/// stays because people changed it since.
pub(in crate::accounts) fn take_back(
    tx: &mut Tx<'_>,
    conflict: &Conflict,
    mail_is_gone: &dyn Fn(&Address) -> bool,
) -> Result<Vec<Notice>, DirectoryError> {
    let undo = conflict.decision.as_ref().and_then(|d| d.undo.as_ref());
    match undo {
        Some(undo) => read_undo(conflict, undo)?.changes.take_back(tx, mail_is_gone),
        None => Ok(Vec::new()),
    }
}

/// Whether mail is still to be moved for what was chosen.
pub(super) fn is_unfinished(conflict: &Conflict) -> Result<bool, DirectoryError> {
    let undo = conflict.decision.as_ref().and_then(|d| d.undo.as_ref());
    let undo = undo.map(|u| read_undo(conflict, u)).transpose()?;
    Ok(undo.is_some_and(|u| u.mail.is_some() && !u.mail_is_moved))
}

/// Checks that a conflict has a choice; yields what was given with it.
fn check_choice<'c>(conflict: &Conflict, choice: &'c str) -> Result<&'c str, ResolveError> {
    let offered: Vec<String> = choices(conflict)?.into_iter().map(|c| c.choice).collect();
    let argument = offered.iter().find_map(|offer| match offer.split_once(':') {
        Some((word, _)) => choice.strip_prefix(word).and_then(|rest| rest.strip_prefix(':')),
        None => (offer == choice).then_some(""),
    });
    argument.ok_or_else(|| ResolveError::WrongChoice {
        number: conflict.number,
        choice: choice.to_owned(),
        choices: offered,
    })
}

fn decide_as(
    tx: &mut Tx<'_>,
    number: ConflictNumber,
    choice: &str,
    actor: &str,
    undo: &Undo,
) -> Result<(), DirectoryError> {
    let undo = serde_json::to_string(undo).expect("what takes a choice back is JSON");
    tx.decide_conflict(
        number,
        &Decision {
            choice: choice.to_owned(),
            decided_by: actor.to_owned(),
            decided_at: tx.now(),
            undo: Some(Secret::new(undo)),
        },
    )
}

fn read_undo(conflict: &Conflict, undo: &Secret) -> Result<Undo, DirectoryError> {
    serde_json::from_str(undo.expose()).map_err(|_| broken(conflict))
}

fn next_move(tx: &Tx<'_>, conflict: &Conflict, step: Move) -> Result<Next, ResolveError> {
    let address = address_of(conflict)?;
    let address = tx.account(&address)?.map_or(address, |a| a.address);
    Ok(Next::Mail { address, integration: conflict.conflict.integration, step })
}

fn address_of(conflict: &Conflict) -> Result<Address, DirectoryError> {
    Address::new(&conflict.conflict.address).map_err(|_| broken(conflict))
}

fn subject(conflict: &Conflict) -> &str {
    let new = &conflict.conflict;
    if new.address.is_empty() { &new.domain } else { &new.address }
}

/// A choice at work.
struct Work<'w, 'r, 'tx> {
    conflict: &'w Conflict,
    evidence: Evidence,
    recorder: Recorder<'r, 'tx>,
}

impl Work<'_, '_, '_> {
    /// Does to the directory what the choice says; yields what is to be done to the mail.
    fn choose(&mut self, choice: &str, argument: &str) -> Result<Option<Move>, ResolveError> {
        let word = choice.split(':').next().unwrap_or_default();
        let kind = Kind::from_word(&self.conflict.conflict.kind).ok_or_else(|| broken(self.conflict))?;
        let no_mail = |()| None;
        match (kind, word) {
            (Kind::AccountAlias, KEEP_ACCOUNT)
            | (Kind::AliasAlias | Kind::CatchAll | Kind::Forwarding | Kind::DomainOwner, AFTER)
            | (Kind::Script, KEEP_AFTER)
            | (Kind::AliasLoop, LEAVE_OUT) => Ok(None),
            (Kind::AccountAlias, RESTORE_ALIAS_INTO_MAILBOX) => self.restore_alias(true),
            (Kind::AccountAlias, RESTORE_ALIAS_CLOSE_ACCOUNT) => self.restore_alias(false),
            (Kind::AccountAlias, BOTH) => self.forward_too(self.evidence.before.targets.clone()).map(no_mail),
            (Kind::AliasAccount, ACCOUNT_RECEIVES) => self.switch_alias_off().map(no_mail),
            (Kind::AliasAccount, KEEP_ALIAS_GIVE_MAIL) => self.keep_alias(true),
            (Kind::AliasAccount, KEEP_ALIAS_CLOSE_ACCOUNT) => self.keep_alias(false),
            (Kind::AliasAccount, BOTH) => {
                self.switch_alias_off()?;
                self.forward_too(self.evidence.after.targets.clone()).map(no_mail)
            }
            (Kind::AliasAlias | Kind::CatchAll, BEFORE) => {
                self.set_targets(self.evidence.before.targets.clone()).map(no_mail)
            }
            (Kind::AliasAlias | Kind::CatchAll, BOTH) => {
                self.set_targets(union(&self.evidence.after.targets, &self.evidence.before.targets)).map(no_mail)
            }
            (Kind::Forwarding, BEFORE | BOTH) => self.forward_as_before(word == BOTH).map(no_mail),
            (Kind::DomainOwner, BEFORE) => self.give_domain_back().map(no_mail),
            (Kind::TwoPeople, SAME_PERSON) => self.join_people().map(|()| Some(Move::Join)),
            (Kind::TwoPeople, ANOTHER_ADDRESS) => self.restore_as(argument),
            (Kind::TwoPeople, SEALED_UNTIL) => self.check_date(argument).map(no_mail),
            (Kind::Script, ACTIVATE_BEFORE) => self.activate_before().map(no_mail),
            (Kind::AliasLoop, WITHOUT_LOOP) => self.put_back_without_loop().map(no_mail),
            _ => Err(broken(self.conflict).into()),
        }
    }

    fn changed(&self, what: String) -> ResolveError {
        ResolveError::Changed { number: self.conflict.number, what }
    }

    fn account(&self) -> Result<Account, ResolveError> {
        let address = address_of(self.conflict)?;
        let account = self.recorder.tx.account(&address)?;
        account.ok_or_else(|| self.changed(format!("the account {address} is no longer there")))
    }

    fn alias_address(&self) -> Result<AliasAddress, ResolveError> {
        let key = &self.conflict.conflict.address;
        match key.strip_prefix('@') {
            Some(domain) => Ok(AliasAddress::CatchAll(domain.to_owned())),
            None => Ok(AliasAddress::Exact(address_of(self.conflict)?)),
        }
    }

    /// The first of some targets that is an account here.
    fn receiver(&self, targets: &[String]) -> Result<Address, ResolveError> {
        let own = &self.conflict.conflict.address;
        for target in targets.iter().filter_map(|t| Address::new(t).ok()).filter(|t| t.key() != own) {
            if let Some(account) = self.recorder.tx.account(&target)? {
                return Ok(account.address);
            }
        }
        Err(self.changed("none of the alias's targets is an account here".to_owned()))
    }

    /// `RULES.md 8.1`: the alias of before in force, and the account closed.
    fn restore_alias(&mut self, give: bool) -> Result<Option<Move>, ResolveError> {
        let targets = fit(&without(&self.evidence.before.targets, &self.conflict.conflict.address));
        let account = self.account()?;
        let to = give.then(|| self.receiver(&targets)).transpose()?;
        // The alias first: from then on nothing new arrives in the account whose mail is given away.
        let address = self.alias_address()?;
        put_alias(&mut self.recorder, &address, &targets)?;
        self.recorder.set_state(&account, AccountState::Closed)?;
        Ok(to.map(|to| Move::Give { to }))
    }

    /// `RULES.md 8.2`: the alias of after stays, and the account is closed.
    fn keep_alias(&mut self, give: bool) -> Result<Option<Move>, ResolveError> {
        let account = self.account()?;
        let to = give.then(|| self.receiver(&self.evidence.after.targets)).transpose()?;
        self.recorder.set_state(&account, AccountState::Closed)?;
        Ok(to.map(|to| Move::Give { to }))
    }

    /// `RULES.md 8.2`: the account receives.
    fn switch_alias_off(&mut self) -> Result<(), ResolveError> {
        self.account()?;
        let address = self.alias_address()?;
        if let Some(mut alias) = self.recorder.tx.alias(&address)? {
            alias.enabled = false;
            self.recorder.set_alias(&address, Some(&alias))?;
        }
        Ok(())
    }

    /// The account keeps its mail, and a copy goes to more targets.
    fn forward_too(&mut self, targets: Vec<String>) -> Result<(), ResolveError> {
        let account = self.account()?;
        let there = self.recorder.tx.forward(account.id)?;
        let forwarded = there.map_or_else(Vec::new, |f| f.targets);
        let targets = union(&forwarded, &fit(&without(&targets, account.address.key())));
        self.recorder.set_forward(account.id, Some(&Forward { targets, keep_copy: true }))?;
        Ok(())
    }

    /// `RULES.md 8.3`, 8.4.
    fn set_targets(&mut self, targets: Vec<String>) -> Result<(), ResolveError> {
        let address = self.alias_address()?;
        Ok(put_alias(&mut self.recorder, &address, &fit(&targets))?)
    }

    /// `RULES.md 8.5`.
    fn forward_as_before(&mut self, both: bool) -> Result<(), ResolveError> {
        let account = self.account()?;
        let there = self.recorder.tx.forward(account.id)?;
        let before = &self.evidence.before;
        let (mut targets, mut keep_copy) = (fit(&before.targets), before.keep_copy.unwrap_or(true));
        if let Some(there) = there.filter(|_| both) {
            targets = union(&there.targets, &targets);
            keep_copy |= there.keep_copy;
        }
        Ok(self.recorder.set_forward(account.id, Some(&Forward { targets, keep_copy }))?)
    }

    /// `RULES.md 8.6`.
    fn give_domain_back(&mut self) -> Result<(), ResolveError> {
        let name = &self.conflict.conflict.domain;
        let domain = self.recorder.tx.domain(name)?;
        let domain = domain.ok_or_else(|| self.changed(format!("the domain {name} is no longer there")))?;
        let customer = self.evidence.before.customer.clone().ok_or_else(|| broken(self.conflict))?;
        let customer = self.recorder.customer(&customer)?;
        Ok(self.recorder.set_customer(&domain, customer)?)
    }

    /// `RULES.md 8.8`.
    fn activate_before(&mut self) -> Result<(), ResolveError> {
        let account = self.account()?;
        let script = self.evidence.before.script.as_ref().ok_or_else(|| broken(self.conflict))?;
        if self.recorder.tx.script(account.id, &script.name)?.is_none() {
            return Err(self.changed(format!("the script {:?} is no longer there", script.name)));
        }
        Ok(self.recorder.activate_script(account.id, Some(&script.name))?)
    }

    /// `RULES.md 8`: an alias that would make a loop, without those of its targets that do.
    fn put_back_without_loop(&mut self) -> Result<(), ResolveError> {
        let address = self.alias_address()?;
        if self.recorder.tx.alias(&address)?.is_some() {
            return Err(self.changed(format!("there is an alias {address} now")));
        }
        let mut outside = Vec::new();
        for target in fit(&self.evidence.before.targets) {
            // Tried one by one: aliases may have changed since the conflict was found.
            let alias = Alias { address: address.clone(), targets: vec![target.clone()], enabled: true };
            self.recorder.tx.put_alias(&alias)?;
            if !leads_back(self.recorder.tx, &address.key())? {
                outside.push(target);
            }
            self.recorder.tx.remove_alias(&address)?;
        }
        if outside.is_empty() {
            return Err(ResolveError::Loop { address: address.to_string() });
        }
        Ok(put_alias(&mut self.recorder, &address, &outside)?)
    }

    /// The lineage of before, which sealed mail and account lines are in.
    fn before(&self) -> Result<LineageId, ResolveError> {
        let before = before_of(self.recorder.tx, self.conflict.conflict.integration)?;
        before.ok_or_else(|| self.changed("the recovered history was given up".to_owned()))
    }

    fn facts(&self, known: Known) -> Result<Facts, ResolveError> {
        Ok(Facts::read(self.recorder.tx, self.before()?, &address_of(self.conflict)?, known)?)
    }

    /// `RULES.md 8.7`, one person: what was kept apart joins as it would have without the doubt.
    fn join_people(&mut self) -> Result<(), ResolveError> {
        self.account()?;
        let decision = decide(&self.facts(Known { two_people: Some(false), ..Known::default() })?);
        let integration = self.conflict.conflict.integration;
        carry_out(&mut self.recorder, integration, &decision)?;
        Ok(note_joined(self.recorder.tx, integration, &decision)?)
    }

    /// `RULES.md 8.7`, two people: the one of before gets an account at another address.
    fn restore_as(&mut self, argument: &str) -> Result<Option<Move>, ResolveError> {
        let wrong = |reason: String| ResolveError::Argument { argument: argument.to_owned(), reason };
        let new = Address::new(argument).map_err(|e| wrong(e.reason.to_owned()))?;
        let tx = &self.recorder.tx;
        if tx.domain(new.domain())?.is_none() {
            return Err(wrong(format!("the domain {} is not one of this server", new.domain())));
        }
        if tx.account(&new)?.is_some() || tx.alias(&AliasAddress::Exact(new.clone()))?.is_some() {
            return Err(wrong("there is an account or alias already: give an address that is free".to_owned()));
        }
        let facts = self.facts(Known::default())?;
        let mut decision = decide(&Facts {
            address: new.clone(),
            live: None,
            live_scripts: Vec::new(),
            live_forward: None,
            live_alias: None,
            live_alias_account: None,
            before_alias: None,
            before_alias_account: None,
            ..facts
        });
        if let AccountStep::Create(account) = &mut decision.account
            && account.password_hash.as_ref().is_some_and(is_bound_to_login)
        {
            account.password_hash = None;
            account.state = AccountState::Locked;
            decision.password = PasswordOrigin::None;
        }
        carry_out(&mut self.recorder, self.conflict.conflict.integration, &decision)?;
        Ok(Some(Move::RestoreAs { new }))
    }

    /// `RULES.md 8.7`, sealed until a date.
    fn check_date(&self, argument: &str) -> Result<(), ResolveError> {
        let wrong = |reason: &str| ResolveError::Argument { argument: argument.to_owned(), reason: reason.to_owned() };
        let date: jiff::civil::Date = argument.parse().map_err(|_| wrong("it is no date; write it as YYYY-MM-DD"))?;
        let now = jiff::Timestamp::from_second(self.recorder.tx.now()).map_err(|_| wrong("the clock is wrong"))?;
        if date <= now.to_zoned(jiff::tz::TimeZone::UTC).date() {
            return Err(wrong("it is not in the future"));
        }
        Ok(())
    }

    /// Refuses a choice that makes mail go in circles.
    fn check_loop(&self) -> Result<(), ResolveError> {
        let key = target_key(&self.conflict.conflict.address);
        if !self.recorder.changes.is_empty() && leads_back(self.recorder.tx, &key)? {
            return Err(ResolveError::Loop { address: key });
        }
        Ok(())
    }
}

/// Whether a hash holds the login, so that it opens no other address (RFC 2831).
fn is_bound_to_login(hash: &Secret) -> bool {
    hash.expose().get(..11).is_some_and(|start| start.eq_ignore_ascii_case("{DIGEST-MD5"))
}
