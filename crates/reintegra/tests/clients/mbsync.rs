//! isync.

use super::*;

/// A configuration that pulls everything of an account from a port into a directory.
pub(crate) fn configuration(port: u16, password: &str, into: &Path) -> String {
    let into = into.display();
    format!(
        "SyncState *\n\nIMAPAccount account\nHost 127.0.0.1\nPort {port}\nUser {ANA}\nPass {password}\nSSLType None\n\
         AuthMechs PLAIN\n\nIMAPStore far\nAccount account\n\n\
         MaildirStore near\nPath {into}/\nInbox {into}/INBOX\nSubFolders Verbatim\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nSync Pull\nCopyArrivalDate yes\n"
    )
}

#[test]
fn mbsync_pulls_every_message_and_the_second_time_none() {
    if !testkit::has_programs(&["mbsync"]) {
        return;
    }
    let world = World::new();
    let into = world.path("mbsync");
    std::fs::create_dir(&into).unwrap();
    let configuration = world.write("mbsyncrc", &configuration(world.served.imap.port(), PASSWORD, &into));
    let pull = || succeeded(&run(world.client("mbsync").arg("-a").arg("-c").arg(&configuration)).unwrap());

    pull();
    // mbsync puts a header field of its own (X-TUID) into what it stores.
    let pulled = sorted(maildir_identities(&into));
    assert_eq!(pulled, sorted(world.messages.iter().map(|m| m.identity.clone())));

    pull();
    assert_eq!(sorted(maildir_identities(&into)), pulled);
    world.finish();
}

#[test]
fn mbsync_signs_in_by_scram_once_the_account_has_keys() {
    if !testkit::has_programs(&["mbsync"]) {
        return;
    }
    // It takes the strongest mechanism that is offered, computes no more than 65,536 iterations, and tries no other then.
    let world = World::with("sign_in.scram = \"always\"\n");
    let into = world.path("mbsync");
    std::fs::create_dir(&into).unwrap();
    let text = configuration(world.served.imap.port(), PASSWORD, &into);
    let plain = world.write("mbsyncrc.plain", &text);
    let free_to_choose = world.write("mbsyncrc", &text.replace("AuthMechs PLAIN\n", "AuthMechs *\n"));
    let pull =
        |configuration: &Path| succeeded(&run(world.client("mbsync").args(["-a", "-c"]).arg(configuration)).unwrap());

    // The password that came with the import is not known here: keys are made when it is sent.
    pull(&plain);
    pull(&free_to_choose);
    assert_eq!(maildir_identities(&into).len(), world.messages.len());
    world.finish();
}
