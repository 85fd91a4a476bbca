//! `usher status` and `usher tls-report`: what is in force, and what each host is served with.

mod in_force;
mod jellyfins;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;
use usher_rules::{
    plan::Plan,
    time::{Clock as _, UnixTime},
};

use jellyfins::Reader;

use super::{
    data_dir::{DataDir, NoDataDir},
    service::tell_of_another,
};
use crate::{
    certs::{
        clients::{Finding, Weight, findings},
        report::{Root, Served, Source, report, root},
    },
    reload::{self, LoadFailure},
    request::record::moment,
    server::SystemClock,
};

/// Show the config in force, and each host's certificate: who signed it, when it ends.
///
/// How each Jellyfin stands, asked now. What is next, and what went wrong last: a config that was refused since, with its problems.
/// Exit status: 0 all is well, 1 a config was refused or waits for a restart, or a certificate does
/// not count or is still to come, or a Jellyfin is not ready, 2 the config on the disk can't run.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// Where to look.
    #[command(flatten)]
    pub place: Place,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// Say which old TVs, phones and players a host's certificate turns away.
///
/// And what would let them in. Exit status: 0 nobody, 1 somebody, 2 bad config.
#[derive(Debug, clap::Args)]
pub struct TlsReportArgs {
    /// Where to look.
    #[command(flatten)]
    pub place: Place,
    /// Only this host
    pub host: Option<String>,
}

/// A config and a data directory.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Config file: `.yaml`, `.json`, `.toml` or `.env`
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        default_value = "/etc/usher/config.yaml"
    )]
    pub config: PathBuf,
    /// Where usher keeps its data.
    #[command(flatten)]
    pub dir: DataDir,
}

/// Why there is nothing to look at.
#[derive(Debug, thiserror::Error)]
pub enum NoPlace {
    /// The config can't run.
    #[error(transparent)]
    Config(#[from] LoadFailure),
    /// There is no data directory.
    #[error(transparent)]
    DataDir(#[from] NoDataDir),
}

impl Place {
    /// The plan, and where its data lies.
    ///
    /// # Errors
    ///
    /// [`NoPlace`].
    pub fn open(&self) -> Result<(Plan, PathBuf), NoPlace> {
        let environment = reload::environment();
        let source = reload::Source::File { path: &self.config, environment: &environment };
        let plan = reload::load(source)?.plan;
        let dir = self.dir.find()?;
        tell_of_another(&dir);
        Ok((plan, dir))
    }
}

/// Shows what is in force. Exit status: 0 all is well, 1 something is not, 2 the config on the disk
/// can't run.
pub fn status(args: &StatusArgs) -> ExitCode {
    let in_force = args.place.dir.find().ok().and_then(|dir| in_force::read(&dir));
    let shown = args.place.open();
    let on_disk = shown.as_ref().ok().map(|(plan, _)| &*plan.id);
    let is_well = in_force
        .as_ref()
        .map_or(Ok(true), |in_force| in_force::show(in_force, on_disk, args, &mut io::stdout()));
    told(shown, |plan, dir, out| {
        let now = SystemClock.now().wall;
        let served = report(plan, dir, now);
        let all_count = show_status(&served, now, args.json, out)?;
        let is_local = |one: &Served| matches!(one.source, Source::Local | Source::Meanwhile);
        let reader = if args.json { Reader::Program } else { Reader::Person };
        let all_ready = jellyfins::show(plan, reader, out)?;
        let all_count = all_count && all_ready && is_well?;
        match root(&dir.join("authority/ca.pem")).filter(|_| served.iter().any(is_local)) {
            Some(root) => Ok(show_root(&root, now, args.json, out)? && all_count),
            None => Ok(all_count),
        }
    })
}

/// Shows who is turned away. Exit status: 0 nobody that a cure is known for, 1 somebody, 2 bad
/// config.
pub fn tls_report(args: &TlsReportArgs) -> ExitCode {
    told(args.place.open(), |plan, dir, out| {
        let now = SystemClock.now().wall;
        let mut served = report(plan, dir, now);
        if let Some(host) = &args.host {
            served.retain(|one| one.host.eq_ignore_ascii_case(host));
            if served.is_empty() {
                writeln!(
                    out,
                    "error: the config has no host `{host}`\nhint: `usher status` lists them"
                )?;
                return Ok(false);
            }
        }
        show_report(&served, now, out)
    })
}

fn told(
    place: Result<(Plan, PathBuf), NoPlace>,
    show: impl FnOnce(&Plan, &Path, &mut dyn Write) -> io::Result<bool>,
) -> ExitCode {
    match place {
        Ok((plan, dir)) => match show(&plan, &dir, &mut io::stdout().lock()) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) | Err(_) => ExitCode::FAILURE,
        },
        Err(failure) => {
            let _nowhere_left = writeln!(
                io::stderr(),
                "error: {failure}\nhint: `usher check` shows every problem of the config"
            );
            ExitCode::from(2)
        }
    }
}

