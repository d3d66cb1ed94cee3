//! Which certificate is shown, and what happens to broken files.

use crate::client::{certificate, connect, shown, write_certificate};
use edge::tls::{CertificateFiles, Tls, TlsError, inspect};
use edge::{ChannelBinding, Stream};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;

/// A server that shakes hands and says what the channel bindings are.
async fn serve(tls: &Arc<Tls>) -> (SocketAddr, mpsc::UnboundedReceiver<Option<ChannelBinding>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    let tls = Arc::clone(tls);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = Stream::Plain(stream).start_tls(&tls, Duration::from_secs(60)).await {
                assert!(stream.is_tls());
                // The test may be over.
                let _ = tell.send(stream.channel_binding());
            }
        }
    });
    (address, told)
}

#[tokio::test]
async fn the_name_that_is_asked_for_chooses_the_certificate() {
    let place = tempfile::tempdir().unwrap();
    let default = write_certificate(place.path(), "default", &["mail.example.org"]);
    let wild = write_certificate(place.path(), "wild", &["*.example.com", "example.com"]);
    let exact = write_certificate(place.path(), "exact", &["imap.example.com"]);
    let tls = Tls::load(vec![default.clone(), wild.clone(), exact.clone()]).unwrap();
    let (address, _told) = serve(&tls).await;
    for (name, expected) in [
        ("mail.example.org", &default),
        ("MAIL.example.org", &default),
        ("pop.example.com", &wild),
        ("Pop.Example.com", &wild),
        ("example.com", &wild),
        ("imap.example.com", &exact),
        ("a.b.example.com", &default),
        ("unknown.example.net", &default),
        ("192.0.2.7", &default),
    ] {
        for version in [&TLS12, &TLS13] {
            let stream = connect(address, name, &[version]).await.unwrap();
            assert_eq!(shown(&stream), certificate(expected), "{name}");
        }
    }
}

#[tokio::test]
async fn both_ends_export_one_channel_binding() {
    let place = tempfile::tempdir().unwrap();
    let tls = Tls::load(vec![write_certificate(place.path(), "one", &["mail.example.org"])]).unwrap();
    let (address, mut told) = serve(&tls).await;
    let mut bindings = Vec::new();
    for _ in 0..2 {
        let client = connect(address, "mail.example.org", &[&TLS13]).await.unwrap();
        let label = b"EXPORTER-Channel-Binding";
        let exported = client.get_ref().1.export_keying_material([0; 32], label, Some(&[])).unwrap();
        let binding = told.recv().await.unwrap();
        assert!(binding == Some(ChannelBinding::new(exported)));
        bindings.push(exported);
    }
    assert_ne!(bindings[0], bindings[1], "each connection has its own");
    connect(address, "mail.example.org", &[&TLS12]).await.unwrap();
    assert!(told.recv().await.unwrap().is_none(), "none that is sure to be this connection's alone");
}

#[tokio::test]
async fn changed_files_are_taken_up_and_broken_ones_are_not() {
    let place = tempfile::tempdir().unwrap();
    let files = write_certificate(place.path(), "one", &["mail.example.org"]);
    let other = write_certificate(place.path(), "other", &["mail.example.com"]);
    let tls = Tls::load(vec![files.clone(), other.clone()]).unwrap();
    let (address, _told) = serve(&tls).await;
    let first = certificate(&files);
    let shows = async |name: &str| shown(&connect(address, name, &[&TLS13]).await.unwrap());
    assert_eq!(shows("mail.example.org").await, first);
    assert!(matches!(tls.reload(), (0, errors) if errors.is_empty()), "nothing changed");

    // The certificate came, and the key has not yet: as when somebody copies one after the other.
    let old_key = fs::read(&files.key).unwrap();
    write_certificate(place.path(), "one", &["mail.example.org", "new.example.org"]);
    let new_key = fs::read(&files.key).unwrap();
    fs::write(&files.key, &old_key).unwrap();
    let (taken, errors) = tls.reload();
    assert!(taken == 0 && matches!(errors[..], [TlsError::Mismatch { .. }]), "{errors:?}");
    assert!(matches!(tls.reload(), (0, errors) if errors.is_empty()), "reported once");
    assert_eq!(shows("mail.example.org").await, first, "the former stays in force");

    fs::write(&files.key, new_key).unwrap();
    assert!(matches!(tls.reload(), (1, errors) if errors.is_empty()));
    let second = certificate(&files);
    assert_ne!(second, first);
    assert_eq!(shows("mail.example.org").await, second);
    assert_eq!(shows("new.example.org").await, second);
    assert_eq!(shows("mail.example.com").await, certificate(&other));

    for broken in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\0\u{ff}"] {
        fs::write(&files.chain, broken).unwrap();
        let (taken, errors) = tls.reload();
        assert!(taken == 0 && errors.len() == 1, "{broken:?}: {errors:?}");
    }
    fs::remove_file(&files.chain).unwrap();
    let (taken, errors) = tls.reload();
    assert!(taken == 0 && matches!(errors[..], [TlsError::Read { .. }]), "{errors:?}");
    assert_eq!(shows("mail.example.org").await, second);
}

