//! Many of everything: what one more of it takes, and what a small request costs beside it, at a
//! tenth of the number and at the whole.

mod held;

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};

use self::held::Held;
use super::{Load, POLICY, PROXY_CORE, Peers, Scenario, costs::Spread, sessions, sign_in};
use crate::{
    certificate::Certificate,
    client::Client,
    failure::Failure,
    front_door::{FrontDoor, HOST, Setup},
    measure::upstream,
    options::Options,
    process::{files_at_most, pause},
    table::Table,
};

/// The test's name on the command line and in the results.
pub const MANY: &str = "many";

/// What grows by no more than this from a tenth to the whole is flat.
const FLAT: f64 = 1.15;
/// The host that sockets and films are at; everybody may enter.
const OPEN: &str = "open.test";
/// Small requests that everybody is asked before it counts.
const FIRST: u32 = 5000;
/// How long one is left alone before it is weighed.
const SETTLING: Duration = Duration::from_secs(2);

/// What there are many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    /// Routes, each a host of its own with a policy.
    Routes,
    /// People who are signed in.
    Sessions,
    /// WebSockets that say nothing.
    Sockets,
    /// Readers who take 4 KiB of a film each second.
    Readers,
}

impl Many {
    const ALL: [Self; 4] = [Self::Routes, Self::Sessions, Self::Sockets, Self::Readers];

    /// For the tables, and for `--kind`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Routes => "routes",
            Self::Sessions => "sessions",
            Self::Sockets => "idle WebSockets",
            Self::Readers => "slow readers",
        }
    }

    /// Those whose name has `kind` in it; all where there is none.
    pub fn named(kind: Option<&str>) -> Result<Vec<Self>, Failure> {
        let is_named = |it: &Self| kind.is_none_or(|kind| it.name().contains(kind));
        let named: Vec<Self> = Self::ALL.into_iter().filter(is_named).collect();
        if named.is_empty() {
            let all = Self::ALL.map(Self::name).join(", ");
            return Err(Failure::Usage(format!("--kind `{}`: of {all}", kind.unwrap_or_default())));
        }
        Ok(named)
    }

    /// About how long it takes to have a tenth and the whole of them.
    pub const fn seconds(self) -> usize {
        match self {
            Self::Routes => 30,
            Self::Sessions => 120,
            Self::Sockets => 90,
            Self::Readers => 60,
        }
    }

    /// How many are asked for.
    const fn wanted(self) -> usize {
        match self {
            Self::Routes => 10_000,
            Self::Sessions => 100_000,
            Self::Sockets => 20_000,
            Self::Readers => 1_000,
        }
    }

    /// How many there can be: a process may open so many files. A socket takes two here, where a
    /// tenth of them stands beside the whole, and counts as two in the half of them that usher has for
    /// clients (`docs/reference/limits.md`).
    fn possible(self, files: usize) -> usize {
        let possible = match self {
            Self::Routes | Self::Sessions | Self::Readers => usize::MAX,
            Self::Sockets => files.saturating_sub(1000) / 4,
        };
        self.wanted().min(possible) / 100 * 100
    }
}

/// How it grows.
#[derive(Debug)]
pub struct Growth {
    /// What.
    pub what: Many,
    /// How many there were: a tenth, and the whole.
    pub counts: [usize; 2],
    /// How many of them were there at the end.
    pub open: [usize; 2],
    /// KiB of each.
    pub kib: [f64; 2],
    /// CPU microseconds per small request beside them, repetition by repetition.
    pub cpu: [Vec<f64>; 2],
}

impl Growth {
    /// How many of it were asked for.
    pub const fn wanted(&self) -> usize {
        self.what.wanted()
    }

    /// The memory of each beside the whole, for that beside a tenth.
    pub fn memory_ratio(&self) -> f64 {
        let [tenth, whole] = self.kib;
        whole / tenth.max(0.01)
    }

    /// The cost of a request beside the whole, for that beside a tenth; inside each repetition.
    pub fn cpu_ratio(&self) -> Option<Spread> {
        let [tenth, whole] = &self.cpu;
        Spread::of(tenth.iter().zip(whole).map(|(tenth, whole)| whole / tenth).collect())
    }

    /// Whether memory is flat, and whether CPU time is.
    pub fn is_flat(&self) -> [bool; 2] {
        let cpu = self.cpu_ratio().is_none_or(|ratio| ratio.median <= FLAT);
        [self.memory_ratio() <= FLAT, cpu]
    }
}

