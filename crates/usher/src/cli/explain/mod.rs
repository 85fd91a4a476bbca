//! `usher explain`: what would happen to a request, and why.

mod asked;
mod recorded;
mod replay;
mod shown;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use http::request::Parts;
use usher_rules::{
    plan::Plan,
    time::{Clock as _, Now, UnixTime},
};

use super::{data_dir::DataDir, failure::Failure};
use crate::{
    jellyfin,
    reload::{Findings, Loaded, Source, environment, load},
    request::{
        Apps,
        accept::Presented,
        inquiry::{Caller, Inquiry, foretell},
        record::KeptDecision,
    },
    server::SystemClock,
    store::DecisionFile,
};
use asked::Who;
use shown::Shown;

/// Say what would happen to a request, and why; or what a decision was made of.
///
/// The config is read as it lies there; nothing runs, nothing is asked of anybody, nothing changes.
/// Which route takes the request, which rule decides, what each criterion wants and sees, and the
/// least that would let it in. Without a person, nobody is signed in.
///
/// --request-id explains a decision that was kept (`decision_records`); --replay makes all of them
/// anew under this config, and tells who would gain or lose access.
///
/// Exit status: 0 it is let in, 1 it is not, 2 bad usage or config. With --replay: 0 nothing
/// changes, 1 something does.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is asked for, such as `GET https://tv.example.com/web/`; GET if only a URL is given
    #[arg(value_name = "METHOD URL", num_args = 1..=2, conflicts_with_all = ["request_id", "replay"])]
    #[arg(required_unless_present_any = ["request_id", "replay"])]
    pub request: Vec<String>,

    /// Who asks.
    #[command(flatten)]
    pub who: Who,

    /// Explain the decision about this request, by the id of its page or log line
    #[arg(long, value_name = "ID", conflicts_with = "replay")]
    pub request_id: Option<String>,

    /// Make the decisions in FILE anew under --config [default: those in the data directory]
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub replay: Option<Option<PathBuf>>,

    /// Where --request-id looks [default: the data directory]
    #[arg(long, value_name = "FILE", requires = "request_id")]
    pub records: Option<PathBuf>,

    /// Config file: `.yaml`, `.json`, `.toml` or `.env`
    #[arg(short, long, value_name = "FILE", default_value = "/etc/usher/config.yaml")]
    pub config: PathBuf,

    /// Where usher keeps its data.
    #[command(flatten)]
    pub dir: DataDir,

    /// One object a line, for programs
    #[arg(long)]
    pub json: bool,
}

/// Explains. Exit status: 0 it is let in, 1 it is not, 2 bad usage or config.
pub fn run(args: &Args) -> ExitCode {
    let mut out = io::stdout().lock();
    match explain(args, &mut out) {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Not) => ExitCode::FAILURE,
        Err(failure) if args.json => {
            let _nowhere_left = failure.tell_json(&mut out);
            ExitCode::from(2)
        }
        Err(failure) => failure.end(),
    }
}

/// What a script wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is let in; nothing changes.
    Good,
    /// It is not; something does.
    Not,
}

/// A config that can be asked.
struct Config {
    plan: Arc<Plan>,
    findings: Findings,
    now: Now,
    form: Form,
    apps: Apps,
}

/// In which form answers are written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Text,
    Json,
}

fn explain(args: &Args, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let environment = environment();
    let source = Source::File { path: &args.config, environment: &environment };
    let Loaded { plan, problems: findings, .. } = load(source)?;
    let form = if args.json { Form::Json } else { Form::Text };
    let apps = jellyfin::beside(Apps::default(), Arc::new(jellyfin::NoDevices), Arc::default());
    let config = Config { plan: Arc::new(plan), findings, now: SystemClock.now(), form, apps };
    if let Some(file) = &args.replay {
        let kept = kept(args, file.as_deref())?;
        return Ok(replay::replay(&config, &kept, out)?);
    }
    if let Some(id) = &args.request_id {
        let kept = kept(args, args.records.as_deref())?;
        return recorded::explain(&config, &kept, id, out);
    }
    let head = asked::head(&args.request, &args.who)?;
    let at = args.who.time()?.unwrap_or(config.now.wall);
    let dir = || args.dir.find();
    let provider = config.plan.sign_in.providers.first().id();
    let who = match &args.who.service_account {
        Some(name) => Caller::Kept(asked::service_account(&dir()?, name, at)?),
        None => {
            let who = args.who.imagined(dir, at)?.map(|who| who.signed_in(provider, at));
            who.map_or(Caller::Nobody, Caller::Imagined)
        }
    };
    let question = Question {
        head,
        who,
        source: args.who.address,
        presented: args.who.presented()?,
        tool: args.who.tool.as_deref().map(Into::into),
        at,
    };
    config.answer(question, None, out)
}

/// What is kept, a decision a line.
fn kept(args: &Args, file: Option<&Path>) -> Result<String, Failure> {
    let (place, read) = match file {
        Some(file) => {
            let text = std::fs::read(file).map(|text| String::from_utf8_lossy(&text).into_owned());
            (file.to_owned(), text)
        }
        None => {
            let dir = args.dir.find()?;
            super::service::tell_of_another(&dir);
            let kept = DecisionFile::read(&dir);
            (dir, kept)
        }
    };
    read.map_err(|source| Failure::Records { place, source })
}

/// What is asked of a config.
struct Question {
    head: Parts,
    who: Caller,
    source: std::net::IpAddr,
    presented: Arc<Presented>,
    tool: Option<Box<str>>,
    at: UnixTime,
}

impl Question {
    /// The same that was asked once.
    fn again(decision: &KeptDecision) -> Option<Self> {
        let asked = &decision.asked;
        Some(Self {
            head: asked.head()?,
            who: decision.who.clone().map_or(Caller::Nobody, Caller::Kept),
            source: asked.source,
            presented: asked.presented()?,
            tool: asked.tool.as_deref().map(Into::into),
            at: asked.at(),
        })
    }

    fn of(self, config: &Config) -> Inquiry<'_> {
        let Self { head, who, source, presented, tool, at } = self;
        let (plan, now) = (&config.plan, Now { wall: at, ..config.now });
        Inquiry { plan, head, who, source, presented, tool, now, apps: &config.apps }
    }
}

impl Config {
    fn answer(
        &self,
        question: Question,
        then: Option<&KeptDecision>,
        out: &mut dyn Write,
    ) -> Result<Outcome, Failure> {
        let asks = shown::Asks::of(&question);
        foretell(question.of(self), |foretold| {
            if let Some(failure) = then.and_then(|then| recorded::beyond(then, &foretold)) {
                return Err(failure);
            }
            let shown = Shown { config: self, asks: &asks, foretold: &foretold, then };
            match self.form {
                Form::Json => writeln!(out, "{}", shown.to_json())?,
                Form::Text => write!(out, "{shown}")?,
            }
            Ok(shown.outcome())
        })
    }
}

#[cfg(test)]
mod tests;
