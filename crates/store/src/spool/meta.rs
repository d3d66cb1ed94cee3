//! What a record says of a message that waits, beside its bytes: everything that the index must know of it.

use super::types::{DeliveryId, Envelope, Notify, Purpose, QueueId, Recipient, Return, State};
use crate::codec::{Decoder, Encoder, Malformed};

/// The meta of a queued message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Meta {
    pub(super) id: QueueId,
    /// The key that it was put in with.
    pub(super) key: Option<DeliveryId>,
    /// When it was put in.
    pub(super) put_s: i64,
    pub(super) envelope: Envelope,
    /// Those that it has still to reach; without what was said at the last try.
    pub(super) recipients: Vec<Recipient>,
}

const PURPOSES: [Purpose; 5] =
    [Purpose::Submission, Purpose::Forward, Purpose::Notification, Purpose::Reply, Purpose::Held];

const SMTPUTF8: u8 = 1;
const REQUIRE_TLS: u8 = 2;
const RETURN_FULL: u8 = 4;
const RETURN_HEADERS: u8 = 8;

const SUCCESS: u8 = 1;
const FAILURE: u8 = 2;
const DELAY: u8 = 4;
const DELAY_TOLD: u8 = 8;
const HELD: u8 = 16;
const HIDDEN: u8 = 32;
/// Stands in a statement and in the schema too.
const ENDS: u8 = 64;

/// By how much a recipient may come to take more than when it was put in: for the time of its next try, and for how often
/// it was tried.
pub(super) const GROWTH_BYTES: usize = 16;

pub(super) fn purpose_number(purpose: Purpose) -> u8 {
    PURPOSES.iter().position(|p| *p == purpose).map_or(0, |n| n as u8)
}

pub(super) fn purpose_of(number: u8) -> Option<Purpose> {
    PURPOSES.get(usize::from(number)).copied()
}

fn bits(flags: &[(bool, u8)]) -> u8 {
    flags.iter().filter(|(set, _)| *set).fold(0, |bits, (_, bit)| bits | bit)
}

pub(super) fn envelope_traits(envelope: &Envelope) -> u8 {
    bits(&[
        (envelope.smtputf8, SMTPUTF8),
        (envelope.require_tls, REQUIRE_TLS),
        (envelope.returns == Some(Return::Full), RETURN_FULL),
        (envelope.returns == Some(Return::Headers), RETURN_HEADERS),
    ])
}

/// Sets in an envelope what its traits say.
pub(super) fn with_traits(traits: u8, envelope: Envelope) -> Envelope {
    let set = |bit| traits & bit != 0;
    let returns = match (set(RETURN_FULL), set(RETURN_HEADERS)) {
        (true, _) => Some(Return::Full),
        (false, true) => Some(Return::Headers),
        (false, false) => None,
    };
    Envelope { smtputf8: set(SMTPUTF8), require_tls: set(REQUIRE_TLS), returns, ..envelope }
}

pub(super) fn recipient_traits(recipient: &Recipient) -> u8 {
    let Notify { success, failure, delay } = recipient.notify;
    bits(&[
        (success, SUCCESS),
        (failure, FAILURE),
        (delay, DELAY),
        (recipient.delay_told, DELAY_TOLD),
        (recipient.hidden, HIDDEN),
        (recipient.ends, ENDS),
    ])
}

/// Sets in a recipient what its traits say.
pub(super) fn with_recipient_traits(traits: u8, recipient: Recipient) -> Recipient {
    let set = |bit| traits & bit != 0;
    let notify = Notify { success: set(SUCCESS), failure: set(FAILURE), delay: set(DELAY) };
    Recipient { notify, delay_told: set(DELAY_TOLD), hidden: set(HIDDEN), ends: set(ENDS), ..recipient }
}

/// The hop of most addresses, which need not be written.
fn usual_hop(address: &str) -> String {
    address.rsplit_once('@').map_or(String::new(), |(_, domain)| domain.to_ascii_lowercase())
}

impl Meta {
    pub(super) fn encode(&self) -> Vec<u8> {
        let Meta { id, key, put_s, envelope, recipients } = self;
        let mut e = Encoder::default();
        e.signed(id.0).optional_bytes(key.as_ref().map(|k| &k.0[..])).signed(*put_s);
        e.bytes(envelope.reverse_path.as_bytes()).raw(&[purpose_number(envelope.purpose), envelope_traits(envelope)]);
        e.optional_bytes(envelope.account.as_deref().map(str::as_bytes));
        e.optional_bytes(envelope.envelope_id.as_deref().map(str::as_bytes));
        e.signed(envelope.arrived_s).signed(envelope.expires_s).unsigned(recipients.len() as u64);
        for r in recipients {
            let held = bits(&[(r.state == State::Held, HELD)]);
            e.unsigned(r.number.into()).bytes(r.address.as_bytes());
            e.optional_bytes(Some(r.hop.as_bytes()).filter(|_| r.hop != usual_hop(&r.address)));
            e.raw(&[recipient_traits(r) | held]).optional_bytes(r.original.as_deref().map(str::as_bytes));
            e.signed(r.due_s).unsigned(r.attempts.into());
        }
        e.bytes
    }

