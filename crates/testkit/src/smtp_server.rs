//! A server of SMTP that does what a test tells it to.

use rustls::ServerConfig;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What a server does instead of what it should.
#[derive(Clone, Debug)]
pub enum Act {
    /// Says this, byte by byte as it stands.
    Say(Vec<u8>),
    /// Says this and closes.
    SayAndClose(Vec<u8>),
    /// Closes without a word.
    Close,
    /// Says nothing, and never will.
    Hang,
    /// Says this again and again.
    Forever(Vec<u8>),
}

/// Says a line.
pub fn say(text: &str) -> Act {
    Act::Say(format!("{text}\r\n").into_bytes())
}

/// Says a line, and closes.
pub fn say_and_close(text: &str) -> Act {
    Act::SayAndClose(format!("{text}\r\n").into_bytes())
}

/// Before any command. This word and the next two stand for moments without a command.
pub const GREETING: &str = "<greeting>";
/// At the end of a message.
pub const END: &str = "<end>";
/// When the first bytes of a message have come.
pub const MIDDLE: &str = "<middle>";

#[derive(Debug)]
struct Rule {
    command: String,
    act: Act,
    left: AtomicUsize,
}

/// What a server can do and what it does.
#[derive(Clone, Debug, Default)]
pub struct Script {
    capabilities: Vec<String>,
    rules: Vec<Arc<Rule>>,
    tls: Option<Arc<ServerConfig>>,
    implicit: bool,
    lmtp: bool,
}

impl Script {
    /// A server with these keywords, that takes everything.
    pub fn with(capabilities: &[&str]) -> Self {
        Script { capabilities: capabilities.iter().map(|word| (*word).to_owned()).collect(), ..Script::default() }
    }

    /// At commands that begin like this, it does something else.
    pub fn at(self, command: &str, act: Act) -> Self {
        self.at_most(usize::MAX, command, act)
    }

    /// The same, so many times, over all connections.
    pub fn at_most(mut self, times: usize, command: &str, act: Act) -> Self {
        self.rules.push(Arc::new(Rule { command: command.to_owned(), act, left: AtomicUsize::new(times) }));
        self
    }

    /// One that offers STARTTLS.
    pub fn starttls(mut self, tls: Arc<ServerConfig>) -> Self {
        self.capabilities.push("STARTTLS".to_owned());
        self.tls = Some(tls);
        self
    }

    /// One that begins with TLS.
    pub fn implicit_tls(mut self, tls: Arc<ServerConfig>) -> Self {
        self.tls = Some(tls);
        self.implicit = true;
        self
    }

    /// One that speaks LMTP.
    pub fn lmtp(mut self) -> Self {
        self.lmtp = true;
        self
    }

    fn rule(&self, command: &str) -> Option<Act> {
        let fits = |rule: &&Arc<Rule>| {
            let begins =
                command.get(..rule.command.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(&rule.command));
            begins && rule.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        };
        self.rules.iter().find(fits).map(|rule| rule.act.clone())
    }
}

/// What a server has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Connections, also those that are over.
    pub connections: usize,
    /// Connections at once, at most.
    pub busiest: usize,
    /// Commands, over all connections, in the order in which they came.
    pub commands: Vec<String>,
    /// Messages whose end came, without the dots that were put before dots.
    pub messages: Vec<Vec<u8>>,
    /// Commands that came inside TLS.
    pub encrypted: usize,
}

/// A running server; it ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// One on some port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start(script: Script) -> Server {
        Server::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), script).await
    }

    /// One at an address.
    ///
    /// # Panics
    /// When it is not to be had.
    pub async fn start_at(address: SocketAddr, script: Script) -> Server {
        let listener = TcpListener::bind(address).await.expect("the address is to be had");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, script, Arc::clone(&seen)));
        Server { address, seen, _tasks: tasks }
    }

    /// What it has seen so far.
    ///
    /// # Panics
    /// When one of its sessions did.
    pub fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// The address without the port.
    pub fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// What it has seen of commands, without those that introduce and part.
    pub fn envelope(&self) -> Vec<String> {
        let polite = |line: &String| !["EHLO", "HELO", "LHLO", "QUIT"].iter().any(|word| line.starts_with(word));
        self.seen().commands.into_iter().filter(polite).collect()
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().expect("no session panicked")
}

