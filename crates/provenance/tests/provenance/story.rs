//! Whole stories: what is signed, sent, forwarded, forged.

use std::time::Duration;

use provenance::{Action, Disposition, Identity, Options, Outcome, Policy, SealError, remove_forged, sign};
use testkit::dns_server::{Failure, Zones};

use crate::world::{NOW_S, World, asked, ed25519, ip, key_name, outcomes, rsa};

const MESSAGE: &[u8] = b"From: Ana <ana@example.test>\r\nTo: bo@our.test\r\nSubject: Hi\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.test>\r\n\r\nHello.\r\n";

fn action(findings: &provenance::Findings) -> Action {
    findings.action(&Policy::default())
}

#[tokio::test]
async fn an_honest_message_passes_everything() {
    let (ed, ed_record) = ed25519("example.test");
    let (rsa, rsa_record) = rsa("example.test");
    let zones = Zones::new()
        .txt("example.test", "v=spf1 ip4:192.0.2.0/24 -all")
        .txt("mail.example.test", "v=spf1 a -all")
        .address("mail.example.test", ip("192.0.2.1"))
        .ptr(ip("192.0.2.1"), "mail.example.test")
        .txt("_dmarc.example.test", "v=DMARC1; p=reject; rua=mailto:r@example.test")
        .txt(&key_name(&ed), &ed_record)
        .txt(&key_name(&rsa), &rsa_record);
    let world = World::with(zones, Options { iprev: true, ..Options::default() }).await;
    let signed = [sign(&[rsa, ed], MESSAGE, NOW_S).unwrap().as_bytes(), MESSAGE].concat();
    let findings = world.verify(&signed).await;

    assert_eq!(outcomes(&findings), [Outcome::Pass, Outcome::Pass], "{:?}", findings.dkim);
    assert_eq!((findings.spf.outcome, findings.spf.identity), (Outcome::Pass, Identity::MailFrom));
    assert_eq!(findings.spf_helo.outcome, Outcome::Pass);
    assert_eq!(findings.dmarc.outcome, Outcome::Pass);
    assert!(findings.dmarc.spf_aligned && findings.dmarc.dkim_aligned);
    assert_eq!(findings.dmarc.record.as_ref().unwrap().aggregate_reports[0].address, "r@example.test");
    assert_eq!(findings.iprev.as_ref().unwrap().name.as_deref(), Some("mail.example.test"));
    assert_eq!(findings.arc.outcome, Outcome::None);
    assert_eq!(action(&findings), Action::Accept);
    let field = findings.authentication_results("mx.our.test");
    for word in ["iprev=pass", "spf=pass smtp.helo=", "smtp.mailfrom=ana@example.test", "dkim=pass", "dmarc=pass"] {
        assert!(field.contains(word), "{word} in {field}");
    }
}

#[tokio::test]
async fn a_forger_is_refused_or_suspected_as_the_owner_wants() {
    for (policy, expected) in
        [("none", Disposition::None), ("quarantine", Disposition::Quarantine), ("reject", Disposition::Reject)]
    {
        let zones =
            Zones::new().txt("evil.test", "v=spf1 +all").txt("_dmarc.example.test", &format!("v=DMARC1; p={policy}"));
        let world = World::new(zones).await;
        let findings = world.verifier.verify(&asked("x@evil.test", MESSAGE)).await;
        assert_eq!(findings.spf.outcome, Outcome::Pass);
        assert_eq!((findings.dmarc.outcome, findings.dmarc.disposition), (Outcome::Fail, expected));
        match (expected, action(&findings)) {
            (Disposition::None, Action::Accept) | (Disposition::Quarantine, Action::Quarantine) => {}
            (Disposition::Reject, Action::Reject(refusal)) => {
                assert_eq!((refusal.code, refusal.enhanced), (550, "5.7.1"))
            }
            (_, action) => panic!("{policy}: {action:?}"),
        }
    }
}

#[tokio::test]
async fn subdomains_follow_their_organisation() {
    let zones = Zones::new()
        .txt("_dmarc.example.test", "v=DMARC1; p=none; sp=quarantine; np=reject")
        .address("real.example.test", ip("192.0.2.9"))
        .txt("example.test", "v=spf1 ip4:192.0.2.1 -all");
    let world = World::new(zones).await;
    let from = |domain: &str| format!("From: x@{domain}\r\n\r\n");
    let verify = async |domain: &str, sender: &'static str| {
        world.verifier.verify(&asked(sender, from(domain).as_bytes())).await.dmarc
    };
    assert_eq!(verify("real.example.test", "").await.disposition, Disposition::Quarantine);
    assert_eq!(verify("unreal.example.test", "").await.disposition, Disposition::Reject);
    let relaxed = verify("real.example.test", "ana@example.test").await;
    assert_eq!((relaxed.outcome, relaxed.spf_aligned), (Outcome::Pass, true));
    assert_eq!(verify("other.test", "ana@example.test").await.outcome, Outcome::None);
}

