//! The network between a server and PostgreSQL, as a proxy from loopback to PostgreSQL's socket.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch::{Receiver, Sender, channel};

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every byte arrives.
    Pass,
    /// Connections are cut, and nobody listens.
    Refuse,
    /// Connections are taken, and no byte arrives, until it passes again.
    Blackhole,
    /// Connections are cut, and each new one at once.
    Cut,
    /// Every piece arrives late.
    Slow,
}

/// How late: there and back it is longer than a server waits for a statement.
const DELAY: Duration = Duration::from_millis(2100);

/// A network that can be told what to do. It ends with its guard.
pub struct Proxy {
    address: SocketAddr,
    mode: Sender<Mode>,
    _runtime: Runtime,
}

impl Proxy {
    /// A network to a socket.
    pub fn to(socket: &Path) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, told) = channel(Mode::Pass);
        runtime.spawn(listen(listener, address, socket.to_owned(), told));
        Self { address, mode, _runtime: runtime }
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn listen(
    first: TcpListener,
    address: SocketAddr,
    socket: PathBuf,
    mut mode: Receiver<Mode>,
) {
    let mut listening = Some(first);
    loop {
        if *mode.borrow_and_update() == Mode::Refuse {
            listening = None;
        } else if listening.is_none() {
            listening = Some(TcpListener::bind(address).await.unwrap());
        }
        let Some(listener) = &listening else {
            let Ok(()) = mode.changed().await else { return };
            continue;
        };
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                tokio::spawn(relay(stream, socket.clone(), mode.clone()));
            }
            changed = mode.changed() => if changed.is_err() { return },
        }
    }
}

/// Carries one connection until it ends or is cut.
async fn relay(client: TcpStream, socket: PathBuf, mode: Receiver<Mode>) {
    let mut told = mode.clone();
    let carried = async {
        arrives(&mut mode.clone()).await;
        let (from_server, to_server) = UnixStream::connect(socket).await?.into_split();
        let (from_client, to_client) = client.into_split();
        let there = pump(from_client, to_server, mode.clone());
        let back = pump(from_server, to_client, mode.clone());
        tokio::try_join!(there, back)
    };
    tokio::select! {
        _ = carried => {}
        _ = told.wait_for(|mode| matches!(mode, Mode::Refuse | Mode::Cut)) => {}
    }
}

/// Carries one direction to its end.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: Receiver<Mode>,
) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut bytes).await?;
        arrives(&mut mode).await;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&bytes[..count]).await?;
    }
}

/// Waits until what was sent arrives. What a network swallowed is sent again, and arrives later.
async fn arrives(mode: &mut Receiver<Mode>) {
    if *mode.borrow_and_update() == Mode::Slow {
        tokio::time::sleep(DELAY).await;
    }
    let _ = mode.wait_for(|mode| *mode != Mode::Blackhole).await;
}
