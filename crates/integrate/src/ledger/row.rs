//! What a ledger says: its opening record, its rows, its counts.

use super::time_text;
use message::{Digest, Identity};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// What is true of a whole ledger and known before its first row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The integration's number, the same in every row.
    pub integration: i64,
    /// What its operator called it.
    pub label: String,
    /// The policy that was used (`RULES.md`: where a rule names a default, the ledger says which was used).
    pub policy: serde_json::Value,
    /// What was read, one per lineage and source.
    pub sources: Vec<HeaderSource>,
    /// When the integration began, seconds since 1970 UTC.
    #[serde(with = "time_text")]
    pub started: i64,
    /// When it ended, seconds since 1970 UTC; `None` while it has not.
    #[serde(with = "time_text::option", default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<i64>,
    /// The program and its version: `reintegra 0.1.0`.
    pub tool_version: String,
}

/// A source as the opening record names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderSource {
    /// The lineage that was read from it.
    pub lineage: LineageRole,
    /// What kind of source and where, for people.
    pub description: String,
    /// How many files and messages the source itself counts: as many rows as its lineage must have (G8).
    pub items: u64,
}

/// Which history a row or source belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineageRole {
    /// Recovered.
    Before,
    /// Live.
    After,
    /// The last state common to both.
    Base,
}

/// What became of one file or message of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerRow {
    /// Place in the ledger, from 1, without gaps.
    pub seq: u64,
    /// The integration's number.
    pub integration: i64,
    /// Which history it is from.
    pub lineage: LineageRole,
    /// Whose it was by its place, or by attribution (`RULES.md 9.3`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The mailbox it lay in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailbox: Option<String>,
    /// Where it lies in the source, as [`encode_path`] writes it.
    pub path: String,
    /// Where its bytes begin in a file of many messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// How many bytes of such a file are its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// The UID that the lineage served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The UIDVALIDITY under which it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uidvalidity: Option<u32>,
    /// The POP3 UIDL that the lineage served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uidl: Option<String>,
    /// Size of the bytes as they lie.
    pub size_bytes: u64,
    /// Content digest (`RULES.md 2.1`); `None` where no bytes could be read.
    #[serde(with = "hex::option", default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Identity (`RULES.md 2.2`); `None` where no bytes could be read.
    #[serde(with = "hex::option", default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// What became of it.
    pub outcome: Outcome,
    /// Whether its bytes end early or in zeros (`RULES.md 9.2`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub damaged: bool,
    /// Why it could not be read, is no message, or what else the outcome needs said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The rules that decided (`3.4`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// The message of the result that it became, or is the same as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The mailbox it was in before, where the result has it in another (`RULES.md 3.4`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was_in: Option<String>,
    /// What was mended about it (`RULES.md 9.4`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mended: Vec<String>,
    /// Whether verify found it as this row says (`RULES.md 10.1`); `None`: verify has not looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
}

/// A message of the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The account's address.
    pub account: String,
    /// The mailbox.
    pub mailbox: String,
    /// Its UIDVALIDITY.
    pub uidvalidity: u32,
    /// The message's UID.
    pub uid: u32,
    /// Its POP3 UIDL, where it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uidl: Option<String>,
    /// Content digest of the bytes kept (`RULES.md 2.4`).
    #[serde(with = "hex")]
    pub digest: Digest,
}

/// What can become of a file or message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is in the result: the row's target.
    Kept,
    /// The row's target stands for it (`RULES.md 2.3`).
    SameAs,
    /// Its bytes could not be read (`RULES.md 9.1`).
    Unreadable,
    /// A file that is no message (`RULES.md 9.5`).
    NotAMessage,
    /// An unfinished delivery (`RULES.md 9.5`).
    Unfinished,
    /// A UID listed without a file (`RULES.md 9.5`).
    ListedNoFile,
    /// Deleted since *base*, and the policy honours that (`RULES.md 3.5`).
    Deleted,
    /// Kept, counted and readable by nobody (`RULES.md 8.7`).
    Sealed,
    /// Kept in the integration's own box for the operator (`RULES.md 9.3`).
    Unattributed,
}

/// Rows per lineage and outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Rows of *before*.
    pub before: OutcomeCounts,
    /// Rows of *after*.
    pub after: OutcomeCounts,
    /// Rows of *base*.
    pub base: OutcomeCounts,
}

/// Rows per outcome, and how many of them are marked damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each counts the rows of the outcome of its name")]
pub struct OutcomeCounts {
    pub kept: u64,
    pub same_as: u64,
    pub unreadable: u64,
    pub not_a_message: u64,
    pub unfinished: u64,
    pub listed_no_file: u64,
    pub deleted: u64,
    pub sealed: u64,
    pub unattributed: u64,
    /// Rows of any outcome that are marked damaged.
    pub damaged: u64,
}

impl Counts {
    /// Counts one more row.
    pub fn add(&mut self, row: &LedgerRow) {
        let counts = match row.lineage {
            LineageRole::Before => &mut self.before,
            LineageRole::After => &mut self.after,
            LineageRole::Base => &mut self.base,
        };
        let count = match row.outcome {
            Outcome::Kept => &mut counts.kept,
            Outcome::SameAs => &mut counts.same_as,
            Outcome::Unreadable => &mut counts.unreadable,
            Outcome::NotAMessage => &mut counts.not_a_message,
            Outcome::Unfinished => &mut counts.unfinished,
            Outcome::ListedNoFile => &mut counts.listed_no_file,
            Outcome::Deleted => &mut counts.deleted,
            Outcome::Sealed => &mut counts.sealed,
            Outcome::Unattributed => &mut counts.unattributed,
        };
        *count += 1;
        counts.damaged += u64::from(row.damaged);
    }
}

