#![allow(clippy::unwrap_used)]

use super::print::print;
use super::{Argument, Command, Position, Test, Tests, Value, parse};
use crate::limits::{MAX_NESTING, MAX_SCRIPT_BYTES};
use proptest::collection::vec;
use proptest::prelude::*;

fn strings(script: &str) -> Vec<String> {
    let commands = parse(script.as_bytes()).unwrap();
    let values = commands.into_iter().flat_map(|command| command.arguments).map(|argument| argument.value);
    values
        .flat_map(|value| match value {
            Value::String(text) => vec![text],
            Value::List(texts) => texts.into_iter().map(|(_, text)| text).collect(),
            Value::Tag(_) | Value::Number(_) => Vec::new(),
        })
        .collect()
}

/// RFC 5228 §2.4.2.
#[test]
fn strings_by_table() {
    let table = [
        (r#"a "x";"#, vec!["x"]),
        (r#"a "\"\\\x";"#, vec!["\"\\x"]),
        ("a \"one\ntwo\r\nthree\";", vec!["one\r\ntwo\r\nthree"]),
        ("a [\"x\", # no \"y\"\n \"z\"];", vec!["x", "z"]),
        ("a text:\r\nThis\r\n..dot\r\n.one\r\n.\r\n;", vec!["This\r\n.dot\r\n.one\r\n"]),
        ("a TEXT: # comment\n.\n;", vec![""]),
        ("a \"text:\";", vec!["text:"]),
        ("a /* \"no\" * / */ \"yes\";", vec!["yes"]),
        ("\u{FEFF}a \"ñ\";", vec!["ñ"]),
    ];
    for (script, expected) in table {
        assert_eq!(strings(script), expected, "{script}");
    }
}

/// RFC 5228 §2.4.1.
#[test]
fn numbers_by_table() {
    let table = [("0", 0), ("1K", 1 << 10), ("2m", 2 << 20), ("3G", 3 << 30), ("007", 7)];
    for (text, number) in table {
        let commands = parse(format!("a {text};").as_bytes()).unwrap();
        assert_eq!(commands[0].arguments[0].value, Value::Number(number), "{text}");
    }
}

#[test]
fn errors_say_where_and_what() {
    let table = [
        ("keep", "1:5: ';' or a block after keep is expected, not the end of the script"),
        ("if true {\n  keep;\n", "3:1: '}' after the commands of a block is expected, not the end of the script"),
        ("keep;;", "1:6: a command is expected, not ';'"),
        ("a [\"x\",];", "1:8: a string of the list is expected, not ']'"),
        ("a [];", "1:4: a string of the list is expected, not ']'"),
        ("a \"x", "1:3: the string that begins here has no quote at its end"),
        ("a text:\nx\n", "1:3: the text: that begins here has no line with a single dot at its end"),
        ("a text: x\n.\n;", "1:8: a line end or a # comment must follow on text:"),
        ("\n /* x", "2:2: the comment that begins here has no */ at its end"),
        ("a 1X;", "1:3: \"1X\" is no number: digits and perhaps K, M or G are expected"),
        ("a 99999999999G;", "1:3: the number 99999999999G is too large"),
        ("a :;", "1:3: a name must follow on the colon of a tag"),
        ("ñ;", "1:1: 'ñ' begins nothing that may stand here"),
        ("if anyof (true keep", "1:20: ')' or ',' after a test of a list is expected, not the end of the script"),
        ("# ñ\nkeep\0;", "2:5: the script holds a NUL"),
    ];
    for (script, expected) in table {
        assert_eq!(parse(script.as_bytes()).unwrap_err().to_string(), expected, "{script}");
    }
    assert_eq!(parse(b"# \xff").unwrap_err().to_string(), "1:3: the script is not UTF-8 here");
}

#[test]
fn what_is_too_deep_or_too_long_is_refused() {
    let deep = |open: &str, close: &str, times: usize| format!("{}{}", open.repeat(times), close.repeat(times));
    assert!(parse(deep("a {", "}", MAX_NESTING + 1).as_bytes()).is_err());
    assert!(parse(deep("a {", "}", MAX_NESTING).as_bytes()).is_ok());
    for script in
        [deep("a {", "}", 500_000 / 4), format!("if {} true {{}}", "not ".repeat(200_000)), deep("a (b", ")", 9)]
    {
        assert!(parse(script.as_bytes()).is_err());
    }
    assert!(parse("(".repeat(1_000_000).as_bytes()).is_err());
    assert!(parse(&vec![b' '; MAX_SCRIPT_BYTES + 1]).is_err());
    assert!(parse(&vec![b' '; MAX_SCRIPT_BYTES]).is_ok());
}

fn text() -> impl Strategy<Value = String> {
    // Line ends are CRLF once a string is read.
    "([ -~ñ€]|\r\n){0,12}"
}

fn argument() -> impl Strategy<Value = Argument> {
    let place = Position::default();
    let value = prop_oneof![
        "[a-z_][a-z0-9_]{0,5}".prop_map(Value::Tag),
        (0..=u64::from(u32::MAX)).prop_map(Value::Number),
        text().prop_map(Value::String),
        vec(text().prop_map(move |text| (place, text)), 1..4).prop_map(Value::List),
    ];
    value.prop_map(move |value| Argument { at: place, value })
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z_][a-zA-Z0-9_]{0,6}"
}

fn test() -> impl Strategy<Value = Test> {
    let at = Position::default();
    let leaf = (name(), vec(argument(), 0..3)).prop_map(move |(name, arguments)| Test {
        at,
        name,
        arguments,
        tests: Tests::None,
    });
    leaf.prop_recursive(3, 12, 3, move |inner| {
        let tests = prop_oneof![
            inner.clone().prop_map(|test| Tests::One(Box::new(test))),
            vec(inner, 1..3).prop_map(Tests::List),
        ];
        (name(), vec(argument(), 0..2), tests).prop_map(move |(name, arguments, tests)| Test {
            at,
            name,
            arguments,
            tests,
        })
    })
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let at = Position::default();
    let tests = prop_oneof![
        Just(Tests::None),
        test().prop_map(|test| Tests::One(Box::new(test))),
        vec(test(), 1..3).prop_map(Tests::List),
    ];
    let leaf = (name(), vec(argument(), 0..3), tests.clone()).prop_map(move |(name, arguments, tests)| Command {
        at,
        name,
        arguments,
        tests,
        block: None,
    });
    let command = leaf.prop_recursive(3, 12, 3, move |inner| {
        (name(), vec(argument(), 0..2), tests.clone(), vec(inner, 0..3))
            .prop_map(move |(name, arguments, tests, block)| Command { at, name, arguments, tests, block: Some(block) })
    });
    vec(command, 0..4)
}

/// A tree without its places.
fn placeless(commands: Vec<Command>) -> Vec<Command> {
    let at = Position::default();
    let strip = |arguments: Vec<Argument>| -> Vec<Argument> {
        let value = |value| match value {
            Value::List(texts) => Value::List(texts.into_iter().map(|(_, text)| (at, text)).collect()),
            other => other,
        };
        arguments.into_iter().map(|argument| Argument { at, value: value(argument.value) }).collect()
    };
    fn tests_of(tests: Tests, strip: &impl Fn(Vec<Argument>) -> Vec<Argument>) -> Tests {
        let one = |test: Test| Test {
            at: Position::default(),
            name: test.name,
            arguments: strip(test.arguments),
            tests: tests_of(test.tests, strip),
        };
        match tests {
            Tests::None => Tests::None,
            Tests::One(test) => Tests::One(Box::new(one(*test))),
            Tests::List(tests) => Tests::List(tests.into_iter().map(one).collect()),
        }
    }
    commands
        .into_iter()
        .map(|command| Command {
            at,
            name: command.name,
            arguments: strip(command.arguments),
            tests: tests_of(command.tests, &strip),
            block: command.block.map(placeless),
        })
        .collect()
}

proptest! {
    #[test]
    fn a_printed_tree_is_parsed_as_itself(tree in commands()) {
        let script = print(&tree);
        prop_assert_eq!(placeless(parse(script.as_bytes()).unwrap()), tree, "{}", script);
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(script in vec(any::<u8>(), 0..200)) {
        let _ = parse(&script);
    }
}
