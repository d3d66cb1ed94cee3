//! What is kept on disk: the account with the server, each certificate with its key, and what became of the last attempt.
//!
//! ```text
//! account.json    the account's key and address; secret
//! NAME.pem        a certificate's key and chain, NAME being its first name; secret
//! NAME.json       what became of the last attempt
//! ```

use edge::tls::{CertificateFiles, Inspected, inspect, write_durably};
use instant_acme::AccountCredentials;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const ACCOUNT: &str = "account";
/// Octets of a file that is read back.
const MOST_BYTES: u64 = 1024 * 1024;

/// The directory.
#[derive(Clone, Debug)]
pub(crate) struct Keep {
    directory: PathBuf,
}

/// The account with a server.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeptAccount {
    /// The server's directory.
    pub(crate) directory: String,
    pub(crate) contact: Option<String>,
    pub(crate) credentials: AccountCredentials,
}

/// What became of the last attempt for a certificate. Times are seconds since 1970, UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptState {
    /// The directory of the server that issued the certificate.
    pub(crate) directory: String,
    pub(crate) names: Vec<String>,
    pub(crate) last_attempt_s: i64,
    pub(crate) next_attempt_s: i64,
    /// Attempts since the last that brought all names.
    pub(crate) failures: u32,
    /// Whether the server said that there were too many.
    pub(crate) limited: bool,
    pub(crate) error: Option<String>,
    /// Names that could not be shown to be ours, and why.
    pub(crate) refused: Vec<(String, String)>,
}

/// A certificate, and what became of the last attempt to get it. Times are seconds since 1970, UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The names that it was last ordered for; the first names it.
    pub names: Vec<String>,
    /// What is there; `None`: nothing that can be used.
    pub certificate: Option<Inspected>,
    /// When something was last tried.
    pub last_attempt_s: i64,
    /// When something will be tried next, unless the server suggests another time.
    pub next_attempt_s: i64,
    /// Attempts that failed, at least for some names, since the last good one.
    pub failures: u32,
    /// Why the last one failed.
    pub error: Option<String>,
    /// Names that could not be shown to be ours.
    pub refused: Vec<Refusal>,
}

/// A name that could not be shown to be ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which.
    pub name: String,
    /// Why, in the server's words.
    pub reason: String,
}

/// What is kept in a directory, by the first name, whether or not somebody keeps it up.
///
/// # Errors
/// When the directory cannot be read. One that is not there holds nothing.
pub fn states(directory: &Path) -> io::Result<Vec<State>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let keep = Keep { directory: directory.to_owned() };
    let mut states = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let (Some(name), Some(ending)) = (path.file_stem().and_then(|s| s.to_str()), path.extension()) else {
            continue;
        };
        if ending != "json" || name == ACCOUNT {
            continue;
        }
        let Some(kept) = keep.state(name)? else { continue };
        states.push(State {
            names: kept.names,
            certificate: inspect(&keep.certificate(name)).ok(),
            last_attempt_s: kept.last_attempt_s,
            next_attempt_s: kept.next_attempt_s,
            failures: kept.failures,
            error: kept.error,
            refused: kept.refused.into_iter().map(|(name, reason)| Refusal { name, reason }).collect(),
        });
    }
    states.sort_by(|a, b| a.names.cmp(&b.names));
    Ok(states)
}

impl Keep {
    /// Uses a directory, which is made for its owner alone where it is not there.
    pub(crate) fn open(directory: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Keep { directory })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where a certificate and its key are: one file for both, so that no crash leaves two that do not fit.
    pub(crate) fn certificate(&self, name: &str) -> CertificateFiles {
        let path = self.path(name, "pem");
        CertificateFiles { chain: path.clone(), key: path }
    }

    pub(crate) fn write_certificate(&self, name: &str, pem: &[u8]) -> io::Result<()> {
        write_durably(&self.path(name, "pem"), pem, 0o600)
    }

    pub(crate) fn state(&self, name: &str) -> io::Result<Option<KeptState>> {
        self.read(name)
    }

    pub(crate) fn write_state(&self, name: &str, state: &KeptState) -> io::Result<()> {
        self.write(name, state)
    }

    pub(crate) fn account(&self) -> io::Result<Option<KeptAccount>> {
        self.read(ACCOUNT)
    }

    pub(crate) fn write_account(&self, account: &KeptAccount) -> io::Result<()> {
        self.write(ACCOUNT, account)
    }

    /// Forgets an account that the server forgot.
    pub(crate) fn forget_account(&self) -> io::Result<()> {
        match fs::remove_file(self.path(ACCOUNT, "json")) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        let mut bytes = serde_json::to_vec_pretty(value)?;
        bytes.push(b'\n');
        write_durably(&self.path(name, "json"), &bytes, 0o600)
    }

    /// `None`: it is not there, or not of ours, and is made anew.
    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        let path = self.path(name, "json");
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut bytes)?;
        let value = serde_json::from_slice(&bytes);
        if let Err(error) = &value {
            // Its text may hold a part of a key.
            let (line, column) = (error.line(), error.column());
            tracing::warn!(path = %path.display(), line, column, "a damaged file is made anew");
        }
        Ok(value.ok())
    }

    fn path(&self, name: &str, ending: &str) -> PathBuf {
        self.directory.join(format!("{name}.{ending}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn states_are_kept_and_damage_is_nothing() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("acme");
        assert_eq!(states(&directory).unwrap(), []);
        let keep = Keep::open(directory.clone()).unwrap();
        assert_eq!(keep.state("mail.example.org").unwrap(), None);
        let state = KeptState {
            directory: "https://ca.example.net/".to_owned(),
            names: vec!["mail.example.org".to_owned()],
            last_attempt_s: 10,
            next_attempt_s: 20,
            failures: 3,
            limited: true,
            error: Some("why".to_owned()),
            refused: vec![("mail.example.org".to_owned(), "no address".to_owned())],
        };
        keep.write_state("mail.example.org", &state).unwrap();
        assert_eq!(keep.state("mail.example.org").unwrap(), Some(state));
        let path = directory.join("mail.example.org.json");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        fs::write(directory.join("account.json"), "{").unwrap();
        fs::write(directory.join("other.example.org.json"), "\0").unwrap();
        assert!(keep.account().unwrap().is_none());
        let told = states(&directory).unwrap();
        assert!(matches!(&told[..], [State { failures: 3, certificate: None, refused, .. }] if refused.len() == 1));
    }

    #[test]
    fn a_certificate_is_seen_beside_its_state() {
        let place = tempfile::tempdir().unwrap();
        let keep = Keep::open(place.path().to_owned()).unwrap();
        let made = rcgen::generate_simple_self_signed(["mail.example.org".to_owned()]).unwrap();
        let pem = format!("{}{}", made.signing_key.serialize_pem(), made.cert.pem());
        keep.write_certificate("mail.example.org", pem.as_bytes()).unwrap();
        keep.write_state("mail.example.org", &KeptState::default()).unwrap();
        let told = states(place.path()).unwrap();
        assert_eq!(told[0].certificate.as_ref().unwrap().names, ["mail.example.org"]);
        let mode = fs::metadata(place.path().join("mail.example.org.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
