//! Sieve on delivery.

use crate::world::*;
use directory::Forward;
use message::Address;
use sieve::settings::Vacation;
use smtp::Role;

const FROM: &str = "berta@elsewhere.example";

fn text(subject: &str) -> String {
    format!(
        "Received: by mx.elsewhere.example; now\nFrom: {FROM}\nTo: {ANA}\nSubject: {subject}\nMessage-ID: <{subject}@x>\n\ntext\n"
    )
}

fn send(world: &World, to: &str, subject: &str) -> String {
    world.hello().mail(FROM, &[to], &text(subject))
}

#[test]
fn who_sends_on_to_where_nothing_goes_keeps_it() {
    // Nothing here brings mail to other servers.
    let world = World::new(Role::Mx);
    world.account("pia@example.org", |_| {});
    world.alias("both@example.org", &[EVA, "c@other.example"]);
    world.alias("out@example.org", &["c@other.example"]);
    world.script(ANA, "redirect \"both@example.org\";");
    world.script("pia@example.org", "redirect \"out@example.org\";");
    let mut client = world.hello();
    assert!(client.mail("x@b.example", &[ANA, "pia@example.org"], "Subject: a\n\n").starts_with("250"));
    for name in [ANA, EVA, "pia@example.org"] {
        assert_eq!(world.inbox(name).len(), 1, "{name}");
    }
    world.finish();
}

#[test]
fn mail_is_filed_as_the_owner_wants() {
    let world = World::new(Role::Mx);
    world.script(
        ANA,
        r#"require ["fileinto", "imap4flags", "mailbox", "special-use", "subaddress", "envelope", "copy"];
           if header :is "subject" "seen" { keep :flags ["\\Seen", "work"]; stop; }
           if header :is "subject" "made" { fileinto :create "INBOX.Clients.Acme"; stop; }
           if header :is "subject" "missing" { fileinto "Nowhere"; stop; }
           if header :is "subject" "junk" { fileinto :specialuse "\\Junk" :create "Odd"; stop; }
           if header :is "subject" "gone" { discard; stop; }
           if header :is "subject" "twice" { fileinto :copy :create "Copies"; }
           if envelope :detail "to" "shop" { fileinto :create "Shop"; }"#,
    );
    for subject in ["seen", "made", "missing", "junk", "gone", "twice", "plain"] {
        assert!(send(&world, ANA, subject).starts_with("250"), "{subject}");
    }
    assert!(send(&world, "ana+shop@example.org", "bought").starts_with("250"));
    let subjects = |name: &str| -> Vec<String> {
        let subject = |text: &str| text.split_once("Subject: ").unwrap().1.split("\r\n").next().unwrap().to_owned();
        world.mailbox(ANA, name).iter().map(|(text, words)| format!("{}{words}", subject(text))).collect()
    };
    assert_eq!(subjects("INBOX"), ["seen\\Seen work", "missing", "twice", "plain"]);
    assert_eq!(subjects("Clients/Acme"), ["made"]);
    assert_eq!(subjects("Odd"), ["junk"]);
    assert_eq!(subjects("Copies"), ["twice"]);
    assert_eq!(subjects("Shop"), ["bought"]);
    // The name that the old server gave it, once more, and the special use that it has now.
    for subject in ["made", "junk"] {
        send(&world, ANA, subject);
    }
    assert_eq!((subjects("Clients/Acme").len(), subjects("Odd").len()), (1, 1), "what came again is there once");
    world.finish();
}

#[test]
fn a_script_that_fails_keeps_the_message_and_its_owner_is_told_once() {
    let world = World::new(Role::Mx);
    world.script(ANA, "require \"fileinto\"; fileinto \"${\"; garbage");
    world.script(EVA, "require [\"variables\", \"fileinto\"]; set \"a\" \"\"; fileinto \"${a}\";");
    for name in [ANA, EVA] {
        for subject in ["one", "two"] {
            assert!(send(&world, name, subject).starts_with("250"));
        }
        let inbox = world.inbox(name);
        assert_eq!(inbox.len(), 3, "{inbox:?}");
        let notices: Vec<_> = inbox.iter().filter(|text| text.contains("does not work")).collect();
        assert_eq!(notices.len(), 1);
        assert!(notices[0].contains("\u{ab}mine\u{bb}") && notices[0].contains("Auto-Submitted: auto-generated"));
    }
    world.finish();
}

