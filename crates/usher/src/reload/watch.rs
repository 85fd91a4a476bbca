//! Sees that the config, or a file that it names, has changed: the content is another one, and whole.
//! It compiles nothing; who is told loads anew, or goes on with what is in force.
//!
//! Looks at the content instead of waiting for the kernel's word: editors write beside and rename,
//! container engines exchange a folder that a symbolic link points at, and network file systems
//! tell nothing. The files are few and small.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::digest::{Context, SHA256};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// No more of a file is looked at, in bytes.
const LONGEST: u64 = 4 << 20;

/// Follows the content of some files.
#[derive(Debug)]
pub struct Watch {
    paths: Vec<PathBuf>,
    known: Seen,
    every: Duration,
    /// Is anything followed at all (`config_hot_reload`)?
    follows: bool,
}

/// A digest over every file, or over their absence.
type Seen = [u8; 32];

impl Watch {
    /// Follows these files from their content of now on.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self::looking(paths, EVERY)
    }

    /// Follows nothing, whatever it is told later.
    pub fn nothing() -> Self {
        Self { follows: false, ..Self::looking(Vec::new(), EVERY) }
    }

    fn looking(paths: Vec<PathBuf>, every: Duration) -> Self {
        let known = look(&paths);
        Self { paths, known, every, follows: true }
    }

    /// Follows these files instead. What is known of them stays what was last told, so that a
    /// change in between is told as well.
    pub fn follow(&mut self, paths: Vec<PathBuf>) {
        if self.follows && paths != self.paths {
            self.paths = paths;
            self.known = look(&self.paths);
        }
    }

    /// Resolves when the content has changed and is the same at two looks: a file that is being
    /// written is not told half.
    ///
    /// May be dropped at any time; nothing is missed.
    pub async fn changed(&mut self) {
        if self.paths.is_empty() {
            std::future::pending::<()>().await;
        }
        let mut before = self.known;
        loop {
            tokio::time::sleep(self.every).await;
            let seen = look(&self.paths);
            if seen != self.known && seen == before {
                self.known = seen;
                return;
            }
            before = seen;
        }
    }
}

fn look(paths: &[PathBuf]) -> Seen {
    let mut digest = Context::new(&SHA256);
    for path in paths {
        match read(path) {
            Ok(bytes) => {
                digest.update(&bytes.len().to_be_bytes());
                digest.update(&bytes);
            }
            Err(_) => digest.update(&usize::MAX.to_be_bytes()), // a file that is gone is another
        }
    }
    let mut seen = Seen::default();
    seen.copy_from_slice(digest.finish().as_ref());
    seen
}

/// A file's content; of a folder, what lies in it and when each was changed, three levels deep: as
/// deep as certificates are looked for.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if path.is_dir() {
        let mut seen = Vec::new();
        list(path, 3, &mut seen);
        return Ok(seen);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn list(folder: &Path, depth: usize, seen: &mut Vec<u8>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let Ok(about) = std::fs::metadata(&path) else { continue }; // links are followed
        seen.extend(path.as_os_str().as_encoded_bytes());
        if about.is_dir() {
            if depth > 1 {
                list(&path, depth - 1, seen);
            }
            continue;
        }
        seen.extend(about.len().to_be_bytes());
        if let Ok(changed) = about.modified() {
            let since = changed.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            seen.extend(since.as_nanos().to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

    use super::Watch;

    const TICK: Duration = Duration::from_secs(2);

    async fn tells(watch: &mut Watch, looks: u32) -> bool {
        tokio::time::timeout(TICK * looks + TICK / 2, watch.changed()).await.is_ok()
    }

    fn watch(path: &Path) -> Watch {
        Watch::looking(vec![path.to_owned()], TICK)
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, "one").unwrap();
        let mut watch = watch(&file);
        assert!(!tells(&mut watch, 3).await, "nothing has changed");

        fs::write(&file, "tw").unwrap();
        assert!(!tells(&mut watch, 1).await, "seen once: it may be half");
        fs::write(&file, "two").unwrap();
        assert!(tells(&mut watch, 2).await);
        assert!(!tells(&mut watch, 3).await, "told once");
    }

    #[tokio::test(start_paused = true)]
    async fn ways_in_which_files_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("v1")).unwrap();
        fs::create_dir(at("v2")).unwrap();
        fs::write(at("v1/config.yaml"), "one").unwrap();
        fs::write(at("v2/config.yaml"), "two").unwrap();
        std::os::unix::fs::symlink("v1", at("now")).unwrap();
        let mut watch = watch(&at("now/config.yaml"));

        std::os::unix::fs::symlink("v2", at("next")).unwrap();
        fs::rename(at("next"), at("now")).unwrap();
        assert!(tells(&mut watch, 2).await, "a link that points elsewhere");

        fs::write(at("draft"), "three").unwrap();
        fs::rename(at("draft"), at("v2/config.yaml")).unwrap();
        assert!(tells(&mut watch, 2).await, "a file renamed over it");

        fs::remove_file(at("v2/config.yaml")).unwrap();
        assert!(tells(&mut watch, 2).await, "a file that is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_is_given_up_misses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, "one").unwrap();
        let mut watch = watch(&file);
        fs::write(&file, "two").unwrap();
        assert!(!tells(&mut watch, 1).await);
        assert!(tells(&mut watch, 2).await);
    }
}
