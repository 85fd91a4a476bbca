//! The plan in force on a data directory, and the config that was refused since.

use std::{
    io::{self, Write},
    path::Path,
};

use serde_json::{Value, json};
use usher_rules::time::UnixTime;

use super::StatusArgs;
use crate::{
    request::record::moment,
    store::{Alone, InForce, RefusedConfig, ServedBy},
};

/// What the server that runs on `dir` says; `None` where none does.
pub(super) fn read(dir: &Path) -> Option<InForce> {
    match Alone::served_by(dir) {
        ServedBy::Server { .. } => InForce::read(dir),
        ServedBy::Nobody | ServedBy::Hidden => None,
    }
}

/// A block about the plan in force; whether it is so whole, and nothing was refused since. `on_disk`: the id of the
/// config as it lies there, where it could run.
pub(super) fn show(
    in_force: &InForce,
    on_disk: Option<&str>,
    args: &StatusArgs,
    out: &mut dyn Write,
) -> io::Result<bool> {
    if args.json {
        writeln!(out, "{}", to_json(in_force, on_disk))?;
    } else {
        text(in_force, on_disk, out)?;
    }
    Ok(in_force.refused.is_none() && in_force.waits.is_empty())
}

fn text(in_force: &InForce, on_disk: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    let InForce { plan, since, routes, warnings, config, waits, refused } = in_force;
    writeln!(out, "the config in force")?;
    writeln!(out, "  plan         {plan}, {routes} routes, {warnings} warnings")?;
    writeln!(out, "  read from    {}", config.display())?;
    writeln!(out, "  since        {}", at(*since))?;
    if !waits.is_empty() {
        let what = waits.join(", ");
        writeln!(out, "  waits        {what}: as before, until usher is restarted")?;
    }
    if let Some(other) = on_disk.filter(|other| **other != **plan) {
        writeln!(out, "  on the disk  {other}: another one, which is not in force")?;
    }
    if let Some(RefusedConfig { at: when, cause, problems }) = refused {
        writeln!(out, "  refused      {}: {cause}", at(*when))?;
        for problem in problems {
            writeln!(out, "    {}", one_line(problem))?;
        }
    }
    writeln!(out)
}

/// `error[U110] 3:1 unknown key …`.
fn one_line(problem: &Value) -> String {
    let text = |name: &str| problem[name].as_str().unwrap_or_default();
    let place = match (&problem["line"], &problem["column"]) {
        (Value::Number(line), Value::Number(column)) => format!("{line}:{column} "),
        _ => String::new(),
    };
    format!("{}[{}] {place}{}", text("severity"), text("code"), text("what"))
}

fn to_json(in_force: &InForce, on_disk: Option<&str>) -> Value {
    let InForce { plan, since, routes, warnings, config, waits, refused } = in_force;
    let refused = refused.as_ref().map(|RefusedConfig { at: when, cause, problems }| {
        json!({"at": at(*when), "cause": cause, "problems": problems})
    });
    json!({
        "plan": plan,
        "routes": routes,
        "warnings": warnings,
        "config": config.display().to_string(),
        "since": at(*since),
        "on_disk": on_disk,
        "waits_for_restart": waits,
        "refused": refused,
    })
}

fn at(seconds: u64) -> String {
    moment(UnixTime::from_seconds(seconds))
}
