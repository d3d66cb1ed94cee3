//! `crypt(3)`: DES, MD5, bcrypt, SHA-256 and SHA-512 hashes.

use super::UnusableReason;
use super::digest::Algorithm;
use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use subtle::ConstantTimeEq;

/// Rounds of SHA-crypt where the hash names none.
const DEFAULT_SHA_ROUNDS: u32 = 5_000;
/// Rounds of SHA-crypt that a sign-in may cost.
const MAX_SHA_ROUNDS: u32 = 1_000_000;
/// The logarithm of the rounds of bcrypt that a sign-in may cost.
const MAX_BCRYPT_COST: u32 = 16;
/// Rounds of SHA-crypt that cost a multiple of a new hash.
const DEAR_SHA_ROUNDS: u32 = 50_000;
/// The logarithm of the rounds of bcrypt that cost a multiple of a new hash.
const DEAR_BCRYPT_COST: u32 = 13;

/// bcrypt's own Base64. The unused bits of the last character are zero in some programs' salts and not in others'.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

/// Digits of the Base64 of DES, MD5 and SHA crypt.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A hash of `crypt(3)`, checked.
pub(super) enum CryptHash {
    /// Two characters of salt and eleven of hash.
    Des(String),
    /// `$1$salt$hash`.
    Md5 { salt: Vec<u8>, hash: String },
    /// `$2b$cost$` with 22 characters of salt and 31 of hash.
    Bcrypt { cost: u32, salt: [u8; 16], hash: [u8; 23] },
    /// `$5$` or `$6$`, perhaps `rounds=`, salt and hash.
    Sha { wide: bool, rounds: u32, params: sha_crypt::Params, salt: Vec<u8>, hash: String },
}

impl CryptHash {
    /// Reads a hash.
    pub(super) fn parse(text: &str) -> Result<Self, UnusableReason> {
        let Some(rest) = text.strip_prefix('$') else { return parse_des(text) };
        let (id, rest) = rest.split_once('$').ok_or(UnusableReason::Malformed("its prefix does not end"))?;
        match id {
            "1" => parse_md5(rest),
            "2a" | "2b" | "2y" => parse_bcrypt(rest),
            "5" => parse_sha(false, rest),
            "6" => parse_sha(true, rest),
            // bcrypt of an implementation that mangled characters above 127.
            "2x" => Err(UnusableReason::Unsupported("$2x$")),
            "7" => Err(UnusableReason::Unsupported("scrypt")),
            "y" | "gy" => Err(UnusableReason::Unsupported("yescrypt")),
            "apr1" => Err(UnusableReason::Unsupported("$apr1$")),
            "sha1" => Err(UnusableReason::Unsupported("sha1-crypt")),
            _ => Err(UnusableReason::UnknownScheme),
        }
    }

    /// Whether verifying it takes a multiple of the time that a new hash takes.
    pub(super) fn is_dear(&self) -> bool {
        match self {
            CryptHash::Des(_) | CryptHash::Md5 { .. } => false,
            CryptHash::Bcrypt { cost, .. } => *cost >= DEAR_BCRYPT_COST,
            CryptHash::Sha { rounds, .. } => *rounds >= DEAR_SHA_ROUNDS,
        }
    }

    /// Whether this is its password. The password holds no NUL.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        match self {
            CryptHash::Des(hash) => pwhash::unix_crypt::verify(password, hash),
            CryptHash::Md5 { salt, hash } => equal(md5_crypt(password, salt).as_bytes(), hash.as_bytes()),
            CryptHash::Bcrypt { cost, salt, hash } => {
                // The password with the NUL at its end, and of that the first 72 bytes.
                let mut key = password.to_vec();
                key.push(0);
                key.truncate(72);
                equal(&bcrypt::bcrypt(*cost, *salt, &key)[..hash.len()], hash)
            }
            CryptHash::Sha { wide: false, params, salt, hash, .. } => equal(
                encode(&sha_crypt::sha256_crypt(password, salt, *params), SHA256_ORDER).as_bytes(),
                hash.as_bytes(),
            ),
            CryptHash::Sha { wide: true, params, salt, hash, .. } => equal(
                encode(&sha_crypt::sha512_crypt(password, salt, *params), SHA512_ORDER).as_bytes(),
                hash.as_bytes(),
            ),
        }
    }
}

fn parse_des(text: &str) -> Result<CryptHash, UnusableReason> {
    if text.len() != 13 || !are_digits(text) {
        return Err(UnusableReason::Malformed("it is no hash of crypt(3)"));
    }
    Ok(CryptHash::Des(text.to_owned()))
}

fn parse_md5(rest: &str) -> Result<CryptHash, UnusableReason> {
    let (salt, hash) = salt_and_hash(rest, 22)?;
    // Only the first eight bytes of a salt count.
    Ok(CryptHash::Md5 { salt: salt.bytes().take(8).collect(), hash })
}

