//! Answers of absent people: to whom one is due (RFC 5230 §4, RFC 3834 §2), and its bytes.

mod reply;

use crate::mailbox::{address_of, addresses_of};
use crate::program;
use crate::run::{Context, Delivery, Fail};
use crate::template::Template;
use message::{Address, header};
use std::collections::HashSet;

/// Fields that only mail to many has (RFC 2369, RFC 2919).
const LIST_FIELDS: [&str; 8] = [
    "List-Id",
    "List-Post",
    "List-Help",
    "List-Subscribe",
    "List-Unsubscribe",
    "List-Owner",
    "List-Archive",
    "Mailing-List",
];

/// Fields in which the owner must be named (RFC 5230 §4.5).
const RECIPIENT_FIELDS: [&str; 6] = ["To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"];

/// Localparts of programs, in lower case (RFC 3834 §2).
const PROGRAMS: [&str; 8] =
    ["mailer-daemon", "listserv", "majordomo", "postmaster", "noreply", "no-reply", "donotreply", "do-not-reply"];

/// A reply to be sent, and what to remember of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VacationReply {
    /// To whom.
    pub recipient: Address,
    /// Under which the sending of it is remembered: 64 hexadecimal digits.
    pub handle: String,
    /// For how many seconds the same handle does not answer the recipient again.
    pub interval_s: u64,
    /// Its bytes in CRLF form. It goes out with a null reverse-path (RFC 3834 §3.3).
    pub message: Vec<u8>,
}

/// A vacation with its variables expanded.
pub(crate) struct Expanded {
    interval_s: u64,
    subject: Option<String>,
    from: Option<String>,
    addresses: Vec<String>,
    mime: bool,
    handle: Option<String>,
    reason: String,
}

impl Expanded {
    pub(crate) fn new(
        vacation: &program::Vacation,
        mut expand: impl FnMut(&Template) -> Result<String, Fail>,
    ) -> Result<Self, Fail> {
        let mut optional = |template: &Option<Template>| template.as_ref().map(&mut expand).transpose();
        let (subject, from) = (optional(&vacation.subject)?, optional(&vacation.from)?);
        let handle = optional(&vacation.handle)?;
        if let Some(from) = &from
            && address_of(from).is_none()
        {
            return Err(Fail(format!("{from:?} is no mail address")));
        }
        Ok(Expanded {
            interval_s: vacation.interval_s,
            subject,
            from,
            addresses: vacation.addresses.iter().map(&mut expand).collect::<Result<_, _>>()?,
            mime: vacation.mime,
            handle,
            reason: expand(&vacation.reason)?,
        })
    }

    /// What is remembered: the handle, or else all that makes the reply what it is (RFC 5230 §4.2).
    fn key(&self) -> String {
        match &self.handle {
            Some(handle) => key(&[b"vacation handle", handle.as_bytes()]),
            None => {
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                let mime: &[u8] = if self.mime { b"mime" } else { b"text" };
                let (subject, from) = (text(&self.subject), text(&self.from));
                key(&[b"vacation", self.reason.as_bytes(), subject.as_bytes(), from.as_bytes(), mime])
            }
        }
    }
}

/// Stands for some parts, however they are cut.
pub(crate) fn key(parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex().to_string()
}

