//! Ten thousand apps that people let in: what each weighs, and what a request of one costs beside
//! a browser's of the same person, on the same route.

mod bound;
mod cost;

use std::{fs, time::Duration};

use crate::{
    certificate::Certificate,
    compare::{PROXY_CORE, Peers, Programs, sign_in},
    failure::Failure,
    front_door::{FrontDoor, HOST, Setup},
    options::Options,
    process::pause,
    table::Table,
};
use bound::APPS;

/// What all of them may weigh, in MiB.
const MOST_MIB: f64 = 20.0;
/// What a request of an app may cost for each that a browser's costs.
const MOST_RATIO: f64 = 1.15;

/// How long a process is left alone before it is weighed: it looks at every session each second.
const SETTLES: Duration = Duration::from_secs(4);

const ROUTE: &str = "\
\x20   policy:
\x20     - allow:
\x20         or:
\x20           - email:
\x20               is: ann@example.com
\x20   jellyfin:
\x20     api_key: 0123456789abcdef0123456789abcdef
";

/// Weighs and counts, prints a table, and tells whether both aims were reached.
pub fn run(options: &Options) -> Result<bool, Failure> {
    let usher = options.usher.as_deref();
    let usher = usher.ok_or_else(|| Failure::Usage("--usher FILE: the usher to measure".into()))?;
    let parent = tempfile::tempdir().map_err(Failure::io("a folder"))?;
    let folder = parent.path().join("usher");
    fs::create_dir(&folder).map_err(Failure::io("a folder"))?;
    let certificate = Certificate::make(parent.path(), &[HOST])?;
    let peers = Peers::start(parent.path(), &certificate, &[], &Programs::default(), None)?;
    let (upstream, policy, core) = (peers.upstream, ROUTE, Some(PROXY_CORE));
    let setup = Setup { usher, folder: &folder, certificate: &certificate, upstream, policy, core };
    sign_in::add_person(&setup)?;
    let without = weighed(&setup.open()?)?;
    let token = bound::let_in(&setup)?;
    let door = setup.open()?;
    let with = weighed(&door)?;
    let mib = kib(with.saturating_sub(without)) / 1024.0;
    let idle = idle_share(&door)?;
    let cookie = sign_in::cookie(&setup, &door)?;
    let rounds = options.repetitions.unwrap_or(cost::ROUNDS);
    let asked = cost::of(&door, (&cookie, &token), rounds)?;
    let Some(ratio) = asked.ratio() else { return Err(Failure::Usage("--reps 0".into())) };

    println!(
        "{APPS} apps, profile {}: {} KiB without them, {} KiB with them, {:.1} % of a core at idle",
        options.profile,
        without,
        with,
        idle * 100.0
    );
    println!("a round on one core, CPU µs per request: browser, app, app, browser");
    let mut table = Table::new(["", "measured", "at most", ""]);
    let verdict = |is_within: bool| if is_within { "reached" } else { "MISSED" }.to_owned();
    let is_light = mib <= MOST_MIB;
    let each = format!("{:.2} KiB each, MiB in all {mib:.1}", mib * 1024.0 / f64::from(APPS));
    table.row(["apps in memory".into(), each, format!("{MOST_MIB:.1}"), verdict(is_light)]);
    table.row(["a browser's request".into(), asked.browser_text(), String::new(), String::new()]);
    table.row(["an app's request".into(), asked.app_text(), String::new(), String::new()]);
    let is_cheap = ratio.median <= MOST_RATIO;
    let most = format!("{MOST_RATIO:.2}");
    table.row(["app / browser".into(), ratio.text(), most, verdict(is_cheap)]);
    println!("{}", table.text());
    Ok(is_light && is_cheap)
}

/// KiB once it has settled.
fn weighed(door: &FrontDoor) -> Result<u64, Failure> {
    pause(SETTLES);
    door.process.proportional()
}

/// What looking after the apps takes while nobody asks anything, of one core.
fn idle_share(door: &FrontDoor) -> Result<f64, Failure> {
    let before = door.process.cpu()?;
    pause(SETTLES);
    let spent = door.process.cpu()?.saturating_sub(before);
    Ok(spent.as_secs_f64() / SETTLES.as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn kib(weight: u64) -> f64 {
    weight as f64
}
