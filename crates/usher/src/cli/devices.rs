//! `usher devices`: the apps that people let in to a library; each can be ended.

use std::{
    cmp::Reverse,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use usher_rules::{
    session::{BoundApp, LetInBy},
    time::UnixTime,
};

use super::{
    data_dir::DataDir,
    failure::tell,
    meant::{NotMeant, SHORT, meant},
};
use crate::{
    request::{
        identify::{LiveSession, SessionStore as _, StoreError},
        record::moment,
    },
    store::{OpenError, Store},
};

/// List the apps that people let in to a library, and end them.
///
/// A running usher need not be restarted: an app that is ended is refused within a second or two, is
/// told so on its screen, and its token is revoked at its library. When one was last seen is written
/// down every ten minutes.
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
    /// List every device, newest first
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// End one device, or all of a person's
    End {
        /// The beginning of a device's id, as `list` shows it; a person's address or id
        #[arg(value_name = "DEVICE|PERSON")]
        which: String,
    },
}

/// Why the command did not do it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("no device and nobody who has one is `{0}`")]
    Nobody(String),
    #[error("several people's devices are meant by `{0}`")]
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
/// Exit status: 0 done, 1 there is no such device, 2 bad usage, or a store that can't be opened.
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
    all.retain(|live| live.session().expires_at() > now && app(live).is_some());
    all.sort_by_key(|live| Reverse(live.session().issued_at));
    match command {
        Command::List { json } => {
            for live in &all {
                let line = if *json { json_line(live) } else { one_line(live) };
                writeln!(output, "{}", line.unwrap_or_default())?;
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
                runtime.block_on(store.end(&live.session().id))?;
                writeln!(output, "ended {}", one_line(live).unwrap_or_default())?;
            }
            Ok(())
        }
    }
}

/// An app that ends by itself; a web client ends with its browser, as `usher sessions` shows it.
fn app(live: &LiveSession) -> Option<&BoundApp> {
    live.session().app.as_deref().filter(|app| app.seat.is_none())
}

fn one_line(live: &LiveSession) -> Option<String> {
    let (app, session, person) = (app(live)?, live.session(), live.person());
    let id = session.id.as_str();
    let owner = if person.email.is_empty() { &person.id } else { &person.email };
    let (id, name, client, host) =
        (id.get(..SHORT).unwrap_or(id), app.called(), &app.client, &app.host);
    let mut line = format!("{id}  {owner}  {name} ({client})  {host}  by {}", word(app.by));
    if let Some(seen) = live.app_seen() {
        let at = moment(UnixTime::from_seconds(seen.at));
        line.push_str(&format!("  last seen {at} from {}", seen.from));
    }
    let [since, until] = [session.issued_at(), session.expires_at()].map(moment);
    line.push_str(&format!("  since {since}  until {until}"));
    Some(line)
}

fn json_line(live: &LiveSession) -> Option<String> {
    let (app, session, person) = (app(live)?, live.session(), live.person());
    let seen = live.app_seen();
    let line = serde_json::json!({
        "id": session.id.as_str(), "person_id": person.id, "email": person.email,
        "name": app.called(), "device": app.device, "client": app.client, "host": app.host,
        "by": word(app.by), "last_seen_at": seen.map(|seen| seen.at),
        "address": seen.map(|seen| seen.from.to_string()),
        "issued_at": session.issued_at, "expires_at": session.expires_at,
    });
    Some(line.to_string())
}

const fn word(by: LetInBy) -> &'static str {
    match by {
        LetInBy::Page => "code",
        LetInBy::App => "app",
        LetInBy::Held => "hold",
        LetInBy::Password => "password",
    }
}

impl Failure {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Open(error) => Some(error.hint()),
            Self::Nobody(_) => Some("usher devices list".into()),
            Self::Several(_) => Some("name more of the device's id: usher devices list".into()),
            Self::Store(_) | Self::Start(_) | Self::Output(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, process::ExitCode};

    use tempfile::TempDir;
    use usher_rules::{
        session::{AppSeen, BoundApp, LetInBy},
        time::UnixTime,
    };

    use super::{Command, run};
    use crate::{
        request::identify::{SessionStore as _, contract::session},
        store::Store,
    };

    async fn asked(dir: &Path, command: Command) -> (bool, String, String) {
        let dir = dir.to_owned();
        let done = tokio::task::spawn_blocking(move || {
            let (mut output, mut errors) = (Vec::new(), Vec::new());
            let now = UnixTime::from_seconds(150);
            let code = run(&command, &dir, now, &mut output, &mut errors);
            let text = |octets| String::from_utf8(octets).unwrap();
            (code == ExitCode::SUCCESS, text(output), text(errors))
        });
        done.await.unwrap()
    }

    #[tokio::test]
    async fn apps_are_listed_and_ended_and_nothing_else() {
        let home = TempDir::new().unwrap();
        let store = Store::open(home.path()).unwrap();
        for (n, person, seat) in
            [(1, "ann", false), (2, "ann", true), (3, "bob", false), (4, "bob", false)]
        {
            let browser = store.insert(session(100 + n, person)).await.unwrap();
            let mut new = session(n, person);
            new.session.app = Some(Box::new(BoundApp {
                token: format!("{n:064}").into(),
                server: "http://tv:8096".into(),
                host: "tv.test".into(),
                user: "1".into(),
                client: "Findroid".into(),
                device: "Pixel".into(),
                device_id: format!("{n}").into(),
                by: LetInBy::App,
                seat: seat.then(|| browser.session().id.clone()),
                label: (n == 1).then(|| "my phone".into()),
                language: None,
                seen: Some(AppSeen { at: 120, from: [192, 0, 2, 7].into() }),
                unfetched_until: None,
            }));
            store.insert(new).await.unwrap();
        }
        drop(store);
        let dir = home.path();
        let (_, listed, _) = asked(dir, Command::List { json: false }).await;
        assert_eq!(listed.lines().count(), 3, "no browser and no web client: {listed}");
        let line = listed.lines().find(|line| line.contains("ann@example.com")).unwrap();
        let shown = "my phone (Findroid)  tv.test  by app  last seen ";
        assert!(line.contains(shown) && line.contains("from 192.0.2.7"), "{line}");
        let (_, json, _) = asked(dir, Command::List { json: true }).await;
        let line: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
        assert_eq!(line["device"], "Pixel");

        let (done, said, _) = asked(dir, Command::End { which: "BOB@example.com".into() }).await;
        assert!(done && said.lines().count() == 2, "{said}");
        let store = Store::open(dir).unwrap();
        assert_eq!(store.of_person("bob").len(), 2, "his browsers go on");
        drop(store);
        let id = listed.lines().find(|line| line.contains("ann@")).unwrap()[..8].to_owned();
        let (done, said, _) = asked(dir, Command::End { which: id.clone() }).await;
        assert!(done && said.starts_with(&format!("ended {id}")), "{said}");
        let (done, _, error) = asked(dir, Command::End { which: "ann@example.com".into() }).await;
        assert!(!done && error.contains("hint: usher devices list"), "{error}");
    }
}
