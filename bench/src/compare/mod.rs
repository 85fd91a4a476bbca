//! Speed: CPU time per unit of work, usher beside its peers.
//!
//! The proxy under test has one core for itself; load, upstream and authorization service share
//! the other. What counts is the CPU time of the proxy's whole process tree (and of the
//! authorization service, where there is one) divided by what was done, since a closed loop on
//! two cores says little about requests per second. Contenders take turns inside a repetition,
//! in reverse order every other time, and only ratios inside one repetition are compared: the
//! same program drifts by a fifth from one minute to the next.

mod audit;
mod contender;
mod costs;
mod handshakes;
mod latency;
mod load;
mod many;
mod memory;
mod paced;
mod peers;
mod results;
mod scenario;
mod sessions;
pub mod sign_in;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};

use crate::{
    certificate::Certificate,
    failure::Failure,
    front_door::{FrontDoor, HOST, Setup},
    options::Options,
    process::Process,
    stop,
};
use contender::Contender;
use costs::{Costs, Row};
use load::Load;
use many::Many;
use memory::Weight;
use peers::Asked;
use results::Results;
use scenario::Scenario;

pub use costs::Spread;
pub use handshakes::run as handshakes;
pub use paced::run as paced;
pub use peers::{Peers, Programs};

/// The core of whoever is measured.
pub const PROXY_CORE: u32 = 0;
/// The core of whoever asks, and of what stands behind.
pub const LOAD_CORE: u32 = 1;
/// How large the film is; it stays in the page cache.
const FILM: u64 = 256 << 20;
const REPETITIONS: usize = 3;

const POLICY: &str = "\
\x20   policy:
\x20     - allow:
\x20         or:
\x20           - email:
\x20               is: ann@example.com
";

/// Who takes part, in what, how often.
#[derive(Debug)]
struct Wanted {
    contenders: Vec<Contender>,
    scenarios: Vec<Scenario>,
    latency: bool,
    weights: bool,
    many: Vec<Many>,
    repetitions: usize,
}

impl Wanted {
    fn of(options: &Options) -> Result<Self, Failure> {
        let is_there = |contender: Contender| match contender {
            Contender::Usher => options.usher.is_some(),
            Contender::Before => options.before.is_some(),
            Contender::Envoy | Contender::EnvoyExtAuthz => options.programs.envoy.is_some(),
            Contender::Caddy | Contender::CaddyForwardAuth => options.programs.caddy.is_some(),
            Contender::Nginx
            | Contender::NginxTuned
            | Contender::NginxAuthRequest
            | Contender::Haproxy
            | Contender::Floor => true,
        };
        let contenders =
            chosen("contenders", &options.contenders, &Contender::ALL, |it| it.slug())?;
        let others = [latency::LATENCY, MEMORY, many::MANY];
        let tests: Vec<&str> = Scenario::ALL.iter().map(|it| it.slug()).chain(others).collect();
        let tests = chosen("tests", &options.tests, &tests, |it| *it)?;
        let is_quick = |it: &Scenario| !options.short || it.is_small();
        let mut many = Many::named(options.kind.as_deref())?;
        many.retain(|_| options.usher.is_some() && tests.contains(&many::MANY) && !options.short);
        Ok(Self {
            contenders: contenders.into_iter().filter(|it| is_there(*it)).collect(),
            scenarios: Scenario::ALL
                .into_iter()
                .filter(|it| tests.contains(&it.slug()) && is_quick(it))
                .collect(),
            latency: tests.contains(&latency::LATENCY) && !options.short,
            many,
            weights: tests.contains(&MEMORY) && !options.short,
            repetitions: options.repetitions.unwrap_or(REPETITIONS),
        })
    }
}

impl Wanted {
    /// About how long it takes.
    fn seconds(&self) -> usize {
        let each = |scenario: &Scenario| {
            let taking_part = self.contenders.iter().filter(|it| it.takes_part(*scenario)).count();
            taking_part * (self.repetitions + 1) * 4
        };
        let paced = self.contenders.iter().filter(|it| it.is_paced()).count();
        let latency = usize::from(self.latency) * paced * self.repetitions * 50;
        let weighed = self.contenders.iter().filter(|it| it.is_weighed()).count();
        let weights = usize::from(self.weights) * weighed * 20;
        let beside = |what: &Many| what.seconds() + self.repetitions * 8;
        let many = self.many.iter().map(beside).sum::<usize>();
        20 + self.scenarios.iter().map(each).sum::<usize>() + latency + weights + many
    }
}

