//! Keys of a ledger: made once, kept safe, never shown.
#![allow(clippy::unwrap_used)]

use integrate::ledger::{KeyError, ParseKeyError, PublicKey, SigningKey};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_key_is_made_once_and_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.key");

    let made = SigningKey::create(&path).unwrap();
    assert_eq!(SigningKey::load(&path).unwrap().public(), made.public());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left beside it");

    assert!(matches!(SigningKey::create(&path), Err(KeyError::Exists { .. })));
    assert_eq!(SigningKey::load(&path).unwrap().public(), made.public());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.key");
    SigningKey::create(&path).unwrap();
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = SigningKey::load(&path).unwrap_err();
        assert!(matches!(error, KeyError::TooOpen { mode: found, .. } if found == mode));
        assert!(error.to_string().contains("chmod 600"));
    }
}

#[test]
fn a_file_that_is_no_key_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.key");
    assert!(matches!(SigningKey::load(&path), Err(KeyError::Io { .. })));
    assert!(matches!(SigningKey::create(&directory.path().join("none/ledger.key")), Err(KeyError::Io { .. })));
    fs::write(&path, vec![0; 100_000]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(SigningKey::load(&path), Err(KeyError::NotAKey { .. })));
}

#[test]
fn the_secret_is_never_printed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.key");
    let key = SigningKey::create(&path).unwrap();
    let document = fs::read(&path).unwrap();
    let shown = format!("{key:?} {key:#?}");
    assert!(shown.contains(&key.public().to_string()));
    // The seed is the 32 bytes after the PKCS#8 prefix of 16 (RFC 8410 §7).
    let seed: String = document[16..48].iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!shown.contains(&seed));
}

#[test]
fn a_public_key_is_text_in_hexadecimal_or_base64() {
    // RFC 8032 §7.1, test 1.
    let hex = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let base64 = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let key: PublicKey = hex.parse().unwrap();
    assert_eq!(key.to_string(), hex);
    assert_eq!(base64.parse(), Ok(key.clone()));
    assert_eq!(hex.to_uppercase().parse(), Ok(key.clone()));
    for wrong in ["", "d75a", &hex[1..], "11qYAYKxCrfVS/7TyWQHOg==", "not a key"] {
        assert_eq!(wrong.parse::<PublicKey>(), Err(ParseKeyError));
    }

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.pub");
    fs::write(&path, format!("# the platform's key\n\n  {hex}\n")).unwrap();
    assert_eq!(PublicKey::load(&path).unwrap(), key);
    for wrong in [String::new(), format!("{hex}\n{hex}\n"), "\u{fffd}".to_owned()] {
        fs::write(&path, wrong).unwrap();
        assert!(matches!(PublicKey::load(&path), Err(KeyError::NotAKey { .. })));
    }
    fs::write(&path, b"\xff").unwrap();
    assert!(matches!(PublicKey::load(&path), Err(KeyError::NotAKey { .. })));
}