/// A row for each, and what is flat.
pub fn table(grown: &[Growth]) -> Table {
    let heading =
        ["", "how many", "KiB each", "grows", "", "CPU µs per small request", "grows", ""];
    let mut table = Table::new(heading);
    let verdict = |flat: bool| if flat { "flat" } else { "NOT FLAT" }.to_owned();
    for growth in grown {
        let ([tenth, whole], [small, large]) = (growth.counts, growth.kib);
        let [memory, cpu] = growth.is_flat();
        let [by_tenth, by_whole] = growth.cpu.each_ref().map(|costs| {
            Spread::of(costs.clone()).map_or_else(String::new, |it| format!("{:.1}", it.median))
        });
        table.row([
            growth.what.name().into(),
            format!("{tenth} to {whole}"),
            format!("{small:.2} to {large:.2}"),
            format!("{:.2}", growth.memory_ratio()),
            verdict(memory),
            format!("{by_tenth} to {by_whole}"),
            growth.cpu_ratio().map_or_else(|| "-".into(), |ratio| ratio.text()),
            verdict(cpu),
        ]);
    }
    table
}

/// Measures each of these.
pub fn measure(
    options: &Options,
    wanted: &[Many],
    folder: &Path,
    repetitions: usize,
) -> Result<Vec<Growth>, Failure> {
    let Some(usher) = options.usher.as_deref() else { return Ok(Vec::new()) };
    let files = files_at_most()?;
    let runtime = beside()?;
    let mut grown = Vec::new();
    for what in wanted.iter().copied() {
        let folder = folder.join(format!("many-{}", what.name().replace(' ', "-")));
        fs::create_dir(&folder).map_err(Failure::io("a folder"))?;
        let certificate = Certificate::make(&folder, &[HOST, OPEN, "*.many.test"])?;
        // who answers small requests is another program; sockets and films come from this one
        let peers = Peers::start(&folder, &certificate, &[], &options.programs, None)?;
        let (folder, certificate, app) = (&*folder, &certificate, peers.upstream);
        let scene = Scene { usher, folder, certificate, app, runtime: &runtime };
        let whole = what.possible(files);
        eprintln!("  {}: {} and {whole}", what.name(), whole / 10);
        grown.push(scene.grow(what, [whole / 10, whole], repetitions)?);
    }
    Ok(grown)
}

/// Drives what is held open on a thread of its own, while the load runs.
fn beside() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(Failure::io("runtime"))
}

/// What all ushers of one kind stand in.
struct Scene<'a> {
    usher: &'a Path,
    folder: &'a Path,
    certificate: &'a Certificate,
    /// Answers small requests.
    app: SocketAddr,
    runtime: &'a Runtime,
}

/// An usher beside so many.
struct Beside {
    door: FrontDoor,
    load: Load,
    held: Held,
    /// KiB of its own before anybody came.
    fresh: u64,
}

impl Scene<'_> {
    fn grow(&self, what: Many, counts: [usize; 2], repetitions: usize) -> Result<Growth, Failure> {
        let none = self.open(what, 0)?;
        let mut both = [self.open(what, counts[0])?, self.open(what, counts[1])?];
        let mut cpu = [Vec::new(), Vec::new()];
        for repetition in 0..repetitions {
            let mut order = [0, 1];
            order.rotate_left(repetition % 2);
            for nth in order {
                if let (Some(beside), Some(costs)) = (both.get(nth), cpu.get_mut(nth)) {
                    costs.push(beside.cost()?);
                }
            }
        }
        // all three run now, and share the pages of the program alike
        let empty = none.weight(what)?;
        let mut kib = [0.0; 2];
        let mut open = counts;
        for ((beside, open), kib) in both.iter_mut().zip(&mut open).zip(&mut kib) {
            let more = beside.weight(what)?.saturating_sub(empty);
            *open = self.runtime.block_on(beside.held.open_now(*open))?;
            #[expect(clippy::cast_precision_loss, reason = "for people to read")]
            let each = more as f64 / *open as f64;
            *kib = each;
        }
        Ok(Growth { what, counts, open, kib, cpu })
    }

    /// Starts one with so many of that, and warms it up.
    fn open(&self, what: Many, count: usize) -> Result<Beside, Failure> {
        let folder: PathBuf = self.folder.join(count.to_string());
        fs::create_dir(&folder).map_err(Failure::io("a folder"))?;
        let open = self.runtime.block_on(upstream::start())?;
        let mut policy = POLICY.to_owned() + &open_route(open);
        if what == Many::Routes {
            policy.extend((0..count).map(|nth| route(nth, self.app)));
        }
        if what == Many::Sessions {
            policy += &format!("max_sessions: {}\n", what.wanted() + 100); // room for who asks
        }
        let (usher, certificate, upstream) = (self.usher, self.certificate, self.app);
        let (folder, policy, core) = (&*folder, &*policy, Some(PROXY_CORE));
        let setup = Setup { usher, folder, certificate, upstream, policy, core };
        sign_in::add_person(&setup)?;
        if what == Many::Sessions {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            self.runtime.block_on(sessions::begin(&setup.data(), count))?;
        }
        let door = setup.open()?;
        pause(SETTLING);
        let fresh = door.process.anonymous()?;
        let load = Load::new(folder, self.folder, &sign_in::cookie(&setup, &door)?)?;
        let client = Client::new(door.address, OPEN, certificate)?;
        load.warm_up(Scenario::Small1, door.address)?;
        let held = self.runtime.block_on(Held::open(what, count, &client))?;
        load.ask(crate::client::Protocol::Http1, door.address, FIRST)?;
        Ok(Beside { door, load, held, fresh })
    }
}

