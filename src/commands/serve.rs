//! `pawl serve`: start, first start, housekeeping, drain.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::first_start::HandedOver;
use super::housekeeping::Housekeeping;
use super::{FirstStart, first_start, readings, refused};
use crate::app::{Prepared, Running, explain, prepare_server};
use crate::clock::Clock;
use crate::config::Config;
use crate::operations::break_glass::list_tenants;
use crate::telemetry;

/// Serves until a signal; a second one ends at once. Without `founding` it founds no tenant.
pub(super) fn serve(config: &Config, founding: Option<&FirstStart>) -> Result<(), String> {
    telemetry::begin(&config.log, std::io::stderr).map_err(|error| error.to_string())?;
    let system = actix_web::rt::System::new();
    let ended = system.block_on(async {
        // Before anything says that it serves: whoever reads that may stop it.
        let mut signals = Signals::listen()?;
        let prepared = tokio::select! {
            prepared = prepare_server(config, Clock::system()) => prepared.map_err(|error| explain(&error))?,
            _ = signals.next() => return Err("stopped before it served".to_owned()),
        };
        prepared.make_document().map_err(|error| explain(&error))?;
        let running = begin(config, prepared, founding).await?;
        let (pawl, life) = (running.pawl.clone(), config.token_key_life());
        let readings = readings::begin(config, pawl.clone(), Clock::system());
        let housekeeping = Housekeeping::begin(pawl, Clock::system(), life);
        let drained = wait_and_drain(running, housekeeping, signals, config.drain_pause).await;
        readings.abort();
        drained
    });
    // Its end would wait for threads that wait for a database, though nobody waits for them any more.
    std::mem::forget(system);
    ended
}

/// Founds the first tenant if there is none, and only then listens: a server that answers has its first
/// start behind it, and a first start that says where its secrets are has a server that answers.
async fn begin(
    config: &Config,
    prepared: Prepared,
    founding: Option<&FirstStart>,
) -> Result<Running, String> {
    let Some(founding) = founding else {
        let running = prepared.serve(config).map_err(|error| explain(&error))?;
        if list_tenants(&running.pawl).await.map_err(refused)?.is_empty() {
            tracing::warn!("there is no tenant yet: `pawl bootstrap` founds one");
        }
        return Ok(running);
    };
    let handed_over = first_start::found_first(config, prepared.pawl(), founding).await?;
    let running = prepared.serve(config).map_err(|error| explain(&error));
    // Also of a server that could not listen: what it founded is there.
    handed_over.map_or(Ok(()), HandedOver::say)?;
    running
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

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}

async fn wait_and_drain(
    running: Running,
    housekeeping: Housekeeping,
    mut signals: Signals,
    pause: Duration,
) -> Result<(), String> {
    let asked = signals.next().await;
    running.drain();
    tracing::info!("draining");
    // Ctrl-C at a terminal: no load balancer has to notice.
    let pause = if asked == SignalKind::interrupt() { Duration::ZERO } else { pause };
    let drained = async {
        tokio::join!(housekeeping.end(), tokio::time::sleep(pause));
        tracing::info!("stopping");
        running.stop().await
    };
    tokio::select! {
        stopped = drained => stopped.map_err(|error| explain(&error)),
        _ = signals.next() => Err("stopped at once by a second signal".to_owned()),
    }
}
