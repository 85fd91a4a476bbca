//! Every chore: what it takes, what it does, and who does it. What is not in here is refused before
//! anything is built.

use std::{fmt::Write as _, fs, path::Path};

use crate::{
    bench, checks, docs, e2e, fuzz, mutants,
    shell::{Failure, Log, Outcome, root},
    suites, testssl,
};

/// One chore of `cargo xtask`.
pub struct Chore {
    /// What it is asked for by.
    pub name: &'static str,
    takes: &'static [Takes],
    does: &'static str,
    /// Does it, with words that it takes.
    pub run: fn(&[String], &mut Log) -> Outcome,
}

/// What a chore takes after its name, and what it means.
enum Takes {
    /// An option by itself.
    Flag(&'static str, &'static str),
    /// An option and its value.
    Value(&'static str, Word, &'static str),
    /// Any number of words.
    Words(Word, &'static str),
    /// One word, before everything else.
    One(Word, &'static str),
    /// Whatever else there is goes on to another program, which refuses it before it begins.
    Rest(&'static str),
}

/// A word that is no option: what it is called, and whether it is one.
struct Word(&'static str, fn(&str) -> bool);

const SHORT: Takes = Takes::Flag("--short", "a fraction of the time");
const QUICK: Takes = Takes::Flag("--quick", "small requests alone, for a first look");
const REPETITIONS: Takes =
    Takes::Value("--reps", Word("N", is_count), "how often each is measured, 1 to 99");

/// In the order in which they are shown.
pub const CHORES: &[Chore] = &[
    Chore {
        name: "test",
        takes: &[Takes::Rest("what `cargo test` takes, to choose among the tests")],
        does: "Build once, then run every test of the workspace",
        run: checks::test,
    },
    Chore {
        name: "check",
        takes: &[],
        does: "Formatting, lints, docs, generated files, licences; runs no tests",
        run: |_, log| checks::check(log),
    },
    Chore {
        name: "ci",
        takes: &[],
        does: "test, then check",
        run: |_, log| checks::test(&[], log).and_then(|()| checks::check(log)),
    },
    Chore {
        name: "lines",
        takes: &[],
        does: "The ten longest functions, and whether all keep within the limits",
        run: |_, log| checks::lines(log),
    },
    Chore {
        name: "tools",
        takes: &[],
        does: "Install what the tests start: authorities, DNS servers",
        run: |_, _| checks::needed(),
    },
    Chore {
        name: "e2e",
        takes: &[Takes::Words(Word("SUITE", is_suite), "those alone whose name has this in it")],
        does: "Browsers, providers and client libraries against a real usher",
        run: e2e::run,
    },
    Chore {
        name: "fuzz",
        takes: &[
            Takes::One(Word("TARGET", is_fuzz_target), "this one, under libFuzzer"),
            Takes::Rest("what libFuzzer takes"),
        ],
        does: "Each parser and state machine with changed seeds; one under libFuzzer if named",
        run: fuzz::run_targets,
    },
    Chore {
        name: "machines",
        takes: &[Takes::Words(Word("NAME", is_machine), "those alone whose name has this in it")],
        does: "A million steps of each state machine of sign-in, from seeds",
        run: checks::machines,
    },
    Chore {
        name: "suites",
        takes: &[Takes::Flag("--long", "all of Autobahn's cases")],
        does: "h2spec and Autobahn's cases, through usher; results in target/suites",
        run: suites::check,
    },
    Chore {
        name: "testssl",
        takes: &[],
        does: "testssl.sh against a served host; keeps its summary",
        run: |_, log| testssl::check(log),
    },
    Chore {
        name: "measure",
        takes: &[SHORT],
        does: "Memory: 4 GiB down and up, a reader that stalls, 2,000 idle WebSockets; then ten \
               seconds of reload-storm",
        run: bench::measure,
    },
    Chore {
        name: "instructions",
        takes: &[Takes::Flag("--renew", "what is counted is what is known from now on")],
        does: "What a request costs in instructions, step by step, beside what is known",
        run: bench::instructions,
    },
    Chore {
        name: "siege",
        takes: &[
            SHORT,
            Takes::Value("--kind", Word("NAME", is_any), "those alone whose name has this in it"),
        ],
        does: "1,000 hostile clients of each kind, and a film, a sign-in, a reload beside them",
        run: bench::siege,
    },
    Chore {
        name: "reload-storm",
        takes: &[SHORT],
        does: "A reload every 100 ms for a minute: drops no request, tears none, leaks nothing",
        run: bench::storm,
    },
    Chore {
        name: "tunnels",
        takes: &[
            SHORT,
            Takes::Value("--kind", Word("crowd|speed", is_kind_of_tunnels), "one of both"),
        ],
        does: "1,000 tunnels under a reload a second; one at full speed beside socat",
        run: bench::tunnels,
    },
    Chore {
        name: "apps",
        takes: &[REPETITIONS],
        does: "What 10,000 apps that people let in weigh, and a request of one costs beside a \
               browser's",
        run: bench::apps,
    },
    Chore {
        name: "routes",
        takes: &[],
        does: "Loading, memory, finding a route and deciding, for 10 to 10,000 hosts",
        run: |_, log| bench::routes(log),
    },
    Chore {
        name: "cases",
        takes: &[Takes::Words(Word("FILE", is_file), "this one, in place of those that we keep")],
        does: "What Pomerium answered to golden cases, beside ours; prints each that differs",
        run: checks::cases,
    },
    Chore {
        name: "dist",
        takes: &[Takes::Flag(
            "--train",
            "count the profile anew, after changes of the request path",
        )],
        does: "Build what is shipped, by the profile in bench/usher.profdata",
        run: bench::dist,
    },
    Chore {
        name: "bench",
        takes: &[
            QUICK,
            Takes::Value("--contenders", Word("A,B", is_any), "who takes part"),
            Takes::Value("--tests", Word("A,B", is_any), "in what"),
            Takes::Value("--kind", Word("NAME", is_any), "which kind of many"),
            REPETITIONS,
            Takes::Value("--before", Word("FILE", is_file), "an usher to compare with"),
            Takes::Value("--profile", Word("release|dist", is_profile), "how usher is built"),
            Takes::Flag("--peers-only", "without usher"),
        ],
        does: "CPU per request, handshake and GiB, latency and memory, beside nginx, HAProxy, Envoy \
               and Caddy, as ratios, and what grows with many of everything; a whole run into \
               bench/results.json, a part into target/bench.json",
        run: bench::compare,
    },
    Chore {
        name: "mutants",
        takes: &[
            Takes::Flag("--all", "all the code that decides who comes in: days"),
            Takes::Words(Word("FILE", is_file), "this file: minutes to an hour"),
        ],
        does: "Breaks the code that decides who comes in, one place at a time, and tells what no test \
               notices",
        run: mutants::run,
    },
    Chore {
        name: "docs",
        takes: &[],
        does: "Write the generated files under docs/reference anew",
        run: |_, log| docs::renew(log),
    },
];

/// What was asked for.
pub enum Asked<'a> {
    /// To be told this.
    Help(String),
    /// That this is done.
    Chore(&'static Chore, &'a [String]),
}

/// Reads the command line; nothing has been done after it.
pub fn asked(words: &[String]) -> Result<Asked<'_>, Failure> {
    let Some((name, rest)) = words.split_first() else { return Ok(Asked::Help(usage())) };
    if matches!(&**name, "help" | "-h" | "--help") {
        return Ok(Asked::Help(usage()));
    }
    let Some(chore) = CHORES.iter().find(|chore| chore.name == *name) else {
        return Err(Failure::new(format!("no chore is called `{name}`\n\n{}", usage())));
    };
    let mut own = rest.iter().take_while(|word| *word != "--");
    if own.any(|word| matches!(&**word, "-h" | "--help")) {
        return Ok(Asked::Help(chore.help()));
    }
    chore.takes(rest).map_err(|why| Failure::new(format!("{why}\n\n{}", chore.help())))?;
    Ok(Asked::Chore(chore, rest))
}

impl Chore {
    /// Are they words that it takes?
    fn takes(&self, words: &[String]) -> Result<(), String> {
        let has_rest = self.takes.iter().any(|it| matches!(it, Takes::Rest(_)));
        let is_named_first = self.takes.iter().any(|it| matches!(it, Takes::One(..)));
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let known = self.takes.iter().find(|it| it.is_for(word));
            let value = match known {
                Some(Takes::Flag(..)) => continue,
                Some(Takes::Value(_, kind, _)) => {
                    let value = words.next();
                    (kind, value.ok_or_else(|| format!("`{word}` needs its {}", kind.0))?)
                }
                Some(Takes::Words(kind, _) | Takes::One(kind, _)) => (kind, word),
                Some(Takes::Rest(_)) if !is_named_first => return Ok(()),
                Some(Takes::Rest(_)) | None => {
                    return Err(format!("`{}` does not take `{word}`", self.name));
                }
            };
            let (Word(kind, is_one), value) = value;
            if !is_one(value) {
                return Err(format!("`{value}` is no {kind} that `{}` knows", self.name));
            }
            if has_rest {
                return Ok(());
            }
        }
        Ok(())
    }

    fn synopsis(&self) -> String {
        self.takes.iter().fold(self.name.to_owned(), |line, it| format!("{line} [{}]", it.shown()))
    }

    /// What it takes and does.
    fn help(&self) -> String {
        let mut text = format!("Usage: cargo xtask {}\n\n", self.synopsis());
        wrapped(&mut text, "", self.does);
        if !self.takes.is_empty() {
            text.push('\n');
        }
        for it in self.takes {
            let _written = writeln!(text, "  {:<24}  {}", it.shown(), it.means());
        }
        text
    }
}

impl Takes {
    fn is_for(&self, word: &str) -> bool {
        match self {
            Self::Flag(name, _) | Self::Value(name, ..) => *name == word,
            Self::Words(..) | Self::One(..) => !word.starts_with('-'),
            Self::Rest(_) => true,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Flag(name, _) => (*name).to_owned(),
            Self::Value(name, Word(kind, _), _) => format!("{name} {kind}"),
            Self::Words(Word(kind, _), _) => format!("{kind} …"),
            Self::One(Word(kind, _), _) => (*kind).to_owned(),
            Self::Rest(_) => "ARG …".to_owned(),
        }
    }

