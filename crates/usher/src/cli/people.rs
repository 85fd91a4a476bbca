//! `usher people`: who can sign in with a password of this server.

mod links;
mod welcome;

pub use usher_rules::until::Until;

use std::{
    io::{self, BufRead, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};
use usher_pages::{Letter, LetterAbout};
use usher_rules::{
    accounts::{Invitation, link_address},
    names::Origin,
    people::{Member, PeopleError},
    secret::Secret,
    time::UnixTime,
    until::shown,
};

use super::{data_dir::DataDir, failure::is_unheard};
use crate::{
    idp::{
        Cost, Directory, DirectoryError, LONGEST_PASSWORD, NewMember, NoRandomness, Passwords,
        WaysIn,
    },
    store::{OpenError, Store},
};

/// Add, list and change who signs in with a password of this server.
///
/// A running usher need not be restarted: it sees changes at once, and whoever is removed or changed
/// is signed out within seconds. What they may see is said by the routes' policies, which name their
/// address or one of their groups.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where usher keeps its data.
    #[command(flatten)]
    pub dir: DataDir,
    /// Config whose routes let people in
    /// [default: the one of the usher that runs, else /etc/usher/config.yaml]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with whom.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Add somebody; prints a password for them, once, unless one is given
    Add {
        /// The address to sign in with
        email: String,
        /// The name to show
        #[arg(long, default_value = "", value_name = "NAME")]
        name: String,
        /// A group to put them in, any word that a policy names; may be repeated
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// Read the password from standard input, up to the end of the line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Invite somebody: prints a link to send, who opens it chooses a passkey or a password
    Invite {
        /// The address to sign in with; without it they choose one, which then counts for no rule
        email: Option<String>,
        /// The name to show, which they may change
        #[arg(long, default_value = "", value_name = "NAME")]
        name: String,
        /// A group to put them in, any word that a policy names; may be repeated
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// When their access ends: a weekday, a date like 2026-12-31, or never
        #[arg(long, default_value = "never", value_name = "DAY")]
        until: Until,
        /// For how many days the link is good
        #[arg(long, default_value_t = 7, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=365))]
        days: u32,
        /// How many people may join by it
        #[arg(long, default_value_t = 1, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
        uses: u32,
        /// Send it to them by e-mail, too, by the server of `smtp` in the config
        #[arg(long, requires = "email")]
        mail: bool,
    },
    /// Let somebody in again who lost password or passkey: prints a link to send
    Recover {
        /// Their address
        email: String,
        /// For how many days the link is good
        #[arg(long, default_value_t = 1, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=30))]
        days: u32,
    },
    /// Change when somebody's access ends, and sign them out
    SetUntil {
        /// Their address
        email: String,
        /// A weekday, a date like 2026-12-31, never, or now
        until: Until,
    },
    /// List everybody
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Remove somebody and sign them out
    Remove {
        /// Their address
        email: String,
    },
    /// Replace somebody's groups, with none if none is named, and sign them out
    SetGroups {
        /// Their address
        email: String,
        /// The groups to be in from now on
        groups: Vec<String>,
    },
    /// Replace somebody's password and sign them out; prints a new one unless one is given
    SetPassword {
        /// Their address
        email: String,
        /// Read the password from standard input, up to the end of the line
        #[arg(long)]
        password_stdin: bool,
    },
}

/// Where the command reads and writes.
pub struct Streams<'a> {
    /// Standard input.
    pub input: &'a mut dyn BufRead,
    /// Whether somebody types there.
    pub input_is_terminal: bool,
    /// Standard output: what was asked for.
    pub output: &'a mut dyn Write,
    /// Standard error: everything else.
    pub errors: &'a mut dyn Write,
}