impl LineageRole {
    /// Every lineage.
    pub const ALL: [LineageRole; 3] = [LineageRole::Before, LineageRole::After, LineageRole::Base];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            LineageRole::Before => "before",
            LineageRole::After => "after",
            LineageRole::Base => "base",
        }
    }
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 9] = [
        Outcome::Kept,
        Outcome::SameAs,
        Outcome::Unreadable,
        Outcome::NotAMessage,
        Outcome::Unfinished,
        Outcome::ListedNoFile,
        Outcome::Deleted,
        Outcome::Sealed,
        Outcome::Unattributed,
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Kept => "kept",
            Outcome::SameAs => "same_as",
            Outcome::Unreadable => "unreadable",
            Outcome::NotAMessage => "not_a_message",
            Outcome::Unfinished => "unfinished",
            Outcome::ListedNoFile => "listed_no_file",
            Outcome::Deleted => "deleted",
            Outcome::Sealed => "sealed",
            Outcome::Unattributed => "unattributed",
        }
    }
}

impl OutcomeCounts {
    /// All rows, whatever their outcome.
    pub fn rows(&self) -> u64 {
        let OutcomeCounts { kept, same_as, unreadable, not_a_message, unfinished, .. } = self;
        let OutcomeCounts { listed_no_file, deleted, sealed, unattributed, damaged: _, .. } = self;
        kept + same_as + unreadable + not_a_message + unfinished + listed_no_file + deleted + sealed + unattributed
    }
}

/// Writes the bytes of a path so that they can be read, mailed and turned back: letters and digits of any script, spaces
/// and ASCII punctuation stand as they are; `%`, everything invisible and whatever is no UTF-8 is written `%XX` per byte.
pub fn encode_path(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c != '%' && (c == ' ' || c.is_ascii_graphic() || (!c.is_ascii() && c.is_alphanumeric())) {
                text.push(c);
            } else {
                encode_bytes(c.encode_utf8(&mut [0; 4]).as_bytes(), &mut text);
            }
        }
        encode_bytes(chunk.invalid(), &mut text);
    }
    text
}

fn encode_bytes(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        write!(text, "%{byte:02X}").expect("a String takes any text");
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Hashes as 64 lower-case hexadecimal digits.
pub(crate) mod hex {
    use super::*;
    use serde::de::Error as _;
    use serde::{Deserializer, Serializer};

    /// The hashes of a message, seen as bytes.
    pub(crate) trait Hash: Sized {
        fn bytes(&self) -> &[u8; 32];
        fn from_bytes(bytes: [u8; 32]) -> Self;
    }

    impl Hash for Digest {
        fn bytes(&self) -> &[u8; 32] {
            self.as_bytes()
        }
        fn from_bytes(bytes: [u8; 32]) -> Self {
            Digest(bytes)
        }
    }

    impl Hash for Identity {
        fn bytes(&self) -> &[u8; 32] {
            self.as_bytes()
        }
        fn from_bytes(bytes: [u8; 32]) -> Self {
            Identity(bytes)
        }
    }

    pub(crate) fn serialize<H: Hash, S: Serializer>(hash: &H, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(blake3::Hash::from_bytes(*hash.bytes()).to_hex().as_str())
    }

    pub(crate) fn deserialize<'de, H: Hash, D: Deserializer<'de>>(deserializer: D) -> Result<H, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let hash = blake3::Hash::from_hex(text.as_bytes()).map_err(D::Error::custom)?;
        Ok(H::from_bytes(*hash.as_bytes()))
    }

    /// The same for a hash that may be absent.
    pub(crate) mod option {
        use super::*;

        #[derive(Deserialize)]
        struct Hex<H: Hash>(#[serde(with = "super", bound = "")] H);

        pub(crate) fn serialize<H: Hash, S: Serializer>(hash: &Option<H>, serializer: S) -> Result<S::Ok, S::Error> {
            match hash {
                Some(hash) => super::serialize(hash, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(crate) fn deserialize<'de, H: Hash, D: Deserializer<'de>>(deserializer: D) -> Result<Option<H>, D::Error> {
            Ok(Option::<Hex<H>>::deserialize(deserializer)?.map(|hex| hex.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_on_the_wire() {
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).expect("an outcome has text"), outcome.name());
        }
        for lineage in LineageRole::ALL {
            assert_eq!(serde_json::to_value(lineage).expect("a lineage has text"), lineage.name());
        }
    }

    #[test]
    fn a_path_stays_readable_and_can_be_turned_back() {
        let cases: [(&[u8], &str); 6] = [
            (b"mail/example.org/ana/Maildir/cur/1.M2:2,S", "mail/example.org/ana/Maildir/cur/1.M2:2,S"),
            ("Año/ñandú 日本".as_bytes(), "Año/ñandú 日本"),
            (b"100%", "100%25"),
            (b"a\nb\x7f\x00", "a%0Ab%7F%00"),
            (b"\xff\xfe", "%FF%FE"),
            ("\u{202e}x\u{2028}".as_bytes(), "%E2%80%AEx%E2%80%A8"),
        ];
        for (bytes, text) in cases {
            assert_eq!(encode_path(bytes), text);
        }
    }
}
