//! THREAD (RFC 5256 §3): the forest of threads, how it is written, and the algorithm ORDEREDSUBJECT.
//!
//! Nothing here calls itself: threads of hostile mail are as deep as there are messages.

use super::references::References;
use super::thread_keys::ThreadKeys;
use crate::syntax::command::ThreadAlgorithm;

/// Takes messages in the order of their numbers and gives their threads.
pub(crate) enum Threader {
    /// By References and subjects.
    References(References),
    /// By subjects alone.
    OrderedSubject(OrderedSubject),
}

impl Threader {
    /// `None` for an algorithm that is not known.
    pub(crate) fn new(algorithm: &ThreadAlgorithm) -> Option<Threader> {
        match algorithm {
            ThreadAlgorithm::References => Some(Threader::References(References::default())),
            ThreadAlgorithm::OrderedSubject => Some(Threader::OrderedSubject(OrderedSubject::default())),
            ThreadAlgorithm::Other(_) => None,
        }
    }

    /// Adds a message by the number that the answer is to name it by, higher than the last: its INTERNALDATE in seconds
    /// since 1970 and its kept [`ThreadKeys`].
    pub(crate) fn add(&mut self, number: u32, internal_date_s: i64, kept: &[u8]) {
        let keys = ThreadKeys::decode(kept);
        match self {
            Threader::References(references) => references.add(number, internal_date_s, keys),
            Threader::OrderedSubject(subjects) => subjects.add(number, internal_date_s, keys),
        }
    }

    /// Gives the threads.
    pub(crate) fn finish(self) -> Threads {
        match self {
            Threader::References(references) => references.finish(),
            Threader::OrderedSubject(subjects) => subjects.finish(),
        }
    }
}

/// Threads, in the order in which they are told.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    pub(super) nodes: Vec<Node>,
    pub(super) roots: Vec<usize>,
}

/// A message in its thread, or a place where one is missing; only a root may be such a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) number: Option<u32>,
    pub(super) children: Vec<usize>,
}

/// What is still to be written of a thread.
enum Step {
    /// A thread with its parentheses.
    Open(usize),
    /// A message and what follows on it; whether something stands before it between the parentheses.
    Member(usize, bool),
    Close,
}

impl Threads {
    /// Writes the threads as the answer has them, nothing if there are none.
    ///
    /// ```text
    /// thread-data    = "THREAD" [SP 1*thread-list]
    /// thread-list    = "(" (thread-members / thread-nested) ")"
    /// thread-members = nz-number *(SP nz-number) [SP thread-nested]
    /// thread-nested  = 2*thread-list
    /// ```
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut steps: Vec<Step> = self.roots.iter().rev().map(|root| Step::Open(*root)).collect();
        while let Some(step) = steps.pop() {
            match step {
                Step::Close => out.push(b')'),
                Step::Open(node) => {
                    out.push(b'(');
                    steps.extend([Step::Close, Step::Member(node, false)]);
                }
                Step::Member(node, mut follows) => {
                    let Node { number, children } = &self.nodes[node];
                    if let Some(number) = number {
                        let space = if follows { " " } else { "" };
                        out.extend_from_slice(format!("{space}{number}").as_bytes());
                        follows = true;
                    }
                    match children[..] {
                        [] => {}
                        [only] => steps.push(Step::Member(only, follows)),
                        _ => {
                            if follows {
                                out.push(b' ');
                            }
                            steps.extend(children.iter().rev().map(|child| Step::Open(*child)));
                        }
                    }
                }
            }
        }
    }
}

/// ORDEREDSUBJECT: one thread for each base subject; its first message by date is the parent of the others.
#[derive(Default)]
pub(crate) struct OrderedSubject {
    /// Subject, date, number.
    messages: Vec<(Vec<u8>, i64, u32)>,
}

impl OrderedSubject {
    fn add(&mut self, number: u32, internal_date_s: i64, keys: ThreadKeys) {
        self.messages.push((keys.subject, keys.sent_s.unwrap_or(internal_date_s), number));
    }

    fn finish(mut self) -> Threads {
        self.messages.sort_unstable();
        let mut threads: Vec<_> = self.messages.chunk_by(|(a, ..), (b, ..)| a == b).collect();
        threads.sort_by_key(|thread| thread.first().map(|(_, date_s, number)| (*date_s, *number)));
        let mut found = Threads::default();
        for thread in threads {
            let first = found.nodes.len();
            found.roots.push(first);
            found
                .nodes
                .extend(thread.iter().map(|(_, _, number)| Node { number: Some(*number), children: Vec::new() }));
            found.nodes[first].children = (first + 1..first + thread.len()).collect();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(threads: &Threads) -> String {
        let mut out = Vec::new();
        threads.write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    fn node(number: u32, children: &[usize]) -> Node {
        Node { number: Some(number).filter(|number| *number > 0), children: children.to_vec() }
    }

    #[test]
    fn threads_are_written_as_in_the_examples() {
        // RFC 5256 §4: (2)(3 6 (4 23)(44 7 96)) and ((3)(5)).
        let nodes = vec![
            node(2, &[]),
            node(3, &[2]),
            node(6, &[3, 5]),
            node(4, &[4]),
            node(23, &[]),
            node(44, &[6]),
            node(7, &[7]),
            node(96, &[]),
        ];
        assert_eq!(written(&Threads { nodes, roots: vec![0, 1] }), "(2)(3 6 (4 23)(44 7 96))");
        let nodes = vec![node(0, &[1, 2]), node(3, &[]), node(5, &[])];
        assert_eq!(written(&Threads { nodes, roots: vec![0] }), "((3)(5))");
        assert_eq!(written(&Threads::default()), "");
    }

    #[test]
    fn subjects_make_threads_in_order_of_date() {
        let mut threader = Threader::new(&ThreadAlgorithm::OrderedSubject).expect("it is known");
        for (number, date_s, subject) in [(1, 50, "b"), (2, 40, "a"), (3, 10, "Re: b"), (4, 60, "Fwd: b"), (5, 20, "c")]
        {
            let keys = ThreadKeys::of(format!("Subject: {subject}\r\n\r\n").as_bytes());
            threader.add(number, date_s, &keys.encode());
        }
        assert_eq!(written(&threader.finish()), "(3 (1)(4))(5)(2)");
        assert!(Threader::new(&ThreadAlgorithm::Other("X".into())).is_none());
    }
}
