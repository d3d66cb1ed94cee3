//! Mail is put in, tried, settled and gone.

use store::spool::{
    Counts, DueHop, Envelope, Filter, Lane, NewMail, NewRecipient, Notify, Purpose, QueueId, Recipient, Return,
    Settled, Settlement, Spool, State,
};
use store::{Class, Prepared, StoreError};

use super::support::{
    NOW, again, assert_sound, contents, key, mail, open, put, recipient, segments, settle, settlement, texts,
};
use crate::support::{options, prepared, raw, scratch};

#[test]
fn what_is_put_in_comes_back_as_it_was_also_after_reopening() {
    let home = scratch();
    let spool = open(home.path());
    let full = NewMail {
        key: None,
        envelope: Envelope {
            reverse_path: String::new(),
            purpose: Purpose::Reply,
            account: Some("Ana@example.org".into()),
            envelope_id: Some("a*3000".into()),
            returns: Some(Return::Headers),
            smtputf8: true,
            require_tls: true,
            arrived_s: -5,
            expires_s: i64::MAX,
        },
        recipients: vec![
            NewRecipient {
                address: "jöran@Bücher.example".into(),
                hop: "xn--bcher-kva.example".into(),
                notify: Notify { success: true, failure: false, delay: true },
                original: Some("rfc822;x@example.org".into()),
                hidden: true,
            },
            NewRecipient { notify: Notify::NEVER, ..recipient("bob@example.net") },
        ],
        due_s: NOW + 7,
        message: prepared(&raw("a*3000")),
    };
    let id = spool.put(vec![full.clone()]).unwrap()[0];
    let expected: Vec<Recipient> = (0..)
        .zip(full.recipients)
        .map(|(number, r)| Recipient {
            number,
            address: r.address,
            hop: r.hop,
            notify: r.notify,
            original: r.original,
            hidden: r.hidden,
            state: State::Waiting,
            ends: false,
            due_s: NOW + 7,
            attempts: 0,
            last: None,
            delay_told: false,
        })
        .collect();
    let assert_there = |spool: &Spool| {
        let (queued, recipients) = spool.message(id).unwrap().unwrap();
        assert_eq!((queued.id, &queued.envelope, &recipients), (id, &full.envelope, &expected));
        assert_eq!(queued.size_bytes, raw("a*3000").len() as u64);
        assert_eq!(spool.bytes(&queued).unwrap(), raw("a*3000"));
        let size_bytes = queued.size_bytes;
        let counts = Counts { messages: 1, size_bytes, waiting: 2, held: 0, oldest_s: Some(-5) };
        assert_eq!(spool.counts().unwrap(), counts);
        assert_sound(spool);
    };
    assert_there(&spool);
    drop(spool);
    assert_there(&open(home.path()));
}

#[test]
fn a_key_that_is_known_puts_nothing_in_even_when_its_message_is_gone() {
    let home = scratch();
    let spool = open(home.path());
    let first = put(&spool, "a", &["x@one.example"]);
    assert_eq!(put(&spool, "a", &["x@one.example"]), first);
    let together = ["b", "c", "b"].map(|text| mail(text, &["x@one.example"]));
    let ids = spool.put(together.to_vec()).unwrap();
    assert!(ids[0] == ids[2] && ids[0] != ids[1] && ids[0] > first);
    assert_eq!(texts(&spool), ["a", "b", "c"]);

    settle(&spool, first, &[Settled::Done]);
    assert_eq!((put(&spool, "a", &["x@one.example"]), texts(&spool).len()), (first, 2));
    drop(spool);
    let spool = open(home.path());
    assert_eq!((put(&spool, "a", &["x@one.example"]), texts(&spool).len()), (first, 2));

    // Without a key it is another message each time.
    let keyless = NewMail { key: None, ..mail("d", &["x@one.example"]) };
    let ids = spool.put(vec![keyless.clone(), keyless]).unwrap();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(spool.counts().unwrap().messages, 4);
    assert_sound(&spool);
}

