//! Descriptions of sources: `source.toml`, or what a directory is found to be (`docs/source-toml.md`).

use crate::SourceError;
use crate::imap::{Exclude, Keys, Written as ImapWritten};
use crate::layout::Layout;
use crate::maildir::UidlRule;
use crate::mbox::Variant;
use crate::remote::{LoginForm, Security, Url};
use message::Address;
use serde::Deserialize;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

/// The file's name, which is looked for in a directory.
pub(crate) const FILE_NAME: &str = "source.toml";

/// The largest message that is read where nothing else is said.
const DEFAULT_MAX_MESSAGE_BYTES: u64 = 256 << 20;

/// The longest description that is read.
const LIMIT_BYTES: u64 = 1 << 20;

/// A source, described.
#[derive(Clone, Debug)]
pub struct Description {
    /// Where it was read from, or the directory that was looked at.
    pub path: PathBuf,
    /// What kind of source it is.
    pub format: Format,
    /// Where its tree begins; for [`Format::Reintegra`] the other store's data directory.
    pub root: PathBuf,
    pub(crate) layout: Option<Layout>,
    pub(crate) account: Option<Address>,
    pub(crate) accounts: Option<PathBuf>,
    pub(crate) aliases: Option<PathBuf>,
    pub(crate) domains: Vec<PathBuf>,
    /// Whether the files above lie in the tree and are opened as hostile ground; else the operator named them.
    pub(crate) files_in_tree: bool,
    /// Beneath the root.
    pub(crate) orphans: Vec<Vec<u8>>,
    pub(crate) namespace_prefix: String,
    pub(crate) separator: u8,
    pub(crate) uidl_rule: Option<UidlRule>,
    pub(crate) max_message_bytes: u64,
    pub(crate) mbox_variant: Variant,
    pub(crate) inbox: Option<String>,
    pub(crate) utf8_names: bool,
    /// Of [`Format::Imap`] alone, and always.
    pub(crate) imap: Option<Keys>,
}

/// The kinds of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Maildir++ trees.
    Maildir,
    /// Trees of mbox files.
    Mbox,
    /// Heaps of one message a file.
    Eml,
    /// Another store of this program.
    Reintegra,
    /// An IMAP server.
    Imap,
}

impl Format {
    /// Every format with the name that `source.toml` uses.
    const NAMES: [(&str, Format); 5] = [
        ("maildir", Format::Maildir),
        ("mbox", Format::Mbox),
        ("eml", Format::Eml),
        ("reintegra", Format::Reintegra),
        ("imap", Format::Imap),
    ];

    /// The name that `source.toml` uses.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }
}

/// The file as it is written; every key is explained in `docs/source-toml.md`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: Parsed<Format>,
    #[serde(default)]
    root: Option<PathBuf>,
    layout: Option<Parsed<Layout>>,
    default_domain: Option<String>,
    account: Option<Parsed<Address>>,
    accounts: Option<PathBuf>,
    aliases: Option<PathBuf>,
    domains: Option<PathBuf>,
    #[serde(default)]
    orphans: Vec<Parsed<Beneath>>,
    namespace_prefix: Option<String>,
    separator: Option<Parsed<Separator>>,
    pop3_uidl_format: Option<Parsed<UidlRule>>,
    max_message_bytes: Option<u64>,
    mbox_variant: Option<Parsed<Variant>>,
    inbox: Option<String>,
    utf8_names: Option<bool>,
    url: Option<Parsed<Url>>,
    pop3_url: Option<Parsed<Url>>,
    credentials: Option<PathBuf>,
    master_user: Option<String>,
    master_password_file: Option<PathBuf>,
    master_separator: Option<String>,
    master_authzid: Option<bool>,
    login: Option<Parsed<LoginForm>>,
    tls: Option<Parsed<Security>>,
    ca_file: Option<PathBuf>,
    connections: Option<u16>,
    pause_ms: Option<u32>,
    timeout_s: Option<u32>,
    patience_s: Option<u32>,
    #[serde(default)]
    exclude: Vec<Parsed<Exclude>>,
}

impl Written {
    /// Takes out the keys of an IMAP server.
    fn take_imap(&mut self) -> ImapWritten {
        ImapWritten {
            url: self.url.take().map(|url| url.0),
            pop3_url: self.pop3_url.take().map(|url| url.0),
            credentials: self.credentials.take(),
            master_user: self.master_user.take(),
            master_password_file: self.master_password_file.take(),
            master_separator: self.master_separator.take(),
            master_authzid: self.master_authzid.take(),
            login: self.login.take().map(|form| form.0),
            tls: self.tls.take().map(|security| security.0),
            ca_file: self.ca_file.take(),
            connections: self.connections.take(),
            pause_ms: self.pause_ms.take(),
            timeout_s: self.timeout_s.take(),
            patience_s: self.patience_s.take(),
            exclude: std::mem::take(&mut self.exclude).into_iter().map(|exclude| exclude.0).collect(),
        }
    }
}

