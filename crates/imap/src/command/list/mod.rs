//! LIST with its extensions, and LSUB (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 9590; RFC 3501 §6.3.9).

pub(super) mod pattern;
pub(super) mod tree;

use super::{Flow, metadata, status};
use crate::answer::{Refusal, Status};
use crate::session::core::Core;
use crate::session::task::{Progress, STEP_BYTES, Task};
use crate::syntax::{self, List, ListReturn, ListSelect, ResponseCode};
use message::MailboxName;
use pattern::Pattern;
use std::collections::BTreeSet;
use tree::{Node, Tree, above};

/// How many patterns a LIST may have: each name is held against each.
const MAX_PATTERNS: usize = 100;
/// How many mailboxes' STATUS are looked up in one step.
const STATUS_PER_STEP: usize = 64;

/// LIST.
pub(super) fn run(core: &mut Core, list: List, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    core.user()?;
    if list.select.recursive_match && !list.select.subscribed && !list.select.special_use {
        return Err(Refusal::bad("RECURSIVEMATCH needs an option that selects"));
    }
    for (asked, capability) in [
        (list.extended, "LIST-EXTENDED"),
        (list.select.special_use || list.returns.special_use, "SPECIAL-USE"),
        (list.returns.status.is_some(), "LIST-STATUS"),
        (list.returns.metadata.is_some(), "LIST-METADATA"),
    ] {
        if asked {
            core.require(capability)?;
        }
    }
    if !list.extended && list.patterns.iter().all(String::is_empty) {
        // Which separator there is (RFC 9051 §6.3.9).
        out.extend_from_slice(b"* LIST (\\Noselect) \"/\" \"\"\r\n");
        return Ok(Flow::Done(Status::ok("that is the separator")));
    }
    let patterns = patterns(&list.reference, &list.patterns)?;
    if let Some(items) = &list.returns.status {
        status::check(core, items, out)?;
    }
    let tree = Tree::read(core.user()?)?;
    let entries = entries(tree, &list, &patterns);
    let mut task = Listing { extended: list.extended, returns: list.returns, entries: entries.into_iter() };
    match task.step(core, out)? {
        Progress::Done(status) => Ok(Flow::Done(status)),
        Progress::More => Ok(Flow::Task(Box::new(task))),
    }
}

/// LSUB.
pub(super) fn lsub(core: &mut Core, reference: &str, pattern: &str, out: &mut Vec<u8>) -> Result<Flow, Refusal> {
    let user = core.user()?;
    let patterns = patterns(reference, &[pattern.to_owned()])?;
    let tree = Tree::read(user)?;
    let matches = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    let subscribed: Vec<&str> = tree.0.iter().filter(|(_, node)| node.subscribed).map(|(name, _)| &name[..]).collect();
    let mut names: BTreeSet<(&str, bool)> = subscribed.iter().map(|name| (*name, true)).collect();
    // A name that is not subscribed to stands for those beneath it that the pattern does not reach.
    for name in subscribed.iter().filter(|name| !matches(name)) {
        names.extend(above(name).filter(|above| !subscribed.contains(above)).map(|above| (above, false)));
    }
    for (name, is_subscribed) in names.into_iter().filter(|(name, _)| matches(name)) {
        let attributes: &[&str] = if is_subscribed { &[] } else { &["\\Noselect"] };
        syntax::write_list_line(out, "LSUB", attributes, name, core.utf8_names());
        out.extend_from_slice(b"\r\n");
    }
    Ok(Flow::Done(Status::ok("these are the subscriptions")))
}

fn patterns(reference: &str, patterns: &[String]) -> Result<Vec<Pattern>, Refusal> {
    if patterns.len() > MAX_PATTERNS {
        return Err(Refusal::no("too many patterns").with_code(ResponseCode::Limit));
    }
    let made = patterns.iter().map(|pattern| Pattern::new(reference, pattern));
    made.map(|pattern| {
        pattern.ok_or_else(|| Refusal::no("too many wildcards in a pattern").with_code(ResponseCode::Limit))
    })
    .collect()
}

/// A name to be listed.
struct Entry {
    name: String,
    node: Node,
    /// Whether it was selected itself, and not only for what lies beneath it.
    selected: bool,
    /// Whether selected names lie beneath it, where RECURSIVEMATCH asks for that.
    child_info: Option<ListSelect>,
}

