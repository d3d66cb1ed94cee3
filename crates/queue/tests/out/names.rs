//! What DNS says in a test.

use dns::{Config, Dnssec, Resolver};
use testkit::dns_server::{DnsServer, Failure, Zones};

#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    zones: Zones,
    failing: Vec<(String, Failure)>,
}

impl Names {
    pub(crate) fn mx(self, domain: &str, preference: u16, host: &str) -> Self {
        Names { zones: self.zones.mx(domain, preference, host), ..self }
    }

    pub(crate) fn null_mx(self, domain: &str) -> Self {
        self.mx(domain, 0, ".")
    }

    pub(crate) fn address(self, host: &str, address: &str) -> Self {
        Names { zones: self.zones.address(host, address.parse().unwrap()), ..self }
    }

    pub(crate) fn cname(self, alias: &str, target: &str) -> Self {
        Names { zones: self.zones.cname(alias, target), ..self }
    }

    pub(crate) fn txt(self, name: &str, text: &str) -> Self {
        Names { zones: self.zones.txt(name, text), ..self }
    }

    pub(crate) fn tlsa(self, host: &str, port: u16, (usage, selector, matching): (u8, u8, u8), data: &[u8]) -> Self {
        Names { zones: self.zones.tlsa(host, port, usage, selector, matching, data), ..self }
    }

    pub(crate) fn servfail(mut self, name: &str) -> Self {
        self.failing.push((name.to_owned(), Failure::ServFail));
        self
    }

    /// Takes the signatures off a name's records, as somebody on the way would.
    pub(crate) fn unsigned(mut self, name: &str) -> Self {
        self.failing.push((name.to_owned(), Failure::Unsigned));
        self
    }

    /// Whoever asks these names; they live as long as the test.
    pub(crate) async fn start(self) -> Resolver {
        self.serve(false).await
    }

    /// The same, with a signature on everything.
    pub(crate) async fn start_signed(self) -> Resolver {
        self.serve(true).await
    }

    async fn serve(self, signed: bool) -> Resolver {
        let zones = if signed { self.zones.signed() } else { self.zones };
        let server = DnsServer::start(zones).await.unwrap();
        for (name, failure) in &self.failing {
            server.fail(name, *failure);
        }
        let dnssec = server.trust_anchor().map_or(Dnssec::Off, |anchor| Dnssec::ValidateFrom(anchor.to_owned()));
        let resolver = Resolver::new(&Config::new(vec![server.address()], dnssec)).unwrap();
        // Its tasks end with the test's runtime.
        std::mem::forget(server);
        resolver
    }
}
