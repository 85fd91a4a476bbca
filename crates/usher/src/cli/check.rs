//! `usher check`: compiles the config and shows every problem; touches nothing.
//!
//! [`load`] is also how `run` and a reload get their plan, so that what was checked is what runs.

use std::{
    cell::RefCell,
    fmt,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use usher_rules::{
    config::{self, Environment, Files, Input},
    plain_text,
    plan::{self, Level, Plan},
    problem::{Place, Problem, Rendered, Severity, Summary},
    time::Clock as _,
};

use crate::{
    certs::{self, CertError},
    server::{self, StartError, SystemClock},
};

/// The longest file that is read: a config, a key, a certificate. In bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Exit status for a config that can't run.
const BAD_CONFIG: u8 = 2;

/// What `usher check` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Config file, `.yaml` or `.json`
    #[arg(short, long, value_name = "FILE", default_value = "/etc/usher/config.yaml")]
    pub config: PathBuf,

    /// One object a line, for programs
    #[arg(long)]
    pub json: bool,
}

/// A config that compiled, with what there is to say about it.
#[derive(Debug)]
pub struct Loaded {
    /// What the proxy runs.
    pub plan: Plan,
    /// Warnings, beside the text that they are about.
    pub findings: Findings,
    /// Every file that it names and that was looked at: keys, secrets, certificates.
    pub files: Vec<PathBuf>,
}

/// Problems beside the text that they are about, ready to be shown.
#[derive(Debug)]
pub struct Findings {
    /// The file's name as the operator gave it.
    pub file: String,
    /// Its text.
    text: String,
    /// In the order of the file.
    problems: Vec<Problem>,
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
        /// What the system says.
        source: io::Error,
    },
    /// A folder stands in its place.
    #[error("{} is a folder, not a config file", .0.display())]
    Folder(PathBuf),
    /// It was read, and it is refused.
    #[error("{}", .0.first_error())]
    Refused(Findings),
}

/// Reads the config at `path`, the files it names and `env`, and compiles them.
///
/// Blocks on the disk: call it at the start, or where blocking is fine.
///
/// # Errors
///
/// [`LoadFailure`]: the caller goes on with what it has, or ends.
pub fn load(path: &Path, env: &Environment) -> Result<Loaded, LoadFailure> {
    let unreadable = |source| LoadFailure::Unreadable { path: path.to_owned(), source };
    if path.is_dir() {
        return Err(LoadFailure::Folder(path.to_owned()));
    }
    let (name, bytes) = match read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_config(env) => {
            (None, Vec::new())
        }
        other => (Some(path.display().to_string()), other.map_err(unreadable)?),
    };
    let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8");
    let text = String::from_utf8(plain_text::utf8(&bytes).to_vec())
        .map_err(not_text)
        .map_err(unreadable)?;
    let draft = config::read(Input { name: name.as_deref(), text: &text }, env);
    let file = name.unwrap_or_else(|| "the environment".to_owned());
    let disk = Disk::default();
    match plan::compile(draft, &disk) {
        Ok((plan, mut problems)) => {
            let refused = server::refusals(&plan);
            if !refused.is_empty() {
                problems.extend(refused.iter().map(unusable));
                return Err(LoadFailure::Refused(Findings { file, text, problems }));
            }
            let findings = Findings { file, text, problems };
            Ok(Loaded { plan, findings, files: disk.asked.into_inner() })
        }
        Err(problems) => Err(LoadFailure::Refused(Findings { file, text, problems })),
    }
}

/// Is the environment a config by itself? Containers are often set up so.
fn is_config(env: &Environment) -> bool {
    let said = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
    said("ROUTES") || said("POLICY") || said("SERVICES")
}

impl LoadFailure {
    /// What to do about it; problems of a config bring their own help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
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

/// The process's environment, as [`load`] takes it. Variables that are not text are left out.
pub fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What a check comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It runs.
    Good,
    /// It runs, and a certificate of it can't be used.
    Halting,
    /// It can't run.
    Bad,
}

/// Checks a config: status 0 when it can run, 1 when it runs without one of its certificates, 2
/// when it can't.
pub fn run(args: &Args) -> ExitCode {
    let mut out = io::stdout().lock();
    match check(args, &environment(), &mut out) {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Halting) => ExitCode::FAILURE,
        Ok(Outcome::Bad) | Err(_) => ExitCode::from(BAD_CONFIG), // a closed pipe: nobody reads on
    }
}

