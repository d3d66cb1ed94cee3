//! DKIM and ARC of a message that came in: what mail-auth verifies, after it was bounded and its keys were fetched.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dns::Resolver;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::arc::ChainValidation;
use mail_auth::common::crypto::{Algorithm, HashAlgorithm};
use mail_auth::common::headers::Header;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::{DomainKey, VerifySignature};
use mail_auth::dkim::{Canonicalization, Signature};
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DnsError, Error, MessageAuthenticator, Parameters, ResolverCache, Txt,
};
use message::header;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, timeout_at};

use crate::canonical::{Body, body_digest};
use crate::sign::body;
use crate::verify::Options;
use crate::{Chain, Dkim, Outcome, Vouched, results};

/// Fields a header may have if its signatures are to be looked at; choosing the signed ones takes time with their number.
const MAX_FIELDS: usize = 2_000;
/// Fields one signature may name.
const MAX_NAMES: usize = 200;
/// Questions for keys that are open at a time.
const MAX_QUESTIONS: usize = 16;
/// Octets of a message beyond which its digests are taken off the runtime's hands.
const HEAVY: usize = 128 * 1024;
/// Characters of a signature that tell it from others.
const SIGNATURE_START: usize = 12;

/// What was found about signatures.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) dkim: Vec<Dkim>,
    pub(crate) arc: Chain,
}

/// mail-auth, cut off from the network.
pub(crate) struct Checker {
    authenticator: MessageAuthenticator,
}

/// The keys that were fetched. It has an answer for every name, so that mail-auth never asks.
struct Keys(HashMap<Box<str>, Txt>);

impl ResolverCache<Box<str>, Txt> for Keys {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let unasked = || Txt::Error(Error::Dns(DnsError::Resolver("the key was not asked for".to_owned())));
        Some(self.0.get(name).cloned().unwrap_or_else(unasked))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: std::time::Instant) {}
}

impl Checker {
    /// # Panics
    /// Never: the resolver has no server, and a TLS configuration with nothing in it can always be made.
    pub(crate) fn new() -> Checker {
        let mut options = ResolverOpts::default();
        options.use_hosts_file = ResolveHosts::Never;
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let config = ResolverConfig::from_name_servers(Vec::new());
        let resolver: TokioResolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .with_tls_config(tls)
            .build()
            .expect("a resolver without servers can be made");
        Checker { authenticator: MessageAuthenticator(resolver) }
    }

    /// Verifies the signatures and the ARC chain of a message in CRLF form.
    pub(crate) async fn check(&self, resolver: &Resolver, crlf: &[u8], options: &Options, until: Instant) -> Checked {
        let mut checked = Checked::default();
        let (mut signatures, mut sealed, mut fields) = (false, false, 0_usize);
        for field in header::fields(crlf) {
            signatures |= field.is("DKIM-Signature");
            sealed |=
                field.is("ARC-Seal") || field.is("ARC-Message-Signature") || field.is("ARC-Authentication-Results");
            fields += 1;
        }
        if !signatures && !sealed {
            return checked;
        }
        let header_bytes = crlf.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(crlf.len());
        if fields > MAX_FIELDS || header_bytes > options.max_header_bytes {
            let problem = Some("the header is too large to be verified".to_owned());
            if signatures {
                checked.dkim.push(Dkim { outcome: Outcome::PermError, problem: problem.clone(), ..Dkim::default() });
            }
            if sealed {
                // An end to the chain: what cannot be read cannot be continued.
                checked.arc = Chain { outcome: Outcome::Fail, problem, ended: true, ..Chain::default() };
            }
            return checked;
        }
        let Some(mut parsed) = heavy(crlf.len(), || parse(crlf)) else { return checked };

        checked.dkim = refuse(&mut parsed, options.max_signatures);
        let keys = fetch(resolver, names(&parsed, options), until).await;
        self.check_signatures(&parsed, &keys, &mut checked.dkim).await;
        checked.dkim.truncate(options.max_signatures);
        if sealed {
            checked.arc = self.check_chain(&parsed, &keys, options).await;
        }
        checked
    }

    async fn check_signatures(&self, parsed: &AuthenticatedMessage<'_>, keys: &Keys, found: &mut Vec<Dkim>) {
        let outputs = self.authenticator.verify_dkim(Parameters::new(parsed).with_txt_cache(keys)).await;
        found.extend(outputs.iter().map(told));
    }