/// The test that weighs instead of counting CPU time.
const MEMORY: &str = "memory";

/// Those that are named, all of them where nothing is; what nobody is called is an error.
fn chosen<T: Copy>(
    what: &str,
    named: &[String],
    all: &[T],
    slug: impl Fn(&T) -> &'static str,
) -> Result<Vec<T>, Failure> {
    if let Some(name) = named.iter().find(|name| all.iter().all(|it| slug(it) != **name)) {
        let all: Vec<&str> = all.iter().map(slug).collect();
        return Err(Failure::Usage(format!("--{what} `{name}`: one of {}", all.join(", "))));
    }
    let is_named = |it: &T| named.is_empty() || named.iter().any(|name| name == slug(it));
    Ok(all.iter().copied().filter(is_named).collect())
}

/// Compares, prints one table per scenario, and tells whether every aim was reached.
pub fn run(options: &Options) -> Result<bool, Failure> {
    let wanted = Wanted::of(options)?;
    let parent = stop::folder()?;
    let certificate = Certificate::make(parent.path(), &[HOST])?;
    heading(options, &wanted);
    let mut results = Results::new(&options.profile, wanted.repetitions);
    let outcome = all(options, &wanted, (parent.path(), &certificate), &mut results);
    if let Some(file) = &options.json {
        // what was found before something went wrong is no whole run, and replaces none
        let part = file.with_extension("part.json");
        results.write(if outcome.is_ok() { file } else { &part })?;
    }
    outcome?;
    Ok(results.reached())
}

/// Everything that is wanted, one after the other.
fn all(
    options: &Options,
    wanted: &Wanted,
    (folder, certificate): (&Path, &Certificate),
    results: &mut Results,
) -> Result<(), Failure> {
    if !wanted.scenarios.is_empty() || wanted.latency {
        compare(options, wanted, (folder, certificate), results)?;
    }
    if wanted.weights {
        let weights = Weight::of_all(options, &wanted.contenders, folder, certificate)?;
        println!("memory\n{}", memory::table(&weights).text());
        results.weights = weights;
    }
    if !wanted.many.is_empty() {
        results.many = many::measure(options, &wanted.many, folder, wanted.repetitions)?;
        println!("many of everything\n{}", many::table(&results.many).text());
    }
    Ok(())
}

fn compare(
    options: &Options,
    wanted: &Wanted,
    (folder, certificate): (&Path, &Certificate),
    results: &mut Results,
) -> Result<(), Failure> {
    let peers = Peers::start(folder, certificate, &wanted.contenders, &options.programs, None)?;
    let enter = |usher: Option<&PathBuf>, name: &str| {
        let folder = folder.join(name);
        usher.map(|usher| enter(usher, &folder, certificate, &peers)).transpose()
    };
    let ushers = Ushers {
        today: enter(options.usher.as_ref(), "today")?,
        before: enter(options.before.as_ref(), "before")?,
        stranger: Load::new(folder, folder, "")?,
    };
    audit::all(&wanted.contenders, folder, &peers, &ushers)?;
    for scenario in &wanted.scenarios {
        let costs = measure(*scenario, wanted, &peers, &ushers)?;
        println!("{}\n{}", scenario.title(), costs.table().text());
        results.costs.push(costs);
    }
    if wanted.latency {
        results.latencies = latency::measure(wanted, &peers, &ushers)?;
    }
    for latency in &results.latencies {
        let note = latency.note().map_or_else(String::new, |note| note + "\n");
        println!("{}\n{}{note}", latency.title(), latency.table().text());
    }
    Ok(())
}

/// Each usher that takes part, and who asks it.
#[derive(Debug)]
struct Ushers {
    today: Option<(FrontDoor, Load)>,
    before: Option<(FrontDoor, Load)>,
    /// Asks the peers where there is no usher to have a session at.
    stranger: Load,
}

