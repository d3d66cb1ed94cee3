//! Why Pigeonhole and we answer differently, and what shows that it is for this reason. Pigeonhole is 0.5.19, as Debian
//! has it.

use message::header::{self, Field};
use message::mime::{self, Content, Part};
use std::collections::{BTreeMap, BTreeSet};

/// Two answers to a test on a message. An answer is `-`, or `+` and what the first three wildcards stand for.
pub(super) struct Difference<'a> {
    pub(super) name: &'a str,
    pub(super) crlf: &'a [u8],
    pub(super) parts: &'a Part,
    pub(super) test: &'a str,
    pub(super) ours: &'a str,
    pub(super) theirs: &'a str,
    /// All tests of the file, and what was answered.
    pub(super) tests: &'a [&'static str],
    pub(super) our_answers: &'a [String],
    pub(super) their_answers: &'a [String],
    /// What differs as a whole for a reason, as `header subject` and `address from`: whatever else is asked about it may
    /// differ, too.
    pub(super) doubtful: &'a BTreeSet<String>,
}

/// A reason, and whether a difference has it.
struct Kind {
    reason: &'static str,
    is_it: fn(&Difference<'_>) -> bool,
}

const KINDS: &[Kind] = &[
    Kind {
        reason: "A tab is a space to us, and what stands at the ends of a value is none of it (RFC 5228 §5.7); Pigeonhole keeps \
                 tabs, and white space where a fold begins the value or an encoded word holds it.",
        is_it: |d| both_match(d) && same(d, |c| !c.is_whitespace()),
    },
    Kind {
        reason: "Characters that nobody sees, or that turn the direction of writing, are left out here; Pigeonhole leaves out the byte order mark of an encoded word alone.",
        is_it: |d| {
            both_match(d)
                && same(d, |c| !c.is_whitespace() && !is_invisible(c))
                && [d.ours, d.theirs].iter().any(|answer| answer.contains(is_invisible))
        },
    },
    Kind {
        reason: "A variable holds 4096 characters; of Pigeonhole's, octets.",
        is_it: |d| {
            let start = d.theirs.strip_suffix("||").unwrap_or(d.theirs).trim_end_matches(char::REPLACEMENT_CHARACTER);
            both_match(d) && start.len() > 4000 && d.ours.starts_with(start)
        },
    },
    Kind {
        reason: "RFC 5228 §2.7.1 lets `?` stand for an octet under the comparators that know ASCII alone; values are text to us, \
                 and half a character is no text.",
        is_it: |d| both_match(d) && d.test.contains('?') && !d.is_doubtful() && splits_a_character(d),
    },
    Kind {
        reason: "Bytes that are not in the charset that is said, or in none, are guessed here; to Pigeonhole they are U+FFFD, or \
                 the control characters of ISO-8859-1.",
        is_it: |d| both_match(d) && d.theirs.contains(is_unread) && same(d, |c| c.is_ascii_alphanumeric()),
    },
    Kind {
        reason: "Addresses beyond ASCII are addresses (RFC 6532 §3.2), of which Pigeonhole knows none.",
        is_it: |d| d.test.starts_with("address ") && !d.ours.is_ascii() && !matches(d.theirs),
    },
    Kind { reason: "What is asked for differs as a whole, by one of the reasons here.", is_it: |d| d.is_doubtful() },
    Kind {
        reason: "A count is a number to us; Pigeonhole compares it as the comparator says, `10` before `3`, as RFC 5231 §4.2 \
                 warns of.",
        is_it: |d| {
            let count = header::fields(d.crlf).filter(|field| field.is("Received")).count();
            let theirs = count.to_string().as_str() >= "3";
            d.test == r#"header :count "ge" "received" "3""#
                && matches(d.theirs) == theirs
                && matches(d.ours) == (count >= 3)
        },
    },
    Kind {
        reason: "By RFC 4790 §9.2 letters compare as capitals, so `[` stands behind them; to Pigeonhole they are small.",
        is_it: |d| {
            let subject = d.whole(r#"header :matches "subject" "*""#);
            let (ours, theirs) =
                (subject.to_ascii_uppercase().as_str() > "M", subject.to_ascii_lowercase().as_str() > "m");
            d.test == r#"header :value "gt" "subject" "m""# && matches(d.ours) == ours && matches(d.theirs) == theirs
        },
    },
    Kind {
        reason: "Pigeonhole lets `??: *` match what has no colon there.",
        is_it: |d| {
            let subject: Vec<char> = d.whole(r#"header :matches "subject" "*""#).chars().collect();
            d.test == r#"header :matches "subject" "??: *""#
                && matches(d.ours) == (subject.get(2..4) == Some(&[':', ' ']))
        },
    },
    Kind {
        reason: "An index counts the fields of each name here; Pigeonhole counts those of all names together.",
        is_it: |d| {
            let names = ["To", "Subject", "Received"];
            let has_a = |field: Field<'_>| message::decoded_header(&field.value()).to_ascii_lowercase().contains('a');
            let ours = names.iter().any(|name| fields(d.crlf, name).nth(1).is_some_and(has_a));
            let theirs = names.iter().flat_map(|name| fields(d.crlf, name)).nth(1).is_some_and(has_a);
            d.test == r#"header :index 2 :contains ["to", "subject", "received"] "a""#
                && (matches(d.ours), matches(d.theirs)) == (ours, theirs)
        },
    },
    Kind {
        reason: "Pigeonhole passes over the index of a date test (RFC 5260 §6) behind which a zone is said.",
        is_it: |d| d.without_index().is_some_and(|at| d.test.contains("zone") && d.their_answers[at] == d.theirs),
    },
    Kind {
        reason: "Dates that are not of RFC 5322 are read here: years of broken clocks, asctime, `GMT+1`.",
        is_it: |d| d.date().is_some_and(|value| !is_plain_date(&String::from_utf8_lossy(&value))),
    },
    Kind {
        reason: "What is no address is none to us; to Pigeonhole the field as a whole is one under :all, names of groups and \
                 comments included, which RFC 5228 §5.1 keeps from the test.",
        is_it: |d| {
            let words = |text: &str| text.split_whitespace().collect::<String>();
            let raw = |name: String| fields(d.crlf, &name).map(|field| field.value().into_owned()).collect::<Vec<_>>();
            let theirs = d.theirs.strip_prefix('+').and_then(|text| text.strip_suffix("||")).map(words);
            d.test.starts_with("address :all :matches ")
                && d.names().flat_map(raw).any(|raw| theirs == Some(words(&String::from_utf8_lossy(&raw))))
        },
    },
    Kind {
        reason: "An address without a detail has none to be counted (RFC 5233 §4); Pigeonhole counts addresses.",
        is_it: |d| {
            d.test.starts_with("address :detail :count ")
                && d.theirs == d.their_answers[d.place(&d.test.replace(":detail", ":all"))]
        },
    },
    Kind {
        reason: "The raw body of a message without one is empty; to Pigeonhole there is none.",
        is_it: |d| d.test.starts_with("body :raw ") && d.parts.body.is_empty() && matches(d.ours),
    },
    Kind {
        reason: "Text that is not in the charset that it says, or says none and is not UTF-8, is guessed here; to Pigeonhole \
                 its characters are U+FFFD.",
        is_it: |d| {
            let guessed = match d.test.contains(" :raw ") {
                true => std::str::from_utf8(&d.crlf[d.parts.body.clone()]).is_err(),
                false => has_guessed_text(d.crlf, d.parts),
            };
            d.test.starts_with("body ") && !d.test.is_ascii() && guessed
        },
    },
];

/// Messages that differ under some tests.
struct Group {
    /// What stands in the test.
    tests: &'static [&'static str],
    messages: &'static [&'static str],
    reason: &'static str,
}

const GROUPS: &[Group] = &[
    Group {
        tests: &["header :matches \"subject\" \"*\""],
        messages: &["linux-hams/400"],
        reason: "characters of ISO-2022-JP that are cut in two between encoded words: Pigeonhole reads each word for itself",
    },
    Group {
        tests: &["header :matches \"subject\" \"*\""],
        messages: &["odd/105"],
        reason: "an encoded word in a charset that there is not: Pigeonhole reads it as ASCII, we leave it as it is written",
    },
    Group {
        tests: &["address "],
        messages: &["odd/011", "odd/141", "odd/151", "odd/172", "odd/186"],
        reason: "an address without a domain, as mail of the same machine has it: its localpart is one to us; Pigeonhole has none",
    },
    Group {
        tests: &["address "],
        messages: &["openbmc/741", "spam-2/00343", "spam-2/00344"],
        reason: "Pigeonhole ends a list at an address that is malformed; commas part addresses (RFC 5322 §3.4), malformed or not",
    },
    Group {
        tests: &["body "],
        messages: &["spam-2/00204", "odd/007"],
        reason: "a `;` is missing before the first parameter: Pigeonhole then knows neither type nor parts, though the type is \
                 there",
    },
    Group {
        tests: &["body "],
        messages: &["odd/098", "odd/110", "odd/127"],
        reason: "what is no transfer encoding (`quoted printable`, `text/html`, nothing): the text stands as it is here, and is \
                 unknown to Pigeonhole",
    },
    Group {
        tests: &["body "],
        messages: &["odd/037", "odd/038", "odd/149"],
        reason: "Content-Type stands twice: the first counts here, the last to Pigeonhole",
    },
    Group {
        tests: &["body "],
        messages: &["odd/168"],
        reason: "a multipart that is closed before its first part: the line that closes it is text here",
    },
    Group {
        tests: &["body "],
        messages: &["odd/177"],
        reason: "MESSAGE/RFC822 in capitals: Pigeonhole does not see a message, though a type is the same in any case \
                 (RFC 2045 §5.1)",
    },
    Group {
        tests: &["body "],
        messages: &[
            "odd/015", "odd/016", "odd/021", "odd/024", "odd/035", "odd/077", "odd/115", "odd/134", "odd/135",
            "odd/136", "odd/144", "odd/154", "odd/157", "odd/160", "odd/179",
        ],
        reason: "a part without content is an empty text here, and none to Pigeonhole",
    },
    Group {
        tests: &["body :text "],
        messages: &[
            "openbmc/220",
            "hard-ham-1/00020",
            "hard-ham-1/00025",
            "hard-ham-1/00036",
            "hard-ham-1/00047",
            "hard-ham-1/00053",
            "hard-ham-1/00070",
            "hard-ham-1/00094",
            "hard-ham-1/00095",
            "hard-ham-1/00127",
            "hard-ham-1/00128",
            "hard-ham-1/00137",
            "hard-ham-1/00138",
            "hard-ham-1/00168",
            "hard-ham-1/00196",
            "hard-ham-1/00204",
            "spam-1/00295",
            "spam-1/00344",
            "spam-1/00365",
            "spam-1/00461",
            "spam-1/00470",
            "spam-1/00479",
            "spam-2/00262",
            "spam-2/00384",
        ],
        reason: "HTML that is not well-formed (quotes that do not end, `<` in text, references without `;`): Pigeonhole loses \
                 what follows, we read on",
    },
];

fn matches(answer: &str) -> bool {
    answer.starts_with('+')
}

fn both_match(d: &Difference<'_>) -> bool {
    matches(d.ours) && matches(d.theirs)
}

/// Whether what wildcards stand for is the same in all characters of a kind, wherever it is cut.
fn same(d: &Difference<'_>, counts: fn(char) -> bool) -> bool {
    let text = |answer: &str| answer.chars().filter(|c| *c != '|' && counts(*c)).collect::<String>();
    text(d.ours) == text(d.theirs)
}

/// Control characters and those of [`message::decoded_header`].
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{FEFF}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_unread(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9F}' | char::REPLACEMENT_CHARACTER)
}

