//! imap-codec as the oracle: what both understand, both understand alike.

use super::oracle;
use super::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;

/// Compares our reading of a command with imap-codec's; `false`: imap-codec does not know it.
fn agrees(command: &[u8]) -> Result<bool, TestCaseError> {
    let Some((theirs, written)) = oracle::read(command) else { return Ok(false) };
    let Some(expected) = oracle::as_ours(&theirs) else { return Ok(false) };
    let shown = String::from_utf8_lossy(command).into_owned();
    for command in [command, &written] {
        match parse(command, REV1) {
            Ok(ours) => prop_assert_eq!(oracle::resolved(ours), expected.clone(), "{}", shown),
            Err(error) => {
                prop_assert!(oracle::argued(&error).is_some(), "{shown}: {error}, but {theirs:?}");
            }
        }
    }
    Ok(true)
}

fn atom() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9$._/&#~+-]{1,8}"
}

fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ a-zA-Z0-9&*%(){}.-]{0,8}".prop_map(|text| format!("\"{text}\"")),
        r#"([a-z]|\\"|\\\\){0,4}"#.prop_map(|text| format!("\"{text}\"")),
        ("[ -~\r\né]{0,8}", any::<bool>()).prop_map(|(text, plus)| format!(
            "{{{}{}}}\r\n{text}",
            text.len(),
            if plus { "+" } else { "" }
        )),
    ]
}

fn astring() -> impl Strategy<Value = String> {
    prop_oneof![atom(), string()]
}

fn mailbox() -> impl Strategy<Value = String> {
    prop_oneof![Just("inbox".to_owned()), Just("Espa&APE-a".to_owned()), astring()]
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 1_u32..30, 1 => 1_u32..=u32::MAX]
}

fn set() -> impl Strategy<Value = String> {
    let bound = || prop_oneof![6 => number().prop_map(|number| number.to_string()), 1 => Just("*".to_owned())];
    let range = prop_oneof![bound(), (bound(), bound()).prop_map(|(one, other)| format!("{one}:{other}"))];
    prop::collection::vec(range, 1..6).prop_map(|ranges| ranges.join(","))
}

fn date() -> impl Strategy<Value = String> {
    (1..=31, prop::sample::select(vec!["Jan", "feb", "DEC", "Apr"]), 1..=9999)
        .prop_map(|(day, month, year)| format!("{day}-{month}-{year:04}"))
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

fn joined(item: impl Strategy<Value = String>, most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(item, 1..=most).prop_map(|items| items.join(" "))
}

fn flag() -> impl Strategy<Value = String> {
    prop_oneof![one_of(&["\\Seen", "\\deleted", "\\FLAGGED", "\\X", "$Forwarded", "$Junk"]), "[a-z]{1,6}"]
}

fn search_key() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        one_of(&[
            "ALL",
            "ANSWERED",
            "DELETED",
            "DRAFT",
            "FLAGGED",
            "SEEN",
            "UNANSWERED",
            "undeleted",
            "UNDRAFT",
            "UNFLAGGED",
            "UNSEEN",
            "NEW",
            "OLD",
            "RECENT",
        ]),
        (one_of(&["BCC", "BODY", "CC", "FROM", "SUBJECT", "TEXT", "TO", "HEADER X-Y"]), astring())
            .prop_map(|(name, argument)| format!("{name} {argument}")),
        (one_of(&["BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE"]), date())
            .prop_map(|(name, date)| format!("{name} {date}")),
        (one_of(&["LARGER", "SMALLER", "OLDER", "YOUNGER", "MODSEQ", "MODSEQ \"/flags/\\\\seen\" all"]), number())
            .prop_map(|(name, number)| format!("{name} {number}")),
        (one_of(&["KEYWORD", "UNKEYWORD"]), "[$a-z]{1,6}").prop_map(|(name, keyword)| format!("{name} {keyword}")),
        set(),
        set().prop_map(|set| format!("UID {set}")),
    ];
    leaf.prop_recursive(4, 12, 3, |key| {
        prop_oneof![
            key.clone().prop_map(|key| format!("NOT {key}")),
            (key.clone(), key.clone()).prop_map(|(one, other)| format!("OR {one} {other}")),
            joined(key, 3).prop_map(|keys| format!("({keys})")),
        ]
    })
}

