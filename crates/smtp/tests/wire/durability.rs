//! 250 is said when the message survives a loss of power, and not before.

use crate::world::*;
use message::Address;
use smtp::{Role, Settings};
use store::spool::{Filter, Spool};
use store::{OpenOptions, Store};
use testkit::crashdisk::Failure;

#[test]
fn what_was_answered_250_survives_a_loss_of_power() {
    let (world, disk) = World::on_crash_disk(1, Settings::new(Role::Mx));
    let mut client = world.hello();
    for number in 1..=5 {
        let before = disk.sync_count();
        let reply = client.mail("a@b.example", &[ANA, EVA], &format!("Subject: {number}\n\n"));
        assert!(reply.starts_with("250"), "{reply}");
        assert!(disk.sync_count() > before, "one session: a sync before every 250");
    }
    let store = world.crash(&disk);
    for address in [ANA, EVA] {
        let inbox = inbox_in(&store, address);
        assert_eq!(inbox.len(), 5, "{address}");
        assert!((1..=5).all(|number| inbox[number - 1].contains(&format!("Subject: {number}\r\n"))));
    }
}

#[test]
fn a_full_disk_is_for_now_and_loses_nothing() {
    let (world, disk) = World::on_crash_disk(1, Settings::new(Role::Mx));
    let mut client = world.hello();
    assert!(client.mail("a@b.example", &[ANA], "Subject: before\n\n").starts_with("250"));
    disk.fail_from(1, Failure::Io);
    let reply = client.mail("a@b.example", &[ANA], "Subject: failed\n\n");
    assert!(reply.starts_with("451 4.3.0"), "{reply}");
    disk.heal();
    disk.fail_from(1, Failure::NoSpace);
    // Room was reserved in the segment: it may hold one or the other small message yet, which is then durable.
    let mut taken = 0;
    let full = loop {
        let noise: String = (0..40_000u32).map(|n| char::from(b'a' + (n.wrapping_mul(n ^ taken) % 23) as u8)).collect();
        let noise = noise.as_bytes().chunks(70).map(|line| format!("{}\n", String::from_utf8_lossy(line)));
        let reply = client.mail("a@b.example", &[ANA], &format!("Subject: full\n\n{}", noise.collect::<String>()));
        if !reply.starts_with("250") {
            break reply;
        }
        taken += 1;
        assert!(taken < 2000, "the disk is full at last");
    };
    assert!(full.starts_with("452 4.3.1"), "{full}");
    disk.heal();
    assert!(client.mail("a@b.example", &[ANA], "Subject: after\n\n").starts_with("250"));
    let store = world.crash(&disk);
    let inbox = inbox_in(&store, ANA);
    assert!(inbox.iter().any(|message| message.contains("Subject: before\r\n")));
    assert!(inbox.iter().any(|message| message.contains("Subject: after\r\n")));
    assert!(inbox.iter().filter(|message| message.contains("Subject: full\r\n")).count() >= taken as usize);
}

#[test]
fn sessions_share_syncs() {
    const SESSIONS: usize = 20;
    const MESSAGES: usize = 15;
    let (world, disk) = World::on_slow_disk(Settings::new(Role::Mx));
    let mut client = world.hello();
    client.mail("a@b.example", &[ANA], "Subject: first\n\n");
    let before = disk.syncs();
    client.mail("a@b.example", &[ANA, EVA], "Subject: alone\n\n");
    assert_eq!(disk.syncs() - before, 1, "one session: one sync a message, however many get it");
    let before = disk.syncs();
    std::thread::scope(|scope| {
        for session in 0..SESSIONS {
            let mut client = world.hello();
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    let text = format!("Subject: {session}.{number}\n\n");
                    assert!(client.mail("a@b.example", &[ANA], &text).starts_with("250"));
                }
            });
        }
    });
    let syncs = disk.syncs() - before;
    assert!(syncs * 3 < (SESSIONS * MESSAGES) as u64, "{syncs} syncs for {} messages", SESSIONS * MESSAGES);
    assert_eq!(world.inbox(ANA).len(), SESSIONS * MESSAGES + 2);
    world.finish();
}

