//! Has this server examined when an admin asks for it.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use usher_rules::time::Clock;

use super::supervisor::Supervisor;
use crate::{
    doctor::{Place, Tried, examine, own_addresses},
    request::{Chore, Door},
    signin::{Examinations, Finding},
};

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
        let tried = examine(&plan, place).await;
        examination.done(tried.into_iter().map(found).collect());
    }
}

fn found(tried: Tried) -> Finding {
    let Tried { severity, code, subject, what, help, cures } = tried;
    let (is_curable, about) = (!cures.is_empty(), code.about);
    let (code, title, means) = (code.id, code.title, code.means);
    Finding { severity, code, title, means, about, subject, what, help, is_curable }
}