fn fetch_item() -> impl Strategy<Value = String> {
    let part = prop::collection::vec(1_u32..9, 0..3)
        .prop_map(|part| part.iter().map(u32::to_string).collect::<Vec<_>>().join("."));
    let text = prop_oneof![
        one_of(&["", "HEADER", "TEXT", "MIME"]),
        (one_of(&["HEADER.FIELDS", "HEADER.FIELDS.NOT"]), joined(astring(), 3))
            .prop_map(|(name, fields)| format!("{name} ({fields})")),
    ];
    let partial = prop::option::of((0_u32..9, 1_u32..9))
        .prop_map(|partial| partial.map(|(from, length)| format!("<{from}.{length}>")).unwrap_or_default());
    prop_oneof![
        one_of(&[
            "FLAGS",
            "UID",
            "INTERNALDATE",
            "RFC822.SIZE",
            "ENVELOPE",
            "BODY",
            "BODYSTRUCTURE",
            "RFC822",
            "RFC822.HEADER",
            "RFC822.TEXT",
            "MODSEQ",
        ]),
        (one_of(&["BODY", "BODY.PEEK", "BINARY", "BINARY.PEEK", "BINARY.SIZE"]), part, text, partial).prop_map(
            |(name, part, text, partial)| {
                let dot = if part.is_empty() || text.is_empty() { "" } else { "." };
                format!("{name}[{part}{dot}{text}]{partial}")
            }
        ),
    ]
}

