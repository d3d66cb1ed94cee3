//! Passwords: known answers, refusals, and hostile hashes.

use crate::address;
use directory::password::{self, PasswordError, UnusableReason, Verdict, hash_new, is_dear, usable, verify};
use message::Address;
use proptest::prelude::*;

/// The password that the answers below were made from, by the login `ana@example.org`.
const PASSWORD: &str = "hierro2602ñ";

/// Written by `doveadm pw` 2.3.19, or accepted by its `-t`.
const DOVECOT: &[&str] = &[
    "{PLAIN}hierro2602ñ",
    "{CLEARTEXT}hierro2602ñ",
    "{CLEAR}hierro2602ñ",
    "{CRYPT}$2y$05$MHqAc6LxrkcpxtcACyi7Yeg3TRrsgq/lmRJt2yKRMJQzdWqfpRZF.",
    "{MD5-CRYPT}$1$6wFuUAx1$ND4tGDrnr9rifkVPfbj1e0",
    "{MD5}$1$v0k9UWxQ$0tG/fdAWFtfAmOdh7i9091",
    "{SHA256-CRYPT}$5$rounds=1000$6GcwLVVsHA/y7Wko$0ypQyjqppPRqdAtOs5LlwV9/TlSNwadyLHCjc.n8Qk6",
    "{SHA512-CRYPT}$6$rounds=1000$CaOQGMOiHkFxmpJZ$L44wESpxLTXfPBc/U6rl6wNSnod1ht6waTQnQn9OSZeHFjJlmiPHQTu.Ilm0YpvKVIkuYNFA9KgFMG3BAQdfJ1",
    "{BLF-CRYPT}$2y$05$JUALNPgtQbogSEA37qIQ8esnsUF1C0g60lGvJDIFn7jvyt1BdDNEy",
    "{DES-CRYPT}dSoKrFe.IPAqs",
    "{SSHA}qhVFGgJ+x4skg8EPaCj3xNNRPlKdT+xh",
    "{SSHA256}+afdQTl1Zc4j7g0lpL9fcCQM8/JOzAgi3EToTwNtNr9D5FCX",
    "{SSHA512}DPXwgxYyMcFaz7DvnnilbGYzuu0A5DUHyyh4aKiV2hkgrXzcyklmDmvh/nDu+gi48Rv+QKbalvYFaXhJ6rh6hUCwjag=",
    "{SHA}DE7ceZ+Lq1pvKpGyVZbz3R2WJa0=",
    "{SHA1}DE7ceZ+Lq1pvKpGyVZbz3R2WJa0=",
    "{SHA256}XZuX7YUq+RCdmA6ofIWsHBY0Bn0nI0oz5n+B6V0HI0E=",
    "{SHA512}j9H/ke7jHGjnqmznyZI3wEEDvLo5d8+V1HYlZJL2+Br5u/CfFk+Qf994ltZSBR0T1apfx1XGIvCvrd7gvtBEzA==",
    "{SMD5}XvxjkkuT2a4EbiVTcuAzAGajzM0=",
    "{LDAP-MD5}DCSCpwUIVrPgMV27uDu6MQ==",
    "{PLAIN-MD5}0c2482a7050856b3e0315dbbb83bba31",
    "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$lKnFz5JLAbMmGQ7ZN+Sruw$ze3NHv7N+slNIWPg+QBaZOshBDhScduBhlWlYeg8uVk",
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$fi1aIgPEDBwEBE+OqGDWUA$YAtfeX5u5eW/vmynk1UhT3D8b8Y0ztyCJnUEnO5r5a0",
    "{PBKDF2}$1$erVnqWLJX3rFSIgs$1000$1114a5444f4b366f3c60ab4b976d4925f8e11679",
    "{SCRAM-SHA-256}4096,UBAvgT0N0a+iIAWUJxYPDw==,vPaBv1YDGeecWvwpMSi/riVO2m6vOfhyNTjplPqvbzU=,aYaGfmMjPF65RwR0pflioVrvMNPotf+KDwwGyqAddy4=",
    "{SCRAM-SHA-1}4096,ZbYJfoSp8WnKiTOBOZsBXg==,RGFR4MuxpbMsDP707aFwnsB+p3g=,isSO5jSConf2Z+LvMarTtU8QVVg=",
    "{CRAM-MD5}cd65df02a8c34aecf302c7eaa2d3c40bd1018216658fb0dd02af65c6f1e7af6b",
    "{HMAC-MD5}cd65df02a8c34aecf302c7eaa2d3c40bd1018216658fb0dd02af65c6f1e7af6b",
    "{DIGEST-MD5}7ad2cf81f022065d584ff48467a7403d",
    "{SSHA.HEX}e1feb8637a662f45fc85d7350d8bd0aed2a0f840c912decc",
    "{SHA256.HEX}5d9b97ed852af9109d980ea87c85ac1c1634067d27234a33e67f81e95d072341",
    "{SSHA512.B64}0Fkgd3P12WYnJwS6vJkKYwuoru8Jol4WiuRJHHbIHulbH2ssSrQM+4Oyb89qyd7/ZBX5YQMMw3sy0wyy8TJ2EZ3hZsE=",
    "{SHA512.BASE64}j9H/ke7jHGjnqmznyZI3wEEDvLo5d8+V1HYlZJL2+Br5u/CfFk+Qf994ltZSBR0T1apfx1XGIvCvrd7gvtBEzA==",
    "{PLAIN.B64}aGllcnJvMjYwMsOx",
    "{MD5-CRYPT.HEX}2431244a7079726d4e6b6a2468416c2f644e71386a757541316a3865613675413630",
    "{SHA.HEX}0c4edc799f8bab5a6f2a91b25596f3dd1d9625ad",
    "{PLAIN-MD5.B64}DCSCpwUIVrPgMV27uDu6MQ==",
    "{SMD5.HEX}7b7101003039c6802e80357c8ab50c5414ba60e7",
    "{CRAM-MD5.B64}zWXfAqjDSuzzAsfqotPEC9EBghZlj7DdAq9lxvHnr2s=",
    "{SHA512-CRYPT}$6$UI9QY8/8124LEiBE$lajpvvwO6rjFIQnGoqYhDnOi7q.Bfg8w1.YenEevHVgNUiJm/NalD0lPgBImhc7ON7oWkBgCW32kjxA7iv.es0",
    "{SHA512-CRYPT.B64}JDYkcm91bmRzPTEwMDAkQ2FPUUdNT2lIa0Z4bXBKWiRMNDR3RVNweExUWGZQQmMvVTZybDZ3TlNub2QxaHQ2d2FUUW5RbjlPU1plSEZqSmxtaVBIUVR1LklsbTBZcHZLVklrdVlORkE5S2dGTUczQkFRZGZKMQ==",
    "{MD5}0c2482a7050856b3e0315dbbb83bba31",
    "{MD5}DCSCpwUIVrPgMV27uDu6MQ==",
    "{LDAP-MD5}0c2482a7050856b3e0315dbbb83bba31",
    "{PLAIN-MD5}DCSCpwUIVrPgMV27uDu6MQ==",
    "{PLAIN-MD5}0C2482A7050856B3E0315DBBB83BBA31",
    "{SHA}0c4edc799f8bab5a6f2a91b25596f3dd1d9625ad",
    "{SHA256}5d9b97ed852af9109d980ea87c85ac1c1634067d27234a33e67f81e95d072341",
    "{sha}DE7ceZ+Lq1pvKpGyVZbz3R2WJa0=",
    "{SHA512-CRYPT}$1$6wFuUAx1$ND4tGDrnr9rifkVPfbj1e0",
    "{CRYPT}$1$6wFuUAx1$ND4tGDrnr9rifkVPfbj1e0",
    "$1$6wFuUAx1$ND4tGDrnr9rifkVPfbj1e0",
    "{ARGON2I}$argon2id$v=19$m=65536,t=3,p=1$fi1aIgPEDBwEBE+OqGDWUA$YAtfeX5u5eW/vmynk1UhT3D8b8Y0ztyCJnUEnO5r5a0",
];