    async fn check_chain(&self, parsed: &AuthenticatedMessage<'_>, keys: &Keys, options: &Options) -> Chain {
        let instances = u32::try_from(parsed.as_headers.len()).unwrap_or(u32::MAX);
        let mut chain = Chain { instances, ..Chain::default() };
        let seals: Vec<_> = parsed.as_headers.iter().map(|seal| &seal.header).collect();
        chain.ended = seals.iter().any(|seal| seal.cv == ChainValidation::Fail);
        if parsed.as_headers.len() > options.max_arc_sets || parsed.ams_headers.len() > options.max_arc_sets {
            chain.outcome = Outcome::Fail;
            chain.ended = true;
            chain.problem = Some("the chain is too long to be verified".to_owned());
            return chain;
        }
        if let Some(problem) = parsed.ams_headers.iter().find_map(|signature| {
            let signature = &signature.header;
            unsound(signature.a, &signature.h)
        }) {
            chain.outcome = Outcome::Fail;
            chain.problem = Some(problem.to_owned());
            return chain;
        }
        let output = self.authenticator.verify_arc(Parameters::new(parsed).with_txt_cache(keys)).await;
        (chain.outcome, chain.problem) = match output.result() {
            DkimResult::Pass => (Outcome::Pass, None),
            DkimResult::TempError(error) => (Outcome::TempError, Some(error.to_string())),
            // A chain has three states (RFC 8617 §4.4): what is not whole fails, and fields without seals are no whole.
            DkimResult::Neutral(error) | DkimResult::Fail(error) | DkimResult::PermError(error) => {
                (Outcome::Fail, Some(error.to_string()))
            }
            DkimResult::None => (Outcome::Fail, Some("the chain is not whole".to_owned())),
        };
        if chain.outcome == Outcome::Pass {
            chain.sealers = seals.iter().map(|seal| seal.d.clone()).collect();
            chain.oldest_pass = self.oldest_pass(parsed, keys).await;
            chain.vouched = vouched(parsed, &options.trusted_sealers);
        }
        chain
    }

    /// Which message signatures besides the last still hold (RFC 8617 §5.2, step 5): they are DKIM signatures in all but name.
    async fn oldest_pass(&self, parsed: &AuthenticatedMessage<'_>, keys: &Keys) -> u32 {
        let mut view = parsed.clone();
        view.errors.clear();
        view.dkim_headers = parsed
            .ams_headers
            .iter()
            .map(|signature| Header::new(signature.name, signature.value, as_dkim(&signature.header)))
            .collect();
        let outputs = self.authenticator.verify_dkim(Parameters::new(&view).with_txt_cache(keys)).await;
        let broken = outputs.iter().rposition(|output| *output.result() != DkimResult::Pass);
        broken.and_then(|at| u32::try_from(at + 2).ok()).unwrap_or(0)
    }
}

/// Reads a message, and takes the digests of its body.
fn parse(crlf: &[u8]) -> Option<AuthenticatedMessage<'_>> {
    let mut parsed = AuthenticatedMessage::parse(crlf)?;
    // mail-auth counts lines of nothing but white space at the end of a body, and passes over a bare CR; the standard does
    // neither (RFC 6376 §3.4). So the digests are our own.
    for (form, hash, _, digest) in &mut parsed.body_hashes {
        if *hash == HashAlgorithm::Sha256 {
            let form = match form {
                Canonicalization::Relaxed => Body::Relaxed,
                Canonicalization::Simple => Body::Simple,
            };
            *digest = body_digest(form, body(crlf)).to_vec();
        }
    }
    Some(parsed)
}

/// Takes out the signatures that are not worth verifying, and says why.
fn refuse(parsed: &mut AuthenticatedMessage<'_>, max_signatures: usize) -> Vec<Dkim> {
    parsed.dkim_headers.truncate(max_signatures);
    let mut errors = 0;
    parsed.errors.retain(|error| {
        let of_dkim = matches!(error.header, Error::Dkim(_));
        errors += usize::from(of_dkim);
        !of_dkim || errors <= max_signatures
    });
    let mut refused = Vec::new();
    parsed.dkim_headers.retain_mut(|header| {
        let signature = &mut header.header;
        // Neither third-party signatures (RFC 6541) nor reports (RFC 6651): either would be more questions.
        signature.atps = None;
        signature.r = false;
        let problem = match signature.v {
            1 => unsound(signature.a, &signature.h),
            _ => Some("the signature has no version"),
        };
        let Some(problem) = problem else { return true };
        let outcome = if signature.a == Algorithm::RsaSha1 { Outcome::Policy } else { Outcome::PermError };
        refused.push(Dkim { outcome, problem: Some(problem.to_owned()), ..signer(signature) });
        false
    });
    refused
}

/// Why a signature is not worth verifying, whatever it says.
fn unsound(algorithm: Algorithm, names: &[String]) -> Option<&'static str> {
    if algorithm == Algorithm::RsaSha1 {
        Some("SHA-1 proves nothing (RFC 8301)")
    } else if names.len() > MAX_NAMES {
        Some("the signature names too many fields")
    } else if !names.iter().any(|name| name.eq_ignore_ascii_case("From")) {
        Some("the signature leaves out From")
    } else {
        None
    }
}

