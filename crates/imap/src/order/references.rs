//! The threading algorithm REFERENCES (RFC 5256 §3), its six steps by number.
//!
//! A *place* is a message or one that others refer to and that is not there. Places know their parent only, until the
//! parents are settled; then the tree is made. Everything is linear in messages and references, save two things: sorting,
//! and the search for loops, which is short in real mail and has a bound.

use super::thread::{Node, Threads};
use super::thread_keys::ThreadKeys;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// How many steps all searches for loops may take together; past them a link that might close a loop is not made. Real
/// mailboxes of 100,000 messages need some thousands.
const MAX_SEARCH_STEPS: usize = 20_000_000;

/// See the module. Messages are added in the order of their numbers.
#[derive(Default)]
pub(crate) struct References {
    messages: Vec<Message>,
    places: Vec<Place>,
    by_id: HashMap<Vec<u8>, usize>,
    search_steps: usize,
}

struct Message {
    number: u32,
    date_s: i64,
    subject: Vec<u8>,
    is_reply: bool,
}

struct Place {
    /// Which of the messages.
    message: Option<usize>,
    parent: Option<usize>,
    /// How many places have it as parent.
    children: usize,
    /// Leads to the representative of all places that were ever linked with it, itself in the end.
    group: usize,
}

impl References {
    /// Step 1: a message, and the chain of what it refers to.
    pub(super) fn add(&mut self, number: u32, internal_date_s: i64, keys: ThreadKeys) {
        let ThreadKeys { message_id, references, subject, is_reply, sent_s } = keys;
        let message = self.messages.len();
        let date_s = sent_s.unwrap_or(internal_date_s);
        self.messages.push(Message { number, date_s, subject, is_reply });

        // Of messages with one identifier only the first has it.
        let known = message_id.map(|id| self.place_of(id)).filter(|place| self.places[*place].message.is_none());
        let place = known.unwrap_or_else(|| self.new_place());
        self.places[place].message = Some(message);

        let mut last = None;
        for id in references {
            let reference = self.place_of(id);
            if let Some(parent) = last
                && self.places[reference].parent.is_none()
            {
                self.link(reference, parent);
            }
            last = Some(reference);
        }
        // What the message says of itself counts more than what others said of it.
        if self.places[place].parent != last {
            self.unlink(place);
            if let Some(parent) = last {
                self.link(place, parent);
            }
        }
    }

    /// Steps 2 to 6.
    pub(super) fn finish(self) -> Threads {
        let mut forest = Forest::prune(&self.places, self.messages);
        forest.sort();
        forest.join_by_subject();
        forest.sort();
        Threads { nodes: forest.nodes, roots: forest.roots }
    }

    fn place_of(&mut self, id: Vec<u8>) -> usize {
        let next = self.places.len();
        match self.by_id.entry(id) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                new.insert(next);
                self.new_place()
            }
        }
    }

    fn new_place(&mut self) -> usize {
        let place = self.places.len();
        self.places.push(Place { message: None, parent: None, children: 0, group: place });
        place
    }

    /// Makes one place the parent of another that has none, unless that would close a loop.
    fn link(&mut self, place: usize, parent: usize) {
        if place == parent || self.is_ancestor(place, parent) {
            return;
        }
        self.places[place].parent = Some(parent);
        self.places[parent].children += 1;
        let (group, other) = (self.group(place), self.group(parent));
        self.places[group].group = other;
    }

    fn unlink(&mut self, place: usize) {
        if let Some(parent) = self.places[place].parent.take() {
            self.places[parent].children -= 1;
        }
    }

    /// Whether `place` stands somewhere above `below`, or that could not be found out.
    fn is_ancestor(&mut self, place: usize, below: usize) -> bool {
        // Most links are of a place that has nothing below it, or of two that never had to do with each other.
        if self.places[place].children == 0 || self.group(place) != self.group(below) {
            return false;
        }
        let mut above = Some(below);
        while let Some(at) = above {
            self.search_steps += 1;
            if at == place || self.search_steps > MAX_SEARCH_STEPS {
                return true;
            }
            above = self.places[at].parent;
        }
        false
    }

    fn group(&mut self, mut place: usize) -> usize {
        while self.places[place].group != place {
            let above = self.places[self.places[place].group].group;
            self.places[place].group = above;
            place = above;
        }
        place
    }
}

