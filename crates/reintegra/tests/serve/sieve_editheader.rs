//! Scripts that change the header of mail, where the operator lets them.

use super::peers::{Smtp, letter, mailbox, one};
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};

const CARLOS: &str = "carlos@example.com";

const SCRIPT: &str = "require [\"editheader\", \"variables\"];\r\n\
    if header :matches \"subject\" \"*\" { deleteheader \"subject\"; addheader \"Subject\" \"[año] ${1}\"; }\r\n\
    addheader :last \"X-Filtro\" \"sí\"; deleteheader \"received\";\r\n";

/// A client of ManageSieve that nothing of the product is in.
struct ManageSieve(BufReader<TcpStream>);

impl ManageSieve {
    fn signed_in(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = ManageSieve(BufReader::new(stream));
        client.answer();
        let secret = STANDARD.encode(format!("\0{ANA}\0{PASSWORD}"));
        assert!(client.ask(&format!("AUTHENTICATE \"PLAIN\" \"{secret}\"")).starts_with("OK"));
        client
    }

    fn ask(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.answer()
    }

    /// Lines up to the one that ends an answer, that one first.
    fn answer(&mut self) -> String {
        let mut before = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "{before}");
            if ["OK", "NO", "BYE"].iter().any(|word| line.starts_with(word)) {
                // A text of several lines comes as a literal.
                if let Some(bytes) = line.trim_end().strip_suffix('}').and_then(|rest| rest.rsplit_once('{')) {
                    let mut text = vec![0; bytes.1.parse().unwrap()];
                    std::io::Read::read_exact(&mut self.0, &mut text).unwrap();
                    line += &String::from_utf8(text).unwrap();
                }
                return line + &before;
            }
            before += &line;
        }
    }

    fn put(&mut self, script: &str) -> String {
        self.ask(&format!("PUTSCRIPT \"filtro\" {{{}+}}\r\n{script}", script.len()))
    }
}

#[test]
fn headers_are_changed_where_the_operator_lets_scripts_do_that() {
    let place = Place::with_ana();
    let served = place.serve("mx.dmarc = \"off\"\nsieve.editheader = true\n");
    let mut client = ManageSieve::signed_in(served.managesieve);
    assert!(client.ask("CAPABILITY").contains(" editheader "));
    let put = client.put(SCRIPT);
    assert!(put.starts_with("OK"), "{put}");
    assert!(client.ask("SETACTIVE \"filtro\"").starts_with("OK"));
    Smtp::relay(served.mx).takes(CARLOS, &[ANA], &letter(CARLOS, ANA, "obra"));
    let there = one(&served, ANA, "INBOX", "Hola, obra.");
    let subject = format!("Subject: {} obra\r\n", "=?UTF-8?B?W2HDsW9d?=");
    assert!(there.contains(&format!("\r\n{subject}Received: ")), "{there}");
    assert!(there.contains("\r\nX-Filtro: =?UTF-8?B?c8Ot?=\r\n\r\n") && !there.contains("Subject: obra"), "{there}");
    assert!(there.starts_with("Return-Path: <carlos@example.com>\r\nDelivered-To: "), "{there}");
    stop(served);

    // Switched off again: the script is kept and does not run, its owner is told, and nobody puts another.
    let served = place.serve("mx.dmarc = \"off\"\n");
    let mut client = ManageSieve::signed_in(served.managesieve);
    assert!(!client.ask("CAPABILITY").contains("editheader"));
    for refused in [client.put(SCRIPT), client.ask("SETACTIVE \"filtro\"")] {
        assert!(refused.starts_with("NO") && refused.contains("is switched off here"), "{refused}");
    }
    Smtp::relay(served.mx).takes(CARLOS, &[ANA], &letter(CARLOS, ANA, "luz"));
    assert!(one(&served, ANA, "INBOX", "Hola, luz.").contains("\r\nSubject: luz\r\n"));
    let inbox = mailbox(&served, ANA, "INBOX");
    assert!(inbox.iter().any(|text| text.contains("\"editheader\" is switched off here")), "{inbox:?}");
    stop(served);
    place.is_sound();
}

#[test]
fn the_command_line_takes_what_the_configuration_allows() {
    let place = Place::with_ana();
    place.write("script", SCRIPT);
    let on = place.write("on.toml", "sieve.editheader = true\n");
    let off = place.write("off.toml", "");
    let put = |config: Option<&Path>| {
        let mut command = place.command(&["sieve", "put", ANA, "filtro"]);
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        let ran = command.stdin(std::fs::File::open(place.path("script")).unwrap()).output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };
    for config in [None, Some(&off)] {
        let (code, said) = put(config.map(PathBuf::as_path));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("switched off") && said.contains("--config"), "{said}");
    }
    let (code, said) = put(Some(&on));
    assert_eq!(code, Some(0), "{said}");
    let shown = run(&mut place.command(&["sieve", "show", ANA, "filtro"])).unwrap();
    assert_eq!(shown.stdout, SCRIPT);
    place.is_sound();
}
