//! Clients that do what they should not.

use crate::world::*;
use directory::AccountState;
use message::Address;
use std::io::{Read as _, Write as _};
use std::time::Duration;

#[test]
fn a_line_that_never_ends_ends_the_session() {
    let world = World::new();
    let mut client = world.client();
    // The server may close amid it.
    let _ = client.stream.get_mut().write_all(&vec![b'x'; 1 << 20]);
    let mut rest = String::new();
    let _ = client.stream.read_to_string(&mut rest);
    assert!(rest.is_empty() || rest.starts_with("-ERR that line is too long"), "{rest}");
    world.finish();
}

#[test]
fn nonsense_ends_the_session_soon() {
    let world = World::new();
    let mut client = world.client();
    for _ in 0..5 {
        client.err("GET / HTTP/1.1", "there is no such command");
    }
    assert!(client.is_over());
    world.finish();
}

#[test]
fn silence_ends_a_session_and_deletes_nothing() {
    let moment = Duration::from_millis(200);
    let times = pop3::Times { stranger: moment, signed_in: moment, unread: moment, ..pop3::Times::default() };
    let world = World::with(true, times);
    world.deliver("Subject: one\n\nfirst\n");
    let mut client = world.signed_in();
    client.ok("DELE 1");
    assert_eq!(client.line(), "-ERR there was nothing to do for too long");
    assert!(client.is_over());
    assert_eq!(world.left().len(), 1);
    world.finish();
}

#[test]
fn a_client_that_never_reads_is_given_up() {
    let moment = Duration::from_millis(300);
    let times = pop3::Times { unread: moment, ..pop3::Times::default() };
    let world = World::with(true, times);
    world.deliver(&format!("Subject: large\n\n{}", "a line of some length, many times over\n".repeat(500_000)));
    let mut client = world.signed_in();
    client.send(b"RETR 1\r\n");
    // Somebody else gets in as soon as the server has given up, and not before.
    let mut other = loop {
        let mut other = world.client();
        other.ok(&format!("USER {ANA}"));
        if other.ask(&format!("PASS {PASSWORD}")).starts_with("+OK") {
            break other;
        }
    };
    other.ok("QUIT");
    drop(client);
    world.finish();
}

#[test]
fn whoever_may_not_be_in_any_more_is_put_out_and_deletes_nothing() {
    let moment = Duration::from_millis(50);
    let world = World::with(true, pop3::Times { look_again: moment, ..pop3::Times::default() });
    world.deliver("Subject: one\n\nfirst\n");
    let directory = &world.services.directory;
    let ana = directory.account(&Address::new(ANA).unwrap()).unwrap().unwrap().id;
    let (telephone, secret) = directory.add_app_password(ana, "Teléfono", ANA).unwrap();

    let mut client = world.client();
    client.ok(&format!("USER {ANA}"));
    client.ok(&format!("PASS {}", secret.expose()));
    client.ok("DELE 1");
    // Looked at again and again, it goes on as long as the app password is there.
    std::thread::sleep(4 * moment);
    client.ok("NOOP");
    directory.remove_app_password(telephone, ANA).unwrap();
    assert_eq!(client.line(), "-ERR [AUTH] the account or its password was changed; sign in again");
    assert!(client.is_over());
    assert_eq!(world.left().len(), 1);

    let mut client = world.signed_in();
    directory.write(|tx| tx.set_account_state(ana, AccountState::Disabled)).unwrap();
    assert_eq!(client.line(), "-ERR [AUTH] the account or its password was changed; sign in again");
    assert!(client.is_over());
    world.finish();
}

#[test]
fn garbage_instead_of_tls_harms_nobody() {
    let world = World::new();
    let mut client = world.client();
    client.ok("STLS");
    client.send(&[0x16, 3, 1, 0xff, 0xff, 1, 2, 3, 4, 5]);
    client.send(&[0; 4096]);
    let mut rest = Vec::new();
    let _ = client.stream.read_to_end(&mut rest);
    let mut other = world.signed_in();
    other.ok("QUIT");
    world.finish();
}
