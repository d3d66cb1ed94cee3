//! Who gets mail to an address: accounts here, through aliases, catch-alls, domain aliases and subaddresses, and addresses
//! elsewhere. Where an account's owner sends it on is said by their scripts (`script`), and not looked at here.
//!
//! An address is looked for in this order: its domain alias; an alias that is in force (`RULES.md 8.2`: also where an account
//! stands at its address); an account; both again without the subaddress behind `+` (RFC 5233 §1); the catch-all of the
//! domain; for `postmaster`, whoever the operator named. An alias that has its own address among its targets means the
//! account there.
//!
//! Of several targets those that can never get it are passed over as long as another does; one that cannot get it *now* holds
//! the recipient up, so that nobody among them misses a message that was answered with 250.

use crate::syntax::EnvelopeAddress;
use directory::{Account, AccountId, AccountState, AliasAddress, Directory, DirectoryError};
use edge::Services;
use message::Address;
use queue::Srs;
use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;
use store::{LIVE, StoreError};

/// How many addresses one recipient may lead through.
const MAX_ADDRESSES: usize = 1000;
/// How many aliases may follow one another.
const MAX_CHAIN: usize = 20;
/// How many domain aliases may follow one another.
const MAX_DOMAIN_CHAIN: usize = 5;

/// Who gets the mail of one recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// Accounts here, each once.
    pub(crate) local: Vec<Local>,
    /// Addresses of other servers, each once: for the queue.
    pub(crate) remote: Vec<Remote>,
}

impl Resolved {
    /// How many accounts and addresses there are.
    pub(crate) fn targets(&self) -> usize {
        self.local.len() + self.remote.len()
    }
}

/// An address of another server that gets a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// The address.
    pub(crate) address: EnvelopeAddress,
    /// The alias that leads there; `None`: it was named itself.
    pub(crate) by: Option<Address>,
}

/// An account here that gets a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Local {
    /// Its own address.
    pub(crate) account: Address,
    /// Its number in the directory.
    pub(crate) id: AccountId,
    /// What stood behind `+` in the address that led to it.
    pub(crate) detail: Option<String>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Who is named.
    pub(crate) address: EnvelopeAddress,
    /// The size that was declared.
    pub(crate) size_bytes: u64,
    /// Whether an address of another server may be named itself: by those who signed in.
    pub(crate) anywhere: bool,
    /// Who gets mail to a postmaster whom nobody is.
    pub(crate) postmaster: Option<Address>,
    /// What reads reverse-paths that were rewritten here, where somebody may be written to by them: those who write DSNs.
    pub(crate) srs: Option<Arc<Srs>>,
}

/// Why a recipient gets no mail. The text may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    /// Nobody has the address.
    #[error("nobody has that address here")]
    Unknown,
    /// The domain is not hosted here.
    #[error("mail for that domain is not taken here")]
    NotHosted,
    /// The account or its domain is switched off.
    #[error("that address takes no mail")]
    Disabled,
    /// The account is sealed until an admin decides.
    #[error("that address takes no mail for the moment")]
    Sealed,
    /// The account's quota is used up.
    #[error("that mailbox is full")]
    Full,
    /// The message is larger than the account's quota.
    #[error("the message is larger than that mailbox")]
    LargerThanQuota,
    /// Aliases lead in circles.
    #[error("that address leads in circles")]
    Loop,
    /// Aliases lead to too many.
    #[error("that address leads to too many others")]
    TooManyTargets,
    /// An alias leads nowhere.
    #[error("that address leads to nobody")]
    Misconfigured,
    /// Its domain is none that a server could be looked up for.
    #[error("no server can be looked up for that domain")]
    Unroutable,
    /// It leads to another server, and nothing here brings it there.
    #[error("mail to other servers does not go out from here")]
    Elsewhere,
    /// Directory or store could not be asked.
    #[error("recipients cannot be looked up for the moment")]
    Unavailable,
}

impl Rejection {
    /// Whether trying again later may help.
    pub(crate) fn is_temporary(self) -> bool {
        use Rejection as R;
        matches!(self, R::Sealed | R::Full | R::Misconfigured | R::Elsewhere | R::Unavailable)
    }
}

impl From<DirectoryError> for Rejection {
    fn from(error: DirectoryError) -> Self {
        tracing::error!(error = &error as &dyn Error, "a recipient cannot be looked up");
        Rejection::Unavailable
    }
}

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn Error, "a recipient's mail cannot be looked at");
        Rejection::Unavailable
    }
}

