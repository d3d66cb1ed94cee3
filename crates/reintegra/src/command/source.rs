//! A source that was named on the command line.

use crate::failure::Problem;
use anyhow::Context as _;
use integrate::Named;
use source::Source;
use std::path::Path;

/// A source, open.
pub(super) struct Opened {
    path: String,
    source: Box<dyn Source>,
}

impl Opened {
    /// Opens the source at a path.
    ///
    /// # Errors
    /// When there is none, or its description is wrong.
    pub(super) fn at(path: &Path) -> anyhow::Result<Self> {
        let what = || format!("the source {} cannot be used", path.display());
        let source = integrate::open_source(path).with_context(what)?;
        // Verify opens it again by this path, from wherever it is run, and a link may lead elsewhere by then.
        let absolute = std::fs::canonicalize(path).with_context(what)?;
        match absolute.into_os_string().into_string() {
            Ok(path) => Ok(Opened { path, source }),
            Err(_) => Err(Problem::wrong_use(what())
                .because("its path is not UTF-8, and is kept as text to open it again")
                .now("rename it, or lead to it by a source.toml elsewhere (docs/source-toml.md)")
                .into()),
        }
    }

    /// As the integrator takes it.
    pub(super) fn named(&self) -> Named<'_> {
        Named { path: &self.path, source: &*self.source }
    }

    /// Refuses two histories that are one.
    ///
    /// # Errors
    /// When both lie at one place.
    pub(super) fn must_differ(&self, other: &Opened) -> Result<(), Problem> {
        if self.path != other.path {
            return Ok(());
        }
        Err(Problem::wrong_use(format!("{} is given for two histories", self.path))
            .because("a history integrated with itself says nothing")
            .now("name the recovered one with --before and the one since with --after"))
    }
}
