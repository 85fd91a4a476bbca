//! Decisions that were kept, made anew under another config.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde_json::json;
use usher_rules::policy::Verdict;

use super::{Config, Form, Outcome, Question, shown::name_of};
use crate::request::{inquiry::foretell, record::KeptDecision};

/// Which way a decision changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Gains,
    Loses,
    /// Let in neither before nor now, for another reason.
    Otherwise,
}

impl Turn {
    /// `None` where nothing changes.
    fn of(was: Verdict, is: Verdict) -> Option<Self> {
        match (was, is) {
            _ if was == is => None,
            (Verdict::Allow, _) => Some(Self::Loses),
            (_, Verdict::Allow) => Some(Self::Gains),
            (_, _) => Some(Self::Otherwise),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Gains => "gains",
            Self::Loses => "loses",
            Self::Otherwise => "otherwise",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Gains => "gains access",
            Self::Loses => "loses access",
            Self::Otherwise => "is refused otherwise",
        }
    }
}

/// Changes that belong together: of one kind, one person, and one route.
type Key = (Turn, String, String);

/// How many, and the latest of them.
struct Changes {
    count: usize,
    was: String,
    is: String,
    such_as: String,
    request_id: String,
}

/// What became of all of them.
#[derive(Default)]
struct Replayed {
    changes: BTreeMap<Key, Changes>,
    decisions: usize,
    let_in: usize,
    unreadable: usize,
    /// Not known: what the config asks for was not kept.
    unknown: usize,
}

pub(super) fn replay(config: &Config, kept: &str, out: &mut dyn Write) -> io::Result<Outcome> {
    let mut replayed = Replayed::default();
    for line in kept.lines() {
        let decision = KeptDecision::read(line);
        let question = decision.as_ref().and_then(Question::again);
        match (decision, question) {
            (Some(decision), Some(question)) => replayed.add(config, &decision, question),
            (_, _) => replayed.unreadable += 1,
        }
    }
    match config.form {
        Form::Json => replayed.json(out)?,
        Form::Text => replayed.text(out)?,
    }
    Ok(if replayed.changes.is_empty() { Outcome::Good } else { Outcome::Not })
}

impl Replayed {
    fn add(&mut self, config: &Config, decision: &KeptDecision, question: Question) {
        let asked = &decision.asked;
        let made = foretell(question.of(config), |foretold| {
            let judged = foretold.judged();
            let suffices = judged.is_none_or(|judged| asked.suffices_for(judged.route));
            let route = judged.map_or("-", |judged| &judged.route.name).to_owned();
            suffices.then(|| (foretold.verdict(), foretold.rule().to_owned(), route))
        });
        let Some((is, rule, route)) = made else {
            self.unknown += 1;
            return;
        };
        let was = decision.verdict();
        self.decisions += 1;
        self.let_in += usize::from(was == Verdict::Allow);
        let Some(turn) = Turn::of(was, is) else { return };
        let who = name_of(decision.who.as_ref()).to_owned();
        let changes = self.changes.entry((turn, who, route)).or_insert_with(|| Changes {
            count: 0,
            was: String::new(),
            is: String::new(),
            such_as: String::new(),
            request_id: String::new(),
        });
        changes.count += 1;
        changes.was = format!("{} by {}", was.word(), decision.rule);
        changes.is = format!("{} by {rule}", is.word());
        changes.such_as = format!("{} https://{}{}", asked.method, asked.authority, asked.path);
        changes.request_id.clone_from(&decision.request_id);
    }

    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        for ((turn, who, route), changes) in &self.changes {
            let Changes { count, was, is, such_as, request_id } = changes;
            let object = json!({
                "turn": turn.word(), "who": who, "route": route, "decisions": count,
                "was": was, "is": is, "such_as": such_as, "request_id": request_id,
            });
            writeln!(out, "{object}")?;
        }
        let Self { changes, decisions, let_in, unreadable, unknown } = self;
        let changed: usize = changes.values().map(|changes| changes.count).sum();
        let object = json!({
            "decisions": decisions, "let_in": let_in, "changed": changed, "unreadable": unreadable,
            "unknown": unknown,
        });
        writeln!(out, "{object}")
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for turn in [Turn::Gains, Turn::Loses, Turn::Otherwise] {
            let of_turn: Vec<_> =
                self.changes.iter().filter(|((one, ..), _)| *one == turn).collect();
            if of_turn.is_empty() {
                continue;
            }
            writeln!(out, "{}", turn.title())?;
            for ((_, who, route), changes) in of_turn {
                let Changes { count, was, is, such_as, request_id } = changes;
                let times = if *count == 1 { "once".into() } else { format!("{count} times") };
                writeln!(out, "  {who} at {route}, {times}\n    was {was}; is {is}")?;
                writeln!(out, "    such as {such_as} ({request_id})")?;
            }
            writeln!(out)?;
        }
        let Self { changes, decisions, let_in, unreadable, unknown } = self;
        let changed: usize = changes.values().map(|changes| changes.count).sum();
        writeln!(out, "{changed} of {decisions} decisions change")?;
        if *decisions > 0 && *let_in == 0 {
            writeln!(
                out,
                "note: refusals alone were kept, so nobody is seen to lose access; \
                 `decision_records: all` keeps every decision"
            )?;
        }
        if *unreadable > 0 {
            writeln!(out, "note: {unreadable} lines are no decision that can be made anew")?;
        }
        if *unknown > 0 {
            writeln!(
                out,
                "note: {unknown} decisions can't be made anew: this config asks for a client's \
                 certificate, or for what a message says, and nobody was asked for it then"
            )?;
        }
        Ok(())
    }
}