/// Finds out who gets mail to an address. Reads directory and store.
///
/// # Errors
/// Why nobody does.
pub(crate) fn resolve(services: &Services, question: &Question) -> Result<Resolved, Rejection> {
    let mut walk = Walk {
        services,
        question,
        now: jiff::Timestamp::now().as_second(),
        found: Resolved::default(),
        seen: HashSet::new(),
        chain: Vec::new(),
    };
    if let Some(sender) = rewritten(question, walk.now)? {
        walk.found.remote.push(Remote { address: sender, by: None });
        return Ok(walk.found);
    }
    match question.address.hosted() {
        Some(address) => walk.address(&address, None)?,
        // Nothing hosted has such an address: it is somebody else's, or nobody's.
        None => match services.directory.domain(question.address.domain())? {
            Some(_) => return Err(Rejection::Unknown),
            None => walk.elsewhere(&question.address, None)?,
        },
    }
    // An address that refused is passed over when it comes again.
    let nobody = walk.found.local.is_empty() && walk.found.remote.is_empty();
    if nobody { Err(Rejection::Misconfigured) } else { Ok(walk.found) }
}

/// The sender to whom a rewritten reverse-path leads back; `None`: it is none.
fn rewritten(question: &Question, now_s: i64) -> Result<Option<EnvelopeAddress>, Rejection> {
    let address = question.address.to_string();
    let Some(srs) = question.srs.as_ref().filter(|srs| srs.is_ours(&address)) else { return Ok(None) };
    let sender = srs.back(&address, now_s).ok().and_then(|sender| EnvelopeAddress::parse(&sender));
    sender.map(Some).ok_or(Rejection::Unknown)
}

