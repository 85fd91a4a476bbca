//! Has this server examined when an admin asks for it, and mended where they say so.

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use usher_rules::{
    plan::Plan,
    time::{Clock, Now, UnixTime},
};

use super::supervisor::Supervisor;
use crate::{
    doctor::{
        Place, Tried,
        cure::{self, Changes, Difference},
        examine, own_addresses,
    },
    request::{Chore, Door},
    signin::{Change, Examinations, Examined, Finding, Job, Mending, Offer},
};

/// So long an examination may take: each thing in it has a patience of its own, and there may be many.
/// So long as well what is mended at each server, which may restart.
const LONGEST: Duration = Duration::from_secs(300);

/// What is examined, and where it answers.
#[derive(Clone)]
pub(super) struct Patient {
    pub door: Arc<Door>,
    pub examinations: Arc<Examinations>,
    pub data_dir: PathBuf,
    pub address: SocketAddr,
}

/// Waits for who asks, on a thread that may wait for the disk.
pub(super) fn keep(supervisor: &Supervisor, patient: Patient) {
    let clock = Arc::clone(&supervisor.clock);
    supervisor.keep(Chore::Doctor, move || wait(patient.clone(), Arc::clone(&clock)));
}

async fn wait(patient: Patient, clock: Arc<dyn Clock>) {
    // A page of before a restart holds no number of an offer that is made after it.
    let mut kept = Kept { offers: clock.now().wall.seconds(), ..Kept::default() };
    loop {
        let examination = patient.examinations.next().await;
        let plan = patient.door.plan();
        let servers = plan.routes.iter().filter(|route| route.jellyfin.is_some()).count();
        let longest = longest(examination.job(), servers);
        let does = kept.does(&patient, &plan, examination.job(), clock.now());
        let examined = in_time(longest, does).await;
        examination.over(examined, clock.now());
    }
}

/// What was found last, and what was shown of it.
#[derive(Default)]
struct Kept {
    tried: Vec<Tried>,
    at: Option<UnixTime>,
    offered: Option<Changes>,
    offers: u64,
}

impl Kept {
    async fn does(&mut self, patient: &Patient, plan: &Plan, job: Job, now: Now) -> Examined {
        let dir = &*patient.data_dir;
        let offered = self.offered.take();
        let mending = match job {
            Job::Examine => Mending::Unasked,
            Job::Compare => match cure::changes(plan, &self.tried).await {
                Ok(changes) => {
                    self.offers += 1;
                    let offer = offer(self.offers, &changes);
                    self.offered = Some(changes);
                    Mending::Offered(offer)
                }
                Err(error) => Mending::Failed(error.to_string()),
            },
            Job::Mend(_) => match cure::apply(plan, &offered.unwrap_or_default(), dir).await {
                Ok(()) => Mending::Mended,
                Err(error) => Mending::Failed(error.to_string()),
            },
            Job::PutBack => match cure::undo(plan, dir).await {
                Ok(each) => match each.iter().find(|one| one.since.is_some()) {
                    // `usher doctor --undo` was faster.
                    None if each.is_empty() => {
                        Mending::Failed("nothing is left to put back".into())
                    }
                    None => Mending::PutBack,
                    Some(left) => Mending::Failed(format!(
                        "{} of {} was changed since, and left alone",
                        left.difference.key, left.difference.server
                    )),
                },
                Err(error) => Mending::Failed(error.to_string()),
            },
        };
        if job != Job::Compare {
            let (addresses, door) = (own_addresses().await, Some(patient.address));
            let data_dir = Some(dir);
            let place = Place { data_dir, now, addresses: &addresses, door, slow: None };
            self.tried = examine(plan, place).await;
            self.at = Some(now.wall);
        }
        let findings = self.tried.iter().cloned().map(found).collect();
        let at = self.at.unwrap_or(now.wall);
        Examined { at, findings, mending, can_put_back: cure::can_undo(dir) }
    }
}

fn offer(number: u64, changes: &Changes) -> Offer {
    let change = |one: &Difference| Change {
        server: one.server.clone(),
        key: one.key.clone(),
        was: one.was.to_string(),
        becomes: one.becomes.to_string(),
    };
    let restarts = changes.restarts.iter().cloned().collect();
    Offer { number, changes: changes.differences.iter().map(change).collect(), restarts }
}

/// One server that does not come back leaves the others their time; what is mended is looked at after
/// it.
fn longest(job: Job, servers: usize) -> Duration {
    match job {
        Job::Examine | Job::Compare => LONGEST,
        Job::Mend(_) | Job::PutBack => {
            LONGEST.saturating_mul(u32::try_from(servers).unwrap_or(u32::MAX).saturating_add(1))
        }
    }
}

/// `None`: it took too long.
async fn in_time<T>(longest: Duration, examined: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(longest, examined).await.ok()
}

fn found(tried: Tried) -> Finding {
    let Tried { severity, code, subject, what, help, cures } = tried;
    let (is_curable, about) = (!cures.is_empty(), code.about);
    let (code, title, means) = (code.id, code.title, code.means);
    Finding { severity, code, title, means, about, subject, what, help, is_curable }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, in_time, longest};
    use crate::signin::Job;

    #[tokio::test(start_paused = true)]
    async fn an_examination_without_end_is_broken_off() {
        assert_eq!(in_time(LONGEST, std::future::pending::<()>()).await, None);
        assert_eq!(in_time(LONGEST, std::future::ready(1)).await, Some(1));
    }

    #[test]
    fn each_server_that_is_mended_has_its_own_time() {
        for job in [Job::Mend(1), Job::PutBack] {
            assert_eq!(longest(job, 3), LONGEST * 4, "and what comes of it is looked at");
        }
        assert_eq!(longest(Job::Examine, 3), LONGEST);
    }
}
