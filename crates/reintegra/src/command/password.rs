//! `password`: sets the password of an account. It comes from standard input and from nowhere else: arguments and the
//! environment of a process are for others to read.

use super::app_password::{ACTOR, account};
use crate::cli::PasswordSetArgs;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::session::Session;
use anyhow::Context as _;
use directory::password::MAX_PASSWORD_BYTES;
use directory::{AccountState, Secret};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::io::{BufRead, IsTerminal as _};

/// What is shorter is guessed.
const LEAST_CHARACTERS: usize = 8;
/// What Ctrl-C sends where it is no signal.
const INTERRUPT: u8 = 3;

pub(super) fn set(args: &PasswordSetArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let directory = session.open_directory()?;
    let account = account(&directory, &args.account)?;
    let address = account.address.as_str();
    let password = match std::io::stdin().is_terminal() {
        true => typed_twice(address, session)?,
        false => line(std::io::stdin().lock())?,
    };
    directory.change_password(account.id, password.expose().as_bytes())?;
    directory.write(|tx| tx.audit(ACTOR, "password.set", address, "{}"))?;
    session.console.note(format_args!("the password of {address} is set"));
    match account.state {
        AccountState::Open => {}
        AccountState::Locked => session.console.note(format_args!("{address} was locked, and is open")),
        other => {
            let state = other.as_str();
            session.console.note(format_args!("{address} is {state}: nobody signs in to it all the same"));
        }
    }
    Ok(Exit::Complete)
}

fn typed_twice(address: &str, session: &Session) -> anyhow::Result<Secret> {
    let _silent = Silent::begin()?;
    session.console.note(format_args!("new password for {address} (it is not shown):"));
    let once = line(std::io::stdin().lock())?;
    session.console.note("once more:");
    let twice = line(std::io::stdin().lock())?;
    match once == twice {
        true => Ok(once),
        false => Err(Problem::wrong_use("the two are not the same").because("nothing was changed").into()),
    }
}

/// Reads a password that fills a line.
fn line(input: impl BufRead) -> anyhow::Result<Secret> {
    // One more than may be: what is longer is refused, not cut.
    let mut bytes = Vec::with_capacity(MAX_PASSWORD_BYTES + 2);
    for byte in input.bytes().take(MAX_PASSWORD_BYTES + 2) {
        match byte.context("standard input cannot be read")? {
            b'\n' => break,
            byte => bytes.push(byte),
        }
        if bytes.last() == Some(&INTERRUPT) {
            break;
        }
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    let refused = |why: String| Problem::wrong_use("this cannot be a password").because(why);
    if bytes.len() > MAX_PASSWORD_BYTES {
        return Err(refused(format!("it is longer than {MAX_PASSWORD_BYTES} bytes")).into());
    }
    let Ok(text) = String::from_utf8(bytes) else {
        return Err(refused("it is no UTF-8".to_owned()).into());
    };
    if text.chars().any(char::is_control) {
        return Err(refused("it holds a control character".to_owned()).into());
    }
    if text.chars().count() < LEAST_CHARACTERS {
        return Err(refused(format!("it has fewer than {LEAST_CHARACTERS} characters"))
            .now("choose a longer one: type it, or give it as the first line of standard input")
            .into());
    }
    Ok(Secret::new(text))
}

/// A terminal that does not show what is typed; dropped, it is as it was.
struct Silent {
    before: Termios,
}

impl Silent {
    fn begin() -> anyhow::Result<Self> {
        let before = tcgetattr(std::io::stdin()).context("the terminal cannot be asked")?;
        let mut silent = before.clone();
        // Ctrl-C ends the line instead of the process, which would leave the terminal silent.
        silent.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
        silent.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent).context("the terminal cannot be silenced")?;
        Ok(Silent { before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // There is nothing to be done when the terminal has gone.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::line;

    fn refusal(input: &[u8]) -> String {
        crate::failure::Failure::of(&line(input).unwrap_err()).to_string()
    }

    #[test]
    fn the_first_line_is_the_password() {
        for input in ["contraseña nueva\nand more\n", "contraseña nueva\r\n", "contraseña nueva"] {
            assert_eq!(line(input.as_bytes()).unwrap().expose(), "contraseña nueva");
        }
        assert_eq!(line("ññññññññ\n".as_bytes()).unwrap().expose(), "ññññññññ");
        assert_eq!(line(&[b'x'; 1024][..]).unwrap().expose().len(), 1024);
    }

    #[test]
    fn what_cannot_be_a_password_is_refused_and_not_shown() {
        for (input, why) in [
            (&b"\n12345678"[..], "fewer than 8"),
            (b"", "fewer than 8"),
            (b"secret7\n", "fewer than 8"),
            (b"secret\x03", "control character"),
            (b"secret\tsecret", "control character"),
            (b"secret\xffsecret", "UTF-8"),
            (&[b'x'; 1025], "longer than"),
        ] {
            let told = refusal(input);
            assert!(told.contains(why) && !told.contains("secret"), "{told}");
        }
    }
}
