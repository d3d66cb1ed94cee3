//! What became of TLS and of DMARC, counted by day for the reports that domains ask for (RFC 8460, RFC 7489 §7.2).

use super::{Pen, Result, Spool};
use crate::codec::{Decoder, Encoder, Malformed};
use crate::error::StoreError;
use rusqlite::{Connection, params};
use std::net::IpAddr;

/// How long outcomes are kept, in days.
const KEPT_DAYS: i64 = 60;
/// Different outcomes of one kind and day: more are made by somebody who makes them, and would only fill the disk.
const MAX_A_DAY: u64 = 100_000;
/// Longest text kept of a peer's words, in bytes; most lines of a policy; most signatures of a message.
const MAX_TEXT_BYTES: usize = 512;
const MAX_LINES: usize = 64;
const MAX_SIGNATURES: usize = 16;

/// What a domain asks of those who send to it (RFC 8460 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsPolicy {
    /// TLSA records (RFC 7672).
    Tlsa,
    /// MTA-STS (RFC 8461).
    Sts,
    /// Nothing.
    NoPolicyFound,
}

/// Why a session was not as the policy asks (RFC 8460 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsFailure {
    /// The server offers no STARTTLS.
    StarttlsNotSupported,
    /// The certificate is for another host.
    CertificateHostMismatch,
    /// The certificate is past its time.
    CertificateExpired,
    /// Nobody trusted vouches for the certificate.
    CertificateNotTrusted,
    /// TLS failed otherwise.
    ValidationFailure,
    /// A TLSA record is malformed, or none matches.
    TlsaInvalid,
    /// DNSSEC does not vouch for an answer.
    DnssecInvalid,
    /// Only DANE would do, and there are no usable TLSA records.
    DaneRequired,
    /// The policy could not be fetched.
    StsPolicyFetchError,
    /// The policy is malformed.
    StsPolicyInvalid,
    /// The server of the policy has no certificate that counts.
    StsWebpkiInvalid,
}

/// Sessions with one domain that came out alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOutcome {
    /// The domain whose policy it is.
    pub domain: String,
    /// Which kind of policy.
    pub policy: TlsPolicy,
    /// The policy as it was found, line by line.
    pub policy_text: Vec<String>,
    /// The server, where one was reached for.
    pub mx: Option<String>,
    /// Its address.
    pub mx_ip: Option<IpAddr>,
    /// Our own address.
    pub sending_ip: Option<IpAddr>,
    /// What went wrong; `None`: nothing.
    pub failure: Option<TlsFailure>,
    /// What more there is to say of a failure.
    pub reason: Option<String>,
    /// How many sessions.
    pub count: u64,
}

/// What was done with a message because of DMARC (RFC 7489 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// Nothing.
    None,
    /// It was put aside.
    Quarantine,
    /// It was refused.
    Reject,
}

/// What came of one DKIM signature, for a DMARC report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DkimSeen {
    /// Who signed.
    pub domain: String,
    /// With which selector.
    pub selector: String,
    /// In the words of RFC 8601 §2.7.1.
    pub result: String,
}

/// What came of SPF, for a DMARC report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpfSeen {
    /// Which domain was asked.
    pub domain: String,
    /// In the words of RFC 8601 §2.7.2.
    pub result: String,
}

/// Messages that came out alike under one domain's DMARC policy (RFC 7489 appendix C).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DmarcOutcome {
    /// The domain whose policy it is.
    pub domain: String,
    /// The policy's record as it was published.
    pub policy: String,
    /// Who sent.
    pub source_ip: IpAddr,
    /// What was done.
    pub disposition: Disposition,
    /// Why something else was done than the policy asks, in the words of PolicyOverrideType.
    pub reason: Option<String>,
    /// Whether an aligned DKIM signature passed.
    pub dkim_aligned: bool,
    /// Whether aligned SPF passed.
    pub spf_aligned: bool,
    /// The domain of From.
    pub header_from: String,
    /// The domain of the reverse-path; empty for the null one.
    pub envelope_from: String,
    /// The domain of the recipient.
    pub envelope_to: Option<String>,
    /// Every DKIM signature that was looked at.
    pub dkim: Vec<DkimSeen>,
    /// SPF.
    pub spf: Option<SpfSeen>,
    /// How many messages.
    pub count: u64,
}

