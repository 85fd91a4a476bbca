//! Active checks of upstreams (`health_checks`): asked beside all requests, on one thread.

use std::{
    future::{Future, pending},
    pin::pin,
    sync::Arc,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use usher_rules::{
    names::Scheme,
    plan::{Action, HealthCheck, HealthQuestion, Route, Target},
};

use super::{
    ForwardError, Forwarder, UpstreamIo,
    choose::{Checked, Health, Outcome, Turn},
    sending::{Speaks, dialled},
};
use crate::request::{
    accept::{Beside, Protocol, Streams},
    caught::caught,
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
            let probes = self.choosers.probes().into_iter();
            let running = probes.map(|probe| self.again_and_again(probe, &tell));
            let mut running: FuturesUnordered<_> = running.collect();
            let all = async {
                while running.next().await.is_some() {}
                pending::<()>().await // no check is left until a reload brings one
            };
            tokio::select! {
                () = all => {}
                () = self.choosers.changed() => {}
            }
        }
    }

    /// One check, for ever: a try that panics is told, ends no other, and counts as no answer.
    async fn again_and_again(&self, probe: Probe, tell: &TurnHeard) {
        let Action::Forward(targets) = &probe.route.action else { return };
        let Some(target) = targets.all.get(probe.at) else { return };
        let Some(check) = probe.checked.checks().get(probe.check) else { return };
        let upstream = || Beside::Upstream(target.upstream.authority().into());
        loop {
            let asked = self.ask(&probe.route, target, check);
            let asked = tokio::time::timeout(check.timeout, caught(asked)).await;
            let outcome = match asked {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(panicked)) => {
                    self.tasks.panicked(&upstream(), &panicked);
                    Outcome::NoAnswer("the check itself failed".into())
                }
                Err(_) => Outcome::NoAnswer(format!("no answer within {:?}", check.timeout).into()),
            };
            if let Err(panicked) = caught(async { probe.note(target, &outcome, tell) }).await {
                self.tasks.panicked(&upstream(), &panicked);
            }
            tokio::time::sleep(check.interval).await;
        }
    }

    async fn ask(&self, route: &Route, target: &Target, check: &HealthCheck) -> Outcome {
        let speaks = match check.asks {
            HealthQuestion::Http { .. } => Speaks::of(route),
            HealthQuestion::Tcp { .. } => Speaks::Http1,
        };
        let mut target = target.clone();
        target.upstream.port = check.alt_port.unwrap_or(target.upstream.port);
        // The check's own timeout ends it earlier.
        let io = match dialled(&self.configs, &target, &route.tls, speaks, check.timeout).await {
            Ok(io) => io,
            Err(error) => return Outcome::NoAnswer(error.to_string().into()),
        };
        let (is_h2c, expected) = match &check.asks {
            HealthQuestion::Tcp { send, receive } => return listen(io, send, receive).await,
            HealthQuestion::Http { expected, .. } => {
                (target.upstream.scheme == Scheme::H2c && speaks == Speaks::Any, expected)
            }
        };
        let protocol = if is_h2c || io.is_http2() { Protocol::Http2 } else { Protocol::Http1 };
        let Some(request) = question(&check.asks, &target, protocol) else {
            return Outcome::NoAnswer("the question can't be written".into());
        };
        let beside = Beside::Upstream(target.upstream.authority().into());
        let answered = match protocol {
            Protocol::Http1 => over_http1(io, request).await,
            Protocol::Http2 => over_http2(io, request, self.tasks.streams_of(beside)).await,
        };
        match answered {
            Ok(response) => judge(response.status(), expected),
            Err(error) => Outcome::NoAnswer(error.to_string().into()),
        }
    }
}

impl Probe {
    fn note(&self, target: &Target, outcome: &Outcome, tell: &TurnHeard) {
        let asks = self.checked.checks().get(self.check).map(|check| &check.asks);
        match (outcome, asks) {
            (Outcome::Well, Some(HealthQuestion::Http { .. })) => self.health.answered(),
            (Outcome::Well, Some(HealthQuestion::Tcp { .. })) => self.health.reached(),
            (Outcome::Well, None) | (Outcome::NoAnswer(_) | Outcome::Unwell(_), _) => {}
        }
        if let Some(turn) = self.checked.note(self.check, outcome) {
            tell(&Turned {
                route: self.route.name.clone(),
                upstream: target.upstream.authority(),
                turn,
                why: outcome.why().into(),
            });
        }
    }
}

