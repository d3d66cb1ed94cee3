//! A private Dovecot as a witness: it serves a Maildir tree, and says what a client is shown.
//!
//! [`Dovecot::start`] copies the mail (Dovecot writes into what it serves), listens on loopback at ports that the
//! system chose, and ends when it is dropped. It runs as the current user; as root its mail processes run as
//! `nobody`, because Dovecot opens no mail as root. Debian's Dovecot 2.3 is what it was written for.

pub(crate) mod client;

pub use client::{ServedMailbox, ServedMessage, UidlEntry};

use crate::process::{Daemon, free_ports};
use crate::requirement::has_programs;
use anyhow::{Context, bail, ensure};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// A running Dovecot.
#[derive(Debug)]
pub struct Dovecot {
    // Dropped in this order: the process ends before its directory goes.
    master: Daemon,
    directory: tempfile::TempDir,
    imap: SocketAddr,
    pop3: SocketAddr,
}

impl Dovecot {
    /// Serves a copy of `root/mail/DOMAIN/LOCALPART/Maildir`.
    ///
    /// With `users`, a passwd-file, its passwords open the accounts; without it any password does. `None` where
    /// Dovecot is not installed on a bare clone, where it says that the test was not run.
    ///
    /// # Errors
    /// When the copy cannot be made or Dovecot does not come up; with its log.
    ///
    /// # Panics
    /// Where Dovecot is not installed though this is CI or the shared material is there.
    pub fn start(root: &Path, users: Option<&Path>) -> anyhow::Result<Option<Dovecot>> {
        Dovecot::start_with(root, users, "")
    }

    /// As [`Dovecot::start`], with more lines of configuration at its end, which override what stands before them.
    ///
    /// # Errors
    /// As [`Dovecot::start`].
    ///
    /// # Panics
    /// As [`Dovecot::start`].
    pub fn start_with(root: &Path, users: Option<&Path>, more: &str) -> anyhow::Result<Option<Dovecot>> {
        if !has_programs(&["dovecot"]) {
            return Ok(None);
        }
        // Its login processes must reach it, whoever they run as; its sockets need a short path.
        let directory = tempfile::Builder::new()
            .prefix("dovecot-")
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir()?;
        let owner = Owner::of_this_process()?;
        copy_mail(root, users, directory.path(), &owner)?;
        // Another process may take a port between our choice and Dovecot's listening.
        for _ in 0..5 {
            let [imap, pop3] = free_ports()?;
            let configuration = configuration(directory.path(), users.is_some(), &owner, imap.port(), pop3.port());
            std::fs::write(directory.path().join("dovecot.conf"), configuration + more)?;
            if let Some(master) = start_master(directory.path(), [imap, pop3])? {
                return Ok(Some(Dovecot { master, directory, imap, pop3 }));
            }
        }
        bail!("Dovecot finds no free port");
    }

    /// Whether a password opens an account.
    ///
    /// # Errors
    /// When Dovecot breaks off.
    pub fn opens(&self, login: &str, password: &str) -> anyhow::Result<bool> {
        client::opens(self.imap, login, password).with_context(|| self.log())
    }

    /// Everything that IMAP shows of an account: its mailboxes by name, INBOX first, and all messages by UID.
    /// Nothing is marked as seen.
    ///
    /// # Errors
    /// When the account does not open or Dovecot answers something unexpected; with its log.
    pub fn account(&self, login: &str, password: &str) -> anyhow::Result<Vec<ServedMailbox>> {
        client::account(self.imap, login, password).with_context(|| self.log())
    }

    /// What POP3 lists of an account, in its order.
    ///
    /// # Errors
    /// When the account does not open or Dovecot answers something unexpected; with its log.
    pub fn maildrop(&self, login: &str, password: &str) -> anyhow::Result<Vec<UidlEntry>> {
        client::maildrop(self.pop3, login, password).with_context(|| self.log())
    }

    /// Where it serves IMAP.
    pub fn imap(&self) -> SocketAddr {
        self.imap
    }

    /// Where it serves POP3.
    pub fn pop3(&self) -> SocketAddr {
        self.pop3
    }

    /// What Dovecot wrote into its log.
    pub fn log(&self) -> String {
        log(self.directory.path())
    }

    /// Process number of the master.
    pub fn pid(&self) -> u32 {
        self.master.pid()
    }
}

/// Who Dovecot's processes are, by name.
struct Owner {
    root: bool,
    user: String,
    group: String,
}

