//! What the operator asks of a process that runs: by signal, or by changing a file.

use std::{io, process, thread, time::Duration};

use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};

use crate::reload::Watch;

/// What shells report for a process that a signal ended: 128 and its number.
const ENDED_BY_TERMINATE: i32 = 128 + 15;
const ENDED_BY_INTERRUPT: i32 = 128 + 2;

/// Why a wait was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WokenBy {
    /// SIGHUP, or a file has changed.
    Reload,
    /// SIGTERM or SIGINT.
    Stop,
    /// Nothing was asked for as long as was waited.
    Time,
}

/// Signals, from the moment at which this is made.
pub(super) struct Signals {
    runtime: Runtime,
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// # Errors
    ///
    /// When the system gives no runtime or no signals.
    pub(super) fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (hang_up, terminate, interrupt) = {
            let _entered = runtime.enter();
            (
                signal(SignalKind::hangup())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
            )
        };
        Ok(Self { runtime, hang_up, terminate, interrupt })
    }

    /// From now on whoever asks to stop again is obeyed at once: `farewell`, and the process ends.
    ///
    /// # Errors
    ///
    /// When the system gives no thread; a second signal then changes nothing.
    pub(super) fn end_at_once(self, farewell: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let Self { runtime, mut terminate, mut interrupt, .. } = self;
        thread::Builder::new().name("signals".into()).spawn(move || {
            let status = runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => ENDED_BY_TERMINATE,
                    _ = interrupt.recv() => ENDED_BY_INTERRUPT,
                }
            });
            farewell();
            process::exit(status);
        })?;
        Ok(())
    }

    /// Waits for so long, and sees signals all the same.
    pub(super) fn pause(&mut self, pause: Duration) -> WokenBy {
        // made inside, where there is a clock to wait by
        self.unless(WokenBy::Time, async { tokio::time::sleep(pause).await })
    }

    /// Waits until something is asked.
    pub(super) fn wait(&mut self, watch: &mut Watch) -> WokenBy {
        self.unless(WokenBy::Reload, watch.changed())
    }

    /// `otherwise` if `other` comes before a signal.
    fn unless(&mut self, otherwise: WokenBy, other: impl Future<Output = ()>) -> WokenBy {
        let Self { runtime, hang_up, terminate, interrupt } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => WokenBy::Stop,
                _ = interrupt.recv() => WokenBy::Stop,
                _ = hang_up.recv() => WokenBy::Reload,
                () = other => otherwise,
            }
        })
    }
}
