//! What a `source.toml` says of an IMAP server.

use super::exclude::Exclude;
use crate::SourceError;
use crate::remote::{Access, DEFAULT_TIMEOUT, LoginForm, MasterForm, Protocol, Security, Server, Url};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Connections where nothing is said: few enough for every server's limit for one client (Dovecot: 10).
const DEFAULT_CONNECTIONS: u16 = 4;

/// More would be impolite, and are of no use.
const MAX_CONNECTIONS: u16 = 64;

/// How long a server that is away is waited for: it can be restarted meanwhile.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(600);

/// The keys as they are written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) url: Option<Url>,
    pub(crate) pop3_url: Option<Url>,
    pub(crate) credentials: Option<PathBuf>,
    pub(crate) master_user: Option<String>,
    pub(crate) master_password_file: Option<PathBuf>,
    pub(crate) master_separator: Option<String>,
    pub(crate) master_authzid: Option<bool>,
    pub(crate) login: Option<LoginForm>,
    pub(crate) tls: Option<Security>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) connections: Option<u16>,
    pub(crate) pause_ms: Option<u32>,
    pub(crate) timeout_s: Option<u32>,
    pub(crate) patience_s: Option<u32>,
    pub(crate) exclude: Vec<Exclude>,
}

impl Written {
    /// A key that is there, for the error where it is of no use.
    pub(crate) fn any(&self) -> Option<&'static str> {
        let keys = [
            ("url", self.url.is_some()),
            ("pop3_url", self.pop3_url.is_some()),
            ("credentials", self.credentials.is_some()),
            ("master_user", self.master_user.is_some()),
            ("master_password_file", self.master_password_file.is_some()),
            ("master_separator", self.master_separator.is_some()),
            ("master_authzid", self.master_authzid.is_some()),
            ("login", self.login.is_some()),
            ("tls", self.tls.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("connections", self.connections.is_some()),
            ("pause_ms", self.pause_ms.is_some()),
            ("timeout_s", self.timeout_s.is_some()),
            ("patience_s", self.patience_s.is_some()),
            ("exclude", !self.exclude.is_empty()),
        ];
        keys.into_iter().find(|(_, is_there)| *is_there).map(|(key, _)| key)
    }
}

/// The keys, whole and believable.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) url: Url,
    pub(crate) pop3_url: Option<Url>,
    who: Who,
    login: LoginForm,
    security: Security,
    ca_file: Option<PathBuf>,
    timeout: Duration,
    pub(crate) connections: u16,
    pub(crate) pause: Duration,
    pub(crate) patience: Duration,
    pub(crate) exclude: Vec<Exclude>,
}

#[derive(Clone, Debug)]
enum Who {
    Each(PathBuf),
    Master { user: String, password_file: PathBuf, form: MasterForm },
}

impl Keys {
    /// Takes the keys as they are written; paths are relative to `base`.
    ///
    /// # Errors
    /// In words, with the key.
    pub(crate) fn new(written: Written, base: &Path) -> Result<Keys, String> {
        let url =
            written.url.ok_or("key url is missing: the server, such as \"imaps://mail.example.org\", is expected")?;
        if url.protocol != Protocol::Imap {
            return Err("key url: an address that begins with imap:// or imaps:// is expected".to_owned());
        }
        if written.pop3_url.as_ref().is_some_and(|url| url.protocol != Protocol::Pop3) {
            return Err("key pop3_url: an address that begins with pop3:// or pop3s:// is expected".to_owned());
        }
        let has_form = written.master_separator.is_some() || written.master_authzid.is_some();
        let form = match (written.master_separator, written.master_authzid.unwrap_or(false)) {
            (None, true) => MasterForm::Authzid,
            (Some(_), true) => return Err("keys master_separator and master_authzid exclude each other".to_owned()),
            (separator, false) => MasterForm::Login(separator.unwrap_or_else(|| "*".to_owned())),
        };
        let who = match (written.credentials, written.master_user, written.master_password_file) {
            (Some(_), None, None) if has_form => {
                return Err("keys master_separator and master_authzid are for master_user".to_owned());
            }
            (Some(file), None, None) => Who::Each(base.join(file)),
            (None, Some(user), Some(file)) => Who::Master { user, password_file: base.join(file), form },
            _ => {
                return Err(
                    "nothing says how to sign in: key credentials (a file of lines address:password), or the keys \
                     master_user and master_password_file are expected, and not both"
                        .to_owned(),
                );
            }
        };
        let connections = written.connections.unwrap_or(DEFAULT_CONNECTIONS);
        if !(1..=MAX_CONNECTIONS).contains(&connections) {
            return Err(format!("key connections: a number from 1 to {MAX_CONNECTIONS} is expected"));
        }
        let timeout = written.timeout_s.map_or(DEFAULT_TIMEOUT, |s| Duration::from_secs(s.into()));
        if timeout.is_zero() || timeout > Duration::from_secs(3600) {
            return Err("key timeout_s: a number of seconds from 1 to 3600 is expected".to_owned());
        }
        let patience = written.patience_s.map_or(DEFAULT_PATIENCE, |s| Duration::from_secs(s.into()));
        if patience > Duration::from_secs(86_400) {
            return Err("key patience_s: a number of seconds up to 86400 is expected".to_owned());
        }
        let pause = Duration::from_millis(written.pause_ms.unwrap_or(0).into());
        if pause > Duration::from_secs(60) {
            return Err("key pause_ms: a number of milliseconds up to 60000 is expected".to_owned());
        }
        Ok(Keys {
            url,
            pop3_url: written.pop3_url,
            who,
            login: written.login.unwrap_or_default(),
            security: written.tls.unwrap_or_default(),
            ca_file: written.ca_file.map(|file| base.join(file)),
            timeout,
            connections,
            pause,
            patience,
            exclude: written.exclude,
        })
    }

    /// Whether every account has a password of its own, in a file that says so whom there is.
    pub(crate) fn names_accounts(&self) -> bool {
        matches!(self.who, Who::Each(_))
    }

    pub(super) fn server(&self, url: &Url) -> Result<Server, SourceError> {
        Server::new(url.clone(), self.security, self.ca_file.as_deref(), self.timeout)
    }

    pub(super) fn access(&self) -> Result<Access, SourceError> {
        match &self.who {
            Who::Each(file) => Access::each(file, self.login.clone()),
            Who::Master { user, password_file, form } => {
                Access::master(user, password_file, form.clone(), self.login.clone())
            }
        }
    }
}
