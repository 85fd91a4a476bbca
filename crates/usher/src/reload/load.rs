use std::{
    cell::RefCell,
    fmt,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use usher_rules::{
    config::{self, Effective, Environment, Files, Input},
    plain_text,
    plan::{self, Plan},
    policy::rego::Compiler,
    problem::{Place, Problem, Severity},
    time::{Clock as _, Now},
};

use super::{Findings, policy_tests};
use crate::{
    certs::{self, Shown, Unfit},
    server::{self, StartError, SystemClock},
};

/// The longest file that is read: a config, a key, a certificate. In bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Where a config is.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// In a file, over which the environment wins. Without the file, the environment may be a config
    /// by itself.
    File {
        /// As the operator gave it.
        path: &'a Path,
        /// As [`environment`] makes it.
        environment: &'a Environment,
    },
    /// A text of our own, which no environment changes.
    Text {
        /// Its ending tells the format.
        name: &'a str,
        /// The whole config.
        text: &'a str,
    },
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => path.display().fmt(f),
            Self::Text { name, .. } => f.write_str(name),
        }
    }
}

/// A config that compiled, with what there is to say about it.
#[derive(Debug)]
pub struct Loaded {
    /// The config, compiled.
    pub plan: Plan,
    /// What is in force, defaults included.
    pub effective: Effective,
    /// Warnings, beside the text that they are about.
    pub problems: Findings,
    /// Every file that was read for it and whose change is a change of the plan.
    pub files: Vec<PathBuf>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadFailure {
    /// The file itself can't be read.
    #[error("can't read the config {}: {source}", path.display())]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A folder stands in its place.
    #[error("{} is a folder, not a config file", .0.display())]
    Folder(PathBuf),
    /// It was read, and it is refused.
    #[error("{}", .0.first_error())]
    Refused(Findings),
}

/// Reads a config and the files that it names, and compiles it. There is no other way to a plan.
///
/// Blocks on the disk: call it at the start, or where blocking is fine.
///
/// # Errors
///
/// [`LoadFailure`]: the caller goes on with what it has, or ends.
pub fn load(source: Source<'_>) -> Result<Loaded, LoadFailure> {
    let nothing_set = Environment::new();
    let disk = Disk::default();
    let (name, text, environment, garbled) = match source {
        Source::File { path, environment } => {
            let (name, bytes) = read_config(path, environment)?;
            disk.asked.borrow_mut().push(path.to_owned());
            let (text, garbled) = as_text(&bytes);
            (name, text, environment, garbled)
        }
        Source::Text { name, text } => (Some(name.to_owned()), text.to_owned(), &nothing_set, None),
    };
    let draft = config::read(Input { name: name.as_deref(), text: &text }, environment);
    let (places, effective) = (draft.certificate_places(), Effective::of(&draft));
    let compiled = plan::compile_with(draft, &disk, rego());
    let file = name.unwrap_or_else(|| "the environment".to_owned());
    let found = |problems| Findings { file, text, problems };
    let (plan, mut problems) = match (compiled, garbled) {
        (Ok(compiled), None) => compiled,
        (Ok((_, mut problems)) | Err(mut problems), garbled) => {
            problems.extend(garbled);
            plan::sort(&mut problems);
            return Err(LoadFailure::Refused(found(problems)));
        }
    };
    let (refused, now) = (server::refusals(&plan), SystemClock.now());
    problems.extend(certs::unfit(&plan, now.wall).iter().map(|unfit| unfit_at(unfit, &places)));
    problems.extend(certs::untimely(&plan, now.wall).iter().map(untimely));
    problems.extend(refused.iter().map(unusable));
    let (plan, failing) = tested(plan, now);
    let is_refused = !refused.is_empty() || !failing.is_empty();
    problems.extend(failing);
    plan::sort(&mut problems);
    if is_refused {
        return Err(LoadFailure::Refused(found(problems)));
    }
    let files = disk.asked.into_inner().into_iter().chain(beside_certificates(&plan)).collect();
    Ok(Loaded { plan, effective, problems: found(problems), files })
}

/// The plan, and what its own tests say against it.
#[expect(clippy::expect_used, reason = "INVARIANT: nobody keeps a plan that was asked about")]
fn tested(plan: Plan, now: Now) -> (Plan, Vec<Problem>) {
    let plan = Arc::new(plan);
    let failing = policy_tests::failing(&plan, now);
    (Arc::into_inner(plan).expect("each inquiry is over"), failing)
}

/// The file's name and octets; no name where the environment alone is the config.
fn read_config(
    path: &Path,
    environment: &Environment,
) -> Result<(Option<String>, Vec<u8>), LoadFailure> {
    let unreadable = |source| LoadFailure::Unreadable { path: path.to_owned(), source };
    if path.is_dir() {
        return Err(LoadFailure::Folder(path.to_owned()));
    }
    let bytes = match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_config(environment) => {
            return Ok((None, Vec::new()));
        }
        other => other.map_err(unreadable)?,
    };
    Ok((Some(path.display().to_string()), bytes))
}