/// As when a certificate came with the wrong owner or from a copy that keeps times.
#[tokio::test]
async fn a_file_is_looked_at_again_though_its_time_and_length_are_as_before() {
    let place = tempfile::tempdir().unwrap();
    let files = write_certificate(place.path(), "one", &["mail.example.org"]);
    let tls = Tls::load(vec![files.clone()]).unwrap();
    let good = fs::read(&files.chain).unwrap();
    fs::write(&files.chain, vec![b'#'; good.len()]).unwrap();
    let modified = fs::metadata(&files.chain).unwrap().modified().unwrap();
    assert!(matches!(tls.reload(), (0, errors) if errors.len() == 1));
    fs::write(&files.chain, &good).unwrap();
    fs::File::options().write(true).open(&files.chain).unwrap().set_modified(modified).unwrap();
    assert!(matches!(tls.reload(), (1, errors) if errors.is_empty()));
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let place = tempfile::tempdir().unwrap();
    let good = write_certificate(place.path(), "good", &["mail.example.org"]);
    let other = write_certificate(place.path(), "other", &["mail.example.org"]);
    let file = |name: &str, content: &str| {
        let path = place.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let (empty, text) = (file("empty", ""), file("text", "no PEM at all"));
    let huge = file("huge", &"#".repeat(2 << 20));
    let damaged = file("damaged", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let cut = file("cut", &fs::read_to_string(&good.chain).unwrap()[..200]);
    let missing = place.path().join("missing");
    let load = |chain: &std::path::PathBuf, key: &std::path::PathBuf| {
        Tls::load(vec![CertificateFiles { chain: chain.clone(), key: key.clone() }]).unwrap_err()
    };
    assert!(matches!(Tls::load(Vec::new()), Err(TlsError::None)));
    assert!(matches!(load(&missing, &good.key), TlsError::Read { path, .. } if path == missing));
    assert!(matches!(load(&good.chain, &missing), TlsError::Read { path, .. } if path == missing));
    assert!(matches!(load(&empty, &good.key), TlsError::NoCertificate { .. }));
    assert!(matches!(load(&text, &good.key), TlsError::NoCertificate { .. }));
    assert!(matches!(load(&huge, &good.key), TlsError::TooLarge { .. }));
    assert!(matches!(load(&damaged, &good.key), TlsError::Damaged { .. }));
    assert!(matches!(load(&cut, &good.key), TlsError::Damaged { .. } | TlsError::NoCertificate { .. }));
    assert!(matches!(load(&good.chain, &empty), TlsError::NoKey { .. }));
    assert!(matches!(load(&good.chain, &good.chain), TlsError::NoKey { .. }));
    let mismatch = load(&good.chain, &other.key);
    assert!(matches!(mismatch, TlsError::Mismatch { .. }));
    assert!(mismatch.to_string().contains("good.crt") && mismatch.to_string().contains("other.key"));
}

#[tokio::test]
async fn a_certificate_of_our_own_is_made_once_and_its_key_is_private() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("tls");
    let names = ["mail.example.org", "localhost", "127.0.0.1"].map(str::to_owned);
    let tls = Tls::self_signed(&directory, &names).unwrap();
    let files = &tls.files()[0];
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&files.key), mode(&directory)), (0o600, 0o700));
    let (address, _told) = serve(&tls).await;
    let stream = connect(address, "localhost", &[&TLS13]).await.unwrap();
    assert_eq!(shown(&stream), certificate(files));
    let again = Tls::self_signed(&directory, &["another.example.org".to_owned()]).unwrap();
    assert_eq!(certificate(&again.files()[0]), certificate(files), "whoever accepted it is not asked again");

    // Killed between key and certificate.
    fs::remove_file(&files.chain).unwrap();
    Tls::self_signed(&directory, &names).unwrap();
    assert_eq!(mode(&files.key), 0o600);
}

