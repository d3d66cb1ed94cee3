//! A source whose messages are read in another way.

use source::{Directory, Locator, Maildrop, MaildropScan, ReadError, Source, SourceError};
use std::path::Path;

/// A source as it is, but for how its messages are read.
pub(crate) struct Reading<R> {
    source: Box<dyn Source>,
    read: R,
}

impl<R> Reading<R>
where
    R: Fn(&dyn Source, &Locator, &mut Vec<u8>) -> Result<(), ReadError> + Send + Sync,
{
    pub(crate) fn new(path: &Path, read: R) -> Self {
        Reading { source: integrate::open_source(path).unwrap(), read }
    }
}

impl<R> Source for Reading<R>
where
    R: Fn(&dyn Source, &Locator, &mut Vec<u8>) -> Result<(), ReadError> + Send + Sync,
{
    fn describe(&self) -> String {
        self.source.describe()
    }

    fn directory(&self) -> Result<Directory, SourceError> {
        self.source.directory()
    }

    fn maildrops(&self) -> Result<Vec<Maildrop>, SourceError> {
        self.source.maildrops()
    }

    fn scan(&self, maildrop: &Maildrop) -> Result<MaildropScan, SourceError> {
        self.source.scan(maildrop)
    }

    fn read(&self, locator: &Locator, buffer: &mut Vec<u8>) -> Result<(), ReadError> {
        (self.read)(&*self.source, locator, buffer)
    }
}
