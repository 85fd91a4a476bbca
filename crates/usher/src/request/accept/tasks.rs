use std::{future::Future, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What runs beside the accept loops: counted, told when to finish, and waited for.
///
/// Two moments, since films and sockets differ: at `drain` connections finish the requests they
/// have and close; at `end` whatever is left stops, upgraded connections last.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    requests: TaskTracker,
    upgraded: TaskTracker,
    drain: CancellationToken,
    end: CancellationToken,
}

impl Tasks {
    /// Runs a connection; it is waited for at drain.
    pub fn spawn_connection(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.requests.spawn(self.until_end(task));
    }

    /// Runs an upgraded connection; it is waited for after all others.
    pub fn spawn_upgraded(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.upgraded.spawn(self.until_end(task));
    }

    /// Runs a chore for as long as the process serves; it is not waited for.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns without waiting")]
    pub fn spawn_chore(&self, task: impl Future<Output = ()> + Send + 'static) {
        let drain = self.drain.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                () = drain.cancelled() => {}
            }
        });
    }

    fn until_end(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let end = self.end.clone();
        async move {
            tokio::select! {
                biased;
                () = task => {}
                () = end.cancelled() => {}
            }
        }
    }

    /// Resolves when new work is no longer wanted.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Is new work no longer wanted?
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Connections that are open, upgraded ones included.
    pub fn open(&self) -> usize {
        self.requests.len() + self.upgraded.len()
    }

    /// Asks everybody to finish; stops who has not after `patience`, upgraded ones a moment later.
    pub async fn finish(&self, patience: Duration) {
        self.drain.cancel();
        self.requests.close();
        self.upgraded.close();
        let all_done = async {
            self.requests.wait().await;
            self.upgraded.wait().await;
        };
        if tokio::time::timeout(patience, all_done).await.is_err() {
            self.end.cancel();
            self.requests.wait().await;
            self.upgraded.wait().await;
        }
    }
}