/// Whether their answer holds pieces of a character that ours holds whole.
fn splits_a_character(d: &Difference<'_>) -> bool {
    d.theirs.contains('\u{FFFD}') && !d.ours.contains('\u{FFFD}') && same(d, |c| c.is_ascii())
}

fn fields<'a>(crlf: &'a [u8], name: &str) -> impl Iterator<Item = Field<'a>> {
    let name = name.to_owned();
    header::fields(crlf).filter(move |field| field.is(&name))
}

/// Whether a date is as RFC 5322 §3.3 has it, obsolete zones included.
fn is_plain_date(value: &str) -> bool {
    let date = value.rsplit(';').next().unwrap_or_default().split('(').next().unwrap_or_default();
    let date = date.split_once(',').map_or(date, |(_, date)| date);
    let words: Vec<&str> = date.split_whitespace().collect();
    let [day, month, year, time, zone] = words[..] else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let time: Vec<&str> = time.split(':').collect();
    digits(day)
        && month.len() == 3
        && (year.len() == 4 && year > "1900" || year.len() == 2)
        && matches!(time.len(), 2 | 3)
        && time.iter().all(|part| part.len() == 2 && digits(part))
        && !matches!(zone, "AM" | "PM")
        && (zone.bytes().all(|byte| byte.is_ascii_uppercase()) || zone.len() == 5 && digits(&zone[1..]))
}

