//! Which servers are tried, and in which order (RFC 5321 §5.1).

use crate::names::Names;
use crate::server::{Act, GREETING, Script, Server, say};
use crate::world::{deliver, job, job_with, said, with_resolver, word, words};
use queue::OutgoingSettings;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Servers on 127.0.0.1, 127.0.0.2 … with one port.
async fn servers<const N: usize>(scripts: [Script; N]) -> [Server; N] {
    let mut running = Vec::new();
    for (number, script) in scripts.into_iter().enumerate() {
        let port = running.first().map_or(0, |first: &Server| first.address.port());
        let ip = Ipv4Addr::new(127, 0, 0, 1 + u8::try_from(number).unwrap());
        running.push(Server::start_at(SocketAddr::from((ip, port)), script).await);
    }
    running.try_into().unwrap()
}

/// `example.net` with hosts `mx1` on 127.0.0.1, `mx2` on 127.0.0.2 … with these preferences.
fn hosts(preferences: &[u16]) -> Names {
    let mut names = Names::default();
    for (number, preference) in preferences.iter().enumerate() {
        let host = format!("mx{}.example.net", number + 1);
        names = names.mx("example.net", *preference, &host).address(&host, &format!("127.0.0.{}", number + 1));
    }
    names
}

async fn settings(server: &Server, names: Names) -> OutgoingSettings {
    with_resolver(server.address.port(), names.start().await)
}

#[tokio::test]
async fn the_preferred_host_gets_the_mail() {
    let [first, second] = servers([Script::default(), Script::default()]).await;
    let settings = settings(&first, hosts(&[20, 10])).await;
    let verdicts = deliver(settings, job("example.net", &["a@example.net"])).await;
    assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
    assert_eq!(said(&verdicts[0]).server.as_deref(), Some("mx2.example.net"));
    assert_eq!((first.seen().connections, second.seen().messages.len()), (0, 1));
}

#[tokio::test]
async fn the_next_host_is_tried_when_one_is_of_no_use() {
    for script in [
        Script::default().at(GREETING, Act::Close),
        Script::default().at(GREETING, say("554 5.7.1 not you")),
        Script::default().at("EHLO", say("421 4.3.2 going down")),
        Script::default().at("MAIL", say("451 4.3.0 not now")),
        Script::default().at("DATA", Act::Close),
    ] {
        let [first, second] = servers([script, Script::default()]).await;
        let settings = settings(&first, hosts(&[10, 20])).await;
        let verdicts = deliver(settings, job("example.net", &["a@example.net", "b@example.net"])).await;
        assert_eq!(words(&verdicts), ["relayed 2.0.0", "relayed 2.0.0"]);
        assert_eq!((first.seen().connections, second.seen().messages.len()), (1, 1));
    }
    // Nobody listens there at all.
    let [second] = servers([Script::default()]).await;
    let names = hosts(&[20]).mx("example.net", 10, "dead.example.net").address("dead.example.net", "127.0.0.99");
    let verdicts = deliver(settings(&second, names).await, job("example.net", &["a@example.net"])).await;
    assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
}

#[tokio::test]
async fn what_a_host_says_of_recipients_and_messages_is_final() {
    for (command, reply, expected) in [
        ("RCPT", "450 4.2.0 greylisted", "later 4.2.0"),
        ("RCPT", "550 5.1.1 no", "never 5.1.1"),
        ("<end>", "451 4.7.1 perhaps later", "later 4.7.1"),
        ("<end>", "421 4.3.2 going down", "later 4.3.2"),
        ("MAIL", "550 5.7.1 not you", "never 5.7.1"),
    ] {
        let [first, second] = servers([Script::default().at(command, say(reply)), Script::default()]).await;
        let settings = settings(&first, hosts(&[10, 20])).await;
        let verdicts = deliver(settings, job("example.net", &["a@example.net"])).await;
        assert_eq!((words(&verdicts), second.seen().connections), (vec![expected.to_owned()], 0), "{command}: {reply}");
    }
}

#[tokio::test]
async fn only_who_is_left_goes_to_the_next_host() {
    let leaving = Script::default().at("RCPT TO:<a", say("550 5.1.1 no")).at("DATA", say("421 4.3.2 bye"));
    let taking = Script::default();
    let [first, second] = servers([leaving.at("RCPT TO:<c", Act::Close), taking]).await;
    let settings = settings(&first, hosts(&[10, 20])).await;
    let verdicts = deliver(settings, job("example.net", &["a@example.net", "b@example.net", "c@example.net"])).await;
    assert_eq!(words(&verdicts), ["never 5.1.1", "relayed 2.0.0", "relayed 2.0.0"]);
    let expected = ["MAIL FROM:<ana@example.org>", "RCPT TO:<b@example.net>", "RCPT TO:<c@example.net>", "DATA"];
    assert_eq!(second.envelope(), expected);
}

#[tokio::test]
async fn a_refusal_by_all_is_one_and_by_some_is_none() {
    let refusing = || Script::default().at(GREETING, say("554 5.7.1 not you"));
    let [first, _second] = servers([refusing(), refusing()]).await;
    let verdicts = deliver(settings(&first, hosts(&[10, 10])).await, job("example.net", &["a@example.net"])).await;
    assert_eq!(words(&verdicts), ["never 5.7.1"]);
    let busy = Script::default().at(GREETING, say("450 4.3.2 busy"));
    for scripts in [[refusing(), busy.clone()], [busy, refusing()]] {
        let [first, _second] = servers(scripts).await;
        let verdicts = deliver(settings(&first, hosts(&[10, 20])).await, job("example.net", &["a@example.net"])).await;
        assert_eq!(words(&verdicts), ["later 4.3.2"]);
    }
}

