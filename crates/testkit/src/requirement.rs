//! What a test needs from outside: missing where it must be there is a failure, elsewhere it is said.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("crates/testkit lies two levels below the workspace").to_owned()
}

/// Whether the shared material lies beside the workspace: then every test must run.
pub(crate) fn shared_is_there() -> bool {
    workspace().join("../shared").is_dir()
}

/// Whether this is CI, which installs every program that a test needs.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|ci| ci == "true")
}

/// Says that a test cannot run for want of `what`: a panic where it `must`, else a line for the person who runs it.
///
/// The line goes to standard error, and to the file that `REINTEGRA_NOT_RUN` names: the harness hides what a passing
/// test prints, and `./test` repeats the file at its end.
///
/// # Panics
/// Where it must run.
pub(crate) fn not_run(what: &str, must: bool) {
    assert!(!must, "this test must run here, and cannot: {what}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("not run: {test}: {what}");
    if let Some(path) = std::env::var_os("REINTEGRA_NOT_RUN") {
        let line = format!("{test}: {what}\n");
        let file = std::fs::File::options().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the list of what was not run can be written");
    }
}

/// Whether programs are installed; says what the test cannot do without one.
///
/// # Panics
/// When one is missing in CI or beside the shared material.
pub fn has_programs(names: &[&str]) -> bool {
    let missing = names.iter().find(|name| !program(name));
    if let Some(name) = missing {
        not_run(&format!("{name} is not installed"), in_ci() || shared_is_there());
    }
    missing.is_none()
}

/// Whether Debian's Python has a module; says what the test cannot do without it. It is `/usr/bin/python3` that has it.
///
/// # Panics
/// As [`has_programs`].
pub fn has_python(module: &str) -> bool {
    let python = Command::new("/usr/bin/python3").args(["-c", &format!("import {module}")]).output();
    let has = python.is_ok_and(|output| output.status.success());
    if !has {
        not_run(&format!("Python's module {module} is not installed"), in_ci() || shared_is_there());
    }
    has
}

/// The file that an environment variable names: material that is not ours to keep. Says what the test cannot do without it.
///
/// # Panics
/// When the variable is not set in CI.
pub fn file_named_by(variable: &str, what: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        not_run(&format!("{variable} names no file with {what}"), in_ci());
    }
    path
}

/// Whether this is root; says what cannot be done otherwise.
///
/// # Panics
/// When it is not in CI.
pub fn is_root(why: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        not_run(why, in_ci());
    }
    is_root
}

/// Whether a program is on the path.
fn program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).any(|directory| directory.join(name).is_file())
}