impl Beside {
    /// KiB that it weighs. Routes and sessions are there from the start on, and are weighed before
    /// anybody comes, with what the start has not let go of yet: a password is hashed in 19 MiB, which
    /// a process keeps for a while, and which hid ten thousand sessions where one still had them and
    /// another had not.
    fn weight(&self, what: Many) -> Result<u64, Failure> {
        match what {
            Many::Routes | Many::Sessions => Ok(self.fresh),
            Many::Sockets | Many::Readers => self.door.process.proportional(),
        }
    }

    /// CPU microseconds per small request.
    fn cost(&self) -> Result<f64, Failure> {
        let before = self.door.process.cpu()?;
        let done = self.load.run(Scenario::Small1, self.door.address)?;
        let spent: Duration = self.door.process.cpu()?.saturating_sub(before);
        Ok(Scenario::Small1.scaled(spent.as_secs_f64() / done))
    }
}

fn open_route(app: SocketAddr) -> String {
    format!(
        "\x20 - from: https://{OPEN}\n    to: http://{app}\n    allow_websockets: true\n    \
         timeout: 0s\n    idle_timeout: 600s\n    allow_public_unauthenticated_access: true\n"
    )
}

fn route(nth: usize, app: SocketAddr) -> String {
    let mut route = String::new();
    let _infallible = write!(
        route,
        "\x20 - from: https://r{nth}.many.test\n    to: http://{app}\n    policy: [{{allow: {{or: \
         [{{email: {{is: guest-{nth}@example.com}}}}]}}}}]\n"
    );
    route
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_as_there_can_be() {
        for (what, files, possible) in [
            (Many::Routes, 1024, 10_000),
            (Many::Readers, 20_000, 1_000),
            (Many::Sessions, 20_000, 100_000),
            (Many::Sockets, 1 << 20, 20_000),
            (Many::Sockets, 20_000, 4_700),
        ] {
            assert_eq!(what.possible(files), possible, "{what:?} with {files} files");
        }
    }

    #[test]
    fn a_part_of_a_name_is_enough() {
        assert_eq!(Many::named(Some("Socket")).unwrap(), [Many::Sockets]);
        assert_eq!(Many::named(None).unwrap(), Many::ALL);
        let told = Many::named(Some("films")).unwrap_err().to_string();
        assert!(told.contains("`films`: of routes, sessions"), "{told}");
    }

    #[test]
    fn what_grows_is_not_flat() {
        let grown = |kib, cpu: [f64; 2]| Growth {
            what: Many::Sockets,
            counts: [10, 100],
            open: [10, 100],
            kib,
            cpu: cpu.map(|it| vec![it]),
        };
        for (growth, flat) in [
            (grown([16.0, 16.0], [30.0, 30.0]), [true, true]),
            (grown([16.0, 18.5], [30.0, 30.0]), [false, true]),
            (grown([16.0, 12.0], [30.0, 34.6]), [true, false]),
        ] {
            assert_eq!(growth.is_flat(), flat, "{growth:?}");
        }
        assert!(table(&[grown([1.0, 2.0], [1.0, 1.0])]).text().contains("NOT FLAT"));
    }
}