/// A string that is parsed while the file is, so that the error knows its line.
struct Parsed<T>(T);

/// A value that a string of the file stands for.
trait FromText: Sized {
    /// Whether an error may repeat the string.
    const SHOWN: bool = true;

    fn from_text(text: &str) -> Result<Self, String>;
}

impl<'de, T: FromText> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::from_text(&text).map(Parsed).map_err(|why| match T::SHOWN {
            true => serde::de::Error::custom(format!("{text:?}: {why}")),
            false => serde::de::Error::custom(why),
        })
    }
}

impl FromText for Format {
    fn from_text(text: &str) -> Result<Self, String> {
        choice(text, &Format::NAMES)
    }
}

impl FromText for Variant {
    fn from_text(text: &str) -> Result<Self, String> {
        choice(text, &Variant::NAMES)
    }
}

impl FromText for Url {
    // Somebody may have written a password into it.
    const SHOWN: bool = false;

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }
}

impl FromText for Security {
    fn from_text(text: &str) -> Result<Self, String> {
        choice(text, &[("usual", Security::Usual), ("starttls", Security::Always), ("none", Security::Never)])
    }
}

impl FromText for LoginForm {
    fn from_text(text: &str) -> Result<Self, String> {
        LoginForm::new(text)
    }
}

impl FromText for Exclude {
    fn from_text(text: &str) -> Result<Self, String> {
        Exclude::parse(text)
    }
}

impl FromText for Layout {
    fn from_text(text: &str) -> Result<Self, String> {
        Layout::parse(text)
    }
}

impl FromText for UidlRule {
    fn from_text(text: &str) -> Result<Self, String> {
        UidlRule::from_str(text)
    }
}

impl FromText for Address {
    fn from_text(text: &str) -> Result<Self, String> {
        Address::new(text).map_err(|error| error.reason.to_owned())
    }
}

/// A path beneath the root, or `.` for the root itself.
struct Beneath(Vec<u8>);

impl FromText for Beneath {
    fn from_text(text: &str) -> Result<Self, String> {
        let path = Path::new(text);
        let is_plain = path.components().all(|c| matches!(c, Component::Normal(_)));
        if text == "." {
            Ok(Beneath(b".".to_vec()))
        } else if text.is_empty() || !is_plain {
            Err("a directory beneath root is expected, such as \"lost+found\"".to_owned())
        } else {
            // Collected anew, so that doubled and closing slashes are gone.
            let clean: PathBuf = path.components().collect();
            Ok(Beneath(clean.into_os_string().into_encoded_bytes()))
        }
    }
}

struct Separator(u8);

impl FromText for Separator {
    fn from_text(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            [byte @ (b'.' | b'/')] => Ok(Separator(*byte)),
            _ => Err("\".\" (Maildir++) or \"/\" (LAYOUT=fs) is expected".to_owned()),
        }
    }
}

impl Description {
    /// A description of a directory that says nothing but its format.
    pub(crate) fn new(path: &Path, format: Format, root: PathBuf) -> Description {
        Description {
            path: path.to_owned(),
            format,
            root,
            layout: None,
            account: None,
            accounts: None,
            aliases: None,
            domains: Vec::new(),
            files_in_tree: false,
            orphans: Vec::new(),
            namespace_prefix: String::new(),
            separator: b'.',
            uidl_rule: None,
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            mbox_variant: Variant::Auto,
            inbox: None,
            utf8_names: false,
            imap: None,
        }
    }

    /// Reads a `source.toml`.
    ///
    /// # Errors
    /// When it cannot be read, or with key, line and what is expected when it is wrong.
    pub(crate) fn read(path: &Path) -> Result<Description, SourceError> {
        let io = |cause| SourceError::Io { path: path.to_owned(), cause };
        let wrong = |message: String| SourceError::Description { path: path.to_owned(), message };
        if std::fs::metadata(path).map_err(io)?.len() > LIMIT_BYTES {
            return Err(wrong(format!("it is longer than {LIMIT_BYTES} bytes; a short TOML file is expected")));
        }
        let text = std::fs::read_to_string(path).map_err(io)?;
        let mut written: Written = toml::from_str(&text).map_err(|error| wrong(explained(&text, &error)))?;
        let base = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut description = Description::new(path, written.format.0, base.to_owned());
        if let Some(root) = &written.root {
            description.root = base.join(root);
        }
        let beside = |file: Option<PathBuf>| file.map(|file| base.join(file));
        let imap = written.take_imap();
        let names_separator = written.separator.is_some();
        description.layout = written.layout.map(|layout| layout.0);
        description.set_domain(written.default_domain).map_err(wrong)?;
        description.account = written.account.map(|account| account.0);
        description.accounts = beside(written.accounts);
        description.aliases = beside(written.aliases);
        description.domains = beside(written.domains).into_iter().collect();
        description.orphans = written.orphans.into_iter().map(|orphan| orphan.0.0).collect();
        description.namespace_prefix = written.namespace_prefix.unwrap_or_default();
        description.separator = written.separator.map_or(b'.', |separator| separator.0.0);
        description.uidl_rule = written.pop3_uidl_format.map(|rule| rule.0);
        description.max_message_bytes = written.max_message_bytes.unwrap_or(DEFAULT_MAX_MESSAGE_BYTES);
        description.mbox_variant = written.mbox_variant.map_or(Variant::Auto, |variant| variant.0);
        description.inbox = written.inbox;
        description.utf8_names = written.utf8_names.unwrap_or(false);
        match (description.format, imap.any()) {
            (Format::Imap, _) => {
                description.check_imap(names_separator).map_err(wrong)?;
                description.imap = Some(Keys::new(imap, base).map_err(wrong)?);
                description.check_accounts().map_err(wrong)?;
            }
            (_, Some(key)) => return Err(wrong(format!("key {key} is for format = \"imap\""))),
            (_, None) => description.check().map_err(wrong)?,
        }
        Ok(description)
    }

