//! Where data is kept: one rule for every command.

use std::{
    ffi::OsString,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// No place follows from the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no data directory: --data-dir is not given, and neither $USHER_DATA_DIR nor $HOME is set")]
pub struct NoDataDir;

/// The option by which every command is told where data is kept.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct DataDir {
    /// Where usher keeps its data
    /// [default: $USHER_DATA_DIR, /var/lib/usher for root, else ~/.local/share/usher]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

impl DataDir {
    /// The data directory of whoever runs this; see [`fn@data_dir`].
    ///
    /// # Errors
    ///
    /// [`NoDataDir`].
    pub fn find(&self) -> Result<PathBuf, NoDataDir> {
        data_dir(self.data_dir.as_deref(), |name| std::env::var_os(name), is_root())
    }
}

/// The data directory: `--data-dir`; else `$USHER_DATA_DIR`; else `/var/lib/usher` for root, and
/// for others `$XDG_DATA_HOME/usher` or `~/.local/share/usher`.
///
/// Root comes before XDG: `sudo` keeps the variables of the person who typed it.
///
/// # Errors
///
/// [`NoDataDir`] when nothing of that is set. A relative or empty XDG path counts as unset, as its
/// specification has it.
pub fn data_dir(
    option: Option<&Path>,
    environment: impl Fn(&str) -> Option<OsString>,
    is_root: bool,
) -> Result<PathBuf, NoDataDir> {
    let set = |name| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = option.map(Path::to_owned).or_else(|| set("USHER_DATA_DIR")) {
        return Ok(dir);
    }
    if is_root {
        return Ok("/var/lib/usher".into());
    }
    let absolute = |name| set(name).filter(|path: &PathBuf| path.is_absolute());
    let base = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .ok_or(NoDataDir)?;
    Ok(base.join("usher"))
}

/// Does this process run as root? Where the system does not tell, no.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rule() {
        const SUDO: [(&str, &str); 2] = [("XDG_DATA_HOME", "/home/ann/data"), ("HOME", "/root")];
        for (option, environment, root, expected, why) in [
            (Some("/o"), &[("USHER_DATA_DIR", "/e")][..], true, Some("/o"), "the option wins"),
            (Some("here"), &[], false, Some("here"), "and may be relative"),
            (None, &[("USHER_DATA_DIR", "/e"), ("HOME", "/h")], true, Some("/e"), "environment"),
            (None, &SUDO, true, Some("/var/lib/usher"), "sudo keeps variables of others"),
            (None, &SUDO, false, Some("/home/ann/data/usher"), "XDG"),
            (None, &[("HOME", "/h")], false, Some("/h/.local/share/usher"), "its default"),
            (
                None,
                &[("USHER_DATA_DIR", ""), ("XDG_DATA_HOME", "x"), ("HOME", "/h")],
                false,
                Some("/h/.local/share/usher"),
                "empty and relative are unset",
            ),
            (None, &[], false, None, "nothing is set"),
        ] {
            let lookup = |name: &str| {
                environment.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into())
            };
            let dir = data_dir(option.map(Path::new), lookup, root).ok();
            assert_eq!(dir.as_deref(), expected.map(Path::new), "{why}");
        }
    }
}
