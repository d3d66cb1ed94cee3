//! Digests, HMAC and PBKDF2 by name.

use hmac::{Hmac, KeyInit, Mac};
use md5::digest::common::hazmat::SerializableState;
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// A digest that password schemes build on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    /// Length of its output in bytes.
    pub(super) fn length(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }

    /// The digest of the parts, one after the other.
    pub(super) fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        fn of<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut digest = D::new();
            parts.iter().for_each(|part| digest.update(part));
            digest.finalize().to_vec()
        }
        match self {
            Algorithm::Md5 => of::<Md5>(parts),
            Algorithm::Sha1 => of::<Sha1>(parts),
            Algorithm::Sha256 => of::<Sha256>(parts),
            Algorithm::Sha512 => of::<Sha512>(parts),
        }
    }

    /// HMAC (RFC 2104).
    pub(super) fn hmac(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        fn of<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
            let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Algorithm::Md5 => of::<Hmac<Md5>>(key, text),
            Algorithm::Sha1 => of::<Hmac<Sha1>>(key, text),
            Algorithm::Sha256 => of::<Hmac<Sha256>>(key, text),
            Algorithm::Sha512 => of::<Hmac<Sha512>>(key, text),
        }
    }

    /// PBKDF2 with HMAC and as much output as the digest has (RFC 8018 §5.2).
    pub(super) fn pbkdf2(self, password: &[u8], salt: &[u8], rounds: u32) -> Vec<u8> {
        let mut output = vec![0; self.length()];
        match self {
            Algorithm::Md5 => pbkdf2::pbkdf2_hmac::<Md5>(password, salt, rounds, &mut output),
            Algorithm::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, rounds, &mut output),
            Algorithm::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut output),
            Algorithm::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, rounds, &mut output),
        }
        output
    }
}

/// The states of the outer and the inner MD5 of HMAC-MD5 after their key block (RFC 2195 §3).
pub(super) fn hmac_md5_states(key: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..16].copy_from_slice(&Md5::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let state = |pad: u8| {
        let mut digest = Md5::new();
        digest.update(block.map(|b| b ^ pad));
        // The first 16 bytes are the chaining value; the block's length and an empty buffer follow.
        digest.serialize()[..16].to_vec()
    };
    [state(0x5c), state(0x36)].concat()
}
