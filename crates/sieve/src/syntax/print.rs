//! A tree written as a script: what the parser is tested with.

use super::{Argument, Command, Test, Tests, Value};
use std::fmt::Write;

pub(super) fn print(commands: &[Command]) -> String {
    let mut out = String::new();
    push_commands(commands, &mut out);
    out
}

fn push_commands(commands: &[Command], out: &mut String) {
    for command in commands {
        out.push_str(&command.name);
        push_arguments(&command.arguments, &command.tests, out);
        match &command.block {
            None => out.push_str(";\r\n"),
            Some(block) => {
                out.push_str(" {\r\n");
                push_commands(block, out);
                out.push_str("}\r\n");
            }
        }
    }
}

fn push_arguments(arguments: &[Argument], tests: &Tests, out: &mut String) {
    for argument in arguments {
        out.push(' ');
        match &argument.value {
            Value::Tag(name) => write!(out, ":{name}").expect("a String takes all"),
            Value::Number(number) => write!(out, "{number}").expect("a String takes all"),
            Value::String(text) => push_string(text, out),
            Value::List(texts) => {
                for (at, (_, text)) in texts.iter().enumerate() {
                    out.push_str(if at == 0 { "[" } else { ", " });
                    push_string(text, out);
                }
                out.push(']');
            }
        }
    }
    match tests {
        Tests::None => {}
        Tests::One(test) => {
            out.push(' ');
            push_test(test, out);
        }
        Tests::List(tests) => {
            for (at, test) in tests.iter().enumerate() {
                out.push_str(if at == 0 { " (" } else { ", " });
                push_test(test, out);
            }
            out.push(')');
        }
    }
}

fn push_test(test: &Test, out: &mut String) {
    out.push_str(&test.name);
    push_arguments(&test.arguments, &test.tests, out);
}

/// Whole lines as a multi-line text, all else quoted.
fn push_string(text: &str, out: &mut String) {
    if text.ends_with("\r\n") && text.len() > 2 {
        out.push_str("text:\r\n");
        for line in text.split_inclusive("\r\n") {
            out.push_str(if line.starts_with('.') { "." } else { "" });
            out.push_str(line);
        }
        out.push_str(".\r\n");
        return;
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}
