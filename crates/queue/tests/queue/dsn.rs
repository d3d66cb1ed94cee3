//! Notifications as another program reads them: Python's email package, field by field.

use crate::world::*;
use queue::{Said, Verdict};
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};
use store::spool::{Envelope, NewRecipient, Purpose, Return};
use testkit::has_programs;

const READER: &str = r#"
import email, email.policy, json, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
defects = []
def walk(part):
    defects.extend(str(d) for d in part.defects)
    for name, value in part.items():
        defects.extend(name + ": " + str(d) for d in getattr(value, "defects", []))
walk(m)
parts = m.get_payload()
for part in parts: walk(part)
human, machine, back = parts
fields = []
if isinstance(machine.get_payload(), list):
    fields = [[[k, str(v)] for k, v in block.items()] for block in machine.get_payload()]
print(json.dumps({
    "type": m.get_content_type(), "report": m.get_param("report-type"), "defects": defects,
    "header": {k: str(v) for k, v in m.items()},
    "types": [p.get_content_type() for p in parts],
    "human": human.get_content(), "fields": fields,
    "back": back.get_payload()[0].as_string() if back.is_multipart() else back.get_payload(decode=True).decode("utf-8", "replace"),
}))
"#;

fn read(dsn: &[u8]) -> Value {
    let mut python = Command::new("python3")
        .args(["-c", READER])
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(dsn).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(dsn));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The notifications for a message whose recipients have these verdicts.
async fn told(envelope: Envelope, message: &[u8], to: Vec<(NewRecipient, Verdict)>) -> Vec<Vec<u8>> {
    let mut world = World::new(settings());
    let sender = envelope.reverse_path.clone();
    for (recipient, verdict) in &to {
        world.peers.script(&recipient.address, &[Does::Says(verdict.clone())]);
    }
    let recipients: Vec<NewRecipient> = to.into_iter().map(|(recipient, _)| recipient).collect();
    world.put_message(envelope, &recipients, message);
    world.run();
    world
        .until(|world| world.spool().counts().unwrap().messages == 0 && !world.peers.mailbox(&sender).is_empty())
        .await;
    world.stop().await;
    world.peers.mailbox(&sender)
}