    pub(super) fn decode(meta: &[u8]) -> Result<Self, Malformed> {
        let mut d = Decoder::new(meta);
        let id = QueueId(d.signed()?);
        let key = match d.narrow::<usize>()? {
            0 => None,
            17 => Some(DeliveryId(d.array()?)),
            _ => return Err(Malformed),
        };
        let put_s = d.signed()?;
        let reverse_path = d.text()?.to_owned();
        let purpose = purpose_of(d.byte()?).ok_or(Malformed)?;
        let traits = d.byte()?;
        let envelope = Envelope {
            reverse_path,
            purpose,
            account: d.optional_text()?.map(str::to_owned),
            envelope_id: d.optional_text()?.map(str::to_owned),
            returns: None,
            smtputf8: false,
            require_tls: false,
            arrived_s: d.signed()?,
            expires_s: d.signed()?,
        };
        let envelope = with_traits(traits, envelope);
        let (count, mut recipients) = (d.unsigned()?, Vec::new());
        for _ in 0..count {
            let number = d.narrow()?;
            let address = d.text()?.to_owned();
            let hop = d.optional_text()?.map_or_else(|| usual_hop(&address), str::to_owned);
            let traits = d.byte()?;
            let state = if traits & HELD == 0 { State::Waiting } else { State::Held };
            let original = d.optional_text()?.map(str::to_owned);
            let (due_s, attempts) = (d.signed()?, d.narrow()?);
            let recipient = Recipient {
                number,
                address,
                hop,
                notify: Notify::NEVER,
                original,
                hidden: false,
                state,
                ends: false,
                due_s,
                attempts,
                last: None,
                delay_told: false,
            };
            recipients.push(with_recipient_traits(traits, recipient));
        }
        if d.is_empty() && !recipients.is_empty() {
            Ok(Meta { id, key, put_s, envelope, recipients })
        } else {
            Err(Malformed)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn notify() -> impl Strategy<Value = Notify> {
        any::<[bool; 3]>().prop_map(|[success, failure, delay]| Notify { success, failure, delay })
    }

    fn recipient() -> impl Strategy<Value = Recipient> {
        let texts = (any::<String>(), "[a-zA-Z@.é]{0,20}", any::<Option<String>>(), any::<bool>());
        let numbers = (any::<u32>(), any::<i64>(), any::<u32>(), any::<[bool; 4]>());
        (texts, numbers, notify()).prop_map(|((hop, address, original, usual), numbers, notify)| {
            let (number, due_s, attempts, [held, delay_told, hidden, ends]) = numbers;
            let hop = if usual { usual_hop(&address) } else { hop };
            let state = if held { State::Held } else { State::Waiting };
            Recipient {
                number,
                address,
                hop,
                notify,
                original,
                hidden,
                state,
                ends,
                due_s,
                attempts,
                last: None,
                delay_told,
            }
        })
    }

    fn envelope() -> impl Strategy<Value = Envelope> {
        let texts = (any::<String>(), any::<Option<String>>(), any::<Option<String>>());
        let numbers = (0..5usize, any::<[bool; 2]>(), 0..3u8, any::<i64>(), any::<i64>());
        (texts, numbers).prop_map(|((reverse_path, account, envelope_id), numbers)| {
            let (purpose, [smtputf8, require_tls], returns, arrived_s, expires_s) = numbers;
            let returns = [None, Some(Return::Full), Some(Return::Headers)][usize::from(returns)];
            let purpose = PURPOSES[purpose];
            Envelope {
                reverse_path,
                purpose,
                account,
                envelope_id,
                returns,
                smtputf8,
                require_tls,
                arrived_s,
                expires_s,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_said_of_a_message_comes_back(
            id: i64,
            key: Option<[u8; 16]>,
            put_s: i64,
            envelope in envelope(),
            recipients in proptest::collection::vec(recipient(), 1..5),
        ) {
            let meta = Meta { id: QueueId(id), key: key.map(DeliveryId), put_s, envelope, recipients };
            prop_assert_eq!(Meta::decode(&meta.encode()).unwrap(), meta);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
            let _ = Meta::decode(&bytes);
        }

        #[test]
        fn a_recipient_that_is_tried_grows_by_no_more_than_there_is_room_for(first in recipient(), later in recipient()) {
            let with = |recipient: Recipient| {
                let envelope = with_traits(0, Envelope {
                    reverse_path: String::new(),
                    purpose: Purpose::Held,
                    account: None,
                    envelope_id: None,
                    returns: None,
                    smtputf8: false,
                    require_tls: false,
                    arrived_s: 0,
                    expires_s: 0,
                });
                Meta { id: QueueId(1), key: None, put_s: 0, envelope, recipients: vec![recipient] }.encode().len()
            };
            let first = Recipient { attempts: 0, ..first };
            let Recipient { due_s, attempts, state, ends, .. } = later;
            let later = Recipient { due_s, attempts, state, ends, delay_told: true, ..first.clone() };
            prop_assert!(with(later) <= with(first) + GROWTH_BYTES);
        }
    }
}
