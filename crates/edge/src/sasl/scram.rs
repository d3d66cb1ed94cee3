//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side (RFC 5802, RFC 7677; RFC 9266 for the channel binding).
//!
//! ```text
//! client-first = gs2-header client-first-bare         n,,n=user,r=NONCE
//! server-first = r=NONCE+OURS,s=SALT,i=ITERATIONS
//! client-final = c=CHANNEL,r=NONCE+OURS,p=PROOF
//! server-final = v=SIGNATURE
//! ```
//! A login that is nobody's goes through the same messages and the same work, and fails at the end.

use super::{Attempt, Claim, Proof, Refused, Step, check_authorization};
use crate::admission::{Former, FormerKey};
use crate::peer::ChannelBinding;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use directory::{Directory, DirectoryError, Proven, ScramCandidate, ScramChallenge};
use ring::{digest, hmac};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// The one channel binding known here.
const BINDING: &str = "tls-exporter";
/// Random bytes in the server's part of a nonce.
const NONCE_BYTES: usize = 18;

/// Where keys come from.
pub(super) type KeySource = Arc<dyn Keys>;

/// Knows what to say to a login.
pub(super) trait Keys: Send + Sync {
    fn challenge(&self, login: &str) -> Result<ScramChallenge, DirectoryError>;

    /// Keys that the login had and has no more, as far as they are known.
    fn former(&self, _login: &str, _now: &[ScramCandidate]) -> Vec<FormerKey> {
        Vec::new()
    }
}

/// Those of the directory, and those that were there before.
pub(super) struct KnownKeys {
    pub(super) directory: Arc<Directory>,
    pub(super) former: Arc<Former>,
}

impl Keys for KnownKeys {
    fn challenge(&self, login: &str) -> Result<ScramChallenge, DirectoryError> {
        self.directory.scram_challenge(login)
    }

    fn former(&self, login: &str, now: &[ScramCandidate]) -> Vec<FormerKey> {
        self.former.note(login, now)
    }
}

/// An exchange.
pub(super) struct Scram {
    keys: KeySource,
    /// The client asked for the mechanism that is bound to the connection.
    plus: bool,
    /// That mechanism was offered.
    offered_plus: bool,
    binding: Option<ChannelBinding>,
    /// The server's part of the nonce.
    nonce: String,
    stage: Stage,
}

enum Stage {
    First,
    Final(Box<Asked>),
    /// The proof was looked at; with the signature that proves the server, if it was right.
    Verifying(Option<String>),
    /// The client may have the last word, which is empty.
    Last,
    Over,
}

/// What was said so far.
struct Asked {
    login: String,
    gs2_header: String,
    client_first_bare: String,
    server_first: String,
    nonce: String,
    challenge: ScramChallenge,
    former: Vec<FormerKey>,
}