/// Whether some text is read in a charset that nothing says.
fn has_guessed_text(crlf: &[u8], part: &Part) -> bool {
    match &part.content {
        Content::Multipart(children) => children.iter().any(|child| has_guessed_text(crlf, child)),
        Content::Message(inner) => has_guessed_text(crlf, inner),
        Content::Leaf if !part.is_type("text") => false,
        Content::Leaf => {
            let text = mime::decode_body(part, &crlf[part.body.clone()]).unwrap_or_default();
            let charset = String::from_utf8_lossy(part.charset().unwrap_or_default()).to_ascii_lowercase();
            // What is said to be Latin 1 is read as windows-1252.
            let is_vague = !charset.starts_with("windows-") && !charset.starts_with("utf-8");
            is_vague && std::str::from_utf8(&text).is_err()
        }
    }
}

impl Difference<'_> {
    /// The strings of the test, those before its keys the names of fields.
    fn names(&self) -> impl Iterator<Item = String> {
        self.test.split('"').skip(1).step_by(2).map(str::to_ascii_lowercase)
    }

    fn place(&self, test: &str) -> usize {
        self.tests.iter().position(|other| *other == test).unwrap_or_else(|| panic!("nothing asks {test}"))
    }

    /// What `*` stood for in our answer to another test.
    fn whole(&self, test: &str) -> &str {
        match self.tests.iter().position(|other| *other == test) {
            Some(at) => self.our_answers[at].trim_start_matches('+').strip_suffix("||").unwrap_or_default(),
            None => "",
        }
    }

    /// The field that a date test reads.
    fn date(&self) -> Option<Vec<u8>> {
        const DATES: [&str; 7] =
            ["date", "received", "resent-date", "delivery-date", "expires", "x-received", "subject"];
        let name = self.names().find(|name| self.test.starts_with("date ") && DATES.contains(&&name[..]))?;
        let values: Vec<Vec<u8>> = fields(self.crlf, &name).map(|field| field.value().into_owned()).collect();
        let index =
            self.test.strip_prefix("date :index ").and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
        let index = index.unwrap_or(1);
        let at = if self.test.contains(":last") { values.len().checked_sub(index)? } else { index - 1 };
        values.get(at).cloned()
    }

    /// Where the same test stands without its index.
    fn without_index(&self) -> Option<usize> {
        let rest = self.test.strip_prefix("date :index ")?;
        let rest = rest.split_once(' ')?.1;
        // Where no zone is said, nobody asks for it.
        let test = format!("date {}", rest.trim_start_matches(":last "));
        self.tests.iter().position(|other| *other == test)
    }

    /// What the test asks for as a whole.
    pub(super) fn asks_for_whole(&self) -> Vec<String> {
        let kind =
            ["header :matches ", "address :all :matches "].into_iter().find(|start| self.test.starts_with(start));
        let Some(kind) = kind.filter(|_| self.test.ends_with(" \"*\"")) else { return Vec::new() };
        let kind = kind.split(' ').next().unwrap_or_default();
        let names: Vec<String> = self.names().collect();
        names[..names.len() - 1].iter().map(|name| format!("{kind} {name}")).collect()
    }

    fn is_doubtful(&self) -> bool {
        const VARIABLES: [(&str, &[&str]); 7] = [
            ("${x}", &["header subject"]),
            ("${y}", &["header subject"]),
            ("{subject}", &["header subject"]),
            ("words", &["header subject"]),
            ("${list}", &["header list-id"]),
            ("${local}", &["header from"]),
            ("${a}", &["address to", "address cc"]),
        ];
        let kind = self.test.split(' ').next().unwrap_or_default();
        let by_variable = VARIABLES.iter().filter(|(variable, _)| self.test.contains(variable));
        by_variable.flat_map(|(_, sources)| *sources).any(|source| self.doubtful.contains(*source))
            || self.names().any(|name| self.doubtful.contains(&format!("{kind} {name}")))
    }
}

