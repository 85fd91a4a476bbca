//! Speed and memory: builds what is shipped and hands over to the program in `bench/`.

use std::{path::Path, process::Command};

use crate::{
    dist,
    shell::{Log, Outcome, cargo, root, target},
    tools,
};

/// `cargo xtask measure`: memory under load, against fixed limits; then ten seconds of reloads.
pub fn measure(arguments: &[String], log: &mut Log) -> Outcome {
    build("dist", &MEASURED, log)?;
    hand_over("measure", "dist", arguments, log)?;
    hand_over("storm", "dist", &["--short".to_owned()], log)
}

/// `cargo xtask instructions`: what the steps of the pure path cost, in what is shipped; fails
/// where one costs otherwise than `bench/instructions.txt` says.
pub fn instructions(arguments: &[String], log: &mut Log) -> Outcome {
    log.step("programs", || tools::debian(&[("valgrind", "valgrind")]))?;
    build("dist", &MEASURED, log)?;
    hand_over("instructions", "dist", arguments, log)
}

/// `cargo xtask siege`: life goes on beside a thousand hostile clients of each kind.
pub fn siege(arguments: &[String], log: &mut Log) -> Outcome {
    build("release", &MEASURED, log)?;
    hand_over("siege", "release", arguments, log)
}

/// `cargo xtask reload-storm`: a reload every 100 ms under load.
pub fn storm(arguments: &[String], log: &mut Log) -> Outcome {
    build("release", &MEASURED, log)?;
    hand_over("storm", "release", arguments, log)
}

/// `cargo xtask tunnels`: a thousand at once under reloads, and one at full speed beside `socat`.
pub fn tunnels(arguments: &[String], log: &mut Log) -> Outcome {
    log.step("programs", || {
        tools::debian(&[("socat", "socat"), ("taskset", "util-linux"), ("curl", "curl")])
    })?;
    build("dist", &MEASURED, log)?;
    hand_over("tunnels", "dist", arguments, log)
}

/// `cargo xtask apps`: what ten thousand apps that people let in weigh, and what a request of one
/// costs beside a browser's.
pub fn apps(arguments: &[String], log: &mut Log) -> Outcome {
    log.step("programs", || {
        tools::debian(&[
            ("nginx", "nginx-light"),
            ("wrk", "wrk"),
            ("taskset", "util-linux"),
            ("curl", "curl"),
        ])
    })?;
    build("dist", &MEASURED, log)?;
    hand_over("apps", "dist", arguments, log)
}

/// `cargo xtask routes`: what many routes cost to load, to find and to decide by.
pub fn routes(log: &mut Log) -> Outcome {
    log.command("routes", &mut cargo(["bench", "--package=usher", "--bench=routes"]))
}

/// Where the figures of the last whole comparison lie; `cargo xtask docs` makes a page of them.
const RESULTS: &str = "bench/results.json";
/// Where those of a comparison lie that left something out.
const PART: &str = "target/bench.json";
/// What stands for the profile where it is not what is shipped.
const WITHOUT: &str = "dist, in part without its counts";
/// What leaves something out.
const LEAVING_OUT: [&str; 4] = ["--quick", "--contenders", "--tests", "--kind"];

/// `cargo xtask bench`: CPU per unit of work and memory, beside the peers.
pub fn compare(arguments: &[String], log: &mut Log) -> Outcome {
    let at = arguments.iter().position(|word| word == "--profile");
    let profile = at.and_then(|at| arguments.get(at + 1)).map_or("dist", String::as_str);
    programs(log)?;
    let mut peers = None;
    log.step("peers", || tools::peers().map(|found| peers = Some(found)))?;
    let (usher, title) = match profile {
        "dist" => {
            build(profile, &["usher-bench"], log)?;
            let built = dist::build(log)?; // as a user would run it
            (built.usher, if built.by_counts { profile } else { WITHOUT })
        }
        _ => {
            build(profile, &MEASURED, log)?;
            (target().join(profile).join("usher"), profile)
        }
    };
    let is_part = arguments.iter().any(|word| LEAVING_OUT.contains(&word.as_str()));
    let results = if is_part { PART } else { RESULTS };
    let mut words: Vec<String> = ["--json", results].map(str::to_owned).to_vec();
    for (option, program) in ["--envoy", "--caddy"].into_iter().zip(peers.into_iter().flatten()) {
        words.extend([option.to_owned(), program.display().to_string()]);
    }
    words.extend_from_slice(arguments);
    words.extend(["--profile", title].map(str::to_owned));
    measured("compare", &usher, profile, &words, log)
}

/// What usher does while a build of it counts.
const WORK: [&str; 6] = [
    "--contenders",
    "usher",
    "--tests",
    "small-h1,small-h2,handshake,film-h1,film-h2,upload-h1,upload-h2",
    "--reps",
    "1",
];

/// `cargo xtask dist [--train]`: builds what is shipped, by the profile in the repository; counts
/// that profile anew before, where it is asked to.
pub fn dist(arguments: &[String], log: &mut Log) -> Outcome {
    if !arguments.is_empty() {
        programs(log)?;
        let counting = dist::Counting::build(log)?;
        build("dist", &["usher-bench"], log)?;
        measured("compare", &counting.usher, "dist", &WORK.map(str::to_owned), log)?;
        counting.keep(log)?;
    }
    println!("{}", dist::build(log)?.usher.display());
    Ok(())
}

/// What proxies stand beside usher, and what asks them.
fn programs(log: &mut Log) -> Outcome {
    log.step("programs", || {
        tools::debian(&[
            ("nginx", "nginx-light"),
            ("haproxy", "haproxy"),
            ("wrk", "wrk"),
            ("h2load", "nghttp2-client"),
            ("taskset", "util-linux"),
            ("curl", "curl"),
        ])
    })
}

/// Who is measured, and what measures.
const MEASURED: [&str; 2] = ["usher", "usher-bench"];

fn build(profile: &str, packages: &[&str], log: &mut Log) -> Outcome {
    log.command(
        &format!("build ({profile})"),
        cargo(["build", "--profile", profile, "--no-default-features"])
            .args(packages.iter().map(|name| format!("--package={name}"))),
    )
}

fn hand_over(what: &str, profile: &str, arguments: &[String], log: &mut Log) -> Outcome {
    measured(what, &target().join(profile).join("usher"), profile, arguments, log)
}

fn measured(
    what: &str,
    usher: &Path,
    profile: &str,
    arguments: &[String],
    log: &mut Log,
) -> Outcome {
    log.command(
        what,
        Command::new(target().join(profile).join("usher-bench"))
            .arg(what)
            .arg("--usher")
            .arg(usher)
            .arg("--profile")
            .arg(profile)
            .args(arguments)
            .current_dir(root()),
    )
}
