//! GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208), and what they stop.

use super::harness::World;

#[test]
fn a_quota_is_told_in_kibibytes() {
    let world = World::with(|policy| policy.quota_default_bytes = Some(10 * 1024));
    let mut ana = world.ana();
    assert_eq!(ana.ok("a GETQUOTAROOT INBOX"), ["* QUOTAROOT INBOX \"\"", "* QUOTA \"\" (STORAGE 0 10)"]);
    ana.append("INBOX", "one", "");
    assert_eq!(ana.ok("b GETQUOTA \"\""), ["* QUOTA \"\" (STORAGE 1 10)"]);
    assert!(ana.fails("c GETQUOTA nowhere").starts_with("NO [NONEXISTENT]"));
    assert!(ana.fails("d SETQUOTA \"\" (STORAGE 100)").starts_with("NO [NOPERM]"));
    world.finish();
}

#[test]
fn an_account_without_a_limit_has_a_root_without_one() {
    let world = World::new();
    assert_eq!(world.ana().ok("a GETQUOTA \"\""), ["* QUOTA \"\" ()"]);
    world.finish();
}

#[test]
fn a_full_account_takes_no_more_and_gives_away() {
    let world = World::with(|policy| policy.quota_default_bytes = Some(4 * 1024));
    let mut ana = world.ana();
    let message = format!("Subject: large\r\n\r\n{}\r\n", "x".repeat(3000));
    ana.append_bytes("INBOX", message.as_bytes(), "");
    ana.ok("a CREATE Other");
    ana.ok("b SELECT INBOX");
    let append = format!("c APPEND INBOX {{{}+}}\r\n{message}", message.len());
    assert!(ana.fails(&append).starts_with("NO [OVERQUOTA]"));
    assert!(ana.fails("d COPY 1 Other").starts_with("NO [OVERQUOTA]"));
    ana.ok("e MOVE 1 Other");
    assert_eq!(ana.ok("f STATUS Other (MESSAGES)"), ["* STATUS Other (MESSAGES 1)"]);
    world.finish();
}

#[test]
fn the_account_s_own_limit_is_in_force_at_once_and_mail_is_taken_in_the_grace_period() {
    let world = World::new();
    let mut ana = world.ana();
    ana.append("INBOX", "one", "");
    world.set_quota(1024, None);
    assert_eq!(ana.ok("a GETQUOTA \"\""), ["* QUOTA \"\" (STORAGE 1 1)"]);
    let message = "x".repeat(2000);
    let append = format!("b APPEND INBOX {{{}+}}\r\n{message}", message.len());
    assert!(ana.fails(&append).starts_with("NO [OVERQUOTA]"));
    // RULES.md 7.5.
    world.set_quota(1024, Some(i64::MAX));
    ana.ok(&append);
    world.finish();
}
