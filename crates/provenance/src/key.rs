//! Keys to sign with.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::pkcs8::EncodePrivateKey;
use thiserror::Error;

/// The smallest RSA key that is made or signed with; verifiers refuse what is below 1,024 (RFC 8301 §3.2).
const MIN_RSA_BITS: usize = 2_048;
/// The largest RSA key that every verifier takes (RFC 8301 §3.2).
const MAX_RSA_BITS: usize = 4_096;

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA with SHA-256 (RFC 6376), which every verifier knows.
    RsaSha256,
    /// Ed25519 with SHA-256 (RFC 8463), to be used beside RSA.
    Ed25519Sha256,
}

impl Algorithm {
    /// The name as a signature has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::RsaSha256 => "rsa-sha256",
            Algorithm::Ed25519Sha256 => "ed25519-sha256",
        }
    }
}

/// Why a key is not to be had.
#[derive(Debug, Error)]
pub enum KeyError {
    /// It is neither PKCS#8 nor PKCS#1, in DER or PEM, of a kind that signs mail.
    #[error("not a private RSA or Ed25519 key in PKCS#8 or PKCS#1 form")]
    Unreadable,
    /// It is too short to be believed or too long for other people's verifiers.
    #[error("an RSA key to sign mail with has 2048 to 4096 bits")]
    Size,
    /// It could not be made.
    #[error("the key could not be made")]
    NotMade,
}

/// A private key. It never prints.
pub struct SigningKey {
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm().as_str())
    }
}

impl SigningKey {
    /// Reads a private key: PKCS#8 as DER or PEM, or PKCS#1 (`BEGIN RSA PRIVATE KEY`), as other mail servers keep them.
    ///
    /// # Errors
    /// [`KeyError::Unreadable`] and [`KeyError::Size`].
    pub fn from_pkcs8(bytes: &[u8]) -> Result<SigningKey, KeyError> {
        let der = match std::str::from_utf8(bytes) {
            Ok(text) if text.trim_start().starts_with("-----BEGIN ") => from_pem(text).ok_or(KeyError::Unreadable)?,
            _ => bytes.to_vec(),
        };
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
            return Ok(SigningKey { pair: Pair::Ed25519(Box::new(pair)) });
        }
        let pair = RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der));
        let pair = pair.map_err(|rejected| match rejected.to_string().as_str() {
            "TooSmall" | "TooLarge" => KeyError::Size,
            _ => KeyError::Unreadable,
        })?;
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&(pair.public().modulus_len() * 8)) {
            return Err(KeyError::Size);
        }
        Ok(SigningKey { pair: Pair::Rsa(Box::new(pair)) })
    }

    /// How the key signs.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::RsaSha256,
            Pair::Ed25519(_) => Algorithm::Ed25519Sha256,
        }
    }

    /// The text of the TXT record at `SELECTOR._domainkey.DOMAIN` (RFC 6376 §3.6.1, RFC 8463 §4). Longer than the 255
    /// octets of one string: a zone file has it in several.
    pub fn dns_record(&self) -> String {
        match &self.pair {
            Pair::Rsa(pair) => {
                format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(subject_public_key_info(pair.public_key().as_ref())))
            }
            Pair::Ed25519(pair) => format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(pair.public_key().as_ref())),
        }
    }

    /// Signs; Ed25519 signs the SHA-256 of what is signed (RFC 8463 §3).
    pub(crate) fn sign(&self, data: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut signature);
                signed.map(|()| signature).map_err(|_| KeyError::NotMade)
            }
            Pair::Ed25519(pair) => {
                let digest = ring::digest::digest(&ring::digest::SHA256, data);
                Ok(pair.sign(digest.as_ref()).as_ref().to_vec())
            }
        }
    }
}

/// Makes an RSA key, as PKCS#8 in DER. It takes a good part of a second: call it where blocking is allowed.
///
/// # Errors
/// [`KeyError::Size`] for a size outside 2,048 to 4,096 bits.
pub fn generate_rsa(bits: usize) -> Result<Vec<u8>, KeyError> {
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) || !bits.is_multiple_of(8) {
        return Err(KeyError::Size);
    }
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).map_err(|_| KeyError::NotMade)?;
    let der = key.to_pkcs8_der().map_err(|_| KeyError::NotMade)?;
    Ok(der.as_bytes().to_vec())
}

/// Makes an Ed25519 key, as PKCS#8 in DER.
///
/// # Errors
/// [`KeyError::NotMade`], if the system gives no randomness.
pub fn generate_ed25519() -> Result<Vec<u8>, KeyError> {
    let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::NotMade)?;
    Ok(der.as_ref().to_vec())
}

/// The first private key of a PEM text.
fn from_pem(text: &str) -> Option<Vec<u8>> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("-----BEGIN ") && line.ends_with("PRIVATE KEY-----"))?;
    let body: String = lines.take_while(|line| !line.starts_with("-----END ")).collect();
    STANDARD.decode(body).ok()
}

/// An RSA public key (PKCS#1) as SubjectPublicKeyInfo: what the examples of RFC 6376 §3.6.1 have, and what every verifier
/// takes.
fn subject_public_key_info(pkcs1: &[u8]) -> Vec<u8> {
    /// AlgorithmIdentifier: rsaEncryption, NULL.
    const RSA: [u8; 15] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let mut bits = vec![0];
    bits.extend_from_slice(pkcs1);
    let mut inner = RSA.to_vec();
    inner.extend(der(0x03, &bits));
    der(0x30, &inner)
}

/// A DER value: tag, length, content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1);
    let length = &length[significant..];
    let mut out = vec![tag];
    if content.len() >= 0x80 {
        // The long form: how many octets the length has, then the length.
        out.push(0x80 | u8::try_from(length.len()).expect("a length has at most eight octets"));
    }
    out.extend_from_slice(length);
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_that_were_made_can_be_read_and_do_not_print() {
        let ed25519 = SigningKey::from_pkcs8(&generate_ed25519().unwrap()).unwrap();
        assert_eq!(ed25519.algorithm(), Algorithm::Ed25519Sha256);
        assert_eq!(format!("{ed25519:?}"), "SigningKey(ed25519-sha256)");
        let der = generate_rsa(2048).unwrap();
        let rsa = SigningKey::from_pkcs8(&der).unwrap();
        assert_eq!(rsa.algorithm(), Algorithm::RsaSha256);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&der));
        assert_eq!(SigningKey::from_pkcs8(pem.as_bytes()).unwrap().dns_record(), rsa.dns_record());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bytes in [&b""[..], b"key", b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----", &[0x30; 64]] {
            assert!(matches!(SigningKey::from_pkcs8(bytes), Err(KeyError::Unreadable)));
        }
        assert!(matches!(generate_rsa(1024), Err(KeyError::Size)));
        assert!(matches!(generate_rsa(8192), Err(KeyError::Size)));
    }

    #[test]
    fn lengths_are_der() {
        assert_eq!(der(4, &[7]), [4, 1, 7]);
        assert_eq!(der(4, &[0; 0x80])[..3], [4, 0x81, 0x80]);
        assert_eq!(der(4, &[0; 0x1234])[..4], [4, 0x82, 0x12, 0x34]);
        assert_eq!(der(4, &[]), [4, 0]);
    }
}
