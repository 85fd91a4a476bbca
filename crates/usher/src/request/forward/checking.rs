//! Active checks of upstreams (`health_checks`): asked beside all requests, on one thread.

use std::{
    future::{Future, pending},
    pin::pin,
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
};
use usher_rules::{
    names::Scheme,
    plan::{Action, HealthCheck, HealthQuestion, Route, Target},
};

use super::{
    ForwardError, Forwarder, UpstreamIo,
    choose::{Checked, Health, Outcome, Turn},
    sending::{Speaks, dialled},
    tls::ClientConfigs,
};

/// Bytes that an app may say before what a check waits for.
const HEARD: usize = 64 * 1024;

/// One check of one upstream of a route.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub route: Arc<Route>,
    /// Which of its upstreams.
    pub at: usize,
    /// Which of its checks.
    pub check: usize,
    pub checked: Arc<Checked>,
    pub health: Arc<Health>,
}

/// An upstream stands otherwise than before.
#[derive(Debug)]
pub struct Turned {
    /// The route whose check it was.
    pub route: Box<str>,
    /// Host and port.
    pub upstream: String,
    /// How it stands now.
    pub turn: Turn,
    /// What the last answer said.
    pub why: Box<str>,
}

/// Hears how upstreams stand.
pub type TurnHeard = Arc<dyn Fn(&Turned) + Send + Sync>;

impl Forwarder {
    /// Makes the checks of the plan in force, for ever; begins anew when another one is.
    pub async fn check_upstreams(&self, tell: TurnHeard) {
        loop {
            let mut running = JoinSet::new();
            for probe in self.choosers.probes() {
                running.spawn(again_and_again(Arc::clone(&self.configs), probe, Arc::clone(&tell)));
            }
            tokio::select! {
                () = until_one_panics(&mut running) => {}
                () = self.choosers.changed() => {}
            }
        }
    }
}

/// Checks end with the plan that wants them: what else ends one is a panic, which is the caller's.
async fn until_one_panics(running: &mut JoinSet<()>) {
    while let Some(ended) = running.join_next().await {
        if let Some(panicked) = ended.err().and_then(|error| error.try_into_panic().ok()) {
            std::panic::resume_unwind(panicked);
        }
    }
    pending().await
}

async fn again_and_again(configs: Arc<ClientConfigs>, probe: Probe, tell: TurnHeard) {
    let Action::Forward(targets) = &probe.route.action else { return };
    let Some(target) = targets.all.get(probe.at) else { return };
    let Some(check) = probe.checked.checks().get(probe.check) else { return };
    loop {
        let asked = ask(&configs, &probe.route, target, check);
        let outcome = tokio::time::timeout(check.timeout, asked).await.unwrap_or_else(|_| {
            Outcome::NoAnswer(format!("no answer within {:?}", check.timeout).into())
        });
        match (&outcome, &check.asks) {
            (Outcome::Well, HealthQuestion::Http { .. }) => probe.health.answered(),
            (Outcome::Well, HealthQuestion::Tcp { .. }) => probe.health.reached(),
            (Outcome::NoAnswer(_) | Outcome::Unwell(_), _) => {}
        }
        if let Some(turn) = probe.checked.note(probe.check, &outcome) {
            tell(&Turned {
                route: probe.route.name.clone(),
                upstream: target.upstream.authority(),
                turn,
                why: outcome.why().into(),
            });
        }
        tokio::time::sleep(check.interval).await;
    }
}

