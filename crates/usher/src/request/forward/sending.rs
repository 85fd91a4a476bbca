//! One request on its way: which upstream, and where it goes on to when that one can't take it.

use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use http::{HeaderValue, Request, Response, StatusCode, header};
use tokio::time::Instant;
use usher_rules::plan::{Action, Balance, HostField, Route, Target};

use super::{
    ForwardError, RequestBody, Sent, StreamLimits, Upload, UpstreamBody,
    again::repeatable,
    attempt::{Attempt, CONNECT, Carrier, Speaks, dialled},
    body::Source,
    choose::{Busy, Chooser, Ejected, Met, Pick, UnderWay, key_of},
    exchange::{Failure, Forwarder, Wait, valid},
};
use crate::request::{
    accept::TaskOwner,
    authorize::{Permitted, Standing},
    boxed::boxed,
    shape::NamedByClient,
};

/// Limits and place of a request that is sent on.
#[derive(Debug)]
pub struct Asking {
    /// How far the client's body has come.
    pub upload: Option<Arc<Upload>>,
    /// `timeout_read`.
    pub read_patience: Option<Duration>,
    /// The client's address.
    pub visitor: IpAddr,
}

/// What became of a request on its way; true whether or not it is answered.
#[derive(Debug, Default)]
pub struct Course {
    /// What the upstream that was asked last got as `Host`.
    pub authority: Option<HeaderValue>,
    /// Upstreams that were found dead on the way, and are let alone for a while.
    pub passed_over: Vec<ForwardError>,
    /// Upstreams that are left alone for what they answered.
    pub ejected: Vec<Ejected>,
}

impl Course {
    /// Takes what an upstream answered, or that it did not.
    fn met(&mut self, chooser: &Chooser, pick: Pick, met: Option<Met>) {
        if let Some(met) = met {
            self.ejected.extend(chooser.saw(pick.at, met));
        }
    }
}

impl Forwarder {
    /// Sends a request and waits for the head of the answer.
    ///
    /// A connection that could not be made has sent nothing: whatever the method, the request goes
    /// on to the next upstream. What was sent is sent again only where the method is idempotent
    /// and no body is lost (RFC 9110 §9.2.2), and once.
    ///
    /// # Errors
    ///
    /// [`ForwardError`]; nothing of an answer was passed on then.
    pub async fn send(
        &self,
        permitted: Permitted<Box<Request<RequestBody>>>,
        asking: Asking,
        course: &mut Course,
    ) -> Result<Sent, ForwardError> {
        let (mut request, standing) = permitted.into_parts();
        let route = Arc::clone(standing.route());
        let Action::Forward(targets) = &route.action else { return Err(ForwardError::NoUpstream) };
        let began = Instant::now();
        let chooser = self.choosers.of(&route, targets);
        let mut under_way = UnderWay::begin(&chooser.breakers, targets.breakers)?;
        self.try_the_due(&route, &chooser, began);
        let mut tried = Vec::new(); // takes memory only when the first fails
        let mut failed = None;
        let mut left = repeatable(&request);
        let key = key(&standing, targets.balance, asking.visitor);
        let mut now = began;
        while let Some(pick) = chooser.pick(targets, &tried, || key, now) {
            let (Some(target), Some(health)) = (targets.all.get(pick.at), chooser.health(pick.at))
            else {
                break;
            };
            if failed.is_some() && under_way.go_on(&chooser.breakers, targets.breakers).is_err() {
                break;
            }
            course.passed_over.extend(failed.take());
            aim(&mut request, &route, (target, pick.at, &tried), course);
            health.use_it();
            under_way.busy = (targets.balance == Balance::LeastRequest).then(|| Busy::at(health));
            let attempt = Attempt {
                forwarder: self,
                route: &route,
                target,
                health,
                limits: (&chooser.breakers, targets.breakers),
                pick,
                can_go_on: tried.len() + 1 < targets.all.len(),
            };
            // Tunnels and sockets are few, and are made ready on the heap: no other request makes room.
            let failure = if route.tunnel.is_some() {
                match boxed(|| attempt.open()).await {
                    Ok((upstream, place)) => {
                        under_way.connection = place;
                        let sent = Ok(Sent::Opened { upstream, standing, under_way });
                        course.met(&chooser, pick, Met::of(&sent));
                        return sent;
                    }
                    Err(error) => Failure::unsent(error, request),
                }
            } else if request.headers().contains_key(header::UPGRADE) {
                match boxed(|| attempt.connect(Speaks::Http1, None)).await {
                    Ok(Carrier::Http1(lease)) => {
                        let sent =
                            boxed(|| self.send_upgrade(lease, request, standing, under_way)).await;
                        course.met(&chooser, pick, Met::of(&sent));
                        return sent;
                    }
                    Ok(Carrier::Http2(_)) => return Err(ForwardError::NotWebSocket),
                    Err(error) => Failure::unsent(error, request),
                }
            } else {
                let wait = wait(&route, &standing, &asking, began, &self.recheck.0);
                match attempt.exchange(request, &mut left, &wait).await {
                    Ok(response) => {
                        course.met(&chooser, pick, Some(Met::Status(response.status())));
                        return self.answered(response, under_way, standing, asking.upload);
                    }
                    Err(failure) => failure,
                }
            };
            course.met(&chooser, pick, Met::nothing(&failure.error));
            let Some(unsent) = failure.unsent else { return Err(failure.error) };
            request = unsent;
            tried.push(pick.at);
            failed = Some(failure.error);
            now = Instant::now();
        }
        Err(failed.unwrap_or(ForwardError::NoneWell))
    }