#[test]
fn a_message_is_put_in_again_for_those_who_failed_and_for_nobody_else() {
    let home = scratch();
    let spool = open(home.path());
    let waits = |id: QueueId| -> Vec<String> {
        spool.message(id).unwrap().map_or_else(Vec::new, |(_, all)| all.into_iter().map(|r| r.address).collect())
    };
    let messages = || spool.counts().unwrap().messages;
    let ends = |id: QueueId, number: u32, end: Settled| {
        spool.settle(vec![Settlement { recipients: vec![(number, end)], ..settlement(id, &[]) }], true).unwrap();
    };
    let [x, y, z] = ["x@one.example", "y@one.example", "z@two.example"];
    let first = put(&spool, "a", &[x, y]);
    ends(first, 0, Settled::Failed);
    // One that waits is left alone, whatever became of the other; who is named for the first time gets it too.
    let again = put(&spool, "a", &[x, y, z]);
    assert_eq!((waits(first), waits(again)), (vec![y.to_owned()], vec![x.to_owned(), z.to_owned()]));
    assert_eq!((put(&spool, "a", &[y]), put(&spool, "a", &[z, x]), messages()), (first, again, 2));
    // Whoever has it has it once.
    ends(first, 1, Settled::Done);
    ends(again, 0, Settled::Done);
    ends(again, 1, Settled::Failed);
    assert_eq!((put(&spool, "a", &[x, y]), messages()), (again, 0));
    drop(spool);
    let spool = open(home.path());
    let third = put(&spool, "a", &[x, y, z, z]);
    assert_eq!(spool.message(third).unwrap().unwrap().1.len(), 1, "and nobody is named twice");
    assert!(third > again);
    // What is put in together is one message for each recipient too.
    let ids = spool.put(vec![mail("b", &[x]), mail("b", &[x, y]), mail("b", &[y, x])]).unwrap();
    assert!(ids[0] < ids[1] && ids[1] == ids[2], "{ids:?}");
    assert_eq!(spool.counts().unwrap().waiting, 3);
    assert_sound(&spool);
}

#[test]
fn a_key_that_came_to_be_another_messages_is_left_to_it() {
    let home = scratch();
    let spool = open(home.path());
    let first = put(&spool, "a", &["x@one.example"]);
    while spool.tidy(i64::MAX).unwrap().more {}
    let second = put(&spool, "a", &["x@one.example"]);
    assert!(second > first, "its key was forgotten for its age");
    settle(&spool, first, &[Settled::Failed]);
    assert_eq!(put(&spool, "a", &["x@one.example"]), second);
    assert_sound(&spool);
}

#[test]
fn what_programs_write_waits_in_a_lane_of_its_own() {
    let home = scratch();
    let spool = open(home.path());
    let automatic = |text: &str, hop: &str| {
        let mut mail = mail(text, &[&format!("x@{hop}")]);
        mail.envelope.purpose = Purpose::Notification;
        mail.due_s = NOW - 10;
        mail
    };
    for number in 0..5 {
        spool.put(vec![automatic(&format!("n{number}"), &format!("h{number}.example"))]).unwrap();
    }
    spool.put(vec![automatic("n", "one.example")]).unwrap();
    let sent = put(&spool, "a", &["y@one.example"]);
    let hops = |lane, after: Option<&DueHop>, limit| spool.due_hops(lane, NOW, after, limit).unwrap();
    assert_eq!(hops(Lane::Sent, None, 9), [DueHop { hop: "one.example".into(), due_s: NOW, waiting: 1 }]);
    assert_eq!(spool.due("one.example", Lane::Sent, NOW, 9).unwrap()[0].0.id, sent);
    assert_eq!(spool.due("one.example", Lane::Automatic, NOW, 9).unwrap().len(), 1);

    // Page by page, each hop once.
    let all = hops(Lane::Automatic, None, 9);
    assert_eq!(all.len(), 6);
    let first = hops(Lane::Automatic, None, 4);
    let second = hops(Lane::Automatic, first.last(), 4);
    assert_eq!([first, second.clone()].concat(), all);
    assert_eq!(hops(Lane::Automatic, second.last(), 4), []);
    assert_eq!(spool.next_due().unwrap(), Some(NOW - 10));
    assert_sound(&spool);
}

