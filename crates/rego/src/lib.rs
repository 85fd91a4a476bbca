//! Rules in Rego beside usher's policies, as Pomerium runs them (`pomerium-config.md` §4.9).
//!
//! A module is read and checked when a config is loaded: its syntax, its package, and whether all
//! that it asks for is there. Then it is asked once per decision for the whole of its package, so
//! that a rule which contradicts itself is seen wherever it stands.

mod available;
mod input;
mod module;

use std::sync::Arc;

use regorus::Engine;
use usher_rules::policy::{
    Facts,
    rego::{Answer, Compiled, Compiler, Mistake, MistakeKind, Module, Unanswered},
};

use module::{Asked, PACKAGE};

/// Compiles modules by regorus.
#[derive(Clone, Copy, Debug, Default)]
pub struct Regorus;

/// What a module without a package begins with, as Pomerium writes it there.
const HEADER: &str = "package pomerium.policy\n\n";

impl Compiler for Regorus {
    fn compile(&self, text: &str) -> Compiled {
        let (module, mut mistakes) = match read(text) {
            Ok((engine, _)) if package(&engine) != Some(PACKAGE.into()) => {
                let name = package(&engine).unwrap_or_default();
                let what =
                    format!("nobody asks for `package {}`", name.trim_start_matches("data."));
                let mistake = Mistake { kind: MistakeKind::Package, at: None, what };
                let module: Arc<dyn Module> = Arc::new(Elsewhere);
                (Some(module), vec![mistake])
            }
            Ok((engine, added)) => checked(engine, added),
            Err(mistake) => (None, vec![mistake]),
        };
        mistakes.sort_by_key(|mistake| mistake.at);
        Compiled { module, mistakes }
    }
}

type Checked = (Option<Arc<dyn Module>>, Vec<Mistake>);

fn checked(engine: Engine, added: Added) -> Checked {
    let mut mistakes = available::missing(&engine);
    mistakes.iter_mut().for_each(|mistake| added.taken_from(mistake));
    if !mistakes.is_empty() {
        return (None, mistakes);
    }
    match Asked::prepare(engine) {
        Ok((module, says_nothing)) => (Some(Arc::new(module)), says_nothing.into_iter().collect()),
        Err(error) => (None, vec![mistake(&error, added)]),
    }
}

/// Lines that were put in front of a text.
#[derive(Clone, Copy)]
struct Added(usize);

impl Added {
    fn taken_from(self, mistake: &mut Mistake) {
        let at = mistake.at.map(|(line, column)| (line.saturating_sub(self.0).max(1), column));
        mistake.at = at;
    }
}

/// Reads a text in the language of today, and where that can't be, of before OPA 1.0, in which rules
/// have no `if`.
fn read(text: &str) -> Result<(Engine, Added), Mistake> {
    let (whole, added) = match today(text) {
        Err(error) if error.contains("Missing package declaration") => {
            (format!("{HEADER}{text}"), Added(HEADER.matches('\n').count()))
        }
        Ok(_) | Err(_) => (text.to_owned(), Added(0)),
    };
    let engine = match today(&whole) {
        // Only then: the reader of before tells its doubts to the terminal.
        Err(error) if error.contains("keyword is required") => {
            parsed(engine(Language::Before), &whole)
        }
        outcome => outcome,
    };
    engine.map(|engine| (engine, added)).map_err(|error| mistake(&error, added))
}

fn today(text: &str) -> Result<Engine, String> {
    parsed(engine(Language::Today), text)
}

fn parsed(mut engine: Engine, text: &str) -> Result<Engine, String> {
    match engine.add_policy(FILE.into(), text.into()) {
        Ok(_) => Ok(engine),
        Err(error) => Err(error.to_string()),
    }
}

/// The name of every module in errors.
const FILE: &str = "module";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Today,
    Before,
}

fn engine(language: Language) -> Engine {
    let mut engine = Engine::new();
    engine.set_rego_v0(language == Language::Before);
    // What a built-in function can't do is undefined, as OPA has it for Pomerium.
    engine.set_strict_builtin_errors(false);
    // `print` writes to no terminal of ours.
    engine.set_gather_prints(true);
    engine
}

fn package(engine: &Engine) -> Option<String> {
    engine.get_packages().ok()?.into_iter().next()
}

/// What regorus says: `--> module:LINE:COLUMN`, the line, and `error: WORDS`.
fn mistake(error: &str, added: Added) -> Mistake {
    let place = error.split_once(&format!("--> {FILE}:")).map(|(_, rest)| rest);
    let numbers = place.and_then(|rest| rest.lines().next()?.split_once(':'));
    let at =
        numbers.and_then(|(line, column)| Some((line.parse().ok()?, column.trim().parse().ok()?)));
    let said = module::said(error).split(" (path").next().unwrap_or_default();
    let what = format!("this is no Rego: {}", said.trim_end_matches(['.', ':']));
    let mut mistake = Mistake { kind: MistakeKind::Invalid, at, what };
    added.taken_from(&mut mistake);
    mistake
}

/// A module in a package that nobody asks for: it answers no request, so it lets nobody in.
#[derive(Debug)]
struct Elsewhere;

impl Module for Elsewhere {
    fn ask(&self, _: &Facts<'_>) -> Result<Answer, Unanswered> {
        Err(Unanswered("its package is not `pomerium.policy`".into()))
    }

    fn asks_for_fields(&self) -> bool {
        false
    }
}
