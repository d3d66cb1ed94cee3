//! doveadm as an IMAP client (imapc).

use super::*;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn doveadm_lists_every_message_through_imapc() {
    if !testkit::has_programs(&["doveadm"]) {
        return;
    }
    let world = World::new();
    let root = rustix::process::geteuid().is_root();
    let home = world.path("imapc");
    std::fs::create_dir(&home).unwrap();
    // As root it works as nobody, who must reach its directory.
    for directory in [world.root.path(), &home] {
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let configuration = world.path("imapc.conf");
    let text = format!(
        "base_dir = {home}/run\nlog_path = /dev/stderr\nssl = no\nmail_location = imapc:{home}/mail\n\
         imapc_host = 127.0.0.1\nimapc_port = {port}\nimapc_user = {ANA}\nimapc_password = {PASSWORD}\n\
         imapc_features = fetch-headers fetch-bodystructure rfc822.size\nfirst_valid_uid = 1\n\
         userdb {{\n  driver = static\n}}\nnamespace inbox {{\n  inbox = yes\n  separator = /\n}}\n",
        home = home.display(),
        port = world.served.imap.port(),
    );
    std::fs::write(&configuration, text).unwrap();
    std::fs::set_permissions(&configuration, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut doveadm = match root {
        true => {
            let mut setpriv = world.client("setpriv");
            setpriv.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "doveadm"]);
            setpriv
        }
        false => world.client("doveadm"),
    };
    doveadm.env("USER", "ana").env("HOME", &home).current_dir(&home);
    doveadm.args(["-c".as_ref(), configuration.as_os_str()]);
    let ran = run(doveadm.args(["-f", "tab", "fetch", "mailbox uid size.physical", "all"])).unwrap();
    succeeded(&ran);
    assert_eq!(ran.stdout.lines().count() - 1, world.messages.len(), "{}{}", ran.stdout, ran.stderr);
    world.finish();
}