impl Ushers {
    /// Whom to ask and who asks. The peers get as long a cookie as usher does.
    fn find<'a>(&'a self, contender: Contender, peers: &'a Peers) -> Option<(Asked<'a>, &'a Load)> {
        let usher = contender.ours(self.today.as_ref(), self.before.as_ref());
        let load = usher.or(self.today.as_ref()).map_or(&self.stranger, |(_, load)| load);
        let ours = usher.map(|(door, _)| Asked {
            address: door.address,
            proxy: &door.process,
            authorizer: None,
        });
        Some((ours.or_else(|| peers.of(contender))?, load))
    }
}

fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(Failure::io("runtime"))
}

/// Starts usher in a folder of its own, beside many who are signed in, and signs in.
fn enter(
    usher: &Path,
    folder: &Path,
    certificate: &Certificate,
    peers: &Peers,
) -> Result<(FrontDoor, Load), Failure> {
    fs::create_dir(folder).map_err(Failure::io("a folder"))?;
    let (upstream, policy, core) = (peers.upstream, POLICY, Some(PROXY_CORE));
    let setup = Setup { usher, folder, certificate, upstream, policy, core };
    sign_in::add_person(&setup)?;
    runtime()?.block_on(sessions::begin(&setup.data(), sessions::SESSIONS))?;
    let door = setup.open()?;
    let trust = folder.parent().unwrap_or(folder);
    let load = Load::new(folder, trust, &sign_in::cookie(&setup, &door)?)?;
    Ok((door, load))
}

fn heading(options: &Options, wanted: &Wanted) {
    let repetitions = wanted.repetitions;
    println!(
        "this takes about {} minutes on a quiet machine; Ctrl-C ends all that it starts\n\n\
         CPU per unit of work, {repetitions} repetitions, median (least to most)\n\
         usher: profile {}, {} sessions, session cookie, policy by e-mail, identity fields and \
         assertion to the upstream, two records per request into a file\n\
         peers: one worker, no access log; where a service is asked its CPU counts too\n",
        wanted.seconds().div_ceil(60),
        options.profile,
        sessions::SESSIONS
    );
}

fn measure(
    scenario: Scenario,
    wanted: &Wanted,
    peers: &Peers,
    ushers: &Ushers,
) -> Result<Costs, Failure> {
    let contenders = wanted.contenders.iter().copied().filter(|it| it.takes_part(scenario));
    let mut costs = Costs { scenario, rows: contenders.map(Row::new).collect() };
    for row in &costs.rows {
        if let Some((asked, load)) = ushers.find(row.contender, peers) {
            load.warm_up(scenario, asked.address)?;
        }
    }
    for repetition in 0..wanted.repetitions {
        costs.rows.reverse();
        for row in &mut costs.rows {
            let Some((asked, load)) = ushers.find(row.contender, peers) else { continue };
            load.try_once(asked.address)?;
            let before = cpu(asked)?;
            let done = load.run(scenario, asked.address)?;
            let after = cpu(asked)?;
            let each = |before: Duration, after: Duration| {
                scenario.scaled(after.saturating_sub(before).as_secs_f64() / done)
            };
            row.costs.push(each(before.0 + before.1, after.0 + after.1));
            row.alone.extend(asked.authorizer.map(|_| each(before.0, after.0)));
        }
        costs.trace(repetition);
    }
    costs.rows.sort_by_key(|row| row.contender);
    Ok(costs)
}

/// CPU time so far: the proxy's, and that of the service that it asks.
fn cpu(of: Asked<'_>) -> Result<(Duration, Duration), Failure> {
    Ok((of.proxy.cpu()?, of.authorizer.map_or(Ok(Duration::ZERO), Process::cpu)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_nobody_knows_is_told() {
        let named = ["nginx".to_owned(), "apache".to_owned()];
        let chosen = chosen("contenders", &named, &Contender::ALL, |it| it.slug());
        let told = chosen.unwrap_err().to_string();
        assert!(told.contains("`apache`: one of nginx, nginx-tuned"), "{told}");
    }

    #[test]
    fn nothing_named_means_all() {
        let slug = |it: &Contender| it.slug();
        assert_eq!(chosen("contenders", &[], &Contender::ALL, slug).unwrap(), Contender::ALL);
        let one = chosen("contenders", &["envoy".into()], &Contender::ALL, slug).unwrap();
        assert_eq!(one, [Contender::Envoy]);
    }
}
