//! Under a service manager: sockets that are handed over, what it is told, and its unit files.

use super::spawned::Spawned;
use super::*;
use rustix::process::Signal;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;

/// Binds sockets (`tcp:` or `udp:` and a port of loopback) as systemd does, and becomes the program.
const ACTIVATE: &str = r#"
import fcntl, os, socket, sys
kept = []
for name in sys.argv[1].split(","):
    kind, port = name.split(":")
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    bound.bind(("127.0.0.1", int(port)))
    if kind == "tcp":
        bound.listen(16)
    kept.append(fcntl.fcntl(bound.fileno(), fcntl.F_DUPFD, 100))
for number, fd in enumerate(kept):
    os.dup2(fd, 3 + number, inheritable=True)
    os.close(fd)
os.environ["LISTEN_FDS"] = str(len(kept))
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"#;

fn activated(place: &Place, sockets: &str, config: &Path) -> Spawned {
    let mut command = Command::new("python3");
    command.args(["-c", ACTIVATE, sockets, binary()]).arg("--data").arg(place.data());
    command.arg("serve").arg("--config").arg(config);
    Spawned::start(command, place.path("log"))
}

/// A configuration of one IMAP port, one POP3 port and nothing else.
fn configuration(place: &Place, imap: SocketAddr, pop3: SocketAddr) -> PathBuf {
    let text = format!(
        "imap.listen = [\"{imap}\"]\nimap.listen_tls = []\npop3.listen = [\"{pop3}\"]\npop3.listen_tls = []\n\
         operator.listen = \"\"\nsign_in.loopback_without_tls = true\n{NO_MAIL}"
    );
    place.write("reintegra.toml", &text)
}

#[test]
fn sockets_that_are_handed_over_take_the_place_of_configured_ones() {
    if !testkit::has_programs(&["python3"]) {
        return;
    }
    let place = Place::with_ana();
    let [imap, pop3] = free_ports().unwrap();
    let config = configuration(&place, imap, pop3);
    // One is handed over; the other is bound here.
    let mut served = activated(&place, &format!("tcp:{}", imap.port()), &config);
    assert!(served.says(" serving"), "{}", served.log());
    assert!(Client::imap(imap, ANA, PASSWORD).ask("NOOP").last().unwrap().contains(" OK "));
    assert!(Client::connect(pop3).line().starts_with("+OK"));
    assert!(served.end().0.success());
    place.is_sound();
}

#[test]
fn a_socket_that_the_configuration_does_not_name_is_refused() {
    if !testkit::has_programs(&["python3"]) {
        return;
    }
    let place = Place::with_ana();
    let [imap, pop3, stranger] = free_ports().unwrap();
    let config = configuration(&place, imap, pop3);
    let cases = [
        (format!("tcp:{},tcp:{}", imap.port(), stranger.port()), format!("the socket {stranger} was handed over")),
        (format!("tcp:{},udp:{}", imap.port(), stranger.port()), "socket 1 is no TCP socket".to_owned()),
    ];
    for (sockets, words) in cases {
        let (status, log) = activated(&place, &sockets, &config).ended();
        assert_eq!(status.code(), Some(2), "{log}");
        assert!(log.contains(&words) && log.contains("now: make the `.socket` unit"), "{log}");
    }
}

#[test]
fn the_manager_is_told_what_becomes_of_the_service() {
    let place = Place::with_ana();
    let manager = UnixDatagram::bind(place.path("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let [imap, pop3] = free_ports().unwrap();
    let config = configuration(&place, imap, pop3);
    let mut command = place.command(&["serve", "--config", config.to_str().unwrap()]);
    command.env("NOTIFY_SOCKET", place.path("notify")).env("WATCHDOG_USEC", "300000");
    let served = Spawned::start(command, place.path("log"));
    let heard = || {
        let mut told = [0; 4096];
        let length = manager.recv(&mut told).unwrap();
        String::from_utf8(told[..length].to_vec()).unwrap()
    };
    // The watchdog is fed all the while, and everything else comes in its order.
    let next = |text: &str| {
        let mut fed = 0;
        loop {
            let told = heard();
            if told == "WATCHDOG=1\n" {
                fed += 1;
                assert!(fed < 1000, "{text} does not come");
            } else {
                assert!(told.lines().any(|line| line == text), "{text}: {told}");
                return told;
            }
        }
    };
    next("READY=1");
    signal(served.pid(), Signal::HUP);
    let reloading = next("RELOADING=1");
    assert!(reloading.contains("\nMONOTONIC_USEC="), "{reloading}");
    next("READY=1");
    for _ in 0..3 {
        let fed = heard();
        assert_eq!(fed, "WATCHDOG=1\n");
    }
    signal(served.pid(), Signal::TERM);
    let mut told = heard();
    while told == "WATCHDOG=1\n" {
        told = heard();
    }
    assert!(told.starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC="), "{told}");
    let (status, log) = served.ended();
    assert!(status.success(), "{log}");
}

#[test]
fn the_unit_files_are_what_systemd_takes() {
    if !testkit::has_programs(&["systemd-analyze"]) {
        return;
    }
    let place = Place::new();
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging");
    for name in ["reintegra.service", "reintegra.socket"] {
        let unit = std::fs::read_to_string(packaging.join(name)).unwrap();
        // Where the program is to be once it is installed, there need be none.
        place.write(name, &unit.replace("/usr/bin/reintegra", binary()));
    }
    let analyze = |arguments: &[&str], units: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        run(command.args(arguments).args(units.iter().map(|name| place.path(name)))).unwrap()
    };
    let verified = analyze(&["verify", "--man=no"], &["reintegra.service", "reintegra.socket"]);
    assert_eq!((verified.code(), verified.stderr.as_str()), (Some(0), ""), "{}", verified.stdout);
    // What is opened by a slip shows here: 2 of 10 are possible for a server of the network.
    let exposed = analyze(&["security", "--offline=true", "--threshold=20", "--no-pager"], &["reintegra.service"]);
    assert_eq!(exposed.code(), Some(0), "{}{}", exposed.stdout, exposed.stderr);
}
