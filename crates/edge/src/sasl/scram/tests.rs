//! A client of SCRAM, the example of RFC 7677, and everything that a client may do wrong.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::sasl::{Exchange, State};
use directory::password::ScramKeys;
use directory::{AccountId, ScramCandidate, Secret};

/// The client's side, as RFC 5802 has it.
pub(crate) struct Client {
    pub(crate) login: String,
    pub(crate) password: Vec<u8>,
    /// With the channel binding that a `p=` header is for.
    pub(crate) gs2_header: String,
    pub(crate) binding: Vec<u8>,
    nonce: String,
    spoken: String,
    server_key: Vec<u8>,
}

impl Client {
    pub(crate) fn new(login: &str, password: &str) -> Self {
        Client {
            login: login.to_owned(),
            password: password.as_bytes().to_vec(),
            gs2_header: "n,,".to_owned(),
            binding: Vec::new(),
            nonce: "rOprNGfwEbeRWgbNEkqO".to_owned(),
            spoken: String::new(),
            server_key: Vec::new(),
        }
    }

    /// Bound to a connection.
    pub(crate) fn bound(mut self, binding: &[u8]) -> Self {
        self.gs2_header = "p=tls-exporter,,".to_owned();
        self.binding = binding.to_vec();
        self
    }

    pub(crate) fn first(&mut self) -> Vec<u8> {
        let name = self.login.replace('=', "=3D").replace(',', "=2C");
        self.spoken = format!("n={name},r={}", self.nonce);
        format!("{}{}", self.gs2_header, self.spoken).into_bytes()
    }

    pub(crate) fn last(&mut self, server_first: &[u8]) -> Vec<u8> {
        let server_first = str::from_utf8(server_first).unwrap();
        let fields: Vec<&str> = server_first.split(',').collect();
        let [nonce, salt, iterations] = fields[..] else { panic!("{server_first}") };
        assert!(nonce[2..].starts_with(&self.nonce) && nonce.len() > self.nonce.len() + 2);
        let salt = STANDARD.decode(&salt[2..]).unwrap();
        let iterations: u32 = iterations[2..].parse().unwrap();
        let mut salted = [0; 32];
        ring::pbkdf2::derive(
            ring::pbkdf2::PBKDF2_HMAC_SHA256,
            iterations.try_into().unwrap(),
            &salt,
            &self.password,
            &mut salted,
        );
        let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
        let client_key = mac(&salted, b"Client Key");
        self.server_key = mac(&salted, b"Server Key").as_ref().to_vec();
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let channel = [self.gs2_header.as_bytes(), &self.binding].concat();
        let without_proof = format!("c={},{nonce}", STANDARD.encode(channel));
        self.spoken = format!("{},{server_first},{without_proof}", self.spoken);
        let signature = mac(stored_key.as_ref(), self.spoken.as_bytes());
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(k, s)| k ^ s).collect();
        format!("{without_proof},p={}", STANDARD.encode(proof)).into_bytes()
    }

    /// Whether the server knows the password too.
    pub(crate) fn believes(&self, server_final: &[u8]) -> bool {
        let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.server_key), self.spoken.as_bytes());
        server_final == format!("v={}", STANDARD.encode(expected)).as_bytes()
    }
}

/// Keys of one account, `user`, and nobody else.
struct One(ScramKeys);

impl Keys for One {
    fn challenge(&self, login: &str) -> Result<ScramChallenge, DirectoryError> {
        let ScramKeys { salt, iterations, .. } = self.0.clone();
        let proven = Proven::password(AccountId::new_unchecked(7), &Secret::new("{X}"));
        let candidate = ScramCandidate { keys: self.0.clone(), proven };
        let candidates = if login == "user" { vec![candidate] } else { Vec::new() };
        Ok(ScramChallenge { salt, iterations, candidates })
    }
}

const BINDING: [u8; 32] = [9; 32];

/// An exchange with the keys and the nonce of RFC 7677 §3.
fn exchange(plus: bool, offered_plus: bool) -> Exchange {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let keys = Arc::new(One(ScramKeys::derive(b"pencil", &salt, 4096.try_into().unwrap())));
    let nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned();
    let scram = Scram::new(keys, plus, offered_plus, Some(ChannelBinding::new(BINDING)), nonce);
    Exchange { state: State::Scram(Box::new(scram)) }
}

fn challenge(step: Step) -> Vec<u8> {
    match step {
        Step::Challenge(challenge) => challenge,
        other => panic!("{other:?}"),
    }
}

