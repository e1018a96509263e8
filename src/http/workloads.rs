//! A cluster's service accounts that sign in as clients: the cluster's keys at hand, and a token held to
//! them. The keys are read again once they are older than [`PACE`], or when a token names one that is not
//! there; who cannot read them goes on with the last good ones, until those are older than [`LONGEST_AGE`]
//! by either clock.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::App;
use super::client_tokens::{ClientTokenRequest, Proven, refused};
use super::problem::{Code, Problem};
use super::read_at::{ReadAt, is_younger};
use crate::mfa::ids::ClientId;
use crate::mfa::time::{Span, Timestamp};
use crate::operations::client_tokens::registration;
use crate::telemetry::{agent, chain};
use crate::token::{AssertionRefused, ClusterKeys, NoClusterKeys, WorkloadToken};

/// How old the keys may be before whoever asks for them reads them again.
pub const PACE: Span = Span::seconds(60);
/// The least time between two readings, whatever tokens say: anybody can name a key that is not there.
pub const RETRY: Span = Span::seconds(10);
/// How long keys are believed that could not be read again.
pub const LONGEST_AGE: Span = Span::hours(1);
/// A longer key set is not read.
const LONGEST: u64 = 64 * 1024;
/// How long the cluster may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why the cluster's keys could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The file, or what was on its way.
    #[error("the file cannot be read")]
    File(#[from] io::Error),
    /// No authority to hold the cluster's certificate to.
    #[error("PAWL_WORKLOAD_CA_FILE holds no certificate")]
    Authority,
    /// No answer.
    #[error("the cluster does not answer")]
    Silent(#[from] Box<ureq::Error>),
    /// Another answer than 200.
    #[error("the cluster answers {0}")]
    Status(StatusCode),
    /// Longer than any key set.
    #[error("it is longer than 64 KiB")]
    Long,
    /// Read, and no key set.
    #[error(transparent)]
    Keys(#[from] NoClusterKeys),
}

#[derive(Clone)]
struct Held {
    keys: Arc<ClusterKeys>,
    read_at: ReadAt,
}

/// Where a cluster's public keys are.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// In a file.
    File(PathBuf),
    /// At an address.
    Url {
        /// The address.
        url: String,
        /// The authority of its certificate.
        ca_file: Option<PathBuf>,
    },
}

/// A cluster, and its keys at hand.
pub struct Workloads {
    issuer: String,
    audience: String,
    source: KeySource,
    held: Arc<RwLock<Option<Held>>>,
    /// One reads at a time; when it was last tried.
    turn: Arc<Mutex<Option<Timestamp>>>,
}

impl Workloads {
    /// Of a cluster that nobody has asked yet.
    #[must_use]
    pub fn new(issuer: String, audience: String, source: KeySource) -> Self {
        let (held, turn) = (Arc::default(), Arc::default());
        Self { issuer, audience, source, held, turn }
    }

    fn held(&self, no_older: Span, now: Timestamp) -> Option<Arc<ClusterKeys>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        let steady = Instant::now();
        held.filter(|held| held.read_at.is_usable(no_older, now, steady)).map(|held| held.keys)
    }

    /// The keys, read again if they are old or have none of this name.
    async fn keys(&self, kid: &str, now: Timestamp) -> Result<Arc<ClusterKeys>, Problem> {
        if let Some(keys) = self.held(PACE, now).filter(|keys| keys.has(kid)) {
            return Ok(keys);
        }
        match Arc::clone(&self.turn).try_lock_owned() {
            Ok(tried) if tried.is_some_and(|tried| is_younger(tried, RETRY, now)) => {}
            Ok(tried) => self.read_again(tried, now).await,
            Err(_) if self.held(LONGEST_AGE, now).is_some_and(|keys| keys.has(kid)) => {}
            Err(_) => drop(self.turn.lock().await),
        }
        self.held(LONGEST_AGE, now).ok_or_else(|| Problem::new(Code::Unavailable))
    }

    /// Whoever asked may leave: the turn is over when the keys are read. Otherwise a stranger who hangs up in
    /// time would keep everybody without keys.
    async fn read_again(&self, mut turn: OwnedMutexGuard<Option<Timestamp>>, now: Timestamp) {
        let (source, held) = (self.source.clone(), Arc::clone(&self.held));
        let reading = tokio::task::spawn_blocking(move || {
            *turn = Some(now);
            let read_at = ReadAt { wall: now, steady: Instant::now() };
            match read(&source) {
                Ok(keys) => {
                    let keys = Held { keys: Arc::new(keys), read_at };
                    *held.write().unwrap_or_else(PoisonError::into_inner) = Some(keys);
                }
                Err(error) => {
                    tracing::warn!(cause = chain(&error), "the cluster's keys are unread");
                }
            }
        });
        if let Err(error) = reading.await {
            tracing::error!(cause = chain(&error), "the reading of the cluster's keys ended");
        }
    }
}

