//! The keys that a SCRAM-SHA-256 server keeps instead of a password (RFC 5802 §3, RFC 7677).

use super::digest::Algorithm;
use super::stored::Stored;
use ring::pbkdf2;
use std::fmt;
use std::num::NonZeroU32;
use unicode_normalization::UnicodeNormalization;

/// Length of a key in bytes: that of SHA-256.
pub const SCRAM_KEY_BYTES: usize = 32;

/// What a server keeps of a password for SCRAM-SHA-256. Whoever has it can pose as the server, and can guess passwords at
/// the price of `iterations` each; it does not let anybody in.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// The salt.
    pub salt: Vec<u8>,
    /// How often the hash is iterated.
    pub iterations: NonZeroU32,
    /// Proves the client to the server.
    pub stored_key: [u8; SCRAM_KEY_BYTES],
    /// Proves the server to the client.
    pub server_key: [u8; SCRAM_KEY_BYTES],
}

impl ScramKeys {
    /// Derives the keys of a password, prepared as clients prepare it: see [`prepared`].
    #[must_use]
    pub fn derive(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Self {
        let mut salted = [0; SCRAM_KEY_BYTES];
        // Of ring, whose assembler halves what every first sign-in costs.
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, &prepared(password), &mut salted);
        let client_key = Algorithm::Sha256.hmac(&salted, b"Client Key");
        ScramKeys {
            salt: salt.to_vec(),
            iterations,
            stored_key: sized(&Algorithm::Sha256.digest(&[&client_key])),
            server_key: sized(&Algorithm::Sha256.hmac(&salted, b"Server Key")),
        }
    }

    /// The keys that a stored `{SCRAM-SHA-256}` password consists of; `None` for any other scheme.
    #[must_use]
    pub fn of_stored(stored: &str) -> Option<Self> {
        match Stored::parse(stored) {
            Ok(Stored::Scram { algorithm: Algorithm::Sha256, rounds, salt, stored_key, server_key }) => {
                let (stored_key, server_key) = (sized(&stored_key), sized(&server_key));
                Some(ScramKeys { salt, iterations: NonZeroU32::new(rounds)?, stored_key, server_key })
            }
            _ => None,
        }
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramKeys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// A password as SASLprep makes it (RFC 4013 §2): spaces of every kind are one kind, what is commonly mapped to nothing is
/// left out, and the rest is in NFKC. What is no UTF-8, holds a control character, or would be empty stays as it is: clients
/// send such a password unprepared.
#[must_use]
pub fn prepared(password: &[u8]) -> Vec<u8> {
    let Ok(text) = str::from_utf8(password) else { return password.to_vec() };
    let text: String =
        text.chars().filter(|c| !is_mapped_to_nothing(*c)).map(|c| if is_space(c) { ' ' } else { c }).nfkc().collect();
    if text.is_empty() || text.chars().any(char::is_control) { password.to_vec() } else { text.into_bytes() }
}

/// RFC 3454 table B.1.
fn is_mapped_to_nothing(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{1806}' | '\u{180b}'..='\u{180d}' | '\u{200b}'..='\u{200d}' | '\u{2060}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// RFC 3454 table C.1.2, but for the zero width space, which is mapped to nothing.
fn is_space(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

fn sized(bytes: &[u8]) -> [u8; SCRAM_KEY_BYTES] {
    bytes.try_into().expect("SHA-256 makes 32 bytes, and stored keys are of that length")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

    #[test]
    fn the_example_of_rfc_7677() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = ScramKeys::derive(b"pencil", &salt, ITERATIONS);
        // Server signature and client proof of §3, worked back to the keys.
        let auth = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
                    r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
                    c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = Algorithm::Sha256.hmac(&keys.server_key, auth.as_bytes());
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let mask = Algorithm::Sha256.hmac(&keys.stored_key, auth.as_bytes());
        let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        let client_key: Vec<u8> = proof.iter().zip(&mask).map(|(p, m)| p ^ m).collect();
        assert_eq!(Algorithm::Sha256.digest(&[&client_key]), keys.stored_key);
    }

    #[test]
    fn a_stored_scram_password_is_its_own_keys() {
        let keys = ScramKeys::derive(b"hierro2602", b"salt of some length", ITERATIONS);
        let encode = |bytes: &[u8]| STANDARD.encode(bytes);
        let (salt, stored) = (encode(&keys.salt), encode(&keys.stored_key));
        let text = format!("{{SCRAM-SHA-256}}4096,{salt},{stored},{}", encode(&keys.server_key));
        assert_eq!(ScramKeys::of_stored(&text), Some(keys));
        assert_eq!(ScramKeys::of_stored("{PLAIN}hierro2602"), None);
        assert_eq!(ScramKeys::of_stored("{SCRAM-SHA-256}4096,AAAA"), None);
    }

    #[test]
    fn passwords_are_prepared_as_clients_prepare_them() {
        for (given, expected) in [
            // RFC 4013 §3.
            ("I\u{ad}X", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            ("n\u{303}andu\u{301}", "ñandú"),
            ("dos\u{a0}palabras", "dos palabras"),
            // Prohibited or empty: as it is.
            ("a\u{7}\u{aa}", "a\u{7}\u{aa}"),
            ("\u{ad}", "\u{ad}"),
        ] {
            assert_eq!(prepared(given.as_bytes()), expected.as_bytes(), "{given:?}");
        }
        assert_eq!(prepared(b"espa\xf1a"), b"espa\xf1a");
    }

    #[test]
    fn keys_never_print() {
        let keys = ScramKeys::derive(b"x", b"0123456789abcdef", ITERATIONS);
        assert_eq!(format!("{keys:?}"), "ScramKeys { iterations: 4096, .. }");
    }
}
