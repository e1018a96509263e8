//! The real clock, waiting for it, and being interrupted while waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::screen::{Screen, line};
use crate::clock::Clock;
use crate::mfa::time::{Span, Timestamp};

/// The clock, and whether somebody pressed Ctrl-C.
#[derive(Clone)]
pub(super) struct Waiting {
    clock: Clock,
    interrupted: Arc<AtomicBool>,
}

impl Waiting {
    /// From now on Ctrl-C, a hang-up and SIGTERM end the story in order: the server is stopped and its
    /// directory removed. Left alone they would end this process at once and leave both behind.
    ///
    /// # Errors
    /// The signals cannot be listened to.
    pub(super) fn begin() -> Result<Self, String> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&interrupted);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot listen to signals: {error}"))?;
        let (mut interrupt, mut terminate, mut hangup) = {
            let _entered = runtime.enter();
            let listen = |kind| signal(kind).map_err(|e| format!("cannot listen to signals: {e}"));
            (
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
                listen(SignalKind::hangup())?,
            )
        };
        std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                heard.store(true, Ordering::Relaxed);
            });
        });
        Ok(Self { clock: Clock::system(), interrupted })
    }

    /// The instant.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Fails if the story was interrupted.
    pub(super) fn go_on(&self) -> Result<(), String> {
        if self.interrupted.load(Ordering::Relaxed) {
            Err("interrupted".to_owned())
        } else {
            Ok(())
        }
    }

    /// Waits for an instant and shows how long it takes still.
    ///
    /// # Errors
    /// Interrupted, or the screen is gone.
    pub(super) fn until(&self, at: Timestamp, what: &str, screen: Screen) -> Result<(), String> {
        let mut shown = None;
        loop {
            let left = at.since(self.now());
            if left == Span::seconds(0) {
                return if shown.is_some() { screen.counted(what) } else { Ok(()) };
            }
            let seconds = left.as_seconds_up();
            if shown != Some(seconds) {
                screen.count(seconds, what, shown.is_none())?;
                shown = Some(seconds);
            }
            if let Err(interrupted) = self.go_on() {
                line("")?;
                return Err(interrupted);
            }
            pause(left);
        }
    }

    /// Looks again and again until something is there, for at most ten seconds: another process does
    /// not tell when it is ready, or gone.
    ///
    /// # Errors
    /// Interrupted, or what the look itself answered.
    pub(super) fn look_for<T>(
        &self,
        mut look: impl FnMut() -> Result<Option<T>, String>,
    ) -> Result<Option<T>, String> {
        let end = self.now().after(Span::seconds(10));
        while self.now() < end {
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
            pause(Span::millis(50));
        }
        Ok(None)
    }
}

/// A short nap: at most a fifth of a second, so that the countdown moves and Ctrl-C is heard.
#[expect(clippy::disallowed_methods, reason = "the demo waits for the real clock")]
fn pause(at_most: Span) {
    let millis = at_most.as_millis().clamp(1, 200);
    std::thread::sleep(Duration::from_millis(millis.unsigned_abs()));
}