fn entries(tree: Tree, list: &List, patterns: &[Pattern]) -> Vec<Entry> {
    let select = list.select;
    let selects = |node: &Node| {
        let there = select.subscribed || node.mailbox.is_some() || node.has_children;
        there && (!select.subscribed || node.subscribed) && (!select.special_use || node.special_use.is_some())
    };
    let matches = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    // Names above one that is selected; and above one that is selected and that no pattern reaches.
    let (mut over_selected, mut over_hidden) = (BTreeSet::new(), BTreeSet::new());
    if select.recursive_match {
        for (name, _) in tree.0.iter().filter(|(_, node)| selects(node)) {
            over_selected.extend(above(name).map(str::to_owned));
            if !matches(name) {
                over_hidden.extend(above(name).map(str::to_owned));
            }
        }
    }
    let mut nodes = tree.0;
    for name in &over_hidden {
        nodes.entry(name.clone()).or_default();
    }
    let listed = nodes.into_iter().filter(|(name, _)| matches(name)).filter_map(|(name, node)| {
        let selected = selects(&node);
        if !selected && !over_hidden.contains(&name) {
            return None;
        }
        let child_info = over_selected.contains(&name).then_some(select);
        Some(Entry { name, node, selected, child_info })
    });
    let mut entries: Vec<Entry> = listed.collect();
    // INBOX first, as people expect it.
    entries.sort_by_key(|entry| entry.name != "INBOX");
    entries
}

/// LIST in the making.
struct Listing {
    extended: bool,
    returns: ListReturn,
    entries: std::vec::IntoIter<Entry>,
}

impl Task for Listing {
    fn step(&mut self, core: &mut Core, out: &mut Vec<u8>) -> Result<Progress, Refusal> {
        let begin = out.len();
        let at_most = if self.is_costly() { STATUS_PER_STEP } else { usize::MAX };
        for entry in self.entries.by_ref().take(at_most) {
            write_entry(core, &entry, self.extended, out);
            let user = core.user()?;
            if let (true, Some(mailbox)) = (entry.selected, &entry.node.mailbox) {
                if let Some(items) = &self.returns.status {
                    status::write(core, user, mailbox, items, out)?;
                }
                if let Some(names) = &self.returns.metadata {
                    metadata::write(core, user, Some(mailbox), names, out)?;
                }
            }
            if out.len() - begin >= STEP_BYTES {
                break;
            }
        }
        match self.entries.len() {
            0 => Ok(Progress::Done(Status::ok("listed"))),
            _ => Ok(Progress::More),
        }
    }
}

impl Listing {
    fn is_costly(&self) -> bool {
        self.returns.status.is_some() || self.returns.metadata.is_some()
    }
}

fn write_entry(core: &Core, entry: &Entry, extended: bool, out: &mut Vec<u8>) {
    syntax::write_list_line(out, "LIST", &attributes(core, &entry.node, extended), &entry.name, core.utf8_names());
    if let Some(select) = entry.child_info {
        let options = [(select.subscribed, "\"SUBSCRIBED\""), (select.special_use, "\"SPECIAL-USE\"")];
        let options: Vec<&str> = options.into_iter().filter(|(asked, _)| *asked).map(|(_, option)| option).collect();
        out.extend_from_slice(format!(" (\"CHILDINFO\" ({}))", options.join(" ")).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn attributes(core: &Core, node: &Node, extended: bool) -> Vec<&'static str> {
    let mut attributes = Vec::new();
    if node.mailbox.is_none() {
        attributes.push(if extended || core.enabled.rev2 { "\\NonExistent" } else { "\\Noselect" });
    }
    if extended || core.enabled.rev2 || core.offers("CHILDREN") {
        // RFC 3348.
        attributes.push(if node.has_children { "\\HasChildren" } else { "\\HasNoChildren" });
    }
    if node.subscribed && (extended || core.enabled.rev2) {
        attributes.push("\\Subscribed");
    }
    if let Some(special_use) = node.special_use.filter(|_| core.offers("SPECIAL-USE")) {
        attributes.push(special_use.attribute());
    }
    attributes
}

/// Says how a mailbox is listed now: unasked, or with the name that it had or was given (RFC 9051 §6.3.9.7).
///
/// # Errors
/// Those of the store.
pub(super) fn say(core: &Core, name: &MailboxName, old_name: Option<&str>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut tree = Tree::read(core.user()?)?;
    let node = tree.0.remove(name.as_str()).unwrap_or_default();
    say_node(core, name.as_str(), &node, old_name, out);
    Ok(())
}

/// As [`say`], of a name that was looked up already.
pub(super) fn say_node(core: &Core, name: &str, node: &Node, old_name: Option<&str>, out: &mut Vec<u8>) {
    syntax::write_list_line(out, "LIST", &attributes(core, node, true), name, core.utf8_names());
    if let Some(old_name) = old_name {
        out.extend_from_slice(b" (\"OLDNAME\" (");
        syntax::write_mailbox(out, old_name, core.utf8_names());
        out.extend_from_slice(b"))");
    }
    out.extend_from_slice(b"\r\n");
}

/// Tells a client of IMAP4rev2 that a name was normalised, if it was (RFC 9051 §6.3.4).
///
/// # Errors
/// Those of the store.
pub(super) fn say_normalised(core: &Core, wanted: &str, name: &MailboxName, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match core.enabled.rev2 && wanted != name.as_str() && !wanted.eq_ignore_ascii_case(name.as_str()) {
        true => say(core, name, Some(wanted), out),
        false => Ok(()),
    }
}