/// The tree, once parents are settled.
struct Forest {
    messages: Vec<Message>,
    nodes: Vec<Node>,
    /// The message of each node.
    message_of: Vec<Option<usize>>,
    roots: Vec<usize>,
}

/// A list of nodes that is joined to another at no cost.
#[derive(Clone, Copy)]
struct List {
    first: usize,
    last: usize,
}

impl Forest {
    /// Steps 2 and 3: the tree without places that are not there, save roots of more than one child.
    fn prune(places: &[Place], messages: Vec<Message>) -> Forest {
        let numbers = |place: &Place| place.message.map(|message| messages[message].number);
        let mut nodes: Vec<Node> =
            places.iter().map(|place| Node { number: numbers(place), children: Vec::new() }).collect();
        let mut message_of: Vec<Option<usize>> = places.iter().map(|place| place.message).collect();
        let mut roots = Vec::new();

        // What is left of each place: itself, or in its stead its children.
        let mut left: Vec<Option<List>> = vec![None; places.len()];
        let mut below: Vec<Option<List>> = vec![None; places.len()];
        let mut next: Vec<Option<usize>> = vec![None; places.len()];
        for place in children_first(places) {
            let children = below[place];
            let is_root = places[place].parent.is_none();
            let several = children.is_some_and(|list| list.first != list.last);
            if places[place].message.is_some() || is_root && several {
                nodes[place].children = listed(children, &next);
                left[place] = Some(List { first: place, last: place });
            } else {
                left[place] = children;
            }
            match places[place].parent {
                Some(parent) => below[parent] = joined(below[parent], left[place], &mut next),
                None => roots.extend(listed(left[place], &next)),
            }
        }
        message_of.truncate(nodes.len());
        Forest { messages, nodes, message_of, roots }
    }

    /// Steps 4 and 6: children by date, theirs before; a place without a message has the date of its first child.
    fn sort(&mut self) {
        let mut order = self.roots.clone();
        let mut at = 0;
        while let Some(node) = order.get(at) {
            order.extend_from_slice(&self.nodes[*node].children);
            at += 1;
        }
        let mut keys = vec![(i64::MIN, 0_u32); self.nodes.len()];
        for &node in order.iter().rev() {
            let mut children = std::mem::take(&mut self.nodes[node].children);
            children.sort_by_key(|child| keys[*child]);
            keys[node] = match (self.message_of[node], children.first()) {
                (Some(message), _) => (self.messages[message].date_s, self.messages[message].number),
                (None, Some(first)) => keys[*first],
                (None, None) => keys[node],
            };
            self.nodes[node].children = children;
        }
        self.roots.sort_by_key(|root| keys[*root]);
    }

    /// Step 5: threads of one base subject become one.
    fn join_by_subject(&mut self) {
        let mut by_subject: HashMap<Vec<u8>, usize> = HashMap::new();
        for &root in &self.roots {
            let Some(subject) = self.subject(root) else { continue };
            match by_subject.entry(subject.to_vec()) {
                Entry::Vacant(new) => {
                    new.insert(root);
                }
                Entry::Occupied(mut known) => {
                    let held = *known.get();
                    let better = self.is_missing(root) || self.is_reply(held) && !self.is_reply(root);
                    if !self.is_missing(held) && better {
                        known.insert(root);
                    }
                }
            }
        }
        let mut roots = Vec::with_capacity(self.roots.len());
        // Where in `roots` each thread of the table stands, so that a new parent can take its place.
        for root in std::mem::take(&mut self.roots) {
            let held = self.subject(root).and_then(|subject| by_subject.get(subject)).copied();
            let Some(held) = held.filter(|held| *held != root) else {
                roots.push(root);
                continue;
            };
            if self.is_missing(held) && self.is_missing(root) {
                let children = std::mem::take(&mut self.nodes[root].children);
                self.nodes[held].children.extend(children);
            } else if self.is_missing(held) || self.is_reply(root) && !self.is_reply(held) {
                self.nodes[held].children.push(root);
            } else {
                // A new place above both. What `held` is moves aside, so that the place is already a root.
                let moved = self.nodes.len();
                let message = self.message_of[held].take();
                let node = std::mem::take(&mut self.nodes[held]);
                self.nodes.push(node);
                self.message_of.push(message);
                self.nodes[held].children = vec![moved, root];
            }
        }
        self.roots = roots;
    }

