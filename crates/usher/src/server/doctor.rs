//! Has this server examined when an admin asks for it.

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use usher_rules::time::Clock;

use super::supervisor::Supervisor;
use crate::{
    doctor::{Place, Tried, examine, own_addresses},
    request::{Chore, Door},
    signin::{Examinations, Finding},
};

/// So long an examination may take: each thing in it has a patience of its own, and there may be many.
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
    loop {
        let examination = patient.examinations.next().await;
        let (plan, now) = (patient.door.plan(), clock.now());
        let addresses = own_addresses().await;
        let (data_dir, door) = (Some(&*patient.data_dir), Some(patient.address));
        let place = Place { data_dir, now, addresses: &addresses, door, slow: None };
        let tried = in_time(examine(&plan, place)).await;
        examination.over(tried.map(|tried| tried.into_iter().map(found).collect()), clock.now());
    }
}

/// `None`: it took too long.
async fn in_time<T>(examined: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(LONGEST, examined).await.ok()
}

fn found(tried: Tried) -> Finding {
    let Tried { severity, code, subject, what, help, cures } = tried;
    let (is_curable, about) = (!cures.is_empty(), code.about);
    let (code, title, means) = (code.id, code.title, code.means);
    Finding { severity, code, title, means, about, subject, what, help, is_curable }
}

#[cfg(test)]
mod tests {
    use super::in_time;

    #[tokio::test(start_paused = true)]
    async fn an_examination_without_end_is_broken_off() {
        assert_eq!(in_time(std::future::pending::<()>()).await, None);
        assert_eq!(in_time(std::future::ready(1)).await, Some(1));
    }
}
