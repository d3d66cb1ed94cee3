//! Header edits: what is left after forged fields were taken out has none, the rest is as it was, and no finding can break
//! out of the field that tells it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use message::header;
use provenance::{Dkim, Dmarc, Findings, Outcome, Spf, remove_forged};

const OURS: &str = "mx.our.test";

fuzz_target!(|raw: &[u8]| {
    let crlf = message::to_crlf(raw);
    let clean = remove_forged(&crlf, OURS).into_owned();
    assert!(clean.len() <= crlf.len());
    assert_eq!(remove_forged(&clean, OURS), clean);
    for field in header::fields(&clean).filter(|field| field.is("Authentication-Results")) {
        let value = field.value().to_ascii_lowercase();
        assert!(!value.starts_with(OURS.as_bytes()) || value.get(OURS.len()).is_some_and(|byte| !b" ;\t".contains(byte)));
    }
    // Nothing but such fields goes: all others are there, in their order.
    let others = |message: &[u8]| -> Vec<Vec<u8>> {
        let is_other = |field: &header::Field<'_>| {
            !field.is("Authentication-Results") && !field.raw_value().iter().any(|byte| matches!(byte, b'\r' | b'\n'))
        };
        header::fields(message).filter(is_other).map(|field| field.raw_value().to_vec()).collect()
    };
    if !crlf.windows(2).any(|two| (two[0] == b'\r') != (two[1] == b'\n')) {
        assert_eq!(others(&clean), others(&crlf));
    }

    let text = String::from_utf8_lossy(raw).into_owned();
    let findings = Findings {
        spf: Spf { outcome: Outcome::Fail, domain: text.clone(), sender: text.clone(), ..Spf::default() },
        dkim: vec![Dkim { domain: text.clone(), selector: text.clone(), problem: Some(text.clone()), ..Dkim::default() }],
        dmarc: Dmarc { domain: text, ..Dmarc::default() },
        ..Findings::default()
    };
    let field = findings.authentication_results(OURS);
    assert!(field.is_ascii());
    let whole = format!("{field}\r\n");
    assert_eq!(header::fields(whole.as_bytes()).count(), 1);
    assert_eq!(&remove_forged(whole.as_bytes(), OURS)[..], b"\r\n");
});