    const fn means(&self) -> &'static str {
        match self {
            Self::Flag(_, means) | Self::Value(_, _, means) | Self::Rest(means) => means,
            Self::Words(_, means) | Self::One(_, means) => means,
        }
    }
}

/// All of them.
fn usage() -> String {
    let mut text = "Usage: cargo xtask <CHORE>\n\n".to_owned();
    for chore in CHORES {
        let synopsis = chore.synopsis();
        let begin = if synopsis.chars().count() < 18 {
            format!("  {synopsis:<18}")
        } else {
            let _written = writeln!(text, "  {synopsis}");
            " ".repeat(20)
        };
        wrapped(&mut text, &begin, chore.does);
    }
    text.push_str("\ncargo xtask CHORE --help says what each word means.\n");
    text
}

/// `words` after `begin`, in lines of a hundred characters that all begin below the first word.
fn wrapped(text: &mut String, begin: &str, words: &str) {
    let indent = begin.chars().count();
    let mut line = begin.to_owned();
    for word in words.split(' ') {
        let is_begun = line.chars().count() > indent;
        if is_begun && line.chars().count() + 1 + word.chars().count() > 100 {
            let _written = writeln!(text, "{line}");
            line = " ".repeat(indent);
        } else if is_begun {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _written = writeln!(text, "{line}");
}

const fn is_any(_: &str) -> bool {
    true
}

fn is_count(word: &str) -> bool {
    word.parse().is_ok_and(|count: usize| (1..=99).contains(&count))
}

fn is_kind_of_tunnels(word: &str) -> bool {
    matches!(word, "crowd" | "speed")
}

fn is_profile(word: &str) -> bool {
    matches!(word, "release" | "dist")
}

/// From the root of the repository, where everything is run.
fn is_file(word: &str) -> bool {
    root().join(word).is_file()
}

fn is_suite(word: &str) -> bool {
    let suites = names(&root().join("e2e/suites"));
    suites.iter().filter_map(|name| name.strip_suffix(".test.mjs")).any(|name| name.contains(word))
}

/// As the table of targets has it.
fn is_fuzz_target(word: &str) -> bool {
    let table = fs::read_to_string(root().join("fuzz/src/targets/mod.rs")).unwrap_or_default();
    table.contains(&format!("\n    \"{word}\" "))
}

/// A file of machines, or a test of theirs.
fn is_machine(word: &str) -> bool {
    let folder = root().join("crates/usher/tests/machines");
    let is_test = |line: &str| line.split_once("fn ").is_some_and(|(_, name)| name.contains(word));
    names(&folder).iter().any(|name| name.trim_end_matches(".rs").contains(word))
        || texts(&folder).iter().any(|text| text.lines().any(is_test))
}

fn names(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.file_name().into_string().ok()).collect()
}

fn texts(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| fs::read_to_string(file.path()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Asked, CHORES, asked};

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn every_chore_tells_what_it_takes_and_refuses_the_rest() {
        for chore in CHORES {
            for help in ["--help", "-h", "--no-such --help"] {
                let line = words(&format!("{} {help}", chore.name));
                let Ok(Asked::Help(text)) = asked(&line) else { panic!("{line:?} began") };
                assert!(text.starts_with(&format!("Usage: cargo xtask {}", chore.name)), "{text}");
                for it in chore.takes {
                    assert!(text.contains(&it.shown()) && text.contains(it.means()), "{text}");
                }
            }
            let goes_on = ["test"].contains(&chore.name); // cargo refuses it at once
            let refused = asked(&words(&format!("{} --no-such", chore.name))).is_err();
            assert_ne!(refused, goes_on, "{}", chore.name);
        }
    }

    #[test]
    fn what_a_chore_takes() {
        for (line, is_taken, why) in [
            ("siege --short --kind slow", true, "two options"),
            ("siege --kind", false, "without its value"),
            ("siege slow", false, "no word is taken"),
            ("tunnels --kind crowd", true, "one of both"),
            ("tunnels --kind crowds", false, "neither"),
            ("bench --reps 3 --profile release", true, "in any order"),
            ("bench --reps 0", false, "no number from 1 on"),
            ("bench --before no/such/usher", false, "no file"),
            ("check now", false, "it takes nothing"),
            ("routes --help-me", false, "it takes nothing"),
            ("e2e key passkeys", true, "parts of names of suites"),
            ("e2e keyclock", false, "a misspelt one"),
            ("fuzz path -max_len=64", true, "the rest is libFuzzer's"),
            ("fuzz no_such_target", false, "a misspelt one"),
            ("machines no_such_machine", false, "a misspelt one"),
            ("machines devices pairing", true, "parts of names"),
            ("mutants crates/rules/src/totp.rs", true, "a file"),
            ("cases golden/cases/none.json", false, "no file"),
            ("test -p usher -- --help", true, "another program's"),
            ("tests", false, "no chore"),
        ] {
            assert_eq!(asked(&words(line)).is_ok(), is_taken, "{line}: {why}");
        }
    }
}