/// Written by `crypt(3)` of libxcrypt.
const CRYPT: &[&str] = &[
    "abtDHhRlY0IhI",
    "./0OUvtJim1ek",
    "$1$40L8k3Lq$LZH84Dj3cx8vUkyUnh6Eg0",
    "$1$abc$zqThUyNujgTeEo8ixdMyS0",
    "$1$$8weV4CsQ2NmrSR0lS/eJb1",
    "$5$saltstring$C6bFnOpUrISU2P5aTVYxPYWmv0Te6AELfA31kCYe36A",
    "$5$rounds=1400$anotherlongsalts$UXxZJg83ZfBvNeUcbFdC0ccouz5EvsS.FSp/pyPHNJ0",
    "$6$rounds=1000$abcdefgh$LJIz.cR6wN/5pb1xvdZZrpoCxrBFILfeZ174JmdGepJkUu0b/dCyOdElqT/rmDKiCHJdKYJh26B.mMMu8gbyq1",
    "$6$x$XVvWk/1U4YJZxDOZPXdMLmYTBxoimPYvQ8kesnq8XzyO5CjKSyDQI0dB/szebIpB1I3N4W0FZIIAaBZw3v.nu1",
    "$6$rounds=1000$$u0FdCJDFBbl8ozm27qNRCAbMwLOjQgmt7diMuq9ecxSK9MdfwmBOFqUS/LZ/JNrTkSk2kgelP6wGPxo9lNPvL1",
    "$5$$mbdrHHN1hebWgVfnEiBTbFPQDmuDOSFrGFObp7Sm9k6",
    "$2y$04$JUALNPgtQbogSEA37qIQ8eYLRCLdJbTqdPO6D99CNzBfTgPGUXndS",
    "$2a$04$JUALNPgtQbogSEA37qIQ8eYLRCLdJbTqdPO6D99CNzBfTgPGUXndS",
    "$2b$04$JUALNPgtQbogSEA37qIQ8eYLRCLdJbTqdPO6D99CNzBfTgPGUXndS",
    "$2b$04$JUALNPgtQbogSEA37qIQ8fYLRCLdJbTqdPO6D99CNzBfTgPGUXndS",
];