#[test]
fn what_is_held_until_a_time_is_found_when_it_is_over() {
    let home = scratch();
    let spool = open(home.path());
    let until = |s| Settled::Held { until_s: Some(NOW + s) };
    let a = put(&spool, "a", &["x@one.example", "y@one.example"]);
    let b = put(&spool, "b", &["x@one.example"]);
    settle(&spool, a, &[until(20), Settled::Held { until_s: None }]);
    settle(&spool, b, &[until(10)]);
    let ended = |s, limit| -> Vec<(QueueId, Vec<u32>)> {
        let found = spool.ended(NOW + s, limit).unwrap();
        found.into_iter().map(|(queued, all)| (queued.id, all.iter().map(|r| r.number).collect())).collect()
    };
    assert_eq!((ended(9, 9), ended(10, 9)), (vec![], vec![(b, vec![0])]));
    assert_eq!((ended(1000, 9), ended(1000, 1)), (vec![(b, vec![0]), (a, vec![0])], vec![(b, vec![0])]));
    assert_eq!(spool.counts().unwrap().held, 3);
    // A try that ends meanwhile changes nothing, and neither does opening anew; letting go and holding for ever do.
    settle(&spool, b, &[again(NOW + 5)]);
    drop(spool);
    let spool = open(home.path());
    assert_eq!(spool.ended(NOW + 10, 9).unwrap()[0].0.id, b);
    settle(&spool, b, &[Settled::Released]);
    settle(&spool, a, &[Settled::Held { until_s: None }]);
    assert_eq!(spool.ended(i64::MAX, 9).unwrap(), []);
    assert_eq!(spool.due("one.example", Lane::Sent, NOW, 9).unwrap()[0].0.id, b);
    assert_sound(&spool);
}

#[test]
fn recipients_wait_are_tried_again_held_and_let_go_each_for_itself() {
    let home = scratch();
    let spool = open(home.path());
    let id = put(&spool, "a", &["x@one.example", "y@one.example", "z@two.example"]);
    let due = |hop: &str, at: i64| -> Vec<u32> {
        let found = spool.due(hop, Lane::Sent, at, 10).unwrap();
        assert!(found.len() <= 1);
        found.iter().flat_map(|(_, recipients)| recipients.iter().map(|r| r.number)).collect()
    };
    assert_eq!(
        (due("one.example", NOW - 1), due("one.example", NOW), due("two.example", NOW)),
        (vec![], vec![0, 1], vec![2])
    );

    settle(&spool, id, &[again(NOW + 60), Settled::Held { until_s: None }, again(NOW + 30)]);
    assert_eq!((due("one.example", NOW + 59), due("one.example", NOW + 60)), (vec![], vec![0]));
    assert_eq!(spool.next_due().unwrap(), Some(NOW + 30));
    let hop = |hop: &str, due_s| DueHop { hop: hop.into(), due_s, waiting: 1 };
    assert_eq!(spool.due_hops(Lane::Sent, NOW + 29, None, 9).unwrap(), []);
    let both = [hop("two.example", NOW + 30), hop("one.example", NOW + 60)];
    assert_eq!(spool.due_hops(Lane::Sent, NOW + 60, None, 9).unwrap(), both);
    assert_eq!(spool.due_hops(Lane::Sent, NOW + 60, None, 1).unwrap(), both[..1]);
    let counts = spool.counts().unwrap();
    assert_eq!((counts.waiting, counts.held), (2, 1));

    // Held, it is not tried, whatever a try under way comes to; let go, it is due at once.
    let told = Settled::Again { due_s: NOW + 90, said: "451 é".repeat(1000), delay_told: true };
    spool.settle(vec![Settlement { recipients: vec![(1, told)], ..settlement(id, &[]) }], false).unwrap();
    assert_eq!(due("one.example", NOW + 90), [0]);
    spool.settle(vec![Settlement { recipients: vec![(1, Settled::Released)], ..settlement(id, &[]) }], false).unwrap();
    assert_eq!(due("one.example", NOW), [1]);
    let of = |number: usize| spool.message(id).unwrap().unwrap().1[number].clone();
    assert_eq!((of(0).attempts, of(0).delay_told, of(0).last.as_deref()), (1, false, Some("451 4.3.0 later")));
    assert_eq!((of(1).attempts, of(1).delay_told), (1, true));
    assert!(of(1).last.unwrap().len() <= 2048);

    settle(&spool, id, &[Settled::Done, Settled::Done]);
    assert_eq!(
        (spool.due_hops(Lane::Sent, i64::MAX, None, 9).unwrap(), texts(&spool)),
        (vec![hop("two.example", NOW + 30)], vec!["a".into()])
    );
    assert_sound(&spool);
    spool
        .settle(
            vec![Settlement { recipients: vec![(2, Settled::Done), (7, Settled::Done)], ..settlement(id, &[]) }],
            false,
        )
        .unwrap();
    assert_eq!((spool.message(id).unwrap(), spool.next_due().unwrap()), (None, None));
    assert_eq!(spool.counts().unwrap(), Counts::default());
    assert_sound(&spool);
}