#[tokio::test]
async fn two_authors_are_judged_by_the_stricter() {
    let zones = Zones::new()
        .txt("evil.test", "v=spf1 +all")
        .txt("_dmarc.evil.test", "v=DMARC1; p=none")
        .txt("_dmarc.example.test", "v=DMARC1; p=reject");
    let world = World::new(zones).await;
    for header in ["From: x@evil.test\r\nFrom: ana@example.test\r\n\r\n", "From: x@evil.test, ana@example.test\r\n\r\n"]
    {
        let findings = world.verifier.verify(&asked("x@evil.test", header.as_bytes())).await;
        assert!(matches!(action(&findings), Action::Reject(_)), "{header:?}: {:?}", findings.dmarc);
    }
    let nobody = world.verifier.verify(&asked("x@evil.test", b"Subject: x\r\n\r\n")).await;
    assert_eq!(action(&nobody), Action::Quarantine);
}

#[tokio::test]
async fn what_cannot_be_decided_now_waits_where_it_matters() {
    let (ed, record) = ed25519("example.test");
    let zones = Zones::new().txt(&key_name(&ed), &record).txt("_dmarc.example.test", "v=DMARC1; p=reject");
    let world = World::new(zones).await;
    let signed = [sign(&[ed], MESSAGE, NOW_S).unwrap().as_bytes(), MESSAGE].concat();
    world.server.fail("ed._domainkey.example.test", Failure::ServFail);
    let findings = world.verifier.verify(&asked("", &signed)).await;
    assert_eq!(outcomes(&findings), [Outcome::TempError]);
    assert_eq!(findings.dmarc.outcome, Outcome::TempError);
    let Action::Later(refusal) = action(&findings) else { panic!("it is to wait") };
    assert_eq!((refusal.code, refusal.enhanced), (451, "4.7.1"));

    // Without a policy nobody has asked for anything.
    world.server.fail("_dmarc.example.test", Failure::ServFail);
    let other = World::new(Zones::new()).await;
    other.server.fail("_dmarc.example.test", Failure::ServFail);
    let findings = other.verifier.verify(&asked("", MESSAGE)).await;
    assert_eq!((findings.dmarc.outcome, action(&findings)), (Outcome::TempError, Action::Accept));
}

#[tokio::test]
async fn a_resolver_that_hangs_is_waited_for_no_longer_than_the_deadline() {
    let (ed, record) = ed25519("example.test");
    let zones = Zones::new().txt(&key_name(&ed), &record).txt("example.test", "v=spf1 a -all");
    let world = World::with(zones, Options { deadline: Duration::from_secs(1), ..Options::default() }).await;
    for name in ["ed._domainkey.example.test", "example.test", "_dmarc.example.test", "mail.example.test"] {
        world.server.fail(name, Failure::Silent);
    }
    let signed = [sign(&[ed], MESSAGE, NOW_S).unwrap().as_bytes(), MESSAGE].concat();
    let findings = world.verify(&signed).await;
    assert_eq!(outcomes(&findings), [Outcome::TempError]);
    let found = (findings.spf.outcome, findings.spf_helo.outcome, findings.dmarc.outcome);
    assert_eq!(found, (Outcome::TempError, Outcome::TempError, Outcome::TempError));
}

