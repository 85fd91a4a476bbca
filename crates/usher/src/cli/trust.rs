//! `usher trust`: makes this machine and its browsers trust the local authority.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use super::{
    data_dir::{DataDir, is_root},
    service::tell_of_another,
};
use crate::certs::report::fingerprint;

/// The name under which browsers list it.
const NICKNAME: &str = "usher local authority";
const FILE: &str = "usher-local-authority.crt";
const NO_TVS: &str = "TVs and Chromecast take no authority of yours: for them give this server a \
                      public name and set `autocert: true`.";

/// Make this machine and its browsers trust the local authority.
///
/// Needed where usher signs its certificates itself. It takes root for the machine; the browsers are
/// those of whoever runs this. Phones: open https://HOST/.pomerium/trust on them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where usher keeps its data.
    #[command(flatten)]
    pub dir: DataDir,
    /// Take it out again
    #[arg(long, conflicts_with = "print")]
    pub uninstall: bool,
    /// Put it aside, so that the next start makes a new one: it ends soon, its key is in wrong
    /// hands, or the hosts have moved to another domain. What trusts it has to trust the new one
    #[arg(long, conflicts_with_all = ["print", "uninstall"])]
    pub renew: bool,
    /// Only print where its certificate is, and its fingerprint
    #[arg(long)]
    pub print: bool,
    /// Where the system's folders are, in tests
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub system: PathBuf,
}

/// How a family of systems keeps its own roots.
struct System {
    folder: &'static str,
    refresh: &'static [&'static str],
    /// After one was taken out.
    forget: &'static [&'static str],
}

const SYSTEMS: &[System] = &[
    System {
        folder: "usr/local/share/ca-certificates",
        refresh: &["update-ca-certificates"],
        // Without it, links to what is gone stay in `/etc/ssl/certs`.
        forget: &["update-ca-certificates", "--fresh"],
    },
    System {
        folder: "etc/pki/ca-trust/source/anchors",
        refresh: &["update-ca-trust", "extract"],
        forget: &["update-ca-trust", "extract"],
    },
    System {
        folder: "etc/ca-certificates/trust-source/anchors",
        refresh: &["trust", "extract-compat"],
        forget: &["trust", "extract-compat"],
    },
];

