//! What a request costs: a browser's by its cookie, an app's by its token.

use std::process::Command;

use crate::{
    compare::{LOAD_CORE, Spread},
    failure::Failure,
    front_door::{FrontDoor, HOST},
};

/// How often the four are run.
pub const ROUNDS: usize = 4;
/// How long each of them lasts.
const DURATION: &str = "-d3s";

/// As the web client and apps ask alike, but for the field that says who they are.
const FIELDS: [&str; 4] = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
    "Accept: application/json, text/plain, */*",
    "Accept-Language: en-GB,en;q=0.9",
    "Accept-Encoding: gzip, deflate, br, zstd",
];

/// CPU µs per request, round by round: the mean of two runs of each.
#[derive(Debug, Default)]
pub struct Costs {
    browser: Vec<f64>,
    app: Vec<f64>,
}

/// Has both ask for the same thing in turns, so that a machine that grows slower does so for both.
pub fn of(
    door: &FrontDoor,
    (cookie, token): (&str, &str),
    rounds: usize,
) -> Result<Costs, Failure> {
    let browser = format!("Cookie: theme=dark; {cookie}");
    let app = format!(
        "Authorization: MediaBrowser Client=\"Jellyfin Android TV\", Device=\"Living room TV\", \
         DeviceId=\"TW96aWxsYS81LjAgKFgxMTsgTGludXgpfDE3Njk\", Version=\"0.19.3\", \
         Token=\"{token}\""
    );
    let run = |who: &str| -> Result<f64, Failure> {
        let before = door.process.cpu()?;
        let done = asked(door, who)?;
        let spent = door.process.cpu()?.saturating_sub(before);
        Ok(spent.as_secs_f64() * 1e6 / done)
    };
    for who in [&browser, &app] {
        run(who)?; // connections and caches are warm afterwards
    }
    let mut costs = Costs::default();
    for round in 0..rounds {
        let [first, second, third, fourth] =
            [run(&browser)?, run(&app)?, run(&app)?, run(&browser)?];
        eprintln!("  {}: {first:.2} {second:.2} {third:.2} {fourth:.2}", round + 1);
        costs.browser.push(f64::midpoint(first, fourth));
        costs.app.push(f64::midpoint(second, third));
    }
    Ok(costs)
}

/// How many requests were answered with 2xx; anything else is no work done.
fn asked(door: &FrontDoor, who: &str) -> Result<f64, Failure> {
    let (core, host) = (LOAD_CORE.to_string(), format!("Host: {HOST}"));
    let mut command = Command::new("taskset");
    command.args(["-c", &core, "wrk", "-t1", "-c32", DURATION]);
    for field in FIELDS.into_iter().chain([&*host, who]) {
        command.args(["-H", field]);
    }
    let output = command.arg(format!("https://{}/small", door.address)).output();
    let output = output.map_err(Failure::io("wrk"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let is_good = output.status.success() && !said.contains("Non-2xx");
    done(&said).filter(|_| is_good).ok_or_else(|| {
        let errors = String::from_utf8_lossy(&output.stderr);
        Failure::Program { program: "wrk".into(), what: format!("{said}{errors}") }
    })
}

fn done(said: &str) -> Option<f64> {
    said.lines().find_map(|line| line.split_once(" requests in ")?.0.trim().parse().ok())
}

impl Costs {
    /// What an app's cost for each that a browser's did, round by round.
    pub fn ratio(&self) -> Option<Spread> {
        Spread::of(self.app.iter().zip(&self.browser).map(|(app, browser)| app / browser).collect())
    }

    /// In µs.
    pub fn browser_text(&self) -> String {
        text(&self.browser)
    }

    /// In µs.
    pub fn app_text(&self) -> String {
        text(&self.app)
    }
}

fn text(figures: &[f64]) -> String {
    Spread::of(figures.to_vec()).map_or_else(String::new, |spread| spread.text())
}

#[cfg(test)]
mod tests {
    use super::{Costs, done};

    #[test]
    fn wrk_says_how_much_was_done() {
        assert_eq!(done("Running\n  4711 requests in 3.00s, 5MB read\n"), Some(4711.0));
        assert_eq!(done("unable to connect"), None);
    }

    #[test]
    fn a_ratio_is_taken_inside_a_round() {
        // The machine was half as fast in the second round: the ratio must not see that.
        let costs = Costs { browser: vec![20.0, 40.0], app: vec![22.0, 44.0] };
        let ratio = costs.ratio().unwrap();
        assert!((ratio.least - 1.1).abs() < 1e-9 && (ratio.most - 1.1).abs() < 1e-9);
        assert_eq!(Costs::default().ratio(), None, "nothing was measured");
    }
}
