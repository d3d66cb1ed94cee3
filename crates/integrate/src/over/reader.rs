//! A session that is made anew when it breaks.

use source::remote::RemoteError;
use std::time::Duration;

/// How often something is tried, the pause before each further time being twice as long.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Somebody's session with a server.
pub(super) struct Reader<S, F> {
    open: F,
    session: Option<S>,
}

impl<S, F: FnMut() -> Result<S, RemoteError>> Reader<S, F> {
    pub(super) fn new(open: F) -> Self {
        Reader { open, session: None }
    }

    /// Does something with the session; again, with another one, while the server is away for a short time.
    ///
    /// # Errors
    /// The last failure.
    pub(super) fn with<T>(&mut self, mut work: impl FnMut(&mut S) -> Result<T, RemoteError>) -> Result<T, RemoteError> {
        let mut attempt = 1;
        loop {
            let tried = match self.session.take().map_or_else(&mut self.open, Ok) {
                Ok(mut session) => {
                    let tried = work(&mut session);
                    if tried.is_ok() {
                        self.session = Some(session);
                    }
                    tried
                }
                Err(error) => Err(error),
            };
            match tried {
                Err(error) if error.is_temporary() && attempt < ATTEMPTS => {
                    std::thread::sleep(FIRST_PAUSE * 2_u32.pow(attempt - 1));
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    /// The session, if there is one still.
    pub(super) fn into_session(self) -> Option<S> {
        self.session
    }
}
