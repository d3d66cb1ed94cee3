//! Whether mail is what it says it is: SPF, DKIM, DMARC, ARC; and the signatures of our own.
//!
//! [`Verifier::verify`] looks at a message that came in and gives [`Findings`]: what each method says, the field that tells
//! it to readers ([`Findings::authentication_results`]), and what to do ([`Findings::action`]). [`Signer`] signs what goes
//! out (DKIM) and seals what is forwarded (ARC).
//!
//! # Implementation notes
//! * Verifying DKIM and ARC is mail-auth's; SPF, DMARC, signing and sealing are ours. What mail-auth is given has been
//!   bounded before, the digests of the body are ours, and the keys have been fetched: it asks nobody. Two implementations, one that signs and one that
//!   verifies, check each other in every test.
//! * mail-auth changes often: none of its types is in the face of this crate.
//! * The organisational domain is found by the tree walk of RFC 9989 §4.10, which needs no list of public suffixes. `pct`,
//!   which that RFC withdrew, is still honoured where a domain asks for it, the sample being drawn from the message itself,
//!   so that a message that is tried again meets the same fate.
//! * RSA keys below 1,024 bits and RSA-SHA-1 never pass (RFC 8301), `l=` never passes, nor does a signature that leaves out
//!   From.
//! * Everything is bounded: time, questions, signatures, ARC sets, and the size of the header that is looked at.

mod arc;
mod canonical;
mod dkim;
mod dmarc;
mod findings;
mod iprev;
mod key;
mod results;
mod sign;
mod spf;
mod verify;

pub use arc::SealError;
pub use findings::{
    Action, Chain, Disposition, Dkim, Dmarc, DmarcRecord, Findings, Identity, Iprev, Outcome, Policy, Refusal,
    ReportAddress, Spf, Vouched,
};
pub use key::{Algorithm, KeyError, SigningKey, generate_ed25519, generate_rsa};
pub use results::remove_forged;
pub use sign::{SignError, Signer, sign};
pub use verify::{Asked, Options, Verifier};