/// The request of a check over HTTP.
fn question(asks: &HealthQuestion, target: &Target, protocol: Protocol) -> Option<Asked> {
    let HealthQuestion::Http { method, host, path, .. } = asks else { return None };
    let host = host.as_ref().unwrap_or(&target.host);
    let agent = HeaderValue::from_static("usher-health-check");
    let request = Request::builder().method(method).header(header::USER_AGENT, agent);
    let request = match protocol {
        Protocol::Http1 => request.uri(path.clone()).header(header::HOST, host),
        Protocol::Http2 => {
            let scheme = if target.upstream.scheme == Scheme::Https { "https" } else { "http" };
            request.uri(format!("{scheme}://{}{path}", host.to_str().ok()?))
        }
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

async fn over_http2(
    io: UpstreamIo,
    request: Asked,
    streams: Streams,
) -> Result<Response<Incoming>, ForwardError> {
    let closed = |source| ForwardError::Closed { source };
    let builder = http2::Builder::new(streams);
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

#[cfg(test)]
mod tests {
    use std::{
        net::TcpListener,
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use tokio::sync::Notify;
    use usher_rules::{
        config::{self, Environment, Files, Input},
        plan::{self, Plan},
    };

    use super::{Forwarder, TurnHeard};
    use crate::request::{
        accept::{Beside, Tasks},
        authorize::{PermitEnd, Standing, Stream},
        forward::{Recheck, choose::Turn, trust::Trust},
        note_panics,
    };

    struct Always;

    impl Recheck for Always {
        fn generation(&self) -> u64 {
            0
        }

        fn still_holds(&self, _: &Standing, _: Stream) -> Result<(), PermitEnd> {
            Ok(())
        }
    }

    impl Files for Always {
        fn read(&self, path: &str) -> Result<Vec<u8>, String> {
            Err(path.into())
        }
    }

    fn checked(upstream: &str) -> Plan {
        let text = format!(
            "address: 127.0.0.1:8443\nroutes:\n- from: https://tv.test\n  to: ['http://{upstream}', \
             'http://127.0.0.1:1']\n  allow_public_unauthenticated_access: true\n  health_checks:\n  \
             - {{timeout: 5s, interval: 0.01s, unhealthy_threshold: 1, healthy_threshold: 1, \
             tcp_health_check: {{}}}}\n"
        );
        let draft = config::read(Input { name: None, text: &text }, &Environment::new());
        plan::compile(draft, &Always).unwrap().0
    }

    /// It is told, made again, and no other check ends with it.
    #[tokio::test]
    async fn a_check_that_panics_is_told_and_made_again() {
        note_panics();
        let app = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = app.local_addr().unwrap();
        drop(app); // nobody is there at first
        let (tasks, told) = (Tasks::default(), Arc::new(Mutex::new(Vec::new())));
        let heard = Arc::clone(&told);
        tasks.on_panic(move |beside, panicked| {
            heard.lock().unwrap().push((beside.clone(), panicked.words));
        });
        let forwarder = Forwarder::new(Trust::only([]), Arc::new(Always), tasks);
        forwarder.prepare(&checked(&upstream.to_string()));

        let (outs, out, back) =
            (AtomicUsize::new(0), Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (both_out, is_back) = (Arc::clone(&out), Arc::clone(&back));
        let tell: TurnHeard = Arc::new(move |turned| match turned.turn {
            Turn::Out => {
                if outs.fetch_add(1, Ordering::SeqCst) == 1 {
                    both_out.notify_one();
                }
                assert!(turned.upstream == "127.0.0.1:1", "it broke");
            }
            Turn::Back => is_back.notify_one(),
        });
        let seen = async {
            out.notified().await; // one panicked, the other was told
            let _app = TcpListener::bind(upstream).unwrap();
            back.notified().await; // the one that panicked goes on
        };
        tokio::select! {
            () = forwarder.check_upstreams(tell) => panic!("checks end"),
            () = seen => {}
        }
        let of_it = Beside::Upstream(upstream.to_string().into());
        assert_eq!(*told.lock().unwrap(), [(of_it, "it broke")]);
    }
}
