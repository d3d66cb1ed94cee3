//! All mail to one server: signed in, verified, over SMTP or LMTP.

use crate::server::{END, Script, Server, say};
use crate::world::{Authority, deliver, job, job_with, roots, settings, words};
use queue::{Credentials, OutgoingSettings, SmartHost, SmartHostTls};

fn by(server: &Server, tls: SmartHostTls, authority: &Authority) -> OutgoingSettings {
    let mut settings = settings(1);
    settings.roots = roots(authority);
    settings.smart_host = Some(SmartHost {
        host: "127.0.0.1".to_owned(),
        port: server.address.port(),
        tls,
        credentials: Some(Credentials { login: "ana".to_owned(), password: "s3cret ñ".to_owned() }),
        lmtp: false,
    });
    settings
}

#[tokio::test]
async fn the_password_goes_over_verified_tls() {
    let authority = Authority::new();
    for tls in [SmartHostTls::Implicit, SmartHostTls::StartTls] {
        let certified = authority.certify(&["127.0.0.1"]);
        let script = Script::with(&["AUTH LOGIN PLAIN"]);
        let script = match tls {
            SmartHostTls::Implicit => script.implicit_tls(certified.server),
            _ => script.starttls(certified.server),
        };
        let server = Server::start(script).await;
        assert_eq!(
            words(&deliver(by(&server, tls, &authority), job("example.net", &["a@example.net"])).await),
            ["relayed 2.0.0"]
        );
        let commands = server.seen().commands;
        // base64 of NUL ana NUL s3cret ñ
        assert!(commands.contains(&"AUTH PLAIN AGFuYQBzM2NyZXQgw7E=".to_owned()), "{commands:?}");
    }
}

#[tokio::test]
async fn a_server_that_knows_login_alone_is_signed_in_to_as_well() {
    let authority = Authority::new();
    let knows_login = || Script::with(&["AUTH LOGIN"]).starttls(authority.certify(&["127.0.0.1"]).server);
    let asks = |script: Script| script.at("AUTH LOGIN", say("334 VXNlcm5hbWU6")).at("YW5h", say("334 UGFzc3dvcmQ6"));
    let (name, password) = ("YW5h".to_owned(), "czNjcmV0IMOx".to_owned());
    for (script, expected, said) in [
        (asks(knows_login()).at(&password, say("235 2.7.0 in")), "relayed 2.0.0", 3),
        (asks(knows_login()).at(&password, say("535 5.7.8 wrong")), "later 4.7.8", 3),
        (knows_login().at("AUTH LOGIN", say("504 5.5.4 what?")), "later 4.5.4", 1),
        // It may not take the sign-in for done before it has the password.
        (knows_login().at("AUTH LOGIN", say("235 2.7.0 in")), "later 4.7.0", 1),
    ] {
        let server = Server::start(script).await;
        let verdicts =
            deliver(by(&server, SmartHostTls::StartTls, &authority), job("example.net", &["a@example.net"])).await;
        assert_eq!(words(&verdicts), [expected]);
        let commands = server.seen().commands;
        let at = commands.iter().position(|line| line == "AUTH LOGIN").unwrap();
        let all = ["AUTH LOGIN".to_owned(), name.clone(), password.clone()];
        assert_eq!(commands[at..at + said], all[..said]);
        assert_eq!(commands.contains(&password), said == 3);
    }
}

#[tokio::test]
async fn the_password_goes_nowhere_else() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let stranger = || Script::with(&["AUTH PLAIN"]).starttls(theirs.certify(&["127.0.0.1"]).server);
    let misnamed = || Script::with(&["AUTH PLAIN"]).starttls(ours.certify(&["127.0.0.2"]).server);
    for (script, tls) in [
        (stranger(), SmartHostTls::StartTls),
        (misnamed(), SmartHostTls::StartTls),
        (Script::with(&["AUTH PLAIN"]), SmartHostTls::StartTls),
        (Script::with(&["AUTH PLAIN"]), SmartHostTls::Opportunistic),
        (Script::with(&["AUTH PLAIN"]), SmartHostTls::Never),
        (Script::with(&["AUTH CRAM-MD5"]).starttls(ours.certify(&["127.0.0.1"]).server), SmartHostTls::StartTls),
    ] {
        let server = Server::start(script).await;
        let verdicts = deliver(by(&server, tls, &ours), job("example.net", &["a@example.net"])).await;
        assert!(words(&verdicts)[0].starts_with("later 4.7."), "{verdicts:?}");
        assert!(!server.seen().commands.iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")));
    }
}

#[tokio::test]
async fn a_wrong_password_returns_nobodys_mail() {
    let authority = Authority::new();
    let script = Script::with(&["AUTH PLAIN"]).starttls(authority.certify(&["127.0.0.1"]).server);
    let server = Server::start(script.at("AUTH", say("535 5.7.8 wrong"))).await;
    let settings = by(&server, SmartHostTls::StartTls, &authority);
    assert!(!format!("{:?}", settings.smart_host).contains("s3cret"));
    let verdicts = deliver(settings, job("example.net", &["a@example.net"])).await;
    assert_eq!(words(&verdicts), ["later 4.7.8"]);
    assert!(!format!("{verdicts:?}").contains("s3cret"));
}

#[tokio::test]
async fn lmtp_answers_for_each_recipient() {
    let script = Script::with(&["PIPELINING"]).lmtp().at("RCPT TO:<no", say("550 5.1.1 no"));
    let script = script.at_most(1, END, say("250 2.1.5 first")).at_most(1, END, say("452 4.2.2 second is full"));
    let server = Server::start(script).await;
    let mut settings = by(&server, SmartHostTls::Never, &Authority::new());
    let smart_host = settings.smart_host.as_mut().unwrap();
    (smart_host.lmtp, smart_host.credentials) = (true, None);
    let to = ["a@example.net", "b@example.net", "c@example.net"];
    assert_eq!(
        words(&deliver(settings, job("example.net", &to)).await),
        ["relayed 2.1.5", "later 4.2.2", "relayed 2.0.0"]
    );
    assert_eq!(server.seen().commands[0], "LHLO out.example.org");
}

#[tokio::test]
async fn tls_all_the_way_is_promised_or_the_mail_stays() {
    let authority = Authority::new();
    let tls = || authority.certify(&["127.0.0.1"]).server;
    let wanted = || job_with("example.net", &["a@example.net"], |envelope| envelope.require_tls = true);
    let promising = Server::start(Script::with(&["AUTH PLAIN", "REQUIRETLS"]).starttls(tls())).await;
    let verdicts = deliver(by(&promising, SmartHostTls::StartTls, &authority), wanted()).await;
    assert_eq!(words(&verdicts), ["relayed 2.0.0"]);
    assert!(promising.envelope().contains(&"MAIL FROM:<ana@example.org> REQUIRETLS".to_owned()));
    let silent = Server::start(Script::with(&["AUTH PLAIN"]).starttls(tls())).await;
    let verdicts = deliver(by(&silent, SmartHostTls::StartTls, &authority), wanted()).await;
    assert_eq!(words(&verdicts), ["never 5.7.30"]);
    assert!(silent.seen().messages.is_empty());
    let verdicts = deliver(by(&promising, SmartHostTls::Opportunistic, &authority), wanted()).await;
    assert_eq!(words(&verdicts), ["never 5.7.30"]);
}
