//! Clients that send much and read little.

use super::support::{Client, Server, append};
use flate2::{Compress, Compression, FlushCompress};
use std::io::Write;

/// A message of some kilobytes in an INBOX.
fn add_mail(server: &Server) {
    let text = "a line of text\r\n".repeat(500);
    server.ana().ok(&append("INBOX", "", &format!("Subject: x\r\n\r\n{text}")));
}

#[test]
fn ten_thousand_commands_at_once_are_answered_in_order_and_hold_up_nobody() {
    const COMMANDS: usize = 10_000;
    let server = Server::start();
    add_mail(&server);
    let socket = server.socket();
    let mut writer = socket.try_clone().unwrap();
    let mut ana = Client::over(Box::new(socket));
    ana.line();
    ana.sign_in();
    ana.ok("SELECT INBOX");
    std::thread::scope(|scope| {
        // Nobody reads the 80 MB of the answers yet, and so the server takes no more at some point.
        scope.spawn(move || {
            for number in 0..COMMANDS {
                writer.write_all(format!("p{number} FETCH 1 BODY.PEEK[]\r\n").as_bytes()).unwrap();
            }
        });
        let mut other = server.ana();
        other.ok("SELECT INBOX");
        for number in 0..COMMANDS {
            assert!(ana.line().starts_with("* 1 FETCH (BODY[] {"));
            assert!(ana.line().starts_with(&format!("p{number} OK ")));
        }
        other.ok("LOGOUT");
    });
    ana.ok("LOGOUT");
    server.finish();
}

#[test]
fn a_small_packet_that_unpacks_to_a_flood_is_one_line_that_is_too_long() {
    let server = Server::start();
    let mut ana = server.ana();
    ana.ok("COMPRESS DEFLATE");
    let mut flood = vec![b'x'; 64 * 1024 * 1024];
    flood.extend(b"\r\n");
    let mut packed = Vec::with_capacity(1024 * 1024);
    Compress::new(Compression::best(), false).compress_vec(&flood, &mut packed, FlushCompress::Sync).unwrap();
    assert!(packed.len() < 1024 * 1024, "all of it fits");
    ana.write(&packed);
    ana.begin_deflate();
    assert_eq!(ana.line(), "* BAD the line is too long");
    server.ana().ok("SELECT INBOX");
    drop(ana);
    server.finish();
}
