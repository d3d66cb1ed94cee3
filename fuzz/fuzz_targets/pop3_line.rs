//! POP3 commands: whatever a line holds is a command or a refusal, the keyword's case does not matter, and a command written
//! again reads the same.
//!
//! The parser is no public part of its crate, so its file is compiled into the target.

#![no_main]

use command::{Command, parse};
use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../crates/pop3/src/command.rs"]
mod command;

fuzz_target!(|line: &[u8]| {
    let read = parse(line);
    let keyword = line.iter().position(|&b| b == b' ').unwrap_or(line.len());
    for change in [<[u8]>::make_ascii_lowercase, <[u8]>::make_ascii_uppercase] {
        let mut other = line.to_vec();
        change(&mut other[..keyword]);
        assert!(parse(&other) == read);
    }
    if let Ok(command) = read {
        assert!(parse(&written(&command)) == Ok(command));
    }
});

fn written(command: &Command) -> Vec<u8> {
    let text = match command {
        Command::Pass(password) => return [b"PASS ", password.as_slice()].concat(),
        Command::Auth { mechanism: Some(mechanism), initial: Some(initial) } => {
            return [b"AUTH ", mechanism.as_bytes(), b" ", initial].concat();
        }
        Command::Auth { mechanism: Some(mechanism), .. } => format!("AUTH {mechanism}"),
        Command::Auth { .. } => "AUTH".to_owned(),
        Command::Capa => "CAPA".to_owned(),
        Command::Stls => "STLS".to_owned(),
        Command::Utf8 => "UTF8".to_owned(),
        Command::Stat => "STAT".to_owned(),
        Command::Rset => "RSET".to_owned(),
        Command::Noop => "NOOP".to_owned(),
        Command::Quit => "QUIT".to_owned(),
        Command::User(name) => format!("USER {name}"),
        Command::List(None) => "LIST".to_owned(),
        Command::Uidl(None) => "UIDL".to_owned(),
        Command::List(Some(number)) => format!("LIST {number}"),
        Command::Uidl(Some(number)) => format!("UIDL {number}"),
        Command::Retr(number) => format!("RETR {number}"),
        Command::Dele(number) => format!("DELE {number}"),
        Command::Top(number, lines) => format!("TOP {number} {lines}"),
    };
    text.into_bytes()
}
