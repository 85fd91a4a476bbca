//! What Jellyfin's API lets us mend: one member of its settings each. What was there before is
//! written down first, so that it can be put back.
//!
//! Nothing that may be somebody's protection is changed: filters of addresses, passwords, the
//! credentials of old apps, who may ask from other origins. Those are told, and left.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use usher_rules::plan::Plan;

use super::{
    Tried,
    server::{Question, Server},
};
use crate::request::forward::Trust;

/// Where settings were before, in the data directory.
const LEDGER: &str = "doctor-before.json";

/// How often a server that restarts is asked, how long it may take to begin, and to be done.
const LOOK: Duration = Duration::from_millis(100);
const BEGINS: Duration = Duration::from_secs(5);
const RESTARTED: Duration = Duration::from_secs(120);

/// One of its settings' objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    /// `/System/Configuration`
    System,
    /// `/System/Configuration/network`
    Network,
}

/// When a change counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// At once.
    AtOnce,
    /// When the server has restarted.
    AfterRestart,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cure {
    /// The server's address.
    pub server: String,
    /// The member and what it becomes; a restart alone where there is none.
    pub change: Option<(Area, &'static str, Value)>,
    /// When it counts.
    pub effect: Effect,
}

/// Why something was not changed, or not put back.
#[derive(Debug, thiserror::Error)]
pub enum CureError {
    /// It does not answer as it has to.
    #[error("{server} did not do it: {what}")]
    Refused {
        /// Which server.
        server: String,
        /// What was asked, and what came of it.
        what: String,
    },
    /// No route leads to it any more, or the route has no key.
    #[error("no route with `jellyfin.api_key` leads to {0}")]
    NoServer(String),
    /// What was before can't be written or read.
    #[error("{}: {source}", path.display())]
    Ledger {
        /// Where it lies.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Area {
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::System => "/System/Configuration",
            Self::Network => "/System/Configuration/network",
        }
    }
}

impl Cure {
    pub(super) fn set(
        server: &Server<'_>,
        area: Area,
        (key, to): (&'static str, Value),
        effect: Effect,
    ) -> Self {
        let server = server.target.upstream.to_string();
        Self { server, change: Some((area, key, to)), effect }
    }

    pub(super) fn restart(server: &Server<'_>) -> Self {
        let server = server.target.upstream.to_string();
        Self { server, change: None, effect: Effect::AfterRestart }
    }

    pub(super) fn to_json(&self) -> Value {
        let restarts = self.effect == Effect::AfterRestart;
        match &self.change {
            Some((area, key, to)) => {
                json!({"server": self.server, "at": area.path(), "set": key, "to": to, "restart": restarts})
            }
            None => json!({"server": self.server, "restart": restarts}),
        }
    }
}

/// A member of the settings, before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The server's address.
    pub server: String,
    /// Which object.
    pub area: Area,
    /// Which member.
    pub key: String,
    /// What is there.
    pub was: Value,
    /// What will be.
    pub becomes: Value,
    /// When it counts.
    pub effect: Effect,
}

/// What a `--fix` would do.
#[derive(Debug, Default)]
pub struct Changes {
    /// Members, each once.
    pub differences: Vec<Difference>,
    /// Servers that restart then: whatever plays there stops.
    pub restarts: BTreeSet<String>,
}

/// What the cures of `tried` come to, as its servers stand now.
///
/// # Errors
///
/// A server does not show its settings.
pub async fn changes(plan: &Plan, tried: &[Tried]) -> Result<Changes, CureError> {
    let mut all = Changes::default();
    for cure in tried.iter().flat_map(|one| &one.cures) {
        if cure.effect == Effect::AfterRestart {
            all.restarts.insert(cure.server.clone());
        }
        let Some((area, key, to)) = &cure.change else { continue };
        let is_known =
            |one: &Difference| (&*one.server, one.area, &*one.key) == (&*cure.server, *area, *key);
        if all.differences.iter().any(is_known) {
            continue; // two routes to one server
        }
        let trust = Trust::system(&plan.extra_roots);
        let server = server_at(plan, &trust, &cure.server)?;
        let settings = read(&server, *area).await?;
        all.differences.push(Difference {
            server: cure.server.clone(),
            area: *area,
            key: (*key).to_owned(),
            was: settings.get(*key).cloned().unwrap_or_default(),
            becomes: to.clone(),
            effect: cure.effect,
        });
    }
    Ok(all)
}

