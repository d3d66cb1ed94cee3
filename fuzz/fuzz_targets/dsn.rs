//! Delivery status notifications: whatever servers said and senders wrote, the result is lines of mail, ASCII where it must be,
//! its boundary stands where it was put and nowhere else, and no field or header comes from a stranger.
//!
//! The input is pieces between NULs: what is told, an address, ORCPT, a server, what it said, ENVID, and the message.
//! Notifications are no public part of their crate, so their files are compiled into the target.

#![no_main]

use dsn::{Action, Cause, Dsn, Fate, Kind};
use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../crates/queue/src/dsn/mod.rs"]
mod dsn;

fuzz_target!(|input: &[u8]| {
    let mut pieces = input.splitn(7, |byte| *byte == 0);
    let mut text = || String::from_utf8_lossy(pieces.next().unwrap_or_default()).into_owned();
    let (how, address, original, server, said, envelope_id) = (text(), text(), text(), text(), text(), text());
    let message = message::to_crlf(pieces.next().unwrap_or_default());
    let how = how.as_bytes().first().copied().unwrap_or_default();

    let (kind, action) = match how % 4 {
        0 => (Kind::Failed, Action::Failed),
        1 => (Kind::Delayed, Action::Delayed),
        2 => (Kind::Success, Action::Relayed),
        _ => (Kind::Success, Action::Delivered),
    };
    let cause = match how / 4 % 3 {
        0 => Cause::Status,
        1 => Cause::Expired,
        _ => Cause::Operator,
    };
    let status = (2 + how % 4, u16::from(how / 16), u16::from(how % 16));
    let hidden = how & 4 != 0;
    let fates = [Fate {
        address,
        original: (!original.is_empty()).then_some(original),
        hidden,
        action,
        cause,
        status,
        answered: !server.is_empty(),
        server: (!server.is_empty()).then_some(server),
        said,
    }
    .for_the_sender()];
    let message = dsn::without_ways(&message, &fates);
    let smtputf8 = how & 64 != 0;
    let built = dsn::build(&Dsn {
        kind,
        hostname: "mail.example.org",
        to: "ana@example.org",
        to_postmaster: how & 32 != 0,
        name: [how; 16],
        now_s: 1_795_353_538,
        envelope_id: (!envelope_id.is_empty()).then_some(envelope_id.as_str()),
        arrived_s: i64::from(how) * 1_000_000,
        expires_s: 1_795_353_538,
        full: how & 128 != 0,
        smtputf8,
        fates: &fates,
        message: &message,
    });

    let mut lines = built.split(|byte| *byte == b'\n');
    assert_eq!(lines.next_back(), Some(&b""[..]));
    for line in lines {
        let line = line.strip_suffix(b"\r").expect("a line ends in CRLF");
        assert!(line.len() <= 998 && !line.contains(&b'\r') && !line.contains(&0));
    }

    let end = built.windows(4).position(|window| window == b"\r\n\r\n").expect("a header ends");
    let header = std::str::from_utf8(&built[..end]).expect("the header is ours");
    let names: Vec<&str> =
        header.split("\r\n").filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(':').next()).collect();
    let ours = ["Date", "From", "To", "Subject", "Message-ID", "References", "Auto-Submitted", "MIME-Version", "Content-Type"];
    assert!(names.iter().all(|name| ours.contains(name)), "{names:?}");

    let boundary = header.split("boundary=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("there is a boundary");
    let delimiter = format!("\r\n--{boundary}");
    let places: Vec<usize> =
        (0..built.len()).filter(|at| built[*at..].starts_with(delimiter.as_bytes())).collect();
    assert_eq!(places.len(), 4);

    let human = &built[places[0]..places[1]];
    assert!(human.is_ascii());
    let machine = &built[places[1]..places[2]];
    let machine = std::str::from_utf8(machine).expect("fields are text");
    assert!(smtputf8 || machine.is_ascii());
    let known = [
        "Content-Type", "Content-Transfer-Encoding", "Original-Envelope-Id", "Reporting-MTA", "Arrival-Date",
        "Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date",
        "Will-Retry-Until",
    ];
    let mut seen = Vec::new();
    for line in machine[delimiter.len()..].split("\r\n").filter(|line| !line.is_empty() && !line.starts_with(' ')) {
        let name = line.split(':').next().expect("a split has a first part");
        assert!(known.contains(&name), "{line:?}");
        assert!(!seen.contains(&name), "{name} stands twice");
        seen.push(name);
    }
});
