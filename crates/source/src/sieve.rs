//! Sieve scripts of an account's home, as Dovecot's Pigeonhole keeps them: `sieve/*.sieve` and `.dovecot.sieve`, which is
//! the active one: a link to one of the others, a copy of one, or a script of its own.

use crate::root::{EntryKind, Root, base_name, join, printable};
use crate::{Notice, ReadError, Script};

/// The largest script that is read: Pigeonhole's own limit (`sieve_max_script_size`).
const SCRIPT_LIMIT_BYTES: u64 = 1 << 20;

/// The most scripts that are read.
const SCRIPTS: usize = 1000;

/// The name of an active script that is none of `sieve/`.
const ACTIVE_NAME: &str = "dovecot";

/// Reads the scripts of a home, by name. What cannot be read is a notice.
pub(crate) fn scripts(root: &Root, home: &[u8], notices: &mut Vec<Notice>) -> Vec<Script> {
    let mut say = |path: &[u8], text: &str| {
        notices.push(Notice { rule: "6.4", place: printable(path), text: text.to_owned() });
    };
    let directory = join(home, b"sieve");
    let mut scripts: Vec<Script> = Vec::new();
    let mut content = Vec::new();
    for entry in root.list(&directory).unwrap_or_default() {
        let Some(name) = entry.name.strip_suffix(b".sieve").filter(|name| !name.is_empty()) else { continue };
        let path = join(&directory, &entry.name);
        if scripts.len() == SCRIPTS {
            say(&directory, "it holds more scripts than are read");
            break;
        }
        match root.read(&path, SCRIPT_LIMIT_BYTES, &mut content) {
            Ok(()) => scripts.push(Script { name: printable(name), content: content.clone(), active: false }),
            Err(error) => say(&path, &format!("the script cannot be read: {error}")),
        }
    }
    let active = join(home, b".dovecot.sieve");
    match root.stat(&active) {
        Ok(None) => {}
        Ok(Some(entry)) if entry.kind == EntryKind::Link => match link_target(root, &active) {
            Some(name) if scripts.iter().any(|script| script.name == name) => {
                scripts.iter_mut().filter(|script| script.name == name).for_each(|script| script.active = true);
            }
            _ => say(&active, "it links to no script of this account; no script is taken as the active one"),
        },
        _ => match root.read(&active, SCRIPT_LIMIT_BYTES, &mut content) {
            Ok(()) => match scripts.iter_mut().find(|script| script.content == content) {
                Some(script) => script.active = true,
                None => {
                    let taken = scripts.iter().any(|script| script.name == ACTIVE_NAME);
                    let name = if taken { format!("{ACTIVE_NAME} (active)") } else { ACTIVE_NAME.to_owned() };
                    scripts.push(Script { name, content: content.clone(), active: true });
                }
            },
            Err(ReadError::Gone) => {}
            Err(error) => say(&active, &format!("the active script cannot be read: {error}")),
        },
    }
    scripts
}

/// The script that the link names: what lies in a directory `sieve` and ends in `.sieve`. The link is read, never followed,
/// so that an absolute one from the lost server still says which script was active.
fn link_target(root: &Root, path: &[u8]) -> Option<String> {
    let target = root.read_link(path).ok()?;
    let slash = memchr::memrchr(b'/', &target)?;
    let name = target[slash + 1..].strip_suffix(b".sieve")?;
    (base_name(&target[..slash]) == b"sieve").then(|| printable(name))
}
