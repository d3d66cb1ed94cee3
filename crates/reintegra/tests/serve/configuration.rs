//! Configurations, right and wrong, and the words for them.

use super::certificates::{write_certificate, write_certificate_for, write_certificate_until};
use super::*;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

fn check(config: &Path) -> Ran {
    // From elsewhere: relative paths are relative to the file.
    let mut command = Command::new(binary());
    run(command.current_dir("/").args(["config", "check", "--config"]).arg(config)).unwrap()
}

#[test]
fn config_check_says_that_a_configuration_can_be_used() {
    let place = Place::new();
    let certificate = write_certificate(&place.path("etc/tls"), "mail", &["mail.example.org"]);
    assert!(certificate.starts_with(place.path("etc")));
    let text = "[[tls.certificates]]\nchain = \"tls/mail.crt\"\nkey = \"tls/mail.key\"\n";
    let ran = check(&place.write("etc/reintegra.toml", text));
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
    assert!(ran.stdout.ends_with("can be used\n"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("WARN"), "{}", ran.stderr);
    // What can be used and should not be is told.
    let key = place.path("etc/tls/mail.key");
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = check(&place.path("etc/reintegra.toml"));
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("everybody on this machine can read the private key"), "{}", ran.stderr);
}

#[test]
fn a_certificate_that_has_expired_is_told() {
    let place = Place::new();
    write_certificate_until(&place.path("etc/tls"), "mail", &["mail.example.org"], 2013);
    let text = "[[tls.certificates]]\nchain = \"tls/mail.crt\"\nkey = \"tls/mail.key\"\n";
    let ran = check(&place.write("etc/reintegra.toml", text));
    assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
    for word in ["tls/mail.crt is not valid now", "until 2013-12-31T00:00:00Z", "now: "] {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
}

#[test]
fn a_certificate_that_ends_soon_can_be_used_and_is_told() {
    let place = Place::new();
    write_certificate_for(&place.path("etc/tls"), "mail", &["mail.example.org"], 9);
    let text = "[[tls.certificates]]\nchain = \"tls/mail.crt\"\nkey = \"tls/mail.key\"\n";
    let ran = check(&place.write("etc/reintegra.toml", text));
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr);
    for word in ["WARN", "a certificate expires soon", "mail.example.org", "tls/mail.crt", "days_left=9"] {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
}

#[test]
fn config_check_names_file_line_key_and_reason() {
    let place = Place::new();
    let certificates = |chain: &str, key: &str| format!("[[tls.certificates]]\nchain = \"{chain}\"\nkey = \"{key}\"\n");
    write_certificate(&place.path(""), "one", &["one.example.org"]);
    write_certificate(&place.path(""), "two", &["two.example.org"]);
    place.write("empty.pem", "");
    place.write("damaged.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let cases = [
        (
            "[imap]\nlisten_tsl = []\n".to_owned(),
            "line 2: `imap.listen_tsl`: there is no such key; did you mean `listen_tls`?",
        ),
        ("[limits]\n\nconnections = 0\n".to_owned(), "line 3: `limits.connections`: "),
        ("hostname = \n".to_owned(), "line 1: "),
        (certificates("absent.crt", "one.key"), "absent.crt: cannot be read"),
        (certificates("one.crt", "two.key"), "not the certificate of the key"),
        (certificates("empty.pem", "one.key"), "there is no certificate in it"),
        (certificates("one.crt", "empty.pem"), "there is no private key in it"),
        (certificates("damaged.crt", "one.key"), "is damaged"),
        ("delivery.from = [\"here\"]\n".to_owned(), "line 1: `delivery.from`: an IP address is expected"),
        ("acme.certificates = [[\"mail.example.org\"]]\n".to_owned(), "neither `listen_http` nor `listen_tls`"),
        ("delivery.authorities = \"absent.pem\"\n".to_owned(), "`delivery.authorities` cannot be used"),
        ("dns = { servers = [\"192.0.2.1:53\"], dnssec = \"trust\" }\n".to_owned(), "let `dns.dnssec` be \"validate\""),
        (
            "[delivery.smart_host]\naddress = \"192.0.2.1:25\"\ntls = \"opportunistic\"\nuser = \"a\"\npassword_file = \"one.key\"\n"
                .to_owned(),
            "would show its password to anybody",
        ),
    ];
    for (text, words) in cases {
        let config = place.write("reintegra.toml", &text);
        let ran = check(&config);
        assert_eq!((ran.code(), ran.stdout.as_str()), (Some(2), ""), "{text}\n{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{text}\n{}", ran.stderr);
        assert!(ran.stderr.contains("\n  now: "), "{}", ran.stderr);
        // And serve says the same.
        let served =
            run(Command::new(binary()).arg("--data").arg(place.data()).arg("serve").arg("--config").arg(config));
        assert_eq!(served.unwrap().code(), Some(2), "{text}");
    }
    let ran = check(&place.path("absent.toml"));
    assert_eq!(ran.code(), Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("absent.toml cannot be read"), "{}", ran.stderr);
}

#[test]
fn the_data_directory_of_the_configuration_is_beside_the_file() {
    let place = Place::with_ana();
    let [address] = free_ports().unwrap();
    let text = format!(
        "data = \"data\"\nimap.listen = [\"{address}\"]\nimap.listen_tls = []\npop3.listen = []\npop3.listen_tls = []\n\
         operator.listen = \"\"\n{NO_MAIL}"
    );
    let config = place.write("reintegra.toml", &text);
    let mut command = Command::new(binary());
    command.current_dir("/").arg("serve").arg("--config").arg(config);
    let mut served = spawned::Spawned::start(command, place.path("log"));
    assert!(served.says(" serving"), "{}", served.log());
    assert!(Client::connect(address).line().starts_with("* OK"));
    assert!(served.end().0.success());
}

#[test]
fn a_port_that_is_taken_is_named_with_its_key() {
    let place = Place::with_ana();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = format!("imap.listen = []\nimap.listen_tls = []\npop3.listen = [\"{address}\"]\n");
    let config = place.write("reintegra.toml", &text);
    let ran = place.reintegra(&["serve", "--config", config.to_str().unwrap()]);
    assert_eq!(ran.code(), Some(3), "{}", ran.stderr);
    for word in ["`pop3.listen`: ", &address.to_string(), "cannot be listened on", "in use", "now: stop what listens"] {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
}

#[test]
fn an_address_of_no_interface_is_told_as_that() {
    let place = Place::with_ana();
    // An address for documentation, which nobody has.
    let config = place.write("reintegra.toml", "imap.listen = [\"192.0.2.1:1143\"]\n");
    let ran = place.reintegra(&["serve", "--config", config.to_str().unwrap()]);
    assert_eq!(ran.code(), Some(3), "{}", ran.stderr);
    for word in ["`imap.listen`: 192.0.2.1:1143", "now: no interface of this machine has this address"] {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
}

#[test]
fn one_port_may_be_listened_on_by_both_families() {
    let place = Place::with_ana();
    let port = free_ports::<1>().unwrap()[0].port();
    if TcpListener::bind(("::1", 0)).is_err() {
        eprintln!("this machine has no IPv6");
        return;
    }
    let text = format!(
        "imap.listen = [\"[::]:{port}\", \"0.0.0.0:{port}\"]\nimap.listen_tls = []\npop3.listen = []\n\
         pop3.listen_tls = []\noperator.listen = \"\"\n{NO_MAIL}"
    );
    let config = place.write("reintegra.toml", &text);
    let command = place.command(&["serve", "--config", config.to_str().unwrap()]);
    let mut served = spawned::Spawned::start(command, place.path("log"));
    assert!(served.says(" serving"), "{}", served.log());
    for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        assert!(Client::connect(address.parse().unwrap()).line().starts_with("* OK"), "{address}");
    }
    assert!(served.end().0.success());
}