#[test]
fn refused_mail_is_refused_in_the_answer_where_that_can_be() {
    let world = World::queueing(Role::Mx, |_| {});
    world.script(ANA, "require \"reject\"; reject \"No m\u{e1}s.\nDe verdad.\";");
    let reply = send(&world, ANA, "alone");
    assert_eq!(reply, "550-5.7.1 No mas.|550 5.7.1 De verdad.");
    assert!(world.queued().is_empty() && world.inbox(ANA).is_empty());

    // Eva wants it: the answer is hers, and the sender is told of Ana by mail.
    assert!(world.hello().mail("eva@example.org", &[ANA, EVA], &text("both")).starts_with("250"));
    assert_eq!((world.inbox(ANA).len(), world.inbox(EVA).len()), (0, 1));
    world.run_queue();
    assert!(world.queued().is_empty());
    let told = &world.inbox(EVA)[1];
    assert!(told.contains("Content-Type: multipart/report") && told.contains("5.7.1"), "{told}");
    assert!(world.inbox(ANA).is_empty());

    // Whom nobody can tell is not refused silently.
    assert!(world.hello().mail("", &[ANA, EVA], &text("null")).starts_with("250"));
    assert_eq!(world.inbox(ANA).len(), 1);
    world.finish();

    let world = World::new(Role::Lmtp);
    world.script(ANA, "require \"ereject\"; ereject \"no\";");
    let mut client = world.client();
    client.is("LHLO mx.example.net", "250-");
    client.is(&format!("MAIL FROM:<{FROM}>"), "250");
    client.is("RCPT TO:<ana@example.org>", "250");
    client.is("RCPT TO:<eva@example.org>", "250");
    client.is("DATA", "354");
    client.send("Subject: a\r\n\r\n.\r\n");
    client.says("550 5.7.1 no");
    client.says("250 2.0.0");
    world.finish();
}

#[test]
fn mail_is_sent_on_and_nothing_is_lost_on_the_way() {
    let world = World::queueing(Role::Mx, |_| {});
    world.script(ANA, "redirect \"eva@example.org\"; redirect \"out@other.example\";");
    assert!(send(&world, ANA, "first").starts_with("250"));
    assert_eq!((world.inbox(ANA).len(), world.inbox(EVA).len()), (0, 1));
    assert!(world.inbox(EVA)[0].contains("Delivered-To: eva@example.org\r\nDelivered-To: ana@example.org\r\n"));
    let queued = world.queued();
    assert_eq!((queued.len(), queued[0].to()), (1, vec!["out@other.example"]));
    assert!(queued[0].text.starts_with("Delivered-To: ana@example.org\r\nReceived: "), "{}", queued[0].text);
    let path = &queued[0].envelope.reverse_path;
    assert!(path.starts_with("SRS0=") && path.ends_with("=elsewhere.example=berta@fwd.example.org"), "{path}");
    assert_eq!(queued[0].envelope.account.as_deref(), Some(ANA));
    // It comes again, as from a relay that heard no answer.
    assert!(send(&world, ANA, "first").starts_with("250"));
    assert_eq!((world.queued().len(), world.inbox(EVA).len()), (1, 1), "nothing is done twice");

    // In a circle somebody keeps it.
    world.script(EVA, "redirect \"ana@example.org\";");
    world.script(ANA, "redirect \"eva@example.org\";");
    assert!(send(&world, ANA, "circle").starts_with("250"));
    assert_eq!((world.inbox(ANA).len(), world.inbox(EVA).len()), (0, 2));
    assert!(world.hello().mail(FROM, &[ANA, EVA], &text("both")).starts_with("250"));
    assert_eq!((world.inbox(ANA).len(), world.inbox(EVA).len()), (0, 3), "one of them, at least");

    // So does who sends it on to nobody, and to themselves.
    world.script(ANA, "redirect \"nobody@example.org\";");
    assert!(send(&world, ANA, "nobody").starts_with("250"));
    world.script(ANA, "redirect \"ANA@example.org\";");
    assert!(send(&world, ANA, "herself").starts_with("250"));
    assert_eq!(world.inbox(ANA).len(), 2);
    // What came back from where it was sent on to is a circle.
    let looped = format!("Delivered-To: {ANA}\n{}", text("looped"));
    assert!(world.hello().mail(FROM, &[ANA], &looped).starts_with("554 5.4.6"));
    world.finish();
}

#[test]
fn without_a_queue_nothing_that_is_sent_on_is_lost() {
    let world = World::new(Role::Mx);
    world.script(ANA, "require \"vacation\"; vacation \"away\"; redirect \"out@other.example\";");
    assert!(send(&world, ANA, "a").starts_with("250"));
    assert_eq!(world.inbox(ANA).len(), 1);
    world.finish();
}