/// Passwords of so many `x`, where schemes begin to cut or to fold.
const LONG: &[(usize, &str)] = &[
    (80, "$2y$04$JUALNPgtQbogSEA37qIQ8eYKJhu4NkZE4X7Tf22P9bB6xZop3i2si"),
    (72, "$2y$04$JUALNPgtQbogSEA37qIQ8eYKJhu4NkZE4X7Tf22P9bB6xZop3i2si"),
    (71, "$2y$04$JUALNPgtQbogSEA37qIQ8e.ath0X3PtULDqB/hdty7BU0YD3GNloS"),
    (200, "$1$40L8k3Lq$UN8fCcmiySV4g/W4gKZSc."),
    (200, "$6$rounds=1000$abc$wMssqTC1HqTo.g4BLK4SdcvPFHZKoLbmoHVGHf63yhKa1kqdKX.IEWjHDY/9TeW5DxOS040sMmrN.ujYx1Jne/"),
    (200, "$5$rounds=1000$abc$Khzytph/LYFucnQCfXGOY1AI1nrQ0IAC0lH8KrTTtz6"),
    (64, "{CRAM-MD5}6d9ede435cc910ab8581e77854dad1a8f97d9a2a1e88e80ba098060a8e7af714"),
    (65, "{CRAM-MD5}ad74e8a83b48b6e24fa4180c09ca51f3c808257d34b7726f362d26b38d5f1da0"),
];

fn ana() -> Address {
    address("ana@example.org")
}

fn is_right(password: &str, stored: &str) -> bool {
    matches!(verify(password.as_bytes(), stored, &ana()), Verdict::Right { .. })
}

#[test]
fn every_scheme_knows_its_password_and_no_other() {
    for stored in DOVECOT.iter().chain(CRYPT) {
        assert_eq!(usable(stored), Ok(()), "{stored}");
        assert_eq!(
            verify(PASSWORD.as_bytes(), stored, &ana()),
            Verdict::Right { rehash: !stored.contains("$argon2id$") }
        );
        for wrong in ["hierro2602n", "hierro2602", "HIERRO2602Ñ", "x"] {
            // DES looks at no more than eight bytes.
            let is_cut = wrong == "hierro2602n" || wrong == "hierro2602";
            if is_cut && (stored.len() == 13 || stored.starts_with("{DES-CRYPT}")) {
                continue;
            }
            assert_eq!(verify(wrong.as_bytes(), stored, &ana()), Verdict::Wrong, "{stored}");
        }
    }
}

#[test]
fn long_passwords_are_cut_where_the_scheme_cuts_them() {
    for (length, stored) in LONG {
        assert!(is_right(&"x".repeat(*length), stored), "{length} {stored}");
    }
    let bcrypt_72 = LONG[1].1;
    assert!(is_right(&"x".repeat(73), bcrypt_72));
    assert!(!is_right(&"x".repeat(71), bcrypt_72));
}

#[test]
fn des_looks_at_eight_bytes() {
    let stored = "ab2wHQ4RTFVKI";
    assert!(is_right("01234567", stored));
    assert!(is_right("0123456789", stored));
    assert!(!is_right("0123456", stored));
}

#[test]
fn digest_md5_belongs_to_a_login() {
    let stored = "{DIGEST-MD5}7ad2cf81f022065d584ff48467a7403d";
    let eva = address("eva@example.org");
    assert!(is_right(PASSWORD, stored));
    assert_eq!(verify(PASSWORD.as_bytes(), stored, &eva), Verdict::Wrong);
}