#[tokio::test]
async fn a_certificate_that_is_put_beside_others_goes_before_our_own_and_after_the_rest() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("tls");
    let tls = Tls::self_signed(&directory, &["mail.example.org".to_owned()]).unwrap();
    let (address, _told) = serve(&tls).await;
    let shows = async |name: &str| shown(&connect(address, name, &[&TLS13]).await.unwrap());
    let first = write_certificate(place.path(), "first", &["mail.example.org"]);
    let second = write_certificate(place.path(), "second", &["mail.example.com"]);
    tls.put(first.clone()).unwrap();
    tls.put(second.clone()).unwrap();
    assert_eq!(shows("mail.example.org").await, certificate(&first));
    assert_eq!(shows("mail.example.com").await, certificate(&second));
    assert_eq!(shows("unknown.example.net").await, certificate(&first));

    // Put again, it takes its own place.
    let former = certificate(&first);
    write_certificate(place.path(), "first", &["mail.example.org"]);
    tls.put(first.clone()).unwrap();
    assert_ne!(certificate(&first), former);
    assert_eq!(shows("unknown.example.net").await, certificate(&first));
    assert_eq!(tls.files().len(), 3);
    assert!(matches!(tls.reload(), (0, errors) if errors.is_empty()), "it is known already");

    fs::write(&first.chain, "no PEM").unwrap();
    assert!(matches!(tls.put(first), Err(TlsError::NoCertificate { .. })));
    assert_ne!(shows("mail.example.org").await, certificate(tls.files().last().unwrap()), "the former stays in force");
}

#[test]
fn a_certificate_says_what_it_is_for_and_until_when() {
    let place = tempfile::tempdir().unwrap();
    let inspected = inspect(&write_certificate(place.path(), "one", &["mail.example.org", "*.example.com"])).unwrap();
    assert_eq!(inspected.names, ["mail.example.org", "*.example.com"]);
    assert!(inspected.covers("imap.example.com") && !inspected.covers("imap.example.org"));
    assert!(inspected.not_before_s < inspected.not_after_s && inspected.is_valid_at(1_767_225_600));
    let missing = CertificateFiles { chain: place.path().join("none"), key: place.path().join("none") };
    assert!(matches!(inspect(&missing), Err(TlsError::Read { .. })));
}

/// RFC 8737 §3: a certificate for the name with the digest, over a protocol that nothing else is spoken in.
#[tokio::test]
async fn a_challenge_is_answered_while_it_is_wanted_and_disturbs_nobody() {
    let place = tempfile::tempdir().unwrap();
    let files = write_certificate(place.path(), "one", &["mail.example.org"]);
    let tls = Tls::load(vec![files.clone()]).unwrap();
    let (address, mut told) = serve(&tls).await;
    let ask = async |protocols: &[&str], name: &str| {
        let mut config = testkit::tls::onlooker(&[&TLS13]);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await.unwrap()).await
    };
    assert!(ask(&["acme-tls/1"], "mail.example.org").await.is_err(), "nothing is wanted");
    let digest = [7; 32];
    let challenge = tls.challenge("Mail.Example.org", &digest).unwrap();
    let stream = ask(&["acme-tls/1"], "mail.example.org").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    let answer = shown(&stream);
    // The extension's identifier, that it is critical, and an octet string in an octet string.
    let mut extension = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x1f\x01\x01\xff\x04\x22\x04\x20".to_vec();
    extension.extend_from_slice(&digest);
    assert!(answer.windows(extension.len()).any(|window| window == extension));
    assert!(answer.windows(16).any(|window| window == b"mail.example.org"));
    assert!(ask(&["acme-tls/1"], "imap.example.org").await.is_err());
    assert!(told.try_recv().is_err(), "no session begins");

    for protocols in [&[][..], &["imap"], &["acme-tls/1", "imap"]] {
        let stream = ask(protocols, "mail.example.org").await.unwrap();
        assert_eq!(shown(&stream), certificate(&files), "{protocols:?}");
        assert!(told.recv().await.is_some());
    }
    let later = tls.challenge("mail.example.org", &[8; 32]).unwrap();
    drop(challenge);
    let stream = ask(&["acme-tls/1"], "mail.example.org").await.unwrap();
    assert_ne!(shown(&stream), answer, "the later one stays");
    drop(later);
    assert!(ask(&["acme-tls/1"], "mail.example.org").await.is_err());
}