fn refused(step: Step) -> Refused {
    match step {
        Step::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

/// What the last message proved.
fn claim(step: Step) -> Option<Proven> {
    match step {
        Step::Verify(Attempt { claim: Claim::Scram(Proof::Right(proven)), .. }) => Some(proven),
        Step::Verify(Attempt { claim: Claim::Scram(Proof::Wrong), .. }) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_example_of_rfc_7677() {
    let mut exchange = exchange(false, false);
    let first = challenge(exchange.answer(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"));
    assert_eq!(
        str::from_utf8(&first).unwrap(),
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    );
    let proven = claim(exchange.answer(
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
          p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    ));
    assert_eq!(proven.unwrap().account(), AccountId::new_unchecked(7));
    assert_eq!(challenge(exchange.accepted()), b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert!(matches!(exchange.answer(b""), Step::Done));
    assert_eq!(refused(exchange.answer(b"")), Refused::Malformed, "it is over");
}

#[test]
fn a_client_and_the_server_prove_themselves_to_each_other() {
    for plus in [false, true] {
        let mut exchange = exchange(plus, true);
        let mut client = Client::new("user", "pencil");
        if plus {
            client = client.bound(&BINDING);
        }
        let server_first = challenge(exchange.answer(&client.first()));
        assert!(claim(exchange.answer(&client.last(&server_first))).is_some());
        assert!(client.believes(&challenge(exchange.accepted())));
        assert!(matches!(exchange.answer(b""), Step::Done));
    }
}

#[test]
fn a_wrong_password_and_nobody_look_the_same() {
    for (login, password) in [("user", "pen"), ("nobody", "pencil"), ("nobody", "")] {
        let mut exchange = exchange(false, false);
        let mut client = Client::new(login, password);
        let server_first = challenge(exchange.answer(&client.first()));
        assert_eq!(claim(exchange.answer(&client.last(&server_first))), None);
        assert_eq!(refused(exchange.accepted()), Refused::Malformed, "nothing was proven");
    }
}

#[test]
fn whoever_hides_what_is_offered_is_found_out() {
    let first = |flag: &str, plus, offered_plus| {
        let mut exchange = exchange(plus, offered_plus);
        exchange.answer(format!("{flag},,n=user,r=abc").as_bytes())
    };
    assert!(matches!(first("n", false, true), Step::Challenge(_)), "a client that cannot");
    assert!(matches!(first("y", false, false), Step::Challenge(_)), "a client that could, and nothing to be had");
    assert_eq!(refused(first("y", false, true)), Refused::ChannelBinding, "somebody took PLUS from the list");
    assert_eq!(refused(first("p=tls-unique", true, true)), Refused::ChannelBinding);
    assert_eq!(refused(first("p=tls-exporter", false, true)), Refused::Malformed, "that is the other mechanism");
    assert_eq!(refused(first("n", true, true)), Refused::Malformed);
    assert_eq!(refused(first("y", true, true)), Refused::Malformed);
}

#[test]
fn a_proof_for_another_connection_is_worth_nothing() {
    let mut exchange = exchange(true, true);
    let mut client = Client::new("user", "pencil").bound(&[1; 32]);
    let server_first = challenge(exchange.answer(&client.first()));
    assert_eq!(refused(exchange.answer(&client.last(&server_first))), Refused::ChannelBinding);

    // A header that changes between the messages.
    let mut exchange = self::exchange(false, false);
    let mut client = Client::new("user", "pencil");
    let server_first = challenge(exchange.answer(&client.first()));
    client.gs2_header = "y,,".to_owned();
    assert_eq!(refused(exchange.answer(&client.last(&server_first))), Refused::ChannelBinding);
}

#[test]
fn names_are_unescaped_and_nobody_acts_for_another() {
    assert_eq!(saslname("a=2Cb=3Dc").unwrap(), "a,b=c");
    for wrong in ["", "=", "=2", "=2c", "a=41", "a\0", "=ñ"] {
        assert_eq!(saslname(wrong), Err(Refused::Malformed), "{wrong:?}");
    }
    let first =
        |authorization: &str| exchange(false, false).answer(format!("n,{authorization},n=user,r=abc").as_bytes());
    assert!(matches!(first("a=user"), Step::Challenge(_)));
    assert_eq!(refused(first("a=root")), Refused::ActsForAnother);
    assert_eq!(refused(first("user")), Refused::Malformed);
}

#[test]
fn malformed_messages_are_refused() {
    let firsts: [&[u8]; 14] = [
        b"",
        b"n",
        b"n,",
        b"n,,",
        b"x,,n=user,r=abc",
        b"p=,,n=user,r=abc",
        b"n,,n=user",
        b"n,,n=user,r=",
        b"n,,r=abc,n=user",
        b"n,,m=x,n=user,r=abc",
        b"n,,n=,r=abc",
        b"n,,n=user,r=a b",
        b"n,,n=us\xffer,r=abc",
        b"n=user,r=abc",
    ];
    for message in firsts {
        assert_eq!(refused(exchange(false, false).answer(message)), Refused::Malformed, "{message:?}");
    }
    let nonce = "r=abc%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let proof = STANDARD.encode([0; 32]);
    for (message, why) in [
        (String::new(), Refused::Malformed),
        (format!("c=biws,{nonce}"), Refused::Malformed),
        (format!("c=biws,{nonce},p="), Refused::Malformed),
        (format!("c=biws,{nonce},p={}", STANDARD.encode([0; 31])), Refused::Malformed),
        (format!("c=b!ws,{nonce},p={proof}"), Refused::Malformed),
        (format!("c=biws,r=abc,p={proof}"), Refused::Malformed),
        (format!("{nonce},c=biws,p={proof}"), Refused::Malformed),
        (format!("c=,{nonce},p={proof}"), Refused::ChannelBinding),
    ] {
        let mut exchange = exchange(false, false);
        let _ = challenge(exchange.answer(b"n,,n=user,r=abc"));
        assert_eq!(refused(exchange.answer(message.as_bytes())), why, "{message}");
        assert_eq!(refused(exchange.answer(b"")), Refused::Malformed, "it is over");
    }
    let mut exchange = exchange(false, false);
    let _ = challenge(exchange.answer(b"n,,n=user,r=abc,x=extension"));
    let with_extension = format!("c=biws,{nonce},x=extension,p={proof}");
    assert_eq!(claim(exchange.answer(with_extension.as_bytes())), None, "an optional extension is passed over");
}
