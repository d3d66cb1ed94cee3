//! A tree checked against what its commands mean, and made a program.

mod arguments;
mod commands;
mod test;

use crate::ScriptError;
use crate::extension::{Extension, Extensions, Features, Missing};
use crate::limits::MAX_ERRORS;
use crate::program::{Step, StepKind, Test, TestKind};
use crate::syntax::{self, Argument, Command, Position, Tests, Value};
use crate::template::{Template, decode_characters};

/// Checks a script.
///
/// # Errors
/// What is wrong, in the order of the script, the first [`MAX_ERRORS`].
pub(crate) fn check(commands: &[Command], features: Features) -> Result<Vec<Step>, Vec<ScriptError>> {
    let mut checker = Checker { features, ..Checker::default() };
    let required = commands.iter().take_while(|command| is(&command.name, "require")).count();
    for command in &commands[..required] {
        checker.require(command);
    }
    let steps = checker.block(&commands[required..]);
    match checker.errors.is_empty() {
        true => Ok(steps),
        false => {
            checker.errors.sort_by_key(|error| (error.line, error.column));
            checker.errors.truncate(MAX_ERRORS);
            Err(checker.errors)
        }
    }
}

/// Names are compared without regard to case (RFC 5228 §2.3).
fn is(name: &str, expected: &str) -> bool {
    name.eq_ignore_ascii_case(expected)
}

#[derive(Default)]
struct Checker {
    features: Features,
    required: Extensions,
    errors: Vec<ScriptError>,
}

impl Checker {
    fn error(&mut self, at: Position, what: impl Into<String>) {
        self.errors.push(ScriptError { line: at.line, column: at.column, what: what.into() });
    }

    /// Says that an extension must be required, unless it is.
    fn need(&mut self, at: Position, what: &str, extension: Extension) {
        if !self.required.has(extension) {
            self.error(at, format!("{what} needs require {:?}", extension.name()));
        }
    }

    fn require(&mut self, command: &Command) {
        let names = match &command.arguments[..] {
            [Argument { at, value: Value::String(name) }] => &[(*at, name.clone())][..],
            [Argument { value: Value::List(names), .. }] => names,
            _ => return self.error(command.at, "require takes one list of strings"),
        };
        for (at, name) in names {
            match crate::extension::named(name, self.features) {
                Ok(Some(extension)) => self.required.add(extension),
                Ok(None) => {}
                Err(Missing::Unknown) => self.error(*at, format!("there is no extension {name:?} here")),
                Err(Missing::Off(extension)) => {
                    let what = "switched off here; whoever runs the server can switch it on";
                    self.error(*at, format!("the extension {name:?} is {what}"));
                    // What uses it is no mistake of its own.
                    self.required.add(extension);
                }
            }
        }
        if command.tests != Tests::None || command.block.is_some() {
            self.error(command.at, "require takes neither test nor block");
        }
    }

    fn block(&mut self, commands: &[Command]) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::with_capacity(commands.len());
        let mut after_if = false;
        for command in commands {
            let (is_if, is_elsif, is_else) =
                (is(&command.name, "if"), is(&command.name, "elsif"), is(&command.name, "else"));
            if is_if {
                let branch = self.branch(command);
                steps.push(Step { line: command.at.line, kind: StepKind::If(vec![branch]) });
            } else if is_elsif || is_else {
                if !after_if {
                    self.error(command.at, format!("{} must follow on if or elsif", command.name));
                }
                let branch = self.branch(command);
                if let Some(Step { kind: StepKind::If(branches), .. }) = steps.last_mut() {
                    branches.push(branch);
                }
            } else {
                let before = self.errors.len();
                let step = self.command(command);
                let step = match self.fault_since(before) {
                    Some(fault) => Some(StepKind::Fault(fault)),
                    None => step,
                };
                steps.extend(step.map(|kind| Step { line: command.at.line, kind }));
            }
            after_if = is_if || is_elsif;
        }
        steps
    }

    /// What was wrong since there were `before` errors, where a script with `ihave` may never reach it
    /// (RFC 5463 §4).
    fn fault_since(&mut self, before: usize) -> Option<String> {
        let is_new = self.errors.len() > before;
        (is_new && self.required.has(Extension::Ihave)).then(|| self.errors.drain(before..).next().map(|e| e.what))?
    }

    /// The test and block of `if`, `elsif` and `else`.
    fn branch(&mut self, command: &Command) -> (Test, Vec<Step>) {
        if let Some(argument) = command.arguments.first() {
            self.error(argument.at, format!("{} takes no argument before its test", command.name));
        }
        let always = Test { line: command.at.line, kind: TestKind::Constant(true) };
        let test = match &command.tests {
            Tests::None if is(&command.name, "else") => always,
            Tests::One(test) if !is(&command.name, "else") => self.test(test),
            _ => {
                let expected = if is(&command.name, "else") { "no test" } else { "one test" };
                self.error(command.at, format!("{} takes {expected}", command.name));
                always
            }
        };
        let block = match &command.block {
            Some(block) => self.block(block),
            None => {
                self.error(command.at, format!("{} needs a block", command.name));
                Vec::new()
            }
        };
        (test, block)
    }

    fn test(&mut self, test: &syntax::Test) -> Test {
        let before = self.errors.len();
        let kind = self.test_kind(test).unwrap_or(TestKind::Constant(false));
        let kind = match self.fault_since(before) {
            Some(fault) => TestKind::Fault(fault),
            None => kind,
        };
        Test { line: test.at.line, kind }
    }

    fn template(&mut self, at: Position, text: &str) -> Template {
        let decoded = match self.required.has(Extension::EncodedCharacter) {
            true => decode_characters(text),
            false => Ok(text.to_owned()),
        };
        let text = decoded.unwrap_or_else(|what| {
            self.error(at, what);
            String::new()
        });
        if !self.required.has(Extension::Variables) {
            return Template::constant(&text);
        }
        Template::with_variables(&text).unwrap_or_else(|name| {
            self.error(at, format!("no extension that is required has a variable {name:?}"));
            Template::default()
        })
    }

    fn string(&mut self, argument: &Argument) -> Option<Template> {
        match &argument.value {
            Value::String(text) => Some(self.template(argument.at, text)),
            _ => {
                self.error(argument.at, "a string is expected");
                None
            }
        }
    }

    fn strings(&mut self, argument: &Argument) -> Option<Vec<Template>> {
        match &argument.value {
            Value::String(text) => Some(vec![self.template(argument.at, text)]),
            Value::List(texts) => Some(texts.iter().map(|(at, text)| self.template(*at, text)).collect()),
            _ => {
                self.error(argument.at, "a list of strings is expected");
                None
            }
        }
    }

    fn number(&mut self, argument: &Argument) -> Option<u64> {
        match argument.value {
            Value::Number(number) => Some(number),
            _ => {
                self.error(argument.at, "a number is expected");
                None
            }
        }
    }

    /// A string in which no variable may stand.
    fn constant(&mut self, argument: &Argument) -> Option<String> {
        let template = self.string(argument)?;
        let text = template.as_constant().map(str::to_owned);
        if text.is_none() {
            self.error(argument.at, "no variable may stand in this string");
        }
        text
    }

    /// The name of a variable, as RFC 5229 §4 takes it; in lower case.
    fn variable_name(&mut self, argument: &Argument) -> Option<String> {
        let name = self.constant(argument)?;
        if !crate::template::is_identifier(&name) {
            self.error(argument.at, format!("{name:?} is no name of a variable"));
            return None;
        }
        Some(name.to_ascii_lowercase())
    }
}
