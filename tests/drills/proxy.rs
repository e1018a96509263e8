//! The network between a server and PostgreSQL, as a proxy from loopback to PostgreSQL's socket.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch::{Receiver, Sender};

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
    /// The next write's COMMIT is cut off before it arrives; then everything passes.
    LoseCommit,
    /// The same, but it arrives, and only its answer does not.
    LoseAnswer,
}

/// How a write transaction begins and ends.
const BEGINS: &[u8] = b"BEGIN ISOLATION LEVEL READ COMMITTED";
const COMMITS: &[u8] = b"COMMIT\0";

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
        let mode = Sender::new(Mode::Pass);
        runtime.spawn(listen(listener, address, socket.to_owned(), mode.clone()));
        Self { address, mode, _runtime: runtime }
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it does now.
    pub fn mode(&self) -> Mode {
        *self.mode.borrow()
    }

    /// From now on.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn listen(first: TcpListener, address: SocketAddr, socket: PathBuf, told: Sender<Mode>) {
    let (mut listening, mut mode) = (Some(first), told.subscribe());
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
                tokio::spawn(relay(stream, socket.clone(), told.clone()));
            }
            changed = mode.changed() => if changed.is_err() { return },
        }
    }
}

/// Carries one connection until it ends or is cut.
async fn relay(client: TcpStream, socket: PathBuf, mode: Sender<Mode>) {
    let mut told = mode.subscribe();
    let carried = async {
        arrives(&mut mode.subscribe()).await;
        let (from_server, to_server) = UnixStream::connect(socket).await?.into_split();
        let (from_client, to_client) = client.into_split();
        let there = pump(from_client, to_server, Some(&mode), mode.subscribe());
        let back = pump(from_server, to_client, None, mode.subscribe());
        tokio::try_join!(there, back)
    };
    tokio::select! {
        _ = carried => {}
        _ = told.wait_for(|mode| matches!(mode, Mode::Refuse | Mode::Cut)) => {}
    }
}

/// Carries one direction to its end. `told` is there if it is the one in which COMMIT goes.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    told: Option<&Sender<Mode>>,
    mut mode: Receiver<Mode>,
) -> io::Result<()> {
    let (mut bytes, mut is_write) = (vec![0; 64 * 1024], false);
    loop {
        let count = from.read(&mut bytes).await?;
        arrives(&mut mode).await;
        let piece = &bytes[..count];
        if piece.is_empty() {
            return to.shutdown().await;
        }
        is_write |= holds(piece, BEGINS);
        let lost = told.filter(|_| is_write && holds(piece, COMMITS)).and_then(lose);
        if lost != Some(Mode::LoseCommit) {
            to.write_all(piece).await?;
        }
        if lost.is_some() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
    }
}

/// Which part of a commit is to be lost, if any; it is so once.
fn lose(told: &Sender<Mode>) -> Option<Mode> {
    let mut lost = None;
    told.send_if_modified(|mode| {
        let is_loss = matches!(mode, Mode::LoseCommit | Mode::LoseAnswer);
        if is_loss {
            lost = Some(std::mem::replace(mode, Mode::Pass));
        }
        is_loss
    });
    lost
}

fn holds(piece: &[u8], text: &[u8]) -> bool {
    piece.windows(text.len()).any(|window| window == text)
}

/// Waits until what was sent arrives. What a network swallowed is sent again, and arrives later.
async fn arrives(mode: &mut Receiver<Mode>) {
    if *mode.borrow_and_update() == Mode::Slow {
        tokio::time::sleep(DELAY).await;
    }
    let _ = mode.wait_for(|mode| *mode != Mode::Blackhole).await;
}
