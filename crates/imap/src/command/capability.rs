//! CAPABILITY (RFC 9051 §6.1.1): what works now, for this user.

use super::Flow;
use crate::answer::{Refusal, Status};
use crate::session::core::Core;

/// What is offered on every connection.
const ALWAYS: [&str; 4] = ["IMAP4rev2", "IMAP4rev1", "ENABLE", "ID"];

/// What is offered before anyone is signed in.
const BEFORE_SIGN_IN: [&str; 2] = ["LITERAL-", "SASL-IR"];

/// What is offered to those who are signed in.
const SIGNED_IN: [&str; 37] = [
    "LITERAL+",
    "IDLE",
    "NAMESPACE",
    "UIDPLUS",
    "MOVE",
    "UNSELECT",
    "CHILDREN",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "LIST-METADATA",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "STATUS=SIZE",
    "ESEARCH",
    "SEARCHRES",
    "WITHIN",
    "PARTIAL",
    "SORT",
    "SORT=DISPLAY",
    "ESORT",
    "THREAD=REFERENCES",
    "THREAD=ORDEREDSUBJECT",
    "CONDSTORE",
    "QRESYNC",
    "OBJECTID",
    "SAVEDATE",
    "PREVIEW",
    "BINARY",
    "MULTIAPPEND",
    "REPLACE",
    "UIDONLY",
    "UTF8=ACCEPT",
    "INPROGRESS",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "METADATA",
    "NOTIFY",
];

/// What is offered to those who are signed in until they compress.
const COMPRESS: &str = "COMPRESS=DEFLATE";

/// Offered with its value, the largest message.
const APPEND_LIMIT: &str = "APPENDLIMIT";

/// What can be switched off for an account.
const SWITCHABLE: [&str; SIGNED_IN.len() + 2] = {
    let mut all = [COMPRESS; SIGNED_IN.len() + 2];
    let mut at = 0;
    while at < SIGNED_IN.len() {
        all[at] = SIGNED_IN[at];
        at += 1;
    }
    all[at] = APPEND_LIMIT;
    all
};

/// Gives the capabilities that can be switched off for an account, in capitals.
pub fn switchable() -> &'static [&'static str] {
    &SWITCHABLE
}

/// CAPABILITY.
pub(super) fn run(core: &mut Core, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    let list = list(core).join(" ");
    out.extend_from_slice(format!("* CAPABILITY {list}\r\n").as_bytes());
    Ok(Flow::Done(Status::ok("that is what I can do")))
}

/// What is offered now: not what was switched off for the user.
pub(crate) fn list(core: &Core) -> Vec<String> {
    let mut list: Vec<String> = ALWAYS.iter().map(|name| (*name).to_owned()).collect();
    if core.user.is_none() {
        list.extend(BEFORE_SIGN_IN.iter().map(|name| (*name).to_owned()));
        if core.can_start_tls {
            list.push("STARTTLS".to_owned());
        }
        let mechanisms = core.services.mechanisms(&core.peer);
        if mechanisms.is_empty() {
            list.push("LOGINDISABLED".to_owned());
        }
        list.extend(mechanisms.iter().map(|name| format!("AUTH={name}")));
        return list;
    }
    list.extend(SIGNED_IN.iter().map(|name| (*name).to_owned()));
    if !core.compressed {
        list.push(COMPRESS.to_owned());
    }
    list.retain(|name| core.offers(&name.to_ascii_uppercase()));
    if core.offers(APPEND_LIMIT) {
        list.push(format!("{APPEND_LIMIT}={}", core.services.policy.append_limit_bytes));
    }
    list
}
