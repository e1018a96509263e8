//! What one process has for itself: the SQLite file's lock, and its ports.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use tokio::net::TcpSocket;

use super::{StartError, file_error};

pub(super) fn lock(directory: &Path) -> Result<File, StartError> {
    let path = directory.join("pawl.lock");
    let opened =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = opened.map_err(file_error(&path, "cannot be opened"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(StartError::InUse(directory.to_path_buf())),
    }
}

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A port that is this process's and refuses connections until it listens.
pub(super) struct Port {
    socket: TcpSocket,
    address: SocketAddr,
}

impl Port {
    /// Takes the port, so that a taken one is known before anything is founded.
    pub(super) fn claim(address: SocketAddr) -> Result<Self, StartError> {
        let claimed = || {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            // A port whose last connections are still closing can be taken, one that listens cannot.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        claimed().map_err(|error: io::Error| StartError::Listen(address, error))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on connections are accepted.
    pub(super) fn listen(self) -> Result<TcpListener, StartError> {
        let Self { socket, address } = self;
        let listening = socket.listen(BACKLOG).and_then(tokio::net::TcpListener::into_std);
        listening.map_err(|error| StartError::Listen(address, error))
    }
}