    /// The base subject of a thread: that of its message, else of its first child. `None` where it is empty.
    fn subject(&self, root: usize) -> Option<&[u8]> {
        Some(&self.first_message(root)?.subject[..]).filter(|subject| !subject.is_empty())
    }

    fn is_reply(&self, root: usize) -> bool {
        self.first_message(root).is_some_and(|message| message.is_reply)
    }

    fn first_message(&self, root: usize) -> Option<&Message> {
        let first_child = || self.message_of[*self.nodes[root].children.first()?];
        Some(&self.messages[self.message_of[root].or_else(first_child)?])
    }

    /// Whether a thread begins with a place without a message.
    fn is_missing(&self, root: usize) -> bool {
        self.message_of[root].is_none()
    }
}

/// All places, each behind its children, and siblings in their order.
fn children_first(places: &[Place]) -> Vec<usize> {
    let mut waiting: Vec<usize> = places.iter().map(|place| place.children).collect();
    let mut order = Vec::with_capacity(places.len());
    for place in 0..places.len() {
        let mut done = (waiting[place] == 0).then_some(place);
        // A place whose last child is done follows at once.
        while let Some(at) = done {
            order.push(at);
            waiting[at] = usize::MAX;
            done = places[at].parent.filter(|parent| {
                waiting[*parent] -= 1;
                waiting[*parent] == 0
            });
        }
    }
    order
}

/// The nodes of a list.
fn listed(list: Option<List>, next: &[Option<usize>]) -> Vec<usize> {
    let mut nodes = Vec::new();
    let mut at = list.map(|list| list.first);
    while let Some(node) = at {
        nodes.push(node);
        at = next[node].filter(|_| list.is_some_and(|list| list.last != node));
    }
    nodes
}

