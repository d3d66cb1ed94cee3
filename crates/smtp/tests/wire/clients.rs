//! Programs of others.

use crate::world::*;
use smtp::Role;
use std::process::Command;

/// Python's smtplib: EHLO, STARTTLS, AUTH, a message with dots and 8 bits.
const SCRIPT: &str = r#"
import smtplib, ssl, sys
host, port, login, password = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
with smtplib.SMTP(host, port, local_hostname="client.example") as smtp:
    smtp.starttls(context=context)
    smtp.ehlo()
    assert smtp.has_extn("requiretls") and not smtp.has_extn("starttls")
    smtp.login(login, password)
    body = "Subject: from python\r\n\r\n.dot\r\n..\r\ncaf\u00e9\r\n".encode()
    refused = smtp.sendmail(login, ["eva@example.org", "nobody@example.org"], body, ["body=8bitmime"])
    assert list(refused) == ["nobody@example.org"], refused
"#;

#[test]
fn python_sends_over_tls() {
    if !testkit::has_programs(&["python3"]) {
        return;
    }
    let world = World::new(Role::Submission);
    let port = world.address.port().to_string();
    let output = Command::new("python3").args(["-c", SCRIPT, "127.0.0.1", &port, ANA, PASSWORD]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let message = &world.inbox(EVA)[0];
    assert!(message.ends_with("\r\nSubject: from python\r\n\r\n.dot\r\n..\r\ncafé\r\n"), "{message}");
    assert!(message.contains(" with ESMTPSA\r\n (TLSv1_3 TLS13_"), "{message}");
    world.finish();
}