/// Makes the server's part of a nonce; `None` when the system has no random numbers.
pub(super) fn nonce() -> Option<String> {
    let mut bytes = [0; NONCE_BYTES];
    getrandom::fill(&mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

impl Scram {
    pub(super) fn new(
        keys: KeySource,
        plus: bool,
        offered_plus: bool,
        binding: Option<ChannelBinding>,
        nonce: String,
    ) -> Self {
        Scram { keys, plus, offered_plus, binding, nonce, stage: Stage::First }
    }

    pub(super) fn answer(&mut self, answer: &[u8]) -> Result<Step, Refused> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::First => self.client_first(answer),
            Stage::Final(asked) => self.client_final(&asked, answer),
            Stage::Last if answer.is_empty() => Ok(Step::Done),
            _ => Err(Refused::Malformed),
        }
    }

    /// The message that proves the server, once the attempt was let in.
    pub(super) fn accepted(&mut self) -> Option<Vec<u8>> {
        match std::mem::replace(&mut self.stage, Stage::Last) {
            Stage::Verifying(Some(signature)) => Some(format!("v={signature}").into_bytes()),
            _ => None,
        }
    }

    fn client_first(&mut self, message: &[u8]) -> Result<Step, Refused> {
        let text = str::from_utf8(message).map_err(|_| Refused::Malformed)?;
        let first = ClientFirst::parse(text)?;
        self.check_flag(first.flag)?;
        check_authorization(&first.authorization, &first.login)?;
        let challenge = self.keys.challenge(&first.login).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "the keys of a login could not be read");
            Refused::Unavailable
        })?;
        let former = self.keys.former(&first.login, &challenge.candidates);
        let nonce = format!("{}{}", first.nonce, self.nonce);
        let server_first = format!("r={nonce},s={},i={}", STANDARD.encode(&challenge.salt), challenge.iterations);
        let step = Step::Challenge(server_first.clone().into_bytes());
        self.stage = Stage::Final(Box::new(Asked {
            login: first.login,
            gs2_header: first.gs2_header.to_owned(),
            client_first_bare: first.bare.to_owned(),
            server_first,
            nonce,
            challenge,
            former,
        }));
        Ok(step)
    }

    /// Checks what the client says of channel binding (RFC 5802 §6). `y` says that it could, but that the server was not
    /// heard to offer it: if the server did, somebody in between took it from the list.
    fn check_flag(&self, flag: Flag<'_>) -> Result<(), Refused> {
        match flag {
            Flag::No | Flag::NotOffered if self.plus => Err(Refused::Malformed),
            Flag::No => Ok(()),
            Flag::NotOffered if self.offered_plus => Err(Refused::ChannelBinding),
            Flag::NotOffered => Ok(()),
            Flag::Bound(_) if !self.plus => Err(Refused::Malformed),
            Flag::Bound(name) if name != BINDING || self.binding.is_none() => Err(Refused::ChannelBinding),
            Flag::Bound(_) => Ok(()),
        }
    }

    fn client_final(&mut self, asked: &Asked, message: &[u8]) -> Result<Step, Refused> {
        let text = str::from_utf8(message).map_err(|_| Refused::Malformed)?;
        let last = ClientFinal::parse(text)?;
        let mut bound = asked.gs2_header.clone().into_bytes();
        if self.plus {
            bound.extend_from_slice(self.binding.as_ref().map_or(&[], ChannelBinding::bytes));
        }
        if !bool::from(last.channel.ct_eq(&bound)) {
            return Err(Refused::ChannelBinding);
        }
        if last.nonce != asked.nonce {
            return Err(Refused::Malformed);
        }
        let spoken = format!("{},{},{}", asked.client_first_bare, asked.server_first, last.without_proof);
        let (proof, signature) = match judge(&asked.challenge, &last.proof, spoken.as_bytes()) {
            Some((proven, signature)) => (Proof::Right(proven), Some(signature)),
            None => {
                let is_it = |key: &&FormerKey| is_right(key.expose(), &last.proof, spoken.as_bytes());
                (asked.former.iter().find(is_it).map_or(Proof::Wrong, |key| Proof::Former(*key)), None)
            }
        };
        self.stage = Stage::Verifying(signature);
        Ok(Step::Verify(Attempt { login: asked.login.clone(), claim: Claim::Scram(proof) }))
    }
}

/// Finds the keys that a proof is right for; yields what that proves, and the server's signature.
fn judge(challenge: &ScramChallenge, proof: &[u8; 32], spoken: &[u8]) -> Option<(Proven, String)> {
    let mut found = None;
    for candidate in &challenge.candidates {
        if is_right(&candidate.keys.stored_key, proof, spoken) {
            let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &candidate.keys.server_key), spoken);
            found = Some((candidate.proven.clone(), STANDARD.encode(signature)));
        }
    }
    if challenge.candidates.is_empty() {
        // Nobody's keys: the work is done, and nothing matches it.
        is_right(&[0; 32], proof, spoken);
    }
    found
}

