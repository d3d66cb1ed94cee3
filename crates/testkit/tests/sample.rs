//! The committed sample is what its script makes, and is laid out with the times that a checkout loses.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use testkit::dovecot::{Dovecot, ServedMessage};
use testkit::sample::{self, ExpectedMessage};

#[test]
fn the_committed_sample_is_what_its_script_makes() -> anyhow::Result<()> {
    let Some(ran) = sample::script(&["--check"])? else { return Ok(()) };
    assert_eq!(ran.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    Ok(())
}

#[test]
fn it_is_laid_out_with_its_times() -> anyhow::Result<()> {
    let place = tempfile::tempdir()?;
    sample::lay_out(place.path())?;
    let orphan = place.path().join("before/lost+found/#1001");
    let modified = std::fs::metadata(orphan)?.modified()?.duration_since(std::time::UNIX_EPOCH)?;
    assert_eq!(modified.as_secs(), 1_736_078_400); // 2025-01-05 12:00 UTC
    Ok(())
}

#[test]
fn its_expectation_adds_up() -> anyhow::Result<()> {
    let expected = sample::expected()?;
    assert_eq!(expected.format, 1);
    for account in &expected.accounts {
        let totals = &account.totals;
        let sum = totals.before + totals.after + totals.recovered - totals.both - totals.folded;
        assert_eq!(totals.result, sum, "{}", account.address);
        let messages: usize = account.mailboxes.iter().map(|mailbox| mailbox.messages.len()).sum();
        assert_eq!(messages, totals.result, "{}", account.address);
    }
    assert_eq!(expected.by_address().len(), expected.accounts.len());
    let results: usize = expected.accounts.iter().map(|account| account.totals.result).sum();
    assert_eq!(results, expected.totals.result);
    Ok(())
}

/// Where only one lineage has an account, the rules leave it as it was (`RULES.md` G6): Dovecot is the witness.
#[test]
fn accounts_of_one_lineage_are_expected_as_dovecot_shows_them() -> anyhow::Result<()> {
    let place = tempfile::tempdir()?;
    sample::lay_out(place.path())?;
    let expected = sample::expected()?;
    let mut seen = Vec::new();
    for lineage in ["before", "after"] {
        let Some(dovecot) = Dovecot::start(&place.path().join(lineage), None)? else { return Ok(()) };
        for account in &expected.accounts {
            let totals = &account.totals;
            let other = if lineage == "before" { totals.after } else { totals.before };
            let elsewhere = if lineage == "before" { "after" } else { "before" };
            let (local, domain) = account.address.split_once('@').expect("an address");
            let maildrop = |lineage: &str| place.path().join(lineage).join("mail").join(domain).join(local);
            // What lost+found gives back and what is past reading are no business of Dovecot's.
            if other > 0
                || maildrop(elsewhere).exists()
                || totals.recovered + totals.unreadable > 0
                || totals.result == 0
            {
                continue;
            }
            let served = dovecot.account(&account.address, "any")?;
            let shown: BTreeMap<&str, _> = served.iter().map(|mailbox| (mailbox.name.as_str(), mailbox)).collect();
            assert_eq!(shown.len(), account.mailboxes.len(), "{}", account.address);
            for mailbox in &account.mailboxes {
                let shown = shown[mailbox.name.as_str()];
                assert_eq!(Some(shown.uidvalidity), mailbox.uidvalidity, "{}", mailbox.name);
                let messages: Vec<ExpectedMessage> = shown.messages.iter().map(as_expected).collect();
                assert_eq!(messages, mailbox.messages, "{} {}", account.address, mailbox.name);
            }
            seen.push(account.address.as_str());
        }
    }
    let names: Vec<&str> = seen.iter().filter_map(|address| address.split('@').next()).collect();
    assert_eq!(names, ["jose", "luis", "lee", "rosa", "maria", "antonio", "tomas"]);
    Ok(())
}

fn as_expected(message: &ServedMessage) -> ExpectedMessage {
    const LETTERS: [(&str, char); 5] =
        [("\\Draft", 'D'), ("\\Flagged", 'F'), ("\\Answered", 'R'), ("\\Seen", 'S'), ("\\Deleted", 'T')];
    let has = |flag: &str| message.flags.iter().any(|have| have == flag);
    ExpectedMessage {
        digest: Sha256::digest(&message.body).iter().map(|byte| format!("{byte:02x}")).collect(),
        flags: LETTERS.iter().filter(|(flag, _)| has(flag)).map(|(_, letter)| letter).collect(),
        keywords: message.flags.iter().filter(|flag| !flag.starts_with('\\')).cloned().collect(),
        internal_date: message.internal_date,
        uid: Some(message.uid),
        damaged: false,
        moved_from: None,
    }
}
