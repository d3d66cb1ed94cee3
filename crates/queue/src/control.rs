//! How a command line acts on the queue of a server that runs: over a socket in the data directory, which only the server's
//! own user and root may use. One line of JSON with an [`Action`] is answered by one with an [`Answer`].
//!
//! Segments have one writer, so a second process cannot act on the spool itself. Where no server runs, the command line opens
//! the spool and calls [`Queue::carry_out`].

use crate::operator::{Action, Answer};
use crate::queue::Queue;
use edge::{Blocking, Shutdown};
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The name of the socket beside the spool.
pub const SOCKET: &str = "control";

/// An action is no longer, in octets.
const MAX_ACTION: u64 = 64 * 1024;
/// An answer is no longer, in octets: the longest list is a few MiB.
const MAX_ANSWER: u64 = 256 * 1024 * 1024;
/// Actions at once.
const AT_ONCE: usize = 4;
/// How long the server waits for an action, and for its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long answers may take after shutdown was asked for.
const GRACE: Duration = Duration::from_secs(5);
/// How long the command line waits for an answer: an action may concern a million messages.
const MAX_WAIT: Duration = Duration::from_secs(3600);
/// Paths of sockets are no longer (`sun_path`, less a margin), in octets.
const MAX_PATH: usize = 100;

/// A running server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No server listens there.
    #[error("no server listens at {}", path.display())]
    NoServer {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The server went away before it answered: what was asked may be done or not. Asking again is harmless.
    #[error("the server did not answer; the action may be done in part: look, and ask again")]
    NoAnswer(#[source] io::Error),
    /// The server's answer makes no sense: it is of another version.
    #[error("the server's answer cannot be read: is it of the same version?")]
    BadAnswer(#[source] serde_json::Error),
}

/// Answers operators until shutdown is asked for. To be called by who holds the spool: a socket that lies there is a dead
/// server's.
///
/// # Errors
/// When the socket cannot be made.
pub async fn serve(queue: Arc<Queue>, blocking: Blocking, path: &Path, mut shutdown: Shutdown) -> io::Result<()> {
    let (_directory, short) = short_path(path)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&short)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let owner = fs::metadata(path)?.uid();
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut sessions = JoinSet::new();
    loop {
        let permit = tokio::select! {
            () = shutdown.requested() => break,
            permit = Arc::clone(&room).acquire_owned() => permit.expect("the semaphore is never closed"),
        };
        let stream = tokio::select! {
            () = shutdown.requested() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "an operator could not be let in");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            },
        };
        if !stream.peer_cred().is_ok_and(|peer| [0, owner].contains(&peer.uid())) {
            continue;
        }
        let (queue, blocking) = (Arc::clone(&queue), blocking.clone());
        sessions.spawn(async move {
            let _permit = permit;
            if let Err(error) = session(queue, blocking, stream).await {
                tracing::debug!(%error, "an operator went away");
            }
        });
        while sessions.try_join_next().is_some() {}
    }
    // An action that runs goes to its end on its thread, whether somebody hears of it or not.
    let _ = timeout(GRACE, async { while sessions.join_next().await.is_some() {} }).await;
    let _ = fs::remove_file(path);
    Ok(())
}

async fn session(queue: Arc<Queue>, blocking: Blocking, stream: UnixStream) -> io::Result<()> {
    let mut stream = tokio::io::BufReader::new(stream);
    let mut line = Vec::new();
    timeout(PATIENCE, (&mut stream).take(MAX_ACTION).read_until(b'\n', &mut line)).await??;
    let answer = match serde_json::from_slice::<Action>(&line) {
        Ok(action) => {
            if let Some((action, which)) = action.change() {
                let which = serde_json::to_string(which).unwrap_or_default();
                tracing::info!(action, which, "an operator acts on the queue");
            }
            blocking.run(move || queue.carry_out(&action)).await.unwrap_or_else(|error| {
                tracing::error!(%error, "an operator's action failed");
                Answer::Refused { why: format!("the queue cannot be read or written: {error}") }
            })
        }
        Err(error) => Answer::Refused { why: format!("the server does not know that action: {error}") },
    };
    let mut answer = serde_json::to_vec(&answer).map_err(io::Error::other)?;
    answer.push(b'\n');
    timeout(PATIENCE, async {
        stream.write_all(&answer).await?;
        stream.shutdown().await
    })
    .await?
}

/// Asks the server that listens at a path. Blocks until the action is done.
///
/// # Errors
/// When no server listens, or it does not answer.
pub fn ask(path: &Path, action: &Action) -> Result<Answer, AskError> {
    let connect = || {
        let (_directory, short) = short_path(path)?;
        std::os::unix::net::UnixStream::connect(short)
    };
    let mut stream = connect().map_err(|cause| AskError::NoServer { path: path.to_owned(), cause })?;
    let mut exchange = || {
        stream.set_read_timeout(Some(MAX_WAIT))?;
        let mut line = serde_json::to_vec(action).map_err(io::Error::other)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut answer = Vec::new();
        BufReader::new(&stream).take(MAX_ANSWER).read_until(b'\n', &mut answer)?;
        if answer.last() != Some(&b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(answer)
    };
    let answer = exchange().map_err(AskError::NoAnswer)?;
    serde_json::from_slice(&answer).map_err(AskError::BadAnswer)
}

/// A path to the same socket that is short enough for one, and what must stay open for it.
fn short_path(path: &Path) -> io::Result<(Option<File>, PathBuf)> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if path.as_os_str().len() <= MAX_PATH {
        return Ok((None, path.to_owned()));
    }
    let directory = File::open(parent)?;
    let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
    Ok((Some(directory), short))
}
