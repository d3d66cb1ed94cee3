//! A server that says what a test wants: usually an IMAP server with two messages.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What it says to a command.
pub(crate) enum Answer {
    /// These bytes, `TAG` standing for the command's tag.
    Say(String),
    /// These, and it closes the connection.
    SayAndClose(String),
    /// These, and nothing ever again.
    SayAndHang(String),
    /// These, again and again.
    Repeat(String),
    /// What it usually says.
    Usual,
}

/// A running server; its threads end with the connections.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Scripted {
    /// `answer` gets the number of the connection, from 1, and a command without its tag; the greeting is the command `""`.
    pub(crate) fn start(answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, answer) = (Arc::clone(&connections), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                let (stream, answer) = (stream.unwrap(), Arc::clone(&answer));
                // A client that goes away in the midst of it is part of the test.
                std::thread::spawn(move || serve(stream, |command| answer(number, command)));
            }
        });
        Scripted { address, connections }
    }

    /// How often somebody connected.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Speaks over any stream that reads and writes.
pub(crate) fn serve(stream: TcpStream, answer: impl Fn(&str) -> Answer) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let (mut tag, mut command) = (String::new(), String::new());
    loop {
        let mut usual = usual(&command);
        let text = match answer(&command) {
            Answer::Usual => std::mem::take(&mut usual),
            Answer::Say(text) => text,
            Answer::SayAndClose(text) => return writer.write_all(text.replace("TAG", &tag).as_bytes()),
            Answer::SayAndHang(text) => {
                writer.write_all(text.replace("TAG", &tag).as_bytes())?;
                return reader.read_to_end(&mut Vec::new()).map(drop);
            }
            Answer::Repeat(text) => loop {
                writer.write_all(text.replace("TAG", &tag).as_bytes())?;
            },
        };
        writer.write_all(text.replace("TAG", &tag).as_bytes())?;
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (this_tag, this_command) = line.trim_end().split_once(' ').unwrap_or(("", line.trim_end()));
        (tag, command) = (this_tag.to_owned(), this_command.to_owned());
    }
}

/// The two messages of the INBOX, UIDs 5 and 7.
pub(crate) const MESSAGES: [(u32, &str); 2] = [(5, "Subject: a\r\n\r\nfirst\r\n"), (7, "Subject: b\r\n\r\nsecond\r\n")];

/// What a server with two messages says.
pub(crate) fn usual(command: &str) -> String {
    let listed = |number: usize, uid: u32, text: &str| {
        format!(
            "* {number} FETCH (UID {uid} FLAGS () INTERNALDATE \" 1-Jan-2020 00:00:00 +0000\" RFC822.SIZE {})\r\n",
            text.len()
        )
    };
    let fetched = |number: usize, uid: u32, text: &str| {
        format!("* {number} FETCH (UID {uid} BODY[] {{{}}}\r\n{text})\r\n", text.len())
    };
    let word = command.split(' ').next().unwrap_or_default();
    match word {
        "" => "* OK [CAPABILITY IMAP4rev1] hello\r\n".to_owned(),
        "LIST" => "* LIST () \"/\" INBOX\r\nTAG OK\r\n".to_owned(),
        "EXAMINE" => "* 2 EXISTS\r\n* OK [UIDVALIDITY 3] x\r\n* OK [UIDNEXT 8] x\r\nTAG OK [READ-ONLY]\r\n".to_owned(),
        "UID" if command.contains("1:*") => {
            let lines: Vec<String> = MESSAGES.iter().enumerate().map(|(n, m)| listed(n + 1, m.0, m.1)).collect();
            lines.concat() + "TAG OK\r\n"
        }
        "UID" => {
            let set = command.split(' ').nth(2).unwrap_or_default();
            let asked: Vec<u32> = set.split(',').filter_map(|uid| uid.parse().ok()).collect();
            let chosen = MESSAGES.iter().enumerate().filter(|(_, m)| asked.contains(&m.0));
            chosen.map(|(n, m)| fetched(n + 1, m.0, m.1)).collect::<String>() + "TAG OK\r\n"
        }
        "LOGOUT" => "* BYE\r\nTAG OK\r\n".to_owned(),
        "CAPABILITY" => "* CAPABILITY IMAP4rev1\r\nTAG OK\r\n".to_owned(),
        _ => "TAG OK\r\n".to_owned(),
    }
}