/// The names of all keys that will be needed.
fn names(parsed: &AuthenticatedMessage<'_>, options: &Options) -> BTreeSet<String> {
    let dkim = parsed.dkim_headers.iter().map(|header| header.header.domain_key());
    let arc = |count: usize| count <= options.max_arc_sets;
    let seals = parsed.as_headers.iter().filter(|_| arc(parsed.as_headers.len())).map(|seal| seal.header.domain_key());
    let signatures =
        parsed.ams_headers.iter().filter(|_| arc(parsed.ams_headers.len())).map(|header| header.header.domain_key());
    dkim.chain(seals).chain(signatures).collect()
}

/// Asks for keys, some at a time, until the time is over.
async fn fetch(resolver: &Resolver, names: BTreeSet<String>, until: Instant) -> Keys {
    let mut keys = HashMap::new();
    let mut questions = JoinSet::new();
    let mut names = names.into_iter();
    loop {
        while questions.len() < MAX_QUESTIONS
            && let Some(name) = names.next()
        {
            let resolver = resolver.clone();
            questions.spawn(async move {
                let texts = resolver.txt(&name).await.map(|answer| answer.value);
                (name, texts)
            });
        }
        match timeout_at(until, questions.join_next()).await {
            Ok(Some(Ok((name, texts)))) => {
                keys.insert(name.into_boxed_str(), key(texts));
            }
            // Every question has come back, or no time is left for the others.
            Ok(None) | Err(_) => return Keys(keys),
            Ok(Some(Err(_))) => {}
        }
    }
}

/// The first key among the records at a name that can be used.
fn key(texts: Result<Vec<String>, dns::Error>) -> Txt {
    let texts = match texts {
        Ok(texts) => texts,
        Err(error) if error.is_temporary() => return Txt::Error(Error::Dns(DnsError::Resolver(error.to_string()))),
        Err(_) => {
            return Txt::Error(Error::Dns(DnsError::RecordNotFound(
                hickory_resolver::proto::op::ResponseCode::NXDomain,
            )));
        }
    };
    let mut problem = Error::Dns(DnsError::InvalidRecordType);
    for text in texts {
        match DomainKey::parse(text.as_bytes()) {
            Ok(key) => return Txt::DomainKey(Arc::new(key)),
            Err(error) => problem = error,
        }
    }
    Txt::Error(problem)
}

/// What mail-auth found about one signature.
fn told(output: &DkimOutput<'_>) -> Dkim {
    let (outcome, problem) = match output.result() {
        DkimResult::Pass => (Outcome::Pass, None),
        // A body that was changed is a failure; mail-auth says neutral of it.
        DkimResult::Neutral(error @ Error::Dkim(mail_auth::dkim::DkimError::FailedBodyHashMatch)) => {
            (Outcome::Fail, Some(error))
        }
        DkimResult::Neutral(error) => (Outcome::Neutral, Some(error)),
        DkimResult::Fail(error) => (Outcome::Fail, Some(error)),
        DkimResult::PermError(error) => (Outcome::PermError, Some(error)),
        DkimResult::TempError(error) => (Outcome::TempError, Some(error)),
        DkimResult::None => (Outcome::None, None),
    };
    let signer = output.signature().map(signer).unwrap_or_default();
    Dkim { outcome, problem: problem.map(ToString::to_string), ..signer }
}

/// Who signed, and with what.
fn signer(signature: &Signature) -> Dkim {
    let mut start = STANDARD.encode(&signature.b);
    start.truncate(SIGNATURE_START);
    Dkim {
        domain: signature.d.clone(),
        selector: signature.s.clone(),
        algorithm: match signature.a {
            Algorithm::RsaSha1 => "rsa-sha1",
            Algorithm::RsaSha256 => "rsa-sha256",
            Algorithm::Ed25519Sha256 => "ed25519-sha256",
        },
        signature_start: start,
        ..Dkim::default()
    }
}

fn as_dkim(signature: &mail_auth::arc::Signature) -> Signature {
    Signature {
        v: 1,
        a: signature.a,
        d: signature.d.clone(),
        s: signature.s.clone(),
        b: signature.b.clone(),
        bh: signature.bh.clone(),
        h: signature.h.clone(),
        l: signature.l,
        x: signature.x,
        t: signature.t,
        ch: signature.ch,
        cb: signature.cb,
        ..Signature::default()
    }
}

/// The word of a trusted sealer. From the last set back, as long as those who sealed are trusted: behind one who is not,
/// anything may have been changed. The chain passes, so its sets are in order and whole.
fn vouched(parsed: &AuthenticatedMessage<'_>, trusted: &[String]) -> Option<Vouched> {
    let sets = parsed.as_headers.iter().zip(&parsed.aar_headers).rev();
    sets.take_while(|(seal, _)| trusted.iter().any(|domain| domain.eq_ignore_ascii_case(&seal.header.d))).find_map(
        |(seal, told)| {
            let (result, from) = results::recorded(told.value, "dmarc", "header.from")?;
            (result == "pass").then(|| Vouched { sealer: seal.header.d.clone(), from })
        },
    )
}

/// Does work that takes time with the size of a message without holding up other sessions.
fn heavy<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    if bytes > HEAVY && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        block_in_place(work)
    } else {
        work()
    }
}
