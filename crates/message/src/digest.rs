//! The two names of a message: the digest of its bytes and the identity of its canonical form.

use std::fmt;
use std::str::FromStr;

/// A text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a BLAKE3-256 hash: 64 hexadecimal digits are expected")]
pub struct ParseHashError;

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The hash as bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Takes 32 bytes; `None` for any other length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl From<blake3::Hash> for $name {
            fn from(hash: blake3::Hash) -> Self {
                Self(*hash.as_bytes())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), &self.to_string()[..12])
            }
        }

        impl FromStr for $name {
            type Err = ParseHashError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                blake3::Hash::from_hex(text).map(Self::from).map_err(|_| ParseHashError)
            }
        }
    };
}

hash_type! {
    /// The content digest: BLAKE3-256 of a message's bytes with every line ending written CRLF (`RULES.md 2.1`).
    Digest
}

hash_type! {
    /// The identity: BLAKE3-256 of a message's canonical form (`RULES.md 2.2`). Equal identities, same message.
    Identity
}