/// Why the command did not do it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("can't start: {0}")]
    Start(io::Error),
    #[error("can't read the password: {0}")]
    Input(io::Error),
    #[error("can't write the answer: {0}")]
    Output(#[from] io::Error),
    #[error(transparent)]
    Random(#[from] NoRandomness),
    #[error("where people sign in is not known, so there is nothing that a link could lead to")]
    NoPage,
    #[error("a link for {0} people can't name one address")]
    OneAddress(u32),
    #[error("the invitation was not sent by e-mail: {0}")]
    NotMailed(String),
}

/// Where a config is, if nobody says otherwise.
pub const CONFIG: &str = "/etc/usher/config.yaml";

/// Does it, in the store of `dir`; says when the routes of `config` let them in nowhere.
///
/// Exit status: 0 done, 1 the answer is no (nobody has that address, or somebody has it already),
/// 2 bad usage, or a store that can't be opened.
pub fn run(
    command: &Command,
    (dir, config): (&Path, &Path),
    now: UnixTime,
    mut streams: Streams<'_>,
) -> ExitCode {
    let Err(failure) = change(command, (dir, config), now, &mut streams) else {
        return ExitCode::SUCCESS;
    };
    if is_unheard(&failure) {
        return ExitCode::from(failure.status());
    }
    let mut told = writeln!(streams.errors, "error: {failure}");
    if let Some(cause) = std::error::Error::source(&failure) {
        told = told.and_then(|()| writeln!(streams.errors, "  cause: {cause}"));
    }
    if let Some(hint) = failure.hint() {
        told = told.and_then(|()| writeln!(streams.errors, "hint: {hint}"));
    }
    drop(told); // nowhere is left to say that standard error is closed
    ExitCode::from(failure.status())
}

fn change(
    command: &Command,
    (dir, config): (&Path, &Path),
    now: UnixTime,
    streams: &mut Streams<'_>,
) -> Result<(), Failure> {
    let passwords = Passwords::new(Cost::DEFAULT, 1).map_err(DirectoryError::from)?;
    let store = Arc::new(Store::open(dir)?);
    let directory = Arc::new(Directory::new(Arc::<Store>::clone(&store), passwords));
    let ways_in = WaysIn::new(Arc::clone(&directory), store);
    let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::Start)?;
    match command {
        Command::Add { email, name, groups, password_stdin } => {
            let password = Chosen::by(*password_stdin, streams)?;
            let new = NewMember { email, name, groups };
            let typed = Secret::new(password.secret.expose());
            let member = runtime.block_on(directory.add(new, typed, now))?;
            writeln!(streams.output, "added {}", one_line(&member))?;
            password.tell(streams)?;
            welcome(&member, config, streams)
        }
        Command::Invite { .. } => {
            invite(command, (&runtime, &ways_in), (dir, config), now, streams)
        }
        Command::Recover { email, days } => {
            let at = links::sign_in_page(dir, config).ok_or(Failure::NoPage)?;
            let (member, token) = runtime.block_on(ways_in.recover(email, life(*days), now))?;
            let text = format!("Get in again to {at} as {}.", member.email);
            tell_link((&at, &token, &text), life(*days), now, streams)
        }
        Command::SetUntil { email, until } => {
            let member = runtime.block_on(ways_in.set_until(email, until.moment(now)))?;
            Ok(writeln!(streams.output, "changed {}; signed out everywhere", one_line(&member))?)
        }
        Command::List { json } => {
            let members = runtime.block_on(directory.list())?;
            if members.is_empty() && !json {
                writeln!(streams.errors, "nobody is here yet; usher people add EMAIL")?;
            }
            for member in &members {
                let line = if *json { json_line(member) } else { one_line(member) };
                writeln!(streams.output, "{line}")?;
            }
            Ok(())
        }
        Command::Remove { email } => {
            let member = runtime.block_on(directory.remove(email))?;
            Ok(writeln!(streams.output, "removed {}; signed out everywhere", member.email)?)
        }
        Command::SetGroups { email, groups } => {
            let member = runtime.block_on(directory.set_groups(email, groups))?;
            writeln!(streams.output, "changed {}; signed out everywhere", one_line(&member))?;
            welcome(&member, config, streams)
        }
        Command::SetPassword { email, password_stdin } => {
            let password = Chosen::by(*password_stdin, streams)?;
            let typed = Secret::new(password.secret.expose());
            let member = runtime.block_on(directory.set_password(email, typed))?;
            writeln!(streams.output, "changed {}; signed out everywhere", member.email)?;
            password.tell(streams)
        }
    }
}

/// Makes a link for somebody new, tells it, and mails it where that is asked for.
fn invite(
    command: &Command,
    (runtime, ways_in): (&Runtime, &WaysIn),
    (dir, config): (&Path, &Path),
    now: UnixTime,
    streams: &mut Streams<'_>,
) -> Result<(), Failure> {
    let Command::Invite { email, name, groups, until, days, uses, mail } = command else {
        return Ok(());
    };
    if email.is_some() && *uses > 1 {
        return Err(Failure::OneAddress(*uses));
    }
    let at = links::sign_in_page(dir, config).ok_or(Failure::NoPage)?;
    let invitation = Invitation {
        email: email.as_deref().map(Into::into),
        name: name.as_str().into(),
        groups: groups.iter().map(|group| group.as_str().into()).collect(),
        until: until.moment(now).map(UnixTime::seconds),
    };
    let until = invitation.until;
    let terms = (life(*days), *uses);
    let token = runtime.block_on(ways_in.invite(invitation, terms, now))?;
    let text = match until {
        Some(until) => format!("You are invited to {at} until {}.", shown(until)),
        None => format!("You are invited to {at}."),
    };
    tell_link((&at, &token, &text), life(*days), now, streams)?;
    let Some(email) = email.as_deref().filter(|_| *mail) else { return Ok(()) };
    let (link, over_at) = (link_address(&at, &token), now.plus(life(*days)).seconds());
    let about = LetterAbout::Invitation { until, link: &link, over_at };
    let letter = Letter { site: at.host.as_str(), about };
    let sent = runtime.block_on(links::mailed(config, email, letter, now));
    sent.map_err(Failure::NotMailed)?;
    Ok(writeln!(streams.errors, "It is on its way to {email}.")?)
}