/// Writes what there is to say.
fn check(args: &Args, env: &Environment, out: &mut impl Write) -> io::Result<Outcome> {
    let (findings, troubles, is_good) = match load(&args.config, env) {
        Ok(Loaded { findings, plan, .. }) => {
            (findings, certs::diagnose(&plan, SystemClock.now().wall), true)
        }
        Err(LoadFailure::Refused(findings)) => (findings, Vec::new(), false),
        Err(failure) => {
            if args.json {
                let object = serde_json::json!({"severity": "error", "what": failure.to_string()});
                writeln!(out, "{object}")?;
            } else {
                writeln!(out, "error: {failure}")?;
                // told where it was called wrongly; a missing file says enough here
                if let (LoadFailure::Folder(_), Some(hint)) = (&failure, failure.hint()) {
                    writeln!(out, "hint: {hint}")?;
                }
            }
            return Ok(Outcome::Bad);
        }
    };
    if args.json {
        for object in findings.to_json().chain(troubles.iter().map(object_of)) {
            writeln!(out, "{object}")?;
        }
    } else {
        write!(out, "{findings}")?;
        for trouble in &troubles {
            let (word, help) = (severity_of(trouble).word(), trouble.hint());
            write!(out, "{word}: {trouble}\n  = help: {help}\n\n")?;
        }
        writeln!(out, "{}", findings.summary())?;
        if !troubles.is_empty() {
            writeln!(out, "certificates: {} to look at", troubles.len())?;
        }
    }
    let is_unusable = |problem: &Problem| CERTIFICATE_FILES.contains(&problem.code);
    let halts = troubles.iter().any(|trouble| severity_of(trouble) == Severity::Error)
        || findings.problems().iter().any(is_unusable);
    Ok(match (is_good, halts) {
        (false, _) => Outcome::Bad,
        (true, true) => Outcome::Halting,
        (true, false) => Outcome::Good,
    })
}

/// Codes that a config which runs has for a certificate's file alone.
const CERTIFICATE_FILES: &[&str] = &["U209", "U210", "U213"];

fn severity_of(trouble: &CertError) -> Severity {
    match trouble.level() {
        Level::Error => Severity::Error,
        Level::Warn | Level::Info | Level::Debug => Severity::Warning,
    }
}

fn object_of(trouble: &CertError) -> serde_json::Value {
    serde_json::json!({
        "severity": severity_of(trouble).word(),
        "what": trouble.to_string(),
        "help": trouble.hint(),
    })
}

impl Findings {
    /// All of them, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many there are.
    pub fn summary(&self) -> String {
        Summary { file: &self.file, problems: &self.problems }.to_string()
    }

    /// The first error in one line, as a log has it: `config.yaml:11:5 U110 unknown key …`.
    pub fn first_error(&self) -> String {
        let first = self.problems.iter().find(|problem| problem.severity == Severity::Error);
        first.map_or_else(
            || self.summary(),
            |problem| {
                format!("{} {} {}", self.rendered(problem).place(), problem.code, problem.what)
            },
        )
    }

    /// One object for each.
    pub fn to_json(&self) -> impl Iterator<Item = serde_json::Value> {
        self.problems.iter().map(|problem| self.rendered(problem).to_json())
    }

    fn rendered<'a>(&'a self, problem: &'a Problem) -> Rendered<'a> {
        Rendered { problem, file: &self.file, text: &self.text }
    }
}

impl fmt::Display for Findings {
    /// Each with its place and a blank line after it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| write!(f, "{}\n\n", self.rendered(problem)))
    }
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