/// A block for each host; whether every certificate counts.
pub fn show_status(
    served: &[Served],
    now: UnixTime,
    as_json: bool,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let mut all_count = true;
    for one in served {
        all_count &= one.source != Source::Meanwhile
            && one.leaf.as_ref().is_none_or(|leaf| leaf.counts(now));
        if as_json {
            writeln!(out, "{}", to_json(one, now))?;
        } else {
            show_one(one, now, out)?;
        }
    }
    Ok(all_count)
}

/// What people have to trust; whether it counts.
pub fn show_root(
    root: &Root,
    now: UnixTime,
    as_json: bool,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let Root { fingerprint, not_after } = root;
    if as_json {
        let (end, seconds_left) = (moment(*not_after), not_after.since(now).as_secs());
        let object = json!({
            "authority": "usher local authority",
            "sha256": fingerprint,
            "not_after": end,
            "seconds_left": seconds_left,
        });
        writeln!(out, "{object}")?;
    } else {
        writeln!(out, "the local authority")?;
        writeln!(out, "  SHA-256      {fingerprint}")?;
        writeln!(out, "  ends         {} ({})\n", moment(*not_after), left(*not_after, now))?;
    }
    Ok(now < *not_after)
}

fn show_one(one: &Served, now: UnixTime, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", one.host)?;
    writeln!(out, "  certificate  {}", one.source)?;
    match &one.leaf {
        Some(leaf) => {
            writeln!(out, "  signed by    {}, {}", leaf.issuer, leaf.key)?;
            writeln!(
                out,
                "  ends         {} ({})",
                moment(leaf.not_after),
                left(leaf.not_after, now)
            )?;
        }
        None => writeln!(out, "  ends         renewed by itself, every few weeks")?,
    }
    if let Some(next_at) = one.next_at {
        writeln!(out, "  next order   {}", moment(next_at))?;
    }
    if !one.last_error.is_empty() {
        writeln!(out, "  last error   {}", one.last_error)?;
    }
    writeln!(out)
}

fn to_json(one: &Served, now: UnixTime) -> serde_json::Value {
    let leaf = one.leaf.as_ref();
    json!({
        "host": one.host,
        "source": one.source.to_string(),
        "issuer": leaf.map(|leaf| &leaf.issuer),
        "key": leaf.map(|leaf| leaf.key.to_string()),
        "not_before": leaf.map(|leaf| moment(leaf.not_before)),
        "not_after": leaf.map(|leaf| moment(leaf.not_after)),
        "seconds_left": leaf.map(|leaf| leaf.not_after.since(now).as_secs()),
        "next_order": one.next_at.map(moment),
        "last_error": one.last_error,
    })
}

fn left(end: UnixTime, now: UnixTime) -> String {
    if end <= now {
        return "it has ended: browsers refuse this host".into();
    }
    let hours = end.since(now).as_secs() / 3600;
    match hours {
        0..48 => format!("{hours} hours left"),
        _ => format!("{} days left", hours / 24),
    }
}

/// A block for each host; whether nobody is turned away that a cure is known for.
pub fn show_report(served: &[Served], now: UnixTime, out: &mut dyn Write) -> io::Result<bool> {
    let mut good = true;
    for one in served {
        let key = one.leaf.as_ref().map(|leaf| format!(", {}", leaf.key)).unwrap_or_default();
        writeln!(out, "{}: {}{key}, TLS 1.2 and 1.3", one.host, one.source)?;
        for Finding { weight, who, why, cure } in findings(one, now) {
            good &= weight == Weight::Note;
            let word = match weight {
                Weight::Everybody => "error",
                Weight::Some => "warning",
                Weight::Note => "note",
            };
            writeln!(out, "  {word}: turns away {who}\n    why: {why}\n    cure: {cure}")?;
        }
        writeln!(out)?;
    }
    Ok(good)
}

#[cfg(test)]
mod tests;
