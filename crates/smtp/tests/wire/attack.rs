//! What somebody tries who means harm.

use crate::world::*;
use edge::Memory;
use smtp::{Answer, Event, Limits, Rate, Role, Settings, Times};
use std::time::Duration;

#[test]
fn no_malformed_ending_smuggles_a_message() {
    let world = World::new(Role::Mx);
    let endings = [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r.\r\n",
        "\r\n.\r",
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
        "\r\n.\r\0\n",
        "\r\r\n.\r\n",
    ];
    for ending in endings {
        let mut client = world.hello();
        client.is("MAIL FROM:<a@b.example>", "250");
        client.is("RCPT TO:<ana@example.org>", "250");
        client.is("DATA", "354");
        let smuggled = "MAIL FROM:<boss@example.org>\r\nRCPT TO:<eva@example.org>\r\nDATA\r\npay\r\n.\r\n";
        client.send(format!("Subject: a\r\n\r\ntext{ending}{smuggled}"));
        client.says("550 5.6.11");
        assert!(client.is_over(), "{ending:?}: nothing behind it is obeyed");
    }
    assert!(world.inbox(ANA).is_empty() && world.inbox(EVA).is_empty());
    world.finish();
}

#[test]
fn nor_does_one_behind_a_message_that_is_refused_for_something_else() {
    let mut settings = Settings::new(Role::Mx);
    settings.limits = Limits { message_bytes: 1000, ..settings.limits };
    let world = World::with(settings);
    let mut client = world.hello();
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("RCPT TO:<ana@example.org>", "250");
    client.is("DATA", "354");
    let smuggled = "MAIL FROM:<boss@example.org>\r\nRCPT TO:<eva@example.org>\r\nBDAT 3 LAST\r\npay";
    client.send(format!("{}\r\r\n.\r\n{smuggled}", "a".repeat(2000)));
    client.says("550 5.6.11");
    assert!(client.is_over() && world.inbox(EVA).is_empty());
    world.finish();
}

#[test]
fn commands_end_in_cr_lf_alone() {
    let world = World::new(Role::Mx);
    for bytes in ["NOOP\n", "NOOP\rNOOP\r\n"] {
        let mut client = world.hello();
        client.send(bytes);
        client.says("500 5.5.2");
        assert!(client.is_over());
    }
    let mut client = world.hello();
    client.send("a".repeat(20_000));
    client.says("500 5.5.2");
    world.finish();
}

#[test]
fn who_does_not_wait_is_sent_away() {
    let mut settings = Settings::new(Role::Mx);
    settings.times.greeting = Duration::from_secs(30);
    let world = World::with(settings);
    let mut early = Client::connect(world.address);
    early.send("EHLO b.example\r\n");
    early.says("554");
    assert!(early.is_over());
    world.finish();

    let world = World::new(Role::Mx);
    for group in ["EHLO b.example\r\nMAIL FROM:<a@b.example>\r\n", "STARTTLS\r\nMAIL FROM:<a@b.example>\r\n"] {
        let mut client = world.client();
        client.send(group);
        client.says("503 5.5.1");
        assert!(client.is_over());
    }
    let mut client = world.hello();
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("RCPT TO:<ana@example.org>", "250");
    client.send("DATA\r\nSubject: a\r\n\r\n.\r\n");
    client.says("503 5.5.1");
    assert!(client.is_over() && world.inbox(ANA).is_empty());
    world.finish();
}

#[test]
fn mistakes_and_idle_commands_are_counted() {
    let mut settings = Settings::new(Role::Mx);
    settings.limits = Limits { mistakes: 3, idle_commands: 5, ..settings.limits };
    let world = World::with(settings);
    let mut client = world.hello();
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("RCPT TO:<one@example.org>", "550");
    client.is("RCPT TO:<two@example.org>", "550");
    client.is("RCPT TO:<three@example.org>", "550");
    client.says("421 4.7.0");
    assert!(client.is_over());
    let mut client = world.hello();
    (0..4).for_each(|_| drop(client.is("NOOP", "250")));
    client.is("NOOP", "421 4.7.0");
    assert!(client.is_over());
    // A large message may come in many chunks.
    let mut client = world.hello();
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("RCPT TO:<ana@example.org>", "250");
    for _ in 0..10 {
        client.send("BDAT 1\r\na");
        client.says("250 2.0.0 go on");
    }
    client.is("BDAT 0 LAST", "250 2.0.0 delivered");
    world.finish();
}