/// Whichever write or sync fails, nobody misses a message, and who had it when another cell failed does not get it twice.
#[test]
fn a_message_that_one_cell_refused_comes_again_to_it_alone() {
    let (world, disk) = World::on_crash_disk(2, Settings::new(Role::Mx));
    let cell_of = |name: &str| world.services.store.cell_of(&Address::new(name).unwrap()).number();
    let names: Vec<String> = (0..20).map(|number| format!("user{number}@example.org")).collect();
    let in_cell = |cell| names.iter().find(|name| cell_of(name) == cell).unwrap().as_str();
    let pair = [in_cell(0), in_cell(1)];
    for name in pair {
        world.account(name, |_| {});
    }
    let mut client = world.hello();
    let (mut refused, mut split) = (0, 0);
    for number in 1..=30 {
        let (subject, count) = (format!("Subject: {number}.\r\n"), |name: &str, subject: &str| {
            world.inbox(name).iter().filter(|message| message.contains(subject)).count()
        });
        let text = format!("Received: by a.example; now\nSubject: {number}.\n\n");
        disk.fail_after(number, Failure::Io);
        let mut reply = client.mail("a@b.example", &pair, &text);
        disk.heal();
        if !reply.starts_with("250") {
            assert!(reply.starts_with("451 4.3.0"), "{reply}");
            refused += 1;
            split += usize::from(count(pair[0], &subject) == 1);
            reply = client.mail("a@b.example", &pair, &text);
        }
        assert!(reply.starts_with("250"), "{number}: {reply}");
        assert_eq!(pair.map(|name| count(name, &subject)), [1, 1], "{number}: each has it, once");
    }
    assert!(refused > 2 && split > 0, "{refused} refused, {split} of them behind one cell's success");
    let store = world.crash(&disk);
    for name in pair {
        assert!((1..=30).all(|n| inbox_in(&store, name).iter().any(|m| m.contains(&format!("Subject: {n}.\r\n")))));
    }
}

/// The same of what is put into the queue besides.
#[test]
fn what_is_sent_on_is_sent_once_whatever_fails() {
    let (world, disk) = World::queueing_on_crash_disk(Role::Mx);
    world.script(ANA, "require \"copy\"; redirect :copy \"out@other.example\";");
    let mut refused = 0;
    for number in 1..=25 {
        let text = format!("Received: by a.example; now\nSubject: {number}.\n\n");
        disk.fail_after(number, Failure::Io);
        let mut client = world.hello();
        let mut reply = client.mail("a@b.example", &[ANA, EVA], &text);
        disk.heal();
        if !reply.starts_with("250") {
            refused += 1;
            reply = client.mail("a@b.example", &[ANA, EVA], &text);
        }
        assert!(reply.starts_with("250"), "{number}: {reply}");
        let subject = format!("Subject: {number}.\r\n");
        let count = |texts: Vec<String>| texts.iter().filter(|text| text.contains(&subject)).count();
        let queued = world.queued().into_iter().map(|waiting| waiting.text).collect();
        let counts = [count(world.inbox(ANA)), count(world.inbox(EVA)), count(queued)];
        assert_eq!(counts, [1, 1, 1], "{number}");
    }
    assert!(refused > 2, "{refused}");
    let (image, _place) = world.crash_image(&disk);
    let store = Store::open(&image.join("data"), OpenOptions::for_purpose("test")).unwrap();
    let spool = Spool::open(&image.join("queue"), OpenOptions::for_purpose("test")).unwrap();
    let queued = spool.list(None, 100, &Filter::default()).unwrap();
    assert_eq!((inbox_in(&store, ANA).len(), inbox_in(&store, EVA).len(), queued.len()), (25, 25, 25));
}

#[test]
fn several_cells_deliver_one_message() {
    let world = World::of_cells(4, Settings::new(Role::Mx));
    let names: Vec<String> = (0..12).map(|number| format!("user{number}@example.org")).collect();
    for name in &names {
        world.account(name, |_| {});
    }
    let to: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(world.hello().mail("a@b.example", &to, "Subject: all\n\n").starts_with("250"));
    assert!(names.iter().all(|name| world.inbox(name).len() == 1));
    world.finish();
}