#[test]
fn settings_run_before_the_script_of_the_owner() {
    let world = World::queueing(Role::Mx, |_| {});
    let id = world.services.directory.account(&Address::new(ANA).unwrap()).unwrap().unwrap().id;
    let vacation =
        Vacation { subject: None, text: "Vuelvo el lunes.".into(), first_day: None, last_day: None, interval_days: 7 };
    world.change(|tx| {
        tx.put_forward(id, &Forward { targets: vec!["out@other.example".into()], keep_copy: true })?;
        tx.put_vacation(id, &vacation)
    });
    world.script(ANA, "require \"fileinto\"; if header :is \"subject\" \"gone\" { discard; }");
    assert!(send(&world, ANA, "gone").starts_with("250"));
    assert_eq!(world.inbox(ANA).len(), 0, "the owner's script ran too");
    let mut queued = world.queued();
    queued.sort_by_key(|waiting| waiting.to().join(""));
    assert_eq!(queued.iter().flat_map(Waiting::to).collect::<Vec<_>>(), [FROM, "out@other.example"]);
    let reply = &queued[0];
    assert_eq!(reply.envelope.reverse_path, "");
    assert!(reply.text.contains("Auto-Submitted: auto-replied") && reply.text.contains("Vuelvo el lunes."));
    // Nobody is answered twice, and mail without a copy here runs no further script.
    world.change(|tx| tx.put_forward(id, &Forward { targets: vec!["out@other.example".into()], keep_copy: false }));
    assert!(send(&world, ANA, "again").starts_with("250"));
    assert_eq!((world.queued().len(), world.inbox(ANA).len()), (3, 0));
    // A list is not answered.
    world.finish();
}

#[test]
fn what_a_script_has_seen_it_knows_again() {
    let world = World::new(Role::Mx);
    world.script(ANA, "require \"duplicate\"; if duplicate :header \"message-id\" { discard; }");
    for _ in 0..2 {
        // Another hop each time: two messages to the store, one to the script.
        let received = format!("Received: by {:?}; now\n", std::time::Instant::now());
        assert!(world.hello().mail(FROM, &[ANA], &format!("{received}{}", text("same"))).starts_with("250"));
    }
    assert_eq!(world.inbox(ANA).len(), 1);
    world.finish();
}

/// Accounts that send to one another in every which way: nobody's mail is lost among them, and nobody has it twice.
#[test]
fn whatever_accounts_send_to_one_another_somebody_has_it() {
    const ACCOUNTS: usize = 5;
    const ROUNDS: u64 = 60;
    let world = World::new(Role::Mx);
    let name = |number: usize| format!("u{number}@example.org");
    for number in 0..ACCOUNTS {
        world.account(&name(number), |_| {});
    }
    for round in 0..ROUNDS {
        // Each account sends to each other one by a bit of its own; all graphs come about as likely.
        let bits = u64::from_le_bytes(blake3::hash(&round.to_le_bytes()).as_bytes()[..8].try_into().unwrap());
        let sends = |from: usize, to: usize| from != to && bits >> (from * ACCOUNTS + to) & 3 == 3;
        let is_recipient = |number: usize| bits >> (40 + number) & 1 == 1 || number == 0;
        for from in 0..ACCOUNTS {
            let targets = (0..ACCOUNTS).filter(|&to| sends(from, to));
            let script: String = targets.map(|to| format!("redirect \"{}\";\n", name(to))).collect();
            world.script(&name(from), &format!("# {round}\n{script}"));
        }
        let recipients: Vec<String> = (0..ACCOUNTS).filter(|&number| is_recipient(number)).map(name).collect();
        let to: Vec<&str> = recipients.iter().map(String::as_str).collect();
        let subject = format!("round-{round}-");
        assert!(world.hello().mail(FROM, &to, &text(&subject)).starts_with("250"));
        let copies: Vec<usize> = (0..ACCOUNTS)
            .map(|number| world.inbox(&name(number)).iter().filter(|text| text.contains(&subject)).count())
            .collect();
        assert!(copies.iter().all(|copies| *copies <= 1), "round {round}: {copies:?}");
        for recipient in (0..ACCOUNTS).filter(|&number| is_recipient(number)) {
            let (mut reached, mut open) = (vec![recipient], vec![recipient]);
            while let Some(from) = open.pop() {
                let next: Vec<usize> = (0..ACCOUNTS).filter(|to| sends(from, *to) && !reached.contains(to)).collect();
                reached.extend(&next);
                open.extend(next);
            }
            let somebody = reached.iter().any(|number| copies[*number] == 1);
            assert!(somebody, "round {round}: nobody has what {recipient} got: {copies:?}");
        }
    }
    world.finish();
}

#[test]
fn settings_send_mail_on_to_more_addresses_than_a_script_may() {
    let world = World::queueing(Role::Mx, |_| {});
    let far: Vec<String> = (0..20).map(|number| format!("u{number}@far.example")).collect();
    let id = world.services.directory.account(&Address::new(ANA).unwrap()).unwrap().unwrap().id;
    world.change(|tx| tx.put_forward(id, &Forward { targets: far.clone(), keep_copy: false }));
    assert!(send(&world, ANA, "all").starts_with("250"));
    assert_eq!(world.queued()[0].to(), far);
    assert!(world.inbox(ANA).is_empty());

    let redirects: String = far[..5].iter().map(|to| format!("redirect \"{to}\"; ")).collect();
    world.script(EVA, &redirects);
    assert!(send(&world, EVA, "some").starts_with("250"));
    assert_eq!((world.inbox(EVA).len(), world.queued().len()), (2, 1), "it is kept, and she is told");
    world.finish();
}
