//! Speed: CPU time per unit of work, usher beside nginx.
//!
//! The proxy under test has one core for itself; load, upstream and authorization service share
//! the other. What counts is the CPU time of the proxy's whole process tree (and of the
//! authorization service, where there is one) divided by what was done, since a closed loop on
//! two cores says little about requests per second. Contenders take turns inside a repetition,
//! in reverse order every other time, and only ratios inside one repetition are compared: the
//! same program drifts by a fifth from one minute to the next.

mod load;
mod nginx;
pub mod sign_in;

use std::{fs, path::Path, time::Duration};

use crate::{
    certificate::Certificate,
    failure::Failure,
    front_door::{FrontDoor, HOST, Setup},
    options::Options,
    process::Process,
    table::Table,
};
use load::{Load, Scenario};
use nginx::Rig;

const PROXY_CORE: u32 = 0;
const LOAD_CORE: u32 = 1;
const REPETITIONS: usize = 3;

const POLICY: &str = "\
\x20   policy:
\x20     - allow:
\x20         or:
\x20           - email:
\x20               is: ann@example.com
";

/// Who takes part in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contender {
    Nginx,
    NginxAuthRequest,
    NginxTuned,
    /// An usher of an earlier day, so that a change is compared inside one run.
    Before,
    Usher,
}

impl Contender {
    const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::NginxAuthRequest => "nginx + auth_request",
            Self::NginxTuned => "nginx, 64 KiB buffers",
            Self::Before => "usher before",
            Self::Usher => "usher",
        }
    }

    const fn all_in(scenario: Scenario) -> &'static [Self] {
        match scenario {
            Scenario::Small1 | Scenario::Small2 => {
                &[Self::Nginx, Self::NginxAuthRequest, Self::Before, Self::Usher]
            }
            Scenario::Film1 | Scenario::Film2 => {
                &[Self::Nginx, Self::NginxTuned, Self::Before, Self::Usher]
            }
        }
    }

    /// What usher may cost at most beside it: the aim of this project.
    const fn aim(self, scenario: Scenario) -> Option<f64> {
        match (scenario, self) {
            (Scenario::Small1, Self::Nginx) => Some(1.2),
            (Scenario::Small1, Self::NginxAuthRequest) => Some(0.6),
            (Scenario::Film1, Self::NginxTuned) => Some(1.1),
            _ => None,
        }
    }
}

/// Compares, prints one table per scenario, and tells whether every aim was reached.
pub fn run(options: &Options) -> Result<bool, Failure> {
    let parent = tempfile::tempdir().map_err(Failure::io("a folder"))?;
    let certificate = Certificate::make(parent.path(), &[HOST])?;
    let rig = Rig::start(parent.path(), &certificate)?;
    let enter = |usher: Option<&Path>, folder: &str| {
        let folder = parent.path().join(folder);
        usher.map(|usher| enter(usher, &folder, &certificate, &rig)).transpose()
    };
    let ushers = Ushers {
        today: enter(options.usher.as_deref(), "today")?,
        before: enter(options.before.as_deref(), "before")?,
        stranger: Load::new(parent.path(), "")?,
    };

    heading(options);
    let mut reached = true;
    for scenario in Scenario::ALL.into_iter().filter(|it| !options.short || it.is_small()) {
        let costs = Costs::measure(scenario, &rig, &ushers)?;
        println!("{}\n{}", scenario.title(), costs.table().text());
        reached &= costs.reached();
    }
    Ok(reached)
}

/// Each usher that takes part, and who asks it.
#[derive(Debug)]
struct Ushers {
    today: Option<(FrontDoor, Load)>,
    before: Option<(FrontDoor, Load)>,
    /// Asks nginx where there is no usher to have a session at.
    stranger: Load,
}

impl Ushers {
    fn of(&self, contender: Contender) -> Option<&(FrontDoor, Load)> {
        match contender {
            Contender::Before => self.before.as_ref(),
            Contender::Usher => self.today.as_ref(),
            Contender::Nginx | Contender::NginxAuthRequest | Contender::NginxTuned => None,
        }
    }

    fn takes_part(&self, contender: Contender) -> bool {
        let is_usher = matches!(contender, Contender::Before | Contender::Usher);
        !is_usher || self.of(contender).is_some()
    }
}

/// Starts usher in a folder of its own and signs in.
fn enter(
    usher: &Path,
    folder: &Path,
    certificate: &Certificate,
    rig: &Rig,
) -> Result<(FrontDoor, Load), Failure> {
    fs::create_dir(folder).map_err(Failure::io("a folder"))?;
    let setup = Setup {
        usher,
        folder,
        certificate,
        upstream: rig.upstream,
        policy: POLICY,
        core: Some(PROXY_CORE),
    };
    sign_in::add_person(&setup)?;
    let door = setup.open()?;
    let load = Load::new(folder, &sign_in::cookie(&setup, &door)?)?;
    Ok((door, load))
}

fn heading(options: &Options) {
    println!(
        "CPU per unit of work, {REPETITIONS} repetitions, median (least to most)\n\
         usher: profile {}, session cookie, policy by e-mail, identity fields and assertion to the \
         upstream, two records per request into a file\n\
         nginx: one worker, no access log; with auth_request the service's CPU counts too\n",
        options.profile
    );
}

