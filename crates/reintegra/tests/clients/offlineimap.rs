//! OfflineIMAP.

use super::*;

#[test]
fn offlineimap_copies_every_message() {
    if !testkit::has_programs(&["offlineimap"]) {
        return;
    }
    let world = World::new();
    let (into, port) = (world.path("offlineimap"), world.served.imap.port());
    let configuration = world.write(
        "offlineimaprc",
        &format!(
            "[general]\naccounts = a\nmetadata = {}\nui = basic\n[Account a]\nlocalrepository = L\nremoterepository = R\n\
             [Repository L]\ntype = Maildir\nlocalfolders = {}\n\
             [Repository R]\ntype = IMAP\nremotehost = 127.0.0.1\nremoteport = {port}\nremoteuser = {ANA}\n\
             remotepass = {PASSWORD}\nssl = no\nstarttls = no\nauth_mechanisms = PLAIN\nreadonly = True\n",
            world.path("offlineimap-metadata").display(),
            into.display(),
        ),
    );
    succeeded(&run(world.client("offlineimap").arg("-o").arg("-c").arg(&configuration)).unwrap());
    assert_eq!(sorted(maildir_digests(&into)), sorted(world.messages.iter().map(|m| m.digest.clone())));
    world.finish();
}
