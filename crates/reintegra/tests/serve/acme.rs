//! Certificates from an ACME server: Pebble, Let's Encrypt's own test server (RFC 8555).

use super::certificates::write_certificate;
use super::peers::Names;
use super::*;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use testkit::dns_server::Zones;
use testkit::process::Daemon;
use testkit::served::get;

const NAMES: [&str; 2] = ["mail.example.org", "imap.example.org"];

#[test]
fn every_service_shows_what_was_issued_without_a_restart() {
    if !testkit::has_programs(&["pebble"]) {
        return;
    }
    let place = Place::with_ana();
    let zones = NAMES.iter().fold(Zones::new(), |zones, name| zones.address(name, Ipv4Addr::LOCALHOST.into()));
    let names = Names::serve(zones);
    let own = write_certificate(&place.path("authority"), "own", &["127.0.0.1"]);
    let [http, tls] = free_ports().unwrap();
    let authority = Authority::start(&place, &own, http, tls, names.server.address());
    let more = |listen: &str, names: &[&str]| {
        let (directory, own) = (authority.address, own.display());
        format!(
            "[acme]\ndirectory = \"https://{directory}/dir\"\nauthority = \"{own}\"\n{listen}\ncertificates = [{names:?}]\n"
        )
    };

    let served = place.serve(&more(&format!("listen_http = \"{http}\""), &NAMES));
    let kept = place.data().join("tls/acme/mail.example.org.pem");
    await_that("a certificate is kept", || kept.exists());
    let issued = CertificateDer::from_pem_file(&kept).unwrap();
    let shown = |address, name: &str| Client::connect_tls(address, name).1;
    await_that("it is shown", || shown(served.imaps, "imap.example.org") == issued);
    assert_eq!(shown(served.pop3s, "mail.example.org"), issued);
    assert_eq!(shown(served.imaps, "unknown.example.net"), issued, "not our own any more");
    let metrics = get(served.operator, "/metrics").unwrap();
    let expires = |line: &str| {
        line.starts_with("reintegra_certificate_expires_seconds{") && line.contains("name=\"mail.example.org\"")
    };
    assert!(metrics.lines().any(expires), "{metrics}");
    let log = stop(served);
    assert!(!log.contains("PRIVATE KEY"), "{log}");

    // Started again it shows the same at once, and goes by the other challenge from now on.
    let served = place.serve(&more(&format!("listen_tls = \"{tls}\""), &NAMES));
    assert_eq!(shown(served.imaps, "mail.example.org"), issued);
    stop(served);
}

/// Pebble.
struct Authority {
    address: SocketAddr,
    _daemon: Daemon,
}

impl Authority {
    fn start(place: &Place, own: &Path, http: SocketAddr, tls: SocketAddr, dns: SocketAddr) -> Self {
        loop {
            let [address, management] = free_ports().unwrap();
            let config = serde_json::json!({ "pebble": {
                "listenAddress": address.to_string(),
                "managementListenAddress": management.to_string(),
                "certificate": own,
                "privateKey": own.with_extension("key"),
                "httpPort": http.port(),
                "tlsPort": tls.port(),
            }});
            let config = place.write("authority/pebble.json", &config.to_string());
            let log_path = place.path("authority/log");
            let log = std::fs::File::create(&log_path).unwrap();
            let mut command = Command::new("pebble");
            command.arg("-config").arg(config).args(["-dnsserver", &dns.to_string(), "-strict"]);
            command.env("PEBBLE_VA_NOSLEEP", "1").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
            let mut daemon = Daemon::spawn(&mut command).unwrap();
            let log = || std::fs::read_to_string(&log_path).unwrap();
            if daemon.listens(&[address, management], log, "address already in use").unwrap() {
                return Authority { address, _daemon: daemon };
            }
        }
    }
}