/// Messages that show what few others do.
const RARE: &[&str] = &["linux-hams/72", "linux-hams/145", "linux-hams/757", "r-help-es-2009-2014/1320", "odd/099"];

/// The messages that this file is about.
pub(super) fn messages() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|group| group.messages).chain(RARE).copied()
}

const NO_NAME: &str = "A mailbox without a name is INBOX to Pigeonhole; here the script fails, and the owner is told.";
const LONG_NAME: &str = "The peer shows 128 octets of a name.";

/// Why outcomes differ of whose tests none does.
pub(super) const OUTCOMES: [&str; 2] = [NO_NAME, LONG_NAME];

/// Finds the reason for which what is done differs.
pub(super) fn reason_of_outcome(ours: Option<&[String]>, theirs: Option<&[String]>) -> Option<&'static str> {
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        let is_unnamed = |line: &String| line.trim_end() == "store";
        return (ours.is_none() && theirs?.iter().any(is_unnamed)).then_some(NO_NAME);
    };
    let same = |(ours, theirs): (&String, &String)| {
        ours == theirs || theirs.strip_suffix("...").is_some_and(|start| start.len() > 100 && ours.starts_with(start))
    };
    (ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)).then_some(LONG_NAME)
}

/// What was found.
#[derive(Default)]
pub(super) struct Argued {
    pub(super) compared: usize,
    pub(super) differing: usize,
    /// How often each kind explains a difference.
    kinds: BTreeMap<usize, usize>,
    /// The messages of each group that differ.
    groups: BTreeSet<(usize, String)>,
    unexplained: Vec<String>,
}