#[test]
fn the_longest_due_comes_first_and_in_the_order_in_which_it_came() {
    let home = scratch();
    let spool = open(home.path());
    let ids: Vec<QueueId> =
        ["a", "b", "c", "d"].map(|text| put(&spool, text, &["x@one.example", "y@one.example"])).to_vec();
    settle(&spool, ids[0], &[again(NOW + 9), again(NOW + 10)]);
    settle(&spool, ids[1], &[again(NOW + 8), again(NOW + 11)]);
    let due = |limit| -> Vec<(QueueId, usize)> {
        let found = spool.due("one.example", Lane::Sent, NOW + 10, limit).unwrap();
        found.into_iter().map(|(queued, recipients)| (queued.id, recipients.len())).collect()
    };
    assert_eq!(due(9), [(ids[2], 2), (ids[3], 2), (ids[1], 1), (ids[0], 2)]);
    assert_eq!(due(2), [(ids[2], 2), (ids[3], 2)]);
    assert_eq!(due(0), []);
}

#[test]
fn what_is_sent_for_a_settlement_comes_with_it_once() {
    let home = scratch();
    let spool = open(home.path());
    let id = put(&spool, "a", &["x@one.example", "y@one.example"]);
    let failed = |recipients: &[u32], then: &str| Settlement {
        id,
        recipients: recipients.iter().map(|number| (*number, Settled::Done)).collect(),
        then: vec![mail(then, &["ana@example.org"])],
    };
    let sent = spool.settle(vec![failed(&[0], "dsn")], true).unwrap();
    assert_eq!(texts(&spool), ["a", "dsn"]);
    assert_eq!(contents(&spool)["dsn"].0, sent[0]);
    // By a key that is known nothing is sent, and the rest is done.
    assert_eq!(spool.settle(vec![failed(&[0, 1], "dsn")], true).unwrap(), sent);
    assert_eq!(texts(&spool), ["dsn"]);
    // Whoever settled them before has sent what was to be sent.
    assert_eq!(spool.settle(vec![failed(&[0, 1], "another")], true).unwrap(), []);
    assert_eq!(texts(&spool), ["dsn"]);
    assert_sound(&spool);
    drop(spool);
    assert_eq!(texts(&open(home.path())), ["dsn"]);
}

#[test]
fn a_settlement_that_sends_what_cannot_be_kept_does_nothing() {
    let home = scratch();
    let spool = open(home.path());
    let id = put(&spool, "a", &["x@one.example"]);
    let then = vec![mail("dsn", &["ana@example.org"]), mail("nobody", &[])];
    let both = vec![
        settlement(id, &[Settled::Held { until_s: None }]),
        Settlement { then, ..settlement(id, &[Settled::Done]) },
    ];
    let refused = spool.settle(both, true).unwrap_err();
    assert_eq!(refused.class(), Class::Caller);
    assert_eq!((texts(&spool), spool.counts().unwrap().held), (vec!["a".into()], 0));
    put(&spool, "b", &["x@one.example"]);
    assert_sound(&spool);
}