impl Owner {
    fn of_this_process() -> anyhow::Result<Owner> {
        if rustix::process::geteuid().is_root() {
            return Ok(Owner { root: true, user: "nobody".into(), group: "nogroup".into() });
        }
        let name = |option| -> anyhow::Result<String> {
            let ran = crate::process::run(Command::new("id").arg(option))?;
            ensure!(ran.status.success(), "the current user has no name: {}", ran.stderr);
            Ok(ran.stdout.trim_end().to_owned())
        };
        Ok(Owner { root: false, user: name("-un")?, group: name("-gn")? })
    }
}

fn copy_mail(root: &Path, users: Option<&Path>, to: &Path, owner: &Owner) -> anyhow::Result<()> {
    for name in ["run", "state", "index"] {
        std::fs::create_dir(to.join(name))?;
    }
    let mut steps = vec![Command::new("cp")];
    steps[0].arg("-a").arg(root.join("mail")).arg(to.join("mail"));
    if owner.root {
        let mut chown = Command::new("chown");
        chown.args(["-R", &format!("{}:{}", owner.user, owner.group)]).arg(to.join("mail")).arg(to.join("index"));
        steps.push(chown);
    }
    let mut chmod = Command::new("chmod");
    chmod.args(["-R", "u+rwX"]).arg(to.join("mail"));
    steps.push(chmod);
    for mut step in steps {
        let ran = crate::process::run(&mut step)?;
        ensure!(ran.status.success(), "{step:?}: {}", ran.stderr);
    }
    if let Some(users) = users {
        let copy = to.join("users");
        std::fs::copy(users, &copy)?;
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

fn configuration(directory: &Path, passwords: bool, owner: &Owner, imap: u16, pop3: u16) -> String {
    let Owner { root, user, group } = owner;
    let directory = directory.display();
    let passdb = match passwords {
        true => format!("driver = passwd-file\n  args = scheme=CRYPT username_format=%u {directory}/users"),
        false => "driver = static\n  args = nopassword=y".to_owned(),
    };
    // As root, the packaged users dovecot and dovenull run what needs no mail; else there is only the one user.
    let internal = match *root {
        true => String::new(),
        false => {
            ["default_internal_user", "default_login_user"].map(|key| format!("{key} = {user}\n")).concat()
                + &format!("default_internal_group = {group}\n")
        }
    };
    format!(
        "base_dir = {directory}/run\nstate_dir = {directory}/state\nlog_path = {directory}/log\n\
         instance_name = {directory}\nlisten = 127.0.0.1\nprotocols = imap pop3\nssl = no\n\
         disable_plaintext_auth = no\nauth_mechanisms = plain\nauth_failure_delay = 0\nauth_username_format = %u\n\
         mail_max_userip_connections = 0\nmail_fsync = never\n{internal}\
         first_valid_uid = 1\nfirst_valid_gid = 1\n\
         mail_location = maildir:~/Maildir:INDEX={directory}/index/%d/%n\n\
         passdb {{\n  {passdb}\n}}\n\
         userdb {{\n  driver = static\n  args = uid={user} gid={group} home={directory}/mail/%d/%n\n}}\n\
         service anvil {{\n  chroot =\n  unix_listener anvil-auth-penalty {{\n    mode = 0\n  }}\n}}\n\
         service stats {{\n  chroot =\n}}\n\
         service imap-login {{\n  chroot =\n  inet_listener imap {{\n    port = {imap}\n  }}\n  \
         inet_listener imaps {{\n    port = 0\n  }}\n}}\n\
         service pop3-login {{\n  chroot =\n  inet_listener pop3 {{\n    port = {pop3}\n  }}\n  \
         inet_listener pop3s {{\n    port = 0\n  }}\n}}\n"
    )
}

fn log(directory: &Path) -> String {
    format!("Dovecot's log:\n{}", crate::files::log(&directory.join("log")))
}

/// Starts the master process, which ends its own children, and waits until it listens; `None` when a port was taken.
fn start_master(directory: &Path, ports: [SocketAddr; 2]) -> anyhow::Result<Option<Daemon>> {
    let mut command = Command::new("dovecot");
    command.arg("-F").arg("-c").arg(directory.join("dovecot.conf"));
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    // What it says before it has read its configuration belongs into its log too.
    command.stderr(std::fs::File::options().create(true).append(true).open(directory.join("log"))?);
    let mut master = Daemon::spawn(&mut command)?;
    if master.listens(&ports, || log(directory), "Address already in use")? {
        return Ok(Some(master));
    }
    std::fs::remove_file(directory.join("log"))?;
    Ok(None)
}