async fn ask(
    configs: &ClientConfigs,
    route: &Route,
    target: &Target,
    check: &HealthCheck,
) -> Outcome {
    let speaks = match check.asks {
        HealthQuestion::Http { .. } => Speaks::of(route),
        HealthQuestion::Tcp { .. } => Speaks::Http1,
    };
    // The check's own timeout ends it earlier.
    let io = match dialled(configs, target, &route.tls, speaks, check.timeout).await {
        Ok(io) => io,
        Err(error) => return Outcome::NoAnswer(error.to_string().into()),
    };
    let (is_h2c, expected) = match &check.asks {
        HealthQuestion::Tcp { send, receive } => return listen(io, send, receive).await,
        HealthQuestion::Http { expected, .. } => {
            (target.upstream.scheme == Scheme::H2c && speaks == Speaks::Any, expected)
        }
    };
    let is_http2 = is_h2c || io.is_http2();
    let Some(request) = question(&check.asks, target, is_http2) else {
        return Outcome::NoAnswer("the question can't be written".into());
    };
    let answered = match is_http2 {
        true => over_http2(io, request).await,
        false => over_http1(io, request).await,
    };
    match answered {
        Ok(response) => judge(response.status(), expected),
        Err(error) => Outcome::NoAnswer(error.to_string().into()),
    }
}

/// The request of a check over HTTP.
fn question(asks: &HealthQuestion, target: &Target, is_http2: bool) -> Option<Asked> {
    let HealthQuestion::Http { method, host, path, .. } = asks else { return None };
    let host = host.as_ref().unwrap_or(&target.host);
    let agent = HeaderValue::from_static("usher-health-check");
    let request = Request::builder().method(method).header(header::USER_AGENT, agent);
    let request = if is_http2 {
        let scheme = if target.upstream.scheme == Scheme::Https { "https" } else { "http" };
        request.uri(format!("{scheme}://{}{path}", host.to_str().ok()?))
    } else {
        request.uri(path.clone()).header(header::HOST, host)
    };
    request.body(Empty::new()).ok()
}

fn judge(status: StatusCode, expected: &[std::ops::Range<u16>]) -> Outcome {
    match expected.iter().any(|range| range.contains(&status.as_u16())) {
        true => Outcome::Well,
        false => Outcome::Unwell(format!("it answered {}", status.as_u16()).into()),
    }
}

type Asked = Request<Empty<Bytes>>;

async fn over_http1(io: UpstreamIo, request: Asked) -> Result<Response<Incoming>, ForwardError> {
    let closed = |source| ForwardError::Closed { source };
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(closed)?;
    answered(sender.send_request(request), connection).await
}

async fn over_http2(io: UpstreamIo, request: Asked) -> Result<Response<Incoming>, ForwardError> {
    let closed = |source| ForwardError::Closed { source };
    let builder = http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(TokioIo::new(io)).await.map_err(closed)?;
    answered(sender.send_request(request), connection).await
}

/// The head of the answer; the connection is dropped with all that follows.
async fn answered(
    answer: impl Future<Output = hyper::Result<Response<Incoming>>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> Result<Response<Incoming>, ForwardError> {
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    let answered = tokio::select! {
        answered = &mut answer => answered,
        over = &mut connection => match over {
            Ok(()) => answer.await,
            Err(source) => Err(source),
        },
    };
    answered.map_err(|source| ForwardError::Closed { source })
}

/// Says what the check says and hears what it wants to hear, in order.
async fn listen(mut io: UpstreamIo, send: &[u8], receive: &[Box<[u8]>]) -> Outcome {
    let no_answer = |error: std::io::Error| Outcome::NoAnswer(error.to_string().into());
    if !send.is_empty()
        && let Err(error) = async {
            io.write_all(send).await?;
            io.flush().await
        }
        .await
    {
        return no_answer(error);
    }
    let (mut heard, mut piece) = (Vec::new(), [0; 1024]);
    while !hears(&heard, receive) {
        match io.read(&mut piece).await {
            Ok(0) => return Outcome::NoAnswer("it closed the connection".into()),
            Ok(n) => heard.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Err(error) => return no_answer(error),
        }
        if heard.len() > HEARD {
            return Outcome::Unwell("it says something else".into());
        }
    }
    Outcome::Well
}

/// Do these stand in what was heard, in this order?
fn hears(mut heard: &[u8], wanted: &[Box<[u8]>]) -> bool {
    wanted.iter().all(|wanted| {
        let at = heard.windows(wanted.len()).position(|window| *window == **wanted);
        let rest = at.and_then(|at| heard.get(at + wanted.len()..));
        heard = rest.unwrap_or_default();
        rest.is_some()
    })
}
