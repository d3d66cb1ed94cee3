//! What is refused for being too much, and in which words.

use super::*;
use std::net::{SocketAddr, TcpListener, UdpSocket};

#[test]
fn one_connection_too_many_is_told_and_ends() {
    let place = Place::with_ana();
    // The operator's port is not counted. What the start itself opened to see that the ports listen has to be gone.
    let served = place.serve("limits.connections = 3\nlimits.sessions_per_account = 2\n");
    let connections = || {
        let metrics = testkit::served::get(served.operator, "/metrics").unwrap();
        metrics
            .lines()
            .filter(|line| line.starts_with("reintegra_connections{"))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum::<f64>()
    };
    await_that("nobody is connected", || connections() == 0.0);

    let mut pop3 = Client::pop3(served.pop3, ANA, PASSWORD);
    let mut imap = Client::imap(served.imap, ANA, PASSWORD);
    // A third session of hers is one too many, and another's would not be.
    let mut third = Client::connect(served.imap);
    third.line();
    let refused = third.ask(&format!("LOGIN {ANA} {PASSWORD}"));
    assert!(refused.last().unwrap().contains(" NO [UNAVAILABLE] too many sessions"), "{refused:?}");
    // A fourth connection is one too many whoever it is.
    assert_eq!(Client::connect(served.imap).rest(), "* BYE [UNAVAILABLE] too many connections\r\n");
    assert_eq!(Client::connect(served.pop3).rest(), "-ERR [SYS/TEMP] too many connections\r\n");
    // Where TLS comes first, nothing can be said.
    assert_eq!(Client::connect(served.imaps).rest(), "");
    let metrics = testkit::served::get(served.operator, "/metrics").unwrap();
    for protocol in ["imap", "pop3"] {
        let refused = format!("reintegra_connections_refused_total{{protocol=\"{protocol}\",limit=\"total\"}}");
        assert!(metrics.contains(&refused), "{metrics}");
    }
    // Who is in notices nothing, and who leaves makes room.
    assert!(imap.ask("NOOP").last().unwrap().contains(" OK "));
    pop3.send("QUIT");
    pop3.rest();
    await_that("a place is free", || connections() < 3.0);
    assert!(third.ask(&format!("LOGIN {ANA} {PASSWORD}")).last().unwrap().contains(" OK "));
    assert!(Client::connect(served.imap).line().starts_with("* OK"));
    stop(served);
}

/// A port of this machine's own address on the network, where it is on one. Nothing is sent.
fn address_on_the_network() -> Option<SocketAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let own = socket.local_addr().ok().filter(|own| !own.ip().is_loopback())?;
    TcpListener::bind((own.ip(), 0)).ok()?.local_addr().ok()
}

#[test]
fn one_connection_too_many_of_an_address_is_told_and_others_are_let_in() {
    let Some(address) = address_on_the_network() else {
        eprintln!("not run: this machine is on no network");
        return;
    };
    let place = Place::with_ana();
    let [loopback] = free_ports().unwrap();
    let text = format!(
        "imap.listen = [\"{address}\", \"{loopback}\"]\nimap.listen_tls = []\npop3.listen = []\npop3.listen_tls = []\n\
         operator.listen = \"\"\nlimits.connections_per_address = 2\n{NO_MAIL}"
    );
    let config = place.write("reintegra.toml", &text);
    let command = place.command(&["serve", "--config", config.to_str().unwrap()]);
    let mut served = spawned::Spawned::start(command, place.path("log"));
    assert!(served.says(" serving"), "{}", served.log());
    let mut let_in: Vec<Client> = (0..2).map(|_| Client::connect(address)).collect();
    assert!(let_in.iter_mut().all(|client| client.line().starts_with("* OK")));
    assert_eq!(Client::connect(address).rest(), "* BYE [UNAVAILABLE] too many connections\r\n");
    // This machine itself, where webmail and proxies are, has no such limit.
    for _ in 0..5 {
        let mut client = Client::connect(loopback);
        assert!(client.line().starts_with("* OK"));
        let_in.push(client);
    }
    assert!(served.end().0.success());
}

#[test]
fn too_few_open_files_are_told_of_and_the_soft_limit_is_raised() {
    if !testkit::has_programs(&["sh"]) {
        return;
    }
    let place = Place::with_ana();
    let config = place.write(
        "reintegra.toml",
        &format!(
            "imap.listen = [\"127.0.0.1:0\"]\nimap.listen_tls = []\npop3.listen = []\npop3.listen_tls = []\n\
             operator.listen = \"\"\nlimits.connections = 2000\n{NO_MAIL}"
        ),
    );
    for (soft, hard, enough) in [(256, 1500, false), (256, 4096, true)] {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\""), binary()]);
        command.arg("--data").arg(place.data()).arg("serve").arg("--config").arg(&config);
        let mut served = spawned::Spawned::start(command, place.path("log"));
        assert!(served.says(" serving"), "{}", served.log());
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", served.pid())).unwrap();
        let open_files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let granted: Vec<&str> = open_files.split_whitespace().skip(3).take(2).collect();
        assert_eq!(granted, [hard.to_string(), hard.to_string()]);
        assert_eq!(!served.log().contains("too few open files"), enough, "{}", served.log());
        assert!(served.end().0.success());
    }
}