#[derive(Debug)]
struct Strict;

impl Rate for Strict {
    fn allows(&self, event: Event<'_>) -> Answer {
        if matches!(event, Event::Recipient(..)) { Answer::No { tell: false } } else { Answer::Yes }
    }
}

#[test]
fn rates_are_asked_for() {
    let mut settings = Settings::new(Role::Mx);
    settings.rate = Some(std::sync::Arc::new(Strict));
    let world = World::with(settings);
    let mut client = world.hello();
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("RCPT TO:<ana@example.org>", "450 4.7.1");
    world.finish();
}

#[test]
fn messages_share_bounded_memory() {
    let mut settings = Settings::new(Role::Mx);
    settings.memory = Memory::new(256 * 1024);
    let world = World::with(settings);
    let (mut one, mut two) = (world.hello(), world.hello());
    for client in [&mut one, &mut two] {
        client.is("MAIL FROM:<a@b.example>", "250");
        client.is("RCPT TO:<ana@example.org>", "250");
    }
    // A chunk's reply says that its memory is taken.
    one.send("BDAT 3\r\na\r\n");
    one.says("250");
    two.send("BDAT 3 LAST\r\nb\r\n");
    two.says("452 4.3.1");
    one.is("BDAT 0 LAST", "250");
    assert!(two.mail("a@b.example", &[ANA], "b\n").starts_with("250"), "the memory is free again");
    assert_eq!(world.inbox(ANA).len(), 2);
    world.finish();
}

#[test]
fn who_is_silent_amid_a_message_or_a_command_is_let_go() {
    let mut settings = Settings::new(Role::Mx);
    let short = Duration::from_secs(1);
    settings.times = Times { command: short, block: short, ..settings.times };
    let world = World::with(settings);
    let mut client = world.client();
    client.send("EHLO b.exam");
    client.says("421 4.4.2");
    assert!(client.is_over());
    let mut client = world.client();
    client.send("EHLO b.example\r\n");
    client.says("250");
    client.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\n");
    (0..2).for_each(|_| client.says("250"));
    client.says("354");
    client.send("Subject: never end");
    client.says("421 4.4.2");
    assert!(client.is_over() && world.inbox(ANA).is_empty());
    world.finish();
}

#[test]
fn half_a_message_and_tls_garbage_leave_nothing() {
    let world = World::new(Role::Mx);
    let mut client = world.hello();
    client.is("MAIL FROM:<a@b.example>", "250");
    client.is("RCPT TO:<ana@example.org>", "250");
    client.is("DATA", "354");
    client.send("Subject: a\r\n\r\ntext\r\n.\r");
    drop(client);
    let mut client = world.hello();
    client.is("STARTTLS", "220");
    client.send([0xff; 200]);
    let mut rest = Vec::new();
    let _ = std::io::Read::read_to_end(&mut client.stream, &mut rest);
    assert!(world.inbox(ANA).is_empty());
    world.finish();
}

#[test]
fn one_list_under_many_names_is_not_gone_through_for_ever() {
    let world = World::queueing(Role::Mx, |_| {});
    let far: Vec<String> = (0..990).map(|number| format!("u{number}@far.example")).collect();
    world.alias("list@example.org", &far.iter().map(String::as_str).collect::<Vec<_>>());
    let mut client = world.hello();
    client.is("MAIL FROM:<a@b.example>", "250");
    for number in 0..11 {
        client.is(&format!("RCPT TO:<list+{number}@example.org>"), "250");
    }
    client.is("RCPT TO:<list+11@example.org>", "452 4.5.3");
    client.is("DATA", "354");
    client.send("Subject: a\r\n\r\ntext\r\n.\r\n");
    client.says("250");
    assert_eq!(world.queued()[0].to().len(), 990, "each once");
    world.finish();
}
