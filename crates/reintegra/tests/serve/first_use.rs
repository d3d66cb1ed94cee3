//! The first look: no configuration, no data directory.

use super::spawned::Spawned;
use super::*;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

fn default_port(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Serves on the default ports; waits while another test of this kind, perhaps of another clone, has them.
fn serve_by_default(place: &Place) -> Spawned {
    let patient_until = Instant::now() + 5 * PATIENCE;
    loop {
        let mut served = Spawned::start(place.command(&["serve"]), place.path("log"));
        if served.says(" serving") {
            return served;
        }
        let log = served.log();
        assert!(log.contains("cannot be listened on") && Instant::now() < patient_until, "{log}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn without_a_configuration_it_makes_what_it_needs_and_serves_loopback() {
    let place = Place::new();
    let served = serve_by_default(&place);
    assert!(place.data().join("format").exists(), "a data directory was made");
    for (port, greeting) in [(1143, "* OK"), (1110, "+OK")] {
        assert!(Client::connect(default_port(port)).line().starts_with(greeting), "{port}");
    }
    let in_file = CertificateDer::from_pem_file(place.data().join("tls/self-signed.crt")).unwrap();
    for (port, greeting) in [(1993, "* OK"), (1995, "+OK")] {
        let (mut client, shown) = Client::connect_tls(default_port(port), "localhost");
        assert!(client.line().starts_with(greeting), "{port}");
        assert_eq!(shown, in_file, "{port}");
    }
    assert_eq!(testkit::served::get(default_port(1080), "/health/ready").unwrap(), "ready\n");
    let mode = |name: &str| std::fs::metadata(place.data().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("tls/self-signed.key"), mode("tls")), (0o600, 0o700));
    let (status, log) = served.end();
    assert!(status.success(), "{log}");

    // The next time it is the same: whoever accepted the certificate once is not asked again.
    let served = serve_by_default(&place);
    assert!(!served.log().contains("was made"), "{}", served.log());
    let (_, shown) = Client::connect_tls(default_port(1993), "127.0.0.1");
    assert_eq!(shown, in_file);
    assert!(served.end().0.success());
    place.is_sound();
}

#[test]
fn with_a_configuration_nothing_is_made() {
    let place = Place::new();
    let config = place.write("reintegra.toml", "operator.listen = \"\"\n");
    let ran = place.reintegra(&["serve", "--config", config.to_str().unwrap()]);
    assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("is no data directory") && ran.stderr.contains("init"), "{}", ran.stderr);
    assert!(!place.data().exists());
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let place = Place::new();
    place.write("data/letter.txt", "dear\n");
    let ran = place.reintegra(&["serve"]);
    assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("there is no file `format` in it"), "{}", ran.stderr);
    assert_eq!(std::fs::read_dir(place.data()).unwrap().count(), 1);
}

#[test]
fn a_lost_key_is_told_with_what_to_do() {
    let place = Place::with_ana();
    stop(place.serve(""));
    std::fs::remove_file(place.data().join("tls/self-signed.key")).unwrap();
    let config = place.write("reintegra.toml", "");
    let ran = place.reintegra(&["serve", "--config", config.to_str().unwrap()]);
    assert_eq!(ran.code(), Some(3), "{}", ran.stderr);
    for word in ["self-signed.key", "cannot be read", "remove ", "data/tls"] {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
}
