//! Happy Eyeballs (RFC 8305): addresses of one name are tried beside each other.

use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// The next address is tried when the one before has not answered for so long (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

type Attempt<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Tries `addresses` in order, each [`HEAD_START`] after the one before or as soon as that failed.
/// The first that answers wins and the others are dropped; `Err` is what the last to fail says,
/// `None` where there is no address.
pub(super) async fn race<T, E, F>(
    addresses: Vec<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<(T, SocketAddr), Option<E>>
where
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let [only] = &*addresses else {
        return Race {
            left: addresses.into_iter(),
            running: Vec::new(),
            timer: None,
            failed: None,
        }
        .run(|address| Box::pin(attempt(address)))
        .await;
    };
    attempt(*only).await.map(|won| (won, *only)).map_err(Some)
}

struct Race<T, E> {
    left: std::vec::IntoIter<SocketAddr>,
    running: Vec<(SocketAddr, Attempt<T, E>)>,
    timer: Option<Pin<Box<Sleep>>>,
    failed: Option<E>,
}

impl<T, E> Race<T, E> {
    async fn run(
        mut self,
        attempt: impl Fn(SocketAddr) -> Attempt<T, E>,
    ) -> Result<(T, SocketAddr), Option<E>> {
        poll_fn(|cx| self.poll(cx, &attempt)).await
    }

    fn start(&mut self, attempt: &impl Fn(SocketAddr) -> Attempt<T, E>) {
        let Some(address) = self.left.next() else { return };
        self.running.push((address, attempt(address)));
        let more = !self.left.as_slice().is_empty();
        self.timer = more.then(|| Box::pin(sleep_until(Instant::now() + HEAD_START)));
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        attempt: &impl Fn(SocketAddr) -> Attempt<T, E>,
    ) -> Poll<Result<(T, SocketAddr), Option<E>>> {
        loop {
            let mut starts = self.running.is_empty();
            let mut at = 0;
            while let Some((address, running)) = self.running.get_mut(at) {
                match running.as_mut().poll(cx) {
                    Poll::Ready(Ok(won)) => return Poll::Ready(Ok((won, *address))),
                    Poll::Ready(Err(error)) => {
                        self.failed = Some(error);
                        drop(self.running.swap_remove(at));
                        starts = true;
                    }
                    Poll::Pending => at += 1,
                }
            }
            if let Some(timer) = &mut self.timer
                && timer.as_mut().poll(cx).is_ready()
            {
                starts = true;
            }
            let more = !self.left.as_slice().is_empty();
            match (starts && more, self.running.is_empty()) {
                (true, _) => self.start(attempt),
                (false, true) => return Poll::Ready(Err(self.failed.take())),
                (false, false) => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, net::SocketAddr, time::Duration};

    use tokio::time::{Instant, sleep};

    use super::race;

    fn addresses(n: u16) -> Vec<SocketAddr> {
        (1..=n).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect()
    }

    /// What each port does: `s` is silent, `r` refuses at once, a digit answers after so many
    /// tenths of a second.
    async fn run(script: &'static str) -> (String, u128) {
        let began = Instant::now();
        let outcome = race(addresses(script.len() as u16), |address| async move {
            match script.as_bytes()[usize::from(address.port()) - 1] {
                b's' => pending().await,
                b'r' => Err(address.port()),
                tenths => {
                    sleep(Duration::from_millis(u64::from(tenths - b'0') * 100)).await;
                    Ok(())
                }
            }
        });
        let text = match tokio::time::timeout(Duration::from_secs(60), outcome).await {
            Err(_) => "silence".to_owned(),
            Ok(Ok(((), address))) => format!("{}", address.port()),
            Ok(Err(error)) => format!("{error:?}"),
        };
        (text, began.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn who_wins_and_when() {
        for (script, winner, after) in [
            ("1", "1", 100),
            ("r1", "2", 100), // refused: the next at once
            ("s0", "2", 250), // silent: the next a little later
            ("ss0", "3", 500),
            ("s5r1", "4", 600), // a refusal starts the next, whoever else runs
            ("41", "2", 350),   // the quicker of two
            ("21", "1", 200),
            ("rr", "Some(2)", 0),
            ("", "None", 0),
        ] {
            let (seen, took) = run(script).await;
            assert_eq!(seen, winner, "{script}");
            assert!(took.abs_diff(after) < 20, "{script}: {took} ms");
        }
    }
}