#[test]
fn a_plain_password_may_look_like_anything() {
    for password in ["!secret", "*", "{SSHA}x", "$1$x"] {
        assert!(is_right(password, &format!("{{PLAIN}}{password}")));
    }
}

#[test]
fn what_cannot_be_verified_says_why() {
    use UnusableReason as R;
    let cases = [
        ("", R::Empty),
        ("{SSHA}", R::Empty),
        ("{PLAIN}", R::Empty),
        ("!", R::Locked),
        ("*", R::Locked),
        ("!!", R::Locked),
        ("!$1$6wFuUAx1$ND4tGDrnr9rifkVPfbj1e0", R::Locked),
        ("{MD5-CRYPT}!$1$32JQlZuX$EztddCQurUH9uWImWfDJB/", R::Locked),
        ("{CRYPT}*", R::Locked),
        ("{OTP}sha1 1024 b4f61ab8e37c97ef 6be699e6c4436392", R::Unsupported("OTP")),
        ("{PLAIN-MD4}5d4cf72ed145d9c4d620240eddce51ef", R::Unsupported("PLAIN-MD4")),
        ("{PLAIN-TRUNC}hierro2602", R::Unsupported("PLAIN-TRUNC")),
        ("{CRYPT}$y$j9T$abc$def", R::Unsupported("yescrypt")),
        ("$2x$04$JUALNPgtQbogSEA37qIQ8eYLRCLdJbTqdPO6D99CNzBfTgPGUXndS", R::Unsupported("$2x$")),
        ("{ROT13}uvreeb", R::UnknownScheme),
        ("{SSHA.ROT13}uvreeb", R::UnknownScheme),
        ("$99$abc$def", R::UnknownScheme),
        ("{SSHA", R::Malformed("the scheme's name does not end")),
        ("x", R::Malformed("it is no hash of crypt(3)")),
        ("{SSHA}AAAA", R::Malformed("it is shorter than its digest")),
        ("{SHA}DE7ceZ", R::Malformed("it has another length than its digest")),
        ("{SSHA}###", R::Malformed("it is no Base64")),
        ("{PBKDF2}$1$salt$0$1114a5444f4b366f3c60ab4b976d4925f8e11679", R::Malformed("it is not $1$salt$rounds$hash")),
        ("$6$rounds=999$abc$def", R::Malformed("its rounds are no number from 1,000 up")),
    ];
    for (stored, reason) in cases {
        assert_eq!(usable(stored), Err(reason), "{stored}");
        assert_eq!(verify(b"x", stored, &ana()), Verdict::Unusable(reason), "{stored}");
    }
}

#[test]
fn a_hash_may_not_ask_for_more_work_than_a_sign_in_is_worth() {
    use UnusableReason::TooCostly;
    let argon2 = |params: &str| {
        format!(
            "{{ARGON2ID}}$argon2id$v=19${params}$fi1aIgPEDBwEBE+OqGDWUA$YAtfeX5u5eW/vmynk1UhT3D8b8Y0ztyCJnUEnO5r5a0"
        )
    };
    let sha512 = |rounds: &str| format!("$6$rounds={rounds}$x${}", "a".repeat(86));
    let pbkdf2 = |rounds: &str| format!("{{PBKDF2}}$1$salt${rounds}$1114a5444f4b366f3c60ab4b976d4925f8e11679");
    let scram = |rounds: &str| {
        format!(
            "{{SCRAM-SHA-1}}{rounds},ZbYJfoSp8WnKiTOBOZsBXg==,RGFR4MuxpbMsDP707aFwnsB+p3g=,isSO5jSConf2Z+LvMarTtU8QVVg="
        )
    };
    assert_eq!(usable(&argon2("m=262144,t=4,p=1")), Ok(()));
    assert_eq!(usable(&argon2("m=262145,t=1,p=1")), Err(TooCostly("Argon2")));
    assert_eq!(usable(&argon2("m=262144,t=5,p=1")), Err(TooCostly("Argon2")));
    assert_eq!(usable(&argon2("m=4294967295,t=4294967295,p=1")), Err(TooCostly("Argon2")));
    assert_eq!(usable("$2y$16$JUALNPgtQbogSEA37qIQ8eYLRCLdJbTqdPO6D99CNzBfTgPGUXndS"), Ok(()));
    let costly = "$2y$17$JUALNPgtQbogSEA37qIQ8eYLRCLdJbTqdPO6D99CNzBfTgPGUXndS";
    assert_eq!(usable(costly), Err(TooCostly("cost of bcrypt")));
    assert_eq!(usable(&sha512("1000000")), Ok(()));
    assert_eq!(usable(&sha512("1000001")), Err(TooCostly("rounds of SHA-crypt")));
    assert_eq!(usable(&pbkdf2("2000000")), Ok(()));
    assert_eq!(usable(&pbkdf2("2000001")), Err(TooCostly("rounds of PBKDF2")));
    assert_eq!(usable(&scram("2000001")), Err(TooCostly("rounds of PBKDF2")));
}

