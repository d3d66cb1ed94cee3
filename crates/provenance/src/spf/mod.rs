//! SPF (RFC 7208): whether a client may send for a domain.

mod macros;
mod record;

use std::net::IpAddr;
use std::pin::Pin;
use std::time::{SystemTime, UNIX_EPOCH};

use dns::{Error, Resolver};

use crate::verify::Asked;
use crate::{Identity, Outcome, Spf};
use macros::{MacroString, Values};
use record::{Mechanism, Record, Target};

/// Terms that ask DNS in one check (RFC 7208 §4.6.4).
const MAX_TERMS: u32 = 10;
/// Questions that found nothing in one check (RFC 7208 §4.6.4).
const MAX_VOIDS: u32 = 2;
/// Hosts of one `mx`, and names of one `ptr` (RFC 7208 §4.6.4).
const MAX_HOSTS: usize = 10;
/// Characters of an explanation that are kept.
const MAX_EXPLANATION: usize = 250;

/// Checks the name that the client gave itself (RFC 7208 §2.3).
pub(crate) async fn check_helo(resolver: &Resolver, asked: &Asked<'_>) -> Spf {
    check(resolver, asked, Identity::Helo, "postmaster", asked.helo, asked.helo).await
}

/// Checks the reverse-path (RFC 7208 §2.4); `None` if it is null.
pub(crate) async fn check_mail_from(resolver: &Resolver, asked: &Asked<'_>) -> Option<Spf> {
    if asked.reverse_path.is_empty() {
        return None;
    }
    let (local, domain) = asked.reverse_path.rsplit_once('@').unwrap_or(("", asked.reverse_path));
    let local = if local.is_empty() { "postmaster" } else { local };
    Some(check(resolver, asked, Identity::MailFrom, local, domain, asked.reverse_path).await)
}

async fn check(
    resolver: &Resolver,
    asked: &Asked<'_>,
    identity: Identity,
    local: &str,
    domain: &str,
    sender: &str,
) -> Spf {
    let mut spf = Spf { identity, domain: domain.to_owned(), sender: sender.to_owned(), ..Spf::default() };
    // An address literal, a name of one label or no name at all: there is nothing to check (RFC 7208 §4.3).
    let Ok(domain) = dns::ascii(domain) else { return spf };
    if !domain.contains('.') {
        return spf;
    }
    spf.domain.clone_from(&domain);
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut check = Check {
        resolver,
        client: asked.client.to_canonical(),
        values: Values {
            local: local.to_owned(),
            sender_domain: domain.clone(),
            helo: asked.helo.to_owned(),
            receiver: asked.hostname.to_owned(),
            client: asked.client.to_canonical(),
            validated: None,
            now_s,
        },
        terms: 0,
        voids: 0,
        names: None,
        explanation: None,
    };
    match check.host(domain).await {
        Ok(outcome) => {
            spf.outcome = outcome;
            if outcome == Outcome::Fail {
                spf.explanation = check.explain().await;
            }
        }
        Err(Stop::Temporary) => {
            spf.outcome = Outcome::TempError;
            spf.problem = Some("DNS did not answer".to_owned());
        }
        Err(Stop::Permanent(problem)) => {
            spf.outcome = Outcome::PermError;
            spf.problem = Some(problem.to_owned());
        }
    }
    spf
}

/// One check with its counts, over all the records that it leads to.
struct Check<'a> {
    resolver: &'a Resolver,
    client: IpAddr,
    values: Values,
    terms: u32,
    voids: u32,
    /// The names of the client that lead back to it, once they have been asked for.
    names: Option<Vec<String>>,
    /// Where the explanation of a failure is, and for which domain it was written.
    explanation: Option<(MacroString, String)>,
}