fn parse_sha(wide: bool, rest: &str) -> Result<CryptHash, UnusableReason> {
    const WRONG: UnusableReason = UnusableReason::Malformed("its rounds are no number from 1,000 up");
    let (rounds, params, rest) = match rest.strip_prefix("rounds=") {
        None => (DEFAULT_SHA_ROUNDS, sha_crypt::Params::RECOMMENDED, rest),
        Some(rest) => {
            let (rounds, rest) = rest.split_once('$').ok_or(WRONG)?;
            let rounds = rounds.parse().map_err(|_| WRONG)?;
            if rounds > MAX_SHA_ROUNDS {
                return Err(UnusableReason::TooCostly("rounds of SHA-crypt"));
            }
            (rounds, sha_crypt::Params::new(rounds).map_err(|_| WRONG)?, rest)
        }
    };
    let (salt, hash) = salt_and_hash(rest, if wide { 86 } else { 43 })?;
    Ok(CryptHash::Sha { wide, rounds, params, salt: salt.bytes().take(16).collect(), hash })
}

fn parse_bcrypt(rest: &str) -> Result<CryptHash, UnusableReason> {
    const WRONG: UnusableReason = UnusableReason::Malformed("it is no hash of bcrypt");
    let (cost, rest) = rest.split_once('$').ok_or(WRONG)?;
    if cost.len() != 2 || rest.len() != 53 || !rest.is_ascii() {
        return Err(WRONG);
    }
    let cost: u32 = cost.parse().map_err(|_| WRONG)?;
    if cost < 4 {
        return Err(WRONG);
    }
    if cost > MAX_BCRYPT_COST {
        return Err(UnusableReason::TooCostly("cost of bcrypt"));
    }
    let (salt, hash) = rest.split_at(22);
    let decode = |text: &str| BCRYPT_BASE64.decode(text).map_err(|_| WRONG);
    let salt = decode(salt)?.try_into().map_err(|_| WRONG)?;
    let hash = decode(hash)?.try_into().map_err(|_| WRONG)?;
    Ok(CryptHash::Bcrypt { cost, salt, hash })
}

fn salt_and_hash(rest: &str, length: usize) -> Result<(&str, String), UnusableReason> {
    let (salt, hash) = rest.split_once('$').ok_or(UnusableReason::Malformed("its salt does not end"))?;
    if hash.len() != length || !are_digits(hash) {
        return Err(UnusableReason::Malformed("its hash has another length or other characters than it should"));
    }
    Ok((salt, hash.to_owned()))
}

/// The MD5 crypt of FreeBSD and glibc: a first digest that the password's length decides the making of, then a
/// thousand rounds over it.
fn md5_crypt(password: &[u8], salt: &[u8]) -> String {
    let inner = Algorithm::Md5.digest(&[password, salt, password]);
    let mut first = [password, b"$1$", salt].concat();
    first.extend(inner.iter().cycle().take(password.len()));
    let mut bits = password.len();
    while bits > 0 {
        first.push(if bits & 1 == 1 { 0 } else { password[0] });
        bits >>= 1;
    }
    let mut state = Algorithm::Md5.digest(&[&first]);
    for round in 0..1000 {
        let (head, tail): (&[u8], &[u8]) = if round % 2 == 1 { (password, &state) } else { (&state, password) };
        let salt = if round % 3 == 0 { &[][..] } else { salt };
        let again = if round % 7 == 0 { &[][..] } else { password };
        state = Algorithm::Md5.digest(&[head, salt, again, tail]);
    }
    encode(&state, MD5_ORDER)
}

/// The order in which a digest's bytes are written: the first triple, and how the next follows from it.
struct Order {
    /// Indexes of the first three bytes, most significant first.
    first: [usize; 3],
    /// The next triple.
    next: fn([usize; 3]) -> [usize; 3],
    /// How many triples there are.
    triples: usize,
    /// Indexes of the bytes left over, most significant first.
    rest: &'static [usize],
}

const MD5_ORDER: Order = Order {
    first: [0, 6, 12],
    // The last triple takes byte 5 where the counting would say 16.
    next: |[a, b, c]| [a + 1, b + 1, if c == 15 { 5 } else { c + 1 }],
    triples: 5,
    rest: &[11],
};
const SHA256_ORDER: Order =
    Order { first: [0, 10, 20], next: |[a, b, c]| [c + 1, a + 1, b + 1], triples: 10, rest: &[31, 30] };
const SHA512_ORDER: Order =
    Order { first: [0, 21, 42], next: |[a, b, c]| [b + 1, c + 1, a + 1], triples: 21, rest: &[63] };

/// Writes a digest in the Base64 of `crypt(3)`: least significant digit first.
fn encode(digest: &[u8], order: Order) -> String {
    let mut text = String::new();
    let mut put = |indexes: &[usize]| {
        let mut value = indexes.iter().fold(0, |value, index| value << 8 | usize::from(digest[*index]));
        for _ in 0..=indexes.len() {
            text.push(char::from(DIGITS[value & 63]));
            value >>= 6;
        }
    };
    let mut triple = order.first;
    for _ in 0..order.triples {
        put(&triple);
        triple = (order.next)(triple);
    }
    put(order.rest);
    text
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|b| DIGITS.contains(&b))
}

fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
