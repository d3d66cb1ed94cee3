//! The client's side of SCRAM-SHA-256 (RFC 7677), with and without channel binding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";

fn header(binding: Option<[u8; 32]>) -> &'static str {
    if binding.is_some() { "p=tls-exporter,," } else { "n,," }
}

/// What the client begins with.
pub(super) fn first(login: &str, binding: Option<[u8; 32]>) -> String {
    format!("{}n={login},r={NONCE}", header(binding))
}

/// The client's proof, for what the server answered to [`first`].
pub(super) fn last(login: &str, password: &str, binding: Option<[u8; 32]>, server_first: &str) -> String {
    let part = |name: &str| server_first.split(',').find_map(|part| part.strip_prefix(name)).unwrap();
    let (nonce, salt) = (part("r="), STANDARD.decode(part("s=")).unwrap());
    let rounds: NonZeroU32 = part("i=").parse().unwrap();
    let mut salted = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut salted);
    let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    let client_key = sign(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
    let bound = [header(binding).as_bytes(), binding.as_ref().map_or(&[][..], |binding| &binding[..])].concat();
    let without_proof = format!("c={},r={nonce}", STANDARD.encode(bound));
    let signed = format!("n={login},r={NONCE},{server_first},{without_proof}");
    let signature = sign(stored_key.as_ref(), signed.as_bytes());
    let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, sign)| key ^ sign).collect();
    format!("{without_proof},p={}", STANDARD.encode(proof))
}