#[tokio::test]
async fn domains_that_lead_nowhere() {
    let [server] = servers([Script::default()]).await;
    let names = || {
        Names::default()
            .null_mx("null.example.net")
            .mx("lost.example.net", 10, "nobody.example.net")
            .txt("silent.example.net", "no address here")
            .servfail("broken.example.net")
    };
    for (domain, expected) in [
        ("null.example.net", "never 5.1.10"),
        ("unknown.example.net", "never 5.1.2"),
        ("lost.example.net", "never 5.1.2"),
        ("silent.example.net", "never 5.4.4"),
        ("broken.example.net", "later 4.4.3"),
        ("not..a.name", "never 5.1.2"),
    ] {
        let verdicts = deliver(settings(&server, names()).await, job(domain, &["a@example.net"])).await;
        assert_eq!(words(&verdicts), [expected], "{domain}");
        assert_eq!(said(&verdicts[0]).server, None);
    }
    assert_eq!(server.seen().connections, 0);
}

#[tokio::test]
async fn a_domain_without_mx_is_its_own_host() {
    let [server] = servers([Script::default()]).await;
    let names = Names::default().address("example.net", "127.0.0.1");
    let verdicts = deliver(settings(&server, names).await, job("example.net", &["a@example.net"])).await;
    assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
}

#[tokio::test]
async fn mail_does_not_come_back_to_us() {
    // By name, and by address: we are the second of three.
    for by_name in [true, false] {
        let [first, second, third] =
            servers([Script::default().at(GREETING, say("450 4.3.2 busy")), Script::default(), Script::default()])
                .await;
        let mut settings = settings(&first, hosts(&[10, 20, 30])).await;
        if by_name {
            settings.hostname = "MX2.example.net".to_owned();
        } else {
            settings.own_addresses = vec![second.ip()];
        }
        let verdicts = deliver(settings, job("example.net", &["a@example.net"])).await;
        assert_eq!(words(&verdicts), ["later 4.3.2"]);
        assert_eq!((second.seen().connections, third.seen().connections), (0, 0));
    }
    // We are the best.
    for by_name in [true, false] {
        let [first, second] = servers([Script::default(), Script::default()]).await;
        let mut settings = settings(&first, hosts(&[10, 10])).await;
        if by_name {
            settings.hostname = "mx1.example.net".to_owned();
        } else {
            settings.own_addresses = vec![first.ip()];
        }
        let verdicts = deliver(settings, job("example.net", &["a@example.net"])).await;
        assert_eq!(words(&verdicts), ["never 5.4.6"]);
        assert_eq!((first.seen().connections, second.seen().connections), (0, 0));
    }
}

#[tokio::test]
async fn dns_does_not_lead_us_behind_walls() {
    let [server] = servers([Script::default()]).await;
    for domain in ["example.net", "[127.0.0.1]", "[IPv6:::1]", "[IPv6:::ffff:127.0.0.1]"] {
        let mut settings = settings(&server, hosts(&[10])).await;
        settings.private_addresses = false;
        let verdicts = deliver(settings, job(domain, &["a@example.net"])).await;
        assert_eq!(words(&verdicts), ["never 5.4.4"], "{domain}");
    }
    assert_eq!(server.seen().connections, 0);
}

#[tokio::test]
async fn so_many_addresses_are_tried_and_no_more() {
    let busy = || Script::default().at(GREETING, say("450 4.3.2 busy"));
    let all = servers([busy(), busy(), busy(), busy()]).await;
    let mut settings = settings(&all[0], hosts(&[10, 20, 30, 40])).await;
    settings.max_addresses = 2;
    let verdicts = deliver(settings, job("example.net", &["a@example.net"])).await;
    assert_eq!(words(&verdicts), ["later 4.3.2"]);
    assert_eq!(all.each_ref().map(|server| server.seen().connections), [1, 1, 0, 0]);
}

#[tokio::test]
async fn equal_hosts_share_the_load() {
    let [first, second] = servers([Script::default(), Script::default()]).await;
    let settings = settings(&first, hosts(&[10, 10])).await;
    // The chance that one of them gets all is that of a coin that falls alike sixty times.
    for _ in 0..60 {
        let verdicts = deliver(settings.clone(), job("example.net", &["a@example.net"])).await;
        assert_eq!(word(&verdicts[0]), "relayed 2.0.0");
    }
    assert!(!first.seen().messages.is_empty() && !second.seen().messages.is_empty());
}

#[tokio::test]
async fn both_families_are_tried() {
    let v6 = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 0));
    let server = Server::start_at(v6, Script::default()).await;
    // Nobody listens on 127.0.0.77.
    let names = || {
        let names = Names::default().mx("example.net", 10, "mx.example.net");
        names.address("mx.example.net", "127.0.0.77").address("mx.example.net", "::1")
    };
    for ipv4_first in [false, true] {
        let mut settings = settings(&server, names()).await;
        settings.ipv4_first = ipv4_first;
        let verdicts = deliver(settings, job("example.net", &["a@example.net"])).await;
        assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
    }
    assert_eq!(server.ip(), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1_u16]));
}

#[tokio::test]
async fn tls_all_the_way_needs_somebody_who_vouches_for_it() {
    let [server] = servers([Script::with(&["REQUIRETLS"])]).await;
    let wanted = job_with("example.net", &["a@example.net"], |envelope| envelope.require_tls = true);
    let verdicts = deliver(settings(&server, hosts(&[10])).await, wanted).await;
    assert_eq!(words(&verdicts), ["never 5.7.30"]);
    assert_eq!(server.seen().connections, 0);
}
