//! Debian's clients.

use crate::world::*;
use managesieve::Settings;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Puts, checks, activates, lists, reads, renames and deletes with sievelib, over TLS, and refuses what is wrong.
const SIEVELIB: &str = r#"
import sys, ssl
from sievelib import managesieve
ssl._create_default_https_context = ssl._create_unverified_context
make = ssl.create_default_context
def lenient(*args, **kwargs):
    context = make(*args, **kwargs)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
ssl.create_default_context = lenient
client = managesieve.Client("127.0.0.1", int(sys.argv[1]))
assert client.connect(sys.argv[2], sys.argv[3], starttls=True, authmech="PLAIN")
assert client.capability()
script = 'require ["fileinto"];\nif header :contains "Subject" "ñ" {\n  fileinto "Año";\n}\n'
assert client.havespace("trabajo", len(script))
assert client.putscript("trabajo", script)
assert not client.putscript("malo", "kep;")
assert client.setactive("trabajo")
active, others = client.listscripts()
assert (active, others) == ("trabajo", []), (active, others)
assert client.getscript("trabajo").replace("\r\n", "\n").strip() == script.strip()
assert not client.deletescript("trabajo")
assert client.renamescript("trabajo", "casa")
assert client.putscript("viejo", "keep;")
assert client.deletescript("viejo")
client.logout()
"#;

#[test]
fn sievelib_does_all_it_can() {
    if !testkit::has_python("sievelib") {
        return;
    }
    let world = World::with(false, Settings::default());
    let port = world.address.port().to_string();
    let output = Command::new("/usr/bin/python3").args(["-c", SIEVELIB, &port, ANA, PASSWORD]).output().unwrap();
    succeeded(&output);
    assert_eq!(world.names(), ["casa*"]);
    world.finish();
}

#[test]
fn sieve_connect_puts_a_script_and_reads_it_back() {
    if !testkit::has_programs(&["sieve-connect"]) {
        return;
    }
    let world = World::with(false, Settings::default());
    let place = tempfile::tempdir().unwrap();
    let script = "require \"fileinto\";\r\nfileinto \"Año\";\r\n";
    std::fs::write(place.path().join("uno"), script).unwrap();
    let connect = |arguments: &[&str]| {
        let mut child = Command::new("sieve-connect")
            .args(["--server", "127.0.0.1", "--port", &world.address.port().to_string(), "--user", ANA])
            .args(["--passwordfd", "0", "--authmech", "PLAIN", "--notlsverify"])
            .args(arguments)
            .current_dir(place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
        child.wait_with_output().unwrap()
    };
    succeeded(&connect(&["--upload", "--localsieve", "uno", "--remotesieve", "uno"]));
    succeeded(&connect(&["--activate", "--remotesieve", "uno"]));
    let listed = succeeded(&connect(&["--list"]));
    assert!(listed.contains("\"uno\" ACTIVE"), "{listed}");
    succeeded(&connect(&["--download", "--remotesieve", "uno", "--localsieve", "dos"]));
    assert_eq!(std::fs::read_to_string(place.path().join("dos")).unwrap(), script);
    succeeded(&connect(&["--deactivate"]));
    succeeded(&connect(&["--delete", "--remotesieve", "uno"]));
    assert_eq!(world.names(), Vec::<String>::new());
    world.finish();
}

/// What a program said; it must have ended well.
fn succeeded(output: &Output) -> String {
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}