/// Makes `changes`, each written down before it is made, and waits for servers that restart.
///
/// # Errors
///
/// The first that fails; those before it are made, and can be put back.
pub async fn apply(plan: &Plan, changes: &Changes, data_dir: &Path) -> Result<(), CureError> {
    let mut restarts = BTreeSet::new();
    let all = make(plan, changes, data_dir, &mut restarts).await;
    // Where one fails, only what was made before it stops whatever plays there.
    let restarts = if all.is_ok() { &changes.restarts } else { &restarts };
    let restarted = restart(plan, restarts).await;
    all.and(restarted)
}

/// Makes them; which servers take up what was made when they restart.
async fn make(
    plan: &Plan,
    changes: &Changes,
    data_dir: &Path,
    restarts: &mut BTreeSet<String>,
) -> Result<(), CureError> {
    let mut ledger = Ledger::open(data_dir)?;
    let trust = Trust::system(&plan.extra_roots);
    for one in &changes.differences {
        let server = server_at(plan, &trust, &one.server)?;
        let settings = read(&server, one.area).await?;
        // Else what somebody set in between would be lost, and to put back would not bring it.
        if member(&settings, one) != one.was {
            return Err(refused(&server, format!("{} was changed since it was shown", one.key)));
        }
        ledger.note(one)?;
        set(&server, one, (settings, &one.becomes)).await?;
        if one.effect == Effect::AfterRestart {
            restarts.insert(one.server.clone());
        }
    }
    Ok(())
}

/// Is there something that [`undo`] could put back?
pub fn can_undo(data_dir: &Path) -> bool {
    data_dir.join(LEDGER).exists()
}

/// What became of one member that was to be put back.
#[derive(Debug)]
pub struct PutBack {
    /// The member, and what it was.
    pub difference: Difference,
    /// Somebody has changed it since: it was left alone.
    pub since: Option<Value>,
}

/// Puts back what [`apply`] changed, where nobody has changed it since.
///
/// # Errors
///
/// The first that fails; what was put back before it is not tried again.
pub async fn undo(plan: &Plan, data_dir: &Path) -> Result<Vec<PutBack>, CureError> {
    let mut restarts = BTreeSet::new();
    let all = put_back(plan, data_dir, &mut restarts).await;
    // Where one fails, those that were put back before it restart all the same.
    let restarted = restart(plan, &restarts).await;
    all.and_then(|all| restarted.map(|()| all))
}

async fn put_back(
    plan: &Plan,
    data_dir: &Path,
    restarts: &mut BTreeSet<String>,
) -> Result<Vec<PutBack>, CureError> {
    let mut ledger = Ledger::open(data_dir)?;
    let mut all = Vec::new();
    let trust = Trust::system(&plan.extra_roots);
    while let Some(one) = ledger.entries.last().cloned() {
        let server = server_at(plan, &trust, &one.server)?;
        let settings = read(&server, one.area).await?;
        let now = member(&settings, &one);
        let is_ours = now == one.becomes;
        if is_ours {
            set(&server, &one, (settings, &one.was)).await?;
            if one.effect == Effect::AfterRestart {
                restarts.insert(one.server.clone());
            }
        }
        ledger.entries.pop();
        ledger.keep()?;
        let is_back = is_ours || now == one.was;
        all.push(PutBack { difference: one, since: (!is_back).then_some(now) });
    }
    Ok(all)
}

fn server_at<'p>(plan: &'p Plan, trust: &'p Trust, at: &str) -> Result<Server<'p>, CureError> {
    let servers = plan.routes.iter().filter_map(|route| Server::of(plan, route, trust));
    let mut with_key = servers.filter(|server| server.key().is_some());
    let found = with_key.find(|server| server.target.upstream.to_string() == at);
    found.ok_or_else(|| CureError::NoServer(at.to_owned()))
}

fn refused(server: &Server<'_>, what: String) -> CureError {
    CureError::Refused { server: server.target.upstream.to_string(), what }
}

async fn read(server: &Server<'_>, area: Area) -> Result<Value, CureError> {
    let settings = server.administered(area.path()).await.filter(Value::is_object);
    settings.ok_or_else(|| refused(server, format!("GET {} gave no settings", area.path())))
}

