//! One file per command.

pub mod app_password;
pub mod backup;
pub mod certs;
pub mod check;
pub mod data_dir;
#[cfg(feature = "demo")]
pub mod demo;
pub mod devices;
pub mod doctor;
pub mod enrolments;
pub mod explain;
mod failure;
mod first;
pub mod keys;
mod meant;
mod mounts;
pub mod people;
pub mod run;
mod service;
pub mod service_account;
pub mod sessions;
mod signals;
pub mod status;
pub mod tcp;
pub mod trust;

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use usher_rules::time::Clock as _;

use self::data_dir::DataDir;
use crate::server::SystemClock;

/// What stands above the commands that everybody has.
#[cfg(feature = "demo")]
macro_rules! to_try {
    () => {
        "\
Try it:
  demo       See it at work: a cinema behind a door, on this machine only

"
    };
}

/// The shipped program has no demo.
#[cfg(not(feature = "demo"))]
macro_rules! to_try {
    () => {
        ""
    };
}

/// The order in which somebody meets them.
const HELP: &str = concat!(
    "\
{name} {version} - lets the right people in to the apps you host

{usage-heading} {usage}

",
    to_try!(),
    "\
Before you run:
  check      Show every problem of a config; --live tries names, ports and apps, too
  explain    Say what would happen to a request, and why; or what a decision was made of
  doctor     Say what is wrong from DNS to Jellyfin, for whom, and mend it

Run:
  run        Open the door: serve a config until SIGTERM or Ctrl-C

Look after it:
  people     Add, list and change who signs in with a password of this server
  sessions   List who is signed in, and end sessions
  devices    List the apps that people let in to a library, and end them
  app-password Make passwords for clients that know no sign-in page; list and revoke them
  service-account Give programs tokens of their own, list and revoke them
  enrolments List the devices that people enrolled; approve and remove them
  status     Show the config in force, and each host's certificate: who signed it, when it ends
  trust      Make this machine and its browsers trust the local authority
  keys       Replace the keys that usher made
  backup     Copy what usher keeps into one file, also while it runs
  restore    Put a backup in the place of what usher keeps
  certs      Renew or revoke certificates from an authority, or change the account's key
  tls-report Say which old TVs, phones and players a host's certificate turns away

Go through one, from a laptop:
  tcp        Open a tunnel to a `tcp+https` route, from a port of this machine or for `ssh`
  udp        Open tunnels to a `udp+https` route, from a port of this machine
  tunnels    Open the tunnels of a file, and keep their ports open
  routes     List what you may reach, and the command that opens each tunnel

Options:
{options}

`usher help COMMAND` says more. Exit status: 0 done, 1 the answer is no, 2 bad usage or config.

From nothing to a door:
  $ usher check --config config.yaml
  $ usher people add you@example.com --group family
  $ usher run --config config.yaml

A session lasts for 14 hours. For a family, `cookie_expire: 720h` in the config makes it 30 days:
nobody has to sign in again before that.
"
);

/// Lets the right people in to the apps you host.
#[derive(Debug, Parser)]
#[command(name = "usher", version, about, help_template = HELP)]
#[command(subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Each says what it is where its arguments are: words here would hide those.
#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "demo")]
    Demo(demo::Args),
    Check(check::Args),
    Doctor(doctor::Args),
    Explain(Box<explain::Args>),
    Run(run::Args),
    People(people::Args),
    Sessions(sessions::Args),
    Devices(devices::Args),
    ServiceAccount(service_account::Args),
    AppPassword(app_password::Args),
    Enrolments(enrolments::Args),
    Status(status::StatusArgs),
    Trust(trust::Args),
    Keys(keys::Args),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    Certs(certs::Args),
    TlsReport(status::TlsReportArgs),
    Tcp(tcp::Args),
    Udp(tcp::udp::Args),
    Tunnels(tcp::many::Args),
    Routes(tcp::routes::Args),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Run(args) => run::run(&args),
        Command::People(args) => people(&args),
        Command::Sessions(args) => sessions(&args),
        Command::Devices(args) => devices(&args),
        Command::ServiceAccount(args) => service_account(&args),
        Command::AppPassword(args) => app_password(&args),
        Command::Enrolments(args) => enrolments(&args),
        Command::Status(args) => status::status(&args),
        Command::Trust(args) => trust::run(&args),
        Command::Keys(args) => keys(&args),
        Command::Backup(args) => backup::back_up(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Certs(args) => certs::run(&args),
        Command::TlsReport(args) => status::tls_report(&args),
        Command::Tcp(args) => tcp::run(&args),
        Command::Udp(args) => tcp::udp::run(&args),
        Command::Tunnels(args) => tcp::many::run(&args),
        Command::Routes(args) => tcp::routes::run(&args),
    }
}

