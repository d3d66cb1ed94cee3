//! What long steps tell of how far they are.

/// Hears how a long step goes. Called from several threads; must be quick.
pub trait Progress: Sync {
    /// A step begins. The total is known, or grows as it is found.
    fn begin(&self, step: &str);

    /// More to do was found.
    fn found(&self, messages: u64, bytes: u64);

    /// More was done.
    fn done(&self, messages: u64, bytes: u64);

    /// The step has ended.
    fn end(&self);
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str) {}
    fn found(&self, _: u64, _: u64) {}
    fn done(&self, _: u64, _: u64) {}
    fn end(&self) {}
}
