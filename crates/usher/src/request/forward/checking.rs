//! Active checks of upstreams (`health_checks`): asked beside all requests, on one thread.

use std::{future::pending, pin::pin, sync::Arc};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use usher_rules::plan::{Action, HealthCheck, HealthQuestion, Route, Target};

use super::{
    Forwarder,
    choose::{Checked, Health, Outcome, Outliers, Turn},
};
use crate::request::{accept::TaskOwner, caught::caught};

/// One check of one upstream of a route.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub route: Arc<Route>,
    /// Index among its upstreams.
    pub at: usize,
    /// Index among its checks.
    pub check: usize,
    pub checked: Arc<Checked>,
    pub health: Arc<Health>,
    pub outliers: Option<Arc<Outliers>>,
}

/// What a check found, where it has to be told.
#[derive(Debug)]
pub struct Turned {
    /// The route whose check it was.
    pub route: Box<str>,
    /// Host and port.
    pub upstream: String,
    /// How it stands now, where that is another way than before.
    pub turn: Option<Turn>,
    /// Is the check content?
    pub is_well: bool,
    /// In the words of the last answer.
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
        let upstream = || TaskOwner::Upstream(target.upstream.authority().into());
        loop {
            let asked = self.ask(&probe.route, target, check);
            let asked = tokio::time::timeout(check.timeout, caught(pin!(Some(asked)))).await;
            let outcome = match asked {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(panicked)) => {
                    self.tasks.panicked(&upstream(), &panicked);
                    Outcome::NoAnswer("the check itself failed".into())
                }
                Err(_) => Outcome::NoAnswer(format!("no answer within {:?}", check.timeout).into()),
            };
            let noted =
                caught(pin!(Some(async { probe.note(target, check, &outcome, tell) }))).await;
            let turn = noted.unwrap_or_else(|panicked| {
                self.tasks.panicked(&upstream(), &panicked);
                None
            });
            tokio::time::sleep(probe.pause(check, turn)).await;
        }
    }
}

impl Probe {
    /// Takes what came of asking once, and tells what has to be told.
    fn note(
        &self,
        target: &Target,
        check: &HealthCheck,
        outcome: &Outcome,
        tell: &TurnHeard,
    ) -> Option<Turn> {
        let is_well = *outcome == Outcome::Well;
        if is_well {
            match check.asks {
                HealthQuestion::Http(_) | HealthQuestion::Grpc { .. } => self.health.answered(),
                HealthQuestion::Tcp { .. } => self.health.reached(),
            }
            if let Some(outliers) = &self.outliers {
                outliers.found_well(self.at);
            }
        }
        let turn = self.checked.note(self.check, outcome);
        if turn.is_some() || if is_well { check.logs_successes } else { check.logs_failures } {
            tell(&Turned {
                route: self.route.name.clone(),
                upstream: target.upstream.authority(),
                turn,
                is_well,
                why: outcome.why().into(),
            });
        }
        turn
    }

    /// Until the next question.
    fn pause(&self, check: &HealthCheck, turn: Option<Turn>) -> std::time::Duration {
        let (pauses, is_out) = (&check.pauses, self.checked.is_out());
        let unused = if is_out { pauses.unused } else { pauses.unused_well };
        match (unused.filter(|_| !self.health.was_used()), turn, is_out) {
            (Some(unused), _, _) => unused,
            (None, Some(Turn::Out), true) => pauses.first_alone,
            (None, Some(Turn::Back), false) => pauses.first_well,
            (None, _, true) => pauses.alone,
            (None, _, false) => pauses.well,
        }
    }
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
        accept::{TaskOwner, Tasks},
        authorize::{PermitEnd, Standing, Stream},
        forward::{Recheck, choose::Turn, trust::Trust},
        note_panics,
    };

    struct Always;

    impl Recheck for Always {
        fn generation(&self, _: &Standing) -> u64 {
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
            Some(Turn::Out) => {
                if outs.fetch_add(1, Ordering::SeqCst) == 1 {
                    both_out.notify_one();
                }
                assert!(turned.upstream == "127.0.0.1:1", "it broke");
            }
            Some(Turn::Back) => is_back.notify_one(),
            None => {}
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
        let of_it = TaskOwner::Upstream(upstream.to_string().into());
        assert_eq!(*told.lock().unwrap(), [(of_it, "it broke")]);
    }
}