fn member(settings: &Value, one: &Difference) -> Value {
    settings.get(&one.key).cloned().unwrap_or_default()
}

/// Sets one member of what was read. The object goes back whole: what is left out would take its
/// default.
async fn set(
    server: &Server<'_>,
    one: &Difference,
    (mut settings, to): (Value, &Value),
) -> Result<(), CureError> {
    if let Some(members) = settings.as_object_mut() {
        members.insert(one.key.clone(), to.clone());
    }
    post(server, one.area.path(), Some(&settings)).await
}

async fn post(server: &Server<'_>, path: &str, body: Option<&Value>) -> Result<(), CureError> {
    let no_key = || CureError::NoServer(server.target.upstream.to_string());
    let question = server.with_key(Question::post(path, body)).ok_or_else(no_key)?;
    match server.ask(question).await {
        Ok(answered) if answered.status.is_success() => Ok(()),
        Ok(answered) => {
            Err(refused(server, format!("{} {path}: {}", Method::POST, answered.status)))
        }
        Err(error) => Err(refused(server, format!("{} {path}: {error}", Method::POST))),
    }
}

/// Restarts them, one after the other, and waits until each serves again. Where one does not, the
/// others are restarted all the same; the first that failed is told.
async fn restart(plan: &Plan, servers: &BTreeSet<String>) -> Result<(), CureError> {
    let trust = Trust::system(&plan.extra_roots);
    let mut all = Ok(());
    for at in servers {
        let one = match server_at(plan, &trust, at) {
            Ok(server) => restart_one(&server).await,
            Err(error) => Err(error),
        };
        all = all.and(one);
    }
    all
}

async fn restart_one(server: &Server<'_>) -> Result<(), CureError> {
    post(server, "/System/Restart", None).await?;
    let down = wait(server, Health::Other);
    let _was_too_fast_to_see = tokio::time::timeout(BEGINS, down).await;
    let up = tokio::time::timeout(RESTARTED, wait(server, Health::Healthy)).await;
    let late = || {
        let seconds = RESTARTED.as_secs();
        refused(server, format!("it was restarted, and is not ready after {seconds} s"))
    };
    up.map_err(|_elapsed| late())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Healthy,
    Other,
}

async fn wait(server: &Server<'_>, wanted: Health) {
    loop {
        let answered = server.ask(Question::get("/health")).await;
        let is_healthy = answered.is_ok_and(|answered| answered.body.trim_ascii() == b"Healthy");
        let found = if is_healthy { Health::Healthy } else { Health::Other };
        if found == wanted {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What was before, in the order in which it was changed.
struct Ledger {
    path: PathBuf,
    entries: Vec<Difference>,
}

impl Ledger {
    fn open(data_dir: &Path) -> Result<Self, CureError> {
        let path = data_dir.join(LEDGER);
        let failed = |source| CureError::Ledger { path: path.clone(), source };
        let entries = match fs::read(&path) {
            Ok(octets) => serde_json::from_slice(&octets).map_err(|error| failed(error.into()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { path, entries })
    }

    /// Of a member that was changed twice the first state is kept.
    fn note(&mut self, one: &Difference) -> Result<(), CureError> {
        let same = |kept: &&mut Difference| {
            (&kept.server, kept.area, &kept.key) == (&one.server, one.area, &one.key)
        };
        match self.entries.iter_mut().find(same) {
            Some(kept) if kept.becomes == one.was => kept.becomes = one.becomes.clone(),
            Some(kept) => *kept = one.clone(), // an administrator has changed it in between
            None => self.entries.push(one.clone()),
        }
        self.keep()
    }

    /// On the disk; no file where nothing is to be put back.
    fn keep(&self) -> Result<(), CureError> {
        let failed = |source| CureError::Ledger { path: self.path.clone(), source };
        if self.entries.is_empty() {
            return fs::remove_file(&self.path).map_err(failed);
        }
        let draft = self.path.with_extension("new");
        let text =
            serde_json::to_vec_pretty(&self.entries).map_err(|error| failed(error.into()))?;
        let written = (|| {
            if let Some(dir) = self.path.parent() {
                fs::create_dir_all(dir)?;
            }
            let mut file = fs::File::create(&draft)?;
            io::Write::write_all(&mut file, &text)?;
            file.sync_all()?;
            fs::rename(&draft, &self.path)
        })();
        written.map_err(failed)
    }
}
