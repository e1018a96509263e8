//! `pawl serve`: start, first start, housekeeping, drain.

use std::time::Duration;

use actix_web::rt::{System, SystemRunner};
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
    let system = System::new();
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
    abandon(system);
    ended
}

/// Leaves the runtime to the end of the process: dropping it would wait for threads that wait for a
/// database.
///
/// Its handle is left too. A worker's thread drops its own handle while its thread-locals are destroyed;
/// the drop of the last handle wakes the runtime through one of them, and the process would abort.
fn abandon(system: SystemRunner) {
    std::mem::forget((system, System::try_current()));
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use actix_web::rt::{Runtime, System, spawn};

    use super::abandon;

    /// Without the handle that is left, this test's process aborts.
    #[test]
    fn a_worker_may_end_after_the_thread_that_abandoned_the_runtime() {
        let (end, asked) = channel();
        let serving = thread::spawn(move || {
            let system = System::new();
            let handle = System::current();
            // A worker as actix-rt starts it: its handle first, then a runtime of its own.
            let worker = thread::spawn(move || {
                System::set_current(handle);
                Runtime::new().unwrap().block_on(async {});
                asked.recv().unwrap();
            });
            // The system's own task is older, so that it has run and waits for a wake-up.
            system.block_on(async { spawn(async {}).await.unwrap() });
            abandon(system);
            worker
        });
        let worker = serving.join().unwrap();
        end.send(()).unwrap();
        worker.join().unwrap();
    }
}