impl Argued {
    /// Finds the reason of a difference.
    pub(super) fn take(&mut self, d: &Difference<'_>) {
        self.differing += 1;
        let is_in =
            |group: &Group| group.messages.contains(&d.name) && group.tests.iter().any(|test| d.test.contains(test));
        if let Some(kind) = KINDS.iter().position(|kind| (kind.is_it)(d)) {
            *self.kinds.entry(kind).or_default() += 1;
        } else if let Some(group) = GROUPS.iter().position(is_in) {
            self.groups.insert((group, d.name.to_owned()));
        } else {
            self.unexplained.push(format!("{} {}\n  ours   {}\n  theirs {}", d.name, d.test, d.ours, d.theirs));
        }
    }

    /// Adds what was found elsewhere.
    pub(super) fn and(mut self, other: Argued) -> Argued {
        self.compared += other.compared;
        self.differing += other.differing;
        for (kind, count) in other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        self.groups.extend(other.groups);
        self.unexplained.extend(other.unexplained);
        self
    }

    /// Fails where a difference has no reason.
    pub(super) fn check_explained(&self) {
        let some: Vec<&str> = self.unexplained.iter().take(20).map(String::as_str).collect();
        assert!(some.is_empty(), "{} differences without a reason:\n{}", self.unexplained.len(), some.join("\n"));
    }

    /// Fails where a difference has no reason, or a reason no difference.
    pub(super) fn check(&self) {
        self.check_explained();
        for (at, kind) in KINDS.iter().enumerate() {
            assert!(self.kinds.contains_key(&at), "there is no such difference any more: {}", kind.reason);
        }
        let groups = GROUPS.iter().enumerate();
        let all = groups.flat_map(|(at, group)| group.messages.iter().map(move |message| (at, (*message).to_owned())));
        let stale = all.filter(|pair| !self.groups.contains(pair));
        let stale: Vec<String> = stale.map(|(at, message)| format!("{message}: {}", GROUPS[at].reason)).collect();
        assert!(stale.is_empty(), "these do not differ any more: {stale:?}");
    }
}