    /// Gives the layout the domain that it lacks.
    fn set_domain(&mut self, domain: Option<String>) -> Result<(), String> {
        match (self.layout.as_mut().filter(|layout| !layout.says_domain()), domain) {
            (None, None) => Ok(()),
            (Some(layout), Some(domain)) => match Address::new(&format!("postmaster@{domain}")) {
                Ok(address) => {
                    layout.set_domain(address.domain().to_owned());
                    Ok(())
                }
                Err(error) => Err(format!("key default_domain: {domain:?}: {}", error.reason)),
            },
            (Some(_), None) => {
                Err("key layout has no {domain}; add it, or say the domain under default_domain".to_owned())
            }
            (None, Some(_)) => {
                Err("key default_domain is for a layout without {domain}; remove one of them".to_owned())
            }
        }
    }

    /// What no single key shows.
    fn check(&self) -> Result<(), String> {
        if self.format == Format::Reintegra {
            return Ok(());
        }
        match (&self.layout, &self.account) {
            (Some(_), Some(_)) => Err(
                "keys layout and account exclude each other: layout is for a tree of many accounts, account for a tree that is \
                 one account's mail; remove one of them"
                    .to_owned(),
            ),
            (Some(_), None) | (None, Some(_)) if self.orphans.iter().any(|orphan| orphan == b".") => Err(
                "key orphans: \".\" is the whole root and cannot stand beside layout or account; name directories beneath it".to_owned(),
            ),
            (None, None) if self.orphans.is_empty() => Err(
                "nothing says whose mail this is: one of the keys layout (such as \"{domain}/{localpart}/Maildir\"), account \
                 (such as \"ana@example.org\") or orphans (such as [\".\"]) is expected"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }
}

impl Description {
    /// What is for trees of files, and means nothing of a server.
    fn check_imap(&self, names_separator: bool) -> Result<(), String> {
        let of_trees = [
            ("layout", self.layout.is_some()),
            ("orphans", !self.orphans.is_empty()),
            ("separator", names_separator),
            ("inbox", self.inbox.is_some()),
        ];
        if let Some((key, _)) = of_trees.into_iter().find(|(_, is_there)| *is_there) {
            return Err(format!("key {key} is for trees of files, and means nothing for format = \"imap\""));
        }
        if self.account.is_some() && self.accounts.is_some() {
            return Err("keys account and accounts exclude each other for format = \"imap\"".to_owned());
        }
        match &self.uidl_rule {
            Some(rule) if rule.needs_file() => {
                Err("key pop3_uidl_format: of an IMAP server %u and %v are known, and no %f or %g".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Whether it is said whose mail is read.
    fn check_accounts(&self) -> Result<(), String> {
        let said = self.account.is_some() || self.accounts.is_some();
        match said || self.imap.as_ref().is_some_and(Keys::names_accounts) {
            true => Ok(()),
            false => Err("nothing says whose mail this is: key accounts (a file) or account (an address) is expected \
                          beside master_user"
                .to_owned()),
        }
    }
}

fn choice<T: Copy>(text: &str, names: &[(&str, T)]) -> Result<T, String> {
    names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<String> = names.iter().map(|(name, _)| format!("{name:?}")).collect();
        format!("one of {} is expected", known.join(", "))
    })
}

/// What is wrong with a file, with line and key.
fn explained(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().trim_end_matches('.').replace('\n', "; ");
    let Some(span) = error.span() else { return message };
    let start = span.start.min(text.len());
    let before = &text.as_bytes()[..start];
    let number = before.iter().filter(|&&b| b == b'\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default();
    match line
        .split_once('=')
        .map(|(key, _)| key.trim())
        .filter(|key| !key.is_empty() && !key.contains(char::is_whitespace))
    {
        Some(key) => format!("line {number}, key {key}: {message}"),
        None => format!("line {number}: {message}"),
    }
}
