//! `verify --over`: what is served, against the ledger, from outside (`RULES.md 10.4`).

use super::*;

#[test]
fn what_is_served_is_what_the_ledger_says_and_a_loss_is_named() {
    let world = World::new();
    let accounts = testkit::sample::expected().unwrap().accounts;
    let open: Vec<(&str, &str)> = accounts
        .iter()
        .filter(|account| account.state == "open")
        .filter_map(|account| Some((account.address.as_str(), account.password.plain.as_deref()?)))
        .collect();
    assert!(open.len() > 3);
    let lines: Vec<String> = open.iter().map(|(address, password)| format!("{address}:{password}\n")).collect();
    let credentials = world.write("credentials", &lines.concat());
    let verify = |url: String| {
        let mut command = reintegra(&world.data);
        command.args(["verify", "--over", &url, "--credentials"]).arg(&credentials);
        for (address, _) in &open {
            command.args(["--account", address]);
        }
        run(&mut command).unwrap()
    };

    // Beside the running service, in the clear since it is loopback, and over POP3.
    for url in [format!("imap://{}", world.served.imap), format!("pop3://{}", world.served.pop3)] {
        let ran = verify(url.clone());
        assert_eq!(ran.code(), Some(0), "{url}\n{}{}", ran.stdout, ran.stderr);
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(PASSWORD));
    }

    // A message that is gone from the server since is missed, by name.
    let gone = r#"
import imaplib, sys
client = imaplib.IMAP4("127.0.0.1", int(sys.argv[1]))
client.login(sys.argv[2], sys.argv[3])
client.select("INBOX")
assert client.store("1", "+FLAGS", "(\\Deleted)")[0] == "OK"
assert client.expunge()[0] == "OK"
client.logout()
"#;
    if !testkit::has_programs(&["python3"]) {
        return;
    }
    let port = world.served.imap.port().to_string();
    succeeded(&run(world.client("python3").args(["-c", gone, &port, ANA, PASSWORD])).unwrap());
    let ran = verify(format!("imap://{}", world.served.imap));
    assert_eq!(ran.code(), Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains(ANA), "{}", ran.stdout);
    world.finish();
}