/// Does it. Exit status: 0 done, 1 something is left to do by hand, 2 there is nothing to trust.
pub fn run(args: &Args) -> ExitCode {
    let dir = args.dir.find();
    let (mut out, mut errors) = (io::stdout().lock(), io::stderr().lock());
    let dir = match dir {
        Ok(dir) => dir,
        Err(failure) => {
            let _nowhere_left =
                writeln!(errors, "error: {failure}\nhint: say where: --data-dir DIR");
            return ExitCode::from(2);
        }
    };
    tell_of_another(&dir);
    let ca_file = dir.join("authority/ca.pem");
    if let Err(error) = fs::File::open(&ca_file)
        && error.kind() != io::ErrorKind::NotFound
    {
        let _nowhere_left = writeln!(
            errors,
            "error: {} can't be read: {error}\nhint: sudo usher trust --data-dir {}",
            ca_file.display(),
            dir.display()
        );
        return ExitCode::from(2);
    }
    let Some(fingerprint) = fingerprint(&ca_file) else {
        let _nowhere_left = writeln!(
            errors,
            "error: {} holds no certificate\nhint: it is made at the first start of `usher run`; is \
             the data directory the one that it uses?",
            ca_file.display()
        );
        return ExitCode::from(2);
    };
    let _nowhere_left = writeln!(out, "{}\nSHA-256 {fingerprint}", ca_file.display());
    if args.print {
        return ExitCode::SUCCESS;
    }
    if args.renew {
        return renew(&dir, &mut out, &mut errors);
    }
    let mut done = system(args, &ca_file, &mut out);
    for Browsers { home, user } in browsers() {
        for store in nss_stores(&home) {
            done &= nss(args, &ca_file, &store, user.as_deref(), &mut out);
        }
    }
    if !args.uninstall {
        let _nowhere_left = writeln!(out, "{NO_TVS}");
    }
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Puts the folder aside: one rename, so there is one authority or none at any moment.
fn renew(dir: &Path, out: &mut impl Write, errors: &mut impl Write) -> ExitCode {
    let aside = (1..).map(|number| dir.join(format!("authority.old-{number}")));
    let Some(aside) = aside.into_iter().find(|aside| !aside.exists()) else {
        return ExitCode::FAILURE;
    };
    match fs::rename(dir.join("authority"), &aside) {
        Ok(()) => {
            let _nowhere_left = writeln!(
                out,
                "put aside: {}\nnext: restart usher, which makes a new one for the hosts of its \
                 config; then run `usher trust`, and open https://HOST/.pomerium/trust on each phone",
                aside.display()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _nowhere_left = writeln!(
                errors,
                "error: {} can't be renamed: {error}\nhint: run it as the user whom usher runs as",
                dir.join("authority").display()
            );
            ExitCode::FAILURE
        }
    }
}

fn system(args: &Args, ca_file: &Path, out: &mut impl Write) -> bool {
    let known = SYSTEMS.iter().find(|system| args.system.join(system.folder).is_dir());
    let Some(System { folder, refresh, forget }) = known else {
        let _nowhere_left = writeln!(
            out,
            "system: this kind is not known; add the file above to its roots by hand"
        );
        return false;
    };
    let target = args.system.join(folder).join(FILE);
    let refresh = if args.uninstall { forget } else { refresh };
    let changed = match args.uninstall {
        true => match fs::remove_file(&target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        },
        // Whatever the umask says: everybody on this machine has to read it.
        false => fs::copy(ca_file, &target)
            .and_then(|_| fs::set_permissions(&target, fs::Permissions::from_mode(0o644))),
    };
    let refreshed = changed.and_then(|()| {
        let (program, arguments) = refresh.split_first().unwrap_or((&"true", &[]));
        if args.system == Path::new("/") {
            ran(Command::new(program).args(arguments))
        } else {
            Ok(())
        }
    });
    let word = if args.uninstall { "does not trust it any more" } else { "trusts it" };
    match refreshed {
        Ok(()) => {
            let _nowhere_left = writeln!(out, "system: {word} ({})", target.display());
            true
        }
        Err(error) => {
            let by_hand = match args.uninstall {
                true => format!("sudo rm {} && sudo {}", target.display(), refresh.join(" ")),
                false => format!(
                    "sudo cp {} {} && sudo {}",
                    ca_file.display(),
                    target.display(),
                    refresh.join(" ")
                ),
            };
            let _nowhere_left = writeln!(out, "system: not changed: {error}\n  by hand: {by_hand}");
            false
        }
    }
}

/// Stores of Chromium and of Firefox's profiles.
fn nss_stores(home: &Path) -> Vec<PathBuf> {
    let profiles = |folder: &str| {
        let entries = fs::read_dir(home.join(folder)).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let mut stores = vec![home.join(".pki/nssdb")];
    stores.extend(profiles(".mozilla/firefox"));
    stores.extend(profiles("snap/firefox/common/.mozilla/firefox"));
    stores.retain(|store| store.join("cert9.db").is_file());
    stores
}

/// Whose browsers.
struct Browsers {
    home: PathBuf,
    /// Absent for whoever runs this.
    user: Option<String>,
}

/// Those of whoever runs this; and behind `sudo` those of whoever did that, too.
fn browsers() -> Vec<Browsers> {
    let own = std::env::var_os("HOME").map(|home| Browsers { home: home.into(), user: None });
    let behind = std::env::var_os("SUDO_USER").and_then(|user| user.into_string().ok());
    let behind = behind.filter(|user| is_root() && user != "root");
    let behind = behind.and_then(|user| {
        let entry = Command::new("getent").args(["passwd", &user]).output().ok()?;
        let entry = String::from_utf8(entry.stdout).ok()?;
        let home = entry.split(':').nth(5)?.into();
        Some(Browsers { home, user: Some(user) })
    });
    own.into_iter().chain(behind).collect()
}

fn nss(
    args: &Args,
    ca_file: &Path,
    store: &Path,
    user: Option<&str>,
    out: &mut impl Write,
) -> bool {
    let database = format!("sql:{}", store.display());
    // In their name, so that their files stay theirs; they can't read our folder, but our output.
    let mut command = match user {
        Some(user) => {
            let mut command = Command::new("runuser");
            command.args(["-u", user, "--", "certutil"]);
            command
        }
        None => Command::new("certutil"),
    };
    command.args(["-d", &database]);
    match args.uninstall {
        true => command.args(["-D", "-n", NICKNAME]),
        false => command.args(["-A", "-t", "C,,", "-n", NICKNAME]),
    };
    let input = if args.uninstall { None } else { fs::File::open(ca_file).ok() };
    command.stdin(input.map_or_else(Stdio::null, Stdio::from));
    match ran(&mut command) {
        Ok(()) => {
            let word = if args.uninstall { "does not trust it any more" } else { "trusts it" };
            let _nowhere_left = writeln!(out, "browser: {} {word}", store.display());
            true
        }
        Err(error) => {
            let _nowhere_left = writeln!(
                out,
                "browser: {} is not changed: {error}\n  by hand: {command:?}\n  certutil comes with \
                 the package libnss3-tools (Debian) or nss-tools (Fedora)",
                store.display()
            );
            args.uninstall // what is not there can't be taken out
        }
    }
}

fn ran(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it failed");
    Err(io::Error::other(last.trim().to_owned()))
}
