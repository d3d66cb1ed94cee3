//! What a lineage's files say of one address, as it is kept: an account line, maildrops, or both.

use directory::{DirectoryError, LineageAccount, Secret};
use message::Address;
use serde::{Deserialize, Serialize};

/// What all files of a lineage say of one address. Its JSON holds a hash and belongs into a [`Secret`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) line: Option<AccountLine>,
    /// By their spelling of the address.
    pub(super) maildrops: Vec<MaildropLine>,
}

/// An account line of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountLine {
    /// Login and address.
    #[serde(with = "address_text")]
    pub address: Address,
    /// The hash as it stands in the source.
    #[serde(with = "secret_text")]
    pub password_hash: Option<Secret>,
    /// The display name.
    pub name: Option<String>,
    /// The quota in bytes.
    pub quota_bytes: Option<u64>,
    /// Whether the line says that the person may not sign in.
    pub disabled: bool,
    /// Forwards kept beside the account.
    pub forwards: Vec<String>,
    /// The language tag.
    pub language: Option<String>,
    /// The home directory as written.
    pub home: Option<String>,
}

/// A maildrop of a source, without its mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaildropLine {
    /// Its address in its own spelling.
    #[serde(with = "address_text")]
    pub address: Address,
    /// The quota that it says itself, in bytes.
    pub quota_bytes: Option<u64>,
    /// The names of its scripts: in the source, and as they are staged.
    pub(super) scripts: Vec<(String, String)>,
}

impl Entry {
    /// Reads what was staged.
    ///
    /// # Errors
    /// When the row is not one that staging wrote.
    pub(super) fn of(row: &LineageAccount) -> Result<Self, DirectoryError> {
        let reason = "its row is not one that staging wrote";
        serde_json::from_str(row.json.expose()).map_err(|_| DirectoryError::Invalid {
            what: "account of a lineage",
            key: row.key.clone(),
            reason,
        })
    }

    pub(super) fn to_row(&self, key: &str) -> LineageAccount {
        let json = serde_json::to_string(self).expect("an entry is JSON");
        LineageAccount { key: key.to_owned(), json: Secret::new(json) }
    }
}

impl AccountLine {
    pub(super) fn of(account: &source::Account) -> Self {
        AccountLine {
            address: account.address.clone(),
            password_hash: account.password_hash.clone().map(Secret::new),
            name: account.name.clone(),
            quota_bytes: account.quota_bytes,
            disabled: account.disabled,
            forwards: account.forwards.iter().map(Address::to_string).collect(),
            language: account.language.clone(),
            home: account.home.clone(),
        }
    }
}

/// An address as its own text.
pub(super) mod address_text {
    use message::Address;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(address.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        Address::new(&String::deserialize(deserializer)?).map_err(|e| D::Error::custom(e.reason))
    }
}

/// A secret as text, for JSON that goes into a secret itself.
pub(super) mod secret_text {
    use directory::Secret;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::expose).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
    }
}