/// The text, and where it is none: one letter of an old editor hides no other mistake.
fn as_text(bytes: &[u8]) -> (String, Option<Problem>) {
    let bytes = plain_text::utf8(bytes);
    let Err(error) = std::str::from_utf8(&bytes) else {
        return (String::from_utf8_lossy(&bytes).into_owned(), None);
    };
    let at = error.valid_up_to();
    let shown = char::REPLACEMENT_CHARACTER.len_utf8();
    let problem = Problem::error(
        "U112",
        at..at + shown,
        "this is not text in UTF-8",
        "write the character anew, and save the file as UTF-8 in your editor",
    );
    (String::from_utf8_lossy(&bytes).into_owned(), Some(problem))
}

/// Is the environment a config by itself? Containers are often set up so.
fn is_config(environment: &Environment) -> bool {
    let is_set = |name: &str| environment.get(name).is_some_and(|value| !value.is_empty());
    is_set("ROUTES") || is_set("POLICY") || is_set("SERVICES")
}

/// Files that the config does not name: OCSP responses, and those in a folder of pairs.
fn beside_certificates(plan: &Plan) -> impl Iterator<Item = PathBuf> {
    let pairs = plan.listen.certificate_files.iter();
    let staples = pairs.map(|pair| pair.cert.with_extension("ocsp"));
    staples.chain(plan.listen.certificates_dir.clone())
}

impl LoadFailure {
    /// Each problem of the config, where those are why.
    pub fn to_json(&self) -> Vec<serde_json::Value> {
        match self {
            Self::Refused(findings) => findings.to_json().collect(),
            Self::Unreadable { .. } | Self::Folder(_) => Vec::new(),
        }
    }

    /// What to do about it; problems of a config bring their own help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some(
                    "let the user that usher runs as read it, and the folders above it: \
                     `namei -l FILE` shows whose they are",
                )
            }
            Self::Unreadable { .. } => {
                Some("name another with --config FILE, or try it first: usher demo")
            }
            Self::Folder(_) => Some(
                "Docker makes an empty folder where the file of a volume is missing: stop the container, \
                 remove the folder, put the config into a folder of its own and mount that folder; \
                 without Docker, name the file in it: --config FOLDER/config.yaml",
            ),
            Self::Refused(_) => None,
        }
    }
}

/// A key or certificate that the start would refuse. Its words name the key.
fn unusable(error: &StartError) -> Problem {
    let help = error.hint().unwrap_or_default();
    Problem::new(Severity::Error, "U213", Place::Whole, error.to_string(), help)
}

/// A certificate that nobody is shown who asks for a host of the config.
fn unfit_at(Unfit { named, subjects }: &Unfit, places: &[(Option<PathBuf>, Place)]) -> Problem {
    let at = places.iter().find(|(one, _)| one == named).map(|(_, at)| at.clone());
    let whom = match subjects.as_slice() {
        [] => "no host at all: a common name does not count".to_owned(),
        few if few.len() <= 3 => few.join(", "),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    };
    let what = format!("this is for none of the hosts that the config names; it is for {whom}");
    let help = "name the certificate of a host in `from` or `authenticate_service_url`, or delete \
                this one; another one, or the local authority's, is shown in its place";
    Problem::new(Severity::Warning, "U219", at.unwrap_or(Place::Whole), what, help)
}

/// A certificate that others than visitors are shown, and that they refuse now or soon.
fn untimely(shown: &Shown) -> Problem {
    let Shown { whose, what } = shown;
    let help = "put a new one in its place, and check this machine's clock";
    Problem::new(Severity::Warning, "U217", Place::Whole, format!("{whose} {what}"), help)
}

/// The process's environment, as [`Source::File`] takes it. Variables that are not text are left out.
pub fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What compiles rules in Rego, in builds that have it.
fn rego() -> Option<&'static dyn Compiler> {
    #[cfg(feature = "rego")]
    return Some(&usher_rego::Regorus);
    #[cfg(not(feature = "rego"))]
    return None;
}

/// The disk, for files that a config names; it remembers which.
#[derive(Default)]
struct Disk {
    asked: RefCell<Vec<PathBuf>>,
}

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.asked.borrow_mut().push(path.into());
        read(Path::new(path)).map_err(|error| error.to_string())
    }
}

/// Reads a whole file of ordinary size. A device without end can't fill the memory.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read <= MAX_FILE_BYTES) {
        Ok(bytes)
    } else {
        let words = format!("it is larger than {} MiB", MAX_FILE_BYTES >> 20);
        Err(io::Error::new(io::ErrorKind::FileTooLarge, words))
    }
}