#[tokio::test]
async fn a_forwarder_that_is_trusted_vouches_for_what_it_changed() {
    let (ana, ana_record) = rsa("example.test");
    let (list, list_record) = rsa("lists.test");
    let (next, next_record) = rsa("next.test");
    let zones = || {
        Zones::new()
            .txt("_dmarc.example.test", "v=DMARC1; p=reject")
            .txt(&key_name(&ana), &ana_record)
            .txt(&key_name(&list), &list_record)
            .txt(&key_name(&next), &next_record)
    };
    let trusting = Options { trusted_sealers: vec!["Lists.test".to_owned()], ..Options::default() };
    let (stranger, friend) = (World::new(zones()).await, World::with(zones(), trusting).await);

    // Ana's message comes to the list, which adds a footer and seals.
    let sent = [sign(&[ana], MESSAGE, NOW_S).unwrap().as_bytes(), MESSAGE].concat();
    let at_list = stranger.verify(&sent).await;
    assert_eq!(at_list.dmarc.outcome, Outcome::Pass);
    let changed = [&sent[..], b"-- \r\nThe list\r\n"].concat();
    let set = list.seal(&changed, &at_list, "mx.lists.test", NOW_S).unwrap();
    let forwarded = [set.as_bytes(), &changed].concat();

    let findings = stranger.verify(&forwarded).await;
    assert_eq!(findings.arc.outcome, Outcome::Pass, "{:?}", findings.arc);
    assert_eq!((findings.arc.instances, findings.arc.oldest_pass), (1, 0));
    assert_eq!(findings.arc.sealers, ["lists.test"]);
    assert_eq!(outcomes(&findings), [Outcome::Fail]);
    assert!(matches!(action(&findings), Action::Reject(_)), "nobody trusts the list here");
    let findings = friend.verify(&forwarded).await;
    assert_eq!(findings.arc.vouched.as_ref().unwrap().sealer, "lists.test");
    assert_eq!(action(&findings), Action::Accept);

    // The next hop changes it again: the chain holds, the first message signature does not.
    let again = [&forwarded[..], b"-- \r\nAnother\r\n"].concat();
    let set = next.seal(&again, &findings, "mx.next.test", NOW_S).unwrap();
    let twice = [set.as_bytes(), &again].concat();
    let findings = friend.verify(&twice).await;
    assert_eq!(findings.arc.outcome, Outcome::Pass, "{:?}", findings.arc);
    assert_eq!((findings.arc.instances, findings.arc.oldest_pass), (2, 2));
    assert_eq!(findings.arc.sealers, ["lists.test", "next.test"]);
    assert!(findings.arc.vouched.is_none(), "behind a stranger, nobody's word counts");

    // Somebody who does not seal changes it: the chain fails, is sealed as failed once, and then never again.
    let broken = [&twice[..], b"x\r\n"].concat();
    let findings = friend.verify(&broken).await;
    assert_eq!(findings.arc.outcome, Outcome::Fail);
    let set = list.seal(&broken, &findings, "mx.lists.test", NOW_S).unwrap();
    assert!(set.contains("cv=fail") && set.contains("i=3"), "{set}");
    let ended = [set.as_bytes(), &broken].concat();
    let findings = friend.verify(&ended).await;
    assert_eq!(findings.arc.outcome, Outcome::Fail);
    assert!(matches!(list.seal(&ended, &findings, "mx.lists.test", NOW_S), Err(SealError::Ended)));
}

#[tokio::test]
async fn spf_answers_each_kind_of_record() {
    let zones = Zones::new()
        .txt("softfail.test", "v=spf1 ~all")
        .txt("two.test", "v=spf1 +all")
        .txt("two.test", "v=spf1 -all")
        .txt("loop.test", "v=spf1 include:loop.test -all")
        .txt("void.test", "v=spf1 a:x1.test a:x2.test a:x3.test +all")
        .txt("fails.test", "v=spf1 exp=why.test -all")
        .txt("why.test", "%{i} may not send for %{d}")
        .txt("none.test", "not spf")
        .txt("wide.test", "v=spf1 exists:%{ir}.%{v}.%{d} -all")
        .address("1.2.0.192.in-addr.wide.test", ip("127.0.0.2"));
    let world = World::new(zones).await;
    for (domain, expected) in [
        ("softfail.test", Outcome::SoftFail),
        ("two.test", Outcome::PermError),
        ("loop.test", Outcome::PermError),
        ("void.test", Outcome::PermError),
        ("fails.test", Outcome::Fail),
        ("none.test", Outcome::None),
        ("wide.test", Outcome::Pass),
        ("absent.test", Outcome::None),
        ("[192.0.2.1]", Outcome::None),
        ("single", Outcome::None),
    ] {
        let sender = format!("x@{domain}");
        let findings = world.verifier.verify(&asked(&sender, MESSAGE)).await;
        assert_eq!(findings.spf.outcome, expected, "{domain}: {:?}", findings.spf);
        if domain == "fails.test" {
            assert_eq!(findings.spf.explanation.as_deref(), Some("192.0.2.1 may not send for fails.test"));
        }
    }
    let bounce = world.verifier.verify(&asked("", MESSAGE)).await;
    assert_eq!(bounce.spf.identity, Identity::Helo);
    let before = world.server.questions().len();
    world.verifier.verify(&asked("x@loop.test", MESSAGE)).await;
    assert!(world.server.questions().len() - before < 20, "a loop is not asked for again and again");
}

#[tokio::test]
async fn our_own_field_survives_only_if_we_wrote_it() {
    let world = World::new(Zones::new()).await;
    let forged = [b"Authentication-Results: mx.our.test; dmarc=pass header.from=example.test\r\n", MESSAGE].concat();
    let clean = remove_forged(&forged, "mx.our.test");
    assert_eq!(&clean[..], MESSAGE);
    let field = world.verify(&clean).await.authentication_results("mx.our.test");
    let told = [field.as_bytes(), &clean].concat();
    assert_eq!(&remove_forged(&told, "mx.our.test")[..], MESSAGE);
}
