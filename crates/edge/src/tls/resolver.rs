//! Which certificate a client gets: by the name it asks for (SNI, RFC 6066 §3) and what it can verify.

use super::files::Loaded;
use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Chooses certificates.
pub(super) struct Resolver(RwLock<Arc<Table>>);

struct Table {
    default: Arc<CertifiedKey>,
    /// By name, `*.` and all; one name may have certificates of several kinds of key.
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl Resolver {
    /// Chooses among certificates; `None` when there are none.
    pub(super) fn new<'a>(loaded: impl Iterator<Item = &'a Loaded>) -> Option<Self> {
        Some(Resolver(RwLock::new(Arc::new(Table::new(loaded)?))))
    }

    /// Chooses among others from now on; without any, all stays as it is.
    pub(super) fn replace<'a>(&self, loaded: impl Iterator<Item = &'a Loaded>) {
        if let Some(table) = Table::new(loaded) {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        }
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Table {
    fn new<'a>(loaded: impl Iterator<Item = &'a Loaded>) -> Option<Self> {
        let (mut default, mut by_name) = (None, HashMap::<String, Vec<Arc<CertifiedKey>>>::new());
        for one in loaded {
            default.get_or_insert_with(|| Arc::clone(&one.certified));
            for name in &one.inspected.names {
                by_name.entry(name.clone()).or_default().push(Arc::clone(&one.certified));
            }
        }
        Some(Table { default: default?, by_name })
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Arc<CertifiedKey> {
        let named = name.and_then(|name| self.named(&name.to_ascii_lowercase()));
        let candidates = named.map_or(std::slice::from_ref(&self.default), Vec::as_slice);
        let verifiable = candidates.iter().find(|c| c.key.choose_scheme(schemes).is_some());
        // With none the handshake fails, and says so.
        Arc::clone(verifiable.unwrap_or(&candidates[0]))
    }

    /// The certificates of a name itself, or of all names beside it (RFC 6125 §6.4.3: `*` is one whole label).
    fn named(&self, name: &str) -> Option<&Vec<Arc<CertifiedKey>>> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let beside = || self.by_name.get(&format!("*.{}", name.split_once('.')?.1));
        self.by_name.get(name).or_else(beside)
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.table().choose(hello.server_name(), hello.signature_schemes()))
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table();
        f.debug_struct("Resolver").field("names", &table.by_name.keys()).finish_non_exhaustive()
    }
}