    /// The answer, with all that its body holds until it is over.
    fn answered(
        &self,
        response: Response<Source>,
        under_way: UnderWay,
        standing: Standing,
        upload: Option<Arc<Upload>>,
    ) -> Result<Sent, ForwardError> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(ForwardError::NotWebSocket); // nobody asked; its connection goes
        }
        let response = valid(response)?;
        let (recheck, limits) = (Arc::clone(&self.recheck.0), limits(standing.route()));
        Ok(Sent::Response(
            response.map(|source| {
                UpstreamBody::new(source, under_way, standing, recheck, limits, upload)
            }),
        ))
    }

    /// Upstreams that were let alone for long enough are tried beside the request and not by it:
    /// nobody waits for a dead one while others answer.
    fn try_the_due(&self, route: &Arc<Route>, chooser: &Arc<Chooser>, now: Instant) {
        let Some(at) = chooser.due(now) else { return };
        let (configs, route) = (Arc::clone(&self.configs), Arc::clone(route));
        let chooser = Arc::clone(chooser);
        let Action::Forward(targets) = &route.action else { return };
        let Some(target) = targets.all.get(at) else { return };
        let beside = TaskOwner::Upstream(target.upstream.authority().into());
        self.tasks.spawn_upstream(beside, async move {
            let Action::Forward(targets) = &route.action else { return };
            let (Some(target), Some(health)) = (targets.all.get(at), chooser.health(at)) else {
                return;
            };
            match dialled(&configs, target, &route.tls, Speaks::of(&route), CONNECT).await {
                Ok(_closed_again) => health.reached(),
                Err(_) => {
                    health.unreachable(Instant::now());
                }
            }
        });
    }
}

/// Writes the chosen upstream's `Host`, and notes it for the record.
fn aim(
    request: &mut Request<RequestBody>,
    route: &Route,
    (target, at, tried): (&Target, usize, &[usize]),
    course: &mut Course,
) {
    match route.host_field {
        // The first one's is there since the request was shaped.
        HostField::Upstream if at == 0 && tried.is_empty() => {
            course.authority = Some(target.host.clone());
        }
        HostField::Field(_) | HostField::Path(_)
            if request.extensions().get::<NamedByClient>().is_some() =>
        {
            course.authority = request.headers().get(header::HOST).cloned();
        }
        HostField::Upstream | HostField::Field(_) | HostField::Path(_) => {
            request.headers_mut().insert(header::HOST, target.host.clone());
            course.authority = Some(target.host.clone());
        }
        HostField::Preserve | HostField::Literal(_) => {
            course.authority = request.headers().get(header::HOST).cloned();
        }
    }
}

/// A number for the visitor where the policy goes by it: the same session, else the same address.
fn key(standing: &Standing, balance: Balance, visitor: IpAddr) -> u64 {
    match (balance, standing.session()) {
        (Balance::RoundRobin | Balance::Random | Balance::LeastRequest, _) => 0,
        (Balance::Hash, Some(session)) => key_of(session.session().id.as_str().as_bytes()),
        (Balance::Hash, None) => match visitor {
            IpAddr::V4(four) => key_of(&four.octets()),
            IpAddr::V6(six) => key_of(&six.octets()),
        },
    }
}

fn wait<'a>(
    route: &Route,
    standing: &'a Standing,
    asking: &Asking,
    began: Instant,
    recheck: &'a super::SharedRecheck,
) -> Wait<'a> {
    Wait {
        began,
        timeout: route.timeout,
        idle: route.idle_timeout,
        read: asking.read_patience,
        upload: asking.upload.clone(),
        standing,
        recheck,
        generation: AtomicU64::new(recheck.generation(standing)),
    }
}

fn limits(route: &Route) -> StreamLimits {
    let deadline = route.timeout.map(|timeout| Instant::now() + timeout);
    StreamLimits { deadline, idle: route.idle_timeout }
}