#[test]
fn a_list_is_read_page_by_page_and_has_what_was_asked_for() {
    let home = scratch();
    let spool = open(home.path());
    let ids = ["a", "b", "c"].map(|text| put(&spool, text, &["X@one.example"]));
    let other = NewMail {
        envelope: Envelope { reverse_path: String::new(), ..mail("d", &[]).envelope },
        ..mail("d", &["x@one.example", "y@two.example"])
    };
    let other = spool.put(vec![other]).unwrap()[0];
    spool
        .settle(
            vec![Settlement { recipients: vec![(1, Settled::Held { until_s: None })], ..settlement(other, &[]) }],
            true,
        )
        .unwrap();
    let list = |after, limit, filter: Filter| -> Vec<QueueId> {
        spool.list(after, limit, &filter).unwrap().into_iter().map(|(queued, _)| queued.id).collect()
    };
    let all = Filter::default;
    assert_eq!(list(None, 2, all()), ids[..2]);
    assert_eq!(list(Some(ids[1]), 9, all()), [ids[2], other]);
    let only = |sender: Option<&str>, recipient: Option<&str>, hop: Option<&str>, state| {
        let text = |t: Option<&str>| t.map(str::to_owned);
        list(None, 9, Filter { sender: text(sender), recipient: text(recipient), hop: text(hop), state })
    };
    assert_eq!(only(Some(""), None, None, None), [other]);
    assert_eq!(only(Some("ANA@example.org"), None, None, None), ids);
    assert_eq!(only(None, Some("x@ONE.example"), None, None).len(), 4);
    assert_eq!(only(None, None, Some("two.example"), None), [other]);
    assert_eq!(only(None, None, None, Some(State::Held)), [other]);
    // All of one recipient.
    assert_eq!(only(None, None, Some("one.example"), Some(State::Held)), []);
    // A list has every recipient of what it has.
    assert_eq!(spool.list(Some(ids[2]), 9, &all()).unwrap()[0].1.len(), 2);
}

#[test]
fn what_cannot_be_kept_is_refused_and_spoils_nothing() {
    let home = scratch();
    let spool = open(home.path());
    let examined = message::examine(&raw("a"));
    let many: Vec<String> = (0..1100).map(|n| format!("{n:04}{}@one.example", "x".repeat(996))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for bad in [
        mail("a", &[]),
        NewMail { message: Prepared::known(&examined), ..mail("a", &["x@one.example"]) },
        mail("a", &many),
    ] {
        let refused = spool.put(vec![mail("b", &["x@one.example"]), bad]);
        assert!(matches!(refused, Err(StoreError::Caller(_))), "{refused:?}");
    }
    assert_eq!(spool.put(vec![]).unwrap(), []);
    assert_eq!((texts(&spool), spool.counts().unwrap()), (vec![], Counts::default()));
    put(&spool, "b", &many[..900]);
    put(&spool, "empty", &["x@one.example"]);
    assert_sound(&spool);
}

#[test]
fn an_empty_message_is_one_too() {
    let home = scratch();
    let spool = open(home.path());
    let id = spool.put(vec![NewMail { message: prepared(b""), ..mail("a", &["x@one.example"]) }]).unwrap()[0];
    drop(spool);
    let spool = open(home.path());
    let (queued, _) = spool.message(id).unwrap().unwrap();
    assert_eq!(spool.bytes(&queued).unwrap(), b"");
    assert_sound(&spool);
}

#[test]
fn one_process_has_a_spool_open_and_bytes_of_what_is_gone_are_refused() {
    let home = scratch();
    let spool = open(home.path());
    assert!(matches!(Spool::open(home.path(), options()), Err(StoreError::InUse { .. })));
    let id = put(&spool, "a", &["x@one.example"]);
    let (queued, _) = spool.message(id).unwrap().unwrap();
    settle(&spool, id, &[Settled::Done]);
    assert_eq!(spool.bytes(&queued).unwrap_err().class(), Class::Caller);
    spool.close().unwrap();
    assert_eq!(segments(home.path()), ["00000001.seg"]);
    drop(spool);
    open(home.path());
}

#[test]
fn a_message_is_named_by_digits_and_capitals() {
    let id = QueueId::unchecked(0x6543_21AB_CDEF);
    assert_eq!((id.to_string().as_str(), "654321abcdef".parse()), ("654321ABCDEF", Ok(id)));
    for wrong in ["", "+1", "-1", "G", "1 ", "FFFFFFFFFFFFFFFFF", "FFFFFFFFFFFFFFFF"] {
        assert!(wrong.parse::<QueueId>().is_err(), "{wrong:?}");
    }
    assert_eq!(key("a"), key("a"));
}