const fn life(days: u32) -> Duration {
    Duration::from_secs(days as u64 * 24 * 3600)
}

/// The address, the same for a camera, and a text to send.
fn tell_link(
    (at, token, text): (&Origin, &Secret, &str),
    life: Duration,
    now: UnixTime,
    streams: &mut Streams<'_>,
) -> Result<(), Failure> {
    let address = link_address(at, token);
    let end = shown(now.plus(life).seconds());
    writeln!(streams.output, "{address}\n")?;
    write!(streams.output, "{}", usher_pages::qr_text(&address))?;
    writeln!(streams.output, "\nTo send:\n\n{text} Open this link by {end}:\n{address}")?;
    Ok(writeln!(streams.errors, "It is shown this once. Whoever has it can use it.")?)
}

/// Says when no route lets them in.
fn welcome(member: &Member, config: &Path, streams: &mut Streams<'_>) -> Result<(), Failure> {
    match welcome::note(member, config) {
        Some(note) => Ok(writeln!(streams.errors, "{note}")?),
        None => Ok(()),
    }
}

/// A password, and whether its owner has yet to learn it.
struct Chosen {
    secret: Secret,
    is_generated: bool,
}

impl Chosen {
    fn by(password_stdin: bool, streams: &mut Streams<'_>) -> Result<Self, Failure> {
        if !password_stdin {
            let secret = crate::idp::generated_password()?;
            return Ok(Self { secret, is_generated: true });
        }
        if streams.input_is_terminal {
            writeln!(streams.errors, "password (shown as you type):")?;
        }
        let mut line = Vec::new();
        let most = LONGEST_PASSWORD as u64 + 2; // and the end of the line
        let mut input = (&mut *streams.input).take(most);
        input.read_until(b'\n', &mut line).map_err(Failure::Input)?;
        let end = line.strip_suffix(b"\n").unwrap_or(&line);
        let secret = Secret::new(end.strip_suffix(b"\r").unwrap_or(end));
        zeroize::Zeroize::zeroize(&mut line);
        Ok(Self { secret, is_generated: false })
    }

    fn tell(&self, streams: &mut Streams<'_>) -> Result<(), Failure> {
        if let (true, Some(password)) = (self.is_generated, self.secret.expose_str()) {
            writeln!(streams.output, "password {password}")?;
            writeln!(streams.errors, "It is shown this once. To choose one: --password-stdin")?;
        }
        Ok(())
    }
}

fn one_line(member: &Member) -> String {
    let mut line = String::from(&*member.email);
    if !member.name.is_empty() {
        line.push_str(&format!("  {}", member.name));
    }
    let groups = if member.groups.is_empty() { "-".into() } else { member.groups.join(", ") };
    line.push_str(&format!("  groups: {groups}"));
    if let Some(until) = member.until {
        line.push_str(&format!("  until: {}", shown(until)));
    }
    line
}

fn json_line(member: &Member) -> String {
    let Member { id, email, name, groups, added_at, until, address_by, changes: _ } = member;
    serde_json::json!({
        "email": email, "name": name, "groups": groups, "id": id, "added_at": added_at,
        "until": until, "address_by": address_by
    })
    .to_string()
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Self::Directory(DirectoryError::People(
                PeopleError::Unknown(_) | PeopleError::AlreadyHere(_),
            ))
            | Self::NotMailed(_) => 1,
            Self::Open(_)
            | Self::Directory(_)
            | Self::Start(_)
            | Self::Input(_)
            | Self::Output(_)
            | Self::Random(_)
            | Self::NoPage
            | Self::OneAddress(_) => 2,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Open(error) => Some(error.hint()),
            Self::Directory(DirectoryError::People(PeopleError::Unknown(_))) => {
                Some("usher people list".into())
            }
            Self::Directory(DirectoryError::People(PeopleError::AlreadyHere(email))) => {
                Some(format!("usher people set-groups {email} GROUP... or set-password {email}"))
            }
            Self::NoPage => Some(
                "usher check; say which config with --config, and let it be without an outside provider"
                    .into(),
            ),
            Self::OneAddress(_) => Some("leave the address out, or --uses".into()),
            Self::NotMailed(_) => Some("the link above is good: send it yourself".into()),
            Self::Directory(_)
            | Self::Start(_)
            | Self::Input(_)
            | Self::Output(_)
            | Self::Random(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
