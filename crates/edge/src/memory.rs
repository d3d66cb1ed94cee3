//! Memory for what comes in: bounded over all sessions, so that many large messages on their way cannot take it all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is reserved at once: small mail asks once.
const STEP_BYTES: u64 = 256 * 1024;

/// Memory that sessions share.
#[derive(Debug)]
pub struct Memory {
    left_bytes: AtomicU64,
    /// What it is a part of.
    whole: Option<Arc<Memory>>,
}

/// Some of it; dropped, it is free.
#[derive(Debug)]
pub struct Reservation {
    memory: Arc<Memory>,
    bytes: u64,
}

impl Memory {
    /// So many bytes.
    pub fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Memory { left_bytes: AtomicU64::new(bytes), whole: None })
    }

    /// A part of it for somebody: what they reserve is taken from both, and they never have more than these bytes.
    pub fn part(self: &Arc<Self>, bytes: u64) -> Arc<Self> {
        Arc::new(Memory { left_bytes: AtomicU64::new(bytes), whole: Some(Arc::clone(self)) })
    }

    /// Nothing of it yet.
    pub fn reserve(self: &Arc<Self>) -> Reservation {
        Reservation { memory: Arc::clone(self), bytes: 0 }
    }

    fn take(&self, bytes: u64) -> bool {
        let left = &self.left_bytes;
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok();
        if taken && self.whole.as_ref().is_some_and(|whole| !whole.take(bytes)) {
            left.fetch_add(bytes, Ordering::Relaxed);
            return false;
        }
        taken
    }

    fn give_back(&self, bytes: u64) {
        self.left_bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.give_back(bytes);
        }
    }

    fn left_bytes(&self) -> u64 {
        let left = self.left_bytes.load(Ordering::Relaxed);
        self.whole.as_ref().map_or(left, |whole| left.min(whole.left_bytes()))
    }
}

impl Reservation {
    /// Makes it so large at least; false where there is no room, and then nothing of it stays.
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let more = self.lacks(bytes as u64);
        let taken = more == 0 || self.memory.take(more);
        match taken {
            true => self.bytes += more,
            false => self.free(),
        }
        taken
    }

    /// Whether it could grow so large now. Others may be quicker.
    pub fn has_room_for(&self, bytes: u64) -> bool {
        self.lacks(bytes) <= self.memory.left_bytes()
    }

    /// Gives all of it back.
    pub fn free(&mut self) {
        if self.bytes > 0 {
            self.memory.give_back(std::mem::take(&mut self.bytes));
        }
    }

    fn lacks(&self, bytes: u64) -> u64 {
        bytes.checked_next_multiple_of(STEP_BYTES).unwrap_or(u64::MAX).saturating_sub(self.bytes)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.free();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_comes_back() {
        let memory = Memory::new(3 * STEP_BYTES);
        let (mut one, mut two) = (memory.reserve(), memory.reserve());
        assert!(one.grow_to(1) && one.grow_to(2), "within one step");
        assert!(two.grow_to(2 * STEP_BYTES as usize));
        assert!(!one.grow_to(STEP_BYTES as usize + 1), "there is none left");
        assert!(two.grow_to(3 * STEP_BYTES as usize), "and what had no room gave up what it had");
        drop((one, two));
        assert_eq!(memory.left_bytes(), 3 * STEP_BYTES);
    }

    #[test]
    fn whoever_has_a_part_leaves_the_rest_to_others() {
        let memory = Memory::new(4 * STEP_BYTES);
        let (ana, eva) = (memory.part(3 * STEP_BYTES), memory.part(3 * STEP_BYTES));
        let (mut one, mut two) = (ana.reserve(), eva.reserve());
        assert!(!one.has_room_for(4 * STEP_BYTES) && !one.grow_to(4 * STEP_BYTES as usize), "her part is smaller");
        assert!(one.has_room_for(3 * STEP_BYTES) && one.grow_to(3 * STEP_BYTES as usize));
        assert!(two.has_room_for(STEP_BYTES) && !two.has_room_for(2 * STEP_BYTES), "the whole is");
        assert!(!two.grow_to(2 * STEP_BYTES as usize) && two.grow_to(1));
        one.free();
        assert!(two.grow_to(3 * STEP_BYTES as usize));
        drop((one, two));
        assert_eq!([ana, eva, memory].map(|memory| memory.left_bytes()), [3, 3, 4].map(|steps| steps * STEP_BYTES));
    }
}