const TLS_POLICIES: [TlsPolicy; 3] = [TlsPolicy::Tlsa, TlsPolicy::Sts, TlsPolicy::NoPolicyFound];
const TLS_FAILURES: [TlsFailure; 11] = [
    TlsFailure::StarttlsNotSupported,
    TlsFailure::CertificateHostMismatch,
    TlsFailure::CertificateExpired,
    TlsFailure::CertificateNotTrusted,
    TlsFailure::ValidationFailure,
    TlsFailure::TlsaInvalid,
    TlsFailure::DnssecInvalid,
    TlsFailure::DaneRequired,
    TlsFailure::StsPolicyFetchError,
    TlsFailure::StsPolicyInvalid,
    TlsFailure::StsWebpkiInvalid,
];
const DISPOSITIONS: [Disposition; 3] = [Disposition::None, Disposition::Quarantine, Disposition::Reject];

impl TlsPolicy {
    /// Its name in a report.
    pub const fn name(self) -> &'static str {
        match self {
            TlsPolicy::Tlsa => "tlsa",
            TlsPolicy::Sts => "sts",
            TlsPolicy::NoPolicyFound => "no-policy-found",
        }
    }
}

impl TlsFailure {
    /// Its name in a report.
    pub const fn name(self) -> &'static str {
        match self {
            TlsFailure::StarttlsNotSupported => "starttls-not-supported",
            TlsFailure::CertificateHostMismatch => "certificate-host-mismatch",
            TlsFailure::CertificateExpired => "certificate-expired",
            TlsFailure::CertificateNotTrusted => "certificate-not-trusted",
            TlsFailure::ValidationFailure => "validation-failure",
            TlsFailure::TlsaInvalid => "tlsa-invalid",
            TlsFailure::DnssecInvalid => "dnssec-invalid",
            TlsFailure::DaneRequired => "dane-required",
            TlsFailure::StsPolicyFetchError => "sts-policy-fetch-error",
            TlsFailure::StsPolicyInvalid => "sts-policy-invalid",
            TlsFailure::StsWebpkiInvalid => "sts-webpki-invalid",
        }
    }
}

impl Disposition {
    /// Its name in a report.
    pub const fn name(self) -> &'static str {
        match self {
            Disposition::None => "none",
            Disposition::Quarantine => "quarantine",
            Disposition::Reject => "reject",
        }
    }
}

/// A kind of outcome: what of it is one row, and back again.
trait Outcome: Sized {
    const KIND: u8;

    /// All but the count; texts no longer than is kept of them.
    fn encode(&self) -> Vec<u8>;

    fn decode(said: &[u8], count: u64) -> std::result::Result<Self, Malformed>;

    fn count(&self) -> u64;
}

fn number_in<T: PartialEq>(all: &[T], one: &T) -> u64 {
    all.iter().position(|other| other == one).map_or(0, |n| n as u64)
}

fn numbered<T: Copy>(all: &[T], number: u64) -> std::result::Result<T, Malformed> {
    usize::try_from(number).ok().and_then(|n| all.get(n).copied()).ok_or(Malformed)
}

fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

fn put_text(e: &mut Encoder, text: &str) {
    e.bytes(clip(text).as_bytes());
}

fn put_optional(e: &mut Encoder, text: Option<&str>) {
    e.optional_bytes(text.map(|t| clip(t).as_bytes()));
}

fn put_address(e: &mut Encoder, address: Option<IpAddr>) {
    let address = address.map(|a| a.to_string());
    e.optional_bytes(address.as_deref().map(str::as_bytes));
}

fn text(d: &mut Decoder<'_>) -> std::result::Result<String, Malformed> {
    d.text().map(str::to_owned)
}

fn optional(d: &mut Decoder<'_>) -> std::result::Result<Option<String>, Malformed> {
    d.optional_text().map(|t| t.map(str::to_owned))
}

fn address(d: &mut Decoder<'_>) -> std::result::Result<Option<IpAddr>, Malformed> {
    d.optional_text()?.map(|t| t.parse().map_err(|_| Malformed)).transpose()
}

