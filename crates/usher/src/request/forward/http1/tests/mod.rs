//! Against the other end of a stream in memory, which says what a test says.

mod answers;
mod exchanges;
mod pieces;
mod requests;

use std::{
    future::poll_fn,
    io,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Empty, Full, combinators::UnsyncBoxBody};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    task::unconstrained,
};

use super::{Connection, Http1Error};

type Content = UnsyncBoxBody<Bytes, io::Error>;
type Client = Connection<DuplexStream, Content>;

fn connected() -> (Client, DuplexStream) {
    let (near, far) = duplex(1 << 20);
    (Connection::new(near), far)
}

fn nothing() -> Content {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn octets(octets: &'static [u8]) -> Content {
    Full::new(Bytes::from_static(octets)).map_err(|never| match never {}).boxed_unsync()
}

fn asked(method: Method) -> Request<Content> {
    let mut request = Request::new(nothing());
    (*request.method_mut(), *request.uri_mut()) = (method, "/".parse().unwrap());
    request
}

/// Takes the request and sends what can be sent before anything is answered.
async fn sent(client: &mut Client, request: Request<Content>) {
    let mut request = Some(request);
    poll_fn(|cx| {
        if let Some(mut request) = request.take() {
            client.start(&mut request, cx).expect("nothing has come");
        }
        assert!(client.poll_head(cx).is_pending(), "nothing was answered");
        Poll::Ready(())
    })
    .await;
}

/// What has arrived at the other end.
async fn arrived(far: &mut DuplexStream) -> String {
    let mut all = vec![0; 1 << 20];
    let octets = far.read(&mut all).await.unwrap();
    String::from_utf8(all[..octets].to_vec()).unwrap()
}

/// An answer, as far as it was heard.
#[derive(Debug, Default)]
struct Heard {
    head: Option<Response<()>>,
    body: Vec<u8>,
    trailers: HeaderMap,
    is_whole: bool,
}

impl Heard {
    /// All that can be had now.
    fn hear(&mut self, client: &mut Client, cx: &mut Context<'_>) -> Result<(), Http1Error> {
        if self.head.is_none() {
            match client.poll_head(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(head) => self.head = Some(head?),
            }
        }
        while !self.is_whole {
            if client.is_end_stream() {
                self.is_whole = true;
                break;
            }
            match client.poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(None) => self.is_whole = true,
                Poll::Ready(Some(frame)) => match frame?.into_data() {
                    Ok(data) => self.body.extend_from_slice(&data),
                    Err(other) => self.trailers.extend(other.into_trailers().unwrap()),
                },
            }
        }
        Ok(())
    }

    /// A test that says much without a pause would else be told that nothing has come.
    async fn more(&mut self, client: &mut Client) -> Result<(), Http1Error> {
        unconstrained(poll_fn(|cx| Poll::Ready(self.hear(client, cx)))).await
    }
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Silence,
    End,
}

/// Sends the request and hears `answer`, which comes in pieces of so many octets.
async fn heard(
    request: Request<Content>,
    answer: &[u8],
    piece: usize,
    then: Then,
) -> (Client, Option<DuplexStream>, Result<Heard, Http1Error>) {
    let (mut client, mut far) = connected();
    sent(&mut client, request).await;
    let mut heard = Heard::default();
    for piece in answer.chunks(piece) {
        far.write_all(piece).await.unwrap();
        if let Err(error) = heard.more(&mut client).await {
            return (client, Some(far), Err(error));
        }
    }
    if then == Then::Silence {
        return (client, Some(far), Ok(heard));
    }
    drop(far);
    let ended = heard.more(&mut client).await;
    (client, None, ended.map(|()| heard))
}