/// The data directory that is meant; says so where there is none.
fn dir_of(option: &DataDir) -> Result<PathBuf, ExitCode> {
    option.find().map_err(|failure| {
        let _nowhere_left =
            writeln!(io::stderr(), "error: {failure}\nhint: say where: --data-dir DIR");
        ExitCode::from(2)
    })
}

/// Does it in the data directory that is meant; says so where a usher runs on another.
fn on_data(option: &DataDir, act: impl FnOnce(&Path) -> ExitCode) -> ExitCode {
    match dir_of(option) {
        Ok(dir) => {
            service::tell_of_another(&dir);
            act(&dir)
        }
        Err(code) => code,
    }
}

/// The config that is meant, beside that data; `None` where none was named, none is in use, and
/// none lies where one usually does.
fn config_of(option: Option<&PathBuf>, dir: &Path) -> Option<PathBuf> {
    let usual = || Some(PathBuf::from(people::CONFIG));
    let is_there = |usual: &PathBuf| !matches!(usual.try_exists(), Ok(false));
    let named = option.cloned().or_else(|| service::config_in_use(dir));
    named.or_else(|| usual().filter(is_there))
}

fn sessions(args: &sessions::Args) -> ExitCode {
    on_data(&args.dir, |dir| {
        let (mut output, mut errors) = (io::stdout().lock(), io::stderr());
        sessions::run(&args.command, dir, SystemClock.now().wall, &mut output, &mut errors)
    })
}

fn devices(args: &devices::Args) -> ExitCode {
    on_data(&args.dir, |dir| {
        let (mut output, mut errors) = (io::stdout().lock(), io::stderr());
        devices::run(&args.command, dir, SystemClock.now().wall, &mut output, &mut errors)
    })
}

fn keys(args: &keys::Args) -> ExitCode {
    on_data(&args.dir, |dir| {
        keys::run(args.command, dir, &mut io::stdout().lock(), &mut io::stderr())
    })
}

fn app_password(args: &app_password::Args) -> ExitCode {
    on_data(&args.dir, |dir| {
        let (mut output, mut errors) = (io::stdout().lock(), io::stderr());
        app_password::run(&args.command, dir, SystemClock.now().wall, &mut output, &mut errors)
    })
}

fn enrolments(args: &enrolments::Args) -> ExitCode {
    on_data(&args.dir, |dir| {
        let (mut output, mut errors) = (io::stdout().lock(), io::stderr());
        enrolments::run(&args.command, dir, SystemClock.now().wall, &mut output, &mut errors)
    })
}

fn service_account(args: &service_account::Args) -> ExitCode {
    on_data(&args.dir, |dir| {
        let config = config_of(args.config.as_ref(), dir);
        let (mut output, mut errors) = (io::stdout().lock(), io::stderr());
        let (now, place) = (SystemClock.now().wall, (dir, config.as_deref()));
        service_account::run(&args.command, place, now, &mut output, &mut errors)
    })
}

fn people(args: &people::Args) -> ExitCode {
    on_data(&args.dir, |dir| {
        let (mut input, mut output, mut errors) =
            (io::stdin().lock(), io::stdout().lock(), io::stderr());
        let input_is_terminal = io::stdin().is_terminal();
        let streams = people::Streams {
            input: &mut input,
            input_is_terminal,
            output: &mut output,
            errors: &mut errors,
        };
        let config = config_of(args.config.as_ref(), dir);
        let config = config.unwrap_or_else(|| people::CONFIG.into());
        people::run(&args.command, (dir, &config), SystemClock.now().wall, streams)
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    /// The list in the help is written by hand.
    #[test]
    fn every_command_is_in_the_help() {
        Cli::command().debug_assert();
        let mut cli = Cli::command();
        let help = cli.render_help().to_string();
        for command in cli.get_subcommands().filter(|command| command.get_name() != "help") {
            let (name, about) = (command.get_name(), command.get_about().unwrap().to_string());
            let line = format!("  {name:<10} {about}\n");
            assert!(help.contains(&line), "{line:?} in {help}");
            assert!(
                command.get_long_about().is_some(),
                "{name}: the help of the command says more"
            );
        }
    }
}
