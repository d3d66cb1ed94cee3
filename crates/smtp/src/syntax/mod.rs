//! The words of SMTP: addresses, commands, replies. Knows no session, no socket and no directory.

pub(crate) mod address;
pub(crate) mod command;
pub(crate) mod line;
pub(crate) mod reply;

pub(crate) use address::EnvelopeAddress;
pub(crate) use command::{MailParameters, RcptParameters, Recipient};
pub(crate) use line::{Cut, cut};
pub(crate) use reply::Reply;
