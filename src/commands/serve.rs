//! `pawl serve`: start, first start, drain.

use tokio::signal::unix::{SignalKind, signal};

use super::{FirstStart, first_start, refused};
use crate::app::{Running, explain, start};
use crate::clock::Clock;
use crate::config::Config;
use crate::operations::bootstrap::is_first_start;
use crate::telemetry;

/// Serves until a signal; a second one ends at once.
pub(super) fn serve(config: &Config, founding: &FirstStart) -> Result<(), String> {
    telemetry::begin(&config.log, std::io::stderr).map_err(|error| error.to_string())?;
    actix_web::rt::System::new().block_on(async {
        let running = start(config, Clock::system()).await.map_err(|error| explain(&error))?;
        if is_first_start(&running.pawl).await.map_err(refused)? {
            let founded = first_start::found(&running.pawl, founding).await?;
            first_start::hand_over(config, &founded)?;
        }
        wait_and_drain(running).await
    })
}

async fn wait_and_drain(running: Running) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    tracing::info!("draining");
    tokio::select! {
        stopped = running.stop() => stopped.map_err(|error| explain(&error)),
        _ = terminate.recv() => Err("stopped at once by a second signal".to_owned()),
        _ = interrupt.recv() => Err("stopped at once by a second signal".to_owned()),
    }
}