impl Outcome for TlsOutcome {
    const KIND: u8 = 1;

    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::default();
        put_text(&mut e, &self.domain);
        e.unsigned(number_in(&TLS_POLICIES, &self.policy)).unsigned(self.policy_text.len().min(MAX_LINES) as u64);
        self.policy_text.iter().take(MAX_LINES).for_each(|line| put_text(&mut e, line));
        put_optional(&mut e, self.mx.as_deref());
        put_address(&mut e, self.mx_ip);
        put_address(&mut e, self.sending_ip);
        e.optional(self.failure.map(|failure| number_in(&TLS_FAILURES, &failure)));
        put_optional(&mut e, self.reason.as_deref());
        e.bytes
    }

    fn decode(said: &[u8], count: u64) -> std::result::Result<Self, Malformed> {
        let d = &mut Decoder::new(said);
        let (domain, policy) = (text(d)?, numbered(&TLS_POLICIES, d.unsigned()?)?);
        Ok(TlsOutcome {
            domain,
            policy,
            policy_text: (0..d.unsigned()?).map(|_| text(d)).collect::<std::result::Result<_, _>>()?,
            mx: optional(d)?,
            mx_ip: address(d)?,
            sending_ip: address(d)?,
            failure: d.optional()?.map(|n| numbered(&TLS_FAILURES, n)).transpose()?,
            reason: optional(d)?,
            count,
        })
    }

    fn count(&self) -> u64 {
        self.count
    }
}

impl Outcome for DmarcOutcome {
    const KIND: u8 = 2;

    fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::default();
        put_text(&mut e, &self.domain);
        put_text(&mut e, &self.policy);
        put_address(&mut e, Some(self.source_ip));
        e.unsigned(number_in(&DISPOSITIONS, &self.disposition));
        put_optional(&mut e, self.reason.as_deref());
        e.raw(&[u8::from(self.dkim_aligned), u8::from(self.spf_aligned)]);
        put_text(&mut e, &self.header_from);
        put_text(&mut e, &self.envelope_from);
        put_optional(&mut e, self.envelope_to.as_deref());
        e.unsigned(self.dkim.len().min(MAX_SIGNATURES) as u64);
        for DkimSeen { domain, selector, result } in self.dkim.iter().take(MAX_SIGNATURES) {
            [domain, selector, result].into_iter().for_each(|text| put_text(&mut e, text));
        }
        e.raw(&[u8::from(self.spf.is_some())]);
        if let Some(SpfSeen { domain, result }) = &self.spf {
            [domain, result].into_iter().for_each(|text| put_text(&mut e, text));
        }
        e.bytes
    }

    fn decode(said: &[u8], count: u64) -> std::result::Result<Self, Malformed> {
        let d = &mut Decoder::new(said);
        let dkim = |d: &mut Decoder<'_>| Ok(DkimSeen { domain: text(d)?, selector: text(d)?, result: text(d)? });
        Ok(DmarcOutcome {
            domain: text(d)?,
            policy: text(d)?,
            source_ip: address(d)?.ok_or(Malformed)?,
            disposition: numbered(&DISPOSITIONS, d.unsigned()?)?,
            reason: optional(d)?,
            dkim_aligned: d.byte()? != 0,
            spf_aligned: d.byte()? != 0,
            header_from: text(d)?,
            envelope_from: text(d)?,
            envelope_to: optional(d)?,
            dkim: (0..d.unsigned()?).map(|_| dkim(d)).collect::<std::result::Result<_, _>>()?,
            spf: match d.byte()? {
                0 => None,
                _ => Some(SpfSeen { domain: text(d)?, result: text(d)? }),
            },
            count,
        })
    }

    fn count(&self) -> u64 {
        self.count
    }
}

impl Spool {
    /// Counts what became of TLS on a day (days since 1970 UTC). What is alike is counted together. A power loss may take
    /// it back; of more than 100,000 different outcomes on one day the later are not kept.
    ///
    /// # Errors
    /// Those of the index.
    pub fn record_tls(&self, day: i64, outcomes: Vec<TlsOutcome>) -> Result<()> {
        self.ready_pen()?.record(day, &outcomes)
    }

