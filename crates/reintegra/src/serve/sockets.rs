//! The sockets that services listen on: handed over by systemd, or bound here.
//!
//! A socket of systemd's (`LISTEN_FDS`) takes the place of the configured address that it is bound to, so that the
//! configuration says the same with and without it. One that the configuration does not name is an error: else a
//! service that somebody meant to be there would be missing in silence.

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// How many connections may wait to be accepted: after a restart everybody comes back at once.
const BACKLOG: i32 = 4096;

/// A socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// It cannot be bound.
    #[error("`{key}`: {address} cannot be listened on")]
    Bind {
        key: &'static str,
        address: SocketAddr,
        #[source]
        cause: io::Error,
    },
    /// One that was handed over is not named in the configuration.
    #[error("the socket {address} was handed over, and the configuration names no such address")]
    Stranger { address: SocketAddr },
    /// What was handed over is no TCP socket that listens.
    #[error("what was handed over as socket {number} is no TCP socket that listens")]
    NoSocket {
        number: usize,
        #[source]
        cause: io::Error,
    },
}

/// The sockets that were handed over and not yet taken.
#[derive(Debug)]
pub(crate) struct Sockets {
    handed_over: Vec<(SocketAddr, TcpListener)>,
}

impl Sockets {
    /// Those that systemd handed over. It changes the environment: to be called while there is one thread.
    ///
    /// # Errors
    /// When one is no TCP socket that listens.
    pub(crate) fn from_systemd() -> Result<Self, SocketError> {
        let mut fds = listenfd::ListenFd::from_env();
        let mut handed_over = Vec::new();
        for number in 0..fds.len() {
            let no_socket = |cause| SocketError::NoSocket { number, cause };
            if let Some(listener) = fds.take_tcp_listener(number).map_err(no_socket)? {
                // `Accept=yes` hands over a connection, which cannot be told from a listener by its type.
                if !sockopt::socket_acceptconn(&listener).map_err(|error| no_socket(error.into()))? {
                    return Err(no_socket(io::Error::new(io::ErrorKind::InvalidInput, "it does not listen")));
                }
                handed_over.push((listener.local_addr().map_err(no_socket)?, listener));
            }
        }
        Ok(Sockets { handed_over })
    }

    /// The socket of an address of the configuration.
    ///
    /// # Errors
    /// When it was not handed over and cannot be bound.
    pub(crate) fn take(&mut self, key: &'static str, address: SocketAddr) -> Result<TcpListener, SocketError> {
        let handed_over = self.handed_over.iter().position(|(bound, _)| *bound == address);
        let listener = match handed_over {
            Some(at) => Ok(self.handed_over.swap_remove(at).1),
            None => bind(address),
        };
        listener
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|cause| SocketError::Bind { key, address, cause })
    }

    /// All that were handed over must have been taken.
    ///
    /// # Errors
    /// When one was not.
    pub(crate) fn none_left(self) -> Result<(), SocketError> {
        match self.handed_over.into_iter().next() {
            Some((address, _)) => Err(SocketError::Stranger { address }),
            None => Ok(()),
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // Connections of the server before this one may linger; they are no reason to wait.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // `[::]` is IPv6 alone, whatever the system's default, so that `0.0.0.0` may stand beside it.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}
