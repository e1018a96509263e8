//! `pawl serve`: start, first start, housekeeping, drain.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::housekeeping::Housekeeping;
use super::{FirstStart, first_start};
use crate::app::{Running, explain, start};
use crate::clock::Clock;
use crate::config::Config;
use crate::telemetry;

/// Serves until a signal; a second one ends at once.
pub(super) fn serve(config: &Config, founding: &FirstStart) -> Result<(), String> {
    telemetry::begin(&config.log, std::io::stderr).map_err(|error| error.to_string())?;
    actix_web::rt::System::new().block_on(async {
        // Before anything says that it serves: whoever reads that may stop it.
        let mut signals = Signals::listen()?;
        let running = tokio::select! {
            started = start(config, Clock::system()) => started.map_err(|error| explain(&error))?,
            () = signals.next() => return Err("stopped before it served".to_owned()),
        };
        if let Some(founded) = first_start::found_first(&running.pawl, founding).await? {
            first_start::hand_over(config, &founded)?;
        }
        let housekeeping = Housekeeping::begin(running.pawl.clone(), Clock::system());
        wait_and_drain(running, housekeeping, signals).await
    })
}

/// What asks for an end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on no signal ends the process by itself.
    fn listen() -> Result<Self, String> {
        let listen = |kind| signal(kind).map_err(|error| error.to_string());
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: listen(terminate)?, interrupt: listen(interrupt)? })
    }

    async fn next(&mut self) {
        tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} }
    }
}

async fn wait_and_drain(
    running: Running,
    housekeeping: Housekeeping,
    mut signals: Signals,
) -> Result<(), String> {
    signals.next().await;
    tracing::info!("draining");
    housekeeping.end().await;
    tokio::select! {
        stopped = running.stop() => stopped.map_err(|error| explain(&error)),
        () = signals.next() => Err("stopped at once by a second signal".to_owned()),
    }
}