/// What one unit cost each contender in each repetition.
#[derive(Debug)]
struct Costs {
    scenario: Scenario,
    /// Contenders in a fixed order, each with one cost per repetition.
    rows: Vec<(Contender, Vec<f64>)>,
}

impl Costs {
    fn measure(scenario: Scenario, rig: &Rig, ushers: &Ushers) -> Result<Self, Failure> {
        let contenders = Contender::all_in(scenario).iter().copied();
        let contenders = contenders.filter(|contender| ushers.takes_part(*contender));
        let mut rows: Vec<_> = contenders.map(|contender| (contender, Vec::new())).collect();
        for repetition in 0..REPETITIONS {
            rows.reverse();
            for (contender, costs) in &mut rows {
                let usher = ushers.of(*contender);
                // nginx gets as long a cookie as usher does
                let load =
                    usher.or(ushers.today.as_ref()).map_or(&ushers.stranger, |(_, load)| load);
                let (address, processes) = match (*contender, usher) {
                    (Contender::Before | Contender::Usher, Some((door, _))) => {
                        (door.address, vec![&door.process])
                    }
                    (Contender::NginxAuthRequest, _) => {
                        (rig.auth_request, vec![&rig.proxy, &rig.authorization])
                    }
                    (Contender::NginxTuned, _) => (rig.tuned, vec![&rig.proxy]),
                    _ => (rig.plain, vec![&rig.proxy]),
                };
                let before = cpu(&processes)?;
                let done = load.run(scenario, address)?;
                let spent = cpu(&processes)?.saturating_sub(before);
                costs.push(scenario.scaled(spent.as_secs_f64() / done));
            }
            tracing(scenario, repetition, &rows);
        }
        rows.sort_by_key(|(contender, _)| *contender == Contender::Usher);
        Ok(Self { scenario, rows })
    }

    fn of(&self, wanted: Contender) -> Option<&[f64]> {
        self.rows.iter().find(|(contender, _)| *contender == wanted).map(|(_, costs)| &**costs)
    }

    /// What usher cost for each unit that `peer` cost, repetition by repetition.
    fn ratios(&self, peer: Contender) -> Option<Spread> {
        let (usher, peer) = (self.of(Contender::Usher)?, self.of(peer)?);
        Spread::of(usher.iter().zip(peer).map(|(usher, peer)| usher / peer).collect())
    }

    fn reached(&self) -> bool {
        self.rows.iter().all(|(peer, _)| match (peer.aim(self.scenario), self.ratios(*peer)) {
            (Some(aim), Some(ratio)) => ratio.median <= aim,
            _ => true,
        })
    }

    fn table(&self) -> Table {
        let mut table = Table::new(["", self.scenario.unit(), "usher / this", "aim", ""]);
        for (contender, costs) in &self.rows {
            let cost = Spread::of(costs.clone()).map_or_else(String::new, |spread| spread.text());
            let ratio = self.ratios(*contender).filter(|_| *contender != Contender::Usher);
            let aim = contender.aim(self.scenario);
            let verdict = match (&ratio, aim) {
                (Some(ratio), Some(aim)) if ratio.median <= aim => "reached",
                (Some(_), Some(_)) => "MISSED",
                _ => "",
            };
            table.row([
                contender.name().into(),
                cost,
                ratio.map_or_else(|| "-".into(), |ratio| ratio.text()),
                aim.map_or_else(|| "-".into(), |aim| format!("{aim:.1}")),
                verdict.into(),
            ]);
        }
        table
    }
}

/// One line per repetition on the way, so that somebody who waits sees something.
fn tracing(scenario: Scenario, repetition: usize, rows: &[(Contender, Vec<f64>)]) {
    let costs: Vec<_> = rows
        .iter()
        .filter_map(|(contender, costs)| {
            Some(format!("{} {:.3}", contender.name(), costs.get(repetition)?))
        })
        .collect();
    eprintln!("  {} {}: {}", scenario.title(), repetition + 1, costs.join(" · "));
}

fn cpu(processes: &[&Process]) -> Result<Duration, Failure> {
    processes.iter().try_fold(Duration::ZERO, |sum, process| Ok(sum + process.cpu()?))
}

/// The middle and the ends of a few figures.
#[derive(Debug, PartialEq)]
pub struct Spread {
    least: f64,
    /// The middle.
    pub median: f64,
    most: f64,
}

impl Spread {
    /// `None` of nothing.
    pub fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        let median = *figures.get(figures.len() / 2)?;
        Some(Self { least: *figures.first()?, median, most: *figures.last()? })
    }

    /// For the tables.
    pub fn text(&self) -> String {
        let Self { least, median, most } = self;
        format!("{median:.2} ({least:.2} to {most:.2})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_inside_a_repetition() {
        // The machine was half as fast in the second repetition: the ratio must not see that.
        let rows = vec![
            (Contender::NginxAuthRequest, vec![10.0, 20.0, 10.0]),
            (Contender::Usher, vec![5.0, 10.0, 7.0]),
        ];
        let costs = Costs { scenario: Scenario::Small1, rows };
        let ratios = costs.ratios(Contender::NginxAuthRequest).unwrap();
        assert_eq!(ratios, Spread { least: 0.5, median: 0.5, most: 0.7 });
        assert!(costs.reached(), "0.5 is within 0.6");
        assert_eq!(costs.ratios(Contender::Nginx), None, "it took no part");
    }
}