    /// As [`Spool::record_tls`], of DMARC.
    ///
    /// # Errors
    /// Those of the index.
    pub fn record_dmarc(&self, day: i64, outcomes: Vec<DmarcOutcome>) -> Result<()> {
        self.ready_pen()?.record(day, &outcomes)
    }

    /// What became of TLS on a day (days since 1970 UTC).
    ///
    /// # Errors
    /// Those of the index.
    pub fn tls_outcomes(&self, day: i64) -> Result<Vec<TlsOutcome>> {
        self.readers.read(|db| of_day(db, day))
    }

    /// What became of DMARC on a day (days since 1970 UTC).
    ///
    /// # Errors
    /// Those of the index.
    pub fn dmarc_outcomes(&self, day: i64) -> Result<Vec<DmarcOutcome>> {
        self.readers.read(|db| of_day(db, day))
    }
}

impl Pen {
    fn record<O: Outcome>(&mut self, day: i64, outcomes: &[O]) -> Result<()> {
        let rows = match self.outcomes.get(&(day, O::KIND)) {
            Some(rows) => *rows,
            None => count(&self.writer.db, day, O::KIND)?,
        };
        let rows = self.writer.transact(false, |db, _| {
            outcomes.iter().try_fold(rows, |rows, o| Ok(rows + u64::from(add(db, day, o, rows < MAX_A_DAY)?)))
        })?;
        self.outcomes.insert((day, O::KIND), rows);
        Ok(())
    }
}

fn count(db: &Connection, day: i64, kind: u8) -> Result<u64> {
    let sql = "SELECT count(*) FROM outcome WHERE day = ?1 AND kind = ?2";
    Ok(db.prepare_cached(sql)?.query_row(params![day, kind], |r| r.get(0))?)
}

/// Adds to a row, or makes it where there is none and it may be made. Gives whether it was made.
fn add<O: Outcome>(db: &Connection, day: i64, outcome: &O, may_make: bool) -> Result<bool> {
    let said = outcome.encode();
    let hash = blake3::hash(&said);
    let name = &hash.as_bytes()[..16];
    let sql = "UPDATE outcome SET count = count + ?4 WHERE day = ?1 AND kind = ?2 AND name = ?3";
    if db.prepare_cached(sql)?.execute(params![day, O::KIND, name, outcome.count()])? > 0 || !may_make {
        return Ok(false);
    }
    let sql = "INSERT INTO outcome (day, kind, name, said, count) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(sql)?.execute(params![day, O::KIND, name, said, outcome.count()])?;
    Ok(true)
}

fn of_day<O: Outcome>(db: &Connection, day: i64) -> Result<Vec<O>> {
    let mut statement = db.prepare_cached("SELECT said, count FROM outcome WHERE day = ?1 AND kind = ?2")?;
    let mut rows = statement.query(params![day, O::KIND])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let said = row.get_ref(0)?.as_blob().map_err(|_| StoreError::BadRow("an outcome that is no bytes".into()))?;
        let outcome = O::decode(said, row.get(1)?);
        found.push(outcome.map_err(|_| StoreError::BadRow("a malformed outcome".into()))?);
    }
    Ok(found)
}

/// The first day whose outcomes are kept at a time.
pub(super) fn first_day_kept(now_s: i64) -> i64 {
    now_s.div_euclid(86_400) - KEPT_DAYS
}

pub(super) fn oldest_day(db: &Connection) -> Result<Option<i64>> {
    Ok(db.prepare_cached("SELECT min(day) FROM outcome")?.query_row([], |r| r.get(0))?)
}

/// Forgets up to so many outcomes of days before one. Gives how many.
pub(super) fn forget(db: &Connection, before: i64, limit: usize) -> Result<usize> {
    let sql = "DELETE FROM outcome WHERE (day, kind, name) IN \
               (SELECT day, kind, name FROM outcome WHERE day < ?1 ORDER BY day LIMIT ?2)";
    Ok(db.prepare_cached(sql)?.execute(params![before, limit as i64])?)
}
