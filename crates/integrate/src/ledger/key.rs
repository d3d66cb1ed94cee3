//! The keys of a ledger: Ed25519 (RFC 8032), the secret one in a file of its own, the public one as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// No key file is longer; a PKCS#8 Ed25519 key is under 100 bytes.
const MAX_KEY_FILE_BYTES: u64 = 4096;

/// A key could not be made, kept or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read or written.
    #[error("{}: {cause}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// There is a file already: a key is never written over.
    #[error("{}: there is a key already; it is never replaced, because ledgers signed with it could no longer be \
             checked: move it away first", path.display())]
    Exists {
        /// Which file.
        path: PathBuf,
    },
    /// Others than its owner may read or write the secret key.
    #[error("{}: mode {mode:04o} lets others than its owner at the secret key; run: chmod 600 {}",
            path.display(), path.display())]
    TooOpen {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no key of the kind expected.
    #[error("{}: it holds no {expected}", path.display())]
    NotAKey {
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes to make a key from")]
    NoRandomness,
}

/// A text is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a public key: 64 hexadecimal digits, or 32 bytes in base64, are expected")]
pub struct ParseKeyError;

/// The platform's secret key. It is never printed.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// What checks a signature, and may be known to everybody.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl SigningKey {
    /// Makes a key and keeps it nowhere.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, KeyError> {
        Ok(Self::from_pair(Ed25519KeyPair::from_pkcs8(generate_pkcs8()?.as_ref()).expect("ring reads what it wrote")))
    }

    /// Makes a key and keeps it in a new file (PKCS#8, mode 0600), which is durable when this returns.
    ///
    /// # Errors
    /// When the file exists already or cannot be written, or the system gives no random bytes.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let document = generate_pkcs8()?;
        let key = Self::from_pair(Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("ring reads what it wrote"));
        match write_new(path, document.as_ref()) {
            Ok(()) => Ok(key),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                Err(KeyError::Exists { path: path.to_owned() })
            }
            Err(cause) => Err(KeyError::Io { path: path.to_owned(), cause }),
        }
    }

    /// Reads a key from its file.
    ///
    /// # Errors
    /// When the file cannot be read, others than its owner could, or it holds no Ed25519 key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let io_error = |cause| KeyError::Io { path: path.to_owned(), cause };
        let file = File::open(path).map_err(io_error)?;
        let mode = file.metadata().map_err(io_error)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::TooOpen { path: path.to_owned(), mode });
        }
        let mut document = Vec::new();
        file.take(MAX_KEY_FILE_BYTES).read_to_end(&mut document).map_err(io_error)?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&document)
            .map(Self::from_pair)
            .map_err(|_| KeyError::NotAKey { path: path.to_owned(), expected: "Ed25519 key in PKCS#8" })
    }

    /// The key that checks what this one signs.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn sign_hex(&self, bytes: &[u8]) -> String {
        hex(self.pair.sign(bytes).as_ref())
    }

    fn from_pair(pair: Ed25519KeyPair) -> Self {
        let public = pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes");
        SigningKey { pair, public: PublicKey(public) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(public: {})", self.public)
    }
}

impl PublicKey {
    /// Reads a text file that holds one key; lines that begin with `#` are comments.
    ///
    /// # Errors
    /// When the file cannot be read or holds anything but one key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(MAX_KEY_FILE_BYTES).read_to_string(&mut text));
        let not_a_key =
            || KeyError::NotAKey { path: path.to_owned(), expected: "public key (64 hexadecimal digits, or base64)" };
        match read {
            Err(cause) if cause.kind() == io::ErrorKind::InvalidData => return Err(not_a_key()),
            Err(cause) => return Err(KeyError::Io { path: path.to_owned(), cause }),
            Ok(_) => {}
        }
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        match (lines.next(), lines.next()) {
            (Some(line), None) => line.parse().map_err(|ParseKeyError| not_a_key()),
            _ => Err(not_a_key()),
        }
    }

    /// Whether a signature, in hexadecimal digits, is this key's over these bytes.
    pub(super) fn verifies(&self, bytes: &[u8], signature_hex: &str) -> bool {
        unhex::<64>(signature_hex)
            .is_some_and(|signature| UnparsedPublicKey::new(&ED25519, &self.0).verify(bytes, &signature).is_ok())
    }
}

impl FromStr for PublicKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(bytes) = unhex(&text.to_ascii_lowercase()) {
            return Ok(PublicKey(bytes));
        }
        let bytes = STANDARD.decode(text).map_err(|_| ParseKeyError)?;
        bytes.try_into().map(PublicKey).map_err(|_| ParseKeyError)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

fn generate_pkcs8() -> Result<ring::pkcs8::Document, KeyError> {
    Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::NoRandomness)
}

/// Writes a file that must not exist yet. Its name appears only when its bytes are durable, so a crash leaves the whole
/// key or none; a link rather than a rename, because a rename would replace a key made meanwhile.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(io::Error::other)?;
    let temporary = directory.join(format!(".key-{}.tmp", hex(&suffix)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    written.and(removed)?;
    File::open(directory)?.sync_all()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes any text");
        text
    })
}

/// Reads exactly `N` bytes from lower-case hexadecimal digits.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}
