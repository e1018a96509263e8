//! A closed loop: so many callers, each of which sends its next request when it has the answer.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use crate::Outcome;
use crate::console::{Done, Kind, World};
use crate::http::Connection;

/// What the callers saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub right: usize,
    pub wrong: usize,
    /// One of the wrong answers.
    pub example: Option<String>,
    pub seconds: f64,
    /// Microseconds, sorted.
    times: Vec<u32>,
}

impl Seen {
    pub fn per_second(&self) -> f64 {
        count(self.right) / self.seconds.max(1e-9)
    }

    /// Milliseconds within which this part of the answers was there.
    pub fn quantile(&self, part: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = (count(self.times.len().saturating_sub(1)) * part).round() as usize;
        self.times.get(index).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }
}

/// A number of things as a fraction can have it.
pub fn count(things: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "no benchmark counts to 2^52")]
    let number = things as f64;
    number
}

/// Lets `callers` work for `span`, or until there is nothing more to do; caller `n` asks replica
/// `n % replicas`.
pub async fn run(
    world: &Rc<World>,
    kind: Kind,
    callers: usize,
    replicas: &[SocketAddr],
    span: Duration,
) -> Outcome<Seen> {
    let mut connections = Vec::with_capacity(callers);
    for address in replicas.iter().cycle().take(callers) {
        connections.push(Connection::open(*address).await?);
    }
    let seen = Rc::new(RefCell::new(Seen::default()));
    let local = LocalSet::new();
    let begun = Instant::now();
    let mut set = JoinSet::new();
    for connection in connections {
        let (world, seen) = (Rc::clone(world), Rc::clone(&seen));
        set.spawn_local_on(caller(world, kind, connection, seen, begun + span), &local);
    }
    let ended = local.run_until(async { set.join_all().await }).await;
    ended.into_iter().collect::<Outcome<()>>()?;
    let mut seen = seen.take();
    seen.seconds = begun.elapsed().as_secs_f64();
    seen.times.sort_unstable();
    Ok(seen)
}

async fn caller(
    world: Rc<World>,
    kind: Kind,
    mut connection: Connection,
    seen: Rc<RefCell<Seen>>,
    end: Instant,
) -> Outcome<()> {
    while Instant::now() < end {
        let begun = Instant::now();
        let done = world.step(kind, &mut connection).await?;
        let mut seen = seen.borrow_mut();
        match done {
            Done::Right => {
                seen.right += 1;
                let micros = begun.elapsed().as_micros();
                seen.times.push(u32::try_from(micros).unwrap_or(u32::MAX));
            }
            Done::Wrong(answer) => {
                seen.wrong += 1;
                seen.example.get_or_insert(answer);
            }
            Done::Over => break,
        }
    }
    Ok(())
}
