//! What the server of a data directory says of its config, for commands that want to know.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::directory;

const FILE: &str = "usher.plan.json";

/// The config in force, and the one that was refused since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// The id of the plan in force.
    pub plan: String,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// How many routes it has.
    pub routes: usize,
    /// How many warnings.
    pub warnings: usize,
    /// The file that it was read from.
    pub config: PathBuf,
    /// What of it is in force after a restart alone.
    #[serde(default)]
    pub waits: Vec<String>,
    /// What came after it, and changed nothing.
    pub refused: Option<RefusedConfig>,
}

/// A config that was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefusedConfig {
    /// When, in seconds since 1970.
    pub at: u64,
    /// Why, in one sentence.
    pub cause: String,
    /// Each problem, as `usher check --json` shows it.
    pub problems: Vec<serde_json::Value>,
}

impl InForce {
    /// Writes it down in place of what was there: whole, or not at all.
    ///
    /// # Errors
    ///
    /// The disk's: what is there stays.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let (path, new) = (dir.join(FILE), dir.join(format!("{FILE}.new")));
        let mut file = directory::new_file(dir, &new).map_err(io::Error::other)?;
        file.set_len(0)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(new, path)
    }

    /// What was written down last; `None` where nothing is that can be read.
    pub fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(dir.join(FILE)).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{InForce, RefusedConfig};

    #[test]
    fn what_is_written_last_is_read() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(InForce::read(dir.path()), None);
        let refused = RefusedConfig { at: 7, cause: "x".repeat(1000), problems: vec![1.into()] };
        let mut in_force = InForce {
            plan: "00000000".into(),
            since: 1,
            routes: 2,
            warnings: 0,
            config: "/etc/usher/config.yaml".into(),
            waits: vec!["keys".into()],
            refused: Some(refused),
        };
        in_force.write(dir.path()).unwrap();
        in_force.refused = None;
        in_force.write(dir.path()).unwrap();
        assert_eq!(InForce::read(dir.path()), Some(in_force), "and nothing of the longer one");
    }
}
