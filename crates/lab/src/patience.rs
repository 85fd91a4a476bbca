//! How long a test waits for what has to happen: in one place, and long. A machine that does other
//! work at the same time is late, and nothing is wrong with it.

use std::{future::Future, time::Duration};

/// So long, so that what never happens ends a test, and what is late does not.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at what can only be looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Waits for what has to happen.
pub async fn within<F: Future>(what: &str, happens: F) -> F::Output {
    let happened = tokio::time::timeout(PATIENCE, happens).await;
    happened.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// Looks until there is something to see.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    })
    .await
}

/// Asks until the answer is one.
pub async fn answered<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(LOOK).await;
        }
    })
    .await
}