fn command() -> impl Strategy<Value = String> {
    let uid = || one_of(&["", "UID "]);
    let simple = one_of(&[
        "CAPABILITY",
        "NOOP",
        "LOGOUT",
        "STARTTLS",
        "NAMESPACE",
        "IDLE",
        "CHECK",
        "CLOSE",
        "UNSELECT",
        "EXPUNGE",
        "AUTHENTICATE PLAIN",
        "AUTHENTICATE LOGIN dGVzdA==",
        "AUTHENTICATE PLAIN =",
        "COMPRESS DEFLATE",
        "ID NIL",
        "ENABLE CONDSTORE UTF8=ACCEPT",
        "SELECT x (CONDSTORE)",
        "SELECT x (QRESYNC (1 2 3:4 (5:6 8:9)))",
        "ID (\"name\" \"x\" \"version\" NIL)",
        "SETQUOTA \"\" (STORAGE 512 messages 0)",
        "SETQUOTA x ()",
        "GETMETADATA (MAXSIZE 5 DEPTH 1) x (/shared/comment /private/x)",
        "GETMETADATA \"\" /shared/comment",
        "SETMETADATA x (/shared/comment NIL /private/y \"z\")",
    ]);
    let named =
        (one_of(&["SELECT", "EXAMINE", "CREATE", "DELETE", "SUBSCRIBE", "UNSUBSCRIBE", "GETQUOTAROOT"]), mailbox())
            .prop_map(|(verb, mailbox)| format!("{verb} {mailbox}"));
    let listed = (one_of(&["LIST", "LSUB", "RENAME", "LOGIN"]), mailbox(), mailbox())
        .prop_map(|(verb, one, other)| format!("{verb} {one} {other}"));
    let status = (mailbox(), joined(one_of(&["MESSAGES", "recent", "UIDNEXT", "SIZE", "HIGHESTMODSEQ", "DELETED"]), 3))
        .prop_map(|(mailbox, items)| format!("STATUS {mailbox} ({items})"));
    let append = (
        mailbox(),
        prop::option::of(joined(flag(), 3)),
        prop::option::of((date(), 0..24, 0..60, 0..60, -1300_i32..1400)),
        "[ -~\r\n]{0,9}",
        one_of(&["", "~"]),
    )
        .prop_map(|(mailbox, flags, date, text, tilde)| {
            let flags = flags.map(|flags| format!("({flags}) ")).unwrap_or_default();
            let date = date.map(|(day, hour, minute, second, zone)| {
                let zone =
                    format!("{}{:04}", if zone < 0 { "-" } else { "+" }, zone.abs() / 100 * 100 + zone.abs() % 60);
                format!("\"{day:0>11} {hour:02}:{minute:02}:{second:02} {zone}\" ")
            });
            format!("APPEND {mailbox} {flags}{}{tilde}{{{}}}\r\n{text}", date.unwrap_or_default(), text.len())
        });
    let search = (uid(), one_of(&["", "CHARSET UTF-8 "]), joined(search_key(), 3))
        .prop_map(|(uid, charset, keys)| format!("{uid}SEARCH {charset}{keys}"));
    let criterion = one_of(&["ARRIVAL", "REVERSE DATE", "subject", "DISPLAYFROM", "REVERSE SIZE"]);
    let sort = (uid(), joined(criterion, 3), joined(search_key(), 2))
        .prop_map(|(uid, criteria, keys)| format!("{uid}SORT ({criteria}) UTF-8 {keys}"));
    let thread = (uid(), one_of(&["REFERENCES", "orderedsubject", "X"]), joined(search_key(), 2))
        .prop_map(|(uid, algorithm, keys)| format!("{uid}THREAD {algorithm} US-ASCII {keys}"));
    let modifiers = one_of(&["", " (CHANGEDSINCE 7)"]);
    let items = prop_oneof![
        one_of(&["ALL", "fast", "FULL"]),
        fetch_item(),
        joined(fetch_item(), 4).prop_map(|all| format!("({all})"))
    ];
    let fetch = (uid(), set(), items, modifiers)
        .prop_map(|(uid, set, items, modifiers)| format!("{uid}FETCH {set} {items}{modifiers}"));
    let flags =
        prop_oneof![joined(flag(), 3), joined(flag(), 3).prop_map(|flags| format!("({flags})")), Just("()".to_owned())];
    let store = (
        uid(),
        set(),
        one_of(&["", "(UNCHANGEDSINCE 5) "]),
        one_of(&["FLAGS", "+FLAGS", "-flags.silent", "FLAGS.SILENT"]),
        flags,
    )
        .prop_map(|(uid, set, modifier, mode, flags)| format!("{uid}STORE {set} {modifier}{mode} {flags}"));
    let copy = (uid(), one_of(&["COPY", "MOVE"]), set(), mailbox())
        .prop_map(|(uid, verb, set, mailbox)| format!("{uid}{verb} {set} {mailbox}"));
    let expunge = set().prop_map(|set| format!("UID EXPUNGE {set}"));
    let any = prop_oneof![
        2 => simple, 2 => named, 2 => listed, 1 => status, 2 => append, 4 => search, 2 => sort, 1 => thread, 4 => fetch,
        3 => store, 1 => copy, 1 => expunge,
    ];
    any.prop_map(|command| format!("a1 {command}"))
}

#[test]
fn what_imap_codec_understands_is_understood_alike() {
    let (known, all) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases: 3000, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&command(), |command| {
        all.set(all.get() + 1);
        known.set(known.get() + u32::from(agrees(command.as_bytes())?));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(known.get() > all.get() / 2, "only {} of {} commands could be compared", known.get(), all.get());
}

#[test]
fn damaged_commands_are_understood_alike_or_not_at_all() {
    let damage = (any::<prop::sample::Index>(), any::<u8>(), 0..4);
    let strategy = (command(), prop::collection::vec(damage, 1..4));
    let known = Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 6000, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&strategy, |(command, damages)| {
        let mut command = command.into_bytes();
        for (place, byte, kind) in damages {
            let at = place.index(command.len());
            match kind {
                0 => command[at] = byte,
                1 => command[at] = byte % 95 + b' ',
                2 => drop(command.remove(at)),
                _ => command.insert(at, byte % 95 + b' '),
            }
            if command.is_empty() {
                break;
            }
        }
        known.set(known.get() + u32::from(agrees(&command)?));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(known.get() > 500, "only {} commands could be compared", known.get());
}