async fn accept(listener: TcpListener, script: Script, seen: Arc<Mutex<Seen>>) {
    let mut sessions = JoinSet::new();
    let busy = Arc::new(AtomicUsize::new(0));
    while let Ok((stream, _)) = listener.accept().await {
        let (script, seen, busy) = (script.clone(), Arc::clone(&seen), Arc::clone(&busy));
        {
            let mut seen = lock(&seen);
            seen.connections += 1;
            seen.busiest = seen.busiest.max(busy.fetch_add(1, Ordering::SeqCst) + 1);
        }
        sessions.spawn(async move {
            session(Box::new(stream), script, seen).await;
            busy.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// One connection, until it is over.
struct Session {
    wire: Option<Box<dyn Wire>>,
    input: Vec<u8>,
    script: Script,
    seen: Arc<Mutex<Seen>>,
    encrypted: bool,
    recipients: usize,
}

async fn session(wire: Box<dyn Wire>, script: Script, seen: Arc<Mutex<Seen>>) {
    let mut session = Session { wire: Some(wire), input: Vec::new(), script, seen, encrypted: false, recipients: 0 };
    // `None`: the connection is over.
    session.run().await;
}

impl Session {
    async fn run(&mut self) -> Option<()> {
        if self.script.implicit {
            self.start_tls().await?;
        }
        self.answer(GREETING, "220 test").await?;
        loop {
            let line = self.line().await?;
            {
                let mut seen = lock(&self.seen);
                seen.commands.push(line.clone());
                seen.encrypted += usize::from(self.encrypted);
            }
            self.command(&line).await?;
        }
    }

    async fn command(&mut self, line: &str) -> Option<()> {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "LHLO" => {
                let hidden = |word: &&String| !(self.encrypted && *word == "STARTTLS");
                let mut reply = "250-test".to_owned();
                for word in self.script.capabilities.iter().filter(hidden) {
                    reply.push_str(&format!("\r\n250-{word}"));
                }
                self.answer(line, &format!("{reply}\r\n250 HELP")).await
            }
            "STARTTLS" => {
                self.answer(line, "220 go").await?;
                self.start_tls().await
            }
            "AUTH" => self.answer(line, "235 2.7.0 in").await,
            "RCPT" => {
                self.recipients += 1;
                self.answer(line, "250 2.1.5 fine").await
            }
            "DATA" => {
                if let Some(act) = self.script.rule(line) {
                    let goes_on = matches!(&act, Act::Say(bytes) if bytes.starts_with(b"3"));
                    self.act(act).await?;
                    if !goes_on {
                        return Some(());
                    }
                } else {
                    self.write(b"354 go\r\n").await?;
                }
                self.data().await
            }
            "QUIT" => {
                self.answer(line, "221 bye").await?;
                None
            }
            _ => self.answer(line, "250 2.0.0 fine").await,
        }
    }

    async fn data(&mut self) -> Option<()> {
        if let Some(act) = self.script.rule(MIDDLE) {
            self.read().await?;
            self.act(act).await?;
        }
        let mut message = Vec::new();
        loop {
            let line = self.raw_line().await?;
            if line == b".\r\n" {
                break;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        lock(&self.seen).messages.push(message);
        let answers = if self.script.lmtp { std::mem::take(&mut self.recipients) } else { 1 };
        for number in 0..answers {
            self.answer(END, &format!("250 2.0.0 taken {number}")).await?;
        }
        Some(())
    }

    async fn answer(&mut self, command: &str, usual: &str) -> Option<()> {
        match self.script.rule(command) {
            Some(act) => self.act(act).await,
            None => self.write(format!("{usual}\r\n").as_bytes()).await,
        }
    }

    async fn act(&mut self, act: Act) -> Option<()> {
        match act {
            Act::Say(bytes) => self.write(&bytes).await,
            Act::SayAndClose(bytes) => {
                self.write(&bytes).await?;
                None
            }
            Act::Close => None,
            Act::Hang => std::future::pending().await,
            Act::Forever(bytes) => loop {
                self.write(&bytes).await?;
            },
        }
    }

    async fn start_tls(&mut self) -> Option<()> {
        let tls = self.script.tls.clone()?;
        let plain = self.wire.take()?;
        self.wire = Some(Box::new(TlsAcceptor::from(tls).accept(plain).await.ok()?));
        self.encrypted = true;
        Some(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Option<()> {
        let wire = self.wire.as_mut()?;
        wire.write_all(bytes).await.ok()?;
        wire.flush().await.ok()
    }

    async fn read(&mut self) -> Option<()> {
        let mut bytes = [0; 16 * 1024];
        let length = self.wire.as_mut()?.read(&mut bytes).await.ok().filter(|length| *length > 0)?;
        self.input.extend_from_slice(&bytes[..length]);
        Some(())
    }

    /// A line with its end, which is CRLF and nothing else.
    async fn raw_line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                return Some(self.input.drain(..end + 2).collect());
            }
            self.read().await?;
        }
    }

    async fn line(&mut self) -> Option<String> {
        let line = self.raw_line().await?;
        Some(String::from_utf8_lossy(&line).trim_end_matches("\r\n").to_owned())
    }
}
