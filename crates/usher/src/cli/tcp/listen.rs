//! A port of this machine whose connections go through a tunnel each.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use super::{Failure, beside, client::Client};

/// After a connection could not be taken.
pub(super) const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// First pause after the proxy was not reached; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// So long somebody waits for the proxy. Whoever has said something can't be seen to hang up, and
/// each who waits holds a file descriptor.
const ENOUGH: Duration = Duration::from_secs(300);

/// Takes the port, and says so.
pub(super) async fn bind(at: &str, client: &Client) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(at).await.map_err(Failure::Listen)?;
    let at: SocketAddr = listener.local_addr().map_err(Failure::Listen)?;
    let _nowhere_left = writeln!(io::stderr(), "{at} leads to {}", client.proxy.address);
    Ok(listener)
}

/// Until the process ends.
pub(super) async fn serve(listener: TcpListener, client: Arc<Client>) {
    loop {
        let Ok((mut near, _)) = listener.accept().await else {
            sleep(BETWEEN_TRIES).await; // no file descriptors are left (EMFILE)
            continue;
        };
        let client = Arc::clone(&client);
        beside(async move {
            match reached(&client, gone(&near)).await {
                Ok(Some(mut far)) => {
                    let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
                Ok(None) => {}
                Err(why) => {
                    let _nowhere_left = writeln!(io::stderr(), "error: {why}");
                }
            }
        });
    }
}

/// A tunnel; nothing where whoever wanted it has gone. While the network is away, a laptop's
/// programs wait for it as they would for a slow server.
pub(super) async fn reached(
    client: &Client,
    gone: impl Future<Output = ()>,
) -> Result<Option<TokioIo<Upgraded>>, Failure> {
    again(|| client.open(), gone).await
}

async fn again<T, F>(
    open: impl Fn() -> F,
    gone: impl Future<Output = ()>,
) -> Result<Option<T>, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let (mut pause, began, mut gone) = (FIRST_PAUSE, Instant::now(), pin!(gone));
    loop {
        match open().await {
            Ok(far) => return Ok(Some(far)),
            Err(why @ Failure::Unreached { .. }) if began.elapsed() < ENOUGH => {
                let seconds = pause.as_secs_f32();
                let _nowhere_left = writeln!(io::stderr(), "{why}; the next try is in {seconds} s");
            }
            Err(why) => return Err(why),
        }
        tokio::select! {
            biased;
            () = &mut gone => return Ok(None),
            () = sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// When somebody has closed their end; what they have said by then stays to be read.
async fn gone(near: &TcpStream) {
    let mut octet = [0];
    match near.peek(&mut octet).await {
        Ok(0) | Err(_) => {}
        Ok(_) => std::future::pending().await, // has words for the other side: waits
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Mutex};

    use tokio::{
        io::AsyncWriteExt as _,
        net::{TcpListener, TcpStream},
        time::Instant,
    };
    use usher_lab::patience::within;

    use usher_rules::plan::Carried;

    use super::{super::options::Options, Client, ENOUGH, Failure, again, gone, reached};

    #[tokio::test]
    async fn who_hangs_up_before_the_network_is_back_is_waited_for_no_longer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        drop(near);
        within("it is seen", gone(&far)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_for_a_proxy_that_is_away() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        near.write_all(b"SSH-2.0").await.unwrap();
        far.readable().await.unwrap();
        let mut options = Options::default();
        options.proxy = Some("127.0.0.1:1".into());
        let client = Client::of("away.test:22", Carried::Tcp, &options).unwrap();
        let waited = tokio::time::timeout(ENOUGH * 2, reached(&client, gone(&far))).await;
        let why = waited.expect("it ends").err();
        assert!(matches!(why, Some(Failure::Unreached { .. })), "{why:?}");
    }

    /// A laptop that slept, or that is between two networks: the pauses grow, and whoever waits gets
    /// through at the first try after it is back.
    #[tokio::test(start_paused = true)]
    async fn pauses_grow_until_the_network_is_back() {
        let (began, tries) = (Instant::now(), Mutex::new(Vec::new()));
        let open = async || {
            tries.lock().unwrap().push(began.elapsed().as_millis());
            match tries.lock().unwrap().len() {
                10 => Ok("far"),
                _ => Err(Failure::Unreached { proxy: "p".into(), why: "it is away".into() }),
            }
        };
        let far = again(open, pending()).await.unwrap();
        assert_eq!(far, Some("far"));
        let pauses = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000];
        let mut expected = vec![0];
        expected.extend(pauses.iter().scan(0, |sum, pause| {
            *sum += pause;
            Some(*sum)
        }));
        let tries = tries.into_inner().unwrap();
        for (tried, expected) in tries.iter().zip(&expected) {
            assert!(tried.abs_diff(*expected) < 20, "{tries:?}");
        }
        assert_eq!(tries.len(), expected.len());
        let asleep = again(async || Err::<(), _>(Failure::Token), pending()).await;
        assert!(
            matches!(asleep, Err(Failure::Token)),
            "what waiting does not mend is told at once"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_said_something_is_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        near.write_all(b"SSH-2.0").await.unwrap();
        far.readable().await.unwrap();
        let waited = tokio::time::timeout(super::LONGEST_PAUSE, gone(&far)).await;
        assert!(waited.is_err(), "its words are for the other side");
    }
}