fn is_right(stored_key: &[u8; 32], proof: &[u8; 32], spoken: &[u8]) -> bool {
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, stored_key), spoken);
    let client_key: Vec<u8> = proof.iter().zip(signature.as_ref()).map(|(p, s)| p ^ s).collect();
    digest::digest(&digest::SHA256, &client_key).as_ref().ct_eq(stored_key).into()
}

/// What a client says of channel binding.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flag<'a> {
    /// `n`
    No,
    /// `y`
    NotOffered,
    /// `p=name`
    Bound(&'a str),
}

/// ```text
/// client-first-message = gs2-header client-first-message-bare
/// gs2-header           = gs2-cbind-flag "," [ authzid ] ","
/// gs2-cbind-flag       = ("p=" cb-name) / "n" / "y"
/// authzid              = "a=" saslname
/// client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions]
/// username             = "n=" saslname
/// nonce                = "r=" c-nonce
/// ```
struct ClientFirst<'a> {
    flag: Flag<'a>,
    authorization: String,
    gs2_header: &'a str,
    bare: &'a str,
    login: String,
    nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    fn parse(text: &'a str) -> Result<Self, Refused> {
        let (flag, rest) = text.split_once(',').ok_or(Refused::Malformed)?;
        let (authorization, bare) = rest.split_once(',').ok_or(Refused::Malformed)?;
        let flag = match flag {
            "n" => Flag::No,
            "y" => Flag::NotOffered,
            _ => Flag::Bound(flag.strip_prefix("p=").filter(|n| !n.is_empty()).ok_or(Refused::Malformed)?),
        };
        let authorization = match authorization {
            "" => String::new(),
            given => saslname(given.strip_prefix("a=").ok_or(Refused::Malformed)?)?,
        };
        // A mandatory extension ("m=") would stand first, and none is known.
        let mut fields = bare.split(',');
        let mut field = |prefix| fields.next().and_then(|f| f.strip_prefix(prefix)).ok_or(Refused::Malformed);
        let login = saslname(field("n=")?)?;
        let nonce = field("r=")?;
        if nonce.is_empty() || !nonce.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Refused::Malformed);
        }
        Ok(ClientFirst { flag, authorization, gs2_header: &text[..text.len() - bare.len()], bare, login, nonce })
    }
}

/// ```text
/// client-final-message = channel-binding "," nonce ["," extensions] "," proof
/// channel-binding      = "c=" base64
/// proof                = "p=" base64
/// ```
struct ClientFinal<'a> {
    channel: Vec<u8>,
    nonce: &'a str,
    proof: [u8; 32],
    without_proof: &'a str,
}

impl<'a> ClientFinal<'a> {
    fn parse(text: &'a str) -> Result<Self, Refused> {
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Refused::Malformed)?;
        let proof = STANDARD.decode(proof).ok().and_then(|p| p.try_into().ok()).ok_or(Refused::Malformed)?;
        let mut fields = without_proof.split(',');
        let mut field = |prefix| fields.next().and_then(|f| f.strip_prefix(prefix)).ok_or(Refused::Malformed);
        let channel = STANDARD.decode(field("c=")?).map_err(|_| Refused::Malformed)?;
        let nonce = field("r=")?;
        Ok(ClientFinal { channel, nonce, proof, without_proof })
    }
}

/// Undoes the two escapes of a name: `=2C` is a comma and `=3D` an equals sign.
fn saslname(text: &str) -> Result<String, Refused> {
    let mut pieces = text.split('=');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (character, rest) = match piece.get(..2) {
            Some("2C") => (',', &piece[2..]),
            Some("3D") => ('=', &piece[2..]),
            _ => return Err(Refused::Malformed),
        };
        name.push(character);
        name.push_str(rest);
    }
    if name.is_empty() || name.contains('\0') { Err(Refused::Malformed) } else { Ok(name) }
}

#[cfg(test)]
pub(crate) mod tests;