/// The reply to a message, where one is due. `header` is a message with its header as the script made it, which is what is
/// looked at (RFC 5293 §7) and answered.
pub(crate) fn reply(
    vacation: &Expanded,
    delivery: &Delivery<'_>,
    header: &[u8],
    context: &mut dyn Context,
) -> Option<VacationReply> {
    let sender = Address::new(delivery.envelope_from).ok().filter(|sender| !is_program(sender))?;
    // What it was when it came counts too: a script that takes out what says that a program or a list sent it would have that
    // answered.
    if is_automatic(header) || is_automatic(delivery.crlf) {
        return None;
    }
    // What the script says besides is believed of a recipient, never of a sender: that would be anybody's name on our mail.
    let trusted: Vec<Address> = context.addresses().into_iter().chain(Address::new(delivery.envelope_to)).collect();
    let named = vacation.addresses.iter().filter_map(|text| address_of(text)).map(|(_, address)| address);
    let own: HashSet<Address> = trusted.iter().cloned().chain(named).collect();
    if own.contains(&sender) {
        return None;
    }
    let addressed = addressed(header, &own)?;
    // RFC 5230 §4.3: one that is not the owner's is passed over.
    let from = vacation.from.as_deref().and_then(address_of).filter(|(_, address)| trusted.contains(address));
    let from = match from {
        Some(from) => from,
        None if trusted.contains(&addressed) => (None, addressed),
        None => (None, trusted.first()?.clone()),
    };
    let handle = vacation.key();
    if let Some(last_s) = context.last_vacation(&handle, &sender) {
        let since_s = delivery.time_s.saturating_sub(last_s);
        if u64::try_from(since_s).map_or(true, |since_s| since_s < vacation.interval_s) {
            return None;
        }
    }
    let parts = reply::Parts {
        from,
        to: &sender,
        subject: vacation.subject.as_deref(),
        mime: vacation.mime,
        reason: &vacation.reason,
        time_s: delivery.time_s,
        zone_offset_s: delivery.zone_offset_s,
        unique: &handle,
        original: delivery.crlf,
        header,
    };
    let message = reply::build(&parts);
    Some(VacationReply { recipient: sender, handle, interval_s: vacation.interval_s, message })
}

/// Whether an address is that of a program, which would answer the answer or drop it.
fn is_program(address: &Address) -> bool {
    let localpart = address.localpart().to_lowercase();
    PROGRAMS.contains(&&localpart[..])
        || localpart.starts_with("owner-")
        || localpart.ends_with("-owner")
        || localpart.ends_with("-request")
        || localpart.ends_with("-bounces")
        // The bounces of mail to many, each with an address of its own.
        || localpart == "bounce"
        || ["bounce-", "bounce+", "bounces"].iter().any(|start| localpart.starts_with(start))
        || localpart.contains("-bounces+")
}

/// Whether a message was sent by a program or to many, going by its header.
fn is_automatic(crlf: &[u8]) -> bool {
    let any = |name: &str, is_it: fn(&str) -> bool| {
        let mut fields = header::fields(crlf).filter(|field| field.is(name));
        fields.any(|field| is_it(&String::from_utf8_lossy(&field.value()).to_ascii_lowercase()))
    };
    LIST_FIELDS.iter().any(|name| header::find(crlf, name).is_some())
        // RFC 3834 §2.
        || any("Auto-Submitted", |value| first_word(value) != "no")
        || any("Precedence", |value| matches!(first_word(value), "bulk" | "list" | "junk"))
        // What Exchange asks to be left in peace with.
        || any("X-Auto-Response-Suppress", |value| {
            value.split(',').any(|word| matches!(word.trim(), "all" | "oof" | "autoreply"))
        })
        || any("Content-Type", |value| first_word(value) == "multipart/report")
        || header::find(crlf, "X-Loop").is_some()
}

/// A value up to its first parameter, comment or space.
fn first_word(value: &str) -> &str {
    value.split([';', ' ', '\t', '(']).next().unwrap_or_default()
}

/// The first of the owner's addresses that the message names as a recipient.
fn addressed(crlf: &[u8], own: &HashSet<Address>) -> Option<Address> {
    let fields = header::fields(crlf).filter(|field| RECIPIENT_FIELDS.iter().any(|name| field.is(name)));
    let addresses = fields.flat_map(|field| addresses_of(&field.value()));
    let mut addresses =
        addresses.filter_map(|parts| Address::new(&format!("{}@{}", parts.localpart, parts.domain?)).ok());
    addresses.find(|address| own.contains(address))
}