/// Why a check ends early.
enum Stop {
    Temporary,
    Permanent(&'static str),
}

impl Check<'_> {
    /// `check_host()` (RFC 7208 §4): what the record of a domain says of the client.
    fn host(&mut self, domain: String) -> Pin<Box<dyn Future<Output = Result<Outcome, Stop>> + Send + '_>> {
        Box::pin(async move {
            let Some(record) = self.record(&domain).await? else { return Ok(Outcome::None) };
            for directive in &record.directives {
                if self.matches(&directive.mechanism, &domain).await? {
                    if directive.outcome == Outcome::Fail {
                        self.explanation = record.explanation.map(|exp| (exp, domain));
                    }
                    return Ok(directive.outcome);
                }
            }
            let Some(redirect) = &record.redirect else { return Ok(Outcome::Neutral) };
            self.count()?;
            let target = self.name(redirect, &domain).await;
            match self.host(target.ok_or(Stop::Permanent("redirect leads to no name"))?).await? {
                Outcome::None => Err(Stop::Permanent("redirect leads to a domain without a record")),
                outcome => Ok(outcome),
            }
        })
    }

    /// The one SPF record of a domain (RFC 7208 §4.5).
    async fn record(&mut self, domain: &str) -> Result<Option<Record>, Stop> {
        let texts = match self.resolver.txt(domain).await {
            Ok(answer) => answer.value,
            Err(error) if error.is_temporary() => return Err(Stop::Temporary),
            Err(_) => return Ok(None),
        };
        let mut records = texts.iter().filter_map(|text| record::terms_of(text));
        let Some(terms) = records.next() else { return Ok(None) };
        if records.next().is_some() {
            return Err(Stop::Permanent("the domain has several records"));
        }
        record::parse(terms).map(Some).map_err(Stop::Permanent)
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Stop> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip(network) => Ok(network.contains(self.client)),
            Mechanism::Include(target) => {
                self.count()?;
                let Some(target) = self.name(target, domain).await else {
                    return Err(Stop::Permanent("include leads to no name"));
                };
                // The explanation of what is included is not ours to give (RFC 7208 §6.2).
                let explanation = self.explanation.take();
                let outcome = self.host(target).await?;
                self.explanation = explanation;
                match outcome {
                    Outcome::Pass => Ok(true),
                    Outcome::None => Err(Stop::Permanent("include leads to a domain without a record")),
                    _ => Ok(false),
                }
            }
            Mechanism::A(target) => {
                self.count()?;
                let Some(name) = self.target(target, domain).await else { return Ok(false) };
                Ok(self.has_address(&name, target).await? == Some(true))
            }
            Mechanism::Mx(target) => {
                self.count()?;
                let Some(name) = self.target(target, domain).await else { return Ok(false) };
                // No implicit MX here (RFC 7208 §5.4).
                let hosts = match self.resolver.mx_records(&name).await {
                    Ok(answer) => answer.value,
                    Err(error) if error.is_temporary() => return Err(Stop::Temporary),
                    Err(_) => {
                        self.void()?;
                        return Ok(false);
                    }
                };
                for (number, mx) in hosts.iter().enumerate() {
                    if number == MAX_HOSTS {
                        return Err(Stop::Permanent("mx leads to too many hosts"));
                    }
                    if self.has_address(&mx.host, target).await? == Some(true) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Mechanism::Ptr(target) => {
                self.count()?;
                let name = match target {
                    Some(target) => self.name(target, domain).await,
                    None => Some(domain.to_owned()),
                };
                let Some(name) = name else { return Ok(false) };
                let name = name.to_ascii_lowercase();
                Ok(self.validated_names().await.iter().any(|found| is_within(found, &name)))
            }
            Mechanism::Exists(target) => {
                self.count()?;
                let Some(name) = self.name(target, domain).await else { return Ok(false) };
                // An A record, whatever the client's family (RFC 7208 §5.7).
                match self.resolver.ipv4(&name).await {
                    Ok(_) => Ok(true),
                    Err(error) if error.is_temporary() => Err(Stop::Temporary),
                    Err(_) => {
                        self.void()?;
                        Ok(false)
                    }
                }
            }
        }
    }

    /// Whether a host has an address in the client's network; `None` if it has no address at all.
    async fn has_address(&mut self, host: &str, target: &Target) -> Result<Option<bool>, Stop> {
        let addresses: Result<Vec<IpAddr>, Error> = match self.client {
            IpAddr::V4(_) => self.resolver.ipv4(host).await.map(|a| a.value.into_iter().map(IpAddr::V4).collect()),
            IpAddr::V6(_) => self.resolver.ipv6(host).await.map(|a| a.value.into_iter().map(IpAddr::V6).collect()),
        };
        match addresses {
            Ok(addresses) => Ok(Some(addresses.into_iter().any(|found| target.network(found).contains(self.client)))),
            Err(error) if error.is_temporary() => Err(Stop::Temporary),
            Err(_) => {
                self.void()?;
                Ok(None)
            }
        }
    }

    async fn target(&mut self, target: &Target, domain: &str) -> Option<String> {
        match &target.name {
            Some(name) => self.name(name, domain).await,
            None => Some(domain.to_owned()),
        }
    }

    /// The name that a macro string makes, cut from the left to what DNS can hold (RFC 7208 §7.3); `None` if it is none.
    async fn name(&mut self, text: &MacroString, domain: &str) -> Option<String> {
        let expanded = self.expand(text, domain).await;
        let mut name = expanded.strip_suffix('.').unwrap_or(&expanded);
        while name.len() > 253 {
            name = name.split_once('.')?.1;
        }
        let sound = !name.is_empty() && name.split('.').all(|label| (1..=63).contains(&label.len()));
        sound.then(|| name.to_owned())
    }

    async fn expand(&mut self, text: &MacroString, domain: &str) -> String {
        if text.needs_validated_name() {
            let names = self.validated_names().await;
            let best = names
                .iter()
                .find(|name| *name == domain)
                .or_else(|| names.iter().find(|name| is_within(name, domain)))
                .or(names.first());
            self.values.validated = best.cloned();
        }
        text.expand(&self.values, domain)
    }

    /// The client's names that lead back to it (RFC 7208 §5.5). Failures count as no names.
    async fn validated_names(&mut self) -> Vec<String> {
        if let Some(names) = &self.names {
            return names.clone();
        }
        let mut validated = Vec::new();
        let names = self.resolver.ptr(self.client).await.map(|answer| answer.value).unwrap_or_default();
        for name in names.into_iter().take(MAX_HOSTS) {
            let leads_back = match self.client {
                IpAddr::V4(client) => self.resolver.ipv4(&name).await.is_ok_and(|found| found.value.contains(&client)),
                IpAddr::V6(client) => self.resolver.ipv6(&name).await.is_ok_and(|found| found.value.contains(&client)),
            };
            if leads_back {
                validated.push(name);
            }
        }
        self.names = Some(validated.clone());
        validated
    }

    /// What the domain says about a failure (RFC 7208 §6.2); anything wrong with it means that it says nothing.
    async fn explain(&mut self) -> Option<String> {
        let (text, domain) = self.explanation.take()?;
        let name = self.name(&text, &domain).await?;
        let texts = self.resolver.txt(&name).await.ok()?.value;
        let [text] = texts.as_slice() else { return None };
        let text = MacroString::explanation(text)?;
        let expanded = self.expand(&text, &domain).await;
        Some(expanded.chars().filter(|c| matches!(c, ' '..='~')).take(MAX_EXPLANATION).collect())
    }

    fn count(&mut self) -> Result<(), Stop> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(Stop::Permanent("the record asks DNS too often"));
        }
        Ok(())
    }

    fn void(&mut self) -> Result<(), Stop> {
        self.voids += 1;
        if self.voids > MAX_VOIDS {
            return Err(Stop::Permanent("the record asks for too much that does not exist"));
        }
        Ok(())
    }
}

/// Whether a name is a domain or below it.
fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}
