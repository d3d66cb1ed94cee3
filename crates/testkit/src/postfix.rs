//! A private Postfix as a peer: it takes mail on loopback and hands all of it to one server.
//!
//! It has directories of its own and ends when it is dropped. Postfix starts as root alone; elsewhere the test says that
//! it was not run. Debian's Postfix 3.7 is what it was written for.

use crate::process::{Daemon, free_ports};
use crate::requirement::{has_programs, is_root};
use anyhow::{bail, ensure};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const PROGRAMS: &str = "/usr/lib/postfix/sbin";

/// A running Postfix.
#[derive(Debug)]
pub struct Postfix {
    // Dropped in this order: the process ends before its directory goes.
    master: Daemon,
    directory: tempfile::TempDir,
    /// Where it takes mail to anybody.
    pub smtp: SocketAddr,
}

impl Postfix {
    /// Starts one that relays to `next` whatever it is given; `more` is added to its `main.cf`. `None` where it cannot
    /// run, which is said.
    ///
    /// # Errors
    /// When it does not come up; with its log.
    ///
    /// # Panics
    /// Where it cannot run though this is CI.
    pub fn start(next: SocketAddr, more: &str) -> anyhow::Result<Option<Postfix>> {
        if !has_programs(&["postfix"]) || !is_root("Postfix starts as root alone") {
            return Ok(None);
        }
        for _ in 0..5 {
            if let Some(postfix) = Self::try_start(next, more)? {
                return Ok(Some(postfix));
            }
        }
        bail!("Postfix finds no free port");
    }

    fn try_start(next: SocketAddr, more: &str) -> anyhow::Result<Option<Postfix>> {
        let directory = tempfile::Builder::new()
            .prefix("postfix-")
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir()?;
        let [smtp] = free_ports()?;
        let at = directory.path();
        for name in ["etc", "queue", "data"] {
            std::fs::create_dir(at.join(name))?;
            std::fs::set_permissions(at.join(name), std::fs::Permissions::from_mode(0o755))?;
        }
        let owned = crate::process::run(Command::new("chown").arg("postfix").arg(at.join("data")))?;
        ensure!(owned.status.success(), "{}", owned.stderr);
        std::fs::write(at.join("etc/main.cf"), main_cf(at, next, more))?;
        std::fs::write(at.join("etc/master.cf"), master_cf(smtp))?;
        let checked = crate::process::run(Command::new("postfix").arg("-c").arg(at.join("etc")).arg("check"))?;
        ensure!(checked.status.success(), "{}", checked.stderr);
        let mut command = Command::new(Path::new(PROGRAMS).join("master"));
        command.arg("-c").arg(at.join("etc")).arg("-d");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let master = Daemon::spawn(&mut command)?;
        let mut postfix = Postfix { master, directory, smtp };
        let log = postfix.directory.path().join("log");
        let listens = postfix.master.listens(&[smtp], || crate::files::log(&log), "Address already in use")?;
        Ok(listens.then_some(postfix))
    }

    /// Messages that it has not handed on.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn queued(&self) -> anyhow::Result<usize> {
        let queue = self.directory.path().join("queue");
        let mut count = 0;
        for name in ["maildrop", "incoming", "active", "deferred"] {
            count += crate::files::count(&queue.join(name))?;
        }
        Ok(count)
    }

    /// Has it try everything again now.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn flush(&self) -> anyhow::Result<()> {
        let mut command = Command::new("postqueue");
        let ran = crate::process::run(command.arg("-c").arg(self.directory.path().join("etc")).arg("-f"))?;
        ensure!(ran.status.success(), "{}", ran.stderr);
        Ok(())
    }

    /// What it wrote into its log.
    pub fn log(&self) -> String {
        crate::files::log(&self.directory.path().join("log"))
    }
}

fn main_cf(at: &Path, next: SocketAddr, more: &str) -> String {
    let at = at.display();
    let (host, port) = (next.ip(), next.port());
    format!(
        "compatibility_level = 3.6\nqueue_directory = {at}/queue\ndata_directory = {at}/data\nmail_owner = postfix\n\
         setgid_group = postdrop\ncommand_directory = /usr/sbin\ndaemon_directory = {PROGRAMS}\n\
         maillog_file = {at}/log\nmaillog_file_prefixes = {at}\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
         mynetworks = 127.0.0.0/8\nmyhostname = relay.example.net\nmydestination =\nlocal_recipient_maps =\n\
         alias_maps =\nalias_database =\nrelayhost = [{host}]:{port}\nsmtp_dns_support_level = disabled\n\
         smtpd_recipient_restrictions = permit_mynetworks, reject\nminimal_backoff_time = 1s\n\
         maximal_backoff_time = 2s\nqueue_run_delay = 1s\nsmtpd_client_connection_count_limit = 0\n{more}\n"
    )
}

fn master_cf(smtp: SocketAddr) -> String {
    let listen = format!("{smtp} inet n - n - - smtpd\n");
    let services = "pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
        tlsmgr unix - - n 1000? 1 tlsmgr\nrewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\n\
        defer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nverify unix - - n - 1 verify\n\
        flush unix n - n 1000? 0 flush\nproxymap unix - - n - - proxymap\nsmtp unix - - n - - smtp\n\
        relay unix - - n - - smtp\nshowq unix n - n - - showq\nerror unix - - n - - error\nretry unix - - n - - error\n\
        discard unix - - n - - discard\nlocal unix - n n - - local\nlmtp unix - - n - - lmtp\n\
        anvil unix - - n - 1 anvil\nscache unix - - n - 1 scache\npostlog unix-dgram n - n - 1 postlogd\n";
    listen + services
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpStream;

    #[test]
    fn it_takes_mail_and_keeps_what_it_cannot_hand_on() {
        let [nobody] = free_ports().unwrap();
        let Some(postfix) = Postfix::start(nobody, "").unwrap() else { return };
        let mut greeting = String::new();
        BufReader::new(TcpStream::connect(postfix.smtp).unwrap()).read_line(&mut greeting).unwrap();
        assert!(greeting.starts_with("220 relay.example.net"), "{greeting}");
        let mut source = Command::new("smtp-source");
        source.args(["-m", "3", "-f", "a@example.net", "-t", "b@example.org", &postfix.smtp.to_string()]);
        let ran = crate::process::run(&mut source).unwrap();
        assert!(ran.status.success(), "{}", ran.stderr);
        assert_eq!(postfix.queued().unwrap(), 3, "{}", postfix.log());
        postfix.flush().unwrap();
    }
}