/// Whether an account may send as an address: its own, with any subaddress, or that of an alias that leads to it.
///
/// # Errors
/// Those of the directory.
pub(crate) fn may_send_as(
    directory: &Directory,
    account: &Account,
    from: &EnvelopeAddress,
) -> Result<bool, DirectoryError> {
    let Some(address) = from.hosted() else { return Ok(false) };
    let Some(address) = in_real_domain(directory, address)? else { return Ok(false) };
    for address in [Some(address.clone()), without_detail(&address).map(|(base, _)| base)].into_iter().flatten() {
        if address == account.address {
            return Ok(true);
        }
        let alias = directory.alias(&AliasAddress::Exact(address))?.filter(|alias| alias.enabled);
        let leads_here = |target: &String| Address::new(target.trim()).is_ok_and(|target| target == account.address);
        if alias.is_some_and(|alias| alias.targets.iter().any(leads_here)) {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Walk<'a> {
    services: &'a Services,
    question: &'a Question,
    now: i64,
    found: Resolved,
    /// Addresses that were looked at, by key.
    seen: HashSet<String>,
    /// The addresses that led here, by key.
    chain: Vec<String>,
}

impl Walk<'_> {
    /// An address, and the alias that led to it.
    fn address(&mut self, address: &Address, by: Option<&Address>) -> Result<(), Rejection> {
        let directory = &self.services.directory;
        let address = in_real_domain(directory, address.clone())?.ok_or(Rejection::Loop)?;
        if self.chain.iter().any(|key| key == address.key()) {
            return Err(Rejection::Loop);
        }
        if !self.seen.insert(address.key().to_owned()) {
            // It gets the message by another way already.
            return Ok(());
        }
        if self.seen.len() > MAX_ADDRESSES || self.chain.len() >= MAX_CHAIN {
            return Err(Rejection::TooManyTargets);
        }
        match directory.domain(address.domain())? {
            None => return self.elsewhere(&EnvelopeAddress::from(&address), by),
            Some(domain) if domain.disabled => return Err(Rejection::Disabled),
            Some(_) => {}
        }
        self.chain.push(address.key().to_owned());
        let found = self.hosted(&address);
        self.chain.pop();
        found
    }

    /// An address in a hosted domain.
    fn hosted(&mut self, address: &Address) -> Result<(), Rejection> {
        let directory = &self.services.directory;
        let detailed = without_detail(address).map(|(base, detail)| (base, Some(detail)));
        for (address, detail) in [Some((address.clone(), None)), detailed].into_iter().flatten() {
            let alias = directory.alias(&AliasAddress::Exact(address.clone()))?.filter(|alias| alias.enabled);
            if let Some(alias) = alias {
                return self.targets(&alias.targets, &address, detail);
            }
            if let Some(account) = receiving(directory, &address)? {
                return self.keep(&account, detail);
            }
        }
        let catch_all = AliasAddress::CatchAll(address.domain().to_owned());
        if let Some(alias) = directory.alias(&catch_all)?.filter(|alias| alias.enabled) {
            return self.targets(&alias.targets, address, None);
        }
        match &self.question.postmaster {
            Some(postmaster) if address.localpart().eq_ignore_ascii_case("postmaster") && postmaster != address => {
                self.address(&postmaster.clone(), None)
            }
            _ => Err(Rejection::Unknown),
        }
    }

    /// The targets of an alias at an address.
    fn targets(&mut self, targets: &[String], own: &Address, detail: Option<String>) -> Result<(), Rejection> {
        let (mut reached, mut refused) = (false, None);
        for target in targets {
            let result = match Address::new(target.trim()) {
                Ok(target) if target == *own => match receiving(&self.services.directory, own)? {
                    Some(account) => self.keep(&account, detail.clone()),
                    None => Err(Rejection::Unknown),
                },
                Ok(target) => self.address(&target, Some(own)),
                Err(_) => match EnvelopeAddress::parse(target.trim()) {
                    Some(target) => self.elsewhere(&target, Some(own)),
                    None => Err(Rejection::Misconfigured),
                },
            };
            match result {
                Ok(()) => reached = true,
                Err(why) if why.is_temporary() => return Err(why),
                Err(why) => {
                    tracing::warn!(address = %own, target, %why, "an alias has a target that gets nothing");
                    refused = refused.or(Some(why));
                }
            }
        }
        if reached { Ok(()) } else { Err(refused.unwrap_or(Rejection::Misconfigured)) }
    }

    /// An account gets the message, where it has room.
    fn keep(&mut self, account: &Account, detail: Option<String>) -> Result<(), Rejection> {
        if self.found.local.iter().any(|local| local.account == account.address) {
            return Ok(());
        }
        self.check_quota(account)?;
        self.found.local.push(Local { account: account.address.clone(), id: account.id, detail });
        Ok(())
    }

    fn check_quota(&self, account: &Account) -> Result<(), Rejection> {
        let grace = account.quota_grace_until.is_some_and(|until| self.now < until);
        let limit = account.quota_bytes.or(self.services.policy.quota_default_bytes);
        let Some(limit_bytes) = limit.filter(|_| !grace) else { return Ok(()) };
        if self.question.size_bytes > limit_bytes {
            return Err(Rejection::LargerThanQuota);
        }
        let cell = self.services.store.cell_of(&account.address);
        let used_bytes = match cell.read(|view| view.account(LIVE, &account.address))? {
            Some(mail) => cell.served_usage(mail.id)?.size_bytes,
            None => 0,
        };
        // Without a declared size, one byte of room is asked for.
        let full = used_bytes.saturating_add(self.question.size_bytes.max(1)) > limit_bytes;
        if full { Err(Rejection::Full) } else { Ok(()) }
    }

    /// An address of another server, and the alias that led to it.
    fn elsewhere(&mut self, address: &EnvelopeAddress, by: Option<&Address>) -> Result<(), Rejection> {
        if by.is_none() && !self.question.anywhere {
            return Err(Rejection::NotHosted);
        }
        if queue::hop_of(&address.to_string()).is_none() {
            return Err(Rejection::Unroutable);
        }
        if self.found.remote.iter().all(|remote| remote.address != *address) {
            self.found.remote.push(Remote { address: address.clone(), by: by.cloned() });
        }
        Ok(())
    }
}

/// The account at an address, where it receives; `None` also where its address belongs to an alias.
fn receiving(directory: &Directory, address: &Address) -> Result<Option<Account>, Rejection> {
    let Some(account) = directory.account(address)? else { return Ok(None) };
    match account.state {
        AccountState::Open | AccountState::Locked => Ok(Some(account)),
        AccountState::Closed => Ok(None),
        AccountState::Disabled => Err(Rejection::Disabled),
        AccountState::Sealed => Err(Rejection::Sealed),
    }
}

/// The other forms of a domain name beyond ASCII: it is one domain, whether it is written in Unicode or in ASCII (IDNA).
pub(crate) fn other_forms(domain: &str) -> Vec<String> {
    if domain.is_ascii() && !domain.contains("xn--") {
        return Vec::new();
    }
    let (unicode, read) = idna::domain_to_unicode(domain);
    let forms = idna::domain_to_ascii(domain).ok().into_iter().chain(read.ok().map(|()| unicode));
    forms.filter(|form| form != domain).collect()
}

/// The address with its domain as the directory writes it.
fn as_known(directory: &Directory, address: Address) -> Result<Address, DirectoryError> {
    for form in other_forms(address.domain()) {
        let known = directory.domain(&form)?.is_some() || directory.domain_alias(&form)?.is_some();
        if known && let Ok(known) = Address::new(&format!("{}@{form}", address.localpart())) {
            return Ok(known);
        }
    }
    Ok(address)
}

/// The address in the domain that its domain stands for; `None` where domain aliases lead in circles.
fn in_real_domain(directory: &Directory, address: Address) -> Result<Option<Address>, DirectoryError> {
    let mut address = as_known(directory, address)?;
    for _ in 0..MAX_DOMAIN_CHAIN {
        // A domain that is switched off takes no mail, whatever it stands for.
        if directory.domain(address.domain())?.is_some_and(|domain| domain.disabled) {
            return Ok(Some(address));
        }
        let Some(alias) = directory.domain_alias(address.domain())? else { return Ok(Some(address)) };
        match Address::new(&format!("{}@{}", address.localpart(), alias.to)) {
            Ok(real) => address = real,
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

/// An address without its subaddress, and that.
fn without_detail(address: &Address) -> Option<(Address, String)> {
    let (base, detail) = address.localpart().split_once('+')?;
    let base = Address::new(&format!("{base}@{}", address.domain())).ok()?;
    Some((base, detail.to_owned()))
}
