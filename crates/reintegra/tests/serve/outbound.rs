//! Mail that leaves only over what is demanded: a smart host that shows who it is before it hears the password, and servers as
//! their domains' policies (MTA-STS, DANE) want them.

use super::mail_out::waiting;
use super::peers::{HOST, Smtp, by_way_of, letter, one, succeeds};
use super::*;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use testkit::authority::Authority;
use testkit::dns_server::{DnsServer, Zones};
use testkit::smtp_server::{Script, Server, say};
use testkit::web::Web;
use tokio::runtime::Runtime;

/// Set inside a network that a test makes for itself.
const INSIDE: &str = "REINTEGRA_TEST_NETWORK";

/// Whether a test is in a network where nobody else is: there it has every port, and addresses as the world has them, since
/// nothing goes to those of loopback because DNS says so. Where it is not, it is run a second time, in one that has these.
pub(super) fn in_own_network(test: &str, addresses: &[&str]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !testkit::has_programs(&["unshare", "ip"]) || !testkit::is_root("only root makes a network") {
        return false;
    }
    let script = "ip link set lo up; test=$1; shift; for a; do ip address add \"$a\"/32 dev lo || exit; done; \
                  exec \"$0\" --exact \"$test\" --nocapture";
    let mut again = Command::new("unshare");
    again.args(["--net", "sh", "-c", script]).arg(std::env::current_exe().unwrap()).arg(test).args(addresses);
    let said = succeeds(again.env(INSIDE, "yes"), "");
    assert!(said.contains("1 passed"), "{said}");
    false
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn text(message: &[u8]) -> String {
    String::from_utf8(message.to_vec()).unwrap()
}

/// What was said of the recipient of a waiting message at its last try.
fn last_words(place: &Place, to: &str) -> String {
    let waiting = waiting(place);
    let last = waiting.get(to).map(|entry| entry["recipients"][0]["last"].as_str().unwrap_or_default());
    last.unwrap_or_default().to_owned()
}

#[test]
fn a_smart_host_hears_the_password_when_it_has_shown_who_it_is() {
    let runtime = runtime();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let by = |authority: &Authority, mechanism: &str| {
        let certified = authority.certify(&["127.0.0.1"]);
        runtime.block_on(Server::start(Script::with(&[mechanism]).starttls(certified.server)))
    };
    let place = Place::with_people(&[ANA]);
    let authorities = place.write("authorities.pem", &authority.pem());
    let secret = place.write("relay.password", "hierro \u{f1}\n");
    let by_way_of = |server: &Server| {
        format!(
            "hostname = \"{HOST}\"\nmx.dmarc = \"off\"\ndelivery.authorities = \"{}\"\n\
             delivery.smart_host = {{ address = \"{}\", user = \"ana\", password_file = \"{}\" }}\n",
            authorities.display(),
            server.address,
            secret.display(),
        )
    };

    // A password that everybody can read is everybody's.
    let good = by(&authority, "AUTH PLAIN");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config = place.write("reintegra.toml", &by_way_of(&good));
    let refused = place.reintegra(&["config", "check", "--config", config.to_str().unwrap()]);
    assert_eq!(refused.code(), Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("mode 644 is for everybody; chmod 600 it"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("hierro"), "{}", refused.stderr);
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();

    // Somebody else at its address hears nothing, and the mail waits.
    let other = by(&stranger, "AUTH PLAIN");
    let served = place.serve(&by_way_of(&other));
    let to = "eva@example.net";
    Smtp::signed_in(served.submission, ANA).takes(ANA, &[to], &letter(ANA, to, "por otro servidor"));
    await_that("it was tried", || last_words(&place, to).contains("4.7.5"));
    stop(served);
    let commands = other.seen().commands;
    assert!(commands.iter().all(|line| line.starts_with("EHLO") || line == "STARTTLS"), "{commands:?}");

    for (number, (server, sign_in)) in [
        (good, "AUTH PLAIN AGFuYQBoaWVycm8gw7E="),
        (by(&authority, "AUTH CRAM-MD5 PLAIN"), "AUTH PLAIN AGFuYQBoaWVycm8gw7E="),
    ]
    .into_iter()
    .enumerate()
    {
        let served = place.serve(&by_way_of(&server));
        if number > 0 {
            Smtp::signed_in(served.submission, ANA).takes(ANA, &[to], &letter(ANA, to, "por otro servidor"));
        }
        await_that("it goes out", || {
            place.reintegra(&["queue", "retry", "--all"]);
            server.seen().messages.len() == 1
        });
        await_that("nothing waits", || waiting(&place).is_empty());
        let seen = server.seen();
        assert!(text(&seen.messages[0]).contains("Subject: por otro servidor\r\n"));
        let in_clear = seen.commands.len() - seen.encrypted;
        assert_eq!(in_clear, 2 * seen.connections, "EHLO and STARTTLS: {:?}", seen.commands);
        assert!(seen.commands.contains(&sign_in.to_owned()), "{:?}", seen.commands);
        let log = stop(served);
        assert!(!log.contains("hierro"), "{log}");
    }
    place.is_sound();
}

/// What a server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Has {
    /// The certificate that is demanded.
    Right,
    /// Another one.
    Other,
    /// No TLS: somebody between us and it has taken it off, perhaps.
    None,
}

/// Domains with what their servers have, and where these are.
const BY_STS: [(&str, &str, Has); 3] = [
    ("sts.example", "11.0.1.1", Has::Right),
    ("other-sts.example", "11.0.1.2", Has::Other),
    ("stripped-sts.example", "11.0.1.3", Has::None),
];
const BY_DANE: [(&str, &str, Has); 3] = [
    ("dane.example", "11.0.1.4", Has::Right),
    ("other-dane.example", "11.0.1.5", Has::Other),
    ("stripped-dane.example", "11.0.1.6", Has::None),
];
const WEB: &str = "11.0.1.7";

#[test]
fn policies_of_domains_are_enforced() {
    let all: Vec<&str> = BY_STS.iter().chain(&BY_DANE).map(|(_, address, _)| *address).chain([WEB]).collect();
    if !in_own_network("outbound::policies_of_domains_are_enforced", &all) {
        return;
    }
    let runtime = runtime();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let port = |address: &str, port| SocketAddr::new(address.parse().unwrap(), port);
    let start = |address, certified: Option<testkit::authority::Certified>| {
        let script = Script::with(&["PIPELINING"]);
        let script = certified.into_iter().fold(script, |script, certified| script.starttls(certified.server));
        runtime.block_on(Server::start_at(port(address, 25), script))
    };
    let (mut zones, mut servers) = (Zones::new(), Vec::new());
    let (mut policy, mut hosts) = ("version: STSv1\nmode: enforce\nmax_age: 86400\n".to_owned(), Vec::new());
    for (domain, address, has) in BY_STS {
        let mx = format!("mx.{domain}");
        zones = zones.mx(domain, 10, &mx).address(&mx, address.parse().unwrap());
        zones = zones.txt(&format!("_mta-sts.{domain}"), "v=STSv1; id=20261122;");
        zones = zones.address(&format!("mta-sts.{domain}"), WEB.parse().unwrap());
        policy += &format!("mx: {mx}\n");
        hosts.push(format!("mta-sts.{domain}"));
        let certified = match has {
            Has::Right => Some(authority.certify(&[&mx])),
            Has::Other => Some(stranger.certify(&[&mx])),
            Has::None => None,
        };
        servers.push((domain, has, start(address, certified)));
    }
    for (domain, address, has) in BY_DANE {
        let mx = format!("mx.{domain}");
        // The authority counts for nothing here: the records say which certificate it is.
        let named = stranger.certify(&[&mx]);
        zones = zones.mx(domain, 10, &mx).address(&mx, address.parse().unwrap()).tlsa(&mx, 25, 3, 0, 0, &named.der);
        let certified = match has {
            Has::Right => Some(named),
            Has::Other => Some(authority.certify(&[&mx])),
            Has::None => None,
        };
        servers.push((domain, has, start(address, certified)));
    }
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{policy}", policy.len());
    let web = runtime.block_on(Web::start_at(port(WEB, 443), authority.certify(&hosts).server, answer));
    let names = runtime.block_on(DnsServer::start(zones.vouched())).unwrap();

    let place = Place::with_people(&[ANA]);
    let authorities = place.write("authorities.pem", &authority.pem());
    let served = place.serve(&format!(
        "hostname = \"{HOST}\"\nmx.dmarc = \"off\"\ndelivery.authorities = \"{}\"\n\
         dns.servers = [\"{}\"]\ndns.dnssec = \"trust\"\n",
        authorities.display(),
        names.address(),
    ));
    let mut smtp = Smtp::signed_in(served.submission, ANA);
    for (domain, ..) in &servers {
        let to = format!("eva@{domain}");
        smtp.takes(ANA, &[&to], &letter(ANA, &to, "con cuidado"));
    }
    for (domain, has, server) in &servers {
        match has {
            Has::Right => await_that(domain, || server.seen().messages.len() == 1),
            Has::Other | Has::None => {
                await_that(domain, || last_words(&place, &format!("eva@{domain}")).contains("4.7.5"));
                assert!(server.seen().messages.is_empty(), "{domain}");
            }
        }
        let commands = server.seen().commands;
        let in_clear = commands.len() - server.seen().encrypted;
        assert!(
            commands[..in_clear]
                .iter()
                .all(|line| ["EHLO", "STARTTLS", "QUIT"].iter().any(|word| line.starts_with(word))),
            "{commands:?}"
        );
    }
    await_that("the others have left", || waiting(&place).len() == 4);
    assert_eq!(web.asked(), 3, "{}", web.requests());
    stop(served);
    place.is_sound();
}

#[test]
fn where_an_alias_leads_is_nobodys_to_know() {
    let runtime = runtime();
    let refusal = "550 5.1.1 <jefa@secreto.example>: nobody of that name";
    let script = Script::default().at("RCPT TO:<jefa@secreto", say(refusal));
    let server = runtime.block_on(Server::start(script));
    let place = Place::with_people(&[ANA]);
    place.alias("info@example.org", &["jefa@secreto.example"]);
    place.script(ANA, "redirect \"jefa@secreto.example\";");
    let more = format!("{}submission.sent_on_per_hour = 1\n", by_way_of(server.address));
    let served = place.serve(&more);
    let sender = "ivo@example.net";
    for (number, to) in ["info@example.org", ANA].into_iter().enumerate() {
        Smtp::relay(served.mx).takes(sender, &[to], &letter(sender, to, &format!("carta {number}")));
        await_that("the sender is told", || server.seen().messages.len() == number + 1);
        let told = text(&server.seen().messages[number]);
        assert!(
            told.contains("\r\nTo: <ivo@example.net>\r\n") && told.contains("report-type=delivery-status"),
            "{told}"
        );
        assert!(told.contains(&format!("\r\nFinal-Recipient: rfc822; {to}\r\n")), "{told}");
        assert!(told.contains("\r\nDiagnostic-Code: smtp; 550 5.1.1\r\n"), "{told}");
        assert!(!told.contains("secreto") && !told.contains("jefa"), "{told}");
        assert!(told.contains(&format!("\r\nSubject: carta {number}\r\n")), "{told}");
    }
    // The account has sent on what it may for this hour: the next stays with it.
    Smtp::relay(served.mx).takes(sender, &[ANA], &letter(sender, ANA, "carta 2"));
    one(&served, ANA, "INBOX", "Subject: carta 2\r\n");
    one(&served, ANA, "INBOX", "Too much mail sent on from ana@example.org");
    await_that("nothing waits", || waiting(&place).is_empty());
    let log = stop(served);
    assert!(log.contains("an account's scripts send more than they may"), "{log}");
    assert!(!server.seen().messages.iter().any(|message| text(message).contains("carta 2")));
    place.is_sound();
}
