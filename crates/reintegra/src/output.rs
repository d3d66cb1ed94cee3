//! Standard output: results, for people or programs.
//!
//! A reader that hangs up (`| head`) is no failure: lists end early, steps go on to their end unheard. Any other
//! failure is kept and said when the command ends, so that no step stops half-way for want of a place to print.

use serde::Serialize;
use std::cell::RefCell;
use std::fmt;
use std::io::{self, BufWriter, ErrorKind, Seek, Write};
use std::rc::Rc;
use tempfile::SpooledTempFile;

/// What is held back of a list in memory; more goes into a temporary file that has no name.
const HELD_BYTES: usize = 16 << 20;

/// Where results go.
pub(crate) struct Output {
    writer: BufWriter<Box<dyn Write>>,
    failure: Option<io::Error>,
}

impl Output {
    /// The process's own.
    pub(crate) fn stdout() -> Self {
        Self::to(Box::new(io::stdout()))
    }

    fn to(writer: Box<dyn Write>) -> Self {
        Output { writer: BufWriter::with_capacity(1 << 16, writer), failure: None }
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, text: impl fmt::Display) {
        self.with(|w| writeln!(w, "{text}"));
    }

    /// Writes bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.with(|w| w.write_all(bytes));
    }

    /// Writes a value as one JSON document.
    pub(crate) fn json(&mut self, value: &impl Serialize) {
        self.with(|w| {
            serde_json::to_writer_pretty(&mut *w, value)?;
            writeln!(w)
        });
    }

    /// Writes values as one JSON array, an element a line.
    pub(crate) fn json_array(&mut self, values: impl IntoIterator<Item = impl Serialize>) {
        let mut array = self.array();
        for value in values {
            if !array.push(&value) {
                break;
            }
        }
        array.end();
    }

    /// Begins a JSON array, which is complete when it is [ended](Array::end).
    pub(crate) fn array(&mut self) -> Array<'_> {
        self.raw(b"[");
        Array { output: self, elements: 0 }
    }

    /// Writes what `list` writes, but only once it is done: a reader of standard output that takes its time (a pager) keeps
    /// nothing waiting of what `list` reads from. Of a list that fails nothing is written.
    ///
    /// # Errors
    /// Those of `list`.
    pub(crate) fn held<T, E>(&mut self, list: impl FnOnce(&mut Output) -> Result<T, E>) -> Result<T, E> {
        let kept = Rc::new(RefCell::new(SpooledTempFile::new(HELD_BYTES)));
        let mut held = Output::to(Box::new(Kept(kept.clone())));
        let listed = list(&mut held)?;
        let held = held.finish().and_then(|()| kept.borrow_mut().rewind());
        match held {
            Ok(()) => self.with(|w| io::copy(&mut *kept.borrow_mut(), w).map(|_| ())),
            Err(error) => {
                let told = format!("the list cannot be held in {}: {error}", std::env::temp_dir().display());
                self.with(|_| Err(io::Error::new(error.kind(), told)));
            }
        }
        Ok(listed)
    }

    /// Hands on what is written so far: before a long step, and before anything goes to standard error.
    pub(crate) fn flush(&mut self) {
        self.with(Write::flush);
    }

    /// Whether nobody hears any more: a list can end.
    pub(crate) fn is_over(&self) -> bool {
        self.failure.is_some()
    }

    /// Ends the output.
    ///
    /// # Errors
    /// When something could not be written, other than for want of a reader.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush();
        match self.failure.take() {
            Some(failure) if failure.kind() != ErrorKind::BrokenPipe => Err(failure),
            _ => Ok(()),
        }
    }

    fn with(&mut self, write: impl FnOnce(&mut BufWriter<Box<dyn Write>>) -> io::Result<()>) {
        if self.failure.is_none() {
            self.failure = write(&mut self.writer).err();
        }
    }
}

/// Where a list is held.
struct Kept(Rc<RefCell<SpooledTempFile>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

/// A JSON array, an element a line, of which no more than one element is in memory.
pub(crate) struct Array<'a> {
    output: &'a mut Output,
    elements: u64,
}

impl Array<'_> {
    /// Adds an element; `false`: nobody hears any more.
    pub(crate) fn push(&mut self, element: &impl Serialize) -> bool {
        self.output.raw(if self.elements == 0 { b"\n" } else { b",\n" });
        self.output.with(|w| Ok(serde_json::to_writer(w, element)?));
        self.elements += 1;
        !self.output.is_over()
    }

    /// Ends the array.
    pub(crate) fn end(self) {
        self.output.raw(b"\n]\n");
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::Output;
    use std::io::{self, ErrorKind, Write};
    use std::sync::{Arc, Mutex};

    /// Takes some bytes and then fails.
    #[derive(Clone)]
    struct Pipe {
        taken: Arc<Mutex<Vec<u8>>>,
        room: usize,
        failure: ErrorKind,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut taken = self.taken.lock().unwrap();
            if taken.len() + bytes.len() > self.room {
                return Err(self.failure.into());
            }
            taken.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pipe(room: usize, failure: ErrorKind) -> Pipe {
        Pipe { taken: Arc::default(), room, failure }
    }

    fn written(write: impl FnOnce(&mut Output)) -> String {
        let pipe = pipe(1000, ErrorKind::Other);
        let mut output = Output::to(Box::new(pipe.clone()));
        write(&mut output);
        output.finish().unwrap();
        String::from_utf8(pipe.taken.lock().unwrap().clone()).unwrap()
    }

    fn listed(elements: &[u32]) -> String {
        written(|output| {
            let mut array = output.array();
            for element in elements {
                assert!(array.push(element));
            }
            array.end();
        })
    }

    #[test]
    fn an_array_is_json_with_an_element_a_line() {
        assert_eq!(listed(&[]), "[\n]\n");
        assert_eq!(listed(&[1, 2]), "[\n1,\n2\n]\n");
        for elements in [&[][..], &[1, 2]] {
            assert_eq!(written(|output| output.json_array(elements)), listed(elements));
        }
    }

    #[test]
    fn a_reader_that_hangs_up_ends_a_list_and_is_no_failure() {
        let mut output = Output::to(Box::new(pipe(10, ErrorKind::BrokenPipe)));
        output.line("more than the pipe takes");
        output.flush();
        assert!(output.is_over());
        output.line("unheard");
        assert!(output.finish().is_ok());
    }

    #[test]
    fn a_held_list_is_written_when_it_is_whole_and_not_at_all_when_it_fails() {
        let many = "a line of some length\n".repeat(super::HELD_BYTES / 10);
        for text in ["short\n", &many] {
            let pipe = pipe(usize::MAX, ErrorKind::Other);
            let mut output = Output::to(Box::new(pipe.clone()));
            output.line("before");
            let listed = output.held(|held| {
                held.raw(text.as_bytes());
                held.flush();
                assert!(pipe.taken.lock().unwrap().is_empty(), "nobody waits for who reads it");
                Ok::<_, ()>(7)
            });
            assert_eq!(listed, Ok(7));
            let failed = output.held(|held| {
                held.line("half a list");
                Err::<(), _>("it cannot be read on")
            });
            assert_eq!(failed, Err("it cannot be read on"));
            output.finish().unwrap();
            assert!(*pipe.taken.lock().unwrap() == ["before\n", text].concat().into_bytes());
        }
    }

    #[test]
    fn a_full_disk_is_told_at_the_end() {
        let mut output = Output::to(Box::new(pipe(10, ErrorKind::StorageFull)));
        output.line("more than the disk takes");
        assert_eq!(output.finish().unwrap_err().kind(), ErrorKind::StorageFull);
    }
}
