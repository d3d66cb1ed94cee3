//! What became of TLS and DMARC is counted by day.

use store::spool::{Disposition, DkimSeen, DmarcOutcome, SpfSeen, TlsFailure, TlsOutcome, TlsPolicy};

use super::support::{NOW, open};
use crate::support::scratch;

fn tls() -> TlsOutcome {
    TlsOutcome {
        domain: "one.example".into(),
        policy: TlsPolicy::Sts,
        policy_text: vec!["version: STSv1".into(), "mode: enforce".into()],
        mx: Some("mx.one.example".into()),
        mx_ip: Some("192.0.2.1".parse().unwrap()),
        sending_ip: Some("2001:db8::1".parse().unwrap()),
        failure: Some(TlsFailure::CertificateExpired),
        reason: Some("since yesterday".into()),
        count: 2,
    }
}

fn dmarc() -> DmarcOutcome {
    DmarcOutcome {
        domain: "one.example".into(),
        policy: "v=DMARC1; p=reject".into(),
        source_ip: "192.0.2.9".parse().unwrap(),
        disposition: Disposition::Quarantine,
        reason: Some("trusted_forwarder".into()),
        dkim_aligned: true,
        spf_aligned: false,
        header_from: "one.example".into(),
        envelope_from: String::new(),
        envelope_to: Some("two.example".into()),
        dkim: vec![DkimSeen { domain: "one.example".into(), selector: "s".into(), result: "pass".into() }],
        spf: Some(SpfSeen { domain: "one.example".into(), result: "softfail".into() }),
        count: 1,
    }
}

#[test]
fn what_is_alike_is_counted_together_for_sixty_days() {
    let home = scratch();
    let spool = open(home.path());
    let day = NOW / 86_400;
    let fine = TlsOutcome { failure: None, reason: None, mx: None, mx_ip: None, sending_ip: None, ..tls() };
    spool.record_tls(day, vec![tls(), fine.clone(), tls()]).unwrap();
    spool.record_tls(day, vec![tls()]).unwrap();
    spool.record_tls(day + 1, vec![fine.clone()]).unwrap();
    let bare = DmarcOutcome { dkim: vec![], spf: None, reason: None, envelope_to: None, ..dmarc() };
    spool.record_dmarc(day, vec![dmarc(), bare.clone(), bare.clone()]).unwrap();
    drop(spool);

    let spool = open(home.path());
    spool.record_tls(day, vec![tls()]).unwrap();
    let mut found = spool.tls_outcomes(day).unwrap();
    found.sort_by_key(|o| o.count);
    assert_eq!(found, [fine.clone(), TlsOutcome { count: 8, ..tls() }]);
    assert_eq!(spool.tls_outcomes(day + 1).unwrap(), [fine]);
    let mut found = spool.dmarc_outcomes(day).unwrap();
    found.sort_by_key(|o| o.count);
    assert_eq!(found, [dmarc(), DmarcOutcome { count: 2, ..bare }]);

    assert_eq!(spool.tidy(NOW + 60 * 86_400).unwrap().forgotten, 0);
    assert_eq!(spool.tidy(NOW + 61 * 86_400).unwrap().forgotten, 4);
    assert_eq!((spool.tls_outcomes(day).unwrap(), spool.dmarc_outcomes(day).unwrap()), (vec![], vec![]));
    assert_eq!(spool.tls_outcomes(day + 1).unwrap().len(), 1);
}

#[test]
fn long_words_of_a_peer_are_cut() {
    let home = scratch();
    let spool = open(home.path());
    let long = "é".repeat(5000);
    let wordy = TlsOutcome { reason: Some(long.clone()), policy_text: vec![long.clone(); 500], ..tls() };
    spool.record_tls(1, vec![wordy]).unwrap();
    let seen = DkimSeen { domain: long.clone(), selector: long.clone(), result: long.clone() };
    spool.record_dmarc(1, vec![DmarcOutcome { policy: long.clone(), dkim: vec![seen; 500], ..dmarc() }]).unwrap();
    let tls = &spool.tls_outcomes(1).unwrap()[0];
    assert_eq!((tls.reason.as_ref().unwrap().len(), tls.policy_text.len()), (512, 64));
    let dmarc = &spool.dmarc_outcomes(1).unwrap()[0];
    assert_eq!((dmarc.policy.len(), dmarc.dkim.len()), (512, 16));
}