fn submission() -> Envelope {
    World::new(settings()).submission()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_in_words_and_in_fields() {
    if !has_programs(&["python3"]) {
        return;
    }
    let envelope = Envelope { envelope_id: Some("QQ314159".into()), ..submission() };
    let eva = NewRecipient { original: Some("rfc822;Eva@alias.example".into()), ..to("eva@example.net") };
    let full = Verdict::Never(said("mx.example.net", (5, 2, 2), "552 5.2.2 Mailbox full"));
    let dsns = told(envelope, MESSAGE, vec![(eva, never()), (to("ivo@example.net"), full)]).await;
    let [dsn] = dsns.as_slice() else { panic!("one for both") };
    let read = read(dsn);
    assert_eq!(read["defects"], Value::Array(vec![]));
    assert_eq!((read["type"].as_str(), read["report"].as_str()), (Some("multipart/report"), Some("delivery-status")));
    assert_eq!(read["types"], serde_json::json!(["text/plain", "message/delivery-status", "text/rfc822-headers"]));
    assert_eq!(read["header"]["To"], "ana@example.org");
    assert_eq!(read["header"]["From"], "Mail Delivery System <MAILER-DAEMON@mail.example.org>");
    assert_eq!(read["header"]["Auto-Submitted"], "auto-replied");
    assert_eq!(read["header"]["References"], "<1@example.org>");
    let date = "Sun, 22 Nov 2026 13:18:58 +0000";
    assert_eq!(
        read["fields"],
        serde_json::json!([
            [["Original-Envelope-Id", "QQ314159"], ["Reporting-MTA", "dns; mail.example.org"], ["Arrival-Date", date]],
            [
                ["Original-Recipient", "rfc822; Eva@alias.example"],
                ["Final-Recipient", "rfc822; eva@example.net"],
                ["Action", "failed"],
                ["Status", "5.1.1"],
                ["Remote-MTA", "dns; mx.example.net"],
                ["Diagnostic-Code", "smtp; 550 5.1.1 nobody of that name"],
                ["Last-Attempt-Date", date]
            ],
            [
                ["Final-Recipient", "rfc822; ivo@example.net"],
                ["Action", "failed"],
                ["Status", "5.2.2"],
                ["Remote-MTA", "dns; mx.example.net"],
                ["Diagnostic-Code", "smtp; 552 5.2.2 Mailbox full"],
                ["Last-Attempt-Date", date]
            ]
        ])
    );
    let human = read["human"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let (spanish, english) = human.split_once("-----").unwrap();
    for words in [
        "Tu mensaje no se pudo entregar a:",
        "eva@example.net",
        "la dirección no existe en el servidor de destino.",
        "revisa que esté bien escrita.",
        "el buzón de destino está lleno.",
        "Respuesta de mx.example.net: 552 5.2.2 Mailbox full",
        "Asunto: La señal",
        "22 de noviembre de 2026, 13:18 (UTC)",
    ] {
        assert!(spanish.contains(words), "{words}: {spanish}");
    }
    for words in ["Your message could not be delivered to:", "the mailbox is full.", "22 November 2026, 13:18 (UTC)"] {
        assert!(english.contains(words), "{words}: {english}");
    }
    assert!(read["back"].as_str().unwrap().starts_with("From: <ana@example.org>"));
    assert!(!read["back"].as_str().unwrap().contains("Hola."));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_an_alias_leads_is_not_told() {
    if !has_programs(&["python3"]) {
        return;
    }
    let behind = |address, known: &str| NewRecipient {
        original: Some(format!("rfc822;{known}")),
        hidden: true,
        ..to_asking(address, true, true, true)
    };
    let refused = |text: &str| Verdict::Never(said("mx.secret.example", (5, 1, 1), text));
    let forward = Envelope { returns: Some(Return::Full), ..submission() };
    let forward = Envelope { purpose: Purpose::Forward, ..forward };
    let message = [b"Delivered-To: jefa@example.org\r\n", MESSAGE].concat();
    let to = vec![
        (behind("eva@secret.example", "info@example.org"), refused("550 5.1.1 <eva@secret.example>: unknown")),
        (behind("ivo@secret.example", "ventas@example.org"), refused("550 5.1.1 nobody of that name")),
        (behind("eva@other-secret.example", "todos@example.org"), relayed(false)),
    ];
    let dsns = told(forward, &message, to).await;
    assert_eq!(dsns.len(), 2);
    for dsn in &dsns {
        let text = String::from_utf8(dsn.clone()).unwrap();
        let read = read(dsn);
        for word in ["secret.example", "eva@", "ivo@", "jefa"] {
            assert!(!text.contains(word) && !read["human"].as_str().unwrap().contains(word), "{word}: {text}");
        }
    }
    let fields = |name| -> Vec<String> {
        let mut all: Vec<String> = dsns.iter().flat_map(|dsn| fields_of(dsn, name)).collect();
        all.sort();
        all
    };
    let known = ["rfc822; info@example.org", "rfc822; todos@example.org", "rfc822; ventas@example.org"];
    assert_eq!(
        (fields("Final-Recipient"), fields("Original-Recipient")),
        (known.map(str::to_owned).into(), fields("Final-Recipient"))
    );
    assert_eq!(fields("Remote-MTA"), [""; 0]);
    assert_eq!(
        fields("Diagnostic-Code"),
        ["smtp; 250 2.0.0 taken", "smtp; 550 5.1.1", "smtp; 550 5.1.1 nobody of that name"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn successes_are_told_apart_from_failures() {
    if !has_programs(&["python3"]) {
        return;
    }
    let asking = |address| to_asking(address, true, true, true);
    let to = vec![(asking("eva@example.net"), relayed(false)), (asking("ivo@example.net"), never())];
    let mut dsns: Vec<Value> = told(submission(), MESSAGE, to).await.iter().map(|dsn| read(dsn)).collect();
    dsns.sort_by_key(|dsn| dsn["header"]["Subject"].to_string());
    let [failed, done] = dsns.as_slice() else { panic!("{dsns:?}") };
    assert_eq!(failed["fields"][1][1], serde_json::json!(["Action", "failed"]));
    assert_eq!(done["fields"][1][1], serde_json::json!(["Action", "relayed"]));
    assert_eq!(done["fields"][1][2], serde_json::json!(["Status", "2.0.0"]));
    let human = done["human"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(human.contains("lo tiene el servidor siguiente, que no avisa cuando llega al buzón."), "{human}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_the_message_comes_back_when_that_is_asked_for_and_it_is_small() {
    if !has_programs(&["python3"]) {
        return;
    }
    let full = || Envelope { returns: Some(Return::Full), ..submission() };
    let dsns = told(full(), MESSAGE, vec![(to("eva@example.net"), never())]).await;
    let whole = read(&dsns[0]);
    assert_eq!(whole["types"][2], "message/rfc822");
    assert!(whole["back"].as_str().unwrap().ends_with("Hola.\n"));

    let large = [MESSAGE, &b"0123456789\r\n".repeat(30_000)].concat();
    let dsns = told(full(), &large, vec![(to("eva@example.net"), never())]).await;
    assert_eq!(read(&dsns[0])["types"][2], "text/rfc822-headers");
    assert!(dsns[0].len() < 10_000);

    let odd = [MESSAGE, &b"x".repeat(2000), b"\r\n\0"].concat();
    let dsns = told(full(), &odd, vec![(to("eva@example.net"), never())]).await;
    assert_eq!(read(&dsns[0])["types"][2], "text/rfc822-headers");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_strangers_say_breaks_it() {
    if !has_programs(&["python3"]) {
        return;
    }
    let evil =
        "550 \r\n\r\n--=_boundary\r\nAction: delivered\u{202e}\0\u{1b}[2J ñ \u{85} ".to_owned() + &"x".repeat(5000);
    let header = b"From: a\r\nSubject: =?utf-8?q?=0D=0A=0D=0AEvil:_yes?=\r\n\tmore \xff\xfe\r\nBad\0Field: \x80\r\nContent-Type: multipart/mixed; boundary=\"=_x\"\r\n\r\n--=_x\r\n";
    let server = "mx\r\nAction: delivered".to_owned();
    let verdict = Verdict::Never(Said { server: Some(server), status: (5, 7, 1), text: evil });
    let eva = NewRecipient { original: Some("x y;<a>\r\nAction: delivered".into()), ..to("eva@example.net") };
    let envelope = Envelope { envelope_id: Some("a\r\n\r\nb".into()), ..submission() };
    let dsn = &told(envelope, header, vec![(eva, verdict)]).await[0];
    assert!(dsn.is_ascii());
    assert!(
        dsn.split(|b| *b == b'\n').all(|line| line.len() <= 999 && line.iter().filter(|b| **b == b'\r').count() <= 1)
    );
    let read = read(dsn);
    assert_eq!(read["defects"], Value::Array(vec![]));
    assert_eq!(read["types"], serde_json::json!(["text/plain", "message/delivery-status", "text/rfc822-headers"]));
    let fields = read["fields"][1].as_array().unwrap();
    let names: Vec<&str> = fields.iter().map(|field| field[0].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "Original-Recipient",
            "Final-Recipient",
            "Action",
            "Status",
            "Remote-MTA",
            "Diagnostic-Code",
            "Last-Attempt-Date"
        ]
    );
    assert_eq!(fields[2][1], "failed");
    assert!(!read["human"].as_str().unwrap().contains(|c: char| c.is_control() && c != '\n' && c != '\r'));
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_beyond_ascii_are_told_as_the_sender_can_take_them() {
    if !has_programs(&["python3"]) {
        return;
    }
    // The sender needs no SMTPUTF8: everything is ASCII.
    let dsn = &told(submission(), MESSAGE, vec![(to("josé@example.net"), never())]).await[0];
    assert!(dsn.is_ascii());
    assert_eq!(fields_of(dsn, "Final-Recipient"), ["utf-8; jos\\x{E9}@example.net"]);
    // It does: they stand as they are (RFC 6533).
    let message = "From: <ñandú@example.org>\r\nSubject: señal\r\n\r\nHola\r\n".as_bytes();
    let envelope = Envelope {
        smtputf8: true,
        returns: Some(Return::Full),
        ..World::new(settings()).queue.envelope(Purpose::Submission, "ñandú@example.org")
    };
    let dsn = &told(envelope, message, vec![(to("josé@example.net"), never())]).await[0];
    assert_eq!(fields_of(dsn, "Final-Recipient"), ["utf-8; josé@example.net"]);
    assert_eq!(fields_of(dsn, "To"), ["<ñandú@example.org>"]);
    let read = read(dsn);
    assert_eq!(read["report"], "global-delivery-status");
    assert_eq!(read["types"], serde_json::json!(["text/plain", "message/global-delivery-status", "message/global"]));
}
