//! The witness is only as good as what it shows: a Maildir laid out by hand, and what Dovecot makes of it.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};
use testkit::dovecot::Dovecot;

const ANA: &str = "ana@panaderia.example";

#[test]
fn dovecot_shows_mailboxes_messages_and_uidls() -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    let maildir = root.path().join("mail/panaderia.example/ana/Maildir");
    put(&maildir, "dovecot-uidlist", b"3 V1700000001 N12 G0123456789abcdef0123456789abcdef\n7 :1700000000.M1\n", 0)?;
    put(&maildir, "dovecot-keywords", b"0 $Forwarded\n", 0)?;
    put(&maildir, "cur/1700000000.M1:2,FSa", b"Subject: uno\n\nHola \xf1\n", 1_700_000_000)?;
    put(&maildir, "new/1700000100.M2", b"Subject: dos\n\n", 1_700_000_100)?;
    put(&maildir, ".A&APE-o 2024/dovecot-uidlist", b"3 V1700000002 N1\n", 0)?;
    put(&maildir, "subscriptions", "A&APE-o 2024\n".as_bytes(), 0)?;

    let Some(dovecot) = Dovecot::start(root.path(), None)? else { return Ok(()) };
    let mailboxes = dovecot.account(ANA, "whatever")?;

    let [inbox, year] = &mailboxes[..] else { panic!("{mailboxes:?}") };
    assert_eq!((inbox.name.as_str(), inbox.uidvalidity, inbox.uidnext), ("INBOX", 1_700_000_001, 13));
    assert_eq!((year.name.as_str(), year.uidvalidity, year.messages.len()), ("Año 2024", 1_700_000_002, 0));
    assert_eq!((inbox.subscribed, year.subscribed), (false, true));
    let [old, new] = &inbox.messages[..] else { panic!("{inbox:?}") };
    assert_eq!((old.uid, old.internal_date, old.size_bytes), (7, 1_700_000_000, 24));
    assert_eq!(old.flags, ["$Forwarded", "\\Flagged", "\\Seen"]);
    assert_eq!(old.body, b"Subject: uno\r\n\r\nHola \xf1\r\n");
    assert_eq!((new.uid, new.flags.len()), (12, 0));

    let maildrop = dovecot.maildrop(ANA, "whatever")?;
    let uidls: Vec<&str> = maildrop.iter().map(|entry| entry.uidl.as_str()).collect();
    assert_eq!(uidls, ["000000076553f101", "0000000c6553f101"]);
    assert_eq!((maildrop[0].size_bytes, &maildrop[0].body), (24, &old.body));
    Ok(())
}

#[test]
fn the_tree_that_is_served_stays_as_it_was() -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    let maildir = root.path().join("mail/panaderia.example/ana/Maildir");
    put(&maildir, "new/1700000100.M2", b"Subject: dos\n\n", 1_700_000_100)?;
    let Some(dovecot) = Dovecot::start(root.path(), None)? else { return Ok(()) };
    dovecot.account(ANA, "whatever")?;
    assert!(maildir.join("new/1700000100.M2").is_file());
    assert!(!maildir.join("dovecot-uidlist").exists());
    Ok(())
}

#[test]
fn passwords_of_a_passwd_file_open_its_accounts_only() -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    put(&root.path().join("mail/panaderia.example/ana/Maildir"), "cur/1700000000.M1:2,", b"Subject: x\n\n", 0)?;
    let users = root.path().join("users");
    std::fs::write(&users, "ana@panaderia.example:{PLAIN}harina\"y sal:5000:5000::/nowhere::\n")?;
    let Some(dovecot) = Dovecot::start(root.path(), Some(&users))? else { return Ok(()) };
    assert!(dovecot.opens(ANA, "harina\"y sal")?);
    assert!(!dovecot.opens(ANA, "harina")?);
    assert!(!dovecot.opens("pepe@panaderia.example", "harina\"y sal")?);
    Ok(())
}

#[test]
fn it_is_gone_when_it_is_dropped() -> anyhow::Result<()> {
    let root = tempfile::tempdir()?;
    std::fs::create_dir(root.path().join("mail"))?;
    let Some(dovecot) = Dovecot::start(root.path(), None)? else { return Ok(()) };
    let process = format!("/proc/{}", dovecot.pid());
    assert!(Path::new(&process).exists());
    drop(dovecot);
    assert!(!Path::new(&process).exists());
    Ok(())
}

/// Writes a file with a modification time; a time of 0 leaves it at now.
fn put(root: &Path, path: &str, content: &[u8], modified_s: u64) -> anyhow::Result<()> {
    let place = root.join(path);
    let mailbox = place.parent().and_then(|parent| match path.contains("cur/") || path.contains("new/") {
        true => parent.parent(),
        false => Some(parent),
    });
    for name in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(mailbox.unwrap_or(root).join(name))?;
    }
    std::fs::write(&place, content)?;
    if modified_s > 0 {
        let file = std::fs::File::options().append(true).open(&place)?;
        file.set_modified(UNIX_EPOCH + Duration::from_secs(modified_s))?;
    }
    Ok(())
}
