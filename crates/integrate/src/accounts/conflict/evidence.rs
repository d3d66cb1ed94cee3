//! What each lineage says of a conflict, for a person to judge by: facts that they know, with dates.

use directory::Account;
use serde::{Deserialize, Serialize};

/// The text of a script in evidence: longer ones are cut, the whole one stands in the account.
const SCRIPT_TEXT_BYTES: usize = 16 * 1024;

/// Both sides of a conflict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What the recovered history says.
    pub before: Side,
    /// What the live one says.
    pub after: Side,
}

/// One side. Times are RFC 3339 texts in UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Side {
    /// What stands there: `account`, `alias`, `forwarding`, `script`, `domain`, `nothing`.
    pub what: String,
    /// The display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where mail goes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// Whether the account keeps a copy of what it forwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_copy: Option<bool>,
    /// The first target that is an account here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver: Option<String>,
    /// The domain's customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The Sieve script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptText>,
    /// Messages in its mailboxes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
    /// The latest message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_message_at: Option<String>,
    /// When the account was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When its password was last set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_set_at: Option<String>,
    /// When its owner last signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_login_at: Option<String>,
}

/// A Sieve script in evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScriptText {
    /// Its name in the account.
    pub name: String,
    /// Its text; the beginning, where it is long.
    pub text: String,
    /// Its whole length in bytes.
    pub length_bytes: u64,
}

impl Side {
    pub(in crate::accounts) fn of(what: &str) -> Self {
        Side { what: what.to_owned(), ..Side::default() }
    }

    pub(in crate::accounts) fn targets(what: &str, targets: &[String]) -> Self {
        Side { targets: targets.to_vec(), ..Side::of(what) }
    }

    pub(in crate::accounts) fn with_mail(mut self, mail: Option<crate::accounts::MailSeen>) -> Self {
        self.messages = mail.map(|m| m.messages);
        self.last_message_at = mail.and_then(|m| m.last_at).and_then(time_text);
        self
    }

    pub(in crate::accounts) fn with_account(mut self, account: &Account) -> Self {
        self.name = account.name.clone();
        self.created_at = time_text(account.created_at);
        self.password_set_at = account.password_set_at.and_then(time_text);
        self.last_login_at = account.last_login_at.and_then(time_text);
        self
    }
}

impl ScriptText {
    pub(in crate::accounts) fn of(name: &str, content: &[u8]) -> Self {
        let shown = &content[..content.len().min(SCRIPT_TEXT_BYTES)];
        let text = String::from_utf8_lossy(shown).into_owned();
        ScriptText { name: name.to_owned(), text, length_bytes: content.len() as u64 }
    }
}

/// A time as text; none where it is outside the calendar.
pub(super) fn time_text(seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(seconds).ok().map(|t| t.to_string())
}