#[cfg(test)]
mod tests {
    use std::fs;

    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};

    use super::{Args, Environment, LoadFailure, Outcome, check, load};

    fn checked(text: &[u8], json: bool) -> (Outcome, String) {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yaml");
        fs::write(&config, text).unwrap();
        let mut out = Vec::new();
        let good =
            check(&Args { config: config.clone(), json }, &Environment::new(), &mut out).unwrap();
        let shown = String::from_utf8(out).unwrap();
        (good, shown.replace(&config.display().to_string(), "config.yaml"))
    }

    #[test]
    fn every_problem_is_shown() {
        let (good, shown) =
            checked(b"adress: :1\nroutes:\n- from: https://a.test\n  to: http://b\n", false);
        assert_eq!(good, Outcome::Bad);
        assert_eq!(
            shown,
            "error[U110]: unknown key `adress` at the top level\n --> config.yaml:1:1\n  |\n1 | adress: :1\n  | ^^^^^^\n  \
             = help: did you mean `address`?\n\nwarning[U532]: nobody is let in by this route: it has no policy\n \
             --> config.yaml:3:3\n  |\n3 | - from: https://a.test\n  |   ^^^^\n  = help: add a `policy`, or \
             `allow_any_authenticated_user: true`\n\nconfig.yaml: 1 error, 1 warning\n"
        );
    }

    #[test]
    fn warnings_do_not_fail_it() {
        let (good, shown) = checked(b"", true);
        assert_eq!(good, Outcome::Good);
        let object: serde_json::Value = serde_json::from_str(shown.trim()).unwrap();
        assert_eq!(
            (object["code"].as_str(), object["severity"].as_str()),
            (Some("U130"), Some("warning"))
        );
    }

    #[test]
    fn what_is_no_text_is_told() {
        let (good, shown) = checked(b"a: \xff", false);
        assert_eq!(good, Outcome::Bad);
        assert_eq!(shown, "error: can't read the config config.yaml: it is not text in UTF-8\n");
        let missing = load("/nonexistent/config.yaml".as_ref(), &Environment::new()).unwrap_err();
        assert!(matches!(missing, LoadFailure::Unreadable { .. }), "{missing}");
    }

    /// `run` refuses these without asking network or disk, so `check` does.
    #[test]
    fn what_stops_run_stops_check() {
        let route = "routes:\n- from: https://a.test\n  to: http://b\n  allow_any_authenticated_user: true\n";
        let base64 = |text: &str| STANDARD.encode(text);
        let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
        let pair = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let (cert, other) = (pair.cert.pem(), KeyPair::generate().unwrap().serialize_pem());
        let metrics = format!(
            "metrics_address: 127.0.0.1:9090\nmetrics_certificate: {}\nmetrics_certificate_key: {}\n",
            base64(&cert),
            base64(&other)
        );
        for (keys, words) in [
            ("address: host.example:443\n".to_owned(), "`address` is not an address"),
            ("http_redirect_addr: host.example\n".to_owned(), "`http_redirect_addr` is not"),
            ("metrics_address: host.example:1\n".to_owned(), "`metrics_address` is not"),
            ("address: :80\nhttp_redirect_addr: 80\n".to_owned(), "are the same address"),
            (format!("signing_key: {}\n", base64(&p384)), "`signing_key` is neither"),
            (metrics, "`metrics_certificate_key` is not the key of `metrics_certificate`"),
        ] {
            let (outcome, shown) = checked(format!("{keys}{route}").as_bytes(), false);
            assert_eq!(outcome, Outcome::Bad, "{keys}");
            assert!(shown.contains(words), "{keys}: {shown}");
        }
        for keys in
            ["address: 25443\nhttp_redirect_addr: 25080\n", "metrics_address: localhost:9090\n"]
        {
            let (outcome, shown) = checked(format!("{keys}{route}").as_bytes(), false);
            assert_eq!((outcome, shown.as_str()), (Outcome::Good, "config.yaml: no problems\n"));
        }
    }

    #[test]
    fn a_folder_in_the_place_of_a_config_is_told_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let failure = load(folder.path(), &Environment::new()).unwrap_err();
        assert!(failure.to_string().ends_with("is a folder, not a config file"), "{failure}");
        assert!(failure.hint().unwrap().starts_with("Docker makes an empty folder"));
    }

    #[test]
    fn a_config_from_the_environment_alone_is_one() {
        let missing = "/nonexistent/config.yaml".as_ref();
        let routes =
            "- from: https://a.test\n  to: http://b\n  allow_any_authenticated_user: true\n";
        let mut env = Environment::from([("ADDRESS".to_owned(), "8443".to_owned())]);
        assert!(matches!(load(missing, &env), Err(LoadFailure::Unreadable { .. })), "a stray one");
        env.insert("ROUTES".to_owned(), STANDARD.encode(routes));
        let loaded = load(missing, &env).unwrap();
        assert_eq!((loaded.plan.routes.len(), &*loaded.plan.listen.address), (1, ":8443"));
        assert_eq!(loaded.findings.summary(), "the environment: no problems");
    }

    #[test]
    fn a_config_of_any_editor_is_read() {
        let text = "routes:\r\n- from: https://a.test\r\n  to: http://b\r\n  allow_any_authenticated_user: true\r\n";
        let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
        let utf16: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
        for bytes in [utf16, format!("\u{feff}{text}").into_bytes()] {
            assert_eq!(checked(&bytes, false).1, "config.yaml: no problems\n");
        }
    }

    #[test]
    fn named_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
        let config = folder.path().join("config.yaml");
        fs::write(&config, format!("shared_secret_file: {}\n", secret.display())).unwrap();
        let loaded = load(&config, &Environment::new()).unwrap();
        assert_eq!(
            loaded.plan.secrets.shared.unwrap().expose(),
            b"0123456789abcdef0123456789abcdef"
        );
        fs::remove_file(&secret).unwrap();
        let refused = load(&config, &Environment::new()).unwrap_err().to_string();
        assert!(
            refused.contains(":1:21 U209 the file of `shared_secret_file` can't be read"),
            "{refused}"
        );
    }
}