/// One list behind another.
fn joined(front: Option<List>, back: Option<List>, next: &mut [Option<usize>]) -> Option<List> {
    match (front, back) {
        (Some(front), Some(back)) => {
            next[front.last] = Some(back.first);
            Some(List { first: front.first, last: back.last })
        }
        (front, back) => front.or(back),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Message-ID, References, Subject and date.
    type Row = (&'static str, &'static str, &'static str, i64);

    /// Threads messages numbered from 1.
    fn threads(messages: &[Row]) -> String {
        let mut references = References::default();
        for ((id, refs, subject, date_s), number) in messages.iter().zip(1..) {
            let header = format!("Message-ID: {id}\r\nReferences: {refs}\r\nSubject: {subject}\r\n\r\n");
            references.add(number, *date_s, ThreadKeys::of(header.as_bytes()));
        }
        written(references)
    }

    fn written(references: References) -> String {
        let mut out = Vec::new();
        references.finish().write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn references_make_a_tree() {
        let table: [(&[Row], &str); 9] = [
            (&[], ""),
            (&[("<a@x>", "", "s", 1), ("<b@x>", "<a@x>", "t", 2), ("<c@x>", "<a@x> <b@x>", "u", 3)], "(1 2 3)"),
            (&[("<c@x>", "<a@x> <b@x>", "s", 3), ("<b@x>", "<a@x>", "t", 2), ("<a@x>", "", "u", 1)], "(3 2 1)"),
            // Siblings by date.
            (&[("<a@x>", "", "s", 1), ("<b@x>", "<a@x>", "t", 9), ("<c@x>", "<a@x>", "u", 3)], "(1 (3)(2))"),
            // One that is missing: a root with several children, else nothing.
            (&[("<b@x>", "<a@x>", "s", 2), ("<c@x>", "<a@x>", "t", 1)], "((2)(1))"),
            (&[("<b@x>", "<z@x> <a@x>", "s", 2)], "(1)"),
            (
                &[("<a@x>", "", "s", 1), ("<c@x>", "<a@x> <b@x>", "t", 2), ("<d@x>", "<a@x> <b@x>", "u", 3)],
                "(1 (2)(3))",
            ),
            // Of two messages with one identifier the first has it.
            (&[("<a@x>", "", "s", 1), ("<a@x>", "", "t", 2), ("<b@x>", "<a@x>", "u", 3)], "(1 3)(2)"),
            // What a message says of itself counts more.
            (&[("<c@x>", "<b@x> <a@x>", "s", 1), ("<a@x>", "", "t", 2), ("<b@x>", "<a@x>", "u", 3)], "(2 (1)(3))"),
        ];
        for (messages, expected) in table {
            assert_eq!(threads(messages), expected, "{messages:?}");
        }
    }

    #[test]
    fn loops_are_not_closed() {
        assert_eq!(threads(&[("<a@x>", "<b@x>", "s", 1), ("<b@x>", "<a@x>", "t", 2)]), "(2 1)");
        assert_eq!(threads(&[("<a@x>", "<a@x>", "s", 1)]), "(1)");
        assert_eq!(threads(&[("<a@x>", "<b@x> <c@x> <b@x>", "s", 1)]), "(1)");
        let turning = [("<a@x>", "<c@x>", "s", 1), ("<b@x>", "<a@x>", "t", 2), ("<c@x>", "<b@x>", "u", 3)];
        assert_eq!(threads(&turning), "(3 1 2)");
    }

    #[test]
    fn threads_of_one_subject_are_joined() {
        let table: [(&[Row], &str); 8] = [
            // A reply goes below what it replies to, whichever came first.
            (&[("<a@x>", "", "Hola", 1), ("<b@x>", "", "Re: Hola", 2)], "(1 2)"),
            (&[("<a@x>", "", "Re: Hola", 1), ("<b@x>", "", "Hola", 2)], "(2 1)"),
            // Two that are no replies, or two replies, are put side by side.
            (&[("<a@x>", "", "Hola", 1), ("<b@x>", "", "Hola", 2)], "((1)(2))"),
            (&[("<a@x>", "", "Re: Hola", 1), ("<b@x>", "", "RE: hola", 2)], "((1)(2))"),
            (&[("<a@x>", "", "Hola", 1), ("<b@x>", "", "Hola", 2), ("<c@x>", "", "Re: Hola", 3)], "((1)(2)(3))"),
            // Below one that is missing.
            (
                &[("<a@x>", "<z@x>", "Re: Hola", 2), ("<b@x>", "<z@x>", "Re: Hola", 3), ("<c@x>", "", "Hola", 1)],
                "((3)(1)(2))",
            ),
            // Two that are missing become one.
            (
                &[
                    ("<a@x>", "<y@x>", "Re: Hola", 1),
                    ("<b@x>", "<y@x>", "Re: Hola", 2),
                    ("<c@x>", "<z@x>", "Re: Hola", 3),
                    ("<d@x>", "<z@x>", "Re: Hola", 4),
                ],
                "((1)(2)(3)(4))",
            ),
            // Empty subjects join nothing.
            (&[("<a@x>", "", "", 1), ("<b@x>", "", "Re:", 2)], "(1)(2)"),
        ];
        for (messages, expected) in table {
            assert_eq!(threads(messages), expected, "{messages:?}");
        }
    }

    #[test]
    fn a_thread_as_deep_as_a_mailbox_needs_no_stack() {
        const DEPTH: u32 = 100_000;
        for backwards in [false, true] {
            let mut references = References::default();
            for number in 1..=DEPTH {
                let at = if backwards { DEPTH - number } else { number };
                let id = |at: u32| format!("{at}@x").into_bytes();
                let keys = ThreadKeys {
                    message_id: Some(id(at)),
                    references: vec![id(at.wrapping_sub(1))],
                    ..ThreadKeys::default()
                };
                references.add(number, i64::from(at), keys);
            }
            let answer = written(references);
            assert!(answer.starts_with(if backwards { "(100000 99999 " } else { "(1 2 3 " }), "{}", &answer[..40]);
            assert_eq!(answer.matches('(').count(), 1);
        }
    }
}
