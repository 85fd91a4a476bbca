//! `usher sessions`: who is signed in, and with what; each session can be ended.

use std::{
    cmp::Reverse,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use usher_rules::{session::SignedIn, time::UnixTime};

use super::{
    data_dir::DataDir,
    failure::tell,
    meant::{NotMeant, SHORT, meant},
};
use crate::{
    request::{
        identify::{SessionStore as _, StoreError, end_with_replaced},
        record::moment,
    },
    store::{OpenError, Store},
};

/// List who is signed in, and end sessions.
///
/// A running usher need not be restarted: what runs under a session that is ended stops within
/// seconds.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where usher keeps its data.
    #[command(flatten)]
    pub dir: DataDir,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with which.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List every session, newest first
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// End one session with those that it replaced, or all of a person's
    End {
        /// The beginning of a session's id, as `list` shows it; a person's address or id
        #[arg(value_name = "SESSION|PERSON")]
        which: String,
    },
}

/// Why the command did not do it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("no session and nobody who is signed in is `{0}`")]
    Nobody(String),
    #[error("several people's sessions are meant by `{0}`")]
    Several(String),
    #[error("not ended: {0}")]
    Store(#[from] StoreError),
    #[error("can't start: {0}")]
    Start(io::Error),
    #[error("can't write the answer: {0}")]
    Output(#[from] io::Error),
}

/// Does it, in the store of `dir`.
///
/// Exit status: 0 done, 1 there is no such session, 2 bad usage, or a store that can't be opened.
pub fn run(
    command: &Command,
    dir: &Path,
    now: UnixTime,
    output: &mut dyn Write,
    errors: &mut dyn Write,
) -> ExitCode {
    let Err(failure) = change(command, dir, now, output) else { return ExitCode::SUCCESS };
    tell(errors, &failure, failure.hint().as_deref());
    ExitCode::from(match failure {
        Failure::Nobody(_) | Failure::Several(_) => 1,
        Failure::Open(_) | Failure::Store(_) | Failure::Start(_) | Failure::Output(_) => 2,
    })
}

fn change(
    command: &Command,
    dir: &Path,
    now: UnixTime,
    output: &mut dyn Write,
) -> Result<(), Failure> {
    let store = Store::open(dir)?;
    let mut all = store.all();
    all.retain(|live| live.session().expires_at() > now);
    all.sort_by_key(|live| Reverse(live.session().issued_at));
    match command {
        Command::List { json } => {
            for live in &all {
                let who = live.signed_in();
                writeln!(output, "{}", if *json { json_line(who) } else { one_line(who) })?;
            }
            Ok(())
        }
        Command::End { which } => {
            let meant = meant(&all, which).map_err(|why| match why {
                NotMeant::Nobody => Failure::Nobody(which.clone()),
                NotMeant::Several => Failure::Several(which.clone()),
            })?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .map_err(Failure::Start)?;
            for live in meant {
                runtime.block_on(end_with_replaced(&store, live))?;
                writeln!(output, "ended {}", one_line(live.signed_in()))?;
            }
            Ok(())
        }
    }
}

fn one_line(who: &SignedIn) -> String {
    let SignedIn { session, person } = who;
    let id = session.id.as_str();
    let called = if person.email.is_empty() { &person.id } else { &person.email };
    let mut line = format!("{}  {called}", id.get(..SHORT).unwrap_or(id));
    for seen in [&session.browser, &session.address].into_iter().flatten() {
        line.push_str(&format!("  {seen}"));
    }
    let [from, to] = [session.issued_at(), session.expires_at()].map(moment);
    line.push_str(&format!("  since {from}  until {to}"));
    line
}

fn json_line(who: &SignedIn) -> String {
    let SignedIn { session, person } = who;
    serde_json::json!({
        "id": session.id.as_str(), "person_id": person.id, "email": person.email,
        "browser": session.browser, "address": session.address,
        "issued_at": session.issued_at, "expires_at": session.expires_at,
    })
    .to_string()
}

impl Failure {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Open(error) => Some(error.hint()),
            Self::Nobody(_) => Some("usher sessions list".into()),
            Self::Several(_) => Some("name more of the session's id: usher sessions list".into()),
            Self::Store(_) | Self::Start(_) | Self::Output(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc, time::Duration};

    use clap::Parser as _;
    use tempfile::TempDir;
    use usher_rules::time::UnixTime;

    use super::{Args, run};
    use crate::{
        request::identify::{SessionStore as _, contract::session},
        store::Store,
    };

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn sessions(dir: &Path, line: &str) -> (bool, String, String) {
        let args = Line::parse_from(["sessions"].into_iter().chain(line.split(' '))).args;
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let now = UnixTime::from_seconds(150);
        let code = run(&args.command, dir, now, &mut output, &mut errors);
        let text = |octets| String::from_utf8(octets).unwrap();
        (code == std::process::ExitCode::SUCCESS, text(output), text(errors))
    }

    #[tokio::test]
    async fn a_running_usher_ends_the_sessions_that_are_ended_here() {
        let home = TempDir::new().unwrap();
        let running = Arc::new(Store::open(home.path()).unwrap());
        let mut lives = Vec::new();
        for (n, person) in [(1, "ann"), (2, "ann"), (3, "bob")] {
            let mut new = session(n, person);
            new.session.browser = Some("Firefox on Linux".into());
            new.session.address = Some("192.0.2.7".into());
            lives.push(running.insert(new).await.unwrap());
        }
        let dir = home.path().to_owned();
        let command = |line: String| {
            let dir = dir.clone();
            tokio::task::spawn_blocking(move || sessions(&dir, &line))
        };
        let listed = command("list".into()).await.unwrap().1;
        assert_eq!(listed.lines().count(), 3, "{listed}");
        assert!(
            listed.contains("  bob@example.com  Firefox on Linux  192.0.2.7  since "),
            "{listed}"
        );
        let json = command("list --json".into()).await.unwrap().1;
        let line: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
        assert_eq!(line["browser"], "Firefox on Linux");

        let following = Arc::clone(&running).follow();
        let story = async {
            let first = lives[0].session().id.as_str()[..8].to_owned();
            let (done, said, _) = command(format!("end {first}")).await.unwrap();
            assert!(done && said.starts_with(&format!("ended {first}")), "{said}");
            let wait = Duration::from_secs(30);
            tokio::time::timeout(wait, lives[0].ended()).await.unwrap();
            assert!(!lives[1].is_ended() && !lives[2].is_ended(), "the others go on");
            assert!(command("end ANN@example.com".into()).await.unwrap().0);
            tokio::time::timeout(wait, lives[1].ended()).await.unwrap();
            assert!(!lives[2].is_ended());
        };
        tokio::select! {
            () = following => panic!("follows as long as the store is there"),
            () = story => {}
        }
        let (done, _, error) = command("end nobody@example.com".into()).await.unwrap();
        assert!(!done && error.contains("hint: usher sessions list"), "{error}");
        assert!(!command("end 1".into()).await.unwrap().0, "too little to name one");
    }

    /// A copy of the cookie of before would lead on to what was ended, as it does on no page.
    #[tokio::test]
    async fn a_session_that_the_command_ends_takes_along_those_that_it_replaced() {
        let home = TempDir::new().unwrap();
        let store = Store::open(home.path()).unwrap();
        let mut before = None;
        for n in 1..=3 {
            let mut new = session(n, "ann");
            new.session.replaces = before;
            before = Some(store.insert(new).await.unwrap().session().id.clone());
        }
        let beside = store.insert(session(4, "ann")).await.unwrap();
        drop(store);
        let (dir, last) = (home.path().to_owned(), before.unwrap());
        let command = async |line: String| {
            let dir = dir.clone();
            tokio::task::spawn_blocking(move || sessions(&dir, &line)).await.unwrap()
        };
        let (done, said, error) = command(format!("end {}", &last.as_str()[..8])).await;
        assert!(done && said.lines().count() == 1, "{said}{error}");
        let left = command("list".into()).await.1;
        assert!(left.starts_with(&beside.session().id.as_str()[..8]), "{left}");
        assert_eq!(left.lines().count(), 1, "{left}");
    }
}