fn read(source: &KeySource) -> Result<ClusterKeys, Unread> {
    let text = match source {
        KeySource::File(path) => return keys_of_file(path),
        KeySource::Url { url, ca_file } => {
            let authority = ca_file.as_ref().map(std::fs::read).transpose()?;
            let agent = agent(authority.as_deref(), TIMEOUT).map_err(|_| Unread::Authority)?;
            let answer = agent.get(url).call().map_err(Box::new)?;
            if answer.status() != StatusCode::OK.as_u16() {
                let status = StatusCode::from_u16(answer.status().as_u16());
                return Err(Unread::Status(status.unwrap_or(StatusCode::BAD_GATEWAY)));
            }
            bounded(answer.into_body().into_reader())?
        }
    };
    Ok(ClusterKeys::parse(&text)?)
}

/// The keys in a file.
///
/// # Errors
/// [`Unread`].
pub fn keys_of_file(path: &Path) -> Result<ClusterKeys, Unread> {
    Ok(ClusterKeys::parse(&bounded(File::open(path)?)?)?)
}

fn bounded(from: impl io::Read) -> Result<Vec<u8>, Unread> {
    let mut text = Vec::new();
    let length = from.take(LONGEST + 1).read_to_end(&mut text)?;
    if u64::try_from(length).is_ok_and(|length| length <= LONGEST) {
        Ok(text)
    } else {
        Err(Unread::Long)
    }
}

/// The client that a service account's token signs in as; nothing if the assertion is not the cluster's.
/// The form names the client, for an account may be registered by several tenants, and each only speaks
/// for its own clients.
pub(super) async fn proven_by_cluster(
    app: &App,
    cluster: &Workloads,
    form: &ClientTokenRequest,
    now: Timestamp,
) -> Result<Option<Proven>, Problem> {
    let token = WorkloadToken::read(&form.client_assertion, &cluster.issuer).map_err(refused)?;
    let Some(token) = token else { return Ok(None) };
    let named = form.client_id.as_deref();
    let named =
        named.ok_or_else(|| Problem::invalid("client_id", "is wanted with such a token"))?;
    let keys = cluster.keys(token.kid(), now).await?;
    let account = token.verify(&keys, &cluster.audience, now.seconds()).map_err(refused)?;
    let client = ClientId::parse(named).map_err(|_| refused(AssertionRefused::Subject))?;
    let found = registration(&app.pawl, client.clone(), account).await?;
    let key = found.ok_or_else(|| refused(AssertionRefused::Subject))?;
    Ok(Some(Proven { client, key, jti: None }))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::pin::pin;
    use std::sync::mpsc::{Receiver, channel};
    use std::task::{Context, Waker};

    use super::*;

    /// The public key of RFC 7517, appendix A.1.
    const KEYS: &str = r#"{"keys":[{"kty":"EC","kid":"a","crv":"P-256",
        "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

    /// An address that answers once, when it is told to.
    fn answers_after(told: Receiver<()>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            told.recv().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", KEYS.len());
            stream.write_all((head + KEYS).as_bytes()).unwrap();
        });
        url
    }

    #[actix_web::test]
    async fn who_hangs_up_while_the_keys_are_read_keeps_them_from_nobody() {
        let (tell, told) = channel();
        let source = KeySource::Url { url: answers_after(told), ca_file: None };
        let cluster = Workloads::new("https://cluster".to_owned(), "pawl".to_owned(), source);
        let now = Timestamp::from_millis(1_000_000);
        {
            let mut stranger = pin!(cluster.keys("invented", now));
            let polled = stranger.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
        }
        tell.send(()).unwrap();
        assert!(cluster.keys("a", now).await.is_ok_and(|keys| keys.has("a")));
    }

    #[test]
    fn keys_are_too_old_if_either_clock_says_so() {
        let nowhere = KeySource::File(PathBuf::from("/nowhere"));
        let cluster = Workloads::new("https://cluster".to_owned(), "pawl".to_owned(), nowhere);
        let (wall, steady) = (Timestamp::from_millis(10_000_000), Instant::now());
        let read_at = |steady| {
            let keys = Arc::new(ClusterKeys::parse(KEYS.as_bytes()).unwrap());
            *cluster.held.write().unwrap() = Some(Held { keys, read_at: ReadAt { wall, steady } });
        };
        read_at(steady);
        assert!(cluster.held(LONGEST_AGE, wall).is_some());
        assert!(cluster.held(LONGEST_AGE, wall.after(LONGEST_AGE)).is_none(), "the machine slept");
        read_at(steady.checked_sub(Duration::from_hours(1)).unwrap());
        assert!(cluster.held(LONGEST_AGE, wall).is_none(), "the clock was set back");
    }
}
