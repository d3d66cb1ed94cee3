//! Python's imaplib and poplib.

use super::*;

const SCRIPT: &str = r#"
import hashlib, imaplib, json, poplib, ssl, sys
user, password, imap, imaps, pop3, pop3s = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
found = {}
for name, make in (("tls", lambda: imaplib.IMAP4_SSL("127.0.0.1", int(imaps), ssl_context=context)),
                   ("starttls", lambda: imaplib.IMAP4("127.0.0.1", int(imap)))):
    client = make()
    if name == "starttls":
        client.starttls(context)
    client.login(user, password)
    sums = []
    for line in client.list()[1]:
        if b"\\Noselect" in line:
            continue
        mailbox = line.decode().split(' "/" ')[1]
        status, count = client.select(mailbox, readonly=True)
        assert status == "OK", (line, count)
        if int(count[0]):
            for part in client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]:
                if isinstance(part, tuple):
                    sums.append(hashlib.sha256(part[1]).hexdigest())
    client.logout()
    found[name] = sorted(sums)
# What one session adds another sees, and can search.
a, b = (imaplib.IMAP4_SSL("127.0.0.1", int(imaps), ssl_context=context) for _ in range(2))
for client in (a, b):
    client.login(user, password)
    client.select("INBOX")
status, answer = a.append("INBOX", "(\\Flagged)", None, "Subject: Dirección nueva\r\n\r\nEstá en México.\r\n".encode())
assert status == "OK" and b"APPENDUID" in answer[0], answer
b.noop()
status, hits = b.uid("SEARCH", "CHARSET", "UTF-8", "TEXT", "mexico")
uid = hits[0].split()[-1]
status, answer = b.uid("STORE", uid, "+FLAGS", "(\\Deleted)")
status, answer = b.uid("EXPUNGE", uid)
assert status == "OK", answer
found["hits"] = len(hits[0].split())
for client in (a, b):
    client.logout()
for name, make in (("pop3s", lambda: poplib.POP3_SSL("127.0.0.1", int(pop3s), context=context)),
                   ("stls", lambda: poplib.POP3("127.0.0.1", int(pop3)))):
    client = make()
    if name == "stls":
        client.stls(context)
    client.user(user)
    client.pass_(password)
    sums = []
    for number in range(1, client.stat()[0] + 1):
        sums.append(hashlib.sha256(b"\r\n".join(client.retr(number)[1]) + b"\r\n").hexdigest())
    uidls = [line.decode().split()[1] for line in client.uidl()[1]]
    found[name] = {"sums": len(sums), "uidls": sorted(uidls)}
    client.quit()
print(json.dumps(found))
"#;

#[test]
fn imaplib_and_poplib_read_everything_over_tls() {
    if !testkit::has_programs(&["python3"]) {
        return;
    }
    let world = World::new();
    let served = &world.served;
    let ports = [served.imap, served.imaps, served.pop3, served.pop3s].map(|address| address.port().to_string());
    let ran = run(world.client("python3").args(["-c", SCRIPT, ANA, PASSWORD]).args(ports)).unwrap();
    succeeded(&ran);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["tls"].as_array().unwrap().len(), world.messages.len());
    assert_eq!(found["tls"], found["starttls"]);
    assert_eq!(found["hits"], 1);
    let inbox: Vec<&Message> = world.messages.iter().filter(|m| m.mailbox == "INBOX").collect();
    let uidls = sorted(inbox.iter().map(|m| m.uidl.clone().unwrap()));
    for name in ["pop3s", "stls"] {
        assert_eq!(found[name]["sums"], inbox.len(), "{name}");
        let served: Vec<String> = serde_json::from_value(found[name]["uidls"].clone()).unwrap();
        assert_eq!(served, uidls, "{name}");
    }
    world.finish();
}
