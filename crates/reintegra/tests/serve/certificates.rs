//! Certificates from files: which one is shown, and what becomes of files that change.

use super::*;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes a certificate for names, and its key, whole at once as renewers do; gives the certificate's path.
pub(super) fn write_certificate(directory: &Path, file: &str, names: &[&str]) -> PathBuf {
    write_certificate_until(directory, file, names, 4096)
}

/// As [`write_certificate`], valid until the end of a year.
pub(super) fn write_certificate_until(directory: &Path, file: &str, names: &[&str], year: i32) -> PathBuf {
    write(directory, file, names, |params| params.not_after = date_time_ymd(year, 12, 31))
}

/// As [`write_certificate`], valid for so many days from now, and an hour.
pub(super) fn write_certificate_for(directory: &Path, file: &str, names: &[&str], days: u32) -> PathBuf {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let left = Duration::from_secs(3600) * (days * 24 + 1);
    write(directory, file, names, |params| params.not_after = date_time_ymd(1970, 1, 1) + since_1970 + left)
}

fn write(directory: &Path, file: &str, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> PathBuf {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::create_dir_all(directory).unwrap();
    for (ending, text) in [("key", key.serialize_pem()), ("crt", certificate.pem())] {
        let new = directory.join(format!("{file}.new"));
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(new, directory.join(format!("{file}.{ending}"))).unwrap();
    }
    directory.join(format!("{file}.crt"))
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

#[test]
fn certificates_are_chosen_by_name_and_read_again_at_sighup() {
    let place = Place::with_ana();
    let directory = place.path("tls");
    let one = write_certificate(&directory, "one", &["one.example.org"]);
    let two = write_certificate(&directory, "two", &["*.two.example.org"]);
    let entry = |name: &str| {
        let path = directory.join(name);
        format!("[[tls.certificates]]\nchain = \"{0}.crt\"\nkey = \"{0}.key\"\n", path.display())
    };
    let served = place.serve(&format!("{}{}", entry("one"), entry("two")));
    let shown = |name: &str| Client::connect_tls(served.imaps, name).1;
    let (first_one, first_two) = (certificate(&one), certificate(&two));
    assert_eq!(shown("one.example.org"), first_one);
    assert_eq!(shown("mail.two.example.org"), first_two);
    assert_eq!(shown("elsewhere.example.com"), first_one);
    assert_eq!(Client::connect_tls(served.pop3s, "mail.two.example.org").1, first_two);
    assert!(!place.data().join("tls").exists(), "none is made where one is named");

    // A new one is shown to newcomers; who is in stays in.
    let (mut early, _) = Client::connect_tls(served.imaps, "one.example.org");
    early.line();
    assert!(early.ask(&format!("LOGIN {ANA} {PASSWORD}")).last().unwrap().contains(" OK "));
    write_certificate(&directory, "one", &["one.example.org"]);
    let second_one = certificate(&one);
    assert_ne!(second_one, first_one);
    signal(served.pid(), Signal::HUP);
    await_that("certificates were reloaded", || served.log().contains("certificates were reloaded"));
    assert_eq!(shown("one.example.org"), second_one);
    assert_eq!(shown("mail.two.example.org"), first_two);
    assert!(early.ask("NOOP").last().unwrap().contains(" OK "));

    // What cannot be used changes nothing, and is told.
    std::fs::write(&two, "this is no certificate\n").unwrap();
    signal(served.pid(), Signal::HUP);
    await_that("the broken one is told of", || served.log().contains("the former stays in force"));
    assert_eq!(shown("mail.two.example.org"), first_two);
    assert_eq!(shown("one.example.org"), second_one);
    assert!(served.log().contains("two.crt"), "{}", served.log());
    // And put right, it is taken.
    write_certificate(&directory, "two", &["*.two.example.org"]);
    signal(served.pid(), Signal::HUP);
    let repaired = certificate(&two);
    await_that("the repaired one is shown", || shown("mail.two.example.org") == repaired);
    assert!(early.ask("NOOP").last().unwrap().contains(" OK "));
    stop(served);
}

#[test]
fn a_certificate_that_ends_soon_is_told_of_until_it_is_renewed() {
    let place = Place::with_ana();
    let directory = place.path("tls");
    write_certificate_for(&directory, "mail", &["mail.example.org"], 9);
    let path = directory.join("mail");
    let text = format!("[[tls.certificates]]\nchain = \"{0}.crt\"\nkey = \"{0}.key\"\n", path.display());
    let served = place.serve(&text);
    let soon = "a certificate expires soon";
    await_that("it is told of", || served.log().contains(soon));
    let log = served.log();
    let line = log.lines().find(|line| line.contains(soon)).unwrap();
    for word in ["WARN", "mail.example.org", "mail.crt", "days_left=9"] {
        assert!(line.contains(word), "{word}: {line}");
    }
    stop(served);

    write_certificate_for(&directory, "mail", &["mail.example.org"], 60);
    // It looks before it ends.
    let log = stop(place.serve(&text));
    assert!(!log.contains(soon), "{log}");
}