#[test]
fn a_new_hash_knows_its_password_and_needs_no_other() {
    let hash = hash_new(PASSWORD.as_bytes()).unwrap();
    assert!(hash.expose().starts_with("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_eq!(verify(PASSWORD.as_bytes(), hash.expose(), &ana()), Verdict::Right { rehash: false });
    assert_eq!(verify(b"hierro2602", hash.expose(), &ana()), Verdict::Wrong);
    assert_ne!(hash, hash_new(PASSWORD.as_bytes()).unwrap(), "a salt is used once");
}

#[test]
fn passwords_that_no_client_should_send_are_refused() {
    let long = vec![b'x'; password::MAX_PASSWORD_BYTES + 1];
    assert_eq!(hash_new(b"").unwrap_err(), PasswordError::Empty);
    assert_eq!(hash_new(b"a\0b").unwrap_err(), PasswordError::Nul);
    assert_eq!(hash_new(&long).unwrap_err(), PasswordError::TooLong);
    // The SHA-1 of nothing: an empty password is right nowhere.
    assert_eq!(verify(b"", "{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=", &ana()), Verdict::Wrong);
    let stored = format!("{{PLAIN}}{}", "x".repeat(long.len()));
    assert_eq!(verify(&long, &stored, &ana()), Verdict::Wrong);
}

#[test]
fn a_secret_never_prints() {
    let hash = hash_new(PASSWORD.as_bytes()).unwrap();
    assert_eq!(format!("{hash:?} {hash:#?}"), "Secret(..) Secret(..)");
}

proptest! {
    #[test]
    fn no_stored_text_makes_it_panic(stored in "\\PC{0,80}", password in proptest::collection::vec(any::<u8>(), 0..80)) {
        verify(&password, &stored, &ana());
    }

    #[test]
    fn no_text_after_a_scheme_makes_it_panic(
        scheme in prop::sample::select(vec![
            "PLAIN", "PLAIN.HEX", "CRYPT", "SHA512-CRYPT.B64", "SSHA", "SSHA256.HEX", "SHA1", "SMD5", "LDAP-MD5", "MD5",
            "ARGON2ID", "PBKDF2", "SCRAM-SHA-256", "CRAM-MD5", "DIGEST-MD5",
        ]),
        prefix in prop::sample::select(vec!["", "$1$", "$2y$04$", "$5$", "$6$rounds=1000$", "$argon2id$v=19$m=8,t=1,p=1$"]),
        text in "[./0-9A-Za-zé,$=+]{0,100}",
    ) {
        verify(b"x", &format!("{{{scheme}}}{prefix}{text}"), &ana());
    }

    #[test]
    fn a_hash_cut_short_is_never_right(index in 0..CRYPT.len(), keep in 0_usize..100) {
        let stored = CRYPT[index];
        let keep = keep.min(stored.len() - 1);
        prop_assert!(!is_right(PASSWORD, &stored[..keep]));
    }
}

#[test]
fn what_takes_long_to_verify_is_told_from_what_does_not() {
    let new = hash_new(b"hierro2602").unwrap();
    let sha = |rounds: &str| format!("{{SHA512-CRYPT}}$6${rounds}saltsalt${}", "a".repeat(86));
    let bcrypt = |cost: &str| format!("{{BLF-CRYPT}}$2b${cost}${}", "a".repeat(53));
    let argon2 = |memory: u32| format!("$argon2id$v=19$m={memory},t=2,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg");
    for fast in [new.expose(), "{PLAIN}x", &sha(""), &sha("rounds=10000$"), &bcrypt("10"), &argon2(65_536)] {
        assert!(usable(fast).is_ok() && !is_dear(fast), "{fast}");
    }
    for slow in [&sha("rounds=1000000$"), &bcrypt("14"), &argon2(262_144)] {
        assert!(usable(slow).is_ok() && is_dear(slow), "{slow}");
    }
    assert!(!is_dear("{CRYPT}!"), "what cannot be verified costs nothing");
}
