//! Which usher is the one that runs here? A command that looks into, or changes, another data
//! directory says so: the commonest way to add somebody who then can't sign in is to forget `sudo`.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::data_dir::{data_dir, is_root};
use crate::store::{Alone, ServedBy};

/// Where `deploy/usher.service` and root keep it.
const SERVICE: &str = "/var/lib/usher";

/// Says on standard error that `dir` is not what a running usher serves.
pub(super) fn tell_of_another(dir: &Path) {
    let places = usual_places(|name| std::env::var_os(name));
    if let Some(note) = note(dir, &places) {
        let _nowhere_left = writeln!(io::stderr().lock(), "{note}");
    }
}

/// The config of the server that runs on `dir`, where it says which.
pub(super) fn config_in_use(dir: &Path) -> Option<PathBuf> {
    match Alone::served_by(dir) {
        ServedBy::Server { config, .. } => config,
        ServedBy::Nobody | ServedBy::Hidden => None,
    }
}

/// Where a server may keep its data that was started without being told.
fn usual_places(environment: impl Fn(&str) -> Option<std::ffi::OsString> + Copy) -> Vec<PathBuf> {
    let own = data_dir(None, environment, is_root()).ok();
    let at_home = |name: &str| if name == "USHER_DATA_DIR" { None } else { environment(name) };
    let home = data_dir(None, at_home, false).ok();
    [Some(SERVICE.into()), own, home].into_iter().flatten().collect()
}

fn note(dir: &Path, places: &[PathBuf]) -> Option<String> {
    if matches!(Alone::served_by(dir), ServedBy::Server { .. } | ServedBy::Hidden) {
        return None; // it is the one, or opening it is refused with words of its own
    }
    let same = |place: &Path| {
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        real(place) == real(dir)
    };
    let here = format!("note: this is about {}, which no running usher serves", dir.display());
    let others = || places.iter().filter(|place| !same(place));
    let served = others().find_map(|place| match Alone::served_by(place) {
        ServedBy::Server { pid, .. } => Some((place, pid)),
        ServedBy::Nobody | ServedBy::Hidden => None,
    });
    if let Some((place, pid)) = served {
        let place = place.display();
        return Some(format!("{here}; the one that runs (process {pid}) has --data-dir {place}"));
    }
    let hidden = others().find(|place| is_out_of_reach(place));
    Some(match hidden {
        Some(place) => {
            let place = place.display();
            format!("{here}; one may run with {place}, which only root can look into: use sudo")
        }
        None => here,
    })
}

/// Is it there, and not for us to look into?
fn is_out_of_reach(place: &Path) -> bool {
    let looked = std::fs::read_dir(place);
    looked.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::{Alone, config_in_use, note};
    use crate::store::Store;

    #[test]
    fn a_command_that_uses_another_data_directory_says_so() {
        let home = tempfile::tempdir().unwrap();
        let [served, other] = ["served", "other"].map(|name| home.path().join(name));
        for dir in [&served, &other] {
            drop(Store::open(dir).unwrap());
        }
        let places = [served.clone(), other.clone()];
        let nobody = note(&other, &places).unwrap();
        assert!(nobody.ends_with("which no running usher serves"), "{nobody}");

        let alone = Alone::take(&served).unwrap();
        Alone::serves(&served, "/etc/usher/config.yaml".as_ref());
        assert_eq!(config_in_use(&served).unwrap().to_str(), Some("/etc/usher/config.yaml"));
        assert_eq!(config_in_use(&other), None);
        assert_eq!(note(&served, &places), None, "it is the one");
        let said = note(&other, &places).unwrap();
        let pid = std::process::id();
        let end = format!("(process {pid}) has --data-dir {}", served.display());
        assert!(said.contains(&*other.display().to_string()) && said.ends_with(&end), "{said}");
        let second = Alone::take(&served).unwrap_err().to_string();
        assert!(second.contains(&pid.to_string()), "{second}");
        assert!(!second.contains("config.yaml"), "the process alone: {second}");
        drop(alone);
        assert!(note(&served, &places).is_some(), "the file stays, the lock does not");
    }
}
