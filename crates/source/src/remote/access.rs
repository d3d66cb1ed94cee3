//! Who signs in at a server: everybody with a password of their own, or one master for all.

use crate::SourceError;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use message::Address;
use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The longest file of passwords that is read: a million lines.
const LIMIT_BYTES: u64 = 64 << 20;

/// A password. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// How a login is made of an address: `{address}`, `{localpart}` and `{domain}` in any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginForm(String);

impl LoginForm {
    /// A form.
    ///
    /// # Errors
    /// In words, when every account would have the same login.
    pub fn new(text: &str) -> Result<LoginForm, String> {
        if !["{address}", "{localpart}"].iter().any(|part| text.contains(part)) || text.chars().any(char::is_control) {
            return Err("a text with {address} or {localpart} in it, such as \"{localpart}\", is expected".to_owned());
        }
        Ok(LoginForm(text.to_owned()))
    }

    fn of(&self, address: &Address) -> String {
        let parts =
            [("{address}", address.as_str()), ("{localpart}", address.localpart()), ("{domain}", address.domain())];
        let (mut login, mut rest) = (String::new(), self.0.as_str());
        while let Some(first) = rest.chars().next() {
            // In one pass, because a localpart may have braces of its own.
            let part = parts.iter().find(|(part, _)| rest.starts_with(part));
            match part {
                Some((part, value)) => {
                    login.push_str(value);
                    rest = &rest[part.len()..];
                }
                None => {
                    login.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        login
    }
}

impl Default for LoginForm {
    fn default() -> Self {
        LoginForm("{address}".to_owned())
    }
}

/// How a master says whom it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterForm {
    /// In the login: the account's, this text, the master's (Dovecot, with `*`).
    Login(String),
    /// By the authorization identity of SASL PLAIN (RFC 4616 §2).
    Authzid,
}

/// Who signs in.
#[derive(Clone, Debug)]
pub struct Access {
    kind: Kind,
    login: LoginForm,
}

#[derive(Clone, Debug)]
enum Kind {
    Each(BTreeMap<Address, Secret>),
    Master { user: String, password: Secret, form: MasterForm },
}

/// What one sign-in says.
#[derive(Clone, Debug)]
pub struct SignIn {
    pub(super) login: String,
    pub(super) authzid: Option<String>,
    pub(super) password: Secret,
}

impl SignIn {
    /// The login name.
    pub fn login(&self) -> &str {
        &self.login
    }

    /// The message of PLAIN (RFC 4616 §2), as both protocols send it.
    pub(super) fn plain(&self) -> String {
        let authzid = self.authzid.as_deref().unwrap_or_default();
        BASE64_STANDARD.encode(format!("{authzid}\0{}\0{}", self.login, self.password.expose()))
    }
}

impl Access {
    /// Everybody with a password of their own, from a file of lines `address:password`; empty lines, and those that begin
    /// with `#`, say nothing.
    ///
    /// # Errors
    /// When it cannot be read, others than its owner and group can read it, or a line is none; never with what stands in it.
    pub fn each(path: &Path, login: LoginForm) -> Result<Access, SourceError> {
        let text = secret_file(path)?;
        let mut passwords = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: &str| wrong(path, format!("line {}: {what}", index + 1));
            let split = line.split_once(':');
            let (address, password) = split.ok_or_else(|| wrong("address:password is expected"))?;
            let address =
                Address::new(address.trim()).map_err(|_| wrong("what stands before the colon is no address"))?;
            if !is_password(password) {
                return Err(wrong("there is no password after the colon, or a control character in it"));
            }
            if passwords.insert(address, Secret(password.to_owned())).is_some() {
                return Err(wrong("its address stands in an earlier line, too"));
            }
        }
        if passwords.is_empty() {
            return Err(wrong(path, "no line address:password is in it".to_owned()));
        }
        Ok(Access { kind: Kind::Each(passwords), login })
    }

    /// One master for all, whose password is the first line of a file.
    ///
    /// # Errors
    /// As [`Access::each`].
    pub fn master(user: &str, path: &Path, form: MasterForm, login: LoginForm) -> Result<Access, SourceError> {
        let text = secret_file(path)?;
        let password = text.lines().next().unwrap_or_default();
        if !is_password(password) {
            return Err(wrong(path, "its first line is no password".to_owned()));
        }
        let password = Secret(password.to_owned());
        Ok(Access { kind: Kind::Master { user: user.to_owned(), password, form }, login })
    }

    /// The addresses that it has passwords of; `None` for a master, who opens every account.
    pub fn addresses(&self) -> Option<impl Iterator<Item = &Address>> {
        match &self.kind {
            Kind::Each(passwords) => Some(passwords.keys()),
            Kind::Master { .. } => None,
        }
    }

    /// How to sign in for an account; `None` where its password is not known.
    pub fn sign_in(&self, address: &Address) -> Option<SignIn> {
        let login = self.login.of(address);
        Some(match &self.kind {
            Kind::Each(passwords) => SignIn { login, authzid: None, password: passwords.get(address)?.clone() },
            Kind::Master { user, password, form: MasterForm::Login(separator) } => {
                SignIn { login: format!("{login}{separator}{user}"), authzid: None, password: password.clone() }
            }
            Kind::Master { user, password, form: MasterForm::Authzid } => {
                SignIn { login: user.clone(), authzid: Some(login), password: password.clone() }
            }
        })
    }
}

/// What can be sent: a control character would end a line of POP3, or a string of SASL.
fn is_password(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

fn wrong(path: &Path, message: String) -> SourceError {
    SourceError::Description { path: path.to_owned(), message }
}

/// Reads a file of secrets, which nobody but its owner and group may read.
fn secret_file(path: &Path) -> Result<String, SourceError> {
    let io = |cause| SourceError::Io { path: path.to_owned(), cause };
    let metadata = std::fs::metadata(path).map_err(io)?;
    if metadata.mode() & 0o007 != 0 {
        let mode = metadata.mode() & 0o777;
        let message = format!("it holds passwords and its mode {mode:03o} is for everybody; chmod 600 it");
        return Err(wrong(path, message));
    }
    if metadata.len() > LIMIT_BYTES {
        return Err(wrong(path, format!("it is longer than {LIMIT_BYTES} bytes")));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    String::from_utf8(bytes).map_err(|_| wrong(path, "it is not in UTF-8".to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    fn address(text: &str) -> Address {
        Address::new(text).unwrap()
    }

    #[test]
    fn everybody_has_their_own_password() {
        let file = file("# ours\n\nAna@example.org:se:cr eta\r\nluis@example.org:x\n", 0o640);
        let access = Access::each(file.path(), LoginForm::default()).unwrap();
        let ana = access.sign_in(&address("ana@example.org")).unwrap();
        assert_eq!((ana.login(), ana.password.expose()), ("ana@example.org", "se:cr eta"));
        assert!(access.sign_in(&address("eva@example.org")).is_none());
        assert_eq!(access.addresses().unwrap().count(), 2);
        assert!(!format!("{access:?} {ana:?}").contains("eta"));
    }

    #[test]
    fn a_master_stands_for_everybody() {
        let file = file("maestra\nno more\n", 0o600);
        let ana = address("ana@example.org");
        let of = |form, login: &str| {
            Access::master("admin", file.path(), form, LoginForm::new(login).unwrap()).unwrap().sign_in(&ana).unwrap()
        };
        let named = of(MasterForm::Login("*".into()), "{localpart}");
        assert_eq!((named.login(), named.authzid.as_deref()), ("ana*admin", None));
        let other = of(MasterForm::Authzid, "{localpart}+{domain}");
        assert_eq!((other.login(), other.authzid.as_deref()), ("admin", Some("ana+example.org")));
        assert_eq!(other.password.expose(), "maestra");
    }

    #[test]
    fn a_file_that_everybody_reads_or_that_is_wrong_is_refused_and_not_repeated() {
        for (text, mode) in [
            ("ana@example.org:clave\n", 0o644),
            ("clave\n", 0o600),
            ("ana@example.org:\n", 0o600),
            ("clave:ana@example.org\n", 0o600),
            ("ana@example.org:clave\nANA@example.org:clave\n", 0o600),
            ("", 0o600),
        ] {
            let file = file(text, mode);
            let error = Access::each(file.path(), LoginForm::default()).unwrap_err().to_string();
            assert!(!error.contains("clave"), "{error}");
        }
        assert!(LoginForm::new("everybody").is_err());
    }
}
